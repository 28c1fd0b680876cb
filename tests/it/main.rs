//! Black-box tests: the real binary, over real sockets, in front of a real PostgreSQL.

#![allow(
    clippy::unwrap_used,
    reason = "what a test's own helpers cannot do fails the test"
)]

mod ask_command;
mod asks;
mod command_line;
mod crowd;
mod demo;
mod differential;
mod drivers;
mod eval;
mod faults;
mod floors;
mod fuzz_diff;
mod fuzz_seeds;
mod guard;
mod harness;
mod hostile;
mod isolation;
mod keepers;
mod lexing;
mod model_asks;
mod operating;
mod pins;
mod pooling;
mod probe;
mod protocol;
mod provider;
mod questions;
mod readme;
mod schema;
mod settings;
mod state;
mod state_table;
mod support;
