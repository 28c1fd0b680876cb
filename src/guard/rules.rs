//! The rules that a Draft is held to, by the names that a refusal gives them.

use std::fmt;

use crate::error::{Refusal, SqlState};

/// What the operator and the question add to the rules that always hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Whether `pg_catalog` and `information_schema` may be read. Default: closed, because a catalog tells of
    /// relations that the caller may not see.
    pub catalogs: bool,
    /// The highest `$n` that the question has a value for; `None` (the default) when any may be used.
    pub parameter_count: Option<u16>,
}

/// The rule that a Draft broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The text is too long, too deep, or not text at all.
    Text,
    /// The parser cannot read it.
    Unparsed,
    /// It is several statements, or none.
    OneStatement,
    /// It is a statement, though not a query.
    NotAQuery,
    /// A query that writes.
    Writes,
    /// `SELECT INTO`.
    Into,
    /// `FOR UPDATE` and its kin.
    Locks,
    /// A relation that does not exist, or that the caller may not see.
    Relation,
    /// A system catalog.
    Catalog,
    /// A function that the snapshot does not know.
    UnknownFunction,
    /// A volatile function.
    VolatileFunction,
    /// A function that runs with its owner's rights.
    DefinerFunction,
    /// An unqualified call that a dangerous function of another schema might catch.
    ShadowedFunction,
    /// A function that reaches beyond the query's own relations.
    Reach,
    /// A type that may not be cast to.
    Type,
    /// An operator that is not PostgreSQL's own.
    Operator,
    /// A literal whose meaning depends on the session, or that PostgreSQL does not have.
    Literal,
    /// A parameter that the question does not have.
    Parameter,
    /// Syntax outside what the proof covers.
    Syntax,
    /// A query that does not survive being printed and read again.
    Unprintable,
}

impl Rule {
    /// The rule's name, as refusals and tests spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "unreadable text",
            Self::Unparsed => "unparsable SQL",
            Self::OneStatement => "one statement only",
            Self::NotAQuery => "queries only",
            Self::Writes => "no writing",
            Self::Into => "no SELECT INTO",
            Self::Locks => "no row locks",
            Self::Relation => "unknown or not visible relation",
            Self::Catalog => "system catalogs are closed",
            Self::UnknownFunction => "unknown function",
            Self::VolatileFunction => "volatile function",
            Self::DefinerFunction => "security definer function",
            Self::ShadowedFunction => "shadowed function",
            Self::Reach => "function out of reach",
            Self::Type => "type not allowed",
            Self::Operator => "operator not allowed",
            Self::Literal => "literal not allowed",
            Self::Parameter => "unknown parameter",
            Self::Syntax => "syntax not allowed",
            Self::Unprintable => "query cannot be printed faithfully",
        }
    }

    /// Refuses by this rule; `detail` is a whole sentence that names the thing.
    #[must_use]
    pub fn refuse(self, detail: impl Into<String>) -> Refusal {
        Refusal::new(SqlState::GUARD, format!("{REFUSED}{self}")).with_detail(detail)
    }

    /// The rule that a refusal was made by; `None` for a refusal that is not the guard's.
    #[must_use]
    pub fn of(refusal: &Refusal) -> Option<Self> {
        let name = refusal.message.strip_prefix(REFUSED)?;
        Self::ALL.into_iter().find(|rule| rule.name() == name)
    }

    /// Every rule.
    const ALL: [Self; 20] = [
        Self::Text,
        Self::Unparsed,
        Self::OneStatement,
        Self::NotAQuery,
        Self::Writes,
        Self::Into,
        Self::Locks,
        Self::Relation,
        Self::Catalog,
        Self::UnknownFunction,
        Self::VolatileFunction,
        Self::DefinerFunction,
        Self::ShadowedFunction,
        Self::Reach,
        Self::Type,
        Self::Operator,
        Self::Literal,
        Self::Parameter,
        Self::Syntax,
        Self::Unprintable,
    ];
}

/// How the message of every refusal begins.
const REFUSED: &str = "refused by the guard: ";

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_tells_its_rule() {
        for rule in Rule::ALL {
            assert_eq!(Rule::of(&rule.refuse("A detail.")), Some(rule));
        }
        let other = Refusal::new(SqlState::GUARD, "another refusal");
        assert_eq!(Rule::of(&other), None);
    }
}
