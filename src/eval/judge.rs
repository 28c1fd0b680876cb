//! Runs gold and predicted SQL on one database, and compares.

use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;

use futures_util::TryStreamExt;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::outcome::Verdict;
use super::rows::{Columns, Rows, are_same, orders};
use super::value::Value;
use crate::error::Refusal;
use crate::schema::control::refusal;

/// How long a query may run.
///
/// # Source
/// `STATEMENT_TIMEOUT_MS` of the development suites' referee.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(15);

/// Wider results are not searched for the gold columns: there are too many ways to choose them.
const WIDTH_MAX: usize = 8;

/// One connection that only reads.
pub struct Judge {
    client: Client,
    /// What the gold queries of this database have returned.
    gold: HashMap<String, Rows>,
}

impl Judge {
    /// Over a connection that is its own from now on.
    ///
    /// # Errors
    /// When the server refuses its settings.
    pub async fn new(client: Client) -> Result<Self, Refusal> {
        let sql = format!(
            "SET statement_timeout = {}; SET default_transaction_read_only = on; SET datestyle = 'ISO, MDY'; \
             SET intervalstyle = 'postgres'",
            STATEMENT_TIMEOUT.as_millis()
        );
        client
            .batch_execute(&sql)
            .await
            .map_err(|error| refusal(&error))?;
        Ok(Self {
            client,
            gold: HashMap::new(),
        })
    }

    /// Compares what a query returns with what any of the gold ones does; the server's error where it could not be run.
    ///
    /// # Errors
    /// When a gold query cannot be run: then the suite is at fault, or the server.
    pub async fn verdict(
        &mut self,
        gold: &[String],
        sql: &str,
    ) -> Result<(Verdict, Option<Refusal>), Refusal> {
        let predicted = match self.rows(sql).await {
            Ok(rows) => rows,
            Err(error) => return Ok((Verdict::Error, Some(error))),
        };
        let mut verdict = Verdict::Wrong;
        for gold_sql in gold {
            if !self.gold.contains_key(gold_sql) {
                let rows = self.rows(gold_sql).await?;
                self.gold.insert(gold_sql.clone(), rows);
            }
            let rows = &self.gold[gold_sql];
            let is_ordered = orders(gold_sql);
            let keep_order = is_ordered && rows.len() > 1;
            if are_same(rows, &predicted, keep_order, Columns::AllAndNoOther) {
                return Ok((Verdict::Exact, None));
            }
            let is_narrow = predicted.first().is_some_and(|row| row.len() <= WIDTH_MAX);
            if is_narrow
                && !rows.is_empty()
                && are_same(rows, &predicted, is_ordered, Columns::AllAndOthers)
            {
                verdict = Verdict::Subset;
            }
        }
        Ok((verdict, None))
    }

    /// The rows of a query, as text of known types.
    async fn rows(&self, sql: &str) -> Result<Rows, Refusal> {
        let failed = |error: tokio_postgres::Error| refusal(&error);
        let statement = self.client.prepare(sql).await.map_err(failed)?;
        let types: Vec<Type> = statement
            .columns()
            .iter()
            .map(|column| column.type_().clone())
            .collect();
        let messages = self.client.simple_query_raw(sql).await.map_err(failed)?;
        let mut messages = pin!(messages);
        let mut rows = Rows::new();
        while let Some(message) = messages.try_next().await.map_err(failed)? {
            if let SimpleQueryMessage::Row(row) = message {
                let value = |(at, kind)| Value::read(row.get(at), kind);
                rows.push(types.iter().enumerate().map(value).collect());
            }
        }
        Ok(rows)
    }
}
