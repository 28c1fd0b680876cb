//! pgask: a PostgreSQL proxy that pools plain SQL untouched and answers questions asked in plain language.
//!
//! An ask is a query that was written late. The left wing moves bytes (`listener`, `session`, `pool`, `wire`);
//! the right wing decides words (`ask`, `synth`, `guard`, `access`, `schema`); `exec` is the one door between
//! them. Rooms are listed from the roof to the cellar, and a room imports only from rooms below it
//! (`ARCHITECTURE.md` prints the floors).

pub mod access;
pub mod app;
pub mod ask;
pub mod config;
pub mod error;
pub mod eval;
pub mod exec;
pub mod guard;
pub mod http;
pub mod listener;
pub mod names;
pub mod observe;
pub mod pool;
pub mod schema;
pub mod session;
pub mod state;
pub mod synth;
pub mod wire;
