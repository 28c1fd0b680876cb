//! Rules for what is asked about: rows, columns, measures.

use crate::synth::builtin::english::Business;
use crate::synth::builtin::lattice::{Edge, Kind};
use crate::synth::builtin::query::{Aggregate, Comparison, Limit};
use crate::synth::builtin::sketch::{
    AHEAD, Attribute, By, Condition, EdgeId, Group, Last, Left, Link, Measure, Operand, Order,
    OrderBy, Over, Show, Sketch, Test,
};

use super::{Grammar, Next};

impl Grammar<'_> {
    /// Rows: asked for, counted, grouped by, or something that the rows asked for have or belong to.
    pub(super) fn noun(&self, sketch: &Sketch, id: EdgeId, edge: &Edge) -> Next {
        let mut all = Vec::new();
        let mut base = Self::moved(sketch, edge.end);
        base.open.noun = Some((id, edge.end));
        base.nouns.push(id);
        base.open.last = Last::Noun;
        let and = std::mem::take(&mut base.open.and);
        let their = std::mem::take(&mut base.open.their);
        if base.open.topic.is_some() {
            return all;
        }
        match (
            sketch.open.link.clone(),
            sketch.open.by,
            sketch.open.aggregate,
        ) {
            (Some(link @ (Link::Without | Link::Count(..))), ..) => {
                base.open.link = None;
                let count = match link {
                    Link::Count(comparison, number) => Some((comparison, number)),
                    _ => {
                        base.open.negated = true;
                        None
                    }
                };
                all.extend(self.has(&base, sketch, id, count));
                return all;
            }
            (_, Some(By::Group), None) => {
                let mut next = base.clone();
                next.open.by = None;
                next.groups.push(Group::Noun(id));
                next.open.last = Last::Group;
                // "top 5 by customer" has no measure: the group's size is meant.
                all.push(next);
            }
            (_, _, Some(Aggregate::Count | Aggregate::CountDistinct)) => {
                let measure = Measure {
                    aggregate: Aggregate::Count,
                    over: Over::Noun(id),
                    word: "count".into(),
                };
                all.extend(self.measured(&base, measure));
            }
            // "last order" is an order, and not what the greatest came to.
            (_, _, Some(Aggregate::Max | Aggregate::Min)) => {}
            (_, _, Some(aggregate)) => {
                // "sum of payments": of what they came to.
                let word = aggregate.heading().to_owned();
                let over = Over::Business {
                    kind: Business::Amount,
                    of: Some(id),
                };
                let mut next = base.clone();
                next.score += self.weights.guessed_measure;
                all.extend(self.measured(
                    &next,
                    Measure {
                        aggregate,
                        over,
                        word,
                    },
                ));
            }
            (Some(Link::With), ..) if sketch.asks() => {
                base.open.link = None;
                all.extend(self.has(&base, sketch, id, None));
            }
            _ => {}
        }
        if sketch.open.by.is_some() || sketch.open.negated {
            return all;
        }
        if sketch.open.superlative.is_some() && sketch.open.aggregate.is_none() {
            // "the most orders", "most ordered".
            let measure = Measure {
                aggregate: Aggregate::Count,
                over: Over::Noun(id),
                word: "count".into(),
            };
            all.extend(self.measured(&base, measure));
            return all;
        }
        // "customer name": the noun only says whose the next word is.
        let mut owner = base.clone();
        owner.score += self.weights.owner;
        owner.open.last = Last::Nothing;
        owner.open.owner = true;
        if self
            .lattice
            .from(edge.end)
            .any(|(_, e)| matches!(e.kind, Kind::Attribute(_) | Kind::Business(_)))
        {
            all.push(owner);
        }
        // The aggregate's operand comes later: "how many device alerts" counts alerts.
        if sketch.open.aggregate.is_some() {
            return all;
        }
        let one_more = and && base.shows_noun() && sketch.follow.turn == 0;
        if base.shows.is_empty() || one_more || their {
            let mut next = base.clone();
            next.shows.push(Show::Noun {
                edge: id,
                outer: their,
            });
            if sketch
                .order
                .as_ref()
                .is_some_and(|o| matches!(o.by, OrderBy::Later))
            {
                next.open.last = Last::Noun;
            }
            all.push(next);
        }
        if and && sketch.open.last == Last::Group {
            let mut next = base.clone();
            next.groups.push(Group::Noun(id));
            next.open.last = Last::Group;
            all.push(next);
        }
        if base.asks() && !their && sketch.follow.turn > 0 && !self.is_tied(sketch, edge) {
            // Said again, it is what the conversation is about; anything else would be a subject of its own.
            if self.is_said_again(sketch, edge) {
                all.push(base);
            }
            return all;
        }
        if base.asks() && !their {
            // "names of customers", "orders of customers": mentioned, and therefore there.
            let shown = base
                .shows
                .iter()
                .any(|s| matches!(s, Show::Noun { .. } | Show::Measure(_)));
            let mut next = base;
            if shown {
                next.conditions.push(Condition {
                    test: Test::Has(id, None),
                    negated: false,
                    near: sketch.open.noun.map(|n| n.0),
                    inside: sketch.open.inside,
                    turn: sketch.follow.turn,
                    manner: sketch.follow.manner,
                    dated: None,
                });
                // "who ordered last month": what follows is about the ordering.
                let mut within = next.clone();
                within.open.inside = Some(next.conditions.len() - 1);
                within.score += if self.is_verb(edge) {
                    self.weights.verb_scope
                } else {
                    self.weights.outer_scope
                };
                all.push(within);
            } else if next
                .shows
                .iter()
                .all(|s| matches!(s, Show::Attribute(a) if a.of.is_none()))
            {
                for show in &mut next.shows {
                    if let Show::Attribute(attribute) = show {
                        attribute.of = Some(id);
                    }
                }
            }
            all.push(next);
        }
        all
    }

    /// Whether a preposition of the same turn ties rows to what the conversation is about: "*from* suppliers in Japan",
    /// "*of* premium members".
    fn is_tied(&self, sketch: &Sketch, edge: &Edge) -> bool {
        let narrows = |&at: &usize| {
            let article = matches!(
                self.lattice.tokens[at].folded.as_str(),
                "the" | "all" | "any" | "our"
            );
            let said = |(_, e): (usize, &Edge)| matches!(e.kind, Kind::Value(_) | Kind::Flag(_));
            article || self.lattice.from(at).any(said)
        };
        (sketch.follow.begins..edge.start)
            .rev()
            .find(|at| !narrows(at))
            .is_some_and(|at| {
                let word = self.lattice.tokens[at].folded.as_str();
                matches!(word, "from" | "of" | "for" | "in" | "at")
            })
    }

    /// Whether an earlier turn named the same rows.
    fn is_said_again(&self, sketch: &Sketch, edge: &Edge) -> bool {
        let rows = |kind: &Kind| match kind {
            Kind::Noun(candidates) => candidates.iter().map(|c| c.0).collect(),
            _ => Vec::new(),
        };
        let these = rows(&edge.kind);
        let mut earlier = sketch
            .nouns
            .iter()
            .map(|&id| &self.lattice.edges[id])
            .filter(|e| e.start < sketch.follow.begins);
        earlier.any(|e| rows(&e.kind).iter().any(|r| these.contains(r)))
    }

    /// Whether a noun was read off a verb: "ordered".
    fn is_verb(&self, edge: &Edge) -> bool {
        let word = &self.lattice.tokens[edge.end - 1].folded;
        word.ends_with("ed")
            || matches!(
                word.as_str(),
                "sold" | "bought" | "paid" | "sent" | "written" | "made"
            )
    }

    /// "with critical open alerts": the conditions since the link belong inside.
    fn has(
        &self,
        base: &Sketch,
        before: &Sketch,
        id: EdgeId,
        count: Option<(Comparison, Operand)>,
    ) -> Next {
        let mut next = base.clone();
        let negated = std::mem::take(&mut next.open.negated);
        let place = next.conditions.len();
        for condition in next.conditions.iter_mut().rev() {
            if condition.inside != Some(AHEAD) {
                break;
            }
            condition.inside = Some(place);
        }
        next.conditions.push(Condition {
            test: Test::Has(id, count),
            negated,
            near: before.open.noun.map(|n| n.0),
            inside: None,
            turn: before.follow.turn,
            manner: before.follow.manner,
            dated: None,
        });
        // What follows narrows the inner rows, or goes on about the outer ones.
        let mut outer = next.clone();
        outer.open.noun = before.open.noun;
        outer.open.inside = None;
        outer.score += self.weights.outer_scope;
        next.open.inside = Some(place);
        vec![next, outer]
    }

    /// A column: shown, aggregated, grouped or ordered by, or about to be compared.
    pub(super) fn attribute(&self, sketch: &Sketch, id: EdgeId, edge: &Edge) -> Next {
        let mut all = Vec::new();
        let mut base = Self::moved(sketch, edge.end);
        let of = sketch.open.noun.filter(|n| n.1 == edge.start).map(|n| n.0);
        let attribute = Attribute { edge: id, of };
        base.open.owner = false;
        let and = std::mem::take(&mut base.open.and);
        base.open.their = false;
        if base.open.topic.is_some() {
            return all;
        }
        // "by supplier country": the noun only said whose.
        if sketch.open.last == Last::Group
            && let Some(Group::Noun(noun)) = sketch.groups.last()
            && of == Some(*noun)
        {
            base.groups.pop();
            base.groups.push(Group::Attribute(attribute));
            return vec![base];
        }
        if sketch.open.by.is_some() && sketch.open.aggregate.is_none() {
            base.open.by = None;
            let orders = sketch.open.by == Some(By::Order)
                || sketch
                    .order
                    .as_ref()
                    .is_some_and(|o| matches!(o.by, OrderBy::Later));
            if orders {
                let mut next = base.clone();
                let descending = next.order.take().is_some_and(|o| o.descending);
                next.order = Some(Order {
                    by: OrderBy::Attribute(attribute),
                    descending,
                });
                all.push(next);
            }
            if sketch.open.by == Some(By::Group) {
                let mut next = base.clone();
                next.groups.push(Group::Attribute(attribute));
                next.open.last = Last::Group;
                next.score -= if orders { 0.1 } else { 0.0 };
                all.push(next);
            }
            return all;
        }
        if let Some(aggregate) = sketch.open.aggregate {
            let aggregate = match (aggregate, sketch.distinct) {
                (Aggregate::Count, _) => Aggregate::CountDistinct,
                (other, _) => other,
            };
            let measure = Measure {
                aggregate,
                over: Over::Attribute(attribute),
                word: String::new(),
            };
            all.extend(self.measured(&base, measure));
        } else if let Some(descending) = sketch.open.superlative {
            let mut next = base.clone();
            next.open.superlative = None;
            next.open.link = None;
            next.order = Some(Order {
                by: OrderBy::Attribute(attribute),
                descending,
            });
            next.limit = next.limit.or(Some(Limit::Rows(1)));
            all.push(next);
            return all;
        }
        if let Some(Link::Count(comparison, operand)) = &sketch.open.link {
            // "more than 10 points"
            let mut next = base.clone();
            next.open.link = None;
            next.test(Test::Compare(
                Left::Attribute(attribute),
                *comparison,
                operand.clone(),
            ));
            all.push(next);
            return all;
        }
        if sketch.open.link == Some(Link::Without) {
            let mut next = base.clone();
            next.open.link = None;
            next.test(Test::Missing(attribute));
            all.push(next);
            return all;
        }
        if and && sketch.open.last == Last::Group {
            let mut next = base.clone();
            next.groups.push(Group::Attribute(attribute));
            all.push(next);
        }
        if sketch.open.aggregate.is_none() && !sketch.open.negated && sketch.open.link.is_none() {
            let mut next = base.clone();
            let replaces = matches!((of, next.shows.last()), (Some(of), Some(Show::Noun { edge, .. })) if of == *edge);
            if replaces {
                next.shows.pop();
            }
            let first = next.shows.is_empty() || and || replaces;
            // "alerts raised yesterday" does not ask for the day.
            let plain = first && !self.is_verb(edge);
            next.score += if plain { 0.0 } else { self.weights.late_column };
            // "who were prescribed it" asks for no day either.
            let aside = next.asks() && !and && self.is_verb(edge);
            if !aside {
                next.shows.push(Show::Attribute(attribute));
                next.open.last = Last::Show;
                all.push(next);
            }
        }
        // "delivered shipments": the date is there.
        if sketch.open.aggregate.is_none() && sketch.open.by.is_none() {
            let mut next = base.clone();
            next.open.link = None;
            next.score += self.weights.happened;
            next.test(Test::Happened(attribute));
            all.push(next);
        }
        // About to be compared.
        let mut next = base;
        next.open.link = None;
        next.open.topic = Some(attribute);
        all.push(next);
        all
    }

    /// A measure that business knows by name.
    pub(super) fn business(
        &self,
        sketch: &Sketch,
        _id: EdgeId,
        edge: &Edge,
        kind: Business,
    ) -> Next {
        if sketch.open.topic.is_some() || sketch.open.negated {
            return Vec::new();
        }
        // "in Sales" says where, whatever else sales may be.
        if sketch.follow.turn > 0 && self.is_tied(sketch, edge) {
            return Vec::new();
        }
        // "never sold" is no sum of what was: only rows can be missing.
        if sketch.open.link == Some(Link::Without) {
            return Vec::new();
        }
        let mut base = Self::moved(sketch, edge.end);
        let of = sketch.open.noun.filter(|n| n.1 == edge.start).map(|n| n.0);
        base.open.owner = false;
        // "value" alone is anything; it is a measure when averaged, summed, or said of something.
        if kind == Business::Amount && sketch.open.aggregate.is_none() && of.is_none() {
            return Vec::new();
        }
        if let (Some(of), Some(Show::Noun { edge, .. })) = (of, base.shows.last())
            && of == *edge
        {
            base.shows.pop();
        }
        let aggregate = match sketch.open.aggregate {
            // "best selling": the one with the most.
            Some(end @ (Aggregate::Max | Aggregate::Min)) if kind != Business::Amount => {
                base.open.superlative = Some(end == Aggregate::Max);
                Aggregate::Sum
            }
            Some(Aggregate::Count | Aggregate::CountDistinct) | None => Aggregate::Sum,
            Some(other) => other,
        };
        let word = self
            .lattice
            .words(edge.start, edge.end)
            .to_lowercase()
            .replace(' ', "_");
        let measure = Measure {
            aggregate,
            over: Over::Business { kind, of },
            word,
        };
        self.measured(&base, measure)
    }

    /// An aggregate is complete: it is shown, or it is what rows are ordered or narrowed by.
    fn measured(&self, base: &Sketch, measure: Measure) -> Next {
        let mut all = Vec::new();
        let mut base = base.clone();
        base.open.aggregate = None;
        base.open.and = false;
        if let Some(Link::Count(comparison, operand)) = base.open.link.take() {
            base.test(Test::Compare(Left::Measure(measure), comparison, operand));
            return vec![base];
        }
        let waiting = base
            .order
            .as_ref()
            .filter(|o| matches!(o.by, OrderBy::Later))
            .map(|o| o.descending);
        let by = base.open.by.take();
        if let Some(descending) = base.open.superlative.take() {
            let mut next = base.clone();
            next.order = Some(Order {
                by: OrderBy::Measure(measure),
                descending,
            });
            next.limit = next.limit.or(Some(Limit::Rows(1)));
            all.push(next);
            return all;
        }
        if by.is_some() || waiting.is_some() {
            let descending = waiting
                .or_else(|| base.order.as_ref().map(|o| o.descending))
                .unwrap_or(true);
            let mut next = base.clone();
            next.order = Some(Order {
                by: OrderBy::Measure(measure),
                descending,
            });
            all.push(next);
            return all;
        }
        let noun_follows = self
            .lattice
            .from(base.at)
            .any(|(_, e)| matches!(e.kind, Kind::Noun(_)));
        let end_of_scale = matches!(measure.aggregate, Aggregate::Max | Aggregate::Min);
        // "highest rated product" asks for the product.
        if !(end_of_scale && noun_follows) {
            let mut shown = base.clone();
            shown.shows.push(Show::Measure(measure.clone()));
            shown.open.last = Last::Show;
            all.push(shown);
        }
        // "product with the highest price": of rows that are asked for, the one at the end of the scale.
        if let (Aggregate::Max | Aggregate::Min, Over::Attribute(attribute)) =
            (measure.aggregate, measure.over)
        {
            let mut next = base;
            next.order = Some(Order {
                by: OrderBy::Attribute(attribute),
                descending: measure.aggregate == Aggregate::Max,
            });
            next.limit = next.limit.or(Some(Limit::Rows(1)));
            next.score += if next.shows_noun() {
                self.weights.superlative_rows
            } else if noun_follows {
                0.0
            } else {
                -0.3
            };
            all.push(next);
        }
        all
    }
}
