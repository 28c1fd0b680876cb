//! What a question asks for, as its phrases nest: rows, what narrows them, what is shown of them.
//!
//! It speaks of edges of the lattice, each of which still has several candidate meanings.

use crate::synth::builtin::english::{Adjective, Affix};
use crate::synth::builtin::query::{Aggregate, Comparison, Limit, TimeUnit};
use crate::synth::builtin::sketch::{Attribute, EdgeId};

/// A whole question.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Query {
    pub(super) outputs: Vec<Output>,
    /// The rows that are spoken of.
    pub(super) head: Thing,
    pub(super) groups: Vec<Key>,
    pub(super) order: Vec<(By, bool)>,
    pub(super) distinct: bool,
}

/// Rows, and what narrows them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Thing {
    pub(super) noun: Noun,
    pub(super) conds: Vec<Cond>,
    /// "top 3", with what comes first still to be said.
    pub(super) limit: Option<Limit>,
    pub(super) distinct: bool,
    /// "each"
    pub(super) each: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Noun {
    /// Nobody says; the columns and values do.
    #[default]
    Implied,
    Rows(EdgeId),
    /// The different values of a column: "countries" where there is no such table.
    Column(Attribute),
}

/// Something that is shown.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Output {
    /// The rows themselves, by what names them.
    Rows,
    /// Rows of another noun.
    Other(EdgeId),
    Column(Attribute),
    Aggregate(Aggregate, Attribute),
    Count(Thing),
    /// "how old"
    Graded(Adjective),
    /// "when"
    When,
    /// "where"
    Where,
    /// Every column of the rows.
    Everything,
    /// "and how many": of what the rows are ordered by.
    Same,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Key {
    Rows(EdgeId),
    Column(Attribute),
    Time(TimeUnit),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cond {
    pub(super) test: Test,
    pub(super) negated: bool,
    pub(super) join: Conj,
}

/// How a condition is tied to the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Conj {
    /// Side by side: it may be about the same row.
    #[default]
    None,
    And,
    /// "and also", "both": it may be about another row.
    Also,
    Or,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    /// Stored values; with the column when one is named. True when "and" stands between them.
    Values(Vec<EdgeId>, Option<Attribute>, bool),
    Compare(Left, Comparison, Operand),
    Between(Left, Operand, Operand),
    During(Option<Attribute>, EdgeId, Option<Comparison>),
    Like(Option<Attribute>, Affix, String),
    /// A text that need not be stored anywhere.
    Named(Option<Attribute>, String),
    /// IS NULL
    Missing(Attribute),
    Flag(EdgeId),
    /// There are such rows, or so many.
    Has(Box<Thing>, Option<(Comparison, Operand)>),
    /// The rows are referred to so often.
    Often(Comparison, Operand),
    Extreme(Extreme),
}

/// The first rows in an order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Extreme {
    pub(super) by: By,
    pub(super) descending: bool,
    /// One when nothing else is said.
    pub(super) rows: Option<Limit>,
}

/// What rows are ordered by.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum By {
    Column(Attribute),
    Graded(Adjective),
    Count(Thing),
    Aggregate(Aggregate, Attribute),
    /// How often it is there: "most common".
    Frequency,
    /// The texts that are shown.
    Shown,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Left {
    Column(Attribute),
    Graded(Adjective),
    Aggregate(Aggregate, Attribute),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operand {
    Number(String),
    Text(String),
    Param(u16),
    /// A date's edge.
    Date(EdgeId),
    /// An aggregate of the same column, or of another, over all rows or over some.
    Aggregate(Aggregate, Option<Attribute>, Option<Box<Thing>>),
    /// Another column of the same row.
    Column(Attribute),
    /// Every one of those rows: "than any city in Spain". True when one of them is enough.
    Every(Box<Thing>, bool),
}

impl Thing {
    pub(super) fn of(noun: Noun) -> Self {
        Self {
            noun,
            ..Self::default()
        }
    }
}

impl Cond {
    pub(super) fn new(test: Test) -> Self {
        Self {
            test,
            negated: false,
            join: Conj::None,
        }
    }
}

impl Query {
    /// Whether it shows nothing but aggregates.
    pub(super) fn is_aggregate(&self) -> bool {
        !self.outputs.is_empty()
            && self
                .outputs
                .iter()
                .all(|o| matches!(o, Output::Aggregate(..) | Output::Count(_)))
    }
}
