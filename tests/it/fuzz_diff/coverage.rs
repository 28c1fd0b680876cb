//! What the sequences have reached, as counts: what is never reached is never tested.

use std::collections::{BTreeMap, BTreeSet};

use super::play::Played;
use super::script::{Act, Leave, Message};

/// How many sequences reached each feature.
#[derive(Default)]
pub(super) struct Coverage(BTreeMap<&'static str, usize>);

/// Everything that a run of some length has to reach.
pub(super) const FEATURES: [&str; 62] = [
    "simple query",
    "several statements in one Query",
    "several Queries in one write",
    "extended batch",
    "several batches in one write",
    "Query inside a batch",
    "batch left open",
    "Flush inside a batch",
    "error in a batch with more behind it",
    "named statement used in a later step",
    "name of a statement taken twice",
    "no such statement",
    "no such portal",
    "portal suspended",
    "portal resumed in a later step",
    "Describe of a statement",
    "Describe of a portal",
    "Close of a statement",
    "binary results",
    "wrong number of parameters",
    "FunctionCall",
    "empty query",
    "bytes that are no text",
    "syntax error",
    "error raised by a function",
    "unique violation",
    "deferred error at the end",
    "notice",
    "transaction committed",
    "transaction rolled back",
    "statement in a failed transaction",
    "savepoint rolled back to",
    "SET",
    "SET LOCAL",
    "RESET",
    "set_config",
    "ParameterStatus",
    "setting shown",
    "other client_encoding",
    "other role",
    "permission denied",
    "SQL PREPARE",
    "SQL EXECUTE",
    "DEALLOCATE",
    "cursor",
    "cursor WITH HOLD",
    "temporary table",
    "LISTEN",
    "notification",
    "advisory lock",
    "DISCARD ALL",
    "sequence",
    "DO or CALL",
    "definition changed",
    "COPY OUT",
    "COPY IN",
    "COPY IN failed by the client",
    "COPY IN failed by the server",
    "COPY left open",
    "client left",
    "cancel",
    "client waited for a connection",
];

impl Coverage {
    /// Adds one sequence.
    pub(super) fn add(&mut self, played: &Played) {
        let mut reached = BTreeSet::new();
        if played.waits > 0 {
            reached.insert("client waited for a connection");
        }
        if played.releases > 0 {
            reached.insert("client made to let go");
        }
        if played.notifications.iter().any(|told| !told.is_empty()) {
            reached.insert("notification");
        }
        for (step, answer) in played.steps.iter().zip(&played.answers) {
            let frames = answer.frames();
            let has_succeeded = !frames.iter().any(|frame| frame.tag == b'E');
            of_act(&step.act, has_succeeded, &mut reached);
            for frame in frames {
                let text = String::from_utf8_lossy(&frame.body);
                reached.extend(match frame.tag {
                    b's' => Some("portal suspended"),
                    b'S' if text.starts_with("client_encoding\0LATIN1") => {
                        Some("other client_encoding")
                    }
                    b'S' => Some("ParameterStatus"),
                    b'I' => Some("empty query"),
                    b'N' => Some("notice"),
                    b'H' => Some("COPY OUT"),
                    b'G' => Some("COPY IN"),
                    b'C' => of_command(text.trim_end_matches('\0')),
                    b'E' if frame.field(b'n').as_deref() == Some("late_k_key") => {
                        Some("deferred error at the end")
                    }
                    b'E' => of_error(&frame.field(b'C').unwrap_or_default()),
                    _ => None,
                });
            }
            of_step(
                step.act.messages(),
                &answer.frames().iter().map(|f| f.tag).collect::<Vec<_>>(),
                &mut reached,
            );
        }
        across_steps(played, &mut reached);
        for feature in reached {
            *self.0.entry(feature).or_default() += 1;
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (feature, count) in &other.0 {
            *self.0.entry(feature).or_default() += count;
        }
    }

    /// What no sequence has reached.
    pub(super) fn missing(&self) -> Vec<&'static str> {
        FEATURES
            .into_iter()
            .filter(|feature| !self.0.contains_key(feature))
            .collect()
    }

    /// A line for each feature.
    pub(super) fn table(&self) -> String {
        let mut lines: Vec<_> = self
            .0
            .iter()
            .map(|(feature, count)| format!("{count:>9}  {feature}\n"))
            .collect();
        lines.extend(
            self.missing()
                .iter()
                .map(|feature| format!("        0  {feature}\n")),
        );
        lines.concat()
    }
}

fn of_act(act: &Act, has_succeeded: bool, reached: &mut BTreeSet<&'static str>) {
    match act {
        Act::Leave(how) => {
            reached.insert("client left");
            reached.insert(match how {
                Leave::Terminate => "client left by Terminate",
                Leave::Close => "client left without a word",
                Leave::MidMessage => "client left within a message",
                Leave::Unread => "client left an answer unread",
            });
        }
        Act::CancelBusy(_) => {
            reached.insert("cancel");
        }
        Act::CancelRace => {
            reached.insert("cancel at a random moment");
        }
        Act::CancelIdle => {
            reached.insert("cancel while idle");
        }
        Act::AskPid | Act::Say(_) | Act::SayAndWait(_) => {}
    }
    for message in act.messages() {
        match message {
            Message::DescribeStatement(_) => reached.insert("Describe of a statement"),
            Message::DescribePortal(_) => reached.insert("Describe of a portal"),
            Message::CloseStatement(_) => reached.insert("Close of a statement"),
            Message::FunctionCall(..) => reached.insert("FunctionCall"),
            Message::CopyFail => reached.insert("CopyFail"),
            Message::Bind { results, .. } if results.contains(&1) => {
                reached.insert("binary results")
            }
            _ => false,
        };
        let Some(sql) = message.sql() else {
            continue;
        };
        if std::str::from_utf8(sql).is_err() {
            reached.insert("bytes that are no text");
        }
        let sql = String::from_utf8_lossy(sql).to_lowercase();
        if matches!(message, Message::Query(_)) && sql.contains("; ") {
            reached.insert("several statements in one Query");
        }
        let words = [
            ("set local", "SET LOCAL"),
            ("set_config", "set_config"),
            ("show ", "setting shown"),
            ("with hold", "cursor WITH HOLD"),
            ("advisory", "advisory lock"),
            ("val('", "sequence"),
            ("rollback to ", "savepoint rolled back to"),
            ("role other", "other role"),
            ("execute ", "SQL EXECUTE"),
            ("create temp", "temporary table"),
        ];
        for (word, feature) in words {
            if sql.contains(word) && has_succeeded {
                reached.insert(feature);
            }
        }
    }
}

/// What the messages and the tags that answer them tell together.
fn of_step(messages: &[Message], tags: &[u8], reached: &mut BTreeSet<&'static str>) {
    let count = |is: fn(&Message) -> bool| messages.iter().filter(|message| is(message)).count();
    let queries = count(|message| matches!(message, Message::Query(_)));
    let syncs = count(|message| matches!(message, Message::Sync));
    let extended = count(|message| matches!(message, Message::Parse(..) | Message::Bind { .. }));
    if queries > 0 {
        reached.insert("simple query");
    }
    if queries > 1 && extended == 0 && syncs == 0 {
        reached.insert("several Queries in one write");
    }
    if extended == 0 {
        return;
    }
    reached.insert("extended batch");
    if syncs > 1 {
        reached.insert("several batches in one write");
    }
    if queries > 0 {
        reached.insert("Query inside a batch");
    }
    if count(|message| matches!(message, Message::Flush)) > 0 {
        reached.insert("Flush inside a batch");
    }
    if !matches!(messages.last(), Some(Message::Sync | Message::Query(_))) {
        reached.insert("batch left open");
    }
    if tags
        .iter()
        .position(|tag| *tag == b'E')
        .is_some_and(|at| at < 3)
        && extended > 2
    {
        reached.insert("error in a batch with more behind it");
    }
}

/// What only steps together tell.
fn across_steps(played: &Played, reached: &mut BTreeSet<&'static str>) {
    let mut prepared = BTreeSet::new();
    let mut suspended = BTreeSet::new();
    for (step, answer) in played.steps.iter().zip(&played.answers) {
        let client = step.client;
        let frames = answer.frames();
        let has = |tag: u8| frames.iter().any(|frame| frame.tag == tag);
        let messages = step.act.messages();
        let parses = |name: &str| {
            messages
                .iter()
                .any(|message| matches!(message, Message::Parse(own, ..) if *own == name))
        };
        for message in messages {
            match message {
                Message::Bind { statement, .. }
                    if !statement.is_empty()
                        && !parses(statement)
                        && has(b'2')
                        && prepared.contains(&(client, *statement)) =>
                {
                    reached.insert("named statement used in a later step");
                }
                Message::Execute(portal, _)
                    if suspended.contains(&(client, *portal))
                        && frames.first().is_some_and(|frame| frame.tag == b'D') =>
                {
                    reached.insert("portal resumed in a later step");
                }
                _ => {}
            }
        }
        for message in messages {
            match message {
                Message::Parse(name, ..) if has(b'1') => {
                    prepared.insert((client, *name));
                }
                Message::Execute(portal, _) if has(b's') => {
                    suspended.insert((client, *portal));
                }
                _ => {}
            }
        }
        if has(b'G') && !has(b'Z') && !has(b'E') {
            reached.insert("COPY left open");
        }
    }
}

fn of_command(tag: &str) -> Option<&'static str> {
    Some(match tag.split(' ').next()? {
        "SET" => "SET",
        "RESET" => "RESET",
        "COMMIT" => "transaction committed",
        "ROLLBACK" => "transaction rolled back",
        "PREPARE" => "SQL PREPARE",
        "DEALLOCATE" => "DEALLOCATE",
        "DECLARE" | "FETCH" | "MOVE" => "cursor",
        "LISTEN" => "LISTEN",
        "DO" | "CALL" => "DO or CALL",
        "CREATE" | "DROP" | "ALTER" => "definition changed",
        "DISCARD" if tag == "DISCARD ALL" => "DISCARD ALL",
        "DISCARD" => "DISCARD of one kind",
        _ => return None,
    })
}

fn of_error(sqlstate: &str) -> Option<&'static str> {
    Some(match sqlstate {
        "42601" => "syntax error",
        "P0001" => "error raised by a function",
        "23505" => "unique violation",
        "25P02" => "statement in a failed transaction",
        "26000" => "no such statement",
        "34000" => "no such portal",
        "42P05" => "name of a statement taken twice",
        "08P01" => "wrong number of parameters",
        "42501" => "permission denied",
        "57014" => "COPY IN failed by the client",
        "22P02" | "22P04" | "22021" => "COPY IN failed by the server",
        _ => return None,
    })
}
