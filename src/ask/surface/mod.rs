//! The surface grammar: where in a statement's text somebody asks something.
//!
//! Pure text work. A word is an ask only where PostgreSQL's grammar could make nothing else of it: comments that
//! fill the place of a query, `ask ...` where a statement begins, and `ask('...')` where no such function exists.
//! Everything else passes untouched. Read [`find`] first, then `position`, which knows where a query may stand.

mod bare;
mod comment;
mod function_form;
pub mod lexer;
mod position;
pub mod rewrite;
mod slots;
mod statement;
mod tail;
pub mod verb;

use std::ops::Range;

use crate::error::Refusal;
use verb::Verb;

/// The longest text that is looked into, in bytes; a longer one (a bulk load written as statements) is
/// [`Surface::Plain`].
pub const TEXT_BYTES_MAX: usize = 1024 * 1024;

/// Places in one text that are tried as asks, at most: trying one may cost a pass over the text. A text with more of
/// them is [`Surface::Plain`] when none of those was an ask, and [`Surface::Malformed`] (54000) otherwise.
pub const CANDIDATES_MAX: usize = 100;

/// What of a session decides how its text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// The session's `standard_conforming_strings`; when off, a backslash escapes in plain literals.
    pub standard_conforming_strings: bool,
    /// The database has a function of its own called `ask`: `ask('...')` is a call of it and never an ask.
    pub has_ask_function: bool,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            standard_conforming_strings: true,
            has_ask_function: false,
        }
    }
}

/// What a statement text holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Surface {
    /// No ask: the text is the server's business alone.
    Plain,
    /// The text is one ask and nothing else.
    Whole(Whole),
    /// Asks inside real SQL, or several statements of which some are asks.
    Embedded(Embedded),
    /// Can only be meant as an ask, and cannot be one; the text must not be sent on.
    Malformed(Refusal),
}

/// An ask that is the whole text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// What is wanted.
    pub verb: Verb,
    /// What follows the verb, trimmed: a question, a name, SQL; empty where the verb needs nothing.
    pub question: String,
    /// The highest `$n` that is a slot, 0 when none. In the simple protocol nothing can fill a slot, and every `$n`
    /// is money: take it for 0 there.
    pub parameter_count: u16,
    /// The LIMIT, OFFSET or FETCH that a tool appended.
    pub tail: Option<String>,
}

impl Whole {
    /// The SQL to run: the approved query, under the appended tail if there is one. A plan has no rows to limit.
    #[must_use]
    pub fn sql(&self, approved: &str) -> String {
        match &self.tail {
            Some(tail) if self.verb != Verb::Explain => {
                format!("SELECT * FROM ({approved}) AS ask {tail}")
            }
            _ => approved.to_owned(),
        }
    }
}

/// Asks inside a text; [`Embedded::rewrite`] puts the answers in their place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Embedded {
    /// The asks in the order of their places, which do not overlap. Never empty.
    pub asks: Vec<EmbeddedAsk>,
}

/// One ask inside a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddedAsk {
    /// The bytes that its SQL replaces.
    pub range: Range<usize>,
    /// What is wanted.
    pub verb: Verb,
    /// The question, trimmed; empty only for `help` and `alternatives`.
    pub question: String,
    /// The highest `$n` that is a slot, 0 when none. With [`Self::arguments`], their number.
    pub parameter_count: u16,
    /// What replaces `$1`, `$2` ... of the approved SQL, as SQL; empty when the slots are the statement's own
    /// parameters.
    pub arguments: Vec<String>,
    /// What is put around the SQL.
    pub frame: Frame,
}

/// What is put around an approved query to make it stand where the ask stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Nothing.
    None,
    /// Parentheses.
    Parentheses,
    /// Parentheses and an alias, as a FROM item needs one before PostgreSQL 16.
    FromItem,
    /// A derived table, because LIMIT or the like follows.
    Derived,
    /// A derived table under a tail that stood inside the replaced bytes.
    Tailed(String),
}

/// Finds the asks of a statement text, which may hold several statements.
///
/// Never panics, whatever the text; a text that the server could not read either is [`Surface::Plain`], so that the
/// server's own error reaches the client.
#[must_use]
pub fn find(sql: &str, dialect: Dialect) -> Surface {
    if sql.len() > TEXT_BYTES_MAX || !may_ask(sql) {
        return Surface::Plain;
    }
    match statement::read_all(sql, dialect) {
        Ok(surface) => surface,
        Err(refusal) => Surface::Malformed(refusal),
    }
}

/// Whether the word "ask" stands anywhere that an ask could begin. Most text with those letters in it (`task`,
/// `mask`, `quotes.ask`, `SELECT bid, ask FROM`) is told apart here, without allocating.
fn may_ask(sql: &str) -> bool {
    let bytes = sql.as_bytes();
    memchr::memchr2_iter(b'k', b'K', bytes).any(|k| {
        let Some(start) = k.checked_sub(2) else {
            return false;
        };
        bytes[start..=k].eq_ignore_ascii_case(b"ask") && may_begin_ask(bytes, start, k + 1)
    })
}

fn may_begin_ask(bytes: &[u8], start: usize, end: usize) -> bool {
    let before = &bytes[..start];
    let after = &bytes[end..];
    if before
        .last()
        .copied()
        .is_some_and(lexer::is_identifier_part)
        || after
            .first()
            .copied()
            .is_some_and(lexer::is_identifier_part)
    {
        return false;
    }
    let space = after.iter().take_while(|b| lexer::is_space(**b)).count();
    match after.get(space) {
        Some(b':') => return after.get(space + 1) != Some(&b':'),
        Some(b'(') => return true,
        _ => {}
    }
    if after.first() == Some(&b'.') {
        return may_be_setting(before);
    }
    // What remains is `ask question`, where a statement may begin, and `-- ask sql: question`.
    let gap = before.iter().rev().take_while(|b| lexer::is_space(**b));
    let new_line = gap.clone().any(|b| matches!(b, b'\n' | b'\r'));
    let before = &before[..before.len() - gap.count()];
    match before.last().copied() {
        None | Some(b';' | b'/' | b'*' | b'-' | b')') => true,
        Some(b) if b.is_ascii_alphabetic() => new_line || may_introduce(before),
        Some(_) => new_line,
    }
}

/// Whether the last word is one that a query may follow without parentheses.
fn may_introduce(before: &[u8]) -> bool {
    let length = before
        .iter()
        .rev()
        .take_while(|b| b.is_ascii_alphabetic())
        .count();
    let word = &before[before.len() - length..];
    ["as", "for", "explain", "analyze", "analyse", "verbose"]
        .iter()
        .any(|w| word.eq_ignore_ascii_case(w.as_bytes()))
}

/// Whether the last word is one that the name of a setting follows.
fn may_be_setting(before: &[u8]) -> bool {
    let before = before.trim_ascii_end();
    ["set", "show", "reset", "session", "local"]
        .iter()
        .any(|word| {
            let start = before.len().saturating_sub(word.len());
            before[start..].eq_ignore_ascii_case(word.as_bytes())
        })
}

#[cfg(test)]
mod tests;
