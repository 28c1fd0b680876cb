//! The SQL of the store, which SQLite and PostgreSQL read alike, and what its rows mean.
//!
//! Every value is bound as text and every column is read as text, so that both drivers say the same.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::change::Change;
use super::record::{Feedback, KeptSql, Pin, Place, Question, Records, Verdict};

/// The version of the tables; a store of another version is left alone.
pub(super) const FORMAT: &str = "1";

/// The tables. A question may be longer than an index entry of PostgreSQL, so that it is found by its hash; a role that
/// is empty stands for everybody.
pub(super) const TABLES: [&str; 4] = [
    "CREATE TABLE meta (format text NOT NULL, revision bigint NOT NULL)",
    "INSERT INTO meta (format, revision) VALUES ('1', 1)",
    "CREATE TABLE pin (upstream text NOT NULL, database text NOT NULL, role text NOT NULL, name text NOT NULL, \
     question text NOT NULL, question_hash text NOT NULL, parameters integer NOT NULL, query text NOT NULL, \
     reading text NOT NULL, fingerprint text NOT NULL, pinned_by text NOT NULL, \
     PRIMARY KEY (upstream, database, role, name), UNIQUE (upstream, database, role, question_hash))",
    "CREATE TABLE feedback (upstream text NOT NULL, database text NOT NULL, role text NOT NULL, \
     question text NOT NULL, question_hash text NOT NULL, parameters integer NOT NULL, verdict text NOT NULL, \
     query text NOT NULL, fingerprint text NOT NULL, given_by text NOT NULL, \
     PRIMARY KEY (upstream, database, role, question_hash))",
];

/// Format and revision.
pub(super) const META: &str = "SELECT format, CAST(revision AS text) FROM meta";

/// Counts a change; as the first statement of one it also makes others wait.
pub(super) const BUMP: &str = "UPDATE meta SET revision = revision + 1";

/// All pins; their columns are those of [`pin`].
pub(super) const ALL_PINS: &str = "SELECT upstream, database, role, name, question, CAST(parameters AS text), \
     query, reading, fingerprint, pinned_by FROM pin";

/// The pins of a place.
pub(super) const PINS: &str = "SELECT upstream, database, role, name, question, CAST(parameters AS text), \
     query, reading, fingerprint, pinned_by FROM pin WHERE upstream = $1 AND database = $2";

/// All feedback; its columns are those of [`feedback`].
pub(super) const ALL_FEEDBACK: &str = "SELECT upstream, database, role, question, CAST(parameters AS text), verdict, \
     query, fingerprint, given_by FROM feedback";

/// The feedback of a place.
pub(super) const FEEDBACK: &str = "SELECT upstream, database, role, question, CAST(parameters AS text), verdict, \
     query, fingerprint, given_by FROM feedback WHERE upstream = $1 AND database = $2";

/// How many columns a pin is read from.
pub(super) const PIN_COLUMNS: usize = 10;

/// How many columns a feedback is read from.
pub(super) const FEEDBACK_COLUMNS: usize = 9;

/// One statement that changes something.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) sql: &'static str,
    pub(super) values: Vec<String>,
}

/// The statements of a change that was judged to be done.
pub(super) fn of_change(change: &Change) -> Vec<Statement> {
    match change {
        Change::AddPin(pin, _) => vec![insert_pin(pin)],
        Change::RemovePin { place, role, name } => vec![delete_named(place, role.as_ref(), name)],
        Change::KeepFeedback(feedback, _) => replace_feedback(feedback),
        Change::RemoveFeedback {
            place,
            role,
            question,
        } => vec![delete_feedback(place, role.as_ref(), question)],
    }
}

/// The statements that put records into the store, in the place of those that have the same name or question.
pub(super) fn of_import(records: &Records) -> Vec<Statement> {
    let mut statements = Vec::new();
    for pin in &records.pins {
        statements.push(delete_named(&pin.place, pin.role.as_ref(), &pin.name));
        statements.push(Statement {
            sql: "DELETE FROM pin WHERE upstream = $1 AND database = $2 AND role = $3 AND question_hash = $4",
            values: question_key(&pin.place, pin.role.as_ref(), &pin.question).into(),
        });
        statements.push(insert_pin(pin));
    }
    for one in &records.feedback {
        statements.extend(replace_feedback(one));
    }
    statements
}

fn insert_pin(pin: &Pin) -> Statement {
    let [upstream, database, role, hash] =
        question_key(&pin.place, pin.role.as_ref(), &pin.question);
    Statement {
        sql: "INSERT INTO pin (upstream, database, role, name, question, question_hash, parameters, query, reading, \
              fingerprint, pinned_by) VALUES ($1, $2, $3, $4, $5, $6, CAST($7 AS integer), $8, $9, $10, $11)",
        values: vec![
            upstream,
            database,
            role,
            pin.name.to_string(),
            pin.question.text.clone(),
            hash,
            pin.question.parameter_count.to_string(),
            pin.kept.sql.clone(),
            pin.reading.clone(),
            pin.kept.fingerprint.clone(),
            pin.pinned_by.to_string(),
        ],
    }
}

fn delete_named(place: &Place, role: Option<&Arc<str>>, name: &str) -> Statement {
    Statement {
        sql: "DELETE FROM pin WHERE upstream = $1 AND database = $2 AND role = $3 AND name = $4",
        values: vec![
            place.upstream.to_string(),
            place.database.to_string(),
            role_text(role),
            name.to_owned(),
        ],
    }
}

fn delete_feedback(place: &Place, role: Option<&Arc<str>>, question: &Question) -> Statement {
    Statement {
        sql: "DELETE FROM feedback WHERE upstream = $1 AND database = $2 AND role = $3 AND question_hash = $4",
        values: question_key(place, role, question).into(),
    }
}

fn replace_feedback(feedback: &Feedback) -> Vec<Statement> {
    let (place, role) = (&feedback.place, feedback.role.as_ref());
    let [upstream, database, role_key, hash] = question_key(place, role, &feedback.question);
    vec![
        delete_feedback(place, role, &feedback.question),
        Statement {
            sql: "INSERT INTO feedback (upstream, database, role, question, question_hash, parameters, verdict, query, \
                  fingerprint, given_by) VALUES ($1, $2, $3, $4, $5, CAST($6 AS integer), $7, $8, $9, $10)",
            values: vec![
                upstream,
                database,
                role_key,
                feedback.question.text.clone(),
                hash,
                feedback.question.parameter_count.to_string(),
                feedback.verdict.as_str().to_owned(),
                feedback.kept.sql.clone(),
                feedback.kept.fingerprint.clone(),
                feedback.given_by.to_string(),
            ],
        },
    ]
}

fn question_key(place: &Place, role: Option<&Arc<str>>, question: &Question) -> [String; 4] {
    let mut hasher = Sha256::new();
    hasher.update(question.text.as_bytes());
    hasher.update([0]);
    hasher.update(question.parameter_count.to_be_bytes());
    let hash = hasher.finalize();
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    [
        place.upstream.to_string(),
        place.database.to_string(),
        role_text(role),
        hash,
    ]
}

fn role_text(role: Option<&Arc<str>>) -> String {
    role.map(ToString::to_string).unwrap_or_default()
}

/// A row of [`PINS`]; `None` when it is none of ours.
pub(super) fn pin(row: Vec<String>) -> Option<Pin> {
    let [
        upstream,
        database,
        role,
        name,
        text,
        parameters,
        sql,
        reading,
        fingerprint,
        pinned_by,
    ]: [String; PIN_COLUMNS] = row.try_into().ok()?;
    Some(Pin {
        place: place(&upstream, &database),
        role: role_of(&role),
        name: name.into(),
        question: question(text, &parameters)?,
        kept: KeptSql { sql, fingerprint },
        reading,
        pinned_by: pinned_by.into(),
    })
}

/// A row of [`FEEDBACK`]; `None` when it is none of ours.
pub(super) fn feedback(row: Vec<String>) -> Option<Feedback> {
    let [
        upstream,
        database,
        role,
        text,
        parameters,
        verdict,
        sql,
        fingerprint,
        given_by,
    ]: [String; FEEDBACK_COLUMNS] = row.try_into().ok()?;
    Some(Feedback {
        place: place(&upstream, &database),
        role: role_of(&role),
        question: question(text, &parameters)?,
        verdict: Verdict::parse(&verdict)?,
        kept: KeptSql { sql, fingerprint },
        given_by: given_by.into(),
    })
}

fn place(upstream: &str, database: &str) -> Place {
    Place {
        upstream: upstream.into(),
        database: database.into(),
    }
}

fn role_of(text: &str) -> Option<Arc<str>> {
    (!text.is_empty()).then(|| text.into())
}

fn question(text: String, parameters: &str) -> Option<Question> {
    Some(Question {
        text,
        parameter_count: parameters.parse().ok()?,
    })
}
