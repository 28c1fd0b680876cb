//! How a statement's text is routed: the one scan over its words, and the surface grammar behind the word `ask`.
//!
//! The first byte of an input is the dialect; the rest is the text.

use pgask::ask::setting_statement;
use pgask::ask::surface::{self, Dialect, Embedded, Surface};
use pgask::session::marks::Marks;
use pgask::session::words;

/// Tries one input.
pub(crate) fn check(data: &[u8]) {
    let Some((&kind, text)) = data.split_first() else {
        return;
    };
    let marks = words::scan(text, None);
    assert_eq!(marks, words::scan(&text.to_ascii_uppercase(), None));
    assert_eq!(marks, words::scan(&text.to_ascii_lowercase(), None));
    assert_eq!(marks, words::scan(&[b"\n ", text, b" ;"].concat(), None));

    let Ok(sql) = std::str::from_utf8(text) else {
        return;
    };
    let dialect = Dialect {
        standard_conforming_strings: kind & 1 == 0,
        has_ask_function: kind & 2 != 0,
    };
    let is_setting = setting_statement::parse(sql).is_some();
    let surface = surface::find(sql, dialect);
    // The scan is all that a plain query costs: what it does not mark is never looked into.
    assert!(
        marks.contains(Marks::ASK) || (!is_setting && surface == Surface::Plain),
        "an ask that the scan does not see: {surface:?}"
    );
    match surface {
        Surface::Plain | Surface::Malformed(_) => {}
        Surface::Whole(whole) => assert!(whole.sql("SELECT 1").contains("SELECT 1")),
        Surface::Embedded(embedded) => embedded_asks(sql, &embedded),
    }
}

/// What is not an ask stays as it was, byte for byte and in its place.
fn embedded_asks(sql: &str, embedded: &Embedded) {
    assert!(!embedded.asks.is_empty());
    let queries = vec!["SELECT '\u{1}'"; embedded.asks.len()];
    let rewritten = embedded.rewrite(sql, &queries);
    // Around a query stands what makes it fit: it is short, and follows or precedes nothing but the query.
    let mut rest = rewritten.sql.as_str();
    let mut copied = 0;
    for (index, ask) in embedded.asks.iter().enumerate() {
        assert!(copied <= ask.range.start && ask.range.start <= ask.range.end);
        let kept = &sql[copied..ask.range.start];
        let at = rest.find(kept).expect("what stands before an ask is kept");
        assert!(index > 0 || at == 0, "nothing comes before it");
        rest = &rest[at + kept.len()..];
        let query = rest.find(queries[0]).expect("every ask has its query");
        rest = &rest[query + queries[0].len()..];
        copied = ask.range.end;
    }
    assert!(
        rest.ends_with(&sql[copied..]),
        "what stands behind the last ask is kept"
    );
    for position in 0..rewritten.sql.chars().count().min(200) + 2 {
        let _ = rewritten.locate(sql, position);
    }
}
