//! Every spelling of a question, in both protocols, alone and inside real SQL.

use super::{LIST_SQL, QUESTION, Scene, answer_notice, check_usable, expected};
use crate::support::frames::{
    bind, describe_portal, describe_statement, execute, parse, query, sync,
};
use crate::support::raw::{Raw, rows, sqlstate};

/// Asks that are the whole statement.
fn whole_statements() -> Vec<String> {
    let (head, tail) = QUESTION.split_once(' ').unwrap();
    vec![
        format!("-- ask: {QUESTION}"),
        format!("-- ask: {QUESTION}\n"),
        format!("--ask: {QUESTION}\n;"),
        format!("-- ask: {head}\n-- {tail}"),
        format!("  \n\t-- ASK: {QUESTION}"),
        format!("/* ask: {QUESTION} */"),
        format!("/* Ask: {QUESTION} */;"),
        format!("/*ask:{QUESTION}*/ ; "),
        format!("/* ask: {head}\n   {tail} */"),
        format!("ask: {QUESTION}"),
        format!("ask {QUESTION}"),
        format!("ask {QUESTION};"),
        format!("ASK {QUESTION} ;"),
        format!("Ask: {QUESTION}?"),
        format!("ask rows {QUESTION}"),
        format!("select -- ask: {QUESTION}\n;"),
        format!("SELECT -- ask: {QUESTION}\n"),
        format!("select * from ask('{QUESTION}')"),
        format!("SELECT * FROM ASK('{QUESTION}') AS answer;"),
        format!("select * from ask($${QUESTION}$$)"),
    ]
}

fn extended(
    client: &mut Raw,
    sql: &str,
    values: &[Option<&str>],
) -> Vec<crate::support::frames::Frame> {
    client.exchange(&[
        parse("", sql, &[]),
        describe_statement(""),
        bind("", "", values),
        describe_portal(""),
        execute("", 0),
        sync(),
    ])
}

fn tags(frames: &[crate::support::frames::Frame]) -> String {
    let shown = frames.iter().filter(|frame| frame.tag != b'N');
    shown.map(|frame| char::from(frame.tag)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_spelling_is_answered_in_the_simple_protocol() {
    let scene = Scene::new("").await;
    let mut client = scene.client();
    let rows_expected = expected(&mut client, LIST_SQL);
    for sql in whole_statements() {
        let answer = client.query(&sql);
        assert_eq!(rows(&answer), rows_expected, "{sql}: {answer:?}");
        assert_eq!(tags(&answer), "TDDDCZ", "{sql}");
        assert_eq!(answer.last().unwrap().body, b"I", "{sql}");
    }
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_spelling_is_answered_in_the_extended_protocol() {
    let scene = Scene::new("").await;
    let mut client = scene.client();
    let rows_expected = expected(&mut client, LIST_SQL);
    for sql in whole_statements() {
        let answer = extended(&mut client, &sql, &[]);
        assert_eq!(tags(&answer), "1tT2TDDDCZ", "{sql}: {answer:?}");
        assert_eq!(rows(&answer), rows_expected, "{sql}");
        let description = answer.iter().find(|frame| frame.tag == b'T').unwrap();
        assert_eq!(description.column_names(), ["id", "name"], "{sql}");
    }
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_sent_one_by_one_are_answered_one_by_one() {
    let scene = Scene::new("").await;
    let mut client = scene.client();
    let steps = [
        parse("named", format!("/* ask: {QUESTION} */"), &[]),
        describe_statement("named"),
        bind("", "named", &[]),
        execute("", 0),
    ];
    let seen: String = steps
        .iter()
        .map(|step| tags(&client.exchange(&[step.clone(), sync()])))
        .collect();
    // A portal ends with its transaction, so the last Execute finds none.
    assert_eq!(seen, "1ZtTZ2ZEZ");
    for _ in 0..3 {
        let answer = client.exchange(&[bind("", "named", &[]), execute("", 0), sync()]);
        assert_eq!(tags(&answer), "2DDDCZ", "{answer:?}");
    }
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn row_limits_and_suspended_portals_work_on_an_ask() {
    let scene = Scene::new("").await;
    let mut client = scene.client();
    let answer = client.exchange(&[
        parse("", format!("/* ask: {QUESTION} */"), &[]),
        bind("p", "", &[]),
        execute("p", 2),
        execute("p", 2),
        sync(),
    ]);
    assert_eq!(tags(&answer), "12DDsDCZ", "{answer:?}");
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_appended_limit_holds() {
    let scene = Scene::new("").await;
    scene.answers("SELECT id FROM customers ORDER BY id");
    let mut client = scene.client();
    for (tail, ids) in [
        ("LIMIT 2", &["1", "2"][..]),
        ("limit 2 offset 3", &["4", "5"]),
        ("OFFSET 98", &["99", "100"]),
        ("FETCH FIRST 1 ROW ONLY", &["1"]),
        ("offset 1 rows fetch next 2 rows only", &["2", "3"]),
    ] {
        for sql in [
            format!("-- ask: {QUESTION}\n{tail}"),
            format!("/* ask: {QUESTION} */ {tail}"),
            format!("/* ask: {QUESTION} */\n{tail};"),
        ] {
            let found: Vec<_> = client
                .rows(&sql)
                .into_iter()
                .map(|mut row| row.remove(0))
                .collect();
            let ids: Vec<_> = ids.iter().map(|id| Some((*id).to_owned())).collect();
            assert_eq!(found, ids, "{sql}");
            let answer = extended(&mut client, &sql, &[]);
            assert_eq!(rows(&answer).len(), ids.len(), "{sql}: {answer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ask_stands_wherever_a_query_may_stand() {
    let scene = Scene::new("").await;
    scene.answers("SELECT id, name FROM customers WHERE id <= 3");
    let mut client = scene.client();
    let ask = format!("/* ask: {QUESTION} */");
    for (sql, rows_expected) in [
        (
            format!("select * from ({ask}) r where r.id > 2"),
            "3,customer 3",
        ),
        (
            format!("select count(*) from (\n-- ask: {QUESTION}\n) as r"),
            "3",
        ),
        (format!("with r as ({ask}) select max(id) from r"), "3"),
        (
            format!("select sum(r.id) from ({ask}) r join orders o on o.id = r.id"),
            "6",
        ),
        (
            format!("select id from customers where id in (select id from ({ask}) r) and id > 2"),
            "3",
        ),
        (
            format!("select r.id from ask('{QUESTION}') r where r.id = 2"),
            "2",
        ),
        (format!("select (select max(id) from ({ask}) r) + 1"), "4"),
        (format!("select exists ({ask})"), "t"),
    ] {
        let found: Vec<String> = client
            .rows(&sql)
            .into_iter()
            .map(|row| row.into_iter().flatten().collect::<Vec<_>>().join(","))
            .collect();
        assert_eq!(found, [rows_expected], "{sql}");
        let answer = extended(&mut client, &sql, &[]);
        assert_eq!(rows(&answer).len(), 1, "{sql}: {answer:?}");
    }
    for (sql, tag) in [
        (format!("create view v as {ask}"), "CREATE VIEW"),
        (format!("create table t as {ask}"), "SELECT 3"),
        (format!("insert into t {ask}"), "INSERT 0 3"),
        (format!("create materialized view m as {ask}"), "SELECT 3"),
        (format!("prepare p as {ask}"), "PREPARE"),
        (format!("explain {ask}"), "EXPLAIN"),
        (format!("explain (analyze, costs off) {ask}"), "EXPLAIN"),
        (format!("copy ({ask}) to stdout"), "COPY 3"),
    ] {
        let answer = client.query(&sql);
        let complete = answer.iter().find(|frame| frame.tag == b'C');
        let complete = complete.unwrap_or_else(|| panic!("{sql}: {answer:?}"));
        assert_eq!(
            complete.body.trim_ascii_end().strip_suffix(b"\0").unwrap(),
            tag.as_bytes(),
            "{sql}"
        );
    }
    assert_eq!(client.rows("execute p").len(), 3);
    assert_eq!(client.value("select count(*) from t"), "6");
    client.rows("begin");
    client.rows(&format!("declare c cursor for {ask}"));
    assert_eq!(client.rows("fetch 2 from c").len(), 2);
    client.rows("commit");
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ask_may_be_one_of_several_statements() {
    let scene = Scene::new("").await;
    let mut client = scene.client();
    for sql in [
        format!("select 'before'; /* ask: {QUESTION} */; select 'after'"),
        format!("select 'before'; ask {QUESTION}; select 'after'"),
    ] {
        let answer = client.query(&sql);
        assert_eq!(tags(&answer), "TDCTDDDCTDCZ", "{sql}: {answer:?}");
    }
    let answer = client.query(&format!("select 1; /* ask: {QUESTION} */; select 1/0"));
    assert_eq!(sqlstate(&answer), "22012");
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_looks_like_an_ask_reaches_no_provider() {
    let scene = Scene::new("").await;
    let mut client = scene.client();
    for (sql, value) in [
        ("-- ask: a label\nselect 1", "1"),
        ("/* ask: a label */ select 2", "2"),
        ("select 3 -- ask: a remark", "3"),
        ("select 'ask: not a question'", "ask: not a question"),
        ("select $$-- ask: no$$", "-- ask: no"),
        ("select \"ask\" from (select 4 as ask) as x", "4"),
        ("select ask from (select 5 as ask) ask", "5"),
    ] {
        assert_eq!(client.value(sql), value, "{sql}");
        let answer = extended(&mut client, sql, &[]);
        assert_eq!(rows(&answer), [[Some(value.to_owned())]], "{sql}");
    }
    assert_eq!(scene.request_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_comes_with_its_sql_its_reading_and_its_provider() {
    let scene = Scene::new("").await;
    let mut client = scene.client();
    let ask = format!("/* ask: {QUESTION} */");
    for answer in [client.query(&ask), extended(&mut client, &ask, &[])] {
        let notice = answer_notice(&answer);
        assert_eq!(notice.field(b'S').as_deref(), Some("NOTICE"));
        assert_eq!(notice.field(b'V').as_deref(), Some("NOTICE"));
        assert_eq!(notice.field(b'C').as_deref(), Some("00000"));
        let message = notice.field(b'M').unwrap();
        assert!(message.contains("customers"), "{message}");
        assert!(!message.contains('\n'), "{message}");
        assert_eq!(notice.field(b'D').as_deref(), Some("what the script says"));
        let hint = notice.field(b'H').unwrap();
        assert!(hint.starts_with("scripted, confidence 0.90, "), "{hint}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ask_sql_shows_the_query_and_runs_nothing() {
    let scene = Scene::new("").await;
    scene.answers("SELECT 1 / (count(*) - 100) AS boom FROM customers");
    let mut client = scene.client();
    let answer = client.query(&format!("ask sql {QUESTION}"));
    let description = answer.iter().find(|frame| frame.tag == b'T').expect("rows");
    let names = description.column_names();
    for name in ["sql", "reading", "confidence", "provider", "tables"] {
        assert!(
            names.iter().any(|n| n == name),
            "{name} is not in {names:?}"
        );
    }
    let rows = rows(&answer);
    let [row] = rows.as_slice() else {
        panic!("one row: {rows:?}");
    };
    assert!(row[0].as_deref().unwrap().contains("boom"), "{row:?}");
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn ask_help_asks_no_model() {
    let scene = Scene::new("").await;
    let mut client = scene.client();
    assert!(!client.rows("ask help;").is_empty());
    assert!(!client.rows("/* ask: help */").is_empty());
    assert_eq!(scene.request_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ask_that_says_nothing_is_no_broken_connection() {
    let scene = Scene::new("").await;
    let mut client = scene.client();
    for sql in [
        "ask",
        "ask;",
        "ask:",
        "-- ask:",
        "/* ask: */",
        "ask('",
        "select * from ask('')",
        "select * from ask()",
    ] {
        client.send(&query(sql));
        let answer = client.until_ready();
        assert_eq!(answer.last().unwrap().body, b"I", "{sql}: {answer:?}");
    }
    check_usable(&mut client);
}
