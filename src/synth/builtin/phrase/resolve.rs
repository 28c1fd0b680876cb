//! One meaning for each word: which rows, which column, which stored value.

use std::sync::Arc;

use crate::schema::snapshot::{ColumnId, RelationId, TypeClass};
use crate::synth::builtin::english::Adjective;
use crate::synth::builtin::lattice::Kind;
use crate::synth::builtin::sketch::{Attribute, EdgeId};
use crate::synth::builtin::{roles, text};

use super::compose::Composer;
use super::frame::Place;

/// A step of a join path.
pub(super) const STEP: f32 = -0.45;
/// Rows that no key connects.
const UNREACHABLE: f32 = -5.0;
/// A column of other rows than those it is said of.
const FOREIGN: f32 = -0.7;
/// A rival within this of the winner is another reading.
const RIVAL: f32 = 0.7;
/// What half a point of quality of a name is worth.
const QUALITY: f32 = 2.0;

/// A column and where its rows are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Located {
    pub(super) id: ColumnId,
    pub(super) place: Place,
}

impl Composer<'_> {
    /// How well rows go with those that a word is said of.
    fn nearness(&self, relation: RelationId, owner: Place) -> f32 {
        let own = match self.domain.graph.distance(owner.relation, relation) {
            Some(steps) => STEP * steps,
            None => UNREACHABLE,
        };
        let spoken = self
            .spoken
            .iter()
            .filter_map(|r| self.domain.graph.distance(*r, relation))
            .min_by(f32::total_cmp)
            .map_or(0.0, |steps| STEP * 0.3 * steps);
        own + spoken + self.of_kind(relation)
    }

    /// The column that is meant; `fit` is a penalty of 0 or less, `None` to rule it out.
    pub(super) fn column(
        &mut self,
        attribute: Attribute,
        owner: Place,
        fit: impl Fn(&Self, ColumnId) -> Option<f32>,
    ) -> Option<Located> {
        let lattice = self.lattice;
        let edge = &lattice.edges[attribute.edge];
        let Kind::Attribute(candidates) = &edge.kind else {
            return None;
        };
        let said_of = attribute.of.map(|of| self.choice.nouns[&of]);
        let near = said_of.unwrap_or(owner);
        let length = (edge.end - edge.start) as f32;
        let scored: Vec<(ColumnId, f32)> = candidates
            .iter()
            .filter_map(|(id, quality)| {
                let fit = fit(self, *id)?;
                let foreign = match id.relation == near.relation {
                    true => 0.0,
                    false if said_of.is_some() && self.extends(near, id.relation) => FOREIGN * 0.5,
                    false if said_of.is_some() => FOREIGN * 1.5,
                    false => FOREIGN * 0.5,
                };
                let score = QUALITY * length.sqrt() * (quality - edge.quality)
                    + fit
                    + foreign
                    + self.nearness(id.relation, near);
                Some((*id, score))
            })
            .collect();
        let id = self.pick(attribute.edge, scored)?;
        let place = match id.relation == near.relation {
            true => near,
            false => Place::plain(id.relation),
        };
        Some(Located { id, place })
    }

    /// Whether every row is also a row of another relation, which says more of it.
    fn extends(&self, place: Place, relation: RelationId) -> bool {
        let own = &self.snapshot.relation(place.relation).primary_key;
        self.domain.graph.keys.iter().any(|k| {
            k.from == place.relation && k.to == relation && (k.one_to_one || k.from_columns == *own)
        })
    }

    /// The best candidate, or the second one where that is to be tried.
    fn pick<T: Clone>(&mut self, edge: EdgeId, mut scored: Vec<(T, f32)>) -> Option<T> {
        scored.sort_by(|a, b| b.1.total_cmp(&a.1));
        let mut chosen = 0;
        if let [first, second, ..] = &scored[..]
            && first.1 - second.1 < RIVAL
        {
            if !self.rivals.contains(&edge) {
                self.rivals.push(edge);
            }
            if self.second == Some(edge) {
                chosen = 1;
            }
        }
        let (value, score) = scored.get(chosen)?.clone();
        self.score += score;
        Some(value)
    }

    /// The column and the value that are meant.
    pub(super) fn value(
        &mut self,
        edge: EdgeId,
        attribute: Option<Attribute>,
        owner: Place,
    ) -> Option<(Located, Arc<str>)> {
        let lattice = self.lattice;
        let found = &lattice.edges[edge];
        let Kind::Value(candidates) = &found.kind else {
            return None;
        };
        let said_of = attribute
            .and_then(|a| a.of)
            .map(|of| self.choice.nouns[&of]);
        let near = said_of.unwrap_or(owner);
        let named: Option<&Vec<(ColumnId, f32)>> =
            attribute.and_then(|a| match &lattice.edges[a.edge].kind {
                Kind::Attribute(named) => Some(named),
                _ => None,
            });
        let length = (found.end - found.start) as f32;
        let scored: Vec<((ColumnId, Arc<str>), f32)> = candidates
            .iter()
            .map(|((id, value), quality)| {
                let fits = match named {
                    Some(named) => named
                        .iter()
                        .find(|(column, _)| column == id)
                        .map_or(-1.6, |(_, quality)| 0.6 * quality),
                    None => 0.0,
                };
                let display = &self.domain.roles[id.relation.0].display;
                let names = if display.contains(&id.column) {
                    0.1
                } else {
                    0.0
                };
                let score = QUALITY * length.sqrt() * (quality - found.quality)
                    + fits
                    + names
                    + self.nearness(id.relation, near);
                ((*id, Arc::clone(value)), score)
            })
            .collect();
        let (id, value) = self.pick(edge, scored)?;
        let place = match id.relation == near.relation {
            true => near,
            false => Place::plain(id.relation),
        };
        Some((Located { id, place }, value))
    }

    /// Another value of the same column.
    pub(super) fn same_column(&self, edge: EdgeId, column: ColumnId) -> Option<Arc<str>> {
        match &self.lattice.edges[edge].kind {
            Kind::Value(candidates) => candidates
                .iter()
                .find(|((id, _), _)| *id == column)
                .map(|((_, value), _)| Arc::clone(value)),
            _ => None,
        }
    }

    pub(super) fn flag(&mut self, edge: EdgeId, owner: Place) -> Option<(Located, bool)> {
        let lattice = self.lattice;
        let Kind::Flag(candidates) = &lattice.edges[edge].kind else {
            return None;
        };
        let scored = candidates
            .iter()
            .map(|((id, wanted), quality)| {
                let score = quality + self.nearness(id.relation, owner);
                ((*id, *wanted), score)
            })
            .collect();
        let (id, wanted) = self.pick(edge, scored)?;
        let place = match id.relation == owner.relation {
            true => owner,
            false => Place::plain(id.relation),
        };
        Some((Located { id, place }, wanted))
    }

    /// The column that an adjective grades rows by.
    pub(super) fn graded(&mut self, adjective: Adjective, owner: Place) -> Option<Located> {
        let relation = self.snapshot.relation(owner.relation);
        let mut fallback = None;
        for word in adjective.columns {
            if matches!(*word, "date" | "any") {
                if *word == "date" {
                    fallback = self.domain.roles[owner.relation.0].times.first().copied();
                }
                continue;
            }
            let wanted = text::stem(word);
            let mut best: Option<(usize, usize)> = None;
            for (position, column) in relation.columns.iter().enumerate() {
                let id = ColumnId {
                    relation: owner.relation,
                    column: position,
                };
                let fits = roles::is_number(self.snapshot, id) || roles::is_time(self.snapshot, id);
                let words = text::words(&column.name);
                let named = words.iter().any(|w| text::stem(w) == wanted);
                if fits && named && best.is_none_or(|(length, _)| words.len() < length) {
                    best = Some((words.len(), position));
                }
            }
            if let Some((_, column)) = best {
                return Some(Located {
                    id: ColumnId {
                        relation: owner.relation,
                        column,
                    },
                    place: owner,
                });
            }
        }
        let year = relation.columns.iter().position(|c| {
            matches!(c.class, TypeClass::Integer | TypeClass::Text)
                && text::words(&c.name).iter().any(|w| w == "year")
        });
        let dated = adjective.columns.contains(&"date");
        let column = fallback.or_else(|| year.filter(|_| dated)).or_else(|| {
            // "the largest": of the one number that there is.
            let numbers: Vec<usize> = (0..relation.columns.len())
                .filter(|&column| {
                    let id = ColumnId {
                        relation: owner.relation,
                        column,
                    };
                    roles::is_number(self.snapshot, id) && !roles::is_key(self.snapshot, id)
                })
                .collect();
            let any = adjective.columns.contains(&"any");
            (any && numbers.len() == 1).then(|| numbers[0])
        })?;
        let plain = adjective.columns.contains(&"date");
        self.score -= if plain { 0.3 } else { 0.9 };
        Some(Located {
            id: ColumnId {
                relation: owner.relation,
                column,
            },
            place: owner,
        })
    }
}
