//! Constants that a preposition ties to rows, whose column nobody names: "orders of Emma Smith", "customers from $1".

use crate::schema::snapshot::{ColumnId, RelationId, RelationKind, TypeClass};
use crate::synth::builtin::lattice::Scored;
use crate::synth::builtin::query::Comparison;
use crate::synth::builtin::sketch::{EdgeId, Operand};
use crate::synth::builtin::text;

use super::conditions::{BoundTest, Part};
use super::{Binder, Place};

/// Joins at most between rows and what a preposition ties to them.
const STEPS_MAX: usize = 2;

/// Added for every word of a name that other names of the column have as well.
const FAMILIAR: f32 = 0.8;

/// A name's column must lead all others by this many points.
const LEAD_MIN: f32 = 0.2;

/// Words that columns of places are named with, the widest first, and what is lost against the first.
const PLACES: &[(&str, f32)] = &[
    ("country", 0.0),
    ("nation", 0.0),
    ("state", -0.3),
    ("region", -0.3),
    ("province", -0.3),
    ("city", -0.4),
    ("town", -0.4),
    ("location", -0.5),
];

impl Binder<'_> {
    /// The column that rows are tied to a constant by; `None` when no column is better than all others.
    pub(super) fn related(
        &mut self,
        place: Place,
        constant: EdgeId,
        operand: &Operand,
        may_be_place: bool,
    ) -> Option<(Place, BoundTest)> {
        match operand {
            Operand::Param(_) if may_be_place => {
                let candidates = self.places(place.relation);
                let id = *self.choose(constant, &candidates, |binder, id| {
                    Some(binder.nearness(id.relation, Some(place)))
                })?;
                let place = if id.relation == place.relation {
                    place
                } else {
                    Place {
                        relation: id.relation,
                        role: None,
                    }
                };
                let part = Part::Compare(id, Comparison::Equal, operand.clone());
                Some((place, BoundTest::All(vec![part])))
            }
            Operand::Text(name) => {
                let relation = self.name_bearer(place.relation, name)?;
                let there = Place {
                    relation,
                    role: None,
                };
                self.named(there, operand)
            }
            _ => None,
        }
    }

    /// Columns that say where rows are, their own before those of the rows that they belong to.
    fn places(&self, relation: RelationId) -> Vec<Scored<ColumnId>> {
        let own = self.places_in(relation);
        if !own.is_empty() {
            return own;
        }
        // Of several owners, each may be what the preposition speaks of.
        let direct: Vec<RelationId> = self
            .owners(relation)
            .filter(|&(_, cost)| cost < 2.0)
            .map(|(owner, _)| owner)
            .collect();
        match direct[..] {
            [owner] => self.places_in(owner),
            _ => Vec::new(),
        }
    }

    fn places_in(&self, relation: RelationId) -> Vec<Scored<ColumnId>> {
        let columns = self.snapshot.relation(relation).columns.iter().enumerate();
        let place = |(column, c): (usize, &crate::schema::snapshot::Column)| {
            let words = text::words(&c.name);
            let (_, points) = PLACES
                .iter()
                .find(|(name, _)| c.class == TypeClass::Text && words.iter().any(|w| w == name))?;
            Some((ColumnId { relation, column }, 1.0 + points))
        };
        columns.filter_map(place).collect()
    }

    /// The one kind of row that rows of a relation belong to and that can be called so.
    fn name_bearer(&self, relation: RelationId, name: &str) -> Option<RelationId> {
        let words = text::words(name);
        let mut ranked: Vec<(RelationId, f32)> = self
            .owners(relation)
            .filter_map(|(owner, cost)| {
                let known = self.familiarity(owner, &words)?;
                Some((owner, known * FAMILIAR + self.weights.join_step * cost))
            })
            .collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        match ranked[..] {
            [] => None,
            [only] => Some(only.0),
            [best, next, ..] => (best.1 - next.1 >= LEAD_MIN).then_some(best.0),
        }
    }

    /// Tables whose one row every row of a relation has, and what the way there costs.
    fn owners(&self, relation: RelationId) -> impl Iterator<Item = (RelationId, f32)> {
        let graph = &self.domain.graph;
        let snapshot = self.snapshot;
        (0..snapshot.relations.len())
            .map(RelationId)
            .filter(move |&owner| owner != relation)
            .filter(move |&owner| snapshot.relation(owner).kind == RelationKind::Table)
            .filter_map(move |owner| {
                let (steps, cost) = graph.path(relation, owner)?;
                let surely = steps.iter().all(|s| s.forward && !graph.may_miss(*s));
                (surely && steps.len() <= STEPS_MAX).then_some((owner, cost))
            })
    }

    /// The share of a name's words that known names of a relation have; `None` when its rows have no names, or when all
    /// their names are known and this is none of them.
    fn familiarity(&self, relation: RelationId, words: &[String]) -> Option<f32> {
        let display = &self.domain.roles[relation.0].display;
        let columns = &self.snapshot.relation(relation).columns;
        if display.is_empty() || display.iter().any(|&c| columns[c].class != TypeClass::Text) {
            return None;
        }
        let stats: Vec<_> = display
            .iter()
            .filter_map(|&c| columns[c].stats.as_ref())
            .collect();
        let all_known = |s: &&crate::schema::snapshot::ColumnStats| {
            s.distinct > 0.0 && s.histogram.is_empty() && s.common_values.len() as f32 >= s.distinct
        };
        if stats.iter().any(all_known) {
            return None;
        }
        let known: Vec<String> = stats
            .iter()
            .flat_map(|s| s.common_values.iter().chain(&s.histogram))
            .flat_map(|value| text::words(value))
            .collect();
        let met = words.iter().filter(|w| known.contains(w)).count();
        Some(met as f32 / words.len().max(1) as f32)
    }
}
