//! A look into small tables that were never analysed, so that their values are known as well: bounded in every
//! direction.
//!
//! These are the only statements of the control plane that read a user's table, and they are COPY for a reason. To plan
//! even `SELECT column FROM table`, PostgreSQL evaluates what is constant in the table's index expressions and
//! constraints, which is code of the table's owner, run with the rights of whoever asks: here the service account, often
//! a superuser. COPY of a table plans nothing. It does not apply to views, and `row_security = off` makes a policy an
//! error instead of code.

use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;

use futures_util::TryStreamExt;
use tokio::time::{Instant, timeout};
use tokio_postgres::Client;

use super::catalog::SnapshotDraft;
use super::queries::{TEXT_VALUES_MAX, VALUE_CHARS_MAX};
use super::quote::identifier;
use super::sensitive::{Sensitivity, sensitivity};
use super::snapshot::{Column, ColumnStats, Relation, RelationKind, TypeClass};

/// Relations looked into at most.
const RELATIONS_MAX: usize = 200;

/// Columns looked at in one relation at most.
const COLUMNS_MAX: usize = 24;

/// Bytes that the rows of a relation take at most; larger ones are left to ANALYZE. COPY has no LIMIT.
const RELATION_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Rows kept of one relation at most.
const ROWS_MAX: usize = 1_000;

/// Time for all relations together.
const TIME_MAX: Duration = Duration::from_secs(2);

/// `statement_timeout` for one relation.
const STATEMENT_TIMEOUT: Duration = Duration::from_millis(250);

/// `lock_timeout` for one relation: somebody changes it right now, and it can wait.
const LOCK_TIMEOUT: Duration = Duration::from_millis(50);

/// What is said before each look. One transaction per relation: an error, be it of permission or of time, ends that
/// look alone.
fn settings() -> String {
    format!(
        "SET TRANSACTION READ ONLY; SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL row_security = off; \
         SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = {}",
        STATEMENT_TIMEOUT.as_millis(),
        LOCK_TIMEOUT.as_millis()
    )
}

/// Fills in values of the text columns of relations without statistics. What cannot be read is left as it is.
pub(in crate::schema) async fn fill(client: &mut Client, draft: &mut SnapshotDraft) {
    let deadline = Instant::now() + TIME_MAX;
    let SnapshotDraft {
        snapshot, readable, ..
    } = draft;
    let wanted = snapshot
        .relations
        .iter_mut()
        .zip(readable.iter())
        .filter(|(relation, readable)| **readable && unknown(relation))
        .map(|(relation, _)| relation)
        .take(RELATIONS_MAX);
    for relation in wanted {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let columns = text_columns(relation);
        if columns.is_empty() {
            continue;
        }
        // The server's own time-out comes first; this one is for a server that does not answer at all.
        match timeout(left + STATEMENT_TIMEOUT, values(client, relation, &columns)).await {
            Ok(Ok(rows)) => keep(relation, &columns, &rows),
            Ok(Err(error)) if client.is_closed() => {
                tracing::debug!(%error, "connection lost while sampling");
                break;
            }
            Ok(Err(_)) => {}
            Err(_) => break,
        }
    }
}

/// Whether nothing is known of the relation, and a look is allowed at all. Foreign tables are somebody else's.
fn unknown(relation: &Relation) -> bool {
    matches!(
        relation.kind,
        RelationKind::Table | RelationKind::MaterializedView
    ) && !relation.row_security
        && relation.columns.iter().all(|c| c.stats.is_none())
}

fn text_columns(relation: &Relation) -> Vec<usize> {
    let worth_it =
        |c: &Column| c.class == TypeClass::Text && sensitivity(&c.name) < Sensitivity::Secret;
    relation
        .columns
        .iter()
        .enumerate()
        .filter(|(_, column)| worth_it(column))
        .map(|(position, _)| position)
        .take(COLUMNS_MAX)
        .collect()
}

/// Whether a relation is small, values that are stored elsewhere included.
fn is_small(relation: &Relation) -> String {
    format!(
        "SELECT FROM pg_catalog.pg_class c WHERE c.oid = {} \
         AND pg_catalog.pg_relation_size(c.oid) <= {RELATION_BYTES_MAX} \
         AND (c.reltoastrelid = 0 OR pg_catalog.pg_relation_size(c.reltoastrelid) = 0)",
        relation.oid
    )
}

fn copy(relation: &Relation, columns: &[usize]) -> String {
    let list: Vec<String> = columns
        .iter()
        .map(|&position| identifier(&relation.columns[position].name))
        .collect();
    format!(
        "COPY {}.{} ({}) TO STDOUT",
        identifier(&relation.schema),
        identifier(&relation.name),
        list.join(", ")
    )
}

/// The first rows of a relation, in the order they are stored.
async fn values(
    client: &mut Client,
    relation: &Relation,
    columns: &[usize],
) -> Result<Vec<Vec<Option<String>>>, tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    transaction.batch_execute(&settings()).await?;
    let mut rows = Vec::new();
    if transaction
        .query_typed_opt(&is_small(relation), &[])
        .await?
        .is_some()
    {
        let stream = transaction.copy_out(&copy(relation, columns)).await?;
        let mut stream = pin!(stream);
        // One message is one row. To the end, because a stream that is dropped is read to the end all the same.
        while let Some(row) = stream.try_next().await? {
            if rows.len() < ROWS_MAX {
                rows.push(fields(&String::from_utf8_lossy(&row)));
            }
        }
    }
    transaction.rollback().await?;
    Ok(rows)
}

/// Takes a row of COPY's text format apart; `None` for NULL.
///
/// # Source
/// PostgreSQL manual, "COPY", "Text Format".
fn fields(row: &str) -> Vec<Option<String>> {
    let row = row.strip_suffix('\n').unwrap_or(row);
    row.split('\t')
        .map(|field| (field != "\\N").then(|| unescaped(field)))
        .collect()
}

fn unescaped(field: &str) -> String {
    let mut text = String::with_capacity(field.len());
    let mut chars = field.chars();
    while let Some(c) = chars.next() {
        let c = match c {
            '\\' => match chars.next() {
                Some('b') => '\u{8}',
                Some('f') => '\u{c}',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some('v') => '\u{b}',
                Some(other) => other,
                None => break,
            },
            c => c,
        };
        text.push(c);
    }
    text
}

fn keep(relation: &mut Relation, columns: &[usize], rows: &[Vec<Option<String>>]) {
    if rows.is_empty() {
        return;
    }
    for (field, &position) in columns.iter().enumerate() {
        let values = rows
            .iter()
            .filter_map(|row| row.get(field)?.as_deref())
            .filter(|value| !value.is_empty() && value.chars().count() <= VALUE_CHARS_MAX);
        relation.columns[position].stats = Some(summary(values, rows.len()));
    }
}

/// Counts values: repeated ones are common values, most frequent first; a column whose values hardly repeat has some
/// of them as its histogram, in order.
fn summary<'a>(values: impl Iterator<Item = &'a str>, row_count: usize) -> ColumnStats {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let mut value_count = 0;
    for value in values {
        *counts.entry(value).or_default() += 1;
        value_count += 1;
    }
    let distinct = counts.len();
    let mut counted: Vec<(&str, usize)> = counts.into_iter().collect();
    counted.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let repeats = distinct <= TEXT_VALUES_MAX && distinct * 2 <= value_count;
    let mut kept: Vec<String> = counted
        .into_iter()
        .map(|(value, _)| value.to_owned())
        .collect();
    if !repeats {
        kept.sort();
        let step = kept.len().div_ceil(TEXT_VALUES_MAX).max(1);
        kept = kept.into_iter().step_by(step).collect();
    }
    let (common_values, histogram) = if repeats {
        (kept, Vec::new())
    } else {
        (Vec::new(), kept)
    };
    // Fractions and counts of at most `ROWS_MAX` rows are exact in an f32.
    ColumnStats {
        null_fraction: 1.0 - value_count as f32 / row_count as f32,
        distinct: if repeats { distinct as f32 } else { 0.0 },
        common_values,
        histogram,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_values_are_common_and_unique_ones_a_histogram() {
        let stats = summary(["b", "a", "b", "b", "a", "c"].into_iter(), 8);
        assert_eq!(stats.common_values, ["b", "a", "c"]);
        assert!(stats.histogram.is_empty());
        assert!((stats.null_fraction - 0.25).abs() < 0.001);

        let names: Vec<String> = (0..500).map(|i| format!("name {i:03}")).collect();
        let stats = summary(names.iter().map(String::as_str), 500);
        assert!(stats.common_values.is_empty());
        assert_eq!(stats.histogram.len(), TEXT_VALUES_MAX);
        assert!(stats.histogram.is_sorted());
    }

    #[test]
    fn copy_quotes_names_and_its_rows_are_read_back() {
        let relation = Relation {
            schema: "Odd \"one\"".into(),
            name: "t".into(),
            columns: ["Name", "b"]
                .map(|name| Column {
                    name: name.into(),
                    ..Column::default()
                })
                .into(),
            ..Relation::default()
        };
        assert_eq!(
            copy(&relation, &[0, 1]),
            r#"COPY "Odd ""one"""."t" ("Name", "b") TO STDOUT"#
        );
        let row = fields("a\\tb\\\\\t\\N\t\n");
        assert_eq!(row, [Some("a\tb\\".into()), None, Some(String::new())]);
    }
}
