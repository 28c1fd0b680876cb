//! The LIMIT, OFFSET or FETCH FIRST that a BI tool appends to whatever its user typed.

use super::lexer::{Kind, Lexer, Token};

/// How many of these tokens, which are all significant, form a tail; 0 when they do not begin with a complete one.
///
/// Only numbers, parameters and ALL are taken: anything richer is not something that a tool appended.
pub(super) fn length(sql: &str, tokens: &[Token]) -> usize {
    let mut at = 0;
    while let Some(clause) = clause_length(sql, &tokens[at..]) {
        at += clause;
    }
    at
}

fn clause_length(sql: &str, tokens: &[Token]) -> Option<usize> {
    let is = |i: usize, words: &[&str]| tokens.get(i).is_some_and(|t| t.is_any_word(sql, words));
    let is_count = |i: usize| {
        tokens
            .get(i)
            .is_some_and(|t| matches!(t.kind, Kind::Number | Kind::Parameter))
    };
    if is(0, &["limit"]) && (is_count(1) || is(1, &["all"])) {
        return Some(2);
    }
    if is(0, &["offset"]) && is_count(1) {
        return Some(2 + usize::from(is(2, &["row", "rows"])));
    }
    if is(0, &["fetch"]) && is(1, &["first", "next"]) {
        let after_count = 2 + usize::from(is_count(2));
        return (is(after_count, &["row", "rows"]) && is(after_count + 1, &["only"]))
            .then_some(after_count + 2);
    }
    None
}

/// Cuts the tail off a question that a tool has appended it to: on a line of its own, or in capitals.
///
/// A lower-case `limit 5000` at the end of a line may be the asker's own words ("a credit limit of", "speed limit
/// 50") and stays in the question, where a provider reads it.
pub(super) fn cut(question: &str) -> (&str, Option<&str>) {
    let tokens: Vec<Token> = Lexer::new(question, 0, true)
        .filter(Token::is_significant)
        .collect();
    for (i, token) in tokens.iter().enumerate().skip(1) {
        if !token.is_any_word(question, &["limit", "offset", "fetch"]) {
            continue;
        }
        let length = length(question, &tokens[i..]);
        if length == 0 || i + length != tokens.len() {
            continue;
        }
        let gap = &question[tokens[i - 1].end..token.start];
        let tail = &question[token.start..];
        let in_capitals = !tail.bytes().any(|b| b.is_ascii_lowercase());
        if gap.contains('\n') || in_capitals {
            return (question[..token.start].trim_end(), Some(tail.trim_end()));
        }
    }
    (question, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_tool_appends_is_cut() {
        let cases = [
            ("rooms LIMIT 10", ("rooms", Some("LIMIT 10"))),
            ("rooms\nlimit 10", ("rooms", Some("limit 10"))),
            (
                "rooms LIMIT 10 OFFSET 5",
                ("rooms", Some("LIMIT 10 OFFSET 5")),
            ),
            ("rooms LIMIT $1", ("rooms", Some("LIMIT $1"))),
            ("rooms LIMIT ALL", ("rooms", Some("LIMIT ALL"))),
            (
                "rooms\nOFFSET 2 ROWS FETCH NEXT 5 ROWS ONLY",
                ("rooms", Some("OFFSET 2 ROWS FETCH NEXT 5 ROWS ONLY")),
            ),
            (
                "rooms FETCH FIRST ROW ONLY",
                ("rooms", Some("FETCH FIRST ROW ONLY")),
            ),
            (
                "roads with a speed limit 50",
                ("roads with a speed limit 50", None),
            ),
            ("rooms LIMIT", ("rooms LIMIT", None)),
            ("rooms LIMIT 10 please", ("rooms LIMIT 10 please", None)),
            ("LIMIT 10", ("LIMIT 10", None)),
        ];
        for (question, expect) in cases {
            assert_eq!(cut(question), expect, "{question}");
        }
    }
}
