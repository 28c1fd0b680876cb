//! The keys of one `[[provider]]`.

use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use url::Url;

use crate::names::secret::Secret;

/// A provider of SQL. They are asked in the order of the file; without any, the built-in engine answers alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderSettings {
    /// How notices, logs and `SET ask.provider` name it; no two providers share one.
    pub name: String,
    /// What it is.
    pub kind: ProviderKind,
    /// For `openai`: where its API is, up to and including the version (`https://api.openai.com/v1`,
    /// `http://localhost:11434/v1`). There is no default: nothing leaves the machine unless it is said where to.
    #[serde(
        default,
        deserialize_with = "base_url",
        skip_serializing_if = "Option::is_none"
    )]
    pub base_url: Option<String>,
    /// For `openai`: the model's name, as the server knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// For `openai`: sent as `Authorization: Bearer`; nothing is sent when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<Secret>,
    /// For `openai`: how long one reply may take, from connecting to its last byte. Default 20 s.
    #[serde(default = "default_timeout", with = "crate::names::duration")]
    pub timeout: Duration,
    /// For `openai`: how freely the model chooses its words, 0 (not at all) to 2. Default 0. Left out where the model
    /// says that it does not take it.
    #[serde(default)]
    pub temperature: f64,
    /// For `openai`: the longest reply, in tokens, the model's own reasoning included where it reasons. Default 4096.
    #[serde(default = "default_max_tokens")]
    pub max_tokens: u32,
    /// How sure it must be to answer, 0 to 1; a provider that cannot tell is believed. Left out, a model is believed,
    /// and the built-in engine must be as sure as was fitted with its weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_confidence: Option<f32>,
}

/// What kind of provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderKind {
    /// The built-in engine: no model, no network.
    BuiltIn,
    /// Any server with OpenAI's chat completions API.
    OpenAi,
}

impl ProviderSettings {
    /// The built-in engine under its usual name: what answers when no provider is configured.
    #[must_use]
    pub fn builtin() -> Self {
        Self {
            name: "builtin".to_owned(),
            kind: ProviderKind::BuiltIn,
            base_url: None,
            model: None,
            api_key: None,
            timeout: default_timeout(),
            temperature: 0.0,
            max_tokens: default_max_tokens(),
            min_confidence: None,
        }
    }

    /// What is wrong with one provider taken alone: the key, and what is expected of it.
    #[must_use]
    pub fn mistake(&self) -> Option<(&'static str, &'static str)> {
        let unused = "only a provider of kind openai has this key";
        let needed = "a provider of kind openai needs this key";
        let usual = Self {
            name: self.name.clone(),
            min_confidence: self.min_confidence,
            ..Self::builtin()
        };
        let sure = |min: f32| !(0.0..=1.0).contains(&min);
        match self.kind {
            _ if self.name.trim().is_empty() => Some(("name", "expected a name")),
            _ if self.min_confidence.is_some_and(sure) => {
                Some(("min_confidence", "expected a number from 0 to 1"))
            }
            ProviderKind::BuiltIn if self.base_url.is_some() => Some(("base_url", unused)),
            ProviderKind::BuiltIn if self.model.is_some() => Some(("model", unused)),
            ProviderKind::BuiltIn if self.api_key.is_some() => Some(("api_key", unused)),
            ProviderKind::BuiltIn if self.timeout != usual.timeout => Some(("timeout", unused)),
            ProviderKind::BuiltIn if *self != usual && self.max_tokens != usual.max_tokens => {
                Some(("max_tokens", unused))
            }
            ProviderKind::BuiltIn if *self != usual => Some(("temperature", unused)),
            ProviderKind::BuiltIn => None,
            ProviderKind::OpenAi if self.base_url.is_none() => Some(("base_url", needed)),
            ProviderKind::OpenAi if self.model.as_deref().is_none_or(str::is_empty) => {
                Some(("model", needed))
            }
            ProviderKind::OpenAi if self.timeout.is_zero() => {
                Some(("timeout", "expected a duration above zero"))
            }
            ProviderKind::OpenAi if !(0.0..=2.0).contains(&self.temperature) => {
                Some(("temperature", "expected a number from 0 to 2"))
            }
            ProviderKind::OpenAi if self.max_tokens == 0 => {
                Some(("max_tokens", "expected a whole number from 1"))
            }
            ProviderKind::OpenAi => None,
        }
    }
}

fn default_timeout() -> Duration {
    Duration::from_secs(20)
}

fn default_max_tokens() -> u32 {
    4096
}

/// Reads the address of an API. A user and a password in it would be shown with it, so that they are refused.
fn base_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let plain = Url::parse(&text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    if plain {
        Ok(Some(text.trim_end_matches('/').to_owned()))
    } else {
        Err(D::Error::custom(
            "expected http:// or https:// and a host, without a user, such as http://localhost:11434/v1",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(text: &str) -> Option<&'static str> {
        let settings: ProviderSettings = toml::from_str(text).unwrap();
        settings.mistake().map(|(key, _)| key)
    }

    #[test]
    fn each_kind_needs_its_keys_and_no_others() {
        for (text, key) in [
            ("name = 'a'\nkind = 'builtin'", None),
            ("name = ''\nkind = 'builtin'", Some("name")),
            ("name = 'a'\nkind = 'builtin'\nmodel = 'm'", Some("model")),
            (
                "name = 'a'\nkind = 'builtin'\ntemperature = 1.0",
                Some("temperature"),
            ),
            (
                "name = 'a'\nkind = 'builtin'\nmax_tokens = 1",
                Some("max_tokens"),
            ),
            ("name = 'a'\nkind = 'openai'", Some("base_url")),
            (
                "name = 'a'\nkind = 'openai'\nbase_url = 'http://h/v1'",
                Some("model"),
            ),
            (
                "name = 'a'\nkind = 'openai'\nbase_url = 'http://h/v1'\nmodel = 'm'",
                None,
            ),
            (
                "name = 'a'\nkind = 'openai'\nbase_url = 'http://h'\nmodel = 'm'\ntemperature = 3.0",
                Some("temperature"),
            ),
        ] {
            assert_eq!(mistake(text), key, "{text}");
        }
    }

    #[test]
    fn an_address_is_http_and_holds_no_secret() {
        for url in [
            "ftp://h",
            "h:80",
            "http://u:p@h/v1",
            "http://h/v1?key=x",
            "",
        ] {
            let text = format!("name = 'a'\nkind = 'openai'\nbase_url = '{url}'");
            assert!(toml::from_str::<ProviderSettings>(&text).is_err(), "{url}");
        }
        let text = "name = 'a'\nkind = 'openai'\nbase_url = 'http://h:1/v1/'\napi_key = 'sk-1'";
        let settings: ProviderSettings = toml::from_str(text).unwrap();
        assert_eq!(settings.base_url.as_deref(), Some("http://h:1/v1"));
        assert!(!format!("{settings:?}").contains("sk-1"));
    }
}
