//! Records in a PostgreSQL database, which several proxies may share.
//!
//! One connection is all it takes: what is read is remembered, and changes are rare. The tables stand in a schema of
//! their own, `pgask`, which is made with the first record.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, IsolationLevel, NoTls, Transaction};

use super::change::{Change, Outcome};
use super::record::{Place, Records};
use super::statements::{
    self, ALL_FEEDBACK, ALL_PINS, BUMP, FEEDBACK, FEEDBACK_COLUMNS, FORMAT, META, PIN_COLUMNS,
    PINS, Statement, TABLES,
};
use super::store::{Failure, Revision};
use crate::pool::endpoint::Endpoint;
use crate::pool::registry::control_config;
use crate::schema::control::reason;

/// How long connecting and logging in may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long one exchange with the server may take, the wait for another proxy's change included.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(3);

/// How the connection calls itself in `pg_stat_activity`.
const APPLICATION_NAME: &str = "pgask state";

/// Said once on a new connection. The path holds no schema that somebody else can write to.
const CONNECTION_SETTINGS: &str = "SET search_path = pgask, pg_temp; SET statement_timeout = '3s'; SET default_transaction_read_only = off";

/// Keeps two proxies from making the tables at the same time: a number that means nothing else ("pgask" in ASCII).
const MAKING_LOCK: i64 = 0x70_67_61_73_6b;

/// The store. Cloning shares it.
#[derive(Clone, Debug)]
pub(super) struct Postgres {
    endpoint: Arc<Endpoint>,
    client: Arc<Mutex<Option<Client>>>,
}

/// Why the database cannot be used, before it is told.
enum Fault {
    Server(tokio_postgres::Error),
    Other(Failure),
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Server(error)
    }
}

impl Postgres {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint: Arc::new(endpoint),
            client: Arc::default(),
        }
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The records of a place, unless they are still those of this revision.
    pub(super) async fn read(
        &self,
        place: &Place,
        known: Option<Revision>,
    ) -> Result<Option<(Revision, Records)>, Failure> {
        let mut held = self.hold().await?;
        let found = in_time(read_place(&mut held.client, place, known)).await?;
        held.give_back();
        Ok(found)
    }

    pub(super) async fn read_all(&self) -> Result<Records, Failure> {
        let mut held = self.hold().await?;
        let found = in_time(read_all(&mut held.client)).await?;
        held.give_back();
        Ok(found)
    }

    pub(super) async fn change(&self, change: Change) -> Result<Outcome, Failure> {
        let mut held = self.hold().await?;
        let outcome = in_time(make(&mut held.client, &change)).await?;
        held.give_back();
        Ok(outcome)
    }

    pub(super) async fn import(&self, records: Records) -> Result<(), Failure> {
        let mut held = self.hold().await?;
        in_time(import(&mut held.client, &records)).await?;
        held.give_back();
        Ok(())
    }

    /// The connection, which is made anew where there is none.
    async fn hold(&self) -> Result<Held<'_>, Failure> {
        let mut slot = self.client.lock().await;
        let client = match slot.take().filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => self.connect().await?,
        };
        Ok(Held { slot, client })
    }

    async fn connect(&self) -> Result<Client, Failure> {
        let mut config = control_config(&self.endpoint);
        config
            .dbname(&self.endpoint.database)
            .application_name(APPLICATION_NAME)
            .connect_timeout(CONNECT_TIMEOUT);
        let connecting = async {
            let (client, connection) = config.connect(NoTls).await?;
            // It ends when the client is dropped; what ends it earlier is told to the statement that waits.
            tokio::spawn(connection);
            client.batch_execute(CONNECTION_SETTINGS).await?;
            Ok(client)
        };
        match timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(connected) => {
                connected.map_err(|error: tokio_postgres::Error| Failure::new(reason(&error)))
            }
            Err(_) => Err(Failure::new("its server does not answer")),
        }
    }
}

/// The connection in use. One that failed, or on which something was given up half way, is not used again: it is only
/// there for the next one when it was given back.
struct Held<'a> {
    slot: MutexGuard<'a, Option<Client>>,
    client: Client,
}

impl Held<'_> {
    fn give_back(mut self) {
        *self.slot = Some(self.client);
    }
}

async fn in_time<T>(work: impl Future<Output = Result<T, Fault>>) -> Result<T, Failure> {
    match timeout(EXCHANGE_TIMEOUT, work).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(Fault::Other(failure))) => Err(failure),
        Ok(Err(Fault::Server(error))) => Err(Failure::new(reason(&error))),
        Err(_) => Err(Failure::new("its server has not answered in time")),
    }
}

async fn read_place(
    client: &mut Client,
    place: &Place,
    known: Option<Revision>,
) -> Result<Option<(Revision, Records)>, Fault> {
    let transaction = reading(client).await?;
    let Some(revision) = revision(&transaction).await? else {
        return match known {
            Some(Revision::Of(_)) => Err(Fault::Other(Failure::new("its tables are gone"))),
            _ => Ok(Some((Revision::Nothing, Records::default()))),
        };
    };
    if known.as_ref() == Some(&revision) {
        return Ok(None);
    }
    let records = records(&transaction, [PINS, FEEDBACK], &key(place)).await?;
    Ok(Some((revision, records)))
}

async fn read_all(client: &mut Client) -> Result<Records, Fault> {
    let transaction = reading(client).await?;
    match revision(&transaction).await? {
        None => Ok(Records::default()),
        Some(_) => records(&transaction, [ALL_PINS, ALL_FEEDBACK], &[]).await,
    }
}

async fn make(client: &mut Client, change: &Change) -> Result<Outcome, Fault> {
    let transaction = writing(client).await?;
    let place = key(change.place());
    let records = records(&transaction, [PINS, FEEDBACK], &place).await?;
    let outcome = change.judge(&records);
    if outcome == Outcome::Done {
        apply(&transaction, &statements::of_change(change)).await?;
        transaction.commit().await?;
    } else {
        transaction.rollback().await?;
    }
    Ok(outcome)
}

async fn import(client: &mut Client, records: &Records) -> Result<(), Fault> {
    let transaction = writing(client).await?;
    apply(&transaction, &statements::of_import(records)).await?;
    Ok(transaction.commit().await?)
}

/// A transaction in which two reads see the same.
async fn reading(client: &mut Client) -> Result<Transaction<'_>, Fault> {
    Ok(client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await?)
}

/// A transaction that nobody else's change can come between, over tables that are there.
async fn writing(client: &mut Client) -> Result<Transaction<'_>, Fault> {
    let transaction = client.transaction().await?;
    let lock = format!("SELECT pg_catalog.pg_advisory_xact_lock({MAKING_LOCK})");
    transaction.batch_execute(&lock).await?;
    if revision(&transaction).await?.is_none() {
        transaction
            .batch_execute("CREATE SCHEMA IF NOT EXISTS pgask")
            .await?;
        for table in TABLES {
            transaction.batch_execute(table).await?;
        }
    }
    Ok(transaction)
}

/// The number of changes so far; `None` where there are no tables yet.
async fn revision(transaction: &Transaction<'_>) -> Result<Option<Revision>, Fault> {
    let exists = transaction
        .query_one(
            "SELECT pg_catalog.to_regclass('pgask.meta') IS NOT NULL",
            &[],
        )
        .await?;
    if !exists.try_get::<_, bool>(0)? {
        return Ok(None);
    }
    let row = transaction.query_one(META, &[]).await?;
    let (format, revision): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    if format != FORMAT {
        return Err(Fault::Other(Failure::of_format(&format)));
    }
    Ok(Some(Revision::Of(revision.into())))
}

async fn records(
    transaction: &Transaction<'_>,
    [pins, feedback]: [&str; 2],
    key: &[String],
) -> Result<Records, Fault> {
    let mut records = Records::default();
    for row in rows(transaction, pins, key, PIN_COLUMNS).await? {
        records
            .pins
            .push(statements::pin(row).ok_or_else(strange_row)?);
    }
    for row in rows(transaction, feedback, key, FEEDBACK_COLUMNS).await? {
        records
            .feedback
            .push(statements::feedback(row).ok_or_else(strange_row)?);
    }
    records.sort();
    Ok(records)
}

async fn rows(
    transaction: &Transaction<'_>,
    sql: &str,
    key: &[String],
    columns: usize,
) -> Result<Vec<Vec<String>>, Fault> {
    let rows = transaction.query_typed(sql, &texts(key)).await?;
    let values = rows
        .iter()
        .map(|row| (0..columns).map(|column| row.try_get(column)).collect());
    Ok(values.collect::<Result<_, _>>()?)
}

async fn apply(transaction: &Transaction<'_>, statements: &[Statement]) -> Result<(), Fault> {
    transaction.batch_execute(BUMP).await?;
    for Statement { sql, values } in statements {
        transaction.query_typed(sql, &texts(values)).await?;
    }
    Ok(())
}

fn texts(values: &[String]) -> Vec<(&(dyn ToSql + Sync), Type)> {
    let text = |value| (value as &(dyn ToSql + Sync), Type::TEXT);
    values.iter().map(text).collect()
}

fn key(place: &Place) -> [String; 2] {
    [place.upstream.to_string(), place.database.to_string()]
}

fn strange_row() -> Fault {
    Fault::Other(Failure::new("it holds a record that cannot be read"))
}
