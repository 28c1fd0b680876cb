//! Asks in a session: recognising one in a frame, having it answered, and putting the answer in its place.

use std::pin::pin;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::time::{Instant, sleep_until};

use super::conversation::Talk;
use super::fenced::OurPortal;
use super::finish::Unfinished;
use super::lease::LeaseFailure;
use super::marks::Marks;
use super::pursuit::Pursuit;
use super::reading;
use super::serve::{Gone, Session, cancelled};
use super::shadow::Shadows;
use super::statement_timeout::GRACE;
use super::words;
use crate::ask::answer::Answer;
use crate::ask::pipeline::{Asked, Resolved};
use crate::ask::session_settings::SessionSettings;
use crate::ask::setting_statement::{self, SettingCommand};
use crate::ask::surface::verb::Verb;
use crate::ask::surface::{self, Dialect, Surface, Whole};
use crate::error::{Refusal, SqlState};
use crate::exec::fence::{self, Fence};
use crate::exec::run::{self, RowCap};
use crate::guard::approved::Approved;
use crate::wire::exchange::{Fate, Sent};
use crate::wire::frame::{HEADER_BYTES, Header, split_cstr, tag};
use crate::wire::message::{self, Severity};

/// What a session keeps of its asks.
#[derive(Debug)]
pub(super) struct AskState {
    /// The `ask.*` settings.
    pub(super) settings: SessionSettings,
    /// What `ask alternatives` speaks of.
    pub(super) last: Option<Arc<Answer>>,
    /// What the next question may refer to.
    pub(super) talk: Talk,
    /// What was recognised in the frame at the front, for the loop to deal with.
    found: Option<Found>,
    /// The savepoint of a fence is open.
    pub(super) savepoint_open: bool,
    /// The current batch runs behind an implicit fence.
    pub(super) batch_fenced: bool,
    /// Nothing but asks has run in it, all to their ends, so that it may be ended before the client ends it.
    pub(super) batch_may_end: bool,
    /// Something of a batch that the server is still to answer stands behind such a fence.
    pub(super) was_fenced: bool,
    /// The SQL of the ask that is running, for errors to speak of.
    pub(super) running: Option<Box<str>>,
    /// The session's TimeZone, as the server reports it.
    pub(super) time_zone: Option<Box<str>>,
    /// Settings that the current transaction has changed.
    pub(super) shadows: Shadows,
    /// Portals of the current transaction that are not to be executed as they are.
    pub(super) portals: Vec<OurPortal>,
    /// The client has cancelled the ask that is running.
    pub(super) pursuit: Option<Pursuit>,
}

/// What a frame holds that concerns us.
#[derive(Debug)]
enum Found {
    Setting(SettingCommand),
    Surface(Surface),
}

/// The frame that an ask came in.
pub(super) struct Frame {
    pub(super) header: Header,
    /// The prepared statement's name, when the frame is a Parse.
    pub(super) name: Option<Box<[u8]>>,
    sql: String,
    /// What follows the SQL and its NUL in a Parse: the parameter types.
    types: Vec<u8>,
}

/// What is sent in the place of a frame.
pub(super) struct Ready {
    sql: String,
    notices: Vec<Refusal>,
    /// [`Marks::ASKED`], [`Marks::FENCED`] or neither.
    marks: Marks,
    /// Some of the SQL is not the client's own.
    holds_ask: bool,
    /// The proof, where the SQL is an ask's alone.
    alone: Option<(Whole, Approved)>,
}

impl Ready {
    /// SQL that is nobody's answer.
    pub(super) fn plain(sql: String, marks: Marks) -> Self {
        Self {
            sql,
            notices: Vec::new(),
            marks,
            holds_ask: false,
            alone: None,
        }
    }
}

impl AskState {
    pub(super) fn new(settings: SessionSettings) -> Self {
        Self {
            settings,
            last: None,
            talk: Talk::default(),
            found: None,
            savepoint_open: false,
            batch_fenced: false,
            batch_may_end: false,
            was_fenced: false,
            running: None,
            time_zone: None,
            shadows: Shadows::default(),
            portals: Vec::new(),
            pursuit: None,
        }
    }

    /// Nothing of a transaction outlives it.
    pub(super) fn end_transaction(&mut self) {
        self.settings.end_transaction();
        self.settings_changed();
        self.savepoint_open = false;
        self.batch_fenced = false;
        self.batch_may_end = false;
        self.portals.clear();
    }
}

impl Session {
    /// Whether the frame at the front is an ask, holds one, or is about an `ask.*` setting.
    ///
    /// Text that is not UTF-8 is the server's business alone: where an ask begins in it cannot be told.
    pub(super) fn concerns_us(&mut self, header: Header) -> bool {
        let Some(sql) = self.front_sql(header) else {
            return false;
        };
        let found = match setting_statement::parse(sql) {
            Some(command) => Found::Setting(command),
            None => match surface::find(sql, self.dialect(false)) {
                Surface::Plain => return false,
                surface => Found::Surface(surface),
            },
        };
        self.ask_state.found = Some(found);
        true
    }

    /// Whether what was recognised at the front keeps something beyond the session.
    pub(super) fn keeps_something(&self) -> bool {
        matches!(&self.ask_state.found, Some(Found::Surface(Surface::Whole(whole))) if whole.verb.keeps_something())
    }

    /// Answers what was recognised at the front.
    pub(super) async fn ask(&mut self) -> Result<(), Gone> {
        let (Some(found), Some(frame)) = (self.ask_state.found.take(), self.front_frame()) else {
            return Ok(());
        };
        if self.status == b'E' && !self.in_batch {
            // The server refuses it in its own words, as it does everything in a failed transaction.
            self.from_client.discard(frame.header.frame_bytes);
            self.forward_sql(frame, "SELECT", Marks::default());
            return Ok(());
        }
        // Whoever cancels from here on means this.
        self.ticket().clear_cancel();
        self.settle_shadows_within().await;
        match found {
            Found::Setting(command) => self.apply_setting(frame, &command).await,
            Found::Surface(surface) => {
                let ticket = self.ticket().clone();
                let surface = tokio::select! {
                    biased;
                    surface = self.reread(&frame, surface) => surface,
                    () = ticket.cancelled() => {
                        self.refuse_ask(&frame, &cancelled());
                        return Ok(());
                    }
                    () = self.client_hung_up() => return Err(Gone::Client),
                };
                match self.resolve(&surface, &frame).await? {
                    Ok(ready) => self.send(frame, ready).await,
                    Err(refusal) => {
                        self.refuse_ask(&frame, &refusal);
                        Ok(())
                    }
                }
            }
        }
    }

    /// Reads the frame's text again, now that it is worth finding out whether the database has an `ask` of its own.
    ///
    /// Where that cannot be found out, `ask(...)` is taken for such a function's call: the server says so if there is none,
    /// and an ask could not be answered either.
    async fn reread(&self, frame: &Frame, surface: Surface) -> Surface {
        let caller = self.pool.caller();
        let has_ask_function = self.shared.directory.has_function(caller, "ask").await;
        if has_ask_function.unwrap_or(true) {
            surface::find(&frame.sql, self.dialect(true))
        } else {
            surface
        }
    }

    fn dialect(&self, has_ask_function: bool) -> Dialect {
        Dialect {
            standard_conforming_strings: self.standard_strings,
            has_ask_function,
        }
    }

    /// Has every ask of a surface answered.
    async fn resolve(
        &mut self,
        surface: &Surface,
        frame: &Frame,
    ) -> Result<Result<Ready, Refusal>, Gone> {
        let mut notices = Vec::new();
        match surface {
            Surface::Whole(whole) => {
                let slots = slots(frame, whole.parameter_count, &[]);
                let found = self.find(whole.verb, &whole.question, slots, false).await?;
                Ok(found.map(|found| {
                    notices.extend(found.notice);
                    Ready {
                        sql: whole.sql(&found.sql),
                        notices,
                        marks: if whole.verb == Verb::Rows {
                            Marks::ASKED
                        } else {
                            Marks::default()
                        },
                        holds_ask: true,
                        alone: found
                            .answer
                            .filter(|_| whole.verb == Verb::Rows)
                            .map(|answer| (whole.clone(), answer.approved)),
                    }
                }))
            }
            Surface::Embedded(embedded) => {
                let mut queries = Vec::with_capacity(embedded.asks.len());
                for ask in &embedded.asks {
                    let slots = slots(frame, ask.parameter_count, &ask.arguments);
                    match self.find(ask.verb, &ask.question, slots, true).await? {
                        Ok(found) => {
                            notices.extend(found.notice);
                            queries.push(found.sql);
                        }
                        Err(refusal) => return Ok(Err(refusal)),
                    }
                }
                let sql = embedded.rewrite(&frame.sql, &queries).sql;
                let marks = if reading::only_reads(&sql, self.standard_strings) {
                    Marks::FENCED
                } else {
                    Marks::default()
                };
                Ok(Ok(Ready {
                    sql,
                    notices,
                    marks,
                    holds_ask: true,
                    alone: None,
                }))
            }
            Surface::Malformed(refusal) => Ok(Err(refusal.clone())),
            Surface::Plain => Ok(Ok(Ready {
                sql: frame.sql.clone(),
                notices,
                marks: Marks::default(),
                holds_ask: false,
                alone: None,
            })),
        }
    }

    /// Has one ask answered, unless the client cancels or leaves first.
    async fn find(
        &mut self,
        verb: Verb,
        question: &str,
        parameter_count: u16,
        embedded: bool,
    ) -> Result<Result<Resolved, Refusal>, Gone> {
        let shared = self.shared.clone();
        let pool = self.pool.clone();
        let ticket = self.ticket().clone();
        let settings = self.ask_state.settings.current().clone();
        self.forget_what_another_asked();
        let turns = self.turns(embedded);
        let asked = Asked {
            caller: pool.caller(),
            question,
            settings: &settings,
            today: today(self.ask_state.time_zone.as_deref()),
            parameter_count,
            embedded,
            turns: &turns,
        };
        let last = self.ask_state.last.clone();
        let started = Instant::now();
        let resolving = shared.asks.resolve(verb, &asked, last.as_deref(), &*pool);
        let mut resolving = pin!(resolving);
        // Most are found before it is worth knowing how long they may be sought.
        let mut limit = None;
        let mut is_known = false;
        let resolved = loop {
            let due = started + limit.unwrap_or(GRACE);
            tokio::select! {
                biased;
                resolved = &mut resolving => break resolved,
                () = ticket.cancelled() => break Err(cancelled()),
                () = ticket.expelled() => return Err(Gone::Proxy),
                () = self.client_hung_up() => return Err(Gone::Client),
                () = sleep_until(due), if limit.is_some() || !is_known => {}
            }
            if is_known {
                break Err(out_of_time());
            }
            is_known = true;
            match self.statement_timeout().await {
                Ok(found) => limit = found,
                Err(LeaseFailure::Gone(gone)) => return Err(gone),
                Err(_) => break Err(cancelled()),
            }
        };
        if let Ok(Resolved {
            answer: Some(answer),
            ..
        }) = &resolved
        {
            self.ask_state.last = Some(Arc::new(answer.clone()));
        }
        let resolved = resolved.and_then(|resolved| {
            if self.encoding_is_utf8 || resolved.sql.is_ascii() {
                Ok(resolved)
            } else {
                Err(encoding_refusal())
            }
        });
        if let Ok(resolved) = &resolved {
            self.add_turn(verb, &asked, resolved);
        }
        Ok(resolved)
    }

    /// Gets a server for what has become of the frame at the front, and sends it there.
    pub(super) async fn send(&mut self, frame: Frame, ready: Ready) -> Result<(), Gone> {
        if self.ticket().take_cancel() {
            // It came when the answer was found, or on a connection that had nothing yet to cancel.
            self.refuse_ask(&frame, &cancelled());
            return Ok(());
        }
        let marks = words::scan(ready.sql.as_bytes(), self.watch.keepers());
        if self.server.is_none() {
            self.wants_new_connection = self.has_to_begin_anew(marks);
            self.wants_no_temporary_schema = self.must_find_no_temporary_schema(marks);
        }
        if self.server.is_none()
            && let Err(failure) = self.take_lease_for_ask().await
        {
            let refusal = match failure {
                LeaseFailure::Lease(error) => error.refusal(),
                LeaseFailure::Replay(error) => error.refusal(),
                LeaseFailure::Cancelled => cancelled(),
                LeaseFailure::Gone(gone) => return Err(gone),
            };
            self.refuse_ask(&frame, &refusal);
            return Ok(());
        }
        if self.status != b'E' {
            let is_named = frame.name.as_ref().is_some_and(|name| !name.is_empty());
            self.see_to_names_around(frame.header, is_named, (&ready.sql, marks));
            self.before_keeping(marks);
        }
        self.from_client.discard(frame.header.frame_bytes);
        for notice in &ready.notices {
            self.emit_notice(notice);
        }
        if ready.holds_ask {
            self.ask_state.running = Some(ready.sql.as_str().into());
        }
        match (&frame.name, &ready.alone) {
            (None, Some((whole, approved))) => self.run_query(whole, approved),
            (None, None) if ready.marks == Marks::FENCED => self.run_fenced(&ready.sql),
            _ => self.forward_sql(frame, &ready.sql, ready.marks),
        }
        Ok(())
    }

    /// Runs an approved query as the answer to a simple Query.
    fn run_query(&mut self, whole: &Whole, approved: &Approved) {
        let keepers = self.watch.keepers();
        self.marks
            .add(words::scan(approved.sql().as_bytes(), keepers));
        let limits = self.limits();
        let fence = if self.status == b'T' {
            Fence::Savepoint
        } else {
            Fence::Implicit
        };
        self.unnamed.forget();
        if let Some(lease) = &mut self.server {
            let mut out = BytesMut::new();
            run::put_query(lease, &mut out, (whole, approved), fence, limits);
            self.from_client.insert(&out);
        }
        self.bound_in_batch = false;
        self.in_batch = true;
        self.unfinished = Some(Unfinished::Query(fence));
    }

    /// Runs a Query that reads, and holds the SQL of an ask, behind a fence.
    fn run_fenced(&mut self, sql: &str) {
        self.marks
            .add(words::scan(sql.as_bytes(), self.watch.keepers()));
        let limits = self.limits();
        let fence = if self.status == b'T' {
            Fence::Savepoint
        } else {
            Fence::Implicit
        };
        self.unnamed.forget();
        let mut out = BytesMut::new();
        if let Some(lease) = &mut self.server {
            fence::put_up(lease, &mut out, fence, limits.timeout);
            message::put_query(&mut out, sql.as_bytes());
            let meter = RowCap::new(limits).meter;
            lease.exchange.sent(Sent::Query, Fate::Measured(meter));
            lease.unnamed_owner = 0;
            self.from_client.insert(&out);
        }
        self.bound_in_batch = false;
        self.in_batch = true;
        self.unfinished = Some(Unfinished::Around(fence));
    }

    /// Sends SQL in the place of the frame's own, by the frame's own protocol; the frame is gone already.
    fn forward_sql(&mut self, frame: Frame, sql: &str, marks: Marks) {
        // What the client wrote around an ask, and what the ask reads, may leave something behind as any SQL may.
        let marks = words::scan(sql.as_bytes(), self.watch.keepers()).with(marks);
        self.marks.add(marks);
        match frame.name {
            Some(name) => {
                let mut body = sql.as_bytes().to_vec();
                body.push(0);
                body.extend_from_slice(&frame.types);
                self.prepare_as(name, &body, marks);
            }
            None => {
                self.unnamed.forget();
                if let Some(lease) = &mut self.server {
                    let mut out = BytesMut::new();
                    message::put_query(&mut out, sql.as_bytes());
                    lease.exchange.sent(Sent::Query, Fate::Relay);
                    lease.unnamed_owner = 0;
                    self.from_client.insert(&out);
                }
                self.names_in_doubt |= marks.contains(Marks::FORGETS_STATEMENTS);
                self.in_batch = false;
            }
        }
    }

    /// Refuses the ask at the front, and leaves the transaction in the state that PostgreSQL would.
    pub(super) fn refuse_ask(&mut self, frame: &Frame, refusal: &Refusal) {
        if self.server.is_none() {
            self.refuse_front(refusal);
            return;
        }
        let mut error = BytesMut::new();
        message::put_error(&mut error, Severity::Error, refusal);
        self.from_client.discard(frame.header.frame_bytes);
        let Some(lease) = &mut self.server else {
            return;
        };
        let mut out = BytesMut::new();
        let fate = Fate::Refuse(error[..].into());
        if frame.name.is_some() {
            message::put_frame(&mut out, tag::PARSE, &[b"\0", DOOMED, b"\0\0\0"]);
            lease.exchange.sent(Sent::Parse, fate);
            self.in_batch = true;
        } else {
            message::put_query(&mut out, DOOMED);
            lease.exchange.sent(Sent::Query, fate);
            self.in_batch = false;
        }
        lease.unnamed_owner = 0;
        self.unnamed.forget();
        self.from_client.insert(&out);
    }

    fn emit_notice(&mut self, notice: &Refusal) {
        let mut out = BytesMut::new();
        message::put_notice(&mut out, Severity::Notice, notice);
        if let Some(lease) = &mut self.server {
            let bytes = Fate::Emit(out[..].into());
            lease.exchange.sent(Sent::Emit, bytes);
        }
    }

    /// The SQL of the frame at the front, where it is text that we can read.
    fn front_sql(&self, header: Header) -> Option<&str> {
        let body = &self.from_client.unscanned()[HEADER_BYTES..header.frame_bytes];
        let rest = match header.tag {
            tag::QUERY => body,
            _ => split_cstr(body)?.1,
        };
        let (sql, _) = split_cstr(rest)?;
        if !self.encoding_is_utf8 && !sql.is_ascii() {
            return None;
        }
        std::str::from_utf8(sql).ok()
    }

    fn front_frame(&self) -> Option<Frame> {
        let header = Header::read_frontend(self.from_client.unscanned()).ok()??;
        let sql = self.front_sql(header)?.to_owned();
        let body = &self.from_client.unscanned()[HEADER_BYTES..header.frame_bytes];
        let (name, types) = if header.tag == tag::PARSE {
            let (name, rest) = split_cstr(body)?;
            (Some(Box::from(name)), rest[sql.len() + 1..].to_vec())
        } else {
            (None, Vec::new())
        };
        Some(Frame {
            header,
            name,
            sql,
            types,
        })
    }
}

/// What is sent so that the server itself fails the transaction; its error is replaced by ours.
pub(super) const DOOMED: &[u8] = b"ask refused by pgask";

/// How many `$n` an ask can have filled: in a simple Query nothing fills them but arguments of its own.
fn slots(frame: &Frame, parameter_count: u16, arguments: &[String]) -> u16 {
    if frame.name.is_some() || !arguments.is_empty() {
        parameter_count
    } else {
        0
    }
}

/// The civil date in a session's time zone, or in UTC when we do not know the zone.
fn today(time_zone: Option<&str>) -> jiff::civil::Date {
    let zone = time_zone
        .and_then(|name| jiff::tz::TimeZone::get(name).ok())
        .unwrap_or(jiff::tz::TimeZone::UTC);
    jiff::Timestamp::now().to_zoned(zone).date()
}

/// PostgreSQL's own words for the end of `statement_timeout`.
fn out_of_time() -> Refusal {
    Refusal::new(
        SqlState::QUERY_CANCELED,
        "canceling statement due to statement timeout",
    )
}

/// The refusal of an ask in text that the session's encoding does not let us write.
fn encoding_refusal() -> Refusal {
    Refusal::new(
        SqlState::FEATURE_NOT_SUPPORTED,
        "the answer cannot be written in the session's client_encoding",
    )
    .with_hint("SET client_encoding TO 'UTF8' before asking.")
}
