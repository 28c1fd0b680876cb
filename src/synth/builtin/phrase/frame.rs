//! One select on its way: which rows are joined already, and how others are reached from them.

use crate::schema::snapshot::{ColumnId, RelationId};
use crate::synth::builtin::graph::{Graph, Step};
use crate::synth::builtin::query::{
    Comparison, Expr, Join, Predicate, Rows, Select, Source, SourceId,
};

/// Rows in the key graph: a relation, reached through a certain key when it plays a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) relation: RelationId,
    /// Index into the graph's keys.
    pub(super) role: Option<usize>,
}

impl Place {
    pub(super) fn plain(relation: RelationId) -> Self {
        Self {
            relation,
            role: None,
        }
    }
}

/// A select whose sources are known by the path that leads to them.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) select: Select,
    sites: Vec<Site>,
}

/// A joined relation.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub(super) path: Vec<Step>,
    pub(super) relation: RelationId,
    pub(super) source: SourceId,
}

/// The way from a frame's rows to others.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) path: Vec<Step>,
    /// In steps, of what is not joined yet.
    pub(super) cost: f32,
}

impl Frame {
    pub(super) fn new(root: RelationId, source: SourceId) -> Self {
        let mut select = Select::default();
        select.sources.push(Source {
            id: source,
            rows: Rows::Relation(root),
            join: None,
        });
        Self {
            select,
            sites: vec![Site {
                path: Vec::new(),
                relation: root,
                source,
            }],
        }
    }

    pub(super) fn root(&self) -> &Site {
        &self.sites[0]
    }

    /// The cheapest way to a place, from one path or from anything that is joined.
    pub(super) fn way(&self, graph: &Graph, place: Place, from: Option<&[Step]>) -> Option<Way> {
        let sites = || {
            self.sites
                .iter()
                .filter(|s| from.is_none_or(|from| s.path == from))
        };
        if let Some(role) = place.role {
            let step = Step {
                key: role,
                forward: true,
            };
            let ends_so = |s: &&Site| s.path.last() == Some(&step);
            if let Some(site) = self.sites.iter().find(ends_so) {
                return Some(Way {
                    path: site.path.clone(),
                    cost: 0.0,
                });
            }
            let owner = Place::plain(graph.keys[role].from);
            let mut way = self.way(graph, owner, from)?;
            way.path.push(step);
            way.cost += 1.0;
            return Some(way);
        }
        sites()
            .filter_map(|site| {
                let (steps, cost) = graph.path(site.relation, place.relation)?;
                Some(Way {
                    path: site.path.iter().copied().chain(steps).collect(),
                    cost,
                })
            })
            .min_by(|a, b| {
                a.cost
                    .total_cmp(&b.cost)
                    .then(a.path.len().cmp(&b.path.len()))
            })
    }

    /// How many steps of a path are joined already.
    pub(super) fn joined(&self, path: &[Step]) -> usize {
        (0..=path.len())
            .rev()
            .find(|&n| self.sites.iter().any(|s| s.path == path[..n]))
            .unwrap_or(0)
    }

    /// The first step of a path that is not joined and meets several rows.
    pub(super) fn fans(&self, graph: &Graph, path: &[Step]) -> Option<usize> {
        (self.joined(path)..path.len()).find(|&i| graph.fans_out(path[i]))
    }

    /// Whether some join has multiplied the rows of the root.
    pub(super) fn is_multiplied(&self, graph: &Graph) -> bool {
        self.sites
            .iter()
            .any(|s| s.path.iter().any(|step| graph.fans_out(*step)))
    }

    pub(super) fn site(&self, path: &[Step]) -> Option<&Site> {
        self.sites.iter().find(|s| s.path == path)
    }

    /// Joins every step of a path and gives its end.
    pub(super) fn join(
        &mut self,
        graph: &Graph,
        path: &[Step],
        mut new_source: impl FnMut() -> SourceId,
    ) -> Site {
        let mut site = self.sites[0].clone();
        for n in 1..=path.len() {
            if let Some(known) = self.site(&path[..n]) {
                site = known.clone();
                continue;
            }
            let step = path[n - 1];
            let source = new_source();
            let relation = graph.target(step);
            let on = link(graph, step, site.source, source);
            self.select.sources.push(Source {
                id: source,
                rows: Rows::Relation(relation),
                join: Some(Join { on, outer: false }),
            });
            site = Site {
                path: path[..n].to_vec(),
                relation,
                source,
            };
            self.sites.push(site.clone());
        }
        site
    }

    pub(super) fn filter(&mut self, predicate: Predicate) {
        if !self.select.filters.contains(&predicate) {
            self.select.filters.push(predicate);
        }
    }
}

/// The pairs of columns that a step makes equal.
pub(super) fn link(graph: &Graph, step: Step, from: SourceId, to: SourceId) -> Vec<(Expr, Expr)> {
    let key = &graph.keys[step.key];
    let column =
        |source, relation, column: usize| Expr::Column(source, ColumnId { relation, column });
    key.from_columns
        .iter()
        .zip(&key.to_columns)
        .map(|(&a, &b)| match step.forward {
            true => (column(from, key.from, a), column(to, key.to, b)),
            false => (column(from, key.to, b), column(to, key.from, a)),
        })
        .collect()
}

/// The same as predicates, for rows that are tied from inside a select of their own.
pub(super) fn ties(graph: &Graph, step: Step, from: SourceId, to: SourceId) -> Vec<Predicate> {
    link(graph, step, from, to)
        .into_iter()
        .map(|(outer, inner)| Predicate::Compare(inner, Comparison::Equal, outer))
        .collect()
}
