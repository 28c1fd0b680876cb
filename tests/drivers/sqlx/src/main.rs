//! sqlx: its statement cache, binary formats, its pool, COPY, a listener, nested transactions.
//!
//! `plain` or `asks` as argument, the server in PG..., a line per feature, FAILED where it is wrong; see `common.py`.

use std::time::Duration;

use futures_util::future::{LocalBoxFuture, join_all};
use futures_util::{FutureExt as _, TryStreamExt as _};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions, PgRow};
use sqlx::{AssertSqlSafe, Column as _, Connection as _, Executor as _, PgConnection, Row as _};

type Seen = Result<String, Box<dyn std::error::Error>>;

const COUNT: &str = "how many customers are from Germany";
const COUNT_SQL: &str = "select count(*) from customers where country = 'Germany'";
const GROUPS: &str = "number of customers per country";

async fn connect() -> Result<PgConnection, sqlx::Error> {
    PgConnection::connect_with(&PgConnectOptions::new()).await
}

/// The first column of the first row as text.
async fn value(conn: &mut PgConnection, sql: &str) -> Result<String, sqlx::Error> {
    sqlx::query_scalar(AssertSqlSafe(format!("select ({sql})::text")))
        .fetch_one(conn)
        .await
}

async fn show(conn: &mut PgConnection, name: &str) -> Result<String, sqlx::Error> {
    value(conn, &format!("select current_setting('{name}')")).await
}

/// Statements of the simple protocol.
async fn run(conn: &mut PgConnection, sql: &str) -> Result<u64, sqlx::Error> {
    let done = conn.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await?;
    Ok(done.rows_affected())
}

fn sqlstate<T>(result: Result<T, sqlx::Error>) -> String {
    match result {
        Ok(_) => "no error".to_owned(),
        Err(error) => error
            .as_database_error()
            .and_then(|error| error.code().map(|code| code.into_owned()))
            .unwrap_or_else(|| error.to_string()),
    }
}

async fn options() -> Seen {
    let options = PgConnectOptions::new()
        .application_name("its own")
        .options([("work_mem", "3MB"), ("search_path", "hr")]);
    let mut conn = PgConnection::connect_with(&options).await?;
    let mut other = connect().await?;
    let mut seen = Vec::new();
    for _ in 0..3 {
        for name in ["application_name", "work_mem", "search_path", "timezone", "extra_float_digits"] {
            seen.push(show(&mut conn, name).await?);
        }
        seen.push(show(&mut other, "work_mem").await?);
    }
    Ok(format!("{seen:?}"))
}

async fn parameters() -> Seen {
    let mut conn = connect().await?;
    let row =
        sqlx::query("select $1::int4 as a, $2::text as b, $3::text as c, $4::float8 as d, $5::bool as e, $6::int4[] as f, $7::bytea as g")
            .bind(41)
            .bind(None::<String>)
            .bind("ü'\\")
            .bind(1.5)
            .bind(true)
            .bind([1, 2])
            .bind([0_u8, 255].as_slice())
            .fetch_one(&mut conn)
            .await?;
    let (a, b, c, d): (i32, Option<String>, String, f64) = (row.get("a"), row.get("b"), row.get("c"), row.get("d"));
    let (e, f, g): (bool, Vec<i32>, Vec<u8>) = (row.get("e"), row.get("f"), row.get("g"));
    Ok(format!("{:?}", (a, b, c, d, e, f, g)))
}

async fn prepared() -> Seen {
    let mut conns = Vec::new();
    for _ in 0..4 {
        conns.push(connect().await?);
    }
    run(&mut conns[0], "create table prepared_t (i int4 primary key)").await?;
    for i in 0..30 {
        for conn in &mut conns {
            let doubled: i32 = sqlx::query_scalar("select $1::int4 * 2").bind(i).fetch_one(conn).await?;
            assert_eq!(doubled, i * 2);
        }
        let mut transaction = conns[1].begin().await?;
        sqlx::query("insert into prepared_t values ($1)")
            .bind(i)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
    }
    let seen = value(&mut conns[2], "select count(*) from prepared_t").await?;
    let cached = conns[1].cached_statements_size();
    conns[1].clear_cached_statements().await?;
    let again: i32 = sqlx::query_scalar("select $1::int4 * 2").bind(4).fetch_one(&mut conns[1]).await?;
    run(&mut conns[3], "drop table prepared_t").await?;
    Ok(format!("{seen} {cached} {again}"))
}

async fn several() -> Seen {
    let mut conn = connect().await?;
    let sql = "select 1 as a; create temp table t (i int); insert into t values (1), (2); select 2 as b";
    let rows: Vec<PgRow> = conn.fetch(sqlx::raw_sql(sql)).try_collect().await?;
    let names: Vec<_> = rows.iter().map(|row| row.column(0).name()).collect();
    let state = sqlstate(run(&mut conn, "insert into t values (3); select 1/0; select 2").await);
    Ok(format!("{names:?} {state} {}", value(&mut conn, "select count(*) from t").await?))
}

async fn transactions() -> Seen {
    let mut conn = connect().await?;
    run(&mut conn, "create temp table t (i int4)").await?;
    let mut transaction = conn.begin().await?;
    sqlx::query("insert into t values ($1)").bind(1).execute(&mut *transaction).await?;
    let first = sqlstate(sqlx::query("select 1/0").execute(&mut *transaction).await);
    let second = sqlstate(sqlx::query("select 1").execute(&mut *transaction).await);
    drop(transaction); // rolls back before whatever comes next
    Ok(format!("{first} {second} {}", value(&mut conn, "select count(*) from t").await?))
}

async fn savepoints() -> Seen {
    let mut conn = connect().await?;
    let mut outer = conn.begin().await?;
    sqlx::query("create temp table t (i int4)").execute(&mut *outer).await?;
    let mut inner = outer.begin().await?;
    let state = sqlstate(
        sqlx::query("insert into t values (1 / $1::int4)")
            .bind(0)
            .execute(&mut *inner)
            .await,
    );
    inner.rollback().await?;
    sqlx::query("insert into t values ($1)").bind(2).execute(&mut *outer).await?;
    outer.commit().await?;
    Ok(format!("{state} {}", value(&mut conn, "select i from t").await?))
}

async fn isolation() -> Seen {
    let mut conn = connect().await?;
    let mut other = connect().await?;
    let mut transaction = conn.begin_with("begin isolation level serializable read only").await?;
    let inside = show(&mut transaction, "transaction_isolation").await?;
    let elsewhere = show(&mut other, "transaction_isolation").await?;
    let refused = sqlstate(sqlx::query("create table t ()").execute(&mut *transaction).await);
    transaction.rollback().await?;
    Ok(format!(
        "{inside} {elsewhere} {refused} {}",
        show(&mut conn, "transaction_read_only").await?
    ))
}

async fn copy_in() -> Seen {
    let mut conn = connect().await?;
    run(&mut conn, "create temp table copy_t (i int, t text)").await?;
    let lines: String = (0..20_000).map(|i| format!("{i}\tü\n")).collect();
    let mut copy = conn.copy_in_raw("copy copy_t from stdin").await?;
    copy.send(lines.as_bytes()).await?;
    let copied = copy.finish().await?;
    let mut copy = conn.copy_in_raw("copy copy_t from stdin").await?;
    copy.send("1\tx\n".as_bytes()).await?;
    copy.abort("given up").await?;
    let mut copy = conn.copy_in_raw("copy copy_t from stdin").await?;
    copy.send("no number\tx\n".as_bytes()).await?;
    let refused = sqlstate(copy.finish().await);
    Ok(format!(
        "{copied} {refused} {}",
        value(&mut conn, "select count(*) from copy_t").await?
    ))
}

async fn copy_out() -> Seen {
    let mut conn = connect().await?;
    let sql = "copy (select g, repeat('x', 100) from generate_series(1, 50000) g) to stdout";
    let bytes = conn
        .copy_out_raw(sql)
        .await?
        .try_fold(0, async |sum, block| Ok(sum + block.len()))
        .await?;
    Ok(format!("{bytes} {}", value(&mut conn, "select 1").await?))
}

async fn notify() -> Seen {
    let pool = PgPoolOptions::new()
        .max_connections(2)
        .connect_with(PgConnectOptions::new())
        .await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen("chan").await?;
    tokio::time::sleep(Duration::from_millis(200)).await; // idle
    sqlx::query("select pg_notify('chan', $1)")
        .bind("while idle")
        .execute(&pool)
        .await?;
    let heard = tokio::time::timeout(Duration::from_secs(10), listener.recv()).await??;
    Ok(format!("{} {}", heard.channel(), heard.payload()))
}

async fn errors() -> Seen {
    let mut conn = connect().await?;
    run(
        &mut conn,
        "create temp table errors_t (i int primary key check (i > 0), n text not null)",
    )
    .await?;
    let mut seen = Vec::new();
    for sql in [
        "select * from no_such_table",
        "insert into errors_t values (0, '')",
        "insert into errors_t values (1, null)",
        "do $$begin raise exception using errcode = 'ZZ123', message = 'm', detail = 'd', hint = 'h'; end$$",
        "do $$begin execute 'select 1 +'; end$$",
        "selec",
    ] {
        for result in [run(&mut conn, sql).await, sqlx::query(sql).execute(&mut conn).await.map(|_| 0)] {
            let Err(sqlx::Error::Database(error)) = result else {
                return Err("no error of the server's".into());
            };
            let error = error.downcast_ref::<sqlx::postgres::PgDatabaseError>();
            let position = format!("{:?}", error.position());
            let of = (error.table(), error.column(), error.constraint());
            seen.push(format!(
                "{:?}",
                (
                    error.severity(),
                    error.code(),
                    error.message(),
                    error.detail(),
                    error.hint(),
                    position,
                    of
                )
            ));
        }
    }
    Ok(seen.join(" "))
}

async fn settings() -> Seen {
    let mut conn = connect().await?;
    let mut other = connect().await?;
    run(&mut conn, "set search_path = hr; set time zone 'Asia/Tokyo'").await?;
    let mut seen = Vec::new();
    for _ in 0..3 {
        for name in ["search_path", "timezone"] {
            seen.push(show(&mut conn, name).await?);
            seen.push(show(&mut other, name).await?);
        }
    }
    let mut transaction = conn.begin().await?;
    run(&mut transaction, "set local work_mem = '1MB'").await?;
    seen.push(show(&mut transaction, "work_mem").await?);
    transaction.rollback().await?;
    seen.push(show(&mut conn, "work_mem").await?);
    Ok(format!("{seen:?}"))
}

async fn big() -> Seen {
    let mut conn = connect().await?;
    let text = "0123456789abcde\n".repeat(10 * 1024 * 1024 / 16);
    let back: String = sqlx::query_scalar("select $1::text").bind(&text).fetch_one(&mut conn).await?;
    let rows = sqlx::query("select g, 'row ' || g from generate_series(1, 200000) g")
        .fetch_all(&mut conn)
        .await?;
    Ok(format!("{} {}", back == text, rows.len()))
}

async fn sharing() -> Seen {
    let pool = PgPoolOptions::new()
        .min_connections(8)
        .max_connections(8)
        .connect_with(PgConnectOptions::new())
        .await?;
    pool.execute("create table sharing_t (who int4, i int4)").await?;
    let work = (0..8).map(|who| {
        let pool = pool.clone();
        async move {
            for i in 0..20 {
                let mut transaction = pool.begin().await?;
                sqlx::query("insert into sharing_t values ($1, $2)")
                    .bind(who)
                    .bind(i)
                    .execute(&mut *transaction)
                    .await?;
                if who == 3 {
                    transaction.rollback().await?;
                } else {
                    transaction.commit().await?;
                }
            }
            Ok::<_, sqlx::Error>(())
        }
    });
    join_all(work).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let seen: Vec<(i32, i64, i64)> = sqlx::query_as("select who, count(*), sum(i) from sharing_t group by who order by who")
        .fetch_all(&pool)
        .await?;
    pool.close().await;
    run(&mut connect().await?, "drop table sharing_t").await?;
    Ok(format!("{seen:?}"))
}

async fn pool() -> Seen {
    let pool = PgPoolOptions::new()
        .max_connections(6)
        .test_before_acquire(true)
        .connect_with(PgConnectOptions::new())
        .await?;
    let doubled = join_all((0..200).map(|i| sqlx::query_scalar("select $1::int4 * 2").bind(i).fetch_one(&pool))).await;
    let doubled: Vec<i32> = doubled.into_iter().collect::<Result<_, _>>()?;
    pool.close().await;
    Ok(format!("{}", doubled == (0..200).map(|i| i * 2).collect::<Vec<_>>()))
}

fn spellings(question: &str) -> Vec<String> {
    vec![
        format!("-- ask: {question}"),
        format!("/* ask: {question} */"),
        format!("ask: {question}"),
        format!("ask {question};"),
        format!("select -- ask: {question}\n;"),
        format!("select * from ask('{question}')"),
    ]
}

async fn ask() -> Seen {
    let mut conn = connect().await?;
    let count: i64 = sqlx::query_scalar(COUNT_SQL).fetch_one(&mut conn).await?;
    for sql in spellings(COUNT) {
        let simple: Vec<PgRow> = conn.fetch(sqlx::raw_sql(AssertSqlSafe(sql.clone()))).try_collect().await?;
        assert_eq!(simple.len(), 1, "{sql}");
        for persistent in [false, true, true] {
            let query = sqlx::query_scalar(AssertSqlSafe(sql.clone())).persistent(persistent);
            let found: i64 = query.fetch_one(&mut conn).await?;
            assert_eq!(found, count, "{sql}");
        }
    }
    let mut found = Vec::new();
    for sql in spellings(GROUPS) {
        found.push(sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut conn).await?.len());
    }
    Ok(format!("{count} {found:?}"))
}

async fn ask_parameter() -> Seen {
    let mut conn = connect().await?;
    let sql = "select * from ask('how many customers in country $1', $1)";
    let mut seen = Vec::new();
    for country in ["Germany", "nowhere"] {
        let found: i64 = sqlx::query_scalar(sql).bind(country).fetch_one(&mut conn).await?;
        seen.push(found);
    }
    Ok(format!("{seen:?}"))
}

async fn ask_in_sql() -> Seen {
    let sql = format!("select * from (/* ask: {GROUPS} */) r limit $1");
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(3_i64).fetch_all(&mut connect().await?).await?;
    Ok(rows.len().to_string())
}

async fn ask_refused() -> Seen {
    let mut conn = connect().await?;
    let state = sqlstate(sqlx::query("/* ask: grumble the wibbly flonks */").execute(&mut conn).await);
    Ok(format!("{state} {}", value(&mut conn, "select 1").await?))
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let part = std::env::args().nth(1).unwrap_or_default();
    let features: Vec<(&str, LocalBoxFuture<'_, Seen>)> = if part == "plain" {
        vec![
            ("options", options().boxed_local()),
            ("parameters", parameters().boxed_local()),
            ("prepared", prepared().boxed_local()),
            ("several", several().boxed_local()),
            ("transactions", transactions().boxed_local()),
            ("savepoints", savepoints().boxed_local()),
            ("isolation", isolation().boxed_local()),
            ("copy-in", copy_in().boxed_local()),
            ("copy-out", copy_out().boxed_local()),
            ("notify", notify().boxed_local()),
            ("errors", errors().boxed_local()),
            ("settings", settings().boxed_local()),
            ("big", big().boxed_local()),
            ("sharing", sharing().boxed_local()),
            ("pool", pool().boxed_local()),
        ]
    } else {
        vec![
            ("ask", ask().boxed_local()),
            ("ask-parameter", ask_parameter().boxed_local()),
            ("ask-in-sql", ask_in_sql().boxed_local()),
            ("ask-refused", ask_refused().boxed_local()),
        ]
    };
    println!("driver\tsqlx {}", version());
    let mut failed = false;
    for (name, feature) in features {
        let seen = feature.await.unwrap_or_else(|error| {
            failed = true;
            format!("FAILED: {error}")
        });
        println!("{name}\t{}", seen.replace('\n', " "));
    }
    std::process::exit(failed.into());
}

/// The version of sqlx that is locked.
fn version() -> &'static str {
    let locked = include_str!("../Cargo.lock");
    let of_sqlx = locked.split("name = \"sqlx\"\nversion = \"").nth(1);
    of_sqlx.and_then(|rest| rest.split('"').next()).unwrap_or_default()
}
