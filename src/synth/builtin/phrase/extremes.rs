//! The first and the last of the rows: "the most pets", "the highest salary", "oldest".

use super::parser::{Parsed, Parser, pruned};
use super::tree::{By, Extreme, Noun};
use super::words::Word;

impl Parser<'_> {
    /// "the most pets", "the highest salary", "oldest".
    pub(super) fn extremes(&self, at: usize) -> Vec<Parsed<Extreme>> {
        let mut all = self.adjectives(at);
        let mut starts = vec![(at, None, 0.0)];
        for dets in self.dets(at).into_iter().filter(|d| d.end > at && !d.each) {
            all.extend(self.adjectives(dets.end).into_iter().map(|mut p| {
                p.score += dets.score;
                p
            }));
            starts.push((dets.end, None, dets.score));
        }
        let numbered: Vec<_> = starts
            .iter()
            .flat_map(|(start, _, score)| {
                self.numbers(*start)
                    .into_iter()
                    .map(move |n| (n.end, n.value.limit(), n.score + score))
            })
            .collect();
        starts.extend(numbered);
        for (start, rows, score) in starts {
            for high in [true, false] {
                let extreme = |by| Extreme {
                    by,
                    descending: high,
                    rows: rows.clone(),
                };
                for end in self.ends(start, Word::Most(high)) {
                    let score = score + Self::function(start, end) * 1.2;
                    for from in self.of(end) {
                        for thing in self.things(from).iter() {
                            if thing.value.noun == Noun::Implied {
                                continue;
                            }
                            all.push(Parsed {
                                value: extreme(By::Count(thing.value.clone())),
                                end: thing.end,
                                score: score + thing.score,
                            });
                        }
                    }
                }
                for end in self.ends(start, Word::Highest(high)) {
                    let score = score + Self::function(start, end) * 1.2;
                    for number in self.numbers(end) {
                        let mut from = vec![(number.end, 0.0)];
                        from.extend(
                            self.ends(number.end, Word::Highest(high))
                                .map(|e| (e, Self::function(number.end, e))),
                        );
                        for (from, more) in from {
                            for attribute in self.attributes(from) {
                                let mut value = extreme(By::Column(attribute.value));
                                value.rows = number.value.limit();
                                all.push(Parsed {
                                    value,
                                    end: attribute.end,
                                    score: score + number.score + more + attribute.score,
                                });
                            }
                        }
                    }
                    for attribute in self
                        .of(end)
                        .into_iter()
                        .flat_map(|from| self.attributes(from))
                    {
                        all.push(Parsed {
                            value: extreme(By::Column(attribute.value)),
                            end: attribute.end,
                            score: score + attribute.score,
                        });
                    }
                    for (aggregate, inner) in self.aggregates(end) {
                        for attribute in self.attributes(inner) {
                            all.push(Parsed {
                                value: extreme(By::Aggregate(aggregate, attribute.value)),
                                end: attribute.end,
                                score: score + Self::function(end, inner) + attribute.score,
                            });
                        }
                    }
                }
            }
        }
        pruned(all, 24)
    }
}
