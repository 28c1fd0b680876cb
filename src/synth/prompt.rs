//! What a model is told: the rules of the answer, the schema, the question, and what was wrong with its last try.

use std::sync::Arc;

use serde::Serialize;

use crate::schema::render::{Privacy, render};
use crate::schema::snapshot::Snapshot;
use crate::synth::brief::{Brief, Example, Turn};
use crate::synth::builtin;
use crate::synth::glossary::Glossary;

/// The longest schema that is sent, in bytes: about 12,000 tokens, which fits beside an answer in the context of every
/// model that writes SQL.
const SCHEMA_BYTES_MAX: usize = 48 * 1024;

/// Relations that a schema may have for its undeclared joins to be looked for: more do not fit into a prompt in full.
const JOINS_RELATIONS_MAX: usize = 300;

/// Undeclared joins that are told at most.
const JOINS_MAX: usize = 200;

/// Turns of the conversation that are sent at most, the newest ones.
const TURNS_MAX: usize = 6;

/// Bytes of the conversation that are sent at most.
const TURNS_BYTES_MAX: usize = 8 * 1024;

/// One message of a chat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: &'static str,
    /// What is said.
    pub content: String,
}

/// The chat that asks for a Draft; `privacy` decides how much of the schema is told.
#[must_use]
pub fn messages(brief: &Brief, privacy: Privacy, glossary: &Glossary) -> Vec<Message> {
    let mut messages = vec![
        message("system", RULES.to_owned()),
        message("user", question(brief, privacy, glossary)),
    ];
    if let Some(failed) = &brief.failed {
        // Some servers refuse a message without content.
        if !failed.sql.trim().is_empty() {
            messages.push(message("assistant", failed.sql.clone()));
        }
        messages.push(message(
            "user",
            format!(
                "Your last answer was refused: {} (SQLSTATE {}). Mend it and answer again in the same form.",
                failed.reason, failed.sqlstate
            ),
        ));
    }
    messages
}

const RULES: &str = "\
You turn a question into one PostgreSQL query over the schema you are given.

Rules for the query:
- Exactly one SELECT (WITH, UNION and VALUES are fine). It only reads: no INSERT, UPDATE, DELETE, DDL, SELECT INTO, FOR \
UPDATE, and no function that writes, waits, or reads files, settings, catalogs or other databases.
- Only relations and columns of the schema, spelled as there; every relation qualified by its schema, every column by \
its relation or alias when there is more than one. Quote a name with double quotes exactly where the schema does.
- Join along the foreign keys. Beware of counting a row twice when a join multiplies rows.
- Name the columns so that a reader understands them. Order the rows where the question implies an order; when it asks \
for the top or the first, add LIMIT.
- Values in the question are literals; compare text as it is spelled in the data, with ILIKE when the spelling is in \
doubt. No comments, no semicolon.
- $1, $2 and so on stand for values that are bound later; use only those that the question mentions.

Answer with one JSON object and nothing else:
{\"sql\": \"the query\", \"reading\": \"what the query answers, in a few plain words of the question's language, every \
assumption included\", \"confidence\": 0.0 to 1.0}
When the schema cannot answer the question, answer {\"sql\": null, \"reading\": \"what is missing\"} instead of guessing.";

fn question(brief: &Brief, privacy: Privacy, glossary: &Glossary) -> String {
    let schema = render(&brief.visible, privacy, SCHEMA_BYTES_MAX);
    let parameters = match brief.parameter_count {
        0 => String::new(),
        count => format!("\nParameters: $1 to ${count}, cast where their type is not clear."),
    };
    format!(
        "Schema:\n{schema}{}{}{}\nToday: {} ({:?}){parameters}{}\nQuestion: {}",
        likely_joins(&brief.visible),
        called(glossary, &brief.visible),
        corrected(&brief.examples),
        brief.today,
        brief.today.weekday(),
        conversation(&brief.turns),
        brief.question
    )
}

/// Keys that nobody declared, where a schema is so small that all of it is told.
fn likely_joins(snapshot: &Snapshot) -> String {
    if snapshot.relations.len() > JOINS_RELATIONS_MAX {
        return String::new();
    }
    let joins = builtin::likely_joins(snapshot);
    let told: String = joins
        .iter()
        .take(JOINS_MAX)
        .map(|join| format!("\n{join}"))
        .collect();
    if told.is_empty() {
        return told;
    }
    format!("\n{LIKELY_JOINS}{told}\n")
}

const LIKELY_JOINS: &str = "\
Joins that no foreign key declares; names and values make them likely:";

/// What the glossary says of the schema.
fn called(glossary: &Glossary, snapshot: &Snapshot) -> String {
    match glossary.told(snapshot) {
        told if told.is_empty() => told,
        told => format!("\n{GLOSSARY}{told}\n"),
    }
}

const GLOSSARY: &str = "\
What people here call things. A question that uses such a name means just what stands here:";

/// What people have said of such questions; nothing where they have not.
fn corrected(examples: &[Arc<Example>]) -> String {
    let told: String = examples
        .iter()
        .map(|one| format!("\n- Question: {}\n  Query: {}", one.question, one.sql))
        .collect();
    if told.is_empty() {
        return told;
    }
    format!("\n{CORRECTED}{told}")
}

const CORRECTED: &str = "\
Questions over this schema, each with the query that a person gave as the right one. Read words that the question shares \
with them as they do.";

/// What was asked and answered before, as far as there is room for it; nothing outside of a conversation.
fn conversation(turns: &[Arc<Turn>]) -> String {
    let mut told: Vec<String> = Vec::new();
    let mut bytes = 0;
    for turn in turns.iter().rev().take(TURNS_MAX) {
        let text = format!("\n- Question: {}\n  Query: {}", turn.question, turn.sql);
        bytes += text.len();
        if bytes > TURNS_BYTES_MAX {
            break;
        }
        told.push(text);
    }
    if told.is_empty() {
        return String::new();
    }
    told.reverse();
    format!("\n{CONVERSATION}{}", told.concat())
}

const CONVERSATION: &str = "\
Conversation so far, oldest first. The question may go on about its last query (\"and last year?\", \"only those over \
100\", \"by month instead\"): then answer with the whole query that is meant now, everything else kept as it was, and let \
the reading say all of it. A question that is complete by itself has nothing to do with the conversation.";

fn message(role: &'static str, content: String) -> Message {
    Message { role, content }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::access::visible::Visible;
    use crate::error::SqlState;
    use crate::schema::snapshot::{Column, Relation, TypeClass};
    use crate::synth::brief::FailedDraft;

    fn brief() -> Brief {
        let snapshot = Snapshot {
            relations: vec![Relation {
                schema: "public".to_owned(),
                name: "books".to_owned(),
                ..Relation::default()
            }],
            ..Snapshot::default()
        };
        Brief {
            question: "how many books?".to_owned(),
            visible: Visible::new(Arc::new(snapshot), Arc::from([])),
            today: jiff::civil::date(2026, 11, 21),
            parameter_count: 0,
            turns: Vec::new(),
            conversing: false,
            examples: Vec::new(),
            failed: None,
        }
    }

    #[test]
    fn a_question_brings_its_schema_and_its_day() {
        let messages = messages(&brief(), Privacy::Schema, &Glossary::default());
        assert_eq!(messages.len(), 2);
        let told = &messages[1].content;
        assert!(told.contains("public.books"), "{told}");
        assert!(told.contains("Today: 2026-11-21 (Saturday)"), "{told}");
        assert!(told.ends_with("Question: how many books?"), "{told}");
        assert!(!told.contains("Parameters"), "{told}");
    }

    #[test]
    fn joins_that_nobody_declared_are_told() {
        let column = |name: &str| Column {
            name: name.to_owned(),
            class: TypeClass::Integer,
            ..Column::default()
        };
        let relation = |name: &str, columns: &[&str]| Relation {
            schema: "public".to_owned(),
            name: name.to_owned(),
            columns: columns.iter().map(|name| column(name)).collect(),
            ..Relation::default()
        };
        let snapshot = Snapshot {
            relations: vec![
                relation("Books", &["id", "author_id"]),
                relation("authors", &["id"]),
            ],
            ..Snapshot::default()
        };
        let mut brief = brief();
        brief.visible = Visible::new(Arc::new(snapshot), Arc::from([]));
        let told = messages(&brief, Privacy::Schema, &Glossary::default())[1]
            .content
            .clone();
        let join = "likely:\npublic.\"Books\".author_id = public.authors.id\n";
        assert!(told.contains(join), "{told}");
    }

    #[test]
    fn what_the_glossary_says_is_told_where_it_is_seen() {
        let text = "[[table]]\nname = 'books'\nsynonyms = ['volumes']\n[[table]]\nname = 'hidden'\nsynonyms = ['x']";
        let glossary = Glossary::parse("g.toml".to_owned(), text).unwrap();
        let told = messages(&brief(), Privacy::Schema, &glossary)[1]
            .content
            .clone();
        assert!(
            told.contains("stands here:\n- books is also called volumes\n\nToday"),
            "{told}"
        );
        assert!(!told.contains("hidden"), "{told}");
    }

    #[test]
    fn a_conversation_is_told_as_far_as_there_is_room() {
        let turn = |number: usize, bytes: usize| {
            Arc::new(Turn {
                question: format!("question {number}"),
                sql: format!("SELECT {number}{}", " ".repeat(bytes)),
                today: jiff::civil::date(2026, 11, 21),
            })
        };
        let mut brief = brief();
        brief.turns = (0..TURNS_MAX + 2).map(|n| turn(n, 10)).collect();
        let told = messages(&brief, Privacy::Schema, &Glossary::default())[1]
            .content
            .clone();
        assert!(told.contains("Conversation so far"), "{told}");
        assert!(!told.contains("question 1\n"), "{told}");
        let (second, last) = (told.find("question 2\n"), told.find("question 7\n"));
        assert!(second.is_some() && second < last, "{told}");
        assert!(told.ends_with("Question: how many books?"), "{told}");

        brief.turns = vec![turn(1, TURNS_BYTES_MAX / 2), turn(2, TURNS_BYTES_MAX - 100)];
        let told = messages(&brief, Privacy::Schema, &Glossary::default())[1]
            .content
            .clone();
        assert!(told.contains("question 2") && !told.contains("question 1"));

        brief.turns = vec![turn(1, TURNS_BYTES_MAX)];
        let told = messages(&brief, Privacy::Schema, &Glossary::default())[1]
            .content
            .clone();
        assert!(!told.contains("Conversation"), "{told}");
    }

    #[test]
    fn corrections_are_told_as_examples() {
        let mut brief = brief();
        brief.examples = vec![Arc::new(Example {
            question: "how many novels?".to_owned(),
            sql: "SELECT count(*) FROM public.books".to_owned(),
        })];
        let told = messages(&brief, Privacy::Schema, &Glossary::default())[1]
            .content
            .clone();
        assert!(
            told.contains(
                "- Question: how many novels?\n  Query: SELECT count(*) FROM public.books\n"
            ),
            "{told}"
        );
        assert!(told.ends_with("Question: how many books?"), "{told}");
    }

    #[test]
    fn a_repair_brings_what_was_refused_and_why() {
        let mut brief = brief();
        brief.parameter_count = 2;
        brief.failed = Some(FailedDraft {
            sql: "SELECT * FROM bookz".to_owned(),
            sqlstate: SqlState::GUARD,
            reason: "unknown relation \"bookz\"".to_owned(),
        });
        let told = messages(&brief, Privacy::Schema, &Glossary::default());
        let roles: Vec<_> = told.iter().map(|m| m.role).collect();
        assert_eq!(roles, ["system", "user", "assistant", "user"]);
        assert!(told[1].content.contains("$1 to $2"));
        assert!(told[3].content.contains("bookz") && told[3].content.contains("NL004"));

        brief.failed = brief.failed.map(|failed| FailedDraft {
            sql: String::new(),
            ..failed
        });
        let told = messages(&brief, Privacy::Schema, &Glossary::default());
        assert!(
            told.iter()
                .all(|m| !m.content.is_empty() && m.role != "assistant")
        );
    }
}
