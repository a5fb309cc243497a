//! The record of an account or of a tombstone.

/// One input.
pub fn check(data: &[u8]) {
    muster_store_local::fuzzing::record(data);
}
