//! Conversations over the made-up schemas.
//!
//! `../corpus/talk_*.txt` hold them: a paragraph for each question, follow-ups behind a `+`; below it the SQL and, behind
//! a `#`, the reading; or `!` and the words that are refused; or `?` and the readings that are equally likely.

use std::sync::Arc;

use crate::schema::snapshot::Snapshot;
use crate::synth::brief::{Drafted, SynthError, Turn};
use crate::synth::builtin::{Engine, fixture};

fn ask(engine: &Engine, turns: &mut Vec<Arc<Turn>>, question: &str) -> Drafted {
    let today = jiff::civil::date(2026, 11, 21);
    let drafted = engine.draft(
        (question, u16::MAX),
        today,
        (turns, true),
        (&Arc::from("builtin"), 0.4),
    );
    if let Ok(draft) = &drafted {
        turns.push(Arc::new(Turn {
            question: question.to_owned(),
            sql: draft.sql.clone(),
            today,
        }));
    }
    drafted
}

fn said(answer: &Drafted) -> String {
    match answer {
        Ok(draft) => format!("{}\n# {}", draft.sql, draft.reading),
        Err(SynthError::NotUnderstood { words, .. }) => format!("! {}", words.join(" ")),
        Err(SynthError::Ambiguous { readings }) => format!("? {}", readings.join("\n? ")),
        Err(other) => format!("! {other:?}"),
    }
}

fn check(snapshot: Snapshot, name: &str, corpus: &str) {
    let engine = Engine::new(&fixture::visible(snapshot));
    let mut turns = Vec::new();
    let (mut found, mut wrong) = (String::new(), 0);
    for case in corpus
        .split("\n\n")
        .map(str::trim)
        .filter(|c| !c.is_empty())
    {
        let (question, expect) = case.split_once('\n').unwrap_or((case, ""));
        let asked = match question.strip_prefix("+ ") {
            Some(asked) => asked,
            None => {
                turns.clear();
                question
            }
        };
        let answer = said(&ask(&engine, &mut turns, asked));
        wrong += usize::from(answer != expect.trim());
        found.push_str(&format!("{question}\n{answer}\n\n"));
    }
    if let (true, Ok(folder)) = (wrong > 0, std::env::var("PGASK_TALK_FOUND")) {
        std::fs::write(format!("{folder}/{name}"), &found).unwrap();
    }
    assert_eq!(wrong, 0, "not as expected, but:\n\n{found}");
}

#[test]
fn conversations_over_a_shop_go_as_expected() {
    check(
        fixture::shop(),
        "talk_shop.txt",
        include_str!("../corpus/talk_shop.txt"),
    );
}

#[test]
fn conversations_over_a_network_go_as_expected() {
    check(
        fixture::network(),
        "talk_network.txt",
        include_str!("../corpus/talk_network.txt"),
    );
}

#[test]
fn conversations_over_a_library_go_as_expected() {
    check(
        fixture::library(),
        "talk_library.txt",
        include_str!("../corpus/talk_library.txt"),
    );
}

/// Every question of a corpus that is answered by itself, asked after each of these: it means the same.
fn check_own(snapshot: Snapshot, corpus: &str, before: &[&str]) {
    let engine = Engine::new(&fixture::visible(snapshot));
    let mut misread = Vec::new();
    for case in corpus.split("\n\n").map(str::trim) {
        let question = case.lines().next().unwrap_or_default();
        let Ok(alone) = ask(&engine, &mut Vec::new(), question) else {
            continue;
        };
        for base in before {
            let mut turns = Vec::new();
            ask(&engine, &mut turns, base).unwrap();
            match ask(&engine, &mut turns, question) {
                Ok(draft) if draft.sql == alone.sql => {}
                Ok(draft) => misread.push(format!("{base} / {question}\n    {}", draft.sql)),
                Err(error) => misread.push(format!("{base} / {question}\n    {error:?}")),
            }
        }
    }
    assert!(misread.is_empty(), "misread:\n{}", misread.join("\n"));
}

#[test]
fn a_question_of_its_own_means_the_same_whatever_was_asked_before() {
    check_own(
        fixture::shop(),
        include_str!("../corpus/shop.txt"),
        &[
            "orders placed in 2025",
            "top 5 customers by revenue this year",
            "average price by category",
        ],
    );
    check_own(
        fixture::network(),
        include_str!("../corpus/network.txt"),
        &["how many devices are offline", "critical alerts this week"],
    );
    check_own(
        fixture::library(),
        include_str!("../corpus/library.txt"),
        &["loans last month by member", "novels"],
    );
    check_own(
        fixture::clinic(),
        include_str!("../corpus/clinic.txt"),
        &["appointments by doctor", "patients from Oslo"],
    );
}

#[test]
fn a_follow_up_of_any_kind_is_answered_or_refused_and_never_panics() {
    let engine = Engine::new(&fixture::visible(fixture::shop()));
    let words: Vec<&str> = "how many the customers their orders by instead most top 5 without Germany or and not only \
        $1 2025 average revenue 'x' price over ? last month any also percentage sorted of them name too country"
        .split_whitespace()
        .collect();
    for base in [
        "top 5 customers by revenue this year",
        "orders over 500 from Germany",
    ] {
        let mut turns = Vec::new();
        ask(&engine, &mut turns, base).unwrap();
        // Every pair, and a walk through the list: enough to meet each rule in odd company.
        for (i, a) in words.iter().enumerate() {
            for (j, b) in words.iter().enumerate() {
                let c = words[(i * 7 + j * 3) % words.len()];
                let _ = ask(&engine, &mut turns.clone(), &format!("{a} {b} {c}"));
            }
        }
        for odd in [
            "",
            " ",
            "?",
            "and",
            ",",
            "instead of",
            "any",
            "\u{0}",
            "and and and",
            "''",
        ] {
            let _ = ask(&engine, &mut turns.clone(), odd);
        }
    }
}
