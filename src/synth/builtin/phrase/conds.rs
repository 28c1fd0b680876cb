//! What narrows rows: "who live in Boston", "with more than two pets", "older than the average".

use std::rc::Rc;

use crate::synth::builtin::lattice::Kind;
use crate::synth::builtin::query::Comparison;
use crate::synth::builtin::sketch::{Attribute, EdgeId};

use super::parser::{FUNCTION, Many, PASSED, Parsed, Parser, pruned};
use super::tree::{Cond, Conj, Noun, Operand, Test, Thing};
use super::words::Word;

/// Readings kept of the conditions that begin at one token.
const CONDS_MAX: usize = 24;
/// Readings kept of the lists of conditions that begin at one token.
const LISTS_MAX: usize = 24;
/// Conditions in one list at most.
const LIST_MAX: usize = 4;
/// Words that link a noun to what narrows it, at most.
const LINKS_MAX: usize = 14;

/// The small words before a condition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links {
    pub(super) end: usize,
    pub(super) negated: bool,
    pub(super) score: f32,
}

impl Parser<'_> {
    /// Lists of conditions, one at least.
    pub(super) fn lists(&self, at: usize) -> Many<Vec<Cond>> {
        if let Some(known) = self.lists.borrow().get(&at) {
            return Rc::clone(known);
        }
        self.lists.borrow_mut().insert(at, Rc::from([]));
        let mut all: Vec<Parsed<Vec<Cond>>> = Vec::new();
        let mut grown = vec![Parsed {
            value: Vec::new(),
            end: at,
            score: 0.0,
        }];
        for _ in 0..LIST_MAX {
            let mut next = Vec::new();
            for list in &grown {
                next.extend(self.one_more(list));
            }
            grown = pruned(next, LISTS_MAX);
            all.extend(grown.iter().cloned());
        }
        let all: Many<Vec<Cond>> = pruned(all, LISTS_MAX).into();
        self.lists.borrow_mut().insert(at, Rc::clone(&all));
        all
    }

    fn one_more(&self, list: &Parsed<Vec<Cond>>) -> Vec<Parsed<Vec<Cond>>> {
        let mut next = Vec::new();
        for (at, join, score) in self.joints(list.end, list.value.is_empty()) {
            for cond in self.conds(at).iter() {
                let mut value = list.value.clone();
                let mut cond_value = cond.value.clone();
                cond_value.join = match (join, cond_value.join) {
                    (Conj::And, Conj::Also) => Conj::Also,
                    (join, _) => join,
                };
                value.push(cond_value);
                next.push(Parsed {
                    value,
                    end: cond.end,
                    score: list.score + score + cond.score,
                });
            }
        }
        next
    }

    /// "and", "or", "but also", or nothing, with where the next phrase begins.
    pub(super) fn joints(&self, at: usize, first: bool) -> Vec<(usize, Conj, f32)> {
        let mut all = vec![(at, Conj::None, 0.0)];
        if first {
            all.extend(
                self.ends(at, Word::Both)
                    .map(|end| (end, Conj::Also, FUNCTION)),
            );
            all.extend(
                self.ends(at, Word::Either)
                    .map(|end| (end, Conj::None, FUNCTION)),
            );
            return all;
        }
        for &(word, end) in self.closed(at) {
            let join = match word {
                Word::And => Conj::And,
                Word::Or => Conj::Or,
                Word::But => Conj::Also,
                _ => continue,
            };
            let score = Self::function(at, end);
            all.push((end, join, score));
            // "and also", "but also", "or either"
            for after in self
                .ends(end, Word::Filler)
                .chain(self.ends(end, Word::Both))
            {
                let join = if join == Conj::And { Conj::Also } else { join };
                all.push((after, join, score + PASSED));
            }
        }
        all
    }

    /// One condition.
    pub(super) fn conds(&self, at: usize) -> Many<Cond> {
        if let Some(known) = self.conds.borrow().get(&at) {
            return Rc::clone(known);
        }
        self.conds.borrow_mut().insert(at, Rc::from([]));
        let mut all = Vec::new();
        for links in self.links(at) {
            for mut body in self.bodies(links.end) {
                body.value.negated ^= links.negated;
                body.score += links.score;
                all.push(body);
            }
        }
        let all: Many<Cond> = pruned(all, CONDS_MAX).into();
        self.conds.borrow_mut().insert(at, Rc::clone(&all));
        all
    }

    /// Relative words, prepositions, auxiliaries and verbs that the schema need not know.
    pub(super) fn links(&self, at: usize) -> Vec<Links> {
        let mut all = vec![Links {
            end: at,
            negated: false,
            score: 0.0,
        }];
        let mut next = 0;
        while next < all.len() && all.len() < LINKS_MAX * 3 {
            let from = all[next];
            next += 1;
            if from.end >= self.count()
                || from.end >= at + 7
                || from.end > at && self.breaks.contains(&from.end)
            {
                continue;
            }
            let mut put = |end: usize, negated: bool, score: f32| match all
                .iter_mut()
                .find(|l| l.end == end && l.negated == negated)
            {
                Some(known) => known.score = known.score.max(score),
                None => all.push(Links {
                    end,
                    negated,
                    score,
                }),
            };
            for &(word, end) in self.closed(from.end) {
                let length = (end - from.end) as f32;
                match word {
                    Word::Link | Word::Of | Word::With => {
                        put(end, from.negated, from.score + FUNCTION * 0.6 * length);
                    }
                    Word::Whose if length > 1.0 || self.word(from.end) == "whose" => {
                        put(end, from.negated, from.score + FUNCTION * 0.6 * length);
                    }
                    Word::Det | Word::Filler | Word::Both | Word::Either | Word::Their => {
                        put(end, from.negated, from.score + PASSED * length);
                    }
                    Word::Not if self.word(end) == "only" => {}
                    Word::Not | Word::Without if !from.negated => {
                        put(end, true, from.score + FUNCTION * length);
                    }
                    _ => {}
                }
            }
            let pass = self.pass(from.end);
            let named = self.edges(from.end).any(|(_, e)| {
                e.quality > 0.6
                    && (matches!(e.kind, Kind::Noun(_) | Kind::Attribute(_)) || self.is_value(e))
                    && e.end == e.start + 1
            });
            let small = self
                .closed(from.end)
                .iter()
                .any(|(_, end)| *end == from.end + 1);
            if !named && !small && pass > -1.1 || super::words::is_verbal(self.word(from.end)) {
                put(from.end + 1, from.negated, from.score + pass);
            }
        }
        all.sort_by(|a, b| b.score.total_cmp(&a.score));
        all.truncate(LINKS_MAX);
        all
    }

    fn bodies(&self, at: usize) -> Vec<Parsed<Cond>> {
        let mut all = Vec::new();
        if at >= self.count() {
            return all;
        }
        self.by_value(at, &mut all);
        self.by_column(at, &mut all);
        self.by_number(at, &mut all);
        self.by_grade(at, &mut all);
        self.by_more(at, &mut all);
        self.by_text(at, &mut all);
        for thing in self.things(at).iter() {
            if thing.value.noun == Noun::Implied || thing.value.limit.is_some() {
                continue;
            }
            if let Noun::Column(_) = thing.value.noun
                && thing.value.conds.is_empty()
            {
                continue;
            }
            // Of what a verb names, nothing more is said as a rule.
            let verbal = super::words::is_verbal(self.word(at))
                && matches!(
                    thing.value.conds[..],
                    [Cond {
                        test: Test::Has(_, Some(_)),
                        ..
                    }]
                );
            all.push(thing_cond(thing, None, if verbal { -1.6 } else { 0.0 }));
        }
        self.by_times(at, &mut all);
        for extreme in self.extremes(at) {
            all.push(Parsed {
                value: Cond::new(Test::Extreme(extreme.value)),
                end: extreme.end,
                score: extreme.score,
            });
        }
        for (id, edge) in self.edges(at) {
            let test = match &edge.kind {
                Kind::Date(_) => {
                    self.dated(None, id, edge.end, Self::reward(edge), false, &mut all);
                    continue;
                }
                Kind::Flag(_) => Test::Flag(id),
                _ => continue,
            };
            all.push(Parsed {
                value: Cond::new(test),
                end: edge.end,
                score: Self::reward(edge),
            });
        }
        pruned(all, CONDS_MAX)
    }

    /// "in 2014", "in 2014 or later".
    pub(super) fn dated(
        &self,
        attribute: Option<Attribute>,
        date: EdgeId,
        at: usize,
        score: f32,
        negated: bool,
        all: &mut Vec<Parsed<Cond>>,
    ) {
        let mut put = |beyond, end, score| {
            let mut cond = Cond::new(Test::During(attribute, date, beyond));
            cond.negated = negated;
            all.push(Parsed {
                value: cond,
                end,
                score,
            });
        };
        put(None, at, score);
        if self.word(at) == "or" {
            match self.word(at + 1) {
                "after" | "later" | "afterwards" => {
                    put(
                        Some(Comparison::GreaterOrEqual),
                        at + 2,
                        score + 2.0 * FUNCTION,
                    );
                }
                "before" | "earlier" => {
                    put(
                        Some(Comparison::LessOrEqual),
                        at + 2,
                        score + 2.0 * FUNCTION,
                    );
                }
                _ => {}
            }
        }
    }

    /// A token, and the tokens behind one preposition or article.
    pub(super) fn small(&self, at: usize) -> Vec<usize> {
        let mut all = vec![at];
        for &(word, end) in self.closed(at) {
            if matches!(word, Word::Link | Word::Det | Word::Of) && !all.contains(&end) {
                all.push(end);
            }
        }
        all
    }

    /// A token, and the one behind "of" and articles.
    pub(super) fn of(&self, at: usize) -> Vec<usize> {
        let mut all = vec![at];
        for word in ["different", "distinct", "of", "kinds", "types", "unique"] {
            let last = *all.last().expect("it begins with one");
            if self.word(last) == word {
                all.push(last + 1);
            }
        }
        all
    }
}

pub(super) fn thing_cond(
    thing: &Parsed<Thing>,
    count: Option<(Comparison, Operand)>,
    score: f32,
) -> Parsed<Cond> {
    Parsed {
        value: Cond::new(Test::Has(Box::new(thing.value.clone()), count)),
        end: thing.end,
        score: score + thing.score,
    }
}

impl Conj {
    /// Whether the condition may be about other rows than the one before.
    pub(super) fn is_apart(self) -> bool {
        matches!(self, Self::And | Self::Also)
    }
}
