//! What tokio-postgres is asked to do: pipelining, portals, COPY as streams, notifications, cancel.

use std::fmt::Debug;
use std::time::Duration;

use futures_util::future::{join_all, poll_fn};
use futures_util::{SinkExt as _, TryStreamExt as _};
use tokio_postgres::{AsyncMessage, Config, IsolationLevel, NoTls, SimpleQueryMessage};

use super::scripts::Outcome;
use crate::support::client::{self, Client, DEADLINE};

type Error = tokio_postgres::Error;

const COUNT: &str = "how many customers are from Germany";
const COUNT_SQL: &str = "select count(*) from customers where country = 'Germany'";
const GROUPS: &str = "number of customers per country";

/// Runs a part of the features at this port; a feature that goes wrong panics.
pub(super) fn session(port: u16, part: &str) -> Outcome {
    let place = Place(port);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let features = runtime.block_on(async {
        if part == "plain" {
            place.plain().await
        } else {
            place.asks().await
        }
    });
    Outcome {
        driver: format!("tokio-postgres {}", version()),
        features: features
            .into_iter()
            .map(|(name, seen)| (name.to_owned(), seen))
            .collect(),
    }
}

struct Place(u16);

impl Place {
    fn config(&self) -> Config {
        client::config(self.0, "demo", "demo", "shop")
    }

    async fn connect(&self) -> Client {
        client::connect(&self.config()).await
    }

    async fn plain(&self) -> Vec<(&'static str, String)> {
        vec![
            ("options", self.options().await),
            ("parameters", self.parameters().await),
            ("prepared", self.prepared().await),
            ("pipeline", self.pipeline().await),
            ("several", self.several().await),
            ("transactions", self.transactions().await),
            ("savepoints", self.savepoints().await),
            ("isolation", self.isolation().await),
            ("cursor", self.cursor().await),
            ("copy-in", self.copy_in().await),
            ("copy-out", self.copy_out().await),
            ("notify", self.notify().await),
            ("cancel", self.cancel().await),
            ("errors", self.errors().await),
            ("settings", self.settings().await),
            ("big", self.big().await),
            ("sharing", self.sharing().await),
        ]
    }

    async fn asks(&self) -> Vec<(&'static str, String)> {
        vec![
            ("ask", self.ask().await),
            ("ask-parameter", self.ask_parameter().await),
            ("ask-in-sql", self.ask_in_sql().await),
            ("ask-refused", self.ask_refused().await),
        ]
    }

    async fn options(&self) -> String {
        let mut config = self.config();
        config
            .application_name("its own")
            .options("-c work_mem=3MB -c search_path=hr");
        let client = client::connect(&config).await;
        let other = self.connect().await;
        let mut seen = Vec::new();
        for _ in 0..3 {
            for name in ["application_name", "work_mem", "search_path"] {
                seen.push(value(&client, &format!("show {name}")).await);
            }
            seen.push(value(&other, "show work_mem").await);
        }
        print(seen)
    }

    async fn parameters(&self) -> String {
        let client = self.connect().await;
        let sql =
            "select $1::int4 + 1, $2::text, $3::text, $4::float8, $5::bool, $6::int4[], $7::bytea";
        let none: Option<&str> = None;
        let row = client
            .query_one(
                sql,
                &[
                    &41,
                    &"ü'\\",
                    &none,
                    &1.5,
                    &true,
                    &vec![1, 2],
                    &[0_u8, 255].as_slice(),
                ],
            )
            .await
            .unwrap();
        let (number, text, null): (i32, String, Option<String>) =
            (row.get(0), row.get(1), row.get(2));
        let (list, bytes): (Vec<i32>, Vec<u8>) = (row.get(5), row.get(6));
        print((
            number,
            text,
            null,
            row.get::<_, f64>(3),
            row.get::<_, bool>(4),
            list,
            bytes,
        ))
    }

    async fn prepared(&self) -> String {
        let mut clients = join_all((0..4).map(|_| self.connect())).await;
        clients[0]
            .batch_execute("create table prepared_t (i int primary key, t text)")
            .await
            .unwrap();
        let mut statements = Vec::new();
        for client in &clients {
            statements.push(client.prepare("select $1::int4 * 2").await.unwrap());
        }
        let insert = "insert into prepared_t values ($1, $2)";
        let insert = clients[1].prepare(insert).await.unwrap();
        for i in 0..30 {
            for (client, statement) in clients.iter().zip(&statements) {
                let row = client.query_one(statement, &[&i]).await.unwrap();
                assert_eq!(row.get::<_, i32>(0), i * 2);
            }
            let transaction = clients[1].transaction().await.unwrap();
            transaction.execute(&insert, &[&i, &"x"]).await.unwrap();
            transaction.commit().await.unwrap();
        }
        let seen = value(&clients[2], "select count(*) from prepared_t").await;
        clients[3]
            .batch_execute("drop table prepared_t")
            .await
            .unwrap();
        print((seen, insert.params(), statements[0].columns()[0].type_()))
    }

    /// All are sent before the first answer is read, one of them wrong.
    async fn pipeline(&self) -> String {
        let client = self.connect().await;
        let statement = client
            .prepare("select 100 / ($1::int4 - 50)")
            .await
            .unwrap();
        let found = join_all((0..100).map(|i| {
            let (client, statement) = (&client, &statement);
            async move {
                match client.query_one(statement, &[&i]).await {
                    Ok(row) => row.get::<_, i32>(0).to_string(),
                    Err(error) => sqlstate(Err::<(), _>(error)),
                }
            }
        }))
        .await;
        print((&found[0], &found[50], &found[99]))
    }

    async fn several(&self) -> String {
        let client = self.connect().await;
        let sql =
            "select 1; create temp table t (i int); insert into t values (1), (2); select 'b'";
        let messages = client.simple_query(sql).await.unwrap();
        let completed: Vec<u64> = messages
            .iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::CommandComplete(rows) => Some(*rows),
                _ => None,
            })
            .collect();
        let state = sqlstate(
            client
                .batch_execute("insert into t values (3); select 1/0")
                .await,
        );
        print((
            completed,
            state,
            value(&client, "select count(*) from t").await,
        ))
    }

    async fn transactions(&self) -> String {
        let mut client = self.connect().await;
        client
            .batch_execute("create temp table t (i int)")
            .await
            .unwrap();
        let transaction = client.transaction().await.unwrap();
        transaction
            .execute("insert into t values (1)", &[])
            .await
            .unwrap();
        let first = sqlstate(transaction.query("select 1/0", &[]).await);
        let second = sqlstate(transaction.query("select 1", &[]).await);
        drop(transaction); // rolls back
        print((
            first,
            second,
            value(&client, "select count(*) from t").await,
        ))
    }

    async fn savepoints(&self) -> String {
        let mut client = self.connect().await;
        let mut transaction = client.transaction().await.unwrap();
        transaction
            .batch_execute("create temp table t (i int)")
            .await
            .unwrap();
        let inner = transaction.savepoint("a").await.unwrap();
        let state = sqlstate(
            inner
                .execute("insert into t values (1 / $1::int4)", &[&0])
                .await,
        );
        inner.rollback().await.unwrap();
        transaction
            .execute("insert into t values ($1)", &[&2])
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        print((state, value(&client, "select i from t").await))
    }

    async fn isolation(&self) -> String {
        let mut client = self.connect().await;
        let other = self.connect().await;
        let transaction = client
            .build_transaction()
            .isolation_level(IsolationLevel::Serializable)
            .read_only(true)
            .start()
            .await
            .unwrap();
        let row = transaction
            .query_one("show transaction_isolation", &[])
            .await
            .unwrap();
        let elsewhere = value(&other, "show transaction_isolation").await;
        let refused = sqlstate(transaction.execute("create table t ()", &[]).await);
        transaction.rollback().await.unwrap();
        let after = value(&client, "show transaction_read_only").await;
        print((row.get::<_, String>(0), elsewhere, refused, after))
    }

    async fn cursor(&self) -> String {
        let mut client = self.connect().await;
        let transaction = client.transaction().await.unwrap();
        let portal = transaction
            .bind("select generate_series(1, $1::int4)", &[&50])
            .await
            .unwrap();
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push(transaction.query_portal(&portal, 20).await.unwrap().len());
            transaction
                .query_one("select 'another'", &[])
                .await
                .unwrap();
        }
        print(seen)
    }

    async fn copy_in(&self) -> String {
        let client = self.connect().await;
        client
            .batch_execute("create temp table copy_t (i int, t text)")
            .await
            .unwrap();
        let sink = client.copy_in("copy copy_t from stdin").await.unwrap();
        futures_util::pin_mut!(sink);
        for i in 0..20_000 {
            sink.feed(bytes::Bytes::from(format!("{i}\tü\n")))
                .await
                .unwrap();
        }
        let copied = sink.finish().await.unwrap();
        let refused = client.copy_in("copy copy_t from stdin").await.unwrap();
        futures_util::pin_mut!(refused);
        let sent = refused
            .send(bytes::Bytes::from("no number\tx\n".repeat(1000)))
            .await;
        let state = match sent {
            Ok(()) => sqlstate(refused.finish().await),
            Err(error) => sqlstate(Err::<(), _>(error)),
        };
        drop(
            client
                .copy_in::<_, bytes::Bytes>("copy copy_t from stdin")
                .await
                .unwrap(),
        ); // given up
        print((
            copied,
            state,
            value(&client, "select count(*) from copy_t").await,
        ))
    }

    async fn copy_out(&self) -> String {
        let client = self.connect().await;
        let sql = "copy (select g, repeat('x', 100) from generate_series(1, 50000) g) to stdout";
        let stream = client.copy_out(sql).await.unwrap();
        let bytes = stream
            .try_fold(0, async |sum, block| Ok(sum + block.len()))
            .await
            .unwrap();
        print((bytes, value(&client, "select 1").await))
    }

    async fn notify(&self) -> String {
        let (client, mut connection) = self.config().connect(NoTls).await.unwrap();
        let (send, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let reading = tokio::spawn(async move {
            while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
                if let Ok(AsyncMessage::Notification(notification)) = message {
                    let _ = send.send((
                        notification.channel().to_owned(),
                        notification.payload().to_owned(),
                    ));
                }
            }
        });
        client.batch_execute("listen chan").await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await; // idle
        let other = self.connect().await;
        other
            .execute("select pg_notify('chan', $1)", &[&"while idle"])
            .await
            .unwrap();
        let seen = tokio::time::timeout(DEADLINE, heard.recv())
            .await
            .expect("a notification");
        drop(client);
        reading.await.unwrap();
        print(seen)
    }

    async fn cancel(&self) -> String {
        let client = self.connect().await;
        let other = self.connect().await;
        let token = client.cancel_token();
        let sleeps = "select count(*) from pg_stat_activity where state = 'active' \
                      and pid <> pg_backend_pid() and query like '%to be cancelled%'";
        let (slept, ()) = tokio::join!(
            client.batch_execute("select /* to be cancelled */ pg_sleep(60)"),
            async {
                while value(&other, sleeps).await != "1" {}
                token.cancel_query(NoTls).await.unwrap();
            }
        );
        print((sqlstate(slept), value(&client, "select 'goes on'").await))
    }

    async fn errors(&self) -> String {
        let client = self.connect().await;
        let table = "create temp table errors_t (i int primary key check (i > 0), n text not null)";
        client.batch_execute(table).await.unwrap();
        let mut seen = Vec::new();
        for sql in [
            "select * from no_such_table",
            "select 'a' from customers where nam = 'é'",
            "insert into errors_t values (0, '')",
            "insert into errors_t values (1, null)",
            "do $$begin raise exception using errcode = 'ZZ123', message = 'm', detail = 'd', hint = 'h'; end$$",
            "do $$begin execute 'select 1 +'; end$$",
            "selec",
        ] {
            let simple = client.batch_execute(sql).await.unwrap_err();
            let extended = client.execute(sql, &[]).await.unwrap_err();
            for error in [simple, extended] {
                let e = client::db_error(error);
                let said = (
                    e.severity(),
                    e.code(),
                    e.message(),
                    e.detail(),
                    e.hint(),
                    e.position(),
                );
                let of = (e.table(), e.column(), e.constraint(), e.where_());
                seen.push(print((said, of)));
            }
        }
        seen.join(" ")
    }

    async fn settings(&self) -> String {
        let client = self.connect().await;
        let other = self.connect().await;
        let sql = "select current_setting('search_path') || current_setting('timezone') || current_setting('work_mem')";
        client
            .batch_execute("set search_path = hr; set time zone 'Asia/Tokyo'")
            .await
            .unwrap();
        let mut seen = Vec::new();
        for _ in 0..3 {
            seen.push(value(&client, sql).await);
            seen.push(value(&other, sql).await);
        }
        client
            .batch_execute("begin; set local work_mem = '1MB'")
            .await
            .unwrap();
        seen.push(value(&client, sql).await);
        client.batch_execute("rollback").await.unwrap();
        seen.push(value(&client, sql).await);
        print(seen)
    }

    async fn big(&self) -> String {
        let client = self.connect().await;
        let text = "0123456789abcde\n".repeat(10 * 1024 * 1024 / 16);
        let row = client.query_one("select $1::text", &[&text]).await.unwrap();
        let rows = client
            .query(
                "select g, 'row ' || g from generate_series(1, 200000) g",
                &[],
            )
            .await
            .unwrap();
        print((row.get::<_, &str>(0) == text, rows.len()))
    }

    async fn sharing(&self) -> String {
        let mut clients = join_all((0..8).map(|_| self.connect())).await;
        clients[0]
            .batch_execute("create table sharing_t (who int4, i int4)")
            .await
            .unwrap();
        join_all(clients.iter_mut().enumerate().map(async |(who, client)| {
            for i in 0..20 {
                let transaction = client.transaction().await.unwrap();
                let insert = "insert into sharing_t values ($1, $2)";
                let who_is_it = i32::try_from(who).unwrap();
                transaction
                    .execute(insert, &[&who_is_it, &i])
                    .await
                    .unwrap();
                if who == 3 {
                    transaction.rollback().await.unwrap();
                } else {
                    transaction.commit().await.unwrap();
                }
            }
        }))
        .await;
        let sql = "select who, count(*), sum(i) from sharing_t group by who order by who";
        let seen = clients[7].rows(sql).await.unwrap();
        clients[7]
            .batch_execute("drop table sharing_t")
            .await
            .unwrap();
        print(seen)
    }

    async fn ask(&self) -> String {
        let client = self.connect().await;
        let count: i64 = client.query_one(COUNT_SQL, &[]).await.unwrap().get(0);
        for sql in spellings(COUNT) {
            assert_eq!(value(&client, &sql).await, count.to_string(), "{sql}");
            let statement = client.prepare(&sql).await.unwrap();
            assert_eq!(statement.columns().len(), 1, "{sql}");
            for _ in 0..2 {
                let row = client.query_one(&statement, &[]).await.unwrap();
                assert_eq!(row.get::<_, i64>(0), count, "{sql}");
            }
        }
        let mut rows = Vec::new();
        for sql in spellings(GROUPS) {
            rows.push(client.query(&sql, &[]).await.unwrap().len());
        }
        let told = client.take_notices();
        assert!(told[0].message().starts_with("ask: SELECT"), "{told:?}");
        print((count, rows))
    }

    async fn ask_parameter(&self) -> String {
        let client = self.connect().await;
        let sql = "select * from ask('how many customers in country $1', $1)";
        let mut seen = Vec::new();
        for country in ["Germany", "nowhere"] {
            let row = client.query_one(sql, &[&country]).await.unwrap();
            seen.push(row.get::<_, i64>(0));
        }
        print(seen)
    }

    async fn ask_in_sql(&self) -> String {
        let mut client = self.connect().await;
        let derived = format!("select * from (/* ask: {GROUPS} */) r limit $1");
        let limited = client.query(&derived, &[&3_i64]).await.unwrap().len();
        let transaction = client.transaction().await.unwrap();
        let portal = transaction
            .bind(&format!("/* ask: {GROUPS} */"), &[])
            .await
            .unwrap();
        let first = transaction.query_portal(&portal, 4).await.unwrap().len();
        print((
            limited,
            first,
            transaction.query_portal(&portal, 100).await.unwrap().len(),
        ))
    }

    async fn ask_refused(&self) -> String {
        let client = self.connect().await;
        let nonsense = "/* ask: grumble the wibbly flonks */";
        let simple = client.error(nonsense).await.code().code().to_owned();
        let extended = sqlstate(client.prepare(nonsense).await);
        assert_eq!((simple.as_str(), extended.as_str()), ("NL002", "NL002"));
        print((simple, extended, value(&client, "select 1").await))
    }
}

fn spellings(question: &str) -> Vec<String> {
    vec![
        format!("-- ask: {question}"),
        format!("/* ask: {question} */"),
        format!("ask: {question}"),
        format!("Ask {question};"),
        format!("select -- ask: {question}\n;"),
        format!("select * from ask('{question}')"),
    ]
}

async fn value(client: &Client, sql: &str) -> String {
    match client.value(sql).await {
        Ok(value) => value.unwrap_or_else(|| "NULL".to_owned()),
        Err(error) => panic!("{sql}: {error:?}"),
    }
}

fn sqlstate<T>(result: Result<T, Error>) -> String {
    match result {
        Ok(_) => panic!("no error"),
        Err(error) => client::db_error(error).code().code().to_owned(),
    }
}

fn print(seen: impl Debug) -> String {
    format!("{seen:?}")
}

/// The version that is locked.
fn version() -> &'static str {
    let locked = include_str!("../../../Cargo.lock");
    let of_driver = locked
        .split("name = \"tokio-postgres\"\nversion = \"")
        .nth(1);
    of_driver.and_then(|rest| rest.split('"').next()).unwrap()
}
