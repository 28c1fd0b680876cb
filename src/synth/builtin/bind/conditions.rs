//! Conditions bound to columns and values; `place` puts them where they belong.

use std::sync::Arc;

use crate::schema::snapshot::{ColumnId, TypeClass};
use crate::synth::builtin::dates::Span;
use crate::synth::builtin::english::{Adjective, Affix};
use crate::synth::builtin::lattice::Kind;
use crate::synth::builtin::lexicon::Meaning;
use crate::synth::builtin::query::{Aggregate, Comparison};
use crate::synth::builtin::roles;
use crate::synth::builtin::sketch::{Condition, EdgeId, Left, Manner, Operand, Test};
use crate::synth::builtin::text;

use super::measure::BoundMeasure;
use super::supersede;
use super::{Binder, BoundColumn, Place};

/// A condition whose words have one meaning each.
#[derive(Clone, Debug)]
pub(super) struct BoundCondition {
    pub(super) place: Place,
    pub(super) test: BoundTest,
    pub(super) negated: bool,
    /// Its number among the sketch's conditions.
    pub(super) number: usize,
    pub(super) inside: Option<usize>,
    /// The turn that it was said in, and how.
    pub(super) turn: usize,
    pub(super) manner: Manner,
}

#[derive(Clone, Debug)]
pub(super) enum BoundTest {
    /// Every part holds of the same row.
    All(Vec<Part>),
    /// There are rows.
    Rows,
    /// An aggregate over the rows.
    Measure(BoundMeasure, Comparison, Operand),
}

#[derive(Clone, Debug)]
pub(super) enum Part {
    Values(ColumnId, Vec<Arc<str>>),
    Flag(ColumnId, bool),
    Compare(ColumnId, Comparison, Operand),
    During(ColumnId, Span),
    Null(ColumnId, bool),
    Like(ColumnId, Affix, String),
}

impl Binder<'_> {
    /// Binds all conditions of the sketch. `main` is where a date belongs that nothing else says more of.
    pub(super) fn conditions(
        &mut self,
        main: Place,
        has_measure: bool,
    ) -> Option<Vec<BoundCondition>> {
        let sketch = self.sketch;
        let mut bound: Vec<BoundCondition> = Vec::new();
        for (number, condition) in sketch.conditions.iter().enumerate() {
            if let Test::Free(freed) = condition.test {
                self.free(&mut bound, freed, condition.turn)?;
                continue;
            }
            let (place, test) = self.condition(condition, main, has_measure)?;
            if let (Test::During(None, _), BoundTest::All(parts)) = (&condition.test, &test)
                && let [Part::During(id, _)] = &parts[..]
            {
                self.dates.push((number, *id));
            }
            let new = BoundCondition {
                place,
                test,
                negated: condition.negated,
                number,
                inside: condition.inside,
                turn: condition.turn,
                manner: condition.manner,
            };
            if self.supersede(&mut bound, &new)? == supersede::Left::Done {
                continue;
            }
            let BoundCondition { test, .. } = &new;
            // "Germany and France" of one column can only mean either.
            if let BoundTest::All(parts) = test
                && let [Part::Values(column, more)] = &parts[..]
                && !condition.negated
                && let Some(values) = bound
                    .iter_mut()
                    .find_map(|b| b.choices(*column, place, condition.inside))
            {
                values.extend(more.iter().cloned());
                continue;
            }
            // "ordered A but not B" is about different rows, which one row cannot say.
            let column = |test: &BoundTest| match test {
                BoundTest::All(parts) => match parts[..] {
                    [Part::Values(id, _) | Part::During(id, _)] => Some(id),
                    _ => None,
                },
                _ => None,
            };
            let twice = |b: &BoundCondition| {
                b.negated != condition.negated && column(&b.test) == column(test)
            };
            if column(test).is_some() && bound.iter().any(twice) {
                return None;
            }
            bound.push(new);
        }
        self.bound_count = bound.len();
        Some(bound)
    }

    fn condition(
        &mut self,
        condition: &Condition,
        main: Place,
        has_measure: bool,
    ) -> Option<(Place, BoundTest)> {
        let inner = condition
            .inside
            .and_then(|n| match self.sketch.conditions.get(n)?.test {
                Test::Has(edge, _) => Some(edge),
                _ => None,
            });
        let near = inner.or(condition.near);
        let one = |column: BoundColumn, part| Some((column.place, BoundTest::All(vec![part])));
        match &condition.test {
            Test::Values(edges, attribute) => {
                let (column, first) = self.value(edges[0], *attribute, near)?;
                let mut values = vec![first];
                for edge in &edges[1..] {
                    // Another choice is a value of the same column.
                    let Kind::Value(candidates) = &self.lattice.edges[*edge].kind else {
                        return None;
                    };
                    let same = candidates.iter().find(|((id, _), _)| *id == column.id)?;
                    let pick = Meaning::Value(column.id, Arc::clone(&same.0.1));
                    values.push(Arc::clone(&same.0.1));
                    self.picks.push((*edge, pick));
                }
                one(column, Part::Values(column.id, values))
            }
            Test::Flag(edge) => {
                let (column, wanted) = self.flag(*edge, near)?;
                one(column, Part::Flag(column.id, wanted))
            }
            Test::Compare(left, comparison, operand) => {
                self.comparison(left, *comparison, operand, near)
            }
            Test::Between(attribute, low, high) => {
                let column = self.column(*attribute, near, |b, id| {
                    b.comparable(id, Comparison::Less, low)
                })?;
                let parts = vec![
                    Part::Compare(column.id, Comparison::GreaterOrEqual, low.clone()),
                    Part::Compare(column.id, Comparison::LessOrEqual, high.clone()),
                ];
                Some((column.place, BoundTest::All(parts)))
            }
            Test::During(attribute, edge) => {
                let Kind::Date(span) = &self.lattice.edges[*edge].kind else {
                    return None;
                };
                if attribute.is_none() && condition.dated.is_none() && self.dates_a_value(*edge) {
                    return None;
                }
                let dated = condition.dated.map(|id| BoundColumn {
                    id,
                    place: Place {
                        relation: id.relation,
                        role: None,
                    },
                });
                let column = match (attribute, inner) {
                    (None, _) if dated.is_some() => dated?,
                    (Some(attribute), _) => self.column(*attribute, near, |b, id| {
                        roles::is_time(b.snapshot, id).then_some(0.0)
                    })?,
                    (None, Some(inner)) => self.time_column(self.nouns[&inner].relation)?,
                    (None, None) => {
                        // Of what is asked for, or else of what was said last.
                        let dated = !self.domain.roles[main.relation.0].times.is_empty();
                        let said_of = near
                            .map(|n| self.nouns[&n])
                            .filter(|p| !dated && !has_measure && p.role.is_none());
                        self.time_column(said_of.unwrap_or(main).relation)?
                    }
                };
                one(column, Part::During(column.id, span.clone()))
            }
            Test::Missing(attribute) => {
                let column = self.column(*attribute, near, |b, id| Some(b.may_be_missing(id)))?;
                // What is always filled in is missing where there are no rows at all, which is another question.
                let always = self.snapshot.column(column.id).not_null;
                if always
                    && (roles::is_time(self.snapshot, column.id)
                        || column.place.relation != main.relation)
                {
                    return None;
                }
                // A number that is always filled in says "none" with a zero.
                if always && roles::is_number(self.snapshot, column.id) {
                    let zero = Operand::Number("0".into());
                    return one(column, Part::Compare(column.id, Comparison::Equal, zero));
                }
                one(column, Part::Null(column.id, true))
            }
            Test::Happened(attribute) => {
                let column = self.column(*attribute, near, |b, id| {
                    roles::is_time(b.snapshot, id).then(|| b.may_be_missing(id) * 0.2)
                })?;
                // What is always filled in always happened: "never" would be said of other rows.
                if condition.negated && self.snapshot.column(column.id).not_null {
                    return None;
                }
                one(column, Part::Null(column.id, false))
            }
            Test::Like(attribute, affix, text) => {
                let column = match attribute {
                    Some(attribute) => {
                        self.column(*attribute, near, |b, id| b.is_text(id).then_some(0.0))?
                    }
                    None => self.display_column(near.map_or(main, |n| self.nouns[&n]))?,
                };
                one(column, Part::Like(column.id, *affix, text.clone()))
            }
            Test::Named(edge, operand, of) => {
                let place = self.nouns[edge];
                let place = match place.role.filter(|_| *of) {
                    Some(key) => Place {
                        relation: self.domain.graph.keys[key].from,
                        role: None,
                    },
                    None => place,
                };
                self.named(place, operand)
            }
            Test::Related(noun, constant, operand, place) => {
                self.related(self.nouns[noun], *constant, operand, *place)
            }
            // Dealt with where all conditions are.
            Test::Free(_) => None,
            Test::Has(edge, None) => Some((self.nouns[edge], BoundTest::Rows)),
            Test::Has(edge, Some((comparison, operand))) => {
                let place = self.nouns[edge];
                let count = BoundMeasure::count(place.relation);
                Some((
                    place,
                    BoundTest::Measure(count, *comparison, operand.clone()),
                ))
            }
        }
    }

    /// "delivered in March": a state right before a date, with a date of its own, happened then.
    fn dates_a_value(&self, date: EdgeId) -> bool {
        let start = self.lattice.edges[date].start;
        let values = self.sketch.conditions.iter().flat_map(|c| match &c.test {
            Test::Values(edges, _) => edges.as_slice(),
            _ => &[],
        });
        values
            .map(|&id| &self.lattice.edges[id])
            .filter(|value| {
                let between = self.lattice.tokens.get(value.end..start);
                between.is_some_and(|words| {
                    words
                        .iter()
                        .all(|t| matches!(t.folded.as_str(), "in" | "on" | "during" | "the"))
                })
            })
            .flat_map(|value| {
                let same =
                    move |e: &&(usize, &crate::synth::builtin::lattice::Edge)| e.1.end == value.end;
                self.lattice.from(value.start).filter(move |e| same(&e))
            })
            .any(|(_, edge)| {
                matches!(&edge.kind, Kind::Attribute(candidates)
                    if candidates.iter().any(|(id, _)| roles::is_time(self.snapshot, *id)))
            })
    }

    fn comparison(
        &mut self,
        left: &Left,
        comparison: Comparison,
        operand: &Operand,
        near: Option<EdgeId>,
    ) -> Option<(Place, BoundTest)> {
        let column = match left {
            Left::Attribute(attribute) => self.column(*attribute, near, |b, id| {
                b.comparable(id, comparison, operand)
            })?,
            Left::Adjective(adjective) => {
                let place = near.map(|n| self.nouns[&n])?;
                let column = self.graded_column(*adjective, place, operand)?;
                if let Operand::Ago(..) = operand {
                    // "older" is before that day.
                    let comparison = if adjective.late {
                        Comparison::Greater
                    } else {
                        Comparison::Less
                    };
                    let part = Part::Compare(column.id, comparison, operand.clone());
                    return Some((column.place, BoundTest::All(vec![part])));
                }
                if roles::is_time(self.snapshot, column.id) && adjective.late != adjective.high {
                    return None;
                }
                column
            }
            Left::Measure(measure) => {
                let measure = self.measure(measure)?;
                let place = Place {
                    relation: measure.relation,
                    role: None,
                };
                return Some((
                    place,
                    BoundTest::Measure(measure, comparison, operand.clone()),
                ));
            }
        };
        let part = Part::Compare(column.id, comparison, operand.clone());
        Some((column.place, BoundTest::All(vec![part])))
    }

    /// "customer $1" by key, "customer Emma Smith" by name.
    pub(super) fn named(&mut self, place: Place, operand: &Operand) -> Option<(Place, BoundTest)> {
        let relation = self.snapshot.relation(place.relation);
        let column = |column| ColumnId {
            relation: place.relation,
            column,
        };
        let display = &self.domain.roles[place.relation.0].display;
        let parts = match (operand, &display[..], &relation.primary_key[..]) {
            (Operand::Text(text), [first, last], _) => {
                let (a, b) = text.rsplit_once(' ')?;
                vec![
                    Part::Compare(column(*first), Comparison::Equal, Operand::Text(a.into())),
                    Part::Compare(column(*last), Comparison::Equal, Operand::Text(b.into())),
                ]
            }
            (Operand::Text(_), [name], _) => vec![Part::Compare(
                column(*name),
                Comparison::Equal,
                operand.clone(),
            )],
            (Operand::Param(_) | Operand::Number(_), _, [key]) => {
                self.comparable(column(*key), Comparison::Equal, operand)?;
                vec![Part::Compare(
                    column(*key),
                    Comparison::Equal,
                    operand.clone(),
                )]
            }
            _ => return None,
        };
        Some((place, BoundTest::All(parts)))
    }

    fn display_column(&self, place: Place) -> Option<BoundColumn> {
        let column = *self.domain.roles[place.relation.0].display.first()?;
        Some(BoundColumn {
            id: ColumnId {
                relation: place.relation,
                column,
            },
            place,
        })
    }

    /// The column that an adjective grades rows by.
    pub(super) fn graded_column(
        &mut self,
        adjective: Adjective,
        place: Place,
        operand: &Operand,
    ) -> Option<BoundColumn> {
        let words: Vec<String> = adjective
            .columns
            .iter()
            .map(|w| text::key(&text::words(w)))
            .collect();
        let found = words.iter().find_map(|word| {
            if word == "date" {
                if words[0] == "age" && self.domain.roles[place.relation.0].people {
                    return None;
                }
                let column = *self.domain.roles[place.relation.0].times.first()?;
                return Some(ColumnId {
                    relation: place.relation,
                    column,
                });
            }
            self.domain
                .lexicon
                .get(word)
                .iter()
                .filter_map(|e| match e.meaning {
                    Meaning::Column(id) if id.relation == place.relation && e.quality >= 0.5 => {
                        Some((id, e.quality))
                    }
                    _ => None,
                })
                .filter(|(id, _)| {
                    roles::is_number(self.snapshot, *id) || roles::is_time(self.snapshot, *id)
                })
                .filter(|(id, _)| self.comparable(*id, Comparison::Less, operand).is_some())
                .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))
                .map(|f| f.0)
        })?;
        Some(BoundColumn { id: found, place })
    }

    /// The penalty for comparing a column with this; `None` when their types do not meet.
    fn comparable(&self, id: ColumnId, comparison: Comparison, operand: &Operand) -> Option<f32> {
        let number = roles::is_number(self.snapshot, id);
        let time = roles::is_time(self.snapshot, id);
        let ordered = comparison != Comparison::Equal && comparison != Comparison::NotEqual;
        let fits = match operand {
            Operand::Number(_) => number || (self.is_text(id) && !ordered),
            Operand::Text(_) => self.is_text(id) && !ordered,
            Operand::Param(_) => true,
            Operand::Ago(..) => time,
            Operand::Own(aggregate) => match aggregate {
                Aggregate::Average | Aggregate::Sum => number,
                _ => number || time,
            },
        };
        let penalty = if matches!(operand, Operand::Number(_)) && !number {
            self.weights.misfit
        } else {
            0.0
        };
        let key = if ordered { self.key_penalty(id) } else { 0.0 };
        fits.then_some(penalty + key)
    }

    fn is_text(&self, id: ColumnId) -> bool {
        let column = self.snapshot.column(id);
        column.class == TypeClass::Text || column.type_name == "citext"
    }

    fn may_be_missing(&self, id: ColumnId) -> f32 {
        if self.snapshot.column(id).not_null {
            self.weights.misfit
        } else {
            0.0
        }
    }
}

impl BoundCondition {
    /// The values of a positive condition on this column, to which more can be added.
    fn choices(
        &mut self,
        column: ColumnId,
        place: Place,
        inside: Option<usize>,
    ) -> Option<&mut Vec<Arc<str>>> {
        let same = self.place == place && self.inside == inside && !self.negated;
        match &mut self.test {
            BoundTest::All(parts) if same => match &mut parts[..] {
                [Part::Values(id, values)] if *id == column => Some(values),
                _ => None,
            },
            _ => None,
        }
    }
}
