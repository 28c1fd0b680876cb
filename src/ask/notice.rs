//! What comes with an answer: the NOTICE of what was understood, and by whom; and what ends one that is too large.

use std::time::Duration;

use super::answer::{Answer, Origin};
use super::surface::lexer::{Kind, Lexer};
use crate::error::{Refusal, SqlState};
use crate::names::bytes;

/// The fields of the NOTICE for an answer that is run. Its SQLSTATE is that of success.
#[must_use]
pub fn of(answer: &Answer) -> Refusal {
    Refusal::new(
        SqlState::SUCCESS,
        format!("ask: {}", one_line(answer.approved.sql())),
    )
    .with_detail(answer.reading.clone())
    .with_hint(hint(answer))
}

/// The NOTICE for rows that were cut at `ask.max_rows`.
#[must_use]
pub fn cut_at(max_rows: u32) -> Refusal {
    Refusal::new(
        SqlState::WARNING,
        format!("ask: only the first {max_rows} rows are returned"),
    )
    .with_hint("SET ask.max_rows raises the limit; a narrower question needs none.")
}

/// The refusal that ends an answer with more bytes of rows than `ask.max_bytes` (NL005).
#[must_use]
pub fn too_large(bytes_max: u64) -> Refusal {
    Refusal::new(
        SqlState::BUDGET,
        format!("answer is larger than ask.max_bytes ({})", bytes::spell(bytes_max)),
    )
    .with_detail("The rows that were sent before this error are not the whole answer.")
    .with_hint("Ask for less: fewer columns, a condition, or a smaller number. SET ask.max_bytes raises the limit.")
}

fn hint(answer: &Answer) -> String {
    let (mut hint, drifted) = match &answer.origin {
        Origin::Provider => (answer.provider.to_string(), false),
        Origin::Pin { name, drifted } => (format!("pinned as \"{name}\""), *drifted),
        Origin::Correction { drifted } => ("as this question was corrected".to_owned(), *drifted),
    };
    if let Some(confidence) = answer.confidence {
        hint.push_str(&format!(", confidence {confidence:.2}"));
    }
    hint.push_str(&format!(", {}", spell(answer.elapsed)));
    if answer.remembered {
        hint.push_str(", remembered");
    }
    hint.push('.');
    if drifted {
        hint.push_str(" The schema under it has changed since; it was proved again.");
    }
    if !answer.alternatives.is_empty() {
        hint.push_str(" Not what you meant? `ask alternatives;`");
    }
    hint
}

/// `2.1 ms`, `812 ms`, `1.3 s`.
fn spell(elapsed: Duration) -> String {
    let milliseconds = elapsed.as_secs_f64() * 1000.0;
    if milliseconds < 9.95 {
        format!("{milliseconds:.1} ms")
    } else if milliseconds < 999.5 {
        format!("{milliseconds:.0} ms")
    } else {
        format!("{:.1} s", elapsed.as_secs_f64())
    }
}

/// The SQL with every run of white space that is not part of a literal or a name made one space.
fn one_line(sql: &str) -> String {
    Lexer::new(sql, 0, true)
        .map(|token| match token.kind {
            Kind::Space => " ",
            _ => token.text(sql),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_spelled_for_people() {
        let cases = [
            (0.04, "0.0 ms"),
            (2.14, "2.1 ms"),
            (12.0, "12 ms"),
            (812.4, "812 ms"),
            (1300.0, "1.3 s"),
        ];
        for (milliseconds, expect) in cases {
            assert_eq!(
                spell(Duration::from_secs_f64(milliseconds / 1000.0)),
                expect
            );
        }
    }

    #[test]
    fn sql_is_shown_on_one_line_and_its_literals_stay() {
        assert_eq!(
            one_line("SELECT\n  'a\n b',\t\"c  d\""),
            "SELECT 'a\n b', \"c  d\""
        );
    }
}
