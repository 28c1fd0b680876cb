//! A scripted model: an OpenAI-compatible server over real HTTP that answers as it is told to.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How the model behaves.
#[derive(Clone, Debug)]
pub(crate) enum Mode {
    /// Answers with this SQL in the form that it was asked for.
    Good(String),
    /// Answers with this text, whatever it is.
    Says(String),
    /// Answers with good SQL, after this long.
    Slow(Duration),
    /// Answers in prose.
    Prose,
    /// Answers with `DROP TABLE`.
    Harmful,
    /// Answers with two statements.
    TwoStatements,
    /// Answers with half a JSON object, and says that its length limit was reached.
    CutOff,
    /// Answers with nothing.
    Empty,
    /// Answers with an HTTP error and this body.
    Status(u16, String),
    /// Answers with this body as it stands, under status 200.
    Raw(String),
    /// Answers with this SQL when this stands anywhere in what it was told, and well otherwise.
    Obeys {
        /// What it obeys.
        marker: String,
        /// What it then answers with.
        sql: String,
    },
    /// Refuses `max_tokens` and `temperature` as newer models do, and answers well without them.
    Newer(String),
}

/// One request that the model received.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// Its `Authorization` header.
    pub(crate) authorization: Option<String>,
    /// Its body.
    pub(crate) body: Value,
}

impl Received {
    /// Everything that the model was told, one message after the other.
    pub(crate) fn told(&self) -> String {
        let messages = self.body["messages"].as_array().into_iter().flatten();
        let texts: Vec<_> = messages.filter_map(|m| m["content"].as_str()).collect();
        texts.join("\n")
    }
}

/// A running model; it stops when the value is dropped.
pub(crate) struct Model {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

struct Shared {
    /// What is done for the next requests, before `mode` holds.
    next: Mutex<VecDeque<Mode>>,
    mode: Mutex<Mode>,
    received: Mutex<Vec<Received>>,
    /// Requests whose asker has gone before the answer.
    abandoned: AtomicUsize,
}

impl Model {
    /// Starts a model on a free port of the loopback address.
    pub(crate) async fn start(mode: Mode) -> Self {
        let shared = Arc::new(Shared {
            next: Mutex::new(VecDeque::new()),
            mode: Mutex::new(mode),
            received: Mutex::new(Vec::new()),
            abandoned: AtomicUsize::new(0),
        });
        let router = Router::new()
            .route("/v1/chat/completions", post(completions))
            .with_state(Arc::clone(&shared));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        Self {
            address,
            shared,
            server,
        }
    }

    /// What `base_url` is set to.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The `[[provider]]` that asks this model, under this name.
    pub(crate) fn provider(&self, name: &str) -> String {
        format!(
            "[[provider]]\nname = '{name}'\nkind = 'openai'\nbase_url = '{}'\nmodel = 'scripted'\n",
            self.base_url()
        )
    }

    /// Behaves like this from now on.
    pub(crate) fn set(&self, mode: Mode) {
        *self.shared.mode.lock().unwrap() = mode;
    }

    /// Behaves like these for one request each, in this order, and then as before.
    pub(crate) fn then(&self, modes: impl IntoIterator<Item = Mode>) {
        self.shared.next.lock().unwrap().extend(modes);
    }

    /// How many requests were given up before they were answered.
    pub(crate) fn abandoned(&self) -> usize {
        self.shared.abandoned.load(Ordering::SeqCst)
    }

    /// The requests since the last call.
    pub(crate) fn take_received(&self) -> Vec<Received> {
        std::mem::take(&mut self.shared.received.lock().unwrap())
    }
}

/// An answer that is thought about, and counted when it is dropped.
struct Waiting<'a>(&'a Shared);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.abandoned.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn completions(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    shared.received.lock().unwrap().push(Received {
        authorization: headers
            .get(header::AUTHORIZATION)
            .map(|value| value.to_str().unwrap().to_owned()),
        body: body.clone(),
    });
    let next = shared.next.lock().unwrap().pop_front();
    let mode = next.unwrap_or_else(|| shared.mode.lock().unwrap().clone());
    match mode {
        Mode::Good(sql) => says(&answer(&sql)),
        Mode::Says(text) => says(&text),
        Mode::Slow(delay) => {
            let waiting = Waiting(&shared);
            tokio::time::sleep(delay).await;
            std::mem::forget(waiting);
            says(&answer("SELECT 1 AS late"))
        }
        Mode::Prose => says("There are many orders in the database. Which ones do you mean?"),
        Mode::Harmful => says(&answer("DROP TABLE shop.orders")),
        Mode::TwoStatements => says(&answer("SELECT 1; SELECT 2")),
        Mode::CutOff => completion("{\"sql\": \"SELECT count(*) FROM sh", "length"),
        Mode::Empty => says(""),
        Mode::Status(status, body) => {
            let status = StatusCode::from_u16(status).unwrap();
            (status, body).into_response()
        }
        Mode::Raw(body) => body.into_response(),
        Mode::Obeys { marker, sql } if body["messages"].to_string().contains(&marker) => {
            says(&answer(&sql))
        }
        Mode::Obeys { .. } => says(&answer("SELECT 'not told' AS innocent")),
        Mode::Newer(sql) => newer(&body, &sql),
    }
}

fn newer(body: &Value, sql: &str) -> Response {
    let refusal = if body.get("max_tokens").is_some() {
        "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    } else if body.get("temperature").is_some() {
        "'temperature' does not support 0 with this model."
    } else {
        return says(&answer(sql));
    };
    let error = json!({"error": {"message": refusal, "type": "invalid_request_error"}});
    (StatusCode::BAD_REQUEST, Json(error)).into_response()
}

fn answer(sql: &str) -> String {
    json!({"sql": sql, "reading": "what the script says", "confidence": 0.9}).to_string()
}

fn says(text: &str) -> Response {
    completion(text, "stop")
}

fn completion(text: &str, finish_reason: &str) -> Response {
    Json(json!({
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "scripted",
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": finish_reason,
        }],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }))
    .into_response()
}
