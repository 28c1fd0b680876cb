//! How many there are: "more than two pets", "visited at least two times".

use crate::synth::builtin::english;
use crate::synth::builtin::lattice::Kind;
use crate::synth::builtin::query::Comparison;

use super::conds::thing_cond;
use super::parser::{CONTENT, FUNCTION, PASSED, Parsed, Parser};
use super::tree::{Cond, Left, Noun, Operand, Test, Thing};
use super::words::Word;

/// A number that nothing says what it counts by stands for equality.
const BARE_NUMBER: f32 = -0.3;

impl Parser<'_> {
    /// "visited at least two times", "ordered more than once".
    pub(super) fn by_times(&self, at: usize, all: &mut Vec<Parsed<Cond>>) {
        for (id, edge) in self.edges(at) {
            if !matches!(edge.kind, Kind::Noun(_)) {
                continue;
            }
            let thing = Parsed {
                value: Thing::of(Noun::Rows(id)),
                end: edge.end,
                score: Self::reward(edge),
            };
            for (comparison, number, end, score) in self.times(edge.end) {
                let mut found = thing_cond(&thing, Some((comparison, number)), score);
                found.end = end;
                all.push(found);
            }
        }
        for (comparison, number, end, score) in self.times(at) {
            all.push(Parsed {
                value: Cond::new(Test::Often(comparison, number)),
                end,
                score,
            });
        }
    }

    /// "at least two times", "more than once", "twice".
    fn times(&self, at: usize) -> Vec<(Comparison, Operand, usize, f32)> {
        let mut all = Vec::new();
        let mut starts = vec![(Comparison::Equal, at, 0.0)];
        starts.extend(
            self.comparisons(at)
                .into_iter()
                .map(|c| (c.value, c.end, c.score)),
        );
        for (comparison, start, score) in starts {
            match self.word(start) {
                "once" => {
                    let one = Operand::Number("1".into());
                    if comparison != Comparison::Equal {
                        all.push((comparison, one, start + 1, score + CONTENT));
                    }
                    continue;
                }
                "twice" => {
                    let two = Operand::Number("2".into());
                    all.push((comparison, two, start + 1, score + CONTENT));
                    continue;
                }
                _ => {}
            }
            for number in self.numbers(start) {
                // The unit may be read with the number already.
                let end = match self.word(number.end) {
                    "times" | "time" => number.end + 1,
                    _ if matches!(self.word(number.end - 1), "times" | "time") => number.end,
                    _ => continue,
                };
                let score = score + number.score + FUNCTION;
                all.push((comparison, number.value, end, score));
            }
        }
        all
    }

    /// "more than two pets", "at least 5 cylinders", "3 doors".
    pub(super) fn by_number(&self, at: usize, all: &mut Vec<Parsed<Cond>>) {
        let mut counts: Vec<(Comparison, Operand, usize, f32)> = Vec::new();
        for comparison in self.comparisons(at) {
            for number in self.numbers(comparison.end) {
                let score = comparison.score + number.score;
                counts.push((comparison.value, number.value, number.end, score));
            }
            // "more than the average number of pets" is another question, "above the average age" is not.
            for (aggregate, end) in self
                .dets(comparison.end)
                .into_iter()
                .flat_map(|d| self.aggregates(d.end))
            {
                for attribute in self.attributes(end) {
                    let operand = Operand::Aggregate(aggregate, None, None);
                    let score =
                        comparison.score + Self::function(comparison.end, end) + attribute.score;
                    all.push(Parsed {
                        value: Cond::new(Test::Compare(
                            Left::Column(attribute.value),
                            comparison.value,
                            operand,
                        )),
                        end: attribute.end,
                        score,
                    });
                }
            }
            // "above age 20"
            for attribute in self.attributes(comparison.end) {
                for number in self.numbers(attribute.end) {
                    all.push(Parsed {
                        value: Cond::new(Test::Compare(
                            Left::Column(attribute.value),
                            comparison.value,
                            number.value,
                        )),
                        end: number.end,
                        score: comparison.score + attribute.score + number.score,
                    });
                }
            }
        }
        for number in self.numbers(at) {
            let (comparison, end, score) = self.beyond(number.end);
            counts.push((comparison, number.value, end, number.score + score));
        }
        for end in self.ends(at, Word::Several) {
            let score = FUNCTION * 2.0;
            counts.push((Comparison::Greater, Operand::Number("1".into()), end, score));
        }
        for (low, high, end, score) in self.ranges(at) {
            for attribute in self.attributes(end) {
                all.push(Parsed {
                    value: Cond::new(Test::Between(
                        Left::Column(attribute.value),
                        low.clone(),
                        high.clone(),
                    )),
                    end: attribute.end,
                    score: score + attribute.score,
                });
            }
        }
        for (comparison, number, end, score) in &counts {
            // "under 20": years of people, or what a thing costs.
            let named = self.edges(*end).any(|(_, e)| {
                matches!(e.kind, Kind::Noun(_) | Kind::Attribute(_) | Kind::Value(_))
            });
            if named {
                continue;
            }
            let word = self.word(at);
            if !matches!(
                word,
                "over" | "above" | "under" | "below" | "more" | "less" | "at" | "older" | "younger"
            ) {
                continue;
            }
            let mut grades = vec![(english::AMOUNT, 0.8)];
            if let Some(graded) = english::graded(&["older"]) {
                grades.push((graded.adjective, 0.6));
            }
            for (adjective, doubt) in grades {
                all.push(Parsed {
                    value: Cond::new(Test::Compare(
                        Left::Graded(adjective),
                        *comparison,
                        number.clone(),
                    )),
                    end: *end,
                    score: score - doubt,
                });
            }
        }
        for (comparison, number, end, score) in counts {
            for start in self.of(end) {
                let score = score + if start > end { PASSED } else { 0.0 };
                for attribute in self.attributes(start) {
                    let left = Left::Column(attribute.value);
                    let eager = comparison == Comparison::Equal;
                    all.push(Parsed {
                        value: Cond::new(Test::Compare(left, comparison, number.clone())),
                        end: attribute.end,
                        score: score + attribute.score + if eager { BARE_NUMBER } else { 0.0 },
                    });
                }
                for thing in self.things(start).iter() {
                    if thing.value.noun == Noun::Implied {
                        continue;
                    }
                    let count = Some((comparison, number.clone()));
                    all.push(thing_cond(thing, count, score));
                }
            }
        }
    }
}
