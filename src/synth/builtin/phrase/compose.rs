//! From phrases to a typed query: every word gets one meaning, and the meanings are joined.

use crate::schema::snapshot::{RelationId, Snapshot};
use crate::synth::builtin::Domain;
use crate::synth::builtin::graph::Step;
use crate::synth::builtin::lattice::Lattice;
use crate::synth::builtin::query::{Item, Limit, Select, SourceId};
use crate::synth::builtin::sketch::EdgeId;

use super::choices::Choice;
use super::finish::is_aggregate;
use super::frame::{Frame, Place, Site};
use super::special::hoisted;
use super::tree::{Cond, Key, Noun, Output, Query, Test, Thing};

/// Second choices of words tried for one reading.
const SECONDS_MAX: usize = 4;

/// A typed query, and how good a reading it is.
#[derive(Clone, Debug)]
pub(super) struct Composed {
    pub(super) select: Select,
    pub(super) score: f32,
}

/// Composes one reading in one way.
pub(super) struct Composer<'a> {
    pub(super) domain: &'a Domain,
    pub(super) snapshot: &'a Snapshot,
    pub(super) lattice: &'a Lattice,
    pub(super) choice: Choice,
    /// Relations that the question is about.
    pub(super) spoken: Vec<RelationId>,
    /// The word whose second-best meaning is to be taken.
    pub(super) second: Option<EdgeId>,
    /// Words that have one.
    pub(super) rivals: Vec<EdgeId>,
    pub(super) score: f32,
    sources: usize,
}

/// All good ways to take a reading, in no order.
pub(super) fn compose(
    domain: &Domain,
    lattice: &Lattice,
    query: &Query,
    score: f32,
) -> Vec<Composed> {
    let composer = |choice: Choice| Composer {
        domain,
        snapshot: &domain.visible,
        lattice,
        spoken: choice
            .nouns
            .values()
            .chain(&choice.implied)
            .map(|p| p.relation)
            .collect(),
        score: score + choice.penalty,
        choice,
        second: None,
        rivals: Vec::new(),
        sources: 0,
    };
    let mut all = Vec::new();
    for choice in composer(Choice::default()).choices(query) {
        let mut first = composer(choice.clone());
        all.extend(first.composed(query));
        for edge in first.rivals.into_iter().take(SECONDS_MAX) {
            let mut other = composer(choice.clone());
            other.second = Some(edge);
            all.extend(other.composed(query));
        }
    }
    all
}

/// What a select comes to be on its way.
pub(super) struct Draft {
    pub(super) frame: Frame,
    pub(super) head: Site,
    pub(super) head_place: Place,
    pub(super) grouped: bool,
    pub(super) items: Vec<Item>,
    pub(super) limit: Option<Limit>,
}

impl Composer<'_> {
    fn composed(&mut self, query: &Query) -> Option<Composed> {
        let select = self.select(query.clone())?;
        Some(Composed {
            select,
            score: self.score,
        })
    }

    pub(super) fn new_source(&mut self) -> SourceId {
        self.sources += 1;
        SourceId(self.sources)
    }

    pub(super) fn join(&mut self, frame: &mut Frame, path: &[Step]) -> Site {
        let graph = &self.domain.graph;
        let sources = &mut self.sources;
        frame.join(graph, path, || {
            *sources += 1;
            SourceId(*sources)
        })
    }

    fn select(&mut self, mut query: Query) -> Option<Select> {
        self.settle_head(&mut query)?;
        query.head.conds = query.head.conds.into_iter().flat_map(hoisted).collect();
        let aggregated = query
            .outputs
            .iter()
            .any(|o| matches!(o, Output::Aggregate(..) | Output::Count(_)));
        if query.head.each && aggregated {
            match query.head.noun {
                Noun::Rows(edge) => query.groups.insert(0, Key::Rows(edge)),
                Noun::Column(attribute) => query.groups.insert(0, Key::Column(attribute)),
                Noun::Implied => {}
            }
        }
        // "the average for different suppliers" is one average for each.
        if query.head.distinct
            && query.groups.is_empty()
            && let [Output::Aggregate(..)] = query.outputs[..]
            && let Noun::Rows(edge) = query.head.noun
        {
            query.groups.push(Key::Rows(edge));
        }
        let head_place = self.place(&query.head, None)?;
        let root = self.root(&query, head_place)?;
        let source = self.new_source();
        let mut frame = Frame::new(root.relation, source);
        let head = match head_place == root {
            true => frame.root().clone(),
            false => {
                let way = self.way(&frame, head_place, None)?;
                self.join(&mut frame, &way.path)
            }
        };
        let mut draft = Draft {
            frame,
            head,
            head_place,
            grouped: aggregated && (!query.groups.is_empty() || !query.is_aggregate()),
            items: Vec::new(),
            limit: None,
        };
        self.outputs(&mut draft, &query)?;
        self.keys(&mut draft, &query, aggregated)?;
        let (special, plain): (Vec<Cond>, Vec<Cond>) = query
            .head
            .conds
            .iter()
            .cloned()
            .partition(|c| self.is_special(c, &query, head_place, aggregated));
        let plain = self.apart(&mut draft, &query, plain, aggregated)?;
        let site = draft.head.clone();
        let filters = self.all(&mut draft.frame, &site, head_place, &plain)?;
        for filter in filters {
            draft.frame.filter(filter);
        }
        for cond in &special {
            self.special(&mut draft, &query, cond)?;
        }
        self.orders(&mut draft, &query)?;
        if query.outputs.contains(&Output::Same) {
            let (expr, _) = draft.frame.select.order.first()?.clone();
            draft.items.push(Item {
                expr,
                name: "count".into(),
            });
        }
        let select = self.finished(draft, &query);
        // Beside groups, what is shown is one of their keys or an aggregate.
        let stray = |item: &Item| !is_aggregate(&item.expr) && !select.groups.contains(&item.expr);
        if !select.groups.is_empty() && select.items.iter().any(stray) {
            return None;
        }
        Some(select)
    }

    /// What is counted is what is spoken of, unless it is counted for something else.
    fn settle_head(&mut self, query: &mut Query) -> Option<()> {
        let [Output::Count(counted)] = &query.outputs[..] else {
            return Some(());
        };
        if !query.groups.is_empty() {
            return Some(());
        }
        let counted = counted.clone();
        if let Noun::Column(_) = counted.noun {
            query.head.conds.extend(counted.conds);
            query.outputs = vec![Output::Count(Thing::of(counted.noun))];
            return Some(());
        }
        let same = match query.head.noun {
            Noun::Implied => true,
            Noun::Rows(edge) => {
                let place = self.place(&counted, None)?;
                self.choice.nouns.get(&edge) == Some(&place)
            }
            Noun::Column(_) => false,
        };
        if same {
            let mut conds = counted.conds.clone();
            conds.append(&mut query.head.conds);
            query.head = Thing { conds, ..counted };
        } else if query.head.each {
            return Some(());
        } else {
            let head = std::mem::take(&mut query.head);
            let mut conds = counted.conds.clone();
            conds.push(Cond::new(Test::Has(Box::new(head), None)));
            query.head = Thing { conds, ..counted };
        }
        query.outputs = vec![Output::Count(Thing::of(query.head.noun))];
        Some(())
    }

    /// The rows from which the query begins: those that are counted or measured, where each of them belongs to one of
    /// the rows spoken of at most.
    fn root(&mut self, query: &Query, head: Place) -> Option<Place> {
        let mut measured = None;
        for output in &query.outputs {
            let place = match output {
                Output::Count(thing) => self.place(thing, Some(head))?,
                Output::Aggregate(aggregate, attribute) => {
                    let before = self.score;
                    let column =
                        self.column(*attribute, head, |c, id| c.aggregable(id, *aggregate))?;
                    self.score = before;
                    column.place
                }
                _ => continue,
            };
            measured = measured.or(Some(place));
        }
        let Some(measured) = measured else {
            return Some(head);
        };
        if measured == head {
            return Some(head);
        }
        let frame = Frame::new(measured.relation, SourceId(0));
        let once = frame
            .way(&self.domain.graph, head, None)
            .is_some_and(|way| !way.path.iter().any(|s| self.domain.graph.fans_out(*s)));
        Some(if once && measured.role.is_none() {
            measured
        } else {
            head
        })
    }
}
