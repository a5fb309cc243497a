//! Where the calls go: scheme, host, port, and a path in front.

use std::net::IpAddr;

use hyper::{Uri, http::uri::Scheme};

/// The base URL of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub(crate) tls: bool,
    /// Without the brackets of an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Host and port as they stand in the URL.
    pub(crate) authority: String,
    /// Put before the path of every call; without a slash at its end.
    pub(crate) base_path: String,
}

impl Endpoint {
    /// Takes an `http` or `https` URL of scheme, host, port and path.
    pub fn parse(text: &str) -> Result<Endpoint, EndpointError> {
        if text.contains('#') {
            return Err(EndpointError::Extra("a fragment"));
        }
        let uri: Uri = text.parse().map_err(|_| EndpointError::NotAUrl)?;
        let tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) => return Err(EndpointError::Scheme(scheme.to_string())),
            None => return Err(EndpointError::NotAUrl),
        };
        let authority = uri.authority().ok_or(EndpointError::NotAUrl)?;
        if authority.as_str().contains('@') {
            return Err(EndpointError::Extra("a user name or password"));
        }
        if uri.query().is_some() {
            return Err(EndpointError::Extra("a query"));
        }
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        if host.is_empty() {
            return Err(EndpointError::NotAUrl);
        }
        Ok(Endpoint {
            tls,
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            authority: authority.to_string(),
            base_path: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// Whether it is this machine.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost"
            || self
                .host
                .parse()
                .is_ok_and(|address: IpAddr| address.is_loopback())
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.base_path)
    }
}

/// Why a text is no endpoint. It is not quoted, for it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Not a URL, or one without a scheme.
    #[error("write scheme, host and port, as in http://127.0.0.1:7080")]
    NotAUrl,
    /// Neither `http` nor `https`.
    #[error("the scheme is {0:?}; use http or https")]
    Scheme(String),
    /// More than is used.
    #[error("there is {0} in it; only scheme, host, port and path are used")]
    Extra(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (text, tls, host, port, shown, loopback) in [
            (
                "http://127.0.0.1:7080",
                false,
                "127.0.0.1",
                7080,
                "http://127.0.0.1:7080",
                true,
            ),
            (
                "http://[::1]:7080/",
                false,
                "::1",
                7080,
                "http://[::1]:7080",
                true,
            ),
            (
                "https://localhost",
                true,
                "localhost",
                443,
                "https://localhost",
                true,
            ),
            (
                "http://example.com/a/b/",
                false,
                "example.com",
                80,
                "http://example.com/a/b",
                false,
            ),
        ] {
            let endpoint = Endpoint::parse(text).unwrap();
            assert_eq!(
                (endpoint.tls, &*endpoint.host, endpoint.port),
                (tls, host, port),
                "{text}"
            );
            assert_eq!(endpoint.to_string(), shown);
            assert_eq!(endpoint.is_loopback(), loopback, "{text}");
        }
    }

    #[test]
    fn refused() {
        for (text, expected) in [
            ("127.0.0.1:7080", "write scheme, host and port"),
            ("localhost", "write scheme, host and port"),
            ("", "write scheme, host and port"),
            ("http://", "write scheme, host and port"),
            ("ftp://example.com", "the scheme is \"ftp\""),
            ("http://me:secret@example.com", "a user name or password"),
            ("http://example.com?usersig=secret", "a query"),
            ("http://example.com#secret", "a fragment"),
        ] {
            let error = Endpoint::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
