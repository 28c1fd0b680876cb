//! What the nouns of a question are taken for, and which rows are meant where nobody names them.

use std::collections::HashMap;

use crate::schema::snapshot::{RelationId, RelationKind};
use crate::synth::builtin::lattice::{Kind, Lattice, Rows};
use crate::synth::builtin::sketch::{Attribute, EdgeId};

use super::compose::Composer;
use super::frame::Place;
use super::tree::{Left, Noun, Output, Query, Test};
use super::visit::{Part, visit};

/// The same of a noun: rows of a lesser name are hardly meant.
const NOUN: f32 = 4.0;
/// Combinations of what nouns can be.
const CHOICES_MAX: usize = 10;

/// What the nouns of a question are taken for.
#[derive(Clone, Debug, Default)]
pub(super) struct Choice {
    pub(super) nouns: HashMap<EdgeId, Place>,
    /// Where nobody names the rows.
    pub(super) implied: Option<Place>,
    pub(super) penalty: f32,
}

/// Every edge that stands for rows.
fn nouns(query: &Query, lattice: &Lattice) -> Vec<EdgeId> {
    let mut all = Vec::new();
    visit(query, &mut |part| {
        if let Part::Edge(id) = part
            && matches!(lattice.edges[id].kind, Kind::Noun(_))
            && !all.contains(&id)
        {
            all.push(id);
        }
    });
    all
}

impl Composer<'_> {
    /// Every combination of what the nouns can be, best first.
    pub(super) fn choices(&self, query: &Query) -> Vec<Choice> {
        let mut choices = vec![Choice::default()];
        for id in nouns(query, self.lattice) {
            let edge = &self.lattice.edges[id];
            let Kind::Noun(candidates) = &edge.kind else {
                continue;
            };
            let length = (edge.end - edge.start) as f32;
            let mut longer = Vec::new();
            for choice in &choices {
                for (rows, quality) in candidates.iter().take(4) {
                    let place = match rows {
                        Rows::Relation(relation) => Place::plain(*relation),
                        Rows::Role(key) => Place {
                            relation: self.domain.graph.keys[*key].to,
                            role: Some(*key),
                        },
                    };
                    let mut choice = choice.clone();
                    choice.nouns.insert(id, place);
                    choice.penalty -= NOUN * length * (edge.quality - quality);
                    longer.push(choice);
                }
            }
            longer.sort_by(|a, b| b.penalty.total_cmp(&a.penalty));
            longer.truncate(CHOICES_MAX);
            choices = longer;
        }
        if query.head.noun != Noun::Implied {
            return choices;
        }
        let mut all = Vec::new();
        for choice in choices {
            for (place, penalty) in self.implied(query, &choice) {
                let mut choice = choice.clone();
                choice.implied = Some(place);
                choice.penalty += penalty;
                all.push(choice);
            }
        }
        all.sort_by(|a, b| b.penalty.total_cmp(&a.penalty));
        all.truncate(CHOICES_MAX * 2);
        all
    }

    /// What rows may be meant where nobody names them.
    fn implied(&self, query: &Query, choice: &Choice) -> Vec<(Place, f32)> {
        let mut found: Vec<(Place, f32)> = Vec::new();
        let mut put = |place: Place, penalty: f32| match found.iter_mut().find(|f| f.0 == place) {
            Some(known) => known.1 = known.1.max(penalty),
            None => found.push((place, penalty)),
        };
        let columns = |attribute: &Attribute, put: &mut dyn FnMut(Place, f32)| {
            if let Some(of) = attribute.of {
                put(choice.nouns[&of], 0.0);
                return;
            }
            let edge = &self.lattice.edges[attribute.edge];
            if let Kind::Attribute(candidates) = &edge.kind {
                for (id, quality) in candidates {
                    let penalty = 0.3 * (quality - edge.quality) + self.of_kind(id.relation);
                    put(Place::plain(id.relation), penalty);
                }
            }
        };
        let owned = query
            .outputs
            .iter()
            .any(|o| matches!(o, Output::Column(a) | Output::Aggregate(_, a) if a.of.is_some()));
        for output in &query.outputs {
            match output {
                Output::Column(a) | Output::Aggregate(_, a) if owned && a.of.is_none() => {
                    columns(a, &mut |place, penalty| put(place, penalty - 0.8));
                }
                Output::Column(a) | Output::Aggregate(_, a) => columns(a, &mut put),
                Output::Count(thing) => match thing.noun {
                    Noun::Rows(edge) => put(choice.nouns[&edge], 0.0),
                    Noun::Column(a) => columns(&a, &mut put),
                    Noun::Implied => {}
                },
                Output::Other(edge) => put(choice.nouns[edge], 0.0),
                _ => {}
            }
        }
        if found.is_empty() {
            let mut put = |place: Place, penalty: f32| found.push((place, penalty));
            for (number, cond) in query.head.conds.iter().enumerate() {
                let later = 0.5 * number as f32;
                match &cond.test {
                    Test::Values(edges, ..) => {
                        if let Kind::Value(candidates) = &self.lattice.edges[edges[0]].kind {
                            for ((id, _), quality) in candidates.iter().take(4) {
                                put(Place::plain(id.relation), quality - 1.0 - later);
                            }
                        }
                    }
                    Test::Compare(Left::Column(a), ..) => columns(a, &mut put),
                    Test::Has(thing, _) => {
                        if let Noun::Rows(edge) = thing.noun {
                            put(choice.nouns[&edge], -0.2);
                        }
                    }
                    _ => {}
                }
            }
        }
        found.sort_by(|a, b| b.1.total_cmp(&a.1));
        found.truncate(5);
        found
    }

    pub(super) fn of_kind(&self, relation: RelationId) -> f32 {
        match self.snapshot.relation(relation).kind {
            RelationKind::Table | RelationKind::ForeignTable => 0.0,
            _ => -0.4,
        }
    }
}
