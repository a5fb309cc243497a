//! The error codes that muster raises, and those that only fault injection gives (wire §7).

/// Whether and when a caller should repeat a failed call as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Not before something is changed.
    No,
    /// At once, then with growing pauses.
    WithBackoff,
    /// After this many seconds.
    AfterSeconds(u32),
}

/// Defines [`ErrorCode`] from one table.
macro_rules! codes {
    ($($code:literal $name:ident $retry:expr, $meaning:literal;)*) => {
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

            /// What a caller should do about it.
            pub fn retry(self) -> Retry {
                match self {
                    $(Self::$name => $retry,)*
                }
            }
        }
    };
}

const NO: Retry = Retry::No;
const YES: Retry = Retry::WithBackoff;
const fn after(seconds: u32) -> Retry {
    Retry::AfterSeconds(seconds)
}

codes! {
    // Raised. profile
    40001 ProfileBadParameter    NO,  "a parameter of a profile command is bad or missing";
    40002 ProfileNoAccounts      NO,  "To_Account is missing or empty";
    40003 ProfileNotImported     NO,  "the account is not imported";
    40004 ProfileNotAdmin        NO,  "a profile command needs an app admin";
    40006 ProfileInternal        YES, "the profile storage failed or timed out";
    40009 ProfileUnknownTag      NO,  "unknown Tag";
    40601 ValueTooLong           NO,  "a value is over 500 bytes";
    40605 ProfileValueNotAllowed NO,  "the value is not allowed for this standard field";
    40610 ProfileValueType       NO,  "the value has the wrong type";

    // The request line, the app, the body.
    60002 HttpParse              NO,  "the URL or the method is wrong";
    60003 BodyNotJson            NO,  "the body is not a JSON object";
    60006 SdkAppIdNotANumber     NO,  "sdkappid is not a number";
    60007 OverRate               after(1), "the rate limit of this command is used up";
    // The advice is for a slow body; one that is too large stays so.
    60008 BadBody                YES, "the body is too large or did not arrive in time";
    60009 UnknownCommand         NO,  "unknown service or command";
    60012 SdkAppIdMissing        NO,  "sdkappid is missing";
    60015 AccountNotAString      NO,  "an account in the body is not a string";
    60016 AppDisabled            NO,  "the app is disabled";
    60018 TooManyRequests        after(1), "too many requests: the server has too much to do";
    60021 SourceNotAllowed       NO,  "the source address is not on the app's allow-list";
    60025 BadUrlParameter        NO,  "identifier or contenttype is missing or wrong in the URL";

    // UserSig
    70001 UserSigExpired         NO,  "the UserSig is expired; sign a new one";
    70002 UserSigMissing         NO,  "the UserSig is missing or empty";
    70003 UserSigIllegal         NO,  "the UserSig cannot be read";
    70009 UserSigKey             NO,  "the UserSig does not verify: it was made with another key";
    70013 UserSigIdentifier      NO,  "the UserSig is for another identifier";
    70014 UserSigSdkAppId        NO,  "the UserSig is for another SDKAppID";
    70020 UnknownApp             NO,  "the SDKAppID does not exist";
    70050 TooManyFailedChecks    after(60), "too many failed UserSig checks";
    70052 UserSigKicked          NO,  "the UserSig was invalidated by a kick; sign a new one";

    // im_open_login_svc
    70107 NotImported            NO,  "the account does not exist";
    70169 TimedOut               YES, "timed out inside the server";
    70398 OverCap                NO,  "the app's edition allows no more accounts";
    70399 Barred                 after(90 * 86_400), "deleted within the last 90 days; the text names the time";
    70402 BadParameter           NO,  "a parameter is bad or missing";
    70403 NotAdmin               NO,  "the call needs an app admin";
    70500 Internal               YES, "internal error";
    71000 DeletionNotAllowed     NO,  "the app does not allow account deletion";

    // openim
    90001 OpenImBadBody          NO,  "the body is not JSON, or To_Account is missing or empty";
    90003 OpenImNotAString       NO,  "an entry of To_Account is not a string";
    90009 OpenImNotAdmin         NO,  "an openim command needs an app admin";
    90011 OpenImTooMany          NO,  "To_Account has over 500 entries";
    90992 OpenImTimedOut         YES, "timed out inside the server";
    90994 OpenImInternal         YES, "internal error";

    // By fault injection only.
    30006 RelationInternal       YES, "deletion: the relationship chain failed";
    30007 RelationTimedOut       YES, "deletion: the relationship chain timed out";
    30008 RelationConflict       YES, "deletion: write conflict in the relationship chain";
    40005 ProfileSensitiveWords  NO,  "the value has sensitive words";
    40007 ProfileNoRead          NO,  "no permission to read the field";
    40008 ProfileNoWrite         NO,  "no permission to write the field";
    60004 AccountCheckFailed     YES, "the account check failed";
    60005 SignatureCheckFailed   YES, "the signature check failed";
    60010 NotAdminElsewhere      NO,  "the call needs an app admin";
    60011 SdkAppIdRate           after(1), "the rate limit of the SDKAppID is used up";
    60013 BackendNotJson         YES, "the backend's answer is not JSON";
    60014 AccountExchangeTimedOut YES, "the account exchange timed out";
    60017 RequestDisabled        NO,  "the request is disabled";
    60019 TooManyRequestsToo     after(1), "too many requests";
    60020 PlanMissing            NO,  "the plan is missing, expired or in arrears";
    60026 HostOfAnotherSite      NO,  "the host or the SDKAppID is of another site";
    60027 PushOnlyApp            NO,  "the app is for push only";
    60028 DailyQuota             after(86_400), "the daily quota of a trial app is used up";
    70004 UserSigMalformed4      NO,  "the UserSig is malformed inside";
    70005 UserSigMalformed5      NO,  "the UserSig is malformed inside";
    70006 UserSigMalformed6      NO,  "the UserSig is malformed inside";
    70007 UserSigMalformed7      NO,  "the UserSig is malformed inside";
    70008 UserSigMalformed8      NO,  "the UserSig is malformed inside";
    70010 UserSigMalformed10     NO,  "the UserSig is malformed inside";
    70015 NoVerificationMethod   NO,  "there is no verification method for the app";
    70016 KeyNotFound            NO,  "the app's key is not found";
    70051 AccountBlocked         NO,  "the account is on the block list";
    70114 AccountRestricted      NO,  "the account is restricted for security";
    70202 TimedOutToo            YES, "timed out inside the server";
    90995 OpenImInternal5        YES, "internal error";
    91000 OpenImInternal6        YES, "internal error";
}

impl ErrorCode {
    /// The code of this number, if the protocol has it and muster knows it.
    pub fn of(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.get() == number)
    }
}
