//! The providers in their order, each a fallback of the one before.

use std::sync::Arc;
use std::time::Instant;

use tracing::warn;

use crate::names::Draft;
use crate::observe::metrics::Metrics;
use crate::schema::render::Privacy;
use crate::synth::brief::{Brief, Drafted, SynthError};
use crate::synth::builtin::Builtin;
use crate::synth::glossary::Glossary;
use crate::synth::openai::{self, OpenAi};
use crate::synth::settings::{ProviderKind, ProviderSettings};

/// The configured providers, or the built-in engine alone.
#[derive(Debug)]
pub struct Chain {
    providers: Vec<Link>,
    metrics: Option<Arc<Metrics>>,
}

#[derive(Debug)]
struct Link {
    name: Arc<str>,
    provider: Provider,
    /// How sure a model must be, where it says how sure it is.
    min_confidence: Option<f32>,
}

/// One that writes SQL.
#[derive(Debug)]
pub enum Provider {
    /// The built-in engine.
    Builtin(Builtin),
    /// A model behind an OpenAI-compatible server.
    OpenAi(Box<OpenAi>),
}

impl Chain {
    /// The chain of these providers in this order; of the built-in engine alone when there are none.
    ///
    /// # Errors
    /// When a provider needs HTTP and TLS cannot be set up.
    pub fn new(settings: &[ProviderSettings], privacy: Privacy) -> reqwest::Result<Self> {
        let only_builtin = [ProviderSettings::builtin()];
        let settings = if settings.is_empty() {
            &only_builtin
        } else {
            settings
        };
        let needs_http = settings.iter().any(|s| s.kind == ProviderKind::OpenAi);
        let client = needs_http.then(openai::client).transpose()?;
        let providers = settings
            .iter()
            .map(|one| Link {
                name: Arc::from(one.name.as_str()),
                provider: match (one.kind, &client) {
                    (ProviderKind::OpenAi, Some(client)) => {
                        Provider::OpenAi(Box::new(OpenAi::new(one, client.clone(), privacy)))
                    }
                    _ => Provider::Builtin(Builtin::new(
                        Arc::from(one.name.as_str()),
                        one.min_confidence,
                    )),
                },
                min_confidence: one.min_confidence,
            })
            .collect();
        Ok(Self {
            providers,
            metrics: None,
        })
    }

    /// The same chain, which counts how long its providers take and how often they have no Draft.
    #[must_use]
    pub fn measured(mut self, metrics: Arc<Metrics>) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// The same chain, whose providers know what a glossary says.
    #[must_use]
    pub fn knowing(mut self, glossary: &Arc<Glossary>) -> Self {
        for link in &mut self.providers {
            match &mut link.provider {
                Provider::Builtin(engine) => engine.knowing(glossary),
                Provider::OpenAi(model) => model.knowing(glossary),
            }
        }
        self
    }

    /// The providers' names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.providers.iter().map(|link| &*link.name)
    }

    /// Whether a model may be asked; the built-in engine makes nothing of examples.
    #[must_use]
    pub fn takes_examples(&self, only: Option<&str>) -> bool {
        self.providers
            .iter()
            .filter(|link| only.is_none_or(|name| name == &*link.name))
            .any(|link| !matches!(link.provider, Provider::Builtin(_)))
    }

    /// Asks the providers in order until one has a Draft; `only` asks that one alone.
    ///
    /// A Draft that the guard refuses comes back as [`Brief::failed`]; where repairs are used up, the next provider
    /// can be asked by name ([`Self::names`]).
    ///
    /// # Errors
    /// When none has a Draft, what is most worth telling: what was not understood or is ambiguous (only the built-in
    /// engine says so), else why there was no SQL, else why nobody could be reached; the last two with every
    /// provider's reason.
    pub async fn draft(&self, brief: &Brief, only: Option<&str>) -> Drafted {
        let mut failures = Failures::default();
        for link in &self.providers {
            if only.is_some_and(|name| name != &*link.name) {
                continue;
            }
            let started = Instant::now();
            let drafted = link.provider.draft(brief).await;
            if let Some(metrics) = &self.metrics {
                let kind = link.provider.kind();
                metrics.provider_duration.observe(kind, started.elapsed());
                if drafted.is_err() {
                    metrics.provider_failures.inc(kind);
                }
            }
            let unsure = |draft: &Draft| match (draft.confidence, link.min_confidence) {
                (Some(told), Some(min)) if told < min => Some((told, min)),
                _ => None,
            };
            match drafted {
                Ok(draft) if unsure(&draft).is_some() => {
                    let (told, min) = unsure(&draft).unwrap_or_default();
                    let reason =
                        format!("its confidence {told:.2} is below min_confidence = {min}");
                    failures.add(&link.name, SynthError::NoSql { reason });
                }
                Ok(draft) => return Ok(draft),
                Err(error) => failures.add(&link.name, error),
            }
        }
        Err(failures.worst(only, self.names()))
    }
}

impl Provider {
    /// Its kind, as the configuration spells it.
    fn kind(&self) -> &'static str {
        match self {
            Self::Builtin(_) => "builtin",
            Self::OpenAi(_) => "openai",
        }
    }

    async fn draft(&self, brief: &Brief) -> Drafted {
        match self {
            Self::Builtin(engine) => engine.draft(brief),
            Self::OpenAi(model) => model.draft(brief).await,
        }
    }
}

/// What came of the providers that had no Draft.
#[derive(Default)]
struct Failures {
    understanding: Option<SynthError>,
    no_sql: bool,
    reasons: Vec<String>,
}

impl Failures {
    fn add(&mut self, name: &str, error: SynthError) {
        match error {
            SynthError::Unavailable { reason } => {
                warn!(provider = name, reason, "provider unavailable");
                self.reasons.push(format!("{name}: {reason}"));
            }
            SynthError::NoSql { reason } => {
                self.no_sql = true;
                self.reasons.push(format!("{name}: {reason}"));
            }
            other => self.understanding = Some(other),
        }
    }

    fn worst<'n>(self, only: Option<&str>, names: impl Iterator<Item = &'n str>) -> SynthError {
        let reason = self.reasons.join("; ");
        match (self.understanding, only) {
            (Some(error), _) => error,
            (None, _) if self.no_sql => SynthError::NoSql { reason },
            (None, Some(name)) if reason.is_empty() => {
                let known: Vec<_> = names.collect();
                let reason = format!(
                    "no provider is named {name:?}; there are: {}",
                    known.join(", ")
                );
                SynthError::Unavailable { reason }
            }
            _ => SynthError::Unavailable { reason },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worst(errors: Vec<SynthError>, only: Option<&str>) -> SynthError {
        let mut failures = Failures::default();
        for (number, error) in errors.into_iter().enumerate() {
            failures.add(&format!("p{number}"), error);
        }
        failures.worst(only, ["p0", "p1"].into_iter())
    }

    #[test]
    fn what_was_not_understood_is_told_first() {
        let down = SynthError::Unavailable {
            reason: "down".to_owned(),
        };
        let prose = SynthError::NoSql {
            reason: "prose".to_owned(),
        };
        let words = SynthError::NotUnderstood {
            words: vec!["foo".to_owned()],
            hint: None,
        };
        assert_eq!(worst(vec![down.clone(), words.clone()], None), words);
        assert_eq!(worst(vec![words.clone(), prose.clone()], None), words);
        assert_eq!(
            worst(vec![down.clone(), prose], None),
            SynthError::NoSql {
                reason: "p0: down; p1: prose".to_owned()
            }
        );
        assert_eq!(
            worst(vec![down], None),
            SynthError::Unavailable {
                reason: "p0: down".to_owned()
            }
        );
        let unknown = worst(Vec::new(), Some("x"));
        assert!(matches!(unknown, SynthError::Unavailable { reason } if reason.contains("p0, p1")));
    }

    #[test]
    fn without_providers_the_engine_answers_alone() {
        let chain = Chain::new(&[], Privacy::Schema).unwrap();
        assert_eq!(chain.names().collect::<Vec<_>>(), ["builtin"]);
    }
}
