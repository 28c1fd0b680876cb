//! From a statement text to an answer: the surface grammar, the pipeline, the memo of past answers.
//!
//! Owns how a question is spelled, what happens to it on its way from Question to Answer, the session settings
//! called `ask.*`, what is kept of questions (`pins`, `feedback`), and what the asker is told. Never talks to a server: what must be tried there goes through
//! [`pipeline::Probe`], which `exec` fills in. Read [`surface::find`] first, then [`pipeline::Pipeline`].

pub mod surface;

pub mod setting_statement;

pub mod pipeline;

pub mod answer;
pub mod conversation;
mod failure;
mod feedback;
mod fingerprint;
pub mod help;
mod kept;
pub mod memo;
pub mod notice;
mod pin_name;
mod pins;
pub mod session_settings;
pub mod settings;
pub mod table;
