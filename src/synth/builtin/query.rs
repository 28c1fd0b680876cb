//! The typed query: what a question means, before any SQL is written.
//!
//! A tree of selects over numbered sources. It holds ids of the snapshot and values, never SQL text, so that whatever
//! a question says can end up in a query only as a value.

use jiff::civil::Date;

use crate::schema::snapshot::{ColumnId, RelationId};

/// A source of rows, numbered once in the whole query, so that an inner select may name one of an outer select.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct SourceId(pub(super) usize);

/// One select.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Select {
    pub(super) items: Vec<Item>,
    pub(super) distinct: bool,
    /// The first source is the root; every later one says how it is joined.
    pub(super) sources: Vec<Source>,
    pub(super) filters: Vec<Predicate>,
    pub(super) groups: Vec<Expr>,
    pub(super) having: Vec<Predicate>,
    pub(super) order: Vec<(Expr, bool)>,
    pub(super) limit: Option<Limit>,
    /// Further selects combined with this one; used by set questions ("both", "but not").
    pub(super) combined: Vec<(SetOperation, Self)>,
}

/// How two selects are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    dead_code,
    reason = "printed already; the grammar writes nested filters instead so far"
)]
pub(super) enum SetOperation {
    Union,
    Intersect,
    Except,
}

/// A result column: the expression and its heading.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    pub(super) expr: Expr,
    pub(super) name: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Source {
    pub(super) id: SourceId,
    pub(super) rows: Rows,
    /// `None` for the root.
    pub(super) join: Option<Join>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Rows {
    Relation(RelationId),
    /// A select whose rows are aggregated again; its columns are named by its items.
    Derived(Box<Select>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Join {
    /// Pairs of equal columns: of an earlier source, and of this one.
    pub(super) on: Vec<(Expr, Expr)>,
    /// Keep rows that have no partner.
    pub(super) outer: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Limit {
    Rows(u64),
    Param(u16),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    Column(SourceId, ColumnId),
    /// A column of a derived source, by its heading.
    Named(SourceId, String),
    /// `count(*)`
    CountRows,
    Aggregate(Aggregate, Box<Self>),
    Product(Box<Self>, Box<Self>),
    /// An aggregate of a group as a percentage of what all groups come to.
    Share(Box<Self>),
    /// The start of the unit that a date lies in.
    Start(TimeUnit, Box<Self>),
    Text(String),
    /// A number in SQL's own spelling, checked where it is made.
    Number(String),
    Date(Moment),
    Param(u16),
    /// A select of one row and one column.
    Scalar(Box<Select>),
    Lower(Box<Self>),
}

/// A point in time.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Moment {
    Day(Date),
    /// Midnight of today plus some days.
    Today(i32),
    /// The start of the present unit, moved by some units.
    StartOf(TimeUnit, i32),
    /// Now (by days and longer: today), moved by some units.
    Ago(TimeUnit, i32),
    Param(u16),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Predicate {
    Compare(Expr, Comparison, Expr),
    /// Equal to one of several.
    OneOf(Expr, Vec<Expr>),
    /// A boolean column, and what it must be.
    Is(Expr, bool),
    /// IS NULL (true) or IS NOT NULL.
    Null(Expr, bool),
    /// A text that holds another, whatever the letter case; the pattern is escaped where it is printed.
    Like(Expr, super::english::Affix, String),
    /// EXISTS (true) or NOT EXISTS.
    Exists(Box<Select>, bool),
    /// The expression is among the first column of the select.
    In(Expr, Box<Select>),
    /// Every one of them.
    All(Vec<Self>),
    /// One of them at least.
    Any(Vec<Self>),
    /// True for no row for which the inner one is true; unknown counts as not true.
    Not(Box<Self>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Aggregate {
    Count,
    CountDistinct,
    Sum,
    Average,
    Min,
    Max,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum TimeUnit {
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

impl Comparison {
    /// What is true where this is not.
    pub(super) fn negated(self) -> Self {
        match self {
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
            Self::Less => Self::GreaterOrEqual,
            Self::LessOrEqual => Self::Greater,
            Self::Greater => Self::LessOrEqual,
            Self::GreaterOrEqual => Self::Less,
        }
    }

    /// Its spelling in SQL.
    pub(super) fn sql(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// Its words, between a thing and what it is compared with.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Equal => "is",
            Self::NotEqual => "is not",
            Self::Less => "is less than",
            Self::LessOrEqual => "is at most",
            Self::Greater => "is more than",
            Self::GreaterOrEqual => "is at least",
        }
    }
}

impl TimeUnit {
    /// Its English name, which is PostgreSQL's as well.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }

    /// Reads "month" or "months".
    pub(super) fn parse(word: &str) -> Option<Self> {
        let unit = match word.strip_suffix('s').unwrap_or(word) {
            "hour" => Self::Hour,
            "day" => Self::Day,
            "week" => Self::Week,
            "month" => Self::Month,
            "quarter" => Self::Quarter,
            "year" => Self::Year,
            _ => return None,
        };
        Some(unit)
    }
}

impl Aggregate {
    /// A heading for it when the question has no word of its own.
    pub(super) fn heading(self) -> &'static str {
        match self {
            Self::Count | Self::CountDistinct => "count",
            Self::Sum => "total",
            Self::Average => "average",
            Self::Min => "minimum",
            Self::Max => "maximum",
        }
    }
}
