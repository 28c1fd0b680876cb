//! The pipeline between a scripted provider and a scripted planner.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use super::super::session_settings::SessionSettings;
use super::super::settings::CacheSettings;
use super::*;
use crate::schema::snapshot::{Column, Relation, Snapshot, TypeClass};

/// Drafts what its script says, then what cannot be reached; keeps what it was told.
#[derive(Default)]
struct Script {
    drafts: Mutex<VecDeque<Drafted>>,
    failed: Mutex<Vec<Option<FailedDraft>>>,
    slow: bool,
    /// What the provider behind it says, which has one Draft or understands nothing.
    second: Option<Drafted>,
}

impl Drafts for &Script {
    fn takes_examples(&self, _only: Option<&str>) -> bool {
        true
    }

    async fn draft(&self, brief: &Brief, only: Option<&str>) -> Drafted {
        if only == Some("second") {
            return self.second.clone().unwrap_or_else(|| {
                Err(SynthError::NotUnderstood {
                    words: Vec::new(),
                    hint: None,
                })
            });
        }
        self.failed.lock().unwrap().push(brief.failed.clone());
        if self.slow {
            tokio::time::sleep(Duration::from_secs(3600)).await;
        }
        let next = self.drafts.lock().unwrap().pop_front();
        next.unwrap_or_else(|| {
            Err(SynthError::Unavailable {
                reason: "the script is over".to_owned(),
            })
        })
    }

    fn names(&self) -> Vec<&str> {
        vec!["script", "second"]
    }
}

/// One table, `public.rooms(id, size)`.
struct OneTable;

impl Views for OneTable {
    async fn visible(&self, _caller: &Caller) -> Result<Visible, Refusal> {
        let column = |name: &str| Column {
            name: name.to_owned(),
            class: TypeClass::Integer,
            ..Column::default()
        };
        let snapshot = Snapshot {
            relations: vec![Relation {
                schema: "public".to_owned(),
                name: "rooms".to_owned(),
                columns: vec![column("id"), column("size")],
                ..Relation::default()
            }],
            ..Snapshot::default()
        };
        let path = Arc::from(["public".to_owned()]);
        Ok(Visible::new(Arc::new(snapshot), path))
    }

    async fn is_superuser(&self, _caller: &Caller) -> Result<bool, Refusal> {
        Ok(false)
    }
}

/// Plans everything at a cost of 100, but for what it was told about.
#[derive(Default)]
struct Planner {
    refuses: Option<&'static str>,
    away: bool,
}

impl Probe for Planner {
    async fn probe(&self, _caller: &Caller, approved: &Approved, _count: u16) -> ProbeOutcome {
        let undefined = SqlState::parse("42703").unwrap();
        if self.away {
            ProbeOutcome::Unknown(Refusal::new(SqlState::CONNECTION_FAILURE, "server is away"))
        } else if self
            .refuses
            .is_some_and(|part| approved.sql().contains(part))
        {
            ProbeOutcome::Failed(Refusal::new(undefined, "column \"area\" does not exist"))
        } else {
            ProbeOutcome::Planned { cost: 100.0 }
        }
    }
}

fn draft(sql: &str) -> Drafted {
    Ok(Draft {
        sql: sql.to_owned(),
        reading: "the rooms".to_owned(),
        confidence: Some(0.94),
        provider: Arc::from("script"),
        alternatives: vec![
            Alternative {
                sql: "SELECT size FROM rooms".to_owned(),
                reading: "the sizes".to_owned(),
                confidence: 0.5,
            },
            Alternative {
                sql: "DROP TABLE rooms".to_owned(),
                reading: "none".to_owned(),
                confidence: 0.4,
            },
        ],
        evidence: Vec::new(),
    })
}

fn prose() -> Drafted {
    Err(SynthError::NoSql {
        reason: "I am sorry".to_owned(),
    })
}

fn script(drafts: impl IntoIterator<Item = Drafted>) -> Script {
    Script {
        drafts: Mutex::new(drafts.into_iter().collect()),
        ..Script::default()
    }
}

fn pipeline(script: &Script, settings: Settings) -> Pipeline<&Script, OneTable> {
    let memo = Memo::new(&CacheSettings::default());
    let metrics = Arc::new(Metrics::new());
    Pipeline::new(script, OneTable, Rules::default(), settings, memo, metrics)
}

fn caller() -> Caller {
    Caller {
        upstream: Arc::from("main"),
        database: Arc::from("hotel"),
        role: Arc::from("ann"),
    }
}

async fn resolve(
    pipeline: &Pipeline<&Script, OneTable>,
    verb: Verb,
    question: &str,
    planner: &Planner,
) -> Result<Resolved, Refusal> {
    let session = SessionSettings::new(pipeline.settings());
    let asked = Asked {
        caller: &caller(),
        question,
        settings: session.current(),
        today: jiff::civil::date(2026, 11, 21),
        parameter_count: 0,
        embedded: false,
        turns: &[],
    };
    pipeline.resolve(verb, &asked, None, planner).await
}

/// Asks once; shows the SQL, or the SQLSTATE and the message.
async fn outcome_of(script: &Script, settings: Settings, planner: &Planner) -> String {
    let pipeline = pipeline(script, settings);
    match resolve(&pipeline, Verb::Rows, "rooms", planner).await {
        Ok(resolved) => resolved.sql,
        Err(refusal) => format!("{} {}", refusal.sqlstate, refusal.message),
    }
}

const GOOD: &str = "SELECT id FROM rooms";
const PROVED: &str = "SELECT id FROM public.rooms";

#[tokio::test]
async fn every_way_to_fail_has_its_own_end() {
    let not_understood = || {
        Err(SynthError::NotUnderstood {
            words: vec!["flurb".to_owned()],
            hint: None,
        })
    };
    let cases = [
        ("good", vec![draft(GOOD)], PROVED),
        (
            "not understood",
            vec![not_understood()],
            "NL002 question not understood: \"flurb\"",
        ),
        ("unavailable", vec![], "NL003 no provider could answer"),
        (
            "prose for ever",
            vec![prose(), prose(), prose(), draft(GOOD)],
            "NL003 no provider answered with a query",
        ),
        ("prose, then good", vec![prose(), draft(GOOD)], PROVED),
        (
            "harmful for ever",
            vec![
                draft("DROP TABLE rooms"),
                draft("DELETE FROM rooms"),
                draft("TRUNCATE rooms"),
            ],
            "NL004 refused by the guard: queries only",
        ),
        (
            "two statements, then good",
            vec![draft("SELECT 1; SELECT 2"), draft(GOOD)],
            PROVED,
        ),
        (
            "harmful twice the same",
            vec![
                draft("DROP TABLE rooms"),
                draft("DROP TABLE rooms"),
                draft(GOOD),
            ],
            "NL004 refused by the guard: queries only",
        ),
        (
            "harmful, then prose",
            vec![draft("DROP TABLE rooms"), prose(), prose()],
            "NL004 refused by the guard: queries only",
        ),
        (
            "harmful, then gone",
            vec![draft("DROP TABLE rooms")],
            "NL004 refused by the guard: queries only",
        ),
        (
            "not plannable, then good",
            vec![draft("SELECT area FROM rooms"), draft(GOOD)],
            PROVED,
        ),
        (
            "not plannable for ever",
            vec![draft("SELECT area FROM rooms")],
            "42703 column \"area\" does not exist",
        ),
    ];
    let planner = Planner {
        refuses: Some("area"),
        ..Planner::default()
    };
    for (name, drafts, expect) in cases {
        let script = script(drafts);
        let got = outcome_of(&script, Settings::default(), &planner).await;
        assert_eq!(got, expect, "{name}");
    }
}

#[tokio::test]
async fn a_draft_that_cannot_be_mended_leaves_it_to_the_next_provider() {
    let mut script = script([draft("DROP TABLE rooms"), draft("DROP TABLE rooms")]);
    script.second = Some(draft(GOOD));
    let got = outcome_of(&script, Settings::default(), &Planner::default()).await;
    assert_eq!(got, PROVED);
}

#[tokio::test]
async fn a_repair_is_told_what_failed() {
    let script = script([draft("SELECT area FROM rooms"), draft(GOOD)]);
    let planner = Planner {
        refuses: Some("area"),
        ..Planner::default()
    };
    outcome_of(&script, Settings::default(), &planner).await;
    let told = script.failed.lock().unwrap().clone();
    let failed = told[1].as_ref().unwrap();
    assert_eq!(told[0], None);
    assert_eq!(failed.sql, "SELECT area FROM rooms");
    assert_eq!(failed.sqlstate.as_str(), "42703");
    assert_eq!(failed.reason, "column \"area\" does not exist");
}

#[tokio::test]
async fn asking_can_be_off_and_costs_can_be_too_high() {
    let off = Settings {
        enabled: false,
        ..Settings::default()
    };
    let low = Settings {
        cost_max: Some(50.0),
        ..Settings::default()
    };
    let away = Planner {
        away: true,
        ..Planner::default()
    };
    let planner = Planner::default();
    let got = outcome_of(&script([draft(GOOD)]), off, &planner).await;
    assert_eq!(got, "NL006 asking is off here");
    let got = outcome_of(&script([draft(GOOD)]), low.clone(), &planner).await;
    assert_eq!(got, "NL005 estimated cost 100 is over the ceiling of 50");
    let got = outcome_of(&script([draft(GOOD)]), low, &away).await;
    assert_eq!(
        got,
        "NL005 cost cannot be estimated, and there is a ceiling for it"
    );
    let got = outcome_of(&script([draft(GOOD)]), Settings::default(), &away).await;
    assert_eq!(got, PROVED);
}

#[tokio::test]
async fn the_deadline_ends_a_slow_provider() {
    let script = Script {
        slow: true,
        ..Script::default()
    };
    let settings = Settings {
        timeout: Duration::from_millis(10),
        ..Settings::default()
    };
    let got = outcome_of(&script, settings, &Planner::default()).await;
    assert_eq!(got, "57014 ask took longer than ask.timeout (10ms)");
}

#[tokio::test]
async fn a_question_is_synthesized_once() {
    let script = script([draft(GOOD)]);
    let pipeline = pipeline(&script, Settings::default());
    let planner = Planner::default();
    for (question, remembered) in [("free rooms", false), ("free  rooms?", true)] {
        let resolved = resolve(&pipeline, Verb::Rows, question, &planner)
            .await
            .unwrap();
        assert_eq!(resolved.sql, PROVED);
        assert_eq!(resolved.answer.unwrap().remembered, remembered);
    }
    let refusal = resolve(&pipeline, Verb::Rows, "halls", &planner)
        .await
        .unwrap_err();
    assert_eq!(refusal.sqlstate, SqlState::NO_PROVIDER);
}

#[tokio::test]
async fn each_verb_has_its_own_rows() {
    let script = script([draft(GOOD)]);
    let pipeline = pipeline(&script, Settings::default());
    let planner = Planner::default();
    let rows = resolve(&pipeline, Verb::Rows, "rooms", &planner)
        .await
        .unwrap();
    let notice = rows.notice.unwrap();
    assert_eq!(notice.message, format!("ask: {PROVED}"));
    assert_eq!(notice.detail.as_deref(), Some("the rooms"));
    let hint = notice.hint.unwrap();
    assert!(hint.starts_with("script, confidence 0.94, "), "{hint}");
    assert!(
        hint.ends_with(" Not what you meant? `ask alternatives;`"),
        "{hint}"
    );

    let answer = rows.answer.unwrap();
    let alternatives = answer.alternatives_table();
    assert_eq!(
        alternatives.rows().len(),
        1,
        "what is not proved is not shown"
    );

    let sql = resolve(&pipeline, Verb::Sql, "rooms", &planner)
        .await
        .unwrap();
    assert_eq!(
        sql.sql,
        "SELECT * FROM (VALUES ('SELECT id FROM public.rooms'::pg_catalog.text, 'the rooms'::pg_catalog.text, \
         '0.94'::pg_catalog.float8, 'script'::pg_catalog.text, 'public.rooms'::pg_catalog.text, \
         '100'::pg_catalog.float8)) AS ask (\"sql\", \"reading\", \"confidence\", \"provider\", \"tables\", \
         \"estimated_cost\")"
    );
    assert_eq!(sql.notice, None);
    let explain = resolve(&pipeline, Verb::Explain, "rooms", &planner)
        .await
        .unwrap();
    assert_eq!(explain.sql, format!("EXPLAIN {PROVED}"));
    let refusal = resolve(&pipeline, Verb::Alternatives, "", &planner)
        .await
        .unwrap_err();
    assert_eq!(refusal.message, "nothing was asked in this session yet");
    let help = resolve(&pipeline, Verb::Help, "", &planner).await.unwrap();
    assert!(help.sql.contains("ask how many rooms;"), "{}", help.sql);
}

#[test]
fn a_table_takes_the_parameters_that_will_be_bound() {
    assert_eq!(taking_parameters("Q".to_owned(), 0), "Q");
    assert_eq!(
        taking_parameters("Q".to_owned(), 2),
        "SELECT * FROM (Q) AS ask WHERE true OR $1::pg_catalog.text IS NULL OR $2::pg_catalog.text IS NULL"
    );
}
