//! The records: pins and feedback.

use std::sync::Arc;

/// The longest name of a pin, in bytes: as long as PostgreSQL's own names.
pub const NAME_BYTES_MAX: usize = 63;

/// The longest question that is kept, in bytes: the longest that can be asked.
pub const QUESTION_BYTES_MAX: usize = 16 * 1024;

/// The longest SQL that is kept, in bytes: as long as a text that is looked into for an ask.
pub const SQL_BYTES_MAX: usize = 1024 * 1024;

/// A database of an upstream, by their names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The upstream's name in the configuration.
    pub upstream: Arc<str>,
    /// The database.
    pub database: Arc<str>,
}

/// A question in its place: what a pin or a feedback is found by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Question {
    /// The question as it is compared, `$n` included.
    pub text: String,
    /// How many of its `$n` are slots: "$1" is an amount where nothing can fill it, and another question.
    pub parameter_count: u16,
}

/// SQL that answers a question, and what it was proved over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptSql {
    /// The query as it was proved. It is proved again before it is used: the record may be older than the schema, and
    /// its reader may see less.
    pub sql: String,
    /// What the schema under it was, as whoever keeps the record computes it.
    pub fingerprint: String,
}

/// A question whose SQL stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Where it holds.
    pub place: Place,
    /// For whom it holds; `None` for every role.
    pub role: Option<Arc<str>>,
    /// Its name, 1 to [`NAME_BYTES_MAX`] bytes; no two of one role in one place share one.
    pub name: Arc<str>,
    /// The question; no two pins of one role in one place share one.
    pub question: Question,
    /// What it means.
    pub kept: KeptSql,
    /// The same in plain words.
    pub reading: String,
    /// The role that pinned it.
    pub pinned_by: Arc<str>,
}

/// What somebody said of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was right.
    Good,
    /// It was wrong.
    Bad,
    /// It was wrong, and the record's SQL is right.
    Corrected,
}

/// A verdict on the answer to a question, the last one that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feedback {
    /// Where it was asked.
    pub place: Place,
    /// For whom a correction holds; `None` for every role.
    pub role: Option<Arc<str>>,
    /// What was asked; there is one record for each question, role and place.
    pub question: Question,
    /// What was said of it.
    pub verdict: Verdict,
    /// The SQL that it was said of, or the correction.
    pub kept: KeptSql,
    /// The role that said it.
    pub given_by: Arc<str>,
}

/// The records of one place, or of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// By place, role and name.
    pub pins: Vec<Pin>,
    /// By place, role and question.
    pub feedback: Vec<Feedback>,
}

impl Verdict {
    /// The verdict's spelling in the store and in its text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Corrected => "corrected",
        }
    }

    /// Reads a spelling of [`Self::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Good, Self::Bad, Self::Corrected]
            .into_iter()
            .find(|verdict| verdict.as_str() == text)
    }
}

impl Pin {
    /// Whether it holds for a role.
    #[must_use]
    pub fn holds_for(&self, role: &str) -> bool {
        self.role.as_deref().is_none_or(|own| own == role)
    }
}

impl Feedback {
    /// Whether a correction in it holds for a role.
    #[must_use]
    pub fn holds_for(&self, role: &str) -> bool {
        self.role.as_deref().is_none_or(|own| own == role)
    }
}

impl Records {
    /// The pin of a question for a role: the role's own before everybody's.
    #[must_use]
    pub fn pin_of(&self, role: &str, question: &Question) -> Option<&Pin> {
        own_first(
            self.pins
                .iter()
                .filter(|pin| pin.holds_for(role) && pin.question == *question),
            |pin| pin.role.is_some(),
        )
    }

    /// The pin of a name for a role: the role's own before everybody's.
    #[must_use]
    pub fn pin_named(&self, role: &str, name: &str) -> Option<&Pin> {
        own_first(
            self.pins
                .iter()
                .filter(|pin| pin.holds_for(role) && *pin.name == *name),
            |pin| pin.role.is_some(),
        )
    }

    /// The last word on the answer to a question for a role: the role's own before everybody's.
    #[must_use]
    pub fn feedback_on(&self, role: &str, question: &Question) -> Option<&Feedback> {
        own_first(
            self.feedback
                .iter()
                .filter(|one| one.holds_for(role) && one.question == *question),
            |one| one.role.is_some(),
        )
    }

    /// Puts everything in its order.
    pub(in crate::state) fn sort(&mut self) {
        self.pins
            .sort_by(|a, b| (&a.place, &a.role, &a.name).cmp(&(&b.place, &b.role, &b.name)));
        self.feedback.sort_by(|a, b| {
            (&a.place, &a.role, &a.question).cmp(&(&b.place, &b.role, &b.question))
        });
    }
}

fn own_first<'a, T>(
    found: impl Iterator<Item = &'a T>,
    is_own: impl Fn(&T) -> bool,
) -> Option<&'a T> {
    found.max_by_key(|one| is_own(one))
}

#[cfg(test)]
pub(in crate::state) mod tests {
    use super::*;

    pub(in crate::state) fn place(database: &str) -> Place {
        Place {
            upstream: "main".into(),
            database: database.into(),
        }
    }

    pub(in crate::state) fn question(text: &str) -> Question {
        Question {
            text: text.to_owned(),
            parameter_count: 0,
        }
    }

    pub(in crate::state) fn pin(role: Option<&str>, name: &str, asked: &str) -> Pin {
        Pin {
            place: place("hotel"),
            role: role.map(Arc::from),
            name: name.into(),
            question: question(asked),
            kept: KeptSql {
                sql: format!("SELECT '{name}'"),
                fingerprint: "00ff".to_owned(),
            },
            reading: "a constant".to_owned(),
            pinned_by: role.unwrap_or("dba").into(),
        }
    }

    #[test]
    fn a_roles_own_comes_before_everybodys() {
        let records = Records {
            pins: vec![
                pin(None, "all", "rooms"),
                pin(Some("ann"), "own", "rooms"),
                pin(None, "shared", "beds"),
                pin(Some("bob"), "bobs", "beds"),
            ],
            feedback: Vec::new(),
        };
        let found = |role, asked| records.pin_of(role, &question(asked)).map(|pin| &*pin.name);
        assert_eq!(found("ann", "rooms"), Some("own"));
        assert_eq!(found("eve", "rooms"), Some("all"));
        assert_eq!(found("ann", "beds"), Some("shared"));
        assert_eq!(found("bob", "beds"), Some("bobs"));
        assert_eq!(found("ann", "Rooms"), None);
        assert!(records.pin_named("ann", "bobs").is_none());
        assert!(records.pin_named("ann", "all").is_some());
    }
}
