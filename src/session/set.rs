//! What a client's and a server's frames say of settings, and bringing the session's into force on a connection.

use bytes::{Bytes, BytesMut};

use super::marks::Marks;
use super::serve::Session;
use super::{set_names, set_statement, text_settings};
use crate::pool::lease::Lease;
use crate::pool::set_values::{SetChange, is_same};
use crate::pool::statement::Change;
use crate::wire::exchange::{Fate, Sent};
use crate::wire::message;

/// A portal's name, and what its statement sets.
pub(super) type PortalThatSets = (Box<[u8]>, Box<[SetChange]>);

impl Session {
    /// Notes what a statement on its way to the server says of settings; what it does, if its text tells for certain.
    pub(super) fn note_set(
        &mut self,
        sql: &[u8],
        marks: Marks,
        may_tell: bool,
    ) -> Option<Box<[SetChange]>> {
        if may_tell
            && marks.contains(Marks::SETS)
            && let Some(changes) = set_statement::parse(sql)
        {
            return Some(changes.into());
        }
        if marks.contains(Marks::SETS.with(Marks::MAY_SET)) {
            self.settings.said(set_names::read(sql));
        }
        None
    }

    /// Notes a portal whose statement may set, and that any other of its name is gone.
    pub(super) fn note_portal(&mut self, portal: &[u8], sql: &[u8], marks: Marks) {
        self.portals_that_set.retain(|(name, _)| **name != *portal);
        if marks.contains(Marks::SPEAKS_OF_SETTINGS)
            && let Some(changes) = self.note_set(sql, marks, true)
        {
            self.portals_that_set.push((portal.into(), changes));
        }
    }

    /// Notes that a message is on its way whose text tells what it sets.
    pub(super) fn sent_that_sets(&mut self, sent: Sent, changes: Option<Box<[SetChange]>>) {
        let Some(lease) = &mut self.server else {
            return;
        };
        match changes {
            Some(changes) => lease
                .exchange
                .sent_with(sent, Fate::Relay, Change::Sets(changes)),
            None => lease.exchange.sent(sent, Fate::Relay),
        }
    }

    /// Whether what has completed may have changed how literals are read, which is not reported before the batch ends.
    pub(super) fn may_read_otherwise(&self, command_tag: &[u8], due: Option<&Change>) -> bool {
        let any_set = || self.settings.may_have_set(text_settings::is_one);
        match (command_tag, due) {
            (b"SET" | b"RESET", Some(Change::Sets(changes))) => {
                changes.iter().any(|change| match change {
                    SetChange::Set(name, _) | SetChange::Reset(name) | SetChange::Passing(name) => {
                        text_settings::is_one(name)
                    }
                    SetChange::ResetAll => any_set(),
                    SetChange::Authorization(_) | SetChange::Role(_) => false,
                })
            }
            (b"SET" | b"RESET", _) => true,
            (b"DISCARD ALL", _) => any_set(),
            _ => self.settings.has_said(),
        }
    }

    /// Notes that a SET or a RESET has completed.
    pub(super) fn set_completed(&mut self, command_tag: &[u8], due: Option<Change>) {
        let changes = match due {
            Some(Change::Sets(changes)) => Some(changes),
            _ => None,
        };
        self.resetting |= match &changes {
            None => command_tag == b"RESET",
            Some(changes) => changes.iter().any(resets_application_name),
        };
        self.settings.completed(command_tag == b"SET", changes);
    }

    /// Notes a ReadyForQuery.
    #[inline]
    pub(super) fn settings_ready(&mut self) {
        if self.status != b'I' {
            self.settings.still_open();
            return;
        }
        self.portals_that_set.clear();
        let Some(lease) = &mut self.server else {
            return;
        };
        let changes = self.settings.ready(lease.exchange.is_empty());
        if !changes.is_empty() {
            self.settings.apply(&changes, &mut lease.in_force);
        }
    }

    /// Whether a connection is as the session wants it, and the client knows what it reports.
    #[inline]
    pub(super) fn is_as_wanted(&self, lease: &Lease) -> bool {
        is_same(&lease.in_force, &self.settings.wanted)
            && self.settings.was_told(&lease.reports)
            && lease.own.are_of(self.stays.session)
    }

    /// Tells the client of settings that this connection reports otherwise than the last one did.
    pub(super) fn tell_reports(&mut self, lease: &mut Lease) {
        if self.settings.was_told(&lease.reports) {
            return;
        }
        let mut out = BytesMut::new();
        let reports = lease.reports.clone();
        for (name, value) in &*reports {
            let mut told = self.settings.told.iter();
            if !told.any(|known| known.0 == *name && known.1 == *value) {
                message::put_parameter_status(&mut out, name, value);
                self.note_parameter(name.as_bytes(), value.as_bytes());
            }
        }
        if out.is_empty() {
            lease.reports = self.settings.told.clone();
        } else {
            self.to_client.insert(&out);
            self.settings.told = reports;
        }
    }

    /// Notes a ParameterStatus that goes to the client.
    pub(super) fn note_report(&mut self, body: &Bytes) {
        if let Some(lease) = &mut self.server {
            lease.note_report(body);
            self.settings.told = lease.reports.clone();
        }
    }
}

fn resets_application_name(change: &SetChange) -> bool {
    match change {
        SetChange::ResetAll => true,
        SetChange::Reset(name) => **name == *"application_name",
        _ => false,
    }
}
