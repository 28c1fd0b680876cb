//! The protocol at its edges: first packets, versions, keys, names and texts in any bytes, and what is no session at all.

mod cancel_keys;
mod cancel_stress;
mod encodings;
mod errors;
mod first_packets;
mod refusals;
mod replication;
mod sockets;
mod upstream_keys;
