//! Measures bound to columns.

use crate::schema::snapshot::{ColumnId, RelationId, TypeClass};
use crate::synth::builtin::english::Business;
use crate::synth::builtin::measures::{self, Formula};
use crate::synth::builtin::query::{Aggregate, Expr, SourceId};
use crate::synth::builtin::roles;
use crate::synth::builtin::sketch::{Measure, Over};

use super::{Binder, Place};

/// An aggregate of something in the rows of one relation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct BoundMeasure {
    pub(super) relation: RelationId,
    pub(super) aggregate: Aggregate,
    /// `None` counts rows.
    pub(super) formula: Option<Formula>,
    pub(super) heading: String,
}

impl BoundMeasure {
    /// Counts the rows of a relation.
    pub(super) fn count(relation: RelationId) -> Self {
        Self {
            relation,
            aggregate: Aggregate::Count,
            formula: None,
            heading: "count".into(),
        }
    }

    /// The aggregate over rows of a source. A count that joins may have multiplied counts keys.
    pub(super) fn expr(&self, source: SourceId, multiplied: bool, primary_key: &[usize]) -> Expr {
        match (self.value(source), self.aggregate) {
            (None, _) => match primary_key {
                [column] if multiplied => {
                    let key = Expr::Column(
                        source,
                        ColumnId {
                            relation: self.relation,
                            column: *column,
                        },
                    );
                    Expr::Aggregate(Aggregate::CountDistinct, Box::new(key))
                }
                _ => Expr::CountRows,
            },
            (Some(value), aggregate) => Expr::Aggregate(aggregate, Box::new(value)),
        }
    }

    /// What is aggregated, row by row.
    pub(super) fn value(&self, source: SourceId) -> Option<Expr> {
        Some(match self.formula? {
            Formula::Column(id) => Expr::Column(source, id),
            Formula::Product(a, b) => Expr::Product(
                Box::new(Expr::Column(source, a)),
                Box::new(Expr::Column(source, b)),
            ),
        })
    }

    /// Whether rows met twice make it wrong.
    pub(super) fn minds_repeats(&self) -> bool {
        !matches!(
            self.aggregate,
            Aggregate::Min | Aggregate::Max | Aggregate::CountDistinct
        )
    }
}

impl Binder<'_> {
    pub(super) fn measure(&mut self, measure: &Measure) -> Option<BoundMeasure> {
        let bound = match measure.over {
            Over::Noun(edge) => {
                let place = self.nouns[&edge];
                match place.role {
                    // "number of managers": those who are one.
                    Some(role) => {
                        let key = &self.domain.graph.keys[role];
                        let [column] = key.from_columns[..] else {
                            return None;
                        };
                        BoundMeasure {
                            relation: key.from,
                            aggregate: Aggregate::CountDistinct,
                            formula: Some(Formula::Column(ColumnId {
                                relation: key.from,
                                column,
                            })),
                            heading: measure.word.clone(),
                        }
                    }
                    None => BoundMeasure {
                        heading: measure.word.clone(),
                        ..BoundMeasure::count(place.relation)
                    },
                }
            }
            Over::Attribute(attribute) => {
                let aggregate = measure.aggregate;
                let column =
                    self.column(attribute, None, |binder, id| binder.fits(aggregate, id))?;
                if column.place.role.is_some() {
                    return None;
                }
                let name = &self.snapshot.column(column.id).name;
                let heading = match aggregate {
                    Aggregate::Count | Aggregate::CountDistinct => "count".to_owned(),
                    other => format!("{}_{name}", other.heading()),
                };
                BoundMeasure {
                    relation: column.id.relation,
                    aggregate,
                    formula: Some(Formula::Column(column.id)),
                    heading,
                }
            }
            Over::RowsOf(attribute) => {
                let column = self.column(attribute, None, |_, _| Some(0.0))?;
                BoundMeasure::count(column.id.relation)
            }
            Over::Business { kind, of } => {
                // "average orders per customer" may be the average of how many there are.
                let may_count = kind == Business::Amount && measure.word == "average";
                let plural = of.is_some_and(|edge| {
                    let last = self.lattice.edges[edge].end - 1;
                    self.lattice.tokens[last].folded.ends_with('s')
                });
                if may_count && plural && !self.sketch.groups.is_empty() {
                    return None;
                }
                let owner = of.map(|edge| self.nouns[&edge]);
                let (formula, points) = measures::formulas(kind, self.snapshot, &self.domain.roles)
                    .into_iter()
                    .filter(|(formula, _)| owner.is_none_or(|o| self.is_of(*formula, o)))
                    .map(|(formula, quality)| {
                        let points = quality - 1.0 + self.reach(formula.relation(), owner);
                        (formula, points)
                    })
                    .max_by(|a, b| a.1.total_cmp(&b.1))?;
                self.score += points;
                let heading = match measure.aggregate {
                    Aggregate::Average => format!("average_{}", measure.word),
                    _ => measure.word.clone(),
                };
                BoundMeasure {
                    relation: formula.relation(),
                    aggregate: measure.aggregate,
                    formula: Some(formula),
                    heading,
                }
            }
        };
        if !self.focus.contains(&bound.relation) {
            self.focus.push(bound.relation);
        }
        Some(bound)
    }

    /// Whether a measure is one of these rows: computed on them, or on the lines that they consist of.
    fn is_of(&self, formula: Formula, owner: Place) -> bool {
        let lines = || {
            let way = self.domain.graph.path(formula.relation(), owner.relation);
            let direct = way.is_some_and(|(steps, _)| matches!(steps[..], [step] if step.forward));
            direct && matches!(formula, Formula::Product(..))
        };
        formula.relation() == owner.relation || lines()
    }

    /// Points lost for joining a measure's relation with everything that the question is about.
    fn reach(&self, relation: RelationId, owner: Option<Place>) -> f32 {
        let graph = &self.domain.graph;
        let mut points = match owner {
            Some(owner) if owner.relation != relation => self.weights.misfit,
            _ => 0.0,
        };
        for &other in &self.focus {
            let Some((steps, cost)) = graph.path(relation, other) else {
                return -4.0;
            };
            let fans = steps.iter().filter(|s| graph.fans_out(**s)).count() as f32;
            points += self.weights.join_step * cost + self.weights.fan_out * fans;
        }
        points
    }

    /// The penalty for aggregating a column so; `None` when it cannot be.
    fn fits(&self, aggregate: Aggregate, id: ColumnId) -> Option<f32> {
        let class = self.snapshot.column(id).class;
        // Keys are numbers that measure nothing.
        let number = !roles::is_key(self.snapshot, id) && roles::is_number(self.snapshot, id);
        match aggregate {
            Aggregate::Sum | Aggregate::Average => number.then_some(0.0),
            Aggregate::Min | Aggregate::Max => {
                (number || roles::is_time(self.snapshot, id)).then_some(0.0)
            }
            // "how many copies" adds up or counts rows, and nobody has said which.
            Aggregate::Count | Aggregate::CountDistinct if number && !self.sketch.distinct => None,
            Aggregate::Count | Aggregate::CountDistinct => {
                (class != TypeClass::Json).then_some(0.0)
            }
        }
    }
}
