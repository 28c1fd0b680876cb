//! Asks the questions of a suite one after the other, as clients would, and judges the answers; or judges what
//! somebody else has answered.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use jiff::civil::Date;
use tokio_postgres::Config;

use super::database::connect;
use super::judge::Judge;
use super::outcome::{Log, Outcome, Verdict};
use super::suite::{Question, Suite};
use crate::ask::pipeline::{Asked, Pipeline};
use crate::ask::session_settings::Values;
use crate::error::{Refusal, SqlState};
use crate::exec::reader::Reader;
use crate::names::Caller;

/// Everything that a run needs.
pub struct Run<'a> {
    /// The questions.
    pub suite: &'a Suite,
    /// Whence the answers come.
    pub source: Source<'a>,
    /// The server.
    pub server: &'a Config,
    /// How many are asked at once, 1 or more. Latencies are those of one alone only with 1.
    pub jobs: usize,
}

/// Whence answers come.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// They are asked for, as a client would.
    Asked {
        /// Answers.
        pipeline: &'a Pipeline,
        /// The session's settings.
        values: &'a Values,
        /// The name of the upstream that the pipeline knows the server by.
        upstream: &'a str,
        /// Who asks: the user that the server is connected to as.
        role: &'a str,
    },
    /// They are given: SQL by the question's id, `None` for a refusal. What is missing is refused.
    Given(&'a HashMap<String, Option<String>>),
}

/// One worker's connections, to the database that it was last asked about.
struct Desk<'a> {
    database: &'a str,
    /// Its name on the server.
    name: String,
    today: Date,
    reader: Reader,
    judge: Judge,
}

impl Run<'_> {
    /// Asks these questions and appends what becomes of each to the log; `told` hears of each.
    ///
    /// # Errors
    /// When the server or the log fails, or a gold query does.
    pub async fn run(
        &self,
        questions: &[&Question],
        log: &Mutex<Log>,
        told: &(impl Fn(&Outcome) + Sync),
    ) -> Result<Vec<Outcome>, Refusal> {
        let next = AtomicUsize::new(0);
        let workers = (0..self.jobs.max(1)).map(|_| self.work(questions, &next, log, told));
        let outcomes = futures_util::future::try_join_all(workers).await?;
        Ok(outcomes.into_iter().flatten().collect())
    }

    async fn work(
        &self,
        questions: &[&Question],
        next: &AtomicUsize,
        log: &Mutex<Log>,
        told: &(impl Fn(&Outcome) + Sync),
    ) -> Result<Vec<Outcome>, Refusal> {
        let mut outcomes = Vec::new();
        let mut desk: Option<Desk<'_>> = None;
        while let Some(question) = questions.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut at = match desk.take() {
                Some(desk) if desk.database == question.database => desk,
                _ => self.desk(&question.database).await?,
            };
            let outcome = self.ask(&mut at, question).await?;
            log.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .put(&outcome)
                .map_err(|error| {
                    let told = format!("cannot write an outcome: {error}");
                    Refusal::new(SqlState::INTERNAL_ERROR, told)
                })?;
            told(&outcome);
            outcomes.push(outcome);
            desk = Some(at);
        }
        Ok(outcomes)
    }

    async fn desk<'q>(&self, database: &'q str) -> Result<Desk<'q>, Refusal> {
        let name = self.suite.database_name(database);
        let reader = Reader::new(connect(self.server, Some(&name)).await?);
        Ok(Desk {
            database,
            today: reader.today().await?,
            reader,
            judge: Judge::new(connect(self.server, Some(&name)).await?).await?,
            name,
        })
    }

    async fn ask(&self, desk: &mut Desk<'_>, question: &Question) -> Result<Outcome, Refusal> {
        let mut outcome = Outcome::refused(question);
        match self.source {
            Source::Given(answers) => {
                outcome.sql = answers.get(&question.id).cloned().flatten();
            }
            Source::Asked {
                pipeline,
                values,
                upstream,
                role,
            } => {
                let caller = Caller {
                    upstream: upstream.into(),
                    database: desk.name.as_str().into(),
                    role: role.into(),
                };
                let asked = Asked {
                    caller: &caller,
                    question: question.text.trim(),
                    settings: values,
                    today: desk.today,
                    parameter_count: 0,
                    embedded: false,
                    turns: &[],
                };
                let started = Instant::now();
                let answer = pipeline.answer(&asked, &desk.reader).await;
                outcome.latency_ms = started.elapsed().as_secs_f64() * 1000.0;
                outcome.take(answer);
            }
        }
        let Some(sql) = &outcome.sql else {
            return Ok(outcome);
        };
        if !question.is_answerable() {
            outcome.verdict = Verdict::Wrong;
            return Ok(outcome);
        }
        let judged = desk.judge.verdict(&question.gold, sql).await;
        let (verdict, error) = judged.map_err(|refusal| {
            let told = format!("question {}: {}", question.id, refusal.message);
            Refusal::new(refusal.sqlstate, told)
        })?;
        outcome.verdict = verdict;
        outcome.error = error.map(|error| error.to_string());
        Ok(outcome)
    }
}
