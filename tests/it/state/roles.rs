//! For whom a pin holds, who may remove it, and what of it is shown to whom.

use super::{QUESTION, Scene, all_of, client, login, pairs, pins, refused};
use crate::support::postgres::SUPERUSER_PASSWORD;

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_holds_for_the_role_that_made_it() {
    let scene = Scene::new().await;
    let proxy = scene.proxy("");
    let (mut ann, mut bob) = (login(&proxy, "ann", "ann"), login(&proxy, "bob", "bob"));
    ann.rows(&format!("ask pin people: {QUESTION}"));
    scene.answers("SELECT 0");
    assert_eq!(ann.value(&format!("ask {QUESTION}")), "30");
    assert_eq!(bob.value(&format!("ask {QUESTION}")), "0");
    assert_eq!(pins(&mut bob, "status"), []);
    assert_eq!(refused(&mut bob, "ask unpin people").0, "42704");
    bob.rows(&format!("ask pin people: {QUESTION}"));
    scene.answers("SELECT 1");
    assert_eq!(bob.value(&format!("ask {QUESTION}")), "0");
    bob.rows("ask unpin people");
    assert_eq!(ann.value(&format!("ask {QUESTION}")), "30");

    // With another scope later, what was pinned holds as it did.
    drop((ann, bob, proxy));
    let proxy = scene.proxy("scope = 'database'");
    let (mut ann, mut bob) = (login(&proxy, "ann", "ann"), login(&proxy, "bob", "bob"));
    assert_eq!(ann.value(&format!("ask {QUESTION}")), "30");
    assert_eq!(bob.value(&format!("ask {QUESTION}")), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_of_the_database_holds_for_all_and_goes_with_its_maker_or_a_superuser() {
    let scene = Scene::new().await;
    let proxy = scene.proxy("scope = 'database'");
    let (mut ann, mut bob) = (login(&proxy, "ann", "ann"), login(&proxy, "bob", "bob"));
    ann.rows(&format!("ask pin people: {QUESTION}"));
    scene.answers("SELECT 0");
    assert_eq!(bob.value(&format!("ask {QUESTION}")), "30");
    assert_eq!(pins(&mut bob, "status"), pairs(&[("people", "valid")]));
    assert_eq!(pins(&mut bob, "pinned_by"), pairs(&[("people", "ann")]));
    assert_eq!(pins(&mut bob, "role"), pairs(&[("people", "NULL")]));
    assert_eq!(
        refused(&mut bob, "ask pin people: something else").0,
        "42710"
    );
    assert_eq!(
        refused(&mut bob, &format!("ask pin crowd: {QUESTION}")).0,
        "42710"
    );
    let (sqlstate, message) = refused(&mut bob, "ask unpin people");
    assert_eq!(sqlstate, "42501", "{message}");
    let mut dba = login(&proxy, "postgres", SUPERUSER_PASSWORD);
    dba.rows("ask unpin people");
    assert_eq!(bob.value(&format!("ask {QUESTION}")), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_superuser_sees_all_pins_and_may_remove_them() {
    let scene = Scene::new().await;
    let proxy = scene.proxy("");
    let (mut ann, mut bob) = (login(&proxy, "ann", "ann"), login(&proxy, "bob", "bob"));
    for client in [&mut ann, &mut bob] {
        client.rows(&format!("ask pin people: {QUESTION}"));
    }
    ann.rows("ask pin own: another question");
    let mut dba = login(&proxy, "postgres", SUPERUSER_PASSWORD);
    let seen = dba.rows("select role, name from (/* ask: pins */) p order by 1, 2");
    let seen: Vec<_> = seen
        .iter()
        .map(|row| (row[0].as_deref(), row[1].as_deref()))
        .collect();
    assert_eq!(
        seen,
        [
            (Some("ann"), Some("own")),
            (Some("ann"), Some("people")),
            (Some("bob"), Some("people"))
        ]
    );
    let (sqlstate, message) = refused(&mut dba, "ask unpin people");
    assert_eq!(sqlstate, "42P09", "{message}");
    dba.rows("ask unpin bob.people");
    dba.rows("ask unpin own");
    assert_eq!(pins(&mut ann, "status"), pairs(&[("people", "valid")]));
    assert_eq!(pins(&mut bob, "status"), []);
    assert_eq!(refused(&mut bob, "ask unpin ann.people").0, "42704");
    assert_eq!(pins(&mut ann, "status"), pairs(&[("people", "valid")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_shows_nobody_what_he_may_not_see() {
    let scene = Scene::new().await;
    let proxy = scene.proxy("scope = 'database'");
    let (mut ann, mut bob) = (login(&proxy, "ann", "ann"), login(&proxy, "bob", "bob"));
    for (name, question, sql) in [
        (
            "pay",
            "what is earned",
            "SELECT sum(amount) AS s FROM salaries",
        ),
        (
            "shut",
            "what is shut",
            "SELECT closed_column FROM half_open",
        ),
        ("ajar", "what is open", "SELECT open_column FROM half_open"),
    ] {
        scene.answers(sql);
        ann.rows(&format!("ask pin {name}: {question}"));
    }
    scene.answers("SELECT 0");
    assert_eq!(ann.value("ask what is earned"), "3");
    assert_eq!(ann.value("ask what is shut"), "c");
    assert_eq!(bob.value("ask what is open"), "o");
    for (question, sqlstate) in [("what is earned", "NL004"), ("what is shut", "42501")] {
        for spelled in [format!("ask {question}"), format!("ask sql {question}")] {
            let error = bob.error(&spelled);
            assert_eq!(error.field(b'C').as_deref(), Some(sqlstate), "{error:?}");
            let told = all_of(&error);
            assert!(told.contains("is broken"), "{told}");
            for hidden in ["salaries", "amount", "closed_column", "SELECT"] {
                assert!(!told.contains(hidden), "{hidden} is told: {told}");
            }
        }
    }
    let statuses = pairs(&[("ajar", "valid"), ("pay", "broken"), ("shut", "broken")]);
    assert_eq!(pins(&mut bob, "status"), statuses);
    for column in ["sql", "question", "reading"] {
        let shown = pins(&mut bob, column);
        assert_ne!(shown[0].1, "NULL", "{column}");
        assert_eq!((&*shown[1].1, &*shown[2].1), ("NULL", "NULL"), "{column}");
    }
    // Rights that go are gone for pins as well, also for their maker.
    scene.admin().rows("revoke select on salaries from ann");
    let mut other = client(&proxy);
    other.rows("grant select on customers to ann");
    let error = ann.error("ask what is earned");
    assert_eq!(error.field(b'C').as_deref(), Some("NL004"), "{error:?}");
    assert_eq!(
        pins(&mut ann, "sql")[1],
        ("pay".to_owned(), "NULL".to_owned())
    );
    assert_eq!(scene.request_count(), 3, "nothing was synthesized instead");
}
