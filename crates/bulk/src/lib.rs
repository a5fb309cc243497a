//! Accounts in bulk: from a file into an app, and from an app into a file.
//!
//! An import goes one way:
//!
//! ```text
//! file ─► records ─► batches ─► lane ─► fates ─► journal
//! ```
//!
//! - `file`: formats and compression; reads records one by one and checks each by itself, and writes
//!   them.
//! - `batches`: up to so many users each.
//! - `users`: no two batches that are under way name one user, so what a file says of a user last is what
//!   counts in the end, however many calls are made at once.
//! - `lane`: how a batch gets there: [`multiaccount_import`](https://cloud.tencent.com/document/product/269/4919),
//!   or whole parts of the file to muster's operator API. It tries again for as long as that may help, and
//!   halves a batch that is refused for one of its entries, until it knows which.
//! - `journal`: what became of each record. Every record ends as imported, as failed (with a code and a
//!   reason), or as not tried. Failed ones go into a file that can be corrected and imported; a checkpoint
//!   says which are done, so that an import which was broken off goes on where it was.
//!
//! `export` goes the other way: pages of the operator API into a file.
//!
//! Nothing here writes to a terminal. Memory does not grow with the file.

mod batches;
mod checkpoint;
mod duplicates;
mod export;
pub mod file;
mod import;
mod journal;
mod lane;
mod pace;
mod ranges;
mod record;
mod users;

pub use checkpoint::{CheckpointError, Counts};
pub use export::{Export, ExportError, Exported, Step};
pub use import::{BreakOff, End, Import, Progress, Seen, Summary};
pub use journal::{Earlier, JournalError, JournalPaths};
pub use lane::{Lane, LaneError, Reasons, Tempo};
pub use pace::Trouble;
pub use record::{Entry, Fault, Raw, Record, Row};
