//! Who the caller is and what it may see: a snapshot narrowed to one role.
//!
//! Owns privileges and the [`visible::Visible`] snapshot, and (with authentication) the verifiers that logins are
//! checked against. Never decides what SQL may do: that is `guard`.

pub mod directory;
pub mod verifier;
pub mod visible;

pub mod narrow;
pub mod privileges;
pub mod settings;
