//! When a session's SQL speaks of prepared statements in ways that are not to be followed: all of them stand under the
//! client's own names from there on, the connection stays with the session, and names pass as they are.

use bytes::BytesMut;

use super::marks::Marks;
use super::naming;
use super::own_names::Names;
use super::prepare::put_setting;
use super::serve::Session;
use crate::pool::lease::Lease;
use crate::pool::own_names::OwnName;
use crate::pool::settings::PoolMode;
use crate::pool::statement::{Change, Statement};
use crate::wire::exchange::{Fate, Sent};
use crate::wire::frame::{Header, tag};
use crate::wire::message;

/// The name under which a client's `PREPARE` is prepared, to be executed once.
const PREPARE_NAME: &[u8] = b"pgask_prepare\0";

/// What stands around a statement that is brought within a transaction of the client's, which must not fail with it.
/// What is prepared stays when a transaction, or a part of it, is rolled back.
const SAVEPOINT: &[u8] = b"SAVEPOINT pgask_names\0";
const BACK: &[u8] = b"ROLLBACK TO pgask_names; RELEASE pgask_names\0";

/// What becomes of a statement that cannot be prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trial {
    /// The batch fails with it, as it does when a statement before it fails.
    InBatch,
    /// It is missing, and nothing else happens: its table may be gone, and that is nobody's business before the
    /// statement is used.
    Alone,
    /// The same, within a transaction.
    InTransaction,
}

impl Session {
    /// Before a message whose text nobody has read, or that calls what nobody can see: it may speak of any name.
    pub(super) fn before_unseen(&mut self, header: Header) -> Names {
        if !self.has_own_prepares() || self.is_copying_in() {
            return Names::Right;
        }
        if !self.is_answered() {
            return Names::Wait;
        }
        if self.status != b'E' {
            self.use_own_names_if_concerned(header, false, false);
        }
        Names::Right
    }

    /// Before SQL goes in the place of the frame at the front, an ask's among it: what it says of names is not
    /// followed.
    pub(super) fn see_to_names_around(
        &mut self,
        header: Header,
        is_named: bool,
        (sql, marks): (&str, Marks),
    ) {
        let shows = marks.contains(Marks::SHOWS_STATEMENTS);
        let may_run_unseen = marks.contains(Marks::CODE) && self.has_own_prepares();
        let speaks = || naming::read(sql.as_bytes()).is_none_or(|found| !found.all.is_empty());
        if shows || may_run_unseen || marks.contains(Marks::NAMES_STATEMENT) && speaks() {
            self.use_own_names_if_concerned(header, is_named, shows);
        }
    }

    pub(super) fn use_own_names_if_concerned(
        &mut self,
        header: Header,
        is_named: bool,
        shows: bool,
    ) {
        if self.verbatim {
            return;
        }
        let holds_ours = self
            .server
            .as_ref()
            .is_some_and(|lease| lease.holds_statements());
        // A named statement of this kind may be executed at any time, and speaks of those that there are by then.
        let is_concerned = is_named || shows && holds_ours || !self.statements.is_empty();
        if is_concerned && self.shared.pool_mode != PoolMode::Transaction {
            self.use_own_names(header.tag != tag::PARSE && !self.in_batch);
        } else {
            self.close_strays();
        }
    }

    /// Prepares the client's statements under its own names, because its SQL is about to speak of them; from here on
    /// the connection stays with the session and names pass as they are.
    fn use_own_names(&mut self, sync: bool) {
        let Some(lease) = &mut self.server else {
            return;
        };
        self.verbatim = true;
        self.marks.add(Marks::PREPARE);
        // What others have left there under names of ours is nothing that the client may see.
        lease.close_all();
        self.close_old();
        self.close_strays();
        let trial = match (sync, self.status) {
            (true, b'I') => Trial::Alone,
            (true, _) => Trial::InTransaction,
            (false, _) => Trial::InBatch,
        };
        let Some(lease) = &mut self.server else {
            return;
        };
        let own = lease.own.take();
        let mut out = BytesMut::new();
        for (name, statement) in self.statements.drain() {
            if own.get(&name) == Some(&as_prepared(&statement)) {
                continue;
            }
            if own.contains_key(&name) {
                put_close(lease, &mut out, &name);
            }
            let settings = statement.reading().and_then(|r| r.settings.as_ref());
            let differing = || settings.iter().flat_map(|s| self.reported.differing(s));
            if trial == Trial::InTransaction {
                put_query(lease, &mut out, SAVEPOINT);
            }
            for (setting, then, _) in differing() {
                put_setting(lease, &mut out, setting, then);
            }
            let change = Change::Owned {
                name: name.clone(),
                statement: statement.clone(),
                is_alone: trial != Trial::InBatch,
            };
            put_preparation(lease, &mut out, (&name, &statement), (trial, change));
            for (setting, _, now) in differing() {
                put_setting(lease, &mut out, setting, now);
            }
            if trial != Trial::InBatch {
                message::put_frame(&mut out, tag::SYNC, &[]);
                lease.exchange.sent(Sent::Sync, Fate::Swallow);
            }
            if trial == Trial::InTransaction {
                put_query(lease, &mut out, BACK);
            }
        }
        if !out.is_empty() {
            put_close(lease, &mut out, &PREPARE_NAME[..PREPARE_NAME.len() - 1]);
        }
        self.from_client.insert(&out);
    }

    /// Closes what stands under the client's names, and is not what the client has given them to.
    fn close_strays(&mut self) {
        let Some(lease) = &mut self.server else {
            return;
        };
        if lease.own.is_empty() {
            return;
        }
        let mut out = BytesMut::new();
        for (name, held) in lease.own.take() {
            let statement = self.statements.get(&name);
            if statement.is_some_and(|given| lies_there(given, held)) {
                lease.own.put(self.stays.session, &name, held);
            } else {
                put_close(lease, &mut out, &name);
            }
        }
        self.from_client.insert(&out);
    }
}

/// What a connection holds where a client has prepared this statement itself.
fn as_prepared(statement: &Statement) -> OwnName {
    OwnName::Statement(statement.id(), statement.prepare().is_some())
}

fn lies_there(statement: &Statement, held: OwnName) -> bool {
    matches!(held, OwnName::Statement(id, _) if id == statement.id())
}

/// Prepares a statement under the client's name, in the way in which the client has done so.
fn put_preparation(
    lease: &mut Lease,
    out: &mut BytesMut,
    (name, statement): (&[u8], &Statement),
    (trial, change): (Trial, Change),
) {
    let fate = || match trial {
        Trial::InBatch => Fate::Swallow,
        Trial::Alone | Trial::InTransaction => Fate::Drop,
    };
    let Some(prepare) = statement.prepare() else {
        let parts = [name, b"\0", statement.sql(), b"\0", statement.types()];
        message::put_frame(out, tag::PARSE, &parts);
        lease.exchange.sent_with(Sent::Parse, fate(), change);
        return;
    };
    put_close(lease, out, &PREPARE_NAME[..PREPARE_NAME.len() - 1]);
    message::put_frame(out, tag::PARSE, &[PREPARE_NAME, prepare, &[0; 3]]);
    message::put_frame(out, tag::BIND, &[PREPARE_NAME, PREPARE_NAME, &[0; 6]]);
    message::put_frame(out, tag::EXECUTE, &[PREPARE_NAME, &[0; 4]]);
    lease.exchange.sent(Sent::Parse, fate());
    lease.exchange.sent(Sent::Bind, fate());
    lease.exchange.sent_with(Sent::Execute, fate(), change);
    message::put_frame(out, tag::CLOSE, &[b"P", PREPARE_NAME]);
    lease.exchange.sent(Sent::Close, fate());
}

fn put_close(lease: &mut Lease, out: &mut BytesMut, name: &[u8]) {
    message::put_frame(out, tag::CLOSE, &[b"S", name, b"\0"]);
    lease.exchange.sent(Sent::Close, Fate::Swallow);
}

/// Has the server run something unseen.
fn put_query(lease: &mut Lease, out: &mut BytesMut, sql_with_nul: &[u8]) {
    message::put_frame(out, tag::QUERY, &[sql_with_nul]);
    lease.exchange.sent(Sent::Query, Fate::Drop);
    lease.unnamed_owner = 0;
}
