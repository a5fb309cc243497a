//! Import in bulk, with a reason for every entry that is refused. Unlike in the account protocol a bad
//! entry refuses only itself.
//!
//! - `entry`: what an entry may say; the one place of its rules.
//! - `outcome`: what the store made of entries.
//! - `list`: up to 10,000 entries as one JSON array, imported as a whole.
//! - `lines`: any number of them, a line each, imported commit by commit while they come. `body_lines` cuts
//!   the body into lines, `gathered` makes a commit of them.

mod body_lines;
mod entry;
mod gathered;
pub(super) mod lines;
pub(super) mod list;
mod outcome;
