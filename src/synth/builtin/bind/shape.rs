//! The shape of the answer: a list of rows, or aggregates with what they are grouped by.

use crate::schema::snapshot::{ColumnId, RelationId, TypeClass};
use crate::synth::builtin::query::{Aggregate, Expr, Item, Limit, Rows, Select, Source, TimeUnit};
use crate::synth::builtin::roles;
use crate::synth::builtin::sketch::{Group, Operand, OrderBy, Show, Test};
use crate::synth::builtin::text;

use super::measure::BoundMeasure;
use super::place::outermost;
use super::scope::Scope;
use super::{Binder, BoundColumn, Place};

/// Something shown, bound.
#[derive(Clone, Debug)]
enum Shown {
    Rows {
        place: Place,
        outer: bool,
        word: String,
    },
    Column(BoundColumn),
    Time(TimeUnit, BoundColumn),
    Measure(BoundMeasure),
}

/// What rows are ordered by, bound.
enum Ordered {
    Column(BoundColumn),
    Measure(BoundMeasure),
}

impl Binder<'_> {
    /// Binds the whole sketch.
    pub(super) fn shape(&mut self) -> Option<Select> {
        let mut shown = Vec::new();
        for show in &self.sketch.shows {
            shown.push(self.shown(show)?);
        }
        let order = self.ordered(&shown)?;
        let mut keys = Vec::new();
        let mut times = Vec::new();
        for group in &self.sketch.groups {
            match group {
                Group::Noun(edge) => keys.push(Shown::Rows {
                    place: self.nouns[edge],
                    outer: false,
                    word: self.lattice.heading(*edge),
                }),
                Group::Attribute(attribute) => {
                    keys.push(Shown::Column(
                        self.column(*attribute, None, |_, _| Some(0.0))?,
                    ))
                }
                Group::Time(unit) => times.push(*unit),
            }
        }
        self.implied_measure(&mut shown)?;
        let measure = shown
            .iter()
            .find_map(|s| match s {
                Shown::Measure(m) => Some(m.relation),
                _ => None,
            })
            .or(match &order {
                Some(Ordered::Measure(m)) => Some(m.relation),
                _ => None,
            });
        for unit in times {
            let column = self.time_column(measure?)?;
            keys.push(Shown::Time(unit, column));
        }
        match measure {
            Some(root) => {
                // What is shown beside a measure is what it is grouped by; group keys come first.
                let (measures, others): (Vec<_>, Vec<_>) = shown
                    .into_iter()
                    .partition(|s| matches!(s, Shown::Measure(_)));
                // Nobody groups by a number without saying so: "total revenue" is one thing.
                // Nor are the measured rows themselves its groups: "the highest total per customer" is one of each.
                let measured = |s: &Shown| {
                    !self.sketch.groups.is_empty()
                        && matches!(s, Shown::Rows { place, .. } if place.relation == root && place.role.is_none())
                };
                if others.iter().any(|s| self.is_quantity(s) || measured(s)) {
                    return None;
                }
                keys.extend(others);
                self.aggregated(root, &keys, measures, order)
            }
            None if keys.is_empty() => self.list(&shown, order),
            None => None,
        }
    }

    /// Whether something shown is a number that measures.
    fn is_quantity(&self, shown: &Shown) -> bool {
        matches!(shown, Shown::Column(c)
            if roles::is_number(self.snapshot, c.id) && !roles::is_key(self.snapshot, c.id))
    }

    fn shown(&mut self, show: &Show) -> Option<Shown> {
        Some(match show {
            Show::Noun { edge, outer } => Shown::Rows {
                place: self.nouns[edge],
                outer: *outer,
                word: String::new(),
            },
            Show::Attribute(attribute) => {
                // "discontinued products" are products; a yes or no is seldom asked for.
                let fit = |binder: &Self, id| match binder.snapshot.column(id).class {
                    TypeClass::Boolean => Some(binder.weights.late_column),
                    _ => Some(0.0),
                };
                Shown::Column(self.column(*attribute, None, fit)?)
            }
            Show::Measure(measure) => Shown::Measure(self.measure(measure)?),
        })
    }

    /// The outer option is a failure, the inner one "no order".
    fn ordered(&mut self, shown: &[Shown]) -> Option<Option<Ordered>> {
        let Some(order) = &self.sketch.order else {
            return Some(None);
        };
        Some(Some(match &order.by {
            OrderBy::Later => return None,
            OrderBy::Attribute(attribute) => {
                let first = self.sketch.nouns.first().copied();
                Ordered::Column(self.column(*attribute, first, |b, id| Some(b.key_penalty(id)))?)
            }
            OrderBy::Measure(measure) => Ordered::Measure(self.measure(measure)?),
            OrderBy::Adjective(adjective) => {
                let place = shown.iter().find_map(|s| match s {
                    Shown::Rows { place, .. } => Some(*place),
                    Shown::Column(column) => Some(column.place),
                    _ => None,
                })?;
                let column = self.graded_column(*adjective, place, &Operand::Param(0))?;
                if roles::is_time(self.snapshot, column.id) {
                    self.late = Some(adjective.late);
                }
                Ordered::Column(column)
            }
        }))
    }

    /// "customers per country" counts; "stock by category" adds up.
    fn implied_measure(&mut self, shown: &mut Vec<Shown>) -> Option<()> {
        let has_measure = shown.iter().any(|s| matches!(s, Shown::Measure(_)));
        if self.sketch.groups.is_empty() || has_measure {
            return Some(());
        }
        let by_measure = self
            .sketch
            .order
            .as_ref()
            .is_some_and(|o| matches!(o.by, OrderBy::Measure(_)));
        if by_measure {
            return Some(());
        }
        if self.sketch.groups.iter().any(|g| self.narrows(g)) {
            return None;
        }
        let measure = match shown.pop()? {
            Shown::Rows { place, .. } if place.role.is_none() => {
                BoundMeasure::count(place.relation)
            }
            Shown::Column(column) if roles::is_number(self.snapshot, column.id) => {
                self.score += self.weights.guessed_measure;
                let name = &self.snapshot.column(column.id).name;
                BoundMeasure {
                    relation: column.id.relation,
                    aggregate: Aggregate::Sum,
                    formula: Some(crate::synth::builtin::measures::Formula::Column(column.id)),
                    heading: format!("total_{name}"),
                }
            }
            _ => return None,
        };
        shown.push(Shown::Measure(measure));
        Some(())
    }

    /// "books by author $1", "books by authors from Russia": the noun after "by" says whose, not what to count by.
    fn narrows(&self, group: &Group) -> bool {
        let Group::Noun(edge) = group else {
            return false;
        };
        let last = self.lattice.edges[*edge].end - 1;
        let plural = self.lattice.tokens[last].folded.ends_with('s');
        self.sketch.conditions.iter().any(|c| {
            c.near == Some(*edge)
                && (plural && !matches!(c.test, Test::During(..))
                    || matches!(c.test, Test::Named(..)))
        })
    }

    fn list(&mut self, shown: &[Shown], order: Option<Ordered>) -> Option<Select> {
        if self.sketch.share {
            return None;
        }
        let places: Vec<Place> = shown.iter().filter_map(Shown::place).collect();
        let root = self.list_root(&places)?;
        let main = *places.first()?;
        let conditions = self.conditions(main, false)?;
        let source = self.new_source();
        let mut scope = Scope::new(root, source);
        let mut items = Vec::new();
        for shown in shown {
            let exprs = self.columns_of(&mut scope, shown)?;
            items.extend(exprs);
        }
        if let Some(Ordered::Column(column)) = order {
            // A row that has many of them has no one place in their order.
            let way = scope.way(&self.domain.graph, column.place)?;
            if way.path.iter().any(|s| self.domain.graph.fans_out(*s)) {
                return None;
            }
            let (source, _) = self.join(&mut scope, column.place, false)?;
            let descending = self
                .late
                .unwrap_or_else(|| self.sketch.order.as_ref().is_some_and(|o| o.descending));
            scope
                .select
                .order
                .push((Expr::Column(source, column.id), descending));
        }
        self.apply(&mut scope, &outermost(&conditions), &conditions)?;
        let mut select = scope.select;
        select.items = items;
        select.distinct = self.sketch.distinct && select.order.is_empty();
        select.limit = self.sketch.limit.clone();
        Some(self.headed(select))
    }

    /// The relation from which everything shown is met once: the most detailed one.
    fn list_root(&self, places: &[Place]) -> Option<RelationId> {
        let graph = &self.domain.graph;
        let starts = places
            .iter()
            .map(|p| p.role.map_or(p.relation, |key| graph.keys[key].from));
        let starts: Vec<RelationId> = starts.collect();
        let once = |from: RelationId| {
            starts.iter().all(|&to| {
                graph
                    .path(from, to)
                    .is_some_and(|(steps, _)| steps.iter().all(|s| !graph.fans_out(*s)))
            })
        };
        starts
            .iter()
            .copied()
            .find(|&s| once(s))
            .or_else(|| starts.first().copied())
    }

    fn aggregated(
        &mut self,
        root: RelationId,
        keys: &[Shown],
        measures: Vec<Shown>,
        order: Option<Ordered>,
    ) -> Option<Select> {
        let main = Place {
            relation: root,
            role: None,
        };
        let conditions = self.conditions(main, true)?;
        let source = self.new_source();
        let mut scope = Scope::new(root, source);
        let mut items = Vec::new();
        let mut groups = Vec::new();
        for key in keys {
            if let Shown::Rows { place, .. } = key {
                // Rows of the same name are different rows.
                let (source, _) = self.join(&mut scope, *place, false)?;
                for &column in &self.snapshot.relation(place.relation).primary_key {
                    groups.push(Expr::Column(
                        source,
                        ColumnId {
                            relation: place.relation,
                            column,
                        },
                    ));
                }
            }
            let columns = self.columns_of(&mut scope, key)?;
            groups.extend(columns.iter().map(|c| c.expr.clone()));
            items.extend(columns);
        }
        dedup(&mut groups);
        self.apply(&mut scope, &outermost(&conditions), &conditions)?;
        let multiplied = scope.fans_out(&self.domain.graph);
        let descending = self.sketch.order.as_ref().is_none_or(|o| o.descending);
        let mut bound: Vec<(BoundMeasure, bool)> = measures
            .into_iter()
            .filter_map(|m| match m {
                Shown::Measure(m) => Some((m, false)),
                _ => None,
            })
            .collect();
        match order {
            Some(Ordered::Measure(m)) => match bound.iter_mut().find(|b| b.0 == m) {
                Some(known) => known.1 = true,
                None => bound.push((m, true)),
            },
            Some(Ordered::Column(column)) => {
                let (source, _) = self.join(&mut scope, column.place, false)?;
                let expr = Expr::Column(source, column.id);
                if !groups.contains(&expr) {
                    return None;
                }
                scope.select.order.push((expr, descending));
            }
            None => {}
        }
        if bound.iter().any(|b| b.0.relation != root) {
            return None;
        }
        // Only parts that add up to a whole are percentages of one.
        let adds_up = |m: &BoundMeasure| {
            m.formula.is_some() && m.aggregate == Aggregate::Sum
                || m.formula.is_none() && !multiplied
        };
        let divides = bound.len() == 1 && adds_up(&bound[0].0) && !groups.is_empty();
        if self.sketch.share && !divides {
            return None;
        }
        let mut select = scope.select;
        select.items = items;
        select.groups = groups;
        let primary_key = self.snapshot.relation(root).primary_key.clone();
        let repeats = multiplied
            && bound
                .iter()
                .any(|b| b.0.formula.is_some() && b.0.minds_repeats());
        if repeats && self.sketch.share {
            return None;
        }
        if repeats {
            self.score += self.weights.fan_out * 2.0;
            select = self.without_repeats(select, &bound, source, &primary_key, descending)?;
        } else {
            for (measure, orders) in &bound {
                let expr = measure.expr(source, multiplied, &primary_key);
                if *orders {
                    select.order.push((expr.clone(), descending));
                }
                let (expr, name) = match self.sketch.share {
                    true => (Expr::Share(Box::new(expr)), "percentage".to_owned()),
                    false => (expr, measure.heading.clone()),
                };
                select.items.push(Item { expr, name });
            }
        }
        select.limit = self.sketch.limit.clone();
        // One order and no other, whatever the plan: ties go by what is shown.
        let ordered: Vec<Expr> = select.order.iter().map(|o| o.0.clone()).collect();
        let shown: Vec<Expr> = select
            .items
            .iter()
            .map(|i| i.expr.clone())
            .filter(|e| !is_aggregate(e) && !ordered.contains(e))
            .collect();
        select.order.extend(shown.into_iter().map(|e| (e, false)));
        Some(self.headed(select))
    }

    /// Aggregates over distinct rows of the measure's relation, where joins have multiplied them.
    fn without_repeats(
        &mut self,
        inner: Select,
        bound: &[(BoundMeasure, bool)],
        source: crate::synth::builtin::query::SourceId,
        primary_key: &[usize],
        descending: bool,
    ) -> Option<Select> {
        let [(measure, orders)] = bound else {
            return None;
        };
        if primary_key.is_empty() {
            return None;
        }
        let mut inner = inner;
        inner.order.clear();
        let outer = self.new_source();
        let mut select = Select::default();
        let groups = std::mem::take(&mut inner.groups);
        let shown = std::mem::take(&mut inner.items);
        for (n, group) in groups.iter().enumerate() {
            let name = format!("key{n}");
            select.groups.push(Expr::Named(outer, name.clone()));
            inner.items.push(Item {
                expr: group.clone(),
                name: name.clone(),
            });
            if let Some(item) = shown.iter().find(|i| i.expr == *group) {
                select.items.push(Item {
                    expr: Expr::Named(outer, name),
                    name: item.name.clone(),
                });
            }
        }
        for (n, &column) in primary_key.iter().enumerate() {
            let expr = Expr::Column(
                source,
                ColumnId {
                    relation: measure.relation,
                    column,
                },
            );
            inner.items.push(Item {
                expr,
                name: format!("row{n}"),
            });
        }
        inner.items.push(Item {
            expr: measure.value(source)?,
            name: "measured".into(),
        });
        inner.distinct = true;
        let expr = Expr::Aggregate(
            measure.aggregate,
            Box::new(Expr::Named(outer, "measured".into())),
        );
        if *orders {
            select.order.push((expr.clone(), descending));
        }
        select.items.push(Item {
            expr,
            name: measure.heading.clone(),
        });
        select.sources.push(Source {
            id: outer,
            rows: Rows::Derived(Box::new(inner)),
            join: None,
        });
        Some(select)
    }

    fn join(
        &mut self,
        scope: &mut Scope,
        place: Place,
        outer: bool,
    ) -> Option<(crate::synth::builtin::query::SourceId, f32)> {
        let way = scope.way(&self.domain.graph, place)?;
        self.score += self.weights.join_step * way.cost;
        let fans = way
            .path
            .iter()
            .filter(|s| self.domain.graph.fans_out(**s))
            .count();
        self.score += self.weights.fan_out * fans as f32;
        Some((scope.join(self, &way.path, outer), way.cost))
    }

    /// The result columns of something shown.
    fn columns_of(&mut self, scope: &mut Scope, shown: &Shown) -> Option<Vec<Item>> {
        Some(match shown {
            Shown::Rows { place, outer, word } => {
                let (source, _) = self.join(scope, *place, *outer)?;
                let display = &self.domain.roles[place.relation.0].display;
                let all: Vec<usize> =
                    (0..self.snapshot.relation(place.relation).columns.len()).collect();
                let chosen = if !display.is_empty() {
                    display
                } else if word.is_empty() && place.role.is_none() {
                    &all
                } else {
                    &self.snapshot.relation(place.relation).primary_key
                };
                let role = place.role.map(|key| self.role_name(key));
                let one = chosen.len() == 1;
                chosen
                    .iter()
                    .map(|&column| {
                        let id = ColumnId {
                            relation: place.relation,
                            column,
                        };
                        let own = self.snapshot.column(id).name.clone();
                        let name = match (&role, one && !word.is_empty()) {
                            (_, true) => word.clone(),
                            (Some(role), _) if one => role.clone(),
                            (Some(role), _) => format!("{role}_{own}"),
                            _ => own,
                        };
                        Item {
                            expr: Expr::Column(source, id),
                            name,
                        }
                    })
                    .collect()
            }
            Shown::Column(column) => {
                let (source, _) = self.join(scope, column.place, false)?;
                let name = self.snapshot.column(column.id).name.clone();
                let name = match column.place.role {
                    Some(key) => format!("{}_{name}", self.role_name(key)),
                    None => name,
                };
                vec![Item {
                    expr: Expr::Column(source, column.id),
                    name,
                }]
            }
            Shown::Time(unit, column) => {
                let (source, _) = self.join(scope, column.place, false)?;
                let expr = Expr::Start(*unit, Box::new(Expr::Column(source, column.id)));
                vec![Item {
                    expr,
                    name: unit.name().into(),
                }]
            }
            Shown::Measure(_) => Vec::new(),
        })
    }

    /// `manager_id` -> `manager`
    fn role_name(&self, key: usize) -> String {
        let key = &self.domain.graph.keys[key];
        let name = &self.snapshot.relation(key.from).columns[key.from_columns[0]].name;
        let mut words = text::words(name);
        if words.len() > 1 {
            words.pop();
        }
        words.join("_")
    }

    /// Gives every result column a heading of its own.
    fn headed(&self, mut select: Select) -> Select {
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
        if let Some(Limit::Rows(0)) = select.limit {
            select.limit = None;
        }
        select
    }
}

impl Shown {
    fn place(&self) -> Option<Place> {
        match self {
            Self::Rows { place, .. } => Some(*place),
            Self::Column(column) | Self::Time(_, column) => Some(column.place),
            Self::Measure(_) => None,
        }
    }
}

fn is_aggregate(expr: &Expr) -> bool {
    matches!(expr, Expr::Aggregate(..) | Expr::CountRows | Expr::Share(_))
}

fn dedup(exprs: &mut Vec<Expr>) {
    let mut kept: Vec<Expr> = Vec::new();
    for expr in exprs.drain(..) {
        if !kept.contains(&expr) {
            kept.push(expr);
        }
    }
    *exprs = kept;
}
