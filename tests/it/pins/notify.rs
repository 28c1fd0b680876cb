//! A listener has a connection of its own, and is told at once.

use std::time::{Duration, Instant};

use super::rendered;
use crate::support::frames::{Frame, bind, execute, parse, query, sync};
use crate::support::raw::{Login, Raw};
use crate::support::stage::{APP, Stage};

/// The longest payload that PostgreSQL takes.
const PAYLOAD_BYTES_MAX: usize = 7999;

fn pool_of(size: usize) -> Stage {
    Stage::new(&format!("[pool]\ndefault_pool_size = {size}\n"))
}

fn payload(frame: &Frame) -> String {
    assert_eq!(frame.tag, b'A', "{}", frame.render());
    let strings: Vec<_> = frame.body[4..].split(|byte| *byte == 0).collect();
    String::from_utf8(strings[1].to_vec()).unwrap()
}

#[test]
fn an_idle_listener_is_told_at_once() {
    let stage = pool_of(2);
    let (mut listener, mut sender) = (stage.client(), stage.client());
    listener.rows("listen a; listen \"B c\"");
    let longest = "x".repeat(PAYLOAD_BYTES_MAX);
    for (channel, text) in [("a", "one"), ("\"B c\"", ""), ("a", longest.as_str())] {
        sender.rows(&format!("notify {channel}, '{text}'"));
        assert_eq!(payload(&listener.read()), text);
    }
    sender.rows("select pg_notify('a', n::text) from generate_series(1, 100) n");
    for n in 1..=100 {
        assert_eq!(payload(&listener.read()), n.to_string());
    }
    assert_eq!(
        sender
            .error(&format!("notify a, '{longest}x'"))
            .field(b'C')
            .as_deref(),
        Some("22023")
    );
    listener.rows("select 1");
}

#[test]
fn what_is_told_is_told_as_by_postgresql() {
    let stage = pool_of(2);
    let script: [&[&str]; 12] = [
        &["notify a, 'nobody listens'"],
        &["listen a"],
        &["notify a, 'to myself'"],
        &["begin", "notify a, 'rolled back'", "rollback"],
        &[
            "begin",
            "notify a, 'twice'",
            "notify a, 'twice'",
            "notify a, 'once'",
            "commit",
        ],
        &["begin; select pg_notify('a', 'in one message'); commit; select 1"],
        &[
            "begin",
            "listen b",
            "notify b, 'listened to in the same transaction'",
            "commit",
        ],
        &[
            "begin",
            "savepoint s",
            "notify a, 'lost'",
            "rollback to s",
            "commit",
        ],
        &["unlisten a", "notify a, 'no more'", "notify b, 'still'"],
        &["listen a; unlisten *", "notify a, 'no more'"],
        &["select 1 / 0", "listen a", "notify a, 'behind an error'"],
        &["discard all", "notify a, 'behind a discard'"],
    ];
    let run = |mut client: Raw| {
        let mut seen = Vec::new();
        for sql in script.concat() {
            seen.push((sql, rendered(&client.query(sql))));
        }
        let batch = [
            parse("", "select pg_notify('a', 'batch')", &[]),
            bind("", "", &[]),
            execute("", 0),
            sync(),
        ];
        client.rows("listen a");
        seen.push(("a batch", rendered(&client.exchange(&batch))));
        seen.push(("behind it", rendered(&client.query("select 1"))));
        seen
    };
    let direct = run(stage.direct(&APP).expect("a login"));
    assert_eq!(run(stage.client()), direct);
}

#[test]
fn a_listener_in_a_transaction_is_told_behind_it() {
    let stage = pool_of(2);
    let mut sender = stage.client();
    let mut run = |mut listener: Raw| {
        listener.rows("listen a");
        listener.rows("begin");
        sender.rows("notify a, 'meanwhile'");
        let mut seen = vec![rendered(&listener.query("select 1"))];
        assert!(!listener.is_answered_within(Duration::from_millis(50)));
        listener.send(&query("commit"));
        // By its place behind the COMMIT, or behind its ReadyForQuery: PostgreSQL's timing decides.
        let mut told: Vec<Frame> = Vec::new();
        while told
            .iter()
            .filter(|frame| matches!(frame.tag, b'Z' | b'A'))
            .count()
            < 2
        {
            told.push(listener.read());
        }
        let mut told = rendered(&told);
        told.sort();
        seen.push(told);
        seen
    };
    let direct = run(stage.direct(&APP).expect("a login"));
    assert_eq!(run(stage.client()), direct);
}

#[test]
fn each_of_many_listeners_is_told_what_it_listens_to() {
    let stage = pool_of(17);
    let mut sender = stage.client();
    let mut listeners: Vec<Raw> = (0..16)
        .map(|n| {
            let mut listener = stage.client();
            listener.rows(&format!("listen all_of_them; listen only_{n}"));
            listener
        })
        .collect();
    sender.rows("notify all_of_them, 'all'");
    for n in 0..16 {
        sender.rows(&format!("notify only_{n}, 'only {n}'"));
    }
    for (n, listener) in listeners.iter_mut().enumerate() {
        assert_eq!(payload(&listener.read()), "all");
        assert_eq!(payload(&listener.read()), format!("only {n}"));
        assert_eq!(listener.query("select 1").len(), 4, "{n}");
    }
}

#[test]
fn a_listener_that_does_not_read_holds_up_nobody() {
    const COUNT: usize = 3000;
    let stage = pool_of(3);
    let (mut slow, mut quick, mut sender) = (stage.client(), stage.client(), stage.client());
    slow.rows("listen a");
    quick.rows("listen a");
    let peak_before = stage.proxy.rss_bytes_peak();
    let begun = Instant::now();
    for first in (0..COUNT).step_by(100) {
        sender.rows(&format!(
            "select pg_notify('a', lpad(n::text, 7999, '.')) from generate_series({first}, {}) n",
            first + 99
        ));
        for n in first..first + 100 {
            assert_eq!(
                payload(&quick.read()).trim_start_matches('.'),
                n.to_string()
            );
        }
    }
    let others = begun.elapsed();
    assert!(others < Duration::from_secs(25), "{others:?}");
    // 24 MB wait for the slow one, and not in the proxy.
    if let (Some(before), Some(after)) = (peak_before, stage.proxy.rss_bytes_peak()) {
        assert!(
            after < before + 8 * 1024 * 1024,
            "from {before} to {after} bytes"
        );
    }
    for n in 0..COUNT {
        assert_eq!(payload(&slow.read()).trim_start_matches('.'), n.to_string());
    }
    slow.rows("select 1");
}

#[test]
fn nobody_is_told_what_a_listener_before_it_listened_to() {
    let stage = pool_of(1);
    for ending in ["unlisten *", "discard all", ""] {
        let mut listener = stage.client();
        listener.rows("listen a");
        if ending.is_empty() {
            drop(listener);
        } else {
            listener.rows(ending);
        }
        let mut next = stage.client();
        next.rows("select 1");
        stage.admin().rows("notify a, 'too late'");
        let answer = next.query("select 1");
        assert!(
            answer.iter().all(|frame| frame.tag != b'A'),
            "{ending}: {answer:?}"
        );
    }
}

#[test]
fn a_listener_with_a_login_of_its_own_is_told_as_well() {
    let stage = pool_of(1);
    stage.admin().rows("create role other login password 'x'");
    let other = Login {
        user: "other",
        password: "x",
        ..APP
    };
    let mut listener = stage.login(&other).expect("a login");
    listener.rows("listen a");
    stage.client().rows("notify a, 'across roles'");
    assert_eq!(payload(&listener.read()), "across roles");
}

#[test]
fn nothing_is_missed_while_settings_are_set_again() {
    const TOLD: usize = 300;
    let stage = pool_of(2);
    let named = Login {
        parameters: &[("application_name", "listener")],
        ..APP
    };
    let mut listener = stage.login(&named).unwrap();
    listener.rows("listen a");
    let mut sender = stage.client();
    let sending = std::thread::spawn(move || {
        for n in 0..TOLD {
            sender.rows(&format!("notify a, '{n}'"));
        }
    });
    let mut told = Vec::new();
    while !sending.is_finished() {
        // It goes back to what the client called itself, which the server does not know.
        let frames = listener.query("reset application_name");
        told.extend(frames.iter().filter(|f| f.tag == b'A').map(payload));
    }
    sending.join().unwrap();
    while told.len() < TOLD {
        told.push(payload(&listener.read()));
    }
    let expected: Vec<_> = (0..TOLD).map(|n| n.to_string()).collect();
    assert_eq!(told, expected);
}
