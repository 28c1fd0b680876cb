//! What a column is said to hold: "from France or Spain", "whose age is above 20", "without an address".

use crate::synth::builtin::english::Affix;
use crate::synth::builtin::lattice::Kind;
use crate::synth::builtin::sketch::{Attribute, EdgeId};

use super::parser::{CONTENT, FUNCTION, Parsed, Parser, pruned};
use super::tree::{By, Cond, Conj, Extreme, Left, Test};
use super::words::Word;

/// A column that is only said to be there.
const FILLED: f32 = 0.7;

impl Parser<'_> {
    /// "France", "France or Spain".
    pub(super) fn by_value(&self, at: usize, all: &mut Vec<Parsed<Cond>>) {
        for list in self.values(at) {
            let (edges, both) = list.value;
            let test = Test::Values(edges.clone(), None, both);
            all.push(Parsed {
                value: Cond::new(test),
                end: list.end,
                score: list.score,
            });
            // "the Boston area": the column is named behind its value.
            for (id, edge) in self.edges(list.end) {
                if let Kind::Attribute(_) = edge.kind {
                    let attribute = Attribute { edge: id, of: None };
                    all.push(Parsed {
                        value: Cond::new(Test::Values(edges.clone(), Some(attribute), both)),
                        end: edge.end,
                        score: list.score + Self::reward(edge),
                    });
                }
            }
        }
    }

    /// Stored values, joined by "or" or "and" (true).
    pub(super) fn values(&self, at: usize) -> Vec<Parsed<(Vec<EdgeId>, bool)>> {
        let mut all: Vec<Parsed<(Vec<EdgeId>, bool)>> = Vec::new();
        let mut grown: Vec<Parsed<(Vec<EdgeId>, bool)>> = Vec::new();
        for dets in self.dets(at) {
            for (id, edge) in self.edges(dets.end) {
                // "reported by" is what somebody did, not how something stands.
                let done = self.word(edge.end) == "by"
                    && edge.end == edge.start + 1
                    && super::words::is_verbal(self.word(edge.start));
                if self.is_value(edge) && !done {
                    grown.push(Parsed {
                        value: (vec![id], false),
                        end: edge.end,
                        score: Self::reward(edge) + dets.score,
                    });
                }
            }
        }
        for _ in 0..4 {
            all.extend(grown.iter().cloned());
            let mut next = Vec::new();
            for list in &grown {
                for (from, join, score) in self.joints(list.end, false) {
                    if !matches!(join, Conj::And | Conj::Or) {
                        continue;
                    }
                    let columns = self.lattice.columns_of_values(list.value.0[0]);
                    for start in self.small(from) {
                        for (id, edge) in self.edges(start) {
                            let same = self.is_value(edge)
                                && self
                                    .lattice
                                    .columns_of_values(id)
                                    .iter()
                                    .any(|c| columns.contains(c));
                            if !same {
                                continue;
                            }
                            let mut edges = list.value.0.clone();
                            edges.push(id);
                            let comma = self.word(list.end) == ",";
                            let both = match join {
                                Conj::Or => false,
                                _ if comma && list.value.0.len() > 1 => list.value.1,
                                _ => true,
                            };
                            next.push(Parsed {
                                value: (edges, both),
                                end: edge.end,
                                score: list.score + score + Self::reward(edge) + 0.2,
                            });
                        }
                    }
                }
            }
            if next.is_empty() {
                break;
            }
            grown = pruned(next, 6);
        }
        all
    }

    /// "age above 20", "whose name contains 'x'".
    pub(super) fn by_column(&self, at: usize, all: &mut Vec<Parsed<Cond>>) {
        for attribute in self.attributes(at) {
            self.tests(attribute.value, attribute.end, attribute.score, all);
            // "who have votes": the column is filled in. "who have placed" says no such thing.
            let deed = super::words::is_verbal(self.word(attribute.end - 1));
            if !deed
                && matches!(
                    self.word(at.saturating_sub(1)),
                    "have" | "has" | "had" | "with" | "any" | "a" | "an" | "some"
                )
            {
                let mut filled = Cond::new(Test::Missing(attribute.value));
                filled.negated = true;
                all.push(Parsed {
                    value: filled,
                    end: attribute.end,
                    score: attribute.score - FILLED,
                });
            }
        }
        for (aggregate, end) in self.aggregates(at) {
            for attribute in self.attributes(end) {
                let left = Left::Aggregate(aggregate, attribute.value);
                let score = Self::function(at, end) + attribute.score;
                self.compared(&left, attribute.end, score, all);
            }
        }
    }

    /// A column, with the noun that it is said to belong to.
    pub(super) fn attributes(&self, at: usize) -> Vec<Parsed<Attribute>> {
        let mut all = Vec::new();
        for dets in self.dets(at).into_iter().filter(|d| !d.distinct && !d.each) {
            for (id, edge) in self.edges(dets.end) {
                let score = dets.score + Self::reward(edge);
                match &edge.kind {
                    Kind::Attribute(_) => all.push(Parsed {
                        value: Attribute { edge: id, of: None },
                        end: edge.end,
                        score,
                    }),
                    Kind::Noun(_) => {
                        let mut starts = vec![(edge.end, 0.0)];
                        starts.extend(self.ends(edge.end, Word::Distinct).map(|e| (e, FUNCTION)));
                        for (start, more) in starts {
                            for (own, column) in self.edges(start) {
                                if let Kind::Attribute(_) = column.kind {
                                    all.push(Parsed {
                                        value: Attribute {
                                            edge: own,
                                            of: Some(id),
                                        },
                                        end: column.end,
                                        score: score + more + Self::reward(column),
                                    });
                                }
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
        pruned(all, 16)
    }

    /// What is said of a column.
    fn tests(&self, attribute: Attribute, at: usize, score: f32, all: &mut Vec<Parsed<Cond>>) {
        let put = |all: &mut Vec<Parsed<Cond>>, test, negated, end, score| {
            let mut cond = Cond::new(test);
            cond.negated = negated;
            all.push(Parsed {
                value: cond,
                end,
                score,
            });
        };
        self.compared(&Left::Column(attribute), at, score, all);
        for link in self.links(at) {
            let near = link.end <= at + 4;
            let score = score + link.score;
            let (from, negated) = (link.end, link.negated);
            if !near || from >= self.count() {
                continue;
            }
            for list in self.values(from) {
                let (edges, both) = list.value;
                let test = Test::Values(edges, Some(attribute), both);
                put(all, test, negated, list.end, score + list.score + 0.3);
            }
            for text in self.texts(from) {
                let test = Test::Named(Some(attribute), text.value);
                put(all, test, negated, text.end, score + text.score);
            }
            for (id, edge) in self.edges(from) {
                if let Kind::Date(_) = edge.kind {
                    let score = score + Self::reward(edge);
                    self.dated(Some(attribute), id, edge.end, score, negated, all);
                }
            }
            for affix in [Affix::Prefix, Affix::Suffix, Affix::Inside] {
                for end in self.ends(from, Word::Like(affix)) {
                    for text in self.patterns(end) {
                        let test = Test::Like(Some(attribute), affix, text.value);
                        let score = score + Self::function(from, end) + text.score;
                        put(all, test, negated, text.end, score);
                    }
                }
            }
            for end in self.ends(from, Word::Missing) {
                let score = score + CONTENT * (end - from) as f32;
                put(all, Test::Missing(attribute), negated, end, score);
            }
            for end in self.ends(from, Word::Filled) {
                let score = score + CONTENT * (end - from) as f32;
                put(all, Test::Missing(attribute), !negated, end, score);
            }
            for high in [true, false] {
                for end in self.ends(from, Word::Highest(high)) {
                    let extreme = Extreme {
                        by: By::Column(attribute),
                        descending: high,
                        rows: None,
                    };
                    let score = score + Self::function(from, end);
                    put(all, Test::Extreme(extreme), negated, end, score);
                }
            }
        }
        // "with missing email"
        if at >= 2 {
            for start in at.saturating_sub(3)..at {
                let before = self
                    .ends(start, Word::Missing)
                    .any(|end| end == self.lattice.edges[attribute.edge].start);
                if before {
                    put(all, Test::Missing(attribute), false, at, score);
                }
            }
        }
    }
}
