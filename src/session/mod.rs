//! One client's session: its login, its loop, and what keeps a server connection tied to it.
//!
//! Owns the decisions about a client's frames (plain, ask, setting), the bookkeeping of its prepared statements, and
//! the rules by which a connection goes back to its pool. Never parses plain SQL: one scan over its words is all.
//! Start with [`serve`], which holds the loop; `frontend` and `backend` look at the frames of either side.

pub mod login;
pub mod marks;
pub mod serve;
pub mod words;

mod ask;
mod ask_settings;
mod backend;
mod conversation;
mod extended;
mod fenced;
mod finish;
mod frontend;
mod inquiry;
mod keepers;
mod lease;
mod naming;
mod own_names;
mod pins;
mod prepare;
mod pursuit;
mod read_back;
mod reading;
mod reception;
mod replication;
mod sequences;
mod set;
mod set_names;
mod set_statement;
mod settings;
mod shadow;
mod startup_settings;
mod statement_timeout;
mod statements;
mod temporary_schema;
mod text_settings;
mod verbatim;
