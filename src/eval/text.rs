//! A score, and a comparison of two, as text for a terminal.

use std::fmt::Write as _;

use super::paired::Paired;
use super::score::{Score, Tally};

/// The whole of a score.
#[must_use]
pub fn of_score(score: &Score) -> String {
    let mut text = String::new();
    for (title, tallies) in [
        ("category", &score.by_category),
        ("database", &score.by_database),
        ("provider", &score.by_provider),
    ] {
        if tallies.is_empty() {
            continue;
        }
        heading(&mut text, title);
        for (name, tally) in tallies {
            line(&mut text, name, tally);
        }
        text.push('\n');
    }
    if score.all.count() > 0 {
        heading(&mut text, "");
        line(&mut text, "all", &score.all);
        text.push_str(&calibration(score));
    }
    if score.unanswerable.count() > 0 {
        let refused = &score.unanswerable;
        let _ = writeln!(
            text,
            "\nwithout an answer: {} questions, {} refused",
            refused.count(),
            percent(1.0 - refused.coverage())
        );
    }
    let _ = writeln!(
        text,
        "\nlatency: p50 {:.2} ms, p95 {:.2} ms, p99 {:.2} ms",
        score.latency_ms(0.5),
        score.latency_ms(0.95),
        score.latency_ms(0.99)
    );
    text
}

/// How two runs compare.
#[must_use]
pub fn of_pair(first: &str, second: &str, paired: &Paired) -> String {
    let neither = paired.count - paired.both - paired.only_first - paired.only_second;
    let points = |share: f64| share * 100.0;
    format!(
        "{count} questions in both\n\
         right in both {both}, only in {first} {only_first}, only in {second} {only_second}, in neither {neither}\n\
         {second} - {first}: {difference:+.2} points, 95 % interval {low:+.2} to {high:+.2} (bootstrap)\n\
         exact McNemar test: p = {p:.4}\n",
        count = paired.count,
        both = paired.both,
        only_first = paired.only_first,
        only_second = paired.only_second,
        difference = points(paired.difference),
        low = points(paired.interval.0),
        high = points(paired.interval.1),
        p = paired.p_value,
    )
}

/// Wide enough for most names.
const NAME_WIDTH: usize = 36;

fn heading(text: &mut String, title: &str) {
    let _ = writeln!(
        text,
        "{title:<NAME_WIDTH$} {:>6} {:>8} {:>8} {:>9} {:>10} {:>7} {:>7}",
        "count", "exact", "+subset", "answered", "precision", "wrong", "error"
    );
}

fn line(text: &mut String, name: &str, tally: &Tally) {
    let _ = writeln!(
        text,
        "{name:<NAME_WIDTH$} {:>6} {:>8} {:>8} {:>9} {:>10} {:>7} {:>7}",
        tally.count(),
        percent(tally.accuracy()),
        percent(tally.accuracy_or_subset()),
        percent(tally.coverage()),
        percent(tally.precision()),
        tally.wrong,
        tally.error,
    );
}

fn calibration(score: &Score) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "\nconfidence    answers  claimed    exact   (expected calibration error {:.3})",
        score.calibration_error()
    );
    for (tenth, bin) in (0_u8..).zip(&score.calibration) {
        if bin.count > 0 {
            let from = f64::from(tenth) / 10.0;
            let _ = writeln!(
                text,
                "{from:.1} to {:.1}  {:>9} {:>8} {:>8}",
                from + 0.1,
                bin.count,
                percent(bin.claimed()),
                percent(bin.held()),
            );
        }
    }
    text
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::super::outcome::tests::outcome;
    use super::super::outcome::{Outcome, Verdict};
    use super::*;

    #[test]
    fn a_score_is_told_by_category_and_in_all() {
        let unanswerable = Outcome {
            answerable: false,
            ..outcome("c", Verdict::Refused)
        };
        let outcomes = [
            outcome("a", Verdict::Exact),
            outcome("b", Verdict::Wrong),
            unanswerable,
        ];
        let text = of_score(&Score::of(&outcomes));
        for part in [
            "easy ",
            "zoo ",
            "builtin ",
            "50.0 %",
            "1 questions, 100.0 % refused",
            "p99 1.25",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn a_comparison_says_who_is_ahead_and_how_surely() {
        let first = [outcome("a", Verdict::Wrong), outcome("b", Verdict::Exact)];
        let second = [outcome("a", Verdict::Exact), outcome("b", Verdict::Exact)];
        let text = of_pair("one", "two", &Paired::of(&first, &second));
        assert!(text.contains("two - one: +50.00 points"), "{text}");
        assert!(text.contains("p = 1.0000"), "{text}");
    }
}
