//! The order that is asked for: "sorted by age in descending order", "from the youngest to the oldest".

use crate::synth::builtin::english::{self, Degree};
use crate::synth::builtin::lattice::Kind;
use crate::synth::builtin::sketch::Attribute;

use super::parser::{CONTENT, FUNCTION, Parsed, Parser, pruned};
use super::tree::By;
use super::words::Word;

impl Parser<'_> {
    /// "sorted by age in descending order", "from the youngest to the oldest".
    pub(super) fn orders(&self, at: usize) -> Vec<Parsed<Vec<(By, bool)>>> {
        let mut all = Vec::new();
        let mut starts = vec![(at, 0.0)];
        starts.extend(
            self.ends(at, Word::And)
                .map(|end| (end, FUNCTION * (end - at) as f32)),
        );
        for (at, before) in starts {
            let mut keyed: Vec<(usize, Option<bool>, f32)> = Vec::new();
            for end in self.ends(at, Word::OrderBy) {
                let score = before + Self::function(at, end);
                let sorts = matches!(self.word(0), "sort" | "order" | "rank" | "arrange")
                    && self.word(at) == "by";
                let plain = !sorts
                    && matches!(self.word(at), "by" | "from" | "in" | "listed")
                    && end <= at + 2;
                if !plain {
                    keyed.push((end, None, score));
                }
                // "list products by price descending"
                if plain && self.word(at) == "by" {
                    let mut found = Vec::new();
                    self.order_keys(end, None, score, &mut found);
                    let directed = |order: &Parsed<Vec<(By, bool)>>| {
                        (order.end.saturating_sub(4)..order.end).any(|start| {
                            [true, false].into_iter().any(|descending| {
                                self.ends(start, Word::Direction(descending))
                                    .any(|after| after == order.end)
                            })
                        })
                    };
                    all.extend(found.into_iter().filter(directed));
                }
                self.ends_of_scale(end, score, &mut all);
                for descending in [true, false] {
                    for after in self.ends(end, Word::Direction(descending)) {
                        let score = score + Self::function(end, after);
                        keyed.extend(self.by_of(after).map(|k| (k, Some(descending), score)));
                    }
                }
                for after in self.ends(end, Word::Alphabetical) {
                    let score = score + Self::function(end, after);
                    all.push(Parsed {
                        value: vec![(By::Shown, false)],
                        end: after,
                        score,
                    });
                    keyed.extend(self.by_of(after).map(|k| (k, Some(false), score)));
                }
            }
            self.ends_of_scale(at, before, &mut all);
            for descending in [true, false] {
                if let Some(end) = self.longest(at, Word::Direction(descending)) {
                    all.push(Parsed {
                        value: vec![(By::Shown, descending)],
                        end,
                        score: before + Self::function(at, end) - 0.3,
                    });
                }
                for end in self.ends(at, Word::Direction(descending)) {
                    let score = before + Self::function(at, end);
                    keyed.extend(self.by_of(end).map(|k| (k, Some(descending), score)));
                }
            }
            for end in self.ends(at, Word::Alphabetical) {
                let score = before + Self::function(at, end);
                keyed.extend(self.by_of(end).map(|k| (k, Some(false), score)));
                let mut descending = false;
                let mut after = end;
                for high in [true, false] {
                    if let Some(end) = self.longest(end, Word::Direction(high)) {
                        (descending, after) = (high, end);
                    }
                }
                all.push(Parsed {
                    value: vec![(By::Shown, descending)],
                    end: after,
                    score: score + FUNCTION * (after - end) as f32,
                });
            }
            for (start, direction, score) in keyed {
                self.order_keys(start, direction, score, &mut all);
            }
        }
        pruned(all, 24)
    }

    /// Behind "of" or "by", with articles.
    fn by_of(&self, at: usize) -> impl Iterator<Item = usize> + '_ {
        matches!(
            self.word(at),
            "of" | "by" | "on" | "for" | "in" | "according"
        )
        .then_some(at + 1 + usize::from(self.word(at) == "according"))
        .into_iter()
    }

    fn order_keys(
        &self,
        at: usize,
        direction: Option<bool>,
        score: f32,
        all: &mut Vec<Parsed<Vec<(By, bool)>>>,
    ) {
        let mut grown: Vec<Parsed<Vec<(By, bool)>>> = vec![Parsed {
            value: Vec::new(),
            end: at,
            score,
        }];
        for _ in 0..3 {
            let mut next = Vec::new();
            for keys in &grown {
                let starts = match keys.value.is_empty() {
                    true => vec![keys.end],
                    false => self.separated(keys.end),
                };
                for start in starts {
                    for key in self.order_key(start) {
                        for (end, told, more) in self.direction(key.end) {
                            let mut value = keys.value.clone();
                            let descending = told.or(direction).unwrap_or(false);
                            // A direction behind a key is that of this key alone.
                            value.push((key.value.clone(), descending));
                            next.push(Parsed {
                                value,
                                end,
                                score: keys.score + key.score + more,
                            });
                        }
                    }
                }
            }
            grown = pruned(next, 12);
            all.extend(grown.iter().cloned());
        }
    }

    fn direction(&self, at: usize) -> Vec<(usize, Option<bool>, f32)> {
        let mut all = vec![(at, None, 0.0)];
        for start in [at, at + usize::from(self.word(at) == ",")] {
            for descending in [true, false] {
                for end in self.ends(start, Word::Direction(descending)) {
                    all.push((end, Some(descending), Self::function(start, end)));
                }
            }
            for end in self.ends(start, Word::Alphabetical) {
                all.push((end, Some(false), Self::function(start, end)));
            }
            let mut pairs = Vec::new();
            self.ends_of_scale(start, 0.0, &mut pairs);
            all.extend(pairs.into_iter().map(|p| {
                let descending = p.value[0].1;
                (p.end, Some(descending), p.score)
            }));
        }
        all
    }

    fn order_key(&self, at: usize) -> Vec<Parsed<By>> {
        let mut all = Vec::new();
        for dets in self.dets(at) {
            let from = dets.end;
            for end in self.ends(from, Word::Count) {
                for start in self.after_of(end) {
                    for thing in self.bare(start) {
                        all.push(Parsed {
                            value: By::Count(thing.value),
                            end: thing.end,
                            score: dets.score + Self::function(from, end) + thing.score,
                        });
                    }
                }
            }
            for (aggregate, end) in self.aggregates(from) {
                for start in self.after_of(end) {
                    for attribute in self.attributes(start) {
                        all.push(Parsed {
                            value: By::Aggregate(aggregate, attribute.value),
                            end: attribute.end,
                            score: dets.score + Self::function(from, end) + attribute.score,
                        });
                    }
                }
            }
            if matches!(
                self.word(from),
                "count" | "frequency" | "counts" | "popularity"
            ) {
                all.push(Parsed {
                    value: By::Frequency,
                    end: from + 1,
                    score: dets.score + CONTENT * 0.8,
                });
            }
            for attribute in self.attributes(from) {
                let score = dets.score + attribute.score;
                self.owned(
                    attribute.clone(),
                    dets.score,
                    &mut |a: Attribute, end, score| {
                        all.push(Parsed {
                            value: By::Column(a),
                            end,
                            score,
                        });
                    },
                );
                all.push(Parsed {
                    value: By::Column(attribute.value),
                    end: attribute.end,
                    score,
                });
            }
        }
        pruned(all, 16)
    }

    /// "from the oldest to the youngest"
    fn ends_of_scale(&self, at: usize, score: f32, all: &mut Vec<Parsed<Vec<(By, bool)>>>) {
        let start = at + usize::from(self.word(at) == "from");
        let grade = |at: usize| {
            self.dets(at).into_iter().find_map(|dets| {
                let base = format!("{}est", self.word(dets.end));
                if let Some(graded) = english::graded(&[&base]) {
                    return Some((graded.adjective, dets.end + 1));
                }
                self.edges(dets.end).find_map(|(_, edge)| match &edge.kind {
                    Kind::Graded(graded) if graded.degree == Degree::Superlative => {
                        Some((graded.adjective, edge.end))
                    }
                    _ => None,
                })
            })
        };
        let Some((first, end)) = grade(start) else {
            return;
        };
        if self.word(end) != "to" {
            return;
        }
        let Some((_, end)) = grade(end + 1) else {
            return;
        };
        all.push(Parsed {
            value: vec![(By::Graded(first), first.high)],
            end,
            score: score + CONTENT * 2.0 + FUNCTION * 2.0,
        });
    }
}
