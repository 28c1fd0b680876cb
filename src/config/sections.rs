//! The keys that each section knows, asked of the rooms' own types so that no list is kept twice.

use serde::de::value::Error as NoValue;
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;

use crate::pool::settings::UpstreamSettings;
use crate::synth::settings::ProviderSettings;
use crate::{access, ask, http, listener, observe, pool, schema, state};

/// A section of the file.
pub(super) struct Section {
    /// Its name.
    pub(super) name: &'static str,
    /// Whether it may be written many times, as `[[name]]`.
    pub(super) repeats: bool,
    /// Its keys, in the order in which their room declares them.
    pub(super) keys: &'static [&'static str],
}

/// Every section, in the order of the sample.
pub(super) fn sections() -> Vec<Section> {
    let once = |name, keys| Section {
        name,
        repeats: false,
        keys,
    };
    let many = |name, keys| Section {
        name,
        repeats: true,
        keys,
    };
    vec![
        once("listen", keys::<listener::settings::Settings>()),
        many("upstream", keys::<UpstreamSettings>()),
        once("pool", keys::<pool::settings::Settings>()),
        once("auth", keys::<access::settings::Settings>()),
        many("provider", keys::<ProviderSettings>()),
        once("schema", keys::<schema::settings::Settings>()),
        once("ask", keys::<ask::settings::Settings>()),
        once("cache", keys::<ask::settings::CacheSettings>()),
        once("state", keys::<state::settings::Settings>()),
        once("http", keys::<http::settings::Settings>()),
        once("log", keys::<observe::settings::Settings>()),
    ]
}

/// The keys that a type reads.
pub(super) fn keys<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let mut keys: &[&str] = &[];
    // It reads nothing: what it asks for is all that is wanted.
    let _ = T::deserialize(Asked(&mut keys));
    keys
}

struct Asked<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = NoValue;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, NoValue> {
        *self.0 = fields;
        Err(NoValue::custom("only the keys were asked for"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, NoValue> {
        Err(NoValue::custom("only the keys were asked for"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
