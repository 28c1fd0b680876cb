//! The store as text: one block a record, in an order that nothing but the records decides, so that two exports differ
//! where the records do.
//!
//! The text is TOML. What is read is checked: people write such files too.

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::record::{
    Feedback, KeptSql, NAME_BYTES_MAX, Pin, Place, QUESTION_BYTES_MAX, Question, Records,
    SQL_BYTES_MAX, Verdict,
};

/// The version of the text.
const FORMAT: u32 = 1;

const HEADING: &str = "# Pins and feedback of pgask; `pgask state import` reads them back. A record without a role \
                       holds for every role.\n";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pin: Vec<PinBlock>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    feedback: Vec<FeedbackBlock>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PinBlock {
    upstream: String,
    database: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    name: String,
    question: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    parameters: u16,
    sql: String,
    #[serde(default)]
    reading: String,
    #[serde(default)]
    fingerprint: String,
    pinned_by: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FeedbackBlock {
    upstream: String,
    database: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    question: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    parameters: u16,
    verdict: String,
    sql: String,
    #[serde(default)]
    fingerprint: String,
    given_by: String,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(count: &u16) -> bool {
    *count == 0
}

/// Writes records as text.
#[must_use]
pub fn write(records: &Records) -> String {
    let mut sorted = records.clone();
    sorted.sort();
    let document = Document {
        format: FORMAT,
        pin: sorted.pins.iter().map(pin_block).collect(),
        feedback: sorted.feedback.iter().map(feedback_block).collect(),
    };
    let text = toml::to_string(&document).expect("records are tables of plain values");
    format!("{HEADING}{text}")
}

/// Reads records from text.
///
/// # Errors
/// What is wrong, as one line that names the record.
pub fn read(text: &str) -> Result<Records, String> {
    let document: Document = toml::from_str(text).map_err(|error| {
        let line = error
            .span()
            .map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        format!("line {line}: {}", error.message().replace('\n', " "))
    })?;
    if document.format != FORMAT {
        return Err(format!(
            "format = {}: expected {FORMAT}, the only one that this version knows",
            document.format
        ));
    }
    let mut records = Records::default();
    for block in document.pin {
        let told = format!("pin {:?}", block.name);
        records
            .pins
            .push(pin_of(block).map_err(|why| format!("{told}: {why}"))?);
    }
    for block in document.feedback {
        let told = format!("feedback on {:?}", shortened(&block.question));
        let feedback = feedback_of(block).map_err(|why| format!("{told}: {why}"))?;
        records.feedback.push(feedback);
    }
    records.sort();
    each_once(&records)?;
    Ok(records)
}

fn each_once(records: &Records) -> Result<(), String> {
    let mut names = HashSet::new();
    let mut questions = HashSet::new();
    for pin in &records.pins {
        if !names.insert((&pin.place, &pin.role, &pin.name)) {
            return Err(format!("pin {:?}: this name stands twice", pin.name));
        }
        if !questions.insert((&pin.place, &pin.role, &pin.question)) {
            return Err(format!("pin {:?}: its question is pinned twice", pin.name));
        }
    }
    questions.clear();
    for one in &records.feedback {
        if !questions.insert((&one.place, &one.role, &one.question)) {
            let question = shortened(&one.question.text);
            return Err(format!("feedback on {question:?}: it stands twice"));
        }
    }
    Ok(())
}

fn pin_block(pin: &Pin) -> PinBlock {
    PinBlock {
        upstream: pin.place.upstream.to_string(),
        database: pin.place.database.to_string(),
        role: pin.role.as_ref().map(ToString::to_string),
        name: pin.name.to_string(),
        question: pin.question.text.clone(),
        parameters: pin.question.parameter_count,
        sql: pin.kept.sql.clone(),
        reading: pin.reading.clone(),
        fingerprint: pin.kept.fingerprint.clone(),
        pinned_by: pin.pinned_by.to_string(),
    }
}

fn feedback_block(feedback: &Feedback) -> FeedbackBlock {
    FeedbackBlock {
        upstream: feedback.place.upstream.to_string(),
        database: feedback.place.database.to_string(),
        role: feedback.role.as_ref().map(ToString::to_string),
        question: feedback.question.text.clone(),
        parameters: feedback.question.parameter_count,
        verdict: feedback.verdict.as_str().to_owned(),
        sql: feedback.kept.sql.clone(),
        fingerprint: feedback.kept.fingerprint.clone(),
        given_by: feedback.given_by.to_string(),
    }
}

fn pin_of(block: PinBlock) -> Result<Pin, String> {
    within("name", &block.name, 1, NAME_BYTES_MAX)?;
    within("reading", &block.reading, 0, SQL_BYTES_MAX)?;
    Ok(Pin {
        place: place(&block.upstream, &block.database)?,
        role: role(block.role)?,
        name: block.name.into(),
        question: question(block.question, block.parameters)?,
        kept: kept(block.sql, block.fingerprint)?,
        reading: block.reading,
        pinned_by: block.pinned_by.into(),
    })
}

fn feedback_of(block: FeedbackBlock) -> Result<Feedback, String> {
    Ok(Feedback {
        place: place(&block.upstream, &block.database)?,
        role: role(block.role)?,
        question: question(block.question, block.parameters)?,
        verdict: Verdict::parse(&block.verdict).ok_or_else(|| {
            format!(
                "verdict = {:?}: expected good, bad or corrected",
                block.verdict
            )
        })?,
        kept: kept(block.sql, block.fingerprint)?,
        given_by: block.given_by.into(),
    })
}

fn place(upstream: &str, database: &str) -> Result<Place, String> {
    within("upstream", upstream, 1, SQL_BYTES_MAX)?;
    within("database", database, 1, SQL_BYTES_MAX)?;
    Ok(Place {
        upstream: upstream.into(),
        database: database.into(),
    })
}

fn role(role: Option<String>) -> Result<Option<Arc<str>>, String> {
    let Some(role) = role else { return Ok(None) };
    within("role", &role, 1, SQL_BYTES_MAX)?;
    Ok(Some(role.into()))
}

fn question(text: String, parameter_count: u16) -> Result<Question, String> {
    within("question", &text, 1, QUESTION_BYTES_MAX)?;
    Ok(Question {
        text,
        parameter_count,
    })
}

fn kept(sql: String, fingerprint: String) -> Result<KeptSql, String> {
    within("sql", &sql, 1, SQL_BYTES_MAX)?;
    within("fingerprint", &fingerprint, 0, NAME_BYTES_MAX)?;
    Ok(KeptSql { sql, fingerprint })
}

fn within(key: &str, text: &str, min: usize, max: usize) -> Result<(), String> {
    if text.contains('\0') {
        return Err(format!("{key}: expected text without a NUL"));
    }
    if text.len() < min || text.len() > max {
        return Err(format!("{key}: expected {min} to {max} bytes"));
    }
    Ok(())
}

fn shortened(question: &str) -> String {
    question.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::{pin, place, question};
    use super::*;

    fn feedback() -> Feedback {
        Feedback {
            place: place("hotel"),
            role: None,
            question: question("beds 'a\\b'\n\"x\""),
            verdict: Verdict::Corrected,
            kept: KeptSql {
                sql: "SELECT 1".to_owned(),
                fingerprint: String::new(),
            },
            given_by: "dba".into(),
        }
    }

    #[test]
    fn what_was_written_reads_back_and_is_written_the_same() {
        let records = Records {
            pins: vec![
                pin(Some("zoe"), "a", "rooms"),
                pin(None, "it's \"quoted\"", "beds\nand\ttabs \u{1f40e} '''"),
                pin(Some("ann"), "a", "rooms"),
            ],
            feedback: vec![feedback()],
        };
        let text = write(&records);
        let again = read(&text).unwrap();
        assert_eq!(write(&again), text);
        assert_eq!(again.feedback, records.feedback);
        let names: Vec<_> = again.pins.iter().map(|pin| pin.role.as_deref()).collect();
        assert_eq!(names, [None, Some("ann"), Some("zoe")]);
        assert_eq!(read(&write(&Records::default())), Ok(Records::default()));
    }

    #[test]
    fn mistakes_name_the_record() {
        let block = "[[pin]]\nupstream = 'm'\ndatabase = 'd'\nname = 'x'\nquestion = 'q'\nsql = 's'\npinned_by = 'r'\n";
        let check = |text: String, says: &str| {
            let why = read(&text).unwrap_err();
            assert!(why.contains(says), "{why}\n{text}");
        };
        check("format = 2".to_owned(), "expected 1");
        check(String::new(), "format");
        check(
            format!("format = 1\n{block}colour = 1\n"),
            "line 9: unknown field",
        );
        check(
            format!("format = 1\n{block}{block}"),
            "pin \"x\": this name stands twice",
        );
        let other = block.replace("'x'", "'y'");
        check(
            format!("format = 1\n{block}{other}"),
            "its question is pinned twice",
        );
        let nul = block.replace("'q'", "\"a\\u0000b\"");
        check(
            format!("format = 1\n{nul}"),
            "pin \"x\": question: expected text without a NUL",
        );
        let long = block.replace("'x'", &format!("'{}'", "x".repeat(64)));
        check(
            format!("format = 1\n{long}"),
            "name: expected 1 to 63 bytes",
        );
    }
}
