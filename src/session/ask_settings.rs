//! `SET`, `SHOW` and `RESET` of `ask.*` settings, by either protocol.

use bytes::BytesMut;

use super::ask::{Frame, Ready};
use super::fenced;
use super::marks::Marks;
use super::serve::{Gone, Session};
use crate::ask::setting_statement::SettingCommand;
use crate::ask::table::Table;
use crate::error::{Refusal, SqlState};
use crate::wire::exchange::{Fate, Sent};
use crate::wire::frame::tag;
use crate::wire::message;

impl Session {
    /// Carries out a statement about a setting of ours: at once where nothing can undo it, otherwise when the server has
    /// come to it.
    pub(super) async fn apply_setting(
        &mut self,
        frame: Frame,
        command: &SettingCommand,
    ) -> Result<(), Gone> {
        let providers = self.shared.asks.providers();
        // A mistake is told before anything is sent.
        let mut tried = self.ask_state.settings.clone();
        let applied = tried.apply(command, &providers);
        let command_tag = match command {
            SettingCommand::Set { .. } => "SET",
            SettingCommand::Show { .. } => "SHOW",
            SettingCommand::Reset { .. } => "RESET",
        };
        let table = match applied {
            Err(refusal) => {
                self.refuse_ask(&frame, &refusal);
                return Ok(());
            }
            Ok(table) => table,
        };
        if frame.name.is_none() {
            self.from_client.discard(frame.header.frame_bytes);
            if self.status == b'T' && table.is_none() {
                self.set_within(command, command_tag);
                return Ok(());
            }
            self.ask_state.settings = tried;
            self.ask_state.settings_changed();
            self.answer_setting(table.as_ref(), command_tag);
            return Ok(());
        }
        // The server answers Describe and Bind; only its empty query completes in our words.
        let (sql, marks) = match &table {
            Some(table) => (Some(table.to_sql()), Marks::default()),
            None => {
                let value = match command {
                    SettingCommand::Set { name, .. } => tried.shown(name).unwrap_or_default(),
                    _ => String::new(),
                };
                let marks = if command_tag == "SET" {
                    Marks::SETTING_SET
                } else {
                    Marks::SETTING_RESET
                };
                (fenced::text_of(command, &value), marks)
            }
        };
        let Some(sql) = sql else {
            self.refuse_ask(&frame, &unspeakable_setting());
            return Ok(());
        };
        self.send(frame, Ready::plain(sql, marks)).await
    }

    /// Sets within a transaction block, by a simple Query.
    fn set_within(&mut self, command: &SettingCommand, command_tag: &str) {
        let mut out = BytesMut::new();
        self.set_in_transaction(command, &mut out);
        let mut complete = BytesMut::new();
        message::put_command_complete(&mut complete, command_tag);
        message::put_frame(&mut out, tag::SYNC, &[]);
        if let Some(lease) = &mut self.server {
            let bytes = Fate::Emit(complete[..].into());
            lease.exchange.sent(Sent::Emit, bytes);
            lease.exchange.sent(Sent::Sync, Fate::Relay);
        }
        self.from_client.insert(&out);
        self.in_batch = false;
    }

    /// Answers a simple Query about a setting without any server.
    fn answer_setting(&mut self, table: Option<&Table>, command_tag: &str) {
        let mut out = BytesMut::new();
        if let Some(table) = table {
            let names: Vec<&str> = table.columns().iter().map(|(name, _)| &**name).collect();
            message::put_text_row_description(&mut out, &names);
            for row in table.rows() {
                let cells: Vec<Option<String>> = row.iter().map(|cell| cell.as_text()).collect();
                let cells: Vec<Option<&str>> = cells.iter().map(Option::as_deref).collect();
                message::put_text_data_row(&mut out, &cells);
            }
        }
        message::put_command_complete(&mut out, command_tag);
        message::put_ready_for_query(&mut out, self.status);
        self.to_client.insert(&out);
        if self.status == b'I' {
            self.ask_state.settings.end_transaction();
            self.ask_state.settings_changed();
        }
    }
}

/// The refusal of a setting whose value a prepared statement cannot carry.
fn unspeakable_setting() -> Refusal {
    Refusal::new(
        SqlState::FEATURE_NOT_SUPPORTED,
        "this value cannot be set by a prepared statement",
    )
    .with_hint("Send the SET as a simple query.")
}
