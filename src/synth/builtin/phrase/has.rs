//! Rows that others must stand around: "with a pet", "in two concerts".

use crate::schema::snapshot::ColumnId;
use crate::synth::builtin::query::{Aggregate, Comparison, Expr, Item, Predicate};

use super::compose::Composer;
use super::frame::{Frame, Place, Site};
use super::logic::negation;
use super::narrow::Predicates;
use super::tree::{Cond, Conj, Noun, Operand, Test, Thing};

impl Composer<'_> {
    /// There are rows of a thing around a row.
    pub(super) fn has(
        &mut self,
        frame: &mut Frame,
        site: &Site,
        owner: Place,
        thing: &Thing,
        cond: &Cond,
    ) -> Option<Predicates> {
        let place = self.place(thing, Some(owner))?;
        if let Some((first, second)) = coordinated(thing) {
            let mut all = Vec::new();
            for thing in [first, second] {
                let mut cond = cond.clone();
                cond.join = Conj::Also;
                all.extend(self.has(frame, site, owner, &thing, &cond)?);
            }
            return Some(all);
        }
        if place == owner {
            let mut found = self.all(frame, site, owner, &thing.conds)?;
            if cond.negated {
                if found.is_empty() {
                    return None;
                }
                let whole = match found.len() {
                    1 => found.remove(0),
                    _ => Predicate::All(found),
                };
                found = vec![negation(whole)];
            }
            self.score -= if thing.conds.is_empty() { 0.4 } else { 0.0 };
            return Some(found);
        }
        self.score += self.distance_cost(owner, place);
        let graph = &self.domain.graph;
        let path = self.path(frame, site, owner, place, cond)?;
        // A way that comes back to where it began is hardly meant.
        let begun = path[site.path.len().min(path.len())..]
            .iter()
            .rev()
            .skip(1)
            .any(|s| graph.target(*s) == owner.relation || graph.target(*s) == place.relation);
        if begun {
            self.score -= 1.5;
        }
        if cond.negated && thing.conds.is_empty() && frame.fans(graph, &path).is_none() {
            // "without a manager": the key is empty.
            let step = *path.last()?;
            let key = &graph.keys[step.key];
            if !step.forward {
                let at = path.len() - 1;
                let select = self.inside(frame, &path, at, |_, _, _| Some(Vec::new()))?;
                return Some(vec![Predicate::Exists(Box::new(select), false)]);
            }
            let column = *key.from_columns.first()?;
            let id = ColumnId {
                relation: key.from,
                column,
            };
            let end = self.join(frame, &path[..path.len() - 1]);
            return Some(vec![Predicate::Null(Expr::Column(end.source, id), true)]);
        }
        let conds = thing.conds.clone();
        self.at(frame, site, owner, place, cond, |composer, frame, end| {
            composer.all(frame, end, place, &conds)
        })
    }

    fn distance_cost(&self, owner: Place, place: Place) -> f32 {
        let graph = &self.domain.graph;
        let distance = match place.role {
            Some(key) => graph
                .distance(owner.relation, graph.keys[key].from)
                .map(|steps| steps + 1.0),
            None => graph.distance(owner.relation, place.relation),
        };
        match distance {
            Some(steps) => -0.2 * steps,
            None => -5.0,
        }
    }

    /// There are so many rows of a thing around a row.
    pub(super) fn has_many(
        &mut self,
        frame: &mut Frame,
        site: &Site,
        owner: Place,
        thing: &Thing,
        comparison: Comparison,
        operand: &Operand,
    ) -> Option<Predicates> {
        let number = match operand {
            Operand::Number(digits) => Expr::Number(digits.clone()),
            Operand::Param(n) => Expr::Param(*n),
            _ => return None,
        };
        let place = self.place(thing, Some(owner))?;
        self.score += self.distance_cost(owner, place);
        let plain = Cond {
            test: Test::Has(Box::new(thing.clone()), None),
            negated: true,
            join: Conj::None,
        };
        let path = self.path(frame, site, owner, place, &plain)?;
        let graph = &self.domain.graph;
        let at = (site.path.len()..path.len()).find(|&i| graph.fans_out(path[i]))?;
        let conds = thing.conds.clone();
        let distinct = match thing.noun {
            Noun::Column(attribute) => Some(self.column(attribute, place, |_, _| Some(0.0))?),
            _ => None,
        };
        let mut counted = None;
        let mut select = self.inside(frame, &path, at, |composer, frame, end| {
            counted = distinct.map(|c| Expr::Column(end.source, c.id));
            composer.all(frame, end, place, &conds)
        })?;
        let expr = match counted {
            Some(expr) => Expr::Aggregate(Aggregate::CountDistinct, Box::new(expr)),
            None => Expr::CountRows,
        };
        let tie = select.filters.first().cloned();
        let single = graph.keys[path[at].key].from_columns.len() == 1;
        if let (Some(Predicate::Compare(own, Comparison::Equal, outer)), true) = (tie, single) {
            select.filters.remove(0);
            select.items.push(Item {
                expr: own.clone(),
                name: String::new(),
            });
            select.groups.push(own);
            select
                .having
                .push(Predicate::Compare(expr, comparison, number));
            return Some(vec![Predicate::In(outer, Box::new(select))]);
        }
        select.items.push(Item {
            expr,
            name: String::new(),
        });
        Some(vec![Predicate::Compare(
            Expr::Scalar(Box::new(select)),
            comparison,
            number,
        )])
    }
}

/// "concerts in 2014 and in 2015", "a museum in Rome and a museum in Oslo": two of them, where no one meets both.
pub(super) fn coordinated(thing: &Thing) -> Option<(Thing, Thing)> {
    let at = (1..thing.conds.len()).find(|&n| {
        let (cond, before) = (&thing.conds[n], &thing.conds[n - 1]);
        let both = cond.join.is_apart();
        both && match (&before.test, &cond.test) {
            (Test::During(..), Test::During(..)) => true,
            (_, Test::Has(other, None)) => other.noun == thing.noun,
            (Test::Values(_, a, _), Test::Values(_, b, _)) => {
                a == b && !before.negated && !cond.negated
            }
            _ => false,
        }
    })?;
    let mut first = thing.clone();
    let rest = first.conds.split_off(at);
    let mut second = thing.clone();
    second.conds = first.conds[..at - 1].to_vec();
    for cond in rest {
        match cond.test {
            Test::Has(other, None) if other.noun == thing.noun => {
                second = *other;
            }
            _ => second.conds.push(cond),
        }
    }
    Some((first, second))
}
