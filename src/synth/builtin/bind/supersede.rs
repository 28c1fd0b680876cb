//! What a later turn of a conversation does to the conditions of earlier ones: it takes their place, adds to them, or
//! takes them back.

use std::sync::Arc;

use crate::schema::snapshot::ColumnId;
use crate::synth::builtin::lattice::{Kind, Rows};
use crate::synth::builtin::query::Comparison;
use crate::synth::builtin::roles;
use crate::synth::builtin::sketch::{Freed, Manner};

use super::Binder;
use super::conditions::{BoundCondition, BoundTest, Part};

/// What is left to do with a new condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// It holds beside those that are left.
    Add,
    /// All of it has been done to earlier ones.
    Done,
}

impl Binder<'_> {
    /// Makes room for a new condition among those of earlier turns; `None` where both together would say nothing.
    pub(super) fn supersede(
        &self,
        bound: &mut Vec<BoundCondition>,
        new: &BoundCondition,
    ) -> Option<Left> {
        if new.turn == 0 {
            return Some(Left::Add);
        }
        let mut left = Left::Add;
        let mut kept = Vec::with_capacity(bound.len());
        for mut old in bound.drain(..) {
            let rivals = old.turn < new.turn && old.place == new.place && old.inside == new.inside;
            if !rivals || !self.same_subject(&old, new) {
                kept.push(old);
                continue;
            }
            let also = new.manner == Manner::Also;
            let (before, now) = (values(&old), values(new));
            match (before, now) {
                (Some(before), Some(now))
                    if old.negated != new.negated && (new.negated || also) =>
                {
                    // "without the cancelled" of cancelled and paid ones leaves the paid ones.
                    let rest: Vec<Arc<str>> = before
                        .iter()
                        .filter(|v| !now.contains(v))
                        .cloned()
                        .collect();
                    if rest.len() == before.len() {
                        if new.negated {
                            return None;
                        }
                        kept.push(old);
                        continue;
                    }
                    // "including France and Peru", and Peru was never left out.
                    if also && !now.iter().all(|v| before.contains(v)) {
                        return None;
                    }
                    if !rest.is_empty() || also {
                        left = Left::Done;
                    }
                    if !rest.is_empty() {
                        set_values(&mut old, rest);
                        kept.push(old);
                    }
                }
                // Exclusions add up, and so does what is said to be one more.
                (Some(_), Some(_)) if old.negated && new.negated || also => kept.push(old),
                (None, None) if keeps_other_end(&old, new) => kept.push(old),
                // One more span of time, or the like: no condition here says "either".
                _ if also => return None,
                _ => {}
            }
        }
        *bound = kept;
        Some(left)
    }

    /// Whether two conditions narrow the same thing.
    fn same_subject(&self, old: &BoundCondition, new: &BoundCondition) -> bool {
        match (&old.test, &new.test) {
            (BoundTest::All(old), BoundTest::All(new)) => {
                let column = column(old);
                column.is_some() && column == self::column(new)
            }
            // Rows of one kind and rows of another are different rows.
            (BoundTest::Rows, BoundTest::Rows) => !self.is_narrowed(old) && !self.is_narrowed(new),
            (BoundTest::Measure(before, ..), BoundTest::Measure(now, ..)) => {
                before.relation == now.relation
                    && before.aggregate == now.aggregate
                    && before.formula == now.formula
                    && !self.is_narrowed(old)
            }
            _ => false,
        }
    }

    /// Whether other conditions are inside of it.
    fn is_narrowed(&self, condition: &BoundCondition) -> bool {
        let inside = self.sketch.conditions.iter().map(|c| c.inside);
        inside.into_iter().any(|n| n == Some(condition.number))
    }
}

/// "under 500" after "over 100" is the other end of a range.
fn keeps_other_end(old: &BoundCondition, new: &BoundCondition) -> bool {
    let end = |condition: &BoundCondition| match &condition.test {
        BoundTest::Measure(_, comparison, _) => direction(*comparison),
        BoundTest::All(parts) => match &parts[..] {
            [Part::Compare(_, comparison, _)] => direction(*comparison),
            _ => 0,
        },
        BoundTest::Rows => 0,
    };
    new.manner != Manner::Instead && !old.negated && !new.negated && end(old) * end(new) < 0
}

/// Up, down, or neither.
fn direction(comparison: Comparison) -> i8 {
    match comparison {
        Comparison::Greater | Comparison::GreaterOrEqual => 1,
        Comparison::Less | Comparison::LessOrEqual => -1,
        Comparison::Equal | Comparison::NotEqual => 0,
    }
}

/// The one column that all parts are about.
fn column(parts: &[Part]) -> Option<ColumnId> {
    let first = parts.first()?.column();
    parts.iter().all(|p| p.column() == first).then_some(first)
}

fn values(condition: &BoundCondition) -> Option<&[Arc<str>]> {
    match &condition.test {
        BoundTest::All(parts) => match &parts[..] {
            [Part::Values(_, values)] => Some(values),
            _ => None,
        },
        _ => None,
    }
}

fn set_values(condition: &mut BoundCondition, rest: Vec<Arc<str>>) {
    if let BoundTest::All(parts) = &mut condition.test
        && let [Part::Values(_, values)] = &mut parts[..]
    {
        *values = rest;
    }
}

impl Binder<'_> {
    /// Takes back what earlier turns said of something; `None` when they said nothing of it.
    pub(super) fn free(
        &self,
        bound: &mut Vec<BoundCondition>,
        freed: Freed,
        turn: usize,
    ) -> Option<()> {
        let mut is_done = false;
        let mut kept = Vec::with_capacity(bound.len());
        for mut condition in bound.drain(..) {
            let about = match &condition.test {
                BoundTest::All(parts) => column(parts),
                _ => None,
            };
            let Some(id) = about.filter(|_| condition.turn < turn) else {
                kept.push(condition);
                continue;
            };
            let rest = match freed {
                Freed::Time if roles::is_time(self.snapshot, id) => Some(Vec::new()),
                Freed::Time => None,
                Freed::All => Some(Vec::new()),
                Freed::Said(start, end) => self.rest(&condition, id, (start, end)),
            };
            match rest {
                None => kept.push(condition),
                Some(rest) => {
                    is_done = true;
                    if !rest.is_empty() {
                        set_values(&mut condition, rest);
                        kept.push(condition);
                    }
                }
            }
        }
        *bound = kept;
        is_done.then_some(())
    }

    /// The values that are left of a condition on a column when what some words speak of is taken back; `None` when
    /// they do not speak of it.
    fn rest(
        &self,
        condition: &BoundCondition,
        id: ColumnId,
        (start, end): (usize, usize),
    ) -> Option<Vec<Arc<str>>> {
        let whole = self.lattice.from(start).filter(|(_, e)| e.end == end);
        let mut found = None;
        for (_, edge) in whole {
            match &edge.kind {
                Kind::Attribute(candidates) if candidates.iter().any(|c| c.0 == id) => {
                    return Some(Vec::new());
                }
                Kind::Noun(candidates)
                    if candidates
                        .iter()
                        .any(|c| c.0 == Rows::Relation(id.relation)) =>
                {
                    found = Some(Vec::new());
                }
                Kind::Value(candidates) => {
                    let said: Vec<&Arc<str>> = candidates
                        .iter()
                        .filter(|((column, _), _)| *column == id)
                        .map(|((_, value), _)| value)
                        .collect();
                    let before = values(condition).unwrap_or_default();
                    if before.iter().any(|v| said.contains(&v)) {
                        let rest = before.iter().filter(|v| !said.contains(v));
                        return Some(rest.cloned().collect());
                    }
                }
                _ => {}
            }
        }
        found
    }
}

impl Part {
    fn column(&self) -> ColumnId {
        match self {
            Self::Values(id, _)
            | Self::Flag(id, _)
            | Self::Compare(id, ..)
            | Self::During(id, _)
            | Self::Null(id, _)
            | Self::Like(id, ..) => *id,
        }
    }
}
