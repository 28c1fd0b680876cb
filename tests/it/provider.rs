//! The model client and the chain, against a scripted model over real HTTP.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pgask::access::visible::Visible;
use pgask::error::SqlState;
use pgask::names::secret::Secret;
use pgask::schema::render::Privacy;
use pgask::schema::snapshot::{Column, Relation, Snapshot};
use pgask::synth::brief::{Brief, Drafted, FailedDraft, SynthError};
use pgask::synth::chain::Chain;
use pgask::synth::settings::{ProviderKind, ProviderSettings};

use crate::support::model::{Mode, Model};

fn brief(question: &str) -> Brief {
    let snapshot = Snapshot {
        relations: vec![Relation {
            schema: "public".to_owned(),
            name: "parcels".to_owned(),
            columns: vec![Column {
                name: "weight".to_owned(),
                type_name: "numeric".to_owned(),
                ..Column::default()
            }],
            ..Relation::default()
        }],
        ..Snapshot::default()
    };
    Brief {
        question: question.to_owned(),
        visible: Visible::new(Arc::new(snapshot), Arc::from(["public".to_owned()])),
        today: jiff::civil::date(2026, 11, 21),
        parameter_count: 0,
        turns: Vec::new(),
        conversing: false,
        examples: Vec::new(),
        failed: None,
    }
}

fn settings(name: &str, base_url: String) -> ProviderSettings {
    ProviderSettings {
        name: name.to_owned(),
        kind: ProviderKind::OpenAi,
        base_url: Some(base_url),
        model: Some("scripted".to_owned()),
        timeout: Duration::from_secs(5),
        ..ProviderSettings::builtin()
    }
}

fn chain(providers: &[ProviderSettings]) -> Chain {
    Chain::new(providers, Privacy::Schema).unwrap()
}

/// What one model alone brings.
async fn drafted(model: &Model) -> Drafted {
    let chain = chain(&[settings("model", model.base_url())]);
    chain.draft(&brief("how many parcels?"), None).await
}

fn reason(drafted: Drafted) -> String {
    match drafted {
        Err(SynthError::Unavailable { reason } | SynthError::NoSql { reason }) => reason,
        other => panic!("not a failure with a reason: {other:?}"),
    }
}

#[tokio::test]
async fn a_good_reply_becomes_a_draft() {
    let model = Model::start(Mode::Good("SELECT count(*) FROM public.parcels".to_owned())).await;
    let draft = drafted(&model).await.unwrap();
    assert_eq!(draft.sql, "SELECT count(*) FROM public.parcels");
    assert_eq!(draft.reading, "what the script says");
    assert_eq!(draft.confidence, Some(0.9));
    assert_eq!(&*draft.provider, "model");

    let received = model.take_received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].authorization, None);
    assert_eq!(received[0].body["model"], "scripted");
    assert_eq!(received[0].body["temperature"], 0.0);
    let told = received[0].told();
    assert!(told.contains("public.parcels"), "{told}");
    assert!(told.contains("2026-11-21"), "{told}");
    assert!(told.ends_with("how many parcels?"), "{told}");
}

#[tokio::test]
async fn the_key_is_sent_and_never_repeated() {
    let echo = r#"{"error": {"message": "no quota for key sk-secret"}}"#;
    let model = Model::start(Mode::Status(429, echo.to_owned())).await;
    let mut settings = settings("model", model.base_url());
    settings.api_key = Some(Secret::new("sk-secret"));
    let chain = chain(&[settings]);
    let error = reason(chain.draft(&brief("x"), None).await);
    assert_eq!(error, "model: the server answered 429 Too Many Requests");
    let received = model.take_received();
    assert_eq!(
        received[0].authorization.as_deref(),
        Some("Bearer sk-secret")
    );
}

#[tokio::test]
async fn a_repair_brings_the_refusal() {
    let model = Model::start(Mode::Good("SELECT 1".to_owned())).await;
    let chain = chain(&[settings("model", model.base_url())]);
    let mut brief = brief("how many parcels?");
    brief.failed = Some(FailedDraft {
        sql: "DROP TABLE parcels".to_owned(),
        sqlstate: SqlState::GUARD,
        reason: "refused by the guard: queries only".to_owned(),
    });
    chain.draft(&brief, None).await.unwrap();
    let told = model.take_received()[0].told();
    assert!(
        told.contains("DROP TABLE parcels") && told.contains("queries only"),
        "{told}"
    );
}

#[tokio::test]
async fn what_the_guard_must_refuse_reaches_it() {
    let model = Model::start(Mode::Harmful).await;
    assert_eq!(drafted(&model).await.unwrap().sql, "DROP TABLE shop.orders");
    model.set(Mode::TwoStatements);
    assert_eq!(drafted(&model).await.unwrap().sql, "SELECT 1; SELECT 2");
}

#[tokio::test]
async fn a_reply_without_sql_says_what_it_was() {
    let model = Model::start(Mode::Prose).await;
    for (mode, expect) in [
        (Mode::Prose, "Which ones do you mean?"),
        (Mode::CutOff, "cut off"),
        (Mode::Empty, "empty"),
        (
            Mode::Says(r#"{"sql": null, "reading": "no tables of weather"}"#.to_owned()),
            "no tables of weather",
        ),
    ] {
        model.set(mode);
        let drafted = drafted(&model).await;
        assert!(
            matches!(drafted, Err(SynthError::NoSql { .. })),
            "{drafted:?}"
        );
        let error = reason(drafted);
        assert!(
            error.starts_with("model: ") && error.contains(expect),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_server_that_fails_is_unavailable() {
    let model = Model::start(Mode::Prose).await;
    for (mode, expect) in [
        (Mode::Status(500, "<html>oops</html>".to_owned()), "500"),
        (
            Mode::Status(429, r#"{"error": {"message": "slow down"}}"#.to_owned()),
            "slow down",
        ),
        (Mode::Status(302, String::new()), "302"),
        (
            Mode::Raw("{\"choices\": [{\"mess".to_owned()),
            "not a whole chat completion",
        ),
        (Mode::Raw("{}".to_owned()), "no choice"),
        (Mode::Raw("x".repeat(600_000)), "longer than"),
    ] {
        model.set(mode);
        let drafted = drafted(&model).await;
        assert!(
            matches!(drafted, Err(SynthError::Unavailable { .. })),
            "{drafted:?}"
        );
        let error = reason(drafted);
        assert!(error.contains(expect), "{error}");
    }
}

#[tokio::test]
async fn the_deadline_spans_the_whole_call() {
    let model = Model::start(Mode::Slow(Duration::from_secs(60))).await;
    let mut settings = settings("model", model.base_url());
    settings.timeout = Duration::from_millis(200);
    let started = Instant::now();
    let error = reason(chain(&[settings]).draft(&brief("x"), None).await);
    assert!(started.elapsed() < Duration::from_secs(10));
    assert!(error.contains("no reply within 200ms"), "{error}");
}

#[tokio::test]
async fn parameters_that_a_model_refuses_are_respelled_and_remembered() {
    let model = Model::start(Mode::Newer("SELECT 1".to_owned())).await;
    let chain = chain(&[settings("model", model.base_url())]);
    assert_eq!(
        chain.draft(&brief("x"), None).await.unwrap().sql,
        "SELECT 1"
    );
    assert_eq!(model.take_received().len(), 3);
    chain.draft(&brief("x"), None).await.unwrap();
    let received = model.take_received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].body["max_completion_tokens"], 4096);
}

#[tokio::test]
async fn the_next_provider_is_asked_where_one_has_no_draft() {
    let down = settings("down", "http://127.0.0.1:1/v1".to_owned());
    let wordy = Model::start(Mode::Prose).await;
    let good = Model::start(Mode::Good("SELECT 1".to_owned())).await;
    let wordy = (settings("wordy", wordy.base_url()), wordy);
    let good = (settings("good", good.base_url()), good);
    let chain = chain(&[down, wordy.0, good.0]);

    let draft = chain.draft(&brief("x"), None).await.unwrap();
    assert_eq!(&*draft.provider, "good");
    assert_eq!(wordy.1.take_received().len(), 1);

    let only = chain.draft(&brief("x"), Some("wordy")).await;
    assert!(reason(only).starts_with("wordy: "));
    assert_eq!(good.1.take_received().len(), 1);

    let error = reason(chain.draft(&brief("x"), Some("down")).await);
    assert!(error.contains("cannot connect"), "{error}");
    let error = reason(chain.draft(&brief("x"), Some("nobody")).await);
    assert!(error.contains("down, wordy, good"), "{error}");
}

#[tokio::test]
async fn a_model_is_scripted_request_by_request() {
    let model = Model::start(Mode::Good("SELECT 2".to_owned())).await;
    model.then([Mode::Prose, Mode::Good("SELECT 1".to_owned())]);
    assert!(drafted(&model).await.is_err());
    assert_eq!(drafted(&model).await.unwrap().sql, "SELECT 1");
    assert_eq!(drafted(&model).await.unwrap().sql, "SELECT 2");
}
