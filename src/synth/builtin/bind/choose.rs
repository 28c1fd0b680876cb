//! Chooses what a word means among its candidates, in the light of the rest of the question.

use std::sync::Arc;

use crate::schema::snapshot::{ColumnId, RelationId, RelationKind};
use crate::synth::builtin::lattice::{Kind, Rows, Scored};
use crate::synth::builtin::lexicon::Meaning;
use crate::synth::builtin::roles;
use crate::synth::builtin::sketch::{Attribute, EdgeId};

use super::{Binder, BoundColumn, Place};

/// The penalty for relations that no key connects.
const UNREACHABLE: f32 = -4.0;

/// A rival within this many points of the winner is another reading.
const RIVAL: f32 = 0.6;

impl Binder<'_> {
    /// The column that is meant; `fit` is a penalty of 0 or less for what it is wanted for, `None` to rule it out.
    pub(super) fn column(
        &mut self,
        attribute: Attribute,
        near: Option<EdgeId>,
        fit: impl Fn(&Self, ColumnId) -> Option<f32>,
    ) -> Option<BoundColumn> {
        let lattice = self.lattice;
        let Kind::Attribute(candidates) = &lattice.edges[attribute.edge].kind else {
            return None;
        };
        let owner = attribute.of.or(near).map(|id| self.nouns[&id]);
        let said_of = attribute.of.map(|id| self.nouns[&id].relation);
        let chosen = self.choose(attribute.edge, candidates, |binder, id| {
            if binder.stands_for_rows(attribute.edge, *id) {
                return None;
            }
            let fit = fit(binder, *id)?;
            let foreign = match said_of {
                Some(relation) if relation != id.relation => binder.weights.foreign_column,
                _ => 0.0,
            };
            Some(fit + foreign + binder.nearness(id.relation, owner))
        })?;
        self.picks.push((attribute.edge, Meaning::Column(*chosen)));
        Some(self.at_place(*chosen, owner))
    }

    /// Whether a view's column goes by the name of a table in a question that does not speak of the view: then the
    /// table's rows are meant.
    fn stands_for_rows(&self, edge: EdgeId, id: ColumnId) -> bool {
        let is_table = |relation: RelationId| {
            matches!(
                self.snapshot.relation(relation).kind,
                RelationKind::Table | RelationKind::ForeignTable
            )
        };
        let edge = &self.lattice.edges[edge];
        !is_table(id.relation)
            && !self.nouns.values().any(|n| n.relation == id.relation)
            && self.lattice.from(edge.start).any(|(_, other)| {
                other.end == edge.end
                    && matches!(&other.kind, Kind::Noun(candidates) if candidates.iter().any(
                        |(rows, quality)| matches!(rows, Rows::Relation(r) if is_table(*r) && *quality >= 0.9)
                    ))
            })
    }

    /// The column and value that are meant.
    pub(super) fn value(
        &mut self,
        edge: EdgeId,
        attribute: Option<Attribute>,
        near: Option<EdgeId>,
    ) -> Option<(BoundColumn, Arc<str>)> {
        let lattice = self.lattice;
        let Kind::Value(candidates) = &lattice.edges[edge].kind else {
            return None;
        };
        let owner = near.map(|id| self.nouns[&id]);
        let named: Option<Vec<ColumnId>> =
            attribute.and_then(|a| match &lattice.edges[a.edge].kind {
                Kind::Attribute(named) => Some(named.iter().map(|n| n.0).collect()),
                _ => None,
            });
        // "the manager of Ann": Ann is one of those who have a manager, and not of any other rows.
        let apart = near.is_some_and(|n| lattice.edges[n].end < lattice.edges[edge].start);
        let holder = owner
            .and_then(|o| o.role)
            .filter(|_| apart && attribute.is_none() && self.relates(near, edge))
            .map(|key| self.domain.graph.keys[key].from);
        let (id, value) = self
            .choose(edge, candidates, |binder, (id, _)| {
                if holder.is_some_and(|h| h != id.relation && !binder.leads_to(h, id.relation)) {
                    return None;
                }
                if named.as_ref().is_some_and(|named| !named.contains(id)) {
                    return None;
                }
                // "category Lighting": a noun before a value is what the value names.
                let names_noun = owner.is_some_and(|o| {
                    o.relation == id.relation
                        && binder.domain.roles[o.relation.0]
                            .display
                            .contains(&id.column)
                });
                Some(binder.nearness(id.relation, owner) + if names_noun { 0.2 } else { 0.0 })
            })
            .cloned()?;
        // "the manager of Ann" is not called Ann: the name is that of the row which has the manager.
        let owner = owner.filter(|o| o.role.is_none() || !apart);
        self.picks
            .push((edge, Meaning::Value(id, Arc::clone(&value))));
        Some((self.at_place(id, owner), value))
    }

    /// Whether "of" stands right before a word after a noun.
    fn relates(&self, noun: Option<EdgeId>, edge: EdgeId) -> bool {
        let start = self.lattice.edges[edge].start;
        noun.is_some() && start > 0 && self.lattice.tokens[start - 1].folded == "of"
    }

    /// Whether every row of one relation has one row of the other.
    fn leads_to(&self, from: RelationId, to: RelationId) -> bool {
        let graph = &self.domain.graph;
        graph
            .path(from, to)
            .is_some_and(|(steps, _)| steps.iter().all(|s| !graph.fans_out(*s)))
    }

    /// The flag that is meant.
    pub(super) fn flag(
        &mut self,
        edge: EdgeId,
        near: Option<EdgeId>,
    ) -> Option<(BoundColumn, bool)> {
        let lattice = self.lattice;
        let Kind::Flag(candidates) = &lattice.edges[edge].kind else {
            return None;
        };
        let owner = near.map(|id| self.nouns[&id]);
        let (id, wanted) = *self.choose(edge, candidates, |binder, (id, _)| {
            Some(binder.nearness(id.relation, owner))
        })?;
        self.picks.push((edge, Meaning::Flag(id, wanted)));
        Some((self.at_place(id, owner), wanted))
    }

    /// The column that dates rows of a relation, or of the nearest relation that they belong to.
    pub(super) fn time_column(&mut self, relation: RelationId) -> Option<BoundColumn> {
        self.score += self.weights.implied_date;
        let own = self.domain.roles[relation.0].times.first();
        if let Some(&column) = own {
            return Some(BoundColumn {
                id: ColumnId { relation, column },
                place: Place {
                    relation,
                    role: None,
                },
            });
        }
        let graph = &self.domain.graph;
        let dated = |r: &usize| !self.domain.roles[*r].times.is_empty();
        let (other, cost) = (0..self.snapshot.relations.len())
            .filter(dated)
            .filter_map(|r| {
                let (steps, cost) = graph.path(relation, RelationId(r))?;
                steps
                    .iter()
                    .all(|s| !graph.fans_out(*s))
                    .then_some((RelationId(r), cost))
            })
            .min_by(|a, b| a.1.total_cmp(&b.1))?;
        self.score += self.weights.join_step * cost;
        let column = *self.domain.roles[other.0].times.first()?;
        Some(BoundColumn {
            id: ColumnId {
                relation: other,
                column,
            },
            place: Place {
                relation: other,
                role: None,
            },
        })
    }

    /// The best candidate, or the second one where that is to be tried. What it costs is taken off the score.
    pub(super) fn choose<'c, T>(
        &mut self,
        edge: EdgeId,
        candidates: &'c [Scored<T>],
        fit: impl Fn(&Self, &T) -> Option<f32>,
    ) -> Option<&'c T> {
        let (best, length) = {
            let edge = &self.lattice.edges[edge];
            (edge.quality, (edge.end - edge.start) as f32)
        };
        let mut ranked: Vec<(&T, f32)> = candidates
            .iter()
            .filter_map(|(meaning, quality)| {
                let lost = self.weights.content * length * (quality - best);
                Some((meaning, fit(self, meaning)? + lost))
            })
            .collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        let has_rival = ranked.len() > 1 && ranked[0].1 - ranked[1].1 < RIVAL;
        if has_rival && !self.chosen_among.contains(&edge) {
            self.chosen_among.push(edge);
        }
        let rank = usize::from(self.second == Some(edge) && has_rival);
        let (meaning, points) = *ranked.get(rank)?;
        self.score += points;
        Some(meaning)
    }

    /// Points lost for the way from what the question is about to a relation; most weight has what was said last.
    pub(super) fn nearness(&self, relation: RelationId, owner: Option<Place>) -> f32 {
        let graph = &self.domain.graph;
        let way = |from: RelationId| graph.distance(from, relation);
        let steps = match owner {
            Some(owner) => way(owner.relation),
            None => None,
        };
        let from_any = self
            .focus
            .iter()
            .filter_map(|&f| way(f))
            .min_by(f32::total_cmp);
        match (steps, from_any) {
            _ if self.focus.is_empty() => self.size_bonus(relation),
            (Some(owner), Some(any)) => self.weights.join_step * (0.7 * owner + 0.3 * any),
            (None, Some(any)) => self.weights.join_step * any,
            _ => UNREACHABLE,
        }
    }

    /// Without any context, tables before views.
    fn size_bonus(&self, relation: RelationId) -> f32 {
        match self.snapshot.relation(relation).kind {
            RelationKind::Table | RelationKind::ForeignTable => 0.0,
            _ => -0.2,
        }
    }

    fn at_place(&mut self, id: ColumnId, owner: Option<Place>) -> BoundColumn {
        if !self.focus.contains(&id.relation) {
            self.focus.push(id.relation);
        }
        let role = owner
            .filter(|o| o.relation == id.relation)
            .and_then(|o| o.role);
        BoundColumn {
            id,
            place: Place {
                relation: id.relation,
                role,
            },
        }
    }

    /// A penalty for columns that are only keys.
    pub(super) fn key_penalty(&self, id: ColumnId) -> f32 {
        if roles::is_key(self.snapshot, id) {
            self.weights.misfit
        } else {
            0.0
        }
    }
}
