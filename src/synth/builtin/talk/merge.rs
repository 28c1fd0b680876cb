//! One question of two: what a follow-up shows, orders and groups by takes the place of what the thread does, or comes
//! to it.

use crate::synth::builtin::sketch::{EdgeId, Group, Manner, OrderBy, Show, Sketch, Test};

use super::edit::{Editor, main_noun};
use super::measure;

impl Editor<'_> {
    /// What is shown: columns come to those that are there, measures take the place of others.
    pub(super) fn shows(&self, sketch: &mut Sketch) -> Option<()> {
        let new = sketch
            .shows
            .split_off(sketch.follow.kept.min(sketch.shows.len()));
        if new.is_empty() {
            return Some(());
        }
        let adds = matches!(self.cut.manner, Manner::And | Manner::Also);
        let (measures, mut columns): (Vec<Show>, Vec<Show>) =
            new.into_iter().partition(|s| matches!(s, Show::Measure(_)));
        let noun = main_noun(self.base);
        for show in &mut columns {
            if let Show::Attribute(attribute) = show {
                attribute.of = attribute.of.or(noun);
            }
        }
        let aggregated = measure::is_aggregated(self.base);
        if measures.is_empty() {
            let keys = self
                .base
                .shows
                .iter()
                .any(|s| !matches!(s, Show::Measure(_)));
            let replaces = matches!(self.cut.manner, Manner::Only | Manner::Instead);
            if aggregated && (replaces || !keys && self.base.groups.is_empty()) {
                return None;
            }
            if replaces {
                sketch.shows.clear();
            }
        } else if !aggregated {
            // Rows become what they come to; of the first few of them it could not be said.
            if self.base.limit.is_some() {
                return None;
            }
            sketch.shows.clear();
            sketch.order = None;
        } else if !adds {
            return measure::replace(sketch, measures, columns);
        }
        sketch.shows.extend(columns);
        sketch.shows.extend(measures);
        Some(())
    }

    /// The first few in one order are not the first few in another.
    pub(super) fn ordered(&self, sketch: &Sketch, reordered: bool) -> Option<()> {
        let by = |sketch: &Sketch| sketch.order.as_ref().map(|o| o.by.clone());
        let first_few = self.base.limit.is_some() && self.base.order.is_some();
        let measured = matches!(by(sketch), Some(OrderBy::Measure(_)));
        (!first_few
            || reordered
            || measured
            || by(sketch) == by(self.base)
            || sketch.limit.is_none())
        .then_some(())
    }

    /// What a condition does not say of itself, it has from an earlier one of the same kind.
    pub(super) fn align(&self, sketch: &mut Sketch) {
        let (earlier, new) = sketch.conditions.split_at_mut(self.base.conditions.len());
        for condition in new {
            let old = match &mut condition.test {
                Test::During(attribute @ None, _) => {
                    let old = earlier.iter().rev().find_map(|c| match &c.test {
                        Test::During(column, _) => Some((c, *column)),
                        _ => None,
                    });
                    old.map(|(old, column)| {
                        *attribute = column;
                        old
                    })
                }
                // "orders of customer Ann", "and Bob?"
                Test::Named(noun, _, of) => {
                    let old = earlier.iter().rev().find_map(|c| match &c.test {
                        Test::Named(noun, _, of) => Some((c, *noun, *of)),
                        _ => None,
                    });
                    old.map(|(old, named, apart)| {
                        (*noun, *of) = (named, apart);
                        old
                    })
                }
                Test::Values(edges, None) if condition.inside.is_none() => {
                    let columns = self.lattice.columns_of_values(edges[0]);
                    earlier.iter().rev().find(|c| match &c.test {
                        Test::Values(edges, _) => self
                            .lattice
                            .columns_of_values(edges[0])
                            .iter()
                            .any(|id| columns.contains(id)),
                        _ => false,
                    })
                }
                _ => None,
            };
            if let Some(old) = old {
                condition.near = old.near;
                condition.inside = old.inside;
                condition.dated = old.dated;
            }
        }
    }

    /// Whether a key is there already, however it is worded.
    fn is_grouped_by(&self, group: &Group) -> bool {
        let words = |edge: EdgeId| {
            let edge = &self.lattice.edges[edge];
            let stems = self.lattice.tokens[edge.start..edge.end].iter();
            stems.map(|t| t.stem.as_str()).collect::<Vec<_>>()
        };
        self.base.groups.iter().any(|old| match (old, group) {
            (Group::Noun(a), Group::Noun(b)) => words(*a) == words(*b),
            (Group::Attribute(a), Group::Attribute(b)) => words(a.edge) == words(b.edge),
            _ => old == group,
        })
    }

    /// What is grouped by: a unit of time takes the place of another, and of other keys it must be said.
    pub(super) fn grouped(&self, sketch: Sketch) -> Vec<Sketch> {
        let base = self.base;
        let new = sketch.groups[base.groups.len()..].to_vec();
        if new.is_empty() {
            return vec![sketch];
        }
        if new.iter().all(|group| self.is_grouped_by(group)) {
            return Vec::new();
        }
        let aggregated = measure::is_aggregated(base);
        if !aggregated && (base.limit.is_some() || base.order.is_some()) {
            return Vec::new();
        }
        let is_time = |group: &Group| matches!(group, Group::Time(_));
        let adds = matches!(self.cut.manner, Manner::And | Manner::Also);
        if new.iter().all(is_time) && base.groups.iter().any(is_time) && !adds {
            let mut replaced = sketch;
            replaced.groups = base
                .groups
                .iter()
                .filter(|g| !is_time(g))
                .cloned()
                .collect();
            replaced.groups.extend(new);
            return vec![replaced];
        }
        let has_measure = measure::shown(base).is_some();
        let shown_keys = base.shows.iter().any(|s| !matches!(s, Show::Measure(_)));
        let has_keys = !base.groups.is_empty() || aggregated && shown_keys;
        if !has_keys {
            return vec![sketch];
        }
        let mut replaced = sketch.clone();
        replaced.groups = new;
        let ranked = match &base.order {
            Some(order) => match &order.by {
                OrderBy::Measure(measure) => Some(measure.clone()),
                _ => None,
            },
            None => None,
        };
        if has_measure {
            replaced.shows.retain(|s| matches!(s, Show::Measure(_)));
        } else if let Some(measure) = ranked {
            replaced.shows = vec![Show::Measure(measure)];
        }
        if replaced.groups.iter().any(is_time) {
            replaced.order = None;
            replaced.limit = None;
        }
        // Another key would make other rows of the first few.
        let added = (base.limit.is_none()).then_some(sketch);
        match self.cut.manner {
            Manner::And | Manner::Also => added.into_iter().collect(),
            Manner::Only | Manner::Instead => vec![replaced],
            Manner::Plain => added.into_iter().chain([replaced]).collect(),
        }
    }
}
