//! Plays one order of a script against one world, and writes down what every session was told and who waited for whom.

use std::time::{Duration, Instant};

use super::neighbours::Crowd;
use super::script::{Action, Actor, Script, Turn};
use crate::support::frames::{self, Frame};
use crate::support::raw::{Endpoint, Login, Raw};

/// How long an answer is waited for before the server is asked whether the session is blocked.
const GLANCE: Duration = Duration::from_millis(2);

/// How long a step may be neither answered nor blocked; above what a loaded machine needs.
const STALL: Duration = Duration::from_secs(25);

/// What happened, line by line.
pub(super) type Transcript = Vec<String>;

/// A world: where clients connect, and a superuser who sees who waits for whom.
pub(super) struct World<'a> {
    pub(super) endpoint: Endpoint,
    pub(super) login: Login<'a>,
    pub(super) admin: Raw,
    /// Others that use the same pool.
    pub(super) crowd: Option<Crowd>,
}

/// A session under test.
struct Player {
    name: String,
    client: Option<Raw>,
    key: Vec<u8>,
    /// The step that has not been answered yet, and what came of its answer.
    pending: Option<(String, Vec<String>)>,
}

impl World<'_> {
    /// Plays one order of a script, its setup and teardown included.
    pub(super) fn play(&mut self, script: &Script, order: &[Turn]) -> Transcript {
        self.admin.rows(
            "set client_min_messages = error; drop schema if exists iso cascade; \
             create schema iso authorization player; grant usage on schema iso to other",
        );
        self.run(&script.setup);
        let mut play = Play {
            players: Vec::new(),
            captured: String::new(),
            transcript: Vec::new(),
        };
        for actor in &script.sessions {
            let client = self.enter(actor);
            play.players.push(Player {
                name: actor.name.clone(),
                key: client.key.clone(),
                client: Some(client),
                pending: None,
            });
        }
        play.order(self, script, order);
        for player in play.players {
            if let Some(client) = player.client {
                leave(client);
            }
        }
        self.run(&script.teardown);
        play.transcript
    }

    fn run(&mut self, sql: &str) {
        if !sql.is_empty() {
            let mut client = Raw::login(&self.endpoint, &self.login).expect("a login");
            client.rows(sql);
            leave(client);
        }
    }

    /// Logs a session in; its name is its application name, by which the server knows it in every world.
    fn enter(&self, actor: &Actor) -> Raw {
        let mut parameters = vec![("application_name", actor.name.as_str())];
        let own = actor.parameters.iter();
        parameters.extend(own.map(|(key, value)| (key.as_str(), value.as_str())));
        let login = Login {
            parameters: &parameters,
            ..self.login
        };
        Raw::login(&self.endpoint, &login).expect("a login")
    }

    /// The sessions that one waits for at the server, or `None`.
    fn blockers(&mut self, session: &str) -> Option<String> {
        let sql = format!(
            "select string_agg(distinct coalesce(b.application_name, 'a prepared transaction'), ', ') \
             from pg_stat_activity a, lateral unnest(pg_blocking_pids(a.pid)) p (pid) \
             left join pg_stat_activity b on b.pid = p.pid and p.pid <> 0 \
             where a.application_name = '{session}' and a.wait_event_type = 'Lock'"
        );
        let name = self.admin.value(&sql);
        (name != "NULL").then_some(name)
    }
}

/// Says goodbye and waits until the peer has closed.
fn leave(mut client: Raw) {
    if client.try_send(&frames::terminate()).is_ok() {
        client.until_closed();
    }
}

struct Play {
    players: Vec<Player>,
    captured: String,
    transcript: Transcript,
}

/// Where a session's step stands.
enum Standing {
    Answered,
    BlockedBy(String),
}

impl Play {
    fn order(&mut self, world: &mut World<'_>, script: &Script, order: &[Turn]) {
        let mut left: Vec<&Turn> = order.iter().collect();
        while !left.is_empty() {
            let next = left.iter().position(|turn| self.can_take(turn));
            let Some(next) = next else {
                self.transcript
                    .push("(every session that has a step left is blocked)".to_owned());
                return;
            };
            if let Some(crowd) = &mut world.crowd {
                crowd.jostle();
            }
            let turn = left.remove(next);
            self.transcript.push(format!("> {}", turn.label));
            self.take(world, script, turn);
            self.look_around(world, turn);
        }
        for session in 0..self.players.len() {
            if self.players[session].pending.is_some() {
                self.transcript.push(format!(
                    "({} was never answered)",
                    self.players[session].name
                ));
            }
        }
    }

    fn can_take(&self, turn: &Turn) -> bool {
        self.players[turn.session].pending.is_none()
    }

    fn take(&mut self, world: &mut World<'_>, script: &Script, turn: &Turn) {
        let messages = match &turn.action {
            Action::Query(sql) => vec![frames::query(sql.replace("{captured}", &self.captured))],
            Action::Capture(sql) => {
                let client = self.players[turn.session].client.as_mut();
                self.captured = client.expect("a session that has not quit").value(sql);
                return;
            }
            Action::Parse { statement, sql } => vec![
                frames::parse(statement, sql, &[]),
                frames::describe_statement(statement),
                frames::sync(),
            ],
            Action::Bind { statement, values } => {
                let values: Vec<Option<&str>> = values.iter().map(|v| Some(&**v)).collect();
                vec![
                    frames::bind("", statement, &values),
                    frames::describe_portal(""),
                    frames::execute("", 0),
                    frames::sync(),
                ]
            }
            Action::Cancel(other) => {
                let mut raw = Raw::open(&world.endpoint).expect("a connection");
                raw.send(&frames::cancel_request(&self.players[*other].key));
                raw.until_closed();
                return;
            }
            Action::Receive(count) => {
                let client = self.players[turn.session].client.as_mut();
                let client = client.expect("a session that has not quit");
                let lines: Vec<String> = (0..*count).map(|_| shown(&client.read())).collect();
                self.tell(turn.session, lines);
                return;
            }
            Action::Quit => {
                let client = self.players[turn.session].client.take();
                leave(client.expect("a session that has not quit"));
                return;
            }
            Action::Login => {
                let client = world.enter(&script.sessions[turn.session]);
                let player = &mut self.players[turn.session];
                player.key.clone_from(&client.key);
                player.client = Some(client);
                return;
            }
        };
        let player = &mut self.players[turn.session];
        let client = player.client.as_mut();
        client
            .expect("a session that has not quit")
            .send(&messages.concat());
        player.pending = Some((turn.label.clone(), Vec::new()));
        match self.stand(world, turn.session, turn.is_awaited) {
            Standing::Answered => {}
            Standing::BlockedBy(whom) => {
                let name = &self.players[turn.session].name;
                self.transcript.push(format!("  {name} waits for {whom}"));
            }
        }
    }

    /// After a step: whoever waited and no longer has to is heard out.
    fn look_around(&mut self, world: &mut World<'_>, turn: &Turn) {
        for session in 0..self.players.len() {
            if session != turn.session && self.players[session].pending.is_some() {
                self.stand(world, session, turn.releases == Some(session));
            }
        }
    }

    /// Reads until the pending step is answered, or the server says that it waits for a lock.
    fn stand(&mut self, world: &mut World<'_>, session: usize, is_awaited: bool) -> Standing {
        let since = Instant::now();
        loop {
            let player = &mut self.players[session];
            let client = player.client.as_mut().expect("a session that has not quit");
            let (label, lines) = player.pending.as_mut().expect("a pending step");
            if client.is_answered_within(GLANCE) {
                let Ok(Some(frame)) = client.try_read() else {
                    panic!("{label}: the stream ends");
                };
                lines.push(shown(&frame));
                if frame.tag == b'Z' {
                    let (label, lines) = player.pending.take().expect("a pending step");
                    self.transcript.push(format!("  answer to {label}"));
                    self.tell(session, lines);
                    return Standing::Answered;
                }
                continue;
            }
            let name = player.name.clone();
            assert!(
                since.elapsed() < STALL,
                "{label} is neither answered nor blocked at the server; so far:\n{}\n{lines:#?}",
                self.transcript.join("\n")
            );
            if !is_awaited && let Some(whom) = world.blockers(&name) {
                return Standing::BlockedBy(whom);
            }
        }
    }

    fn tell(&mut self, session: usize, lines: Vec<String>) {
        let name = &self.players[session].name;
        let told = lines.into_iter().map(|line| format!("  {name}: {line}"));
        self.transcript.extend(told);
    }
}

/// A message without what two equal runs may differ in: a deadlock's DETAIL names processes and transactions by their
/// numbers, and a catalog's key a schema.
fn shown(frame: &Frame) -> String {
    let has_numbers = frame.tag == b'E'
        && (frame.field(b'C').as_deref() == Some("40P01")
            || frame.field(b's').as_deref() == Some("pg_catalog"));
    if !has_numbers {
        let told = frame.render();
        // Where this error is told in pgask's own words, it has no place in PostgreSQL's source.
        return match told.split_once(" F=plancache.c") {
            Some((told, _)) if told.contains("cached plan must not change") => told.to_owned(),
            _ => told,
        };
    }
    let mut body = Vec::new();
    for byte in &frame.body {
        if !byte.is_ascii_digit() {
            body.push(*byte);
        } else if body.last() != Some(&b'#') {
            body.push(b'#');
        }
    }
    let tag = frame.tag;
    Frame { tag, body }.render()
}
