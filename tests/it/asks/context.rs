//! `ask.context`: a connection as a conversation, seen by a scripted model, which is told what the question may refer
//! to. What the built-in engine makes of follow-ups is in `talk`.

use super::{QUESTION, Scene, check_usable};
use crate::support::frames::{bind, execute, parse, sync};
use crate::support::model::Mode;
use crate::support::raw::{Raw, sqlstate};

/// What the model was told in its last request, from the conversation on; nothing when there was none.
fn conversation(scene: &Scene) -> String {
    let received = scene.model.take_received();
    let told = received.last().expect("a request").told();
    match told.find("Conversation so far") {
        Some(start) => told[start..].to_owned(),
        None => String::new(),
    }
}

/// Asks, and shows what the model was told of the conversation.
fn told(scene: &Scene, client: &mut Raw, question: &str) -> String {
    client.rows(&format!("ask {question}"));
    conversation(scene)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_stands_by_itself_unless_the_session_says_otherwise() {
    let scene = Scene::new("").await;
    let mut client = scene.client();
    assert_eq!(told(&scene, &mut client, QUESTION), "");
    assert_eq!(told(&scene, &mut client, "only Austria"), "");
    client.rows("set ask.context = on");
    // What was asked before is no part of it.
    assert_eq!(told(&scene, &mut client, "the same by country"), "");
    let so_far = told(&scene, &mut client, "and in Chile");
    assert!(so_far.contains("Question: the same by country"), "{so_far}");
    assert!(!so_far.contains(QUESTION), "{so_far}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_is_told_of_every_turn_in_order_and_of_nobody_elses() {
    let scene = Scene::new("[ask]\ncontext = true\n").await;
    let mut client = scene.client();
    assert_eq!(client.value("show ask.context"), "on");
    scene.answers("SELECT count(*) FROM customers");
    assert_eq!(told(&scene, &mut client, QUESTION), "");
    scene.answers("SELECT count(*) FROM customers WHERE country = 'Chile'");
    let so_far = told(&scene, &mut client, "only Chile");
    assert!(so_far.contains(QUESTION), "{so_far}");
    assert!(
        so_far.contains("SELECT count(*) FROM customers\n"),
        "{so_far}"
    );
    let so_far = told(&scene, &mut client, "as a list");
    let (first, second) = (so_far.find(QUESTION), so_far.find("Question: only Chile"));
    assert!(first.is_some() && first < second, "{so_far}");
    assert!(so_far.contains("WHERE country = 'Chile'"), "{so_far}");
    assert!(so_far.ends_with("Question: as a list"), "{so_far}");
    let mut other = scene.client();
    assert_eq!(told(&scene, &mut other, "only Austria"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_newest_turns_are_told() {
    let scene = Scene::new("[ask]\ncontext = true\n").await;
    let mut client = scene.client();
    for number in 0..20 {
        client.rows(&format!("ask question number {number} of many"));
    }
    let so_far = told(&scene, &mut client, "and now");
    assert!(!so_far.contains("number 13 of"), "{so_far}");
    for number in 14..20 {
        assert!(so_far.contains(&format!("number {number} of")), "{so_far}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_is_no_part_of_the_conversation() {
    let scene = Scene::new("[ask]\ncontext = true\n").await;
    let mut client = scene.client();
    client.rows(&format!("ask {QUESTION}"));
    scene.model.set(Mode::Harmful);
    let refused = client.query("ask to drop everything");
    assert_eq!(sqlstate(&refused), "NL004", "{refused:?}");
    scene.model.set(Mode::Prose);
    let refused = client.query("ask for a poem");
    assert_eq!(sqlstate(&refused), "NL003", "{refused:?}");
    scene.answers("SELECT 1");
    let so_far = told(&scene, &mut client, "and in Chile");
    assert!(so_far.contains(QUESTION), "{so_far}");
    assert!(
        !so_far.contains("drop") && !so_far.contains("poem"),
        "{so_far}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_with_the_setting_and_begins_anew() {
    let scene = Scene::new("").await;
    let mut client = scene.client();
    for end in [
        "set ask.context = off",
        "reset ask.context",
        "reset ask.all",
        "reset all",
        "discard all",
    ] {
        client.rows("set ask.context = on");
        assert_eq!(told(&scene, &mut client, &format!("this before {end}")), "");
        client.rows(end);
        assert_eq!(client.value("show ask.context"), "off", "{end}");
        client.rows("set ask.context = on");
        let so_far = told(&scene, &mut client, &format!("that after {end}"));
        assert_eq!(so_far, "", "{end}");
        client.rows("set ask.context = off");
    }
    // For a transaction only.
    client.rows("begin");
    client.rows("set local ask.context = on");
    client.rows("ask something here");
    assert!(told(&scene, &mut client, "and there").contains("something here"));
    client.rows("commit");
    client.rows("set ask.context = on");
    assert_eq!(told(&scene, &mut client, "and everywhere"), "");
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn reset_all_and_discard_all_begin_anew_where_it_is_on_for_everybody() {
    let scene = Scene::new("[ask]\ncontext = true\n").await;
    let mut client = scene.client();
    for end in ["reset all", "discard all"] {
        client.rows(&format!("ask this before {end}"));
        client.rows(end);
        let so_far = told(&scene, &mut client, &format!("that after {end}"));
        assert_eq!(so_far, "", "{end}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_last_is_nobodys_after_discard_all_or_another_role() {
    let scene = Scene::with_tables("", "create role other; grant other to app").await;
    scene.answers("SELECT count(*) FROM customers");
    let mut client = scene.client();
    for (forgets, again) in [
        ("discard all", "select 1"),
        ("set role other", "reset role"),
        ("reset all", "select 1"),
    ] {
        client.rows(&format!("ask {QUESTION}"));
        client.rows("ask alternatives");
        client.rows(forgets);
        assert_eq!(
            sqlstate(&client.query("ask alternatives")),
            "42704",
            "{forgets}"
        );
        client.rows(again);
    }
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ask_inside_other_sql_stands_by_itself() {
    let scene = Scene::new("[ask]\ncontext = true\n").await;
    let mut client = scene.client();
    client.rows(&format!("ask {QUESTION}"));
    for sql in [
        "select * from (/* ask: and in Chile */) t",
        "explain /* ask: and in Belgium */",
        "create view kept as /* ask: and in Austria */",
    ] {
        client.rows(sql);
        assert_eq!(conversation(&scene), "", "{sql}");
    }
    let so_far = told(&scene, &mut client, "by country");
    assert!(so_far.contains(QUESTION), "{so_far}");
    assert!(!so_far.contains("and in"), "{so_far}");
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_at_an_answer_does_not_move_the_conversation_on() {
    let scene = Scene::new("[ask]\ncontext = true\n").await;
    let mut client = scene.client();
    client.rows(&format!("ask {QUESTION}"));
    scene.model.take_received();
    for ask in [
        "ask sql: and in Chile",
        "ask explain: and in Belgium",
        "ask alternatives: and in Austria",
    ] {
        client.rows(ask);
        let so_far = conversation(&scene);
        assert!(so_far.contains(QUESTION), "{ask}: {so_far}");
        assert_eq!(so_far.matches("Query: ").count(), 1, "{ask}: {so_far}");
    }
    client.rows("ask help");
    client.rows("ask alternatives");
    let so_far = told(&scene, &mut client, "by country");
    assert_eq!(so_far.matches("Query: ").count(), 1, "{so_far}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_with_parameters_ends_the_conversation() {
    let scene = Scene::new("[ask]\ncontext = true\n").await;
    let mut client = scene.client();
    client.rows(&format!("ask {QUESTION}"));
    scene.answers("SELECT name FROM customers WHERE id = $1");
    let frames = client.exchange(&[
        parse("", "ask customer $1", &[]),
        bind("", "", &[Some("7")]),
        execute("", 0),
        sync(),
    ]);
    assert!(frames.iter().any(|frame| frame.tag == b'D'), "{frames:?}");
    scene.model.take_received();
    scene.answers("SELECT 1");
    assert_eq!(told(&scene, &mut client, "and the next one"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_in_both_protocols_and_behind_a_rollback() {
    let scene = Scene::new("[ask]\ncontext = true\n").await;
    let mut client = scene.client();
    client.rows("begin");
    client.rows(&format!("ask {QUESTION}"));
    client.rows("rollback");
    let frames = client.exchange(&[
        parse("", "ask and in Chile", &[]),
        bind("", "", &[]),
        execute("", 0),
        sync(),
    ]);
    assert!(frames.iter().any(|frame| frame.tag == b'D'), "{frames:?}");
    assert!(conversation(&scene).contains(QUESTION));
    let so_far = told(&scene, &mut client, "by country");
    assert_eq!(so_far.matches("Query: ").count(), 2, "{so_far}");
    check_usable(&mut client);
}

/// A role that `app` may take, and that reads one table of its own.
const CLERK: &str = "create role clerk; grant clerk to app;
    create table hidden (secret_column int); insert into hidden values (1); grant select on hidden to app";

#[tokio::test(flavor = "multi_thread")]
async fn another_role_begins_another_conversation() {
    let scene = Scene::with_tables("[ask]\ncontext = true\n", CLERK).await;
    scene.answers("SELECT 1");
    let mut client = scene.client();
    client.rows(&format!("ask {QUESTION}"));
    scene.model.take_received();
    for (number, (change, back)) in [
        ("set role clerk", "reset role"),
        (
            "set session authorization app",
            "reset session authorization",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        client.rows(&format!("ask this before change {number}"));
        client.rows(change);
        let so_far = told(&scene, &mut client, &format!("that after change {number}"));
        assert_eq!(so_far, "", "{change}");
        client.rows(back);
        let so_far = told(&scene, &mut client, &format!("that after return {number}"));
        assert_eq!(so_far, "", "{back}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_over_what_may_not_be_seen_any_more_is_not_told() {
    let scene = Scene::with_tables("[ask]\ncontext = true\n", CLERK).await;
    scene.answers("SELECT secret_column FROM hidden");
    let mut client = scene.client();
    client.rows("ask the numbers there");
    scene.answers("SELECT 1");
    let so_far = told(&scene, &mut client, "and more");
    assert!(so_far.contains("secret_column"), "{so_far}");
    scene.stage.admin().rows("revoke select on hidden from app");
    scene.stage.wait_for(
        "select has_table_privilege('app', 'hidden', 'select')::text",
        "false",
    );
    // A table made through the proxy has the schema read anew.
    client.rows("create table another (i int)");
    client.rows("ask and even more");
    let received = scene.model.take_received();
    let told = received.last().expect("a request").told();
    assert!(!told.contains("secret_column"), "{told}");
    assert!(told.contains("Question: and more"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_remembered_for_its_own_conversation_only() {
    let scene = Scene::new("[ask]\ncontext = true\n").await;
    let ask_twice = |number: u8| {
        let mut client = scene.client();
        scene.answers(&format!("SELECT {number}"));
        client.rows(&format!("ask about number {number}"));
        scene.request_count();
        client.value("ask and what of it")
    };
    assert_eq!(ask_twice(1), "1");
    assert_eq!(ask_twice(2), "2");
    // The same conversation once more, and a model that would say something else.
    let mut client = scene.client();
    client.rows("ask about number 1");
    scene.answers("SELECT 3");
    assert_eq!(client.value("ask and what of it"), "1");
}
