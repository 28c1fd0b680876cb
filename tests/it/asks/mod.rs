//! Asks from the outside: a scripted model writes the SQL, so that a test knows what the answer must be.
//!
//! What the built-in engine answers is in `questions`; here it is about everything around the words.

mod blocks;
mod bombs;
mod caller;
mod context;
mod limits;
mod models;
mod own_function;
mod prepared;
mod rights;
mod session;
mod settings;
mod spellings;
mod talk;
mod transactions;

use crate::support::frames::Frame;
use crate::support::model::{Mode, Model};
use crate::support::proxy::Proxy;
use crate::support::raw::{self, Login, Raw};
use crate::support::stage::{self, APP, Stage};

/// The question that most tests ask; what it means is up to the model.
const QUESTION: &str = "how many customers are there";

/// What the model answers where a test says nothing else: a list, so that an answer is no single value by chance.
const LIST_SQL: &str = "SELECT id, name FROM customers ORDER BY id LIMIT 3";

/// Two tables, which the role `app` owns.
const TABLES: &str = "
    set role app;
    create table customers (id int primary key, name text not null, country text not null);
    comment on table customers is 'Customers of the firm';
    insert into customers
        select g, 'customer ' || g, (array['Austria', 'Belgium', 'Chile'])[1 + g % 3] from generate_series(1, 100) g;
    create table orders (id int primary key, customer_id int not null references customers, total numeric not null);
    insert into orders select g, 1 + g % 100, g * 1.5 from generate_series(1, 500) g;
    reset role;
    analyze";

/// PostgreSQL with two tables, the proxy, and a model that the proxy asks.
struct Scene {
    stage: Stage,
    model: Model,
}

impl Scene {
    /// A scene whose proxy has this fragment of `proxy.toml` besides the provider.
    async fn new(fragment: &str) -> Self {
        Self::with_tables(fragment, "").await
    }

    /// A scene with more in the database, made by the superuser before the proxy starts.
    async fn with_tables(fragment: &str, more: &str) -> Self {
        let postgres = stage::prepared();
        let mut admin = raw::superuser(&postgres, APP.database);
        admin.rows(TABLES);
        if !more.is_empty() {
            admin.rows(more);
        }
        let model = Model::start(Mode::Good(LIST_SQL.to_owned())).await;
        let proxy = Proxy::start(
            &postgres,
            &format!("{fragment}\n{}", model.provider("scripted")),
        );
        Self {
            stage: Stage { proxy, postgres },
            model,
        }
    }

    fn client(&self) -> Raw {
        self.stage.client()
    }

    fn login(&self, user: &str, password: &str) -> Raw {
        let login = Login {
            user,
            password,
            ..APP
        };
        self.stage.login(&login).expect("a login")
    }

    /// The model answers every question with this SQL from now on.
    fn answers(&self, sql: &str) {
        self.model.set(Mode::Good(sql.to_owned()));
    }

    /// How many requests the model got since the last look.
    fn request_count(&self) -> usize {
        self.model.take_received().len()
    }
}

/// What a simple query with plain SQL gives, to compare an ask with.
fn expected(client: &mut Raw, sql: &str) -> Vec<Vec<Option<String>>> {
    client.rows(sql)
}

/// The NOTICE of an answer among these messages.
fn answer_notice(frames: &[Frame]) -> Frame {
    raw::notices(frames)
        .into_iter()
        .find(|notice| {
            let message = notice.field(b'M').unwrap_or_default();
            message.starts_with("ask: SELECT")
        })
        .unwrap_or_else(|| panic!("no notice of an answer among {frames:?}"))
}

/// A question that nobody has asked before in this test, so that no answer is remembered.
fn fresh(number: usize) -> String {
    format!("how many customers are there in region {number}")
}

/// Asserts that a session is as usable as before: plain SQL, a transaction, and no leftover of an ask.
fn check_usable(client: &mut Raw) {
    assert_eq!(client.value("select 1 + 1"), "2");
    client.rows("begin");
    client.rows("create table usable (i int)");
    client.rows("rollback");
    assert_eq!(client.value("show transaction_read_only"), "off");
    assert_eq!(client.value("show statement_timeout"), "0");
}
