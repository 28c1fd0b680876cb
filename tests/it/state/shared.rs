//! A PostgreSQL store that two proxies share.

use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use super::{QUESTION, Scene, client, eventually, pairs, pins, refused};
use crate::support::link::Link;
use crate::support::postgres::{Postgres, SUPERUSER_PASSWORD};
use crate::support::raw::{rows, superuser};

/// How soon a proxy knows of another's change, with room for a slow machine.
const KNOWN_WITHIN: Duration = Duration::from_secs(10);

fn settings(store: &Postgres) -> String {
    settings_at(store.port())
}

fn settings_at(port: u16) -> String {
    let password = SUPERUSER_PASSWORD.replace(' ', "%20");
    format!("store = 'postgres'\nurl = 'postgres://postgres:{password}@127.0.0.1:{port}/postgres'")
}

#[tokio::test(flavor = "multi_thread")]
async fn two_proxies_agree() {
    let scene = Scene::new().await;
    let store = Postgres::start();
    let (one, two) = (
        scene.proxy_with(&settings(&store)),
        scene.proxy_with(&settings(&store)),
    );
    let (mut first, mut second) = (client(&one), client(&two));
    assert_eq!(second.value(&format!("ask {QUESTION}")), "30");
    assert_eq!(pins(&mut second, "status"), []);
    first.rows(&format!("ask pin people: {QUESTION}"));
    let start = Instant::now();
    scene.answers("SELECT 0");
    eventually(|| (pins(&mut second, "status") == pairs(&[("people", "valid")])).then_some(()));
    assert!(start.elapsed() < KNOWN_WITHIN);
    assert_eq!(second.value(&format!("ask {QUESTION}")), "30");
    assert_eq!(
        refused(&mut second, "ask pin people: something else").0,
        "42710"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_goes_to_one_of_two_who_want_it_at_once() {
    let scene = Scene::new().await;
    let store = Postgres::start();
    let (one, two) = (
        scene.proxy_with(&settings(&store)),
        scene.proxy_with(&settings(&store)),
    );
    for round in 0..5 {
        let pin = |mut client: crate::support::raw::Raw, question: String| {
            std::thread::spawn(move || {
                let answer = client.query(&format!("ask pin wanted{round}: {question}"));
                rows(&answer).len()
            })
        };
        let attempts = [
            pin(client(&one), format!("question one {round}")),
            pin(client(&two), format!("question two {round}")),
        ];
        let made: usize = attempts.into_iter().map(|a| a.join().unwrap()).sum();
        assert_eq!(made, 1, "round {round}");
    }
    let mut admin = superuser(&store, "postgres");
    assert_eq!(admin.value("select count(*) from pgask.pin"), "5");
    assert_eq!(admin.value("select count(*) from pgask.meta"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_changes_no_answer_and_comes_back() {
    let scene = Scene::new().await;
    let store = Postgres::start();
    let mut link = Link::new(store.port());
    link.plug_in();
    let proxy = scene.proxy_with(&settings_at(link.port()));
    let mut known = client(&proxy);
    known.rows(&format!("ask pin people: {QUESTION}"));
    scene.answers("SELECT 0");
    assert_eq!(known.value(&format!("ask {QUESTION}")), "30");
    link.pull_out();
    assert_eq!(known.value("select 1"), "1");
    assert_eq!(
        refused(&mut known, "ask pin other: another question").0,
        "58030"
    );
    assert_eq!(known.value(&format!("ask {QUESTION}")), "30");
    assert_eq!(known.value("select 1"), "1");
    let late = scene.proxy_with(&settings_at(link.port()));
    let mut unknowing = client(&late);
    assert_eq!(
        refused(&mut unknowing, &format!("ask {QUESTION}")).0,
        "NL003"
    );
    assert_eq!(unknowing.value("select 1"), "1");
    link.plug_in();
    eventually(|| {
        let answer = unknowing.query(&format!("ask {QUESTION}"));
        (rows(&answer).first()?.first()?.as_deref() == Some("30")).then_some(())
    });
    known.rows("ask pin other: another question");
    assert_eq!(pins(&mut known, "status").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_without_rights_in_the_store_is_told_so() {
    let scene = Scene::new().await;
    let store = Postgres::start();
    superuser(&store, "postgres").rows("create role keeper login password 'keeper'");
    let port = store.port();
    let url = format!("postgres://keeper@127.0.0.1:{port}/postgres");
    let proxy = scene.proxy_with(&format!(
        "store = 'postgres'\nurl = '{url}'\npassword = 'keeper'"
    ));
    let mut client = client(&proxy);
    // Nothing was ever pinned there.
    assert_eq!(client.value(&format!("ask {QUESTION}")), "30");
    let (sqlstate, message) = refused(&mut client, "ask pin a: question");
    assert_eq!(sqlstate, "58030", "{message}");
    assert!(message.contains("permission denied"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_stays_silent_holds_nobody_up_for_long() {
    let scene = Scene::new().await;
    // It accepts, in the kernel's queue, and never says a word.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let proxy = scene.proxy_with(&settings_at(silent.local_addr().unwrap().port()));
    let mut waiting = client(&proxy);
    let asked = std::thread::spawn(move || {
        let start = Instant::now();
        let refusal = refused(&mut waiting, &format!("ask {QUESTION}"));
        (refusal.0, start.elapsed())
    });
    let mut plain = client(&proxy);
    for _ in 0..20 {
        assert_eq!(plain.value("select 1"), "1");
    }
    let (sqlstate, took) = asked.join().unwrap();
    assert_eq!(sqlstate, "NL003");
    assert!(took < KNOWN_WITHIN, "{took:?}");
}
