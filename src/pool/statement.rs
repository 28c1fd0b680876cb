//! Prepared statements by content: what clients call by names of their own is prepared once per server connection.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The content of a Parse message, its name left out: SQL, NUL, parameter types.
#[derive(Debug)]
pub struct Statement {
    id: u64,
    marks: u32,
    body: Box<[u8]>,
}

impl Statement {
    /// A number that no other content has had since the start.
    #[inline]
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// What the session noted of the content; nothing to the pool.
    #[inline]
    #[must_use]
    pub fn marks(&self) -> u32 {
        self.marks
    }

    /// The body of a Parse message behind its name.
    #[inline]
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The SQL, in the client's encoding.
    #[must_use]
    pub fn sql(&self) -> &[u8] {
        let end = memchr::memchr(0, &self.body).unwrap_or(self.body.len());
        &self.body[..end]
    }
}

/// A change to what is prepared, to be taken back when an error keeps it from happening.
#[derive(Debug)]
pub enum Change {
    /// The client gave a statement this name.
    Named {
        /// The client's name for it.
        name: Box<[u8]>,
        /// What it is.
        statement: Arc<Statement>,
        /// It was being prepared on the connection for that.
        prepared: bool,
    },
    /// The client closed the statement of this name.
    Unnamed {
        /// The client's name for it.
        name: Box<[u8]>,
        /// What it was.
        statement: Arc<Statement>,
    },
    /// A statement was being prepared under the client's own name.
    Owned {
        /// The client's name for it.
        name: Box<[u8]>,
        /// What it is.
        statement: Arc<Statement>,
    },
    /// A statement was being prepared on the connection on the way to something else.
    Prepared(Arc<Statement>),
    /// The client's unnamed statement was being replaced.
    Replaced,
}

/// Every content that some client or server connection still refers to.
#[derive(Debug, Default)]
pub struct Statements {
    known: Mutex<Known>,
    next_id: AtomicU64,
}

#[derive(Debug, Default)]
struct Known {
    by_content: HashMap<(u32, Box<[u8]>), Weak<Statement>>,
    /// Sweep the dead out when the map has grown to this many.
    sweep_at: usize,
}

/// Never sweep below this many entries.
const SWEEP_MIN: usize = 1024;

impl Statements {
    /// The statement of this content with these marks, the same one for everybody who prepares it at the same time.
    #[must_use]
    pub fn intern(&self, marks: u32, body: &[u8]) -> Arc<Statement> {
        let key = (marks, Box::from(body));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(statement) = known.by_content.get(&key).and_then(Weak::upgrade) {
            return statement;
        }
        let statement = Arc::new(Statement {
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            marks,
            body: body.into(),
        });
        known.by_content.insert(key, Arc::downgrade(&statement));
        if known.by_content.len() > known.sweep_at.max(SWEEP_MIN) {
            known.by_content.retain(|_, held| held.strong_count() > 0);
            known.sweep_at = known.by_content.len() * 2;
        }
        statement
    }
}

impl Statements {
    /// Retires a content whose plans are stale: whoever prepares it from now on gets a statement of its own, and
    /// whoever holds the old one keeps that, errors and all, as a session of its own would.
    pub fn retire(&self, statement: &Statement) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (statement.marks, statement.body.clone());
        let is_current = known
            .by_content
            .get(&key)
            .and_then(Weak::upgrade)
            .is_some_and(|current| current.id == statement.id);
        if is_current {
            known.by_content.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retired_content_is_prepared_anew() {
        let statements = Statements::default();
        let old = statements.intern(0, b"SELECT 1\0\0\0");
        statements.retire(&old);
        let new = statements.intern(0, b"SELECT 1\0\0\0");
        assert_ne!(new.id(), old.id());
        statements.retire(&old);
        assert_eq!(statements.intern(0, b"SELECT 1\0\0\0").id(), new.id());
    }

    #[test]
    fn equal_contents_are_one_statement_while_somebody_holds_it() {
        let statements = Statements::default();
        let first = statements.intern(0, b"SELECT 1\0\0\0");
        let id = first.id();
        assert_eq!(statements.intern(0, b"SELECT 1\0\0\0").id(), id);
        assert_ne!(statements.intern(0, b"SELECT 2\0\0\0").id(), id);
        assert_eq!(first.sql(), b"SELECT 1");
        drop(first);
        assert_ne!(statements.intern(0, b"SELECT 1\0\0\0").id(), id);
    }

    #[test]
    fn contents_that_nobody_holds_are_swept_out() {
        let statements = Statements::default();
        for number in 0..10 * SWEEP_MIN {
            let _ = statements.intern(0, &number.to_be_bytes());
        }
        assert!(statements.known.lock().unwrap().by_content.len() <= SWEEP_MIN + 1);
    }
}
