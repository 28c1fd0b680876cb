//! Thousands of cancels against a pool of two: whoever did not ask for one is never cancelled.
//!
//! Every client knows whether a cancel of its own may be under way. One that has none under way and sees 57014 was hit
//! by a stranger's, and the test fails. Their application names and prepared statements differ, so that the proxy has
//! messages of its own on the way between two clients' queries, and cancels hit those too.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::support::frames::{self, Frame, bind, execute, parse, query, sync};
use crate::support::raw::{Endpoint, Login, Raw, error, rows};
use crate::support::stage::{APP, Stage};

/// The seed of the first client; each one's is printed where it fails.
const SEED: u64 = 0x5eed_0003;

const CLIENTS: usize = 12;

/// Rounds of each client.
const ROUNDS: usize = 60;

/// Threads that send cancels with keys of nobody, and of clients that are idle.
const NUISANCES: usize = 4;

/// A small generator: the same numbers for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// What happened, summed over all clients.
#[derive(Default)]
struct Tally {
    cancels: AtomicUsize,
    hits: AtomicUsize,
    answers: AtomicUsize,
}

/// Sends a CancelRequest; it is taken, or of no use, when the connection is closed.
fn request(endpoint: &Endpoint, key: &[u8]) -> Raw {
    let mut canceller = Raw::open(endpoint).unwrap();
    canceller.send(&frames::cancel_request(key));
    canceller
}

fn is_cancelled(answer: &[Frame]) -> bool {
    let failed = answer.iter().any(|frame| frame.tag == b'E');
    if failed {
        let error = error(answer);
        assert_eq!(error.field(b'C').as_deref(), Some("57014"), "{error:?}");
    }
    failed
}

/// One client: queries of a millisecond or two, of which it cancels some, at a moment that the dice choose.
fn play(endpoint: &Endpoint, number: usize, tally: &Tally) {
    let name = format!("client {number}");
    let login = Login {
        parameters: &[("application_name", &name)],
        ..APP
    };
    let mut client = Raw::login(endpoint, &login).unwrap();
    let mut dice = Dice(SEED + number as u64);
    let expected = format!("{name} says {number}");
    let statement = format!("select current_setting('application_name') || $1 || '{number}'");
    let prepared = client.exchange(&[parse("mine", &statement, &[25]), sync()]);
    assert!(!is_cancelled(&prepared), "{name}: nobody asked for it");
    for round in 0..ROUNDS {
        let messages = match dice.below(4) {
            0 => vec![bind("", "mine", &[Some(" says ")]), execute("", 0), sync()],
            1 => vec![query("begin; select pg_sleep(0.001); commit")],
            2 => vec![query(format!(
                "select pg_sleep(0.002), '{name} says {number}'"
            ))],
            _ => vec![query(format!("select '{name} says {number}'"))],
        };
        let asks = dice.below(3) == 0;
        let early = asks && dice.below(3) == 0;
        let mut cancellers = Vec::new();
        if early {
            cancellers.push(request(endpoint, &client.key));
        }
        client.send(&messages.concat());
        if asks && !early {
            for _ in 0..=dice.below(3) {
                cancellers.push(request(endpoint, &client.key));
            }
        }
        tally.cancels.fetch_add(cancellers.len(), Ordering::Relaxed);
        let answer = client.until_ready();
        let cancelled = is_cancelled(&answer);
        assert!(
            asks || !cancelled,
            "{name}, round {round}, seed {SEED:#x}: nobody asked for it: {answer:?}"
        );
        for canceller in &mut cancellers {
            assert_eq!(canceller.until_closed(), []);
        }
        if cancelled {
            tally.hits.fetch_add(1, Ordering::Relaxed);
            if answer.last().unwrap().body != b"I" {
                let answer = client.query("rollback");
                assert!(!is_cancelled(&answer), "{name}: it was taken before");
            }
        } else {
            for row in rows(&answer) {
                let value = row.last().cloned().flatten().unwrap_or_default();
                assert!(value.is_empty() || value == expected, "{name}: {value}");
            }
        }
        // Every cancel of its own has been taken: this one runs to its end.
        let answer =
            client.exchange(&[bind("", "mine", &[Some(" says ")]), execute("", 0), sync()]);
        assert!(
            !is_cancelled(&answer),
            "{name}, round {round}, seed {SEED:#x}: all its cancels were taken"
        );
        assert_eq!(rows(&answer), [[Some(expected.clone())]], "{name}");
        tally.answers.fetch_add(1, Ordering::Relaxed);
    }
}

/// Cancels with keys that are nobody's, or whose owner is idle, until it is over.
fn disturb(endpoint: &Endpoint, idle: &[Vec<u8>], seed: u64, is_over: &AtomicBool, tally: &Tally) {
    let mut dice = Dice(seed);
    while !is_over.load(Ordering::Relaxed) {
        let mut crowd = Vec::new();
        for _ in 0..20 {
            let mut key = idle[dice.below(idle.len() as u64) as usize].clone();
            if dice.below(2) == 0 {
                key[4] ^= 1;
            }
            crowd.push(request(endpoint, &key));
        }
        tally.cancels.fetch_add(crowd.len(), Ordering::Relaxed);
        // Some wait to be told, some go, some stay.
        match dice.below(3) {
            0 => crowd.iter_mut().for_each(|raw| drop(raw.until_closed())),
            1 => crowd.into_iter().for_each(Raw::kill),
            _ => {}
        }
    }
}

fn storm(fragment: &str) {
    let stage = Stage::new(fragment);
    let endpoint = stage.endpoint();
    let mut idle: Vec<Raw> = (0..4).map(|_| stage.client()).collect();
    for client in &mut idle {
        // They have been on the connections that the others use.
        client.rows("select 1");
    }
    let keys: Vec<Vec<u8>> = idle.iter().map(|client| client.key.clone()).collect();
    let (tally, is_over) = (Tally::default(), AtomicBool::new(false));
    thread::scope(|scope| {
        for number in 0..NUISANCES {
            let (endpoint, keys, is_over, tally) = (&endpoint, &keys, &is_over, &tally);
            let seed = SEED + 1000 + number as u64;
            scope.spawn(move || disturb(endpoint, keys, seed, is_over, tally));
        }
        let players: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (endpoint, tally) = (&endpoint, &tally);
                scope.spawn(move || play(endpoint, number, tally))
            })
            .collect();
        let ended: Vec<_> = players
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .collect();
        is_over.store(true, Ordering::Relaxed);
        for end in ended {
            if let Err(panic) = end {
                std::panic::resume_unwind(panic);
            }
        }
    });
    let count = |number: &AtomicUsize| number.load(Ordering::Relaxed);
    eprintln!(
        "{} cancels, {} queries hit by their own client's",
        count(&tally.cancels),
        count(&tally.hits)
    );
    assert_eq!(count(&tally.answers), CLIENTS * ROUNDS);
    assert!(count(&tally.cancels) > 1000, "{}", count(&tally.cancels));
    assert!(count(&tally.hits) > 10, "cancels do hit what they are for");
    for client in &mut idle {
        assert_eq!(client.value("select 'still here'"), "still here");
    }
    let connections = "select count(*) from pg_stat_activity where usename = 'app'";
    let open: usize = stage.admin().value(connections).parse().unwrap();
    assert!(open <= 2, "{open} server connections in a pool of two");
}

#[test]
fn nobody_is_cancelled_who_did_not_ask() {
    storm("[pool]\ndefault_pool_size = 2\n");
}

#[test]
fn nobody_is_cancelled_who_did_not_ask_in_transaction_mode() {
    storm("[pool]\nmode = \"transaction\"\ndefault_pool_size = 2\n");
}
