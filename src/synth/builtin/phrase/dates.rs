//! Which column dates rows, and its comparison with a span of time.

use crate::schema::snapshot::{ColumnId, RelationId, TypeClass};
use crate::synth::builtin::dates::Span;
use crate::synth::builtin::lattice::Kind;
use crate::synth::builtin::query::{Comparison, Expr, Moment, Predicate};
use crate::synth::builtin::sketch::{Attribute, EdgeId};
use crate::synth::builtin::{roles, text};

use super::compose::Composer;
use super::frame::{Frame, Place, Site};
use super::narrow::Predicates;
use super::resolve::{Located, STEP};
use super::tree::Cond;

impl Composer<'_> {
    /// Whether a span of time has a beginning and an end.
    pub(super) fn is_closed_span(&self, edge: EdgeId) -> bool {
        matches!(&self.lattice.edges[edge].kind, Kind::Date(span) if span.from.is_some() && span.until.is_some())
    }

    /// The column that dates rows, or those that they belong to.
    pub(super) fn time_column(&mut self, owner: Place) -> Option<Located> {
        let graph = &self.domain.graph;
        let own = self.domain.roles[owner.relation.0].times.first();
        if let Some(&column) = own {
            return Some(Located {
                id: ColumnId {
                    relation: owner.relation,
                    column,
                },
                place: owner,
            });
        }
        let (other, cost) = (0..self.snapshot.relations.len())
            .filter(|r| !self.domain.roles[*r].times.is_empty())
            .filter_map(|r| {
                let cost = graph.distance(owner.relation, RelationId(r))?;
                Some((RelationId(r), cost))
            })
            .min_by(|a, b| a.1.total_cmp(&b.1))?;
        if cost > 2.6 {
            return None;
        }
        self.score += STEP * cost;
        Some(Located {
            id: ColumnId {
                relation: other,
                column: self.domain.roles[other.0].times[0],
            },
            place: Place::plain(other),
        })
    }

    /// A number that is a year, of the rows themselves or of those around them.
    pub(super) fn year_column(&mut self, owner: Place) -> Option<Located> {
        let is_year = |relation: RelationId| {
            self.snapshot
                .relation(relation)
                .columns
                .iter()
                .position(|c| {
                    matches!(
                        c.class,
                        TypeClass::Integer | TypeClass::Text | TypeClass::Decimal
                    ) && text::words(&c.name)
                        .iter()
                        .any(|w| w == "year" || w == "yr")
                })
        };
        let graph = &self.domain.graph;
        let (relation, column, cost) = (0..self.snapshot.relations.len())
            .filter_map(|r| {
                let relation = RelationId(r);
                let column = is_year(relation)?;
                let cost = graph.distance(owner.relation, relation)?;
                (cost <= 2.6).then_some((relation, column, cost))
            })
            .min_by(|a, b| a.2.total_cmp(&b.2))?;
        self.score += STEP * cost;
        let place = match relation == owner.relation {
            true => owner,
            false => Place::plain(relation),
        };
        Some(Located {
            id: ColumnId { relation, column },
            place,
        })
    }

    pub(super) fn compare_date(
        &self,
        expr: &Expr,
        column: Located,
        comparison: Comparison,
        edge: EdgeId,
    ) -> Option<Predicates> {
        let Kind::Date(span) = &self.lattice.edges[edge].kind else {
            return None;
        };
        if !roles::is_time(self.snapshot, column.id) {
            let (from, until) = year_of(span)?;
            let year = from.or(until)?;
            return Some(vec![Predicate::Compare(
                expr.clone(),
                comparison,
                self.year(column.id, year),
            )]);
        }
        let date = |moment: &Option<Moment>, comparison| {
            let moment = moment.clone()?;
            Some(Predicate::Compare(
                expr.clone(),
                comparison,
                Expr::Date(moment),
            ))
        };
        let (from, until) = (&span.from, &span.until);
        Some(match comparison {
            Comparison::Greater => {
                vec![
                    date(until, Comparison::GreaterOrEqual)
                        .or_else(|| date(from, Comparison::Greater))?,
                ]
            }
            Comparison::GreaterOrEqual => vec![date(from, Comparison::GreaterOrEqual)?],
            Comparison::Less => vec![date(from, Comparison::Less)?],
            Comparison::LessOrEqual => vec![date(until, Comparison::Less)?],
            Comparison::Equal => [
                date(from, Comparison::GreaterOrEqual),
                date(until, Comparison::Less),
            ]
            .into_iter()
            .flatten()
            .collect(),
            Comparison::NotEqual => return None,
        })
    }

    fn year(&self, id: ColumnId, year: i16) -> Expr {
        match self.is_text(id) {
            true => Expr::Text(year.to_string()),
            false => Expr::Number(year.to_string()),
        }
    }

    pub(super) fn during(
        &mut self,
        frame: &mut Frame,
        site: &Site,
        owner: Place,
        attribute: Option<Attribute>,
        (edge, beyond): (EdgeId, Option<Comparison>),
        cond: &Cond,
    ) -> Option<Predicates> {
        let lattice = self.lattice;
        let Kind::Date(span) = &lattice.edges[edge].kind else {
            return None;
        };
        let mut span = span.clone();
        match beyond {
            Some(Comparison::GreaterOrEqual) => span.until = None,
            Some(_) => span.from = None,
            None => {}
        }
        let year = year_of(&span);
        let column = match attribute {
            Some(attribute) => self.column(attribute, owner, |c, id| {
                let time = roles::is_time(c.snapshot, id);
                let number = roles::is_number(c.snapshot, id) || c.is_text(id);
                match (time, number && year.is_some()) {
                    (true, _) => Some(0.0),
                    (_, true) => Some(-0.2),
                    _ => None,
                }
            })?,
            None => {
                let own = !self.domain.roles[owner.relation.0].times.is_empty();
                let before = self.score;
                let by_year = year.and_then(|_| self.year_column(owner));
                let year_score = std::mem::replace(&mut self.score, before);
                match by_year {
                    Some(column) if !own || column.place == owner => {
                        self.score = year_score;
                        column
                    }
                    _ => self.time_column(owner)?,
                }
            }
        };
        if roles::is_time(self.snapshot, column.id) {
            let (from, until) = (span.from.clone(), span.until.clone());
            return self.on(frame, site, owner, column, cond, |_, expr| {
                let bound = |moment: Option<Moment>, comparison| {
                    moment.map(|m| Predicate::Compare(expr.clone(), comparison, Expr::Date(m)))
                };
                Some(
                    [
                        bound(from, Comparison::GreaterOrEqual),
                        bound(until, Comparison::Less),
                    ]
                    .into_iter()
                    .flatten()
                    .collect(),
                )
            });
        }
        let (from, until) = year?;
        self.on(frame, site, owner, column, cond, |composer, expr| {
            let number = |year| composer.year(column.id, year);
            Some(match (from, until) {
                (Some(from), Some(until)) if until == from + 1 => {
                    vec![Predicate::Compare(expr, Comparison::Equal, number(from))]
                }
                (from, until) => {
                    let low = from.map(|y| {
                        Predicate::Compare(expr.clone(), Comparison::GreaterOrEqual, number(y))
                    });
                    let high = until
                        .map(|y| Predicate::Compare(expr.clone(), Comparison::Less, number(y)));
                    low.into_iter().chain(high).collect()
                }
            })
        })
    }
}

/// The year that a span of time is, when it is just one.
fn year_of(span: &Span) -> Option<(Option<i16>, Option<i16>)> {
    let first = |moment: &Option<Moment>| match moment {
        Some(Moment::Day(day)) if day.month() == 1 && day.day() == 1 => Some(Some(day.year())),
        None => Some(None),
        _ => None,
    };
    Some((first(&span.from)?, first(&span.until)?))
}
