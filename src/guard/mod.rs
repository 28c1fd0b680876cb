//! Proves that a Draft is one read-only query over what its caller may see, and makes it an Approved.
//!
//! Pure: no I/O, no clock, no configuration but the rules it is handed. Only this room can make an
//! [`approved::Approved`]; only `exec` takes one.

pub mod approved;
