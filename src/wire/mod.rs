//! The protocol's bytes: frames, the few messages we read or build, startup, SCRAM both ways.
//!
//! Owns how bytes are framed, buffered, read and written. Never knows SQL, pools, configuration or who is asking.
//! Start with [`frame`] and [`buffer`]; [`server`] opens a connection to PostgreSQL, [`client`] accepts one.

pub mod buffer;
pub mod client;
pub mod exchange;
pub mod frame;
pub mod message;
pub mod meter;
pub mod scram;
pub mod server;
pub mod startup;
pub mod stream;
