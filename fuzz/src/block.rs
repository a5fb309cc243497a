//! A block of records.

/// One input.
pub fn check(data: &[u8]) {
    muster_store_local::fuzzing::block(data);
}
