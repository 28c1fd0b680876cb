//! From what was written to what it means: a serde deserializer over the tree.
//!
//! Serde calls each room's own types; this file only knows where a value stands, so that a mistake can name it,
//! reads text from the environment as the type that is wanted, and resolves secrets.

use std::collections::{BTreeMap, btree_map};
use std::slice;

use serde::de::value::{StrDeserializer, StringDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};

use crate::config::Settings;
use crate::config::fault::Fault;
use crate::config::mistake::{Mistake, expected_one_of};
use crate::config::sources::resolve;
use crate::config::tree::{Node, Value, join};

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
    Settings::deserialize(reader.clone()).map_err(|fault| reader.place(fault).into_mistake())
}

/// Reads one node.
#[derive(Clone)]
struct Reader<'a> {
    node: &'a Node,
    path: String,
    environment: &'a BTreeMap<String, String>,
}

impl<'a> Reader<'a> {
    fn inner(&self, node: &'a Node, key: &str) -> Self {
        Self {
            node,
            path: join(&self.path, key),
            environment: self.environment,
        }
    }

    /// A fault of this value, or of one inside it that has placed it already.
    fn place(&self, fault: Fault) -> Fault {
        fault.at(self.node, &self.path)
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
        .map_err(|fault| self.place(fault))
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
        .map_err(|fault| self.place(fault))
    }

    fn deserialize_bool<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.untyped() {
            Some("true" | "on") => visitor.visit_bool(true),
            Some("false" | "off") => visitor.visit_bool(false),
            _ => return self.deserialize_any(visitor),
        }
        .map_err(|fault| self.place(fault))
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
            .map_err(|fault| self.place(fault))
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
        let read = self.secret(visitor);
        read.map_err(|fault| self.place(fault.of_secret()))
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
            _ => Err(self.place(Fault::new("expected a table"))),
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
        .map_err(|fault| self.place(fault))
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
        read.map(Some).map_err(|fault| item.place(fault))
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
        let key = read.map_err(|fault| fault.at_key(node, &reader.path))?;
        self.current = Some(reader);
        Ok(Some(key))
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let reader = self
            .current
            .take()
            .expect("serde asks for a key before its value");
        seed.deserialize(reader.clone())
            .map_err(|fault| reader.place(fault))
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
