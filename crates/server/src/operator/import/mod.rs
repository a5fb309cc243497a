//! Import in bulk, with a reason for every entry that is refused. Unlike in the account protocol a bad
//! entry refuses only itself.
//!
//! - `entry`: what an entry may say; the one place of its rules.
//! - `outcome`: what the store made of entries.
//! - `list`: up to 10,000 entries as one JSON array, imported as a whole.

mod entry;
pub(super) mod list;
mod outcome;
