//! The records as a fuzzer sees them: nothing but bytes, of which any may lie on a damaged disk.
//!
//! No part of the API. The records are private to this crate and stay so; what has to hold of them
//! is therefore said here, and `fuzz/` brings the bytes.

use muster_accounts::{InternalId, SdkAppId, rules::Known};

use crate::{
    app_record, block,
    record::{NOTHING, decode, decode_head, encode_account, encode_tombstone},
};

/// Panics unless these bytes are refused, or read as a record that is written and read again as the
/// same.
pub fn record(value: &[u8]) {
    let head = decode_head(value);
    let known = match decode(InternalId::FIRST, value) {
        Ok(known) => known,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let head = head
        .expect("what reads as a whole has a head")
        .map(|head| (head.user_id, head.texts));
    let mut written = Vec::new();
    match &known {
        Known::Account(account) => {
            let place = encode_account(account, &mut written);
            assert_eq!(head, Some((account.user_id, Some(&written[place]))));
        }
        Known::Deleted(tombstone) => {
            assert_eq!(head, Some((tombstone.user_id, None)));
            encode_tombstone(tombstone, &mut written);
        }
        Known::Nothing => {
            assert_eq!(head, None);
            written.extend(NOTHING);
        }
    }
    assert_eq!(decode(InternalId::FIRST, &written), Ok(known));
}

/// Panics unless these bytes are refused, or read as a block that is written again as the same bytes.
pub fn block(value: &[u8]) {
    match block::places(value) {
        Ok(places) => {
            let records: Vec<_> = places.map(|place| &value[place]).collect();
            let mut written = Vec::new();
            block::encode(records.iter().copied(), &mut written);
            assert_eq!(written, value);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
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
