//! Models that misbehave: a refusal with its reason, after a bounded number of tries, and nobody else notices.

use super::{LIST_SQL, QUESTION, Scene, check_usable, fresh};
use crate::support::frames::Frame;
use crate::support::model::{Mode, Model};
use crate::support::proxy::Proxy;
use crate::support::raw::{error, rows, sqlstate};
use crate::support::stage;

/// How often a model is asked about one question, at most: once, and twice more to mend it.
const TRY_COUNT_MAX: usize = 3;

/// Asserts that this is a refusal that says why.
fn check_refused(answer: &[Frame], sqlstates: &[&str], what: &str) {
    let refusal = error(answer);
    let sqlstate = refusal.field(b'C').unwrap();
    assert!(sqlstates.contains(&&*sqlstate), "{what}: {refusal:?}");
    assert_eq!(refusal.field(b'S').as_deref(), Some("ERROR"), "{what}");
    let detail = refusal.field(b'D').unwrap_or_default();
    assert!(
        detail.len() > 10,
        "{what}: the DETAIL says why: {refusal:?}"
    );
    assert_eq!(answer.last().unwrap().tag, b'Z', "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_misbehaves_is_refused_with_the_reason() {
    let scene = Scene::new("").await;
    let mut other = scene.client();
    other.rows("begin; create temp table mine (i int)");
    let mut client = scene.client();
    let guard = &["NL004"][..];
    let either = &["NL003", "NL004"][..];
    let modes = [
        ("prose", Mode::Prose, either),
        (
            "DROP TABLE",
            Mode::Good("DROP TABLE customers".to_owned()),
            guard,
        ),
        ("harmful", Mode::Harmful, guard),
        ("two statements", Mode::TwoStatements, guard),
        ("nothing", Mode::Empty, either),
        ("cut off", Mode::CutOff, either),
        ("500", Mode::Status(500, "boom".to_owned()), &["NL003"][..]),
        (
            "401",
            Mode::Status(401, "who are you".to_owned()),
            &["NL003"],
        ),
        ("429", Mode::Status(429, "slow down".to_owned()), &["NL003"]),
        ("not JSON", Mode::Raw("<html>".to_owned()), &["NL003"]),
        (
            "JSON of another kind",
            Mode::Raw("{\"a\": 1}".to_owned()),
            &["NL003"],
        ),
        (
            "a table that is not there",
            Mode::Good("SELECT * FROM invented".to_owned()),
            guard,
        ),
        (
            "a catalog",
            Mode::Good("SELECT rolpassword FROM pg_authid".to_owned()),
            guard,
        ),
        (
            "a file",
            Mode::Good("SELECT pg_read_file('/etc/passwd')".to_owned()),
            guard,
        ),
        (
            "a sleep",
            Mode::Good("SELECT pg_sleep(60)".to_owned()),
            guard,
        ),
        (
            "a lock",
            Mode::Good("SELECT * FROM customers FOR UPDATE".to_owned()),
            guard,
        ),
        (
            "INTO",
            Mode::Good("SELECT * INTO stolen FROM customers".to_owned()),
            guard,
        ),
        (
            "a CTE that writes",
            Mode::Good("WITH d AS (DELETE FROM orders RETURNING *) SELECT * FROM d".to_owned()),
            guard,
        ),
        (
            "a setting",
            Mode::Good("SELECT set_config('work_mem', '1MB', false)".to_owned()),
            guard,
        ),
        (
            "no SQL at all",
            Mode::Good("ask the tables".to_owned()),
            either,
        ),
    ];
    for (number, (what, mode, sqlstates)) in modes.into_iter().enumerate() {
        scene.model.set(mode);
        let answer = client.query(&format!("ask {}", fresh(number)));
        check_refused(&answer, sqlstates, what);
        let tries = scene.request_count();
        assert!(
            (1..=TRY_COUNT_MAX).contains(&tries),
            "{what}: {tries} requests"
        );
        assert_eq!(client.value("select 1"), "1", "{what}");
        assert_eq!(other.value("select count(*) from mine"), "0", "{what}");
    }
    other.rows("commit");
    assert_eq!(client.value("select count(*) from customers"), "100");
    assert_eq!(client.value("select count(*) from orders"), "500");
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_that_fails_goes_back_with_the_reason_and_may_be_mended() {
    let scene = Scene::new("").await;
    let mut client = scene.client();
    for (number, (bad, reason)) in [
        ("SELECT nme FROM customers", "nme"),
        ("SELECT * FROM custmers", "custmers"),
        ("DELETE FROM customers", "DELETE"),
        ("SELECT name + 1 FROM customers", "operator"),
    ]
    .into_iter()
    .enumerate()
    {
        scene.model.then([Mode::Good(bad.to_owned())]);
        let answer = client.query(&format!("ask {}", fresh(number)));
        assert_eq!(rows(&answer).len(), 3, "{bad}: {answer:?}");
        let requests = scene.model.take_received();
        assert_eq!(requests.len(), 2, "{bad}");
        let told = requests[1].told();
        assert!(
            told.contains(bad) && told.to_lowercase().contains(&reason.to_lowercase()),
            "{told}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_draft_is_asked_for_once() {
    let scene = Scene::new("").await;
    let mut client = scene.client();
    assert_eq!(client.rows(&format!("ask {QUESTION}")).len(), 3);
    let requests = scene.model.take_received();
    assert_eq!(requests.len(), 1);
    let told = requests[0].told();
    for word in [QUESTION, "customers", "country", "Customers of the firm"] {
        assert!(told.contains(word), "{word} is not in {told}");
    }
    assert!(
        !told.contains("customer 42"),
        "rows are nobody's business: {told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_down_is_nl003_and_the_built_in_engine_goes_on_where_it_is_next() {
    let dead = Model::start(Mode::Empty).await;
    let gone = dead.provider("gone");
    drop(dead);
    let postgres = stage::prepared();
    let mut admin = crate::support::raw::superuser(&postgres, "app");
    admin.rows(super::TABLES);
    let proxy = Proxy::start(
        &postgres,
        &format!("{gone}\n[[provider]]\nname = \"builtin\"\nkind = \"builtin\"\n"),
    );
    let stage = stage::Stage { proxy, postgres };
    let mut client = stage.client();
    assert_eq!(client.value("ask how many customers are there"), "100");
    client.rows("set ask.provider = gone");
    let refused = client.query("ask how many orders are there");
    check_refused(&refused, &["NL003"], "a dead model");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_goes_to_the_model_and_nowhere_else() {
    let model = Model::start(Mode::Good(LIST_SQL.to_owned())).await;
    let postgres = stage::prepared();
    crate::support::raw::superuser(&postgres, "app").rows(super::TABLES);
    let proxy = Proxy::start_with_env(
        &postgres,
        &format!(
            "[log]\nlevel = \"trace\"\n{}api_key = \"env:MODEL_KEY\"\n",
            model.provider("keyed")
        ),
        &[("MODEL_KEY", "sk-very-secret")],
    );
    let stage = stage::Stage { proxy, postgres };
    let mut client = stage.client();
    assert_eq!(client.rows(&format!("ask {QUESTION}")).len(), 3);
    let received = model.take_received();
    assert_eq!(
        received[0].authorization.as_deref(),
        Some("Bearer sk-very-secret")
    );
    model.set(Mode::Status(
        500,
        "sk-very-secret is not welcome".to_owned(),
    ));
    let refused = client.query(&format!("ask {}", fresh(1)));
    assert_eq!(sqlstate(&refused), "NL003");
    assert!(
        !format!("{refused:?}").contains("sk-very-secret"),
        "{refused:?}"
    );
    assert!(!stage.proxy.logs().contains("sk-very-secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_with_odd_bytes_reaches_the_model_as_it_was_asked() {
    let scene = Scene::new("").await;
    let mut client = scene.client();
    for question in [
        "wie viele Kunden heißen Müller, \"Zoë\" oder 漢字 🎉",
        "what about a 'quoted' name",
        "tabs\tand backslashes \\n and {braces}",
    ] {
        assert_eq!(
            client.rows(&format!("/* ask: {question} */")).len(),
            3,
            "{question}"
        );
        let told = scene.model.take_received()[0].told();
        assert!(told.contains(question), "{question} is not in {told}");
    }
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_glossary_teaches_the_engine_and_is_told_to_models_as_far_as_the_caller_sees() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("glossary.toml");
    let glossary = "[[table]]\nname = 'customers'\nsynonyms = ['punters']\n\
         [[value]]\ncolumn = 'customers.country'\nvalue = 'Austria'\nsynonyms = ['the alps']\n\
         [[metric]]\nname = 'turnover'\ntable = 'orders'\nexpression = 'sum(total)'\n\
         [[table]]\nname = 'hidden'\nsynonyms = ['hush-hush']\n";
    std::fs::write(&path, glossary).unwrap();
    let scene = Scene::with_tables(
        &format!(
            "[ask]\nglossary = {:?}\n[[provider]]\nname = \"own\"\nkind = \"builtin\"\n",
            path.to_str().unwrap()
        ),
        "create table hidden (id int)",
    )
    .await;
    let mut client = scene.client();
    // The engine is asked first, and answers.
    assert_eq!(
        client.rows("ask how many punters are there"),
        [[Some("100".to_owned())]]
    );
    assert_eq!(
        client.rows("ask how many punters from the alps"),
        [[Some("33".to_owned())]],
        "a value"
    );
    assert!(scene.model.take_received().is_empty());

    client.query("set ask.provider = scripted");
    client.rows(&format!("ask {QUESTION}"));
    let told = scene.model.take_received()[0].told();
    assert!(told.contains("customers is also called punters"), "{told}");
    assert!(
        told.contains("turnover is, over orders: sum(total)"),
        "{told}"
    );
    assert!(!told.contains("hush-hush"), "{told}");
}
