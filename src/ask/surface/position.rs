//! Where a query may stand inside a statement, told from the significant tokens before and after.

use super::lexer::{Kind, Token};
use super::tail;

/// A place where the grammar expects a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing stands before it: the query is the statement.
    Start,
    /// After the words that introduce one: EXPLAIN, DECLARE .. FOR, PREPARE .. AS, CREATE .. AS, INSERT INTO t.
    Introduced,
    /// Inside parentheses that hold a subquery.
    Parenthesised,
    /// The right arm of UNION, INTERSECT or EXCEPT.
    Arm,
}

/// What follows a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follower {
    /// The end of the statement or of the parentheses, or a clause that may follow any query there.
    Nothing,
    /// An appended LIMIT, OFFSET or FETCH of so many tokens.
    Tail(usize),
    /// UNION, INTERSECT or EXCEPT.
    SetOperation,
}

/// Words after which parentheses may hold a subquery. After any other word they hold arguments or columns.
const BEFORE_SUBQUERY: [&str; 38] = [
    "select",
    "from",
    "join",
    "lateral",
    "where",
    "and",
    "or",
    "not",
    "in",
    "any",
    "all",
    "some",
    "exists",
    "array",
    "as",
    "materialized",
    "copy",
    "on",
    "having",
    "limit",
    "offset",
    "then",
    "else",
    "when",
    "case",
    "between",
    "like",
    "ilike",
    "union",
    "intersect",
    "except",
    "distinct",
    "returning",
    "for",
    "explain",
    "analyze",
    "verbose",
    "using",
];

/// Whether a query is expected after these tokens of one statement, and how.
pub(super) fn expected(sql: &str, before: &[Token]) -> Option<Place> {
    let Some((last, earlier)) = before.split_last() else {
        return Some(Place::Start);
    };
    if last.is_symbol(sql, b'(') {
        return opens_subquery(sql, earlier).then_some(Place::Parenthesised);
    }
    if ends_set_operator(sql, before) {
        return Some(Place::Arm);
    }
    introduces_query(sql, before).then_some(Place::Introduced)
}

/// What these tokens mean to a query that ends before them; `None` when it cannot end there, as when a whole
/// statement follows a comment that is its label.
pub(super) fn follower(sql: &str, place: Place, after: &[Token]) -> Option<Follower> {
    let closes = |rest: &[Token]| match rest.first() {
        None => place != Place::Parenthesised,
        Some(token) => token.is_symbol(sql, b')') && place != Place::Start,
    };
    if closes(after) {
        return Some(Follower::Nothing);
    }
    if after.first()?.is_any_word(sql, &SET_OPERATORS) {
        return Some(Follower::SetOperation);
    }
    if place == Place::Arm {
        let sorts = after[0].is_any_word(sql, &["order", "limit", "offset", "fetch"]);
        return sorts.then_some(Follower::Nothing);
    }
    if place == Place::Introduced && may_follow_introduced(sql, after) {
        return Some(Follower::Nothing);
    }
    let tail = tail::length(sql, after);
    (tail > 0 && closes(&after[tail..])).then_some(Follower::Tail(tail))
}

const SET_OPERATORS: [&str; 3] = ["union", "intersect", "except"];

fn ends_set_operator(sql: &str, before: &[Token]) -> bool {
    match before {
        [.., last] if last.is_any_word(sql, &SET_OPERATORS) => true,
        [.., operator, last] => {
            last.is_any_word(sql, &["all", "distinct"]) && operator.is_any_word(sql, &SET_OPERATORS)
        }
        _ => false,
    }
}

/// `WITH [NO] DATA`, `WITH CHECK OPTION`, `ON CONFLICT`, `RETURNING`.
fn may_follow_introduced(sql: &str, after: &[Token]) -> bool {
    let second = |words: &[&str]| after.get(1).is_some_and(|t| t.is_any_word(sql, words));
    let first = &after[0];
    first.is_word(sql, "returning")
        || (first.is_word(sql, "on") && second(&["conflict"]))
        || (first.is_word(sql, "with")
            && second(&["data", "no", "check", "local", "cascaded"])
            && !after.iter().any(|t| t.is_symbol(sql, b'(')))
}

/// Whether the parenthesis that follows these tokens may hold a subquery.
fn opens_subquery(sql: &str, earlier: &[Token]) -> bool {
    let Some(last) = earlier.last() else {
        return true;
    };
    match last.kind {
        Kind::Symbol => !last.is_symbol(sql, b'.'),
        Kind::Word if last.is_any_word(sql, &BEFORE_SUBQUERY) => true,
        Kind::Word | Kind::Name => is_insert_target(sql, without_explain(sql, earlier)),
        _ => false,
    }
}

/// Whether a query may follow these tokens without parentheses.
fn introduces_query(sql: &str, before: &[Token]) -> bool {
    let rest = without_explain(sql, before);
    let Some(first) = rest.first() else {
        return true;
    };
    if first.is_word(sql, "prepare") {
        ends_with_only(sql, rest, "as")
    } else if first.is_word(sql, "declare") {
        ends_with_only(sql, rest, "for")
    } else if first.is_word(sql, "create") {
        let kind = rest.iter().take(6);
        let holds_query = kind.clone().any(|t| t.is_any_word(sql, &["view", "table"]));
        holds_query && ends_with_only(sql, rest, "as")
    } else {
        is_insert_target(sql, rest)
    }
}

/// Whether `word` comes last and, outside parentheses, nowhere before: a second AS is an alias in a query that
/// has begun already.
fn ends_with_only(sql: &str, tokens: &[Token], word: &str) -> bool {
    let mut depth = 0_usize;
    let mut found = None;
    for (i, token) in tokens.iter().enumerate() {
        if token.is_symbol(sql, b'(') {
            depth += 1;
        } else if token.is_symbol(sql, b')') {
            depth = depth.saturating_sub(1);
        } else if depth == 0 && found.is_none() && token.is_word(sql, word) {
            found = Some(i);
        }
    }
    found == tokens.len().checked_sub(1)
}

/// The statement without `EXPLAIN [ANALYZE] [VERBOSE]` or `EXPLAIN (options)` before it.
fn without_explain<'t>(sql: &str, tokens: &'t [Token]) -> &'t [Token] {
    let Some((first, rest)) = tokens.split_first() else {
        return tokens;
    };
    if !first.is_word(sql, "explain") {
        return tokens;
    }
    match rest.first() {
        Some(open) if open.is_symbol(sql, b'(') => match matching(sql, rest) {
            Some(close) => &rest[close + 1..],
            None => tokens,
        },
        _ => {
            let options = rest
                .iter()
                .take_while(|t| t.is_any_word(sql, &["analyze", "analyse", "verbose"]));
            &rest[options.count()..]
        }
    }
}

/// Whether these tokens are `INSERT INTO t [AS a] [(columns)] [OVERRIDING .. VALUE]` and no more.
fn is_insert_target(sql: &str, tokens: &[Token]) -> bool {
    let is = |i: usize, word: &str| tokens.get(i).is_some_and(|t| t.is_word(sql, word));
    let is_name = |i: usize| {
        tokens
            .get(i)
            .is_some_and(|t| matches!(t.kind, Kind::Word | Kind::Name))
    };
    if !(is(0, "insert") && is(1, "into") && is_name(2)) {
        return false;
    }
    let mut at = 3;
    while tokens.get(at).is_some_and(|t| t.is_symbol(sql, b'.')) && is_name(at + 1) {
        at += 2;
    }
    if is(at, "as") && is_name(at + 1) {
        at += 2;
    }
    if tokens.get(at).is_some_and(|t| t.is_symbol(sql, b'(')) {
        match matching(sql, &tokens[at..]) {
            Some(close) => at += close + 1,
            None => return false,
        }
    }
    if is(at, "overriding") && is(at + 2, "value") {
        at += 3;
    }
    at == tokens.len()
}

/// Index of the `)` that closes the `(` these tokens begin with.
fn matching(sql: &str, tokens: &[Token]) -> Option<usize> {
    let mut depth = 0_usize;
    for (i, token) in tokens.iter().enumerate() {
        if token.is_symbol(sql, b'(') {
            depth += 1;
        } else if token.is_symbol(sql, b')') {
            depth = depth.checked_sub(1)?;
            if depth == 0 {
                return Some(i);
            }
        }
    }
    None
}

/// Whether the token at `at` stands where FROM expects an item, so that a subquery there needs an alias.
pub(super) fn is_from_item(sql: &str, tokens: &[Token], at: usize) -> bool {
    #[derive(Clone, Copy, Default)]
    struct Level {
        query: bool,
        from: bool,
    }
    let expects_item = |i: usize| {
        i.checked_sub(1).is_some_and(|i| {
            let t = &tokens[i];
            t.is_any_word(sql, &["from", "join", "lateral", "using"])
                || t.is_symbol(sql, b',')
                || t.is_symbol(sql, b'(')
        })
    };
    let mut levels = vec![Level::default()];
    for (i, token) in tokens[..at].iter().enumerate() {
        let top = levels.last().copied().unwrap_or_default();
        let mut now = top;
        if token.is_symbol(sql, b'(') {
            levels.push(Level {
                query: false,
                from: top.from && expects_item(i),
            });
            continue;
        }
        if token.is_symbol(sql, b')') {
            levels.pop();
            continue;
        }
        if token.is_word(sql, "select") {
            now = Level {
                query: true,
                from: false,
            };
        } else if token.is_any_word(sql, &["update", "delete", "merge"]) {
            now.query = true;
        } else if token.is_word(sql, "from") {
            // `a IS DISTINCT FROM b` is a comparison, `extract(year FROM b)` an argument.
            let compares = i > 0 && tokens[i - 1].is_word(sql, "distinct");
            now.from |= top.query && !compares;
        } else if token.is_any_word(sql, &["join", "using"]) {
            now.from |= top.query;
        } else if token.is_any_word(
            sql,
            &[
                "where",
                "group",
                "having",
                "order",
                "limit",
                "offset",
                "fetch",
                "window",
                "union",
                "intersect",
                "except",
                "returning",
                "set",
                "values",
            ],
        ) {
            now.from = false;
        }
        if let Some(level) = levels.last_mut() {
            *level = now;
        }
    }
    levels.last().is_some_and(|level| level.from) && expects_item(at)
}

/// Whether these tokens, which follow a FROM item, begin with its alias.
pub(super) fn begins_with_alias(sql: &str, after: &[Token]) -> bool {
    const NOT_ALIASES: [&str; 25] = [
        "where",
        "group",
        "order",
        "join",
        "inner",
        "left",
        "right",
        "full",
        "cross",
        "natural",
        "on",
        "using",
        "limit",
        "offset",
        "fetch",
        "union",
        "intersect",
        "except",
        "having",
        "window",
        "for",
        "tablesample",
        "returning",
        "with",
        "set",
    ];
    after.first().is_some_and(|t| match t.kind {
        Kind::Name => true,
        Kind::Word => !t.is_any_word(sql, &NOT_ALIASES),
        _ => false,
    })
}
