//! The phrase reader: reads a question as phrases that nest, and composes a query of them.
//!
//! `parser` is the chart, `words` the closed words of English. `things` reads nouns with what stands before them,
//! `conds` what narrows them (`values`, `compare`, `operands`, `counts`, `texts` and `extremes` each a kind of it),
//! `question` the whole, of `items` that are shown, `groups`, `order`, and `filler` that asks for nothing; together
//! they give a `tree`.
//!
//! `choices` tells what its nouns can be, `resolve` finds one meaning for every other word, and `fit` how well a
//! column suits what is said of it. `compose` writes the select: `ways` leads from rows to rows, `frame` knows what
//! is joined, `outputs` what is shown, and `finish` groups, orders and heads it. `narrow` writes the conditions on
//! rows (`dates`, `has` and `named` each a kind of them, `logic` what they say of each other), `special` those on the
//! answer as a whole.
//!
//! A word that leads nowhere costs, and is not forbidden: how much was left over (`visit`) is what tells how far an
//! answer can be trusted (`doubt`, `certainty`).

mod certainty;
mod choices;
mod compare;
mod compose;
mod conds;
mod counts;
mod dates;
mod doubt;
mod extremes;
mod filler;
mod finish;
mod fit;
mod frame;
mod groups;
mod has;
mod items;
mod logic;
mod named;
mod narrow;
mod operands;
mod order;
mod outputs;
mod parser;
mod question;
mod resolve;
mod special;
mod texts;
mod things;
mod tree;
mod values;
mod visit;
mod ways;
mod words;

pub(super) use certainty::{Evidence, floor as certainty_floor};
pub(super) use words::opens;

use super::Domain;
use super::lattice::Lattice;
use super::query::Select;

pub(super) use doubt::Trust;

/// Readings of a question tried for their SQL.
const TRIED_MAX: usize = 14;

/// A reading.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) select: Select,
    pub(super) score: f32,
    /// The tokens with content that it does nothing with.
    pub(super) dropped: Vec<usize>,
    pub(super) trust: Trust,
    /// Nobody says which rows are meant.
    pub(super) implied: bool,
}

/// Reads a question; the best readings first. `breaks` are the tokens that begin a sentence, the first left out.
pub(super) fn read(domain: &Domain, lattice: &Lattice, breaks: &[usize]) -> Vec<Read> {
    let parser = parser::Parser::new(lattice, breaks);
    let mut all: Vec<Read> = Vec::new();
    for query in parser.queries().into_iter().take(TRIED_MAX) {
        let dropped = visit::dropped(&query.value, lattice);
        for composed in compose::compose(domain, lattice, &query.value, query.score) {
            let trust = doubt::trust(domain, lattice, &query.value, &composed.select, &dropped);
            all.push(Read {
                trust,
                select: composed.select,
                score: composed.score,
                dropped: dropped.clone(),
                implied: query.value.head.noun == tree::Noun::Implied,
            });
        }
    }
    all.sort_by(|a, b| b.score.total_cmp(&a.score));
    all
}

/// What the words of a question would be worth if every one of them played its part.
pub(super) fn ideal(lattice: &Lattice) -> f32 {
    lattice
        .tokens
        .iter()
        .map(|token| match words::words(&token.folded).is_empty() {
            true => parser::CONTENT,
            false => parser::FUNCTION * 0.5,
        })
        .sum()
}
