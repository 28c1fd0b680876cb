//! The word after `ask` that says what is wanted of the question.

/// What an ask wants.
///
/// The first word after `ask` (or after `ask:`) is the verb when it is one of these, in any letter case:
/// - `sql` and `explain`, whatever follows: `ask sql servers we own` shows the SQL of "servers we own";
/// - `rows`, unless a preposition follows that makes it a noun of the question: `ask rows in orders`;
/// - `help` and `alternatives`, only when they stand alone or a colon follows: `ask help desk tickets` is a question.
///
/// A question that begins with such a word is asked as `ask rows: sql servers we own`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Run it and return its rows.
    #[default]
    Rows,
    /// Show the SQL and how it was found, and run nothing.
    Sql,
    /// Show the plan and what would make it faster.
    Explain,
    /// Show the other readings of the last ask, or of the question given.
    Alternatives,
    /// Show what can be asked here.
    Help,
}

/// Words after `rows` that make it part of the question.
const PREPOSITIONS: [&str; 18] = [
    "of", "in", "per", "from", "with", "without", "where", "that", "which", "whose", "for", "by",
    "on", "at", "and", "or", "are", "were",
];

impl Verb {
    /// The verb's spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Sql => "sql",
            Self::Explain => "explain",
            Self::Alternatives => "alternatives",
            Self::Help => "help",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        [
            Self::Rows,
            Self::Sql,
            Self::Explain,
            Self::Alternatives,
            Self::Help,
        ]
        .into_iter()
        .find(|verb| word.eq_ignore_ascii_case(verb.as_str()))
    }
}

/// Splits what follows `ask` or `ask:` into its verb and the question, both trimmed. Nothing to ask is a call for help.
pub(super) fn split(text: &str) -> (Verb, &str) {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let rest = rest.trim_start();
    let (colon, question) = match rest.strip_prefix(':') {
        Some(after) => (true, after.trim_start()),
        None => (false, rest),
    };
    let Some(verb) = Verb::parse(word) else {
        return without_verb(text);
    };
    let glued = text.len() > end && !colon && !text[end..].starts_with(char::is_whitespace);
    let next_word = question
        .split(|c: char| !c.is_alphanumeric())
        .next()
        .unwrap_or_default();
    let is_verb = match verb {
        _ if colon => true,
        // `sql-server licences`, `explain's`: part of a longer word.
        _ if glued => false,
        Verb::Sql | Verb::Explain => true,
        Verb::Rows => !PREPOSITIONS
            .iter()
            .any(|p| next_word.eq_ignore_ascii_case(p)),
        Verb::Alternatives | Verb::Help => question.is_empty(),
    };
    match (is_verb, verb) {
        (false, _) => without_verb(text),
        (true, Verb::Alternatives | Verb::Help) => (verb, question),
        (true, _) if question.is_empty() => (Verb::Help, ""),
        (true, _) => (verb, question),
    }
}

fn without_verb(text: &str) -> (Verb, &str) {
    if text.is_empty() {
        (Verb::Help, "")
    } else {
        (Verb::Rows, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verb_counts_where_the_rule_says() {
        let cases = [
            ("", Verb::Help, ""),
            ("help", Verb::Help, ""),
            ("HELP", Verb::Help, ""),
            ("help desk tickets", Verb::Rows, "help desk tickets"),
            ("help: orders", Verb::Help, "orders"),
            ("sql top rooms", Verb::Sql, "top rooms"),
            ("SQL: top rooms", Verb::Sql, "top rooms"),
            ("sql", Verb::Help, ""),
            ("sqlite files", Verb::Rows, "sqlite files"),
            ("sql-server licences", Verb::Rows, "sql-server licences"),
            ("explain slow rooms", Verb::Explain, "slow rooms"),
            ("alternatives", Verb::Alternatives, ""),
            ("alternatives to tea", Verb::Rows, "alternatives to tea"),
            ("alternatives: rooms", Verb::Alternatives, "rooms"),
            ("rows top rooms", Verb::Rows, "top rooms"),
            ("rows: sql servers", Verb::Rows, "sql servers"),
            ("rows in rooms", Verb::Rows, "rows in rooms"),
            ("rooms by floor", Verb::Rows, "rooms by floor"),
        ];
        for (text, verb, question) in cases {
            assert_eq!(split(text), (verb, question), "{text}");
        }
    }
}
