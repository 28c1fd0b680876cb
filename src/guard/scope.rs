//! What the walk knows at each point: the names in scope, and what has been read so far.

use std::collections::BTreeSet;

use sqlparser::ast::{Ident, TableAlias};

use crate::access::visible::Visible;
use crate::error::Refusal;
use crate::guard::rules::Rules;
use crate::schema::snapshot::RelationId;

/// What every step of the walk returns.
pub(in crate::guard) type Proved = Result<(), Refusal>;

/// The walk over one query. Its methods live beside the rule that they hold: `query`, `from`, `expressions`, ...
#[derive(Debug)]
pub(in crate::guard) struct Proof<'a> {
    pub(in crate::guard) visible: &'a Visible,
    pub(in crate::guard) rules: &'a Rules,
    ctes: Vec<(String, Columns)>,
    bindings: Vec<Binding>,
    read: BTreeSet<String>,
}

/// A FROM item by the name that columns are qualified with.
#[derive(Debug)]
pub(in crate::guard) struct Binding {
    pub(in crate::guard) name: String,
    pub(in crate::guard) columns: Columns,
}

/// What is known of a FROM item's columns.
#[derive(Clone, Debug)]
pub(in crate::guard) enum Columns {
    /// Those of a relation, and the aliases that were given to them.
    Relation(RelationId, Vec<String>),
    /// The output names of a subquery, as far as they can be read off it.
    Named(Vec<String>),
    /// Nothing.
    Unknown,
}

/// A point in the walk to return to when a query ends: what was in scope before it.
#[derive(Clone, Copy, Debug)]
pub(in crate::guard) struct Mark {
    ctes: usize,
    bindings: usize,
}

impl<'a> Proof<'a> {
    pub(in crate::guard) fn new(visible: &'a Visible, rules: &'a Rules) -> Self {
        Self {
            visible,
            rules,
            ctes: Vec::new(),
            bindings: Vec::new(),
            read: BTreeSet::new(),
        }
    }

    /// The relations that were read, `schema.name`, sorted.
    pub(in crate::guard) fn into_relations(self) -> Vec<String> {
        self.read.into_iter().collect()
    }

    pub(in crate::guard) fn mark(&self) -> Mark {
        Mark {
            ctes: self.ctes.len(),
            bindings: self.bindings.len(),
        }
    }

    pub(in crate::guard) fn return_to(&mut self, mark: Mark) {
        self.ctes.truncate(mark.ctes);
        self.bindings.truncate(mark.bindings);
    }

    pub(in crate::guard) fn add_cte(&mut self, name: &Ident, columns: Columns) {
        self.ctes.push((folded(name), columns));
    }

    /// The columns of the innermost CTE of this name; `None` when there is none.
    pub(in crate::guard) fn cte(&self, name: &str) -> Option<&Columns> {
        let found = self.ctes.iter().rev().find(|(cte, _)| cte == name);
        found.map(|(_, columns)| columns)
    }

    pub(in crate::guard) fn bind(&mut self, name: String, columns: Columns) {
        self.bindings.push(Binding { name, columns });
    }

    /// The innermost FROM item of this name.
    pub(in crate::guard) fn binding(&self, name: &str) -> Option<&Binding> {
        self.bindings.iter().rev().find(|b| b.name == name)
    }

    pub(in crate::guard) fn add_read(&mut self, schema: &str, name: &str) {
        self.read.insert(format!("{schema}.{name}"));
    }
}

impl Columns {
    /// The same columns, with the names that an alias gives them added: it may name the first few alone.
    pub(in crate::guard) fn with_aliases(self, alias: &TableAlias) -> Self {
        let given = alias.columns.iter().map(|c| folded(&c.name));
        match self {
            Self::Relation(id, _) => Self::Relation(id, given.collect()),
            Self::Named(mut names) => {
                names.extend(given);
                Self::Named(names)
            }
            Self::Unknown => Self::Named(given.collect()),
        }
    }
}

impl Binding {
    /// Whether a column of this name is certain.
    pub(in crate::guard) fn has_column(&self, visible: &Visible, column: &str) -> bool {
        match &self.columns {
            Columns::Relation(id, aliases) => {
                aliases.iter().any(|c| c == column)
                    || visible
                        .relation(*id)
                        .columns
                        .iter()
                        .any(|c| c.name == column)
            }
            Columns::Named(names) => names.iter().any(|c| c == column),
            Columns::Unknown => false,
        }
    }
}

/// A name as the server sees it: unquoted ones in lower case.
///
/// # Source
/// PostgreSQL manual, "Identifiers and Key Words". In a multi-byte encoding the server folds ASCII letters alone.
pub(in crate::guard) fn folded(ident: &Ident) -> String {
    if ident.quote_style.is_some() {
        ident.value.clone()
    } else {
        ident.value.to_ascii_lowercase()
    }
}
