//! `ask good`, `ask bad` and `ask correct`, and what a model learns from them.

use super::{QUESTION, Scene, client, login, notice_hint, pins, refused};
use crate::support::frames::{Frame, bind, describe_statement, execute, parse, sync};
use crate::support::raw::{Raw, rows};

/// What a model was told last.
fn told(scene: &Scene) -> String {
    let received = scene.model.take_received();
    received.last().map(|r| r.told()).unwrap_or_default()
}

fn row(client: &mut Raw, sql: &str) -> Vec<String> {
    let rows = client.rows(sql);
    let text = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "NULL".to_owned());
    rows[0].iter().map(text).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_question_gives_the_correction_from_then_on() {
    let scene = Scene::new().await;
    let proxy = scene.proxy("");
    let mut first = client(&proxy);
    first.rows(&format!("ask {QUESTION}"));
    assert_eq!(
        row(
            &mut first,
            "ask correct: select count(distinct country) as n from customers where name <> ';'; "
        ),
        [
            QUESTION,
            "SELECT count(DISTINCT country) AS n FROM public.customers WHERE name <> ';'",
            "corrected"
        ]
    );
    scene.request_count();
    let mut second = client(&proxy);
    let answer = second.query(&format!("ask {QUESTION} ?"));
    assert_eq!(rows(&answer)[0][0].as_deref(), Some("3"), "{answer:?}");
    assert!(
        notice_hint(&answer).starts_with("as this question was corrected, "),
        "{answer:?}"
    );
    drop((first, second, proxy));
    let proxy = scene.proxy("");
    let mut third = client(&proxy);
    assert_eq!(third.value(&format!("ask {QUESTION}")), "3");
    assert_eq!(scene.request_count(), 0);
    // Corrected again, confirmed, pinned: always the last word.
    third.rows("/* ask: correct: select name from customers order by id limit 1 */");
    assert_eq!(third.value(&format!("ask {QUESTION}")), "customer 1");
    assert_eq!(row(&mut third, "ask good")[2], "corrected");
    assert_eq!(third.value(&format!("ask {QUESTION}")), "customer 1");
    third.rows(&format!("ask pin first: {QUESTION}"));
    assert_eq!(row(&mut third, "ask bad")[2], "bad");
    assert_eq!(
        third.value(&format!("ask {QUESTION}")),
        "customer 1",
        "it is pinned"
    );
    third.rows("ask unpin first");
    assert_eq!(third.value(&format!("ask {QUESTION}")), "30");
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_are_told_and_the_last_one_counts() {
    let scene = Scene::new().await;
    let proxy = scene.proxy("");
    let mut client = client(&proxy);
    for verb in [
        "ask good",
        "ask bad",
        "ask correct: select 1",
        "/* ask: good: */",
    ] {
        assert_eq!(refused(&mut client, verb).0, "42704", "{verb}");
    }
    assert_eq!(
        refused(&mut client, &format!("ask bad: {QUESTION}")).0,
        "42704"
    );
    client.rows(&format!("ask sql {QUESTION}"));
    let sql = "SELECT count(*) AS n FROM public.customers";
    for verdict in ["good", "bad", "good"] {
        assert_eq!(
            row(&mut client, &format!("ask {verdict}")),
            [QUESTION, sql, verdict]
        );
    }
    assert_eq!(refused(&mut client, "ask good: and what").0, "42601");
    // What was said is taken back, once.
    assert_eq!(
        row(&mut client, &format!("ask bad: {QUESTION}")),
        [QUESTION, "NULL", "withdrawn"]
    );
    assert_eq!(
        refused(&mut client, &format!("ask bad: {QUESTION}")).0,
        "42704"
    );
    // What was called bad is not remembered.
    scene.request_count();
    client.rows(&format!("ask {QUESTION}"));
    client.rows("ask bad");
    client.rows(&format!("ask {QUESTION}"));
    client.rows(&format!("ask {QUESTION}"));
    assert_eq!(scene.request_count(), 2, "one behind each `ask bad`");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_extended_protocol_has_the_verbs_as_well() {
    let scene = Scene::new().await;
    let proxy = scene.proxy("");
    let mut client = client(&proxy);
    let mut run = |sql: &str| {
        client.exchange(&[
            parse("", sql, &[]),
            describe_statement(""),
            bind("", "", &[]),
            execute("", 0),
            sync(),
        ])
    };
    run(&format!("ask {QUESTION}"));
    for (sql, columns, last) in [
        ("ask good", &["question", "sql", "verdict"][..], "good"),
        (
            "/* ask: correct: select 7 as n */",
            &["question", "sql", "verdict"],
            "corrected",
        ),
        ("-- ask: bad", &["question", "sql", "verdict"], "bad"),
        (
            "ask pin seven: another question",
            &["name", "question", "sql", "reading"],
            "what the script says",
        ),
        (
            "ask pins",
            &[
                "name",
                "role",
                "question",
                "sql",
                "reading",
                "status",
                "pinned_by",
            ],
            "app",
        ),
        ("ask unpin seven", &["name", "question"], "another question"),
    ] {
        let answer = run(sql);
        let described = answer.iter().find(|frame| frame.tag == b'T');
        let names = described.map(Frame::column_names).unwrap_or_default();
        assert_eq!(names, columns, "{sql}: {answer:?}");
        let row = rows(&answer).remove(0);
        assert_eq!(row.last().unwrap().as_deref(), Some(last), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_is_proved_as_any_draft() {
    let scene = Scene::new().await;
    let proxy = scene.proxy("");
    let mut bob = login(&proxy, "bob", "bob");
    bob.rows(&format!("ask {QUESTION}"));
    for (sql, sqlstate) in [
        ("drop table customers", "NL004"),
        ("delete from customers returning 1", "NL004"),
        ("select pg_sleep(1)", "NL004"),
        ("select 1; select 2", "NL004"),
        ("select * from salaries", "NL004"),
        ("select closed_column from half_open", "42501"),
        ("select colour from customers", "42703"),
        ("select $1", "NL004"),
        ("how many customers", "NL004"),
    ] {
        let spelled = format!("/* ask: correct: {sql} */");
        let (found, message) = refused(&mut bob, &spelled);
        assert_eq!(found, sqlstate, "{sql}: {message}");
    }
    assert_eq!(refused(&mut bob, "ask correct:").0, "42601");
    let error = bob.error("ask correct: select colour from customers");
    assert_eq!(
        error.field(b'q').as_deref(),
        Some("SELECT colour FROM public.customers")
    );
    assert_eq!(error.field(b'p').as_deref(), Some("8"));
    assert_eq!(bob.value(&format!("ask {QUESTION}")), "30");
    bob.rows(&format!("ask pin people: {QUESTION}"));
    let (sqlstate, message) = refused(&mut bob, "ask correct: select 1");
    assert_eq!(sqlstate, "42710", "{message}");
    bob.rows("set ask.context = on");
    bob.rows("ask customers of Chile");
    bob.rows("ask and of Belgium");
    assert_eq!(refused(&mut bob, "ask correct: select 1").0, "0A000");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_keeps_the_slots_of_its_question() {
    let scene = Scene::new().await;
    let proxy = scene.proxy("");
    let mut client = client(&proxy);
    scene.answers("SELECT 0 WHERE $1 = ''");
    let ask = |client: &mut Raw| {
        let answer = client.exchange(&[
            parse("", "/* ask: customers of country $1 */", &[]),
            bind("", "", &[Some("Chile")]),
            execute("", 0),
            sync(),
        ]);
        rows(&answer)
    };
    assert_eq!(ask(&mut client), Vec::<Vec<Option<String>>>::new());
    client.rows("ask correct: select count(*) from customers where country = $1");
    assert_eq!(ask(&mut client)[0][0].as_deref(), Some("10"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_correction_is_said_to_be_and_can_be_withdrawn() {
    let scene = Scene::new().await;
    let proxy = scene.proxy("");
    let mut client = client(&proxy);
    client.rows(&format!("ask {QUESTION}"));
    client.rows("ask correct: select count(distinct country) from customers");
    client.rows("alter table customers rename column country to land");
    let error = client.error(&format!("ask {QUESTION}"));
    assert_eq!(error.field(b'C').as_deref(), Some("42703"), "{error:?}");
    let message = error.field(b'M').unwrap();
    assert!(
        message.starts_with("correction of this question is broken: "),
        "{message}"
    );
    let hint = error.field(b'H').unwrap();
    assert!(hint.contains(&format!("`ask bad: {QUESTION};`")), "{hint}");
    assert_eq!(
        row(&mut client, &format!("ask bad: {QUESTION}?")),
        [QUESTION, "NULL", "withdrawn"]
    );
    assert_eq!(client.value(&format!("ask {QUESTION}")), "30");
    assert_eq!(pins(&mut client, "status"), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn corrections_are_examples_for_questions_like_them() {
    let scene = Scene::new().await;
    let proxy = scene.proxy("");
    let mut ann = login(&proxy, "ann", "ann");
    // What is remembered from before the correction does not keep it from being told.
    ann.rows("ask names of good customers");
    ann.rows("ask revenue of good customers");
    ann.rows("ask correct: select name from customers where id < 5");
    ann.rows("ask something entirely different");
    assert!(!told(&scene).contains("id < 5"));
    ann.rows("ask names of good customers");
    let learnt = "- Question: revenue of good customers\n  Query: SELECT name FROM public.customers WHERE id < 5";
    let prompt = told(&scene);
    assert!(prompt.contains(learnt), "{prompt}");
    assert!(
        prompt.ends_with("Question: names of good customers"),
        "{prompt}"
    );
    // They are the role's own.
    let mut bob = login(&proxy, "bob", "bob");
    bob.rows("ask names of good customers");
    assert!(!told(&scene).contains("id < 5"));
    // What it mentions is not as it was any more.
    let mut app = client(&proxy);
    app.rows("alter table customers alter column name type varchar(80)");
    ann.rows("ask addresses of good customers");
    assert!(!told(&scene).contains("id < 5"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_example_names_what_the_asker_may_not_see() {
    let scene = Scene::new().await;
    let proxy = scene.proxy("scope = 'database'");
    let (mut ann, mut bob) = (login(&proxy, "ann", "ann"), login(&proxy, "bob", "bob"));
    for (question, sql) in [
        (
            "open things of everybody",
            "select open_column from half_open",
        ),
        (
            "shut things of everybody",
            "select closed_column from half_open",
        ),
        ("all things of everybody", "select * from half_open"),
        (
            "paid things of everybody",
            "select sum(amount) from salaries",
        ),
    ] {
        ann.rows(&format!("ask {question}"));
        ann.rows(&format!("ask correct: {sql}"));
    }
    ann.rows("ask new things of everybody");
    let prompt = told(&scene);
    for sql in [
        "open_column FROM",
        "closed_column FROM",
        "* FROM",
        "sum(amount)",
    ] {
        assert!(prompt.contains(sql), "{sql}: {prompt}");
    }
    bob.rows("ask new things of everybody");
    let prompt = told(&scene);
    assert!(
        prompt.contains("Query: SELECT open_column FROM"),
        "{prompt}"
    );
    for hidden in [
        "closed_column",
        "amount",
        "salaries",
        "* FROM",
        "shut things",
        "paid things",
    ] {
        assert!(!prompt.contains(hidden), "{hidden}: {prompt}");
    }
    // Nor is he answered with it.
    let (sqlstate, message) = refused(&mut bob, "ask paid things of everybody");
    assert_eq!(sqlstate, "NL004", "{message}");
    assert!(!message.contains("salaries"), "{message}");
}
