//! `ask good`, `ask bad` and `ask correct`, and what comes of them: corrected questions as examples for a model.

use std::collections::HashSet;
use std::sync::Arc;

use super::answer::{Answer, Origin};
use super::fingerprint;
use super::kept::{CORRECTED_READING, place, question_of};
use super::memo::{self, Key};
use super::pins::{columns, full, unwritten};
use super::pipeline::{Asked, Drafts, Judgement, Pipeline, Probe, Views};
use super::surface::verb::Verb;
use super::table::{Cell, Table};
use crate::access::visible::Visible;
use crate::error::{Refusal, SqlState};
use crate::names::{Caller, Draft};
use crate::schema::quote::identifier_if_needed;
use crate::state::record::{Feedback, KeptSql, Question, SQL_BYTES_MAX, Verdict};
use crate::state::store::Outcome;
use crate::synth::brief::Example;

/// Examples that a model is given at most.
const EXAMPLES_MAX: usize = 5;

/// The longest question and SQL of an example, together, in bytes.
const EXAMPLE_BYTES_MAX: usize = 4 * 1024;

impl<D: Drafts, V: Views> Pipeline<D, V> {
    /// Carries out a verb of feedback.
    ///
    /// # Errors
    /// 42704 before anything was asked; 42601 for a question where none belongs; for `ask correct` NL004 and the
    /// server's own errors on its SQL, 0A000 in a conversation, 42710 for a pinned question.
    pub(super) async fn feedback(
        &self,
        verb: Verb,
        asked: &Asked<'_>,
        last: Option<&Answer>,
        probe: &impl Probe,
    ) -> Result<(Table, Option<Answer>), Refusal> {
        if verb == Verb::Bad && !asked.question.is_empty() {
            return Ok((self.withdraw(asked).await?, None));
        }
        let last = last.ok_or_else(|| nothing_to_judge(verb))?;
        if verb == Verb::Correct {
            return self.correct(asked, last, probe).await;
        }
        if !asked.question.is_empty() {
            return Err(takes_no_question(verb));
        }
        let visible = self.views.visible(asked.caller).await?;
        let (verdict, fingerprint) = (
            self.verdict_on(verb, asked.caller, last).await?,
            fingerprint::of(&last.approved, &visible),
        );
        let kept = KeptSql {
            sql: last.approved.sql().to_owned(),
            fingerprint,
        };
        let question = question_of(&last.question, last.parameter_count);
        let table = said(&question, Some(&kept.sql), verdict.as_str());
        self.record(asked.caller, question, verdict, kept).await?;
        if verdict == Verdict::Bad {
            // Whoever wrote it may do better.
            let about = Asked {
                question: &last.question,
                ..*asked
            };
            let examples = self.examples(&about, &visible).await;
            let key = Key::new(
                asked.caller,
                &visible,
                &last.question,
                asked.settings.provider.as_deref(),
                last.parameter_count,
                asked.today,
                &[],
            )
            .with_examples(&examples);
            self.memo.forget(&key);
        }
        Ok((table, None))
    }

    /// "Good" of a correction is no news: the correction stays one.
    async fn verdict_on(
        &self,
        verb: Verb,
        caller: &Caller,
        last: &Answer,
    ) -> Result<Verdict, Refusal> {
        if verb == Verb::Bad {
            return Ok(Verdict::Bad);
        }
        let records = self.records(caller).await.map_err(|why| unwritten(&why))?;
        let before = records.feedback_on(
            &caller.role,
            &question_of(&last.question, last.parameter_count),
        );
        let confirms = before.is_some_and(|one| {
            one.verdict == Verdict::Corrected && one.kept.sql == last.approved.sql()
        });
        Ok(if confirms {
            Verdict::Corrected
        } else {
            Verdict::Good
        })
    }

    /// Proves the SQL that should have been the answer, and keeps it.
    async fn correct(
        &self,
        asked: &Asked<'_>,
        last: &Answer,
        probe: &impl Probe,
    ) -> Result<(Table, Option<Answer>), Refusal> {
        let sql = asked.question.trim();
        if sql.is_empty() || sql.len() > SQL_BYTES_MAX {
            return Err(needs_sql());
        }
        if last.in_conversation {
            return Err(in_conversation());
        }
        if let Origin::Pin { name, .. } = &last.origin {
            return Err(pinned(name));
        }
        let question = question_of(&last.question, last.parameter_count);
        let records = self
            .records(asked.caller)
            .await
            .map_err(|why| unwritten(&why))?;
        if let Some(pin) = records.pin_of(&asked.caller.role, &question) {
            return Err(pinned(&pin.name));
        }
        let visible = self.views.visible(asked.caller).await?;
        let draft = Draft::given(sql, CORRECTED_READING, "correction");
        let about = Asked {
            question: &last.question,
            parameter_count: last.parameter_count,
            turns: &[],
            ..*asked
        };
        let mut answer = match self.judge(&about, &visible, &draft, probe).await {
            Ok(answer) => answer,
            Err(Judgement::Mend(refusal) | Judgement::Final(refusal)) => return Err(refusal),
        };
        self.must_plan(&about, &answer, probe).await?;
        answer.origin = Origin::Correction { drifted: false };
        let kept = KeptSql {
            sql: answer.approved.sql().to_owned(),
            fingerprint: fingerprint::of(&answer.approved, &visible),
        };
        let verdict = Verdict::Corrected;
        let table = said(&question, Some(&kept.sql), verdict.as_str());
        self.record(asked.caller, question, verdict, kept).await?;
        Ok((table, Some(answer)))
    }

    /// `ask bad: question` takes back what the caller has said of a question, also where its correction is broken and
    /// nothing can be answered that could be called bad.
    async fn withdraw(&self, asked: &Asked<'_>) -> Result<Table, Refusal> {
        let caller = asked.caller;
        let text = memo::normalise(asked.question);
        let records = self.records(caller).await.map_err(|why| unwritten(&why))?;
        let is_it = |one: &&Feedback| one.holds_for(&caller.role) && one.question.text == text;
        let Some(found) = records.feedback.iter().find(is_it) else {
            return Err(Refusal::new(
                SqlState::UNDEFINED_OBJECT,
                "nothing was said of this question yet",
            )
            .with_hint("Ask it, and then: ask bad;"));
        };
        // Its SQL may be about what the caller may not see any more.
        let table = |verdict| said(&found.question, None, verdict);
        if found.given_by == caller.role && found.role == self.state.scope_of(&caller.role) {
            let removed = self.state.remove_feedback(found).await;
            removed.map_err(|why| unwritten(&why))?;
            return Ok(table(WITHDRAWN));
        }
        // What another has said to all is overruled, and not taken out of his mouth.
        let (question, kept) = (found.question.clone(), found.kept.clone());
        self.record(caller, question, Verdict::Bad, kept).await?;
        Ok(table(Verdict::Bad.as_str()))
    }

    async fn record(
        &self,
        caller: &Caller,
        question: Question,
        verdict: Verdict,
        kept: KeptSql,
    ) -> Result<(), Refusal> {
        let feedback = Feedback {
            place: place(caller),
            role: self.state.scope_of(&caller.role),
            question,
            verdict,
            kept,
            given_by: Arc::clone(&caller.role),
        };
        let kept = self.state.keep_feedback(feedback).await;
        match kept.map_err(|why| unwritten(&why))? {
            Outcome::Full => Err(full("feedback of this role", "feedback_max")),
            _ => Ok(()),
        }
    }

    /// Corrected questions that are like this one, the likest first, as far as the caller may see everything in them:
    /// the guard approves the SQL, and what it mentions is as it was when it was given.
    pub(super) async fn examples(&self, asked: &Asked<'_>, visible: &Visible) -> Vec<Arc<Example>> {
        if !self
            .drafts
            .takes_examples(asked.settings.provider.as_deref())
        {
            return Vec::new();
        }
        let Ok(records) = self.records(asked.caller).await else {
            return Vec::new();
        };
        let wanted = words(asked.question);
        let mut like: Vec<(f64, &Feedback)> = records
            .feedback
            .iter()
            .filter(|one| one.verdict == Verdict::Corrected && one.holds_for(&asked.caller.role))
            .filter(|one| one.question.text.len() + one.kept.sql.len() <= EXAMPLE_BYTES_MAX)
            .map(|one| (likeness(&wanted, &words(&one.question.text)), one))
            .filter(|(likeness, _)| *likeness > 0.0)
            .collect();
        like.sort_by(|a, b| b.0.total_cmp(&a.0));
        like.iter()
            .filter(|(_, one)| self.may_show(one, visible))
            .take(EXAMPLES_MAX)
            .map(|(_, one)| {
                Arc::new(Example {
                    question: one.question.text.clone(),
                    sql: one.kept.sql.clone(),
                })
            })
            .collect()
    }

    fn may_show(&self, correction: &Feedback, visible: &Visible) -> bool {
        let draft = Draft::given(correction.kept.sql.as_str(), "", "correction");
        self.approve(&draft, visible, correction.question.parameter_count)
            .is_ok_and(|approved| {
                fingerprint::of(&approved, visible) == correction.kept.fingerprint
            })
    }
}

/// What is told of a verdict that was taken back.
const WITHDRAWN: &str = "withdrawn";

fn said(question: &Question, sql: Option<&str>, verdict: &str) -> Table {
    columns(&["question", "sql", "verdict"]).with_row([
        Cell::Text(question.text.clone()),
        Cell::optional(sql.map(str::to_owned)),
        Cell::Text(verdict.to_owned()),
    ])
}

fn words(text: &str) -> HashSet<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.chars().nth(2).is_some())
        .map(str::to_lowercase)
        .collect()
}

/// The share of words that two questions have in common, 0 to 1.
fn likeness(a: &HashSet<String>, b: &HashSet<String>) -> f64 {
    let common = a.intersection(b).count();
    let all = a.len() + b.len() - common;
    if all == 0 {
        return 0.0;
    }
    let ratio = |part: usize| f64::from(u32::try_from(part).unwrap_or(u32::MAX));
    ratio(common) / ratio(all)
}

fn nothing_to_judge(verb: Verb) -> Refusal {
    Refusal::new(
        SqlState::UNDEFINED_OBJECT,
        "nothing was asked in this session yet",
    )
    .with_hint(format!("Ask first, and then: ask {};", verb.as_str()))
}

fn takes_no_question(verb: Verb) -> Refusal {
    let verb = verb.as_str();
    Refusal::new(
        SqlState::SYNTAX_ERROR,
        format!("ask {verb} speaks of the last answer and takes no question"),
    )
    .with_hint(format!("Ask first, and then: ask {verb};"))
}

fn needs_sql() -> Refusal {
    Refusal::new(
        SqlState::SYNTAX_ERROR,
        "ask correct needs the query that would have been right",
    )
    .with_hint("Write it behind the colon: ask correct: SELECT ...;")
}

fn in_conversation() -> Refusal {
    Refusal::new(
        SqlState::FEATURE_NOT_SUPPORTED,
        "an answer that was given in a conversation cannot be corrected",
    )
    .with_detail("Its question may mean something else where other questions came before it.")
    .with_hint("SET ask.context = off, ask a question that stands by itself, and correct that.")
}

fn pinned(name: &str) -> Refusal {
    Refusal::new(
        SqlState::DUPLICATE_OBJECT,
        format!("this question is pinned as \"{name}\", which a correction does not change"),
    )
    .with_hint(format!(
        "`ask unpin {};` first, and ask again.",
        identifier_if_needed(name)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_alike_by_their_words() {
        let likeness = |a: &str, b: &str| likeness(&words(a), &words(b));
        assert_eq!(likeness("Revenue by month?", "revenue, by month"), 1.0);
        assert_eq!(likeness("revenue by month", "rooms of a floor"), 0.0);
        assert!(
            likeness("revenue by month", "revenue by year")
                > likeness("revenue by month", "rooms by year and month")
        );
        assert_eq!(likeness("", "?"), 0.0);
    }
}
