//! A look into small tables, so that their values are known where statistics do not tell them: bounded in every direction.
//!
//! Statistics hold the hundred most common values of a column, and of a small table only those that repeat; a table of
//! few rows is not even analysed by itself.
//!
//! These are the only statements of the control plane that read a user's table, and they are COPY for a reason. To plan
//! even `SELECT column FROM table`, PostgreSQL evaluates what is constant in the table's index expressions and
//! constraints, which is code of the table's owner, run with the rights of whoever asks: here the service account, often
//! a superuser. COPY of a table plans nothing. It does not apply to views, and `row_security = off` makes a policy an
//! error instead of code.

use std::borrow::Cow;
use std::pin::pin;
use std::time::Duration;

use futures_util::{TryStreamExt, future};
use tokio::time::{Instant, timeout};
use tokio_postgres::Client;

use super::catalog::SnapshotDraft;
use super::quote::identifier;
use super::sensitive::{Sensitivity, sensitivity};
use super::settings::Settings;
use super::snapshot::{Column, Relation, RelationKind, TypeClass};
use super::values::Values;

/// Relations looked into at most.
const RELATIONS_MAX: usize = 4_000;

/// Columns looked at in one relation at most.
const COLUMNS_MAX: usize = 48;

/// Bytes that the rows of a relation take at most; larger ones are left to ANALYZE. COPY has no LIMIT.
const RELATION_BYTES_MAX: usize = 4 * 1024 * 1024;

/// `statement_timeout` for one relation.
const STATEMENT_TIMEOUT: Duration = Duration::from_millis(250);

/// `lock_timeout` for one relation: somebody changes it right now, and it can wait.
const LOCK_TIMEOUT: Duration = Duration::from_millis(50);

/// What is said before each look. One transaction per relation: an error, be it of permission or of time, ends that
/// look alone.
fn settings() -> String {
    format!(
        "SET TRANSACTION READ ONLY; SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL row_security = off; \
         SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL timezone = 'UTC'; \
         SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = {}",
        STATEMENT_TIMEOUT.as_millis(),
        LOCK_TIMEOUT.as_millis()
    )
}

/// Fills in what statistics do not tell of the columns of small relations, within the time and the bytes that the
/// settings allow. What cannot be read is left as it is.
pub(in crate::schema) async fn fill(
    client: &mut Client,
    draft: &mut SnapshotDraft,
    settings: &Settings,
) {
    let deadline = Instant::now() + settings.values_time;
    let mut bytes_left = usize::try_from(settings.values_bytes).unwrap_or(usize::MAX);
    for (position, columns) in wanted(draft) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || bytes_left == 0 {
            break;
        }
        let relation = &mut draft.snapshot.relations[position];
        // The server's own time-out comes first; this one is for a server that does not answer at all.
        match timeout(left + STATEMENT_TIMEOUT, values(client, relation, &columns)).await {
            Ok(Ok(Some(mut values))) => {
                for (field, &column) in columns.iter().enumerate() {
                    values.tell(field, &mut relation.columns[column], &mut bytes_left);
                }
            }
            Ok(Err(error)) if client.is_closed() => {
                tracing::debug!(%error, "connection lost while sampling");
                break;
            }
            Ok(Ok(None) | Err(_)) => {}
            Err(_) => break,
        }
    }
}

/// Relations worth a look, and the columns to look at: those of which nothing is known first, then small ones first.
fn wanted(draft: &SnapshotDraft) -> Vec<(usize, Vec<usize>)> {
    let mut wanted: Vec<(usize, Vec<usize>)> = draft
        .snapshot
        .relations
        .iter()
        .zip(&draft.readable)
        .enumerate()
        .filter(|(_, (relation, readable))| **readable && may_be_read(relation))
        .map(|(position, (relation, _))| (position, columns(relation)))
        .filter(|(_, columns)| !columns.is_empty())
        .collect();
    let rows = |position: usize| draft.snapshot.relations[position].row_estimate;
    wanted.sort_by(|a, b| {
        let (a, b) = (rows(a.0), rows(b.0));
        let known = a.is_some().cmp(&b.is_some());
        known.then(a.unwrap_or(0.0).total_cmp(&b.unwrap_or(0.0)))
    });
    wanted.truncate(RELATIONS_MAX);
    wanted
}

/// Whether a look is allowed at all. Foreign tables are somebody else's.
fn may_be_read(relation: &Relation) -> bool {
    matches!(
        relation.kind,
        RelationKind::Table | RelationKind::MaterializedView
    ) && !relation.row_security
        // No row is smaller than its header and a pointer to it: this one cannot be small enough.
        && relation.row_estimate.is_none_or(|rows| rows * 28.0 <= RELATION_BYTES_MAX as f64)
}

fn columns(relation: &Relation) -> Vec<usize> {
    relation
        .columns
        .iter()
        .enumerate()
        .filter(|(_, column)| is_worth_it(column, relation.row_estimate))
        .map(|(position, _)| position)
        .take(COLUMNS_MAX)
        .collect()
}

/// Whether there is more to a column than is known of it.
fn is_worth_it(column: &Column, rows: Option<f64>) -> bool {
    if sensitivity(&column.name) == Sensitivity::Secret {
        return false;
    }
    let Some(stats) = &column.stats else {
        return !matches!(
            column.class,
            TypeClass::Array | TypeClass::Json | TypeClass::Other
        );
    };
    let known = stats.common_values.len() + stats.histogram.len();
    let there_are = if stats.distinct < 0.0 {
        (f64::from(-stats.distinct) * rows.unwrap_or(f64::MAX)).round()
    } else {
        f64::from(stats.distinct)
    };
    column.class == TypeClass::Text && (known as f64) < there_are
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

/// The values of a relation; `None` when it is too large.
async fn values(
    client: &mut Client,
    relation: &Relation,
    columns: &[usize],
) -> Result<Option<Values>, tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    let settings = settings();
    let is_small = is_small(relation);
    // Sent together: where the server is far away, each wait is what a look costs.
    let (_, small) = future::try_join(
        transaction.batch_execute(&settings),
        transaction.query_typed_opt(&is_small, &[]),
    )
    .await?;
    if small.is_none() {
        return Ok(None);
    }
    let mut values = Values::of(columns.len());
    let stream = transaction.copy_out(&copy(relation, columns)).await?;
    let mut stream = pin!(stream);
    // One message is one row. To the end, because a stream that is dropped is read to the end all the same.
    while let Some(row) = stream.try_next().await? {
        let row = String::from_utf8_lossy(&row);
        let row = row.strip_suffix('\n').unwrap_or(&row);
        values.add_row(row.split('\t').map(field));
    }
    // The transaction rolls back when it is dropped, and nobody waits for that.
    Ok(Some(values))
}

/// A field of a row in COPY's text format; `None` for NULL.
///
/// # Source
/// PostgreSQL manual, "COPY", "Text Format".
fn field(field: &str) -> Option<Cow<'_, str>> {
    match field {
        "\\N" => None,
        _ if field.contains('\\') => Some(Cow::Owned(unescaped(field))),
        _ => Some(Cow::Borrowed(field)),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::snapshot::ColumnStats;

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
        let row: Vec<_> = "a\\tb\\\\\t\\N\t".split('\t').map(field).collect();
        let texts: Vec<Option<&str>> = row.iter().map(Option::as_deref).collect();
        assert_eq!(texts, [Some("a\tb\\"), None, Some("")]);
    }

    #[test]
    fn only_what_statistics_leave_out_is_worth_a_look() {
        let with = |distinct: f32, known: usize, class: TypeClass| Column {
            name: "kind".into(),
            class,
            stats: Some(ColumnStats {
                distinct,
                common_values: vec!["x".into(); known],
                ..ColumnStats::default()
            }),
            ..Column::default()
        };
        let cases = [
            (with(3.0, 3, TypeClass::Text), false),
            (with(3.0, 2, TypeClass::Text), true),
            (with(-1.0, 0, TypeClass::Text), true),
            (with(-0.1, 5, TypeClass::Text), false),
            (with(9.0, 0, TypeClass::Integer), false),
            (
                Column {
                    stats: None,
                    ..with(0.0, 0, TypeClass::Integer)
                },
                true,
            ),
            (
                Column {
                    name: "password".into(),
                    ..with(3.0, 2, TypeClass::Text)
                },
                false,
            ),
        ];
        for (column, expect) in cases {
            assert_eq!(is_worth_it(&column, Some(50.0)), expect, "{column:?}");
        }
    }
}
