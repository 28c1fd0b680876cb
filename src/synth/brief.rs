//! What a provider is told, and what it may answer.

use std::sync::Arc;

use crate::access::visible::Visible;
use crate::error::SqlState;
use crate::names::Draft;

/// Everything a provider may know of a question.
#[derive(Clone, Debug)]
pub struct Brief {
    /// The question, trimmed, in the words of whoever asked.
    pub question: String,
    /// The schema that the caller may see.
    pub visible: Visible,
    /// The civil date in the session's time zone, `2026-11-21`.
    pub today: jiff::civil::Date,
    /// How many `$n` the question mentions: the highest `n`, 0 when none.
    pub parameter_count: u16,
    /// The questions before this one, oldest first, when it may refer to them; empty when it stands by itself.
    pub turns: Vec<Arc<Turn>>,
    /// Later questions may refer to this one.
    pub conversing: bool,
    /// Questions like this one whose answers people corrected, the likest first.
    pub examples: Vec<Arc<Example>>,
    /// Why the previous Draft failed, when this is a repair.
    pub failed: Option<FailedDraft>,
}

/// A question of the same conversation that was answered. Whoever makes a Brief has seen to it that the SQL holds
/// nothing but what the caller may see.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Turn {
    /// The question, trimmed.
    pub question: String,
    /// The SQL that answered it, as its provider wrote it.
    pub sql: String,
    /// The civil date on which it was asked.
    pub today: jiff::civil::Date,
}

/// A question and the SQL that a person gave for it. Whoever makes a Brief has seen to it that the SQL holds nothing but
/// what the caller may see.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Example {
    /// The question.
    pub question: String,
    /// The SQL.
    pub sql: String,
}

/// A Draft that the guard or the server's planner refused, for the provider to mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedDraft {
    /// The SQL as the provider wrote it.
    pub sql: String,
    /// The SQLSTATE of the refusal.
    pub sqlstate: SqlState,
    /// What was wrong, with DETAIL and HINT folded in.
    pub reason: String,
}

/// What came of asking one provider.
pub type Drafted = Result<Draft, SynthError>;

/// Why a provider gave no Draft.
#[derive(Clone, Debug, PartialEq)]
pub enum SynthError {
    /// Words of the question that nothing in the schema or the grammar covers (NL002).
    NotUnderstood {
        /// The words, as spelled in the question.
        words: Vec<String>,
        /// What could be asked instead, when something is near.
        hint: Option<String>,
    },
    /// Several readings are equally likely and differ in meaning (NL001).
    Ambiguous {
        /// The readings in plain words, best first.
        readings: Vec<String>,
    },
    /// The provider could not be reached, was too slow, or answered with an error (the next one is asked).
    Unavailable {
        /// What happened, without secrets.
        reason: String,
    },
    /// The provider answered something that holds no SQL: prose, nothing, a cut-off reply.
    NoSql {
        /// What it answered instead, shortened.
        reason: String,
    },
}
