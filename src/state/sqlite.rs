//! Records in an SQLite file.
//!
//! The file is made with its first record; until then there is nothing to read. Every touch of it happens on a thread
//! of its own kind (`spawn_blocking`), because a disk or a lock may make it wait.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{
    Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior, params_from_iter,
};
use tokio::sync::Semaphore;

use super::change::{Change, Outcome};
use super::record::{Place, Records};
use super::statements::{
    self, ALL_FEEDBACK, ALL_PINS, BUMP, FEEDBACK, FEEDBACK_COLUMNS, FORMAT, META, PIN_COLUMNS,
    PINS, Statement, TABLES,
};
use super::store::{Failure, Revision};

/// How long a statement waits for another process that has the file locked.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);

/// Threads that wait for the file at once, at most. One works on it; the others wait for their turn.
const THREADS_MAX: usize = 4;

/// The mode of a new file: questions and their SQL may hold what not everybody on the machine should read.
const FILE_MODE: u32 = 0o600;

/// The store. Cloning shares it.
#[derive(Clone, Debug)]
pub(super) struct Sqlite {
    path: Arc<Path>,
    files: Arc<Mutex<Opened>>,
    /// Threads that may touch the file: a disk that hangs must not take all that the runtime has.
    threads: Arc<Semaphore>,
}

/// The file if it is open, and whether it ever was: one that was there and is gone is not one without records.
#[derive(Debug, Default)]
struct Opened {
    open: Option<Open>,
    seen: bool,
}

#[derive(Debug)]
struct Open {
    connection: Connection,
    /// Device and inode: a file that was put in the place of the one that is open is another one.
    file: (u64, u64),
}

/// Why a file cannot be used, before it is told.
enum Fault {
    Sqlite(rusqlite::Error),
    Other(Failure),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Sqlite {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path: path.into(),
            files: Arc::default(),
            threads: Arc::new(Semaphore::new(THREADS_MAX)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The records of a place, unless they are still those of this revision.
    pub(super) async fn read(
        &self,
        place: &Place,
        known: Option<Revision>,
    ) -> Result<Option<(Revision, Records)>, Failure> {
        let place = place.clone();
        self.run(move |store| store.read_blocking(&place, known.as_ref()))
            .await
    }

    pub(super) async fn read_all(&self) -> Result<Records, Failure> {
        self.run(|store| {
            let Some(open) = store.existing()? else {
                return Ok(Records::default());
            };
            let transaction = open.connection.transaction()?;
            match revision(&transaction)? {
                None => Ok(Records::default()),
                Some(_) => records(&transaction, [ALL_PINS, ALL_FEEDBACK], &[]),
            }
        })
        .await
    }

    pub(super) async fn change(&self, change: Change) -> Result<Outcome, Failure> {
        self.run(move |store| {
            let transaction = store.writable()?;
            let place = key(change.place());
            let outcome = change.judge(&records(&transaction, [PINS, FEEDBACK], &place)?);
            if outcome == Outcome::Done {
                apply(&transaction, &statements::of_change(&change))?;
                transaction.commit()?;
            }
            Ok(outcome)
        })
        .await
    }

    pub(super) async fn import(&self, records: Records) -> Result<(), Failure> {
        self.run(move |store| {
            let transaction = store.writable()?;
            apply(&transaction, &statements::of_import(&records))?;
            Ok(transaction.commit()?)
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Files<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Failure> {
        let store = self.clone();
        let thread = Arc::clone(&self.threads).acquire_owned().await;
        let worked = tokio::task::spawn_blocking(move || {
            let _thread = thread;
            store.with_open(work)
        })
        .await;
        worked.unwrap_or_else(|_| Err(Failure::new("its thread has ended")))
    }

    /// Whatever goes wrong, the next attempt begins with opening the file anew.
    fn with_open<T>(
        &self,
        work: impl FnOnce(&mut Files<'_>) -> Result<T, Fault>,
    ) -> Result<T, Failure> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let worked = work(&mut Files {
            path: &self.path,
            opened: &mut files,
        });
        worked.map_err(|fault| {
            files.open = None;
            fault.failure()
        })
    }
}

/// The file's path, and the file if it is open.
struct Files<'a> {
    path: &'a Path,
    opened: &'a mut Opened,
}

impl Files<'_> {
    fn read_blocking(
        &mut self,
        place: &Place,
        known: Option<&Revision>,
    ) -> Result<Option<(Revision, Records)>, Fault> {
        let Some(open) = self.existing()? else {
            return Ok(Some((Revision::Nothing, Records::default())));
        };
        let file = open.file;
        let transaction = open.connection.transaction()?;
        let Some(count) = revision(&transaction)? else {
            return Ok(Some((Revision::Nothing, Records::default())));
        };
        let revision = Revision::Of(format!("{}:{}:{count}", file.0, file.1).into());
        if known == Some(&revision) {
            return Ok(None);
        }
        let records = records(&transaction, [PINS, FEEDBACK], &key(place))?;
        Ok(Some((revision, records)))
    }

    /// The file, opened; `None` when there is none yet.
    fn existing(&mut self) -> Result<Option<&mut Open>, Fault> {
        let file = match fs::metadata(self.path) {
            Ok(file) => (file.dev(), file.ino()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.opened.open = None;
                return if self.opened.seen {
                    Err(Fault::Other(Failure::new("its file is gone")))
                } else {
                    Ok(None)
                };
            }
            Err(error) => return Err(unreachable_file(&error)),
        };
        let open = &mut self.opened.open;
        if open.as_ref().is_some_and(|open| open.file != file) {
            *open = None;
        }
        if open.is_none() {
            // Never made here: a file that goes at this moment must not be followed by an empty one.
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(self.path, flags)?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            *open = Some(Open { connection, file });
            self.opened.seen = true;
        }
        Ok(self.opened.open.as_mut())
    }

    /// A transaction that may write, over tables that are there.
    fn writable(&mut self) -> Result<Transaction<'_>, Fault> {
        if !self.opened.seen && !self.path.exists() {
            self.create()?;
        }
        let open = self
            .existing()?
            .ok_or_else(|| Fault::Other(Failure::new("its file is gone")))?;
        let transaction = open
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        if revision(&transaction)?.is_none() {
            for table in TABLES {
                transaction.execute(table, [])?;
            }
        }
        Ok(transaction)
    }

    fn create(&self) -> Result<(), Fault> {
        if let Some(directory) = self.path.parent() {
            fs::create_dir_all(directory).map_err(|error| unreachable_file(&error))?;
        }
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(self.path)
            .map(drop)
            .map_err(|error| unreachable_file(&error))
    }
}

/// The number of changes so far; `None` where there are no tables yet.
fn revision(transaction: &Transaction<'_>) -> Result<Option<String>, Fault> {
    let names =
        "SELECT coalesce(sum(name = 'meta'), 0), count(*) FROM sqlite_master WHERE type = 'table'";
    let (ours, tables): (i64, i64) =
        transaction.query_row(names, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if tables == 0 {
        return Ok(None);
    }
    if ours == 0 {
        return Err(Fault::Other(Failure::new(
            "its file is a database of something else",
        )));
    }
    let (format, revision): (String, String) =
        transaction.query_row(META, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if format != FORMAT {
        return Err(Fault::Other(Failure::of_format(&format)));
    }
    Ok(Some(revision))
}

fn records(
    transaction: &Transaction<'_>,
    [pins, feedback]: [&str; 2],
    key: &[String],
) -> Result<Records, Fault> {
    let mut records = Records::default();
    for row in rows(transaction, pins, key, PIN_COLUMNS)? {
        records
            .pins
            .push(statements::pin(row).ok_or_else(strange_row)?);
    }
    for row in rows(transaction, feedback, key, FEEDBACK_COLUMNS)? {
        records
            .feedback
            .push(statements::feedback(row).ok_or_else(strange_row)?);
    }
    records.sort();
    Ok(records)
}

fn rows(
    transaction: &Transaction<'_>,
    sql: &str,
    key: &[String],
    columns: usize,
) -> Result<Vec<Vec<String>>, Fault> {
    let mut statement = transaction.prepare(sql)?;
    let rows = statement.query_map(params_from_iter(key), |row| {
        (0..columns).map(|column| row.get(column)).collect()
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn apply(transaction: &Transaction<'_>, statements: &[Statement]) -> Result<(), Fault> {
    transaction.execute(BUMP, [])?;
    for Statement { sql, values } in statements {
        transaction.execute(sql, params_from_iter(values))?;
    }
    Ok(())
}

fn key(place: &Place) -> [String; 2] {
    [place.upstream.to_string(), place.database.to_string()]
}

fn unreachable_file(error: &std::io::Error) -> Fault {
    Fault::Other(Failure::new(format!("its file cannot be reached: {error}")))
}

fn strange_row() -> Fault {
    Fault::Other(Failure::new("it holds a record that cannot be read"))
}

impl Fault {
    /// The reason in words that name no path: a client reads them.
    fn failure(self) -> Failure {
        let error = match self {
            Self::Other(failure) => return failure,
            Self::Sqlite(error) => error,
        };
        Failure::new(match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                "its file is locked by another process".to_owned()
            }
            Some(ErrorCode::NotADatabase) => "its file is not an SQLite database".to_owned(),
            Some(ErrorCode::DatabaseCorrupt) => "its file is damaged".to_owned(),
            Some(ErrorCode::CannotOpen) => "its file cannot be opened".to_owned(),
            Some(ErrorCode::ReadOnly) => "its file cannot be written".to_owned(),
            Some(ErrorCode::DiskFull) => "the disk is full".to_owned(),
            Some(code) => format!("SQLite says {code:?}"),
            None => "it holds a record that cannot be read".to_owned(),
        })
    }
}
