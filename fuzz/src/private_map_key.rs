//! The userbuf of a `PrivateMapKey` (wire §6.4): what reads is written with the same bytes.

use muster_usersig::{UserbufText, private_map_key::Userbuf};

/// One input.
pub fn check(data: &[u8]) {
    match Userbuf::decode(data) {
        Ok(userbuf) => {
            assert_eq!(userbuf.encode().as_deref(), Ok(data));
            assert!(!userbuf.rights.to_string().is_empty());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    assert_eq!(UserbufText::encode(data).decode().as_deref(), Ok(data));
    if let Ok(text) = str::from_utf8(data)
        && let Ok(bytes) = UserbufText::from_text(text.to_owned()).decode()
    {
        assert_eq!(UserbufText::encode(&bytes).as_str(), text);
    }
}
