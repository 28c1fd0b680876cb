//! What the upstream database is made of: the catalog snapshot that questions are read against.
//!
//! Owns the snapshot's types, the catalog queries that fill it, and its refresh. Never knows who is asking
//! (`access` narrows a snapshot to a role) nor what a question is.

pub mod snapshot;

pub mod cache;
pub mod catalog;
pub mod control;
pub mod fingerprint;
mod freshness;
pub mod keeper_book;
mod keeper_catalog;
pub mod keeper_source;
pub mod keepers;
mod queries;
pub mod quote;
pub mod render;
mod sample;
pub mod sensitive;
pub mod settings;
pub mod state_words;
mod values;
