//! tokio-postgres: `simple_query` for the one protocol, `query` and `copy_out` for the other.

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Row, SimpleQueryMessage};

use super::{Protocol, Rows, Seen, Shop, Step, Task};
use crate::support::client::{self, Client};

pub(super) fn run(shop: &Shop, tasks: &[Task]) -> Vec<Seen> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client =
            client::connect(&client::config(shop.proxy.port(), "demo", "demo", "shop")).await;
        let mut seen = Vec::new();
        for task in tasks {
            seen.push(answer(&client, task).await);
            client.batch_execute("rollback").await.unwrap();
        }
        seen
    })
}

async fn answer(client: &Client, task: &Task) -> Seen {
    let mut seen = Seen {
        id: task.id,
        rows: Some(Rows::new()),
        tag: None,
        sqlstate: None,
        fails: None,
    };
    for step in &task.steps {
        let rows = match task.protocol {
            Protocol::Simple => simple(client, step).await,
            Protocol::Extended => extended(client, step).await,
        };
        match rows {
            Ok(rows) => seen.rows = Some(rows),
            Err(error) => {
                seen.rows = None;
                seen.sqlstate = error.code().map(|state| state.code().to_owned());
                seen.fails = seen.sqlstate.is_none().then(|| error.to_string());
                break;
            }
        }
    }
    seen
}

async fn simple(client: &Client, step: &Step) -> Result<Rows, Error> {
    let messages = client.simple_query(&step.sql).await?;
    Ok(messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(
                (0..row.len())
                    .map(|i| row.get(i).map(str::to_owned))
                    .collect(),
            ),
            _ => None,
        })
        .collect())
}

async fn extended(client: &Client, step: &Step) -> Result<Rows, Error> {
    if step.copies {
        let stream = client
            .copy_out(&format!("copy ({}) to stdout", step.sql))
            .await?;
        let blocks: Vec<Bytes> = stream.try_collect().await?;
        let copied = String::from_utf8(blocks.concat()).unwrap();
        let values = |line: &str| {
            line.split('\t')
                .map(|value| Some(value.to_owned()))
                .collect()
        };
        return Ok(copied.lines().map(values).collect());
    }
    let values: Vec<&(dyn ToSql + Sync)> = step
        .values
        .iter()
        .map(|value| value as &(dyn ToSql + Sync))
        .collect();
    let rows = client.query(&step.sql, &values).await?;
    Ok(rows.iter().map(values_of).collect())
}

fn values_of(row: &Row) -> Vec<Option<String>> {
    let columns = row.columns().iter().enumerate();
    columns
        .map(|(i, column)| match *column.type_() {
            Type::INT8 => row.get::<_, Option<i64>>(i).map(|value| value.to_string()),
            _ => row.get(i),
        })
        .collect()
}
