//! Why a value cannot be read: what serde's types say, in the words of whoever writes a configuration.

use std::fmt;

use serde::de::{Expected, Unexpected};

use crate::config::mistake::{Mistake, expected_one_of, show, show_secret};
use crate::config::tree::{Node, Origin, join};

/// Why a value cannot be read; it learns its place on the way up.
#[derive(Debug)]
pub(super) struct Fault {
    says: String,
    place: Option<Box<Place>>,
    /// A key of the table at `place`, when the fault is that it is missing.
    missing: Option<&'static str>,
    is_secret: bool,
}

#[derive(Debug)]
struct Place {
    origin: Origin,
    path: String,
    shown: Option<String>,
}

impl Fault {
    pub(super) fn new(says: impl Into<String>) -> Self {
        Self {
            says: says.into(),
            place: None,
            missing: None,
            is_secret: false,
        }
    }

    /// The same fault, of a value that must not be repeated.
    pub(super) fn of_secret(mut self) -> Self {
        self.is_secret = true;
        self
    }

    /// The same fault, placed at a value unless a value further in has placed it already.
    pub(super) fn at(mut self, node: &Node, path: &str) -> Self {
        if self.place.is_none() {
            let (path, shown) = match self.missing {
                Some(key) => (join(path, key), None),
                None if self.is_secret || is_url(path) => {
                    (path.to_owned(), show_secret(&node.value))
                }
                None => (path.to_owned(), show(&node.value)),
            };
            self.place = Some(Place::boxed(node, path, shown));
        }
        self
    }

    /// The same fault, of a key rather than of its value. The value is not repeated: a key that nobody knows may be
    /// a slip of one that holds a secret.
    pub(super) fn at_key(mut self, node: &Node, path: &str) -> Self {
        self.place = Some(Place::boxed(node, path.to_owned(), None));
        self
    }

    pub(super) fn into_mistake(self) -> Mistake {
        let place = self.place.expect("the root places what nobody else did");
        Mistake::in_value(
            &place.origin,
            &place.path,
            place.shown.as_deref(),
            &self.says,
        )
    }
}

impl Place {
    fn boxed(node: &Node, path: String, shown: Option<String>) -> Box<Self> {
        Box::new(Self {
            origin: node.origin.clone(),
            path,
            shown,
        })
    }
}

/// A URL is read through a secret but refused by its own type, after the secret was read.
fn is_url(path: &str) -> bool {
    path.ends_with("url")
}

impl std::error::Error for Fault {}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.says)
    }
}

impl serde::de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(_found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!(
            "expected {}",
            in_plain_words(&expected.to_string())
        ))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new(expected_one_of(variant, expected))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("unknown key: {}", expected_one_of(field, expected)))
    }

    fn missing_field(field: &'static str) -> Self {
        Self {
            missing: Some(field),
            ..Self::new("missing: expected a value")
        }
    }
}

/// Serde's names of types, as whoever writes a configuration would say them.
fn in_plain_words(expected: &str) -> String {
    match expected {
        "a string" | "path string" => "text in quotes".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a table".to_owned(),
        "u8" => format!("a whole number from 0 to {}", u8::MAX),
        "u16" => format!("a whole number from 0 to {}", u16::MAX),
        "u32" => format!("a whole number from 0 to {}", u32::MAX),
        "u64" | "usize" => format!("a whole number from 0 to {}", i64::MAX),
        "i64" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        other => other.to_owned(),
    }
}
