//! The schema changes under a pin: it is proved again or said to be broken, and never answered in another way.

use super::{COUNT, QUESTION, Scene, all_of, client, notice_hint, pairs, pins};
use crate::support::raw::Raw;

const LISTED: &str = "SELECT name, country FROM customers WHERE id = 3";

/// A scene with a pin of [`LISTED`], after which the model would answer otherwise.
async fn pinned() -> (Scene, crate::support::proxy::Proxy, Raw) {
    let scene = Scene::new().await;
    let proxy = scene.proxy("");
    let mut client = client(&proxy);
    scene.answers(LISTED);
    client.rows(&format!("ask pin third: {QUESTION}"));
    scene.answers(COUNT);
    scene.request_count();
    (scene, proxy, client)
}

fn third(client: &mut Raw) -> Vec<Vec<Option<String>>> {
    client.rows(&format!("ask {QUESTION}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_sql_does_not_mention_may_change() {
    let (scene, _proxy, mut client) = pinned().await;
    let before = third(&mut client);
    for change in [
        "alter table customers add column colour text",
        "create table other (id int)",
        "alter table salaries rename column person to who",
        "comment on table customers is 'x'",
    ] {
        client.rows(change);
        assert_eq!(third(&mut client), before, "{change}");
        assert_eq!(
            pins(&mut client, "status"),
            pairs(&[("third", "valid")]),
            "{change}"
        );
    }
    assert_eq!(scene.request_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_mentions_is_proved_again() {
    let (scene, _proxy, mut client) = pinned().await;
    client.rows("alter table customers alter column country type varchar(50)");
    let answer = client.query(&format!("ask {QUESTION}"));
    let hint = notice_hint(&answer);
    assert!(hint.contains("has changed since"), "{hint}");
    assert_eq!(pins(&mut client, "status"), pairs(&[("third", "drifted")]));
    client.rows("alter table customers alter column country type text");
    assert_eq!(pins(&mut client, "status"), pairs(&[("third", "valid")]));
    assert_eq!(scene.request_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_column_breaks_the_pin_until_it_is_back() {
    let (scene, _proxy, mut client) = pinned().await;
    let before = third(&mut client);
    client.rows("alter table customers rename column country to land");
    let error = client.error(&format!("ask {QUESTION}"));
    assert_eq!(error.field(b'C').as_deref(), Some("42703"), "{error:?}");
    let message = error.field(b'M').unwrap();
    assert!(
        message.starts_with("pin \"third\" is broken: column "),
        "{message}"
    );
    let hint = error.field(b'H').unwrap();
    assert!(hint.contains("`ask unpin third;`"), "{hint}");
    assert_eq!(pins(&mut client, "status"), pairs(&[("third", "broken")]));
    assert_eq!(pins(&mut client, "question"), pairs(&[("third", QUESTION)]));
    assert_eq!(client.value("select 1"), "1");
    client.rows("alter table customers rename column land to country");
    assert_eq!(third(&mut client), before);
    assert_eq!(
        scene.request_count(),
        0,
        "nothing was synthesized meanwhile"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_table_breaks_the_pin_and_unpinning_helps() {
    let (scene, _proxy, mut client) = pinned().await;
    client.rows("alter table customers rename to clients");
    let error = client.error(&format!("ask {QUESTION}"));
    assert_eq!(error.field(b'C').as_deref(), Some("NL004"), "{error:?}");
    assert!(
        all_of(&error).contains("pin \"third\" is broken: "),
        "{error:?}"
    );
    assert_eq!(pins(&mut client, "status"), pairs(&[("third", "broken")]));
    assert_eq!(scene.request_count(), 0);
    client.rows("ask unpin third");
    scene.answers("SELECT count(*) FROM clients");
    assert_eq!(client.value(&format!("ask {QUESTION}")), "30");
    // Pinned anew, it rests on the schema as it is now.
    client.rows(&format!("ask pin third: {QUESTION}"));
    assert_eq!(pins(&mut client, "status"), pairs(&[("third", "valid")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_costs_no_more_than_any_ask_may() {
    let scene = Scene::new().await;
    let proxy = scene.proxy("");
    let mut first = client(&proxy);
    first.rows(&format!("ask pin people: {QUESTION}"));
    drop((first, proxy));
    let proxy = scene.proxy("[ask]\ncost_max = 0.001");
    let mut second = client(&proxy);
    let error = second.error(&format!("ask {QUESTION}"));
    assert_eq!(error.field(b'C').as_deref(), Some("NL005"), "{error:?}");
}
