//! What can be the URL of a webhook.
//!
//! The operator is told at once what is wrong with one, rather than the log at the first event.

use std::net::{Ipv4Addr, Ipv6Addr};

use thiserror::Error;

use crate::app::Webhook;

/// Why a text is no URL of a webhook. Says the rule, never the text: it may hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WebhookUrlError {
    /// Empty, or longer than [`Webhook::URL_LIMIT_BYTES`].
    #[error("the webhook URL has {bytes} bytes, 1 to 2048 are allowed")]
    Length {
        /// How long the text is.
        bytes: usize,
    },
    /// White space, a control character, a backslash, or anything beyond ASCII.
    #[error(
        "the webhook URL has a byte that is not allowed at position {position}, counted from 0; \
         write what is not printable ASCII as %XX, and a host name as xn--..."
    )]
    ForbiddenByte {
        /// Where it stands.
        position: usize,
    },
    /// Neither `http://` nor `https://` at the start.
    #[error(
        "the webhook URL has to start with https:// or http://, as in \
         https://hooks.example.com/muster"
    )]
    Scheme,
    /// A user name or password.
    #[error(
        "the webhook URL has a user name or password, which is never sent; leave it out, and set a \
         token for the receiver to know the sender by"
    )]
    UserInfo,
    /// A question mark.
    #[error(
        "the webhook URL has a query; muster writes a query of its own, so leave out the \
         question mark and what follows, or use the path"
    )]
    Query,
    /// A number sign.
    #[error(
        "the webhook URL has a fragment, which is never sent; leave out the # and what follows"
    )]
    Fragment,
    /// What stands for the host is none.
    #[error(
        "the webhook URL has no valid host; give a name, an IPv4 address, or an IPv6 address in \
         brackets, as in http://[::1]:8080/"
    )]
    Host,
    /// What stands for the port is none.
    #[error(
        "the webhook URL has no valid port; give a number from 1 to 65535, or leave the colon out"
    )]
    Port,
}

impl Webhook {
    /// The longest URL, in bytes.
    pub const URL_LIMIT_BYTES: usize = 2048;

    /// Takes the URL of a receiver in: `http` or `https`, a host, maybe a port and a path, and
    /// nothing else.
    pub fn parse_url(text: &str) -> Result<String, WebhookUrlError> {
        let bytes = text.len();
        if !(1..=Self::URL_LIMIT_BYTES).contains(&bytes) {
            return Err(WebhookUrlError::Length { bytes });
        }
        // Some readers of URLs take a backslash for a slash, and so another host for the host.
        let is_allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
        if let Some(position) = text.bytes().position(|byte| !is_allowed(byte)) {
            return Err(WebhookUrlError::ForbiddenByte { position });
        }
        let (scheme, rest) = text.split_once("://").ok_or(WebhookUrlError::Scheme)?;
        if !["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) {
            return Err(WebhookUrlError::Scheme);
        }
        // A fragment may hold a question mark, and either may hold an at sign; so in this order.
        let before_fragment = rest.split('#').next().unwrap_or_default();
        if before_fragment.contains('?') {
            return Err(WebhookUrlError::Query);
        }
        if before_fragment.len() < rest.len() {
            return Err(WebhookUrlError::Fragment);
        }
        let authority = rest.split('/').next().unwrap_or_default();
        if authority.contains('@') {
            return Err(WebhookUrlError::UserInfo);
        }
        let (host, port) = split_port(authority)?;
        if !is_host(host) {
            return Err(WebhookUrlError::Host);
        }
        if !port.is_none_or(is_port) {
            return Err(WebhookUrlError::Port);
        }
        Ok(text.to_owned())
    }
}

/// Host and port; the colons within brackets are the host's.
fn split_port(authority: &str) -> Result<(&str, Option<&str>), WebhookUrlError> {
    let Some(bracketed) = authority.strip_prefix('[') else {
        return Ok(match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        });
    };
    let (_, after) = bracketed.split_once(']').ok_or(WebhookUrlError::Host)?;
    let host = &authority[..authority.len() - after.len()];
    match after.strip_prefix(':') {
        None if after.is_empty() => Ok((host, None)),
        None => Err(WebhookUrlError::Host),
        Some(port) => Ok((host, Some(port))),
    }
}

fn is_host(host: &str) -> bool {
    if let Some(bracketed) = host.strip_prefix('[') {
        let address = bracketed.strip_suffix(']').unwrap_or_default();
        return address.parse::<Ipv6Addr>().is_ok();
    }
    // What ends with a number is read as an address everywhere, and never as a name.
    let name = host.strip_suffix('.').unwrap_or(host);
    if is_number(name.rsplit('.').next().unwrap_or_default()) {
        return host.parse::<Ipv4Addr>().is_ok();
    }
    let is_label = |label: &str| {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(is_allowed)
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

fn is_number(label: &str) -> bool {
    if let Some(hex) = label.strip_prefix("0x").or(label.strip_prefix("0X")) {
        return hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    }
    !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_port(port: &str) -> bool {
    port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
}
