//! What a tree is made of: every word of the question that it uses.

use crate::synth::builtin::english;
use crate::synth::builtin::lattice::{Kind, Lattice};
use crate::synth::builtin::query::{Aggregate, Limit};
use crate::synth::builtin::sketch::{Attribute, EdgeId};
use crate::synth::builtin::tokens::TokenKind;

use super::tree::{By, Cond, Extreme, Key, Left, Noun, Operand, Output, Query, Test, Thing};
use super::words::{self, Word};

/// A part of a tree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Part<'a> {
    Edge(EdgeId),
    Number(&'a str),
    Text(&'a str),
    Param(u16),
    /// An adjective.
    Grade,
    /// A unit of time.
    Unit,
    /// A name that no column is said of.
    Name(&'a str),
    Aggregate(Aggregate),
    /// Something comes first.
    First,
}

type Visitor<'v, 'a> = &'v mut dyn FnMut(Part<'a>);

/// Every part of a query.
pub(super) fn visit<'a>(query: &'a Query, see: Visitor<'_, 'a>) {
    thing(&query.head, see);
    for output in &query.outputs {
        match output {
            Output::Other(edge) => see(Part::Edge(*edge)),
            Output::Column(a) => attribute(*a, see),
            Output::Aggregate(aggregate, a) => {
                see(Part::Aggregate(*aggregate));
                attribute(*a, see);
            }
            Output::Count(counted) => thing(counted, see),
            Output::Graded(_) => see(Part::Grade),
            Output::Rows | Output::When | Output::Where | Output::Everything | Output::Same => {}
        }
    }
    for key in &query.groups {
        match key {
            Key::Rows(edge) => see(Part::Edge(*edge)),
            Key::Column(a) => attribute(*a, see),
            Key::Time(_) => see(Part::Unit),
        }
    }
    for (by, _) in &query.order {
        see(Part::First);
        ordering(by, see);
    }
}

fn attribute<'a>(attribute: Attribute, see: Visitor<'_, 'a>) {
    see(Part::Edge(attribute.edge));
    if let Some(of) = attribute.of {
        see(Part::Edge(of));
    }
}

fn thing<'a>(thing: &'a Thing, see: Visitor<'_, 'a>) {
    match thing.noun {
        Noun::Rows(edge) => see(Part::Edge(edge)),
        Noun::Column(a) => attribute(a, see),
        Noun::Implied => {}
    }
    limit(thing.limit.as_ref(), see);
    for cond in &thing.conds {
        condition(cond, see);
    }
}

fn limit<'a>(limit: Option<&Limit>, see: Visitor<'_, 'a>) {
    match limit {
        Some(Limit::Param(n)) => {
            see(Part::First);
            see(Part::Param(*n));
        }
        Some(Limit::Rows(_)) => {
            see(Part::First);
            see(Part::Number(""));
        }
        None => {}
    }
}

fn ordering<'a>(by: &'a By, see: Visitor<'_, 'a>) {
    match by {
        By::Column(a) => attribute(*a, see),
        By::Aggregate(aggregate, a) => {
            see(Part::Aggregate(*aggregate));
            attribute(*a, see);
        }
        By::Count(counted) => thing(counted, see),
        By::Graded(_) => see(Part::Grade),
        By::Frequency | By::Shown => {}
    }
}

fn left<'a>(left: &'a Left, see: Visitor<'_, 'a>) {
    match left {
        Left::Column(a) => attribute(*a, see),
        Left::Aggregate(aggregate, a) => {
            see(Part::Aggregate(*aggregate));
            attribute(*a, see);
        }
        Left::Graded(_) => see(Part::Grade),
    }
}

fn operand<'a>(operand: &'a Operand, see: Visitor<'_, 'a>) {
    match operand {
        Operand::Number(digits) => see(Part::Number(digits)),
        Operand::Text(text) => see(Part::Text(text)),
        Operand::Param(n) => see(Part::Param(*n)),
        Operand::Date(edge) => see(Part::Edge(*edge)),
        Operand::Aggregate(aggregate, column, over) => {
            see(Part::Aggregate(*aggregate));
            if let Some(a) = column {
                attribute(*a, see);
            }
            if let Some(over) = over {
                thing(over, see);
            }
        }
        Operand::Column(a) => attribute(*a, see),
        Operand::Every(over, _) => thing(over, see),
    }
}

fn condition<'a>(cond: &'a Cond, see: Visitor<'_, 'a>) {
    let column = |a: &Option<Attribute>, see: Visitor<'_, 'a>| {
        if let Some(a) = a {
            attribute(*a, see);
        }
    };
    match &cond.test {
        Test::Values(edges, a, _) => {
            column(a, see);
            edges.iter().for_each(|e| see(Part::Edge(*e)));
        }
        Test::Compare(what, _, with) => {
            left(what, see);
            operand(with, see);
        }
        Test::Between(what, low, high) => {
            left(what, see);
            operand(low, see);
            operand(high, see);
        }
        Test::During(a, edge, _) => {
            column(a, see);
            see(Part::Edge(*edge));
        }
        Test::Like(a, _, text) => {
            column(a, see);
            see(Part::Text(text));
        }
        Test::Named(a, text) => {
            column(a, see);
            see(Part::Text(text));
            if a.is_none() {
                see(Part::Name(text));
            }
        }
        Test::Missing(a) => attribute(*a, see),
        Test::Flag(edge) => see(Part::Edge(*edge)),
        Test::Has(inner, count) => {
            thing(inner, see);
            if let Some((_, number)) = count {
                operand(number, see);
            }
        }
        Test::Often(_, number) => operand(number, see),
        Test::Extreme(Extreme { by, rows, .. }) => {
            see(Part::First);
            ordering(by, see);
            limit(rows.as_ref(), see);
        }
    }
}

/// The tokens with content that a query does nothing with.
pub(super) fn dropped(query: &Query, lattice: &Lattice) -> Vec<usize> {
    let mut covered = vec![false; lattice.tokens.len()];
    let (mut numbers, mut texts, mut params) = (Vec::new(), Vec::new(), Vec::new());
    let (mut graded, mut limited, mut unit, mut first) = (false, false, false, false);
    let (mut names, mut aggregates) = (Vec::new(), Vec::new());
    visit(query, &mut |part| match part {
        Part::Edge(id) => {
            let edge = &lattice.edges[id];
            covered[edge.start..edge.end].fill(true);
        }
        Part::Number("") => limited = true,
        Part::Number(digits) => numbers.push(digits.to_owned()),
        Part::Text(text) => texts.push(text.to_lowercase()),
        Part::Param(n) => params.push(n),
        Part::Grade => graded = true,
        Part::Unit => unit = true,
        Part::Name(text) => names.push(text.to_lowercase()),
        Part::Aggregate(aggregate) => aggregates.push(aggregate),
        Part::First => first = true,
    });
    let first = first || limited || !aggregates.is_empty();
    let averaged = aggregates.contains(&Aggregate::Average);
    let closed = closed(lattice);
    let elsewhere = |at: usize| names.iter().any(|name| is_elsewhere(lattice, at, name));
    (0..lattice.tokens.len())
        .filter(|&at| !covered[at])
        .filter(|&at| {
            let token = &lattice.tokens[at];
            match &token.kind {
                TokenKind::Comma => return false,
                TokenKind::Param(n) => return !params.contains(n),
                TokenKind::Quoted => {
                    return !texts.contains(&token.raw.to_lowercase()) || elsewhere(at);
                }
                TokenKind::Number(digits) => return !limited && !numbers.contains(digits),
                TokenKind::Word => {}
            }
            if elsewhere(at)
                || is_measure(lattice, at, first, averaged)
                || is_pace(lattice, at, unit)
            {
                return true;
            }
            let said = texts.iter().any(|t| t.contains(&token.folded));
            let number = english::number(&token.folded)
                .is_some_and(|digits| limited || numbers.iter().any(|n| n == digits));
            let adjective = graded
                && lattice
                    .from(at)
                    .chain(at.checked_sub(1).into_iter().flat_map(|b| lattice.from(b)))
                    .any(|(_, e)| matches!(e.kind, Kind::Graded(_)) && e.end > at);
            let named = lattice.from(at).any(|(_, e)| {
                e.quality > 0.85
                    && matches!(
                        e.kind,
                        Kind::Noun(_) | Kind::Attribute(_) | Kind::Flag(_) | Kind::Business(_)
                    )
            });
            let verb = words::is_verbal(&token.folded)
                && !named
                && (closed[at] || !is_adjective(lattice, at));
            let small =
                closed[at] && !named || english::is_unit(&token.folded) || unit && closed[at];
            !(said || number || adjective || verb || small)
        })
        .collect()
}

/// Whether a name begins at a token that the words before it give to other rows than those spoken of: "books by X",
/// "customers who bought 'X'".
fn is_elsewhere(lattice: &Lattice, at: usize, name: &str) -> bool {
    let token = &lattice.tokens[at];
    let begins = match token.kind {
        TokenKind::Quoted => token.raw.to_lowercase() == name,
        _ => name.split_whitespace().next() == Some(token.folded.as_str()),
    };
    let Some(before) = at.checked_sub(1).map(|b| lattice.tokens[b].folded.as_str()) else {
        return false;
    };
    let tied = matches!(
        before,
        "by" | "from" | "to" | "with" | "for" | "in" | "at" | "on"
    );
    let naming = words::words(before).contains(&Word::Named);
    begins && (tied || words::is_verbal(before) && !naming)
}

/// Whether a word asks for what comes first, or for an average, where the query has none.
fn is_measure(lattice: &Lattice, at: usize, first: bool, averaged: bool) -> bool {
    let word = lattice.tokens[at].folded.as_str();
    let bound = at > 0 && lattice.tokens[at - 1].folded == "at";
    let small = matches!(word, "the" | "more" | "less" | "high" | "low");
    words::words(word).iter().any(|does| match does {
        Word::Highest(_) | Word::Most(_) | Word::Common(_) | Word::Top(_) => {
            !first && !bound && !small
        }
        Word::Aggregate(Aggregate::Average) => !averaged,
        _ => false,
    })
}

/// Whether a word asks for one row a unit of time where the query has no such groups: "monthly", "by month".
fn is_pace(lattice: &Lattice, at: usize, grouped: bool) -> bool {
    let word = lattice.tokens[at].folded.as_str();
    let before = at.checked_sub(1).map(|b| lattice.tokens[b].folded.as_str());
    let adverb = matches!(
        word,
        "hourly" | "daily" | "weekly" | "monthly" | "quarterly" | "yearly" | "annually"
    );
    let unit = english::is_unit(word)
        && before.is_some_and(|b| matches!(b, "by" | "per" | "each" | "every"));
    !grouped && (adverb || unit)
}

/// Whether a word that was left over would have changed the answer, however much else was understood: it asks for a
/// measure, for what comes first, or tells by an unknown participle which rows are meant.
pub(super) fn is_needed(lattice: &Lattice, at: usize) -> bool {
    let word = lattice.tokens[at].folded.as_str();
    let known = lattice.from(at).any(|(_, e)| {
        let stored = matches!(
            e.kind,
            Kind::Noun(_) | Kind::Attribute(_) | Kind::Flag(_) | Kind::Value(_)
        );
        stored && e.quality > 0.5
    });
    let unknown = words::words(word).is_empty() && !known;
    is_measure(lattice, at, false, false)
        || is_pace(lattice, at, false)
        || unknown && words::is_verbal(word) && is_adjective(lattice, at)
}

/// Whether a participle that nothing knows tells which rows are meant: "the frobnicated customers".
fn is_adjective(lattice: &Lattice, at: usize) -> bool {
    !words::is_verb(&lattice.tokens[at].folded)
        && lattice
            .from(at + 1)
            .any(|(_, e)| matches!(e.kind, Kind::Noun(_)) && e.quality > 0.6)
}

/// Tokens that are part of a closed phrase.
fn closed(lattice: &Lattice) -> Vec<bool> {
    let count = lattice.tokens.len();
    let mut closed = vec![false; count];
    for start in 0..count {
        let mut phrase = String::new();
        for end in start + 1..=(start + words::PHRASE_WORDS_MAX).min(count) {
            if !phrase.is_empty() {
                phrase.push(' ');
            }
            phrase.push_str(&lattice.tokens[end - 1].folded);
            if !words::words(&phrase).is_empty() {
                closed[start..end].fill(true);
            }
        }
    }
    closed
}
