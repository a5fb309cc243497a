//! The records as a fuzzer sees them: nothing but bytes, of which any may lie on a damaged disk.
//!
//! No part of the API. The records are private to this crate and stay so; what has to hold of them
//! is therefore said here, and `fuzz/` brings the bytes.

use muster_accounts::{InternalId, SdkAppId, rules::Known};

use crate::{
    app_record,
    record::{decode, decode_head, encode_account, encode_tombstone},
};

/// Panics unless these bytes are refused, or read as an account or tombstone that is written and
/// read again as the same.
pub fn record(value: &[u8]) {
    let head = decode_head(value);
    let known = match decode(InternalId::FIRST, value) {
        Ok(known) => known,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let (user_id, texts) = head
        .map(|head| (head.user_id, head.texts))
        .expect("what reads as a whole has a head");
    let mut written = Vec::new();
    match &known {
        Known::Account(account) => {
            let place = encode_account(account, &mut written);
            assert!(texts == Some(&written[place]) && account.user_id == user_id);
        }
        Known::Deleted(tombstone) => {
            assert!(texts.is_none() && tombstone.user_id == user_id);
            encode_tombstone(tombstone, &mut written);
        }
        Known::Nothing => unreachable!("a record is of somebody"),
    }
    assert_eq!(decode(InternalId::FIRST, &written), Ok(known));
}

/// Panics unless these bytes are refused, or read as an app that is written and read again as the
/// same.
pub fn app_record(value: &[u8]) {
    let sdkappid = SdkAppId(1_400_000_000);
    match app_record::decode(sdkappid, value) {
        Ok(app) => assert_eq!(
            app_record::decode(sdkappid, &app_record::encode(&app)),
            Ok(app)
        ),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
