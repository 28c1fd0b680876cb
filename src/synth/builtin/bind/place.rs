//! Puts bound conditions where they belong: on joined rows, or inside an EXISTS so that no row is met twice.

use crate::schema::snapshot::{ColumnId, TypeClass};
use crate::synth::builtin::graph::Step;
use crate::synth::builtin::query::{Comparison, Expr, Item, Moment, Predicate, Select, SourceId};
use crate::synth::builtin::sketch::Operand;

use super::Binder;
use super::conditions::{BoundCondition, BoundTest, Part};
use super::measure::BoundMeasure;
use super::scope::{Scope, link};

impl Binder<'_> {
    /// Puts conditions on the rows of a scope.
    pub(super) fn apply(
        &mut self,
        scope: &mut Scope,
        here: &[BoundCondition],
        all: &[BoundCondition],
    ) -> Option<()> {
        // Conditions that meet rows through the same one-to-many key are about the same row.
        let mut shared: Vec<(Vec<Step>, Vec<BoundCondition>)> = Vec::new();
        let (rows, narrow): (Vec<_>, Vec<_>) =
            here.iter().partition(|c| matches!(c.test, BoundTest::Rows));
        for condition in narrow.into_iter().chain(rows) {
            let graph = &self.domain.graph;
            let way = scope.way(graph, condition.place)?;
            self.score += self.weights.join_step * way.cost * 0.5;
            let joined = scope.joined(&way.path);
            let fans = (joined..way.path.len()).find(|&i| graph.fans_out(way.path[i]));
            self.applied.insert(condition.number);
            let narrower = narrower(all, condition);
            match (&condition.test, condition.negated, fans) {
                (BoundTest::Measure(measure, comparison, operand), ..) => {
                    let at = fans?;
                    let comparison = if condition.negated {
                        comparison.negated()
                    } else {
                        *comparison
                    };
                    let predicate = self.counted(
                        scope, &way.path, at, condition, all, measure, comparison, operand,
                    )?;
                    scope.filter(predicate);
                }
                (BoundTest::All(parts), negated, None) => {
                    let source = scope.join(self, &way.path, false);
                    let mut predicates = Vec::new();
                    for part in parts {
                        predicates.extend(self.predicates(part, source));
                    }
                    // "not in 2025" is before or after it: all of the span together is turned round.
                    if negated {
                        let whole = match predicates.len() {
                            0 => return None,
                            1 => predicates.remove(0),
                            _ => Predicate::All(predicates),
                        };
                        predicates = vec![self.negation(whole)];
                    }
                    for predicate in predicates {
                        scope.filter(predicate);
                    }
                }
                (BoundTest::Rows, false, None) if narrower.is_empty() => {
                    if way.path[joined..].iter().any(|s| graph.may_miss(*s)) {
                        scope.join(self, &way.path, false);
                    }
                }
                (BoundTest::Rows, false, None) => {
                    scope.join(self, &way.path, false);
                    self.apply(scope, &narrower, all)?;
                }
                (_, true, _) => {
                    // Nothing is its own absence.
                    let at = fans.or_else(|| {
                        (!way.path.is_empty()).then(|| joined.min(way.path.len() - 1))
                    })?;
                    let positive = BoundCondition {
                        negated: false,
                        ..condition.clone()
                    };
                    let predicate = self.exists(scope, &way.path, at, &[positive], all)?;
                    scope.filter(Predicate::Exists(Box::new(predicate), false));
                }
                (_, false, Some(at)) => {
                    let prefix = way.path[..=at].to_vec();
                    let condition = condition.clone();

                    match shared.iter_mut().find(|(known, _)| *known == prefix) {
                        Some((_, list)) => list.push(condition),
                        None => shared.push((prefix, vec![condition])),
                    }
                }
            }
        }
        for (prefix, list) in shared {
            let select = self.exists(scope, &prefix, prefix.len() - 1, &list, all)?;
            scope.filter(Predicate::Exists(Box::new(select), true));
        }
        Some(())
    }

    /// Rows behind the step `at` of a path, tied to the outer row, for which the conditions hold.
    fn exists(
        &mut self,
        outer: &mut Scope,
        path: &[Step],
        at: usize,
        list: &[BoundCondition],
        all: &[BoundCondition],
    ) -> Option<Select> {
        let mut inner = self.tied(outer, path, at);
        // Rows in a role are those at the end of the path itself.
        let mut list = list.to_vec();
        for condition in &mut list {
            let at_end = condition
                .place
                .role
                .is_some_and(|key| path.last() == Some(&Step { key, forward: true }));
            if at_end {
                condition.place.role = None;
            }
        }
        let list = &list[..];
        self.apply(&mut inner, list, all)?;
        Some(inner.select)
    }

    fn tied(&mut self, outer: &mut Scope, path: &[Step], at: usize) -> Scope {
        let from = outer.join(self, &path[..at], false);
        let source = self.new_source();
        let graph = &self.domain.graph;
        let mut inner = Scope::new(graph.target(path[at]), source);
        for (a, b) in link(graph, path[at], from, source) {
            inner.filter(Predicate::Compare(b, Comparison::Equal, a));
        }
        inner
    }

    /// An aggregate over the rows behind a one-to-many key, compared.
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one comparison, used once"
    )]
    fn counted(
        &mut self,
        scope: &mut Scope,
        path: &[Step],
        at: usize,
        condition: &BoundCondition,
        all: &[BoundCondition],
        measure: &BoundMeasure,
        comparison: Comparison,
        operand: &Operand,
    ) -> Option<Predicate> {
        let operand = self.operand(operand, None)?;
        let mut inner = self.tied(scope, path, at);
        let narrower = narrower(all, condition);

        let source = inner.join(self, &path[at + 1..], false);
        self.apply(&mut inner, &narrower, all)?;
        let multiplied = at + 1 < path.len();
        if multiplied && measure.minds_repeats() && measure.formula.is_some() {
            return None;
        }
        let primary_key = &self.snapshot.relation(measure.relation).primary_key;
        let aggregate = measure.expr(source, multiplied, primary_key);
        let nothing_may_do = matches!(
            comparison,
            Comparison::Less | Comparison::LessOrEqual | Comparison::NotEqual
        ) || operand == Expr::Number("0".into());
        let tie = inner.select.filters.first().cloned();
        match tie {
            // Rows without partners cannot pass: one pass over the partners, grouped, is enough.
            Some(Predicate::Compare(own, Comparison::Equal, outer)) if !nothing_may_do => {
                let mut select = inner.select;
                select.filters.remove(0);
                select.items.push(Item {
                    expr: own.clone(),
                    name: String::new(),
                });
                select.groups.push(own);
                select
                    .having
                    .push(Predicate::Compare(aggregate, comparison, operand));
                Some(Predicate::In(outer, Box::new(select)))
            }
            _ => {
                let mut select = inner.select;
                select.items.push(Item {
                    expr: aggregate,
                    name: String::new(),
                });
                Some(Predicate::Compare(
                    Expr::Scalar(Box::new(select)),
                    comparison,
                    operand,
                ))
            }
        }
    }

    fn predicates(&mut self, part: &Part, source: SourceId) -> Vec<Predicate> {
        let column = |id: ColumnId| Expr::Column(source, id);
        match part {
            Part::Values(id, values) => {
                let mut list: Vec<Expr> =
                    values.iter().map(|v| Expr::Text(v.to_string())).collect();
                list.dedup();
                vec![match list.len() {
                    1 => Predicate::Compare(column(*id), Comparison::Equal, list.remove(0)),
                    _ => Predicate::OneOf(column(*id), list),
                }]
            }
            Part::Flag(id, wanted) => vec![Predicate::Is(column(*id), *wanted)],
            Part::Null(id, missing) => {
                if self.snapshot.column(*id).not_null && !missing {
                    return Vec::new();
                }
                vec![Predicate::Null(column(*id), *missing)]
            }
            Part::Like(id, affix, text) => vec![Predicate::Like(column(*id), *affix, text.clone())],
            Part::Compare(id, comparison, Operand::Text(text)) => {
                // However it is spelled: the name was typed by a person.
                let left = Expr::Lower(Box::new(column(*id)));
                vec![Predicate::Compare(
                    left,
                    *comparison,
                    Expr::Text(text.to_lowercase()),
                )]
            }
            Part::Compare(id, comparison, operand) => {
                let operand = self.operand(operand, Some(*id));
                operand
                    .map(|o| Predicate::Compare(column(*id), *comparison, o))
                    .into_iter()
                    .collect()
            }
            Part::During(id, span) => {
                let bound = |moment: &Option<Moment>, comparison| {
                    moment
                        .clone()
                        .map(|m| Predicate::Compare(column(*id), comparison, Expr::Date(m)))
                };
                // "between $1 and $2" includes what is given for both.
                let closed = span.from.is_some() && matches!(span.until, Some(Moment::Param(_)));
                let until = if closed {
                    Comparison::LessOrEqual
                } else {
                    Comparison::Less
                };
                [
                    bound(&span.from, Comparison::GreaterOrEqual),
                    bound(&span.until, until),
                ]
                .into_iter()
                .flatten()
                .collect()
            }
        }
    }

    fn operand(&mut self, operand: &Operand, column: Option<ColumnId>) -> Option<Expr> {
        Some(match operand {
            Operand::Number(digits) => match column.map(|id| self.snapshot.column(id).class) {
                Some(TypeClass::Text) => Expr::Text(digits.clone()),
                _ => Expr::Number(digits.clone()),
            },
            Operand::Text(text) => Expr::Text(text.clone()),
            Operand::Param(n) => Expr::Param(*n),
            Operand::Ago(unit, count) => Expr::Date(Moment::Ago(*unit, -count)),
            Operand::Own(aggregate) => {
                let id = column?;
                let source = self.new_source();
                let mut select = Scope::new(id.relation, source).select;
                let value = Expr::Aggregate(*aggregate, Box::new(Expr::Column(source, id)));
                select.items.push(Item {
                    expr: value,
                    name: String::new(),
                });
                Expr::Scalar(Box::new(select))
            }
        })
    }
}

/// The conditions inside of one.
fn narrower(all: &[BoundCondition], outer: &BoundCondition) -> Vec<BoundCondition> {
    let inner = all.iter().filter(|c| c.inside == Some(outer.number));
    inner.cloned().collect()
}

/// The conditions that are inside of none.
pub(super) fn outermost(all: &[BoundCondition]) -> Vec<BoundCondition> {
    all.iter().filter(|c| c.inside.is_none()).cloned().collect()
}

impl Binder<'_> {
    /// What holds where a predicate does not, a missing value included.
    fn negation(&self, predicate: Predicate) -> Predicate {
        let filled =
            |expr: &Expr| matches!(expr, Expr::Column(_, id) if self.snapshot.column(*id).not_null);
        match predicate {
            Predicate::Null(expr, missing) => Predicate::Null(expr, !missing),
            Predicate::Exists(select, found) => Predicate::Exists(select, !found),
            Predicate::Not(inner) => *inner,
            Predicate::Is(expr, wanted) if filled(&expr) => Predicate::Is(expr, !wanted),
            Predicate::Compare(a, comparison, b) if filled(&a) => {
                Predicate::Compare(a, comparison.negated(), b)
            }
            other => Predicate::Not(Box::new(other)),
        }
    }
}
