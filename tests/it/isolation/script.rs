//! What an isolation script is, and how one is read.
//!
//! ```text
//! # What is tried.
//! pool 2
//! setup
//!     create table t (id int primary key, n int);
//!     insert into t values (1, 0)
//! teardown
//!     rollback prepared 'p'
//! session a work_mem=1MB
//!     begin: begin
//!     change: update t set n = 1
//!         where id = 1
//! session b
//!     change: update t set n = 2 where id = 1
//! order a.begin a.change b.change a.commit
//! orders all
//! ```
//!
//! `pool N` says that as few connections serve; without it there must be one for each session. A step is one Query
//! message, or a verb: `\parse NAME SQL`, `\bind NAME [VALUE, ...]`, `\cancel SESSION`, `\receive COUNT`, `\quit`,
//! `\login`, `\capture SQL` (its value stands for `{captured}` in later steps). In an order, `step*` waits for the answer although the step is blocked at first (somebody gives up by
//! himself), and `step>b` waits for the answer that session b still owes. `orders all` stands for every order that
//! keeps the steps of each session in theirs. A step whose session is blocked is put off until it no longer is.

use std::collections::BTreeSet;

/// How many orders `orders all` may stand for.
const ORDERS_MAX: usize = 40;

/// Sessions, their steps, and the orders in which these are taken.
#[derive(Debug, Default)]
pub(super) struct Script {
    /// The file's name.
    pub(super) name: String,
    /// The fewest connections that serve.
    pub(super) pool_size_min: usize,
    /// Run before each order.
    pub(super) setup: String,
    /// Run after each order.
    pub(super) teardown: String,
    pub(super) sessions: Vec<Actor>,
    pub(super) orders: Vec<Vec<Turn>>,
}

/// One session.
#[derive(Debug)]
pub(super) struct Actor {
    pub(super) name: String,
    /// Startup parameters of its own.
    pub(super) parameters: Vec<(String, String)>,
    steps: Vec<(String, Action)>,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// A Query message.
    Query(String),
    /// Parse, Describe and Sync.
    Parse { statement: String, sql: String },
    /// Bind, Describe, Execute and Sync.
    Bind {
        statement: String,
        values: Vec<String>,
    },
    /// A Query message whose first value is kept for `{captured}` in later ones, and not compared.
    Capture(String),
    /// A CancelRequest against this session, whose answer is awaited.
    Cancel(usize),
    /// Waits for messages that nobody asked for.
    Receive(usize),
    /// Terminate.
    Quit,
    /// A new login.
    Login,
}

/// One step in an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// Whose, by its place in [`Script::sessions`].
    pub(super) session: usize,
    /// `session.step`.
    pub(super) label: String,
    pub(super) action: Action,
    /// The answer is awaited although the step may be blocked at first.
    pub(super) is_awaited: bool,
    /// The session whose answer is awaited as well.
    pub(super) releases: Option<usize>,
}

/// Reads a script; a mistake in it fails the test.
pub(super) fn read(name: &str, text: &str) -> Script {
    let mut script = Script {
        name: name.to_owned(),
        ..Script::default()
    };
    let mut orders = Vec::new();
    let mut section = Section::None;
    for line in text.lines() {
        let content = line.trim();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        if indent > 0 {
            match section {
                Section::Setup => push_line(&mut script.setup, content),
                Section::Teardown => push_line(&mut script.teardown, content),
                Section::Session => {
                    let actor = script.sessions.last_mut().expect("a session");
                    if indent > STEP_INDENT {
                        let last = actor.steps.last_mut().expect("a step to go on with");
                        let Action::Query(sql) = &mut last.1 else {
                            panic!("{name}: a verb stands on one line: {content}");
                        };
                        push_line(sql, content);
                    } else {
                        let (step, text) = content.split_once(": ").expect("NAME: TEXT");
                        // Names of sessions are resolved when all are known.
                        actor
                            .steps
                            .push((step.to_owned(), Action::Query(text.to_owned())));
                    }
                }
                Section::None => panic!("{name}: nothing to stand under: {content}"),
            }
            continue;
        }
        let (word, rest) = content.split_once(' ').unwrap_or((content, ""));
        section = Section::None;
        match word {
            "setup" => section = Section::Setup,
            "teardown" => section = Section::Teardown,
            "pool" => script.pool_size_min = rest.parse().expect("a number of connections"),
            "session" => {
                section = Section::Session;
                script.sessions.push(actor(rest));
            }
            "order" | "orders" => orders.push(rest.to_owned()),
            _ => panic!("{name}: not understood: {line}"),
        }
    }
    let names: Vec<String> = script.sessions.iter().map(|a| a.name.clone()).collect();
    for (_, action) in script.sessions.iter_mut().flat_map(|a| &mut a.steps) {
        resolve(action, &names);
    }
    if script.pool_size_min == 0 {
        script.pool_size_min = script.sessions.len();
    }
    for order in orders {
        let found = match order.as_str() {
            "all" => all_orders(&script),
            _ => vec![order.split(' ').map(|w| turn(&script, w)).collect()],
        };
        script.orders.extend(found);
    }
    assert!(!script.orders.is_empty(), "{name}: no order");
    assert_all_steps_are_taken(&script);
    script
}

/// How far a step is indented; what is indented further continues it.
const STEP_INDENT: usize = 4;

enum Section {
    None,
    Setup,
    Teardown,
    Session,
}

fn push_line(text: &mut String, line: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(line);
}

fn actor(text: &str) -> Actor {
    let (name, parameters) = text.split_once(' ').unwrap_or((text, ""));
    Actor {
        name: name.to_owned(),
        parameters: parameters
            .split_whitespace()
            .map(|word| word.split_once('=').expect("NAME=VALUE"))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
        steps: Vec::new(),
    }
}

/// Makes a verb of a text that begins with one.
fn resolve(action: &mut Action, sessions: &[String]) {
    let Action::Query(text) = action else { return };
    let Some(text) = text.strip_prefix('\\') else {
        return;
    };
    let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
    let (first, second) = rest.split_once(' ').unwrap_or((rest, ""));
    *action = match verb {
        "parse" => Action::Parse {
            statement: first.to_owned(),
            sql: second.to_owned(),
        },
        "bind" => Action::Bind {
            statement: first.to_owned(),
            values: second
                .split(", ")
                .filter(|value| !value.is_empty())
                .map(str::to_owned)
                .collect(),
        },
        "capture" => Action::Capture(rest.to_owned()),
        "cancel" => Action::Cancel(index(sessions, rest)),
        "receive" => Action::Receive(rest.parse().expect("a number of messages")),
        "quit" => Action::Quit,
        "login" => Action::Login,
        _ => panic!("no such verb: {verb}"),
    };
}

fn index(sessions: &[String], name: &str) -> usize {
    let place = sessions.iter().position(|session| session == name);
    place.unwrap_or_else(|| panic!("no such session: {name}"))
}

fn turn(script: &Script, word: &str) -> Turn {
    let names: Vec<String> = script.sessions.iter().map(|a| a.name.clone()).collect();
    let (word, releases) = match word.split_once('>') {
        Some((word, name)) => (word, Some(index(&names, name))),
        None => (word, None),
    };
    let (label, is_awaited) = match word.strip_suffix('*') {
        Some(label) => (label, true),
        None => (word, false),
    };
    let (session, step) = label.split_once('.').expect("SESSION.STEP");
    let session = index(&names, session);
    let steps = &script.sessions[session].steps;
    let found = steps.iter().find(|(name, _)| name == step);
    let action = match found {
        Some((_, action)) => action.clone(),
        None => panic!("{}: no such step: {label}", script.name),
    };
    let releases = match action {
        Action::Cancel(session) => Some(session),
        _ => releases,
    };
    Turn {
        session,
        label: label.to_owned(),
        action,
        is_awaited,
        releases,
    }
}

/// Every order in which the sessions' steps can follow one another.
fn all_orders(script: &Script) -> Vec<Vec<Turn>> {
    let turns: Vec<Vec<Turn>> = script
        .sessions
        .iter()
        .map(|actor| {
            let labels = actor.steps.iter();
            labels
                .map(|(step, _)| turn(script, &format!("{}.{step}", actor.name)))
                .collect()
        })
        .collect();
    let mut orders = Vec::new();
    let mut taken = vec![0; turns.len()];
    interleave(&turns, &mut taken, &mut Vec::new(), &mut orders);
    assert!(
        orders.len() <= ORDERS_MAX,
        "{}: {} orders",
        script.name,
        orders.len()
    );
    orders
}

fn interleave(
    turns: &[Vec<Turn>],
    taken: &mut [usize],
    order: &mut Vec<Turn>,
    orders: &mut Vec<Vec<Turn>>,
) {
    let mut is_whole = true;
    for session in 0..turns.len() {
        let Some(turn) = turns[session].get(taken[session]) else {
            continue;
        };
        is_whole = false;
        taken[session] += 1;
        order.push(turn.clone());
        interleave(turns, taken, order, orders);
        order.pop();
        taken[session] -= 1;
    }
    if is_whole {
        orders.push(order.clone());
    }
}

/// A step that no order takes would look tested and not be.
fn assert_all_steps_are_taken(script: &Script) {
    let taken: BTreeSet<&str> = script.orders.iter().flatten().map(|t| &*t.label).collect();
    for actor in &script.sessions {
        for (step, _) in &actor.steps {
            let label = format!("{}.{step}", actor.name);
            assert!(
                taken.contains(&*label),
                "{}: no order takes {label}",
                script.name
            );
        }
    }
}

#[test]
fn a_script_is_read_with_its_steps_verbs_and_orders() {
    let script = read(
        "x",
        "# Remark\nsetup\n    create table t ();\n    select 1\nsession a work_mem=1MB\n    one: select\n        1\n    \
         two: \\bind s 1, x y\nsession b\n    stop: \\cancel a\norder a.one* a.two b.stop\norders all\n",
    );
    assert_eq!(script.setup, "create table t ();\nselect 1");
    assert_eq!(script.pool_size_min, 2);
    assert_eq!(script.orders.len(), 4);
    let order = &script.orders[0];
    assert_eq!(order[0].action, Action::Query("select\n1".to_owned()));
    assert!(order[0].is_awaited && !order[1].is_awaited);
    let Action::Bind { values, .. } = &order[1].action else {
        panic!("{order:?}");
    };
    assert_eq!(values, &["1", "x y"]);
    assert_eq!(order[2].releases, Some(0));
    let labels: BTreeSet<String> = script.orders[1..]
        .iter()
        .map(|order| {
            order
                .iter()
                .map(|t| &*t.label)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    let expected = [
        "a.one a.two b.stop",
        "a.one b.stop a.two",
        "b.stop a.one a.two",
    ];
    assert_eq!(labels, expected.map(str::to_owned).into());
}
