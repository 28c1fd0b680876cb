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

/// Cuts the tail off a question that a tool has appended it to.
///
/// On a line of its own, in capitals, or of more than one clause, it is nobody's words. Otherwise `limit 50` may be the
/// asker's own ("roads with a speed limit 50"), which the words before it tell: then it stays in the question, where a
/// provider reads it.
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
        let is_one = clause_length(question, &tokens[i..]) == Some(length);
        if gap.contains('\n')
            || in_capitals
            || !is_one
            || token.is_word(question, "fetch")
            || !is_noun(question, &tokens[..i])
        {
            return (question[..token.start].trim_end(), Some(tail.trim_end()));
        }
    }
    (question, None)
}

/// Whether the words before `limit` or `offset` make it one of theirs: "a limit", "their credit limit", "reached limit".
fn is_noun(question: &str, before: &[Token]) -> bool {
    const OF_A_NOUN: [&str; 21] = [
        "a", "an", "any", "each", "every", "has", "have", "having", "her", "his", "its", "my",
        "no", "our", "that", "the", "their", "this", "whose", "with", "without",
    ];
    const RIGHT_BEFORE: [&str; 22] = [
        "above", "and", "are", "at", "below", "beyond", "exceed", "exceeds", "hit", "hits", "is",
        "of", "on", "or", "over", "past", "reach", "reached", "than", "to", "under", "was",
    ];
    let is_any = |token: Option<&Token>, words: &[&str]| {
        token.is_some_and(|token| token.is_any_word(question, words))
    };
    let mut back = before.iter().rev();
    let (last, one_more) = (back.next(), back.next());
    is_any(last, &OF_A_NOUN) || is_any(last, &RIGHT_BEFORE) || is_any(one_more, &OF_A_NOUN)
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
            ("rooms limit 10", ("rooms", Some("limit 10"))),
            ("rooms Limit 10", ("rooms", Some("Limit 10"))),
            ("rooms offset 10", ("rooms", Some("offset 10"))),
            (
                "rooms in may limit 10 offset 2",
                ("rooms in may", Some("limit 10 offset 2")),
            ),
            (
                "rooms with a view fetch first 3 rows only",
                ("rooms with a view", Some("fetch first 3 rows only")),
            ),
            (
                "the 5 largest rooms by size limit 3",
                ("the 5 largest rooms by size", Some("limit 3")),
            ),
            (
                "which servers hit their limit 2 times",
                ("which servers hit their limit 2 times", None),
            ),
            (
                "which servers hit their limit 2",
                ("which servers hit their limit 2", None),
            ),
            (
                "roads with a speed limit 50",
                ("roads with a speed limit 50", None),
            ),
            (
                "cards without credit limit 50",
                ("cards without credit limit 50", None),
            ),
            ("cards over limit 50", ("cards over limit 50", None)),
            ("codes with an offset 5", ("codes with an offset 5", None)),
            ("rooms LIMIT", ("rooms LIMIT", None)),
            ("rooms LIMIT 10 please", ("rooms LIMIT 10 please", None)),
            ("LIMIT 10", ("LIMIT 10", None)),
        ];
        for (question, expect) in cases {
            assert_eq!(cut(question), expect, "{question}");
        }
    }
}
