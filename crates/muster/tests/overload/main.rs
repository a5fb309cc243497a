//! A server under attack or under far more load than it can carry: its memory stays bounded, what it
//! accepts is answered in time, the rest is refused at once, and afterwards it is as before.
//!
//! No figure here is a speed. The bounds on memory are those of the settings with as much again for
//! allocator and connections.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod attacks;
mod imports;
mod load;
mod peer;
mod server;
