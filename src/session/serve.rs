//! The loop of one client, from its first query to its end.
//!
//! One task owns the client's socket and, while a transaction runs, a lease on a server connection. Bytes move both
//! ways in one poll function without a lock, a channel or another task; the loop awaits only to get a lease or to
//! answer an ask.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;

use super::ask::AskState;
use super::finish::Unfinished;
use super::keepers::{KeeperWatch, Made};
use super::lease::LeaseFailure;
use super::marks::Marks;
use super::own_names::NamesUnderWay;
use super::pins::Pins;
use super::prepare::Preparing;
use super::sequences::Stays;
use super::set::PortalThatSets;
use super::settings::Settings;
use super::statements::Unnamed;
use super::text_settings::Reported;
use crate::access::directory::Directory;
use crate::ask::pipeline::Pipeline;
use crate::ask::session_settings::SessionSettings;
use crate::error::{Refusal, SqlState};
use crate::observe::metrics::Metrics;
use crate::pool::connector::Greeting;
use crate::pool::lease::{Lease, Pool};
use crate::pool::roster::{Dismissal, Entry, Ticket};
use crate::pool::seat::Seat;
use crate::pool::set_values::SetValues;
use crate::pool::settings::PoolMode;
use crate::pool::statement::Statement;
use crate::schema::keeper_book::KeeperBooks;
use crate::synth::chain::Chain;
use crate::wire::buffer::Buffer;
use crate::wire::frame::{Header, tag};
use crate::wire::message::{self, Severity};
use crate::wire::stream::Stream;

/// What all sessions share.
pub struct Shared {
    /// When a connection goes back to its pool.
    pub pool_mode: PoolMode,
    /// The numbers.
    pub metrics: Arc<Metrics>,
    /// Answers questions.
    pub asks: Pipeline<Chain>,
    /// Is told when a schema changes, and knows what it holds.
    pub directory: Directory,
    /// Know which functions keep session state.
    pub keeper_books: KeeperBooks,
}

/// One client that has logged in.
pub struct Session {
    pub(super) shared: Arc<Shared>,
    pub(super) client: Stream,
    /// From the client to the server.
    pub(super) from_client: Buffer,
    /// From the server, or from us, to the client.
    pub(super) to_client: Buffer,
    pub(super) pool: Arc<Pool>,
    /// Holds the connection of the last transaction while nobody needs it more.
    pub(super) seat: Seat,
    pub(super) server: Option<Lease>,
    /// Which functions keep session state.
    pub(super) watch: KeeperWatch,
    entry: Entry,

    /// Transaction status of the last ReadyForQuery: `I`, `T` or `E`.
    pub(super) status: u8,
    /// Extended-query messages were sent that no Sync has followed.
    pub(super) in_batch: bool,
    /// A refusal of ours in a batch: everything up to the next Sync is dropped.
    pub(super) discarding: bool,
    /// The current transaction has changed the schema.
    pub(super) schema_changed: bool,
    /// The current transaction has changed what the next session begins with.
    pub(super) defaults_changed: bool,
    /// What the current transaction made that may keep session state.
    pub(super) made: Made,
    /// The server has said farewell; nothing of ours need follow.
    pub(super) server_farewell: bool,
    /// What the current transaction did that matters, or the session while it is pinned.
    pub(super) marks: Marks,
    /// The connection stays with the session.
    pub(super) pinned: bool,
    /// What the marks are worth.
    pub(super) pins: Pins,
    /// Where the session has been.
    pub(super) stays: Stays,
    /// The next connection has to be one that nobody has used before.
    pub(super) wants_new_connection: bool,
    /// The next connection has to be one without a temporary schema.
    pub(super) wants_no_temporary_schema: bool,
    /// Bytes of the frame that must be seen whole before the client's, or the server's, next can be dealt with.
    pub(super) client_frame_wanted: usize,
    /// The frame at the front has to wait until the server has answered all before it.
    pub(super) waiting_for_answers: bool,
    pub(super) server_frame_wanted: usize,

    /// What the session has set.
    pub(super) settings: Settings,
    /// Portals of statements that set, and what their texts tell of it.
    pub(super) portals_that_set: Vec<PortalThatSets>,
    /// What the client called itself at login.
    pub(super) application_name: Option<Arc<str>>,
    /// What a connection calls itself by default.
    pub(super) server_application_name: Box<str>,
    pub(super) encoding_is_utf8: bool,
    pub(super) standard_strings: bool,
    /// The session's SQL speaks of prepared statements: their names pass as they are.
    pub(super) verbatim: bool,
    /// Messages of ours stand in front of a Query, and no batch of the client's.
    pub(super) own_words_ahead: bool,
    /// The current batch changes what names of statements mean.
    pub(super) batch_changes_names: bool,
    /// A batch or a Query that may change it was sent, and whether it did is not yet known.
    pub(super) names_in_doubt: bool,
    /// The client has set its application name itself.
    pub(super) application_name_set: bool,
    /// A RESET or DISCARD ALL is being answered: the server's own default may be reported as the application name.
    pub(super) resetting: bool,
    /// The client's named statements.
    pub(super) statements: HashMap<Box<[u8]>, Arc<Statement>>,
    pub(super) unnamed: Unnamed,
    /// The statement that the frame at the front waits for.
    pub(super) preparing: Option<Preparing>,
    /// How many messages were sent when a Flush of ours was, before the frame at the front, which waits for answers.
    pub(super) flushed_at: Option<u64>,
    /// The current batch has bound a statement that forgets others; and has executed something since.
    pub(super) bound_forgets: bool,
    pub(super) forgets_in_batch: bool,
    /// What is under way with names that SQL gives and takes.
    pub(super) names: NamesUnderWay,
    /// The settings by which the server reads a statement's text, as it reported them.
    pub(super) reported: Reported,
    /// Some were set since, and not yet reported.
    pub(super) text_settings_in_doubt: bool,
    pub(super) ask_state: Box<AskState>,
    /// What is left to be done for the ask that is running. The client's next frame waits for it.
    pub(super) unfinished: Option<Unfinished>,
    /// A cancel of our own is on its way to the server; resolves when the server has taken it.
    pub(super) stopping: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
    /// The current batch has bound something.
    pub(super) bound_in_batch: bool,
}

/// Why the loop has to leave the relay.
#[derive(Debug)]
pub(super) enum Turn {
    /// A frame of the client waits for a server connection.
    NeedServer,
    /// The frame at the front is, or holds, an ask or a setting of ours.
    Ask,
    /// An answer was stopped, and the cancel that stops it is still to be taken.
    Stopping,
    /// The schema has changed, and which functions keep session state has to be read again.
    KeepersChanged,
    /// Nothing is owed and no transaction is open.
    TransactionEnded,
    /// The client said goodbye.
    Terminated,
    /// The proxy shuts down and the client is idle.
    Dismissed,
    /// The client broke the protocol.
    Violation(Refusal),
}

/// Which side has gone.
#[derive(Debug)]
pub(super) enum Gone {
    Client,
    Server,
    /// Neither: the proxy ends.
    Proxy,
}

impl Session {
    /// A session that has just logged in, and was greeted with this.
    pub(super) fn new(
        shared: Arc<Shared>,
        client: Stream,
        entry: Entry,
        pool: Arc<Pool>,
        watch: KeeperWatch,
        application_name: Option<Arc<str>>,
        greeting: Greeting,
    ) -> Self {
        let own_name = greeting
            .welcome
            .iter()
            .find(|(name, _)| name == "application_name");
        let server_application_name = own_name.map_or("", |(_, value)| value).into();
        let ask_settings = SessionSettings::new(shared.asks.settings());
        let base = application_name
            .as_deref()
            .and_then(|name| SetValues::of_application_name(name).share());
        let mut session = Self {
            shared,
            client,
            from_client: Buffer::default(),
            to_client: Buffer::default(),
            seat: Seat::new(pool.clone()),
            pool,
            server: None,
            watch,
            entry,
            status: b'I',
            in_batch: false,
            discarding: false,
            schema_changed: false,
            defaults_changed: false,
            made: Made::default(),
            server_farewell: false,
            marks: Marks::default(),
            pinned: false,
            pins: Pins::default(),
            stays: Stays::new(),
            wants_new_connection: false,
            wants_no_temporary_schema: false,
            client_frame_wanted: 0,
            waiting_for_answers: false,
            server_frame_wanted: 0,
            settings: Settings::new(base, greeting.reports),
            portals_that_set: Vec::new(),
            application_name,
            server_application_name,
            encoding_is_utf8: true,
            standard_strings: true,
            verbatim: false,
            own_words_ahead: false,
            batch_changes_names: false,
            names_in_doubt: false,
            application_name_set: false,
            resetting: false,
            statements: HashMap::new(),
            unnamed: Unnamed::default(),
            preparing: None,
            flushed_at: None,
            bound_forgets: false,
            forgets_in_batch: false,
            names: NamesUnderWay::default(),
            reported: Reported::default(),
            text_settings_in_doubt: false,
            ask_state: Box::new(AskState::new(ask_settings)),
            unfinished: None,
            stopping: None,
            bound_in_batch: false,
        };
        for (name, value) in &*session.settings.told.clone() {
            session.note_parameter(name.as_bytes(), value.as_bytes());
        }
        session
    }

    /// The session with these settings of ours to begin with, and to go back to.
    pub(super) fn beginning_with(mut self, settings: SessionSettings) -> Self {
        self.ask_state.settings = settings;
        self
    }

    /// Serves the client until either side has gone.
    pub async fn run(mut self) {
        loop {
            let turn = std::future::poll_fn(|cx| self.poll_turn(cx)).await;
            let ended = match turn {
                Ok(Turn::NeedServer) => match self.take_lease().await {
                    Ok(()) => None,
                    Err(LeaseFailure::Lease(error)) => {
                        self.refuse_front(&error.refusal());
                        None
                    }
                    Err(LeaseFailure::Replay(error)) => {
                        self.refuse_front(&error.refusal());
                        None
                    }
                    Err(LeaseFailure::Cancelled) => {
                        self.refuse_front(&cancelled());
                        None
                    }
                    Err(LeaseFailure::Gone(gone)) => Some(Err(gone)),
                },
                Ok(Turn::Ask) => self.ask().await.err().map(Err),
                Ok(Turn::Stopping) => {
                    if let Some(taken) = self.stopping.take() {
                        taken.await;
                    }
                    None
                }
                Ok(Turn::KeepersChanged) => {
                    self.watch.settle().await;
                    None
                }
                Ok(Turn::TransactionEnded) => self.end_transaction().await.err().map(Err),
                Ok(Turn::Terminated) => Some(Ok(None)),
                Ok(Turn::Dismissed) => Some(Err(Gone::Proxy)),
                Ok(Turn::Violation(refusal)) => Some(Ok(Some(refusal))),
                Err(gone) => Some(Err(gone)),
            };
            match ended {
                None => {}
                Some(Ok(None) | Err(Gone::Client)) => break,
                Some(Ok(Some(refusal))) => {
                    self.farewell(&refusal).await;
                    break;
                }
                Some(Err(Gone::Proxy)) => {
                    let ending = Refusal::new(
                        SqlState::ADMIN_SHUTDOWN,
                        "terminating connection due to administrator command",
                    );
                    self.farewell(&ending).await;
                    break;
                }
                Some(Err(Gone::Server)) => {
                    let lost = Refusal::new(
                        SqlState::CONNECTION_FAILURE,
                        "server closed the connection unexpectedly",
                    );
                    if !self.server_farewell {
                        self.farewell(&lost).await;
                    }
                    break;
                }
            }
        }
        self.abandon_lease().await;
    }

    /// The client's place in the roster.
    pub(super) fn ticket(&self) -> &Arc<Ticket> {
        self.entry.ticket()
    }

    /// Moves what can be moved, both ways, until something needs the loop.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<Turn, Gone>> {
        let dismissed = self.entry.ticket().poll_dismissed(cx);
        if dismissed == Dismissal::Now {
            return Poll::Ready(Ok(Turn::Dismissed));
        }
        self.poll_pursuit(cx);
        if let Poll::Ready(turn) = self.poll_server_side(cx) {
            return Poll::Ready(turn);
        }
        if let Poll::Ready(turn) = self.poll_client_side(cx) {
            return Poll::Ready(turn);
        }
        if self.to_client.has_output()
            && let Poll::Ready(turn) = self.poll_server_side(cx)
        {
            return Poll::Ready(turn);
        }
        if dismissed == Dismissal::WhenIdle && self.is_idle() {
            return Poll::Ready(Ok(Turn::Dismissed));
        }
        Poll::Pending
    }

    /// Server to client: write what is there, and only then read more.
    fn poll_server_side(&mut self, cx: &mut Context<'_>) -> Poll<Result<Turn, Gone>> {
        loop {
            if self.to_client.has_output() {
                ready!(self.to_client.poll_flush(cx, &mut self.client))
                    .map_err(|_| Gone::Client)?;
            }
            let Some(lease) = &mut self.server else {
                return Poll::Pending;
            };
            let filled = ready!(self.to_client.poll_fill(
                cx,
                &mut lease.stream,
                self.server_frame_wanted
            ));
            match filled {
                Ok(0) | Err(_) => return Poll::Ready(Err(Gone::Server)),
                Ok(_) => self.scan_server(),
            }
            if self.transaction_has_ended() {
                // The answer is written first: the client may be waiting for nothing else.
                if let Poll::Ready(Err(_)) = self.to_client.poll_flush(cx, &mut self.client) {
                    return Poll::Ready(Err(Gone::Client));
                }
                return Poll::Ready(Ok(Turn::TransactionEnded));
            }
        }
    }

    /// Client to server: write what is there, look at what came, and only then read more.
    fn poll_client_side(&mut self, cx: &mut Context<'_>) -> Poll<Result<Turn, Gone>> {
        loop {
            if let Some(turn) = self.scan_client() {
                return Poll::Ready(Ok(turn));
            }
            if self.from_client.has_output() {
                let Some(lease) = &mut self.server else {
                    // Only the rest of a frame that was let pass before its server went away.
                    self.from_client.clear();
                    return Poll::Ready(Err(Gone::Server));
                };
                match ready!(self.from_client.poll_flush(cx, &mut lease.stream)) {
                    Ok(()) => {}
                    // What the server said before it went is still to be read.
                    Err(error) if is_broken(&error) => self.from_client.clear(),
                    Err(_) => return Poll::Ready(Err(Gone::Server)),
                }
            }
            if self.waiting_for_answers {
                return Poll::Pending;
            }
            let filled = ready!(self.from_client.poll_fill(
                cx,
                &mut self.client,
                self.client_frame_wanted
            ));
            match filled {
                Ok(0) | Err(_) => return Poll::Ready(Err(Gone::Client)),
                Ok(_) => {}
            }
        }
    }

    /// The connection can go back: everything sent was answered, and no transaction is open.
    #[inline]
    pub(super) fn transaction_has_ended(&self) -> bool {
        (!self.pinned
            || self.pins.are_unsettled(self.marks)
            || self.must_restore_settings()
            || self.ask_state.must_settle())
            && self.is_at_rest()
    }

    /// Nothing is under way on the connection in either direction, no transaction is open, and the server has not said
    /// farewell: whatever comes next on it is of its next user's own making.
    #[inline]
    pub(super) fn is_at_rest(&self) -> bool {
        self.status == b'I'
            && !self.in_batch
            && !self.own_words_ahead
            && self.names.are_known()
            && self
                .server
                .as_ref()
                .is_some_and(|lease| lease.exchange.is_empty())
            && !self.to_client.is_mid_frame()
            && self.to_client.unscanned().is_empty()
            && !self.from_client.has_output()
            && !self.from_client.is_mid_frame()
            && !self.server_farewell
    }

    /// The client is between transactions and has sent nothing new.
    fn is_idle(&self) -> bool {
        self.status == b'I'
            && !self.in_batch
            && self.from_client.is_drained()
            && self
                .server
                .as_ref()
                .is_none_or(|lease| lease.exchange.is_empty())
    }

    /// Refuses the frame at the front, for which there is no server: a Query is answered in full, a batch is dropped
    /// up to its Sync.
    pub(super) fn refuse_front(&mut self, refusal: &Refusal) {
        let Ok(Some(header)) = Header::read_frontend(self.from_client.unscanned()) else {
            return;
        };
        let mut out = BytesMut::new();
        message::put_error(&mut out, Severity::Error, refusal);
        self.from_client.discard(header.frame_bytes);
        match header.tag {
            tag::QUERY | tag::FUNCTION_CALL | tag::SYNC => {
                message::put_ready_for_query(&mut out, b'I');
            }
            _ => self.discarding = true,
        }
        self.to_client.insert(&out);
    }

    /// Writes a last ErrorResponse, as well as it can still be written.
    async fn farewell(&mut self, refusal: &Refusal) {
        if self.to_client.is_mid_frame() {
            // A message inside a message would not be understood.
            return;
        }
        let mut out = BytesMut::new();
        message::put_error(&mut out, Severity::Fatal, refusal);
        self.to_client.insert(&out);
        let flush = std::future::poll_fn(|cx| self.to_client.poll_flush(cx, &mut self.client));
        // The client may be gone, or may not be reading.
        let _ = tokio::time::timeout(FAREWELL_TIMEOUT, flush).await;
    }
}

/// How long a client may take to read why it is being closed.
pub(super) const FAREWELL_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(1);

fn is_broken(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    )
}

/// PostgreSQL's own words for a cancel.
pub(super) fn cancelled() -> Refusal {
    Refusal::new(
        SqlState::QUERY_CANCELED,
        "canceling statement due to user request",
    )
}
