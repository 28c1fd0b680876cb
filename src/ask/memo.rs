//! What was answered before: the same question of the same caller over the same schema is not synthesized again.

use std::sync::Arc;

use moka::sync::Cache;

use super::answer::Answer;
use super::pipeline::Asked;
use super::settings::CacheSettings;
use crate::access::visible::Visible;
use crate::names::Caller;
use crate::synth::brief::{Example, Turn};

/// Answers by what they depend on. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Memo {
    answers: Option<Cache<Key, Arc<Answer>>>,
}

/// Everything that an Answer depends on. A changed schema makes other keys; what lies under the old ones is never
/// found again, and ages out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    caller: Caller,
    fingerprint: u64,
    search_path: Arc<[String]>,
    question: String,
    provider: Option<String>,
    parameter_count: u16,
    /// "last month" means another month tomorrow.
    today: jiff::civil::Date,
    /// "and last year?" means something else in another conversation.
    turns: Vec<Arc<Turn>>,
    /// A question that others may refer to is read so that they can.
    conversing: bool,
    /// A model may answer otherwise once it was shown more.
    examples: Vec<Arc<Example>>,
    /// The SQL that is kept for the question, where it was this that was proved.
    kept: Option<String>,
}

impl Key {
    /// The key of a question.
    #[must_use]
    pub fn new(
        caller: &Caller,
        visible: &Visible,
        question: &str,
        provider: Option<&str>,
        parameter_count: u16,
        today: jiff::civil::Date,
        turns: &[Arc<Turn>],
    ) -> Self {
        Self {
            caller: caller.clone(),
            fingerprint: visible.fingerprint,
            search_path: visible.search_path().into(),
            question: normalise(question),
            provider: provider.map(str::to_owned),
            parameter_count,
            today,
            turns: turns.to_vec(),
            conversing: false,
            examples: Vec::new(),
            kept: None,
        }
    }

    /// The key of the same question where later ones may refer to it.
    #[must_use]
    pub fn conversing(mut self, conversing: bool) -> Self {
        self.conversing = conversing;
        self
    }

    /// The key of the same question where a model is shown these examples.
    #[must_use]
    pub fn with_examples(mut self, examples: &[Arc<Example>]) -> Self {
        self.examples = examples.to_vec();
        self
    }

    /// The key of the proof of SQL that is kept for a question; whatever else was asked, and on which day, is nothing
    /// to it.
    #[must_use]
    pub fn of_kept(asked: &Asked<'_>, visible: &Visible, sql: &str) -> Self {
        let count = asked.parameter_count;
        let day = jiff::civil::Date::ZERO;
        Self {
            kept: Some(sql.to_owned()),
            ..Self::new(asked.caller, visible, asked.question, None, count, day, &[])
        }
    }
}

impl Memo {
    /// An empty memo.
    #[must_use]
    pub fn new(settings: &CacheSettings) -> Self {
        let build = || {
            Cache::builder()
                .max_capacity(settings.entries)
                .time_to_live(settings.ttl)
                .build()
        };
        Self {
            answers: settings.enabled.then(build),
        }
    }

    /// The answer remembered under a key.
    #[must_use]
    pub fn find(&self, key: &Key) -> Option<Arc<Answer>> {
        self.answers.as_ref()?.get(key)
    }

    /// Forgets an answer.
    pub fn forget(&self, key: &Key) {
        if let Some(answers) = &self.answers {
            answers.invalidate(key);
        }
    }

    /// Remembers an answer.
    pub fn keep(&self, key: Key, answer: Arc<Answer>) {
        if let Some(answers) = &self.answers {
            answers.insert(key, answer);
        }
    }
}

/// White space and the closing mark do not tell questions apart; letter case does, because a value may depend on it,
/// and so does everything when something is quoted.
pub(super) fn normalise(question: &str) -> String {
    let question = question.trim();
    if question.contains(['\'', '"', '\u{201c}', '`']) {
        return question.to_owned();
    }
    let words: Vec<&str> = question
        .trim_end_matches(['?', '.', '!', ' '])
        .split_whitespace()
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spacing_and_the_closing_mark_do_not_tell_questions_apart() {
        let cases = [
            ("how  many\nrooms ?", "how many rooms"),
            ("how many rooms.", "how many rooms"),
            ("rooms called 'A  B'?", "rooms called 'A  B'?"),
            ("Rooms", "Rooms"),
        ];
        for (question, expect) in cases {
            assert_eq!(normalise(question), expect);
        }
    }
}
