//! From a sketch to typed queries: every word gets one meaning, and the meanings are joined.
//!
//! What a word means is decided by how well its candidates match, how near they are to the rest of the question in the
//! key graph, and whether their type fits. Each way to decide is one reading.

mod choose;
mod conditions;
mod measure;
mod place;
mod related;
mod scope;
mod shape;
mod supersede;

use std::collections::{HashMap, HashSet};

use crate::schema::snapshot::{ColumnId, RelationId, Snapshot};

use super::Domain;
use super::lattice::{Kind, Lattice, Rows};
use super::lexicon::Meaning;
use super::query::{Select, SourceId};
use super::rank::Weights;
use super::sketch::{EdgeId, Sketch};

/// Combinations of nouns tried for one sketch.
const NOUN_CHOICES_MAX: usize = 8;

/// Second choices of columns and values tried for one sketch.
const SECOND_CHOICES_MAX: usize = 4;

/// A bound reading.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    pub(super) select: Select,
    pub(super) score: f32,
    /// What nouns, columns, values and flags were taken for.
    pub(super) picks: Vec<(EdgeId, Meaning)>,
    /// The columns of dates that named none, by the numbers of their conditions.
    pub(super) dates: Vec<(usize, ColumnId)>,
}

/// Rows in the key graph: a relation, reached through a certain key when it plays a role.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Place {
    relation: RelationId,
    /// Index into the graph's keys.
    role: Option<usize>,
}

/// A column, and where its row is.
#[derive(Clone, Copy, Debug, PartialEq)]
struct BoundColumn {
    id: ColumnId,
    place: Place,
}

/// All good ways to bind a sketch, in no order.
pub(super) fn bind(
    domain: &Domain,
    lattice: &Lattice,
    sketch: &Sketch,
    weights: &Weights,
) -> Vec<Bound> {
    let mut all = Vec::new();
    for (nouns, penalty) in noun_choices(domain, lattice, sketch, weights) {
        let mut first = Binder::new(domain, lattice, sketch, weights, nouns.clone());
        let bound = first.bind();
        all.extend(bound.map(|b| Bound {
            score: b.score + penalty,
            ..b
        }));
        let chosen_among = std::mem::take(&mut first.chosen_among);
        for edge in chosen_among.into_iter().take(SECOND_CHOICES_MAX) {
            let mut other = Binder::new(domain, lattice, sketch, weights, nouns.clone());
            other.second = Some(edge);
            all.extend(other.bind().map(|b| Bound {
                score: b.score + penalty,
                ..b
            }));
        }
    }
    all
}

/// Every combination of what the nouns can be, with what it costs against the best.
fn noun_choices(
    domain: &Domain,
    lattice: &Lattice,
    sketch: &Sketch,
    weights: &Weights,
) -> Vec<(HashMap<EdgeId, Place>, f32)> {
    let mut choices: Vec<(HashMap<EdgeId, Place>, f32)> = vec![(HashMap::new(), 0.0)];
    for &id in &sketch.nouns {
        let edge = &lattice.edges[id];
        let candidates: Vec<(Rows, f32)> = match &edge.kind {
            // What goes by the very name leaves no room for what only ends in it: "orders" are not `waiting_orders`.
            Kind::Noun(candidates) => candidates
                .iter()
                .filter(|c| edge.quality < 0.9 || c.1 >= 0.4)
                .copied()
                .collect(),
            // A value that stands for the rows that have it.
            Kind::Value(candidates) => candidates
                .iter()
                .map(|((id, _), q)| (Rows::Relation(id.relation), *q))
                .collect(),
            _ => continue,
        };
        let length = (edge.end - edge.start) as f32;
        let mut longer = Vec::new();
        for (places, penalty) in &choices {
            for (rows, quality) in candidates.iter().take(3) {
                let place = match rows {
                    Rows::Relation(relation) => Place {
                        relation: *relation,
                        role: None,
                    },
                    Rows::Role(key) => Place {
                        relation: domain.graph.keys[*key].to,
                        role: Some(*key),
                    },
                };
                let mut places = places.clone();
                places.insert(id, place);
                longer.push((
                    places,
                    penalty - weights.content * length * (edge.quality - quality),
                ));
            }
        }
        longer.sort_by(|a, b| b.1.total_cmp(&a.1));
        longer.truncate(NOUN_CHOICES_MAX);
        choices = longer;
    }
    choices
}

/// Binds one sketch in one way.
struct Binder<'a> {
    domain: &'a Domain,
    snapshot: &'a Snapshot,
    lattice: &'a Lattice,
    sketch: &'a Sketch,
    weights: &'a Weights,
    nouns: HashMap<EdgeId, Place>,
    /// Relations that the question is about so far.
    focus: Vec<RelationId>,
    /// The column or value whose second-best candidate is to be taken.
    second: Option<EdgeId>,
    /// Columns and values that had a rival.
    chosen_among: Vec<EdgeId>,
    score: f32,
    source_count: usize,
    /// The order goes by a date: the last ones first, or the first ones.
    late: Option<bool>,
    /// Numbers of the conditions that are in the query.
    applied: HashSet<usize>,
    /// How many conditions there are.
    bound_count: usize,
    /// What words were taken for.
    picks: Vec<(EdgeId, Meaning)>,
    dates: Vec<(usize, ColumnId)>,
}

impl<'a> Binder<'a> {
    fn new(
        domain: &'a Domain,
        lattice: &'a Lattice,
        sketch: &'a Sketch,
        weights: &'a Weights,
        nouns: HashMap<EdgeId, Place>,
    ) -> Self {
        let mut focus = Vec::new();
        for id in &sketch.nouns {
            let place = nouns[id];
            if !focus.contains(&place.relation) {
                focus.push(place.relation);
            }
            // The partner of a row is said of that row's relation.
            let owner = place.role.map(|key| domain.graph.keys[key].from);
            focus.extend(owner.filter(|o| !focus.contains(o)));
        }
        Self {
            domain,
            snapshot: &domain.visible,
            lattice,
            sketch,
            weights,
            nouns,
            focus,
            second: None,
            chosen_among: Vec::new(),
            score: sketch.score,
            source_count: 0,
            late: None,
            applied: HashSet::new(),
            bound_count: 0,
            picks: Vec::new(),
            dates: Vec::new(),
        }
    }

    fn bind(&mut self) -> Option<Bound> {
        let select = self.shape()?;
        // What was understood and then lost would be a wrong answer.
        if self.applied.len() < self.bound_count {
            return None;
        }
        let score = self.score + self.unused_hints(&select);
        let mut picks = std::mem::take(&mut self.picks);
        for (&edge, place) in &self.nouns {
            if let Kind::Noun(_) = self.lattice.edges[edge].kind {
                let rows = place
                    .role
                    .map_or(Meaning::Relation(place.relation), Meaning::Role);
                picks.push((edge, rows));
            }
        }
        Some(Bound {
            select,
            score,
            picks,
            dates: std::mem::take(&mut self.dates),
        })
    }

    fn new_source(&mut self) -> SourceId {
        self.source_count += 1;
        SourceId(self.source_count)
    }

    /// Words of comments count as covered only when what they speak of is used.
    fn unused_hints(&self, select: &Select) -> f32 {
        let used = super::used::used(select);
        let missing = self
            .sketch
            .hints
            .iter()
            .filter(|&&id| match &self.lattice.edges[id].kind {
                Kind::Hint(candidates) => {
                    !candidates.iter().any(|(meaning, _)| used.covers(meaning))
                }
                _ => false,
            });
        missing.count() as f32 * self.weights.unknown
    }
}
