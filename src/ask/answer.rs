//! An Answer, and the tables that tell about one.

use std::sync::Arc;
use std::time::Duration;

use super::table::{Cell, ColumnType, Table};
use crate::error::{Refusal, SqlState};
use crate::guard::approved::Approved;

/// A question that was understood: its proved SQL, and how it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// What was asked, trimmed.
    pub question: String,
    /// How many `$n` of it are slots.
    pub parameter_count: u16,
    /// Other questions came before it, which it may refer to.
    pub in_conversation: bool,
    /// Whose SQL it is.
    pub origin: Origin,
    /// The SQL.
    pub approved: Approved,
    /// The same as the provider wrote it.
    pub drafted: String,
    /// What was understood, in plain words.
    pub reading: String,
    /// How likely that is what was meant, 0 to 1; `None` when the provider cannot tell.
    pub confidence: Option<f32>,
    /// What that was computed from, where the provider computes it: features by name.
    pub evidence: Vec<(&'static str, f32)>,
    /// The name of the provider.
    pub provider: Arc<str>,
    /// Other readings, best first.
    pub alternatives: Vec<Reading>,
    /// The planner's estimate of the whole cost; `None` when there is no plan.
    pub estimated_cost: Option<f64>,
    /// From the recognition of the ask to its approved SQL.
    pub elapsed: Duration,
    /// The SQL was remembered and not synthesized again.
    pub remembered: bool,
}

/// Whose SQL an answer has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// A provider wrote it.
    #[default]
    Provider,
    /// The question is pinned.
    Pin {
        /// The pin's name.
        name: Arc<str>,
        /// The schema under it has changed since.
        drifted: bool,
    },
    /// The question was corrected.
    Correction {
        /// The schema under it has changed since.
        drifted: bool,
    },
}

/// Another reading, proved as the answer itself is.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Its SQL.
    pub approved: Approved,
    /// Its meaning in plain words.
    pub reading: String,
    /// 0 to 1, on the scale of [`Answer::confidence`].
    pub confidence: f32,
}

impl Answer {
    /// What `ask sql` shows: one row of the SQL and how it was found.
    #[must_use]
    pub fn sql_table(&self) -> Table {
        columns(&[
            ("sql", ColumnType::Text),
            ("reading", ColumnType::Text),
            ("confidence", ColumnType::Decimal),
            ("provider", ColumnType::Text),
            ("tables", ColumnType::Text),
            ("estimated_cost", ColumnType::Decimal),
        ])
        .with_row([
            Cell::Text(self.approved.sql().to_owned()),
            Cell::Text(self.reading.clone()),
            self.confidence.map_or(Cell::Null, confidence),
            Cell::Text(self.provider.to_string()),
            Cell::Text(self.approved.relations().join(", ")),
            self.estimated_cost.map_or(Cell::Null, Cell::Decimal),
        ])
    }

    /// What `ask alternatives` shows: every other reading, best first.
    #[must_use]
    pub fn alternatives_table(&self) -> Table {
        let mut table = columns(&[
            ("number", ColumnType::Integer),
            ("reading", ColumnType::Text),
            ("sql", ColumnType::Text),
            ("confidence", ColumnType::Decimal),
        ]);
        for (number, other) in (1..).zip(&self.alternatives) {
            table = table.with_row([
                Cell::Integer(number),
                Cell::Text(other.reading.clone()),
                Cell::Text(other.approved.sql().to_owned()),
                confidence(other.confidence),
            ]);
        }
        table
    }
}

/// The refusal of `ask alternatives` in a session that has asked nothing yet.
#[must_use]
pub fn nothing_asked_yet() -> Refusal {
    Refusal::new(
        SqlState::UNDEFINED_OBJECT,
        "nothing was asked in this session yet",
    )
    .with_hint("Ask first, or name the question: ask alternatives: question;")
}

fn columns(columns: &[(&str, ColumnType)]) -> Table {
    Table::new(
        columns
            .iter()
            .map(|(name, kind)| ((*name).to_owned(), *kind)),
    )
}

/// Two decimals: more would claim a precision that no provider has.
fn confidence(value: f32) -> Cell {
    Cell::Decimal((f64::from(value) * 100.0).round() / 100.0)
}
