//! What something is compared with: "20", "5 and 10", "the average age of all teachers", "any car".

use crate::synth::builtin::english;
use crate::synth::builtin::lattice::Kind;
use crate::synth::builtin::query::{Aggregate, Limit};
use crate::synth::builtin::sketch::Attribute;

use super::parser::{CONTENT, FUNCTION, Parsed, Parser, pruned};
use super::tree::Operand;
use super::words::Word;

impl Operand {
    pub(super) fn limit(&self) -> Option<Limit> {
        match self {
            Self::Number(digits) => digits.parse().ok().filter(|n| *n > 0).map(Limit::Rows),
            Self::Param(n) => Some(Limit::Param(*n)),
            _ => None,
        }
    }
}

impl Parser<'_> {
    /// What something is compared with.
    pub(super) fn operands(&self, at: usize) -> Vec<Parsed<Operand>> {
        let mut all = self.numbers(at);
        for dets in self.dets(at) {
            let from = dets.end;
            for text in self.texts(from) {
                all.push(Parsed {
                    value: Operand::Text(text.value),
                    end: text.end,
                    score: text.score + dets.score,
                });
            }
            for (id, edge) in self.edges(from) {
                if let Kind::Date(_) = edge.kind {
                    all.push(Parsed {
                        value: Operand::Date(id),
                        end: edge.end,
                        score: Self::reward(edge) + dets.score,
                    });
                }
            }
            for (aggregate, end) in self.aggregates(from) {
                let score = Self::function(from, end) * 1.5 + dets.score;
                all.push(Parsed {
                    value: Operand::Aggregate(aggregate, None, None),
                    end,
                    score,
                });
                for attribute in self.attributes(end) {
                    let score = score + attribute.score;
                    all.push(Parsed {
                        value: Operand::Aggregate(aggregate, Some(attribute.value), None),
                        end: attribute.end,
                        score,
                    });
                    self.over(
                        aggregate,
                        Some(attribute.value),
                        attribute.end,
                        score,
                        &mut all,
                    );
                }
                self.over(aggregate, None, end, score, &mut all);
            }
        }
        all.extend(self.attributes(at).into_iter().map(|a| Parsed {
            value: Operand::Column(a.value),
            end: a.end,
            score: a.score,
        }));
        self.any_of(at, &mut all);
        pruned(all, 16)
    }

    /// "the average age of all teachers"
    fn over(
        &self,
        aggregate: Aggregate,
        attribute: Option<Attribute>,
        at: usize,
        score: f32,
        all: &mut Vec<Parsed<Operand>>,
    ) {
        for start in self.small(at).into_iter().filter(|s| *s > at) {
            for thing in self.things(start).iter() {
                all.push(Parsed {
                    value: Operand::Aggregate(
                        aggregate,
                        attribute,
                        Some(Box::new(thing.value.clone())),
                    ),
                    end: thing.end,
                    score: score + FUNCTION * 0.5 + thing.score,
                });
            }
        }
    }

    /// "than any car", "than all players from Spain", "than that of some ...": the extreme of the same column.
    fn any_of(&self, at: usize, all: &mut Vec<Parsed<Operand>>) {
        let word = self.word(at);
        let least = matches!(word, "some" | "one" | "at");
        if !matches!(
            word,
            "any" | "all" | "every" | "some" | "that" | "those" | "each"
        ) {
            return;
        }
        let mut start = at + 1;
        let mut least = least;
        while matches!(
            self.word(start),
            "of" | "the" | "any" | "some" | "all" | "in"
        ) {
            least |= matches!(self.word(start), "some");
            start += 1;
        }
        for thing in self.things(start).iter() {
            all.push(Parsed {
                value: Operand::Every(Box::new(thing.value.clone()), least),
                end: thing.end,
                score: FUNCTION + thing.score,
            });
        }
    }

    pub(super) fn aggregates(&self, at: usize) -> Vec<(Aggregate, usize)> {
        self.closed(at)
            .iter()
            .filter_map(|(word, end)| match word {
                Word::Aggregate(aggregate) => Some((*aggregate, *end)),
                _ => None,
            })
            .collect()
    }

    /// A number or a parameter, with its unit or without.
    pub(super) fn numbers(&self, at: usize) -> Vec<Parsed<Operand>> {
        let mut all = Vec::new();
        for dets in self.dets(at).into_iter().filter(|d| !d.each && !d.distinct) {
            for (_, edge) in self.edges(dets.end) {
                let value = match &edge.kind {
                    Kind::Number(digits) => Operand::Number(digits.clone()),
                    Kind::Param(n) => Operand::Param(*n),
                    _ => continue,
                };
                let score = CONTENT + dets.score;
                let unit = self.word(edge.end);
                if english::is_unit(unit) {
                    all.push(Parsed {
                        value: value.clone(),
                        end: edge.end + 1,
                        score: score + FUNCTION,
                    });
                }
                if matches!(unit, "years" | "year") && self.word(edge.end + 1) == "old" {
                    all.push(Parsed {
                        value: value.clone(),
                        end: edge.end + 2,
                        score: score + FUNCTION * 2.0,
                    });
                }
                all.push(Parsed {
                    value,
                    end: edge.end,
                    score,
                });
            }
        }
        all
    }

    /// "between 2 and 5" and what follows.
    pub(super) fn ranges(&self, at: usize) -> Vec<(Operand, Operand, usize, f32)> {
        let mut all = Vec::new();
        for end in self.ends(at, Word::Between) {
            for low in self.numbers(end) {
                for joint in self.ends(low.end, Word::And) {
                    for high in self.numbers(joint) {
                        let score = FUNCTION * 2.0 + low.score + high.score;
                        all.push((low.value.clone(), high.value, high.end, score));
                    }
                }
            }
        }
        all
    }
}
