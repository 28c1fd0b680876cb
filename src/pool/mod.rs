//! pool

pub mod control;
pub mod endpoint;
pub mod settings;
