//! Plays a sequence, first directly and then through pgask.
//!
//! The direct side decides what is played: a client that needs a connection while others hold all that pgask has makes
//! one of them let go first, and what was inserted for that is part of what the other side plays.

use std::time::{Duration, Instant};

use super::player::Answer;
use super::script::{Act, Leave, Message, Script, Step};
use super::stage::{CLIENTS_MAX, Dirt, POOL_SIZE, Side};
use super::vocabulary::{NAMING_WORDS, READING_WORDS, TYING_WORDS};
use crate::support::frames::{self, Frame};

/// How long a statement may run before it is cancelled again: the first cancel may come before the statement.
const CANCEL_INTERVAL: Duration = Duration::from_millis(3);

/// How long it is cancelled again and again.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(20);

/// A statement that a cancel at the same time may hit or miss.
const RACING: &str = "select count(*) from generate_series(1, 3000)";

/// What one side said.
#[derive(Default)]
pub(super) struct Played {
    /// Every step as it was played.
    pub(super) steps: Vec<Step>,
    /// One answer for each step.
    pub(super) answers: Vec<Answer>,
    /// Every client's notifications, in order.
    pub(super) notifications: Vec<Vec<Frame>>,
    /// After each departure of a client: what went on at the server when it was noticed.
    business: Vec<Vec<Option<String>>>,
    /// A client had to wait for a connection.
    pub(super) waits: usize,
    /// Clients were made to let go of theirs.
    pub(super) releases: usize,
}

impl Played {
    /// What it may have left in the tables, judged by what was said.
    pub(super) fn dirt(&self) -> Dirt {
        let mut dirt = Dirt::default();
        let mut says = |sql: &[u8]| {
            let has = |word: &[u8]| sql.windows(word.len()).any(|part| part == word);
            dirt.definitions |= has(b"made_") || has(b"f_") || has(b"v_");
            dirt.rows |=
                has(b"insert") || has(b"update") || has(b"delete") || has(b"val(") || has(b"copy");
        };
        for step in &self.steps {
            step.act
                .messages()
                .iter()
                .filter_map(Message::sql)
                .for_each(&mut says);
        }
        dirt
    }
}

/// Plays on PostgreSQL itself.
pub(super) fn directly(side: &mut Side, script: &Script) -> Played {
    let mut direct = Direct {
        side,
        played: Played::default(),
        tied: [false; CLIENTS_MAX],
        touched: [false; CLIENTS_MAX],
    };
    for step in &script.steps {
        direct.step(step);
    }
    // Those that hold a connection first: the others need one.
    let touched = direct.touched;
    let (holders, rest): (Vec<_>, Vec<_>) = (0..CLIENTS_MAX)
        .filter(|client| touched[*client])
        .partition(|client| direct.holds(*client));
    for client in holders.into_iter().chain(rest) {
        direct.reset(client);
    }
    let mut played = direct.played;
    played.notifications = take_notifications(side);
    played
}

struct Direct<'a> {
    side: &'a mut Side,
    played: Played,
    /// Clients that may be tied to their connections between transactions.
    tied: [bool; CLIENTS_MAX],
    touched: [bool; CLIENTS_MAX],
}

impl Direct<'_> {
    fn step(&mut self, step: &Step) {
        let client = step.client;
        self.touched[client] = true;
        let ledger = &self.side.player(client).ledger;
        match &step.act {
            Act::Say(messages) | Act::SayAndWait(messages)
                if ledger.is_copying()
                    && !matches!(
                        messages.first(),
                        Some(Message::CopyData(_) | Message::CopyDone | Message::CopyFail)
                    ) =>
            {
                self.take(client, Act::Say(vec![Message::CopyFail]));
            }
            Act::AskPid | Act::CancelBusy(_) | Act::CancelRace | Act::CancelIdle
                if ledger.is_mid_batch() =>
            {
                return;
            }
            _ => {}
        }
        let must_wait = matches!(step.act, Act::SayAndWait(_))
            && !self.holds(client)
            && self.holders(client) >= POOL_SIZE;
        if must_wait
            && let Some(other) = (0..CLIENTS_MAX)
                .find(|other| *other != client && self.is_open(*other) && !self.tied[*other])
        {
            self.played.waits += 1;
            // Whoever waits is served when the other has let go, and what it gets (a lock, a row) may depend on that.
            let ending = self.end_of_transaction(other);
            self.take(other, Act::Say(ending));
            self.take(client, step.act.clone());
            let last = self.played.steps.len() - 1;
            self.played.steps.swap(last - 1, last);
            self.played.answers.swap(last - 1, last);
            return;
        }
        self.make_room(client);
        let act = match &step.act {
            Act::SayAndWait(messages) => Act::Say(messages.clone()),
            other => other.clone(),
        };
        self.take(client, act);
    }

    /// Has others let go of their connections until there is one for this client.
    fn make_room(&mut self, client: usize) {
        while !self.holds(client) && self.holders(client) >= POOL_SIZE {
            self.played.releases += 1;
            let others = || (0..CLIENTS_MAX).filter(|other| *other != client);
            let open = others().find(|other| self.is_open(*other) && !self.tied[*other]);
            if let Some(other) = open {
                let ending = self.end_of_transaction(other);
                self.take(other, Act::Say(ending));
            } else {
                let other = others().find(|other| self.tied[*other]).unwrap();
                self.reset(other);
            }
        }
    }

    fn is_open(&mut self, client: usize) -> bool {
        self.touched[client] && self.side.player(client).ledger.is_open()
    }

    fn holds(&mut self, client: usize) -> bool {
        self.tied[client] || self.is_open(client)
    }

    /// How many others hold connections.
    fn holders(&mut self, client: usize) -> usize {
        (0..CLIENTS_MAX)
            .filter(|other| *other != client && self.holds(*other))
            .count()
    }

    fn end_of_transaction(&mut self, client: usize) -> Vec<Message> {
        let mut messages = Vec::new();
        if self.side.player(client).ledger.is_copying() {
            messages.push(Message::CopyFail);
        }
        messages.extend([Message::Sync, Message::query("rollback")]);
        messages
    }

    /// As new: nothing is left of the session.
    fn reset(&mut self, client: usize) {
        let mut messages = self.end_of_transaction(client);
        messages.push(Message::query("discard all"));
        self.take(client, Act::Say(messages));
        self.tied[client] = false;
    }

    fn take(&mut self, client: usize, act: Act) {
        let has_failed = self.side.player(client).ledger.has_failed();
        let act = match act {
            Act::Say(messages) => Act::Say(without_dangling(messages, has_failed)),
            Act::SayAndWait(messages) => Act::SayAndWait(without_dangling(messages, has_failed)),
            other => other,
        };
        self.tied[client] |= act
            .messages()
            .iter()
            .any(|message| matches!(message, Message::FunctionCall(..)) || may_tie(message))
            || may_freeze(act.messages());
        if let Act::Leave(_) = act {
            self.tied[client] = false;
        }
        let step = Step { client, act };
        let answer = match &step.act {
            Act::Say(messages) | Act::SayAndWait(messages) => {
                let player = self.side.player(client);
                player.send(messages);
                player.read()
            }
            Act::Leave(how) => {
                leave(self.side, client, *how);
                self.side.wait_for_backends();
                self.played.business.push(self.side.business());
                self.side.log_in_again(client)
            }
            other => act_otherwise(self.side, client, other),
        };
        if answer.farewell.is_some() {
            self.side.drop_player(client);
            self.tied[client] = false;
        }
        self.played.steps.push(step);
        self.played.answers.push(answer);
    }
}

/// Plays through pgask what was played directly.
pub(super) fn through_pgask(side: &mut Side, direct: &Played) -> Result<Played, String> {
    let mut played = Played {
        steps: direct.steps.clone(),
        ..Played::default()
    };
    let mut business = direct.business.iter();
    let mut waiting = None;
    for step in &direct.steps {
        let client = step.client;
        let answer = match &step.act {
            Act::Say(messages) => {
                let player = side.player(client);
                player.send(messages);
                player.read()
            }
            Act::SayAndWait(messages) => {
                side.player(client).send(messages);
                waiting = Some((client, played.answers.len()));
                played.answers.push(Answer::default());
                continue;
            }
            Act::Leave(how) => {
                leave(side, client, *how);
                let expected = business.next().unwrap();
                if let Err(found) = side.wait_for_business(expected) {
                    return Err(format!(
                        "after client {client} has left: {found:?} goes on, expected {expected:?}"
                    ));
                }
                side.log_in_again(client)
            }
            other => act_otherwise(side, client, other),
        };
        let has_ended = answer.farewell.is_some();
        played.answers.push(answer);
        if let Some((waiter, at)) = waiting.take() {
            played.answers[at] = side.player(waiter).read();
        }
        if has_ended {
            side.drop_player(client);
        }
    }
    played.notifications = take_notifications(side);
    Ok(played)
}

fn leave(side: &mut Side, client: usize, how: Leave) {
    let player = side.player(client);
    match how {
        Leave::Terminate => player.send_bytes(&frames::terminate()),
        Leave::Close => {}
        Leave::MidMessage => {
            let query = frames::query("select 'never whole'");
            player.send_bytes(&query[..query.len() / 2]);
        }
        Leave::Unread => {
            player.send_bytes(&frames::query(
                "select repeat('x', 100) from generate_series(1, 50000)",
            ));
        }
    }
    side.drop_player(client);
}

/// The acts that are the same on both sides.
fn act_otherwise(side: &mut Side, client: usize, act: &Act) -> Answer {
    let socket = side.socket.clone();
    let player = side.player(client);
    match act {
        Act::AskPid => {
            player.send(&[Message::query("select pg_backend_pid()")]);
            player.read()
        }
        Act::CancelBusy(sql) => {
            player.send(&[Message::query(sql)]);
            // Not before it runs: a client that waits for a connection is cancelled as well, but in fewer words.
            let mut answer = Answer::default();
            let start = Instant::now();
            while !side
                .player(client)
                .read_within(CANCEL_INTERVAL, &mut answer)
            {
                if start.elapsed() > CANCEL_TIMEOUT {
                    answer.farewell = Some("(it cannot be cancelled)");
                    break;
                }
                if side.is_sleeping() {
                    side.player(client).cancel(&socket);
                }
            }
            answer
        }
        Act::CancelRace => {
            player.send(&[Message::query(RACING)]);
            player.cancel(&socket);
            let raced = player.read();
            // Which of the two answers it was, and whether a transaction has failed by it, is nobody's fault.
            player.send(&[Message::query("rollback")]);
            player.read();
            if is_either_outcome(&raced) {
                Answer::default()
            } else {
                raced
            }
        }
        Act::CancelIdle => {
            player.cancel(&socket);
            Answer::default()
        }
        Act::Say(_) | Act::SayAndWait(_) | Act::Leave(_) => unreachable!("dealt with by each side"),
    }
}

/// The rows, the cancel's own error, or that of a transaction that had failed before.
fn is_either_outcome(answer: &Answer) -> bool {
    let frames = answer.frames();
    let error = frames
        .iter()
        .find_map(|frame| frame.field(b'C').filter(|_| frame.tag == b'E'));
    let tags: Vec<u8> = frames.iter().map(|frame| frame.tag).collect();
    match error.as_deref() {
        Some(code) => matches!(code, "57014" | "25P02") && tags.ends_with(b"EZ"),
        None => tags == b"TDCZ",
    }
}

fn take_notifications(side: &mut Side) -> Vec<Vec<Frame>> {
    (0..CLIENTS_MAX)
        .map(|client| std::mem::take(&mut side.player(client).notifications))
        .collect()
}

/// Without what PostgreSQL may crash on: a simple Query that fails while it runs in a transaction leaves its portal, the
/// unnamed one, without the memory that it is made of.
///
/// # Source
/// `exec_execute_message` in `src/backend/tcop/postgres.c` of PostgreSQL 15 reads the statements of a failed portal,
/// and those of a simple Query are in `MessageContext`.
fn without_dangling(mut messages: Vec<Message>, has_failed: bool) -> Vec<Message> {
    let mut may_dangle = has_failed;
    let mut is_bound = false;
    messages.retain(|message| {
        match message {
            Message::Query(_) => (may_dangle, is_bound) = (true, false),
            Message::Sync => is_bound = false,
            // What follows in the batch is skipped where it fails.
            Message::Bind { portal: "", .. } => is_bound = true,
            Message::Execute("", _) | Message::DescribePortal("") | Message::ClosePortal("") => {
                return !may_dangle || is_bound;
            }
            _ => {}
        }
        true
    });
    messages
}

/// Whether a text says one of these words.
fn says(sql: &[u8], words: &[&str]) -> bool {
    sql.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')
        .any(|said| {
            words
                .iter()
                .any(|word| said.eq_ignore_ascii_case(word.as_bytes()))
        })
}

/// Whether a statement with a name and a literal is prepared beside what may change how the literal is read.
fn may_freeze(messages: &[Message]) -> bool {
    let has_literal = |message: &Message| matches!(message, Message::Parse(name, sql, _) if !name.is_empty() && sql.contains(&b'\''));
    let is_parsed_here = |wanted: &str| {
        let mut messages = messages.iter();
        messages.any(|message| matches!(message, Message::Parse(name, ..) if *name == wanted))
    };
    let reads_otherwise = |message: &Message| match message {
        Message::Parse(_, sql, _) => says(sql, &READING_WORDS),
        // What it runs was prepared before, and may be anything.
        Message::Bind { statement, .. } => !is_parsed_here(statement),
        _ => false,
    };
    messages.iter().any(has_literal) && messages.iter().any(reads_otherwise)
}

/// Whether this may tie the session to its connection.
fn may_tie(message: &Message) -> bool {
    message.sql().is_some_and(|sql| {
        let says = |words: &[&str]| says(sql, words);
        let is_named = matches!(message, Message::Parse(name, ..) if !name.is_empty());
        let is_plain = !sql.iter().any(|byte| b";'\"\\".contains(byte));
        let is_spelled_oddly =
            says(&["set_config"]) && sql.iter().any(|byte| b"\"\\".contains(byte));
        // What is set by a name or to a value beyond ASCII, the server would not tell exactly.
        !sql.is_ascii()
            || is_spelled_oddly
            || says(&TYING_WORDS)
            || says(&NAMING_WORDS) && (is_named || !is_plain)
    })
}

/// The first step whose answers differ, told in lines.
pub(super) fn difference(direct: &Played, proxied: &Played) -> Option<String> {
    for (index, step) in direct.steps.iter().enumerate() {
        let (expected, found) = (&direct.answers[index], &proxied.answers[index]);
        let agree = match step.act {
            // The number is another one, of course.
            Act::AskPid => same_but_rows(expected, found),
            _ => expected.agrees(found),
        };
        if !agree {
            return Some(format!(
                "step {index}, {step}\n{}",
                unequal_lines(&expected.lines(), &found.lines())
            ));
        }
    }
    let told = |frames: &[Frame]| frames.iter().map(Frame::render).collect::<Vec<_>>();
    for client in 0..CLIENTS_MAX {
        let expected = told(&direct.notifications[client]);
        let found = told(&proxied.notifications[client]);
        if expected != found {
            return Some(format!(
                "notifications of client {client}\n{}",
                unequal_lines(&expected, &found)
            ));
        }
    }
    None
}

fn same_but_rows(expected: &Answer, found: &Answer) -> bool {
    let tags =
        |answer: &Answer| -> Vec<u8> { answer.frames().iter().map(|frame| frame.tag).collect() };
    tags(expected) == tags(found)
}

fn unequal_lines(direct: &[String], proxied: &[String]) -> String {
    const SHOWN_MAX: usize = 6;
    let same = direct
        .iter()
        .zip(proxied)
        .take_while(|(d, p)| d == p)
        .count();
    let mut text = String::new();
    for (who, lines) in [("direct ", direct), ("proxied", proxied)] {
        for line in lines.iter().skip(same).take(SHOWN_MAX) {
            text.push_str(&format!("    {who}: {line}\n"));
        }
        if lines.len() <= same {
            text.push_str(&format!("    {who}: (nothing more)\n"));
        }
    }
    text
}
