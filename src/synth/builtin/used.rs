//! What a typed query reads: relations and columns, inner selects included.

use std::collections::HashSet;

use crate::schema::snapshot::{ColumnId, RelationId};

use super::lexicon::Meaning;
use super::query::{Expr, Predicate, Rows, Select};

/// Relations and columns in use.
#[derive(Debug, Default)]
pub(super) struct Used {
    relations: HashSet<RelationId>,
    columns: HashSet<ColumnId>,
}

impl Used {
    /// Whether a meaning plays a part in the query.
    pub(super) fn covers(&self, meaning: &Meaning) -> bool {
        match meaning {
            Meaning::Relation(id) => self.relations.contains(id),
            Meaning::Column(id) | Meaning::Flag(id, _) | Meaning::Value(id, _) => {
                self.columns.contains(id)
            }
            Meaning::Role(_) => false,
        }
    }
}

/// Collects what a query reads.
pub(super) fn used(select: &Select) -> Used {
    let mut used = Used::default();
    used.select(select);
    used
}

impl Used {
    fn select(&mut self, select: &Select) {
        for source in &select.sources {
            match &source.rows {
                Rows::Relation(id) => {
                    self.relations.insert(*id);
                }
                Rows::Derived(inner) => self.select(inner),
            }
        }
        for expr in select
            .items
            .iter()
            .map(|i| &i.expr)
            .chain(&select.groups)
            .chain(select.order.iter().map(|o| &o.0))
        {
            self.expr(expr);
        }
        for predicate in select.filters.iter().chain(&select.having) {
            self.predicate(predicate);
        }
        for (_, other) in &select.combined {
            self.select(other);
        }
    }

    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::Column(_, id) => {
                self.columns.insert(*id);
            }
            Expr::Aggregate(_, inner)
            | Expr::Share(inner)
            | Expr::Start(_, inner)
            | Expr::Lower(inner) => self.expr(inner),
            Expr::Product(a, b) => {
                self.expr(a);
                self.expr(b);
            }
            Expr::Scalar(select) => self.select(select),
            Expr::Named(..)
            | Expr::CountRows
            | Expr::Text(_)
            | Expr::Number(_)
            | Expr::Date(_)
            | Expr::Param(_) => {}
        }
    }

    fn predicate(&mut self, predicate: &Predicate) {
        match predicate {
            Predicate::Compare(a, _, b) => {
                self.expr(a);
                self.expr(b);
            }
            Predicate::OneOf(expr, _)
            | Predicate::Is(expr, _)
            | Predicate::Null(expr, _)
            | Predicate::Like(expr, ..) => {
                self.expr(expr);
            }
            Predicate::Exists(select, _) => self.select(select),
            Predicate::In(expr, select) => {
                self.expr(expr);
                self.select(select);
            }
            Predicate::Not(inner) => self.predicate(inner),
            Predicate::All(parts) | Predicate::Any(parts) => {
                parts.iter().for_each(|p| self.predicate(p))
            }
        }
    }
}
