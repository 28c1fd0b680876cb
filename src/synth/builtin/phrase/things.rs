//! Nouns with what stands around them: "the three oldest French singers who won a prize".

use std::rc::Rc;

use crate::synth::builtin::english::Degree;
use crate::synth::builtin::lattice::Kind;
use crate::synth::builtin::query::Limit;
use crate::synth::builtin::sketch::Attribute;

use super::parser::{CONTENT, FUNCTION, Many, Parsed, Parser, pruned};
use super::tree::{By, Cond, Extreme, Noun, Test, Thing};
use super::words::Word;

/// Readings kept of the things that begin at one token.
const THINGS_MAX: usize = 24;
/// Words before a noun at most.
const BEFORE_MAX: usize = 4;
/// A column taken for its different values is a second choice to rows.
const COLUMN_NOUN: f32 = -0.3;
/// A stored value that stands for whoever has it.
const VALUE_NOUN: f32 = -0.4;

/// What stands before a noun, on its way.
#[derive(Clone, Debug, Default)]
struct Before {
    end: usize,
    conds: Vec<Cond>,
    limit: Option<Limit>,
    score: f32,
    passed: bool,
}

impl Parser<'_> {
    /// Things with whatever follows and narrows them.
    pub(super) fn things(&self, at: usize) -> Many<Thing> {
        if let Some(known) = self.things.borrow().get(&at) {
            return Rc::clone(known);
        }
        // Against a question that nests without end: what begins here is not part of itself.
        self.things.borrow_mut().insert(at, Rc::from([]));
        let mut all = Vec::new();
        for bare in self.bare(at) {
            for more in self.lists(bare.end).iter() {
                let mut thing = bare.value.clone();
                thing.conds.extend(more.value.iter().cloned());
                all.push(Parsed {
                    value: thing,
                    end: more.end,
                    score: bare.score + more.score,
                });
            }
            all.push(bare);
        }
        let all: Many<Thing> = pruned(all, THINGS_MAX).into();
        self.things.borrow_mut().insert(at, Rc::clone(&all));
        all
    }

    /// Things without what follows them.
    pub(super) fn bare(&self, at: usize) -> Vec<Parsed<Thing>> {
        let mut all = Vec::new();
        for dets in self.dets(at) {
            for before in self.before(dets.end) {
                let base = |noun| Thing {
                    noun,
                    conds: before.conds.clone(),
                    limit: before.limit.clone(),
                    distinct: dets.distinct,
                    each: dets.each,
                };
                let score = dets.score + before.score;
                for (id, edge) in self.edges(before.end) {
                    match &edge.kind {
                        Kind::Noun(_) => {
                            all.push(Parsed {
                                value: base(Noun::Rows(id)),
                                end: edge.end,
                                score: score + Self::reward(edge),
                            });
                            self.apposed(
                                &mut all,
                                base(Noun::Rows(id)),
                                edge.end,
                                score + Self::reward(edge),
                            );
                        }
                        Kind::Attribute(_) => all.push(Parsed {
                            value: base(Noun::Column(Attribute { edge: id, of: None })),
                            end: edge.end,
                            score: score + Self::reward(edge) + COLUMN_NOUN,
                        }),
                        _ => {}
                    }
                }
                // "Alice" for whoever is called so.
                let values = before
                    .conds
                    .iter()
                    .any(|c| matches!(c.test, Test::Values(..)));
                if values && !before.passed {
                    all.push(Parsed {
                        value: base(Noun::Implied),
                        end: before.end,
                        score: score + VALUE_NOUN,
                    });
                }
            }
        }
        pruned(all, THINGS_MAX)
    }

    /// "tv channel", "student record": a second noun that goes with the first says nothing new.
    fn apposed(&self, all: &mut Vec<Parsed<Thing>>, thing: Thing, at: usize, score: f32) {
        for (id, edge) in self.edges(at) {
            // Both may be one name together, and then they are.
            let first = match thing.noun {
                Noun::Rows(first) => self.lattice.edges[first].start,
                _ => at,
            };
            let together = self.edges(first).any(|(_, e)| {
                matches!(e.kind, Kind::Noun(_)) && e.end == edge.end && e.quality > 0.6
            });
            if let Kind::Noun(_) = edge.kind
                && thing.noun != Noun::Rows(id)
                && !together
            {
                // The later noun is the head, the first one belongs to it: "student pets".
                let inner = Thing::of(thing.noun);
                let mut outer = thing.clone();
                outer.noun = Noun::Rows(id);
                all.push(Parsed {
                    value: outer.clone(),
                    end: edge.end,
                    score: score + Self::reward(edge) - 0.6,
                });
                outer
                    .conds
                    .push(Cond::new(Test::Has(Box::new(inner), None)));
                all.push(Parsed {
                    value: outer,
                    end: edge.end,
                    score: score + Self::reward(edge) - 0.7,
                });
            }
        }
    }

    fn before(&self, at: usize) -> Vec<Before> {
        let mut all = vec![Before {
            end: at,
            ..Before::default()
        }];
        let mut next = 0;
        while next < all.len() && all.len() < 24 {
            let from = all[next].clone();
            next += 1;
            if from.conds.len() + usize::from(from.passed) >= BEFORE_MAX {
                continue;
            }
            self.one_before(&from, &mut all);
        }
        all
    }

    fn one_before(&self, from: &Before, all: &mut Vec<Before>) {
        let at = from.end;
        let with = |cond: Cond, end: usize, score: f32| {
            let mut more = from.clone();
            more.conds.push(cond);
            more.end = end;
            more.score += score;
            more
        };
        for extreme in self.adjectives(at) {
            all.push(with(
                Cond::new(Test::Extreme(extreme.value)),
                extreme.end,
                extreme.score,
            ));
        }
        for (id, edge) in self.edges(at) {
            let reward = Self::reward(edge);
            match &edge.kind {
                Kind::Value(_) if self.is_value(edge) => all.push(with(
                    Cond::new(Test::Values(vec![id], None, false)),
                    edge.end,
                    reward,
                )),
                Kind::Flag(_) => all.push(with(Cond::new(Test::Flag(id)), edge.end, reward)),
                Kind::Date(_) if from.conds.is_empty() => {
                    all.push(with(
                        Cond::new(Test::During(None, id, None)),
                        edge.end,
                        CONTENT * (edge.end - edge.start) as f32,
                    ));
                }
                _ => {}
            }
        }
        if from.limit.is_none() {
            for (top, end) in [true, false]
                .into_iter()
                .flat_map(|top| self.ends(at, Word::Top(top)).map(move |end| (top, end)))
            {
                for number in self.numbers(end) {
                    if !top {
                        continue;
                    }
                    let mut more = from.clone();
                    more.limit = number.value.limit();
                    more.end = number.end;
                    more.score += FUNCTION * (end - at) as f32 + number.score;
                    all.push(more);
                }
            }
        }
        let pass = self.pass(at.min(self.count().saturating_sub(1)));
        let word = at < self.count()
            && self.closed(at).is_empty()
            && !self.breaks.contains(&at)
            && self
                .edges(at)
                .all(|(_, e)| matches!(e.kind, Kind::Unknown | Kind::Hint(_)));
        if word && !from.passed && pass >= -1.1 {
            let mut more = from.clone();
            more.end = at + 1;
            more.score += pass;
            more.passed = true;
            all.push(more);
        }
    }

    /// "three oldest", "oldest three", "most common".
    pub(super) fn adjectives(&self, at: usize) -> Vec<Parsed<Extreme>> {
        let mut all = Vec::new();
        let mut starts = vec![(at, None, 0.0)];
        starts.extend(
            self.numbers(at)
                .into_iter()
                .map(|n| (n.end, n.value.limit(), n.score)),
        );
        for (start, rows, score) in starts {
            let mut found: Vec<(By, bool, usize, f32)> = Vec::new();
            for (_, edge) in self.edges(start) {
                if let Kind::Graded(graded) = &edge.kind
                    && graded.degree == Degree::Superlative
                {
                    let reward = CONTENT * 0.9 * (edge.end - edge.start) as f32;
                    found.push((
                        By::Graded(graded.adjective),
                        graded.adjective.high,
                        edge.end,
                        reward,
                    ));
                }
            }
            for high in [true, false] {
                for end in self.ends(start, Word::Common(high)) {
                    let reward = CONTENT * 0.8 * (end - start) as f32;
                    found.push((By::Frequency, high, end, reward));
                    // "most frequently ordered product"
                    if super::words::is_verbal(self.word(end)) {
                        found.push((By::Frequency, high, end + 1, reward + 0.2));
                    }
                }
            }
            for (by, descending, end, reward) in found {
                let extreme = |rows| Extreme {
                    by: by.clone(),
                    descending,
                    rows,
                };
                all.push(Parsed {
                    value: extreme(rows.clone()),
                    end,
                    score: score + reward,
                });
                if rows.is_none() {
                    for number in self.numbers(end) {
                        all.push(Parsed {
                            value: extreme(number.value.limit()),
                            end: number.end,
                            score: score + reward + number.score,
                        });
                    }
                }
            }
        }
        all
    }
}
