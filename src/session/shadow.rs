//! `ask.*` settings that are set within a transaction, which may undo it.
//!
//! When a setting is undone only PostgreSQL knows: by a ROLLBACK, to a savepoint or of all, by an error, inside a
//! procedure. So each SET is done over on the server, on a setting of our own that stands for it. What it has come to is
//! asked behind what may have undone it, and at the end of the transaction, where it is reset.

use bytes::BytesMut;

use super::ask::AskState;
use super::inquiry::{Rows, Unknown};
use super::serve::Session;
use crate::ask::session_settings::{NAMES, Values};
use crate::ask::setting_statement::SettingCommand;

/// What the names of our copies begin with.
const PREFIX: &str = "pgask.ask_";

/// What is to be known of `ask.*` settings while a transaction is open.
#[derive(Debug, Default)]
pub(super) struct Shadows {
    /// What held before the first of them was set.
    base: Option<Values>,
    /// Those that have a copy on the server.
    names: Vec<&'static str>,
    /// Something has been rolled back since.
    in_doubt: bool,
    /// Everything was reset, and what ended last was no ROLLBACK.
    all_reset: bool,
}

impl AskState {
    /// Settings have changed in this transaction, and what is left of it is still to be found out.
    pub(super) fn must_settle(&self) -> bool {
        self.shadows.base.is_some()
    }

    /// Notes what a command says of settings that a transaction has changed.
    pub(super) fn note_end(&mut self, command_tag: &[u8]) {
        if self.shadows.base.is_some() && matches!(command_tag, b"ROLLBACK" | b"COMMIT") {
            self.shadows.in_doubt = true;
            self.shadows.all_reset &= command_tag == b"COMMIT";
        }
    }

    /// Everything is reset by RESET ALL, which a transaction may undo.
    pub(super) fn reset_in_transaction(&mut self) {
        let values = self.settings.current().clone();
        self.shadows.base.get_or_insert(values);
        self.shadows.all_reset = true;
        self.reset();
    }

    /// Takes over what the copies on the server hold; an empty one was never set, or that was undone.
    fn recall(&mut self, rows: &Rows, providers: &[&str]) {
        let Some(base) = self.shadows.base.clone() else {
            return;
        };
        let base = if self.shadows.all_reset {
            self.settings.defaults().clone()
        } else {
            base
        };
        let held = self
            .shadows
            .names
            .iter()
            .zip(rows)
            .filter_map(|(name, row)| {
                let value = row.first()?.as_deref()?;
                let value = std::str::from_utf8(value).ok()?;
                (!value.is_empty()).then_some((*name, value))
            });
        self.settings.recall(base, held, providers);
        self.shadows.in_doubt = false;
    }
}

impl Session {
    /// Applies a setting within a transaction, and appends the messages that do it over on the server.
    ///
    /// The command was found to be sound before.
    pub(super) fn set_in_transaction(&mut self, command: &SettingCommand, out: &mut BytesMut) {
        let providers = self.shared.asks.providers();
        let state = &mut self.ask_state;
        let before = state.settings.current().clone();
        if state.settings.apply(command, &providers).is_err() {
            return;
        }
        state.shadows.base.get_or_insert(before);
        let (name, local) = match command {
            SettingCommand::Set { name, local, .. } => (name, *local),
            SettingCommand::Reset { name } => (name, false),
            SettingCommand::Show { .. } => return,
        };
        for known in NAMES.into_iter().filter(|k| name == "all" || name == k) {
            let value = state.settings.shown(known).unwrap_or_default();
            let scope = if local { "LOCAL" } else { "SESSION" };
            let value = value.replace('\\', "\\\\").replace('\'', "''");
            let sql = format!("SET {scope} {PREFIX}{known} TO E'{value}'");
            if let Some(lease) = &mut self.server {
                lease.put_statement(out, sql.as_bytes());
            }
            if !state.shadows.names.contains(&known) {
                state.shadows.names.push(known);
            }
        }
        self.ask_state.settings_changed();
    }

    /// In the midst of a transaction: finds out what a ROLLBACK TO has left of the settings.
    pub(super) async fn settle_shadows_within(&mut self) {
        if !self.ask_state.shadows.in_doubt || self.status != b'T' {
            return;
        }
        // SHOW takes no snapshot, which the transaction may not have yet.
        let sql = shows(&self.ask_state.shadows.names);
        let rows = if sql.is_empty() {
            Rows::new()
        } else {
            match self.inquire_within(&sql).await {
                Ok(rows) => rows,
                Err(_) => return,
            }
        };
        let providers = self.shared.asks.providers();
        self.ask_state.recall(&rows, &providers);
        self.ask_state.settings_changed();
    }

    /// At the end of a transaction: finds out what it has left of the settings, and leaves no copy of them behind.
    ///
    /// # Errors
    /// They could not be asked for, and the connection may hold copies still.
    pub(super) async fn settle_shadows(&mut self) -> Result<(), Unknown> {
        let names = &self.ask_state.shadows.names;
        let resets = names.iter().map(|name| format!("RESET {PREFIX}{name};"));
        let sql = shows(names) + &resets.collect::<String>();
        let rows = if sql.is_empty() {
            Ok(Rows::new())
        } else {
            self.inquire(&sql).await
        };
        let providers = self.shared.asks.providers();
        if let Ok(rows) = &rows {
            self.ask_state.recall(rows, &providers);
        }
        self.ask_state.shadows = Shadows::default();
        self.ask_state.settings_changed();
        rows.map(drop)
    }
}

fn shows(names: &[&str]) -> String {
    let shows = names.iter().map(|name| format!("SHOW {PREFIX}{name};"));
    shows.collect()
}
