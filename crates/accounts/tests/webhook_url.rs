//! Which URLs a webhook can have.

use muster_accounts::{
    WebhookUrlError::{ForbiddenByte, Fragment, Host, Length, Port, Query, Scheme, UserInfo},
    app::Webhook,
};

#[test]
fn taken_as_they_are() {
    for url in [
        "http://127.0.0.1:9000",
        "https://hooks.example.com",
        "https://hooks.example.com/",
        "https://hooks.example.com./muster/events",
        "HTTPS://Hooks.Example.COM:8443/a%20b;c=d,@e",
        "http://localhost:1",
        "http://receiver_1:65535/",
        "http://9ab/",
        "http://xn--bcher-kva.example/",
        "http://[::1]/",
        "http://[2001:db8::7]:8080/x",
        "http://example.com/a//b/../c",
    ] {
        assert_eq!(Webhook::parse_url(url).as_deref(), Ok(url));
    }
}

#[test]
fn refused() {
    let long = |bytes: usize| format!("http://h/{}", "x".repeat(bytes - 9));
    assert_eq!(Webhook::parse_url(&long(2048)), Ok(long(2048)));
    let too_long = long(2049);
    let long_label = format!("http://{}.example/", "x".repeat(64));
    let long_name = format!("http://{}example/", "x.".repeat(124));
    for (url, expected) in [
        ("", Length { bytes: 0 }),
        (&too_long, Length { bytes: 2049 }),
        ("http://a b/", ForbiddenByte { position: 8 }),
        (" http://a/", ForbiddenByte { position: 0 }),
        ("http://a/\n", ForbiddenByte { position: 9 }),
        ("http://bücher.example/", ForbiddenByte { position: 8 }),
        (
            "http://good.example\\@evil.example/",
            ForbiddenByte { position: 19 },
        ),
        ("hooks.example.com", Scheme),
        ("localhost:9000/x", Scheme),
        ("http:/hooks.example.com", Scheme),
        ("//hooks.example.com", Scheme),
        ("ftp://hooks.example.com", Scheme),
        ("unix+http://hooks.example.com", Scheme),
        ("http://h/?", Query),
        ("http://h?a=b", Query),
        ("http://h/?a=http://me@h#c", Query),
        ("http://h/#", Fragment),
        ("http://h#a?b", Fragment),
        ("http://me@h/", UserInfo),
        ("http://me:secret@h/", UserInfo),
        ("http://@h/", UserInfo),
        ("http://", Host),
        ("http:///path", Host),
        ("http://:80/", Host),
        ("http://a..b/", Host),
        ("http://.a/", Host),
        ("http://./", Host),
        ("http://a%41/", Host),
        ("http://a,b/", Host),
        ("http://*.example/", Host),
        (&long_label, Host),
        (&long_name, Host),
        ("http://256.1.1.1/", Host),
        ("http://1.2.3/", Host),
        ("http://2130706433/", Host),
        ("http://0x7f000001/", Host),
        ("http://127.0.0.0x1/", Host),
        ("http://127.0.0.01/", Host),
        ("http://::1/", Host),
        ("http://[::1/", Host),
        ("http://[]/", Host),
        ("http://[127.0.0.1]/", Host),
        ("http://[::1]x/", Host),
        ("http://[fe80::1%25eth0]/", Host),
        ("http://h:/", Port),
        ("http://h:0/", Port),
        ("http://h:65536/", Port),
        ("http://h:+80/", Port),
        ("http://h:80:80/", Port),
        ("http://[::1]:x/", Port),
    ] {
        assert_eq!(Webhook::parse_url(url), Err(expected), "{url}");
    }
}

/// A URL may hold a secret.
#[test]
fn no_error_shows_the_url() {
    for url in [
        "http://me:s3cret@h/",
        "http://h/?token=s3cret",
        "http://h/#s3cret",
        "s3cret",
        "http://s3cret%/",
        "http://h:s3cret/",
        "http://h/s3cret\n",
    ] {
        let error = Webhook::parse_url(url).expect_err(url);
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
    }
}
