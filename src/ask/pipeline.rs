//! The way from a Question to an Answer: Brief, Draft, proof, plan; and back again when one of them fails.

use std::future::Future;
use std::sync::Arc;

use tokio::time::{Instant, timeout};

use super::answer::{Answer, Origin, Reading, nothing_asked_yet};
use super::memo::{Key, Memo};
use super::session_settings::Values;
use super::settings::Settings;
use super::surface::verb::Verb;
use super::{failure, help, notice};
use crate::access::directory::Directory;
use crate::access::visible::Visible;
use crate::error::{Refusal, SqlState};
use crate::guard;
use crate::guard::approved::Approved;
use crate::guard::rules::{Rule, Rules};
use crate::names::{Alternative, Caller, Draft};
use crate::observe::metrics::Metrics;
use crate::state::store::Store;
use crate::synth::brief::{Brief, Drafted, Example, FailedDraft, SynthError, Turn};
use crate::synth::chain::Chain;

/// The longest question, in bytes: some pages of text.
pub const QUESTION_BYTES_MAX: usize = 16 * 1024;

/// Other readings kept of one question, at most.
const ALTERNATIVES_MAX: usize = 10;

/// Writes Drafts: the chain of providers.
pub trait Drafts: Send + Sync {
    /// Drafts an answer; `only` names the one provider that may.
    fn draft(&self, brief: &Brief, only: Option<&str>) -> impl Future<Output = Drafted> + Send;

    /// The names of the providers, in the order in which they are asked.
    fn names(&self) -> Vec<&str>;

    /// Whether somebody who may be asked looks at [`Brief::examples`]; `only` names the one provider that may.
    fn takes_examples(&self, only: Option<&str>) -> bool;
}

/// Knows what a caller may see.
pub trait Views: Send + Sync {
    /// The schema as the caller sees it.
    fn visible(&self, caller: &Caller) -> impl Future<Output = Result<Visible, Refusal>> + Send;

    /// Whether the caller is a superuser.
    fn is_superuser(&self, caller: &Caller) -> impl Future<Output = Result<bool, Refusal>> + Send;
}

/// Tries an approved query on the server without running it.
pub trait Probe: Send + Sync {
    /// Plans the query as its caller.
    fn probe(
        &self,
        caller: &Caller,
        approved: &Approved,
        parameter_count: u16,
    ) -> impl Future<Output = ProbeOutcome> + Send;
}

/// What came of a probe.
#[derive(Clone, Debug, PartialEq)]
pub enum ProbeOutcome {
    /// The server can plan it.
    Planned {
        /// The estimated cost of the whole, in the planner's units.
        cost: f64,
    },
    /// The server refuses it, with its own SQLSTATE; the provider is told and may mend it.
    Failed(Refusal),
    /// There was no way to find out. The query is run all the same, unless there is a cost ceiling to keep.
    Unknown(Refusal),
}

impl Drafts for Chain {
    async fn draft(&self, brief: &Brief, only: Option<&str>) -> Drafted {
        Self::draft(self, brief, only).await
    }

    fn names(&self) -> Vec<&str> {
        Self::names(self).collect()
    }

    fn takes_examples(&self, only: Option<&str>) -> bool {
        Self::takes_examples(self, only)
    }
}

impl Views for Directory {
    async fn visible(&self, caller: &Caller) -> Result<Visible, Refusal> {
        Self::visible(self, caller).await
    }

    async fn is_superuser(&self, caller: &Caller) -> Result<bool, Refusal> {
        Self::is_superuser(self, caller).await
    }
}

/// One question, and who asks it in which circumstances.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// The question, trimmed.
    pub question: &'a str,
    /// The session's settings.
    pub settings: &'a Values,
    /// The civil date in the session's time zone.
    pub today: jiff::civil::Date,
    /// The highest `$n` that is a slot; 0 when none, and always in the simple protocol.
    pub parameter_count: u16,
    /// The answer is to stand inside other SQL.
    pub embedded: bool,
    /// What was asked before, oldest first, when the question may refer to it.
    pub turns: &'a [Arc<Turn>],
}

/// What takes the place of an ask.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// The SQL to run. Alone, it is a statement; unless it is that of [`Verb::Explain`], it can stand in parentheses.
    pub sql: String,
    /// The answer behind it, for the session to remember as its last; `None` for help and for `ask alternatives`.
    pub answer: Option<Answer>,
    /// The NOTICE to send with it.
    pub notice: Option<Refusal>,
}

/// Answers questions. One serves every session.
#[derive(Debug)]
pub struct Pipeline<D = Chain, V = Directory> {
    pub(super) drafts: D,
    pub(super) views: V,
    rules: Rules,
    pub(super) settings: Settings,
    pub(super) memo: Memo,
    pub(super) metrics: Arc<Metrics>,
    pub(super) state: Arc<Store>,
}

impl<D: Drafts, V: Views> Pipeline<D, V> {
    /// A pipeline over these parts. [`Rules::parameter_count`] is set anew for each question.
    #[must_use]
    pub fn new(
        drafts: D,
        views: V,
        rules: Rules,
        settings: Settings,
        memo: Memo,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            drafts,
            views,
            rules,
            settings,
            memo,
            metrics,
            state: Arc::default(),
        }
    }

    /// The same pipeline, which keeps pins and feedback there.
    #[must_use]
    pub fn keeping(mut self, state: Arc<Store>) -> Self {
        self.state = state;
        self
    }

    /// The values that `ask.provider` may take, besides `auto`.
    #[must_use]
    pub fn providers(&self) -> Vec<&str> {
        self.drafts.names()
    }

    /// The settings that it was built with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Finds the SQL that takes the place of an ask, whatever its verb. `last` is the session's last answer.
    ///
    /// # Errors
    /// Those of [`Self::answer`]; 42704 for `ask alternatives` before anything was asked; 0A000 for `ask explain`
    /// inside other SQL.
    ///
    /// # Cancel safety
    /// As [`Self::answer`].
    pub async fn resolve(
        &self,
        verb: Verb,
        asked: &Asked<'_>,
        last: Option<&Answer>,
        probe: &impl Probe,
    ) -> Result<Resolved, Refusal> {
        match verb {
            Verb::Help => {
                let table = self.help(asked.caller).await?;
                return Ok(Resolved::without_answer(table.to_sql()));
            }
            Verb::Alternatives if asked.question.is_empty() => {
                let last = last.ok_or_else(nothing_asked_yet)?;
                return Ok(Resolved::without_answer(last.alternatives_table().to_sql()));
            }
            Verb::Explain if asked.embedded => return Err(explain_inside()),
            Verb::Pin | Verb::Unpin | Verb::Pins | Verb::Good | Verb::Bad | Verb::Correct => {
                return self.keep(verb, asked, last, probe).await;
            }
            Verb::Rows | Verb::Sql | Verb::Explain | Verb::Alternatives => {}
        }
        let answer = self.answer(asked, probe).await?;
        let sql = match verb {
            Verb::Sql => taking_parameters(answer.sql_table().to_sql(), asked.parameter_count),
            Verb::Explain => format!("EXPLAIN {}", answer.approved.sql()),
            Verb::Alternatives => {
                let table = answer.alternatives_table();
                taking_parameters(table.to_sql(), asked.parameter_count)
            }
            _ => answer.approved.sql().to_owned(),
        };
        let tells = asked.settings.notices && matches!(verb, Verb::Rows | Verb::Explain);
        Ok(Resolved {
            sql,
            notice: tells.then(|| notice::of(&answer)),
            answer: Some(answer),
        })
    }

    /// Answers a question.
    ///
    /// # Errors
    /// 54000 for a question over [`QUESTION_BYTES_MAX`], NL001 ambiguous, NL002 not understood, NL003 no provider, NL004 refused by the guard, NL005 over the cost
    /// ceiling, NL006 asking is off, 57014 out of time, and whatever the server says of the schema or the query.
    ///
    /// # Cancel safety
    /// Dropping the future stops whatever it was waiting for, and remembers nothing.
    pub async fn answer(&self, asked: &Asked<'_>, probe: &impl Probe) -> Result<Answer, Refusal> {
        let started = Instant::now();
        let found = if asked.question.len() > QUESTION_BYTES_MAX {
            Err(failure::too_long(QUESTION_BYTES_MAX))
        } else if self.settings.enabled {
            let limit = asked.settings.timeout;
            timeout(limit, self.find(asked, probe, started))
                .await
                .unwrap_or_else(|_| Err(failure::timed_out(limit)))
        } else {
            Err(failure::asking_off())
        };
        self.metrics.asks.inc(outcome(&found));
        self.metrics
            .ask_duration
            .observe(started.elapsed().as_secs_f64());
        found
    }

    async fn help(&self, caller: &Caller) -> Result<super::table::Table, Refusal> {
        if !self.settings.enabled {
            return Err(failure::asking_off());
        }
        Ok(help::table(&self.views.visible(caller).await?))
    }

    async fn find(
        &self,
        asked: &Asked<'_>,
        probe: &impl Probe,
        started: Instant,
    ) -> Result<Answer, Refusal> {
        let visible = self.views.visible(asked.caller).await?;
        if let Some(kept) = self.kept_for(asked).await? {
            return self
                .answer_kept(&kept, asked, &visible, probe, started)
                .await;
        }
        let turns = self.provable(asked.turns, &visible);
        let examples = self.examples(asked, &visible).await;
        let key = Key::new(
            asked.caller,
            &visible,
            asked.question,
            asked.settings.provider.as_deref(),
            asked.parameter_count,
            asked.today,
            &turns,
        )
        .conversing(asked.settings.context)
        .with_examples(&examples);
        if let Some(remembered) = self.memo.find(&key) {
            self.metrics.memo_hits.inc();
            return Ok(Answer {
                elapsed: started.elapsed(),
                remembered: true,
                ..(*remembered).clone()
            });
        }
        let mut answer = self
            .draft_until_proved(asked, visible, (turns, examples), probe)
            .await?;
        answer.elapsed = started.elapsed();
        self.memo.keep(key, Arc::new(answer.clone()));
        Ok(answer)
    }

    /// The turns since the last one whose SQL cannot be proved for this caller any more: a provider is told of no
    /// relation that the caller may not see now, whatever could be seen when it was asked.
    fn provable(&self, turns: &[Arc<Turn>], visible: &Visible) -> Vec<Arc<Turn>> {
        let holds = |turn: &&Arc<Turn>| {
            let draft = Draft::given(turn.sql.as_str(), "", "");
            self.approve(&draft, visible, 0).is_ok()
        };
        let mut provable: Vec<_> = turns.iter().rev().take_while(holds).cloned().collect();
        provable.reverse();
        provable
    }

    /// One provider after the other, where the session leaves the choice: whoever cannot mend its Draft is followed by
    /// the next. When nobody has a better one, the first refusal is told.
    async fn draft_until_proved(
        &self,
        asked: &Asked<'_>,
        visible: Visible,
        (turns, examples): (Vec<Arc<Turn>>, Vec<Arc<Example>>),
        probe: &impl Probe,
    ) -> Result<Answer, Refusal> {
        let mut brief = Brief {
            question: asked.question.to_owned(),
            visible,
            examples,
            today: asked.today,
            parameter_count: asked.parameter_count,
            turns,
            conversing: asked.settings.context,
            failed: None,
        };
        let mut only = asked.settings.provider.clone();
        let mut first = None;
        loop {
            let Unproved { refusal, culprit } =
                match self.draft_and_mend(asked, &mut brief, only, probe).await {
                    Ok(answer) => return Ok(answer),
                    Err(unproved) => unproved,
                };
            let refusal = first.get_or_insert(refusal);
            let next = match culprit {
                Some(culprit) if asked.settings.provider.is_none() => self.after(&culprit),
                _ => None,
            };
            match next {
                Some(name) => only = Some(name),
                None => return Err(refusal.clone()),
            }
        }
    }

    /// The provider that comes after one.
    fn after(&self, provider: &str) -> Option<String> {
        let names = self.drafts.names();
        let next = names.iter().skip_while(|name| **name != provider).nth(1)?;
        Some((*next).to_owned())
    }

    /// The repair loop. A Draft that fails goes back with the reason, a bounded number of times and only as long as
    /// something changes; the first that holds is taken as it is.
    async fn draft_and_mend(
        &self,
        asked: &Asked<'_>,
        brief: &mut Brief,
        mut only: Option<String>,
        probe: &impl Probe,
    ) -> Result<Answer, Unproved> {
        brief.failed = None;
        let mut last = None;
        for _ in 0..=self.settings.repair_count_max {
            let draft = match self.drafts.draft(brief, only.as_deref()).await {
                Ok(draft) => draft,
                Err(SynthError::NoSql { reason }) => {
                    brief.failed = Some(FailedDraft {
                        sql: String::new(),
                        sqlstate: SqlState::NO_PROVIDER,
                        reason: reason.clone(),
                    });
                    let refusal = failure::of_provider(SynthError::NoSql { reason });
                    // What was wrong with its Draft says more than that it has no other.
                    last.get_or_insert_with(|| Unproved {
                        refusal,
                        culprit: only.as_deref().map(Arc::from),
                    });
                    continue;
                }
                // As above.
                Err(error) => {
                    return Err(
                        last.unwrap_or_else(|| Unproved::by_nobody(failure::of_provider(error)))
                    );
                }
            };
            let again = brief.failed.as_ref();
            if again.is_some_and(|failed| failed.sql == draft.sql) {
                break;
            }
            let refusal = match self.judge(asked, &brief.visible, &draft, probe).await {
                Ok(answer) => return Ok(answer),
                Err(Judgement::Final(refusal)) => return Err(Unproved::by_nobody(refusal)),
                Err(Judgement::Mend(refusal)) => refusal,
            };
            brief.failed = Some(FailedDraft {
                sql: draft.sql,
                sqlstate: refusal.sqlstate,
                reason: failure::reason(&refusal),
            });
            // Whoever wrote it mends it.
            only = Some(draft.provider.to_string());
            last = Some(Unproved {
                refusal,
                culprit: Some(draft.provider),
            });
        }
        Err(last.expect("a round that ends without a return has left its refusal"))
    }

    /// The guard's proof alone.
    pub(super) fn approve(
        &self,
        draft: &Draft,
        visible: &Visible,
        parameter_count: u16,
    ) -> Result<Approved, Refusal> {
        guard::approve(draft, visible, &self.rules(parameter_count))
    }

    fn rules(&self, parameter_count: u16) -> Rules {
        Rules {
            parameter_count: Some(parameter_count),
            ..self.rules.clone()
        }
    }

    /// Guard first, then the planner, then the ceiling.
    pub(super) async fn judge(
        &self,
        asked: &Asked<'_>,
        visible: &Visible,
        draft: &Draft,
        probe: &impl Probe,
    ) -> Result<Answer, Judgement> {
        let rules = self.rules(asked.parameter_count);
        let approved = guard::approve(draft, visible, &rules).map_err(|refusal| {
            let rule = Rule::of(&refusal).map_or("other", Rule::name);
            self.metrics.guard_refusals.inc(rule);
            Judgement::Mend(refusal.with_internal_query(draft.sql.clone(), None))
        })?;
        let planned = probe
            .probe(asked.caller, &approved, asked.parameter_count)
            .await;
        let estimated_cost = self.within_ceiling(planned, &approved, visible)?;
        let alternatives = draft
            .alternatives
            .iter()
            .take(ALTERNATIVES_MAX)
            .filter_map(|other| prove_alternative(draft, other, visible, &rules))
            .collect();
        Ok(Answer {
            question: asked.question.to_owned(),
            parameter_count: asked.parameter_count,
            in_conversation: !asked.turns.is_empty(),
            origin: Origin::Provider,
            approved,
            drafted: draft.sql.clone(),
            reading: draft.reading.clone(),
            confidence: draft.confidence,
            evidence: draft.evidence.clone(),
            provider: Arc::clone(&draft.provider),
            alternatives,
            estimated_cost,
            elapsed: std::time::Duration::ZERO,
            remembered: false,
        })
    }

    fn within_ceiling(
        &self,
        outcome: ProbeOutcome,
        approved: &Approved,
        visible: &Visible,
    ) -> Result<Option<f64>, Judgement> {
        match (outcome, self.settings.cost_max) {
            (ProbeOutcome::Failed(refusal), _) => {
                let mut refusal = failure::of_server(refusal, visible, approved.sql());
                if refusal.internal.is_none() {
                    refusal = refusal.with_internal_query(approved.sql(), None);
                }
                Err(Judgement::Mend(refusal))
            }
            (ProbeOutcome::Planned { cost }, Some(cost_max)) if cost > cost_max => Err(
                Judgement::Final(failure::too_costly(cost, cost_max, approved.sql())),
            ),
            (ProbeOutcome::Planned { cost }, _) => Ok(Some(cost)),
            (ProbeOutcome::Unknown(reason), Some(_)) => {
                Err(Judgement::Final(failure::cost_unknown(&reason)))
            }
            (ProbeOutcome::Unknown(_), None) => Ok(None),
        }
    }
}

impl Resolved {
    fn without_answer(sql: String) -> Self {
        Self {
            sql,
            answer: None,
            notice: None,
        }
    }
}

/// Why there is no answer yet.
struct Unproved {
    refusal: Refusal,
    /// The provider that could not mend its Draft; `None` when no other provider would help.
    culprit: Option<Arc<str>>,
}

impl Unproved {
    fn by_nobody(refusal: Refusal) -> Self {
        Self {
            refusal,
            culprit: None,
        }
    }
}

/// Why a Draft is not an answer.
pub(super) enum Judgement {
    /// Its provider may try again.
    Mend(Refusal),
    /// No other spelling would help.
    Final(Refusal),
}

/// The same rows from a query that takes the parameters of the question, which its client will bind all the same.
pub(super) fn taking_parameters(sql: String, count: u16) -> String {
    if count == 0 {
        return sql;
    }
    let mentions: Vec<String> = (1..=count)
        .map(|n| format!("${n}::pg_catalog.text IS NULL"))
        .collect();
    format!(
        "SELECT * FROM ({sql}) AS ask WHERE true OR {}",
        mentions.join(" OR ")
    )
}

/// Another reading, if it can be proved; what cannot is not shown.
fn prove_alternative(
    draft: &Draft,
    other: &Alternative,
    visible: &Visible,
    rules: &Rules,
) -> Option<Reading> {
    let candidate = Draft {
        sql: other.sql.clone(),
        reading: other.reading.clone(),
        confidence: Some(other.confidence),
        provider: Arc::clone(&draft.provider),
        alternatives: Vec::new(),
        evidence: Vec::new(),
    };
    Some(Reading {
        approved: guard::approve(&candidate, visible, rules).ok()?,
        reading: candidate.reading,
        confidence: other.confidence,
    })
}

fn explain_inside() -> Refusal {
    Refusal::new(
        SqlState::FEATURE_NOT_SUPPORTED,
        "ask explain cannot stand inside other SQL",
    )
    .with_hint("Let it be a statement of its own: ask explain: question;")
}

/// The label that an ask is counted under.
fn outcome(found: &Result<Answer, Refusal>) -> &'static str {
    match found {
        Ok(_) => "answered",
        Err(refusal) => match refusal.sqlstate {
            SqlState::AMBIGUOUS => "ambiguous",
            SqlState::NOT_UNDERSTOOD => "not_understood",
            SqlState::NO_PROVIDER => "no_provider",
            SqlState::GUARD => "guard",
            SqlState::BUDGET => "budget",
            SqlState::ASKING_OFF => "off",
            SqlState::QUERY_CANCELED => "timeout",
            SqlState::PROGRAM_LIMIT_EXCEEDED => "too_long",
            _ => "server",
        },
    }
}

#[cfg(test)]
mod tests;
