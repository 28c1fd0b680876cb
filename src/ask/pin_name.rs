//! The name of a pin: spelled by PostgreSQL's rules for identifiers.

use std::sync::Arc;

use super::surface::lexer::is_identifier_part;
use super::surface::verb::name_length;
use crate::error::{Refusal, SqlState};
use crate::state::record::NAME_BYTES_MAX;

/// Splits `NAME: question`.
///
/// # Errors
/// 42601 when one of the two is missing; those of [`name`].
pub(super) fn and_question(text: &str) -> Result<(Arc<str>, &str), Refusal> {
    let (spelled, rest) = text.split_at(name_length(text));
    let question = rest.trim_start().strip_prefix(':').map(str::trim);
    match question {
        Some(question) if !question.is_empty() && !spelled.is_empty() => {
            Ok((name(spelled)?, question))
        }
        _ => Err(Refusal::new(
            SqlState::SYNTAX_ERROR,
            "ask pin needs a name and a question",
        )
        .with_hint("Put a colon between them: ask pin monthly_revenue: revenue by month;")),
    }
}

/// Reads `NAME` or `ROLE.NAME`, the whole text; the role comes first.
///
/// # Errors
/// 42601 when there is no name; those of [`name`].
pub(super) fn and_role(text: &str) -> Result<(Option<Arc<str>>, Arc<str>), Refusal> {
    let (first, rest) = text.split_at(name_length(text));
    match rest.strip_prefix('.') {
        _ if first.is_empty() => Err(Refusal::new(
            SqlState::SYNTAX_ERROR,
            "ask unpin needs the name of a pin",
        )
        .with_hint("`ask pins;` lists them.")),
        Some(second) => Ok((Some(name(first)?), name(second.trim())?)),
        None if rest.trim().is_empty() => Ok((None, name(first)?)),
        None => Err(not_a_name(text)),
    }
}

/// Reads an identifier as PostgreSQL does: without quotes its ASCII letters become lower case.
///
/// # Errors
/// 42602 for what is no identifier, 42622 for one that is too long.
fn name(spelled: &str) -> Result<Arc<str>, Refusal> {
    let quoted = spelled
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let name = match quoted {
        Some(inner) => inner.replace("\"\"", "\""),
        None => {
            let first = spelled.bytes().next();
            let begins_well =
                first.is_some_and(|b| b.is_ascii_alphabetic() || b == b'_' || b >= 0x80);
            if !begins_well || !spelled.bytes().all(is_identifier_part) {
                return Err(not_a_name(spelled));
            }
            spelled.to_ascii_lowercase()
        }
    };
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(not_a_name(spelled));
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(Refusal::new(
            SqlState::NAME_TOO_LONG,
            format!("name of a pin is longer than {NAME_BYTES_MAX} bytes"),
        ));
    }
    Ok(name.into())
}

fn not_a_name(spelled: &str) -> Refusal {
    let shown: String = spelled.chars().take(NAME_BYTES_MAX).collect();
    Refusal::new(
        SqlState::INVALID_NAME,
        format!("\"{}\" is not a name for a pin", shown.escape_debug()),
    )
    .with_hint(
        "A name is a letter or underscore, then letters, digits and underscores; anything else printable goes \
         between double quotes.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_identifiers() {
        let cases = [
            ("top: rooms", Ok(("top", "rooms"))),
            ("Top : rooms: all", Ok(("top", "rooms: all"))),
            ("\"Top \"\"5\"\"\": rooms", Ok(("Top \"5\"", "rooms"))),
            ("\"a:b\":c", Ok(("a:b", "c"))),
            ("gr\u{f6}\u{df}e: rooms", Ok(("gr\u{f6}\u{df}e", "rooms"))),
            ("top-5: rooms", Err("42602")),
            ("5: rooms", Err("42602")),
            ("\"\": rooms", Err("42602")),
            ("\"a\nb\": rooms", Err("42602")),
            ("top:", Err("42601")),
            ("top rooms", Err("42601")),
            (": rooms", Err("42601")),
            ("\"top: rooms", Err("42601")),
            ("", Err("42601")),
        ];
        for (text, expect) in cases {
            let read = and_question(text);
            let shown = read
                .as_ref()
                .map(|(name, question)| (&**name, *question))
                .map_err(|refusal| refusal.sqlstate.as_str());
            assert_eq!(shown, expect, "{text}");
        }
        let long = format!("{}: rooms", "x".repeat(64));
        assert_eq!(and_question(&long).unwrap_err().sqlstate.as_str(), "42622");
    }

    #[test]
    fn a_role_may_stand_before_a_name() {
        let read = |text| {
            and_role(text)
                .map(|(role, name)| (role.map(|r| r.to_string()), name.to_string()))
                .map_err(|refusal| refusal.sqlstate.to_string())
        };
        assert_eq!(read("Top"), Ok((None, "top".to_owned())));
        assert_eq!(
            read("ann.\"T.5\""),
            Ok((Some("ann".to_owned()), "T.5".to_owned()))
        );
        assert_eq!(read("ann."), Err("42602".to_owned()));
        assert_eq!(read("two words"), Err("42602".to_owned()));
        assert_eq!(read(""), Err("42601".to_owned()));
    }
}
