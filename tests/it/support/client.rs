//! tokio-postgres clients whose notices can be read.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::poll_fn;
use tokio::task::JoinHandle;
use tokio_postgres::error::DbError;
use tokio_postgres::{AsyncMessage, Config, NoTls, SimpleQueryMessage};

/// How long anything that a test waits for may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A client, and the notices it was sent; the connection closes when the value is dropped.
pub(crate) struct Client {
    inner: tokio_postgres::Client,
    notices: Arc<Mutex<Vec<DbError>>>,
    connection: JoinHandle<Result<(), tokio_postgres::Error>>,
}

impl Client {
    /// The notices since the last call, in the order they came.
    pub(crate) fn take_notices(&self) -> Vec<DbError> {
        std::mem::take(&mut self.notices.lock().unwrap())
    }

    /// The rows of one simple query as text, `None` for NULL.
    pub(crate) async fn rows(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, DbError> {
        let messages = self.inner.simple_query(sql).await.map_err(db_error)?;
        Ok(messages
            .iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row),
                _ => None,
            })
            .map(|row| {
                (0..row.len())
                    .map(|i| row.get(i).map(str::to_owned))
                    .collect()
            })
            .collect())
    }

    /// The first column of the first row of one simple query, as text.
    pub(crate) async fn value(&self, sql: &str) -> Result<Option<String>, DbError> {
        let rows = self.rows(sql).await?;
        Ok(rows.into_iter().next().and_then(|mut row| row.remove(0)))
    }

    /// The error that one simple query must end in.
    pub(crate) async fn error(&self, sql: &str) -> DbError {
        match self.rows(sql).await {
            Ok(rows) => panic!("{sql} gave {} rows and no error", rows.len()),
            Err(error) => error,
        }
    }

    /// Waits for the server to end the connection, and tells how it ended.
    pub(crate) async fn closed(mut self) -> Result<(), tokio_postgres::Error> {
        tokio::time::timeout(DEADLINE, &mut self.connection)
            .await
            .expect("the connection is still open")
            .expect("the connection's task does not panic")
    }
}

impl Deref for Client {
    type Target = tokio_postgres::Client;

    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}

impl DerefMut for Client {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.inner
    }
}

/// A client's configuration for 127.0.0.1.
pub(crate) fn config(port: u16, role: &str, password: &str, database: &str) -> Config {
    let mut config = Config::new();
    config
        .host("127.0.0.1")
        .port(port)
        .user(role)
        .password(password)
        .dbname(database)
        .connect_timeout(DEADLINE);
    config
}

/// Connects, or panics with the reason.
pub(crate) async fn connect(config: &Config) -> Client {
    match try_connect(config).await {
        Ok(client) => client,
        Err(error) => panic!("cannot connect: {error:?}"),
    }
}

/// Connects, or returns the reason.
pub(crate) async fn try_connect(config: &Config) -> Result<Client, tokio_postgres::Error> {
    let (inner, mut connection) = config.connect(NoTls).await?;
    let notices = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&notices);
    let connection = tokio::spawn(async move {
        while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notice(notice) = message? {
                kept.lock().unwrap().push(notice);
            }
        }
        Ok(())
    });
    Ok(Client {
        inner,
        notices,
        connection,
    })
}

/// The server's own error, where the failure is one.
pub(crate) fn db_error(error: tokio_postgres::Error) -> DbError {
    match error.as_db_error() {
        Some(db_error) => db_error.clone(),
        None => panic!("not an ErrorResponse: {error:?}"),
    }
}
