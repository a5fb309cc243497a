//! The crate from outside: vectors made by public libraries, the tables of wire §6, and properties
//! that hold for any input.

mod private_map_key;
mod properties;
mod refusals;
mod tokens;
mod tolerance;
mod vectors;
mod verify;
