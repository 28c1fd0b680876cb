//! Much in both directions at once: nobody waits for somebody who waits for them.

use std::time::Duration;

use crate::support::frames::{
    bind, close_statement, copy_data, copy_done, execute, parse, query, sync, terminate,
};
use crate::support::raw::{Raw, rows, sqlstate};
use crate::support::stage::{APP, Stage};

/// The ceiling on the proxy's resident memory, as for large results.
const RSS_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Clients that only wait.
const IDLE_COUNT: usize = 300;

fn check_memory(stage: &Stage) {
    let peak = stage.proxy.rss_bytes_peak().unwrap_or_default();
    assert!(
        peak < RSS_BYTES_MAX,
        "{} MB at the peak",
        peak / (1024 * 1024)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deep_pipeline_with_large_answers_does_not_stall() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 1\n");
    let client = stage
        .proxy
        .connect(APP.user, APP.password, APP.database)
        .await;
    let statement = client.prepare("select repeat($1, 50)").await.unwrap();
    let argument = "xy".repeat(2_000);
    let queries = (0..400).map(|_| async {
        let row = client.query_one(&statement, &[&argument]).await.unwrap();
        row.get::<_, &str>(0).len()
    });
    let answers = futures_util::future::join_all(queries);
    let lengths = tokio::time::timeout(Duration::from_secs(120), answers).await;
    let lengths = lengths.expect("the pipeline flows");
    assert!(lengths.iter().all(|length| *length == 50 * 4_000));
}

#[test]
fn copy_data_behind_an_error_is_swallowed_whole() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 1\n");
    let mut client = stage.client();
    client.rows("create table sink (i int)");
    client.send(&query("copy sink from stdin"));
    client.until(b'G');
    let nonsense = copy_data("not a number\n".repeat(80_000));
    for _ in 0..40 {
        client.send(&nonsense);
    }
    client.send(&copy_done());
    let answer = client.until_ready();
    assert_eq!(sqlstate(&answer), "22P02");
    assert_eq!(client.value("select count(*) from sink"), "0");
    check_memory(&stage);
}

#[test]
fn messages_behind_an_error_are_skipped_up_to_their_sync() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 1\n");
    let mut client = stage.client();
    let long = format!("select '{}'", "z".repeat(100_000));
    let skipped = parse("", long, &[]).repeat(300);
    client.send(&[parse("", "selec", &[]), skipped, sync()].concat());
    let answer = client.until_ready();
    assert_eq!(answer.len(), 2, "one error and ReadyForQuery");
    assert_eq!(client.value("select 1"), "1");
    check_memory(&stage);
}

/// Sends it all before it reads anything, direct and through the proxy: neither may stall.
fn check_written_whole(stage: &Stage, messages: &[u8], ready_count: usize) -> Vec<u8> {
    let mut answers = Vec::new();
    let direct = stage.direct(&APP).unwrap_or_else(|e| panic!("{e:?}"));
    for (who, mut client) in [("direct", direct), ("proxied", stage.client())] {
        client.send(&query("select pg_sleep(0.5)"));
        client.send(messages);
        client.until_ready();
        let mut tags = Vec::new();
        for _ in 0..ready_count {
            tags.extend(client.until_ready().iter().map(|frame| frame.tag));
        }
        answers.push((who, tags));
    }
    let (proxied, direct) = (answers.pop().unwrap().1, answers.pop().unwrap().1);
    assert!(proxied == direct, "the answers differ");
    check_memory(stage);
    proxied
}

#[test]
fn a_hundred_thousand_messages_in_one_batch_are_written_before_any_answer_is_read() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 1\n");
    let one = [bind("", "", &[]), execute("", 0)].concat();
    let batch = [parse("", "select 1", &[]), one.repeat(50_000), sync()].concat();
    let tags = check_written_whole(&stage, &batch, 1);
    assert_eq!(tags.len(), 1 + 3 * 50_000 + 1);
}

#[test]
fn a_hundred_thousand_syncs_are_answered_one_by_one() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 1\n");
    let tags = check_written_whole(&stage, &sync().repeat(100_000), 100_000);
    assert_eq!(tags.len(), 100_000);
}

#[test]
fn thousands_of_unnamed_statements_in_one_batch_are_parsed() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 1\n");
    let one = [
        parse("", "select 1", &[]),
        bind("", "", &[]),
        execute("", 0),
    ]
    .concat();
    let tags = check_written_whole(&stage, &[one.repeat(10_000), sync()].concat(), 1);
    assert_eq!(tags.len(), 4 * 10_000 + 1);
}

#[test]
fn named_statements_in_a_long_batch_are_brought_without_a_stall() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 1\nprepared_statements_max = 2\n");
    let mut client = stage.client();
    for number in 0..5 {
        let name = format!("s{number}");
        client.exchange(&[parse(&name, format!("select {number}"), &[]), sync()]);
    }
    let names = (0..2_000).map(|number| format!("s{}", number % 5));
    let batch: Vec<u8> = names
        .flat_map(|name| [bind("", &name, &[]), execute("", 0)].concat())
        .collect();
    client.send(&[batch, sync()].concat());
    let answer = rows(&client.until_ready());
    assert_eq!(answer.len(), 2_000);
    let in_order = answer
        .iter()
        .enumerate()
        .all(|(at, row)| row[0] == Some((at % 5).to_string()));
    assert!(in_order);
    check_memory(&stage);
}

#[test]
fn a_goodbye_in_the_middle_of_anything_frees_the_connection() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 1\n");
    stage.client().rows("create table sink (i int)");
    let statement = || parse("s", "select 1", &[]);
    let beginnings: [(&str, Vec<u8>); 5] = [
        ("a Parse without Sync", statement()),
        (
            "a Close",
            [statement(), sync(), close_statement("s")].concat(),
        ),
        ("a Bind", [statement(), bind("", "s", &[])].concat()),
        ("an error", parse("", "selec", &[])),
        (
            "an Execute",
            [statement(), bind("", "s", &[]), execute("", 0)].concat(),
        ),
    ];
    for (what, messages) in beginnings {
        let mut client = stage.client();
        client.send(&[messages, terminate()].concat());
        let seen = client.until_closed();
        assert_eq!(stage.client().value("select 1"), "1", "{what}: {seen:?}");
    }
    let mut copying = stage.client();
    copying.send(&query("copy sink from stdin"));
    copying.until(b'G');
    copying.send(&[copy_data("1\n"), terminate()].concat());
    copying.until_closed();
    assert_eq!(stage.client().value("select count(*) from sink"), "0");
}

#[test]
fn a_flood_of_notices_arrives_whole() {
    let stage = Stage::new("");
    let mut client = stage.client();
    let answer = client.query(
        "do $$begin for i in 1..20000 loop raise notice 'notice % %', i, repeat('n', 500); end loop; end$$",
    );
    assert_eq!(
        answer.iter().filter(|frame| frame.tag == b'N').count(),
        20_000
    );
    check_memory(&stage);
}

#[test]
fn idle_clients_cost_little_memory_and_no_server_connection() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 2\n");
    let mut clients: Vec<Raw> = (0..IDLE_COUNT)
        .map(|number| {
            let mut client = stage.client();
            assert_eq!(
                client.value(&format!("select {number}")),
                number.to_string()
            );
            client
        })
        .collect();
    stage.wait_for_backends(0, "state <> 'idle'");
    let count = stage
        .admin()
        .value("select count(*) from pg_stat_activity where usename = 'app'");
    assert!(count.parse::<u32>().unwrap() <= 2, "{count}");
    check_memory(&stage);
    for client in &mut clients {
        assert_eq!(client.value("select 'still here'"), "still here");
    }
}

#[test]
fn connections_that_say_nothing_or_little_take_nobodys_place() {
    let stage = Stage::new("");
    let silent: Vec<_> = (0..100)
        .map(|number| {
            let mut raw = Raw::open(&stage.endpoint()).unwrap();
            if number & 1 == 0 {
                raw.send(&[0, 0, 0]);
            }
            raw
        })
        .collect();
    assert_eq!(stage.client().value("select 1"), "1");
    for raw in silent {
        raw.kill();
    }
    assert_eq!(stage.client().value("select 2"), "2");
}
