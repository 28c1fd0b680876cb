//! What an operator's tools read over HTTP: `/metrics` and `/health`.
//!
//! Owns the HTTP listener. Never knows SQL, clients or servers: the state of the upstreams is a value handed in by
//! `app`.

pub mod serve;
pub mod settings;
