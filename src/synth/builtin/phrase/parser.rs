//! The chart: every phrase that can begin at a token, each worked out once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::synth::builtin::lattice::{Edge, Kind, Lattice};
use crate::synth::builtin::sketch::EdgeId;
use crate::synth::builtin::tokens::TokenKind;

use super::tree::{Cond, Thing};
use super::words::{self, PHRASE_WORDS_MAX, Word};

/// Readings kept of one phrase that end at one token.
const SAME_END_MAX: usize = 4;

/// What covering a word with a stored name, a column, a value is worth.
pub(super) const CONTENT: f32 = 1.0;
/// More for each further word of one phrase: long names are no accident.
pub(super) const LONGER: f32 = 0.45;
/// A closed word that does what it is there for.
pub(super) const FUNCTION: f32 = 0.4;
/// A closed word that is passed over.
pub(super) const PASSED: f32 = 0.1;
/// A verb that the schema does not know.
pub(super) const VERB: f32 = -0.25;
/// A word that nothing knows.
pub(super) const UNKNOWN: f32 = -1.0;
/// A word that something knows, passed over.
pub(super) const DROPPED: f32 = -1.8;

/// A phrase, where it ends, and how well its words match.
#[derive(Clone, Debug)]
pub(super) struct Parsed<T> {
    pub(super) value: T,
    pub(super) end: usize,
    pub(super) score: f32,
}

pub(super) type Many<T> = Rc<[Parsed<T>]>;

/// Reads the phrases of one question.
pub(super) struct Parser<'a> {
    pub(super) lattice: &'a Lattice,
    /// Tokens that begin a sentence, the first one left out.
    pub(super) breaks: &'a [usize],
    closed: Vec<Vec<(Word, usize)>>,
    pub(super) things: RefCell<HashMap<usize, Many<Thing>>>,
    pub(super) conds: RefCell<HashMap<usize, Many<Cond>>>,
    pub(super) lists: RefCell<HashMap<usize, Many<Vec<Cond>>>>,
}

/// Small words before a noun.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dets {
    pub(super) end: usize,
    pub(super) score: f32,
    pub(super) distinct: bool,
    pub(super) each: bool,
}

impl<'a> Parser<'a> {
    pub(super) fn new(lattice: &'a Lattice, breaks: &'a [usize]) -> Self {
        let count = lattice.tokens.len();
        let closed = (0..count)
            .map(|start| {
                let mut found = Vec::new();
                let mut phrase = String::new();
                for end in start + 1..=(start + PHRASE_WORDS_MAX).min(count) {
                    let token = &lattice.tokens[end - 1];
                    let part = matches!(token.kind, TokenKind::Word | TokenKind::Comma)
                        || token.raw == "0";
                    if !part || end - 1 > start && breaks.contains(&(end - 1)) {
                        break;
                    }
                    if !phrase.is_empty() {
                        phrase.push(' ');
                    }
                    phrase.push_str(&token.folded);
                    found.extend(words::words(&phrase).iter().map(|w| (*w, end)));
                }
                found
            })
            .collect();
        Self {
            lattice,
            breaks,
            closed,
            things: RefCell::default(),
            conds: RefCell::default(),
            lists: RefCell::default(),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.lattice.tokens.len()
    }

    /// The closed phrases that begin at a token, with their ends.
    pub(super) fn closed(&self, at: usize) -> &[(Word, usize)] {
        self.closed.get(at).map_or(&[], Vec::as_slice)
    }

    /// The ends of a closed phrase of one kind that begins at a token, the longest first.
    pub(super) fn ends(&self, at: usize, word: Word) -> impl Iterator<Item = usize> + '_ {
        self.closed(at)
            .iter()
            .rev()
            .filter(move |(w, _)| *w == word)
            .map(|(_, end)| *end)
    }

    /// The end of the longest closed phrase of one kind that begins at a token.
    pub(super) fn longest(&self, at: usize, word: Word) -> Option<usize> {
        self.ends(at, word).next()
    }

    pub(super) fn word(&self, at: usize) -> &str {
        self.lattice
            .tokens
            .get(at)
            .map_or("", |t| t.folded.as_str())
    }

    pub(super) fn edges(&self, at: usize) -> impl Iterator<Item = (EdgeId, &'a Edge)> + use<'a> {
        self.lattice.from(at)
    }

    /// Whether an edge is a stored value that is meant as one: "in" is hardly ever the country code.
    pub(super) fn is_value(&self, edge: &Edge) -> bool {
        let Kind::Value(candidates) = &edge.kind else {
            return false;
        };
        if edge.end > edge.start + 1
            || self
                .closed(edge.start)
                .iter()
                .all(|(_, end)| *end > edge.start + 1)
        {
            return true;
        }
        let raw = &self.lattice.tokens[edge.start].raw;
        raw.chars().skip(1).any(char::is_uppercase)
            && candidates.iter().any(|((_, value), _)| **value == **raw)
            || self.lattice.tokens[edge.start].kind == TokenKind::Quoted
    }

    /// What covering an edge's words is worth.
    pub(super) fn reward(edge: &Edge) -> f32 {
        let length = (edge.end - edge.start) as f32;
        CONTENT * edge.quality * length + LONGER * (length - 1.0)
    }

    /// What closed words are worth where they do what they are there for.
    pub(super) fn function(from: usize, to: usize) -> f32 {
        FUNCTION * (to - from) as f32
    }

    /// Articles and the like, in every number from none.
    pub(super) fn dets(&self, at: usize) -> Vec<Dets> {
        let mut all = vec![Dets {
            end: at,
            score: 0.0,
            distinct: false,
            each: false,
        }];
        let mut next = 0;
        while next < all.len() && all.len() < 8 {
            let from = all[next];
            next += 1;
            for &(word, end) in self.closed(from.end) {
                let (distinct, each, score) = match word {
                    Word::Det | Word::Their => (from.distinct, from.each, FUNCTION * 0.5),
                    Word::Distinct => (true, from.each, FUNCTION),
                    Word::Each => (from.distinct, true, FUNCTION),
                    Word::Filler if end > from.end + 1 => (from.distinct, from.each, PASSED),
                    _ => continue,
                };
                let score = from.score + score * (end - from.end) as f32;
                match all
                    .iter_mut()
                    .find(|d| d.end == end && d.distinct == distinct && d.each == each)
                {
                    Some(known) => known.score = known.score.max(score),
                    None => all.push(Dets {
                        end,
                        score,
                        distinct,
                        each,
                    }),
                }
            }
        }
        all
    }

    /// What passing over a token costs, or gives.
    pub(super) fn pass(&self, at: usize) -> f32 {
        let token = &self.lattice.tokens[at];
        if token.kind == TokenKind::Comma {
            return 0.0;
        }
        if !matches!(token.kind, TokenKind::Word) {
            return DROPPED * 1.5;
        }
        let known = self
            .edges(at)
            .filter(|(_, e)| {
                let named = matches!(e.kind, Kind::Noun(_) | Kind::Attribute(_) | Kind::Flag(_));
                e.quality > 0.5 && (named || self.is_value(e))
            })
            .map(|(_, e)| e.quality)
            .fold(0.0, f32::max);
        if self
            .closed(at)
            .iter()
            .any(|(w, end)| *end == at + 1 && matches!(w, Word::Not | Word::Or | Word::Without))
        {
            return DROPPED;
        }
        if words::is_verbal(&token.folded) {
            return if known > 0.5 { VERB * 3.0 } else { VERB };
        }
        let closed = self.closed(at).iter().any(|(w, end)| {
            *end == at + 1
                && matches!(
                    w,
                    Word::Det | Word::Link | Word::Filler | Word::Lead | Word::Of | Word::With
                )
        });
        if closed {
            return if known > 0.9 { VERB } else { PASSED };
        }
        if known > 0.5 {
            return DROPPED * known;
        }
        let content = self
            .edges(at)
            .any(|(_, e)| matches!(e.kind, Kind::Number(_) | Kind::Quoted(_) | Kind::Date(_)));
        if content || token.capital {
            return DROPPED;
        }
        if self.closed(at).iter().any(|(_, end)| *end == at + 1) {
            return UNKNOWN * 0.7;
        }
        UNKNOWN
    }
}

/// The best phrases, a few for each end.
pub(super) fn pruned<T>(mut all: Vec<Parsed<T>>, max: usize) -> Vec<Parsed<T>> {
    all.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut ends: HashMap<usize, usize> = HashMap::new();
    all.retain(|p| {
        let seen = ends.entry(p.end).or_default();
        *seen += 1;
        *seen <= SAME_END_MAX
    });
    all.truncate(max);
    all
}
