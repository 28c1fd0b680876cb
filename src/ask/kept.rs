//! Answers that are kept: what a pin or a correction says of a question comes before anything that a provider could.
//!
//! The SQL of a record is proved for whoever asks, each time that the schema or the caller is another one. What cannot
//! be proved any more is reported, and not answered in another way: a dashboard must not change in silence.

use std::sync::Arc;

use tokio::time::Instant;

use super::answer::{Answer, Origin};
use super::fingerprint;
use super::memo::{self, Key};
use super::pipeline::{Asked, Drafts, Judgement, Pipeline, Probe, Views};
use crate::access::visible::Visible;
use crate::error::{Refusal, SqlState};
use crate::names::{Caller, Draft};
use crate::schema::quote::identifier_if_needed;
use crate::state::record::{Feedback, KeptSql, Pin, Place, Question, Records, Verdict};
use crate::state::store::Failure;

/// The longest question that a HINT repeats, in bytes.
const HINT_BYTES_MAX: usize = 200;

/// What is kept for a question.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    /// The pin's name; `None` for a correction.
    pub(super) name: Option<Arc<str>>,
    question: Question,
    sql: KeptSql,
    reading: String,
    /// The role that made the record.
    by: Arc<str>,
}

impl From<&Pin> for Kept {
    fn from(pin: &Pin) -> Self {
        Self {
            name: Some(Arc::clone(&pin.name)),
            question: pin.question.clone(),
            sql: pin.kept.clone(),
            reading: pin.reading.clone(),
            by: Arc::clone(&pin.pinned_by),
        }
    }
}

impl From<&Feedback> for Kept {
    fn from(correction: &Feedback) -> Self {
        Self {
            name: None,
            question: correction.question.clone(),
            sql: correction.kept.clone(),
            reading: CORRECTED_READING.to_owned(),
            by: Arc::clone(&correction.given_by),
        }
    }
}

/// How a correction is read: it was written by a person, who has not said it in words.
pub(super) const CORRECTED_READING: &str = "the query that was given as a correction";

/// What has become of a record, for one caller.
#[derive(Clone, Debug)]
pub(super) enum Standing {
    /// What it mentions is as it was.
    Valid,
    /// The schema under it has changed, and it was proved again.
    Drifted,
    /// It cannot be proved any more, for this reason.
    Broken(Refusal),
}

impl<D: Drafts, V: Views> Pipeline<D, V> {
    /// The records of the caller's database.
    pub(super) async fn records(&self, caller: &Caller) -> Result<Arc<Records>, Failure> {
        self.state.records(&place(caller)).await
    }

    /// The pin that holds for a question of this caller's, else the correction.
    ///
    /// # Errors
    /// NL003 when the store cannot be read and never was: the question may be pinned, and another answer would be
    /// taken for the pinned one.
    pub(super) async fn kept_for(&self, asked: &Asked<'_>) -> Result<Option<Kept>, Refusal> {
        let records = self
            .records(asked.caller)
            .await
            .map_err(|why| unreadable(&why))?;
        if records.pins.is_empty() && records.feedback.is_empty() {
            return Ok(None);
        }
        let (role, question) = (
            &asked.caller.role,
            question_of(asked.question, asked.parameter_count),
        );
        if let Some(pin) = records.pin_of(role, &question) {
            return Ok(Some(pin.into()));
        }
        let feedback = records.feedback_on(role, &question);
        let correction = feedback.filter(|one| one.verdict == Verdict::Corrected);
        Ok(correction.map(Kept::from))
    }

    /// Answers by a record.
    ///
    /// # Errors
    /// When it is broken, with the guard's or the server's own SQLSTATE; NL005 over the cost ceiling.
    pub(super) async fn answer_kept(
        &self,
        kept: &Kept,
        asked: &Asked<'_>,
        visible: &Visible,
        probe: &impl Probe,
        started: Instant,
    ) -> Result<Answer, Refusal> {
        match self.prove_kept(kept, asked, visible, probe).await {
            Ok(answer) => {
                self.metrics.kept_answers.inc();
                Ok(Answer {
                    elapsed: started.elapsed(),
                    ..answer
                })
            }
            Err(Judgement::Final(refusal)) => Err(refusal),
            Err(Judgement::Mend(refusal)) => Err(self.broken(kept, asked.caller, refusal).await),
        }
    }

    /// How a record stands for a caller. The planner is asked only where something has changed.
    pub(super) async fn standing(
        &self,
        kept: &Kept,
        asked: &Asked<'_>,
        visible: &Visible,
        probe: &impl Probe,
    ) -> Standing {
        let draft = kept.draft();
        match self.approve(&draft, visible, kept.question.parameter_count) {
            Err(refusal) => return Standing::Broken(refusal),
            Ok(approved) if fingerprint::of(&approved, visible) == kept.sql.fingerprint => {
                return Standing::Valid;
            }
            Ok(_) => {}
        }
        let asked = Asked {
            question: &kept.question.text,
            parameter_count: kept.question.parameter_count,
            ..*asked
        };
        match self.prove_kept(kept, &asked, visible, probe).await {
            Ok(_) | Err(Judgement::Final(_)) => Standing::Drifted,
            Err(Judgement::Mend(refusal)) => Standing::Broken(refusal),
        }
    }

    async fn prove_kept(
        &self,
        kept: &Kept,
        asked: &Asked<'_>,
        visible: &Visible,
        probe: &impl Probe,
    ) -> Result<Answer, Judgement> {
        let key = Key::of_kept(asked, visible, &kept.sql.sql);
        if let Some(remembered) = self.memo.find(&key) {
            return Ok(Answer {
                remembered: true,
                in_conversation: false,
                // The same SQL may have been pinned anew, under another name or over another schema.
                origin: kept.origin(&remembered, visible),
                reading: kept.reading.clone(),
                provider: kept.provider(),
                ..(*remembered).clone()
            });
        }
        let mut answer = self.judge(asked, visible, &kept.draft(), probe).await?;
        answer.origin = kept.origin(&answer, visible);
        // It is the question's own answer, whatever was asked before.
        answer.in_conversation = false;
        // Without a plan it is not proved that it still fits, and the next asker has it tried again.
        if answer.estimated_cost.is_some() {
            self.memo.keep(key, Arc::new(answer.clone()));
        }
        Ok(answer)
    }

    /// What an asker is told of a record that cannot be proved. Who has not made it learns nothing of its SQL: it may
    /// name what only others may see.
    async fn broken(&self, kept: &Kept, caller: &Caller, refusal: Refusal) -> Refusal {
        if !speaks_of_the_query(&refusal) {
            return refusal;
        }
        let is_own = kept.by == caller.role;
        let tells = is_own || self.views.is_superuser(caller).await.unwrap_or(false);
        let Refusal {
            sqlstate,
            message,
            detail,
            hint,
            internal,
        } = refusal;
        let (message, detail) = if tells || sqlstate != SqlState::GUARD {
            (message, detail.filter(|_| tells))
        } else {
            let detail = format!(
                "It reads what role \"{}\" may not read, or what is there no more.",
                caller.role
            );
            ("it cannot be proved".into(), Some(detail))
        };
        let told = match &kept.name {
            Some(name) => format!("pin \"{name}\" is broken: {message}"),
            None => format!("correction of this question is broken: {message}"),
        };
        let mut way_out = kept.way_out();
        if let Some(hint) = hint.filter(|_| tells) {
            way_out = format!("{hint} {way_out}");
        }
        Refusal {
            detail,
            // The rights of its maker may be less by now.
            internal: internal.filter(|_| tells && !HIDING.contains(&sqlstate)),
            ..Refusal::new(sqlstate, told).with_hint(way_out)
        }
    }
}

impl Kept {
    fn draft(&self) -> Draft {
        Draft::given(
            self.sql.sql.as_str(),
            self.reading.as_str(),
            self.provider(),
        )
    }

    fn provider(&self) -> Arc<str> {
        match self.name {
            Some(_) => "pin".into(),
            None => "correction".into(),
        }
    }

    fn origin(&self, answer: &Answer, visible: &Visible) -> Origin {
        let drifted = fingerprint::of(&answer.approved, visible) != self.sql.fingerprint;
        match &self.name {
            Some(name) => Origin::Pin {
                name: Arc::clone(name),
                drifted,
            },
            None => Origin::Correction { drifted },
        }
    }

    fn way_out(&self) -> String {
        match &self.name {
            Some(name) => format!(
                "`ask unpin {};` removes it, for \"{}\" and for superusers.",
                identifier_if_needed(name),
                self.by
            ),
            None if self.question.text.len() <= HINT_BYTES_MAX => {
                format!("`ask bad: {};` withdraws it.", self.question.text)
            }
            None => "`ask bad: question;` withdraws it.".to_owned(),
        }
    }
}

/// What a refusal has when it may be about something that its caller may not see: by the guard, because it knows nothing
/// of such things; by the server, because it says so.
pub(super) const HIDING: [SqlState; 2] = [SqlState::GUARD, SqlState::INSUFFICIENT_PRIVILEGE];

/// Whether a refusal is about the query, so that it would come again; a server that is out of connections or memory, or
/// shuts down, says nothing of it.
///
/// # Source
/// PostgreSQL manual, "PostgreSQL Error Codes": the classes 08, 40, 53, 55, 57, 58 and XX.
fn speaks_of_the_query(refusal: &Refusal) -> bool {
    let class = &refusal.sqlstate.as_str()[..2];
    !["08", "40", "53", "55", "57", "58", "XX"].contains(&class)
}

/// The database that a caller's records are kept under.
pub(super) fn place(caller: &Caller) -> Place {
    Place {
        upstream: Arc::clone(&caller.upstream),
        database: Arc::clone(&caller.database),
    }
}

/// A question as records know it.
pub(super) fn question_of(text: &str, parameter_count: u16) -> Question {
    Question {
        text: memo::normalise(text),
        parameter_count,
    }
}

/// Class NL, because it is the ask that cannot be answered, and 003, because it may be answered later.
fn unreadable(why: &Failure) -> Refusal {
    Refusal::new(
        SqlState::NO_PROVIDER,
        "pins cannot be read, and this question may be pinned",
    )
    .with_detail(format!("The state store failed: {why}."))
    .with_hint("The operator finds more with pgask check; store = \"none\" under [state] does without pins.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_in_need_breaks_no_pin() {
        let speaks = |sqlstate| {
            let sqlstate = SqlState::parse(sqlstate).unwrap();
            speaks_of_the_query(&Refusal::new(sqlstate, "x"))
        };
        for sqlstate in [
            "42703", "42P01", "42501", "42883", "0A000", "22012", "NL004",
        ] {
            assert!(speaks(sqlstate), "{sqlstate}");
        }
        for sqlstate in [
            "53200", "53300", "57P01", "57014", "58030", "40001", "55P03", "XX000",
        ] {
            assert!(!speaks(sqlstate), "{sqlstate}");
        }
    }
}
