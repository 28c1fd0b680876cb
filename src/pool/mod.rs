//! Server connections, shared: which there are, who has one, and how a query on one is cancelled.
//!
//! Owns the pools (one for each upstream, database, role and set of startup settings), the leases on their
//! connections and who is next to have one, what is prepared on each of them, and the roster of clients. Never knows
//! what a client sends: when a connection may be given back is the session's decision.

pub mod control;
pub mod endpoint;
pub mod settings;

pub mod cancel;
pub mod connection;
pub mod connector;
pub mod dedicated;
pub mod lease;
pub mod own_names;
pub mod registry;
pub mod replay;
pub mod roster;
pub mod seat;
pub mod set_values;
pub mod statement;

mod epoch;
mod parking;

#[cfg(test)]
mod lease_test;
