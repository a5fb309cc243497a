//! How a session can end, and who is told what of it (`docs/sessions.md`).

use muster_wire::webhook::StateChange;
use tokio_tungstenite::tungstenite::{
    Error,
    error::ProtocolError,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use muster_accounts::Ended;

/// How a session ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Over {
    /// The client said so.
    SignedOut,
    /// The connection broke, or the client left without a word.
    LinkClosed,
    /// What the client sent is no WebSocket message, or too long.
    Malformed(CloseCode),
    /// No sign of life.
    TimedOut,
    /// The server stops.
    Stopping,
    /// Somebody ended it.
    Ended(Ended),
}

impl Over {
    /// A client that closes as it should has signed out; a browser whose page is left says another
    /// thing.
    pub(super) fn by_client(frame: Option<&CloseFrame>) -> Self {
        match frame.map(|frame| frame.code) {
            None | Some(CloseCode::Normal | CloseCode::Status) => Self::SignedOut,
            Some(_) => Self::LinkClosed,
        }
    }

    /// What is to be said to what cannot be read.
    pub(super) fn unreadable(error: &Error) -> Self {
        match error {
            Error::Capacity(_) => Self::Malformed(CloseCode::Size),
            Error::Utf8(_) => Self::Malformed(CloseCode::Invalid),
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Self::LinkClosed,
            Error::Protocol(_) => Self::Malformed(CloseCode::Protocol),
            _ => Self::LinkClosed,
        }
    }

    /// What the app's webhook is told; `None` where whoever ended the session has told already.
    pub(super) fn change(self) -> Option<StateChange> {
        match self {
            Self::SignedOut => Some(StateChange::Logout),
            Self::TimedOut => Some(StateChange::TimeOut),
            Self::LinkClosed | Self::Malformed(_) | Self::Stopping => Some(StateChange::LinkClose),
            Self::Ended(_) => None,
        }
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::SignedOut => "signed out",
            Self::LinkClosed => "connection closed",
            Self::Malformed(_) => "closed: what came is no message, or too long",
            Self::TimedOut => "timed out",
            Self::Stopping => "closed: the server stops",
            Self::Ended(Ended::Kicked) => "kicked",
            Self::Ended(Ended::Deleted) => "closed: the account was deleted",
            Self::Ended(Ended::AppDisabled) => "closed: the app was disabled",
            Self::Ended(Ended::Closed) => "closed by an operator",
        }
    }

    /// What the client is told when it is closed (`docs/sessions.md`).
    pub(super) fn close(self) -> Option<(CloseCode, &'static str)> {
        match self {
            // Closed already, or gone.
            Self::SignedOut | Self::LinkClosed => None,
            Self::Malformed(code) => Some((code, "")),
            Self::TimedOut => Some((CloseCode::Library(4008), "timed out")),
            Self::Stopping => Some((CloseCode::Away, "server stops")),
            Self::Ended(Ended::Kicked) => Some((CloseCode::Library(4001), "kicked")),
            Self::Ended(Ended::Deleted) => Some((CloseCode::Library(4002), "account deleted")),
            Self::Ended(Ended::AppDisabled) => Some((CloseCode::Library(4003), "app disabled")),
            Self::Ended(Ended::Closed) => Some((CloseCode::Library(4004), "closed by operator")),
        }
    }
}
