//! Conditions on the answer as a whole: extremes, conditions on groups, and those that no one row can meet.

use crate::schema::snapshot::ColumnId;
use crate::synth::builtin::query::{Aggregate, Comparison, Expr, Item, Limit, Predicate};
use crate::synth::builtin::sketch::Attribute;

use super::compose::{Composer, Draft};
use super::frame::{Frame, Place, Site};
use super::resolve::Located;
use super::tree::{By, Cond, Extreme, Left, Noun, Operand, Output, Query, Test, Thing};

impl Composer<'_> {
    /// Whether a condition is about the answer as a whole, and not about each row.
    pub(super) fn is_special(
        &mut self,
        cond: &Cond,
        query: &Query,
        head: Place,
        aggregated: bool,
    ) -> bool {
        match &cond.test {
            Test::Extreme(extreme) => {
                let by_rows = matches!(extreme.by, By::Column(_) | By::Graded(_));
                !cond.negated
                    && (!aggregated
                        || !by_rows && !query.is_aggregate()
                        || !query.groups.is_empty())
            }
            Test::Compare(Left::Aggregate(..), ..) | Test::Often(..) => true,
            Test::Has(thing, Some(_)) => {
                query.head.noun == Noun::Implied
                    && self.place(thing, Some(head)).is_some_and(|p| p == head)
            }
            _ => false,
        }
    }

    /// Conditions of a column's values that no one row can meet: "countries with singers above 40 and singers below
    /// 30", "cities without any shop".
    pub(super) fn apart(
        &mut self,
        draft: &mut Draft,
        query: &Query,
        conds: Vec<Cond>,
        aggregated: bool,
    ) -> Option<Vec<Cond>> {
        let columns: Vec<Attribute> = query
            .outputs
            .iter()
            .filter_map(|o| match o {
                Output::Column(a) => Some(*a),
                _ => None,
            })
            .collect();
        let only = columns.len() == 1 && query.outputs.len() == 1;
        if aggregated || query.head.noun != Noun::Implied || !only {
            return Some(conds);
        }
        let mut left = Vec::new();
        for (number, cond) in conds.iter().enumerate() {
            let own = match &cond.test {
                Test::Has(thing, None) => {
                    let place = self.place(thing, Some(draft.head_place));
                    place == Some(draft.head_place)
                }
                _ => false,
            };
            let twice = number > 0 && cond.join.is_apart() && same_kind(cond, &conds[number - 1])
                || conds
                    .get(number + 1)
                    .is_some_and(|next| next.join.is_apart() && same_kind(next, cond));
            let shared = cond.negated
                && matches!(cond.test, Test::Has(..))
                && matches!(&draft.items[..], [Item { expr: Expr::Column(_, id), .. }] if !self.is_unique(*id));
            if !(own && cond.negated || twice || shared) {
                left.push(cond.clone());
                continue;
            }
            let [Item { expr, .. }] = &draft.items[..] else {
                return None;
            };
            let Expr::Column(_, id) = expr.clone() else {
                return None;
            };
            let expr = expr.clone();
            let source = self.new_source();
            let mut inner = Frame::new(id.relation, source);
            let site = inner.root().clone();
            let mut positive = cond.clone();
            positive.negated = false;
            let place = Place::plain(id.relation);
            let filters = self.all(&mut inner, &site, place, &[positive])?;
            filters.into_iter().for_each(|f| inner.filter(f));
            inner.select.items.push(Item {
                expr: Expr::Column(site.source, id),
                name: String::new(),
            });
            let within = Predicate::In(expr, Box::new(inner.select));
            draft.frame.select.distinct = true;
            draft.frame.filter(match cond.negated {
                true => Predicate::Not(Box::new(within)),
                false => within,
            });
        }
        Some(left)
    }

    pub(super) fn special(&mut self, draft: &mut Draft, query: &Query, cond: &Cond) -> Option<()> {
        // One number over all rows has no groups that could be left out.
        if query.is_aggregate() && query.groups.is_empty() && !matches!(cond.test, Test::Extreme(_))
        {
            return None;
        }
        match &cond.test {
            Test::Extreme(extreme) => {
                let expr = self.ordering(draft, query, &extreme.by)?;
                let descending = match (&extreme.by, &expr) {
                    (By::Graded(adjective), Expr::Column(_, id)) => {
                        self.runs_down(*adjective, *id, extreme.descending)
                    }
                    _ => extreme.descending,
                };
                draft.frame.select.order.push((expr, descending));
                let rows = extreme.rows.clone().or_else(|| query.head.limit.clone());
                if draft.limit.is_none() {
                    draft.limit = Some(rows.unwrap_or(Limit::Rows(1)));
                }
            }
            Test::Compare(Left::Aggregate(aggregate, attribute), comparison, operand) => {
                let by = By::Aggregate(*aggregate, *attribute);
                let expr = self.ordering(draft, query, &by)?;
                let operand = match operand {
                    Operand::Number(digits) => Expr::Number(digits.clone()),
                    Operand::Param(n) => Expr::Param(*n),
                    _ => return None,
                };
                let comparison = match cond.negated {
                    true => comparison.negated(),
                    false => *comparison,
                };
                let having = Predicate::Compare(expr, comparison, operand);
                draft.frame.select.having.push(having);
            }
            Test::Often(comparison, operand) => {
                let expr = self.ordering(draft, query, &By::Frequency)?;
                let operand = match operand {
                    Operand::Number(digits) => Expr::Number(digits.clone()),
                    Operand::Param(n) => Expr::Param(*n),
                    _ => return None,
                };
                let having = Predicate::Compare(expr, *comparison, operand);
                draft.frame.select.having.push(having);
            }
            Test::Has(thing, Some((comparison, operand))) => {
                let expr = self.ordering(draft, query, &By::Count((**thing).clone()))?;
                let operand = match operand {
                    Operand::Number(digits) => Expr::Number(digits.clone()),
                    Operand::Param(n) => Expr::Param(*n),
                    _ => return None,
                };
                let having = Predicate::Compare(expr, *comparison, operand);
                draft.frame.select.having.push(having);
            }
            _ => return None,
        }
        Some(())
    }

    /// The one expression that a nested aggregate is taken over.
    pub(super) fn scalar(
        &mut self,
        aggregate: Aggregate,
        column: Located,
        conds: &[Cond],
        place: Place,
    ) -> Option<Expr> {
        let source = self.new_source();
        let mut inner = Frame::new(place.relation, source);
        let site = inner.root().clone();
        let filters = self.all(&mut inner, &site, place, conds)?;
        filters.into_iter().for_each(|f| inner.filter(f));
        let way = inner.way(&self.domain.graph, Place::plain(column.id.relation), None)?;
        let end = self.join(&mut inner, &way.path);
        let value = Expr::Column(end.source, column.id);
        inner.select.items.push(Item {
            expr: Expr::Aggregate(aggregate, Box::new(value)),
            name: String::new(),
        });
        Some(Expr::Scalar(Box::new(inner.select)))
    }

    /// The rows that come first, as a condition: by the extreme itself, or by a key among those of the first rows.
    pub(super) fn among_first(
        &mut self,
        site: &Site,
        owner: Place,
        extreme: &Extreme,
        siblings: &[Cond],
    ) -> Option<Predicate> {
        let one = matches!(extreme.rows, None | Some(Limit::Rows(1)));
        let column = match &extreme.by {
            By::Column(attribute) => Some(self.column(*attribute, owner, |_, _| Some(0.0))?),
            By::Graded(adjective) => Some(self.graded(*adjective, owner)?),
            _ => None,
        };
        if let Some(column) = column
            && one
            && column.place == owner
        {
            let high = match &extreme.by {
                By::Graded(adjective) => self.runs_down(*adjective, column.id, extreme.descending),
                _ => extreme.descending,
            };
            let aggregate = if high { Aggregate::Max } else { Aggregate::Min };
            let best = self.scalar(aggregate, column, siblings, owner)?;
            let own = Expr::Column(site.source, column.id);
            return Some(Predicate::Compare(own, Comparison::Equal, best));
        }
        let keys = &self.snapshot.relation(owner.relation).primary_key;
        let key = match keys[..] {
            [key] => key,
            _ => *self.domain.roles[owner.relation.0].display.first()?,
        };
        let id = ColumnId {
            relation: owner.relation,
            column: key,
        };
        let source = self.new_source();
        let mut inner = Frame::new(owner.relation, source);
        let inner_site = inner.root().clone();
        let filters = self.all(&mut inner, &inner_site, owner, siblings)?;
        filters.into_iter().for_each(|f| inner.filter(f));
        let expr = Expr::Column(inner_site.source, id);
        let mut draft = Draft {
            frame: inner,
            head: inner_site,
            head_place: owner,
            grouped: false,
            items: vec![Item {
                expr: expr.clone(),
                name: String::new(),
            }],
            limit: None,
        };
        let query = Query {
            head: Thing::of(Noun::Implied),
            ..Query::default()
        };
        let order = self.ordering(&mut draft, &query, &extreme.by)?;
        let mut select = draft.frame.select;
        select.items = draft.items;
        select.order.push((order, extreme.descending));
        select.limit = Some(extreme.rows.clone().unwrap_or(Limit::Rows(1)));
        let own = Expr::Column(site.source, id);
        Some(Predicate::In(own, Box::new(select)))
    }
}

/// "both products above 4,500 and products below 3,000" are two conditions.
pub(super) fn hoisted(cond: Cond) -> Vec<Cond> {
    let Test::Has(thing, None) = &cond.test else {
        return vec![cond];
    };
    match super::has::coordinated(thing) {
        Some((first, second)) if !cond.negated => [first, second]
            .into_iter()
            .map(|thing| Cond {
                test: Test::Has(Box::new(thing), None),
                negated: false,
                join: super::tree::Conj::Also,
            })
            .collect(),
        _ => vec![cond],
    }
}

/// Whether two conditions are of a kind, so that one row will hardly meet both.
fn same_kind(a: &Cond, b: &Cond) -> bool {
    match (&a.test, &b.test) {
        (Test::Values(..), Test::Values(..)) => true,
        (Test::Compare(left, x, _), Test::Compare(right, y, _)) => {
            let same = match (left, right) {
                (Left::Graded(a), Left::Graded(b)) => a.columns == b.columns,
                (left, right) => left == right,
            };
            let opposed = matches!(x, Comparison::Greater | Comparison::GreaterOrEqual)
                != matches!(y, Comparison::Greater | Comparison::GreaterOrEqual);
            same || opposed
        }
        (Test::During(..), Test::During(..)) => true,
        (Test::Has(a, None), Test::Has(b, None)) => {
            !a.conds.is_empty() && !b.conds.is_empty() && a.noun == b.noun
        }
        _ => false,
    }
}
