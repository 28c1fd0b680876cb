//! Prepared statements by content: what clients call by names of their own is prepared once per server connection.
//!
//! The content of a statement is more than the text of its Parse. What the server made of it counts as well, the types
//! of its parameters and the columns of its rows, and so do the settings by which it read the text. Two clients share a
//! statement only where all of it is equal; and where a statement has to be prepared anew on another connection, it is
//! the same one only if the server makes the same of it there.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use super::connection::StatementName;
use super::set_values::SetChange;

/// A prepared statement of one client, or of many.
#[derive(Debug)]
pub struct Statement {
    id: u64,
    marks: u32,
    body: Box<[u8]>,
    /// The `PREPARE` that made it, if it was one.
    prepare: Option<Box<[u8]>>,
    /// Unknown until the server has described it.
    reading: OnceLock<Reading>,
}

/// What a server made of a statement's text.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Reading {
    /// What it says of the statement.
    pub description: Description,
    /// The settings that it read the text by, where the text can mean different things.
    pub settings: Option<TextSettings>,
}

/// Settings and their values, in an order of their own.
pub type TextSettings = Box<[(&'static str, Box<[u8]>)]>;

/// What ParameterDescription and RowDescription say of a statement, in as far as it must not change.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub struct Description {
    /// How many parameters there are, and the OIDs of their types: the body of a ParameterDescription, and the end of
    /// a Parse.
    pub types: Box<[u8]>,
    /// Name, type and type modifier of each column; `None` where there are no rows.
    ///
    /// # Source
    /// `RevalidateCachedQuery` in `src/backend/utils/cache/plancache.c` compares just that of what a client can see:
    /// a table that was dropped and made again is not another one.
    pub columns: Option<Box<[u8]>>,
}

impl Description {
    /// Reads the bodies of a ParameterDescription and, unless it was NoData, of a RowDescription.
    #[must_use]
    pub fn read(types: &[u8], row: Option<&[u8]>) -> Self {
        Self {
            types: types.into(),
            columns: row.map(columns),
        }
    }
}

fn columns(row: &[u8]) -> Box<[u8]> {
    let mut columns = Vec::with_capacity(row.len());
    let mut rest = row.get(2..).unwrap_or_default();
    while let Some(end) = memchr::memchr(0, rest)
        && let Some(numbers) = rest[end + 1..].first_chunk::<COLUMN_BYTES>()
    {
        columns.extend_from_slice(&rest[..=end]);
        columns.extend_from_slice(&numbers[6..10]);
        columns.extend_from_slice(&numbers[12..16]);
        rest = &rest[end + 1 + COLUMN_BYTES..];
    }
    columns.into()
}

/// Bytes behind a column's name: table, attribute number, type, length, type modifier, format.
const COLUMN_BYTES: usize = 18;

impl Statement {
    /// A number that no other statement has had since the start.
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

    /// The SQL, in the client's encoding.
    #[must_use]
    pub fn sql(&self) -> &[u8] {
        &self.body[..self.sql_bytes()]
    }

    /// How many parameters the statement has, and the OIDs of their types, as far as they are known.
    #[must_use]
    pub fn types(&self) -> &[u8] {
        match self.reading() {
            Some(reading) => &reading.description.types,
            None => self.body.get(self.sql_bytes() + 1..).unwrap_or_default(),
        }
    }

    /// What a server made of it, once that is known.
    #[inline]
    #[must_use]
    pub fn reading(&self) -> Option<&Reading> {
        self.reading.get()
    }

    /// The client's `PREPARE` in full, where the statement was made by one.
    #[must_use]
    pub fn prepare(&self) -> Option<&[u8]> {
        self.prepare.as_deref()
    }

    fn sql_bytes(&self) -> usize {
        memchr::memchr(0, &self.body).unwrap_or(self.body.len())
    }
}

/// A change to what is prepared, to be taken back when an error keeps it from happening; or a question about it, which
/// goes unanswered then; or a change to what is set, to be noted when it has happened.
#[derive(Debug)]
pub enum Change {
    /// The client gives a statement this name.
    Named {
        /// The client's name for it.
        name: Box<[u8]>,
        /// What it is.
        statement: Arc<Statement>,
    },
    /// The client closed the statement of this name.
    Unnamed {
        /// The client's name for it.
        name: Box<[u8]>,
        /// What it was.
        statement: Arc<Statement>,
    },
    /// A statement is being prepared under the client's own name.
    Owned {
        /// The client's name for it.
        name: Box<[u8]>,
        /// What it is.
        statement: Arc<Statement>,
        /// What fails with it is this one alone.
        is_alone: bool,
    },
    /// The server is asked what it has made of the statement that a client gave this name.
    Described {
        /// The client's name for it.
        name: Box<[u8]>,
        /// What it is.
        statement: Arc<Statement>,
    },
    /// The server is asked whether it makes the same of a statement as another connection's did.
    Compared {
        /// The statement, or the unnamed one.
        statement: Option<Arc<Statement>>,
    },
    /// The server is asked what it has made of the client's unnamed statement.
    UnnamedDescribed,
    /// The client's unnamed statement is being replaced.
    Replaced,
    /// The server is told to forget a statement.
    Closed(StatementName),
    /// A statement that sets was being executed, and its text tells what it does.
    Sets(Box<[SetChange]>),
}

/// Every statement that some client or server connection still refers to and a server has described.
#[derive(Debug, Default)]
pub struct Statements {
    known: Mutex<Known>,
    next_id: AtomicU64,
}

#[derive(Debug, Default)]
struct Known {
    /// By the hash of all that makes up a statement, so that nothing of it is kept twice.
    by_hash: HashMap<u64, Vec<Weak<Statement>>>,
    hasher: RandomState,
    /// Sweep the dead out when the map has grown to this many.
    sweep_at: usize,
}

/// Never sweep below this many entries.
const SWEEP_MIN: usize = 1024;

impl Statements {
    /// A statement that nobody shares yet: the body of a Parse behind the name, and marks that the session makes of it.
    #[must_use]
    pub fn begin(&self, marks: u32, body: &[u8]) -> Arc<Statement> {
        self.make(marks, body.into(), None)
    }

    /// One that is made by a `PREPARE`, behind so many bytes of which the statement itself begins.
    ///
    /// Its SQL has spaces in the place of what stands before it, so that an error points to the same place in it.
    #[must_use]
    pub fn begin_prepare(&self, marks: u32, prepare: &[u8], begins_at: usize) -> Arc<Statement> {
        let mut body = vec![b' '; begins_at];
        body.extend_from_slice(prepare.get(begins_at..).unwrap_or_default());
        body.extend_from_slice(&[0; 3]);
        self.make(marks, body.into(), Some(prepare.into()))
    }

    fn make(&self, marks: u32, body: Box<[u8]>, prepare: Option<Box<[u8]>>) -> Arc<Statement> {
        Arc::new(Statement {
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            marks,
            body,
            prepare,
            reading: OnceLock::new(),
        })
    }

    /// Notes what a server made of a statement; the one of equal content that is known already, or this one itself.
    #[must_use]
    pub fn settle(&self, statement: &Arc<Statement>, reading: Reading) -> Arc<Statement> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let content = (
            statement.marks,
            &statement.body,
            &statement.prepare,
            &reading,
        );
        let hash = known.hasher.hash_one(content);
        let equals = known.by_hash.entry(hash).or_default();
        let shared = equals.iter().filter_map(Weak::upgrade).find(|other| {
            (other.marks, &other.body, &other.prepare, other.reading())
                == (
                    statement.marks,
                    &statement.body,
                    &statement.prepare,
                    Some(&reading),
                )
        });
        if let Some(shared) = shared {
            return shared;
        }
        if statement.reading.set(reading).is_err() {
            return statement.clone();
        }
        equals.retain(|other| other.strong_count() > 0);
        equals.push(Arc::downgrade(statement));
        if known.by_hash.len() > known.sweep_at.max(SWEEP_MIN) {
            known.by_hash.retain(|_, equals| {
                equals.retain(|other| other.strong_count() > 0);
                !equals.is_empty()
            });
            known.sweep_at = known.by_hash.len() * 2;
        }
        statement.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(types: &[u8], row: Option<&[u8]>) -> Reading {
        Reading {
            description: Description::read(types, row),
            settings: None,
        }
    }

    /// RowDescription of one column.
    fn row(name: &str, table: u8, oid: u8, modifier: u8) -> Vec<u8> {
        let mut row = vec![0, 1];
        row.extend_from_slice(name.as_bytes());
        row.extend_from_slice(&[
            0, 0, 0, 0, table, 0, 1, 0, 0, 0, oid, 0, 4, 0, 0, 0, modifier,
        ]);
        row.extend_from_slice(&[0, 0]);
        row
    }

    #[test]
    fn equal_contents_are_one_statement_while_somebody_holds_it() {
        let statements = Statements::default();
        let begin = || statements.begin(0, b"SELECT 1\0\0\0");
        let first = statements.settle(&begin(), reading(&[0, 0], None));
        let id = first.id();
        assert_eq!(first.sql(), b"SELECT 1");
        assert_eq!(first.types(), [0, 0]);
        let same = statements.settle(&begin(), reading(&[0, 0], None));
        assert_eq!(same.id(), id);
        let marked = statements.begin(1, b"SELECT 1\0\0\0");
        assert_ne!(statements.settle(&marked, reading(&[0, 0], None)).id(), id);
        drop((first, same));
        assert_ne!(statements.settle(&begin(), reading(&[0, 0], None)).id(), id);
    }

    #[test]
    fn what_the_server_makes_of_a_text_is_part_of_its_content() {
        let statements = Statements::default();
        let settle = |reading| {
            let statement = statements.begin(0, b"SELECT * FROM t\0\0\0");
            statements.settle(&statement, reading)
        };
        let first = settle(reading(&[0, 0], Some(&row("a", 7, 23, 1))));
        let made_again = settle(reading(&[0, 0], Some(&row("a", 8, 23, 1))));
        assert_eq!(first.id(), made_again.id());
        for other in [
            reading(&[0, 0], Some(&row("b", 7, 23, 1))),
            reading(&[0, 0], Some(&row("a", 7, 25, 1))),
            reading(&[0, 0], Some(&row("a", 7, 23, 2))),
            reading(&[0, 1, 0, 0, 0, 23], Some(&row("a", 7, 23, 1))),
            reading(&[0, 0], None),
            Reading {
                settings: Some([("DateStyle", Box::from(&b"ISO, DMY"[..]))].into()),
                ..reading(&[0, 0], Some(&row("a", 7, 23, 1)))
            },
        ] {
            assert_ne!(settle(other).id(), first.id());
        }
    }

    #[test]
    fn what_a_prepare_prepares_stands_where_it_stood() {
        let statements = Statements::default();
        let sql = b"prepare p as select 1";
        let statement = statements.begin_prepare(0, sql, 12);
        assert_eq!(statement.sql(), b"             select 1");
        assert_eq!(statement.types(), [0, 0]);
        assert_eq!(statement.prepare(), Some(&sql[..]));
        let statement = statements.settle(&statement, reading(&[0, 0], None));
        let renamed = statements.begin_prepare(0, b"prepare q as select 1", 12);
        let renamed = statements.settle(&renamed, reading(&[0, 0], None));
        assert_ne!(statement.id(), renamed.id());
    }

    #[test]
    fn contents_that_nobody_holds_are_swept_out() {
        let statements = Statements::default();
        for number in 0..10 * SWEEP_MIN {
            let statement = statements.begin(0, &number.to_be_bytes());
            let _ = statements.settle(&statement, reading(&[0, 0], None));
        }
        assert!(statements.known.lock().unwrap().by_hash.len() <= SWEEP_MIN + 1);
    }
}
