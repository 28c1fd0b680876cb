//! How far a reading by phrases is to be believed, and when the stricter reader is to be heard first.

use crate::synth::builtin::Domain;
use crate::synth::builtin::lattice::{Edge, Kind, Lattice, Rows};
use crate::synth::builtin::query::{self, Select};

use crate::synth::builtin::tokens::TokenKind;

use super::finish::is_aggregate;
use super::tree::{By, Output, Query, Test, Thing};
use super::visit::{self, Part};
use super::words::{self, Word};

/// How far a reading is to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::synth::builtin) enum Trust {
    /// It does something with every word.
    Whole,
    /// The stricter reader is to be heard first.
    Second,
    /// It leaves out what may have been meant.
    Lost,
}

/// How far a query that was read and composed so is to be believed.
pub(super) fn trust(
    domain: &Domain,
    lattice: &Lattice,
    query: &Query,
    select: &Select,
    dropped: &[usize],
) -> Trust {
    let terse = is_terse(lattice);
    // The first rows of no order are any rows.
    let unordered = select.limit.is_some() && select.order.is_empty();
    let aggregated = select.items.iter().any(|i| is_aggregate(&i.expr));
    // "orders by month" asks for how many there are; "the 3 cheapest of each" for some of every group.
    let ungrouped = !query.groups.is_empty() && !aggregated;
    // What is left over of a few words, a number, a name, or a word that nobody knows, is what was meant.
    let content = |&at: &usize| {
        let token = &lattice.tokens[at];
        let unheard = lattice
            .from(at)
            .all(|(_, e)| matches!(e.kind, Kind::Unknown | Kind::Hint(_)));
        token.kind != TokenKind::Word || token.capital || unheard || visit::is_needed(lattice, at)
    };
    // SQL behind a question is none of it.
    let mixed = lattice.tokens.iter().skip(1).any(|t| t.folded == "select");
    // A share is no column that happens to sound like one.
    let share = lattice.tokens.iter().enumerate().any(|(at, t)| {
        matches!(
            t.folded.as_str(),
            "percentage" | "percent" | "share" | "ratio" | "proportion" | "fraction" | "rate"
        ) && !lattice.edges.iter().any(|e| {
            matches!(e.kind, Kind::Attribute(_)) && e.quality > 0.9 && e.start <= at && at < e.end
        })
    });
    // "cancel order 1234" asks for nothing that could be read.
    let ordered = matches!(
        lattice.tokens.first().map(|t| t.folded.as_str()),
        Some(
            "cancel"
                | "make"
                | "set"
                | "update"
                | "delete"
                | "remove"
                | "add"
                | "create"
                | "change"
                | "mark"
        )
    );
    if mixed
        || share
        || ordered
        || terse && !dropped.is_empty()
        || dropped.iter().any(content)
        || unordered
        || ungrouped && select.limit.is_some()
        || terse && is_vague(query, lattice)
        || ranks_deeds(lattice)
        || counts_anything(domain, query, select)
        || is_torn(&query.head)
        || loses_role(domain, lattice, select)
    {
        return Trust::Lost;
    }
    // "revenue" says by itself how it is added up, unless a column goes by that name.
    let business = lattice.edges.iter().any(|e| {
        let column = |other: &Edge| {
            matches!(other.kind, Kind::Attribute(_))
                && other.quality > 0.8
                && other.start <= e.start
                && other.end >= e.end
        };
        matches!(e.kind, Kind::Business(_)) && e.quality > 0.8 && !lattice.edges.iter().any(column)
    });
    match terse || ungrouped || business {
        true => Trust::Second,
        false => Trust::Whole,
    }
}

/// Whether a question is no sentence: "top 5 customers by revenue".
fn is_terse(lattice: &Lattice) -> bool {
    !lattice
        .tokens
        .iter()
        .take(3)
        .any(|t| words::opens(&t.folded))
}

/// Whether it names neither rows nor columns, or goes by an adjective that no column may answer.
fn is_vague(query: &Query, lattice: &Lattice) -> bool {
    let (mut bare, mut graded) = (true, false);
    visit::visit(query, &mut |part| match part {
        Part::Edge(id) => {
            let names = matches!(lattice.edges[id].kind, Kind::Noun(_) | Kind::Attribute(_));
            bare &= !names;
        }
        Part::Grade => graded = true,
        _ => {}
    });
    bare || graded
}

/// "highest rated product" goes by what was done to the rows, and not by a column that sounds like it.
fn ranks_deeds(lattice: &Lattice) -> bool {
    lattice.tokens.windows(2).enumerate().any(|(at, pair)| {
        let ranks = words::words(&pair[0].folded)
            .iter()
            .any(|w| matches!(w, Word::Highest(_) | Word::Most(_)));
        let deed = words::is_verbal(&pair[1].folded) && pair[1].folded.ends_with("ed");
        let of_rows = lattice
            .from(at + 2)
            .any(|(_, e)| matches!(e.kind, Kind::Noun(_)) && e.quality > 0.6);
        ranks && deed && of_rows
    })
}

/// Whether "most popular" rows could be counted by rows of several kinds.
fn counts_anything(domain: &Domain, query: &Query, select: &Select) -> bool {
    let by_frequency =
        query.head.conds.iter().any(
            |c| matches!(&c.test, Test::Extreme(extreme) if matches!(extreme.by, By::Frequency)),
        );
    let Some(query::Rows::Relation(root)) = select.sources.first().map(|s| &s.rows) else {
        return false;
    };
    let referring = domain
        .graph
        .keys
        .iter()
        .filter(|key| key.to == *root && key.from != *root)
        .count();
    by_frequency && query.outputs.contains(&Output::Rows) && referring > 1
}

/// "ordered this but not that": one row has this, and no row has that.
fn is_torn(thing: &Thing) -> bool {
    thing.conds.iter().any(|cond| {
        let Test::Has(inner, _) = &cond.test else {
            return false;
        };
        let values = |negated: bool| {
            inner
                .conds
                .iter()
                .any(|c| c.negated == negated && matches!(c.test, Test::Values(_, None, _)))
        };
        values(true) && values(false) || is_torn(inner)
    })
}

/// Whether the question speaks of partners among rows of one kind ("the manager of"), and the query of one row alone.
fn loses_role(domain: &Domain, lattice: &Lattice, select: &Select) -> bool {
    lattice.edges.iter().any(|edge| {
        let Kind::Noun(candidates) = &edge.kind else {
            return false;
        };
        let Some((Rows::Role(key), quality)) = candidates.first() else {
            return false;
        };
        let key = &domain.graph.keys[*key];
        let rows = query::Rows::Relation(key.to);
        let sources = select.sources.iter().filter(|s| s.rows == rows).count();
        *quality > 0.6
            && key.from == key.to
            && sources == 1
            && !is_missing(select, key.from_columns.as_slice())
    })
}

/// Whether rows that have no such partner are asked for.
fn is_missing(select: &Select, columns: &[usize]) -> bool {
    select.filters.iter().any(|filter| {
        matches!(filter, query::Predicate::Null(query::Expr::Column(_, id), _) if columns.contains(&id.column))
            || matches!(filter, query::Predicate::Exists(_, false))
    })
}
