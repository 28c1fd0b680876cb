//! What outlives a session: pinned questions, corrections, and the store that keeps them.
//!
//! A scripted model writes the SQL of questions, so that a test can make it write something else and see that a pinned
//! question does not care.

mod drift;
mod feedback;
mod limits;
mod outages;
mod pinning;
mod roles;
mod shared;
mod text;

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::client::DEADLINE;
use crate::support::frames::Frame;
use crate::support::model::{Mode, Model};
use crate::support::postgres::Postgres;
use crate::support::proxy::{Proxy, command};
use crate::support::raw::{self, Endpoint, Login, Raw};
use crate::support::stage::{self, APP};

/// The question that most tests pin.
const QUESTION: &str = "how many customers are there";

/// What the model answers where a test says nothing else.
const COUNT: &str = "SELECT count(*) AS n FROM customers";

/// The roles ann and bob see the customers; ann alone sees salaries, and of `half_open` both columns.
const TABLES: &str = "
    create role ann login password 'ann';
    create role bob login password 'bob';
    set role app;
    create table customers (id int primary key, name text not null, country text not null);
    insert into customers
        select g, 'customer ' || g, (array['Austria', 'Belgium', 'Chile'])[1 + g % 3] from generate_series(1, 30) g;
    create table salaries (person text, amount numeric);
    insert into salaries values ('ann', 1), ('bob', 2);
    create table half_open (open_column text, closed_column text);
    insert into half_open values ('o', 'c');
    grant select on customers to ann, bob;
    grant select on salaries to ann;
    grant select on half_open to ann;
    grant select (open_column) on half_open to bob;
    reset role;
    analyze";

/// PostgreSQL, a model, and a folder for a store that outlives the proxies.
struct Scene {
    postgres: Postgres,
    model: Model,
    folder: TempDir,
}

impl Scene {
    async fn new() -> Self {
        let postgres = stage::prepared();
        raw::superuser(&postgres, APP.database).rows(TABLES);
        Self {
            postgres,
            model: Model::start(Mode::Good(COUNT.to_owned())).await,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// The SQLite file of [`Self::proxy`].
    fn file(&self) -> PathBuf {
        self.folder.path().join("state.db")
    }

    /// A proxy whose store is the file, with these lines more under `[state]`.
    fn proxy(&self, state: &str) -> Proxy {
        self.proxy_with(&format!("path = '{}'\n{state}", self.file().display()))
    }

    /// A proxy with these lines under `[state]`.
    fn proxy_with(&self, state: &str) -> Proxy {
        let provider = self.model.provider("scripted");
        Proxy::start(&self.postgres, &format!("{provider}\n[state]\n{state}\n"))
    }

    /// The superuser, straight to PostgreSQL.
    fn admin(&self) -> Raw {
        raw::superuser(&self.postgres, APP.database)
    }

    /// The model answers every question with this SQL from now on.
    fn answers(&self, sql: &str) {
        self.model.set(Mode::Good(sql.to_owned()));
    }

    /// How many questions the model got since the last look.
    fn request_count(&self) -> usize {
        self.model.take_received().len()
    }

    /// A command of pgask's over the file.
    fn pgask(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command();
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("PGASK_UPSTREAM__0__URL", self.postgres.url("postgres"))
            .env("PGASK_STATE__PATH", self.file());
        command
    }
}

/// A client of a proxy, as the owner of the tables.
fn client(proxy: &Proxy) -> Raw {
    login(proxy, APP.user, APP.password)
}

fn login(proxy: &Proxy, user: &str, password: &str) -> Raw {
    let login = Login {
        user,
        password,
        ..APP
    };
    Raw::login(&Endpoint::local(proxy.port()), &login).expect("a login")
}

/// SQLSTATE and message of the error that a statement must end in, and both again with DETAIL and HINT for looking at.
fn refused(client: &mut Raw, sql: &str) -> (String, String) {
    let error = client.error(sql);
    let field = |code| error.field(code).unwrap_or_default();
    (field(b'C'), field(b'M'))
}

/// Every word of an error.
fn all_of(error: &Frame) -> String {
    let codes = [b'C', b'M', b'D', b'H', b'q'];
    let fields = codes.map(|code| error.field(code).unwrap_or_default());
    fields.join("\n")
}

/// One column of `ask pins`, by pin.
fn pins(client: &mut Raw, column: &str) -> Vec<(String, String)> {
    let sql = format!("select name, {column} from (/* ask: pins */) p order by name");
    let rows = client.rows(&sql);
    let text = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "NULL".to_owned());
    rows.iter()
        .map(|row| (text(&row[0]), text(&row[1])))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = expected
        .iter()
        .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
    owned.collect()
}

/// The HINT of the NOTICE that came with an answer.
fn notice_hint(frames: &[Frame]) -> String {
    let notices = raw::notices(frames);
    let hint = notices.iter().find_map(|notice| notice.field(b'H'));
    hint.unwrap_or_else(|| panic!("no notice with a hint among {frames:?}"))
}

/// Tries again and again until there is something.
fn eventually<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(start.elapsed() < DEADLINE, "it never comes to pass");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Asserts that a command went well; its standard output.
fn went_well(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    String::from_utf8(output.stdout.clone()).unwrap()
}
