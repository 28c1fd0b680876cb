//! The sources of one select on its way: which rows are joined already, and how others are reached from them.

use crate::schema::snapshot::{ColumnId, RelationId};
use crate::synth::builtin::graph::{Graph, Step};
use crate::synth::builtin::query::{Expr, Join, Predicate, Rows, Select, Source, SourceId};

use super::{Binder, Place};

/// A select whose sources are known by the path that leads to them.
pub(super) struct Scope {
    pub(super) select: Select,
    sites: Vec<Site>,
}

struct Site {
    path: Vec<Step>,
    relation: RelationId,
    source: SourceId,
}

/// The way from a scope to some rows.
pub(super) struct Way {
    pub(super) path: Vec<Step>,
    pub(super) cost: f32,
}

impl Scope {
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

    pub(super) fn root(&self) -> SourceId {
        self.sites[0].source
    }

    /// The cheapest way to a place from anything that is joined already.
    pub(super) fn way(&self, graph: &Graph, place: Place) -> Option<Way> {
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
            let owner = Place {
                relation: graph.keys[role].from,
                role: None,
            };
            let mut way = self.way(graph, owner)?;
            way.path.push(step);
            way.cost += 1.0;
            return Some(way);
        }
        self.sites
            .iter()
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

    /// Joins every step of a path and gives its end. `outer` keeps rows that have no partner there.
    pub(super) fn join(&mut self, binder: &mut Binder<'_>, path: &[Step], outer: bool) -> SourceId {
        let mut source = self.root();
        for n in 1..=path.len() {
            if let Some(site) = self.sites.iter().find(|s| s.path == path[..n]) {
                source = site.source;
                continue;
            }
            let step = path[n - 1];
            let next = binder.new_source();
            let relation = binder.domain.graph.target(step);
            let on = link(&binder.domain.graph, step, source, next);
            let join = Some(Join { on, outer });
            self.select.sources.push(Source {
                id: next,
                rows: Rows::Relation(relation),
                join,
            });
            self.sites.push(Site {
                path: path[..n].to_vec(),
                relation,
                source: next,
            });
            source = next;
        }
        source
    }

    /// Whether some join meets several rows.
    pub(super) fn fans_out(&self, graph: &Graph) -> bool {
        self.sites
            .iter()
            .any(|s| s.path.last().is_some_and(|step| graph.fans_out(*step)))
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
    let column = |source, relation, column: &usize| {
        Expr::Column(
            source,
            ColumnId {
                relation,
                column: *column,
            },
        )
    };
    key.from_columns
        .iter()
        .zip(&key.to_columns)
        .map(|(a, b)| {
            if step.forward {
                (column(from, key.from, a), column(to, key.to, b))
            } else {
                (column(from, key.to, b), column(to, key.from, a))
            }
        })
        .collect()
}
