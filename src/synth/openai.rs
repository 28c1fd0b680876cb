//! Any server with OpenAI's chat completions API: OpenAI, Azure, vLLM, llama.cpp, LM Studio, Ollama's `/v1`.
//!
//! # Source
//! OpenAI's API reference, "Create chat completion".

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderValue};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use crate::names::Draft;
use crate::names::secret::Secret;
use crate::schema::render::Privacy;
use crate::synth::brief::{Brief, Drafted, SynthError};
use crate::synth::glossary::Glossary;
use crate::synth::prompt::messages;
use crate::synth::reply;
use crate::synth::settings::ProviderSettings;
use crate::synth::shorten::shorten;

/// The longest reply that is read, in bytes. One of 4,096 tokens takes about a tenth of it.
const REPLY_BYTES_MAX: usize = 512 * 1024;

/// The longest error that is read, in bytes.
const ERROR_BYTES_MAX: usize = 16 * 1024;

/// How often one question is put to one server: as settings say, and again for each of the two parameters that some
/// models refuse.
const TRIES_MAX: usize = 3;

/// Stands in for the reading of a model that answered with SQL alone: what was understood is always shown.
const UNTOLD_READING: &str = "the model did not say how it read the question";

/// How long connecting may take, within the deadline of the whole call.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A model behind an OpenAI-compatible server.
#[derive(Debug)]
pub struct OpenAi {
    name: Arc<str>,
    client: Client,
    url: String,
    model: String,
    api_key: Option<Secret>,
    deadline: Duration,
    temperature: f64,
    max_tokens: u32,
    privacy: Privacy,
    glossary: Arc<Glossary>,
    /// The model refused `temperature`: newer reasoning models take none but their own.
    without_temperature: AtomicBool,
    /// The model refused `max_tokens` in favour of its newer spelling, which older servers do not know.
    newer_max_tokens: AtomicBool,
}

/// Why one request brought no reply.
enum Failure {
    /// The model does not take a parameter; it was left out or respelled, and may be asked again.
    Parameter,
    /// Anything else, in words that hold no secret.
    Final(String),
}

impl OpenAi {
    /// A provider of kind `openai` whose settings have no mistake. `client` is shared by all of them.
    #[must_use]
    pub fn new(settings: &ProviderSettings, client: Client, privacy: Privacy) -> Self {
        let base_url = settings.base_url.as_deref().unwrap_or_default();
        Self {
            name: Arc::from(settings.name.as_str()),
            client,
            url: format!("{base_url}/chat/completions"),
            model: settings.model.clone().unwrap_or_default(),
            api_key: settings.api_key.clone(),
            deadline: settings.timeout,
            temperature: settings.temperature,
            max_tokens: settings.max_tokens,
            privacy,
            glossary: Arc::default(),
            without_temperature: AtomicBool::new(false),
            newer_max_tokens: AtomicBool::new(false),
        }
    }

    /// Makes it tell the model what a glossary says.
    pub fn knowing(&mut self, glossary: &Arc<Glossary>) {
        self.glossary = Arc::clone(glossary);
    }

    /// Asks the model for a Draft.
    ///
    /// # Errors
    /// [`SynthError::Unavailable`] when there is no reply in time, [`SynthError::NoSql`] when there is none in it.
    ///
    /// # Cancel safety
    /// Dropping the future ends the request.
    pub async fn draft(&self, brief: &Brief) -> Drafted {
        let completion = match timeout(self.deadline, self.ask(brief)).await {
            Ok(Ok(completion)) => completion,
            Ok(Err(reason)) => return Err(SynthError::Unavailable { reason }),
            Err(_) => {
                let reason = format!("no reply within {:?}", self.deadline);
                return Err(SynthError::Unavailable { reason });
            }
        };
        let reply = reply::parse(&completion.text, completion.cut_off)
            .map_err(|reason| SynthError::NoSql { reason })?;
        Ok(Draft {
            sql: reply.sql,
            reading: match reply.reading.is_empty() {
                true => UNTOLD_READING.to_owned(),
                false => reply.reading,
            },
            confidence: reply.confidence,
            provider: Arc::clone(&self.name),
            alternatives: Vec::new(),
            evidence: Vec::new(),
        })
    }

    async fn ask(&self, brief: &Brief) -> Result<Completion, String> {
        let messages = messages(brief, self.privacy, &self.glossary);
        for _ in 0..TRIES_MAX {
            let body = self.body(json!(messages));
            match self.post(&body).await {
                Ok(completion) => return Ok(completion),
                Err(Failure::Parameter) => {}
                Err(Failure::Final(reason)) => return Err(reason),
            }
        }
        Err("the model refuses the parameters of the request".to_owned())
    }

    fn body(&self, messages: Value) -> Value {
        let mut body = Map::new();
        body.insert("model".to_owned(), json!(self.model));
        body.insert("messages".to_owned(), messages);
        body.insert("stream".to_owned(), json!(false));
        if !self.without_temperature.load(Ordering::Relaxed) {
            body.insert("temperature".to_owned(), json!(self.temperature));
        }
        let max_tokens = if self.newer_max_tokens.load(Ordering::Relaxed) {
            "max_completion_tokens"
        } else {
            "max_tokens"
        };
        body.insert(max_tokens.to_owned(), json!(self.max_tokens));
        Value::Object(body)
    }

    async fn post(&self, body: &Value) -> Result<Completion, Failure> {
        let mut request = self
            .client
            .post(&self.url)
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .json(body);
        if let Some(key) = &self.api_key {
            request = request.bearer_auth(key.expose());
        }
        let response = request.send().await.map_err(|e| unreachable(&e))?;
        let status = response.status();
        if status.is_success() {
            let bytes = read(response, REPLY_BYTES_MAX).await?;
            return completion(&bytes).map_err(Failure::Final);
        }
        let bytes = read(response, ERROR_BYTES_MAX).await.unwrap_or_default();
        Err(self.refused(status, &String::from_utf8_lossy(&bytes)))
    }

    /// What an error reply means. What the server says is repeated but for what it may say of the key.
    fn refused(&self, status: StatusCode, body: &str) -> Failure {
        let said = error_message(body);
        if status == StatusCode::BAD_REQUEST || status == StatusCode::UNPROCESSABLE_ENTITY {
            let newer = said.contains("max_completion_tokens");
            if newer && !self.newer_max_tokens.swap(true, Ordering::Relaxed) {
                return Failure::Parameter;
            }
            let temperature = said.contains("temperature");
            if temperature && !self.without_temperature.swap(true, Ordering::Relaxed) {
                return Failure::Parameter;
            }
        }
        let about_key = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        let leaks = self
            .api_key
            .as_ref()
            .is_some_and(|key| !key.expose().is_empty() && said.contains(key.expose()));
        if said.is_empty() || about_key || leaks {
            return Failure::Final(format!("the server answered {status}"));
        }
        Failure::Final(format!("the server answered {status}: {}", shorten(&said)))
    }
}

/// The HTTP client that all providers share. Redirects are not followed: they could take the key elsewhere.
///
/// # Errors
/// When TLS cannot be set up at all.
pub fn client() -> reqwest::Result<Client> {
    // `app` installs the provider at start; a caller that did not must not find the client panicking.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Losing a race means that another thread installed one.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let builder = || {
        Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("pgask/", env!("CARGO_PKG_VERSION")))
    };
    // A machine without certificates can still speak to a model over plain HTTP; HTTPS then fails by name.
    builder()
        .build()
        .or_else(|_| builder().tls_certs_only([]).build())
}

/// What a chat completion holds of interest.
struct Completion {
    text: String,
    cut_off: bool,
}

fn completion(bytes: &[u8]) -> Result<Completion, String> {
    let reply: Value = serde_json::from_slice(bytes)
        .map_err(|_| "the server's reply is not a whole chat completion".to_owned())?;
    let choice = &reply["choices"][0];
    if !choice.is_object() {
        return Err("the server's reply holds no choice".to_owned());
    }
    Ok(Completion {
        text: content(&choice["message"]),
        cut_off: choice["finish_reason"] == "length",
    })
}

/// The text of a message: a string, or parts of which some are text; a refusal stands in for what is missing.
fn content(message: &Value) -> String {
    let text = match &message["content"] {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|p| p["text"].as_str()).collect(),
        _ => String::new(),
    };
    match &message["refusal"] {
        Value::String(refusal) if text.trim().is_empty() => refusal.clone(),
        _ => text,
    }
}

/// The message in an error body: OpenAI's `{"error": {"message": ...}}`, its relatives, or plain text.
fn error_message(body: &str) -> String {
    let Ok(value) = serde_json::from_str::<Value>(body) else {
        let html = body.trim_start().starts_with('<');
        return if html {
            String::new()
        } else {
            body.trim().to_owned()
        };
    };
    [
        &value["error"]["message"],
        &value["error"],
        &value["message"],
        &value["detail"],
    ]
    .into_iter()
    .find_map(Value::as_str)
    .unwrap_or_default()
    .to_owned()
}

async fn read(mut response: Response, bytes_max: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| unreachable(&e))? {
        if bytes.len() + chunk.len() > bytes_max {
            let reason = format!("the reply is longer than {bytes_max} bytes");
            return Err(Failure::Final(reason));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// A failure below HTTP, by its innermost cause: the outer ones repeat the URL.
fn unreachable(error: &reqwest::Error) -> Failure {
    let mut cause = error.source();
    while let Some(inner) = cause.and_then(std::error::Error::source) {
        cause = Some(inner);
    }
    let what = if error.is_connect() {
        "cannot connect"
    } else {
        "the connection failed"
    };
    Failure::Final(match cause {
        Some(cause) => format!("{what}: {}", shorten(&cause.to_string())),
        None => what.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn openai() -> OpenAi {
        let settings = ProviderSettings {
            kind: crate::synth::settings::ProviderKind::OpenAi,
            base_url: Some("http://localhost:1/v1".to_owned()),
            model: Some("m".to_owned()),
            api_key: Some(Secret::new("sk-secret")),
            ..ProviderSettings::builtin()
        };
        OpenAi::new(&settings, client().unwrap(), Privacy::Schema)
    }

    fn reason(failure: Failure) -> Option<String> {
        match failure {
            Failure::Parameter => None,
            Failure::Final(reason) => Some(reason),
        }
    }

    #[test]
    fn errors_say_what_the_server_said_and_never_the_key() {
        let openai = openai();
        for (status, body, expect) in [
            (
                429,
                r#"{"error": {"message": "slow down"}}"#,
                "the server answered 429 Too Many Requests: slow down",
            ),
            (
                404,
                r#"{"error": "model not found"}"#,
                "the server answered 404 Not Found: model not found",
            ),
            (
                500,
                "<html>oops</html>",
                "the server answered 500 Internal Server Error",
            ),
            (
                503,
                "loading\nmodel",
                "the server answered 503 Service Unavailable: loading model",
            ),
            (
                401,
                r#"{"error": {"message": "bad key sk-se***"}}"#,
                "the server answered 401 Unauthorized",
            ),
            (
                500,
                r#"{"message": "sk-secret"}"#,
                "the server answered 500 Internal Server Error",
            ),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(
                reason(openai.refused(status, body)).as_deref(),
                Some(expect)
            );
        }
        assert!(!format!("{openai:?}").contains("sk-secret"));
    }

    #[test]
    fn parameters_that_a_model_refuses_are_left_out_once() {
        let openai = openai();
        let bad = StatusCode::BAD_REQUEST;
        let tokens = r#"{"error": {"message": "use 'max_completion_tokens' instead"}}"#;
        assert_eq!(reason(openai.refused(bad, tokens)), None);
        assert!(reason(openai.refused(bad, tokens)).is_some());
        assert_eq!(
            reason(openai.refused(bad, "temperature is not supported")),
            None
        );
        let body = openai.body(json!([]));
        assert_eq!(body["max_completion_tokens"], 4096);
        assert!(body.get("temperature").is_none() && body.get("max_tokens").is_none());
    }

    #[test]
    fn every_shape_of_a_message_is_read() {
        for (message, text) in [
            (json!({"content": "a"}), "a"),
            (
                json!({"content": [{"type": "text", "text": "a"}, {"type": "image"}, {"text": "b"}]}),
                "ab",
            ),
            (json!({"content": null, "refusal": "no"}), "no"),
            (json!({"content": null}), ""),
            (json!(null), ""),
        ] {
            assert_eq!(content(&message), text);
        }
    }
}
