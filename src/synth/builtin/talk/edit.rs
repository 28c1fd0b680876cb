//! Edits of a thread's sketch: what is left of a follow-up is read by the grammar as if it went on with the question.
//! `merge` then sees to it that what is said twice is said once.

use jiff::civil::Date;

use crate::synth::brief::SynthError;
use crate::synth::builtin::answer::{self, Understood};
use crate::synth::builtin::english::{self, Word};
use crate::synth::builtin::lattice::{Kind, Lattice};
use crate::synth::builtin::query::Limit;
use crate::synth::builtin::rank::{self, Weights};
use crate::synth::builtin::sketch::{
    Condition, EdgeId, Follow, Freed, Last, Link, Manner, Measure, Open, OrderBy, Over, Show,
    Sketch, Test,
};
use crate::synth::builtin::tokens::{Token, TokenKind};
use crate::synth::builtin::{Domain, grammar, reading};

use super::Thread;
use super::measure;
use super::phrases::Edit;
use super::words::Cut;

/// Words for which any date condition is meant.
const TIMES: &[&str] = &[
    "time",
    "times",
    "date",
    "dates",
    "day",
    "days",
    "week",
    "weeks",
    "month",
    "months",
    "quarter",
    "quarters",
    "year",
    "years",
    "period",
    "periods",
    "time period",
    "date range",
];

/// What a follow-up makes of a thread.
pub(super) fn edited(
    domain: &Domain,
    thread: &Thread,
    cut: &Cut,
    today: Date,
) -> Result<Understood, SynthError> {
    let says_something = !cut.rest.is_empty() || !cut.freed.is_empty() || !cut.edits.is_empty();
    if !says_something || !cut.replaced.iter().all(|t| was_said(thread, t)) {
        return Err(not_understood(&cut.replaced));
    }
    let weights = rank::weights();
    let tokens = cut.freed.iter().chain(&cut.rest).cloned().collect();
    let mut lattice = thread.lattice.extended(tokens, &domain.lexicon, today);
    let columns: Vec<_> = thread
        .sketch
        .conditions
        .iter()
        .flat_map(|c| match &c.test {
            Test::Values(edges, _) => edges.as_slice(),
            _ => &[],
        })
        .flat_map(|edge| thread.lattice.columns_of_values(*edge))
        .collect();
    lattice.prefer(thread.lattice.tokens.len(), &columns);
    lattice.prefer_rows(thread.lattice.tokens.len(), &thread.sketch.nouns);
    let editor = Editor {
        base: &thread.sketch,
        lattice: &lattice,
        cut,
        weights,
    };
    // One way to go on, and the other where nobody has said which.
    let mut ways: [Vec<Sketch>; 2] = Default::default();
    let mut unknown = Vec::new();
    for start in editor.starts(thread.lattice.tokens.len() + 1) {
        let reordered = start.order.is_none() && thread.sketch.order.is_some();
        for sketch in grammar::continued(&lattice, weights, start) {
            if sketch.unknown.is_empty() {
                for (way, sketch) in editor.finish(sketch, reordered).into_iter().enumerate() {
                    ways[way].push(sketch);
                }
            } else if unknown.is_empty() {
                unknown.clone_from(&sketch.unknown);
            }
        }
    }
    let [mut readings, others] =
        ways.map(|sketches| answer::readings(domain, &lattice, &sketches, weights));
    if let (Some(one), Some(other)) = (readings.first(), others.first())
        && one.sql != other.sql
    {
        let readings = [one, other].map(|r| reading::reading(&r.select, &domain.visible));
        return Err(SynthError::Ambiguous {
            readings: readings.to_vec(),
        });
    }
    if readings.is_empty() {
        readings = others;
    }
    if readings.is_empty() {
        let unknown: Vec<Token> = unknown
            .iter()
            .map(|&at: &usize| lattice.tokens[at].clone())
            .collect();
        return Err(not_understood(&unknown));
    }
    Ok(Understood { lattice, readings })
}

/// The refusal that names these words.
pub(super) fn not_understood(tokens: &[Token]) -> SynthError {
    SynthError::NotUnderstood {
        words: tokens.iter().map(|t| t.raw.clone()).collect(),
        hint: None,
    }
}

/// Whether what is to be replaced was there.
fn was_said(thread: &Thread, token: &Token) -> bool {
    !english::functions(&token.folded).is_empty()
        || thread.lattice.tokens.iter().any(|t| t.stem == token.stem)
}

/// Edits one thread.
pub(super) struct Editor<'a> {
    pub(super) base: &'a Sketch,
    /// Of the thread and the follow-up.
    pub(super) lattice: &'a Lattice,
    pub(super) cut: &'a Cut,
    weights: &'a Weights,
}

impl Editor<'_> {
    /// The sketches that the follow-up goes on with: the thread's own, and the same without an order, which a new one
    /// takes the place of.
    fn starts(&self, begins: usize) -> Vec<Sketch> {
        let freed = self.cut.freed.len();
        let mut start = self.base.clone();
        start.at = begins + freed;
        // The mark between the questions, and what is said to be freed, are covered.
        start.score += self.weights.content * (1 + freed) as f32;
        // What comments told of earlier words was used then, and may be edited out now.
        start.hints.clear();
        start.follow = Follow {
            turn: self.base.follow.turn + 1,
            begins: begins + freed,
            kept: self.base.shows.len(),
            manner: self.cut.manner,
        };
        start.open = Open {
            noun: main_noun(self.base).map(|noun| (noun, begins - 1)),
            and: matches!(self.cut.manner, Manner::And | Manner::Also),
            their: self.cut.their,
            last: Last::Nothing,
            ..Open::default()
        };
        if freed > 0 {
            let words: Vec<&str> = self.cut.freed.iter().map(|t| t.folded.as_str()).collect();
            start.test(Test::Free(if TIMES.contains(&words.join(" ").as_str()) {
                Freed::Time
            } else {
                Freed::Said(begins, begins + freed)
            }));
        }
        for edit in &self.cut.edits {
            match edit {
                Edit::AnyTime => start.test(Test::Free(Freed::Time)),
                Edit::Unfiltered => start.test(Test::Free(Freed::All)),
                _ => {}
            }
        }
        start.open.last = Last::Nothing;
        let mut starts = Vec::new();
        if start.order.is_some() && !self.cut.rest.is_empty() {
            let mut reordered = start.clone();
            reordered.order = None;
            reordered.limit = None;
            starts.push(reordered);
        }
        starts.push(start);
        starts
    }

    /// Makes one question of both: none where that cannot be, two where it can be in two ways.
    fn finish(&self, mut sketch: Sketch, reordered: bool) -> Vec<Sketch> {
        let was_settled = sketch.is_settled();
        if reordered && (sketch.order.is_none() || self.says_order_by(&sketch)) {
            return Vec::new();
        }
        if self.complete(&mut sketch, reordered).is_none() || !sketch.is_settled() {
            return Vec::new();
        }
        if !was_settled {
            sketch.score -= self.weights.unsettled;
        }
        if self.shows(&mut sketch).is_none() || self.ordered(&sketch, reordered).is_none() {
            return Vec::new();
        }
        self.align(&mut sketch);
        let mut ways = self.grouped(sketch);
        ways.retain_mut(|sketch| {
            let edits = self.cut.edits.iter();
            edits.copied().all(|edit| apply(sketch, edit).is_some()) && self.says_more(sketch)
        });
        ways
    }

    /// Whether anything has come of the follow-up.
    fn says_more(&self, sketch: &Sketch) -> bool {
        let base = self.base;
        !self.cut.edits.is_empty()
            || sketch.conditions.len() > base.conditions.len()
            || sketch.shows != base.shows
            || sketch.groups != base.groups
            || sketch.order != base.order
            || sketch.limit != base.limit
            || sketch.distinct != base.distinct
    }

    /// Gives what was announced and never came what the thread has for it: "how many?", "top 10", "over 500".
    fn complete(&self, sketch: &mut Sketch, reordered: bool) -> Option<()> {
        if let Some(aggregate) = sketch.open.aggregate {
            sketch.open.aggregate = None;
            if sketch.open.by.take().is_some() {
                // "sorted by the count"
                let measure = measure::shown(sketch)?.clone();
                sketch.order.as_mut()?.by = OrderBy::Measure(measure);
            } else {
                measure::change(sketch, aggregate, self.cut.manner)?;
            }
        }
        if let Some(Link::Count(comparison, operand)) = sketch.open.link.clone() {
            sketch.open.link = None;
            let earlier = self.base.conditions.iter().rev();
            let (old, test) = earlier
                .filter_map(|c| match &c.test {
                    Test::Has(noun, Some(_)) => {
                        Some((c, Test::Has(*noun, Some((comparison, operand.clone())))))
                    }
                    Test::Compare(left, ..) => {
                        Some((c, Test::Compare(left.clone(), comparison, operand.clone())))
                    }
                    _ => None,
                })
                .next()?;
            sketch.conditions.push(Condition {
                test,
                negated: false,
                turn: sketch.follow.turn,
                manner: sketch.follow.manner,
                ..old.clone()
            });
            // The same limit anew, rather than one of what the rows came to.
            sketch.score += 0.5;
        }
        let high = match &sketch.order {
            Some(order) if matches!(order.by, OrderBy::Later) => Some(order.descending),
            _ => None,
        };
        if let Some(high) = high {
            sketch.order = Some(measure::rank(self.base, high)?);
        }
        if reordered && !self.says_number(sketch) {
            sketch.limit = self.base.limit.clone().or_else(|| sketch.limit.take());
        }
        Some(())
    }

    /// Whether it only sorts, and does not say which rows.
    fn says_order_by(&self, sketch: &Sketch) -> bool {
        let sorts = |at: usize| {
            let mut edges = self.lattice.from(at);
            edges.any(|(_, e)| matches!(e.kind, Kind::Function(Word::OrderBy)))
        };
        (sketch.follow.begins..self.lattice.tokens.len()).any(sorts)
    }

    fn says_number(&self, sketch: &Sketch) -> bool {
        self.lattice.tokens[sketch.follow.begins..]
            .iter()
            .any(|t| matches!(t.kind, TokenKind::Number(_) | TokenKind::Param(_)))
    }
}

/// Carries out an edit in closed words.
fn apply(sketch: &mut Sketch, edit: Edit) -> Option<()> {
    match edit {
        Edit::Limit(rows) => {
            if measure::is_aggregated(sketch) && sketch.order.is_none() {
                sketch.order = Some(measure::rank(sketch, true)?);
            }
            sketch.limit = Some(Limit::Rows(rows));
        }
        Edit::NoLimit => {
            sketch.limit.take()?;
        }
        Edit::Flip => {
            let order = sketch.order.as_mut()?;
            order.descending = !order.descending;
            if let OrderBy::Adjective(adjective) = &mut order.by {
                adjective.high = !adjective.high;
                adjective.late = !adjective.late;
            }
        }
        Edit::Share(share) => sketch.share = share,
        Edit::Ungroup => measure::ungroup(sketch)?,
        Edit::AnyTime | Edit::Unfiltered => {}
    }
    Some(())
}

/// The rows that a sketch is about.
pub(super) fn main_noun(sketch: &Sketch) -> Option<EdgeId> {
    let shown = sketch.shows.iter().find_map(|show| match show {
        Show::Noun { edge, .. } => Some(*edge),
        Show::Attribute(attribute) => attribute.of,
        Show::Measure(Measure { over, .. }) => match over {
            Over::Noun(edge) => Some(*edge),
            Over::Attribute(attribute) | Over::RowsOf(attribute) => attribute.of,
            Over::Business { of, .. } => *of,
        },
    });
    shown.or_else(|| sketch.nouns.first().copied())
}
