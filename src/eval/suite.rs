//! A suite of questions as it lies in a directory: `questions.jsonl`, perhaps `unanswerable.jsonl`, and `sql/DB.sql` for
//! each database.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Questions, and the databases that they are about.
#[derive(Clone, Debug)]
pub struct Suite {
    /// The name of its directory, with which the names of its databases on the server begin.
    pub name: String,
    /// Those that count, in the order of their files.
    pub questions: Vec<Question>,
    /// The SQL that makes each database.
    pub databases: BTreeMap<String, PathBuf>,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What tells it from all others.
    pub id: String,
    /// The database that it is about, as the suite calls it.
    pub database: String,
    /// The question itself.
    pub text: String,
    /// What kind of question the suite says it is.
    pub category: String,
    /// Queries that answer it, each of them right; none for a question that has to be refused.
    pub gold: Vec<String>,
}

impl Question {
    /// Whether there is an answer to it.
    #[must_use]
    pub fn is_answerable(&self) -> bool {
        !self.gold.is_empty()
    }
}

/// Why a suite cannot be read: the file, the line, and what is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("{path}{}: {reason}", .line.map(|line| format!(", line {line}")).unwrap_or_default())]
pub struct BadSuite {
    path: String,
    line: Option<usize>,
    reason: String,
}

#[derive(Deserialize)]
struct Line {
    id: String,
    db: String,
    question: String,
    #[serde(default)]
    category: String,
    #[serde(default)]
    gold_sql: Vec<String>,
    #[serde(default)]
    scored: bool,
}

impl Suite {
    /// Reads a directory.
    ///
    /// # Errors
    /// [`BadSuite`] when a file is missing or is not what it should be, or an id stands twice.
    pub fn read(directory: &Path) -> Result<Self, BadSuite> {
        let bad = |path: &Path, line, reason: String| BadSuite {
            path: path.display().to_string(),
            line,
            reason,
        };
        let absolute =
            fs::canonicalize(directory).map_err(|error| bad(directory, None, error.to_string()))?;
        let name = absolute
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .ok_or_else(|| bad(directory, None, "the directory has no name".to_owned()))?;
        let mut suite = Self {
            name,
            questions: Vec::new(),
            databases: BTreeMap::new(),
        };
        let mut lines_of = BTreeMap::new();
        for (file, is_answerable) in [("questions.jsonl", true), ("unanswerable.jsonl", false)] {
            let path = directory.join(file);
            if !is_answerable && !path.exists() {
                continue;
            }
            let text =
                fs::read_to_string(&path).map_err(|error| bad(&path, None, error.to_string()))?;
            for (number, text) in (1..).zip(text.lines()) {
                if text.trim().is_empty() {
                    continue;
                }
                let line: Line = serde_json::from_str(text)
                    .map_err(|error| bad(&path, Some(number), error.to_string()))?;
                if !line.scored || is_answerable == line.gold_sql.is_empty() {
                    continue;
                }
                let sql = directory.join("sql").join(format!("{}.sql", line.db));
                if !sql.is_file() {
                    let reason = format!("there is no {}", sql.display());
                    return Err(bad(&path, Some(number), reason));
                }
                if let Some(first) = lines_of.insert(line.id.clone(), number) {
                    let reason = format!("the id {} stands in line {first} as well", line.id);
                    return Err(bad(&path, Some(number), reason));
                }
                suite.databases.insert(line.db.clone(), sql);
                suite.questions.push(Question {
                    id: line.id,
                    database: line.db,
                    text: line.question,
                    category: line.category,
                    gold: line.gold_sql,
                });
            }
        }
        Ok(suite)
    }

    /// What a database is called on the server.
    #[must_use]
    pub fn database_name(&self, database: &str) -> String {
        format!("{}_{database}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suite(questions: &str, unanswerable: Option<&str>) -> Result<Suite, BadSuite> {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("sql")).unwrap();
        fs::write(directory.path().join("sql/zoo.sql"), "select 1").unwrap();
        fs::write(directory.path().join("questions.jsonl"), questions).unwrap();
        if let Some(text) = unanswerable {
            fs::write(directory.path().join("unanswerable.jsonl"), text).unwrap();
        }
        Suite::read(directory.path())
    }

    fn line(id: &str, more: &str) -> String {
        format!(r#"{{"id": "{id}", "db": "zoo", "question": "how many animals", {more}}}"#) + "\n"
    }

    #[test]
    fn questions_that_count_are_read() {
        let questions = [
            line(
                "a",
                r#""category": "easy", "gold_sql": ["select 1"], "scored": true"#,
            ),
            line("b", r#""gold_sql": ["select 1"], "scored": false"#),
            line("c", r#""gold_sql": [], "scored": true"#),
            "\n".to_owned(),
        ];
        let refused = line("d", r#""gold_sql": [], "scored": true, "hint": "none""#);
        let suite = suite(&questions.concat(), Some(&refused)).unwrap();
        let ids: Vec<_> = suite
            .questions
            .iter()
            .map(|q| (&*q.id, q.is_answerable()))
            .collect();
        assert_eq!(ids, [("a", true), ("d", false)]);
        assert_eq!(suite.databases.len(), 1);
        assert_eq!(suite.database_name("zoo"), format!("{}_zoo", suite.name));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let counts = r#""gold_sql": ["select 1"], "scored": true"#;
        for (questions, expect) in [
            ("{".to_owned(), "questions.jsonl, line 1: "),
            (
                [line("a", counts), line("a", counts)].concat(),
                "line 2: the id a stands in line 1",
            ),
            (line("a", counts).replace("zoo", "nowhere"), "nowhere.sql"),
        ] {
            let told = suite(&questions, None).unwrap_err().to_string();
            assert!(told.contains(expect), "{told}");
        }
        let nowhere = Suite::read(Path::new("/nowhere/at/all"))
            .unwrap_err()
            .to_string();
        assert!(nowhere.starts_with("/nowhere/at/all: "), "{nowhere}");
    }
}
