//! The services and commands that are answered (wire §3).

/// A group of commands. It decides some error codes and the shape of the envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// `im_open_login_svc`: accounts.
    ImOpenLoginSvc,
    /// `openim`: online status.
    OpenIm,
    /// `profile`: profiles. Its answers carry `ErrorDisplay` (wire §1.3).
    Profile,
}

/// Defines [`Command`] from one table.
macro_rules! commands {
    ($($command:ident: $service:ident, $service_name:literal / $name:literal, $calls_per_s:literal;)*) => {
        /// A command of the protocol.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "each is the command of its name, wire §3")]
        pub enum Command {
            $($command,)*
        }

        impl Command {
            /// Every command.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$command),*];

            /// The service that it belongs to.
            pub fn service(self) -> Service {
                match self {
                    $(Self::$command => Service::$service,)*
                }
            }

            /// Its name, the last segment of the path.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$command => $name,)*
                }
            }

            /// The path of the request line.
            pub fn path(self) -> &'static str {
                match self {
                    $(Self::$command => concat!("/v4/", $service_name, "/", $name),)*
                }
            }

            /// How many calls per second an app may make unless a setting says otherwise.
            pub fn calls_per_s(self) -> u32 {
                match self {
                    $(Self::$command => $calls_per_s,)*
                }
            }
        }
    };
}

commands! {
    AccountImport:      ImOpenLoginSvc, "im_open_login_svc" / "account_import",      200;
    MultiaccountImport: ImOpenLoginSvc, "im_open_login_svc" / "multiaccount_import", 100;
    AccountDelete:      ImOpenLoginSvc, "im_open_login_svc" / "account_delete",      100;
    AccountCheck:       ImOpenLoginSvc, "im_open_login_svc" / "account_check",       100;
    Kick:               ImOpenLoginSvc, "im_open_login_svc" / "kick",                200;
    QueryOnlineStatus:  OpenIm,         "openim"            / "query_online_status", 200;
    Querystate:         OpenIm,         "openim"            / "querystate",          200;
    PortraitSet:        Profile,        "profile"           / "portrait_set",        200;
    PortraitGet:        Profile,        "profile"           / "portrait_get",        200;
}

impl Command {
    /// The command whose calls per second this one counts among: both paths of the online status
    /// share one count (wire §2.1).
    #[must_use]
    pub fn counted_as(self) -> Self {
        match self {
            Self::Querystate => Self::QueryOnlineStatus,
            command => command,
        }
    }
}
