//! From a Brief to a Draft: the providers that write SQL.
//!
//! Owns the provider chain, the Brief that a provider is given, the built-in engine and the model clients. Never
//! holds a database connection and never judges SQL: a Draft is worth nothing until `guard` has proved it.

pub mod brief;
pub mod builtin;
pub mod chain;
pub mod glossary;
pub mod openai;
pub mod prompt;
pub mod reply;
pub mod settings;

mod shorten;
