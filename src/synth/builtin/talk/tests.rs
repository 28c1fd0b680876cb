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
    let drafted = engine.draft((question, u16::MAX), today, turns, &Arc::from("builtin"));
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
