//! Questions over the made-up schemas, and the SQL that the engine writes for them.
//!
//! `corpus/*.txt` hold them: a question a paragraph, its SQL below it, or `!` and the words that are refused.

use std::sync::Arc;

use crate::schema::snapshot::Snapshot;
use crate::synth::brief::{Brief, Drafted, SynthError};

use super::{Builtin, Engine, fixture};

fn ask(engine: &Engine, question: &str) -> Drafted {
    let today = jiff::civil::date(2026, 11, 21);
    // Every `$n` of the corpus has a value.
    engine.draft(
        (question, u16::MAX),
        today,
        (&[], false),
        (&Arc::from("builtin"), 0.4),
    )
}

fn said(answer: &Drafted) -> String {
    match answer {
        Ok(draft) => draft.sql.clone(),
        Err(SynthError::NotUnderstood { words, .. }) => format!("! {}", words.join(" ")),
        Err(other) => format!("! {other:?}"),
    }
}

fn check(snapshot: Snapshot, corpus: &str) {
    let engine = Engine::new(&fixture::visible(snapshot));
    let mut wrong = Vec::new();
    for case in corpus
        .split("\n\n")
        .map(str::trim)
        .filter(|c| !c.is_empty())
    {
        let (question, expect) = case.split_once('\n').unwrap_or((case, ""));
        let found = said(&ask(&engine, question));
        if found != expect.trim() {
            wrong.push(format!("{question}\n{found}\n"));
        }
    }
    assert!(wrong.is_empty(), "not as expected:\n{}", wrong.join("\n"));
}

#[test]
fn questions_over_a_shop_are_written_as_expected() {
    check(fixture::shop(), include_str!("corpus/shop.txt"));
}

#[test]
fn questions_over_a_network_are_written_as_expected() {
    check(fixture::network(), include_str!("corpus/network.txt"));
}

#[test]
fn questions_over_a_clinic_are_written_as_expected() {
    check(fixture::clinic(), include_str!("corpus/clinic.txt"));
}

#[test]
fn questions_over_a_library_are_written_as_expected() {
    check(fixture::library(), include_str!("corpus/library.txt"));
}

#[test]
fn an_answer_says_what_was_understood_and_how_surely() {
    let engine = Engine::new(&fixture::visible(fixture::shop()));
    let draft = ask(&engine, "customers from Germany with more than 5 orders").unwrap();
    assert_eq!(
        draft.reading,
        "customers.name, where customers.country is \"Germany\" and the number of orders is more than 5"
    );
    assert!(draft.confidence.unwrap() > 0.8);
    assert_eq!(&*draft.provider, "builtin");
}

#[test]
fn a_question_of_any_kind_is_answered_or_refused_and_never_panics() {
    let engine = Engine::new(&fixture::visible(fixture::shop()));
    let words = "how many the customers orders by per most top 5 without with Germany or and not $1 between 2025 \
                 average revenue name 'x' price over ? last month each sorted never their highest most expensive"
        .split_whitespace()
        .collect::<Vec<_>>();
    // Every pair and a walk through the list: enough to meet each rule in odd company.
    for (i, a) in words.iter().enumerate() {
        for (j, b) in words.iter().enumerate() {
            let c = words[(i * 7 + j * 3) % words.len()];
            let _ = ask(&engine, &format!("{a} {b} {c}"));
        }
    }
    for odd in [
        "",
        " ",
        "?",
        "''",
        "$",
        "$99999999",
        "\u{0}",
        "- -1",
        "1,2,3",
        "ß ﬁ 数",
        "\"",
        "....",
        "a".repeat(5000).as_str(),
    ] {
        let _ = ask(&engine, odd);
    }
}

#[test]
fn a_repair_is_left_to_others() {
    let builtin = Builtin::new(Arc::from("builtin"), None);
    let mut brief = Brief {
        question: "how many customers".into(),
        visible: fixture::visible(fixture::shop()),
        today: jiff::civil::date(2026, 11, 21),
        parameter_count: 0,
        turns: Vec::new(),
        conversing: false,
        examples: Vec::new(),
        failed: None,
    };
    assert!(builtin.draft(&brief).is_ok());
    brief.failed = Some(crate::synth::brief::FailedDraft {
        sql: String::new(),
        sqlstate: crate::error::SqlState::GUARD,
        reason: String::new(),
    });
    assert!(matches!(
        builtin.draft(&brief),
        Err(SynthError::NoSql { .. })
    ));
}
