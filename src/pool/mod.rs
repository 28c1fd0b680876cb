//! pool

pub mod endpoint;
pub mod settings;
