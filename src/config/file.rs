//! The file: TOML into a tree that knows the line of every value.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::mistake::Mistake;
use crate::config::tree::{Node, Origin, Value};

/// Reads and parses a file.
///
/// # Errors
/// When it cannot be read, is not TOML (with the line), or holds a number that no key could take.
pub(super) fn read(path: &Path) -> Result<Node, Mistake> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Mistake::in_source(path.display(), format!("cannot be read: {error}")))?;
    parse(path, &text)
}

/// Parses what a file holds; `path` is only what its mistakes and values are named by.
///
/// # Errors
/// As [`read`], but for the reading.
pub(super) fn parse(path: &Path, text: &str) -> Result<Node, Mistake> {
    let file = File { path, text };
    let table = DeTable::parse(text).map_err(|error| {
        let line = file.line(&error.span().unwrap_or_default());
        // The message alone: the error's own display repeats the line, which may hold a password.
        let says = format!("not TOML: {}", error.message());
        Mistake::in_source(format!("{}:{line}", path.display()), says)
    })?;
    let origin = file.origin(&table.span());
    let value = file.table(table.into_inner())?;
    Ok(Node { value, origin })
}

struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    fn table(&self, table: DeTable<'_>) -> Result<Value, Mistake> {
        let mut entries = BTreeMap::new();
        for (key, value) in table {
            entries.insert(key.into_inner().into_owned(), self.node(value)?);
        }
        Ok(Value::Table(entries))
    }

    fn node(&self, value: Spanned<DeValue<'_>>) -> Result<Node, Mistake> {
        let span = value.span();
        let origin = self.origin(&span);
        let value = match value.into_inner() {
            DeValue::String(text) => Value::Text(text.into_owned()),
            DeValue::Boolean(truth) => Value::Boolean(truth),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map(Value::Integer)
                .map_err(|_| self.bad_number(&span))?,
            DeValue::Float(number) => number
                .as_str()
                .parse()
                .map(Value::Float)
                .map_err(|_| self.bad_number(&span))?,
            // No key is a date; as text it is refused by name like any other wrong value.
            DeValue::Datetime(date) => Value::Text(date.to_string()),
            DeValue::Array(array) => Value::List(
                array
                    .into_iter()
                    .map(|value| self.node(value))
                    .collect::<Result<_, _>>()?,
            ),
            DeValue::Table(table) => self.table(table)?,
        };
        Ok(Node { value, origin })
    }

    fn bad_number(&self, span: &Range<usize>) -> Mistake {
        let place = format!("{}:{}", self.path.display(), self.line(span));
        let found = self.text.get(span.clone()).unwrap_or_default();
        Mistake::in_source(place, format!("{found}: expected a number of 64 bits"))
    }

    fn origin(&self, span: &Range<usize>) -> Origin {
        Origin::File(self.path.to_owned(), self.line(span))
    }

    /// The line on which a span starts, from 1.
    fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        1 + before.iter().filter(|&&byte| byte == b'\n').count()
    }
}
