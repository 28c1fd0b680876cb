//! Statements of ours on a server connection; most of all those that bring it from what is set on it to what its next
//! session wants.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::connection::ServerConnection;
use super::set_values::{InForce, SetValues, is_same};
use super::statement::Change;
use crate::error::{Refusal, SqlState};
use crate::wire::exchange::{Fate, Sent};
use crate::wire::frame::{HEADER_BYTES, Header, tag};
use crate::wire::message;

/// How long the server may take over it. It only assigns variables, but roles are looked up, and locks may be waited
/// for.
const REPLAY_TIMEOUT: Duration = Duration::from_secs(15);

/// Nothing that answers a SET is larger.
const MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// Settings that may end the very query that sets them.
const LAST: [&str; 3] = ["lock_timeout", "statement_timeout", "transaction_timeout"];

/// Why a connection is not as its session wants it; it is good for nothing any more.
#[derive(Debug)]
pub enum ReplayError {
    /// The server refused, in this ErrorResponse.
    Refused(Bytes),
    /// The connection was lost, or did not answer in time.
    Lost,
}

impl ReplayError {
    /// What the client is told, whose statement did not run.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::Refused(frame) => message::read_error(frame),
            Self::Lost => Refusal::new(
                SqlState::CONNECTION_FAILURE,
                "the server connection was lost while the session's settings were set on it",
            ),
        }
    }
}

impl ServerConnection {
    /// Sets on an idle connection what is wanted, and resets what is not. Returns what [`Self::run`] does.
    ///
    /// # Errors
    /// [`ReplayError`].
    ///
    /// # Cancel safety
    /// None: a connection that was not brought to the end of this must be closed.
    pub async fn bring_into_force(&mut self, wanted: &InForce) -> Result<BytesMut, ReplayError> {
        let mut notifications = BytesMut::new();
        if is_same(&self.in_force, wanted) {
            return Ok(notifications);
        }
        let sql = sql_between(self.in_force.as_deref(), wanted.as_deref());
        if !sql.is_empty() {
            // A simple Query drops the unnamed statement.
            self.unnamed_owner = 0;
            notifications = timeout(REPLAY_TIMEOUT, self.run(&sql))
                .await
                .unwrap_or(Err(ReplayError::Lost))?;
        }
        self.in_force.clone_from(wanted);
        Ok(notifications)
    }

    /// Appends the messages of one statement of ours in the midst of a client's, by the extended protocol and under
    /// a name that is no client's, and notes that their answers are ours. What an error leaves of it is closed later.
    pub fn put_statement(&mut self, out: &mut BytesMut, sql: &[u8]) {
        let name = self.fresh_name();
        let mut space = [0; 24];
        let name_with_nul = name.write(&mut space);
        message::put_frame(out, tag::PARSE, &[name_with_nul, sql, b"\0\0\0"]);
        message::put_frame(out, tag::BIND, &[name_with_nul, name_with_nul, &[0; 6]]);
        message::put_frame(out, tag::EXECUTE, &[name_with_nul, &[0; 4]]);
        message::put_frame(out, tag::CLOSE, &[b"P", name_with_nul]);
        message::put_frame(out, tag::CLOSE, &[b"S", name_with_nul]);
        for sent in [Sent::Parse, Sent::Bind, Sent::Execute, Sent::Close] {
            self.exchange.sent(sent, Fate::Swallow);
        }
        self.exchange
            .sent_with(Sent::Close, Fate::Swallow, Change::Closed(name));
    }

    /// Runs statements of ours, and takes note of the settings that are reported meanwhile. Returns the frames of the
    /// notifications that came between, which a session that listens has to be given.
    ///
    /// # Errors
    /// [`ReplayError`]; also where a transaction stays open.
    ///
    /// # Cancel safety
    /// As of [`Self::bring_into_force`].
    pub async fn run(&mut self, sql: &str) -> Result<BytesMut, ReplayError> {
        let mut query = BytesMut::new();
        message::put_query(&mut query, sql.as_bytes());
        self.carry_out(&query).await
    }

    /// Closes the statements that stand here under names of another session's client.
    ///
    /// # Errors
    /// [`ReplayError`].
    ///
    /// # Cancel safety
    /// As of [`Self::bring_into_force`].
    pub async fn close_names_of_others(&mut self, session: u64) -> Result<(), ReplayError> {
        if self.own.are_of(session) {
            return Ok(());
        }
        let mut closes = BytesMut::new();
        for name in self.own.take().into_keys() {
            message::put_frame(&mut closes, tag::CLOSE, &[b"S", &name, b"\0"]);
        }
        message::put_frame(&mut closes, tag::SYNC, &[]);
        timeout(REPLAY_TIMEOUT, self.carry_out(&closes))
            .await
            .unwrap_or(Err(ReplayError::Lost))
            .map(drop)
    }

    /// Sends messages of ours whose answers end in one ReadyForQuery, and reads up to that.
    async fn carry_out(&mut self, messages: &[u8]) -> Result<BytesMut, ReplayError> {
        let mut notifications = BytesMut::new();
        let lost = |_| ReplayError::Lost;
        self.stream.write_all(messages).await.map_err(lost)?;
        let mut refused = None;
        loop {
            let mut frame = vec![0; HEADER_BYTES];
            self.stream.read_exact(&mut frame).await.map_err(lost)?;
            let header = Header::read_backend(&frame).expect("five bytes were read");
            if header.frame_bytes > MESSAGE_BYTES_MAX {
                return Err(ReplayError::Lost);
            }
            frame.resize(header.frame_bytes, 0);
            let body = &mut frame[HEADER_BYTES..];
            self.stream.read_exact(body).await.map_err(lost)?;
            match header.tag {
                tag::READY_FOR_QUERY if refused.is_none() && body == b"I" => {
                    return Ok(notifications);
                }
                tag::READY_FOR_QUERY => {
                    return Err(refused.map_or(ReplayError::Lost, ReplayError::Refused));
                }
                tag::ERROR_RESPONSE => refused = Some(Bytes::from(frame)),
                tag::PARAMETER_STATUS => self.note_report(body),
                tag::NOTIFICATION_RESPONSE => notifications.extend_from_slice(&frame),
                _ => {}
            }
        }
    }
}

/// What has to be said to a connection to get from one to the other.
fn sql_between(from: Option<&SetValues>, to: Option<&SetValues>) -> String {
    let nothing = SetValues::default();
    let (from, to) = (from.unwrap_or(&nothing), to.unwrap_or(&nothing));
    let mut settings = String::new();
    for (name, _) in from.settings() {
        if to.setting(name).is_none() {
            let _ = write!(settings, "RESET {};", quoted_name(name));
        }
    }
    let changed = to
        .settings()
        .filter(|(name, value)| from.setting(name) != Some(value));
    let (last, changed): (Vec<_>, Vec<_>) = changed.partition(|(name, _)| LAST.contains(name));
    for (name, value) in changed.into_iter().chain(last) {
        if value.sql().is_empty() {
            let name = name.replace('\'', "''");
            let _ = write!(
                settings,
                "SELECT pg_catalog.set_config('{name}', '', false);"
            );
        } else {
            let _ = write!(settings, "SET {} TO {};", quoted_name(name), value.sql());
        }
    }
    let acts_alike = from.authorization() == to.authorization() && from.role() == to.role();
    if acts_alike && (settings.is_empty() || !from.acts_as_another()) {
        return settings;
    }
    // Who may set a setting may not be who acts: it is done as who logged in.
    let mut sql = String::new();
    if from.authorization().is_some() {
        sql.push_str("RESET SESSION AUTHORIZATION;");
    }
    if from.acts_as_another() {
        sql.push_str("RESET ROLE;");
    }
    sql.push_str(&settings);
    for (what, who) in [
        ("SESSION AUTHORIZATION", to.authorization()),
        ("ROLE", to.role()),
    ] {
        if let Some(who) = who {
            let _ = write!(sql, "SET {what} {};", who.sql());
        }
    }
    sql
}

/// A setting's name as SQL.
#[must_use]
pub fn quoted_name(name: &str) -> String {
    let name = name.replace('"', "\"\"").replace('.', "\".\"");
    format!("\"{name}\"")
}

#[cfg(test)]
mod tests {
    use super::super::set_values::{SetChange, Value};
    use super::*;

    fn values(changes: &[(&str, &str)]) -> SetValues {
        let mut values = SetValues::default();
        for (name, value) in changes {
            values.apply(&match *name {
                "role" => SetChange::Role(Some(Value::of([*value]))),
                "auth" => SetChange::Authorization(Some(Value::of([*value]))),
                _ => SetChange::Set(
                    (*name).into(),
                    Value::of(value.split('|').filter(|v| !v.is_empty())),
                ),
            });
        }
        values
    }

    #[test]
    fn only_what_differs_is_said_and_in_an_order_that_works() {
        for (from, to, expect) in [
            (&[][..], &[][..], ""),
            (&[("a", "1")], &[("a", "1")], ""),
            (&[("a", "1")], &[], "RESET \"a\";"),
            (&[], &[("app.x", "1")], "SET \"app\".\"x\" TO '1';"),
            (
                &[("a", "1"), ("b", "2")],
                &[("b", "3"), ("c", "4|5")],
                "RESET \"a\";SET \"b\" TO '3';SET \"c\" TO '4', '5';",
            ),
            (
                &[("statement_timeout", "1")],
                &[("lock_timeout", "1"), ("z", "2")],
                "RESET \"statement_timeout\";SET \"z\" TO '2';SET \"lock_timeout\" TO '1';",
            ),
            (
                &[],
                &[("search_path", "")],
                "SELECT pg_catalog.set_config('search_path', '', false);",
            ),
            (&[("role", "r")], &[], "RESET ROLE;"),
            (
                &[("role", "r")],
                &[("role", "s")],
                "RESET ROLE;SET ROLE 's';",
            ),
            (&[("role", "r")], &[("role", "r")], ""),
            (
                &[("auth", "u")],
                &[],
                "RESET SESSION AUTHORIZATION;RESET ROLE;",
            ),
            (
                &[("auth", "u"), ("role", "r"), ("a", "1")],
                &[("auth", "u"), ("role", "r"), ("a", "2")],
                "RESET SESSION AUTHORIZATION;RESET ROLE;SET \"a\" TO '2';SET SESSION AUTHORIZATION 'u';SET ROLE 'r';",
            ),
        ] {
            let sql = sql_between(Some(&values(from)), Some(&values(to)));
            assert_eq!(sql, expect, "{from:?} {to:?}");
        }
    }
}
