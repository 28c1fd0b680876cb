//! What an operator can see of a running proxy: numbers and log lines.
//!
//! Owns the metrics, the log's form and its settings. Imports no room that it measures: rooms are handed
//! [`metrics::Metrics`] and write to it; only `http` reads it. No SQL, question, value or secret is ever a label.

pub mod log;
pub mod metrics;
pub mod settings;
