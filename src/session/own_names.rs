//! The client's prepared statements under the client's own names, where its SQL speaks of them.
//!
//! PostgreSQL has one set of names for what `PREPARE` and Parse prepare. A session's connection has the statements that
//! it needs under names of ours ([`super::prepare`]), and under the client's own only what a text has named: a `PREPARE`
//! has brought it there itself, and before an `EXECUTE` on another connection it is brought there again. They stay until
//! another session comes to the connection, which closes them. What a text does that cannot be read in full ties the
//! connection to the session instead ([`Session::use_own_names`]).

use std::collections::VecDeque;
use std::sync::Arc;

use super::marks::Marks;
use super::naming::{self, Naming, Namings};
use super::prepare::Brought;
use super::serve::Session;
use super::text_settings::freezes_time;
use super::words;
use crate::pool::own_names::OwnName;
use crate::pool::statement::{Change, Statement};
use crate::wire::exchange::{Fate, Sent};
use crate::wire::frame::{HEADER_BYTES, Header, split_cstr, tag};
use crate::wire::message;

/// What is under way with the client's own names.
#[derive(Debug, Default)]
pub(super) struct NamesUnderWay {
    /// What statements do that were sent, in order.
    changes: VecDeque<NameChange>,
    /// Portals whose statements do something.
    portals: Vec<(Box<[u8]>, NameChange)>,
    /// Portals that execute a name which the client had not given when they were bound; it may give it before they run.
    early: Vec<EarlyPortal>,
    /// What was prepared, and the server has yet to be asked what it made of it.
    undescribed: Vec<Undescribed>,
    /// Messages of ours have been sent for a Query, which waits at the front.
    holds_query: bool,
}

/// A statement that SQL has prepared, and the name that it has.
#[derive(Debug)]
struct Undescribed {
    name: Box<[u8]>,
    statement: Arc<Statement>,
    /// Nothing was sent behind it: the server can say of it what it made of it, and nothing fails.
    is_last: bool,
}

/// A portal that was bound before the name was given that it executes.
#[derive(Debug)]
struct EarlyPortal {
    portal: Box<[u8]>,
    executes: Box<[u8]>,
}

/// What a statement does with a name when it completes.
#[derive(Clone, Debug)]
enum NameChange {
    Prepared(Box<[u8]>, Arc<Statement>),
    Deallocated(Box<[u8]>),
}

/// Whether what a text says of names can be seen to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// They mean on the connection what they mean to the client, as far as the text needs it.
    Right,
    /// The frame has to wait for answers of the server.
    Wait,
    /// The frame has been refused, and is gone.
    Refused,
}

impl NamesUnderWay {
    /// Whether the server has told all that it is to be asked.
    #[inline]
    pub(super) fn are_known(&self) -> bool {
        self.undescribed.is_empty()
    }

    /// Whether a Query waits at the front for messages of ours that have been sent; it no longer does.
    pub(super) fn release_query(&mut self) -> bool {
        std::mem::take(&mut self.holds_query)
    }

    /// Notes a ReadyForQuery.
    #[inline]
    pub(super) fn ready(&mut self, status: u8) {
        self.changes.clear();
        if status == b'I' {
            self.portals.clear();
            self.early.clear();
        }
    }

    /// Every statement was deallocated.
    pub(super) fn forget(&mut self) {
        self.undescribed.clear();
    }
}

impl Session {
    /// Sees to it, before a Query or a Parse goes, that the names in it mean on the connection what they mean to the
    /// client.
    pub(super) fn see_to_names(&mut self, header: Header, marks: Marks) -> Names {
        let is_named = self.front_is_named_parse(header);
        let may_run_unseen = marks.contains(Marks::CODE) && self.has_own_prepares();
        let shows = marks.contains(Marks::SHOWS_STATEMENTS);
        let sql = self.front_text(header);
        let namings = if marks.contains(Marks::NAMES_STATEMENT) {
            self.namings(sql)
        } else {
            Some(Namings::default())
        };
        let speaks = namings.as_ref().is_none_or(|found| !found.all.is_empty());
        if !speaks && !shows && !may_run_unseen || self.is_copying_in() {
            return Names::Right;
        }
        if !self.is_answered() {
            return Names::Wait;
        }
        if self.status == b'E' {
            return Names::Right;
        }
        let can_follow = !is_named && !shows && !may_run_unseen;
        if can_follow && let Some(namings) = namings {
            let sql = self.front_text(header);
            if let Some(changes) = self.changes(&namings, sql) {
                return self.follow(header, &namings, changes);
            }
        }
        self.use_own_names_if_concerned(header, is_named, shows);
        // What it prepares is known when it has completed.
        self.names_in_doubt |= header.tag == tag::QUERY;
        Names::Right
    }

    /// The same before a Bind of the unnamed statement.
    pub(super) fn see_to_bound_names(&mut self, header: Header, portal: &[u8]) -> Names {
        self.names.portals.retain(|(name, _)| **name != *portal);
        self.names.early.retain(|early| *early.portal != *portal);
        if !self.unnamed.marks().contains(Marks::NAMES_STATEMENT) {
            return Names::Right;
        }
        let Some(namings) = self.namings(self.unnamed.sql()) else {
            return Names::Right;
        };
        let Some(changes) = self.changes(&namings, self.unnamed.sql()) else {
            self.batch_changes_names = true;
            self.bound_forgets = true;
            return Names::Right;
        };
        if !self.is_answered() {
            self.in_batch = true;
            return Names::Wait;
        }
        if self.status == b'E' {
            return Names::Right;
        }
        let seen_to = self.follow(header, &namings, Vec::new());
        for naming in &namings.all {
            if let Naming::Execute(name) = naming
                && !self.statements.contains_key(name)
            {
                self.names.early.push(EarlyPortal {
                    portal: portal.into(),
                    executes: name.clone(),
                });
            }
        }
        if seen_to == Names::Right && !changes.is_empty() {
            self.batch_changes_names = true;
            self.bound_forgets = true;
            let changes = changes.into_iter().map(|change| (portal.into(), change));
            self.names.portals.extend(changes);
        }
        seen_to
    }

    /// Notes that a portal is about to be executed, and sees to it that the connection has what it executes by name.
    pub(super) fn executes(&mut self, portal: &[u8], header: Header) -> Names {
        let early = self.names.early.iter();
        let names: Vec<_> = early
            .filter(|early| *early.portal == *portal)
            .map(|early| early.executes.clone())
            .collect();
        for name in names {
            if !self.statements.contains_key(&name) {
                continue;
            }
            match self.bring_own(&name, header) {
                Brought::Here(_) => {}
                Brought::Wait => return Names::Wait,
                Brought::Changed => {
                    self.refuse_changed_name(header);
                    return Names::Refused;
                }
            }
        }
        let at = self
            .names
            .portals
            .iter()
            .position(|(name, _)| **name == *portal);
        if let Some(at) = at {
            let (_, change) = self.names.portals.remove(at);
            self.names.changes.push_back(change);
        }
        Names::Right
    }

    /// Whether there are portals that [`Self::executes`] is to be told of.
    #[inline]
    pub(super) fn has_naming_portals(&self) -> bool {
        !self.names.portals.is_empty() || !self.names.early.is_empty()
    }

    /// What a text does with names, as far as it can be read.
    fn namings(&self, sql: &[u8]) -> Option<Namings> {
        // In some other encodings, bytes that look like ASCII are parts of letters.
        if !sql.is_ascii() && !self.encoding_is_utf8 {
            return None;
        }
        naming::read(sql)
    }

    /// What the statements of a text will have done with names; `None` where that cannot be followed.
    fn changes(&self, namings: &Namings, sql: &[u8]) -> Option<Vec<NameChange>> {
        let mut changes = Vec::new();
        for naming in &namings.all {
            match naming {
                Naming::Prepare(name, begins_at) => {
                    if namings.statement_count > 1 || self.verbatim {
                        return None;
                    }
                    let statement = self.prepare_statement(sql, *begins_at)?;
                    changes.push(NameChange::Prepared(name.clone(), statement));
                }
                Naming::Execute(name) => {
                    let statement = self.statements.get(name);
                    let runs_in_our_words = |statement: &Arc<Statement>| {
                        Marks::from_bits(statement.marks()).runs_in_our_words()
                    };
                    if statement.is_some_and(runs_in_our_words) {
                        return None;
                    }
                }
                Naming::Deallocate(name) => changes.push(NameChange::Deallocated(name.clone())),
                Naming::DeallocateAll => {}
            }
        }
        Some(changes)
    }

    /// What a `PREPARE` prepares, where another connection can make the same of it, and all it does is what every
    /// query does.
    fn prepare_statement(&self, prepare: &[u8], begins_at: usize) -> Option<Arc<Statement>> {
        let (before, sql) = prepare.split_at_checked(begins_at)?;
        let marks = words::scan(sql, self.watch.keepers());
        let harmless = Marks::INSERTS.with(Marks::NAMES_STATEMENT);
        if !before.is_ascii() || marks.without(harmless) != Marks::default() || freezes_time(sql) {
            return None;
        }
        let statements = self.pool.statements();
        Some(statements.begin_prepare(marks.bits(), prepare, begins_at))
    }

    /// Brings what a text executes, and has something stand where it prepares or deallocates what there is.
    fn follow(&mut self, header: Header, namings: &Namings, changes: Vec<NameChange>) -> Names {
        for naming in &namings.all {
            if let Naming::Execute(name) = naming {
                match self.bring_own(name, header) {
                    Brought::Here(_) => {}
                    Brought::Wait => return Names::Wait,
                    Brought::Changed => {
                        self.refuse_changed_name(header);
                        return Names::Refused;
                    }
                }
            }
        }
        if header.tag != tag::PARSE {
            for naming in &namings.all {
                match naming {
                    Naming::Execute(name) => self.note_executed(name),
                    Naming::Prepare(name, _) | Naming::Deallocate(name) => {
                        self.occupy(name, header);
                    }
                    Naming::DeallocateAll => {}
                }
            }
            self.names.release_query();
        }
        if header.tag == tag::QUERY {
            self.names_in_doubt |= !changes.is_empty();
            self.names.changes = changes.into();
        }
        Names::Right
    }

    /// Sees to it that the connection has a statement under the client's own name for it, or nothing where the client
    /// has nothing.
    fn bring_own(&mut self, name: &[u8], header: Header) -> Brought {
        let Some(statement) = self.statements.get(name).cloned() else {
            self.occupy(name, header);
            return Brought::Here(None);
        };
        let Some(lease) = &self.server else {
            return Brought::Wait;
        };
        if lease.own.is(name, statement.id()) {
            return Brought::Here(None);
        }
        let is_ahead = header.tag == tag::QUERY && !self.in_batch;
        self.own_words_ahead |= is_ahead;
        self.names.holds_query |= is_ahead;
        let brought = self.bring_to(&statement, name);
        if is_ahead {
            // The Query is no part of a batch, although messages of ours stand before it.
            self.in_batch = false;
        }
        brought
    }

    /// Has something stand under a name that the client has given, so that it can be deallocated and not be given
    /// again, and nothing under any other.
    fn occupy(&mut self, name: &[u8], header: Header) {
        let is_given = self.statements.contains_key(name);
        let Some(lease) = &mut self.server else {
            return;
        };
        let held = lease.own.of(name);
        let is_there = matches!(held, Some(OwnName::Statement(..) | OwnName::StandIn));
        if is_given && is_there || !is_given && held.is_none() {
            return;
        }
        let mut out = std::mem::take(&mut lease.scratch);
        out.clear();
        if held.is_some() {
            lease.own.remove(name);
            message::put_frame(&mut out, tag::CLOSE, &[b"S", name, b"\0"]);
            lease.exchange.sent(Sent::Close, Fate::Swallow);
        }
        if is_given {
            lease.own.put(self.stays.session, name, OwnName::StandIn);
            message::put_frame(&mut out, tag::PARSE, &[name, &[0; 4]]);
            lease.exchange.sent(Sent::Parse, Fate::Swallow);
        }
        self.from_client.insert(&out);
        lease.scratch = out;
        self.own_words_ahead |= header.tag == tag::QUERY && !self.in_batch;
    }

    /// Before a frame goes as it is that names a statement which the client does not have.
    pub(super) fn hide_own(&mut self, name: &[u8]) {
        let Some(lease) = &mut self.server else {
            return;
        };
        if lease.own.of(name).is_none() {
            return;
        }
        // Should an error keep this from happening, it stands there as before.
        lease.own.put(self.stays.session, name, OwnName::Other);
        lease.scratch.clear();
        message::put_frame(&mut lease.scratch, tag::CLOSE, &[b"S", name, b"\0"]);
        lease.exchange.sent(Sent::Close, Fate::Swallow);
        self.from_client.insert(&lease.scratch);
    }

    /// What a statement leaves behind, it leaves behind when it is executed by name, too.
    fn note_executed(&mut self, name: &[u8]) {
        let Some(statement) = self.statements.get(name).cloned() else {
            return;
        };
        let sql = statement.sql();
        let marks = words::scan(sql, self.watch.keepers());
        self.before_keeping(marks);
        self.marks.add(marks);
        if marks.contains(Marks::SPEAKS_OF_SETTINGS) {
            let _ = self.note_set(sql, marks, false);
        }
    }

    /// Refuses the frame at the front, whose statement has other columns by now.
    fn refuse_changed_name(&mut self, header: Header) {
        let in_batch = self.in_batch;
        self.refuse_changed(header);
        if header.tag == tag::QUERY {
            self.in_batch = in_batch;
            self.names.release_query();
            self.unnamed.forget();
        }
    }

    /// A `PREPARE` has completed.
    pub(super) fn name_prepared(&mut self) {
        let Some(NameChange::Prepared(name, statement)) = self.names.changes.pop_front() else {
            // It was not to be followed: from here on names pass as they are, unless some were mapped already.
            self.marks.add(Marks::PREPARE);
            let lease = self.server.as_ref();
            self.verbatim |=
                self.statements.is_empty() && lease.is_some_and(|lease| lease.own.is_empty());
            return;
        };
        if let Some(lease) = &mut self.server {
            let here = OwnName::Statement(statement.id(), true);
            lease.own.put(self.stays.session, &name, here);
        }
        self.statements.insert(name.clone(), statement.clone());
        let is_last = self.nothing_was_sent_behind();
        self.names.undescribed.push(Undescribed {
            name,
            statement,
            is_last,
        });
    }

    /// A `DEALLOCATE` of one name has completed.
    pub(super) fn name_deallocated(&mut self) {
        if let Some(NameChange::Deallocated(name)) = self.names.changes.pop_front() {
            self.statements.remove(&name);
            if let Some(lease) = &mut self.server {
                lease.own.remove(&name);
            }
        }
    }

    /// Asks the server what it made of what was prepared by SQL, as soon as it can be asked.
    #[inline]
    pub(super) fn describe_prepared(&mut self) {
        if !self.names.undescribed.is_empty() {
            self.describe_each();
        }
    }

    fn describe_each(&mut self) {
        let in_batch = self.in_batch;
        // What was sent behind it may have changed how it is read (`search_path`), or have dropped its tables: then the
        // question fails, and what is under way with it.
        let may_harm = (self.status == b'T' || in_batch)
            && self.names.undescribed.iter().any(|one| !one.is_last);
        if may_harm
            || self.status == b'E'
            || self.is_copying_in()
            || self.from_client.is_mid_frame()
        {
            for one in &mut self.names.undescribed {
                one.is_last = false;
            }
            return;
        }
        let Some(lease) = &mut self.server else {
            return;
        };
        if lease.exchange.is_skipping() {
            return;
        }
        lease.scratch.clear();
        for Undescribed {
            name, statement, ..
        } in self.names.undescribed.drain(..)
        {
            message::put_frame(&mut lease.scratch, tag::DESCRIBE, &[b"S", &name, b"\0"]);
            let change = Change::Described { name, statement };
            lease.exchange.sent_with(Sent::Describe, Fate::Drop, change);
        }
        if in_batch {
            message::put_frame(&mut lease.scratch, tag::FLUSH, &[]);
        } else {
            message::put_frame(&mut lease.scratch, tag::SYNC, &[]);
            lease.exchange.sent(Sent::Sync, Fate::Swallow);
        }
        self.from_client.insert(&lease.scratch);
    }

    /// The server was not to be asked in a transaction that has failed: it is asked once that has ended.
    pub(super) fn describe_later(&mut self, name: Box<[u8]>, statement: Arc<Statement>) {
        if statement.prepare().is_some() {
            self.names.undescribed.push(Undescribed {
                name,
                statement,
                is_last: false,
            });
        }
    }

    /// What the server made of a statement is not to be known: where it stands under the client's own name, it stays.
    pub(super) fn name_stays(&mut self, name: &[u8], statement: &Statement) {
        if statement.prepare().is_none() {
            return;
        }
        if self
            .statements
            .get(name)
            .is_some_and(|held| held.id() == statement.id())
        {
            self.statements.remove(name);
        }
        if let Some(lease) = &mut self.server
            && lease.own.is(name, statement.id())
        {
            lease.own.remove(name);
            self.marks.add(Marks::PREPARE);
        }
    }

    /// Whether the client has prepared anything by SQL.
    pub(super) fn has_own_prepares(&self) -> bool {
        let mut statements = self.statements.values();
        statements.any(|statement| statement.prepare().is_some())
    }

    /// The text of the Query or Parse at the front.
    fn front_text(&self, header: Header) -> &[u8] {
        let body = &self.from_client.unscanned()[HEADER_BYTES..header.frame_bytes];
        let text = match header.tag {
            tag::QUERY => Some(body),
            _ => split_cstr(body).map(|(_, rest)| rest),
        };
        text.and_then(split_cstr).map_or(&[], |(sql, _)| sql)
    }
}
