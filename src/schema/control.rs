//! How this room and those above it come by a connection for catalog work, without knowing pools.

use std::error::Error;
use std::ops::DerefMut;

use futures_util::future::BoxFuture;
use tokio_postgres::Client;

use crate::error::{Refusal, SqlState};

/// A connection of the upstream's service account, on loan: dropping it gives it back.
///
/// It is exclusive while it is held, so a [`tokio_postgres::Transaction`] may be opened on it; one that is dropped
/// half way is rolled back before the next borrower's first statement.
pub type ControlClient = Box<dyn DerefMut<Target = Client> + Send + Sync>;

/// Whoever lends connections of the service account: `pool` in the proxy, a test's own in a test.
pub trait ControlClients: Send + Sync + 'static {
    /// Lends a connection to one database of one upstream.
    ///
    /// # Errors
    /// `08006` when the server cannot be reached or the service account cannot log in, `53300` when all
    /// connections stayed on loan for too long, the server's own SQLSTATE otherwise.
    fn client<'a>(
        &'a self,
        upstream: &'a str,
        database: &'a str,
    ) -> BoxFuture<'a, Result<ControlClient, Refusal>>;
}

/// Says what went wrong on a connection as a client may read it: the server's own error when it sent one, else
/// `08006` with the reason.
#[must_use]
pub fn refusal(error: &tokio_postgres::Error) -> Refusal {
    let Some(db) = error.as_db_error() else {
        return Refusal::new(
            SqlState::CONNECTION_FAILURE,
            "connection to the server failed",
        )
        .with_detail(format!("{}.", reason(error)));
    };
    let sqlstate = SqlState::parse(db.code().code()).unwrap_or(SqlState::INTERNAL_ERROR);
    Refusal {
        sqlstate,
        message: db.message().to_owned().into(),
        detail: db.detail().map(str::to_owned),
        hint: db.hint().map(str::to_owned),
        internal: None,
    }
}

/// An error with its causes, outermost first, on one line.
pub fn reason(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
