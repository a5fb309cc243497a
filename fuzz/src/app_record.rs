//! The record of an app.

/// One input.
pub fn check(data: &[u8]) {
    muster_store_local::fuzzing::app_record(data);
}
