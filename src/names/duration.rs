//! How a time span is written in the configuration: `"30s"`, `"10m"`, `"1h 30m"`.
//!
//! For `#[serde(with = "crate::names::duration")]` on a [`Duration`].
//!
//! # Source
//! The "friendly" duration format of the `jiff` crate.

use std::time::Duration;

use jiff::fmt::friendly::{Designator, SpanParser, SpanPrinter};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

/// Writes the shortest spelling: `10m`, never `600s`.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&spell(value))
}

/// Reads a time span of zero or more.
///
/// # Errors
/// Says what is expected when the text is not a time span or is below zero.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| D::Error::custom(EXPECTED))
}

/// The shortest spelling of a time span, as [`parse`] reads it.
#[must_use]
pub fn spell(value: &Duration) -> String {
    SpanPrinter::new()
        .designator(Designator::Compact)
        .unsigned_duration_to_string(value)
}

/// Reads `30s`, `1h 30m`, `250ms`; `None` for anything that is not a time span of zero or more.
#[must_use]
pub fn parse(text: &str) -> Option<Duration> {
    SpanParser::new().parse_unsigned_duration(text).ok()
}

/// What a mistaken time span is told.
const EXPECTED: &str = r#"expected a duration such as "30s", "10m" or "1h""#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spelling_reads_back_as_itself() {
        for (text, seconds) in [("30s", 30), ("10m", 600), ("1h", 3600), ("0s", 0)] {
            assert_eq!(parse(text), Some(Duration::from_secs(seconds)), "{text}");
            assert_eq!(spell(&Duration::from_secs(seconds)), text);
        }
        assert_eq!(parse("250ms"), Some(Duration::from_millis(250)));
    }

    #[test]
    fn what_is_not_a_time_span_is_refused() {
        for text in ["", "30", "soon", "-5s", "10 parsecs"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
