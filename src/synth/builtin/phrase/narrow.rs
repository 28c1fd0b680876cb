//! What narrows rows, as predicates on them: on joined rows, or inside an EXISTS so that no row is met twice.

use std::sync::Arc;

use crate::schema::snapshot::{ColumnId, TypeClass};
use crate::synth::builtin::graph::Step;
use crate::synth::builtin::query::{Aggregate, Comparison, Expr, Predicate};
use crate::synth::builtin::roles;
use crate::synth::builtin::sketch::{Attribute, EdgeId};

use super::compose::Composer;
use super::frame::{Frame, Place, Site, ties};
use super::logic::{is_contradictory, mirrored, negation};
use super::resolve::Located;
use super::tree::{Cond, Conj, Left, Operand, Test};

pub(super) type Predicates = Vec<Predicate>;

impl Composer<'_> {
    /// All conditions on the rows of a site.
    pub(super) fn all(
        &mut self,
        frame: &mut Frame,
        site: &Site,
        owner: Place,
        conds: &[Cond],
    ) -> Option<Predicates> {
        let mut choices: Vec<Vec<Predicate>> = Vec::new();
        // No date lies in two years at once; of other rows it is said elsewhere.
        let spans = |cond: &&Cond| match &cond.test {
            Test::During(_, edge, None) => !cond.negated && self.is_closed_span(*edge),
            _ => false,
        };
        if conds.iter().filter(spans).count() > 1 {
            return None;
        }
        for (number, cond) in conds.iter().enumerate() {
            let siblings: Vec<Cond> = conds
                .iter()
                .enumerate()
                .filter(|(n, c)| *n != number && !matches!(c.test, Test::Extreme(_)))
                .map(|(_, c)| c.clone())
                .collect();
            let mut one = self.one(frame, site, owner, cond, &siblings)?;
            if one.is_empty() && cond.join != Conj::Or {
                continue;
            }
            let whole = match one.len() {
                1 => one.remove(0),
                _ => Predicate::All(one),
            };
            match choices.last_mut().filter(|_| cond.join == Conj::Or) {
                Some(list) => list.push(whole),
                None => choices.push(vec![whole]),
            }
        }
        if is_contradictory(&choices) {
            return None;
        }
        let predicates = choices.into_iter().flat_map(|mut list| match list.len() {
            1 => match list.remove(0) {
                Predicate::All(parts) => parts,
                one => vec![one],
            },
            _ => vec![Predicate::Any(list)],
        });
        Some(predicates.collect())
    }

    /// One condition.
    fn one(
        &mut self,
        frame: &mut Frame,
        site: &Site,
        owner: Place,
        cond: &Cond,
        siblings: &[Cond],
    ) -> Option<Predicates> {
        let negated = cond.negated;
        match &cond.test {
            Test::Values(edges, attribute, both) => {
                self.values_in(frame, site, owner, edges, *attribute, *both, cond)
            }
            Test::Flag(edge) => {
                let (column, wanted) = self.flag(*edge, owner)?;
                self.on(frame, site, owner, column, cond, |_, expr| {
                    Some(vec![Predicate::Is(expr, wanted)])
                })
            }
            Test::Compare(left, comparison, operand) => {
                self.comparison(frame, site, owner, left, *comparison, operand, cond)
            }
            Test::Between(left, low, high) => {
                let column = self.left(left, owner, Comparison::Less, low)?;
                let bounds = [
                    (Comparison::GreaterOrEqual, low),
                    (Comparison::LessOrEqual, high),
                ];
                self.on(frame, site, owner, column, cond, |composer, expr| {
                    let mut all = Vec::new();
                    for (comparison, operand) in bounds {
                        all.extend(composer.compare(&expr, column, comparison, operand)?);
                    }
                    Some(all)
                })
            }
            Test::During(attribute, edge, beyond) => {
                self.during(frame, site, owner, *attribute, (*edge, *beyond), cond)
            }
            Test::Like(attribute, affix, text) => {
                let column = match attribute {
                    Some(a) => self.column(*a, owner, |c, id| c.is_text(id).then_some(0.0))?,
                    None => self.name_of(owner)?,
                };
                let (affix, text) = (*affix, text.clone());
                self.on(frame, site, owner, column, cond, move |_, expr| {
                    Some(vec![Predicate::Like(expr, affix, text)])
                })
            }
            Test::Named(attribute, text) => self.named(frame, site, owner, *attribute, text, cond),
            Test::Missing(attribute) => {
                let column = self.column(*attribute, owner, |c, id| {
                    Some(if c.snapshot.column(id).not_null {
                        -1.0
                    } else {
                        0.0
                    })
                })?;
                let mut positive = cond.clone();
                positive.negated = false;
                self.on(frame, site, owner, column, &positive, move |_, expr| {
                    Some(vec![Predicate::Null(expr, !negated)])
                })
            }
            Test::Has(thing, None) => self.has(frame, site, owner, thing, cond),
            Test::Has(thing, Some((Comparison::Equal, Operand::Number(none)))) if none == "0" => {
                let mut without = cond.clone();
                without.negated = !negated;
                self.has(frame, site, owner, thing, &without)
            }
            Test::Has(thing, Some((comparison, operand))) => {
                let comparison = match negated {
                    true => comparison.negated(),
                    false => *comparison,
                };
                self.has_many(frame, site, owner, thing, comparison, operand)
            }
            Test::Often(..) => None,
            Test::Extreme(extreme) => {
                let found = self.among_first(site, owner, extreme, siblings)?;
                Some(vec![match negated {
                    true => negation(found),
                    false => found,
                }])
            }
        }
    }

    /// Says something of a column, wherever its rows are.
    pub(super) fn on(
        &mut self,
        frame: &mut Frame,
        site: &Site,
        owner: Place,
        column: Located,
        cond: &Cond,
        said: impl FnOnce(&mut Self, Expr) -> Option<Predicates>,
    ) -> Option<Predicates> {
        self.at(
            frame,
            site,
            owner,
            column.place,
            cond,
            |composer, _, end| said(composer, Expr::Column(end.source, column.id)),
        )
    }

    /// Says something of the rows at a place.
    pub(super) fn at(
        &mut self,
        frame: &mut Frame,
        site: &Site,
        owner: Place,
        place: Place,
        cond: &Cond,
        said: impl FnOnce(&mut Self, &mut Frame, &Site) -> Option<Predicates>,
    ) -> Option<Predicates> {
        let path = self.path(frame, site, owner, place, cond)?;
        let Some(at) = frame.fans(&self.domain.graph, &path) else {
            let end = self.join(frame, &path);
            let mut found = said(self, frame, &end)?;
            if cond.negated {
                let whole = match found.len() {
                    0 => return None,
                    1 => found.remove(0),
                    _ => Predicate::All(found),
                };
                found = vec![negation(whole)];
            }
            return Some(found);
        };
        let select = self.inside(frame, &path, at, said)?;
        Some(vec![Predicate::Exists(Box::new(select), !cond.negated)])
    }

    pub(super) fn path(
        &self,
        frame: &Frame,
        site: &Site,
        owner: Place,
        place: Place,
        cond: &Cond,
    ) -> Option<Vec<Step>> {
        if place == owner {
            return Some(site.path.clone());
        }
        let own = self.way(frame, place, Some(&site.path));
        if cond.negated || cond.join == Conj::Also {
            return own.map(|w| w.path);
        }
        let any = self.way(frame, place, None)?;
        match own {
            Some(own) if own.cost <= any.cost => Some(own.path),
            _ => Some(any.path),
        }
    }

    /// A select of the rows behind the step `at` of a path, tied to the rows before it.
    pub(super) fn inside(
        &mut self,
        outer: &mut Frame,
        path: &[Step],
        at: usize,
        said: impl FnOnce(&mut Self, &mut Frame, &Site) -> Option<Predicates>,
    ) -> Option<crate::synth::builtin::query::Select> {
        let from = self.join(outer, &path[..at]);
        let source = self.new_source();
        let graph = &self.domain.graph;
        let mut inner = Frame::new(graph.target(path[at]), source);
        for tie in ties(graph, path[at], from.source, source) {
            inner.filter(tie);
        }
        let end = self.join(&mut inner, &path[at + 1..]);
        for predicate in said(self, &mut inner, &end)? {
            inner.filter(predicate);
        }
        Some(inner.select)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one condition")]
    fn values_in(
        &mut self,
        frame: &mut Frame,
        site: &Site,
        owner: Place,
        edges: &[EdgeId],
        attribute: Option<Attribute>,
        both: bool,
        cond: &Cond,
    ) -> Option<Predicates> {
        let (column, first) = self.value(edges[0], attribute, owner)?;
        let mut values = vec![self.constant(column.id, &first)];
        for edge in &edges[1..] {
            let value = self.same_column(*edge, column.id)?;
            values.push(self.constant(column.id, &value));
        }
        let path = self.path(frame, site, owner, column.place, cond)?;
        let many = frame.fans(&self.domain.graph, &path).is_some();
        if both && many && !cond.negated && values.len() > 1 {
            let mut all = Vec::new();
            for value in values {
                let select = self.on(frame, site, owner, column, cond, |_, expr| {
                    Some(vec![Predicate::Compare(expr, Comparison::Equal, value)])
                })?;
                all.extend(select);
            }
            return Some(all);
        }
        self.on(frame, site, owner, column, cond, |_, expr| {
            Some(vec![match values.len() {
                1 => Predicate::Compare(expr, Comparison::Equal, values.remove(0)),
                _ => Predicate::OneOf(expr, values),
            }])
        })
    }

    fn left(
        &mut self,
        left: &Left,
        owner: Place,
        comparison: Comparison,
        operand: &Operand,
    ) -> Option<Located> {
        match left {
            Left::Column(attribute) => self.column(*attribute, owner, |c, id| {
                c.comparable(id, comparison, operand)
            }),
            Left::Graded(adjective) => {
                let column = self.graded(*adjective, owner)?;
                self.comparable(column.id, comparison, operand)?;
                Some(column)
            }
            Left::Aggregate(..) => None,
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one condition")]
    fn comparison(
        &mut self,
        frame: &mut Frame,
        site: &Site,
        owner: Place,
        left: &Left,
        comparison: Comparison,
        operand: &Operand,
        cond: &Cond,
    ) -> Option<Predicates> {
        let column = self.left(left, owner, comparison, operand)?;
        let comparison = match left {
            Left::Graded(adjective)
                if roles::is_time(self.snapshot, column.id) && adjective.late != adjective.high =>
            {
                mirrored(comparison)
            }
            _ => comparison,
        };
        self.on(frame, site, owner, column, cond, |composer, expr| {
            composer.compare(&expr, column, comparison, operand)
        })
    }

    /// One comparison of a column.
    fn compare(
        &mut self,
        expr: &Expr,
        column: Located,
        comparison: Comparison,
        operand: &Operand,
    ) -> Option<Predicates> {
        let text = self.snapshot.column(column.id).class == TypeClass::Text;
        let right = match operand {
            Operand::Number(digits) if text => Expr::Text(digits.clone()),
            Operand::Number(digits) => Expr::Number(digits.clone()),
            Operand::Text(value) if self.is_text(column.id) => {
                let left = Expr::Lower(Box::new(expr.clone()));
                let right = Expr::Text(value.to_lowercase());
                return Some(vec![Predicate::Compare(left, comparison, right)]);
            }
            Operand::Text(value) => Expr::Text(value.clone()),
            Operand::Param(n) => Expr::Param(*n),
            Operand::Date(edge) => return self.compare_date(expr, column, comparison, *edge),
            Operand::Aggregate(aggregate, attribute, thing) => {
                let (over, conds) = match thing {
                    Some(thing) => (self.place(thing, Some(column.place))?, thing.conds.clone()),
                    None => (Place::plain(column.id.relation), Vec::new()),
                };
                let of = match attribute {
                    Some(attribute) => {
                        self.column(*attribute, over, |c, id| c.aggregable(id, *aggregate))?
                    }
                    None if over.relation == column.id.relation => column,
                    None => column,
                };
                self.scalar(*aggregate, of, &conds, over)?
            }
            Operand::Every(thing, least) => {
                let over = self.place(thing, Some(column.place))?;
                let up = matches!(comparison, Comparison::Greater | Comparison::GreaterOrEqual);
                let aggregate = match up != *least {
                    true => Aggregate::Max,
                    false => Aggregate::Min,
                };
                self.scalar(aggregate, column, &thing.conds, over)?
            }
            Operand::Column(attribute) => {
                let other = self.column(*attribute, column.place, |_, _| Some(0.0))?;
                let Expr::Column(source, _) = expr else {
                    return None;
                };
                if other.place != column.place {
                    return None;
                }
                Expr::Column(*source, other.id)
            }
        };
        Some(vec![Predicate::Compare(expr.clone(), comparison, right)])
    }

    /// A stored value as SQL compares it with its column.
    fn constant(&self, id: ColumnId, value: &Arc<str>) -> Expr {
        match self.snapshot.column(id).class {
            TypeClass::Integer | TypeClass::Decimal => Expr::Number(value.to_string()),
            _ => Expr::Text(value.to_string()),
        }
    }
}
