//! Rules for conditions that a word or a constant states by itself: values, flags, dates, names, parameters.

use crate::synth::builtin::english::Word;
use crate::synth::builtin::lattice::{Edge, Kind, Rows};
use crate::synth::builtin::query::{Comparison, Limit};
use crate::synth::builtin::sketch::{
    AHEAD, EdgeId, Last, Left, Link, Operand, OrderBy, Sketch, Test,
};

use crate::synth::builtin::tokens::TokenKind;

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
    pub(super) fn constant(&self, sketch: &Sketch, id: EdgeId, edge: &Edge) -> Next {
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
            && sketch.shows.len() <= sketch.follow.kept;
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
        let Some((noun, end)) = sketch.open.noun.filter(|_| sketch.open.aggregate.is_none()) else {
            return all;
        };
        // "once" is no key.
        if is_number && self.lattice.tokens[edge.start].kind == TokenKind::Word {
            return all;
        }
        let mut next = base;
        next.open.link = None;
        if self.lattice.tokens[end..edge.start]
            .iter()
            .all(|t| is_verb_to_be(&t.folded))
            || self.named(end, edge.start)
            || (sketch.follow.turn > 0 && sketch.follow.begins == edge.start && !is_number)
        {
            // "customer $1", "product 'Oak Chair'", "customer Emma Smith".
            next.score -= if is_number { 0.3 } else { 0.0 };
            next.test(Test::Named(noun, operand, false));
            all.push(next);
        } else if self.skip(end) == edge.start && self.is_role(noun) && !is_number {
            // "manager of 'Ann'"
            next.test(Test::Named(noun, operand, true));
            all.push(next);
        } else if let Some(place) = self.relating(end, edge.start) {
            // One word alone may be anything; a name of several, or a quotation, is a name.
            let name = match &edge.kind {
                Kind::Name(text) => text.contains(' '),
                Kind::Quoted(_) => true,
                Kind::Param(_) => place,
                _ => false,
            };
            if name {
                next.score += self.weights.guessed_name;
                next.test(Test::Related(noun, id, operand, place));
                all.push(next);
            }
        }
        all
    }

    /// Whether the words between a noun and a constant relate them: "orders *of* X", "customers who are *from* X". True
    /// inside when X may be a place.
    fn relating(&self, from: usize, to: usize) -> Option<bool> {
        let words = self.lattice.tokens.get(from..to)?;
        let (last, before) = words.split_last()?;
        let small = |word: &str| is_verb_to_be(word) || matches!(word, "who" | "that" | "which");
        if !before.iter().all(|t| small(&t.folded)) {
            return None;
        }
        match last.folded.as_str() {
            "from" | "in" => Some(true),
            "of" | "by" | "for" | "with" => Some(false),
            _ => None,
        }
    }

    fn is_role(&self, noun: EdgeId) -> bool {
        matches!(&self.lattice.edges[noun].kind, Kind::Noun(candidates)
            if candidates.iter().any(|c| matches!(c.0, Rows::Role(_))))
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

fn is_verb_to_be(word: &str) -> bool {
    matches!(word, "is" | "are" | "was" | "were")
}
