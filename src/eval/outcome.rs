//! What became of one question: a line of the file that `--json` writes, and that a later run goes on from.

use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::suite::Question;
use crate::ask::answer::Answer;
use crate::error::Refusal;

/// How an answer compares with the gold ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The same rows.
    Exact,
    /// The same rows with further columns.
    Subset,
    /// Other rows.
    Wrong,
    /// The server refused to run it, or not within the time.
    Error,
    /// There was no answer.
    Refused,
}

impl Verdict {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Subset => "subset",
            Self::Wrong => "wrong",
            Self::Error => "error",
            Self::Refused => "refused",
        }
    }
}

/// What became of one question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The question's own.
    pub id: String,
    /// The database, as the suite calls it.
    pub db: String,
    /// The question's category.
    pub category: String,
    /// Whether there is an answer to it.
    pub answerable: bool,
    /// The question.
    pub question: String,
    /// The SQL; `None` where it was refused.
    pub sql: Option<String>,
    /// How it compares; of a question without an answer [`Verdict::Refused`] is right and all else is wrong.
    pub verdict: Verdict,
    /// 0 to 1, where the provider tells.
    pub confidence: Option<f32>,
    /// What that was computed from, by name; empty where the provider does not compute it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub evidence: BTreeMap<String, f32>,
    /// Who answered.
    pub provider: Option<String>,
    /// From the question to its approved SQL, in milliseconds.
    pub latency_ms: f64,
    /// What was understood.
    pub reading: Option<String>,
    /// Why there is no answer, or why it failed: SQLSTATE and message.
    pub error: Option<String>,
    /// One of the queries that would be right.
    pub gold: Option<String>,
}

impl Outcome {
    /// Of a question that nobody has answered yet.
    #[must_use]
    pub fn refused(question: &Question) -> Self {
        Self {
            id: question.id.clone(),
            db: question.database.clone(),
            category: question.category.clone(),
            answerable: question.is_answerable(),
            question: question.text.clone(),
            sql: None,
            verdict: Verdict::Refused,
            confidence: None,
            evidence: BTreeMap::new(),
            provider: None,
            latency_ms: 0.0,
            reading: None,
            error: None,
            gold: question.gold.first().cloned(),
        }
    }

    /// Notes what the pipeline said; how it compares is still to be found out.
    pub fn take(&mut self, answer: Result<Answer, Refusal>) {
        match answer {
            Err(refusal) => self.error = Some(refusal.to_string()),
            Ok(answer) => {
                self.sql = Some(answer.approved.sql().to_owned());
                self.confidence = answer.confidence;
                let evidence = answer.evidence.into_iter();
                self.evidence = evidence.map(|(name, x)| (name.to_owned(), x)).collect();
                self.provider = Some(answer.provider.to_string());
                self.reading = Some(answer.reading);
            }
        }
    }

    /// Whether it is what it should be.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.verdict
            == if self.answerable {
                Verdict::Exact
            } else {
                Verdict::Refused
            }
    }
}

/// Reads a file of outcomes. A last line that was not written to its end is left out.
///
/// # Errors
/// When the file cannot be read, or a line before the last is none.
pub fn read(path: &Path) -> io::Result<Vec<Outcome>> {
    let lines: Vec<String> = BufReader::new(File::open(path)?)
        .lines()
        .collect::<io::Result<_>>()?;
    let mut outcomes = Vec::with_capacity(lines.len());
    for (index, line) in lines.iter().enumerate() {
        match serde_json::from_str(line) {
            Ok(outcome) => outcomes.push(outcome),
            Err(_) if index + 1 == lines.len() => {}
            Err(error) => {
                let reason = format!("line {}: {error}", index + 1);
                return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
            }
        }
    }
    Ok(outcomes)
}

/// Writes outcomes to a file, one by one as they come.
#[derive(Debug)]
pub struct Log(Option<File>);

impl Log {
    /// Into no file.
    #[must_use]
    pub fn nowhere() -> Self {
        Self(None)
    }

    /// Into a file that holds these so far, and nothing else.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn over(path: &Path, so_far: &[Outcome]) -> io::Result<Self> {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        // What is there is not lost before what takes its place is whole.
        let new = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder.unwrap_or_else(|| Path::new(".")))?;
        let mut log = Self(Some(new.as_file().try_clone()?));
        for outcome in so_far {
            log.put(outcome)?;
        }
        new.persist(path)?;
        Ok(log)
    }

    /// Appends one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(&mut self, outcome: &Outcome) -> io::Result<()> {
        let Some(file) = &mut self.0 else {
            return Ok(());
        };
        let mut line = serde_json::to_vec(outcome)?;
        line.push(b'\n');
        file.write_all(&line)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn outcome(id: &str, verdict: Verdict) -> Outcome {
        Outcome {
            id: id.to_owned(),
            db: "zoo".to_owned(),
            category: "easy".to_owned(),
            answerable: true,
            question: "how many animals".to_owned(),
            sql: (verdict != Verdict::Refused).then(|| "SELECT 1".to_owned()),
            verdict,
            confidence: Some(0.5),
            evidence: BTreeMap::new(),
            provider: Some("builtin".to_owned()),
            latency_ms: 1.25,
            reading: None,
            error: None,
            gold: None,
        }
    }

    #[test]
    fn a_run_that_was_broken_off_is_gone_on_from() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.jsonl");
        let (first, second) = (outcome("a", Verdict::Exact), outcome("b", Verdict::Refused));
        let mut log = Log::over(&path, std::slice::from_ref(&first)).unwrap();
        log.put(&second).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 10]).unwrap();
        assert_eq!(read(&path).unwrap(), [first]);
        std::fs::write(&path, format!("{{}}\n{text}")).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("line 1"));
    }
}
