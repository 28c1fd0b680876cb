//! The one door between the wings: an Approved is run in its caller's own session, behind fences.
//!
//! Owns the fence (read-only, bounded in time and rows) and the messages that run an ask. Takes nothing but what
//! `guard` approved, and does not trust even that: every limit is enforced by the server as well.

pub mod fence;
pub mod probe;
pub mod reader;
pub mod run;
