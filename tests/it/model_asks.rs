//! Questions through the proxy, answered by a scripted model: what it answers well is run, what it answers badly is
//! refused by name after the bounded repair, and the connection lives on.

use crate::support::client::Client;
use crate::support::model::{Mode, Model};
use crate::support::postgres::{Fixture, Postgres};
use crate::support::proxy::Proxy;

struct Stage {
    _postgres: Postgres,
    proxy: Proxy,
    model: Model,
}

impl Stage {
    async fn new(mode: Mode) -> Self {
        let postgres = Postgres::start_with(Fixture::Network);
        let model = Model::start(mode).await;
        let provider = model.provider("scripted");
        let proxy = Proxy::start(&postgres, &format!("{provider}timeout = '2s'\n"));
        Self {
            _postgres: postgres,
            proxy,
            model,
        }
    }

    async fn client(&self) -> Client {
        self.proxy.connect("noc", "noc", "network").await
    }
}

#[tokio::test]
async fn a_model_answers_and_the_answer_says_who_and_what() {
    let stage = Stage::new(Mode::Good(
        "SELECT count(*) AS n FROM pg_catalog.x".to_owned(),
    ))
    .await;
    let client = stage.client().await;
    stage
        .model
        .then([Mode::Good("SELECT 40 + 2 AS n".to_owned())]);
    assert_eq!(
        client
            .value("ask what is the answer")
            .await
            .unwrap()
            .as_deref(),
        Some("42")
    );
    let notices = client.take_notices();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(
        notices[0].message().contains("SELECT 40 + 2 AS n"),
        "{notices:?}"
    );
    assert_eq!(notices[0].detail(), Some("what the script says"));
    assert!(
        notices[0]
            .hint()
            .is_some_and(|hint| hint.contains("scripted")),
        "{notices:?}"
    );
}

#[tokio::test]
async fn a_draft_that_is_mended_is_run() {
    let stage = Stage::new(Mode::Good("SELECT 'mended' AS state".to_owned())).await;
    let client = stage.client().await;
    stage.model.then([Mode::Harmful]);
    assert_eq!(
        client
            .value("ask what is the state")
            .await
            .unwrap()
            .as_deref(),
        Some("mended")
    );
    let received = stage.model.take_received();
    assert_eq!(received.len(), 2);
    assert!(
        received[1].told().contains("queries only"),
        "{}",
        received[1].told()
    );
}

#[tokio::test]
async fn bad_answers_end_in_a_refusal_with_its_reason() {
    let stage = Stage::new(Mode::Prose).await;
    let client = stage.client().await;
    for (number, (mode, sqlstate, says)) in [
        (Mode::Prose, "NL003", "Which ones do you mean?"),
        (Mode::Empty, "NL003", "empty"),
        (Mode::CutOff, "NL003", "cut off"),
        (Mode::Harmful, "NL004", "DROP"),
        (Mode::TwoStatements, "NL004", "2 statements"),
        (
            Mode::Good("SELECT pg_sleep(100)".to_owned()),
            "NL004",
            "pg_sleep",
        ),
        (
            Mode::Good("SELECT * FROM pg_authid".to_owned()),
            "NL004",
            "pg_authid",
        ),
        (Mode::Status(500, "oops".to_owned()), "NL003", "500"),
        (Mode::Status(429, "slow down".to_owned()), "NL003", "429"),
        (
            Mode::Slow(std::time::Duration::from_secs(60)),
            "NL003",
            "no reply within",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        stage.model.set(mode.clone());
        let error = client.error(&format!("ask question number {number}")).await;
        assert_eq!(error.code().code(), sqlstate, "{mode:?}: {error:?}");
        let detail = error.detail().unwrap_or_default();
        assert!(detail.contains(says), "{mode:?}: {error:?}");
        assert!(stage.model.take_received().len() <= 4, "{mode:?}");
        assert_eq!(
            client.value("SELECT 1").await.unwrap().as_deref(),
            Some("1")
        );
    }
}
