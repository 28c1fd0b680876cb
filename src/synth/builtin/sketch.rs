//! A sketch: what a question asks for, clause by clause, before its words are bound to relations and columns.
//!
//! It speaks of edges of the lattice, each of which still has several candidate meanings.

use crate::schema::snapshot::ColumnId;

use super::english::{Adjective, Affix, Business};
use super::query::{Aggregate, Comparison, Limit, TimeUnit};

/// Stands for the number of a condition that has yet to come: "with *critical* alerts".
pub(super) const AHEAD: usize = usize::MAX;

/// An edge of the lattice, by its place.
pub(super) type EdgeId = usize;

/// A way to read a question, complete or on its way.
#[derive(Clone, Debug, Default)]
pub(super) struct Sketch {
    /// The token to read next.
    pub(super) at: usize,
    /// How well the words match so far.
    pub(super) score: f32,
    /// What is asked for, in the order of the question.
    pub(super) shows: Vec<Show>,
    pub(super) conditions: Vec<Condition>,
    pub(super) groups: Vec<Group>,
    pub(super) order: Option<Order>,
    pub(super) limit: Option<Limit>,
    pub(super) distinct: bool,
    /// Every noun read, each once.
    pub(super) nouns: Vec<EdgeId>,
    /// Words of comments, to be covered by what is used.
    pub(super) hints: Vec<EdgeId>,
    /// Tokens that nothing covers.
    pub(super) unknown: Vec<usize>,
    /// The measure is shown as a percentage of the whole.
    pub(super) share: bool,
    /// Where it goes on about an earlier question.
    pub(super) follow: Follow,
    /// What the words so far have announced, and the next must deliver.
    pub(super) open: Open,
}

/// The part of a sketch that a later question of a conversation has added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Follow {
    /// The number of the turn; 0 of a question that stands by itself.
    pub(super) turn: usize,
    /// The token that it begins with.
    pub(super) begins: usize,
    /// How many of the things shown are of earlier turns.
    pub(super) kept: usize,
    pub(super) manner: Manner,
}

/// How a turn goes on about the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Manner {
    /// It says no more than what is new.
    #[default]
    Plain,
    /// "and"
    And,
    /// "also", "too": besides what was said.
    Also,
    /// "only"
    Only,
    /// "instead": in the place of what was said.
    Instead,
}

/// The announcements of a sketch on its way.
#[derive(Clone, Debug, Default)]
pub(super) struct Open {
    /// "average", "how many": waits for what it is about.
    pub(super) aggregate: Option<Aggregate>,
    /// "highest", "most": the order waits for what it goes by; true is the high end.
    pub(super) superlative: Option<bool>,
    /// "by", "per": waits for a key.
    pub(super) by: Option<By>,
    /// "with", "without": waits for rows, or a condition.
    pub(super) link: Option<Link>,
    /// A column that waits for what it is compared with.
    pub(super) topic: Option<Attribute>,
    /// "not": the next condition is turned round.
    pub(super) negated: bool,
    /// "or": the next value is another choice for the one before.
    pub(super) or: bool,
    /// "and", a comma: the next thing is one more of the same kind.
    pub(super) and: bool,
    /// "their": the next thing belongs to the thing before, and may be missing.
    pub(super) their: bool,
    /// The noun that was read last, and the token after it.
    pub(super) noun: Option<(EdgeId, usize)>,
    /// That noun only says whose column comes next, and it must come.
    pub(super) owner: bool,
    /// Index of the condition that conditions are put inside of: "without orders *this year*".
    pub(super) inside: Option<usize>,
    /// What was read last.
    pub(super) last: Last,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Last {
    #[default]
    Nothing,
    Noun,
    Show,
    Group,
    Condition,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// "per" groups, and orders when an order waits for its key.
    Group,
    /// "sorted by"
    Order,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Link {
    With,
    Without,
    /// "more than 10" of what comes next.
    Count(Comparison, Operand),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Show {
    /// Rows, by what names them.
    Noun {
        edge: EdgeId,
        outer: bool,
    },
    Attribute(Attribute),
    Measure(Measure),
}

/// A column, and the noun that it is said to belong to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Attribute {
    pub(super) edge: EdgeId,
    pub(super) of: Option<EdgeId>,
}

/// An aggregate.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Measure {
    pub(super) aggregate: Aggregate,
    pub(super) over: Over,
    /// The word that asked for it, to head its column.
    pub(super) word: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Over {
    Noun(EdgeId),
    Attribute(Attribute),
    /// The rows that have this column.
    RowsOf(Attribute),
    Business {
        kind: Business,
        of: Option<EdgeId>,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Group {
    Noun(EdgeId),
    Attribute(Attribute),
    /// By a unit of time.
    Time(TimeUnit),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Order {
    pub(super) by: OrderBy,
    pub(super) descending: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum OrderBy {
    /// "top 5 customers": by what comes later.
    Later,
    Attribute(Attribute),
    Measure(Measure),
    /// "most expensive"
    Adjective(Adjective),
}

#[derive(Clone, Debug)]
pub(super) struct Condition {
    pub(super) test: Test,
    pub(super) negated: bool,
    /// The noun before it: a value is looked for there first.
    pub(super) near: Option<EdgeId>,
    /// The `Test::Has` that it narrows.
    pub(super) inside: Option<usize>,
    /// The turn that it was said in, and how.
    pub(super) turn: usize,
    pub(super) manner: Manner,
    /// The column that a date was taken for in an earlier turn, where none was named.
    pub(super) dated: Option<ColumnId>,
}

#[derive(Clone, Debug)]
pub(super) enum Test {
    /// One of these stored values; with a column when one was named.
    Values(Vec<EdgeId>, Option<Attribute>),
    Flag(EdgeId),
    Compare(Left, Comparison, Operand),
    Between(Attribute, Operand, Operand),
    /// In a span of time.
    During(Option<Attribute>, EdgeId),
    /// Not filled in.
    Missing(Attribute),
    /// A date is filled in: "delivered".
    Happened(Attribute),
    Like(Option<Attribute>, Affix, String),
    /// Named so, or keyed so by a parameter; true when "of" stands between: "manager of 'Ann'" is not called Ann.
    Named(EdgeId, Operand, bool),
    /// Said of these rows with a preposition: "orders of 'Emma Smith'", "customers from $1". True when the preposition
    /// can lead to a place. The second edge is the constant's.
    Related(EdgeId, EdgeId, Operand, bool),
    /// There are such rows, or so many of them.
    Has(EdgeId, Option<(Comparison, Operand)>),
    /// Takes back what earlier turns said.
    Free(Freed),
}

/// What is not to narrow the rows any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freed {
    /// Every condition on a column.
    All,
    /// Every condition on a date.
    Time,
    /// Conditions on what these tokens, first and end, speak of: a column, rows, a value.
    Said(usize, usize),
}

#[derive(Clone, Debug)]
pub(super) enum Left {
    Attribute(Attribute),
    Adjective(Adjective),
    Measure(Measure),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operand {
    Number(String),
    Text(String),
    Param(u16),
    /// An aggregate of what is compared: "the average".
    Own(Aggregate),
    /// So long ago: "older than 30 days".
    Ago(TimeUnit, i32),
}

impl Sketch {
    /// Whether nothing that was announced is still due.
    pub(super) fn is_settled(&self) -> bool {
        let open = &self.open;
        open.aggregate.is_none()
            && open.superlative.is_none()
            && open.by.is_none()
            && !matches!(open.link, Some(Link::Without | Link::Count(..)))
            && open.topic.is_none()
            && !open.negated
            && !open.or
            && !open.owner
            && self.conditions.iter().all(|c| c.inside != Some(AHEAD))
            && !self
                .order
                .as_ref()
                .is_some_and(|o| matches!(o.by, OrderBy::Later))
    }

    /// Whether it asks for anything.
    pub(super) fn asks(&self) -> bool {
        !self.shows.is_empty()
    }

    /// Whether rows of this kind are asked for already.
    pub(super) fn shows_noun(&self) -> bool {
        self.shows.iter().any(|s| matches!(s, Show::Noun { .. }))
    }

    /// Adds a condition where the sentence stands.
    pub(super) fn test(&mut self, test: Test) {
        let negated = std::mem::take(&mut self.open.negated);
        self.conditions.push(Condition {
            test,
            negated,
            near: self.open.noun.map(|n| n.0),
            inside: self.open.inside,
            turn: self.follow.turn,
            manner: self.follow.manner,
            dated: None,
        });
        self.open.last = Last::Condition;
        self.open.topic = None;
        self.open.and = false;
        if self.open.link == Some(Link::With) {
            self.open.link = None;
        }
    }
}
