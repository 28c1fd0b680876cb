//! What a scenario is, and how the paragraphs of a `.sql` file become some.
//!
//! A paragraph is one Query message. A line `--@ name key=value ...` starts a new connection with those startup
//! parameters (a space inside a value is written `\ `); `--#` lines are remarks. The database's `search_path` is the
//! schema `diff`, made afresh for each scenario.

use crate::support::frames;

/// One connection's script.
pub(super) struct Scenario {
    /// What the messages of a failed test call it.
    pub(super) name: String,
    /// Startup parameters besides user and database.
    pub(super) parameters: Vec<(String, String)>,
    /// What is sent, in order.
    pub(super) steps: Vec<Step>,
    /// Whether it is played among neighbours as well.
    pub(super) is_jostled: bool,
}

/// Bytes to send, and how long to read before the next step.
pub(super) struct Step {
    /// The SQL or the name of what is tried.
    pub(super) label: String,
    /// One message or several.
    pub(super) bytes: Vec<u8>,
    /// When the answer is whole.
    pub(super) until: Until,
}

/// When a step's answer is whole.
#[derive(Clone, Copy)]
pub(super) enum Until {
    /// After this many ReadyForQuery.
    Ready(usize),
    /// After the first message of this tag (a Flush, or CopyInResponse).
    Tag(u8),
    /// After the end of the stream.
    Closed,
}

impl Scenario {
    /// A scenario with no startup parameters of its own.
    pub(super) fn new(name: &str, steps: Vec<Step>) -> Self {
        Self {
            name: name.to_owned(),
            parameters: Vec::new(),
            steps,
            is_jostled: true,
        }
    }
}

impl Step {
    /// Messages that end in one ReadyForQuery.
    pub(super) fn new(label: &str, messages: &[Vec<u8>]) -> Self {
        Self::until(label, messages, Until::Ready(1))
    }

    /// Messages that end otherwise.
    pub(super) fn until(label: &str, messages: &[Vec<u8>], until: Until) -> Self {
        Self {
            label: label.to_owned(),
            bytes: messages.concat(),
            until,
        }
    }

    /// The same step, whose messages end in this many ReadyForQuery.
    pub(super) fn ready(mut self, count: usize) -> Self {
        self.until = Until::Ready(count);
        self
    }

    /// One Query message.
    pub(super) fn query(sql: &str) -> Self {
        Self::new(sql, &[frames::query(sql)])
    }
}

/// Reads the scenarios of a `.sql` file.
pub(super) fn read(text: &str) -> Vec<Scenario> {
    let mut scenarios: Vec<Scenario> = Vec::new();
    for paragraph in text.split("\n\n").map(|p| p.trim_matches('\n')) {
        if paragraph.is_empty() || paragraph.starts_with("--#") {
            continue;
        }
        match paragraph.strip_prefix("--@ ") {
            Some(title) => scenarios.push(titled(title)),
            None => scenarios
                .last_mut()
                .expect("a title comes first")
                .steps
                .push(Step::query(paragraph)),
        }
    }
    scenarios
}

fn titled(title: &str) -> Scenario {
    let words = title.replace("\\ ", "\u{1}");
    let (parameters, name): (Vec<_>, Vec<_>) = words
        .split(' ')
        .map(|word| word.replace('\u{1}', " "))
        .partition(|word| word.contains('='));
    Scenario {
        name: name.join(" "),
        parameters: parameters
            .iter()
            .filter_map(|word| word.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
        steps: Vec::new(),
        is_jostled: true,
    }
}
