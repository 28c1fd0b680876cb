//! Prepared asks: thought about once, run often, with real parameters.

use super::{LIST_SQL, QUESTION, Scene, check_usable, expected, fresh};
use crate::support::frames::{
    bind, bind_formats, close_statement, describe_statement, execute, parse, sync,
};
use crate::support::raw::{rows, sqlstate};

#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_ask_is_thought_about_once() {
    // Without a memo, so that nothing but the preparation can save a request.
    let scene = Scene::new("[cache]\nenabled = false\n").await;
    let mut client = scene.client();
    let rows_expected = expected(&mut client, LIST_SQL);
    client.exchange(&[parse("s", format!("/* ask: {QUESTION} */"), &[]), sync()]);
    assert_eq!(scene.request_count(), 1);
    for _ in 0..5 {
        let answer = client.exchange(&[bind("", "s", &[]), execute("", 0), sync()]);
        assert_eq!(rows(&answer), rows_expected, "{answer:?}");
    }
    assert_eq!(scene.request_count(), 0);
    client.exchange(&[close_statement("s"), sync()]);
    let gone = client.exchange(&[bind("", "s", &[]), execute("", 0), sync()]);
    assert_eq!(sqlstate(&gone), "26000");
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_ask_survives_a_change_of_server_connections() {
    let scene = Scene::new("[pool]\ndefault_pool_size = 2\n[cache]\nenabled = false\n").await;
    let mut client = scene.client();
    let rows_expected = expected(&mut client, LIST_SQL);
    client.exchange(&[parse("s", format!("ask {QUESTION}"), &[]), sync()]);
    let (mut one, mut other) = (scene.client(), scene.client());
    for round in 0..6 {
        let holding = if round % 2 == 0 { &mut one } else { &mut other };
        holding.rows("begin");
        let answer = client.exchange(&[bind("", "s", &[]), execute("", 0), sync()]);
        assert_eq!(rows(&answer), rows_expected, "round {round}: {answer:?}");
        holding.rows("commit");
    }
    assert_eq!(scene.request_count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_remembered_for_the_next_who_asks_the_same() {
    let scene = Scene::new("").await;
    let (mut first, mut second) = (scene.client(), scene.client());
    for client in [&mut first, &mut second] {
        assert_eq!(client.rows(&format!("/* ask: {QUESTION} */")).len(), 3);
        assert_eq!(client.rows(&format!("ask {QUESTION};")).len(), 3);
    }
    assert_eq!(scene.request_count(), 1);
    first.rows(&format!("ask {}", fresh(1)));
    assert_eq!(scene.request_count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_of_a_question_are_real_parameters() {
    let scene = Scene::new("").await;
    scene.answers("SELECT id FROM customers WHERE country = $1 AND id < $2 ORDER BY id");
    let mut client = scene.client();
    client.exchange(&[
        parse("s", "/* ask: customers in $1 with an id below $2 */", &[]),
        sync(),
    ]);
    let described = client.exchange(&[describe_statement("s"), sync()]);
    assert_eq!(described[0].render(), "t 25 23", "{described:?}");
    for (country, below, count) in [
        ("Austria", "10", 3),
        ("Chile", "100", 33),
        ("Nowhere", "100", 0),
    ] {
        let answer = client.exchange(&[
            bind("", "s", &[Some(country), Some(below)]),
            execute("", 0),
            sync(),
        ]);
        assert_eq!(rows(&answer).len(), count, "{country}: {answer:?}");
    }
    let quoted = client.exchange(&[
        bind("", "s", &[Some("x' or true --"), Some("100")]),
        execute("", 0),
        sync(),
    ]);
    assert_eq!(rows(&quoted).len(), 0);
    assert_eq!(scene.request_count(), 1);
    let binary = client.exchange(&[
        bind_formats(
            "",
            "s",
            &[0, 1],
            &[Some(b"Austria"), Some(&[0, 0, 0, 10])],
            &[1],
        ),
        execute("", 0),
        sync(),
    ]);
    assert_eq!(
        binary.iter().filter(|frame| frame.tag == b'D').count(),
        3,
        "{binary:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_of_the_function_form_are_real_parameters() {
    let scene = Scene::new("").await;
    scene.answers("SELECT count(*) FROM customers WHERE country = $1");
    let mut client = scene.client();
    let sql = "select * from ask('how many customers are in $1', $1)";
    for (country, count) in [("Austria", "33"), ("Belgium", "34")] {
        let answer = client.exchange(&[
            parse("", sql, &[]),
            bind("", "", &[Some(country)]),
            execute("", 0),
            sync(),
        ]);
        assert_eq!(rows(&answer), [[Some(count.to_owned())]], "{answer:?}");
    }
    let literal = "select * from ask('how many customers are in $1', 'Chile')";
    assert_eq!(client.value(literal), "33");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parse_that_is_refused_leaves_no_statement() {
    let scene = Scene::new("").await;
    scene.answers("DELETE FROM customers");
    let mut client = scene.client();
    let refused = client.exchange(&[
        parse("s", format!("/* ask: {QUESTION} */"), &[]),
        describe_statement("s"),
        bind("", "s", &[]),
        execute("", 0),
        sync(),
    ]);
    assert_eq!(sqlstate(&refused), "NL004", "{refused:?}");
    assert_eq!(refused.iter().filter(|frame| frame.tag == b'E').count(), 1);
    assert_eq!(refused.last().unwrap().tag, b'Z');
    let unknown = client.exchange(&[bind("", "s", &[]), sync()]);
    assert_eq!(sqlstate(&unknown), "26000");
    client.exchange(&[parse("s", "select 7", &[]), sync()]);
    let answer = client.exchange(&[bind("", "s", &[]), execute("", 0), sync()]);
    assert_eq!(rows(&answer), [[Some("7".to_owned())]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn asks_and_plain_statements_mix_in_a_pipeline() {
    let scene = Scene::new("").await;
    let mut client = scene.client();
    let plain = |sql: &str| [parse("", sql, &[]), bind("", "", &[]), execute("", 0)].concat();
    client.send(
        &[
            plain("select 'one'"),
            plain(&format!("/* ask: {QUESTION} */")),
            plain("select 'two'"),
            sync(),
            plain(&format!("ask {}", fresh(7))),
            sync(),
            plain("select 'three'"),
            sync(),
        ]
        .concat(),
    );
    let counts: Vec<_> = (0..3).map(|_| rows(&client.until_ready()).len()).collect();
    assert_eq!(counts, [5, 3, 1]);
    check_usable(&mut client);
}

/// Parse, Bind and Execute of one statement.
fn step(sql: &str) -> Vec<u8> {
    [parse("", sql, &[]), bind("", "", &[]), execute("", 0)].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_may_write_behind_an_ask() {
    let scene = Scene::new("").await;
    let mut client = scene.client();
    client.rows("create table seen (n bigint)");
    let ask = format!("/* ask: {QUESTION} */");
    let inside = format!("select * from ({ask}) r");
    for ask in [&ask, &inside] {
        let answer = client.exchange(&[
            step(ask),
            step(ask),
            step("insert into seen values (1)"),
            step("insert into seen values (2)"),
            sync(),
        ]);
        assert!(!answer.iter().any(|f| f.tag == b'E'), "{answer:?}");
        assert_eq!(answer.iter().filter(|f| f.tag == b'Z').count(), 1);
        assert_eq!(rows(&answer).len(), 6);
        assert_eq!(client.value("select count(*) from seen"), "2");
        client.rows("delete from seen");
        // What fails behind it fails alone, and what is skipped stays skipped.
        let answer = client.exchange(&[
            step(ask),
            step("insert into seen values (1 / 0)"),
            step("insert into seen values (3)"),
            sync(),
        ]);
        assert_eq!(sqlstate(&answer), "22012", "{answer:?}");
        assert_eq!(client.value("select count(*) from seen"), "0");
        // Prepared long before, and in a block.
        client.exchange(&[parse("w", "insert into seen values ($1)", &[20]), sync()]);
        for opening in ["", "begin"] {
            client.query(opening);
            let answer = client.exchange(&[
                step(ask),
                bind("", "w", &[Some("4")]),
                execute("", 0),
                sync(),
            ]);
            assert!(!answer.iter().any(|f| f.tag == b'E'), "{answer:?}");
            client.query("commit");
        }
        assert_eq!(client.value("select count(*) from seen"), "2");
        client.rows("delete from seen");
        client.exchange(&[close_statement("w"), sync()]);
    }
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ask_that_fails_lets_nothing_behind_it_write() {
    let scene = Scene::new("").await;
    scene.answers("SELECT 1 / (count(*) - 100) FROM customers");
    let mut client = scene.client();
    client.rows("create table seen (n bigint)");
    let answer = client.exchange(&[
        step(&format!("ask {QUESTION}")),
        step("insert into seen values (1)"),
        sync(),
    ]);
    assert_eq!(sqlstate(&answer), "22012", "{answer:?}");
    assert_eq!(client.value("select count(*) from seen"), "0");
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_wrote_before_an_ask_is_told_why_it_cannot_write_behind_it() {
    let scene = Scene::new("").await;
    let mut client = scene.client();
    client.rows("create table seen (n bigint)");
    let answer = client.exchange(&[
        step("insert into seen values (1)"),
        step(&format!("ask {QUESTION}")),
        step("insert into seen values (2)"),
        sync(),
    ]);
    let refusal = crate::support::raw::error(&answer);
    assert_eq!(refusal.field(b'C').as_deref(), Some("25006"), "{answer:?}");
    let hint = refusal.field(b'H').unwrap_or_default();
    assert!(hint.contains("An ask stands before it"), "{refusal:?}");
    assert_eq!(refusal.field(b'q'), None, "it is the client's own SQL");
    assert_eq!(client.value("select count(*) from seen"), "0");
    // Within a block there is nothing to mind.
    client.rows("begin");
    let answer = client.exchange(&[
        step("insert into seen values (1)"),
        step(&format!("ask {QUESTION}")),
        step("insert into seen values (2)"),
        sync(),
    ]);
    assert!(!answer.iter().any(|f| f.tag == b'E'), "{answer:?}");
    client.rows("commit");
    assert_eq!(client.value("select count(*) from seen"), "2");
    // A read-only transaction of the client's own is nobody's fault but its own.
    client.rows("begin read only");
    let refusal = client.error("insert into seen values (3)");
    assert_eq!(refusal.field(b'H'), None, "{refusal:?}");
    client.rows("rollback");
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_flushes_and_waits_is_answered_like_any_other() {
    let scene = Scene::new("").await;
    let mut client = scene.client();
    let flush = crate::support::frames::flush;
    for opening in ["", "begin"] {
        client.query(opening);
        client.send(&[step(&format!("ask {QUESTION}")), flush()].concat());
        let answer = client.until(b'C');
        assert_eq!(rows(&answer).len(), 3);
        client.send(&sync());
        assert_eq!(client.until_ready().len(), 1);
        client.query("commit");
    }
    scene.answers("SELECT 1 / (count(*) - 100) FROM customers");
    for opening in ["", "begin"] {
        client.query(opening);
        client.send(&[step(&format!("ask {}", fresh(1))), flush()].concat());
        client.until(b'E');
        client.send(&sync());
        assert_eq!(client.until_ready().len(), 1);
        client.query("rollback");
    }
    check_usable(&mut client);
}
