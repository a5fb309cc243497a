//! URLs of webhooks: the reader by which they are sent to takes each that was allowed, and for the
//! same place.

use muster_accounts::app::Webhook;
use url::{ParseError, Url};

/// One input.
pub fn check(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let parsed = match Webhook::parse_url(text) {
        Ok(parsed) => parsed,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    assert_eq!(parsed, text);
    let url = match Url::parse(text) {
        // Which names these can stand for, only the reader knows; the operator API asks it.
        Err(ParseError::IdnaError) if text.to_ascii_lowercase().contains("xn--") => return,
        url => url.expect("can be sent to"),
    };
    assert!(["http", "https"].contains(&url.scheme()));
    assert_eq!((url.username(), url.password()), ("", None));
    assert_eq!((url.query(), url.fragment()), (None, None));

    let (_, rest) = text.split_once("://").unwrap();
    let authority = rest.split('/').next().unwrap();
    let host = url.host_str().unwrap();
    if host.starts_with('[') {
        // One address is written in many ways; that it is one is judged already.
        assert!(authority.starts_with('['));
        return;
    }
    let (name, port) = authority.split_once(':').unwrap_or((authority, ""));
    assert_eq!(name.to_ascii_lowercase(), host);
    if let Ok(port) = port.parse::<u16>() {
        assert_eq!(url.port_or_known_default(), Some(port));
    }
}
