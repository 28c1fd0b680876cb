//! Rules for conditions that a word or a constant states by itself: values, flags, dates, names, parameters.

use crate::synth::builtin::english::Word;
use crate::synth::builtin::lattice::{Edge, Kind};
use crate::synth::builtin::query::{Comparison, Limit};
use crate::synth::builtin::sketch::{
    AHEAD, EdgeId, Last, Left, Link, Operand, OrderBy, Sketch, Test,
};

use super::{Grammar, Next};

impl Grammar<'_> {
    /// A stored value narrows what the sentence is about, or names the rows that have it: "routers".
    pub(super) fn value(&self, sketch: &Sketch, id: EdgeId, edge: &Edge) -> Next {
        let mut all = self.narrowing_value(sketch, id, edge);
        let free = !sketch.asks()
            && sketch.open.topic.is_none()
            && !sketch.open.or
            && !sketch.open.negated;
        if free {
            let mut rows = self.noun(sketch, id, edge);
            for next in &mut rows {
                next.open.last = Last::Condition;
                next.test(Test::Values(vec![id], None));
                next.score += self.weights.value_rows;
            }
            rows.retain(|next| !next.open.owner && next.open.inside.is_none());
            all.extend(rows);
        }
        all
    }

    fn narrowing_value(&self, sketch: &Sketch, id: EdgeId, edge: &Edge) -> Next {
        if sketch.open.by.is_some() || sketch.open.superlative.is_some() {
            return Vec::new();
        }
        let mut next = Self::moved(sketch, edge.end);
        if std::mem::take(&mut next.open.or)
            || (sketch.open.and && sketch.open.last == Last::Condition)
        {
            let mut joined = next.clone();
            joined.open.and = false;
            if let Some(last) = joined.conditions.last_mut()
                && let Test::Values(choices, _) = &mut last.test
            {
                choices.push(id);
                let mut all = vec![joined];
                if sketch.open.and {
                    all.extend(self.value_alone(next, id));
                }
                return all;
            }
            // "or" of anything but values has no way to be said: dropping it would ask for both.
            if sketch.open.or {
                return Vec::new();
            }
        }
        self.value_alone(next, id)
    }

    fn value_alone(&self, mut next: Sketch, id: EdgeId) -> Next {
        // "with critical open alerts", "with no critical alerts": inside the rows that are yet to come.
        let link = next.open.link.clone();
        let ahead = matches!(link, Some(Link::With | Link::Without | Link::Count(..)))
            && next.open.topic.is_none();
        let topic = next.open.topic.take();
        let inside = next.open.inside;
        let mut all = Vec::new();
        if ahead {
            let mut inner = next.clone();
            inner.open.inside = Some(AHEAD);
            inner.open.negated = false;
            inner.test(Test::Values(vec![id], topic));
            inner.open.inside = inside;
            inner.open.link = link.clone();
            all.push(inner);
        }
        if !matches!(link, Some(Link::Count(..))) {
            if link == Some(Link::Without) {
                next.open.link = None;
                next.open.negated = true;
            }
            next.test(Test::Values(vec![id], topic));
            all.push(next);
        }
        all
    }

    /// A boolean column is, or is not, true.
    pub(super) fn flag(&self, sketch: &Sketch, id: EdgeId, edge: &Edge) -> Next {
        if sketch.open.by.is_some() {
            return Vec::new();
        }
        let mut next = Self::moved(sketch, edge.end);
        if next.open.link.take() == Some(Link::Without) {
            next.open.negated = true;
        }
        next.test(Test::Flag(id));
        vec![next]
    }

    /// A span of time, of the column before it or of the one that dates the rows.
    pub(super) fn date(&self, sketch: &Sketch, id: EdgeId, edge: &Edge) -> Next {
        if sketch.open.by.is_some() || sketch.open.superlative.is_some() {
            return Vec::new();
        }
        let mut next = Self::moved(sketch, edge.end);
        let topic = next.open.topic.take();
        next.test(Test::During(topic, id));
        let mut all = Vec::new();
        if next.open.inside.is_some() {
            let mut outer = next.clone();
            if let Some(last) = outer.conditions.last_mut() {
                last.inside = None;
            }
            outer.score += self.weights.outer_scope;
            all.push(outer);
        }
        all.push(next);
        all
    }

    /// A number, parameter, quotation or proper name.
    pub(super) fn constant(&self, sketch: &Sketch, _id: EdgeId, edge: &Edge) -> Next {
        let operand = match &edge.kind {
            Kind::Number(digits) => Operand::Number(digits.clone()),
            Kind::Param(n) => Operand::Param(*n),
            Kind::Quoted(text) | Kind::Name(text) => Operand::Text(text.clone()),
            _ => return Vec::new(),
        };
        let mut all = Vec::new();
        let base = Self::moved(sketch, edge.end);
        if let Some(topic) = sketch.open.topic {
            let mut next = base.clone();
            next.at = self.skip_unit(next.at);
            next.test(Test::Compare(
                Left::Attribute(topic),
                Comparison::Equal,
                operand,
            ));
            return vec![next];
        }
        if sketch.open.by.is_some() {
            return all;
        }
        let limit = match &operand {
            Operand::Number(digits) => digits.parse().ok().filter(|n| *n > 0).map(Limit::Rows),
            Operand::Param(n) => Some(Limit::Param(*n)),
            _ => None,
        };
        // "top 5", "the 5 most expensive".
        let waits = sketch
            .order
            .as_ref()
            .is_some_and(|o| matches!(o.by, OrderBy::Later))
            && sketch.shows.is_empty();
        let leads = self.lattice.from(edge.end).any(|(_, e)| {
            matches!(
                e.kind,
                Kind::Graded(_) | Kind::Function(Word::Most(_) | Word::Top(_))
            )
        });
        if let Some(limit) = limit.filter(|_| sketch.limit.is_none() && (waits || leads)) {
            let mut next = base.clone();
            next.limit = Some(limit);
            all.push(next);
        }
        let is_number = matches!(operand, Operand::Number(_));
        if sketch.open.link == Some(Link::With) && is_number {
            // "with 3 orders"
            let mut next = base.clone();
            next.open.link = Some(Link::Count(Comparison::Equal, operand.clone()));
            all.push(next);
        }
        // "customer $1", "product 'Oak Chair'", "customer Emma Smith".
        let noun = sketch
            .open
            .noun
            .filter(|n| self.skip(n.1) == edge.start || self.named(n.1, edge.start));
        if let Some((noun, end)) = noun.filter(|_| sketch.open.aggregate.is_none()) {
            let of = end < edge.start && !self.named(end, edge.start);
            let mut next = base;
            next.open.link = None;
            next.score -= if is_number { 0.3 } else { 0.0 };
            next.test(Test::Named(noun, operand, of));
            all.push(next);
        }
        all
    }

    fn named(&self, from: usize, to: usize) -> bool {
        from < to
            && self
                .lattice
                .from(from)
                .any(|(_, e)| e.end == to && matches!(e.kind, Kind::Function(Word::Named)))
    }

    /// The token after units: "1000 mbps", "20 euros".
    pub(super) fn skip_unit(&self, at: usize) -> usize {
        let unit = self
            .lattice
            .tokens
            .get(at)
            .is_some_and(|t| crate::synth::builtin::english::is_unit(&t.folded));
        let meant_otherwise = self
            .lattice
            .from(at)
            .any(|(_, e)| matches!(e.kind, Kind::Noun(_)) && e.quality > 0.7);
        at + usize::from(unit && !meant_otherwise)
    }
}
