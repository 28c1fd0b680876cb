//! What a model answered, read with patience: JSON, a fenced block or bare SQL, with prose and reasoning around it.
//!
//! Nothing here judges the SQL. What looks like SQL is handed on, two statements or a DROP included, because the guard
//! refuses those with a reason that the model can mend.

use serde_json::{Map, Value};

use crate::synth::shorten::{one_line, shorten};

/// A model's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The SQL, as it was written.
    pub sql: String,
    /// What it means, in the model's own words; empty when it did not say.
    pub reading: String,
    /// How sure the model is, 0 to 1.
    pub confidence: Option<f32>,
}

/// Reads a reply. `cut_off` says that the server stopped it at its length limit: only what is whole is then believed.
///
/// # Errors
/// What was answered instead of SQL, shortened.
pub fn parse(text: &str, cut_off: bool) -> Result<Reply, String> {
    let text = without_reasoning(text)?.trim();
    if text.is_empty() {
        return Err("the reply was empty".to_owned());
    }
    if let Some(object) = json_objects(text).find(|o| field(o, SQL_FIELDS).is_some()) {
        return from_json(&object);
    }
    if text.starts_with('{') {
        return Err(format!("the reply was cut off: {}", shorten(text)));
    }
    let (blocks, open) = fenced_blocks(text);
    if let Some(sql) = blocks.iter().rev().find(|block| is_sql(block)) {
        return Ok(bare(sql));
    }
    if cut_off || open {
        return Err(format!("the reply was cut off: {}", shorten(text)));
    }
    match sql_within(text) {
        Some(sql) => Ok(bare(sql)),
        None => Err(format!("the reply holds no SQL: {}", shorten(text))),
    }
}

/// The keys that models use for the SQL, ours first.
const SQL_FIELDS: &[&str] = &["sql", "query", "SQL"];

/// The longest reading that is kept, in characters: it is shown as a line of a NOTICE.
const READING_CHARS_MAX: usize = 500;

/// The marks between which models think aloud.
const REASONING: &[(&str, &str)] = &[
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<reasoning>", "</reasoning>"),
];

/// Words that a statement begins with. Those that write are here too: the guard shall see and name them.
const FIRST_WORDS: &[&str] = &[
    "select", "with", "values", "table", "insert", "update", "delete", "merge", "drop", "create",
    "alter", "truncate", "grant", "revoke", "copy", "call", "do", "set", "explain", "begin",
];

/// What follows the last reasoning; some servers leave out the mark that opens it.
fn without_reasoning(text: &str) -> Result<&str, String> {
    let mut rest = text;
    for (open, close) in REASONING {
        if let Some(at) = rest.rfind(close) {
            rest = &rest[at + close.len()..];
        }
        if rest.trim_start().starts_with(open) {
            return Err("the reply was cut off while the model was reasoning".to_owned());
        }
    }
    Ok(rest)
}

fn from_json(object: &Map<String, Value>) -> Result<Reply, String> {
    let text = |names| match field(object, names) {
        Some(Value::String(text)) => text.trim().to_owned(),
        _ => String::new(),
    };
    let reading = one_line(
        &text(&["reading", "explanation", "reason"]),
        READING_CHARS_MAX,
    );
    let sql = text(SQL_FIELDS);
    if sql.is_empty() {
        return Err(match reading.is_empty() {
            true => "the reply holds no SQL".to_owned(),
            false => format!("the model found no query: {}", shorten(&reading)),
        });
    }
    let confidence = field(object, &["confidence"]).and_then(Value::as_f64);
    Ok(Reply {
        // A model may fence the SQL inside the JSON as well.
        sql: fenced_blocks(&sql)
            .0
            .pop()
            .map_or_else(|| sql.clone(), str::to_owned),
        reading,
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a share between 0 and 1 needs no more digits"
        )]
        confidence: confidence
            .filter(|c| (0.0..=1.0).contains(c))
            .map(|c| c as f32),
    })
}

fn field<'o>(object: &'o Map<String, Value>, names: &[&str]) -> Option<&'o Value> {
    names.iter().find_map(|name| object.get(*name))
}

fn bare(sql: &str) -> Reply {
    Reply {
        sql: sql.trim().to_owned(),
        reading: String::new(),
        confidence: None,
    }
}

/// Every object that begins at a brace outside another one.
fn json_objects(text: &str) -> impl Iterator<Item = Map<String, Value>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let start = rest.find('{')?;
            rest = &rest[start..];
            if let Some(length) = object_length(rest) {
                let (object, after) = rest.split_at(length);
                if let Some(Value::Object(map)) = lenient(object) {
                    rest = after;
                    return Some(map);
                }
            }
            rest = &rest[1..];
        }
    })
}

/// The length of the object at the start of a text; `None` when it is never closed.
fn object_length(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' if !in_string => depth += 1,
            b'}' if !in_string => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// JSON as models write it: with line breaks inside strings.
fn lenient(object: &str) -> Option<Value> {
    if let Ok(value) = serde_json::from_str(object) {
        return Some(value);
    }
    let mut mended = String::with_capacity(object.len() + 16);
    let mut in_string = false;
    let mut escaped = false;
    for c in object.chars() {
        match c {
            '\n' if in_string => mended.push_str("\\n"),
            '\r' if in_string => {}
            '\t' if in_string => mended.push_str("\\t"),
            _ => mended.push(c),
        }
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            _ => {}
        }
    }
    serde_json::from_str(&mended).ok()
}

/// The contents of the fenced blocks, and whether the last one was never closed.
fn fenced_blocks(text: &str) -> (Vec<&str>, bool) {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(FENCE) {
        let inside = &rest[start + FENCE.len()..];
        let Some(end) = inside.find(FENCE) else {
            return (blocks, true);
        };
        blocks.push(without_label(&inside[..end]).trim());
        rest = &inside[end + FENCE.len()..];
    }
    (blocks, false)
}

const FENCE: &str = "```";

/// The block without the language that stands behind its fence.
fn without_label(block: &str) -> &str {
    let label = block
        .find(|c: char| !c.is_ascii_alphanumeric())
        .unwrap_or(block.len());
    let known = ["sql", "postgresql", "postgres", "pgsql", "psql", "json", ""]
        .contains(&block[..label].to_ascii_lowercase().as_str());
    if known { &block[label..] } else { block }
}

fn is_sql(text: &str) -> bool {
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '(' || c == ';');
    if let Some(comment) = text.strip_prefix("--") {
        return comment
            .split_once('\n')
            .is_some_and(|(_, rest)| is_sql(rest));
    }
    let word = text
        .find(|c: char| !c.is_ascii_alphabetic())
        .map_or(text, |end| &text[..end]);
    FIRST_WORDS
        .iter()
        .any(|first| first.eq_ignore_ascii_case(word))
}

/// SQL without a fence: the whole text when it begins with SQL, else from the line that begins with a query.
fn sql_within(text: &str) -> Option<&str> {
    if is_sql(text) && !is_sentence(text) && (begins_query(text) || !is_word_of_prose(text)) {
        return Some(without_prose(text));
    }
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if begins_query(&text[at..]) {
            return Some(without_prose(&text[at..]));
        }
        at += line.len();
    }
    None
}

/// Whether a text begins with a sentence ("Select a table from the list.") and not with a statement.
fn is_sentence(text: &str) -> bool {
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    !paragraph.contains(';') && paragraph.trim_end().ends_with(['.', '!', '?', ':'])
}

/// Whether the first word begins sentences as often as queries.
fn is_word_of_prose(text: &str) -> bool {
    let word = text.split_whitespace().next().unwrap_or_default();
    ["with", "values"]
        .iter()
        .any(|w| w.eq_ignore_ascii_case(word))
}

/// Whether a text begins with a query, as it were in the middle of prose.
fn begins_query(text: &str) -> bool {
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
    if is_sentence(text) {
        return false;
    }
    let mut words = text.split_whitespace().map(str::to_ascii_lowercase);
    match words.next().as_deref() {
        Some("select") => true,
        // WITH name AS (, WITH name (column, ...) AS (
        Some("with") => {
            let mut next = words.skip_while(|word| word == "recursive");
            let name = next.next().unwrap_or_default();
            name.contains('(')
                || next
                    .next()
                    .is_some_and(|w| w == "as" || w.starts_with("as(") || w.starts_with('('))
        }
        Some("values") => text.contains('('),
        _ => false,
    }
}

/// Cuts off what follows the last statement, when it is no SQL.
fn without_prose(text: &str) -> &str {
    let mut end = text.len();
    let mut from = 0;
    while let Some(semicolon) = next_semicolon(text, from) {
        end = semicolon + 1;
        if !is_sql(&text[end..]) {
            return &text[..end];
        }
        from = end;
    }
    match text.find("\n\n") {
        Some(gap) if end == text.len() && !looks_like_sql_goes_on(&text[gap..]) => &text[..gap],
        _ => text,
    }
}

/// Whether what follows an empty line is more of a query: models set clauses apart.
fn looks_like_sql_goes_on(text: &str) -> bool {
    let word = text.split_whitespace().next().unwrap_or_default();
    let word = word.trim_matches(|c: char| !c.is_ascii_alphabetic());
    let clauses = [
        "select", "from", "where", "group", "order", "having", "limit", "join", "left", "inner",
        "union", "and", "or", "offset", "with", "cross", "right", "full", "window", "fetch",
    ];
    clauses
        .iter()
        .any(|clause| clause.eq_ignore_ascii_case(word))
}

/// The next semicolon outside quotes.
fn next_semicolon(text: &str, from: usize) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate().skip(from) {
        match (quote, byte) {
            (None, b'\'' | b'"') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            (None, b';') => return Some(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQL: &str = "SELECT count(*) FROM shop.orders";

    fn sql(text: &str) -> String {
        parse(text, false)
            .unwrap_or_else(|e| panic!("{text}\n{e}"))
            .sql
    }

    fn none(text: &str) -> String {
        parse(text, false).expect_err(text)
    }

    #[test]
    fn json_in_every_wrapping() {
        let json =
            format!(r#"{{"sql": "{SQL}", "reading": "how many orders", "confidence": 0.9}}"#);
        for text in [
            json.clone(),
            format!("```json\n{json}\n```"),
            format!("Here you are:\n\n{json}\n\nAnything else?"),
            format!("<think>maybe {{\"sql\": \"SELECT 1\"}}?</think>\n{json}"),
            format!("half a thought</think>{json}"),
            format!("{{\"note\": {{\"a\": 1}}}} {json}"),
        ] {
            let reply = parse(&text, false).unwrap();
            assert_eq!(reply.sql, SQL, "{text}");
            assert_eq!(reply.reading, "how many orders");
            assert_eq!(reply.confidence, Some(0.9));
        }
    }

    #[test]
    fn json_that_models_get_wrong() {
        assert_eq!(
            sql("{\"sql\": \"SELECT 1\nFROM a\", \"reading\": \"x\"}"),
            "SELECT 1\nFROM a"
        );
        assert_eq!(sql(r#"{"query": "SELECT 1"}"#), "SELECT 1");
        assert_eq!(sql(r#"{"sql": "```sql\nSELECT 1\n```"}"#), "SELECT 1");
        assert_eq!(
            sql(r#"{"sql": "SELECT '}' || \"a\""}"#),
            "SELECT '}' || \"a\""
        );
        assert_eq!(
            parse(r#"{"sql": "SELECT 1", "confidence": 90}"#, false)
                .unwrap()
                .confidence,
            None
        );
        assert_eq!(
            parse(r#"{"sql": "SELECT 1", "confidence": "high"}"#, false)
                .unwrap()
                .confidence,
            None
        );
    }

    #[test]
    fn fenced_and_bare_sql() {
        for text in [
            format!("```sql\n{SQL}\n```"),
            format!("```\n{SQL}\n```"),
            format!("```PostgreSQL\n{SQL}\n```\nThis counts the orders."),
            format!("You could write\n```python\nprint(1)\n```\nbut better:\n```sql\n{SQL}\n```"),
            format!("```{SQL}```"),
            SQL.to_owned(),
            format!("Sure! The query is:\n{SQL}"),
            format!("{SQL}\n\nThis counts all orders."),
        ] {
            assert_eq!(sql(&text), SQL, "{text}");
        }
        assert_eq!(
            sql(&format!("{SQL};\nIt counts; really.")),
            format!("{SQL};")
        );
        assert_eq!(sql("-- orders\nSELECT 1"), "-- orders\nSELECT 1");
        assert_eq!(sql("SELECT a\n\nFROM b"), "SELECT a\n\nFROM b");
        assert_eq!(
            sql("With these tables:\nWITH x AS (SELECT 1) SELECT * FROM x"),
            "WITH x AS (SELECT 1) SELECT * FROM x"
        );
        assert_eq!(sql("SELECT ';' AS a; and so on"), "SELECT ';' AS a;");
    }

    #[test]
    fn what_the_guard_must_see_is_kept_whole() {
        assert_eq!(sql("DROP TABLE orders;"), "DROP TABLE orders;");
        assert_eq!(
            sql("SELECT 1; DROP TABLE orders"),
            "SELECT 1; DROP TABLE orders"
        );
        assert_eq!(sql("```sql\nDELETE FROM orders\n```"), "DELETE FROM orders");
        assert_eq!(
            sql(r#"{"sql": "SELECT 1; SELECT 2"}"#),
            "SELECT 1; SELECT 2"
        );
    }

    #[test]
    fn what_holds_no_sql_says_so() {
        for text in [
            "",
            "  \n ",
            "I am sorry, I cannot help with that.",
            "The orders table holds one row for each order.",
            "Select a table from the list and try again.",
            "With this schema the question has no answer.",
            "```python\nprint(1)\n```",
            "{}",
            "null",
            r#"{"answer": 42}"#,
            r#"{"sql": null, "reading": "there are no tables of weather"}"#,
            r#"{"sql": ""}"#,
        ] {
            none(text);
        }
        assert!(none(r#"{"sql": null, "reading": "no weather here"}"#).contains("no weather here"));
        assert!(none(&"prose ".repeat(500)).len() < 300);
    }

    #[test]
    fn half_an_answer_is_none() {
        for text in [
            r#"{"sql": "SELECT count(*) FROM ord"#,
            r#"{"sql": "SELECT 1", "read"#,
            "```sql\nSELECT count(*) FR",
            "<think>The user wants SELECT 1",
        ] {
            assert!(none(text).contains("cut off"), "{text}");
        }
        assert!(parse("SELECT count(*) FR", true).is_err());
        assert!(parse(r#"{"sql": "SELECT 1"} and then I wo"#, true).is_ok());
        assert!(parse("```sql\nSELECT 1\n```\nThis is", true).is_ok());
    }
}
