//! The grammar: reads a lattice from left to right into sketches, the best ones kept at every token.
//!
//! A beam over positions. Every edge that begins where a sketch stands is tried, and the rule for its kind says in
//! which ways it can continue the sketch; a rule that needs more looks ahead. One file per family of rules.

mod compare;
mod functions;
mod nouns;
mod values;

use super::english::Word;
use super::lattice::{Edge, Kind, Lattice};
use super::rank::Weights;
use super::sketch::{EdgeId, Sketch};

/// Sketches kept at one token.
const BEAM_MAX: usize = 48;

/// Complete sketches handed on.
const SKETCHES_MAX: usize = 24;

/// What rules look at.
pub(super) struct Grammar<'a> {
    pub(super) lattice: &'a Lattice,
    pub(super) weights: &'a Weights,
}

/// A rule's outcome: the sketches that continue.
type Next = Vec<Sketch>;

/// Reads a question; the best readings first. Empty only when the question is.
pub(super) fn sketches(lattice: &Lattice, weights: &Weights) -> Vec<Sketch> {
    continued(lattice, weights, Sketch::default())
}

/// Reads what stands behind a sketch; the best readings of both together first.
pub(super) fn continued(lattice: &Lattice, weights: &Weights, start: Sketch) -> Vec<Sketch> {
    let grammar = Grammar { lattice, weights };
    let count = lattice.tokens.len();
    let mut beams: Vec<Vec<Sketch>> = vec![Vec::new(); count + 1];
    let from = start.at;
    beams[from].push(start);
    for at in from..count {
        let mut beam = std::mem::take(&mut beams[at]);
        prune(&mut beam, BEAM_MAX);
        for sketch in &beam {
            for (id, edge) in lattice.from(at) {
                for mut next in grammar.read(sketch, id, edge) {
                    debug_assert!(next.at > at, "a rule must move on");
                    next.score += weights.structure_step;
                    beams[next.at].push(next);
                }
            }
        }
    }
    let mut complete = beams.pop().unwrap_or_default();
    for sketch in &mut complete {
        if !sketch.is_settled() {
            sketch.score += weights.unsettled;
        }
    }
    prune(&mut complete, SKETCHES_MAX);
    complete
}

fn prune(beam: &mut Vec<Sketch>, max: usize) {
    // Stable: equal scores keep the order in which rules were tried.
    beam.sort_by(|a, b| b.score.total_cmp(&a.score));
    beam.truncate(max);
}

impl Grammar<'_> {
    fn read(&self, sketch: &Sketch, id: EdgeId, edge: &Edge) -> Next {
        if sketch.open.owner && !matches!(edge.kind, Kind::Attribute(_) | Kind::Business(_)) {
            return Vec::new();
        }
        let mut next = match &edge.kind {
            Kind::Noun(_) => self.noun(sketch, id, edge),
            Kind::Attribute(_) => self.attribute(sketch, id, edge),
            Kind::Business(kind) => self.business(sketch, id, edge, *kind),
            Kind::Value(_) => self.value(sketch, id, edge),
            Kind::Flag(_) => self.flag(sketch, id, edge),
            Kind::Date(_) => self.date(sketch, id, edge),
            Kind::Number(_) | Kind::Param(_) | Kind::Quoted(_) | Kind::Name(_) => {
                self.constant(sketch, id, edge)
            }
            Kind::Graded(graded) => self.graded(sketch, edge, *graded),
            Kind::Function(word) => self.function(sketch, edge, *word),
            Kind::Hint(_) => self.hint(sketch, id, edge),
            Kind::Unknown => self.unknown(sketch, edge),
        };
        let reward = self.reward(edge);
        for sketch in &mut next {
            sketch.score += reward;
        }
        next
    }

    /// What covering these words is worth.
    fn reward(&self, edge: &Edge) -> f32 {
        let weights = self.weights;
        let length = (edge.end - edge.start) as f32;
        let each = match edge.kind {
            Kind::Function(Word::Stop) if self.has_function(edge) => weights.stop_meant,
            Kind::Function(Word::Stop) => weights.stop,
            Kind::Function(_) => weights.function,
            Kind::Hint(_) => weights.hint,
            Kind::Unknown => 0.0,
            Kind::Date(_) => weights.date,
            Kind::Name(_) => weights.name,
            _ => weights.content * edge.quality,
        };
        each * length + weights.longer * (length - 1.0)
    }

    /// Whether a word that could be passed over does something in other sentences.
    fn has_function(&self, edge: &Edge) -> bool {
        self.lattice.from(edge.start).any(|(_, other)| {
            other.end == edge.end
                && matches!(other.kind, Kind::Function(word) if word != Word::Stop)
        })
    }

    /// A sketch that has read up to a token.
    fn moved(sketch: &Sketch, at: usize) -> Sketch {
        let mut next = sketch.clone();
        next.at = at;
        next
    }

    /// The token after articles and other small words.
    fn skip(&self, at: usize) -> usize {
        let small = |i: usize| {
            self.lattice.tokens.get(i).is_some_and(|t| {
                matches!(
                    t.folded.as_str(),
                    "the"
                        | "a"
                        | "an"
                        | "of"
                        | "is"
                        | "are"
                        | "was"
                        | "were"
                        | "in"
                        | "that"
                        | "to"
                        | "be"
                        | "its"
                        | "their"
                        | "equal"
                        | "has"
                        | "have"
                        | "at"
                )
            })
        };
        (at..).find(|&i| !small(i)).unwrap_or(at)
    }

    fn unknown(&self, sketch: &Sketch, edge: &Edge) -> Next {
        let mut next = Self::moved(sketch, edge.end);
        next.unknown.push(edge.start);
        next.score += self.weights.unknown;
        vec![next]
    }

    fn hint(&self, sketch: &Sketch, id: EdgeId, edge: &Edge) -> Next {
        let mut next = Self::moved(sketch, edge.end);
        next.hints.push(id);
        vec![next]
    }
}
