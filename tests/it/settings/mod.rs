//! What a session sets follows it from one server connection to the next, and nobody else sees it.
//!
//! Each session is played against PostgreSQL and then through a proxy with a single server connection, which two
//! rivals take between any two of its transactions: one with settings of its own, one without any.

mod all;
mod changes;
mod extended;

use std::fmt::Write as _;
use std::time::Duration;

use crate::support::frames::query;
use crate::support::postgres::Postgres;
use crate::support::proxy::Proxy;
use crate::support::raw::{Endpoint, Login, Raw};
use crate::support::stage::{APP, Stage, prepared};

/// One connection for everybody.
const POOL_OF_ONE: &str = "[pool]\ndefault_pool_size = 1\n";

/// How long a rival may wait; it waits for ever for a connection that is pinned.
const RIVAL_TIMEOUT: Duration = Duration::from_secs(10);

/// What the first rival sets, all of it before the session under test begins.
const RIVALS_SETTINGS: [&str; 9] = [
    "set work_mem = '77MB'",
    "set search_path = rival, pg_catalog",
    "set timezone = 'America/New_York'",
    "set datestyle = 'German'",
    "set my.rival = 'here'",
    "set client_encoding = 'LATIN2'",
    "set role other",
    "set statement_timeout = '1h'",
    "set extra_float_digits = 0",
];

/// What a session sends at a time, and how many ReadyForQuery answer it.
pub(super) struct Step {
    label: String,
    bytes: Vec<u8>,
    ready_count: usize,
}

impl Step {
    /// Messages that end in one ReadyForQuery.
    pub(super) fn new(label: &str, messages: &[Vec<u8>]) -> Self {
        Self {
            label: label.to_owned(),
            bytes: messages.concat(),
            ready_count: 1,
        }
    }

    /// One Query.
    pub(super) fn query(sql: &str) -> Self {
        Self::new(sql, &[query(sql)])
    }

    /// The same, answered by so many ReadyForQuery.
    pub(super) fn ready(mut self, count: usize) -> Self {
        self.ready_count = count;
        self
    }
}

/// One session.
pub(super) struct Play {
    name: String,
    parameters: Vec<(String, String)>,
    steps: Vec<Step>,
}

impl Play {
    /// A session without startup parameters.
    pub(super) fn new(name: &str, steps: Vec<Step>) -> Self {
        Self {
            name: name.to_owned(),
            parameters: Vec::new(),
            steps,
        }
    }
}

#[test]
fn what_plain_statements_set_answers_as_direct() {
    compare(&read(include_str!("script.sql")));
}

/// Plays every session direct and through the proxy, where nothing may be pinned.
pub(super) fn compare(plays: &[Play]) {
    let postgres = stage_set();
    let proxy = Proxy::start(&postgres, POOL_OF_ONE);
    let mut report = String::new();
    for play in plays {
        let expected = perform(&Endpoint::local(postgres.port()), play, None);
        let mut rivals = Rivals::new(&Endpoint::local(proxy.port()));
        let found = perform(&Endpoint::local(proxy.port()), play, Some(&mut rivals));
        for (expected, found) in expected.iter().zip(&found) {
            if expected != found {
                let _ = writeln!(
                    report,
                    "{}: {}\n  direct:  {}\n  proxied: {}",
                    play.name,
                    expected.0,
                    expected.1.join("\n           "),
                    found.1.join("\n           ")
                );
            }
        }
    }
    assert!(report.is_empty(), "\n{report}");
    assert_eq!(pins(&proxy), "", "pinned");
}

/// The lines of the metrics that tell what was pinned.
pub(super) fn pins(proxy: &Proxy) -> String {
    let (_, text) = proxy.get("/metrics");
    let pins = text
        .lines()
        .filter(|line| line.starts_with("pgask_pins_total{"));
    pins.collect::<Vec<_>>().join("\n")
}

/// A PostgreSQL with what the sessions need.
pub(super) fn stage_set() -> Postgres {
    let postgres = prepared();
    let mut admin = crate::support::raw::superuser(&postgres, APP.database);
    for sql in [
        "create role other",
        "create role \"Mixed Case\"",
        "grant other, \"Mixed Case\" to app",
        "create table secrets (i int)",
        "grant select on secrets to other",
    ] {
        admin.rows(sql);
    }
    postgres
}

/// The answers, each with its step's label, with one line for each message.
fn perform(
    endpoint: &Endpoint,
    play: &Play,
    mut rivals: Option<&mut Rivals>,
) -> Vec<(String, Vec<String>)> {
    let parameters: Vec<_> = play
        .parameters
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    let login = Login {
        parameters: &parameters,
        ..APP
    };
    let mut client = Raw::login(endpoint, &login).expect("a login");
    let mut greeting: Vec<_> = client.greeting.iter().map(|f| f.render()).collect();
    greeting.sort();
    let mut transcript = vec![("login".to_owned(), greeting)];
    let mut is_idle = true;
    for step in &play.steps {
        if let Some(rivals) = &mut rivals
            && is_idle
        {
            rivals.take_turns(&step.label);
        }
        client.send(&step.bytes);
        let mut answer = Vec::new();
        let mut ready_count = 0;
        while ready_count < step.ready_count {
            let frame = client.read();
            if frame.tag == b'Z' {
                ready_count += 1;
                is_idle = frame.body == b"I";
            }
            answer.push(frame.render());
        }
        transcript.push((step.label.clone(), answer));
    }
    transcript
}

/// Two who take the only connection in turns; both notice if anything on it is not theirs.
struct Rivals {
    with_settings: Raw,
    without: Raw,
    /// What each must always see.
    expected: [Vec<Vec<Option<String>>>; 2],
}

/// What a session sees of settings that others play with.
const SEEN: &str = "select current_user, session_user, current_setting('work_mem'), current_setting('search_path'), \
    current_setting('timezone'), current_setting('datestyle'), current_setting('client_encoding'), \
    current_setting('statement_timeout'), current_setting('extra_float_digits'), current_setting('application_name'), \
    current_setting('default_transaction_read_only'), current_setting('enable_seqscan')";

impl Rivals {
    fn new(endpoint: &Endpoint) -> Self {
        let login = || Raw::login(endpoint, &APP).expect("a login");
        let (mut with_settings, mut without) = (login(), login());
        for sql in RIVALS_SETTINGS {
            with_settings.rows(sql);
        }
        with_settings.set_read_timeout(RIVAL_TIMEOUT);
        without.set_read_timeout(RIVAL_TIMEOUT);
        let expected = [with_settings.rows(SEEN), without.rows(SEEN)];
        assert_ne!(expected[0], expected[1]);
        Self {
            with_settings,
            without,
            expected,
        }
    }

    fn take_turns(&mut self, before: &str) {
        let rivals = [&mut self.with_settings, &mut self.without];
        for (rival, expected) in rivals.into_iter().zip(&self.expected) {
            let seen = rival.rows(SEEN);
            assert_eq!(seen, *expected, "before {before}");
        }
    }
}

/// The sessions of a script.
fn read(text: &str) -> Vec<Play> {
    let mut plays: Vec<Play> = Vec::new();
    for paragraph in text.split("\n\n").map(|p| p.trim_matches('\n')) {
        if paragraph.is_empty() || paragraph.starts_with("--#") {
            continue;
        }
        let Some(title) = paragraph.strip_prefix("--@ ") else {
            let play = plays.last_mut().expect("a title comes first");
            play.steps.push(Step::query(paragraph));
            continue;
        };
        let words = title.replace("\\ ", "\u{1}");
        let (parameters, name): (Vec<_>, Vec<_>) = words
            .split(' ')
            .map(|word| word.replace('\u{1}', " "))
            .partition(|word| word.contains('='));
        let mut play = Play::new(&name.join(" "), Vec::new());
        play.parameters = parameters
            .iter()
            .filter_map(|word| word.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        plays.push(play);
    }
    plays
}

/// A stage with one server connection.
pub(super) fn stage() -> Stage {
    Stage::new(POOL_OF_ONE)
}
