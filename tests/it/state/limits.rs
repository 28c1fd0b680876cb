//! Names, questions and numbers that are out of bounds, and what is wrong in other ways.

use super::{QUESTION, Scene, client, login, pairs, pins, refused};
use crate::support::postgres::SUPERUSER_PASSWORD;

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_pinned_is_refused_by_name() {
    let scene = Scene::new().await;
    let proxy = scene.proxy("");
    let mut client = client(&proxy);
    client.rows(&format!("ask pin people: {QUESTION}"));
    let long_name = "x".repeat(64);
    let long_question = "very ".repeat(4000);
    for (sql, sqlstate, says) in [
        (
            "ask pin people: something else",
            "42710",
            "pin \"people\" already exists",
        ),
        (
            "ask pin PEOPLE: something else",
            "42710",
            "pin \"people\" already exists",
        ),
        (
            &format!("ask pin crowd: {QUESTION} ?"),
            "42710",
            "this question is pinned already, as \"people\"",
        ),
        ("ask unpin nobody", "42704", "pin \"nobody\" does not exist"),
        (
            "ask unpin \"People\"",
            "42704",
            "pin \"People\" does not exist",
        ),
        (
            "ask unpin app.nobody",
            "42704",
            "pin \"nobody\" does not exist",
        ),
        ("ask unpin", "42601", "ask unpin needs the name of a pin"),
        (
            "ask unpin: two words",
            "42602",
            "\"two words\" is not a name for a pin",
        ),
        (
            "ask pin: no name",
            "42601",
            "ask pin needs a name and a question",
        ),
        (
            "ask pin people:",
            "42601",
            "ask pin needs a name and a question",
        ),
        (
            "ask pin top-5: rooms",
            "42602",
            "\"top-5\" is not a name for a pin",
        ),
        ("ask pin 5: rooms", "42602", "\"5\" is not a name for a pin"),
        ("ask pin \"\": rooms", "42602", "is not a name for a pin"),
        (
            "ask pin \"a\nb\": rooms",
            "42602",
            "is not a name for a pin",
        ),
        (
            &format!("ask pin {long_name}: rooms"),
            "42622",
            "name of a pin is longer than 63 bytes",
        ),
        (
            &format!("ask pin long: {long_question}"),
            "54000",
            "question is longer than 16384 bytes",
        ),
        ("ask pins: of mine", "42601", "ask pins takes no question"),
    ] {
        let (found, message) = refused(&mut client, sql);
        assert_eq!(found, sqlstate, "{sql}: {message}");
        assert!(message.contains(says), "{sql}: {message}");
    }
    assert_eq!(
        pins(&mut client, "question"),
        pairs(&[("people", QUESTION)])
    );
    assert_eq!(client.value("select 1"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_of_a_megabyte_is_the_servers_business() {
    let scene = Scene::new().await;
    let proxy = scene.proxy("");
    let mut client = client(&proxy);
    let question = "very ".repeat(300_000);
    assert_eq!(
        refused(&mut client, &format!("ask pin x: {question}")).0,
        "42601"
    );
    assert_eq!(pins(&mut client, "status"), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_and_questions_are_kept_as_they_are() {
    let scene = Scene::new().await;
    let proxy = scene.proxy("");
    let mut client = client(&proxy);
    let names = [
        "it's",
        "say \"hi\"",
        "'); DROP TABLE pin; --",
        "back\\slash",
        "gr\u{f6}\u{df}e \u{1f40e}",
        "$$",
        "%s %n",
    ];
    for name in names {
        let quoted = name.replace('"', "\"\"");
        let question = format!("rows where name is '{name}' or \\'; select 1 --");
        let row = client.rows(&format!("/* ask: pin \"{quoted}\": {question} */"));
        assert_eq!(row[0][0].as_deref(), Some(name));
        assert_eq!(row[0][1].as_deref(), Some(question.as_str()));
    }
    drop(client);
    drop(proxy);
    let proxy = scene.proxy("");
    let mut client = super::client(&proxy);
    assert_eq!(pins(&mut client, "status").len(), names.len());
    scene.answers("SELECT 0");
    for name in names {
        let quoted = name.replace('"', "\"\"");
        let question = format!("rows where name is '{name}' or \\'; select 1 --");
        assert_eq!(
            client.value(&format!("/* ask: {question} */")),
            "30",
            "{name}"
        );
        let row = client.rows(&format!("/* ask: unpin \"{quoted}\" */"));
        assert_eq!(row[0][0].as_deref(), Some(name));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_has_so_many_pins_and_no_more() {
    let scene = Scene::new().await;
    let proxy = scene.proxy("pins_max = 2\nfeedback_max = 1");
    let mut client = client(&proxy);
    client.rows("ask pin a: question a");
    client.rows("ask pin b: question b");
    let (sqlstate, message) = refused(&mut client, "ask pin c: question c");
    assert_eq!(
        (sqlstate.as_str(), message.as_str()),
        ("54000", "no more pins can be kept for this database")
    );
    client.rows("ask unpin a");
    client.rows("ask pin c: question c");
    client.rows("ask question d");
    client.rows("ask good");
    client.rows("ask bad");
    client.rows("ask question e");
    assert_eq!(refused(&mut client, "ask good").0, "54000");
    // Each role has so many of its own.
    let mut dba = login(&proxy, "postgres", SUPERUSER_PASSWORD);
    dba.rows("ask question e");
    dba.rows("ask good");
    client.rows("ask bad: question d");
    client.rows("ask good");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_asking_is_off_nothing_is_pinned_and_where_nothing_is_kept_neither() {
    let scene = Scene::new().await;
    let off = scene.proxy("[ask]\nenabled = false");
    let mut asker = client(&off);
    for verb in ["ask pins", "ask pin a: question", "ask unpin a", "ask good"] {
        assert_eq!(refused(&mut asker, verb).0, "NL006", "{verb}");
    }
    let none = scene.proxy_with("store = 'none'");
    let mut asker = client(&none);
    assert_eq!(asker.value(&format!("ask {QUESTION}")), "30");
    for verb in ["ask pins", "ask pin a: question", "ask unpin a", "ask good"] {
        let error = asker.error(verb);
        assert_eq!(error.field(b'C').as_deref(), Some("55000"), "{verb}");
        assert!(
            error
                .field(b'H')
                .is_some_and(|hint| hint.contains("[state]"))
        );
    }
    assert!(!scene.file().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pinned_is_in_no_log() {
    let scene = Scene::new().await;
    let proxy = scene.proxy("[log]\nlevel = 'trace'");
    let mut client = client(&proxy);
    client.rows("ask pin secretname: zanzibar question");
    client.rows("ask zanzibar question");
    scene.answers("SELECT 'pemba' AS x");
    client.rows("ask zanzibar other");
    client.rows("ask correct: select 'mafia' as y");
    drop(client);
    let logs = proxy.logs();
    let ours: Vec<&str> = logs
        .lines()
        .filter(|line| line.contains("pgask::"))
        .collect();
    for word in ["secretname", "zanzibar", "pemba", "mafia"] {
        assert!(
            !ours.iter().any(|line| line.contains(word)),
            "{word} is logged"
        );
    }
}
