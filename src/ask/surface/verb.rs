//! The word after `ask` that says what is wanted of the question.

/// What an ask wants.
///
/// The first word after `ask` (or after `ask:`) is the verb when it is one of these, in any letter case:
/// - `sql` and `explain`, whatever follows: `ask sql servers we own` shows the SQL of "servers we own";
/// - `rows`, unless a preposition follows that makes it a noun of the question: `ask rows in orders`;
/// - `help`, `alternatives`, `pins`, `good` and `bad`, only when they stand alone or a colon follows: `ask help desk
///   tickets` and `ask pins in the box` are questions;
/// - `pin`, only when one name and a colon follow: `ask pin monthly: revenue by month`;
/// - `unpin`, only when one name follows and nothing else: `ask unpin the map` is a question;
/// - `correct`, only when a colon follows; what comes behind it is SQL, up to the end of the statement.
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
    /// Keep the question's SQL under a name.
    Pin,
    /// Forget what is kept under a name.
    Unpin,
    /// Show what is kept.
    Pins,
    /// Say that the last answer was right.
    Good,
    /// Say that the last answer, or what is kept of the question given, is wrong.
    Bad,
    /// Give the SQL that the last answer should have had.
    Correct,
}

/// Every verb.
const ALL: [Verb; 11] = [
    Verb::Rows,
    Verb::Sql,
    Verb::Explain,
    Verb::Alternatives,
    Verb::Help,
    Verb::Pin,
    Verb::Unpin,
    Verb::Pins,
    Verb::Good,
    Verb::Bad,
    Verb::Correct,
];

/// Words after `rows` that make it part of the question.
const PREPOSITIONS: [&str; 18] = [
    "of", "in", "per", "from", "with", "without", "where", "that", "which", "whose", "for", "by",
    "on", "at", "and", "or", "are", "were",
];

impl Verb {
    /// Whether it changes what is kept for later, in other sessions too.
    #[must_use]
    pub fn keeps_something(self) -> bool {
        matches!(
            self,
            Self::Pin | Self::Unpin | Self::Good | Self::Bad | Self::Correct
        )
    }

    /// The verb's spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Sql => "sql",
            Self::Explain => "explain",
            Self::Alternatives => "alternatives",
            Self::Help => "help",
            Self::Pin => "pin",
            Self::Unpin => "unpin",
            Self::Pins => "pins",
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Correct => "correct",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        ALL.into_iter()
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
        Verb::Alternatives | Verb::Help | Verb::Pins | Verb::Good | Verb::Bad => {
            question.is_empty()
        }
        Verb::Pin => {
            let name = name_length(question);
            name > 0 && question[name..].trim_start().starts_with(':')
        }
        Verb::Unpin => question.is_empty() || is_one_name(question),
        Verb::Correct => false,
    };
    match (is_verb, verb) {
        (false, _) => without_verb(text),
        (true, Verb::Rows | Verb::Sql | Verb::Explain) if question.is_empty() => (Verb::Help, ""),
        (true, _) => (verb, question),
    }
}

/// Whether what follows `ask` or `ask:` ends in SQL, which must be read as such.
pub(super) fn takes_sql(text: &str) -> bool {
    let text = text.trim_start();
    let verb = Verb::Correct.as_str();
    text.get(..verb.len())
        .is_some_and(|word| word.eq_ignore_ascii_case(verb))
        && text[verb.len()..].trim_start().starts_with(':')
}

/// `NAME`, or `ROLE.NAME`.
fn is_one_name(text: &str) -> bool {
    let first = name_length(text);
    let rest = &text[first..];
    let second = rest
        .strip_prefix('.')
        .map_or(rest, |rest| &rest[name_length(rest)..]);
    first > 0 && second.is_empty()
}

/// How many bytes at the start of a text could spell a name: one in quotes, or everything up to white space, a colon or
/// a dot.
pub(in crate::ask) fn name_length(text: &str) -> usize {
    if text.starts_with('"') {
        let mut at = 1;
        while let Some(quote) = text[at..].find('"') {
            at += quote + 1;
            if !text[at..].starts_with('"') {
                return at;
            }
            at += 1;
        }
        return 0;
    }
    text.find(|c: char| c.is_whitespace() || matches!(c, ':' | '.' | ';' | '"' | '\''))
        .unwrap_or(text.len())
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
            ("pin top: rooms", Verb::Pin, "top: rooms"),
            ("PIN \"Top 5\" : rooms", Verb::Pin, "\"Top 5\" : rooms"),
            ("pin top-5: rooms", Verb::Pin, "top-5: rooms"),
            ("pin: rooms", Verb::Pin, "rooms"),
            ("pin top rooms", Verb::Rows, "pin top rooms"),
            ("pin the map: rooms", Verb::Rows, "pin the map: rooms"),
            ("pin", Verb::Rows, "pin"),
            ("pins", Verb::Pins, ""),
            ("pins:", Verb::Pins, ""),
            ("pins in the box", Verb::Rows, "pins in the box"),
            ("unpin top", Verb::Unpin, "top"),
            ("unpin ann.\"Top 5\"", Verb::Unpin, "ann.\"Top 5\""),
            ("unpin the map", Verb::Rows, "unpin the map"),
            ("unpin: the map", Verb::Unpin, "the map"),
            ("unpin", Verb::Unpin, ""),
            ("good", Verb::Good, ""),
            ("good rooms", Verb::Rows, "good rooms"),
            ("bad", Verb::Bad, ""),
            ("bad: rooms", Verb::Bad, "rooms"),
            ("bad debts", Verb::Rows, "bad debts"),
            ("correct: SELECT 1", Verb::Correct, "SELECT 1"),
            ("correct SELECT 1", Verb::Rows, "correct SELECT 1"),
            (
                "correct answers by student",
                Verb::Rows,
                "correct answers by student",
            ),
        ];
        for (text, verb, question) in cases {
            assert_eq!(split(text), (verb, question), "{text}");
        }
    }
}
