//! Reads a database's catalog into a [`Snapshot`].
//!
//! The queries are in `queries.rs`; they are sent together, in one transaction that sees one moment.

use std::collections::HashMap;
use std::pin::pin;

use futures_util::TryStreamExt;
use tokio_postgres::{Client, IsolationLevel, Row, Transaction};

use crate::error::Refusal;

use super::control::refusal;
use super::fingerprint::fingerprint;
use super::queries;
use super::sample;
use super::sensitive::{Sensitivity, sensitivity};
use super::settings::Settings;
use super::snapshot::{
    Column, ColumnStats, ForeignKey, Function, Functions, Operator, Relation, RelationId,
    RelationKind, Snapshot, TypeClass, Volatility,
};

/// Bytes of values that a snapshot's statistics hold at most; columns read after that have none.
const VALUES_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Reads the whole catalog, and values of small relations as far as the settings allow.
///
/// # Errors
/// `08006` when the connection is lost, the server's own SQLSTATE otherwise (`57014` when it took too long).
pub async fn load(client: &mut Client, settings: &Settings) -> Result<Snapshot, Refusal> {
    let mut draft = read(client).await.map_err(|error| refusal(&error))?;
    sample::fill(client, &mut draft, settings).await;
    let mut snapshot = draft.snapshot;
    snapshot.fingerprint = fingerprint(&snapshot);
    Ok(snapshot)
}

/// Reads the mark: a text that changes with the structure of the database, at a small part of [`load`]'s cost.
///
/// # Errors
/// As [`load`].
pub async fn mark(client: &Client) -> Result<String, Refusal> {
    let row = client
        .query_typed_one(queries::MARK, &[])
        .await
        .map_err(|error| refusal(&error))?;
    row.try_get(0).map_err(|error| refusal(&error))
}

/// A snapshot on its way, with what is needed only until it is complete.
pub(in crate::schema) struct SnapshotDraft {
    /// All but samples and fingerprint.
    pub(in crate::schema) snapshot: Snapshot,
    /// Relation by relation: the service account may read all of it.
    pub(in crate::schema) readable: Vec<bool>,
    by_oid: HashMap<u32, usize>,
    /// Whose statistics a name in `pg_stats` bears: by schema, name, and whether they are over its heirs too.
    by_statistics: HashMap<(String, String, bool), StatisticsOf>,
}

/// Whose statistics.
#[derive(Clone, Copy)]
enum StatisticsOf {
    /// This relation's own.
    Own(usize),
    /// This partitioned table's, as long as it has none of its own.
    StandIn(usize),
}

async fn read(client: &mut Client) -> Result<SnapshotDraft, tokio_postgres::Error> {
    let transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await?;
    transaction.batch_execute(queries::SETTINGS).await?;
    let (relations_sql, columns_sql) = (queries::relations(), queries::columns());
    let (relations, columns, keys, foreign_keys, functions, operators, view_calls) = tokio::try_join!(
        transaction.query_typed(&relations_sql, &[]),
        transaction.query_typed(&columns_sql, &[]),
        transaction.query_typed(queries::KEYS, &[]),
        transaction.query_typed(queries::FOREIGN_KEYS, &[]),
        transaction.query_typed(queries::FUNCTIONS, &[]),
        transaction.query_typed(queries::OPERATORS, &[]),
        transaction.query_typed(queries::VIEW_CALLS, &[]),
    )?;
    let mut draft = relations_of(&relations)?;
    add_columns(&mut draft, &columns)?;
    add_keys(&mut draft, &keys)?;
    add_foreign_keys(&mut draft, &foreign_keys)?;
    draft.snapshot.functions = functions_of(&functions)?;
    draft.snapshot.operators = operators
        .iter()
        .map(operator_of)
        .collect::<Result<_, _>>()?;
    add_view_calls(&mut draft, &view_calls)?;
    add_statistics(&mut draft, &transaction).await?;
    transaction.commit().await?;
    Ok(draft)
}

fn relations_of(rows: &[Row]) -> Result<SnapshotDraft, tokio_postgres::Error> {
    let mut draft = SnapshotDraft {
        snapshot: Snapshot::default(),
        readable: Vec::with_capacity(rows.len()),
        by_oid: HashMap::with_capacity(rows.len()),
        by_statistics: HashMap::with_capacity(rows.len()),
    };
    for row in rows {
        let oid = row.try_get(0)?;
        let position = draft.snapshot.relations.len();
        draft.by_oid.insert(oid, position);
        if !row.try_get::<_, bool>(6)? {
            let heirs = row.try_get::<_, &str>(3)? == "p";
            let own = (row.try_get(1)?, row.try_get(2)?, heirs);
            draft.by_statistics.insert(own, StatisticsOf::Own(position));
            if let Some(schema) = row.try_get(8)? {
                let partition = (schema, row.try_get(9)?, false);
                let stand_in = StatisticsOf::StandIn(position);
                draft.by_statistics.insert(partition, stand_in);
            }
        }
        draft.snapshot.relations.push(Relation {
            oid,
            schema: row.try_get(1)?,
            name: row.try_get(2)?,
            kind: kind_of(row.try_get(3)?),
            comment: row.try_get(4)?,
            row_estimate: row.try_get(5)?,
            row_security: row.try_get(6)?,
            ..Relation::default()
        });
        draft.readable.push(row.try_get(7)?);
    }
    if rows.len() == queries::RELATIONS_MAX {
        tracing::warn!(
            relation_count_max = queries::RELATIONS_MAX,
            "the database has more relations than a snapshot holds; the last ones cannot be asked about"
        );
    }
    Ok(draft)
}

fn add_columns(draft: &mut SnapshotDraft, rows: &[Row]) -> Result<(), tokio_postgres::Error> {
    for row in rows {
        let Some(relation) = draft.relation_mut(row.try_get(0)?) else {
            continue;
        };
        let base: &str = row.try_get(4)?;
        relation.columns.push(Column {
            attnum: row.try_get(1)?,
            name: row.try_get(2)?,
            type_name: row.try_get(3)?,
            class: class_of(base, row.try_get(5)?, row.try_get(6)?),
            not_null: row.try_get(7)?,
            comment: row.try_get(8)?,
            enum_labels: row.try_get::<_, Option<_>>(9)?.unwrap_or_default(),
            stats: None,
        });
    }
    Ok(())
}

fn add_keys(draft: &mut SnapshotDraft, rows: &[Row]) -> Result<(), tokio_postgres::Error> {
    for row in rows {
        let Some(relation) = draft.relation_mut(row.try_get(0)?) else {
            continue;
        };
        let Some(columns) = positions(relation, row.try_get(2)?) else {
            continue;
        };
        if row.try_get(1)? {
            relation.primary_key = columns;
        } else if !relation.unique_keys.contains(&columns) {
            relation.unique_keys.push(columns);
        }
    }
    for relation in &mut draft.snapshot.relations {
        let primary = &relation.primary_key;
        relation.unique_keys.retain(|key| key != primary);
    }
    Ok(())
}

fn add_foreign_keys(draft: &mut SnapshotDraft, rows: &[Row]) -> Result<(), tokio_postgres::Error> {
    for row in rows {
        let ends = (
            draft.by_oid.get(&row.try_get(1)?).copied(),
            draft.by_oid.get(&row.try_get(3)?).copied(),
        );
        // A key of a single partition is not one of its root, so it goes unsaid.
        let (Some(from), Some(to)) = ends else {
            continue;
        };
        let relations = &draft.snapshot.relations;
        let from_columns = positions(&relations[from], row.try_get(2)?);
        let to_columns = positions(&relations[to], row.try_get(4)?);
        if let (Some(from_columns), Some(to_columns)) = (from_columns, to_columns) {
            draft.snapshot.foreign_keys.push(ForeignKey {
                name: row.try_get(0)?,
                from: RelationId(from),
                from_columns,
                to: RelationId(to),
                to_columns,
            });
        }
    }
    draft
        .snapshot
        .foreign_keys
        .sort_by(|a, b| (a.from, &a.name).cmp(&(b.from, &b.name)));
    Ok(())
}

fn add_view_calls(draft: &mut SnapshotDraft, rows: &[Row]) -> Result<(), tokio_postgres::Error> {
    for row in rows {
        let function = (row.try_get(1)?, row.try_get(2)?);
        if let Some(view) = draft.relation_mut(row.try_get(0)?) {
            view.volatile_calls.push(function);
        }
    }
    Ok(())
}

fn functions_of(rows: &[Row]) -> Result<Functions, tokio_postgres::Error> {
    let mut functions = Functions::default();
    for row in rows {
        let function = Function {
            schema: row.try_get(0)?,
            volatility: Volatility::of_catalog(row.try_get(2)?),
            security_definer: row.try_get(3)?,
        };
        functions.add(row.try_get(1)?, function);
    }
    Ok(functions)
}

fn operator_of(row: &Row) -> Result<Operator, tokio_postgres::Error> {
    Ok(Operator {
        symbol: row.try_get(0)?,
        schema: row.try_get(1)?,
        function: row.try_get(2)?,
        volatility: Volatility::of_catalog(row.try_get(3)?),
        security_definer: row.try_get(4)?,
    })
}

/// Statistics are the one large answer, so they are taken row by row.
async fn add_statistics(
    draft: &mut SnapshotDraft,
    transaction: &Transaction<'_>,
) -> Result<(), tokio_postgres::Error> {
    let no_parameters: [(i32, tokio_postgres::types::Type); 0] = [];
    let rows = transaction
        .query_typed_raw(&queries::statistics(), no_parameters)
        .await?;
    let mut rows = pin!(rows);
    let mut bytes_left = VALUES_BYTES_MAX;
    while let Some(row) = rows.try_next().await? {
        let Some(column) = draft.column_of(&row)? else {
            continue;
        };
        let stats = stats_of(column, &row)?;
        let values = stats.common_values.iter().chain(&stats.histogram);
        let bytes = values.map(String::len).sum::<usize>();
        if bytes <= bytes_left {
            bytes_left -= bytes;
            column.stats = Some(stats);
        }
    }
    Ok(())
}

fn stats_of(column: &Column, row: &Row) -> Result<ColumnStats, tokio_postgres::Error> {
    let mut stats = ColumnStats {
        null_fraction: row.try_get(4)?,
        distinct: row.try_get(5)?,
        ..ColumnStats::default()
    };
    let kept = match column.class {
        TypeClass::Text | TypeClass::Enum => queries::TEXT_VALUES_MAX,
        TypeClass::Array | TypeClass::Json | TypeClass::Other => 0,
        _ => queries::OTHER_VALUES_MAX,
    };
    if kept > 0 && sensitivity(&column.name) < Sensitivity::Secret {
        stats.common_values = row.try_get::<_, Option<_>>(6)?.unwrap_or_default();
        stats.common_values.truncate(kept);
        stats.histogram = thinned(row.try_get::<_, Option<_>>(7)?.unwrap_or_default(), kept);
    }
    Ok(stats)
}

/// At most `kept` of the values, evenly spaced, the first and the last included.
fn thinned(values: Vec<String>, kept: usize) -> Vec<String> {
    let steps = values.len().saturating_sub(1).max(1);
    let kept_steps = kept.saturating_sub(1);
    if values.len() <= kept {
        return values;
    }
    let spaced = |&(position, _): &(usize, String)| position * kept_steps % steps < kept_steps;
    let values = values.into_iter().enumerate().filter(spaced);
    values.map(|(_, value)| value).collect()
}

impl SnapshotDraft {
    /// The column that a row of statistics is of; `None` when it is of none, or only stands in for what is known.
    fn column_of(&mut self, row: &Row) -> Result<Option<&mut Column>, tokio_postgres::Error> {
        let key = (row.try_get(0)?, row.try_get(1)?, row.try_get(3)?);
        let (position, own) = match self.by_statistics.get(&key) {
            Some(StatisticsOf::Own(position)) => (*position, true),
            Some(StatisticsOf::StandIn(position)) => (*position, false),
            None => return Ok(None),
        };
        let name: &str = row.try_get(2)?;
        let relation = &mut self.snapshot.relations[position];
        let column = relation.columns.iter_mut().find(|c| c.name == name);
        Ok(column.filter(|column| own || column.stats.is_none()))
    }

    fn relation_mut(&mut self, oid: u32) -> Option<&mut Relation> {
        let position = *self.by_oid.get(&oid)?;
        self.snapshot.relations.get_mut(position)
    }
}

/// Turns attnums into positions; `None` when one is no plain column (0 stands for an expression).
fn positions(relation: &Relation, attnums: Vec<i16>) -> Option<Vec<usize>> {
    attnums
        .into_iter()
        .map(|attnum| relation.columns.iter().position(|c| c.attnum == attnum))
        .collect()
}

fn kind_of(relkind: &str) -> RelationKind {
    match relkind {
        "v" => RelationKind::View,
        "m" => RelationKind::MaterializedView,
        "f" => RelationKind::ForeignTable,
        _ => RelationKind::Table,
    }
}

/// The class of a base type, from its name, `typtype` and `typcategory`.
fn class_of(name: &str, typtype: &str, category: &str) -> TypeClass {
    if typtype == "e" {
        return TypeClass::Enum;
    }
    if category == "A" {
        return TypeClass::Array;
    }
    match name {
        "int2" | "int4" | "int8" => TypeClass::Integer,
        "numeric" | "float4" | "float8" | "money" => TypeClass::Decimal,
        "text" | "varchar" | "bpchar" | "char" | "citext" | "name" => TypeClass::Text,
        "bool" => TypeClass::Boolean,
        "date" => TypeClass::Date,
        "timestamp" | "timestamptz" => TypeClass::Timestamp,
        "time" | "timetz" => TypeClass::Time,
        "interval" => TypeClass::Interval,
        "uuid" => TypeClass::Uuid,
        "json" | "jsonb" => TypeClass::Json,
        _ => TypeClass::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_both_ends() {
        for (count, kept) in [(0, 12), (1, 12), (12, 12), (13, 12), (101, 100), (100, 12)] {
            let values: Vec<String> = (0..count).map(|i| i.to_string()).collect();
            let thin = thinned(values.clone(), kept);
            assert_eq!(thin.len(), count.min(kept), "{count} {kept}");
            assert_eq!(thin.first(), values.first());
            assert_eq!(thin.last(), values.last());
        }
    }

    #[test]
    fn types_are_classed_by_what_their_values_can_do() {
        let cases = [
            (("int8", "b", "N"), TypeClass::Integer),
            (("money", "b", "N"), TypeClass::Decimal),
            (("citext", "b", "S"), TypeClass::Text),
            (("text", "e", "E"), TypeClass::Enum),
            (("_int4", "b", "A"), TypeClass::Array),
            (("timestamptz", "b", "D"), TypeClass::Timestamp),
            (("inet", "b", "I"), TypeClass::Other),
        ];
        for ((name, typtype, category), expect) in cases {
            assert_eq!(class_of(name, typtype, category), expect, "{name}");
        }
    }
}
