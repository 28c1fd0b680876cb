//! The whole question: what is shown, of which rows, in which groups and order.

use super::items::OUTPUTS_MAX;
use super::parser::{Parsed, Parser};
use super::tree::{By, Noun, Output, Query, Test, Thing};
use super::words::Word;

/// Readings on their way kept at one token.
const BEAM_MAX: usize = 20;
/// Readings handed on.
const QUERIES_MAX: usize = 14;
/// Something shown that is said only behind what narrows the rows.
const LATE: f32 = -0.6;

/// A reading on its way.
#[derive(Clone, Debug)]
struct State {
    query: Query,
    score: f32,
    /// It is known what is shown.
    asked: bool,
    /// It is known of which rows.
    headed: bool,
}

impl Parser<'_> {
    /// The best readings of the whole question.
    pub(super) fn queries(&self) -> Vec<Parsed<Query>> {
        let count = self.count();
        let mut beams: Vec<Vec<State>> = vec![Vec::new(); count + 1];
        for (at, score) in self.leads(0) {
            beams[at].push(State {
                query: Query::default(),
                score,
                asked: false,
                headed: false,
            });
        }
        for at in 0..count {
            let mut beam = std::mem::take(&mut beams[at]);
            prune(&mut beam);
            for state in &beam {
                for next in self.steps(state, at) {
                    beams[next.end].push(next.value);
                }
            }
        }
        let mut last = beams.pop().unwrap_or_default();
        last.retain(|s| s.asked);
        prune(&mut last);
        last.truncate(QUERIES_MAX);
        last.into_iter()
            .map(|s| Parsed {
                value: s.query,
                end: count,
                score: s.score,
            })
            .collect()
    }

    fn steps(&self, state: &State, at: usize) -> Vec<Parsed<State>> {
        let mut all = Vec::new();
        let base = |end: usize, more: f32| {
            let mut next = state.clone();
            next.score += more;
            Parsed {
                value: next,
                end,
                score: 0.0,
            }
        };
        if !state.asked {
            for items in self.items(at) {
                let mut next = base(items.end, items.score);
                let state = &mut next.value;
                state.asked = true;
                state.query.outputs = items.value.outputs;
                state.query.distinct = items.value.distinct;
                if let Some(head) = items.value.head {
                    if state.headed {
                        continue;
                    }
                    state.query.head = head;
                    state.headed = true;
                }
                state.query.head.conds.extend(items.value.conds);
                all.push(next);
            }
        }
        self.heads(state, at, &base, &mut all);
        for (from, join, score) in self.joints(at, state.query.head.conds.is_empty()) {
            for cond in self.conds(from).iter() {
                if !state.asked && !state.headed {
                    continue;
                }
                let mut next = base(cond.end, score + cond.score);
                let mut value = cond.value.clone();
                value.join = join;
                next.value.query.head.conds.push(value);
                all.push(next);
            }
        }
        for groups in self.groups(at) {
            let mut next = base(groups.end, groups.score);
            next.value.query.groups.extend(groups.value);
            for (end, score) in self.leads(groups.end) {
                let mut next = next.clone();
                if !state.asked {
                    next.value.score += score;
                    next.end = end;
                    all.push(next);
                } else if end == groups.end {
                    all.push(next);
                }
            }
        }
        for order in self.orders(at) {
            if state.query.order.is_empty() {
                let mut next = base(order.end, order.score);
                next.value.query.order = order.value;
                for (end, score) in self.leads(order.end) {
                    let mut next = next.clone();
                    if !state.asked {
                        next.value.score += score;
                        next.end = end;
                        all.push(next);
                    } else if end == order.end {
                        all.push(next);
                    }
                }
            }
        }
        if state.asked && state.query.outputs.len() < OUTPUTS_MAX {
            self.more_items(state, at, &base, &mut all);
        }
        all.push(base(at + 1, self.pass(at)));
        all
    }

    /// "of the students", "for all students": whose the things shown are.
    fn heads(
        &self,
        state: &State,
        at: usize,
        base: &impl Fn(usize, f32) -> Parsed<State>,
        all: &mut Vec<Parsed<State>>,
    ) {
        if state.headed {
            return;
        }
        let mut starts: Vec<(usize, f32)> = Vec::new();
        for &(word, end) in self.closed(at) {
            let score = Self::function(at, end);
            match word {
                Word::Among if !state.asked => starts.push((end, score)),
                Word::Of | Word::Each if state.asked => starts.push((end, score)),
                Word::Link | Word::With if state.asked => starts.push((end, score * 0.5)),
                _ => {}
            }
        }
        let more: Vec<(usize, f32)> = starts
            .iter()
            .flat_map(|(start, score)| {
                self.closed(*start)
                    .iter()
                    .filter(|(w, _)| matches!(w, Word::Each))
                    .map(move |(_, end)| (*end, score + Self::function(*start, *end)))
            })
            .collect();
        starts.extend(more);
        for (start, score) in starts {
            let each = self
                .closed(at)
                .iter()
                .any(|(w, end)| *w == Word::Each && *end == start);
            for thing in self.bare(start) {
                if let Noun::Column(_) = thing.value.noun
                    && thing.value.conds.is_empty()
                {
                    continue;
                }
                let mut next = base(thing.end, score + thing.score);
                let conds = std::mem::take(&mut next.value.query.head.conds);
                next.value.query.head = thing.value;
                next.value.query.head.each |= each;
                next.value.query.head.conds.extend(conds);
                next.value.headed = true;
                if !state.asked {
                    for (end, score) in self.leads(thing.end) {
                        let mut next = next.clone();
                        next.end = end;
                        next.value.score += score;
                        all.push(next);
                    }
                    continue;
                }
                all.push(next);
            }
        }
    }

    /// "and the number of ...", and what a second sentence wants shown.
    fn more_items(
        &self,
        state: &State,
        at: usize,
        base: &impl Fn(usize, f32) -> Parsed<State>,
        all: &mut Vec<Parsed<State>>,
    ) {
        let mut starts = Vec::new();
        for &(word, end) in self.closed(at) {
            if word == Word::And || word == Word::Their {
                starts.push((end, Self::function(at, end), false));
            }
        }
        if self.breaks.contains(&at) {
            starts.extend(
                self.leads(at)
                    .into_iter()
                    .map(|(end, score)| (end, score, true)),
            );
        }
        let extreme = state.query.head.conds.iter().any(
            |c| matches!(&c.test, Test::Extreme(e) if matches!(e.by, By::Count(_) | By::Frequency)),
        );
        for &(start, score, _) in starts.iter().filter(|_| extreme) {
            for end in self.ends(start, Word::Count) {
                for (end, more) in self.echo(end) {
                    let mut next = base(end, score + Self::function(start, end) + more);
                    next.value.query.outputs.push(Output::Same);
                    all.push(next);
                }
            }
        }
        for (start, score, sentence) in starts {
            for items in self.items(start) {
                if items.value.head.is_some() && items.value.outputs.len() == 1 && !sentence {
                    continue;
                }
                let late = match sentence || state.query.head.conds.is_empty() {
                    true => 0.0,
                    false => LATE,
                };
                let mut next = base(items.end, score + items.score + late);
                let query = &mut next.value.query;
                let bare = query
                    .outputs
                    .iter()
                    .all(|o| matches!(o, Output::Rows | Output::Other(_)));
                if sentence && bare {
                    query.outputs.clear();
                }
                let counts = |o: &Output| matches!(o, Output::Count(_));
                let mut items = items;
                if sentence && query.outputs.iter().any(counts) {
                    // "How many ...? List the name and the number": it is the same number.
                    items.value.outputs.retain(|o| !counts(o));
                }
                for output in items.value.outputs {
                    match (output, &items.value.head) {
                        (
                            Output::Rows,
                            Some(Thing {
                                noun: Noun::Rows(edge),
                                ..
                            }),
                        ) => {
                            query.outputs.push(Output::Other(*edge));
                        }
                        (output, _) if !query.outputs.contains(&output) => {
                            query.outputs.push(output);
                        }
                        _ => {}
                    }
                }
                query.head.conds.extend(items.value.conds);
                if query.outputs.is_empty() {
                    continue;
                }
                all.push(next);
            }
        }
    }
}

fn prune(beam: &mut Vec<State>) {
    beam.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<State> = Vec::new();
    for state in beam.drain(..) {
        if kept.len() >= BEAM_MAX {
            break;
        }
        let known = kept
            .iter()
            .any(|k| k.asked == state.asked && k.query == state.query);
        if !known {
            kept.push(state);
        }
    }
    *beam = kept;
}
