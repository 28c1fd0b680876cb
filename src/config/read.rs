//! From what was written to what it means: a serde deserializer over the tree.
//!
//! Serde calls each room's own types; this file only knows where a value stands, so that a mistake can name it,
//! reads text from the environment as the type that is wanted, and resolves secrets.

use std::collections::{BTreeMap, btree_map};
use std::fmt;
use std::slice;

use serde::de::value::{StrDeserializer, StringDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Expected, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};

use crate::config::Settings;
use crate::config::mistake::{Mistake, expected_one_of, show, show_secret};
use crate::config::sources::resolve;
use crate::config::tree::{Node, Origin, Value, join};

/// Turns the tree into settings.
///
/// # Errors
/// The first value or key that is not allowed.
pub(super) fn read(
    root: &Node,
    environment: &BTreeMap<String, String>,
) -> Result<Settings, Mistake> {
    let reader = Reader {
        node: root,
        path: String::new(),
        environment,
    };
    Settings::deserialize(reader.clone()).map_err(|fault| fault.at(&reader).into_mistake())
}

/// Reads one node.
#[derive(Clone)]
struct Reader<'a> {
    node: &'a Node,
    path: String,
    environment: &'a BTreeMap<String, String>,
}

/// Why a value cannot be read; it learns its place on the way up.
#[derive(Debug)]
struct Fault {
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

impl<'a> Reader<'a> {
    fn inner(&self, node: &'a Node, key: &str) -> Self {
        Self {
            node,
            path: join(&self.path, key),
            environment: self.environment,
        }
    }

    /// Text from the environment or a flag, which may stand for a value of any type.
    fn untyped(&self) -> Option<&'a str> {
        match &self.node.value {
            Value::Text(text) if self.node.origin.is_text() => Some(text.trim()),
            _ => None,
        }
    }

    fn number<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault> {
        let Some(text) = self.untyped() else {
            return self.deserialize_any(visitor);
        };
        if let Ok(number) = text.parse::<i64>() {
            visitor.visit_i64(number)
        } else if let Ok(number) = text.parse::<f64>() {
            visitor.visit_f64(number)
        } else {
            visitor.visit_str(text)
        }
        .map_err(|fault: Fault| fault.at(&self))
    }

    fn secret<V: Visitor<'a>>(&self, visitor: V) -> Result<V::Value, Fault> {
        let Value::Text(written) = &self.node.value else {
            return Err(Fault::new("expected text, env:NAME or file:PATH"));
        };
        let value = resolve(written, self.environment).map_err(Fault::new)?;
        visitor.visit_newtype_struct(StringDeserializer::new(value))
    }
}

impl<'a> Deserializer<'a> for Reader<'a> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Text(text) => visitor.visit_str(text),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Boolean(truth) => visitor.visit_bool(*truth),
            Value::List(nodes) => visitor.visit_seq(Items {
                list: self.clone(),
                nodes: nodes.iter().enumerate(),
            }),
            Value::Table(entries) => visitor.visit_map(Entries {
                table: self.clone(),
                entries: entries.iter(),
                current: None,
            }),
        }
        .map_err(|fault: Fault| fault.at(&self))
    }

    fn deserialize_bool<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.untyped() {
            Some("true" | "on") => visitor.visit_bool(true),
            Some("false" | "off") => visitor.visit_bool(false),
            _ => return self.deserialize_any(visitor),
        }
        .map_err(|fault: Fault| fault.at(&self))
    }

    fn deserialize_u8<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.number(visitor)
    }

    fn deserialize_u16<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.number(visitor)
    }

    fn deserialize_u32<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.number(visitor)
    }

    fn deserialize_u64<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.number(visitor)
    }

    fn deserialize_i64<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.number(visitor)
    }

    fn deserialize_f32<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.number(visitor)
    }

    fn deserialize_f64<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.number(visitor)
    }

    /// A list from the environment is written `a,b`.
    fn deserialize_seq<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault> {
        let Some(text) = self.untyped() else {
            return self.deserialize_any(visitor);
        };
        let items = text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty());
        let items: Vec<_> = items.map(str::to_owned).collect();
        visitor
            .visit_seq(serde::de::value::SeqDeserializer::new(items.into_iter()))
            .map_err(|fault: Fault| fault.at(&self))
    }

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    /// The only newtype in the settings is the secret; it is read from where it says it is.
    fn deserialize_newtype_struct<V: Visitor<'a>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        if name != "Secret" {
            return visitor.visit_newtype_struct(self);
        }
        self.secret(visitor).map_err(|mut fault| {
            fault.is_secret = true;
            fault.at(&self)
        })
    }

    /// A list is refused here: serde would read its items as the keys, in the order of their declaration.
    fn deserialize_struct<V: Visitor<'a>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Table(_) => self.deserialize_any(visitor),
            _ => Err(Fault::new("expected a table").at(&self)),
        }
    }

    fn deserialize_enum<V: Visitor<'a>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Text(text) => visitor.visit_enum(Variant(text.trim().into_deserializer())),
            _ => Err(Fault::new(expected_one_of("", variants))),
        }
        .map_err(|fault| fault.at(&self))
    }

    forward_to_deserialize_any! {
        <V: Visitor<'a>>
        i8 i16 i32 i128 u128 char str string bytes byte_buf unit unit_struct tuple tuple_struct map
        identifier ignored_any
    }
}

struct Items<'a> {
    list: Reader<'a>,
    nodes: std::iter::Enumerate<slice::Iter<'a, Node>>,
}

impl<'a> SeqAccess<'a> for Items<'a> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'a>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        let Some((position, node)) = self.nodes.next() else {
            return Ok(None);
        };
        let item = self.list.inner(node, &position.to_string());
        let read = seed.deserialize(item.clone());
        read.map(Some).map_err(|fault| fault.at(&item))
    }
}

struct Entries<'a> {
    table: Reader<'a>,
    entries: btree_map::Iter<'a, String, Node>,
    current: Option<Reader<'a>>,
}

impl<'a> MapAccess<'a> for Entries<'a> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'a>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        let Some((key, node)) = self.entries.next() else {
            return Ok(None);
        };
        let reader = self.table.inner(node, key);
        let read = seed.deserialize(StrDeserializer::<Fault>::new(key));
        let key = read.map_err(|mut fault| {
            // A key that nobody knows may be a slip of one that holds a secret: its value is not repeated.
            fault.place = Some(Box::new(Place {
                origin: node.origin.clone(),
                path: reader.path.clone(),
                shown: None,
            }));
            fault
        })?;
        self.current = Some(reader);
        Ok(Some(key))
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let reader = self
            .current
            .take()
            .expect("serde asks for a key before its value");
        seed.deserialize(reader.clone())
            .map_err(|fault| fault.at(&reader))
    }
}

/// A word that names a variant.
struct Variant<'a>(StrDeserializer<'a, Fault>);

impl<'a> EnumAccess<'a> for Variant<'a> {
    type Error = Fault;
    type Variant = <StrDeserializer<'a, Fault> as EnumAccess<'a>>::Variant;

    fn variant_seed<T: DeserializeSeed<'a>>(
        self,
        seed: T,
    ) -> Result<(T::Value, Self::Variant), Fault> {
        self.0.variant_seed(seed)
    }
}

impl Fault {
    fn new(says: impl Into<String>) -> Self {
        Self {
            says: says.into(),
            place: None,
            missing: None,
            is_secret: false,
        }
    }

    /// The same fault, placed at a node unless a node further in has placed it already.
    fn at(mut self, reader: &Reader<'_>) -> Self {
        if self.place.is_none() {
            let (path, shown) = match self.missing {
                Some(key) => (join(&reader.path, key), None),
                None if self.is_secret => (reader.path.clone(), show_secret(&reader.node.value)),
                None if is_url(&reader.path) => {
                    (reader.path.clone(), show_secret(&reader.node.value))
                }
                None => (reader.path.clone(), show(&reader.node.value)),
            };
            self.place = Some(Box::new(Place {
                origin: reader.node.origin.clone(),
                path,
                shown,
            }));
        }
        self
    }

    fn into_mistake(self) -> Mistake {
        let place = self.place.expect("the root places what nobody else did");
        Mistake::in_value(
            &place.origin,
            &place.path,
            place.shown.as_deref(),
            &self.says,
        )
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
