//! Rules for the closed words: each announces something, or turns what comes next.

use crate::synth::builtin::english::Word;
use crate::synth::builtin::lattice::{Edge, Kind};
use crate::synth::builtin::query::{Aggregate, Limit, TimeUnit};
use crate::synth::builtin::sketch::{By, Group, Last, Link, Order, OrderBy, Sketch, Test};

use super::{Grammar, Next};

impl Grammar<'_> {
    pub(super) fn function(&self, sketch: &Sketch, edge: &Edge, word: Word) -> Next {
        let mut next = Self::moved(sketch, edge.end);
        let open = &sketch.open;
        match word {
            Word::Stop => return vec![next],
            Word::Count => {
                if open.aggregate.is_some_and(|a| a != Aggregate::Sum) || open.topic.is_some() {
                    return Vec::new();
                }
                next.open.aggregate = Some(Aggregate::Count);
            }
            Word::Aggregate(aggregate) => return self.aggregate(next, aggregate),
            Word::By => {
                if open.aggregate.is_some() || open.by.is_some() || open.topic.is_some() {
                    return Vec::new();
                }
                next.open.by = Some(By::Group);
                next.open.link = None;
            }
            Word::OrderBy => {
                if open.by.is_some() || !sketch.asks() {
                    return Vec::new();
                }
                next.open.by = Some(By::Order);
                next.order = None;
            }
            Word::Direction(descending) => match &mut next.order {
                Some(order) => order.descending = descending,
                None => return Vec::new(),
            },
            Word::Top(high) => {
                if open.by.is_some()
                    || sketch.order.is_some()
                    || open.aggregate.is_some()
                    || open.topic.is_some()
                {
                    return Vec::new();
                }
                next.order = Some(Order {
                    by: OrderBy::Later,
                    descending: high,
                });
                next.open.link = None;
                let counted = self
                    .lattice
                    .from(edge.end)
                    .any(|(_, e)| matches!(e.kind, Kind::Number(_) | Kind::Param(_)));
                if next.limit.is_none() && !counted {
                    next.limit = Some(Limit::Rows(self.plural_limit(edge.end)));
                }
            }
            Word::Most(high) => {
                if open.by.is_some() || sketch.order.is_some() || open.aggregate.is_some() {
                    return Vec::new();
                }
                next.open.superlative = Some(high);
                next.open.link = None;
            }
            Word::Compare(comparison) => return self.compared(sketch, edge, comparison),
            Word::Between => return self.between(sketch, edge),
            Word::And => {
                // "over 1000 and" has not said of what: dropping the number would ask for all.
                if matches!(open.link, Some(Link::Without | Link::Count(..))) {
                    return Vec::new();
                }
                next.open.and = true;
                next.open.link = None;
                // What comes after "and" may go on about the outer rows.
                if next.open.inside.is_some() {
                    let mut outer = next.clone();
                    outer.open.inside = None;
                    return vec![next, outer];
                }
            }
            Word::Or => next.open.or = true,
            Word::Not => {
                if open.negated || open.by.is_some() {
                    return Vec::new();
                }
                next.open.negated = true;
            }
            Word::Without => {
                if open.by.is_some()
                    || open.topic.is_some()
                    || !sketch.asks() && open.aggregate.is_none()
                {
                    return Vec::new();
                }
                next.open.link = Some(Link::Without);
            }
            Word::With => {
                if open.by.is_some() || open.topic.is_some() {
                    return Vec::new();
                }
                next.open.link = Some(Link::With);
            }
            Word::Distinct => next.distinct = true,
            Word::Like(affix) => return self.like(sketch, edge, affix),
            Word::Missing => {
                let Some(topic) = open.topic else {
                    return Vec::new();
                };
                next.test(Test::Missing(topic));
            }
            Word::Unit(unit) => return self.unit(sketch, edge, unit),
            Word::Each(unit) => {
                next.groups.push(Group::Time(unit));
                next.open.last = Last::Group;
            }
            Word::Than => return Vec::new(),
            Word::Their => next.open.their = true,
            Word::Named => {
                if open.noun.is_none() {
                    return Vec::new();
                }
            }
        }
        vec![next]
    }

    fn aggregate(&self, mut next: Sketch, aggregate: Aggregate) -> Next {
        if next.open.topic.is_some() || next.open.negated {
            return Vec::new();
        }
        match (next.open.aggregate, aggregate) {
            (None, _) => next.open.aggregate = Some(aggregate),
            // "highest average rating": the order goes by the average.
            (Some(Aggregate::Max | Aggregate::Min), Aggregate::Average | Aggregate::Sum) => {
                next.open.superlative = Some(next.open.aggregate == Some(Aggregate::Max));
                next.open.aggregate = Some(aggregate);
            }
            _ => return Vec::new(),
        }
        vec![next]
    }

    /// "by month", "per order month".
    fn unit(&self, sketch: &Sketch, edge: &Edge, unit: TimeUnit) -> Next {
        let grouping = sketch.open.by == Some(By::Group)
            || (sketch.open.and && sketch.open.last == Last::Group);
        let mut next = Self::moved(sketch, edge.end);
        if !grouping || sketch.open.aggregate.is_some() {
            return Vec::new();
        }
        next.open.by = None;
        next.open.and = false;
        next.open.last = Last::Group;
        next.groups.push(Group::Time(unit));
        vec![next]
    }

    /// "top customers" are ten, "the top customer" is one.
    fn plural_limit(&self, at: usize) -> u64 {
        let plural = self.lattice.from(at).any(|(_, e)| {
            matches!(e.kind, Kind::Noun(_)) && self.lattice.tokens[e.end - 1].folded.ends_with('s')
        });
        if plural { 10 } else { 1 }
    }
}
