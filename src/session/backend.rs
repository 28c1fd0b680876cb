//! The server's frames: which of them tell us something, and which are not the client's to see.

use bytes::{Bytes, BytesMut};

use super::marks::Marks;
use super::serve::Session;
use crate::pool::connection::{UNKNOWN_OWNER, put_back};
use crate::pool::statement::Change;
use crate::wire::exchange::{Rows, Verdict};
use crate::wire::frame::{HEADER_BYTES, Header, split_cstr, tag};
use crate::wire::message;

/// An ErrorResponse or ParameterStatus longer than this passes unread.
const EXAMINED_BYTES_MAX: usize = 1024 * 1024;

impl Session {
    /// Looks at what has come from the server, as far as whole frames go.
    pub(super) fn scan_server(&mut self) {
        self.server_frame_wanted = 0;
        loop {
            self.emit_due();
            let Some(lease) = &mut self.server else {
                return;
            };
            let bytes = self.to_client.unscanned();
            let Some(header) = Header::read_backend(bytes) else {
                return;
            };
            if matches!(header.tag, tag::DATA_ROW | tag::COPY_DATA) {
                let passes = match lease.exchange.rows_due() {
                    Rows::Pass => true,
                    Rows::Drop => false,
                    Rows::Measured(meter) => {
                        let has_room = meter.take(header.frame_bytes);
                        if !has_room {
                            self.stop_answer();
                        }
                        has_room
                    }
                };
                if passes {
                    self.to_client.pass(header.frame_bytes);
                    continue;
                }
            }
            let Some(lease) = &mut self.server else {
                return;
            };
            let bytes = self.to_client.unscanned();
            let swallowing = lease.exchange.is_swallowing();
            let whole = bytes.len() >= header.frame_bytes;
            let describes = self.is_description_due(header.tag);
            let examined = describes
                || matches!(
                    header.tag,
                    tag::READY_FOR_QUERY
                        | tag::COMMAND_COMPLETE
                        | tag::PARAMETER_STATUS
                        | tag::ERROR_RESPONSE
                );
            if !whole && examined && header.frame_bytes <= EXAMINED_BYTES_MAX {
                self.server_frame_wanted = header.frame_bytes;
                return;
            }
            if whole && describes {
                self.note_description(header);
            }
            self.note_unnamed(header.tag);
            let Some(lease) = &mut self.server else {
                return;
            };
            let due = if header.tag == tag::COMMAND_COMPLETE
                && matches!(lease.exchange.token_due(), Some(Change::Sets(_)))
            {
                lease.exchange.take_due()
            } else {
                None
            };
            let verdict = lease.exchange.received(header.tag);
            let mut renamed = None;
            let tells = !swallowing
                || matches!(header.tag, tag::READY_FOR_QUERY | tag::ERROR_RESPONSE)
                || header.tag == tag::PARAMETER_STATUS && verdict == Verdict::Pass;
            if whole && examined && tells && !describes {
                renamed = self.note_server_frame(header, due);
            } else if header.tag == tag::ERROR_RESPONSE {
                self.take_back_lost(false);
            }
            match verdict {
                Verdict::Pass => match renamed {
                    Some(frame) => self.to_client.replace(header.frame_bytes, &frame),
                    None => self.to_client.pass(header.frame_bytes),
                },
                // An error of ours is nobody's, but a farewell is everybody's.
                Verdict::Drop | Verdict::Replace(_)
                    if header.tag == tag::ERROR_RESPONSE && self.server_farewell =>
                {
                    self.to_client.pass(header.frame_bytes);
                }
                Verdict::Drop => self.to_client.discard(header.frame_bytes),
                Verdict::Replace(bytes) => {
                    self.to_client.insert(&bytes);
                    self.to_client.discard(header.frame_bytes);
                }
            }
        }
    }

    /// Notes how far the server has come with messages that replace the unnamed statement.
    #[inline]
    fn note_unnamed(&mut self, code: u8) {
        if !matches!(
            code,
            tag::PARSE_COMPLETE | tag::CLOSE_COMPLETE | tag::READY_FOR_QUERY | tag::ERROR_RESPONSE
        ) {
            return;
        }
        let is_due = self
            .server
            .as_mut()
            .is_some_and(|lease| matches!(lease.exchange.token_due(), Some(Change::Replaced)));
        if code == tag::ERROR_RESPONSE {
            self.unnamed.has_failed = is_due;
        } else if is_due {
            self.unnamed.confirm();
        }
    }

    /// Puts answers of our own where their turn has come.
    pub(super) fn emit_due(&mut self) {
        if self.to_client.is_mid_frame() {
            return;
        }
        let Some(lease) = &mut self.server else {
            return;
        };
        while let Some(bytes) = lease.exchange.pop_emit() {
            self.to_client.insert(&bytes);
        }
    }

    /// Takes from a frame what it tells us; the frame to send in its place, when it must not go as it is.
    pub(super) fn note_server_frame(
        &mut self,
        header: Header,
        due: Option<Change>,
    ) -> Option<Vec<u8>> {
        let body = &self.to_client.unscanned()[HEADER_BYTES..header.frame_bytes];
        match header.tag {
            tag::READY_FOR_QUERY => {
                self.status = body.first().copied().unwrap_or(b'I');
                self.resetting = false;
                self.settings_ready();
                self.own_words_ahead = false;
                self.text_settings_in_doubt = false;
                self.names.ready(self.status);
                if self
                    .server
                    .as_ref()
                    .is_none_or(|lease| lease.exchange.is_empty())
                {
                    self.ask_state.running = None;
                    self.unnamed.settled();
                    self.ask_state.was_fenced = false;
                    // What was said of a block is answered: the status alone tells of it now.
                    self.marks.remove(Marks::BEGIN);
                }
                if self.pinned && self.status == b'I' {
                    self.shared.metrics.transactions.inc();
                    self.ask_state.end_transaction();
                }
                if self.status == b'I' {
                    let is_last = self
                        .server
                        .as_ref()
                        .is_none_or(|lease| lease.exchange.is_empty());
                    self.made.end(is_last, &self.watch);
                    if is_last {
                        let unfounded = self.pins.ready();
                        self.marks.remove(unfounded.with(Marks::SAYS_SEED));
                    }
                }
                if self.status == b'I' && std::mem::take(&mut self.defaults_changed) {
                    self.pool.look_anew();
                }
                if self.schema_changed && self.status == b'I' {
                    self.schema_changed = false;
                    let caller = self.pool.caller();
                    self.shared
                        .directory
                        .invalidate(&caller.upstream, &caller.database);
                }
            }
            tag::COMMAND_COMPLETE => {
                let command_tag = body.strip_suffix(b"\0").unwrap_or(body);
                if self.status == b'E' {
                    // Nothing but the end of the failed transaction, or of its failed part, completes in it.
                    self.status = b'T';
                }
                self.text_settings_in_doubt |= self.may_read_otherwise(command_tag, due.as_ref());
                self.marks.add(Marks::of_command_tag(command_tag));
                if command_tag == b"SET" && self.marks.contains(Marks::SAYS_SEED) {
                    self.marks.add(Marks::SEED);
                }
                self.schema_changed |= changes_schema(command_tag);
                self.defaults_changed |= changes_defaults(command_tag);
                self.marks.add(self.made.command(command_tag, self.marks));
                let is_last = self.nothing_was_sent_behind();
                self.pins.command(command_tag, self.marks, is_last);
                self.settings.steered(command_tag);
                self.ask_state.note_end(command_tag);
                match command_tag {
                    b"DISCARD ALL" => self.everything_discarded(),
                    b"DISCARD SEQUENCES" => self.sequences_discarded(),
                    b"DEALLOCATE ALL" => self.everything_deallocated(),
                    b"DEALLOCATE" => self.name_deallocated(),
                    b"PREPARE" => self.name_prepared(),
                    b"SET" => self.set_completed(b"SET", due),
                    b"RESET" => {
                        self.set_completed(b"RESET", due);
                        if self.marks.contains(Marks::RESET_ALL) {
                            self.marks.remove(Marks::RESET_ALL);
                            if self.status == b'T' {
                                self.ask_state.reset_in_transaction();
                            } else {
                                self.ask_state.reset();
                            }
                        }
                    }
                    _ => {}
                }
            }
            tag::PARAMETER_STATUS => {
                let (name, rest) = split_cstr(body)?;
                let (value, _) = split_cstr(rest)?;
                if name == b"application_name" {
                    let is_default = *value == *self.server_application_name.as_bytes();
                    return self.application_name_reported(is_default);
                }
                let (name, value) = (name.to_vec(), value.to_vec());
                let body = Bytes::copy_from_slice(body);
                self.note_report(&body);
                self.note_parameter(&name, &value);
            }
            _ => return self.note_error(header),
        }
        None
    }

    /// Notes a setting that the server reports.
    pub(super) fn note_parameter(&mut self, name: &[u8], value: &[u8]) {
        self.reported.note(name, value);
        match name {
            b"client_encoding" => self.encoding_is_utf8 = value.eq_ignore_ascii_case(b"UTF8"),
            b"TimeZone" => {
                self.ask_state.time_zone = std::str::from_utf8(value).ok().map(Into::into);
            }
            b"standard_conforming_strings" => self.standard_strings = value == b"on",
            _ => {}
        }
    }

    fn note_error(&mut self, header: Header) -> Option<Vec<u8>> {
        self.pins.failed(self.marks);
        let frame = &self.to_client.unscanned()[..header.frame_bytes];
        if matches!(message::error_field(frame, b'V'), Some(b"FATAL" | b"PANIC")) {
            self.server_farewell = true;
        }
        self.settings.failed();
        let is_aborted = message::error_field(frame, b'C') == Some(b"25P02");
        let renamed = match &self.ask_state.running {
            Some(sql) => message::with_internal_query(frame, sql),
            None if self.ask_state.was_fenced
                && message::error_field(frame, b'C') == Some(b"25006") =>
            {
                message::with_hint(frame, BEHIND_AN_ASK)
            }
            None => self
                .server
                .as_ref()
                .and_then(|lease| put_back(frame, lease.exchange.failed_name()?))
                .map(with_length),
        };
        self.take_back_lost(is_aborted);
        renamed
    }

    /// Takes back what an error kept from happening; `is_aborted` says that it is of a transaction which had failed
    /// before.
    fn take_back_lost(&mut self, is_aborted: bool) {
        let Some(lease) = &mut self.server else {
            return;
        };
        let mut replaced_count = 0;
        let mut described_not = Vec::new();
        for change in lease.exchange.take_lost() {
            match change {
                Change::Named { name, statement } => {
                    self.statements.remove(&name);
                    lease.forget(&statement);
                }
                Change::Unnamed { name, statement } => {
                    self.statements.insert(name, statement);
                }
                Change::Owned {
                    name,
                    statement,
                    is_alone,
                } => {
                    self.statements.insert(name, statement);
                    self.verbatim &= is_alone;
                }
                Change::Compared { statement } => {
                    self.preparing = None;
                    if statement.is_none() {
                        lease.unnamed_owner = UNKNOWN_OWNER;
                        self.unnamed.was_not_brought();
                    }
                }
                Change::Described { name, statement } => described_not.push((name, statement)),
                Change::UnnamedDescribed => {}
                Change::Closed(name) => lease.closing.push(name),
                Change::Replaced => replaced_count += 1,
                Change::Sets(_) => {}
            }
        }
        self.unnamed.take_back(replaced_count);
        if replaced_count > 0 && !self.unnamed.is_in_doubt() {
            lease.unnamed_owner = self.unnamed.owner_left();
        }
        for (name, statement) in described_not {
            if is_aborted {
                self.describe_later(name, statement);
            } else {
                self.name_stays(&name, &statement);
            }
        }
    }

    /// DISCARD ALL was carried out: the session is as new.
    fn everything_discarded(&mut self) {
        self.everything_deallocated();
        self.sequences_discarded();
        self.resetting = true;
        self.ask_state.reset();
        // Something sent behind it may have left its mark already.
        let alone = self.nothing_was_sent_behind();
        if let Some(lease) = &mut self.server {
            self.settings.discarded(&mut lease.in_force, alone);
        }
        if alone && !self.marks.contains(Marks::SESSION_MODE) {
            self.discarded_all();
        }
    }

    /// Whether what is being answered is the last that was sent.
    pub(super) fn nothing_was_sent_behind(&self) -> bool {
        self.server
            .as_ref()
            .is_some_and(|lease| lease.exchange.len() <= 1)
    }

    fn sequences_discarded(&mut self) {
        if let Some(lease) = &mut self.server {
            lease.past.forget_others();
        }
    }

    fn everything_deallocated(&mut self) {
        // The unnamed statement is none of those that are forgotten.
        self.statements.clear();
        self.names.forget();
        if let Some(lease) = &mut self.server {
            let unnamed_owner = lease.unnamed_owner;
            lease.forget_all();
            lease.unnamed_owner = unnamed_owner;
        }
    }

    /// A report of the application name: what the client is told instead when it was reset to the connection's own
    /// default. Any other name was set behind that.
    fn application_name_reported(&mut self, is_default: bool) -> Option<Vec<u8>> {
        if !self.resetting || !is_default {
            self.application_name_set = true;
            return None;
        }
        let changed = std::mem::take(&mut self.application_name_set);
        let own = self.application_name.as_deref();
        let mut report = BytesMut::new();
        if changed && let Some(own) = own {
            message::put_parameter_status(&mut report, "application_name", own);
        } else if changed {
            return None;
        }
        Some(report.to_vec())
    }
}

/// What is told where a batch cannot write because an ask stands before it.
const BEHIND_AN_ASK: &str = "An ask stands before it in the same batch, which has only read since. Send a Sync between \
                             them, or ask within a transaction block.";

/// A frame whose length says how long it has become.
fn with_length(mut frame: Vec<u8>) -> Vec<u8> {
    let length = u32::try_from(frame.len() - 1).unwrap_or(u32::MAX);
    frame[1..HEADER_BYTES].copy_from_slice(&length.to_be_bytes());
    frame
}

/// Whether a command may change what the next session begins with.
fn changes_defaults(command_tag: &[u8]) -> bool {
    matches!(
        command_tag,
        b"ALTER ROLE" | b"ALTER DATABASE" | b"ALTER SYSTEM"
    )
}

/// Whether a command changes what a snapshot of the schema holds, or who may see it.
fn changes_schema(command_tag: &[u8]) -> bool {
    const BEGINNINGS: [&[u8]; 7] = [
        b"CREATE ", b"ALTER ", b"DROP ", b"GRANT", b"REVOKE", b"COMMENT", b"IMPORT ",
    ];
    BEGINNINGS
        .iter()
        .any(|beginning| command_tag.starts_with(beginning))
}
