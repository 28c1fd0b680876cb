//! Edits of what is measured: another aggregate, a count, an order to rank by.

use crate::synth::builtin::query::Aggregate;
use crate::synth::builtin::sketch::{
    Attribute, Manner, Measure, Order, OrderBy, Over, Show, Sketch,
};

/// The one measure shown.
pub(super) fn shown(sketch: &Sketch) -> Option<&Measure> {
    let mut measures = sketch.shows.iter().filter_map(|show| match show {
        Show::Measure(measure) => Some(measure),
        _ => None,
    });
    measures.next().filter(|_| measures.next().is_none())
}

/// Says outright what groups have for a measure where none was named: "orders by month" counts them, "stock by category"
/// adds it up.
pub(super) fn explicit(mut sketch: Sketch) -> Sketch {
    let is_ranked = sketch
        .order
        .as_ref()
        .is_some_and(|o| matches!(o.by, OrderBy::Measure(_)));
    if sketch.groups.is_empty() || is_ranked {
        return sketch;
    }
    let measure = match &sketch.shows[..] {
        [Show::Noun { edge, .. }] => Measure {
            aggregate: Aggregate::Count,
            over: Over::Noun(*edge),
            word: "count".into(),
        },
        [Show::Attribute(attribute)] => Measure {
            aggregate: Aggregate::Sum,
            over: Over::Attribute(*attribute),
            word: String::new(),
        },
        _ => return sketch,
    };
    sketch.shows = vec![Show::Measure(measure)];
    sketch
}

/// Whether rows are counted or summed up, and not listed.
pub(super) fn is_aggregated(sketch: &Sketch) -> bool {
    let ranked = sketch.order.as_ref();
    !sketch.groups.is_empty()
        || sketch.shows.iter().any(|s| matches!(s, Show::Measure(_)))
        || ranked.is_some_and(|o| matches!(o.by, OrderBy::Measure(_)))
}

/// "how many?", "the average": another aggregate of what is there.
pub(super) fn change(sketch: &mut Sketch, aggregate: Aggregate, manner: Manner) -> Option<()> {
    let counts = matches!(aggregate, Aggregate::Count | Aggregate::CountDistinct);
    if !is_aggregated(sketch) {
        return counts.then(|| count_rows(sketch)).flatten();
    }
    let adds = matches!(manner, Manner::And | Manner::Also);
    let place = sketch
        .shows
        .iter()
        .position(|s| matches!(s, Show::Measure(_)));
    let old = match (place, &sketch.order) {
        (Some(_), _) => shown(sketch)?.clone(),
        (
            None,
            Some(Order {
                by: OrderBy::Measure(measure),
                ..
            }),
        ) if !counts => measure.clone(),
        (None, _) => return None,
    };
    let new = if counts {
        Measure {
            aggregate: Aggregate::Count,
            over: counted(&old)?,
            word: "count".into(),
        }
    } else {
        aggregated(&old, aggregate)?
    };
    if new == old {
        return None;
    }
    match (place, adds) {
        (Some(_), true) => sketch.shows.push(Show::Measure(new)),
        (Some(place), false) => {
            ranked_by(sketch, &old, &new);
            sketch.shows[place] = Show::Measure(new);
        }
        (None, _) => ranked_by(sketch, &old, &new),
    }
    Some(())
}

/// Where rows were ranked by one measure, they are by the other.
fn ranked_by(sketch: &mut Sketch, old: &Measure, new: &Measure) {
    if let Some(order) = &mut sketch.order
        && order.by == OrderBy::Measure(old.clone())
    {
        order.by = OrderBy::Measure(new.clone());
    }
}

/// Another aggregate of the same.
fn aggregated(old: &Measure, aggregate: Aggregate) -> Option<Measure> {
    let word = match (old.over, aggregate) {
        (Over::Noun(_) | Over::RowsOf(_), _) => return None,
        (Over::Attribute(_), _) => String::new(),
        (Over::Business { .. }, Aggregate::Min | Aggregate::Max) => {
            format!("{}_{}", aggregate.heading(), old.word)
        }
        (Over::Business { .. }, _) => old.word.clone(),
    };
    Some(Measure {
        aggregate,
        over: old.over,
        word,
    })
}

/// The rows that are counted where a measure of them was asked for.
fn counted(old: &Measure) -> Option<Over> {
    match old.over {
        Over::Noun(_) | Over::RowsOf(_) => None,
        Over::Attribute(Attribute { of: Some(noun), .. })
        | Over::Business { of: Some(noun), .. } => Some(Over::Noun(noun)),
        Over::Attribute(attribute) => Some(Over::RowsOf(attribute)),
        // Nobody has said which rows it comes from.
        Over::Business { of: None, .. } => None,
    }
}

/// "how many?" of a list. Of the first few of one it is no question.
fn count_rows(sketch: &mut Sketch) -> Option<()> {
    if sketch.limit.is_some() {
        return None;
    }
    let noun = sketch.shows.iter().find_map(|show| match show {
        Show::Noun { edge, .. } => Some(*edge),
        _ => None,
    });
    let (aggregate, over) = match (noun, &sketch.shows[..]) {
        (_, [Show::Attribute(attribute)]) if sketch.distinct => {
            (Aggregate::CountDistinct, Over::Attribute(*attribute))
        }
        (Some(noun), _) => (Aggregate::Count, Over::Noun(noun)),
        (None, [Show::Attribute(Attribute { of: Some(noun), .. }), ..]) => {
            (Aggregate::Count, Over::Noun(*noun))
        }
        _ => return None,
    };
    sketch.shows = vec![Show::Measure(Measure {
        aggregate,
        over,
        word: "count".into(),
    })];
    sketch.order = None;
    Some(())
}

/// New measures in the place of those that are there.
pub(super) fn replace(sketch: &mut Sketch, measures: Vec<Show>, columns: Vec<Show>) -> Option<()> {
    let first = measures.iter().find_map(|show| match show {
        Show::Measure(measure) => Some(measure.clone()),
        _ => None,
    })?;
    let had_measure = sketch.shows.iter().any(|s| matches!(s, Show::Measure(_)));
    let is_ranked = sketch
        .order
        .as_ref()
        .is_some_and(|o| matches!(o.by, OrderBy::Measure(_)));
    if let Some(order) = sketch.order.as_mut().filter(|_| is_ranked) {
        order.by = OrderBy::Measure(first);
    }
    if had_measure || !is_ranked {
        sketch.shows.retain(|s| !matches!(s, Show::Measure(_)));
        sketch.shows.extend(columns);
        sketch.shows.extend(measures);
    } else {
        sketch.shows.extend(columns);
    }
    Some(())
}

/// What "top" and "bottom" go by: the order there is, or the measure that is shown.
pub(super) fn rank(base: &Sketch, high: bool) -> Option<Order> {
    let Some(order) = &base.order else {
        // One number has no first.
        let keys = base.shows.iter().any(|s| !matches!(s, Show::Measure(_)));
        if base.groups.is_empty() && !keys {
            return None;
        }
        let by = OrderBy::Measure(shown(base)?.clone());
        return Some(Order {
            by,
            descending: high,
        });
    };
    let mut order = order.clone();
    match &mut order.by {
        // "top" of the cheapest are the cheapest.
        OrderBy::Adjective(adjective) if !high => {
            adjective.high = !adjective.high;
            adjective.late = !adjective.late;
            order.descending = !order.descending;
        }
        OrderBy::Adjective(_) => {}
        // "top" of what is sorted from the low end up may be either end.
        _ if base.limit.is_none() && !order.descending => return None,
        _ => order.descending = high,
    }
    Some(order)
}

/// One row for all.
pub(super) fn ungroup(sketch: &mut Sketch) -> Option<()> {
    if !is_aggregated(sketch) {
        return None;
    }
    let measures: Vec<Show> = sketch
        .shows
        .iter()
        .filter(|s| matches!(s, Show::Measure(_)))
        .cloned()
        .collect();
    let ranked = match sketch.order.take() {
        Some(Order {
            by: OrderBy::Measure(measure),
            ..
        }) => Some(Show::Measure(measure)),
        _ => None,
    };
    sketch.shows = match (measures.is_empty(), ranked) {
        (false, _) => measures,
        (true, found) => vec![found?],
    };
    sketch.groups.clear();
    sketch.limit = None;
    sketch.share = false;
    Some(())
}
