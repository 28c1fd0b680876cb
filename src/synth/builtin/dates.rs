//! Dates and spans of time, as questions spell them.

use jiff::ToSpan;
use jiff::civil::Date;

use super::english;
use super::query::{Moment, TimeUnit};
use super::tokens::{Token, TokenKind};

/// A span of time, from (inclusive) until (exclusive); an open end is `None`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Span {
    pub(super) from: Option<Moment>,
    pub(super) until: Option<Moment>,
    /// As the question spells it.
    pub(super) words: String,
}

/// Reads a span of time that begins with the token `at`; gives its end.
pub(super) fn span(tokens: &[Token], at: usize, today: Date) -> Option<(usize, Span)> {
    let word = |i: usize| tokens.get(i).map_or("", |t| t.folded.as_str());
    let (end, from, until) = match word(at) {
        "since" | "starting" | "after" => {
            let (end, from, until) = point(tokens, skip_article(tokens, at + 1), today)?;
            // "after 2025" begins when 2025 is over, "since 2025" when it begins.
            let start = if word(at) == "after" {
                until.or(from)
            } else {
                from
            };
            (end, Some(start?), None)
        }
        "before" | "until" | "till" => {
            let (end, from, until) = point(tokens, skip_article(tokens, at + 1), today)?;
            let stop = if word(at) == "before" {
                from
            } else {
                until.or(from)
            };
            (end, None, Some(stop?))
        }
        "between" => joined_span(tokens, at, today)?,
        "from" => match joined_span(tokens, at, today) {
            Some(bounds) => bounds,
            None => {
                let (end, from, until) = point(tokens, skip_article(tokens, at + 1), today)?;
                // "from March on" has no end, "from March" is of March; "from $1" alone may be a place.
                let open = matches!(word(end), "on" | "onwards" | "onward");
                if !open && is_parameter(tokens, end - 1) {
                    return None;
                }
                (end + usize::from(open), from, until.filter(|_| !open))
            }
        },
        "in" | "during" | "on" | "within" | "over" | "for" | "of" | "throughout" => {
            dated(tokens, skip_article(tokens, at + 1), today)?
        }
        "the" => dated(tokens, at + 1, today)?,
        _ => dated(tokens, at, today)?,
    };
    let words: Vec<&str> = tokens[at..end].iter().map(|t| t.raw.as_str()).collect();
    Some((
        end,
        Span {
            from,
            until,
            words: words.join(" "),
        },
    ))
}

/// A point that says itself that it is one: a parameter may be anything.
fn dated(tokens: &[Token], at: usize, today: Date) -> Option<Bounds> {
    point(tokens, at, today).filter(|_| !is_parameter(tokens, at))
}

fn is_parameter(tokens: &[Token], at: usize) -> bool {
    matches!(tokens.get(at).map(|t| &t.kind), Some(TokenKind::Param(_)))
}

type Bounds = (usize, Option<Moment>, Option<Moment>);

/// "between A and B", "from A to B": the last unit of B is included.
fn joined_span(tokens: &[Token], at: usize, today: Date) -> Option<Bounds> {
    let (mid, from, _) = point(tokens, skip_article(tokens, at + 1), today)?;
    let link = tokens.get(mid)?.folded.as_str();
    if !matches!(link, "and" | "to" | "until" | "till" | "through") {
        return None;
    }
    let (end, last, until) = point(tokens, skip_article(tokens, mid + 1), today)?;
    let until = until.or(last);
    let from = match (from, &until) {
        // "from March to May 2025": the year is said once.
        (Some(Moment::Day(first)), Some(Moment::Day(stop))) if first >= *stop => {
            let year = stop.yesterday().ok()?.year();
            Some(Moment::Day(
                Date::new(year, first.month(), first.day()).ok()?,
            ))
        }
        (from, _) => from,
    };
    Some((end, from, until))
}

/// Behind "the", and "the year of" before a year.
fn skip_article(tokens: &[Token], at: usize) -> usize {
    let word = |i: usize| tokens.get(i).map_or("", |t| t.folded.as_str());
    let at = at + usize::from(word(at) == "the");
    let year = at + usize::from(word(at) == "year");
    let number = year + usize::from(year > at && word(year) == "of");
    match tokens.get(number).map(|t| &t.kind) {
        Some(TokenKind::Number(digits)) if number > at && digits.len() == 4 => number,
        _ => at,
    }
}

/// A day, month, quarter, year or relative span.
fn point(tokens: &[Token], at: usize, today: Date) -> Option<Bounds> {
    let token = tokens.get(at)?;
    if let TokenKind::Param(n) = token.kind {
        return Some((at + 1, Some(Moment::Param(n)), None));
    }
    let days = |end, first: i32, last: i32| {
        Some((end, Some(Moment::Today(first)), Some(Moment::Today(last))))
    };
    match token.folded.as_str() {
        "today" => return days(at + 1, 0, 1),
        "yesterday" => return days(at + 1, -1, 0),
        "tomorrow" => return days(at + 1, 1, 2),
        "now" => return Some((at + 1, Some(Moment::Today(0)), Some(Moment::Today(1)))),
        _ => {}
    }
    relative(tokens, at).or_else(|| absolute(tokens, at, today))
}

/// "last month", "past 7 days", "this year", "3 weeks ago".
fn relative(tokens: &[Token], at: usize) -> Option<Bounds> {
    let word = |i: usize| tokens.get(i).map_or("", |t| t.folded.as_str());
    let units = |unit, first, last| {
        (
            Some(Moment::StartOf(unit, first)),
            Some(Moment::StartOf(unit, last)),
        )
    };
    let direction = match word(at) {
        "last" | "previous" | "past" | "prior" => -1,
        "this" | "current" => 0,
        "next" | "coming" | "following" => 1,
        _ => {
            let count = count(tokens.get(at)?)?;
            let unit = TimeUnit::parse(word(at + 1))?;
            return (word(at + 2) == "ago").then(|| ago(at + 3, unit, count));
        }
    };
    if let Some(unit) = TimeUnit::parse(word(at + 1)) {
        if word(at) == "past" {
            return Some((at + 2, Some(Moment::Ago(unit, -1)), None));
        }
        let (from, until) = units(unit, direction, direction + 1);
        return Some((at + 2, from, until));
    }
    let count = count(tokens.get(at + 1)?)?;
    let unit = TimeUnit::parse(word(at + 2))?;
    match direction {
        -1 => Some((at + 3, Some(Moment::Ago(unit, -count)), None)),
        1 => Some((
            at + 3,
            Some(Moment::Today(0)),
            Some(Moment::Ago(unit, count)),
        )),
        _ => None,
    }
}

fn ago(end: usize, unit: TimeUnit, count: i32) -> Bounds {
    match unit {
        TimeUnit::Hour => (end, Some(Moment::Ago(unit, -count)), None),
        TimeUnit::Day => (
            end,
            Some(Moment::Today(-count)),
            Some(Moment::Today(1 - count)),
        ),
        _ => (
            end,
            Some(Moment::StartOf(unit, -count)),
            Some(Moment::StartOf(unit, 1 - count)),
        ),
    }
}

fn count(token: &Token) -> Option<i32> {
    let digits = match &token.kind {
        TokenKind::Number(digits) => digits.as_str(),
        TokenKind::Word => english::number(&token.folded)?,
        _ => return None,
    };
    digits.parse().ok().filter(|n| (1..100_000).contains(n))
}

/// "2025", "March", "March 2026", "3 March 2026", "March 3, 2026", "2026-03-01", "2026-03", "Q2 2026".
fn absolute(tokens: &[Token], at: usize, today: Date) -> Option<Bounds> {
    let token = tokens.get(at)?;
    if let Some(date) = iso(&token.folded) {
        return days(at + 1, date, 1);
    }
    if let Some((year, month)) = token.folded.split_once('-')
        && let (Some(year), Ok(month)) = (self::year(year), month.parse())
    {
        return months(at + 1, year, month, 1);
    }
    if let Some(quarter) = quarter(&token.folded) {
        let (end, year) = match year_at(tokens, at + 1) {
            Some(year) => (at + 2, year),
            None => (at + 1, today.year()),
        };
        return months(end, year, 3 * quarter - 2, 3);
    }
    if let Some(month) = month(&token.folded) {
        // "March 3, 2026": a comma may stand before the year.
        if let Some(day) = day_at(tokens, at + 1) {
            let comma = tokens
                .get(at + 2)
                .is_some_and(|t| t.kind == TokenKind::Comma);
            let year_place = at + 2 + usize::from(comma);
            if let Some(year) = year_at(tokens, year_place) {
                return days(year_place + 1, Date::new(year, month, day).ok()?, 1);
            }
            let date = Date::new(today.year(), month, day).ok()?;
            return days(at + 2, date, 1);
        }
        let of = usize::from(tokens.get(at + 1).is_some_and(|t| t.folded == "of"));
        if let Some(year) = year_at(tokens, at + 1 + of) {
            return months(at + 2 + of, year, month, 1);
        }
        // "may" is a verb more often than a month.
        if token.folded == "may" && !token.capital {
            return None;
        }
        let year = today.year() - i16::from(month > today.month());
        return months(at + 1, year, month, 1);
    }
    if let (Some(day), Some(month)) = (
        day_at(tokens, at),
        tokens.get(at + 1).and_then(|t| month(&t.folded)),
    ) {
        let year = year_at(tokens, at + 2);
        let date = Date::new(year.unwrap_or_else(|| today.year()), month, day).ok()?;
        return days(at + 2 + usize::from(year.is_some()), date, 1);
    }
    let year = year_at(tokens, at)?;
    months(at + 1, year, 1, 12)
}

fn days(end: usize, first: Date, count: i64) -> Option<Bounds> {
    let last = first.checked_add(count.days()).ok()?;
    Some((end, Some(Moment::Day(first)), Some(Moment::Day(last))))
}

fn months(end: usize, year: i16, month: i8, count: i64) -> Option<Bounds> {
    let first = Date::new(year, month, 1).ok()?;
    let last = first.checked_add(count.months()).ok()?;
    Some((end, Some(Moment::Day(first)), Some(Moment::Day(last))))
}

fn iso(word: &str) -> Option<Date> {
    (word.len() == 10).then(|| word.parse().ok())?
}

fn year_at(tokens: &[Token], at: usize) -> Option<i16> {
    match &tokens.get(at)?.kind {
        TokenKind::Number(digits) => year(digits),
        _ => None,
    }
}

/// Four digits that are a year in use; other numbers stay numbers.
fn year(digits: &str) -> Option<i16> {
    let year: i16 = (digits.len() == 4).then(|| digits.parse().ok())??;
    (1500..=2200).contains(&year).then_some(year)
}

fn day_at(tokens: &[Token], at: usize) -> Option<i8> {
    let text = tokens.get(at)?.folded.as_str();
    let digits = ["st", "nd", "rd", "th"]
        .iter()
        .find_map(|suffix| text.strip_suffix(suffix))
        .unwrap_or(text);
    digits.parse().ok().filter(|day| (1..=31).contains(day))
}

fn quarter(word: &str) -> Option<i8> {
    let digit = word.strip_prefix('q')?;
    digit
        .parse()
        .ok()
        .filter(|quarter| (1..=4).contains(quarter))
}

fn month(word: &str) -> Option<i8> {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let same = |name: &&str| {
        *name == word
            || (word.len() == 3 && name.starts_with(word))
            || (word == "sept" && *name == "september")
    };
    let position = MONTHS.iter().position(same)?;
    i8::try_from(position + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::builtin::tokens::tokens;

    fn day(text: &str) -> Option<Moment> {
        Some(Moment::Day(text.parse().unwrap()))
    }

    #[test]
    fn spans_are_half_open() {
        let today = jiff::civil::date(2026, 11, 21);
        let start = |unit, n| Some(Moment::StartOf(unit, n));
        let cases = [
            ("in 2025", day("2025-01-01"), day("2026-01-01")),
            ("since March", day("2026-03-01"), None),
            ("since December", day("2025-12-01"), None),
            ("before 2026-03-01", None, day("2026-03-01")),
            ("after 2024", day("2025-01-01"), None),
            ("until March 3, 2026", None, day("2026-03-04")),
            (
                "between 2024 and 2025",
                day("2024-01-01"),
                day("2026-01-01"),
            ),
            (
                "from March to May 2025",
                day("2025-03-01"),
                day("2025-06-01"),
            ),
            ("in Q2 2026", day("2026-04-01"), day("2026-07-01")),
            (
                "last month",
                start(TimeUnit::Month, -1),
                start(TimeUnit::Month, 0),
            ),
            (
                "this year",
                start(TimeUnit::Year, 0),
                start(TimeUnit::Year, 1),
            ),
            (
                "in the last 7 days",
                Some(Moment::Ago(TimeUnit::Day, -7)),
                None,
            ),
            ("yesterday", Some(Moment::Today(-1)), Some(Moment::Today(0))),
            (
                "from yesterday",
                Some(Moment::Today(-1)),
                Some(Moment::Today(0)),
            ),
            ("from 2025 on", day("2025-01-01"), None),
            ("since $2", Some(Moment::Param(2)), None),
            ("on 3 March 2026", day("2026-03-03"), day("2026-03-04")),
        ];
        for (text, from, until) in cases {
            let tokens = tokens(text, 2);
            let (end, span) = span(&tokens, 0, today).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(end, tokens.len(), "{text}");
            assert_eq!((span.from, span.until), (from, until), "{text}");
        }
    }

    #[test]
    fn other_words_are_no_dates() {
        let today = jiff::civil::date(2026, 11, 21);
        for text in [
            "last customer",
            "from Germany",
            "over 1000",
            "5 customers",
            "in stock",
            "may",
        ] {
            assert!(span(&tokens(text, 0), 0, today).is_none(), "{text}");
        }
    }
}
