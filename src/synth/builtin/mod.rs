//! The built-in engine: from a question to SQL without a model and without a network.
//!
//! Owns the schema's lexicon and key graph, the reading of questions against them, and the typed query that SQL is
//! printed from. Knows no database: everything specific comes from the catalog. Never does I/O, never reads a clock,
//! and never writes a word of the question into SQL except as a constant.
//!
//! A question of a conversation may be about the one before: `talk` then reads it as an edit of that one's sketch.
//!
//! In the order of a question's life: `tokens` cuts it, `lattice` looks every span up in the `lexicon` (and `dates`,
//! `english`), `grammar` reads the lattice into `sketch`es, `bind` gives every word one meaning and joins them over the
//! `graph` into a `query`, `rank` orders the readings, `print` and `reading` say the best one in SQL and in words.

mod bind;
mod codes;
mod comments;
mod dates;
mod english;
mod flags;
mod grammar;
mod graph;
mod key_evidence;
mod keys;
mod lattice;
mod lexicon;
mod measures;
mod names;
mod phrase;
mod phrase_index;
mod phrases;
mod print;
mod query;
mod rank;
mod reading;
mod roles;
mod sketch;
mod spellings;
mod stored;
mod talk;
mod terms;
mod text;
mod thesaurus;
mod tokens;
mod used;
mod world;

mod answer;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod questions;

use std::sync::Arc;

use jiff::civil::Date;
use moka::sync::Cache;

use crate::access::visible::Visible;
use crate::schema::quote::identifier_if_needed;
use crate::schema::snapshot::{RelationId, Snapshot};

use super::brief::{Brief, Drafted, SynthError, Turn};
use super::glossary::Glossary;

use graph::Graph;
use lexicon::Lexicon;
use names::Names;
use roles::Roles;
use terms::Terms;

/// Engines kept by one provider: one for every snapshot and set of rights in use.
const ENGINES_MAX: u64 = 64;

/// Joins over keys that nobody declared, as `schema.table.column = schema.table.column`, quoted where SQL wants it.
#[must_use]
pub fn likely_joins(snapshot: &Snapshot) -> Vec<String> {
    let graph = Graph::of(snapshot, &Names::new(snapshot), &[]);
    let column = |id: RelationId, column: usize| {
        let relation = snapshot.relation(id);
        format!(
            "{}.{}.{}",
            identifier_if_needed(&relation.schema),
            identifier_if_needed(&relation.name),
            identifier_if_needed(&relation.columns[column].name)
        )
    };
    let inferred = graph.keys.iter().filter(|key| !key.declared);
    inferred
        .map(|key| {
            let (from, to) = (key.from_columns[0], key.to_columns[0]);
            format!("{} = {}", column(key.from, from), column(key.to, to))
        })
        .collect()
}

/// What is known of one schema before any question is asked.
#[derive(Debug)]
struct Domain {
    visible: Visible,
    lexicon: Lexicon,
    graph: Graph,
    roles: Vec<Roles>,
}

/// The engine over one schema. Building it reads the whole snapshot; asking it is cheap.
#[derive(Debug)]
pub struct Engine {
    domain: Domain,
}

impl Engine {
    /// Builds the lexicon and the key graph of a schema.
    #[must_use]
    pub fn new(visible: &Visible) -> Self {
        Self::knowing(visible, &Glossary::default())
    }

    /// The same, with what a glossary says of the schema.
    #[must_use]
    pub fn knowing(visible: &Visible, glossary: &Glossary) -> Self {
        let snapshot: &Snapshot = visible;
        let names = Names::new(snapshot);
        let terms = Terms::of(glossary, snapshot);
        let graph = Graph::of(snapshot, &names, &terms.joins);
        Self {
            domain: Domain {
                visible: visible.clone(),
                lexicon: Lexicon::of(snapshot, &names, &graph, &terms),
                graph,
                roles: roles::of(snapshot, &names),
            },
        }
    }

    /// Answers a question with SQL. `today` serves arithmetic that SQL cannot do later ("since March"); `turns` are the
    /// questions before it, oldest first, which it may go on about, and true says that later ones may go on about it.
    /// A `$n` of the question is a parameter up to `parameter_count`, and money above it. The provider is named in the
    /// Draft, and answers when it is so sure, 0 to 1.
    ///
    /// # Errors
    /// [`SynthError::NotUnderstood`] names the words that nothing covers; [`SynthError::Ambiguous`] gives readings that
    /// are equally likely and differ in meaning.
    pub fn draft(
        &self,
        (question, parameter_count): (&str, u16),
        today: Date,
        (turns, conversing): (&[Arc<Turn>], bool),
        (provider, min_confidence): (&Arc<str>, f32),
    ) -> Drafted {
        let question = answer::Question {
            text: question,
            parameter_count,
            today,
            turns,
            conversing,
            min_confidence,
        };
        answer::answer(&self.domain, question, provider)
    }
}

/// The built-in engine as a provider: engines for the schemas in use, built when first asked.
#[derive(Debug)]
pub struct Builtin {
    name: Arc<str>,
    /// How sure it must be to answer, 0 to 1.
    min_confidence: f32,
    glossary: Arc<Glossary>,
    engines: Cache<usize, Arc<Engine>>,
}

impl Builtin {
    /// A provider of this configured name, that answers when it is so sure (0 to 1), or as sure as was fitted.
    #[must_use]
    pub fn new(name: Arc<str>, min_confidence: Option<f32>) -> Self {
        Self {
            name,
            min_confidence: min_confidence.unwrap_or_else(phrase::certainty_floor),
            glossary: Arc::default(),
            engines: Cache::new(ENGINES_MAX),
        }
    }

    /// Makes engines know what a glossary says; to be called before the first question.
    pub fn knowing(&mut self, glossary: &Arc<Glossary>) {
        self.glossary = Arc::clone(glossary);
    }

    /// Answers a Brief. Takes about a millisecond, and longer when the schema is new.
    ///
    /// # Errors
    /// As [`Engine::draft`]; a repair is [`SynthError::NoSql`], because the engine would write the same again.
    pub fn draft(&self, brief: &Brief) -> Drafted {
        if let Some(failed) = &brief.failed {
            return Err(SynthError::NoSql {
                reason: format!(
                    "the built-in engine has no other SQL than the one refused ({})",
                    failed.sqlstate
                ),
            });
        }
        let engine = self.engine(&brief.visible);
        let question = (brief.question.as_str(), brief.parameter_count);
        let conversation = (&brief.turns[..], brief.conversing);
        let provider = (&self.name, self.min_confidence);
        engine.draft(question, brief.today, conversation, provider)
    }

    /// The engine of a snapshot. An engine holds its snapshot, so that the address cannot come to mean another one.
    fn engine(&self, visible: &Visible) -> Arc<Engine> {
        let address = Arc::as_ptr(visible.snapshot()).addr();
        self.engines.get_with(address, || {
            Arc::new(Engine::knowing(visible, &self.glossary))
        })
    }
}
