//! One value of a result, in the form in which two results are compared.
//!
//! # Source
//! `normal` of the development suites' referee, which compares what psycopg2 makes of a value: numbers to four decimals,
//! texts that are numbers as numbers, midnight timestamps as dates, NULL equal to NULL.

use tokio_postgres::types::Type;

/// A value that compares with any other, whatever their types.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// NULL.
    Null,
    /// A number, rounded.
    Number(Bits),
    /// Anything else as text.
    Text(Box<str>),
}

/// The bits of a number, which is equal to another when they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bits(u64);

impl Value {
    /// Of a value as the server writes it in a text row, with `DateStyle` ISO and `IntervalStyle` postgres.
    #[must_use]
    pub fn read(text: Option<&str>, kind: &Type) -> Self {
        let Some(text) = text else {
            return Self::Null;
        };
        match *kind {
            Type::BOOL => Self::number(f64::from(u8::from(text == "t"))),
            Type::INT2
            | Type::INT4
            | Type::INT8
            | Type::OID
            | Type::FLOAT4
            | Type::FLOAT8
            | Type::NUMERIC => text.parse().map_or_else(|_| Self::text(text), Self::number),
            Type::TIMESTAMP | Type::TIMESTAMPTZ => Self::text(&timestamp(text)),
            Type::TIME | Type::TIMETZ => Self::text(&time(text)),
            Type::INTERVAL => Self::Text(interval(text).into()),
            _ => Self::text(text),
        }
    }

    /// A number, to four decimals. One half is rounded to the even digit, as the number really is.
    fn number(number: f64) -> Self {
        let rounded = format!("{number:.4}").parse().unwrap_or(number);
        // Minus nought is nought.
        let rounded = if rounded == 0.0 { 0.0_f64 } else { rounded };
        Self::Number(Bits(rounded.to_bits()))
    }

    fn text(text: &str) -> Self {
        let text = text.trim_end();
        match text.parse() {
            Ok(number) if is_number(text) => Self::number(number),
            _ => Self::Text(text.into()),
        }
    }
}

/// Whether a text is digits with at most one point, and perhaps a sign before and an exponent behind them.
fn is_number(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_mantissa = match mantissa.split_once('.') {
        Some((whole, part)) => digits(whole) && digits(part) && mantissa.len() > 1,
        None => !mantissa.is_empty() && digits(mantissa),
    };
    is_mantissa
        && exponent.is_none_or(|exponent| {
            let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
            !exponent.is_empty() && digits(exponent)
        })
}

/// `YYYY-MM-DD` at midnight, else with a `T` before the time.
fn timestamp(text: &str) -> String {
    let Some((date, rest)) = text.split_once(' ') else {
        return text.to_owned();
    };
    let end = rest.find(['+', '-']).unwrap_or(rest.len());
    if &rest[..end] == "00:00:00" {
        return date.to_owned();
    }
    format!("{date}T{}", time(rest))
}

/// A time of day with no fraction of a second, or with one of six digits; an offset with its minutes.
fn time(text: &str) -> String {
    let end = text.find(['+', '-']).unwrap_or(text.len());
    let (time, offset) = text.split_at(end);
    let mut full = match time.split_once('.') {
        Some((seconds, fraction)) => format!("{seconds}.{fraction:0<6}"),
        None => time.to_owned(),
    };
    full.push_str(offset);
    if offset.len() == 3 {
        full.push_str(":00");
    }
    full
}

/// An interval in microseconds, a month having 30 days and a year 365, as psycopg2 has it.
fn interval(text: &str) -> String {
    const DAY: i128 = 86_400_000_000;
    let mut total = 0_i128;
    let mut words = text.split(' ').peekable();
    while let Some(word) = words.next() {
        if word.contains(':') {
            total += clock(word);
            continue;
        }
        let count: i128 = word.parse().unwrap_or_default();
        let unit = words.next().unwrap_or_default();
        total += count
            * match unit.trim_end_matches('s') {
                "year" => 365 * DAY,
                "mon" => 30 * DAY,
                _ => DAY,
            };
    }
    format!("interval {total}")
}

/// Hours, minutes and seconds in microseconds.
fn clock(text: &str) -> i128 {
    let (sign, text) = match text.strip_prefix('-') {
        Some(text) => (-1, text),
        None => (1, text),
    };
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole = seconds
        .split(':')
        .fold(0, |sum, part| sum * 60 + part.parse().unwrap_or(0));
    let fraction: i128 = format!("{fraction:0<6}").parse().unwrap_or(0);
    sign * (whole * 1_000_000 + fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, kind: &Type) -> Value {
        Value::read(Some(text), kind)
    }

    #[test]
    fn numbers_are_equal_whatever_their_types() {
        let two = read("2", &Type::INT4);
        for (text, kind) in [
            ("2.00000", Type::NUMERIC),
            ("2", Type::TEXT),
            ("2.", Type::TEXT),
            ("2e0  ", Type::VARCHAR),
            ("2.00004", Type::FLOAT8),
        ] {
            assert_eq!(read(text, &kind), two, "{text}");
        }
        assert_eq!(read("t", &Type::BOOL), read("1", &Type::INT8));
        assert_eq!(read("-0.00001", &Type::FLOAT8), read("0", &Type::INT4));
        for text in ["2.0001", "+2", " 2", "2 ,", "0x2", "2e", ".", "", "inf"] {
            assert_ne!(read(text, &Type::TEXT), two, "{text}");
        }
        assert!(matches!(read("inf", &Type::TEXT), Value::Text(_)));
        assert!(matches!(read(".", &Type::TEXT), Value::Text(_)));
    }

    #[test]
    fn dates_and_times_are_equal_to_what_is_written_alike() {
        let day = read("2024-02-29", &Type::DATE);
        assert_eq!(read("2024-02-29 00:00:00", &Type::TIMESTAMP), day);
        assert_eq!(read("2024-02-29 00:00:00+00", &Type::TIMESTAMPTZ), day);
        assert_eq!(read("2024-02-29", &Type::TEXT), day);
        for (text, kind, expect) in [
            (
                "2024-02-29 10:00:00",
                Type::TIMESTAMP,
                "2024-02-29T10:00:00",
            ),
            (
                "2024-02-29 10:00:00.5+02",
                Type::TIMESTAMPTZ,
                "2024-02-29T10:00:00.500000+02:00",
            ),
            ("10:00:00.25", Type::TIME, "10:00:00.250000"),
            (
                "1 year 2 mons -3 days -04:05:06.7",
                Type::INTERVAL,
                "interval 36446093300000",
            ),
        ] {
            assert_eq!(read(text, &kind), Value::Text(expect.into()), "{text}");
        }
        assert_eq!(Value::read(None, &Type::INT4), Value::Null);
    }
}
