//! The commands that a run calls.

/// One command of the account API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    AccountImport,
    MultiaccountImport,
    AccountCheck,
    PortraitGet,
    PortraitSet,
}

impl Command {
    /// All, in the order of their [`index`](Self::index).
    pub(crate) const ALL: [Command; 5] = [
        Command::AccountImport,
        Command::MultiaccountImport,
        Command::AccountCheck,
        Command::PortraitGet,
        Command::PortraitSet,
    ];

    pub(crate) fn index(self) -> usize {
        self as usize
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Command::AccountImport => "account_import",
            Command::MultiaccountImport => "multiaccount_import",
            Command::AccountCheck => "account_check",
            Command::PortraitGet => "portrait_get",
            Command::PortraitSet => "portrait_set",
        }
    }

    pub(crate) fn service(self) -> &'static str {
        match self {
            Command::AccountImport | Command::MultiaccountImport | Command::AccountCheck => {
                "im_open_login_svc"
            }
            Command::PortraitGet | Command::PortraitSet => "profile",
        }
    }
}
