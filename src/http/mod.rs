//! http

pub mod settings;
