//! The closed words that follow-ups are made with. Nothing here may name a thing of one database.

use crate::synth::builtin::sketch::Manner;

/// An edit that is said in closed words alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Edit {
    /// So many rows.
    Limit(u64),
    /// All rows.
    NoLimit,
    /// The other end first.
    Flip,
    /// As a percentage of the whole, or not.
    Share(bool),
    /// One row for all.
    Ungroup,
    /// Whatever the date.
    AnyTime,
    /// No condition at all.
    Unfiltered,
}

/// What stands before a follow-up and says how it goes on.
pub(super) const LEADS: &[(Manner, &str)] = &[
    (Manner::And, "and"),
    (
        Manner::Plain,
        "what about|how about|same for|the same for|same but|the same but|the same|now|ok|okay|then|but|actually|rather|make it|\
         make that|make them|change it to|change that to|change to|switch to|switch it to|show it|show that|do it|do that|i mean|\
         i meant|group it|group them|group that|which ones|which of them|which of those|which of these|who of them",
    ),
    (
        Manner::Only,
        "only|just|limit it to|limit that to|limit them to|restrict it to|restrict that to|restrict to|narrow it down to|\
         narrow that down to|narrow down to|narrow to|filter by|filter on|filter for|filter to|filter it by|keep only|show only|\
         show me only|show just|only show|only show me|only those|those|just show|keep",
    ),
    (
        Manner::Also,
        "also|or|plus|add|add the|include|include the|including|including the|as well as|along with|together with|in addition|with the|with their|\
         show also|also show|also include|also add|broken down|break it down|break that down|break them down|break this down|\
         split it|split that|split them|split this|split|divide it|divide that",
    ),
];

/// What stands behind one.
pub(super) const TAILS: &[(Manner, &str)] = &[
    (Manner::Instead, "instead|rather"),
    (Manner::Also, "too|as well|also"),
    (Manner::Only, "only|alone"),
    (Manner::Plain, "then|now|again|though"),
];

pub(super) const EDITS: &[(Edit, &str)] = &[
    (
        Edit::Flip,
        "the other way round|the other way around|other way round|other way around|in the reverse order|in reverse order|\
         reverse the order|reverse order|in reverse|in the opposite order|opposite order|the opposite order",
    ),
    (
        Edit::Share(true),
        "as a percentage of the total|as a percentage of the whole|as a percentage of all|as a percentage of total|as a percentage|\
         as percentages|as percentage|as percent|in percent|in percentages|as a share of the total|as a share of the whole|\
         as a share|as shares|as a proportion|what percentage is that|what share is that",
    ),
    (
        Edit::Share(false),
        "not as a percentage|not as percentages|in absolute numbers|as absolute numbers|absolute numbers|as numbers",
    ),
];

/// Edits that are all of a follow-up.
pub(super) const WHOLE: &[(Edit, &str)] = &[
    (Edit::Flip, "reverse|reversed"),
    (Edit::Share(true), "percentage|percentages|percent"),
    (
        Edit::NoLimit,
        "all|all of them|show all|all rows|everything|no limit|without limit|without a limit|without the limit",
    ),
    (
        Edit::Ungroup,
        "in total|overall|altogether|all together|in all|without groups|without grouping|not grouped|ungrouped",
    ),
    (
        Edit::AnyTime,
        "ever|at any time|any time|of all time|for all time|all time|all times|whenever|regardless of date|regardless of the date|\
         regardless of time|whatever the date",
    ),
    (
        Edit::Unfiltered,
        "no filter|no filters|without filters|without any filter|without conditions|unfiltered|remove the filter|remove the filters|\
         remove all filters|drop the filter|drop the filters|drop all filters",
    ),
];

/// What takes a condition back, when what it was about follows.
pub(super) const FREEING: &str = "any|all|every|in any|in all|in every|for any|for all|for every|of any|of all|of every|from any|from all|from every|\
    with any|at any|across all|regardless of|regardless of the|irrespective of|no matter the|no matter which|no matter what|\
    whatever the|whichever|not only|not just|not only in|not only from|drop|drop the|remove|remove the|forget|forget the|forget about|ignore|ignore the|ignoring|ignoring the|lift the";

/// What may begin with these only when "filter" or the like ends it.
pub(super) const FREEING_FILTERS: &str = "without the|without|no|without any";

/// What ends what is taken back.
pub(super) const FILTERS: &[&str] = &["filter", "filters", "condition", "restriction"];

/// Words that only stand for what was asked about.
pub(super) const PRONOUNS: &str = "of them|of those|of these|of it|them|these|ones|the ones|it";

/// Prepositions: a question seldom begins with one, and what follows it is not what is asked for.
pub(super) const PREPOSITIONS: &[&str] = &[
    "in",
    "on",
    "at",
    "of",
    "from",
    "for",
    "since",
    "before",
    "after",
    "until",
    "till",
    "between",
    "during",
    "over",
    "under",
    "above",
    "below",
    "by",
    "per",
    "with",
    "without",
    "except",
    "excluding",
    "to",
    "not",
];
