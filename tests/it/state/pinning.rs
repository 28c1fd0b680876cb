//! A pinned question has the same SQL for ever, however and by whomever it is asked.

use super::{COUNT, QUESTION, Scene, client, notice_hint, pairs, pins, refused};
use crate::support::frames::{bind, describe_statement, execute, parse, sync};
use crate::support::raw::{rows, sqlstate};

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_question_keeps_its_sql_in_every_session_and_after_a_restart() {
    let scene = Scene::new().await;
    let proxy = scene.proxy("");
    let mut first = client(&proxy);
    let row = first.rows(&format!("ask pin people: {QUESTION}?"));
    let row: Vec<_> = row[0].iter().flatten().map(String::as_str).collect();
    let approved = "SELECT count(*) AS n FROM public.customers";
    assert_eq!(row, ["people", QUESTION, approved, "what the script says"]);

    scene.answers("SELECT 0 AS n");
    scene.request_count();
    let mut second = client(&proxy);
    for spelled in [
        format!("ask {QUESTION}"),
        format!("ask  {}  ?", QUESTION.replace(' ', "\n ")),
        format!("/* ask: {QUESTION} */"),
        format!("select n from (/* ask: {QUESTION} */) x"),
    ] {
        assert_eq!(second.value(&spelled), "30", "{spelled}");
    }
    let answer = second.query(&format!("ask {QUESTION}"));
    assert!(
        notice_hint(&answer).starts_with("pinned as \"people\", "),
        "{answer:?}"
    );
    let sql = second.rows(&format!("ask sql {QUESTION}"));
    assert_eq!(sql[0][0].as_deref(), Some(approved));
    assert_eq!(sql[0][3].as_deref(), Some("pin"));
    assert!(proxy.metric("pgask_ask_kept_total") >= 6.0);
    drop((first, second, proxy));

    let proxy = scene.proxy("");
    let mut third = client(&proxy);
    assert_eq!(third.value(&format!("ask {QUESTION}")), "30");
    assert_eq!(pins(&mut third, "status"), pairs(&[("people", "valid")]));
    assert_eq!(scene.request_count(), 0, "nobody was asked for SQL");
    third.rows("ask unpin people");
    assert_eq!(third.value(&format!("ask {QUESTION}")), "0");
    assert_eq!(pins(&mut third, "status"), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_failed_batch_skips_is_neither_kept_nor_forgotten() {
    let scene = Scene::new().await;
    let proxy = scene.proxy("");
    let mut client = client(&proxy);
    client.rows(&format!("ask pin people: {QUESTION}"));
    for verb in ["ask unpin people", "ask pin more: question 2"] {
        let answer = client.exchange(&[
            parse("", "selec", &[]),
            parse("", verb, &[]),
            bind("", "", &[]),
            execute("", 0),
            sync(),
        ]);
        assert_eq!(sqlstate(&answer), "42601", "{verb}");
        assert_eq!(pins(&mut client, "status"), pairs(&[("people", "valid")]));
    }
    let answer = client.exchange(&[
        parse("", "select 1", &[]),
        parse("", "ask unpin people", &[]),
        bind("", "", &[]),
        execute("", 0),
        sync(),
    ]);
    assert_eq!(rows(&answer).len(), 1);
    assert_eq!(pins(&mut client, "status"), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_verbs_are_spelled_like_any_ask() {
    let scene = Scene::new().await;
    let proxy = scene.proxy("");
    let mut client = client(&proxy);
    for (number, spelled) in [
        "ask pin p0: question 0",
        "ask: pin p1: question 1",
        "ASK PIN P2 : question 2;",
        "/* ask: pin p3: question 3 */",
        "-- ask: pin p4: question 4",
        "-- ask: pin p5:\n-- question 5",
        "select -- ask: pin p6: question 6\n;",
        "ask('pin p7: question 7')",
        "ask pin \"P 8\": question 8",
    ]
    .into_iter()
    .enumerate()
    {
        let row = client.rows(spelled);
        let question = format!("question {number}");
        assert_eq!(row[0][1].as_deref(), Some(question.as_str()), "{spelled}");
    }
    let answer = client.exchange(&[
        parse("", "/* ask: pin p9: question 9 */", &[]),
        describe_statement(""),
        bind("", "", &[]),
        execute("", 0),
        sync(),
    ]);
    assert_eq!(rows(&answer)[0][0].as_deref(), Some("p9"), "{answer:?}");
    let names: Vec<_> = pins(&mut client, "question").into_iter().collect();
    let expected: Vec<_> = (0..10)
        .map(|n| {
            let name = if n == 8 {
                "P 8".to_owned()
            } else {
                format!("p{n}")
            };
            (name, format!("question {n}"))
        })
        .collect();
    let sorted = |mut pins: Vec<(String, String)>| {
        pins.sort();
        pins
    };
    assert_eq!(sorted(names), sorted(expected));
    for (unpin, name) in [
        ("ask unpin P0", "p0"),
        ("/* ask: unpin \"P 8\" */", "P 8"),
        ("ask unpin: p1", "p1"),
        ("-- ask: unpin p2", "p2"),
    ] {
        assert_eq!(client.rows(unpin)[0][0].as_deref(), Some(name), "{unpin}");
    }
    assert_eq!(pins(&mut client, "status").len(), 6);
    let help = client.rows("ask help");
    let help: Vec<_> = help.iter().flat_map(|row| row[0].as_deref()).collect();
    for line in [
        "ask pin NAME: question;",
        "ask pins;",
        "ask unpin NAME;",
        "ask good;",
    ] {
        assert!(help.contains(&line), "{line} is not in {help:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_looks_like_a_verb_is_a_question() {
    let scene = Scene::new().await;
    let proxy = scene.proxy("");
    let mut client = client(&proxy);
    for question in [
        "pins in the box",
        "pin codes by city",
        "unpin the map",
        "good customers",
        "bad debts",
        "correct answers by student",
        "pinned customers",
    ] {
        assert_eq!(client.value(&format!("ask {question}")), "30", "{question}");
        let received = scene.model.take_received();
        assert_eq!(received.len(), 1, "{question}");
        let told = received[0].told();
        assert!(told.ends_with(&format!("Question: {question}")), "{told}");
    }
    assert_eq!(pins(&mut client, "status"), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn inside_other_sql_only_pins_can_be_listed() {
    let scene = Scene::new().await;
    let proxy = scene.proxy("");
    let mut client = client(&proxy);
    client.rows(&format!("ask pin people: {QUESTION}"));
    for inside in [
        "select * from (/* ask: pin x: other question */) t",
        "select * from ask('pin x: other question')",
        "explain (/* ask: unpin people */)",
        "copy (/* ask: good */) to stdout",
        "create table t as /* ask: bad */",
        "select 1; ask pin x: other question",
        "select * from (/* ask: correct: select 1 */) t",
    ] {
        let (sqlstate, message) = refused(&mut client, inside);
        assert_eq!(sqlstate, "0A000", "{inside}: {message}");
    }
    assert_eq!(
        client.value("select count(*) from (/* ask: pins */) p where status = 'valid'"),
        "1"
    );
    client.rows("create table listed as /* ask: pins */");
    assert_eq!(client.value("select name from listed"), "people");
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_of_a_pinned_question_are_bound_each_time() {
    let scene = Scene::new().await;
    let proxy = scene.proxy("");
    let mut client = client(&proxy);
    scene.answers("SELECT count(*) FROM customers WHERE country = $1");
    let pinned = "/* ask: pin theirs: customers of country $1 */";
    let answer = client.exchange(&[
        parse("", pinned, &[]),
        bind("", "", &[Some("Chile")]),
        execute("", 0),
        sync(),
    ]);
    let sql = "SELECT count(*) FROM public.customers WHERE country = $1";
    assert_eq!(rows(&answer)[0][2].as_deref(), Some(sql), "{answer:?}");
    scene.answers("SELECT 0 WHERE $1 = ''");
    scene.request_count();
    for (country, count) in [("Chile", "10"), ("Peru", "0")] {
        let answer = client.exchange(&[
            parse("", "/* ask: customers of country $1 */", &[]),
            bind("", "", &[Some(country)]),
            execute("", 0),
            sync(),
        ]);
        assert_eq!(rows(&answer)[0][0].as_deref(), Some(count), "{answer:?}");
    }
    let answer = client.exchange(&[
        parse("", "select * from ask('customers of country ?', $1)", &[]),
        bind("", "", &[Some("Austria")]),
        execute("", 0),
        sync(),
    ]);
    assert_eq!(rows(&answer)[0][0].as_deref(), Some("10"), "{answer:?}");
    assert_eq!(scene.request_count(), 0);
    // Where nothing can be bound, "$1" is an amount, and that is another question.
    scene.answers(COUNT);
    assert_eq!(client.value("ask customers of country $1"), "30");
    assert_eq!(scene.request_count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_transaction_pins_nothing_and_an_open_one_goes_on() {
    let scene = Scene::new().await;
    let proxy = scene.proxy("");
    let mut client = client(&proxy);
    client.rows("begin");
    assert_eq!(sqlstate(&client.query("select 1/0")), "22012");
    assert_eq!(refused(&mut client, "ask pin x: a question").0, "25P02");
    client.rows("rollback");
    assert_eq!(pins(&mut client, "status"), []);
    client.rows("begin");
    client.rows("delete from customers where id = 1");
    client.rows(&format!("ask pin people: {QUESTION}"));
    assert_eq!(client.value(&format!("ask {QUESTION}")), "29");
    assert_eq!(refused(&mut client, "ask unpin nothing").0, "42704");
    client.rows("rollback");
    assert_eq!(client.value(&format!("ask {QUESTION}")), "30");
    assert_eq!(pins(&mut client, "status"), pairs(&[("people", "valid")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_pinned_without_what_was_asked_before_it() {
    let scene = Scene::new().await;
    let proxy = scene.proxy("");
    let mut client = client(&proxy);
    client.rows("set ask.context = on");
    client.rows("ask customers of Chile");
    scene.request_count();
    client.rows(&format!("ask pin people: {QUESTION}"));
    let received = scene.model.take_received();
    assert_eq!(received.len(), 1);
    assert!(
        !received[0].told().contains("Chile"),
        "{}",
        received[0].told()
    );
    scene.answers("SELECT 0");
    assert_eq!(client.value(&format!("ask {QUESTION}")), "30");
}
