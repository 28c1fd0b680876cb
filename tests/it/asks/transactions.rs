//! An ask runs in its caller's own session and transaction, and can only read.

use super::{QUESTION, Scene, check_usable, fresh};
use crate::support::frames::{bind, execute, parse, sync};
use crate::support::raw::{Raw, rows, sqlstate};

const COUNT: &str = "SELECT count(*) FROM customers";

fn status(frames: &[crate::support::frames::Frame]) -> u8 {
    frames.last().expect("ReadyForQuery").body[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ask_sees_what_its_own_transaction_has_written() {
    let scene = Scene::new("").await;
    scene.answers(COUNT);
    let mut client = scene.client();
    let ask = format!("/* ask: {QUESTION} */");
    client.rows("begin");
    client.rows("delete from orders; delete from customers where id > 10");
    assert_eq!(client.value(&ask), "10");
    let answer = client.exchange(&[
        parse("", ask.as_str(), &[]),
        bind("", "", &[]),
        execute("", 0),
        sync(),
    ]);
    assert_eq!(status(&answer), b'T');
    client.rows("insert into customers values (1000, 'late', 'Chile')");
    assert_eq!(client.value(&ask), "11");
    assert_eq!(client.value("show transaction_read_only"), "off");
    client.rows("rollback");
    assert_eq!(client.value(&ask), "100");
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ask_leaves_savepoints_and_their_names_alone() {
    let scene = Scene::new("").await;
    scene.answers(COUNT);
    let mut client = scene.client();
    client.rows("begin; savepoint a; delete from orders; savepoint b");
    client.rows(&format!("ask {QUESTION}"));
    client.rows("rollback to b");
    client.rows(&format!("ask {QUESTION}"));
    client.rows("release b");
    client.rows("rollback to a");
    assert_eq!(client.value("select count(*) from orders"), "500");
    client.rows("commit");
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ask_that_was_broken_off_is_in_nobodys_way() {
    let scene = Scene::new("[pool]\ndefault_pool_size = 1\n").await;
    scene.answers(COUNT);
    let mut client = scene.client();
    let ask = format!("/* ask: {QUESTION} */");
    client.rows("prepare pgask_fence as select 1; prepare pgask_own as select 2");
    assert_eq!(client.value(&ask), "100");
    for timeout in 1..=5 {
        client.rows(&format!("set statement_timeout = {timeout}"));
        for _ in 0..10 {
            // It may be late anywhere, in our own words too.
            client.query(&ask);
            client.query(&format!("begin; {ask}"));
            client.query("rollback");
        }
    }
    client.rows("set statement_timeout = 0");
    assert_eq!(client.value(&ask), "100");
    let ours = "select count(*) from pg_prepared_statements where name like 'pgask%'";
    assert_eq!(client.value(ours), "2");
    assert_eq!(client.value("execute pgask_own"), "2");
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_answer_fails_the_transaction_as_plain_sql_would() {
    let scene = Scene::new("").await;
    scene.answers("SELECT 1 / (count(*) - 100) FROM customers");
    let mut client = scene.client();
    client.rows("begin");
    client.rows("create table t (i int)");
    let answer = client.query(&format!("ask {QUESTION}"));
    assert_eq!(sqlstate(&answer), "22012");
    assert_eq!(status(&answer), b'E');
    assert_eq!(sqlstate(&client.query("select 1")), "25P02");
    client.rows("rollback");
    check_usable(&mut client);
    // Outside of one, it fails alone.
    let answer = client.query(&format!("ask {QUESTION}"));
    assert_eq!(
        (sqlstate(&answer).as_str(), status(&answer)),
        ("22012", b'I')
    );
    check_usable(&mut client);
}

/// Whatever the status is after a refusal, it is the server's true one.
fn check_status_is_true(client: &mut Raw, ask: &str) {
    client.rows("begin");
    client.rows("create table t (i int)");
    let refused = client.query(ask);
    assert!(sqlstate(&refused).starts_with("NL00"), "{refused:?}");
    let next = client.query("select 1");
    match status(&refused) {
        b'E' => assert_eq!(sqlstate(&next), "25P02"),
        b'T' => assert_eq!(status(&next), b'T', "{next:?}"),
        other => panic!("status {other} inside of a transaction"),
    }
    client.rows("rollback");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_inside_a_transaction_tells_the_true_status() {
    let scene = Scene::new("").await;
    scene.answers("DROP TABLE customers");
    let mut client = scene.client();
    for number in 0..3 {
        check_status_is_true(&mut client, &format!("ask {}", fresh(number)));
    }
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ask_in_a_failed_transaction_is_refused_as_plain_sql_is() {
    let scene = Scene::new("").await;
    let mut client = scene.client();
    client.rows("begin");
    client.error("select 1/0");
    let answer = client.query(&format!("/* ask: {QUESTION} */"));
    assert_eq!(sqlstate(&answer), "25P02");
    assert_eq!(status(&answer), b'E');
    assert_eq!(scene.request_count(), 0);
    client.rows("rollback");
    check_usable(&mut client);
}

/// Functions that say that they only read, and write.
const LIARS: &str = "
    set role app;
    create table written (i int);
    create function writes() returns int language sql volatile as 'insert into written values (1) returning i';
    create function lies() returns int language plpgsql stable as 'begin return writes(); end';
    create sequence ticket;
    create function takes_a_ticket() returns bigint language plpgsql stable as
        $$declare n bigint; begin execute 'select nextval(''ticket'')' into n; return n; end$$;
    reset role";

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_lies_about_writing_cannot_write() {
    let scene = Scene::with_tables("", LIARS).await;
    let mut client = scene.client();
    for (number, function) in ["lies()", "writes()", "takes_a_ticket()"]
        .iter()
        .enumerate()
    {
        scene.answers(&format!("SELECT {function} FROM customers LIMIT 1"));
        let ask = format!("ask {}", fresh(number));
        for opening in ["", "begin"] {
            client.query(opening);
            let answer = client.query(&ask);
            let refused = sqlstate(&answer);
            assert!(
                ["25006", "NL004"].contains(&&*refused),
                "{function}: {answer:?}"
            );
            let answer = client.exchange(&[
                parse("", ask.as_str(), &[]),
                bind("", "", &[]),
                execute("", 0),
                sync(),
            ]);
            assert!(
                answer.iter().any(|frame| frame.tag == b'E'),
                "{function}: {answer:?}"
            );
            client.query("rollback");
        }
    }
    assert_eq!(client.value("select count(*) from written"), "0");
    assert_eq!(client.value("select is_called from ticket"), "f");
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ask_inside_real_sql_cannot_write_either() {
    let scene = Scene::with_tables("", LIARS).await;
    let mut client = scene.client();
    scene.answers("SELECT lies() FROM customers LIMIT 1");
    let ask = format!("/* ask: {QUESTION} */");
    for sql in [
        format!("select * from ({ask}) r"),
        format!("with r as ({ask}) select * from r"),
        format!("select 1; {ask}"),
        format!("copy ({ask}) to stdout"),
        format!("explain analyze {ask}"),
    ] {
        for answer in [
            client.query(&sql),
            client.exchange(&[
                parse("", sql.as_str(), &[]),
                bind("", "", &[]),
                execute("", 0),
                sync(),
            ]),
        ] {
            assert!(
                answer.iter().any(|frame| frame.tag == b'E'),
                "{sql}: {answer:?}"
            );
        }
    }
    assert_eq!(client.value("select count(*) from written"), "0");
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_ask_goes_on_behind_its_fence() {
    let scene = Scene::with_tables("", LIARS).await;
    let mut client = scene.client();
    let fetch = |count| [execute("p", count), sync()];
    client.rows("begin");
    client.send(
        &[
            parse("", format!("ask {QUESTION}"), &[]),
            bind("p", "", &[]),
        ]
        .concat(),
    );
    assert_eq!(rows(&client.exchange(&fetch(1))).len(), 1);
    assert_eq!(rows(&client.exchange(&fetch(1))).len(), 1);
    client.rows("insert into written values (5)");
    assert_eq!(rows(&client.exchange(&fetch(5))).len(), 1);
    client.rows("rollback");
    scene.answers("SELECT CASE WHEN id > 2 THEN lies() ELSE 0 END FROM customers ORDER BY id");
    client.rows("begin");
    client.send(
        &[
            parse("", format!("ask {}", fresh(1)), &[]),
            bind("p", "", &[]),
        ]
        .concat(),
    );
    let answers: Vec<_> = (0..4).flat_map(|_| client.exchange(&fetch(1))).collect();
    assert!(answers.iter().any(|frame| frame.tag == b'E'), "{answers:?}");
    client.query("commit");
    assert_eq!(client.value("select count(*) from written"), "0");
    // A sequence asks nothing but whether the transaction may write.
    scene.answers(
        "SELECT CASE WHEN id > 2 THEN takes_a_ticket() ELSE 0 END FROM customers ORDER BY id",
    );
    client.rows("begin");
    client.send(
        &[
            parse("", format!("ask {}", fresh(2)), &[]),
            bind("p", "", &[]),
        ]
        .concat(),
    );
    let answers: Vec<_> = (0..4).flat_map(|_| client.exchange(&fetch(1))).collect();
    assert_eq!(sqlstate(&answers), "25006", "{answers:?}");
    client.query("rollback");
    assert_eq!(client.value("select is_called from ticket"), "f");
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_ask_the_transaction_can_write_again() {
    let scene = Scene::new("").await;
    scene.answers(COUNT);
    let mut client = scene.client();
    client.rows("begin isolation level repeatable read");
    client.rows(&format!("ask {QUESTION}"));
    client.rows("insert into customers values (1001, 'new', 'Chile')");
    client.rows("set local statement_timeout = '1min'");
    assert_eq!(client.value(&format!("ask {QUESTION}")), "101");
    assert_eq!(client.value("show statement_timeout"), "1min");
    assert_eq!(
        client.value("show transaction_isolation"),
        "repeatable read"
    );
    client.rows("commit");
    assert_eq!(client.value("select count(*) from customers"), "101");
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ask_sees_the_sessions_own_settings() {
    let scene = Scene::new("").await;
    scene.answers("SELECT current_date, count(*) FROM customers");
    let mut client = scene.client();
    client.rows("set datestyle = 'German'; set time zone 'Asia/Tokyo'");
    let plain = client.rows("select current_date, count(*) from customers");
    assert_eq!(client.rows(&format!("ask {QUESTION}")), plain);
    assert_eq!(client.value("show datestyle"), "German, DMY");
}

/// The value of one field of the ErrorResponse among these messages.
fn error_field(frames: &[crate::support::frames::Frame], code: u8) -> Option<String> {
    let error = frames.iter().find(|frame| frame.tag == b'E')?;
    error.body.split(|byte| *byte == 0).find_map(|field| {
        let (&found, value) = field.split_first()?;
        (found == code).then(|| String::from_utf8_lossy(value).into_owned())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_answer_names_its_sql_as_internal_query() {
    let scene = Scene::new("").await;
    scene.answers("SELECT 1 / (count(*) - 100) AS x FROM customers");
    let mut client = scene.client();
    let ask = format!("/* ask: {QUESTION} */");
    let extended = [
        parse("", ask.as_str(), &[]),
        bind("", "", &[]),
        execute("", 0),
        sync(),
    ];
    let inside = format!("select * from ({ask}) r");
    for answer in [
        client.query(&ask),
        client.exchange(&extended),
        client.query(&inside),
    ] {
        assert_eq!(sqlstate(&answer), "22012", "{answer:?}");
        let query = error_field(&answer, b'q').unwrap_or_default();
        assert!(query.contains("count(*) - 100"), "{answer:?}");
        assert_eq!(error_field(&answer, b'P'), None);
    }
    // An error of the client's own SQL is the client's own business.
    let answer = client.query("select nonsense");
    assert_eq!(error_field(&answer, b'q'), None);
    assert_eq!(error_field(&answer, b'P').as_deref(), Some("8"));
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_reads_around_an_ask_is_fenced_whatever_its_words_are() {
    let scene = Scene::new("").await;
    scene.answers(COUNT);
    let mut client = scene.client();
    let ask = format!("(/* ask: {QUESTION} */)");
    let is_fenced = "select current_setting('transaction_read_only')";
    for sql in [
        format!("{is_fenced}, case when r.count > 3 then 'big' else 'small' end from {ask} r"),
        format!("{is_fenced} as comment from {ask} r where 'update; set' <> $$ delete from t $$"),
        format!("{is_fenced}, \"set\".* from {ask} \"set\" -- ; delete from orders"),
        format!("explain verbose create table made as select * from {ask} r; {is_fenced}"),
        format!("with start as {ask}, load (lock) as (select 1) {is_fenced} from start, load"),
    ] {
        for opening in ["", "begin"] {
            client.query(opening);
            let answer = client.query(&sql);
            let last = rows(&answer).pop().and_then(|row| row.into_iter().next());
            assert_eq!(last.flatten().as_deref(), Some("on"), "{sql}: {answer:?}");
            client.query("rollback");
        }
    }
    for sql in [
        format!("with d as (delete from orders where id = 1 returning *) {is_fenced} from {ask} r"),
        format!("explain analyze create table made as select * from {ask} r; {is_fenced}"),
        format!("select * into made_too from {ask} r; {is_fenced}"),
        format!("{is_fenced} from {ask} r, (select id from orders where id = 2 for update) o"),
    ] {
        let answer = client.query(&sql);
        let last = rows(&answer).pop().and_then(|row| row.into_iter().next());
        assert_eq!(last.flatten().as_deref(), Some("off"), "{sql}: {answer:?}");
    }
    assert_eq!(client.value("select min(id) from orders"), "2");
    assert_eq!(client.value("select count from made_too"), "100");
    check_usable(&mut client);
}
