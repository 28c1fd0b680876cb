//! `ask pin`, `ask pins` and `ask unpin`.

use std::sync::Arc;

use tokio::time::timeout;

use super::answer::Answer;
use super::failure;
use super::fingerprint;
use super::kept::{HIDING, Kept, Standing, place, question_of};
use super::pin_name;
use super::pipeline::{
    Asked, Drafts, Pipeline, Probe, ProbeOutcome, Resolved, Views, taking_parameters,
};
use super::surface::verb::Verb;
use super::table::{Cell, ColumnType, Table};
use crate::access::visible::Visible;
use crate::error::{Refusal, SqlState};
use crate::schema::quote::identifier_if_needed;
use crate::state::record::{KeptSql, Pin, Records};
use crate::state::store::{Failure, Outcome};

impl<D: Drafts, V: Views> Pipeline<D, V> {
    /// Carries out a verb that speaks of what is kept.
    ///
    /// # Errors
    /// 0A000 inside other SQL, for all but `ask pins`; 55000 where nothing is kept; 58030 when the store fails; 57014 out
    /// of time; those of the verb.
    pub(super) async fn keep(
        &self,
        verb: Verb,
        asked: &Asked<'_>,
        last: Option<&Answer>,
        probe: &impl Probe,
    ) -> Result<Resolved, Refusal> {
        if !self.settings.enabled {
            return Err(failure::asking_off());
        }
        if asked.embedded && verb != Verb::Pins {
            return Err(inside(verb));
        }
        self.state.is_kept().map_err(nothing_kept)?;
        let carried_out = async {
            match verb {
                Verb::Pin => self.pin(asked, probe).await,
                Verb::Unpin => Ok((self.unpin(asked).await?, None)),
                Verb::Pins => Ok((self.pins(asked, probe).await?, None)),
                _ => self.feedback(verb, asked, last, probe).await,
            }
        };
        let limit = asked.settings.timeout;
        let (table, answer) = timeout(limit, carried_out)
            .await
            .unwrap_or_else(|_| Err(failure::timed_out(limit)))?;
        Ok(Resolved {
            sql: taking_parameters(table.to_sql(), asked.parameter_count),
            answer,
            notice: None,
        })
    }

    /// Answers the question and keeps the SQL.
    async fn pin(
        &self,
        asked: &Asked<'_>,
        probe: &impl Probe,
    ) -> Result<(Table, Option<Answer>), Refusal> {
        let (name, question) = pin_name::and_question(asked.question)?;
        let caller = asked.caller;
        // It must be understood without what was asked before it.
        let asked = &Asked {
            question,
            turns: &[],
            ..*asked
        };
        let records = self.records(caller).await.map_err(|why| unwritten(&why))?;
        if records.pin_named(&caller.role, &name).is_some() {
            return Err(name_taken(&name));
        }
        if let Some(other) = records.pin_of(
            &caller.role,
            &question_of(asked.question, asked.parameter_count),
        ) {
            return Err(question_taken(&other.name));
        }
        let answer = self.answer(asked, probe).await?;
        self.must_plan(asked, &answer, probe).await?;
        let visible = self.views.visible(caller).await?;
        let pin = Pin {
            place: place(caller),
            role: self.state.scope_of(&caller.role),
            name: Arc::clone(&name),
            question: question_of(asked.question, asked.parameter_count),
            kept: KeptSql {
                sql: answer.approved.sql().to_owned(),
                fingerprint: fingerprint::of(&answer.approved, &visible),
            },
            reading: answer.reading.clone(),
            pinned_by: Arc::clone(&caller.role),
        };
        let table = columns(&["name", "question", "sql", "reading"]).with_row([
            Cell::Text(name.to_string()),
            Cell::Text(pin.question.text.clone()),
            Cell::Text(pin.kept.sql.clone()),
            Cell::Text(pin.reading.clone()),
        ]);
        match self
            .state
            .add_pin(pin)
            .await
            .map_err(|why| unwritten(&why))?
        {
            Outcome::NameTaken => Err(name_taken(&name)),
            Outcome::QuestionTaken(other) => Err(question_taken(&other)),
            Outcome::Full => Err(full("pins", "pins_max")),
            Outcome::Done | Outcome::Missing => Ok((table, Some(answer))),
        }
    }

    /// What is to be kept must have been planned: a server that was not asked may refuse it for ever.
    pub(super) async fn must_plan(
        &self,
        asked: &Asked<'_>,
        answer: &Answer,
        probe: &impl Probe,
    ) -> Result<(), Refusal> {
        if answer.estimated_cost.is_some() {
            return Ok(());
        }
        let (caller, count) = (asked.caller, asked.parameter_count);
        match probe.probe(caller, &answer.approved, count).await {
            ProbeOutcome::Planned { .. } => Ok(()),
            ProbeOutcome::Failed(refusal) => Err(refusal),
            ProbeOutcome::Unknown(why) => Err(Refusal::new(
                SqlState::CANNOT_CONNECT_NOW,
                "the query could not be planned, and only what was planned is kept",
            )
            .with_detail(failure::sentence(why.message.to_string()))
            .with_hint("Try again, outside of a transaction if this is one.")),
        }
    }

    /// Removes a pin: one that holds for the caller, else, for a superuser, one of another role's.
    async fn unpin(&self, asked: &Asked<'_>) -> Result<Table, Refusal> {
        let (of_role, name) = pin_name::and_role(asked.question)?;
        let caller = asked.caller;
        let records = self.records(caller).await.map_err(|why| unwritten(&why))?;
        let own = match &of_role {
            None => records.pin_named(&caller.role, &name),
            Some(_) => None,
        };
        let may = match own {
            Some(pin) if pin.pinned_by == caller.role => true,
            _ => self.views.is_superuser(caller).await?,
        };
        let pin = match own {
            Some(pin) if may => pin,
            Some(pin) => return Err(not_yours(pin)),
            None if may => one_of_all(&records, of_role.as_ref(), &name)?,
            None => return Err(unknown(&name)),
        };
        let table = columns(&["name", "question"]).with_row([
            Cell::Text(pin.name.to_string()),
            Cell::Text(pin.question.text.clone()),
        ]);
        match self
            .state
            .remove_pin(pin)
            .await
            .map_err(|why| unwritten(&why))?
        {
            Outcome::Missing => Err(unknown(&name)),
            _ => Ok(table),
        }
    }

    /// The pins that hold for the caller, or, for a superuser, all of the database. What of a pin the caller may not
    /// see is NULL.
    async fn pins(&self, asked: &Asked<'_>, probe: &impl Probe) -> Result<Table, Refusal> {
        if !asked.question.is_empty() {
            return Err(
                Refusal::new(SqlState::SYNTAX_ERROR, "ask pins takes no question")
                    .with_hint("`ask pin NAME: question;` pins one."),
            );
        }
        let caller = asked.caller;
        let visible = self.views.visible(caller).await?;
        let sees_all = self.views.is_superuser(caller).await?;
        let records = self.records(caller).await.map_err(|why| unread(&why))?;
        let mut table = columns(&[
            "name",
            "role",
            "question",
            "sql",
            "reading",
            "status",
            "pinned_by",
        ]);
        let shown = records
            .pins
            .iter()
            .filter(|pin| sees_all || pin.holds_for(&caller.role));
        for pin in shown {
            table = table.with_row(self.pin_row(pin, asked, &visible, sees_all, probe).await);
        }
        Ok(table)
    }

    async fn pin_row(
        &self,
        pin: &Pin,
        asked: &Asked<'_>,
        visible: &Visible,
        sees_all: bool,
        probe: &impl Probe,
    ) -> [Cell; 7] {
        let is_own = pin.pinned_by == asked.caller.role;
        let (status, shows_sql) = match self.standing(&Kept::from(pin), asked, visible, probe).await
        {
            Standing::Valid => ("valid", true),
            Standing::Drifted => ("drifted", true),
            // The guard or the server has met something that the caller may not see, or that is gone: which of the two
            // cannot be told.
            Standing::Broken(refusal) => ("broken", is_own && !HIDING.contains(&refusal.sqlstate)),
        };
        let shows_sql = shows_sql || sees_all;
        let text = |shown: bool, text: &str| Cell::optional(shown.then(|| text.to_owned()));
        [
            text(true, &pin.name),
            Cell::optional(pin.role.as_deref().map(str::to_owned)),
            text(shows_sql || is_own, &pin.question.text),
            text(shows_sql, &pin.kept.sql),
            text(shows_sql, &pin.reading),
            text(true, status),
            text(true, &pin.pinned_by),
        ]
    }
}

/// The one pin of a name among those of all roles, or of one.
fn one_of_all<'a>(
    records: &'a Records,
    role: Option<&Arc<str>>,
    name: &str,
) -> Result<&'a Pin, Refusal> {
    let mut found = records
        .pins
        .iter()
        .filter(|pin| *pin.name == *name && (role.is_none() || pin.role.as_ref() == role));
    match (found.next(), found.next()) {
        (None, _) => Err(unknown(name)),
        (Some(pin), None) => Ok(pin),
        (Some(pin), Some(_)) => {
            let spelled = identifier_if_needed(name).into_owned();
            let role = pin.role.as_deref().unwrap_or_default();
            Err(Refusal::new(
                SqlState::AMBIGUOUS_ALIAS,
                format!("several roles have a pin \"{name}\""),
            )
            .with_hint(format!(
                "Name the role as well: ask unpin {}.{spelled};",
                identifier_if_needed(role)
            )))
        }
    }
}

pub(super) fn columns(names: &[&str]) -> Table {
    Table::new(
        names
            .iter()
            .map(|name| ((*name).to_owned(), ColumnType::Text)),
    )
}

fn inside(verb: Verb) -> Refusal {
    let verb = verb.as_str();
    Refusal::new(
        SqlState::FEATURE_NOT_SUPPORTED,
        format!("ask {verb} cannot stand inside other SQL"),
    )
    .with_hint("Let it be a statement of its own, in a message of its own.")
}

fn nothing_kept(why: &'static str) -> Refusal {
    Refusal::new(
        SqlState::NOT_IN_PREREQUISITE_STATE,
        "pins and feedback are not kept here",
    )
    .with_detail(failure::sentence(why.to_owned()))
    .with_hint("The operator can say where to keep them: [state] in proxy.toml.")
}

/// The store failed at a change.
pub(super) fn unwritten(why: &Failure) -> Refusal {
    Refusal::new(SqlState::IO_ERROR, format!("state store failed: {why}"))
        .with_hint("`ask pins;` shows what is pinned, as far as it can be read.")
}

fn unread(why: &Failure) -> Refusal {
    Refusal::new(SqlState::IO_ERROR, format!("state store failed: {why}"))
}

fn name_taken(name: &str) -> Refusal {
    Refusal::new(
        SqlState::DUPLICATE_OBJECT,
        format!("pin \"{name}\" already exists"),
    )
    .with_hint(format!(
        "Choose another name, or `ask unpin {};` first.",
        identifier_if_needed(name)
    ))
}

/// The question has a pin already.
pub(super) fn question_taken(name: &str) -> Refusal {
    Refusal::new(
        SqlState::DUPLICATE_OBJECT,
        format!("this question is pinned already, as \"{name}\""),
    )
    .with_hint(format!(
        "`ask unpin {};` first.",
        identifier_if_needed(name)
    ))
}

fn unknown(name: &str) -> Refusal {
    Refusal::new(
        SqlState::UNDEFINED_OBJECT,
        format!("pin \"{name}\" does not exist"),
    )
    .with_hint("`ask pins;` lists those that do.")
}

fn not_yours(pin: &Pin) -> Refusal {
    Refusal::new(
        SqlState::INSUFFICIENT_PRIVILEGE,
        format!(
            "must be \"{}\" or a superuser to unpin \"{}\"",
            pin.pinned_by, pin.name
        ),
    )
}

/// As many records as there may be.
pub(super) fn full(what: &str, key: &str) -> Refusal {
    Refusal::new(
        SqlState::PROGRAM_LIMIT_EXCEEDED,
        format!("no more {what} can be kept for this database"),
    )
    .with_hint(format!(
        "Remove some, or have the operator raise {key} under [state]."
    ))
}
