//! What is shown, as result columns: the columns that rows are named by, counts and aggregates.

use crate::schema::snapshot::{ColumnId, TypeClass};
use crate::synth::builtin::query::{Aggregate, Expr, Item};
use crate::synth::builtin::sketch::Attribute;

use super::compose::{Composer, Draft};
use super::frame::Place;
use super::resolve::Located;
use super::tree::{Noun, Output, Query, Thing};

/// Rows that nothing names are shown by all they have.
const NAMELESS: f32 = -0.6;

impl Composer<'_> {
    pub(super) fn located(&mut self, draft: &mut Draft, column: Located) -> Option<Expr> {
        let way = self.way(&draft.frame, column.place, None)?;
        let way = match column.place == draft.head_place {
            true => draft.head.path.clone(),
            false => way.path,
        };
        let site = self.join(&mut draft.frame, &way);
        Some(Expr::Column(site.source, column.id))
    }

    pub(super) fn show(&mut self, draft: &mut Draft, column: Located) -> Option<()> {
        let expr = self.located(draft, column)?;
        if draft.grouped && !draft.frame.select.groups.contains(&expr) {
            draft.frame.select.groups.push(expr.clone());
        }
        let name = self.snapshot.column(column.id).name.clone();
        draft.items.push(Item { expr, name });
        Some(())
    }

    /// The columns that rows are named by.
    pub(super) fn naming(&mut self, place: Place) -> Vec<Located> {
        let roles = &self.domain.roles[place.relation.0];
        let relation = self.snapshot.relation(place.relation);
        let described = || {
            relation.columns.iter().position(|c| {
                c.class == TypeClass::Text
                    && crate::synth::builtin::text::words(&c.name)
                        .iter()
                        .any(|w| w.starts_with("description") || w.starts_with("detail"))
            })
        };
        let columns: Vec<usize> = if !roles.display.is_empty() {
            roles.display.clone()
        } else if let Some(column) = relation.columns.iter().position(|c| {
            let key = |name: &str| {
                crate::synth::builtin::text::key(&crate::synth::builtin::text::words(name))
            };
            c.class == TypeClass::Text && key(&c.name) == key(&relation.name)
        }) {
            vec![column]
        } else if let Some(column) = described() {
            vec![column]
        } else if !relation.primary_key.is_empty() && relation.columns.len() > 6 {
            self.score += NAMELESS;
            relation.primary_key.clone()
        } else {
            self.score += NAMELESS;
            (0..relation.columns.len()).collect()
        };
        columns
            .into_iter()
            .map(|column| Located {
                id: ColumnId {
                    relation: place.relation,
                    column,
                },
                place,
            })
            .collect()
    }

    pub(super) fn outputs(&mut self, draft: &mut Draft, query: &Query) -> Option<()> {
        let head = draft.head_place;
        for output in &query.outputs {
            match output {
                Output::Rows => {
                    self.group_by_key(draft, head)?;
                    for column in self.naming(head) {
                        self.show(draft, column)?;
                    }
                }
                Output::Other(edge) => {
                    let place = self.choice.nouns[edge];
                    self.group_by_key(draft, place)?;
                    for column in self.naming(place) {
                        self.show(draft, column)?;
                    }
                }
                Output::Column(attribute) => {
                    let column =
                        self.column(*attribute, head, |c, id| Some(c.shown_fit(*attribute, id)))?;
                    if let Some(whole) = self.whole_name(*attribute, column) {
                        self.group_by_key(draft, column.place)?;
                        for column in whole {
                            self.show(draft, column)?;
                        }
                        continue;
                    }
                    if !query.distinct
                        && self.domain.roles[column.id.relation.0]
                            .display
                            .contains(&column.id.column)
                    {
                        self.group_by_key(draft, column.place)?;
                    }
                    self.show(draft, column)?;
                }
                Output::Aggregate(aggregate, attribute) => {
                    let aggregate = *aggregate;
                    let column =
                        self.column(*attribute, head, |c, id| c.aggregable(id, aggregate))?;
                    let expr = self.located(draft, column)?;
                    let name = &self.snapshot.column(column.id).name;
                    let name = format!("{}_{name}", aggregate.heading());
                    draft.items.push(Item {
                        expr: Expr::Aggregate(aggregate, Box::new(expr)),
                        name,
                    });
                }
                Output::Count(thing) => {
                    let expr = self.counted(draft, thing)?;
                    draft.items.push(Item {
                        expr,
                        name: "count".into(),
                    });
                }
                Output::Graded(adjective) => {
                    let column = self.graded(*adjective, head)?;
                    self.show(draft, column)?;
                }
                Output::When => {
                    let column = self.time_column(head).or_else(|| self.year_column(head))?;
                    self.show(draft, column)?;
                }
                Output::Everything => {
                    let relation = self.snapshot.relation(head.relation);
                    for column in 0..relation.columns.len() {
                        let id = ColumnId {
                            relation: head.relation,
                            column,
                        };
                        self.show(draft, Located { id, place: head })?;
                    }
                }
                Output::Same => {}
                Output::Where => {
                    let column = self.whereabouts(head)?;
                    self.show(draft, column)?;
                }
            }
        }
        Some(())
    }

    /// "name" of rows whose name stands in two columns.
    fn whole_name(&self, attribute: Attribute, column: Located) -> Option<Vec<Located>> {
        let edge = &self.lattice.edges[attribute.edge];
        let display = &self.domain.roles[column.id.relation.0].display;
        let words: Vec<&str> = self.lattice.tokens[edge.start..edge.end]
            .iter()
            .map(|t| t.stem.as_str())
            .collect();
        let plain = words == ["full", "name"] || words == ["name"] && edge.quality < 0.9;
        let whole = plain && display.len() == 2 && display.contains(&column.id.column);
        whole.then(|| {
            display
                .iter()
                .map(|&column_of| Located {
                    id: ColumnId {
                        relation: column.id.relation,
                        column: column_of,
                    },
                    place: column.place,
                })
                .collect()
        })
    }

    /// The column that says where rows are.
    fn whereabouts(&self, place: Place) -> Option<Located> {
        let relation = self.snapshot.relation(place.relation);
        [
            "location", "city", "address", "place", "country", "venue", "hometown",
        ]
        .iter()
        .find_map(|name| {
            relation.columns.iter().position(|c| {
                crate::synth::builtin::text::words(&c.name)
                    .iter()
                    .any(|w| w == name)
            })
        })
        .map(|column| Located {
            id: ColumnId {
                relation: place.relation,
                column,
            },
            place,
        })
    }

    /// An expression that counts, its rows joined.
    pub(super) fn counted(&mut self, draft: &mut Draft, thing: &Thing) -> Option<Expr> {
        if let Noun::Column(attribute) = thing.noun {
            let column = self.column(attribute, draft.head_place, |_, _| Some(0.0))?;
            let expr = self.located(draft, column)?;
            let site = draft.head.clone();
            let filters = self.all(&mut draft.frame, &site, draft.head_place, &thing.conds)?;
            filters.into_iter().for_each(|f| draft.frame.filter(f));
            return Some(Expr::Aggregate(Aggregate::CountDistinct, Box::new(expr)));
        }
        if thing.noun == Noun::Implied && thing.conds.is_empty() {
            return Some(Expr::CountRows);
        }
        let place = self.place(thing, Some(draft.head_place))?;
        let way = match place.relation == draft.frame.root().relation && place.role.is_none() {
            true => Vec::new(),
            false => {
                let from = draft.head.path.clone();
                self.way(&draft.frame, place, Some(&from))?.path
            }
        };
        let others = draft.frame.is_multiplied(&self.domain.graph);
        let site = self.join(&mut draft.frame, &way);
        let filters = self.all(&mut draft.frame, &site, place, &thing.conds)?;
        filters.into_iter().for_each(|f| draft.frame.filter(f));
        let multiplied =
            others || (way.is_empty() && draft.frame.is_multiplied(&self.domain.graph));
        match (
            &self.snapshot.relation(place.relation).primary_key[..],
            multiplied,
        ) {
            (&[column], true) => {
                let id = ColumnId {
                    relation: place.relation,
                    column,
                };
                Some(Expr::Aggregate(
                    Aggregate::CountDistinct,
                    Box::new(Expr::Column(site.source, id)),
                ))
            }
            _ => Some(Expr::CountRows),
        }
    }
}
