//! observe

pub mod settings;
