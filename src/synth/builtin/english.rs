//! The closed words of English: what they do in a question, whatever the database is about.
//!
//! Nothing here may name a thing of one database. Adjectives and business words say which *kinds* of column they
//! speak of, by words that columns are commonly named with.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::query::{Aggregate, Comparison, TimeUnit};

/// Words of a function phrase at most.
pub(super) const PHRASE_WORDS_MAX: usize = 4;

/// What a phrase does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Word {
    /// Carries no content of its own.
    Stop,
    /// "how many"
    Count,
    /// "average"
    Aggregate(Aggregate),
    /// "per", "by", "for each"
    By,
    /// "sorted by"
    OrderBy,
    /// "ascending" (false), "descending" (true)
    Direction(bool),
    /// "top" (true), "bottom" (false)
    Top(bool),
    /// "most" (true), "fewest" (false): of things counted
    Most(bool),
    /// "more than"
    Compare(Comparison),
    /// "between"
    Between,
    /// "and", a comma
    And,
    /// "or"
    Or,
    /// "not", "other than"
    Not,
    /// "without", "have no"
    Without,
    /// "with", "who have"
    With,
    /// "different"
    Distinct,
    /// "starts with", "contains", "ends with"
    Like(Affix),
    /// "empty", "missing"
    Missing,
    /// "month", as something to group by
    Unit(TimeUnit),
    /// "monthly"
    Each(TimeUnit),
    /// "average", "mean" after a comparison is an aggregate as well; this is "the average" of what is compared.
    Than,
    /// "their", "its": what follows belongs to the thing before
    Their,
    /// "named", "called": a proper name follows
    Named,
}

/// Where in a text something is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Affix {
    Prefix,
    Inside,
    Suffix,
}

/// An adjective that compares by a column: which columns, and whether its superlative wants the high end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Adjective {
    /// Words that such columns are named with, best first; `date` and `any` stand for a kind of column.
    pub(super) columns: &'static [&'static str],
    /// "most expensive" wants the greatest value.
    pub(super) high: bool,
    /// Where the column is a date: "newest" wants the last one, "oldest" the first.
    pub(super) late: bool,
}

/// "over 500" of things that have a price or a total.
pub(super) const AMOUNT: Adjective = Adjective {
    columns: &["total", "total amount", "amount", "price", "cost", "value"],
    high: true,
    late: true,
};

/// What a gradable word is: "expensive" alone, "more expensive"/"older", "most expensive"/"oldest".
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Graded {
    pub(super) adjective: Adjective,
    pub(super) degree: Degree,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Degree {
    Comparative,
    Superlative,
}

/// The function of a phrase of folded words.
pub(super) fn functions(phrase: &str) -> &'static [Word] {
    static TABLE: LazyLock<HashMap<&'static str, Vec<Word>>> = LazyLock::new(|| {
        let mut table: HashMap<&str, Vec<Word>> = HashMap::new();
        for (word, phrases) in PHRASES {
            for phrase in phrases.split('|') {
                table.entry(phrase.trim()).or_default().push(*word);
            }
        }
        table
    });
    TABLE.get(phrase).map_or(&[], Vec::as_slice)
}

/// An adjective in the comparative or superlative, in one word ("cheaper") or two ("most expensive").
pub(super) fn graded(words: &[&str]) -> Option<Graded> {
    let (base, degree, reversed) = match words {
        [one] => {
            let (base, degree) = inflected(one)?;
            (base, degree, false)
        }
        ["most", base] => ((*base).to_owned(), Degree::Superlative, false),
        ["least", base] => ((*base).to_owned(), Degree::Superlative, true),
        ["more", base] => ((*base).to_owned(), Degree::Comparative, false),
        ["less", base] => ((*base).to_owned(), Degree::Comparative, true),
        _ => return None,
    };
    let (_, columns, high) = ADJECTIVES
        .iter()
        .find(|(names, ..)| names.split('|').any(|name| name == base))?;
    let late = match columns {
        ["age", ..] => !*high,
        _ => *high,
    };
    let adjective = Adjective {
        columns,
        high: *high != reversed,
        late: late != reversed,
    };
    Some(Graded { adjective, degree })
}

/// "cheapest" -> ("cheap", superlative).
fn inflected(word: &str) -> Option<(String, Degree)> {
    let (root, degree) = match (word.strip_suffix("est"), word.strip_suffix("er")) {
        (Some(root), _) => (root, Degree::Superlative),
        (_, Some(root)) => (root, Degree::Comparative),
        _ => return None,
    };
    let known = |base: &String| {
        ADJECTIVES
            .iter()
            .any(|(names, ..)| names.split('|').any(|n| n == base))
    };
    let doubled =
        root.len() > 2 && root.as_bytes()[root.len() - 1] == root.as_bytes()[root.len() - 2];
    let mut bases = vec![root.to_owned(), format!("{root}e")];
    if let Some(stem) = root.strip_suffix('i') {
        bases.push(format!("{stem}y"));
    }
    if doubled {
        bases.push(root[..root.len() - 1].to_owned());
    }
    bases.into_iter().find(known).map(|base| (base, degree))
}

/// Number words.
pub(super) fn number(word: &str) -> Option<&'static str> {
    const NUMBERS: &[(&str, &str)] = &[
        ("zero", "0"),
        ("one", "1"),
        ("two", "2"),
        ("three", "3"),
        ("four", "4"),
        ("five", "5"),
        ("six", "6"),
        ("seven", "7"),
        ("eight", "8"),
        ("nine", "9"),
        ("ten", "10"),
        ("eleven", "11"),
        ("twelve", "12"),
        ("fifteen", "15"),
        ("twenty", "20"),
        ("thirty", "30"),
        ("fifty", "50"),
        ("hundred", "100"),
        ("thousand", "1000"),
        ("million", "1000000"),
        ("dozen", "12"),
        ("once", "1"),
        ("twice", "2"),
    ];
    NUMBERS
        .iter()
        .find(|(name, _)| *name == word)
        .map(|(_, digits)| *digits)
}

/// Words after a number that only say what it counts.
pub(super) fn is_unit(word: &str) -> bool {
    UNITS.split_whitespace().any(|unit| unit == word)
}

/// Units, as they are written after numbers and at the end of column names.
const UNITS: &str = "percent pct % mbps gbps kbps bps kb mb gb tb byte bytes bits km kilometers kilometres meters \
    metres m cm mm miles mi feet ft inches kg kilograms kilos g grams lb lbs pounds tons tonnes seconds secs sec ms \
    minutes mins min hours hrs euro euros eur dollars dollar usd gbp chf yen cents units pieces stars points celsius \
    fahrenheit watts kw kwh volts hz mhz ghz liters litres times";

/// A measure of business that schemas seldom name by that word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Business {
    /// Money that came in: a sum.
    Revenue,
    /// Pieces that went out: a sum.
    Units,
    /// What one thing came to: "order value".
    Amount,
}

/// The measure that a word stands for.
pub(super) fn business(phrase: &str) -> Option<Business> {
    Some(match phrase {
        "revenue" | "revenues" | "sales" | "turnover" | "sales volume" | "income" | "earnings"
        | "spent" | "spend" | "spending" | "sales revenue" | "total sales" | "money" => {
            Business::Revenue
        }
        "units sold" | "pieces sold" | "quantity sold" | "items sold" | "selling" | "sold"
        | "best-selling" => Business::Units,
        "value" | "amount" | "worth" => Business::Amount,
        _ => return None,
    })
}

const PHRASES: &[(Word, &str)] = &[
    (
        Word::Stop,
        "a|an|the|of|in|on|at|to|for|from|is|are|was|were|be|been|being|am|do|does|did|done|what|which|who|whom|whose|\
         that|this|these|those|there|here|it|they|them|we|us|our|ours|i|me|my|you|your|please|show|show me|list|give|give me|\
         tell|tell me|find|display|get|fetch|return me|return the|see|look up|would|could|can|will|shall|should|may|might|must|like|want|need|\
         know|let|have|has|had|having|with|and|all|any|every|some|as|by|also|just|now|currently|still|already|yet|\
         what is|what are|what's|who's|who is|who are|list all|show all|many|much|how|located|based|living|live|lives|\
         lived|belong|belongs|belonging|associated|related|regarding|about|into|within|during|when|where|then|than|so|such|\
         respectively|overall|altogether|existing|exist|exists|available in the database|database|table|records|record|rows|row|entries|\
         did we have|do we have|we have|are there|is there|were there|place|happened|happen|take|took|occurred|made|make|\
         work|works|working|worked|come|comes|coming|came|go|goes|contain|contains|containing|include|includes|including|\
         using|use|used|information|info|details|detail|data|if|its|their|his|her",
    ),
    (
        Word::Count,
        "how many|number of|the number of|count|count of|count the|count the number of|how often|no of|amount of|total number of|# of|number|numbers of|total count of|volume of",
    ),
    (
        Word::Aggregate(Aggregate::Average),
        "average|avg|mean|average of|on average|mean of|typical",
    ),
    (
        Word::Aggregate(Aggregate::Sum),
        "total|sum|sum of|total of|sum up|overall|combined|how much|total amount of|in total|altogether|the total|cumulative",
    ),
    (
        Word::Aggregate(Aggregate::Max),
        "maximum|max|highest|largest|greatest|biggest|maximum of|best|longest|latest|most recent|newest|last|top",
    ),
    (
        Word::Aggregate(Aggregate::Min),
        "minimum|min|lowest|smallest|minimum of|shortest|earliest|oldest|first|worst|least",
    ),
    (
        Word::By,
        "by|per|for each|for every|each|in each|of each|at each|grouped by|group by|broken down by|split by|in every|for each of the|\
         by each|according to|across|on each|from each|every|per each|with each",
    ),
    (
        Word::OrderBy,
        "sorted by|ordered by|order by|sort by|in order of|ranked by|ordered|sorted|arranged by|in the order of",
    ),
    (
        Word::Direction(true),
        "descending|desc|in descending order|descending order|highest first|largest first|newest first|decreasing|from highest to lowest|in decreasing order",
    ),
    (
        Word::Direction(false),
        "ascending|asc|in ascending order|ascending order|lowest first|smallest first|oldest first|alphabetically|in alphabetical order|increasing|from lowest to highest",
    ),
    (
        Word::Top(true),
        "top|first|highest|largest|best|biggest|greatest|leading",
    ),
    (Word::Top(false), "bottom|lowest|worst|smallest"),
    (
        Word::Most(true),
        "most|the most|highest number of|largest number of|greatest number of|most number of|maximum number of|biggest number of",
    ),
    (
        Word::Most(false),
        "fewest|least|the fewest|lowest number of|smallest number of|least number of|minimum number of|fewest number of",
    ),
    (
        Word::Compare(Comparison::Greater),
        "more than|over|above|greater than|larger than|higher than|bigger than|exceeding|exceeds|exceed|>|is greater than|was over|longer than|in excess of|upwards of",
    ),
    (
        Word::Compare(Comparison::GreaterOrEqual),
        "at least|not less than|no less than|>=|minimum of|or more|or above|no fewer than|greater than or equal to",
    ),
    (
        Word::Compare(Comparison::Less),
        "less than|under|below|fewer than|smaller than|lower than|<|shorter than|short of",
    ),
    (
        Word::Compare(Comparison::LessOrEqual),
        "at most|not more than|no more than|<=|up to|maximum of|less than or equal to|or less|or fewer|or below",
    ),
    (
        Word::Compare(Comparison::Equal),
        "equal to|equals|=|exactly|equal|is exactly|same as",
    ),
    (Word::Between, "between"),
    (
        Word::And,
        "and|as well as|along with|together with|and also|&|plus|and the|both",
    ),
    (Word::Or, "or|or the|either"),
    (
        Word::Not,
        "not|other than|except|excluding|isn't|aren't|wasn't|weren't|except for|outside|but not|is not|are not|don't|doesn't|didn't|do not|does not|did not|besides",
    ),
    (
        Word::Without,
        "without|without any|no|never|have no|has no|have not|has not|haven't|hasn't|with no|who have no|having no|had no|\
         have never|has never|did not|didn't|do not have|don't have|does not have|doesn't have|who have not|lacking|not|\
         do not have any|don't have any|have never been|has never been|were never|was never|have not been|has not been|that were never|did not have any|\
         are not in any|with zero|have zero|were not|was not|haven't been|hasn't been|did not have",
    ),
    (
        Word::With,
        "with|have|has|having|who have|that have|which have|had|who had|who has|that has|which has|whose|with any|with at least one|containing|that had|contain|contains|made|who made|placed|with a|have a",
    ),
    (Word::Distinct, "different|distinct|unique|separate"),
    (
        Word::Like(Affix::Prefix),
        "starting with|starts with|start with|beginning with|begins with|begin with",
    ),
    (
        Word::Like(Affix::Suffix),
        "ending with|ends with|end with|ending in|ends in",
    ),
    (
        Word::Like(Affix::Inside),
        "containing|contains|contain|including|includes|like|mentioning|with the word|contains the word|matching",
    ),
    (
        Word::Missing,
        "empty|missing|unknown|null|blank|not known|not set",
    ),
    (Word::Unit(TimeUnit::Hour), "hour"),
    (Word::Unit(TimeUnit::Day), "day|date"),
    (Word::Unit(TimeUnit::Week), "week"),
    (Word::Unit(TimeUnit::Month), "month"),
    (Word::Unit(TimeUnit::Quarter), "quarter"),
    (Word::Unit(TimeUnit::Year), "year|calendar year"),
    (Word::Each(TimeUnit::Day), "daily|day by day"),
    (Word::Each(TimeUnit::Week), "weekly|week by week"),
    (Word::Each(TimeUnit::Month), "monthly|month by month"),
    (Word::Each(TimeUnit::Quarter), "quarterly"),
    (
        Word::Each(TimeUnit::Year),
        "yearly|annual|annually|year by year",
    ),
    (Word::Than, "than"),
    (Word::Their, "their|its|his|her"),
    (
        Word::Named,
        "named|called|by the name of|with the name|name is|titled",
    ),
];

/// Base forms; words of the columns they grade, best first; whether the superlative wants the high end.
const ADJECTIVES: &[(&str, &[&str], bool)] = &[
    (
        "expensive|costly|pricey|dear",
        &["price", "cost", "amount", "fee", "fare", "rate", "total"],
        true,
    ),
    (
        "cheap|inexpensive|affordable",
        &["price", "cost", "amount", "fee", "fare", "rate", "total"],
        false,
    ),
    ("old", &["age", "birth", "born", "date"], true),
    ("young", &["age", "birth", "born"], false),
    ("new|recent|late", &["date"], true),
    ("early", &["date"], false),
    ("high|great", &["any"], true),
    ("low|small", &["any"], false),
    (
        "large|big",
        &[
            "size",
            "area",
            "capacity",
            "population",
            "total",
            "amount",
            "any",
        ],
        true,
    ),
    (
        "long",
        &["length", "duration", "distance", "hours", "minutes"],
        true,
    ),
    (
        "short",
        &["length", "duration", "distance", "height"],
        false,
    ),
    ("tall", &["height"], true),
    ("heavy", &["weight", "mass"], true),
    ("light", &["weight", "mass"], false),
    ("fast|quick", &["speed", "velocity", "bandwidth"], true),
    ("slow", &["speed", "velocity", "bandwidth"], false),
    (
        "wealthy|rich",
        &["wealth", "income", "net worth", "balance"],
        true,
    ),
    ("populous|populated", &["population", "inhabitants"], true),
    ("popular", &["popularity", "likes", "views", "rating"], true),
    ("well paid|paid", &["salary", "wage", "pay"], true),
    ("loyal", &["loyalty"], true),
    ("busy", &["load", "usage", "utilization"], true),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjectives_are_known_in_all_their_forms() {
        for (words, high, degree) in [
            (&["cheapest"][..], false, Degree::Superlative),
            (&["most", "expensive"], true, Degree::Superlative),
            (&["least", "expensive"], false, Degree::Superlative),
            (&["bigger"], true, Degree::Comparative),
            (&["heaviest"], true, Degree::Superlative),
            (&["more", "expensive"], true, Degree::Comparative),
        ] {
            let graded = graded(words).unwrap();
            assert_eq!(
                (graded.adjective.high, graded.degree),
                (high, degree),
                "{words:?}"
            );
        }
        assert!(graded(&["customer"]).is_none());
        assert!(graded(&["order"]).is_none());
    }
}
