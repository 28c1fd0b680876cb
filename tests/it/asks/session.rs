//! Asks in sessions that are not as usual: other encodings, other literals, batches, pinned connections.

use super::{LIST_SQL, QUESTION, Scene, answer_notice, check_usable, expected, fresh};
use crate::support::frames::{bind, execute, flush, parse, query, sync};
use crate::support::raw::{rows, sqlstate};

/// Three messages that run a statement without a Sync.
fn run(sql: &str) -> Vec<u8> {
    [parse("", sql, &[]), bind("", "", &[]), execute("", 0)].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_with_an_ask_may_come_in_one_batch() {
    let scene = Scene::new("").await;
    scene.answers("SELECT count(*) FROM orders");
    let mut client = scene.client();
    let ask = format!("/* ask: {QUESTION} */");
    let answer = client.exchange(&[
        run("begin"),
        run("delete from orders where id > 10"),
        run(&ask),
        run("delete from orders where id > 5"),
        run(&ask),
        run("rollback"),
        sync(),
    ]);
    let counts: Vec<_> = rows(&answer).into_iter().flatten().flatten().collect();
    assert_eq!(counts, ["10", "5"], "{answer:?}");
    assert_eq!(answer.last().unwrap().body, b"I");
    check_usable(&mut client);
    client.send(
        &[
            query("begin"),
            query(&ask),
            query("delete from orders where id = 1"),
            query(&ask),
            query("rollback"),
        ]
        .concat(),
    );
    let answers: Vec<_> = (0..5).flat_map(|_| client.until_ready()).collect();
    let counts: Vec<_> = rows(&answers).into_iter().flatten().flatten().collect();
    assert_eq!(counts, ["500", "499"], "{answers:?}");
    check_usable(&mut client);
    let answer = client.query(&format!(
        "begin; delete from orders where id = 1; {ask}; rollback"
    ));
    let counts: Vec<_> = rows(&answer).into_iter().flatten().flatten().collect();
    assert_eq!(counts, ["499"], "{answer:?}");
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_writes_around_an_ask_is_done_whole_or_not_at_all() {
    let scene = Scene::new("").await;
    scene.answers("SELECT count(*) FROM orders");
    let mut client = scene.client();
    let ask = format!("ask {QUESTION}");
    let answer = client.exchange(&[
        run("delete from orders where id = 500"),
        run(&ask),
        run("delete from orders where id = 499"),
        sync(),
    ]);
    // A batch is one transaction: its fence may reach to the Sync, but then nothing of the batch is done.
    let count = client.value("select count(*) from orders");
    match answer.iter().find(|frame| frame.tag == b'E') {
        Some(error) => assert_eq!(
            (error.field(b'C').as_deref(), count.as_str()),
            (Some("25006"), "500")
        ),
        None => assert_eq!(count, "498"),
    }
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn flush_brings_an_asks_answers_as_well() {
    let scene = Scene::new("").await;
    let mut client = scene.client();
    client.send(&[parse("f", format!("ask {QUESTION}"), &[]), flush()].concat());
    client.until(b'1');
    client.send(&[bind("", "f", &[]), flush()].concat());
    client.until(b'2');
    client.send(&[execute("", 0), flush()].concat());
    assert_eq!(rows(&client.until(b'C')).len(), 3);
    client.send(&sync());
    client.until_ready();
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_not_garbled_by_the_clients_encoding() {
    let scene = Scene::new("").await;
    let mut client = scene.client();
    client.rows("insert into customers values (1000, 'Zoë', 'Chile')");
    scene.answers("SELECT count(*) FROM customers WHERE name = 'Zoë'");
    assert_eq!(client.value(&format!("ask {}", fresh(1))), "1");
    client.rows("set client_encoding = 'LATIN1'");
    for ask in [format!("ask {}", fresh(1)), format!("ask {}", fresh(2))] {
        let answer = client.query(&ask);
        if answer[0].tag == b'E' {
            assert_eq!(sqlstate(&answer), "0A000", "{answer:?}");
        } else {
            assert_eq!(rows(&answer), [[Some("1".to_owned())]], "{answer:?}");
            let notice = answer_notice(&answer).body;
            let is_latin1 = notice.windows(5).any(|bytes| bytes == b"'Zo\xeb'");
            assert!(is_latin1, "{}", notice.escape_ascii());
        }
    }
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_in_the_clients_encoding_is_understood_or_left_to_the_server() {
    let scene = Scene::new("").await;
    let mut client = scene.client();
    client.rows("set client_encoding = 'LATIN1'");
    client.send(&query(b"ask wie viele Kunden hei\xdfen M\xfcller"));
    let answer = client.until_ready();
    if rows(&answer).is_empty() {
        assert!(answer.iter().any(|frame| frame.tag == b'E'), "{answer:?}");
    } else {
        let told = scene.model.take_received()[0].told();
        assert!(told.contains("heißen Müller"), "{told}");
    }
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_literal_means_the_same_whatever_standard_conforming_strings_says() {
    let scene = Scene::new("").await;
    let mut client = scene.client();
    client.rows(r"insert into customers values (1000, 'a\nb', 'Chile'), (1001, E'c\'d', 'Chile')");
    client.rows("set standard_conforming_strings = off");
    for (number, (literal, count)) in [(r"'a\nb'", "1"), ("'c''d'", "1"), (r"'x\'", "0")]
        .iter()
        .enumerate()
    {
        scene.answers(&format!(
            "SELECT count(*) FROM customers WHERE name = {literal}"
        ));
        let answer = client.query(&format!("ask {}", fresh(number)));
        assert_eq!(
            rows(&answer),
            [[Some((*count).to_owned())]],
            "{literal}: {answer:?}"
        );
    }
    client.rows("reset standard_conforming_strings");
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ask_does_not_disturb_what_a_session_holds() {
    let scene = Scene::new("[pool]\ndefault_pool_size = 2\n").await;
    let mut client = scene.client();
    let rows_expected = expected(&mut client, LIST_SQL);
    client.rows("create temp table mine (i int); insert into mine values (1)");
    client.rows("listen news; select pg_advisory_lock(7); prepare p as select 'prepared'");
    client.rows("begin; declare c cursor with hold for select generate_series(1, 3); commit");
    for number in 0..3 {
        assert_eq!(
            client.rows(&format!("ask {}", fresh(number))),
            rows_expected
        );
        assert_eq!(client.value("select count(*) from mine"), "1");
        assert_eq!(client.value("execute p"), "prepared");
        assert_eq!(client.rows("fetch 1 from c").len(), 1);
    }
    let held =
        "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()";
    assert_eq!(client.value(held), "1");
    assert_eq!(client.value("select pg_listening_channels()"), "news");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_temporary_table_of_the_same_name_is_not_asked_by_mistake() {
    let scene = Scene::new("").await;
    scene.answers("SELECT count(*) FROM customers");
    let mut client = scene.client();
    client.rows("create temp table customers (i int)");
    let answer = client.query(&format!("ask {QUESTION}"));
    // What the model was told of is the table; the shadow in front of it must not answer in its place.
    assert_eq!(rows(&answer), [[Some("100".to_owned())]], "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_can_only_read_asks_as_well() {
    let scene = Scene::new("").await;
    let mut client = scene.client();
    client.rows("set session characteristics as transaction isolation level serializable, read only, deferrable");
    assert_eq!(client.rows(&format!("ask {QUESTION}")).len(), 3);
    client.rows("begin");
    assert_eq!(client.rows(&format!("ask {QUESTION}")).len(), 3);
    client.rows("commit");
    assert_eq!(client.value("show transaction_read_only"), "on");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_around_an_ask_are_those_of_its_session_on_any_connection() {
    let scene = Scene::new("[pool]\ndefault_pool_size = 1\n").await;
    scene.answers("SELECT count(*) FROM customers");
    let ask = format!("/* ask: {QUESTION} */");
    for sql in [
        format!("execute p; {ask}"),
        format!("{ask}; execute p"),
        format!("select name from pg_prepared_statements; {ask}; execute p"),
    ] {
        let mut client = scene.client();
        client.rows("prepare p as select 'own'");
        let mut rival = scene.client();
        rival.rows("prepare p as select 'rival'");
        let answer = client.query(&sql);
        let values: Vec<_> = rows(&answer).into_iter().flatten().flatten().collect();
        let mut expected = vec!["own", "100"];
        if !sql.starts_with("execute") {
            expected.reverse();
        }
        if sql.starts_with("select") {
            expected.insert(0, "p");
        }
        assert_eq!(values, expected, "{sql}: {answer:?}");
        assert_eq!(client.value("execute p"), "own", "{sql}");
        check_usable(&mut client);
        drop(client);
        assert_eq!(rival.value("execute p"), "rival", "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_inserted_from_an_ask_is_what_lastval_speaks_of() {
    let more = "set role app; create table kept (id serial, n bigint); create table others (id serial); reset role";
    let scene = Scene::with_tables("[pool]\ndefault_pool_size = 1\n", more).await;
    scene.answers("SELECT count(*) FROM customers");
    let mut client = scene.client();
    // From here on the pool takes care of what sequences last gave.
    assert_eq!(sqlstate(&client.query("select lastval()")), "55000");
    drop(client);
    let mut client = scene.client();
    assert_eq!(client.value("select 1"), "1");
    let mut rival = scene.client();
    rival.rows("insert into others default values");
    drop(rival);
    let sql = format!("insert into kept (n) select * from (/* ask: {QUESTION} */) r");
    client.rows(&sql);
    assert_eq!(client.value("select lastval()"), "1");
    assert_eq!(client.value("select n from kept"), "100");
    check_usable(&mut client);
}
