//! The record of an internal id.

/// One input.
pub fn check(data: &[u8]) {
    muster_store_local::fuzzing::record(data);
}
