//! The snapshot: relations, columns, keys, enums, statistics and functions of one database at one moment.

use std::collections::HashMap;
use std::sync::Arc;

/// One database's catalog at one moment. Immutable once built; shared by `Arc`.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Tables, views, materialized views, partitioned and foreign tables, ordered by schema and name.
    pub relations: Vec<Relation>,
    /// Declared foreign keys between [`Self::relations`], ordered by referencing relation and name.
    pub foreign_keys: Vec<ForeignKey>,
    /// Every function that can be called from a query, `pg_catalog`'s included.
    pub functions: Functions,
    /// Operators that are not PostgreSQL's own, ordered by symbol and schema.
    pub operators: Vec<Operator>,
    /// A hash of all of the above but the statistics: equal fingerprints, equal meaning.
    pub fingerprint: u64,
}

/// Where a relation stands in [`Snapshot::relations`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelationId(pub usize);

/// A column of a relation: the relation, and the column's place in [`Relation::columns`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnId {
    /// The relation.
    pub relation: RelationId,
    /// Index into [`Relation::columns`] (not `attnum`).
    pub column: usize,
}

/// A table, view or anything else with columns that a query can read.
#[derive(Clone, Debug, Default)]
pub struct Relation {
    /// `pg_class.oid`.
    pub oid: u32,
    /// The schema's name, unquoted.
    pub schema: String,
    /// The relation's name, unquoted.
    pub name: String,
    /// What it is.
    pub kind: RelationKind,
    /// `COMMENT ON`, when there is one.
    pub comment: Option<String>,
    /// Columns in `attnum` order, dropped ones left out.
    pub columns: Vec<Column>,
    /// Indexes into [`Self::columns`] of the primary key; empty when there is none.
    pub primary_key: Vec<usize>,
    /// Unique constraints and unique indexes over plain columns, the primary key not repeated.
    pub unique_keys: Vec<Vec<usize>>,
    /// `pg_class.reltuples`; `None` when never analysed.
    pub row_estimate: Option<f64>,
    /// Row-level security is enabled: its statistics are nobody's business and are left out.
    pub row_security: bool,
    /// Schema and name of each volatile function that reading it runs; only views run any.
    pub volatile_calls: Vec<(String, String)>,
}

/// What kind of relation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RelationKind {
    /// An ordinary or partitioned table (partitions themselves are folded into their root).
    #[default]
    Table,
    /// A view.
    View,
    /// A materialized view.
    MaterializedView,
    /// A foreign table.
    ForeignTable,
}

/// A column.
#[derive(Clone, Debug, Default)]
pub struct Column {
    /// `pg_attribute.attnum`.
    pub attnum: i16,
    /// The column's name, unquoted, in its own letter case.
    pub name: String,
    /// `format_type()`, for instance `character varying(40)` or `shop.order_status`.
    pub type_name: String,
    /// What can be done with its values.
    pub class: TypeClass,
    /// NOT NULL.
    pub not_null: bool,
    /// `COMMENT ON COLUMN`, when there is one.
    pub comment: Option<String>,
    /// The labels of an enum type in their order; empty for every other type.
    pub enum_labels: Vec<String>,
    /// What `pg_stats` knows, when it was analysed and may be seen.
    pub stats: Option<ColumnStats>,
}

/// What can be done with a column's values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TypeClass {
    /// smallint, integer, bigint.
    Integer,
    /// numeric, real, double precision, money.
    Decimal,
    /// text, varchar, char, citext, name.
    Text,
    /// boolean.
    Boolean,
    /// date.
    Date,
    /// timestamp, with or without time zone.
    Timestamp,
    /// time of day.
    Time,
    /// interval.
    Interval,
    /// An enum type.
    Enum,
    /// uuid.
    Uuid,
    /// json, jsonb.
    Json,
    /// An array of anything.
    Array,
    /// Everything else: shown, never compared.
    #[default]
    Other,
}

/// What the planner's statistics say of a column.
#[derive(Clone, Debug, Default)]
pub struct ColumnStats {
    /// Share of NULLs, 0 to 1.
    pub null_fraction: f32,
    /// `pg_stats.n_distinct`: positive a count, negative minus the share of rows, 0 unknown.
    pub distinct: f32,
    /// Most common values in text form, most frequent first.
    pub common_values: Vec<String>,
    /// Histogram bounds in text form, ascending: values that exist, though not the common ones.
    pub histogram: Vec<String>,
    /// Further values of a text column that were read from the relation itself, ascending; no prompt shows them.
    pub other_values: Arc<[Arc<str>]>,
}

impl ColumnStats {
    /// All values that are known to exist, the common ones first.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        let bounds = self.common_values.iter().chain(&self.histogram);
        let others = self.other_values.iter().map(|value| &**value);
        bounds.map(String::as_str).chain(others)
    }
}

/// A declared foreign key. Composite keys have several column pairs.
#[derive(Clone, Debug)]
pub struct ForeignKey {
    /// The constraint's name.
    pub name: String,
    /// The referencing relation.
    pub from: RelationId,
    /// Indexes into the referencing relation's columns.
    pub from_columns: Vec<usize>,
    /// The referenced relation.
    pub to: RelationId,
    /// Indexes into the referenced relation's columns, pair by pair.
    pub to_columns: Vec<usize>,
}

/// What is known of functions, by name: enough for the guard, which cannot resolve overloads.
#[derive(Clone, Debug, Default)]
pub struct Functions {
    /// Shared: a snapshot narrowed to a role knows the same functions.
    by_name: Arc<HashMap<String, Vec<Function>>>,
}

/// One function, or several of the same schema and name folded into the most dangerous of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its schema.
    pub schema: String,
    /// The worst volatility among the overloads.
    pub volatility: Volatility,
    /// Some overload runs with its owner's rights.
    pub security_definer: bool,
}

/// An operator that somebody defined, or several of the same schema, symbol and function name folded into the most
/// dangerous of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Operator {
    /// How it is written.
    pub symbol: String,
    /// Its schema.
    pub schema: String,
    /// The name of the function that it calls.
    pub function: String,
    /// The worst volatility among those functions.
    pub volatility: Volatility,
    /// Some of them runs with its owner's rights.
    pub security_definer: bool,
}

/// `pg_proc.provolatile`, best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Volatility {
    /// `i`
    Immutable,
    /// `s`
    Stable,
    /// `v`
    Volatile,
}

impl Volatility {
    /// Reads `pg_proc.provolatile`; what is none of its letters is taken for the worst.
    #[must_use]
    pub fn of_catalog(letter: &str) -> Self {
        match letter {
            "i" => Self::Immutable,
            "s" => Self::Stable,
            _ => Self::Volatile,
        }
    }
}

impl Functions {
    /// Adds one row of `pg_proc`, folding it into what is already known under its schema and name.
    pub fn add(&mut self, name: &str, function: Function) {
        let by_name = Arc::make_mut(&mut self.by_name);
        let same_name = by_name.entry(name.to_owned()).or_default();
        match same_name.iter_mut().find(|f| f.schema == function.schema) {
            Some(known) => {
                known.volatility = known.volatility.max(function.volatility);
                known.security_definer |= function.security_definer;
            }
            None => same_name.push(function),
        }
    }

    /// The same with other entries under some schemas and names: schema, name, and what is to be known there.
    #[must_use]
    pub fn with_others<'a>(
        &self,
        others: impl IntoIterator<Item = (&'a str, &'a str, Option<&'a Function>)>,
    ) -> Self {
        let mut changed = self.clone();
        for (schema, name, function) in others {
            let by_name = Arc::make_mut(&mut changed.by_name);
            let Some(same_name) = by_name.get_mut(name) else {
                continue;
            };
            same_name.retain(|f| f.schema != schema);
            same_name.extend(function.cloned());
            if same_name.is_empty() {
                by_name.remove(name);
            }
        }
        changed
    }

    /// All functions of this (unquoted) name, one entry a schema; empty when there is none.
    #[must_use]
    pub fn named(&self, name: &str) -> &[Function] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// Every function with its (unquoted) name, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Function)> {
        self.by_name
            .iter()
            .flat_map(|(name, same_name)| same_name.iter().map(move |f| (name.as_str(), f)))
    }

    /// How many names are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether nothing is known at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

impl Snapshot {
    /// The relation behind an id.
    #[must_use]
    pub fn relation(&self, id: RelationId) -> &Relation {
        &self.relations[id.0]
    }

    /// The column behind an id.
    #[must_use]
    pub fn column(&self, id: ColumnId) -> &Column {
        &self.relations[id.relation.0].columns[id.column]
    }

    /// The declared foreign keys of a relation's own columns.
    #[must_use]
    pub fn foreign_keys_of(&self, id: RelationId) -> &[ForeignKey] {
        let start = self.foreign_keys.partition_point(|key| key.from < id);
        let count = self.foreign_keys[start..].partition_point(|key| key.from == id);
        &self.foreign_keys[start..start + count]
    }

    /// Looks a relation up by its unquoted schema and name.
    #[must_use]
    pub fn find(&self, schema: &str, name: &str) -> Option<RelationId> {
        self.relations
            .iter()
            .position(|r| r.schema == schema && r.name == name)
            .map(RelationId)
    }
}
