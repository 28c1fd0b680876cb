//! The bare form: `ask question` as the statement, in words that need not be SQL at all.

use super::comment::AskComment;
use super::lexer::{Kind, Lexer, block_comment_end, is_identifier_part, is_space};

/// A bare question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bare {
    /// The text with comments left out, trimmed.
    pub(super) text: String,
    /// One past the last byte that belongs to it.
    pub(super) end: usize,
}

/// What closes a bare question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// A semicolon, or the end of the text.
    Semicolon,
    /// The `)` that matches the one before the question.
    Parenthesis,
}

/// Where the question begins when a bare ask's word ends at `end`; `None` when this is no bare ask
/// (`asking`, `ask.x`, `ask::text`).
pub(super) fn question_start(sql: &str, end: usize) -> Option<usize> {
    let rest = &sql.as_bytes()[end..];
    let space = rest.iter().take_while(|b| is_space(**b)).count();
    match rest.get(space) {
        Some(b':') if rest.get(space + 1) == Some(&b':') => None,
        Some(b':') => Some(end + space + 1),
        None | Some(b';') => Some(end),
        Some(b'\'' | b'"' | b'(' | b'/') => Some(end),
        _ if space > 0 => Some(end),
        Some(_) => None,
    }
}

/// Reads a bare question that begins at `start`; `None` when nothing closes it.
///
/// An apostrophe after a letter (`customer's`) is a character like any other; one that opens a word quotes up to its
/// partner, if it has one, and a quoted `;` ends nothing. Comments are left out, as the server would leave them out.
pub(super) fn read(sql: &str, start: usize, until: Until) -> Option<Bare> {
    let bytes = sql.as_bytes();
    let mut text = String::new();
    let mut copied = start;
    let mut depth = 0_usize;
    let mut at = start;
    loop {
        let Some(&byte) = bytes.get(at) else {
            if until == Until::Parenthesis {
                return None;
            }
            break;
        };
        let next = bytes.get(at + 1).copied();
        let opens_word = at == start || !is_identifier_part(bytes[at - 1]);
        match byte {
            b'\'' | b'"' if opens_word => at = quoted_end(sql, at).unwrap_or(at + 1),
            b'-' if next == Some(b'-') && (at == start || is_space(bytes[at - 1])) => {
                text.push_str(&sql[copied..at]);
                at += bytes[at..]
                    .iter()
                    .take_while(|b| !matches!(b, b'\n' | b'\r'))
                    .count();
                copied = at;
            }
            b'/' if next == Some(b'*') => match block_comment_end(sql, at) {
                Some(end) => {
                    text.push_str(&sql[copied..at]);
                    text.push(' ');
                    at = end;
                    copied = at;
                }
                None => at += 2,
            },
            b'(' => {
                depth += 1;
                at += 1;
            }
            b')' if depth == 0 && until == Until::Parenthesis => break,
            b')' => {
                depth = depth.saturating_sub(1);
                at += 1;
            }
            b';' if until == Until::Semicolon && ends_statement(sql, at + 1) => break,
            _ => at += 1,
        }
    }
    text.push_str(&sql[copied..at]);
    let used = sql[start..at].trim_end().len();
    Some(Bare {
        text: text.trim().to_owned(),
        end: start + used,
    })
}

/// Reads a bare ask that ends in SQL: up to the semicolon that ends the SQL, whatever stands in its literals.
pub(super) fn read_sql(sql: &str, start: usize, standard_conforming_strings: bool) -> Bare {
    let semicolon = Lexer::new(sql, start, standard_conforming_strings)
        .find(|token| token.is_symbol(sql, b';'));
    let end = semicolon.map_or(sql.len(), |token| token.start);
    let text = &sql[start..end];
    Bare {
        text: text.trim().to_owned(),
        end: start + text.trim_end().len(),
    }
}

/// The end of a quoted part of a question; a doubled quote stands for one, and the closing one ends a word.
fn quoted_end(sql: &str, open: usize) -> Option<usize> {
    let bytes = sql.as_bytes();
    let quote = bytes[open];
    let mut at = open + 1;
    loop {
        let found = at + memchr::memchr(quote, &bytes[at..])?;
        let next = bytes.get(found + 1).copied();
        if next == Some(quote) {
            at = found + 2;
        } else if next.is_some_and(is_identifier_part) {
            // The apostrophe of a word inside the quotes: 'the customer's name'.
            at = found + 1;
        } else {
            return Some(found + 1);
        }
    }
}

/// Whether the semicolon before `at` ends the ask: nothing follows, or something that begins a statement does.
/// Otherwise it is punctuation: `ask open orders; newest first`.
fn ends_statement(sql: &str, at: usize) -> bool {
    for token in Lexer::new(sql, at, true) {
        match token.kind {
            Kind::Space => {}
            Kind::LineComment | Kind::BlockComment => {
                if AskComment::read(sql, token, 0).is_some() {
                    return true;
                }
            }
            Kind::Word => return token.is_any_word(sql, &STATEMENTS),
            _ => return token.is_symbol(sql, b';') || token.is_symbol(sql, b'('),
        }
    }
    true
}

/// The first words of PostgreSQL's statements, and `ask`.
///
/// # Source
/// PostgreSQL 18 manual, "SQL Commands".
const STATEMENTS: [&str; 54] = [
    "abort",
    "alter",
    "analyze",
    "analyse",
    "ask",
    "begin",
    "call",
    "checkpoint",
    "close",
    "cluster",
    "comment",
    "commit",
    "copy",
    "create",
    "deallocate",
    "declare",
    "delete",
    "discard",
    "do",
    "drop",
    "end",
    "execute",
    "explain",
    "fetch",
    "grant",
    "import",
    "insert",
    "listen",
    "load",
    "lock",
    "merge",
    "move",
    "notify",
    "prepare",
    "reassign",
    "refresh",
    "reindex",
    "release",
    "reset",
    "revoke",
    "rollback",
    "savepoint",
    "security",
    "select",
    "set",
    "show",
    "start",
    "table",
    "truncate",
    "unlisten",
    "update",
    "vacuum",
    "values",
    "with",
];
