//! The error codes that muster raises, and those that only fault injection gives (wire §7).

/// Defines [`ErrorCode`] from one table.
macro_rules! codes {
    ($($code:literal $name:ident $meaning:literal;)*) => {
        /// The `ErrorCode` of a failed call, or the `ResultCode` of a failed item.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u32)]
        pub enum ErrorCode {
            $(#[doc = concat!($code, ": ", $meaning)] $name = $code,)*
        }

        impl ErrorCode {
            /// Every code: those that are raised, then those that are injected only, each by number.
            pub const ALL: [Self; [$($code),*].len()] = [$(Self::$name),*];

            /// The number on the wire.
            pub fn get(self) -> u32 {
                self as u32
            }

            /// What it means, in one line.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => $meaning,)*
                }
            }
        }
    };
}

codes! {
    // Raised. profile
    40001 ProfileBadParameter "a parameter of a profile command is bad or missing";
    40002 ProfileNoAccounts "To_Account is missing or empty";
    40003 ProfileNotImported "the account is not imported";
    40004 ProfileNotAdmin "a profile command needs an app admin";
    40006 ProfileInternal "the profile storage failed or timed out";
    40009 ProfileUnknownTag "unknown Tag";
    40601 ValueTooLong "a value is over 500 bytes";
    40605 ProfileValueNotAllowed "the value is not allowed for this standard field";
    40610 ProfileValueType "the value has the wrong type";

    // The request line, the app, the body.
    60002 HttpParse "the URL or the method is wrong";
    60003 BodyNotJson "the body is not a JSON object";
    60006 SdkAppIdNotANumber "sdkappid is not a number";
    60007 OverRate "the rate limit of this command is used up";
    60008 BadBody "the body is too large or did not arrive in time";
    60009 UnknownCommand "unknown service or command";
    60012 SdkAppIdMissing "sdkappid is missing";
    60015 AccountNotAString "an account in the body is not a string";
    60016 AppDisabled "the app is disabled";
    60018 TooManyRequests "too many requests: the server has too much to do";
    60021 SourceNotAllowed "the source address is not on the app's allow-list";
    60025 BadUrlParameter "identifier or contenttype is missing or wrong in the URL";

    // UserSig
    70001 UserSigExpired "the UserSig is expired; sign a new one";
    70002 UserSigMissing "the UserSig is missing or empty";
    70003 UserSigIllegal "the UserSig cannot be read";
    70009 UserSigKey "the UserSig does not verify: it was made with another key";
    70013 UserSigIdentifier "the UserSig is for another identifier";
    70014 UserSigSdkAppId "the UserSig is for another SDKAppID";
    70020 UnknownApp "the SDKAppID does not exist";
    70050 TooManyFailedChecks "too many failed UserSig checks";
    70052 UserSigKicked "the UserSig was invalidated by a kick; sign a new one";

    // im_open_login_svc
    70107 NotImported "the account does not exist";
    70169 TimedOut "timed out inside the server";
    70398 OverCap "the app's edition allows no more accounts";
    70399 Barred "deleted within the last 90 days; the text names the time";
    70402 BadParameter "a parameter is bad or missing";
    70403 NotAdmin "the call needs an app admin";
    70500 Internal "internal error";
    71000 DeletionNotAllowed "the app does not allow account deletion";

    // openim
    90001 OpenImBadBody "the body is not JSON, or To_Account is missing or empty";
    90003 OpenImNotAString "an entry of To_Account is not a string";
    90009 OpenImNotAdmin "an openim command needs an app admin";
    90011 OpenImTooMany "To_Account has over 500 entries";
    90992 OpenImTimedOut "timed out inside the server";
    90994 OpenImInternal "internal error";

    // By fault injection only.
    30006 RelationInternal "deletion: the relationship chain failed";
    30007 RelationTimedOut "deletion: the relationship chain timed out";
    30008 RelationConflict "deletion: write conflict in the relationship chain";
    40005 ProfileSensitiveWords "the value has sensitive words";
    40007 ProfileNoRead "no permission to read the field";
    40008 ProfileNoWrite "no permission to write the field";
    60004 AccountCheckFailed "the account check failed";
    60005 SignatureCheckFailed "the signature check failed";
    60010 NotAdminElsewhere "the call needs an app admin";
    60011 SdkAppIdRate "the rate limit of the SDKAppID is used up";
    60013 BackendNotJson "the backend's answer is not JSON";
    60014 AccountExchangeTimedOut "the account exchange timed out";
    60017 RequestDisabled "the request is disabled";
    60019 TooManyRequestsToo "too many requests";
    60020 PlanMissing "the plan is missing, expired or in arrears";
    60026 HostOfAnotherSite "the host or the SDKAppID is of another site";
    60027 PushOnlyApp "the app is for push only";
    60028 DailyQuota "the daily quota of a trial app is used up";
    70004 UserSigMalformed4 "the UserSig is malformed inside";
    70005 UserSigMalformed5 "the UserSig is malformed inside";
    70006 UserSigMalformed6 "the UserSig is malformed inside";
    70007 UserSigMalformed7 "the UserSig is malformed inside";
    70008 UserSigMalformed8 "the UserSig is malformed inside";
    70010 UserSigMalformed10 "the UserSig is malformed inside";
    70015 NoVerificationMethod "there is no verification method for the app";
    70016 KeyNotFound "the app's key is not found";
    70051 AccountBlocked "the account is on the block list";
    70114 AccountRestricted "the account is restricted for security";
    70202 TimedOutToo "timed out inside the server";
    90995 OpenImInternal5 "internal error";
    91000 OpenImInternal6 "internal error";
}

impl ErrorCode {
    /// The code of this number, if the protocol has it and muster knows it.
    pub fn of(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.get() == number)
    }
}
