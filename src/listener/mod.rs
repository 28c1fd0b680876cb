//! The door to the street: sockets that clients connect to, and a permit for each of them.
//!
//! Owns the accept loop and the limit on clients. Never reads a byte: that begins with `session::login`.

pub mod accept;
pub mod settings;

mod socket_file;
