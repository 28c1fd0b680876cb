//! Prepared asks: thought about once, run often, with real parameters.

use super::{LIST_SQL, QUESTION, Scene, check_usable, expected, fresh};
use crate::support::frames::{
    Frame, bind, bind_formats, close_portal, close_statement, describe_portal, describe_statement,
    execute, parse, sync,
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

/// Messages as a text, without what tells of the ask itself.
fn rendered(frames: &[Frame]) -> Vec<String> {
    let told = frames.iter().filter(|frame| frame.tag != b'N');
    told.map(Frame::render).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_ask_answers_every_message_as_its_sql_does() {
    let scene = Scene::new("").await;
    let mut client = scene.client();
    let sql = "SELECT id, name, id::numeric / 3 AS third FROM public.customers ORDER BY id LIMIT 5";
    scene.answers(sql);
    let ask = format!("/* ask: {QUESTION} */");
    let binary = || bind_formats("p", "s", &[], &[], &[1]);
    let mut answers = |text: &str| {
        client.rows("begin");
        let said: Vec<_> = [
            vec![parse("s", text, &[]), describe_statement("s"), sync()],
            vec![binary(), describe_portal("p"), sync()],
            vec![execute("p", 2), sync()],
            vec![execute("p", 2), execute("p", 2), execute("p", 2), sync()],
            vec![execute("p", 0), sync()],
            vec![bind("", "s", &[]), execute("", 2), execute("", 0), sync()],
            vec![bind("", "s", &[]), execute("", 1), sync()],
            vec![
                bind("q", "s", &[]),
                describe_portal("q"),
                execute("q", 3),
                close_portal("q"),
                execute("q", 1),
                sync(),
            ],
        ]
        .into_iter()
        .map(|messages| rendered(&client.exchange(&messages)))
        .collect();
        client.query("rollback");
        client.exchange(&[close_statement("s"), sync()]);
        said
    };
    let direct = answers(sql);
    for (text, expected) in [
        (ask.clone(), &direct),
        (
            format!("select * from ({ask}) r"),
            &answers(&format!("select * from ({sql}) r")),
        ),
    ] {
        for (said, expected) in answers(&text).iter().zip(expected) {
            assert_eq!(said, expected, "{text}");
        }
    }
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_ask_meets_changed_tables_as_its_sql_does() {
    let scene = Scene::new("").await;
    let (mut client, mut owner) = (scene.client(), scene.client());
    let sql = "SELECT id, total FROM public.orders ORDER BY id LIMIT 2";
    scene.answers(sql);
    client.exchange(&[parse("a", format!("ask {QUESTION}"), &[]), sync()]);
    client.exchange(&[parse("p", sql, &[]), sync()]);
    let mut run = |name: &str| {
        let answer = client.exchange(&[bind("", name, &[]), execute("", 0), sync()]);
        rendered(&answer).into_iter().collect::<Vec<_>>()
    };
    // Where it fails, the ask's own error names its SQL besides.
    let class = |lines: &[String]| {
        let heads = lines.iter().map(|line| match line.split_once(" M=") {
            Some((head, _)) => head.to_owned(),
            None => line.clone(),
        });
        heads.collect::<Vec<_>>()
    };
    for change in [
        "alter table orders add column note text",
        "create index on orders (total)",
        "alter table orders alter total type text",
        "alter table orders rename total to amount",
        "drop table orders",
    ] {
        assert_eq!(class(&run("a")), class(&run("p")), "before {change}");
        owner.rows(change);
        let (asked, plain) = (run("a"), run("p"));
        assert_eq!(
            class(&asked),
            class(&plain),
            "after {change}: {asked:?} {plain:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_tells_where_in_the_answers_sql_it_is() {
    let more = "set role app; create function public.twice(int) returns int immutable language sql as 'select 2 * $1'; reset role";
    let scene = Scene::with_tables("", more).await;
    scene.answers("SELECT id, twice(id) AS t FROM customers ORDER BY id LIMIT 3");
    let mut client = scene.client();
    let ask = format!("/* ask: {QUESTION} */");
    assert_eq!(client.rows(&ask).len(), 3);
    // In this session the function is not to be found.
    client.rows("set search_path = pg_catalog");
    for text in [
        ask.clone(),
        format!("ask {QUESTION}"),
        format!("select 'ä', r.* from ({ask}) r"),
        format!("with r as ({ask}) select * from r"),
        format!("select * from ask('{QUESTION}') r"),
        format!("explain {ask}"),
        format!("copy ({ask}) to stdout"),
        format!("select 1; {ask}"),
        format!("declare c cursor for {ask}"),
        format!("create temp table t as {ask}"),
    ] {
        let extended = [
            parse("", text.as_str(), &[]),
            bind("", "", &[]),
            execute("", 0),
            sync(),
        ];
        let mut answers = vec![client.query(&text)];
        if !text.contains(';') {
            answers.push(client.exchange(&extended));
        }
        for answer in answers {
            let refusal = crate::support::raw::error(&answer);
            assert_eq!(
                refusal.field(b'C').as_deref(),
                Some("42883"),
                "{text}: {answer:?}"
            );
            let query = refusal.field(b'q').unwrap_or_default();
            let position: usize = refusal.field(b'p').unwrap_or_default().parse().unwrap();
            let there: String = query.chars().skip(position - 1).collect();
            assert!(there.starts_with("twice(id)"), "{text}: {there} in {query}");
            assert_eq!(refusal.field(b'P'), None, "{text}");
        }
    }
    // What is wrong with the client's own text stays where the client wrote it.
    let refusal = client.error("select nothing from pg_class");
    assert_eq!(
        (refusal.field(b'q'), refusal.field(b'P').as_deref()),
        (None, Some("8"))
    );
    client.rows("reset search_path");
    check_usable(&mut client);
}
