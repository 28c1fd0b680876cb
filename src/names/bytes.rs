//! How an amount of data is written in the configuration and by SET: `"64MB"`, `"512 kB"`, or a number of bytes.
//!
//! For `#[serde(with = "crate::names::bytes")]` on a `u64`.
//!
//! # Source
//! PostgreSQL manual, "Setting Parameters": the units are multiples of 1024. Unlike there, their letter case does not
//! matter.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

/// The units, smallest first, each 1024 times the one before it.
const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];

/// Writes the shortest spelling: `64MB`, never `65536kB`.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&spell(*value))
}

/// Reads an amount with a unit, or a whole number of bytes.
///
/// # Errors
/// Says what is expected when it is neither.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    deserializer.deserialize_any(Amount)
}

/// The shortest spelling without a fraction, as [`parse`] reads it.
#[must_use]
pub fn spell(bytes: u64) -> String {
    let mut amount = bytes;
    let mut unit = 0;
    while amount > 0 && amount.is_multiple_of(1024) && unit + 1 < UNITS.len() {
        amount /= 1024;
        unit += 1;
    }
    format!("{amount}{}", UNITS[unit])
}

/// Reads `64MB`, `512 kB`, `1000`; `None` for anything else, and for more than fits.
#[must_use]
pub fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    let power = if unit.is_empty() {
        0
    } else {
        UNITS.iter().position(|u| u.eq_ignore_ascii_case(unit))?
    };
    let factor = 1024_u64.checked_pow(u32::try_from(power).ok()?)?;
    number.parse::<u64>().ok()?.checked_mul(factor)
}

struct Amount;

impl Visitor<'_> for Amount {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"an amount of data such as "64MB", or a number of bytes"#)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<u64, E> {
        u64::try_from(number).map_err(|_| E::custom(EXPECTED))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
        Ok(number)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
        parse(text).ok_or_else(|| E::custom(EXPECTED))
    }
}

/// What a mistaken amount is told.
const EXPECTED: &str = r#"expected an amount of data such as "64MB" or "1GB""#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spelling_reads_back_as_itself() {
        for (text, bytes) in [
            ("0B", 0),
            ("1000B", 1000),
            ("1kB", 1024),
            ("1536kB", 1536 * 1024),
            ("64MB", 64 << 20),
            ("3GB", 3 << 30),
            ("2048TB", 2 << 50),
        ] {
            assert_eq!(parse(text), Some(bytes), "{text}");
            assert_eq!(spell(bytes), text);
        }
        for (text, bytes) in [(" 64 mb ", 64 << 20), ("1000", 1000), ("1024kb", 1 << 20)] {
            assert_eq!(parse(text), Some(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_not_an_amount_is_refused() {
        for text in [
            "",
            "MB",
            "-1MB",
            "1.5MB",
            "1 XB",
            "16777216TB",
            "1MB2",
            "many",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
