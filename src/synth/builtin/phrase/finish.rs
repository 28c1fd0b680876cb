//! What a select ends with: its groups, its order, its headings.

use crate::schema::snapshot::ColumnId;
use crate::synth::builtin::graph::Step;
use crate::synth::builtin::query::{Aggregate, Expr, Item, Select};
use crate::synth::builtin::roles;

use super::compose::{Composer, Draft};
use super::frame::Place;
use super::resolve::Located;
use super::tree::{By, Key, Noun, Query};

/// Columns that break the ties of rows that are not grouped at most: more of them are the whole row.
const TIES_MAX: usize = 3;

impl Composer<'_> {
    /// Rows of the same name are different rows.
    pub(super) fn group_by_key(&mut self, draft: &mut Draft, place: Place) -> Option<()> {
        if !draft.grouped
            || place == Place::plain(draft.frame.root().relation) && draft.head_place != place
        {
            return Some(());
        }
        let keys = self.snapshot.relation(place.relation).primary_key.clone();
        for column in keys {
            let id = ColumnId {
                relation: place.relation,
                column,
            };
            let expr = self.located(draft, Located { id, place })?;
            if !draft.frame.select.groups.contains(&expr) {
                draft.frame.select.groups.push(expr);
            }
        }
        Some(())
    }

    pub(super) fn keys(
        &mut self,
        draft: &mut Draft,
        query: &Query,
        aggregated: bool,
    ) -> Option<()> {
        for key in &query.groups {
            match key {
                Key::Rows(edge) => {
                    let place = self.choice.nouns[edge];
                    if !aggregated {
                        self.score -= 0.3;
                        let way = self.way(&draft.frame, place, None)?;
                        self.join(&mut draft.frame, &way.path);
                        continue;
                    }
                    let shown = draft.items.iter().any(|i| match &i.expr {
                        Expr::Column(_, id) => {
                            id.relation == place.relation
                                || self.domain.graph.keys.iter().any(|k| {
                                    k.to == place.relation
                                        && k.from == id.relation
                                        && k.from_columns == [id.column]
                                })
                        }
                        _ => false,
                    });
                    self.group_by_key(draft, place)?;
                    if !shown {
                        let mut shown = Vec::new();
                        std::mem::swap(&mut draft.items, &mut shown);
                        for column in self.naming(place) {
                            self.show(draft, column)?;
                        }
                        // "per site" heads the site's name by its own word.
                        if let [item] = &mut draft.items[..] {
                            item.name = self.lattice.heading(*edge);
                        }
                        draft.items.append(&mut shown);
                    }
                }
                Key::Column(attribute) => {
                    let column = self.column(*attribute, draft.head_place, |c, id| {
                        // Nobody groups by what is different in every row.
                        let unique =
                            roles::is_number(c.snapshot, id) && !roles::is_key(c.snapshot, id);
                        Some(if unique { -0.1 } else { 0.0 })
                    })?;
                    let expr = self.located(draft, column)?;
                    if draft.items.iter().any(|i| i.expr == expr) {
                        continue;
                    }
                    if !aggregated {
                        self.score -= 0.3;
                    }
                    let mut shown = Vec::new();
                    std::mem::swap(&mut draft.items, &mut shown);
                    self.show(draft, column)?;
                    draft.items.append(&mut shown);
                }
                Key::Time(unit) => {
                    let column = self.time_column(draft.head_place)?;
                    let inner = self.located(draft, column)?;
                    let expr = Expr::Start(*unit, Box::new(inner));
                    draft.frame.select.groups.push(expr.clone());
                    let name = unit.name().to_owned();
                    draft.items.insert(0, Item { expr, name });
                }
            }
        }
        Some(())
    }

    /// Makes one row of the answer stand for one of the rows shown.
    fn grouped(&mut self, draft: &mut Draft, query: &Query) -> Option<()> {
        if draft.grouped {
            return Some(());
        }
        draft.grouped = true;
        if query.head.noun != Noun::Implied {
            self.group_by_key(draft, draft.head_place)?;
        }
        for item in &draft.items {
            let groups = &mut draft.frame.select.groups;
            if !groups.contains(&item.expr) {
                groups.push(item.expr.clone());
            }
        }
        Some(())
    }

    /// What the rows shown are ordered by.
    pub(super) fn ordering(&mut self, draft: &mut Draft, query: &Query, by: &By) -> Option<Expr> {
        let head = draft.head_place;
        match by {
            By::Column(attribute) => {
                let column = self.column(*attribute, head, |c, id| {
                    Some(if roles::is_key(c.snapshot, id) {
                        -0.4
                    } else {
                        0.0
                    })
                })?;
                let expr = self.located(draft, column)?;
                self.ordered(draft, expr)
            }
            By::Graded(adjective) => {
                let column = self.graded(*adjective, head)?;
                let expr = self.located(draft, column)?;
                self.ordered(draft, expr)
            }
            By::Aggregate(aggregate, attribute) => {
                self.grouped(draft, query)?;
                let column = self.column(*attribute, head, |c, id| c.aggregable(id, *aggregate))?;
                let expr = self.located(draft, column)?;
                Some(Expr::Aggregate(*aggregate, Box::new(expr)))
            }
            By::Count(thing) => {
                self.grouped(draft, query)?;
                self.counted(draft, thing)
            }
            By::Frequency => {
                // Values that are there in several rows are counted by those rows.
                let repeats = !draft.items.is_empty()
                    && draft.items.iter().all(|i| match &i.expr {
                        Expr::Column(_, id) => id.relation == head.relation && !self.is_unique(*id),
                        _ => false,
                    });
                if repeats {
                    let mut implied = query.clone();
                    implied.head.noun = Noun::Implied;
                    self.grouped(draft, &implied)?;
                    return Some(Expr::CountRows);
                }
                self.grouped(draft, query)?;
                // How often a row is there is how many others refer to it.
                let graph = &self.domain.graph;
                let referring: Vec<usize> = (0..graph.keys.len())
                    .filter(|&k| {
                        graph.keys[k].to == head.relation && graph.keys[k].from != head.relation
                    })
                    .collect();
                let (Some(&key), few) = (referring.first(), referring.len()) else {
                    return Some(Expr::CountRows);
                };
                self.score -= 0.2 * (few as f32 - 1.0);
                let mut path = draft.head.path.clone();
                path.push(Step {
                    key,
                    forward: false,
                });
                self.join(&mut draft.frame, &path);
                Some(Expr::CountRows)
            }
            By::Shown => {
                let text = draft
                    .items
                    .iter()
                    .find(|i| matches!(&i.expr, Expr::Column(_, id) if self.is_text(*id)));
                Some(text.or_else(|| draft.items.first())?.expr.clone())
            }
        }
    }

    /// A column in the order of grouped rows must be one of their keys.
    fn ordered(&mut self, draft: &mut Draft, expr: Expr) -> Option<Expr> {
        if draft.grouped && !draft.frame.select.groups.contains(&expr) {
            let aggregate = draft.items.iter().find_map(|i| match &i.expr {
                Expr::Aggregate(_, inner) if **inner == expr => Some(i.expr.clone()),
                _ => None,
            });
            if aggregate.is_some() {
                return aggregate;
            }
            draft.frame.select.groups.push(expr.clone());
        } else if !draft.grouped
            && draft
                .items
                .iter()
                .any(|i| matches!(i.expr, Expr::Aggregate(..) | Expr::CountRows))
        {
            return None;
        }
        Some(expr)
    }

    pub(super) fn orders(&mut self, draft: &mut Draft, query: &Query) -> Option<()> {
        for (by, descending) in &query.order {
            let expr = self.ordering(draft, query, by)?;
            let descending = match (by, &expr) {
                (By::Graded(adjective), Expr::Column(_, id)) => {
                    self.runs_down(*adjective, *id, *descending)
                }
                _ => *descending,
            };
            if !draft.frame.select.order.iter().any(|o| o.0 == expr) {
                draft.frame.select.order.push((expr, descending));
            }
        }
        if draft.limit.is_none() && query.head.limit.is_some() {
            draft.limit = query.head.limit.clone();
            if query.order.is_empty() {
                self.score -= 0.5;
            } else if let Some(first) = draft.frame.select.order.first_mut() {
                // "top 3 by price" are those with the highest one.
                first.1 = true;
            }
        }
        Some(())
    }

    pub(super) fn finished(&self, draft: Draft, query: &Query) -> Select {
        let mut select = draft.frame.select;
        select.items = draft.items;
        select.limit = draft.limit;
        let distinct = (query.distinct || query.head.distinct)
            && select.groups.is_empty()
            && !select.items.iter().any(|i| is_aggregate(&i.expr));
        select.distinct |= distinct;
        if select.distinct {
            // What differs in the order alone is the same row: the first of each is what counts.
            let shown: Vec<Expr> = select.items.iter().map(|i| i.expr.clone()).collect();
            if !select.order.iter().all(|o| shown.contains(&o.0)) {
                select.distinct = false;
                for (expr, descending) in &mut select.order {
                    let end = if *descending {
                        Aggregate::Max
                    } else {
                        Aggregate::Min
                    };
                    if !shown.contains(expr) {
                        *expr = Expr::Aggregate(end, Box::new(expr.clone()));
                    }
                }
                select.groups = shown;
            }
        }
        let mut seen: Vec<Expr> = Vec::new();
        select.items.retain(|i| {
            let new = !seen.contains(&i.expr);
            seen.push(i.expr.clone());
            new
        });
        settled(&mut select);
        self.headed(&mut select);
        select
    }

    /// Gives every result column a heading of its own.
    fn headed(&self, select: &mut Select) {
        let names: Vec<String> = select.items.iter().map(|i| i.name.clone()).collect();
        for (n, item) in select.items.iter_mut().enumerate() {
            let repeated = names.iter().filter(|name| **name == item.name).count() > 1;
            if let (true, Expr::Column(_, id)) = (repeated, &item.expr) {
                let relation = &self.snapshot.relation(id.relation).name;
                let singular = relation.strip_suffix('s').unwrap_or(relation);
                item.name = format!("{singular}_{}", item.name);
            } else if names[..n].contains(&item.name) {
                item.name = format!("{}_{}", item.name, n + 1);
            }
        }
    }
}

/// One order and no other, whatever the plan: groups go by their keys, and ties of the first rows by what is shown.
fn settled(select: &mut Select) {
    let grouped = !select.groups.is_empty();
    let first = select.limit.is_some() && !select.order.is_empty();
    let unordered = grouped && select.limit.is_none() && select.order.is_empty();
    if !(unordered || first && (grouped || select.items.len() <= TIES_MAX)) {
        return;
    }
    for item in &select.items {
        let known = select.order.iter().any(|(expr, _)| *expr == item.expr);
        if !known && !is_aggregate(&item.expr) {
            select.order.push((item.expr.clone(), false));
        }
    }
}

pub(super) fn is_aggregate(expr: &Expr) -> bool {
    matches!(expr, Expr::Aggregate(..) | Expr::CountRows | Expr::Share(_))
}
