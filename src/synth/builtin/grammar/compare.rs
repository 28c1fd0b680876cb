//! Rules for comparisons and superlatives.

use crate::synth::builtin::english::{self, Affix, Degree, Graded, Word};
use crate::synth::builtin::lattice::{Edge, Kind};
use crate::synth::builtin::query::{Comparison, Limit, TimeUnit};
use crate::synth::builtin::sketch::{Left, Link, Operand, Order, OrderBy, Show, Sketch, Test};

use super::{Grammar, Next};

impl Grammar<'_> {
    /// "over 400", "more than 10 orders", "above the average".
    pub(super) fn compared(&self, sketch: &Sketch, edge: &Edge, comparison: Comparison) -> Next {
        let mut all = Vec::new();
        let Some((end, operand)) = self.operand(edge.end) else {
            return all;
        };
        let comparison = if sketch.open.negated {
            comparison.negated()
        } else {
            comparison
        };
        let mut base = Self::moved(sketch, end);
        base.open.negated = false;
        if let Some(topic) = base.open.topic.take() {
            base.at = self.skip_unit(base.at);
            base.test(Test::Compare(Left::Attribute(topic), comparison, operand));
            return vec![base];
        }
        // "who ordered more than 3 times": counts what was done.
        if self
            .lattice
            .tokens
            .get(end)
            .is_some_and(|t| t.folded == "times")
        {
            let done = sketch.open.noun.map(|n| n.0);
            let last = base
                .conditions
                .iter_mut()
                .rev()
                .find_map(|c| match &mut c.test {
                    Test::Has(noun, count) if Some(*noun) == done && count.is_none() => Some(count),
                    _ => None,
                });
            if let Some(count) = last {
                *count = Some((comparison, operand));
                base.at = end + 1;
                return vec![base];
            }
            return all;
        }
        if sketch.open.by.is_none()
            && sketch.open.superlative.is_none()
            && sketch.open.aggregate.is_none()
        {
            let mut next = base.clone();
            next.open.link = Some(Link::Count(comparison, operand.clone()));
            all.push(next);
        }
        // "orders over 500": by what they came to.
        let begins = sketch.follow.turn > 0 && sketch.follow.begins == edge.start;
        let after_noun = sketch
            .open
            .noun
            .is_some_and(|n| n.1 == edge.start || begins);
        if after_noun && matches!(operand, Operand::Number(_) | Operand::Param(_)) {
            let mut next = base.clone();
            next.at = self.skip_unit(next.at);
            next.score += self.weights.guessed_measure;
            next.test(Test::Compare(
                Left::Adjective(english::AMOUNT),
                comparison,
                operand.clone(),
            ));
            all.push(next);
        }
        // "with revenue over 1000": the measure was read as something to show.
        if let Some(Show::Measure(measure)) = base.shows.last().cloned()
            && base.shows.len() > sketch.follow.kept.max(1)
        {
            base.shows.pop();
            base.at = self.skip_unit(base.at);
            base.test(Test::Compare(Left::Measure(measure), comparison, operand));
            all.push(base);
        }
        all
    }

    /// "between 10 and 20" of the column before it.
    pub(super) fn between(&self, sketch: &Sketch, edge: &Edge) -> Next {
        let Some(topic) = sketch.open.topic else {
            return Vec::new();
        };
        let Some((middle, low)) = self.operand(edge.end) else {
            return Vec::new();
        };
        let and = self
            .lattice
            .tokens
            .get(middle)
            .is_some_and(|t| t.folded == "and");
        let Some((end, high)) = self.operand(middle + 1).filter(|_| and) else {
            return Vec::new();
        };
        let mut next = Self::moved(sketch, self.skip_unit(end));
        next.test(Test::Between(topic, low, high));
        vec![next]
    }

    /// "starts with A", "containing 'pro'".
    pub(super) fn like(&self, sketch: &Sketch, edge: &Edge, affix: Affix) -> Next {
        let at = self.skip_words(
            edge.end,
            &["the", "letter", "letters", "word", "string", "text"],
        );
        let Some(token) = self.lattice.tokens.get(at) else {
            return Vec::new();
        };
        let quoted = matches!(
            self.lattice.from(at).next().map(|e| &e.1.kind),
            Some(Kind::Quoted(_))
        );
        if !quoted
            && (sketch.open.topic.is_none() || token.raw.chars().any(|c| !c.is_alphanumeric()))
        {
            return Vec::new();
        }
        let mut next = Self::moved(sketch, at + 1);
        let topic = next.open.topic.take();
        next.test(Test::Like(topic, affix, token.raw.clone()));
        vec![next]
    }

    /// "most expensive", "older than 30".
    pub(super) fn graded(&self, sketch: &Sketch, edge: &Edge, graded: Graded) -> Next {
        if sketch.open.topic.is_some() || sketch.open.by.is_some() {
            return Vec::new();
        }
        match graded.degree {
            Degree::Superlative => {
                let mut next = Self::moved(sketch, edge.end);
                if next.order.is_some() {
                    return Vec::new();
                }
                next.open.link = None;
                next.order = Some(Order {
                    by: OrderBy::Adjective(graded.adjective),
                    descending: graded.adjective.high,
                });
                next.limit = next.limit.or(Some(Limit::Rows(1)));
                vec![next]
            }
            Degree::Comparative => {
                let than = self
                    .lattice
                    .tokens
                    .get(edge.end)
                    .is_some_and(|t| t.folded == "than");
                let aged = self.age(edge.end + 1, graded);
                let Some((end, operand)) =
                    aged.or_else(|| self.operand(edge.end + 1)).filter(|_| than)
                else {
                    return Vec::new();
                };
                let comparison = if graded.adjective.high {
                    Comparison::Greater
                } else {
                    Comparison::Less
                };
                let mut next = Self::moved(sketch, self.skip_unit(end));
                next.open.link = None;
                next.test(Test::Compare(
                    Left::Adjective(graded.adjective),
                    comparison,
                    operand,
                ));
                vec![next]
            }
        }
    }

    /// "30 days" of something old, new or late; its end.
    fn age(&self, at: usize, graded: Graded) -> Option<(usize, Operand)> {
        let dates = ["date", "birth", "born"];
        let columns = graded.adjective.columns;
        if !columns.iter().any(|c| dates.contains(c)) {
            return None;
        }
        let (at, digits) = self.lattice.from(at).find_map(|(_, e)| match &e.kind {
            Kind::Number(digits) => Some((e.end, digits)),
            _ => None,
        })?;
        let count = digits.parse().ok().filter(|n| (1..100_000).contains(n))?;
        let unit = TimeUnit::parse(&self.lattice.tokens.get(at)?.folded)?;
        let old = self
            .lattice
            .tokens
            .get(at + 1)
            .is_some_and(|t| t.folded == "old");
        Some((at + 1 + usize::from(old), Operand::Ago(unit, count)))
    }

    /// What something is compared with, and the token after it.
    fn operand(&self, at: usize) -> Option<(usize, Operand)> {
        let at = self.skip(at);
        self.lattice.from(at).find_map(|(_, edge)| {
            let operand = match &edge.kind {
                Kind::Number(digits) => Operand::Number(digits.clone()),
                Kind::Param(n) => Operand::Param(*n),
                Kind::Quoted(text) => Operand::Text(text.clone()),
                Kind::Function(Word::Aggregate(aggregate)) => {
                    return Some((self.repeated(edge.end), Operand::Own(*aggregate)));
                }
                _ => return None,
            };
            Some((edge.end, operand))
        })
    }

    /// "the average price": the column may be said again.
    fn repeated(&self, at: usize) -> usize {
        let at = self.skip_words(at, &["of", "all", "the"]);
        self.lattice
            .from(at)
            .filter(|(_, e)| matches!(e.kind, Kind::Attribute(_)))
            .map(|(_, e)| e.end)
            .max()
            .unwrap_or(at)
    }

    fn skip_words(&self, at: usize, words: &[&str]) -> usize {
        let skipped = |i: usize| {
            self.lattice
                .tokens
                .get(i)
                .is_some_and(|t| words.contains(&t.folded.as_str()))
        };
        (at..).find(|&i| !skipped(i)).unwrap_or(at)
    }
}
