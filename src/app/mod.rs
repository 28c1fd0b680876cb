//! From the command line to running rooms: one file for each command.
//!
//! Owns the exit codes, and the only place where rooms are put together. Read `cli` first.

pub mod ask;
pub mod check;
pub mod cli;
pub mod console;
pub mod demo;
pub mod eval;
pub mod failure;
pub mod print_config;
pub mod rooms;
pub mod serve;
pub mod state;
pub mod table;
pub mod throwaway;
