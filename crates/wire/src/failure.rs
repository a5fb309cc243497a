//! Failed calls: which code, and in which words (wire §2, §3.1). Every text that an `ErrorInfo` or
//! `ResultInfo` can hold is made in this file.

use std::{
    fmt::{self, Display},
    net::IpAddr,
};

use bytestring::ByteString;
use muster_accounts::{
    SdkAppId,
    id::UserIdError,
    profile::TooLong,
    rules::import::{Barred, ImportRefusal},
};
use muster_usersig::Rejection;

use crate::{
    Command, ErrorCode, Service,
    code::ErrorCode::{
        AccountNotAString, AppDisabled, BadBody, BadParameter, BadUrlParameter, BodyNotJson,
        DeletionNotAllowed, HttpParse, Internal, NotAdmin, NotImported, OpenImBadBody,
        OpenImInternal, OpenImNotAString, OpenImNotAdmin, OpenImTimedOut, OpenImTooMany, OverRate,
        ProfileBadParameter, ProfileInternal, ProfileNoAccounts, ProfileNotAdmin,
        ProfileNotImported, ProfileUnknownTag, ProfileValueNotAllowed, ProfileValueType,
        SdkAppIdMissing, SdkAppIdNotANumber, SourceNotAllowed, TimedOut, TooManyFailedChecks,
        TooManyRequests, UnknownApp, UnknownCommand, UserSigExpired, UserSigIdentifier,
        UserSigIllegal, UserSigKey, UserSigKicked, UserSigMissing, UserSigSdkAppId, ValueTooLong,
    },
    request_line::{shown_path, shown_value},
};

/// The answer FAIL: a code and what it says to the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// `ErrorCode`.
    pub code: ErrorCode,
    /// `ErrorInfo`. Holds no UserSig and no key; text of the caller's in it is cut.
    pub info: String,
    /// `FailAccounts`: in the own failures of `multiaccount_import`, in no other (wire §3.3).
    pub fail_accounts: Option<Vec<ByteString>>,
}

/// Check 1 to 7 (wire §2): the request line.
impl Failure {
    pub(crate) fn http_parse() -> Self {
        Self::new(HttpParse, "HTTP parse Error")
    }

    pub(crate) fn unknown_command(path: &str) -> Self {
        Self::new(
            UnknownCommand,
            format!("Unknown service or command \"{}\".", Cut(shown_path(path))),
        )
    }

    pub(crate) fn sdkappid_missing() -> Self {
        Self::new(SdkAppIdMissing, "sdkappid is missing from the URL.")
    }

    pub(crate) fn sdkappid_not_a_number(value: &str) -> Self {
        Self::new(
            SdkAppIdNotANumber,
            format!("sdkappid \"{}\" is not a number.", Cut(shown_value(value))),
        )
    }

    pub(crate) fn identifier_missing() -> Self {
        Self::new(BadUrlParameter, "identifier is missing from the URL.")
    }

    pub(crate) fn usersig_missing() -> Self {
        Self::new(UserSigMissing, "usersig is missing from the URL.")
    }

    pub(crate) fn contenttype_not_json(value: &str) -> Self {
        Self::new(
            BadUrlParameter,
            format!("contenttype \"{}\" is not json.", Cut(shown_value(value))),
        )
    }
}

/// Checks 8 to 15 (wire §2), and what can go wrong at any time: the server's to find.
impl Failure {
    /// Check 8: there is no such app.
    pub fn unknown_app(sdkappid: SdkAppId) -> Self {
        Self::new(UnknownApp, format!("SDKAppID {sdkappid} does not exist."))
    }

    /// Check 9: the app is switched off.
    pub fn app_disabled(sdkappid: SdkAppId) -> Self {
        Self::new(AppDisabled, format!("SDKAppID {sdkappid} is disabled."))
    }

    /// Check 10: the app has an allow-list, and the caller's address is not on it.
    pub fn source_not_allowed(source: IpAddr, sdkappid: SdkAppId) -> Self {
        let info =
            format!("Source address {source} is not on the allow-list of SDKAppID {sdkappid}.");
        Self::new(SourceNotAllowed, info)
    }

    /// Check 11: too many UserSigs of this identifier failed within a minute.
    pub fn too_many_failed_checks(identifier: &str) -> Self {
        let info = format!(
            "Too many failed UserSig checks for \"{}\"; wait one minute.",
            Cut(identifier)
        );
        Self::new(TooManyFailedChecks, info)
    }

    /// Checks 12a to 12e: the UserSig is refused.
    pub fn usersig(rejection: &Rejection) -> Self {
        match rejection {
            Rejection::Illegal(_) => Self::new(
                UserSigIllegal,
                "The UserSig in use is illegal. Please regenerate UserSig through official API. \
                 (FYI: https://cloud.tencent.com/document/product/269/32688 )",
            ),
            Rejection::SdkAppId { requested, signed } => Self::new(
                UserSigSdkAppId,
                format!(
                    "The requested SDKAppID({requested}) does not match the Usersig({signed}). \
                     You can run a self-checking with the assistant tool on the console."
                ),
            ),
            Rejection::Identifier { requested, signed } => Self::new(
                UserSigIdentifier,
                format!(
                    "The requested UserID({}) does not match the Usersig({}).",
                    Cut(requested),
                    Cut(signed)
                ),
            ),
            Rejection::Signature => Self::new(
                UserSigKey,
                "UserSig verification Failed. The UserSig in use maybe generated by Secret Key \
                 from other SDKAppID. Please regenerate UserSig by Secret Key from its own \
                 SDKAppID.",
            ),
            Rejection::Expired { ended_at_s, now_s } => Self::new(
                UserSigExpired,
                format!(
                    "The UserSig in use is expired: it ended at {ended_at_s}, the server time is \
                     {now_s}."
                ),
            ),
        }
    }

    /// Check 12f: the UserSig was issued at or before a kick.
    pub fn usersig_kicked(identifier: &str) -> Self {
        let info = format!(
            "The UserSig of \"{}\" was invalidated by a kick.",
            Cut(identifier)
        );
        Self::new(UserSigKicked, info)
    }

    /// Check 13: the caller is no admin of the app. The service decides the code.
    pub fn not_admin(service: Service, identifier: &str) -> Self {
        let code = match service {
            Service::ImOpenLoginSvc => NotAdmin,
            Service::OpenIm => OpenImNotAdmin,
            Service::Profile => ProfileNotAdmin,
        };
        Self::new(
            code,
            format!("identifier \"{}\" is not an app admin.", Cut(identifier)),
        )
    }

    /// Check 14: `limit` calls of the command have passed in this second.
    pub fn over_rate(command: Command, sdkappid: SdkAppId, limit: u32) -> Self {
        let name = command.name();
        let info = format!("More than {limit} calls per second to {name} for SDKAppID {sdkappid}.");
        Self::new(OverRate, info)
    }

    /// Check 15: the body is over the limit.
    pub fn body_too_large() -> Self {
        Self::bad_body()
    }

    /// The body did not arrive in time (wire §1.2).
    pub fn slow_body() -> Self {
        Self::bad_body()
    }

    fn bad_body() -> Self {
        Self::new(
            BadBody,
            "service timeout or request format error,please check and try again",
        )
    }

    /// The server has more to do than it takes on at a time; nothing was done (wire §1.2).
    pub fn overloaded() -> Self {
        Self::new(
            TooManyRequests,
            "The server has too much to do, nothing was done; try again in a second.",
        )
    }

    /// The work was not done in time; whether it happened is unknown (wire §1.2).
    pub fn timed_out(command: Command) -> Self {
        let code = match command.service() {
            Service::ImOpenLoginSvc => TimedOut,
            Service::OpenIm => OpenImTimedOut,
            Service::Profile => ProfileInternal,
        };
        Self::inside(code, command)
    }

    /// The store or the server failed; whether the work happened is unknown.
    pub fn internal(command: Command) -> Self {
        let code = match command.service() {
            Service::ImOpenLoginSvc => Internal,
            Service::OpenIm => OpenImInternal,
            Service::Profile => ProfileInternal,
        };
        Self::inside(code, command)
    }

    /// A failure that an operator asked for, to rehearse it. Without a text of the operator's it says
    /// that it is none of the server's own.
    pub fn injected(code: ErrorCode, command: Command, info: Option<&str>) -> Self {
        let meaning = || format!("Injected fault: {}.", code.meaning());
        let failure = Self::new(code, info.map_or_else(meaning, str::to_owned));
        if command == Command::MultiaccountImport {
            return failure.with_fail_accounts(Vec::new());
        }
        failure
    }

    /// The text goes by the code: profile has one code for both faults (wire §3.1).
    fn inside(code: ErrorCode, command: Command) -> Self {
        let info = match code {
            TimedOut | OpenImTimedOut => "Timed out inside the server, try again.",
            _ => "Internal error, try again.",
        };
        let failure = Self::new(code, info);
        if command == Command::MultiaccountImport {
            return failure.with_fail_accounts(Vec::new());
        }
        failure
    }
}

/// Checks 16 and 17 (wire §2, §3.1): the body.
impl Failure {
    pub(crate) fn not_json(service: Service) -> Self {
        match service {
            Service::OpenIm => Self::openim_bad_body(),
            Service::ImOpenLoginSvc | Service::Profile => {
                Self::new(BodyNotJson, "The request body is not a JSON object.")
            }
        }
    }

    pub(crate) fn openim_bad_body() -> Self {
        Self::new(
            OpenImBadBody,
            "Fail to Parse json data of body, Please check it",
        )
    }

    pub(crate) fn openim_not_a_string(position: usize) -> Self {
        Self::new(
            OpenImNotAString,
            format!("To_Account[{position}] is not a string."),
        )
    }

    pub(crate) fn openim_too_many(entries: usize, limit: usize) -> Self {
        let info = format!("To_Account has {entries} entries, the limit is {limit}.");
        Self::new(OpenImTooMany, info)
    }

    pub(crate) fn account_not_a_string() -> Self {
        Self::new(AccountNotAString, "body account invalid")
    }

    pub(crate) fn missing(path: impl Display) -> Self {
        Self::bad_parameter(format_args!("{path} is missing."))
    }

    pub(crate) fn not_an_array(path: impl Display) -> Self {
        Self::bad_parameter(format_args!("{path} is not an array."))
    }

    pub(crate) fn not_an_object(path: impl Display) -> Self {
        Self::bad_parameter(format_args!("{path} is not an object."))
    }

    pub(crate) fn not_a_string(path: impl Display) -> Self {
        Self::bad_parameter(format_args!("{path} is not a string."))
    }

    pub(crate) fn empty(path: impl Display) -> Self {
        Self::bad_parameter(format_args!("{path} is empty."))
    }

    pub(crate) fn too_many(path: impl Display, entries: usize, limit: usize) -> Self {
        Self::bad_parameter(format_args!(
            "{path} has {entries} entries, the limit is {limit}."
        ))
    }

    /// A name that cannot be a user id (wire §4.1).
    pub fn bad_user_id(id: &str, error: UserIdError) -> Self {
        let id = Cut(id);
        match error {
            UserIdError::Length { bytes } => Self::bad_parameter(format_args!(
                "UserID \"{id}\" is {bytes} bytes long, 1 to 32 are allowed."
            )),
            UserIdError::Byte => Self::bad_parameter(format_args!(
                "UserID \"{id}\" has a byte outside 0x20-0x7e."
            )),
        }
    }

    pub(crate) fn admin_cannot_be_deleted(id: &str) -> Self {
        Self::bad_parameter(format_args!(
            "UserID \"{}\" is an app admin and cannot be deleted.",
            Cut(id)
        ))
    }

    /// There is no such account.
    pub fn not_imported() -> Self {
        Self::new(NotImported, "Err_TLS_PT_Open_Login_Account_Not_Exist")
    }

    pub(crate) fn deletion_not_allowed(sdkappid: SdkAppId) -> Self {
        let info = format!(
            "SDKAppID {sdkappid} does not allow account deletion; lift the restriction in its \
             settings."
        );
        Self::new(DeletionNotAllowed, info)
    }

    fn bad_parameter(what: fmt::Arguments<'_>) -> Self {
        Self::new(BadParameter, format!("Invaild parameters. {what}"))
    }

    pub(crate) fn too_long(path: impl Display, TooLong { bytes, limit_bytes }: TooLong) -> Self {
        let info = format!("{path} is {bytes} bytes long, the limit is {limit_bytes}.");
        Self::new(ValueTooLong, info)
    }

    pub(crate) fn profile_bad_parameter() -> Self {
        Self::new(ProfileBadParameter, "Err_Profile_Comm_Decode_Fail")
    }

    pub(crate) fn profile_no_accounts() -> Self {
        Self::new(ProfileNoAccounts, "To_Account is missing or empty.")
    }

    pub(crate) fn profile_not_imported(id: &str) -> Self {
        Self::new(
            ProfileNotImported,
            format!("Account \"{}\" is not imported.", Cut(id)),
        )
    }

    pub(crate) fn profile_unknown_tag(tag: &str) -> Self {
        Self::new(ProfileUnknownTag, format!("Unknown Tag \"{}\".", Cut(tag)))
    }

    pub(crate) fn profile_value_not_allowed(tag: &str, value: &str) -> Self {
        let info = format!("\"{}\" is not allowed for {tag}.", Cut(value));
        Self::new(ProfileValueNotAllowed, info)
    }

    pub(crate) fn profile_value_type(tag: &str, wanted: &str) -> Self {
        Self::new(
            ProfileValueType,
            format!("The value of {tag} must be a {wanted}."),
        )
    }
}

/// Refusals of the rules.
impl Failure {
    pub(crate) fn import_refused(refusal: &ImportRefusal) -> Self {
        match refusal {
            ImportRefusal::AllBarred(barred) => {
                let Barred { user_id, until, .. } =
                    barred.first().expect("AllBarred names at least one user");
                let info = format!(
                    "UserID \"{user_id}\" was deleted and cannot be imported again before {until}."
                );
                Self::new(ErrorCode::Barred, info)
            }
            ImportRefusal::OverCap { cap } => Self::new(
                ErrorCode::OverCap,
                format!(
                    "Exceeded accunt number limit. To create more than {cap} accunts, please \
                     upgrade to pro-version"
                ),
            ),
        }
    }
}

impl Failure {
    fn new(code: ErrorCode, info: impl Into<String>) -> Self {
        Self {
            code,
            info: info.into(),
            fail_accounts: None,
        }
    }

    pub(crate) fn with_fail_accounts(self, fail_accounts: Vec<ByteString>) -> Self {
        Self {
            fail_accounts: Some(fail_accounts),
            ..self
        }
    }
}

/// Text of the caller's, cut to 64 characters.
struct Cut<'a>(&'a str);

impl Display for Cut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LIMIT_CHARS: usize = 64;
        let Some((end, _)) = self.0.char_indices().nth(LIMIT_CHARS) else {
            return f.write_str(self.0);
        };
        f.write_str(&self.0[..end])?;
        f.write_str("...")
    }
}
