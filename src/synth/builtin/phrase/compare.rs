//! More and less: "above 5", "between 2 and 4", "greater weight than 10", "older than the average".

use crate::synth::builtin::english::Degree;
use crate::synth::builtin::lattice::Kind;
use crate::synth::builtin::query::Comparison;

use super::conds::Links;
use super::parser::{CONTENT, FUNCTION, Parsed, Parser};
use super::tree::{Cond, Conj, Left, Operand, Test};
use super::words::Word;

impl Parser<'_> {
    /// "is more than 5", "between 2 and 4", "higher than the average".
    pub(super) fn compared(&self, left: &Left, at: usize, score: f32, all: &mut Vec<Parsed<Cond>>) {
        let mut starts = vec![Links {
            end: at,
            negated: false,
            score: 0.0,
        }];
        starts.extend(
            self.links(at)
                .into_iter()
                .filter(|l| l.end <= at + 4 && l.end > at),
        );
        for link in starts {
            let from = link.end;
            let score = score + link.score;
            for comparison in self.comparisons(from) {
                for operand in self.operands(comparison.end) {
                    // "is" before a column is no comparison with it.
                    let plain = comparison.value == Comparison::Equal && comparison.end == from + 1;
                    if plain && matches!(operand.value, Operand::Column(_)) {
                        continue;
                    }
                    let score = score + comparison.score + operand.score;
                    let test = Test::Compare(left.clone(), comparison.value, operand.value);
                    let mut cond = Cond::new(test);
                    cond.negated = link.negated;
                    all.push(Parsed {
                        value: cond,
                        end: operand.end,
                        score,
                    });
                }
            }
            for end in self.ends(from, Word::Between) {
                for low in self.operands(end) {
                    for joint in self
                        .ends(low.end, Word::And)
                        .chain((self.word(low.end) == "to").then_some(low.end + 1))
                    {
                        for high in self.operands(joint) {
                            all.push(Parsed {
                                value: Cond {
                                    test: Test::Between(
                                        left.clone(),
                                        low.value.clone(),
                                        high.value.clone(),
                                    ),
                                    negated: link.negated,
                                    join: Conj::None,
                                },
                                end: high.end,
                                score: score
                                    + Self::function(from, joint) * 0.5
                                    + FUNCTION
                                    + low.score
                                    + high.score,
                            });
                        }
                    }
                }
            }
            for number in self.numbers(from) {
                let (comparison, end, more) = self.beyond(number.end);
                let score = score + number.score + more;
                let test = Test::Compare(left.clone(), comparison, number.value);
                let mut cond = Cond::new(test);
                cond.negated = link.negated;
                all.push(Parsed {
                    value: cond,
                    end,
                    score,
                });
            }
        }
    }

    /// "or more" behind a number, or nothing.
    pub(super) fn beyond(&self, at: usize) -> (Comparison, usize, f32) {
        for comparison in [Comparison::GreaterOrEqual, Comparison::LessOrEqual] {
            if let Some(end) = self.longest(at, Word::OrBeyond(comparison)) {
                return (comparison, end, Self::function(at, end));
            }
        }
        (Comparison::Equal, at, 0.0)
    }

    /// "more than", "older than".
    pub(super) fn comparisons(&self, at: usize) -> Vec<Parsed<Comparison>> {
        let mut all = Vec::new();
        for &(word, end) in self.closed(at) {
            if let Word::Compare(comparison) = word {
                let equal = comparison == Comparison::Equal && end == at + 1;
                let score = Self::function(at, end) * if equal { 0.5 } else { 1.3 };
                all.push(Parsed {
                    value: comparison,
                    end,
                    score,
                });
            }
        }
        for (_, edge) in self.edges(at) {
            if let Kind::Graded(graded) = &edge.kind
                && graded.degree == Degree::Comparative
                && self.word(edge.end) == "than"
            {
                all.push(Parsed {
                    value: match graded.adjective.high {
                        true => Comparison::Greater,
                        false => Comparison::Less,
                    },
                    end: edge.end + 1,
                    score: FUNCTION * 2.6,
                });
            }
        }
        all
    }

    /// "greater weight than 10", "more staff than the minimum".
    pub(super) fn by_more(&self, at: usize, all: &mut Vec<Parsed<Cond>>) {
        let mut starts: Vec<(Comparison, usize)> = Vec::new();
        for (_, edge) in self.edges(at) {
            if let Kind::Graded(graded) = &edge.kind
                && graded.degree == Degree::Comparative
            {
                let comparison = match graded.adjective.high {
                    true => Comparison::Greater,
                    false => Comparison::Less,
                };
                starts.push((comparison, edge.end));
            }
        }
        match self.word(at) {
            "more" | "greater" | "larger" | "higher" | "bigger" => {
                starts.push((Comparison::Greater, at + 1));
            }
            "less" | "fewer" | "smaller" | "lower" => starts.push((Comparison::Less, at + 1)),
            _ => {}
        }
        for (comparison, end) in starts {
            for attribute in self.attributes(end) {
                if self.word(attribute.end) != "than" {
                    continue;
                }
                for operand in self.operands(attribute.end + 1) {
                    let left = Left::Column(attribute.value);
                    all.push(Parsed {
                        value: Cond::new(Test::Compare(left, comparison, operand.value)),
                        end: operand.end,
                        score: FUNCTION * 3.0 + attribute.score + operand.score,
                    });
                }
            }
        }
    }

    /// "older than 20", "heavier than the average".
    pub(super) fn by_grade(&self, at: usize, all: &mut Vec<Parsed<Cond>>) {
        for (_, edge) in self.edges(at) {
            let Kind::Graded(graded) = &edge.kind else {
                continue;
            };
            if graded.degree != Degree::Comparative {
                continue;
            }
            let than = self.word(edge.end) == "than";
            let from = edge.end + usize::from(than);
            let comparison = match graded.adjective.high {
                true => Comparison::Greater,
                false => Comparison::Less,
            };
            let score = CONTENT + if than { FUNCTION } else { -0.5 };
            for operand in self.operands(from) {
                all.push(Parsed {
                    value: Cond::new(Test::Compare(
                        Left::Graded(graded.adjective),
                        comparison,
                        operand.value,
                    )),
                    end: operand.end,
                    score: score + operand.score,
                });
            }
        }
    }
}
