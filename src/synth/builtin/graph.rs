//! How relations hang together: declared foreign keys, and inferred ones at a higher cost.

use std::collections::{BinaryHeap, HashMap};
use std::sync::OnceLock;

use crate::schema::snapshot::{ColumnId, RelationId, Snapshot};

use super::keys;
use super::names::Names;

/// Joins in one path at most: nobody means relations that are further apart.
const STEPS_MAX: usize = 6;

/// Thousandths of a step, so that costs order totally.
type Cost = u32;

/// A step from a referencing row to the one it references.
const FORWARD: Cost = 1_000;
/// A step from a row to the many that reference it.
const BACKWARD: Cost = 1_250;
/// Added when the reference may be empty: the other road, if there is one, is the usual one.
const NULLABLE: Cost = 60;
/// Added when nobody declared the key.
const INFERRED: Cost = 700;

/// A foreign key.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) from: RelationId,
    pub(super) from_columns: Vec<usize>,
    pub(super) to: RelationId,
    pub(super) to_columns: Vec<usize>,
    /// At most one row references each row: the key is unique on its own side as well.
    pub(super) one_to_one: bool,
    nullable: bool,
    /// It stands in the catalog or in the glossary; the others were inferred.
    pub(super) declared: bool,
}

impl Key {
    /// A key that nobody declared.
    pub(super) fn inferred(snapshot: &Snapshot, from: ColumnId, to: ColumnId) -> Self {
        Self {
            from: from.relation,
            from_columns: vec![from.column],
            to: to.relation,
            to_columns: vec![to.column],
            // Only what is declared will still be so tomorrow.
            one_to_one: is_unique(snapshot, from.relation, &[from.column]),
            nullable: !snapshot.column(from).not_null,
            declared: false,
        }
    }
}

/// A key, walked in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Step {
    /// Index into [`Graph::keys`].
    pub(super) key: usize,
    /// From the referencing relation to the referenced one.
    pub(super) forward: bool,
}

/// All keys, declared ones first in the snapshot's order.
#[derive(Debug, Default)]
pub(super) struct Graph {
    pub(super) keys: Vec<Key>,
    /// Steps that leave a relation.
    leaving: HashMap<RelationId, Vec<Step>>,
    /// The cheapest ways from each relation, found when first asked for: every reading asks for the same few.
    ways: Vec<OnceLock<Box<[Way]>>>,
}

/// The last step of the cheapest way to a relation, and what the whole way costs.
#[derive(Clone, Copy, Debug, Default)]
struct Way {
    cost: Cost,
    /// `None` at the start, and where no way leads.
    last: Option<Step>,
}

impl Graph {
    /// Reads the declared keys and infers the others.
    #[cfg(test)]
    pub(super) fn new(snapshot: &Snapshot) -> Self {
        Self::of(snapshot, &Names::new(snapshot), &[])
    }

    /// The same for a snapshot whose names were cut, with joins that a glossary tells.
    pub(super) fn of(snapshot: &Snapshot, names: &Names, joins: &[(ColumnId, ColumnId)]) -> Self {
        let mut graph = Self::default();
        graph
            .ways
            .resize_with(snapshot.relations.len(), OnceLock::new);
        for key in &snapshot.foreign_keys {
            let from = snapshot.relation(key.from);
            graph.add(Key {
                from: key.from,
                from_columns: key.from_columns.clone(),
                to: key.to,
                to_columns: key.to_columns.clone(),
                one_to_one: is_unique(snapshot, key.from, &key.from_columns),
                nullable: key.from_columns.iter().any(|&c| !from.columns[c].not_null),
                declared: true,
            });
        }
        for &(from, to) in joins {
            if graph.key_of(from, to).is_none() {
                graph.add(Key {
                    declared: true,
                    ..Key::inferred(snapshot, from, to)
                });
            }
        }
        for key in keys::inferred(snapshot, names, &graph.keys) {
            graph.add(key);
        }
        graph
    }

    /// The place of a key of one column.
    pub(super) fn key_of(&self, from: ColumnId, to: ColumnId) -> Option<usize> {
        self.keys.iter().position(|k| {
            (k.from, k.to) == (from.relation, to.relation)
                && k.from_columns == [from.column]
                && k.to_columns == [to.column]
        })
    }

    fn add(&mut self, key: Key) {
        let index = self.keys.len();
        let (from, to) = (key.from, key.to);
        self.keys.push(key);
        self.leaving.entry(from).or_default().push(Step {
            key: index,
            forward: true,
        });
        self.leaving.entry(to).or_default().push(Step {
            key: index,
            forward: false,
        });
    }

    /// Where a step leads.
    pub(super) fn target(&self, step: Step) -> RelationId {
        let key = &self.keys[step.key];
        if step.forward { key.to } else { key.from }
    }

    /// Whether a step can meet several rows.
    pub(super) fn fans_out(&self, step: Step) -> bool {
        !step.forward && !self.keys[step.key].one_to_one
    }

    /// Whether a step can meet no row at all.
    pub(super) fn may_miss(&self, step: Step) -> bool {
        !step.forward || self.keys[step.key].nullable
    }

    fn cost(&self, step: Step) -> Cost {
        let key = &self.keys[step.key];
        let base = if step.forward || key.one_to_one {
            FORWARD
        } else {
            BACKWARD
        };
        // Of several keys to the same rows, the one whose column comes first is the usual one.
        let place = key.from_columns.first().map_or(0, |&c| c.min(20) as Cost);
        base + if key.nullable { NULLABLE } else { 0 }
            + if key.declared { 0 } else { INFERRED }
            + place
    }

    /// The cheapest way from one relation to another, and its cost in steps; self-references only as the caller asks
    /// for them by role. Ties go to the key that was declared first.
    pub(super) fn path(&self, from: RelationId, to: RelationId) -> Option<(Vec<Step>, f32)> {
        let cost = self.distance(from, to)?;
        let ways = self.ways(from);
        let mut steps = Vec::new();
        let mut at = to;
        while let Some(step) = ways[at.0].last {
            steps.push(step);
            at = self.source(step);
        }
        steps.reverse();
        Some((steps, cost))
    }

    /// What the cheapest way costs, in steps; `None` where no way leads.
    pub(super) fn distance(&self, from: RelationId, to: RelationId) -> Option<f32> {
        let way = self.ways(from)[to.0];
        (from == to || way.last.is_some()).then_some(way.cost as f32 / FORWARD as f32)
    }

    /// Where a step begins.
    fn source(&self, step: Step) -> RelationId {
        let key = &self.keys[step.key];
        if step.forward { key.from } else { key.to }
    }

    fn ways(&self, from: RelationId) -> &[Way] {
        self.ways[from.0].get_or_init(|| self.cheapest(from))
    }

    /// Dijkstra's algorithm over all relations within [`STEPS_MAX`] steps.
    fn cheapest(&self, from: RelationId) -> Box<[Way]> {
        let mut best: Vec<Option<(Cost, Option<Step>, usize)>> = vec![None; self.ways.len()];
        let mut queue = BinaryHeap::new();
        best[from.0] = Some((0, None, 0));
        queue.push(std::cmp::Reverse((0, from)));
        while let Some(std::cmp::Reverse((cost, at))) = queue.pop() {
            let Some((known, _, depth)) = best[at.0] else {
                continue;
            };
            if cost > known || depth >= STEPS_MAX {
                continue;
            }
            for &step in self.leaving.get(&at).map_or(&[][..], Vec::as_slice) {
                let next = self.target(step);
                let total = cost + self.cost(step);
                if next != at && best[next.0].is_none_or(|(known, ..)| total < known) {
                    best[next.0] = Some((total, Some(step), depth + 1));
                    queue.push(std::cmp::Reverse((total, next)));
                }
            }
        }
        best.into_iter()
            .map(|found| found.map_or_else(Way::default, |(cost, last, _)| Way { cost, last }))
            .collect()
    }
}

fn is_unique(snapshot: &Snapshot, relation: RelationId, columns: &[usize]) -> bool {
    let relation = snapshot.relation(relation);
    let same = |key: &Vec<usize>| !key.is_empty() && key.iter().all(|c| columns.contains(c));
    same(&relation.primary_key) || relation.unique_keys.iter().any(same)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::builtin::fixture;

    #[test]
    fn the_cheapest_way_goes_over_declared_keys() {
        let shop = fixture::shop();
        let graph = Graph::new(&shop);
        let id = |name| shop.find("public", name).unwrap();
        let (steps, _) = graph.path(id("products"), id("customers")).unwrap();
        assert_eq!(steps.len(), 2, "over reviews");
        let (steps, _) = graph.path(id("orders"), id("categories")).unwrap();
        assert_eq!(steps.len(), 3);
        assert!(graph.fans_out(steps[0]) && !graph.fans_out(steps[1]));
        let (_, declared) = graph.path(id("orders"), id("customers")).unwrap();
        let (_, inferred) = graph.path(id("waiting_orders"), id("orders")).unwrap();
        assert!(declared < inferred);
    }

    #[test]
    fn keys_that_nobody_declared_are_inferred_from_names() {
        let mut shop = fixture::shop();
        shop.foreign_keys.clear();
        let graph = Graph::new(&shop);
        let id = |name| shop.find("public", name).unwrap();
        assert!(graph.path(id("order_items"), id("customers")).is_some());
    }
}
