//! What outlives a session: pinned questions, and what people said of their answers.
//!
//! Owns the records, where they are kept (an SQLite file, or PostgreSQL where several proxies share them), how old what
//! is known of them may be, and their spelling as text. Knows neither what SQL may do nor who may see it: whoever uses
//! a record proves its SQL first. Plain queries never come here. Read [`record`] first, then [`store::Store`].

pub mod record;
pub mod settings;
pub mod store;
pub mod text;

mod change;
mod postgres;
mod sqlite;
mod statements;
