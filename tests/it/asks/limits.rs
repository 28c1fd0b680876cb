//! Rows, time, and who waits for whom.

use std::time::{Duration, Instant};

use super::{LIST_SQL, QUESTION, Scene, check_usable, fresh};
use crate::support::frames::{bind, cancel_request, execute, parse, query, sync};
use crate::support::model::Mode;
use crate::support::raw::{Raw, error, notices, rows, sqlstate};

/// Runs for minutes, and calls nothing that a guard would mind.
const ENDLESS: &str = "SELECT count(*) FROM orders a, orders b, orders c, orders d";

/// Far less than [`ENDLESS`] takes, far more than a loaded machine needs to stop it.
const SOON: Duration = Duration::from_secs(15);

/// Whether the NOTICE about rows that were cut is among these messages.
fn is_cut(frames: &[crate::support::frames::Frame], max_rows: usize) -> bool {
    notices(frames).iter().any(|notice| {
        notice.field(b'M') == Some(format!("ask: only the first {max_rows} rows are returned"))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_end_at_the_cap_and_a_notice_says_so() {
    let scene = Scene::new("[ask]\nmax_rows = 7\n").await;
    scene.answers("SELECT id FROM customers ORDER BY id");
    let mut client = scene.client();
    let ask = format!("/* ask: {QUESTION} */");
    let extended = [
        parse("", ask.as_str(), &[]),
        bind("", "", &[]),
        execute("", 0),
        sync(),
    ];
    for answer in [client.query(&ask), client.exchange(&extended)] {
        assert_eq!(rows(&answer).len(), 7, "{answer:?}");
        assert!(is_cut(&answer, 7), "{answer:?}");
    }
    client.rows("set ask.max_rows = 50");
    let answer = client.query(&ask);
    assert!(rows(&answer).len() == 50 && is_cut(&answer, 50));
    for max_rows in [100, 101] {
        client.rows(&format!("set ask.max_rows = {max_rows}"));
        let answer = client.query(&ask);
        assert_eq!(rows(&answer).len(), 100);
        assert!(!is_cut(&answer, max_rows), "all rows are there: {answer:?}");
    }
    client.rows("begin");
    client.rows("set ask.max_rows = 3");
    let answer = client.query(&ask);
    assert!(rows(&answer).len() == 3 && is_cut(&answer, 3), "{answer:?}");
    client.rows("commit");
    // Whatever the letter case in which a tool appends it.
    for (tail, count) in [
        ("LIMIT 2", 2),
        ("limit 2", 2),
        ("Limit 2 Offset 1", 2),
        ("offset 99", 1),
        ("fetch first 1 rows only", 1),
    ] {
        let answer = client.query(&format!("ask {QUESTION} {tail}"));
        assert_eq!(rows(&answer).len(), count, "{tail}: {answer:?}");
    }
    // A smaller LIMIT of the client's own is no cut.
    let answer = client.query(&format!("{ask} limit 2"));
    assert_eq!(rows(&answer).len(), 2);
    assert!(!is_cut(&answer, 3), "{answer:?}");
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_runs_too_long_is_stopped() {
    let scene = Scene::new("[ask]\ntimeout = \"1s\"\n").await;
    scene.answers(ENDLESS);
    let mut client = scene.client();
    for (number, opening) in ["", "begin"].iter().enumerate() {
        client.query(opening);
        let start = Instant::now();
        let answer = client.query(&format!("ask {}", fresh(number)));
        assert_eq!(sqlstate(&answer), "57014", "{answer:?}");
        assert!(start.elapsed() < SOON);
        client.query("rollback");
    }
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shorter_statement_timeout_of_the_session_holds() {
    let scene = Scene::new("").await;
    scene.answers(ENDLESS);
    let mut client = scene.client();
    client.rows("set statement_timeout = '500ms'");
    let start = Instant::now();
    assert_eq!(sqlstate(&client.query(&format!("ask {QUESTION}"))), "57014");
    assert!(start.elapsed() < SOON);
    assert_eq!(client.value("show statement_timeout"), "500ms");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_answer_can_be_cancelled() {
    let scene = Scene::new("").await;
    scene.answers(ENDLESS);
    let mut client = scene.client();
    client.send(&query(format!("ask {QUESTION}")));
    scene
        .stage
        .wait_for_backends(1, "state = 'active' and query ilike '%orders a%'");
    cancel(&scene, &client);
    assert_eq!(sqlstate(&client.until_ready()), "57014");
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_thinks_can_be_cancelled() {
    let scene = Scene::new("").await;
    scene.model.set(Mode::Slow(Duration::from_secs(60)));
    let mut client = scene.client();
    let start = Instant::now();
    client.send(&query(format!("ask {QUESTION}")));
    assert!(!client.is_answered_within(Duration::from_millis(500)));
    cancel(&scene, &client);
    let answer = client.until_ready();
    assert_eq!(sqlstate(&answer), "57014");
    assert!(start.elapsed() < SOON);
    scene.answers(LIST_SQL);
    assert_eq!(client.rows(&format!("ask {}", fresh(1))).len(), 3);
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_over_its_deadline_is_nl003_and_over_the_asks_own_is_57014() {
    let scene = Scene::new("").await;
    scene.model.set(Mode::Slow(Duration::from_secs(60)));
    let mut client = scene.client();
    client.rows("set ask.timeout = '700ms'");
    let start = Instant::now();
    let answer = client.query(&format!("ask {QUESTION}"));
    assert_eq!(sqlstate(&answer), "57014", "{answer:?}");
    assert!(start.elapsed() < SOON);
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_somebody_elses_model() {
    let scene = Scene::new("[pool]\ndefault_pool_size = 1\n").await;
    scene.model.set(Mode::Slow(Duration::from_secs(60)));
    let mut thinking = scene.client();
    thinking.send(&query(format!("ask {QUESTION}")));
    assert!(!thinking.is_answered_within(Duration::from_millis(300)));
    let start = Instant::now();
    let mut other = scene.client();
    for round in 0..50 {
        assert_eq!(other.value(&format!("select {round}")), round.to_string());
    }
    assert!(start.elapsed() < SOON);
    // One who hangs up while the model thinks takes nothing along.
    thinking.kill();
    assert_eq!(other.value("select 'still served'"), "still served");
    scene.answers(LIST_SQL);
    assert_eq!(other.rows(&format!("ask {}", fresh(1))).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_does_not_wait_for_a_model() {
    let mut scene = Scene::new("[listen]\nshutdown_grace = \"1s\"\n").await;
    scene.model.set(Mode::Slow(Duration::from_secs(60)));
    let mut thinking = scene.client();
    thinking.send(&query(format!("ask {QUESTION}")));
    assert!(!thinking.is_answered_within(Duration::from_millis(300)));
    let start = Instant::now();
    scene.stage.proxy.signal("TERM");
    let seen = thinking.until_closed();
    assert_eq!(
        error(&seen).field(b'C').as_deref(),
        Some("57P01"),
        "{seen:?}"
    );
    scene.stage.proxy.wait();
    assert!(start.elapsed() < SOON);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_over_the_cost_ceiling_is_nl005() {
    let scene = Scene::new("[ask]\ncost_max = 1000.0\n").await;
    scene.answers(ENDLESS);
    let mut client = scene.client();
    let refused = client.query(&format!("ask {QUESTION}"));
    assert_eq!(sqlstate(&refused), "NL005", "{refused:?}");
    scene.answers(LIST_SQL);
    assert_eq!(client.rows(&format!("ask {}", fresh(1))).len(), 3);
}

/// What the machine can do when it is let, of so many tries.
const TRIES: usize = 8;

/// Within this a synthesis ends.
const AT_ONCE: Duration = Duration::from_millis(100);

/// Waits until the model has given up this many answers; how long that took.
fn until_abandoned(scene: &Scene, count: usize) -> Duration {
    let start = Instant::now();
    while scene.model.abandoned() < count {
        assert!(start.elapsed() < SOON, "the model still thinks");
        std::thread::sleep(Duration::from_millis(1));
    }
    start.elapsed()
}

/// Waits until the model has been asked.
fn until_thinking(scene: &Scene) {
    scene
        .stage
        .eventually(|| (scene.request_count() > 0).then_some(()));
}

/// Every way to send an ask.
fn sendings(number: usize) -> Vec<Vec<u8>> {
    let ask = format!("/* ask: {} */", fresh(number));
    let extended = [
        parse("", ask.as_str(), &[]),
        bind("", "", &[]),
        execute("", 0),
        sync(),
    ];
    vec![
        query(ask.as_str()),
        query(format!("select * from ({ask}) r")),
        extended.concat(),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_stops_a_synthesis_within_a_tenth_of_a_second() {
    let scene = Scene::new("").await;
    scene.model.set(Mode::Slow(Duration::from_secs(60)));
    let mut client = scene.client();
    for opening in ["", "begin"] {
        let mut fastest = SOON;
        for number in 0..TRIES {
            client.query(opening);
            client.send(&sendings(number)[number % 3]);
            until_thinking(&scene);
            assert!(!client.is_answered_within(Duration::from_millis(60)));
            let given_up = scene.model.abandoned();
            let start = Instant::now();
            cancel(&scene, &client);
            let answer = client.until_ready();
            let answered = start.elapsed();
            assert_eq!(sqlstate(&answer), "57014", "{answer:?}");
            fastest = fastest.min(answered + until_abandoned(&scene, given_up + 1));
            client.query("rollback");
        }
        assert!(fastest < AT_ONCE, "{fastest:?}");
    }
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_stops_its_synthesis_within_a_tenth_of_a_second() {
    let scene = Scene::new("").await;
    scene.model.set(Mode::Slow(Duration::from_secs(60)));
    let mut fastest = SOON;
    for number in 0..TRIES {
        let mut client = scene.client();
        client.query(["", "begin"][number % 2]);
        client.send(&sendings(number)[number % 3]);
        until_thinking(&scene);
        let given_up = scene.model.abandoned();
        client.kill();
        fastest = fastest.min(until_abandoned(&scene, given_up + 1));
    }
    assert!(fastest < AT_ONCE, "{fastest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn statement_timeout_bounds_a_synthesis() {
    let scene = Scene::new("").await;
    scene.model.set(Mode::Slow(Duration::from_secs(60)));
    scene.stage.admin().rows(
        "create role hasty login password 'h'; alter role hasty set statement_timeout = '300ms'; \
         grant select on customers, orders to hasty",
    );
    let mut by_role = scene.login("hasty", "h");
    let mut by_set = scene.client();
    by_set.rows("set statement_timeout = '300ms'");
    let mut locally = scene.client();
    locally.rows("begin; set local statement_timeout = '300ms'");
    assert_eq!(by_role.value("show statement_timeout"), "300ms");
    for (what, client) in [
        ("role", &mut by_role),
        ("SET", &mut by_set),
        ("SET LOCAL", &mut locally),
    ] {
        let mut fastest = SOON;
        for (number, sending) in sendings(1).into_iter().enumerate() {
            if what == "SET LOCAL" && number > 0 {
                client.rows("begin; set local statement_timeout = '300ms'");
            }
            let start = Instant::now();
            client.send(&sending);
            let answer = client.until_ready();
            assert_eq!(sqlstate(&answer), "57014", "{what}: {answer:?}");
            assert_eq!(
                error(&answer).field(b'M').as_deref(),
                Some("canceling statement due to statement timeout"),
                "{what}"
            );
            assert!(start.elapsed() >= Duration::from_millis(299));
            fastest = fastest.min(start.elapsed());
            if what == "SET LOCAL" {
                assert_eq!(answer.last().unwrap().body, b"E");
                client.rows("rollback");
            }
        }
        assert!(
            fastest < Duration::from_millis(300) + AT_ONCE,
            "{what}: {fastest:?}"
        );
        assert_eq!(client.value("select 1"), "1");
    }
    // Nobody holds a connection while a model thinks.
    assert_eq!(scene.stage.admin().value("select count(*) from pg_stat_activity where usename = 'app' and state like '%transaction%'"), "0");
}

fn cancel(scene: &Scene, client: &Raw) {
    let mut canceller = Raw::open(&scene.stage.endpoint()).unwrap();
    canceller.send(&cancel_request(&client.key));
    assert_eq!(canceller.until_closed(), []);
}
