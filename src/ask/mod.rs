//! From a statement text to an answer: the surface grammar, the pipeline, the memo of past answers.
//!
//! Owns how a question is spelled, what happens to it on its way from Question to Answer, the session settings
//! called `ask.*`, and what the asker is told. Never talks to a server: what must be tried there goes through a
//! trait that `exec` fills in. Start at [`surface::find`].

pub mod surface;
