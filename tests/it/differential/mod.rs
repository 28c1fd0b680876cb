//! The same script direct and through the proxy gives the same backend messages, message by message.
//!
//! Each scenario is one connection. It is played against PostgreSQL, then through the proxy alone, then through the
//! proxy with neighbours that make it change server connections between any two transactions. Next: `script`.

mod extended;
mod neighbours;
mod pipelines;
mod script;
mod sql_prepare;
mod statements;

use std::fmt::Write as _;

use crate::support::postgres::Postgres;
use crate::support::proxy::Proxy;
use crate::support::raw::{self, Endpoint, Login, Raw};
use neighbours::Neighbours;
use script::{Scenario, Step, Until};

/// How many differing steps of one scenario are told.
const SHOWN_DIFFERENCES_MAX: usize = 10;

/// How many lines of each side are told, from the first one that differs.
const SHOWN_LINES_MAX: usize = 5;

/// The role that plays the scenarios; the setup makes it a member of the role `other`.
const PLAYER: Login<'static> = Login {
    user: "player",
    password: "player's own",
    database: "diff",
    parameters: &[],
};

#[test]
fn queries_and_copy_out_answer_as_direct() {
    compare(script::read(include_str!(
        "../fixtures/differential/queries.sql"
    )));
}

#[test]
fn errors_and_notices_answer_as_direct() {
    compare(script::read(include_str!(
        "../fixtures/differential/errors.sql"
    )));
}

#[test]
fn tables_and_permissions_answer_as_direct() {
    compare(script::read(include_str!(
        "../fixtures/differential/tables.sql"
    )));
}

#[test]
fn transactions_answer_as_direct() {
    compare(script::read(include_str!(
        "../fixtures/differential/transactions.sql"
    )));
}

#[test]
fn settings_answer_as_direct() {
    compare(script::read(include_str!(
        "../fixtures/differential/settings.sql"
    )));
}

#[test]
fn session_state_answers_as_direct() {
    compare(script::read(include_str!(
        "../fixtures/differential/sessions.sql"
    )));
}

#[test]
fn the_extended_protocol_answers_as_direct() {
    compare(extended::scenarios());
}

#[test]
fn pipelines_and_copy_in_answer_as_direct() {
    compare(pipelines::scenarios());
}

/// Plays every scenario direct, alone through the proxy, and jostled through the proxy.
fn compare(scenarios: Vec<Scenario>) {
    let postgres = Postgres::start();
    let mut admin = raw::superuser(&postgres, "postgres");
    admin.rows("create role other");
    admin.rows("create role player login password 'player''s own' in role other");
    admin.rows("create database diff");
    admin.rows("alter database diff set search_path = diff, public");
    let proxy = Proxy::start(
        &postgres,
        &format!("[pool]\ndefault_pool_size = {}\n", neighbours::POOL_SIZE),
    );
    let direct = Endpoint::local(postgres.port());
    let proxied = Endpoint::local(proxy.port());
    let mut report = String::new();
    for scenario in &scenarios {
        make_schema(&postgres);
        let expected = play(&direct, scenario, None);
        for is_jostled in [false, true] {
            if is_jostled && !scenario.is_jostled {
                continue;
            }
            make_schema(&postgres);
            let neighbours = is_jostled.then(|| Neighbours::new(&proxied, &PLAYER));
            let found = play(&proxied, scenario, neighbours);
            if let Some(story) = differences(&expected, &found) {
                let how = if is_jostled { "jostled" } else { "alone" };
                let _ = writeln!(report, "{} ({how}):\n{story}", scenario.name);
            }
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

/// An empty schema `diff`, as if no scenario had been played before.
fn make_schema(postgres: &Postgres) {
    let mut admin = raw::superuser(postgres, "diff");
    admin.rows(
        "set client_min_messages = error; drop schema if exists diff cascade; \
         create schema diff authorization player; grant usage on schema diff to other",
    );
}

/// Plays one scenario; the answers, a step's label first and then one line for each message.
fn play(
    endpoint: &Endpoint,
    scenario: &Scenario,
    mut neighbours: Option<Neighbours>,
) -> Vec<(String, Vec<String>)> {
    let parameters: Vec<_> = scenario
        .parameters
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    let login = Login {
        parameters: &parameters,
        ..PLAYER
    };
    let mut client = Raw::login(endpoint, &login).expect("a login");
    // The order of the parameters at login is the server's own business.
    let mut greeting: Vec<_> = client.greeting.iter().map(|f| f.render()).collect();
    greeting.sort();
    let mut transcript = vec![("login".to_owned(), greeting)];
    for step in &scenario.steps {
        if let Some(neighbours) = &mut neighbours {
            neighbours.swap();
        }
        let answer = take(&mut client, step);
        transcript.push((step.label.clone(), answer));
    }
    transcript
}

/// Sends one step and reads its answer.
fn take(client: &mut Raw, step: &Step) -> Vec<String> {
    if client.try_send(&step.bytes).is_err() {
        return vec!["(the stream has ended)".to_owned()];
    }
    let mut answer = Vec::new();
    let mut ready_count = 0;
    loop {
        let Ok(Some(frame)) = client.try_read() else {
            answer.push("(the stream ends or stalls here)".to_owned());
            return answer;
        };
        answer.push(frame.render());
        ready_count += usize::from(frame.tag == b'Z');
        let whole = match step.until {
            Until::Ready(count) => ready_count == count,
            Until::Tag(tag) => frame.tag == tag || frame.tag == b'E',
            Until::Closed => false,
        };
        if whole {
            return answer;
        }
    }
}

/// The differences between two transcripts, told so that they can be repeated by hand.
fn differences(
    direct: &[(String, Vec<String>)],
    proxied: &[(String, Vec<String>)],
) -> Option<String> {
    let mut story = String::new();
    let unequal = direct.iter().zip(proxied).enumerate();
    for (step, (direct, proxied)) in unequal
        .filter(|(_, (direct, proxied))| direct != proxied)
        .take(SHOWN_DIFFERENCES_MAX)
    {
        let _ = writeln!(story, "  step {step}: {}", direct.0);
        let same = direct.1.iter().zip(&proxied.1);
        let same_count = same.take_while(|(d, p)| d == p).count();
        for (who, (_, lines)) in [("direct", direct), ("proxied", proxied)] {
            for text in lines.iter().skip(same_count).take(SHOWN_LINES_MAX) {
                let _ = writeln!(story, "    {who}: {text}");
            }
        }
    }
    (!story.is_empty()).then_some(story)
}
