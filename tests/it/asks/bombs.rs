//! Answers without end: a model writes each kind of bomb, and one limit or another stops it, whatever the position,
//! the protocol and the transaction; what follows runs as if nothing had been.

use std::time::{Duration, Instant};

use super::{LIST_SQL, QUESTION, Scene, check_usable, fresh};
use crate::support::frames::{
    Frame, bind, cancel_request, describe_portal, execute, parse, query, sync,
};
use crate::support::raw::{Raw, error, notices, rows, sqlstate};

/// Far less than any of these would take, far more than a loaded machine needs to stop it.
const SOON: Duration = Duration::from_secs(20);

/// Some 100 kB a row, and 500 MB in all.
const MANY_BYTES: &str = "SELECT repeat('x', 100000) AS x FROM generate_series(1, 5000)";

/// 2 kB in two rows: over before anybody could stop it.
const FEW_BYTES: &str = "SELECT repeat('x', 1000) AS x FROM generate_series(1, 2)";

fn status(frames: &[Frame]) -> u8 {
    frames.last().expect("ReadyForQuery").body[0]
}

/// How often it is told that rows were cut off.
fn cuts(frames: &[Frame]) -> usize {
    let texts = notices(frames).into_iter().filter_map(|n| n.field(b'M'));
    texts.filter(|text| text.contains("only the first")).count()
}

fn bytes_of_rows(frames: &[Frame]) -> usize {
    let rows = frames.iter().filter(|f| matches!(f.tag, b'D' | b'd'));
    rows.map(|frame| frame.body.len() + 5).sum()
}

fn extended(sql: &str) -> Vec<Vec<u8>> {
    vec![
        parse("", sql, &[]),
        bind("", "", &[]),
        describe_portal(""),
        execute("", 0),
        sync(),
    ]
}

/// Every way to run an ask that returns rows.
fn positions(ask: &str) -> Vec<(String, Vec<Vec<u8>>)> {
    let inside = [
        format!("/* ask: {ask} */"),
        format!("select * from (/* ask: {ask} */) r"),
        format!("with r as (/* ask: {ask} */) select * from r"),
        // Words that write elsewhere write nothing as the end of a CASE, in a literal or as a name.
        format!(
            "select case when true then 'update' end as comment, r.* from (/* ask: {ask} */) r -- set"
        ),
        format!("copy (/* ask: {ask} */) to stdout"),
    ];
    let mut positions: Vec<_> = inside
        .iter()
        .map(|sql| (format!("simple {sql}"), vec![query(sql)]))
        .collect();
    positions.push((
        "several statements".to_owned(),
        vec![query(format!("select 1; ask {ask}; select 2"))],
    ));
    for sql in &inside[..4] {
        positions.push((format!("extended {sql}"), extended(sql)));
        let mut fetched = extended(sql);
        fetched[3] = execute("", 4999);
        positions.push((format!("fetched {sql}"), fetched));
    }
    positions
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_too_many_bytes_ends_with_nl005_wherever_it_stands() {
    let scene = Scene::new("[ask]\nmax_bytes = \"1MB\"\n").await;
    scene.answers(MANY_BYTES);
    let mut client = scene.client();
    for (what, messages) in positions(QUESTION) {
        for opening in ["", "begin; create table t (i int)"] {
            client.query(opening);
            let answer = client.exchange(&messages);
            let refusal = error(&answer);
            assert_eq!(sqlstate(&answer), "NL005", "{what}: {answer:?}");
            assert_eq!(
                refusal.field(b'M').as_deref(),
                Some("answer is larger than ask.max_bytes (1MB)")
            );
            let sent = bytes_of_rows(&answer);
            assert!((500_000..=1 << 20).contains(&sent), "{what}: {sent} bytes");
            let complete = answer.iter().filter(|frame| frame.tag == b'C').count();
            assert!(complete <= 1, "{what}: {answer:?}");
            if opening.is_empty() {
                assert_eq!(status(&answer), b'I', "{what}");
            } else {
                assert_eq!(status(&answer), b'E', "{what}");
                assert_eq!(sqlstate(&client.query("select 1")), "25P02", "{what}");
                client.rows("rollback");
            }
            check_usable(&mut client);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_over_before_it_can_be_stopped_fails_all_the_same() {
    let scene = Scene::new("[ask]\nmax_bytes = 1024\n").await;
    scene.answers(FEW_BYTES);
    let mut client = scene.client();
    client.rows("create table kept (i int)");
    for (what, messages) in positions(QUESTION) {
        let answer = client.exchange(&messages);
        assert_eq!(
            (sqlstate(&answer).as_str(), status(&answer)),
            ("NL005", b'I'),
            "{what}"
        );
        assert_eq!(
            answer.iter().filter(|frame| frame.tag == b'E').count(),
            1,
            "{what}: {answer:?}"
        );
        client.rows("begin; insert into kept values (1)");
        let answer = client.exchange(&messages);
        assert_eq!(
            (sqlstate(&answer).as_str(), status(&answer)),
            ("NL005", b'E'),
            "{what}"
        );
        client.query("commit");
        assert_eq!(client.value("select count(*) from kept"), "0", "{what}");
        client.rows("begin; insert into kept values (1); savepoint a");
        client.exchange(&messages);
        client.rows("rollback to a; commit");
        assert_eq!(client.value("select count(*) from kept"), "1", "{what}");
        client.rows("delete from kept");
        check_usable(&mut client);
    }
    // What stood before it in the same batch goes with it.
    let answer = client.exchange(&[
        parse("", "insert into kept values (2)", &[]),
        bind("", "", &[]),
        execute("", 0),
        parse("", format!("ask {QUESTION}"), &[]),
        bind("", "", &[]),
        execute("", 0),
        sync(),
    ]);
    assert_eq!(sqlstate(&answer), "NL005", "{answer:?}");
    assert_eq!(client.value("select count(*) from kept"), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_row_of_a_hundred_megabytes_is_let_go_without_being_held() {
    let scene = Scene::new("").await;
    scene.answers("SELECT repeat('x', 100000000)");
    let mut client = scene.client();
    let before = scene.stage.proxy.rss_bytes_peak().expect("a peak");
    for ask in [
        format!("ask {QUESTION}"),
        format!("copy (/* ask: {QUESTION} */) to stdout"),
    ] {
        let answer = client.query(&ask);
        assert_eq!(sqlstate(&answer), "NL005");
        assert_eq!(bytes_of_rows(&answer), 0);
    }
    let after = scene.stage.proxy.rss_bytes_peak().expect("a peak");
    assert!(after - before < 20 << 20, "from {before} to {after} bytes");
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_chooses_how_many_bytes_it_takes() {
    let scene = Scene::new("").await;
    scene.answers(FEW_BYTES);
    let mut client = scene.client();
    assert_eq!(client.value("show ask.max_bytes"), "64MB");
    assert_eq!(client.rows(&format!("ask {QUESTION}")).len(), 2);
    client.rows("set ask.max_bytes = '1kB'");
    assert_eq!(sqlstate(&client.query(&format!("ask {QUESTION}"))), "NL005");
    client.rows("reset ask.max_bytes");
    assert_eq!(client.rows(&format!("ask {QUESTION}")).len(), 2);
    // Plain SQL is nobody's business.
    client.rows("set ask.max_bytes = '1kB'");
    assert_eq!(client.rows(FEW_BYTES).len(), 2);
    let both = client.query(&format!("{FEW_BYTES}; select 1"));
    assert_eq!(rows(&both).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_an_answer_stops_nobody_elses() {
    let scene = Scene::new("[pool]\ndefault_pool_size = 1\n[ask]\nmax_bytes = \"100kB\"\n").await;
    scene.answers("SELECT repeat('x', 10000) AS x FROM generate_series(1, 100)");
    let (mut asker, mut other) = (scene.client(), scene.client());
    for round in 0..40 {
        asker.send(&query(format!("ask {QUESTION}")));
        other.send(&query(format!("select {round}, pg_sleep(0.005)")));
        assert_eq!(sqlstate(&asker.until_ready()), "NL005", "round {round}");
        let answer = other.until_ready();
        assert_eq!(rows(&answer)[0][0], Some(round.to_string()), "{answer:?}");
        assert_eq!(
            asker.value("select 'still here', pg_sleep(0.005)"),
            "still here"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_end_at_the_cap_however_they_are_fetched() {
    let scene = Scene::new("[ask]\nmax_rows = 10\n").await;
    scene.answers("SELECT generate_series(1, 1000000000)");
    let mut client = scene.client();
    client.rows("begin");
    client.send(
        &[
            parse("", format!("ask {QUESTION}"), &[]),
            bind("p", "", &[]),
        ]
        .concat(),
    );
    let counts: Vec<usize> = (0..5)
        .map(|_| rows(&client.exchange(&[execute("p", 4), sync()])).len())
        .collect();
    assert_eq!(counts, [4, 4, 2, 0, 0]);
    client.rows("commit");
    // Nor does asking again for all of them help.
    client.rows("begin");
    client.send(
        &[
            parse("", format!("ask {QUESTION}"), &[]),
            bind("p", "", &[]),
        ]
        .concat(),
    );
    let all = client.exchange(&[execute("p", 0), sync()]);
    assert_eq!((rows(&all).len(), cuts(&all)), (10, 1), "{all:?}");
    let more = client.exchange(&[execute("p", 0), sync()]);
    assert_eq!((rows(&more).len(), cuts(&more)), (0, 0), "{more:?}");
    assert_eq!(
        more.iter().find(|f| f.tag == b'C').unwrap().render(),
        "C SELECT 0\\x00"
    );
    client.rows("commit");
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn time_ends_what_never_returns_a_row() {
    let scene = Scene::new("[ask]\ntimeout = \"400ms\"\n").await;
    let mut client = scene.client();
    let bombs = [
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r",
        "WITH RECURSIVE r(n, x) AS (SELECT 1, 'x' UNION ALL SELECT n + 1, x FROM r) SELECT max(n) FROM r",
        "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b",
        "SELECT count(*) FROM orders a, orders b, orders c, orders d",
        "SELECT sum(length(repeat('x', 10000000 + g % 3))) FROM generate_series(1, 1000000) g",
    ];
    for (number, bomb) in bombs.into_iter().enumerate() {
        scene.answers(bomb);
        let ask = fresh(number);
        for (what, messages) in [
            ("simple", vec![query(format!("ask {ask}"))]),
            (
                "inside",
                vec![query(format!("select * from (/* ask: {ask} */) r"))],
            ),
            ("extended", extended(&format!("ask {ask}"))),
            (
                "extended inside",
                extended(&format!("select * from (/* ask: {ask} */) r")),
            ),
        ] {
            for opening in ["", "begin"] {
                client.query(opening);
                let start = Instant::now();
                let answer = client.exchange(&messages);
                assert_eq!(
                    sqlstate(&answer),
                    "57014",
                    "{what} {opening}: {bomb}: {answer:?}"
                );
                assert!(start.elapsed() < SOON);
                client.query("rollback");
            }
        }
    }
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cost_ceiling_ends_them_before_they_begin() {
    let scene = Scene::new("[ask]\ncost_max = 100000.0\n").await;
    let mut client = scene.client();
    for (number, bomb) in [
        "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b, orders c",
        "SELECT * FROM generate_series(1, 1000000000) ORDER BY 1 DESC",
        "SELECT count(*) FROM orders a, orders b, orders c",
        "SELECT count(*) FROM orders a TABLESAMPLE BERNOULLI (100), orders b, orders c",
        "WITH RECURSIVE r(n) AS (SELECT id FROM orders UNION ALL SELECT n + 1 FROM r, orders) SELECT count(*) FROM r",
    ]
    .into_iter()
    .enumerate()
    {
        scene.answers(bomb);
        let answer = client.query(&format!("ask {}", fresh(number)));
        assert_eq!(sqlstate(&answer), "NL005", "{bomb}: {answer:?}");
    }
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_may_spill_is_bounded_by_the_roles_own_settings() {
    let scene = Scene::with_tables(
        "",
        "alter role app set temp_file_limit = '1MB'; alter role app set work_mem = '64kB'",
    )
    .await;
    scene.answers(
        "SELECT count(*) FROM (SELECT DISTINCT g, random() FROM generate_series(1, 500000) g) t",
    );
    let mut client = scene.client();
    for opening in ["", "begin"] {
        client.query(opening);
        let answer = client.query(&format!("ask {QUESTION}"));
        assert_eq!(sqlstate(&answer), "53400", "{answer:?}");
        client.query("rollback");
    }
    scene.answers(LIST_SQL);
    assert_eq!(client.rows(&format!("ask {}", fresh(1))).len(), 3);
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_that_stops_only_one_message_of_an_ask_is_not_lost() {
    let scene = Scene::with_tables(
        "[ask]\ntimeout = \"10min\"\n",
        // Planning calls it, and it takes the cancel for itself.
        "create function nap() returns int language plpgsql immutable as \
         $$ begin perform pg_sleep(0.4); return 1; exception when query_canceled then return 1; end $$; \
         grant execute on function nap() to app",
    )
    .await;
    let napping =
        "wait_event = 'PgSleep' and query ilike '%orders a%' and query not ilike 'explain%'";
    let kinds = ["simple", "inside", "extended", "prepared before"];
    let rounds = kinds
        .iter()
        .flat_map(|kind| ["", "begin"].map(|opening| (*kind, opening)));
    for (number, (kind, opening)) in rounds.enumerate() {
        // A statement of its own, which has no plan yet.
        scene.answers(&format!(
            "SELECT count(*) FROM orders a, orders b, orders c, orders d \
             WHERE a.id > public.nap() - {number}"
        ));
        let question = fresh(number);
        let mut client = scene.client();
        let messages = match kind {
            "simple" => vec![query(format!("ask {question}"))],
            "inside" => vec![query(format!("select * from (/* ask: {question} */) r"))],
            "extended" => extended(&format!("ask {question}")),
            _ => {
                client.exchange(&[parse("s", format!("ask {question}"), &[]), sync()]);
                vec![bind("", "s", &[]), execute("", 0), sync()]
            }
        };
        client.query(opening);
        client.send(&messages.concat());
        scene.stage.wait_for_backends(1, napping);
        let mut canceller = Raw::open(&scene.stage.endpoint()).unwrap();
        canceller.send(&cancel_request(&client.key));
        let start = Instant::now();
        let answer = client.until_ready();
        assert_eq!(sqlstate(&answer), "57014", "{kind} {opening}: {answer:?}");
        assert!(start.elapsed() < SOON, "{kind} {opening}");
        client.query("rollback");
        check_usable(&mut client);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_of_what_came_before_does_not_stop_an_ask() {
    let scene = Scene::new("").await;
    scene.answers("SELECT count(*) FROM generate_series(1, 300000)");
    let mut client = scene.client();
    client.exchange(&[parse("s", format!("ask {QUESTION}"), &[]), sync()]);
    for (what, messages) in [
        ("simple", vec![query(format!("ask {QUESTION}"))]),
        ("extended", extended(&format!("ask {QUESTION}"))),
        (
            "prepared before",
            vec![bind("", "s", &[]), execute("", 0), sync()],
        ),
    ] {
        client.send(&query("select pg_sleep(60)"));
        scene.stage.wait_for_backends(1, "wait_event = 'PgSleep'");
        let mut canceller = Raw::open(&scene.stage.endpoint()).unwrap();
        canceller.send(&cancel_request(&client.key));
        assert_eq!(sqlstate(&client.until_ready()), "57014");
        for _ in 0..3 {
            let answer = client.exchange(&messages);
            assert_eq!(rows(&answer).len(), 1, "{what}: {answer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_while_an_answer_runs_leaves_nothing_running() {
    let scene = Scene::new("").await;
    scene.answers("SELECT count(*) FROM orders a, orders b, orders c, orders d");
    for messages in [
        vec![query(format!("ask {QUESTION}"))],
        vec![query(format!("select * from (/* ask: {QUESTION} */) r"))],
        extended(&format!("ask {QUESTION}")),
    ] {
        let mut client = scene.client();
        client.send(&messages.concat());
        scene
            .stage
            .wait_for_backends(1, "state = 'active' and query ilike '%orders a%'");
        client.kill();
        scene
            .stage
            .wait_for_backends(0, "state = 'active' and query ilike '%orders a%'");
        // And one who cancels goes on.
        let mut client = scene.client();
        client.send(&messages.concat());
        scene
            .stage
            .wait_for_backends(1, "state = 'active' and query ilike '%orders a%'");
        let mut canceller = Raw::open(&scene.stage.endpoint()).unwrap();
        canceller.send(&cancel_request(&client.key));
        assert_eq!(sqlstate(&client.until_ready()), "57014");
        check_usable(&mut client);
    }
}
