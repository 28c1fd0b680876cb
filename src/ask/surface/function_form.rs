//! The function form: `ask('question' [, argument ...])`, for drivers whose placeholders must be real ones.

use super::lexer::{Kind, Token, string_value};
use super::slots;
use super::{Dialect, verb};
use crate::error::{Refusal, SqlState};

/// Words behind which `ask` is the name of something else: a function that is defined, a table that is filled, a procedure
/// that is called, a prepared statement that is executed.
const NOT_BEFORE: [&str; 6] = [
    "call",
    "execute",
    "function",
    "into",
    "procedure",
    "routine",
];

/// A call of `ask`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) verb: verb::Verb,
    pub(super) question: String,
    /// What stands for `$1`, `$2` ... of the question, as SQL.
    pub(super) arguments: Vec<String>,
    /// How many tokens the call takes, the word `ask` and both parentheses included.
    pub(super) length: usize,
}

/// Reads the call that begins with the word `ask` at `at`; `None` when it is something else that goes by that name.
///
/// # Errors
/// 22023 for a call that can only be an ask and cannot be answered: a question that is no literal, an argument that is
/// no constant or parameter, slots and arguments that do not match.
pub(super) fn read(
    sql: &str,
    tokens: &[Token],
    at: usize,
    dialect: Dialect,
) -> Result<Option<Call>, Refusal> {
    let qualified = at > 0
        && (tokens[at - 1].is_symbol(sql, b'.') || tokens[at - 1].is_any_word(sql, &NOT_BEFORE));
    let opens = tokens.get(at + 1).is_some_and(|t| t.is_symbol(sql, b'('));
    let (Some(first), true, false) = (tokens.get(at + 2), opens, qualified) else {
        return Ok(None);
    };
    if first.kind == Kind::Parameter {
        return Err(invalid("the question of ask() must be a string literal").with_hint(
            "Write the question in the statement and bind its values: ask('orders of customer $1', $1).",
        ));
    }
    if first.kind != Kind::Text {
        return Ok(None);
    }
    let Some(text) = string_value(first.text(sql), dialect.standard_conforming_strings) else {
        return Ok(None);
    };
    let mut arguments = Vec::new();
    let mut next = at + 3;
    loop {
        match tokens.get(next) {
            Some(t) if t.is_symbol(sql, b')') => break,
            Some(t) if t.is_symbol(sql, b',') => {
                let length = argument_length(sql, &tokens[next + 1..]).ok_or_else(not_constant)?;
                let (first, last) = (tokens[next + 1], tokens[next + length]);
                arguments.push(argument(&sql[first.start..last.end], length));
                next += 1 + length;
            }
            _ => return Ok(None),
        }
    }
    let (verb, question) = verb::split(&text);
    let question = match arguments.len() {
        0 => question.to_owned(),
        count => number_slots(question, count)?,
    };
    Ok(Some(Call {
        verb,
        question,
        arguments,
        length: next + 1 - at,
    }))
}

fn invalid(message: &'static str) -> Refusal {
    Refusal::new(SqlState::INVALID_PARAMETER_VALUE, message)
}

fn not_constant() -> Refusal {
    invalid("the arguments of ask() must be constants or parameters").with_hint(
        "Allowed are $1, numbers, strings, TRUE, FALSE and NULL, each with a cast such as ::date.",
    )
}

/// A parameter alone stays as it is, so that the server infers its type from where it lands.
fn argument(text: &str, length: usize) -> String {
    if length == 1 {
        text.to_owned()
    } else {
        format!("({text})")
    }
}

/// How many tokens form one argument: a constant or a parameter, perhaps signed, perhaps with casts.
///
/// Nothing richer, because the text moves into the query, where a column name would mean something else.
fn argument_length(sql: &str, tokens: &[Token]) -> Option<usize> {
    let is = |i: usize, symbol: u8| tokens.get(i).is_some_and(|t| t.is_symbol(sql, symbol));
    let mut length = if is(0, b'(') {
        // pgjdbc puts parentheses around what it writes into the text itself.
        let inner = value_length(sql, &tokens[1..])?;
        let inner = inner + casts_length(sql, &tokens[1 + inner..])?;
        is(1 + inner, b')').then_some(inner + 2)?
    } else {
        value_length(sql, tokens)?
    };
    length += casts_length(sql, &tokens[length..])?;
    (is(length, b',') || is(length, b')')).then_some(length)
}

/// How many tokens form a constant or a parameter, perhaps signed.
fn value_length(sql: &str, tokens: &[Token]) -> Option<usize> {
    let signed = tokens
        .first()
        .is_some_and(|t| t.is_symbol(sql, b'-') || t.is_symbol(sql, b'+'));
    let value = tokens.get(usize::from(signed))?;
    let is_value = match value.kind {
        Kind::Number | Kind::Parameter => true,
        Kind::Text => !signed,
        Kind::Word => !signed && value.is_any_word(sql, &["true", "false", "null"]),
        _ => false,
    };
    is_value.then_some(1 + usize::from(signed))
}

/// How many tokens form the casts (`::numeric(10, 2)`) at the front, perhaps none; `None` when one is not whole.
fn casts_length(sql: &str, tokens: &[Token]) -> Option<usize> {
    let is = |i: usize, symbol: u8| tokens.get(i).is_some_and(|t| t.is_symbol(sql, symbol));
    let mut at = 0;
    while is(at, b':') && is(at + 1, b':') {
        at += 2;
        let cast_from = at;
        while tokens.get(at).is_some_and(|t| {
            matches!(t.kind, Kind::Word | Kind::Name | Kind::Number)
                || [b'.', b'[', b']'].iter().any(|s| t.is_symbol(sql, *s))
        }) {
            at += 1;
        }
        if is(at, b'(') && tokens.get(at + 1)?.kind == Kind::Number {
            at += 2;
            while is(at, b',') && tokens.get(at + 1)?.kind == Kind::Number {
                at += 2;
            }
            if !is(at, b')') {
                return None;
            }
            at += 1;
        }
        if at == cast_from {
            return None;
        }
    }
    Some(at)
}

/// Makes the question's slots `$1` to `$count`; a `?` that stands alone is one, in order, when there is no `$n`.
fn number_slots(question: &str, count: usize) -> Result<String, Refusal> {
    let mut numbered = String::with_capacity(question.len() + count);
    let mut highest = slots::mentioned(question).into_iter().max().unwrap_or(0);
    if highest == 0 {
        let mut rest = question;
        while let Some(at) = rest.find('?') {
            let alone = rest[..at].ends_with([' ', '(', ',', '\n', '\t'])
                && !rest[at + 1..].starts_with(|c: char| c.is_alphanumeric());
            numbered.push_str(&rest[..at]);
            if alone {
                highest += 1;
                numbered.push_str(&format!("${highest}"));
            } else {
                numbered.push('?');
            }
            rest = &rest[at + 1..];
        }
        numbered.push_str(rest);
    } else {
        numbered.push_str(question);
    }
    if usize::from(highest) == count {
        return Ok(numbered);
    }
    Err(Refusal::new(
        SqlState::INVALID_PARAMETER_VALUE,
        format!("the question has {highest} slots and ask() has {count} arguments for them"),
    )
    .with_hint("Write $1, $2 (or ?) in the question where the arguments belong."))
}
