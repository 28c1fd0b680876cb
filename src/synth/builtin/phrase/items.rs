//! What is shown: "name and age", "the number of pets", "average and maximum salary", "how old".

use crate::synth::builtin::english::{self, Degree};
use crate::synth::builtin::lattice::Kind;
use crate::synth::builtin::query::Aggregate;
use crate::synth::builtin::sketch::Attribute;

use super::parser::{CONTENT, FUNCTION, Parsed, Parser, pruned};
use super::tree::{By, Cond, Extreme, Noun, Output, Test, Thing};
use super::words::{Wh, Word};

/// Things shown at most.
pub(super) const OUTPUTS_MAX: usize = 8;

/// Something shown, with what comes along with it.
#[derive(Clone, Debug, Default)]
pub(super) struct Items {
    pub(super) outputs: Vec<Output>,
    pub(super) head: Option<Thing>,
    pub(super) conds: Vec<Cond>,
    pub(super) distinct: bool,
}

impl Parser<'_> {
    /// Things shown, one or several.
    pub(super) fn items(&self, at: usize) -> Vec<Parsed<Items>> {
        let mut all: Vec<Parsed<Items>> = Vec::new();
        let mut grown = self.item(at);
        for _ in 0..OUTPUTS_MAX {
            all.extend(grown.iter().cloned());
            let mut next = Vec::new();
            for items in &grown {
                for start in self.separated(items.end) {
                    for item in self.item(start) {
                        let mut value = items.value.clone();
                        let new = item.value;
                        match (&value.head, new.head) {
                            (_, None) => value.outputs.extend(new.outputs),
                            (None, Some(head)) => {
                                value.outputs.extend(new.outputs);
                                value.head = Some(head);
                            }
                            (Some(_), Some(head)) => match head.noun {
                                Noun::Rows(edge) if head.conds.is_empty() => {
                                    value.outputs.push(Output::Other(edge));
                                }
                                _ => continue,
                            },
                        }
                        value.conds.extend(new.conds);
                        value.distinct |= new.distinct;
                        next.push(Parsed {
                            value,
                            end: item.end,
                            score: items.score + item.score + FUNCTION * (start - items.end) as f32,
                        });
                    }
                }
            }
            if next.is_empty() {
                break;
            }
            grown = pruned(next, 24);
        }
        pruned(all, 48)
    }

    pub(super) fn separated(&self, at: usize) -> Vec<usize> {
        let mut all: Vec<usize> = Vec::new();
        // "with the number of orders" shows the number.
        if self.word(at) == "with" {
            let start = at + 1 + usize::from(self.word(at + 1) == "the");
            if self.closed(start).iter().any(|(w, _)| *w == Word::Count) {
                all.push(at + 1);
            }
        }
        for &(word, end) in self.closed(at) {
            if word == Word::And && !all.contains(&end) {
                all.push(end);
                all.extend(
                    self.closed(end)
                        .iter()
                        .filter(|(w, _)| matches!(w, Word::And | Word::Filler))
                        .map(|(_, after)| *after),
                );
            }
        }
        all
    }

    fn item(&self, at: usize) -> Vec<Parsed<Items>> {
        let mut all = Vec::new();
        let put = |all: &mut Vec<Parsed<Items>>, value: Items, end, score| {
            all.push(Parsed { value, end, score });
        };
        for dets in self.dets(at) {
            let from = dets.end;
            let shown = |outputs: Vec<Output>| Items {
                outputs,
                distinct: dets.distinct,
                ..Items::default()
            };
            for end in self.ends(from, Word::Count) {
                for start in self.after_of(end) {
                    for thing in self.bare(start) {
                        let mut value = thing.value;
                        value.distinct |= dets.distinct;
                        let score = dets.score + Self::function(from, end) * 1.2 + thing.score;
                        let mut items = shown(vec![Output::Count(value)]);
                        items.distinct = false;
                        put(&mut all, items, thing.end, score);
                    }
                }
            }
            if matches!(self.word(from), "count" | "counts")
                || self.word(from) == "number"
                    && self.closed(from + 1).iter().any(|(w, _)| *w == Word::And)
            {
                let items = shown(vec![Output::Count(Thing::default())]);
                put(&mut all, items, from + 1, dets.score + CONTENT * 0.8);
            }
            self.aggregated(from, |outputs, end, score| {
                let mut items = shown(outputs);
                items.distinct = false;
                put(&mut all, items, end, dets.score + score);
            });
            for high in [true, false] {
                for end in self.ends(from, Word::Common(high)) {
                    for start in self.after_of(end) {
                        for attribute in self.attributes(start) {
                            let mut items = shown(vec![Output::Column(attribute.value)]);
                            items.conds.push(Cond::new(Test::Extreme(Extreme {
                                by: By::Frequency,
                                descending: high,
                                rows: None,
                            })));
                            let score =
                                dets.score + Self::function(from, end) * 1.5 + attribute.score;
                            put(&mut all, items, attribute.end, score);
                        }
                    }
                }
            }
            for attribute in self.attributes(from) {
                let items = shown(vec![Output::Column(attribute.value)]);
                // Where there are rows of that name, they are meant.
                let rows = self
                    .edges(from)
                    .filter(|(_, e)| matches!(e.kind, Kind::Noun(_)) && e.end == attribute.end)
                    .map(|(_, e)| e.quality)
                    .fold(0.0, f32::max);
                let loose = self.lattice.edges[attribute.value.edge].quality < rows - 0.05;
                // "alerts raised yesterday" does not ask for the day.
                let raised = attribute.value.of.is_some()
                    && super::words::is_verbal(self.word(attribute.end - 1));
                let rows = match rows > 0.85 {
                    // Nor does "shipments" mean `shipped_on`.
                    true if loose => -1.0,
                    true => -0.3,
                    false => 0.0,
                } + if raised { -1.2 } else { 0.0 };
                put(
                    &mut all,
                    items,
                    attribute.end,
                    dets.score + attribute.score + rows,
                );
                self.owned(
                    attribute,
                    dets.score,
                    &mut |attribute: Attribute, end, score| {
                        put(&mut all, shown(vec![Output::Column(attribute)]), end, score);
                    },
                );
            }
            for thing in self.bare(from) {
                if let Noun::Column(_) = thing.value.noun
                    && thing.value.conds.is_empty()
                    && thing.value.limit.is_none()
                {
                    continue;
                }
                if let Noun::Column(attribute) = thing.value.noun {
                    let mut items = shown(vec![Output::Column(attribute)]);
                    items.conds = thing.value.conds;
                    put(&mut all, items, thing.end, dets.score + thing.score);
                    continue;
                }
                let mut items = shown(vec![Output::Rows]);
                items.head = Some(thing.value);
                put(&mut all, items, thing.end, dets.score + thing.score);
            }
        }
        for end in self.ends(at, Word::Everything) {
            for thing in self.bare(end) {
                if let Noun::Column(_) = thing.value.noun {
                    continue;
                }
                let items = Items {
                    outputs: vec![Output::Everything],
                    head: Some(thing.value),
                    ..Items::default()
                };
                let score = Self::function(at, end) * 1.3 + thing.score;
                put(&mut all, items, thing.end, score);
            }
        }
        self.asked_for(at, &mut all);
        pruned(all, 32)
    }

    /// "name of the student": the noun belongs to this column, and others may follow that belong elsewhere.
    pub(super) fn owned(
        &self,
        attribute: Parsed<Attribute>,
        score: f32,
        put: &mut dyn FnMut(Attribute, usize, f32),
    ) {
        if attribute.value.of.is_some() {
            return;
        }
        for end in self.ends(attribute.end, Word::Of) {
            for dets in self.dets(end) {
                if dets.each {
                    continue;
                }
                for (noun, edge) in self.edges(dets.end) {
                    if let Kind::Noun(_) = edge.kind {
                        let value = Attribute {
                            of: Some(noun),
                            ..attribute.value
                        };
                        let score = score
                            + attribute.score
                            + Self::function(attribute.end, end)
                            + dets.score
                            + Self::reward(edge)
                            - 0.1;
                        put(value, edge.end, score);
                    }
                }
            }
        }
    }

    pub(super) fn after_of(&self, at: usize) -> Vec<usize> {
        let mut all = vec![at];
        if matches!(
            self.word(at),
            "of" | "used" | "for" | "different" | "distinct"
        ) {
            all.push(at + 1);
        }
        all
    }

    /// "average, minimum and maximum age"
    fn aggregated(&self, at: usize, mut put: impl FnMut(Vec<Output>, usize, f32)) {
        let mut lists: Vec<(Vec<Aggregate>, usize, f32)> = self
            .aggregates(at)
            .into_iter()
            .map(|(a, end)| (vec![a], end, Self::function(at, end) * 1.2))
            .collect();
        let mut next = 0;
        while next < lists.len() && lists.len() < 24 {
            let (list, end, score) = lists[next].clone();
            next += 1;
            for start in self.separated(end) {
                for dets in self.dets(start) {
                    for (aggregate, after) in self.aggregates(dets.end) {
                        if list.contains(&aggregate) {
                            continue;
                        }
                        let mut longer = list.clone();
                        longer.push(aggregate);
                        let score = score + Self::function(end, after);
                        lists.push((longer, after, score));
                    }
                }
            }
        }
        for (list, end, score) in lists {
            for start in self.after_of(end) {
                let mut grown: Vec<Parsed<Vec<Attribute>>> = self
                    .attributes(start)
                    .into_iter()
                    .map(|a| Parsed {
                        value: vec![a.value],
                        end: a.end,
                        score: score + a.score,
                    })
                    .collect();
                // "average price and score" are both averages.
                for _ in 0..3 {
                    let mut next = Vec::new();
                    for known in &grown {
                        let outputs: Vec<Output> = known
                            .value
                            .iter()
                            .flat_map(|attribute| {
                                list.iter().map(|a| Output::Aggregate(*a, *attribute))
                            })
                            .collect();
                        put(outputs, known.end, known.score);
                        for after in self.separated(known.end) {
                            for more in self.attributes(after) {
                                let mut value = known.value.clone();
                                value.push(more.value);
                                next.push(Parsed {
                                    value,
                                    end: more.end,
                                    score: known.score
                                        + more.score
                                        + FUNCTION * (after - known.end) as f32
                                        + 0.15,
                                });
                            }
                        }
                    }
                    grown = pruned(next, 8);
                }
            }
        }
    }

    /// "when", "where", "how old".
    fn asked_for(&self, at: usize, all: &mut Vec<Parsed<Items>>) {
        for back in at.saturating_sub(2)..=at {
            for &(word, end) in self.closed(back) {
                let output = match word {
                    Word::Asks(Wh::When) => Output::When,
                    Word::Asks(Wh::Where) => Output::Where,
                    _ => continue,
                };
                if end >= at && back < end && (back == at || end == at) {
                    all.push(Parsed {
                        value: Items {
                            outputs: vec![output],
                            ..Items::default()
                        },
                        end,
                        score: FUNCTION,
                    });
                }
            }
        }
        if at > 0 && self.word(at - 1) == "how" || self.word(at) == "how" {
            let start = at + usize::from(self.word(at) == "how");
            let word = self.word(start);
            let comparative = match word.strip_suffix('e') {
                Some(root) => format!("{root}er"),
                None => format!("{word}er"),
            };
            if let Some(graded) = english::graded(&[&comparative])
                && graded.degree == Degree::Comparative
            {
                all.push(Parsed {
                    value: Items {
                        outputs: vec![Output::Graded(graded.adjective)],
                        ..Items::default()
                    },
                    end: start + 1,
                    score: CONTENT + FUNCTION,
                });
            }
        }
    }
}
