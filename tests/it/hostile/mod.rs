//! Drafts that mean harm, on a real server: the guard alone refuses every one, and with no guard in front the fence
//! alone stops it or makes it harmless, wherever PostgreSQL can.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pgask::access::directory::Directory;
use pgask::access::visible::Visible;
use pgask::exec::fence::{self, Fence};
use pgask::guard::approve;
use pgask::guard::rules::{Rule, Rules};
use pgask::names::{Caller, Draft};
use pgask::pool::control::ControlPools;
use pgask::schema::settings::Settings;

use crate::support::client::config;
use crate::support::frames;
use crate::support::postgres::{Postgres, SUPERUSER_PASSWORD};
use crate::support::raw::{self, Endpoint, Login, Raw};

mod injection;

const DRAFTS: &str = include_str!("drafts.txt");
const LIBRARY: &str = include_str!("library.sql");

/// How many Drafts there must be at least.
const DRAFT_COUNT_MIN: usize = 300;

/// The fence's row limit and time limit in these tests.
const ROWS_MAX: i32 = 50;
const TIMEOUT: Duration = Duration::from_millis(200);

/// One line of the corpus.
struct Case {
    rule: &'static str,
    fence: &'static str,
    sql: String,
}

fn cases() -> Vec<Case> {
    let lines = DRAFTS.lines().map(str::trim_end);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let mut parts = line.splitn(3, " | ");
            let mut part = || {
                parts
                    .next()
                    .unwrap_or_else(|| panic!("three parts: {line}"))
            };
            let (rule, fence, sql) = (part(), part(), part());
            let sql = sql.replace("\\n", "\n").replace("\\0", "\0");
            Case { rule, fence, sql }
        })
        .collect()
}

/// The library, and the role that asks.
struct Library {
    postgres: Postgres,
}

impl Library {
    async fn new() -> Self {
        let postgres = Postgres::start();
        postgres.create_role("asker", "ask").await;
        postgres.execute("postgres", LIBRARY).await;
        Self { postgres }
    }

    async fn visible(&self) -> Visible {
        let port = self.postgres.port();
        let service = config(port, "postgres", SUPERUSER_PASSWORD, "postgres");
        let control = ControlPools::new([("main".to_owned(), service)]);
        let directory = Directory::new(Arc::new(control), Settings::default());
        let caller = Caller {
            upstream: "main".into(),
            database: "postgres".into(),
            role: "asker".into(),
        };
        directory.visible(&caller).await.unwrap()
    }

    fn asker(&self) -> Raw {
        let login = Login {
            user: "asker",
            password: "ask",
            database: "postgres",
            parameters: &[],
        };
        let socket = Endpoint::unix(self.postgres.socket_dir(), self.postgres.port());
        Raw::login(&socket, &login).expect("a login")
    }
}

fn draft(sql: &str) -> Draft {
    Draft {
        sql: sql.to_owned(),
        reading: String::new(),
        confidence: None,
        provider: Arc::from("test"),
        alternatives: Vec::new(),
        evidence: Vec::new(),
    }
}

#[test]
fn the_corpus_is_large_and_says_nothing_twice() {
    let mut seen = HashSet::new();
    for case in cases() {
        assert!(seen.insert(case.sql.clone()), "twice: {}", case.sql);
    }
    assert!(seen.len() >= DRAFT_COUNT_MIN, "only {}", seen.len());
}

#[tokio::test]
async fn the_guard_alone_refuses_every_one_by_its_rule() {
    let library = Library::new().await;
    let visible = library.visible().await;
    let mut wrong = Vec::new();
    for Case { rule, sql, .. } in cases() {
        match approve(&draft(&sql), &visible, &Rules::default()) {
            Ok(approved) => wrong.push(format!("APPROVED {sql}\n  as {}", approved.sql())),
            Err(refusal) if Rule::of(&refusal).is_some_and(|found| found.name() == rule) => {
                let told = format!("{:?} {:?}", refusal.detail, refusal.hint);
                if told.contains("cellar") {
                    wrong.push(format!("{sql}\n  tells {told}"));
                }
            }
            Err(refusal) => wrong.push(format!(
                "{rule} | {sql}\n  {} ({:?})",
                refusal.message, refusal.detail
            )),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let fine = approve(
        &draft("SELECT title FROM dear_books"),
        &visible,
        &Rules::default(),
    );
    assert!(fine.is_ok(), "a view that only reads is read: {fine:?}");
}

/// Everything of the database that a Draft could have changed, as one text.
const FINGERPRINT: &str = "
    SELECT pg_catalog.md5(pg_catalog.concat_ws(E'\\n',
        (SELECT pg_catalog.string_agg(t.o::text, ',') FROM (SELECT c.oid, c.xmin FROM pg_class c WHERE c.relnamespace <> 'pg_toast'::regnamespace AND c.relpersistence <> 't' AND c.oid >= 16384 ORDER BY 1) t(o, x)),
        (SELECT pg_catalog.string_agg(t::text, ';') FROM (SELECT oid, xmin FROM pg_proc WHERE oid >= 16384 ORDER BY 1) t),
        (SELECT pg_catalog.string_agg(t::text, ';') FROM (SELECT rolname, rolsuper, rolpassword FROM pg_authid ORDER BY 1) t),
        (SELECT pg_catalog.string_agg(t::text, ';') FROM (SELECT nspname, nspacl FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp' ORDER BY 1) t),
        (SELECT pg_catalog.string_agg(t::text, ';') FROM (SELECT extname FROM pg_extension ORDER BY 1) t),
        (SELECT pg_catalog.string_agg(t::text, ';') FROM (SELECT setdatabase, setrole, setconfig FROM pg_db_role_setting ORDER BY 1, 2) t),
        (SELECT pg_catalog.string_agg(t::text, ';') FROM (SELECT slot_name FROM pg_replication_slots ORDER BY 1) t),
        (SELECT pg_catalog.string_agg(t::text, ';') FROM (SELECT gid FROM pg_prepared_xacts ORDER BY 1) t),
        (SELECT pg_catalog.string_agg(t::text, ';') FROM (SELECT roname FROM pg_replication_origin ORDER BY 1) t),
        (SELECT pg_catalog.string_agg(t::text, ';') FROM (SELECT loid, pageno, data FROM pg_largeobject ORDER BY 1, 2) t),
        (SELECT pg_catalog.string_agg(oid::text, ';' ORDER BY oid) FROM pg_largeobject_metadata),
        (SELECT pg_catalog.string_agg(t::text, ';') FROM (SELECT classoid, objoid, description FROM pg_description WHERE objoid >= 16384 ORDER BY 1, 2) t),
        (SELECT pg_catalog.string_agg(name || setting, ';') FROM pg_file_settings),
        (SELECT pg_catalog.string_agg(t::text, ';') FROM (SELECT * FROM public.books ORDER BY id) t),
        (SELECT pg_catalog.string_agg(t::text, ';') FROM (SELECT * FROM public.loans ORDER BY id) t),
        (SELECT pg_catalog.string_agg(t::text, ';') FROM (SELECT * FROM public.log) t),
        (SELECT pg_catalog.string_agg(t::text, ';') FROM (SELECT * FROM vault.secrets) t),
        (SELECT last_value::text || is_called FROM public.books_id_seq)))";

/// What a Draft did behind the fence, in the corpus's own words.
fn outcome(asker: &mut Raw, watcher: &mut Raw, sql: &str) -> String {
    let mut batch = Vec::new();
    for statement in fence::statements(Fence::Implicit, TIMEOUT) {
        batch.push(frames::parse("", statement, &[]));
        batch.push(frames::bind("", "", &[]));
        batch.push(frames::execute("", 0));
    }
    batch.push(frames::parse("", sql, &[]));
    batch.push(frames::bind("", "", &[]));
    batch.push(frames::execute("", ROWS_MAX));
    batch.push(frames::sync());
    asker.send(&batch.concat());
    let answer = until_idle(asker);
    if answer.iter().any(|frame| frame.tag == b'E') {
        return raw::sqlstate(&answer);
    }
    if answer.iter().any(|frame| frame.tag == b's') {
        return "cut".to_owned();
    }
    let told = answer.iter().any(|frame| {
        String::from_utf8_lossy(&frame.body)
            .to_lowercase()
            .contains("cellar")
    });
    if told || leaves_something(asker, watcher) {
        "guard".to_owned()
    } else {
        "reads".to_owned()
    }
}

fn is_sqlstate(outcome: &str) -> bool {
    outcome.len() == 5 && !outcome.chars().any(|c| c.is_ascii_lowercase())
}

/// Messages up to ReadyForQuery; a COPY is answered with CopyFail.
fn until_idle(asker: &mut Raw) -> Vec<frames::Frame> {
    let mut seen = Vec::new();
    loop {
        let frame = asker.read();
        let tag = frame.tag;
        seen.push(frame);
        match tag {
            b'G' => asker.send(&[frames::copy_fail("no"), frames::sync()].concat()),
            b'Z' => return seen,
            _ => {}
        }
    }
}

/// Whether the session is other than before, or other sessions notice something of it.
fn leaves_something(asker: &mut Raw, watcher: &mut Raw) -> bool {
    let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";
    let changed = "SELECT count(*) FROM pg_settings WHERE source = 'session'";
    let dynamic = "SELECT current_user || session_user || coalesce(current_setting('app.seen', true), '') \
                   || (SELECT count(*) FROM pg_prepared_statements WHERE from_sql) || (SELECT count(*) FROM pg_cursors WHERE is_holdable) \
                   || (SELECT count(*) FROM pg_listening_channels()) || coalesce(array_length(dblink_get_connections(), 1), 0)";
    let seen = watcher.query(held);
    let notified = seen.iter().any(|frame| frame.tag == b'A');
    notified
        || raw::rows(&seen) != [[Some("0".to_owned())]]
        || asker.value(changed) != "0"
        || asker.value(dynamic) != "askerasker0000"
}

#[tokio::test]
async fn the_fence_alone_stops_it_or_makes_it_harmless() {
    let library = Library::new().await;
    let fresh = std::env::var_os("HOSTILE_UPDATE").is_some();
    let mut watcher = raw::superuser(&library.postgres, "postgres");
    watcher.rows("LISTEN x");
    watcher.rows("LISTEN channel");
    let mut before = watcher.value(FINGERPRINT);
    let mut wrong = Vec::new();
    let mut found = Vec::new();
    let mut asker = library.asker();
    for Case { fence, sql, .. } in cases() {
        let outcome = if sql.contains('\0') {
            "08P01".to_owned()
        } else {
            outcome(&mut asker, &mut watcher, &sql)
        };
        // What ended in an error was rolled back; whatever else may have left something gets no second Draft.
        if !is_sqlstate(&outcome) {
            asker = library.asker();
        }
        let after = watcher.value(FINGERPRINT);
        let changed = after != before;
        before = after;
        // PostgreSQL 16 closes the one gap that there is.
        assert!(
            !changed || sql.contains("lo_"),
            "changed the database: {sql}"
        );
        let outcome = if changed { "wrote".to_owned() } else { outcome };
        if outcome != fence {
            wrong.push(format!("{fence} became {outcome}: {sql}"));
        }
        // PostgreSQL 16 closes the one gap that there is.
        let may_write = outcome != "wrote" || sql.contains("lo_");
        assert!(may_write, "changed the database: {sql}");
        found.push(outcome);
    }
    if fresh {
        rewrite(&found);
    } else {
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// Writes what was found into the corpus's second column.
fn rewrite(found: &[String]) {
    let mut found = found.iter();
    let mut text = String::new();
    for line in DRAFTS.lines() {
        match line.splitn(3, " | ").collect::<Vec<_>>()[..] {
            [rule, _, sql] if !line.starts_with('#') => {
                let outcome = found.next().expect("one for each line");
                writeln!(text, "{rule} | {outcome} | {sql}").unwrap();
            }
            _ => writeln!(text, "{line}").unwrap(),
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/hostile/drafts.txt");
    std::fs::write(path, text).unwrap();
}
