//! Prepared statements of several clients that share connections: what each is told must be what it is told direct,
//! however few statements a connection may hold and wherever a batch goes.

use std::fmt::Write as _;

use super::neighbours::Neighbours;
use super::script::{Step, Until};
use super::{PLAYER, differences, make_schema, take};
use crate::support::frames::{
    bind, bind_formats, close_portal, close_statement, describe_portal, describe_statement,
    execute, flush, frame, parse, query, sync,
};
use crate::support::postgres::Postgres;
use crate::support::proxy::Proxy;
use crate::support::raw::{self, Endpoint, Raw};

/// How many statements a connection may hold: so few that nearly every one is missing, some, and all.
const STATEMENTS_MAX: [usize; 4] = [1, 2, 5, 1000];

const INT4: u32 = 23;
const INT8: u32 = 20;
const TEXT: u32 = 25;

/// Several connections' script: who sends, and what.
pub(super) struct Scene {
    pub(super) name: &'static str,
    pub(super) steps: Vec<(usize, Step)>,
}

impl Scene {
    fn client_count(&self) -> usize {
        1 + self.steps.iter().map(|(who, _)| *who).max().unwrap_or(0)
    }
}

#[test]
fn statements_are_found_again_however_few_a_connection_holds() {
    compare(&STATEMENTS_MAX, vec![round_robin()]);
}

#[test]
fn statements_of_one_batch_are_found_however_few_a_connection_holds() {
    compare(&STATEMENTS_MAX, vec![many_at_once()]);
}

#[test]
fn names_mean_what_their_client_gave_them() {
    compare(&[1, 1000], vec![names(), two_names()]);
}

#[test]
fn statements_are_forgotten_as_direct() {
    compare(&[1, 1000], vec![forgetting(), deallocating()]);
}

#[test]
fn unnamed_statements_are_left_as_direct() {
    compare(&[1000], vec![unnamed(), naming()]);
}

#[test]
fn statements_in_failed_transactions_answer_as_direct() {
    compare(&[1, 1000], vec![failed_transaction(), rolled_back()]);
}

#[test]
fn statements_whose_tables_change_answer_as_direct() {
    compare(&[1, 1000], vec![result_types(), parameter_types()]);
}

#[test]
fn statements_whose_tables_come_and_go_answer_as_direct() {
    compare(&[1, 1000], vec![made_again(), pipelines()]);
}

#[test]
fn literals_keep_the_value_that_they_were_read_with() {
    compare(&[1, 1000], vec![settings(), search_path()]);
}

#[test]
fn portals_of_named_statements_answer_as_direct() {
    compare(&[1, 2, 1000], vec![portals()]);
}

#[test]
fn what_waits_for_an_answer_gets_it_without_a_sync() {
    compare(&[1, 2, 1000], vec![flushing()]);
}

#[test]
fn a_fetch_shows_the_cursor_that_is_there() {
    compare(&[1, 1000], vec![fetching()]);
}

#[test]
fn the_view_of_prepared_statements_shows_the_clients_own() {
    compare(&[1, 1000], vec![view()]);
}

/// Plays every scene direct, then through proxies of which each lets a connection hold so many statements: the clients
/// alone on as many connections, and among neighbours that make them change connections.
pub(super) fn compare(statements_max: &[usize], scenes: Vec<Scene>) {
    let postgres = Postgres::start();
    let mut admin = raw::superuser(&postgres, "postgres");
    admin.rows("create role other");
    admin.rows("create role player login password 'player''s own' in role other");
    admin.rows("create database diff");
    admin.rows("grant create on database diff to player");
    admin.rows("alter database diff set search_path = diff, public");
    let mut report = String::new();
    for scene in &scenes {
        make_schema(&postgres);
        let direct = Endpoint::local(postgres.port());
        let expected = play(&direct, scene, None);
        for statements_max in statements_max {
            for is_jostled in [false, true] {
                make_schema(&postgres);
                let proxy = Proxy::start(
                    &postgres,
                    &format!(
                        "[pool]\ndefault_pool_size = {}\nprepared_statements_max = {statements_max}\n",
                        scene.client_count() + usize::from(is_jostled)
                    ),
                );
                let proxied = Endpoint::local(proxy.port());
                let neighbours = is_jostled.then(|| Neighbours::new(&proxied, &PLAYER));
                let found = play(&proxied, scene, neighbours);
                if let Some(story) = differences(&expected, &found) {
                    let how = if is_jostled { "jostled" } else { "alone" };
                    let _ = writeln!(
                        report,
                        "{} ({how}, {statements_max} statements at most):\n{story}",
                        scene.name
                    );
                }
            }
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

fn play(
    endpoint: &Endpoint,
    scene: &Scene,
    mut neighbours: Option<Neighbours>,
) -> Vec<(String, Vec<String>)> {
    let mut clients: Vec<Raw> = (0..scene.client_count())
        .map(|_| Raw::login(endpoint, &PLAYER).expect("a login"))
        .collect();
    scene
        .steps
        .iter()
        .map(|(who, step)| {
            if let Some(neighbours) = &mut neighbours {
                neighbours.swap();
            }
            let answer = take(&mut clients[*who], step);
            let answer = answer.iter().map(|line| without_source(line)).collect();
            (format!("client {who}: {}", step.label), answer)
        })
        .collect()
}

/// Of one error, where it is told in our words, the place in PostgreSQL's source is left out.
fn without_source(line: &str) -> String {
    match line.split_once(" F=plancache.c") {
        Some((told, _)) if told.contains("cached plan must not change") => told.to_owned(),
        _ => line.to_owned(),
    }
}

pub(super) fn run(name: &str, values: &[Option<&str>]) -> Vec<u8> {
    [
        bind("", name, values),
        describe_portal(""),
        execute("", 0),
        sync(),
    ]
    .concat()
}

/// A run that is a step of its own.
pub(super) fn running(name: &str, value: &str) -> Step {
    Step::new(&format!("{name}({value})"), &[run(name, &[Some(value)])])
}

pub(super) fn running_bare(name: &str) -> Step {
    Step::new(name, &[run(name, &[])])
}

pub(super) fn parsing(name: &str, sql: &str) -> Step {
    Step::new(&format!("{name}: {sql}"), &[parse(name, sql, &[]), sync()])
}

fn round_robin() -> Scene {
    let mut steps = Vec::new();
    for who in 0..3 {
        for number in 0..6 {
            let name = format!("s{number}");
            let sql = format!("select $1::int * {number}, 'of {who}'");
            steps.push((who, parsing(&name, &sql)));
        }
    }
    for round in 0..3 {
        for number in 0..6 {
            for who in 0..3 {
                steps.push((who, running(&format!("s{number}"), &round.to_string())));
            }
        }
    }
    for who in 0..3 {
        steps.push((
            who,
            Step::new(
                "described and closed",
                &[
                    describe_statement("s1"),
                    close_statement("s1"),
                    describe_statement("s2"),
                    sync(),
                ],
            ),
        ));
        steps.push((who, running("s1", "1")));
        steps.push((who, running("s2", "1")));
    }
    Scene {
        name: "statements in turn",
        steps,
    }
}

/// More statements in one batch than a connection may hold.
fn many_at_once() -> Scene {
    let parse_all: Vec<_> = (0..7)
        .map(|n| {
            parse(
                &format!("m{n}"),
                format!("select $1::int + {n} as m{n}"),
                &[],
            )
        })
        .collect();
    let run_all: Vec<_> = (0..7)
        .flat_map(|n| {
            let name = format!("m{n}");
            [
                bind("", &name, &[Some("10")]),
                describe_portal(""),
                execute("", 0),
                describe_statement(&name),
            ]
        })
        .collect();
    let batch = |messages: &[Vec<u8>]| [messages.concat(), sync()].concat();
    Scene {
        name: "many statements in one batch",
        steps: vec![
            (0, Step::new("parsed", &[batch(&parse_all)])),
            (1, Step::new("parsed", &[batch(&parse_all)])),
            (0, Step::new("run", &[batch(&run_all)])),
            (1, Step::new("run", &[batch(&run_all)])),
            (0, Step::new("again", &[batch(&run_all)])),
            (
                0,
                Step::new(
                    "with an error in the middle",
                    &[
                        run_all[..12].concat(),
                        bind("", "m6", &[Some("x")]),
                        batch(&run_all[12..]),
                    ],
                ),
            ),
            (1, Step::new("again", &[batch(&run_all)])),
            (
                1,
                Step::new(
                    "in two batches at once",
                    &[batch(&run_all), batch(&run_all)],
                )
                .ready(2),
            ),
            (
                0,
                Step::until(
                    "with Flush in the place of Sync",
                    &[bind("", "m5", &[Some("1")]), execute("", 0), flush()],
                    Until::Tag(b'C'),
                ),
            ),
            (
                0,
                Step::until(
                    "and on",
                    &[bind("", "m6", &[Some("1")]), execute("", 0), flush()],
                    Until::Tag(b'C'),
                ),
            ),
            (0, Step::new("to its end", &[sync()])),
            (
                0,
                Step::new(
                    "parsed and closed in one batch",
                    &[
                        parse("n", "select 'n'", &[]),
                        close_statement("n"),
                        parse("n", "select 'another n'", &[]),
                        bind("", "n", &[]),
                        execute("", 0),
                        close_statement("m0"),
                        parse("m0", "select nope", &[]),
                        sync(),
                    ],
                ),
            ),
            (0, running("m0", "1")),
            (0, running_bare("n")),
        ],
    }
}

fn names() -> Scene {
    Scene {
        name: "names",
        steps: vec![
            (0, parsing("s", "select 'of the first', $1::int")),
            (1, parsing("s", "select $1::text, 'of the second'")),
            (0, running("s", "1")),
            (1, running("s", "1")),
            (0, parsing("s", "select 'a used name'")),
            (0, parsing("s", "selec 'a used name and an error'")),
            (0, running("s", "2")),
            (1, Step::new("closed", &[close_statement("s"), sync()])),
            (1, running("s", "2")),
            (1, parsing("s", "select nope")),
            (1, running("s", "2")),
            (1, parsing("s", "select $1::text, 'anew'")),
            (1, running("s", "2")),
            (0, running("s", "2")),
            (
                0,
                Step::new(
                    "prescribed types",
                    &[
                        parse("t4", "select $1, $2", &[INT4, TEXT]),
                        parse("t8", "select $1, $2", &[INT8, 0]),
                        describe_statement("t4"),
                        sync(),
                    ],
                ),
            ),
            (
                0,
                Step::new("described", &[describe_statement("t8"), sync()]),
            ),
            (
                0,
                Step::new(
                    "in binary",
                    &[
                        bind_formats(
                            "",
                            "t8",
                            &[1],
                            &[Some(&[0, 0, 0, 0, 0, 0, 0, 9]), Some(b"x")],
                            &[1],
                        ),
                        execute("", 0),
                        sync(),
                    ],
                ),
            ),
            (
                0,
                Step::new(
                    "a used name in a batch",
                    &[
                        parse("s", "select 1", &[]),
                        bind("", "s", &[Some("1")]),
                        sync(),
                    ],
                ),
            ),
            (
                0,
                Step::new(
                    "unnamed",
                    &[
                        parse("", "select $1::int + 5", &[]),
                        describe_statement(""),
                        sync(),
                    ],
                ),
            ),
            (
                1,
                Step::new(
                    "unnamed of the other",
                    &[
                        parse("", "select $1::text", &[]),
                        describe_statement(""),
                        sync(),
                    ],
                ),
            ),
            (0, running("", "3")),
            (1, running("", "3")),
            (0, Step::new("closed", &[close_statement(""), sync()])),
            (0, running("", "3")),
            (1, running("", "4")),
        ],
    }
}

/// Two names for one text, and errors that name them.
fn two_names() -> Scene {
    let too_many = |name: &str| bind("", name, &[Some("1"), Some("2"), Some("3")]);
    Scene {
        name: "two names for one text",
        steps: vec![
            (
                0,
                Step::new(
                    "parsed",
                    &[
                        parse("one", "select $1::int", &[]),
                        parse("other", "select $1::int", &[]),
                        sync(),
                    ],
                ),
            ),
            (1, parsing("third", "select $1::int")),
            (
                0,
                Step::new(
                    "the first is named",
                    &[
                        bind("", "other", &[Some("1")]),
                        execute("", 0),
                        too_many("one"),
                        bind("", "other", &[Some("1")]),
                        sync(),
                    ],
                ),
            ),
            (
                0,
                Step::new(
                    "the second is named",
                    &[
                        bind("", "one", &[Some("1")]),
                        too_many("other"),
                        bind("", "one", &[Some("1")]),
                        sync(),
                    ],
                ),
            ),
            (
                0,
                Step::new(
                    "in two batches at once",
                    &[
                        bind("", "one", &[Some("1")]),
                        sync(),
                        too_many("other"),
                        sync(),
                        too_many("one"),
                        sync(),
                    ],
                )
                .ready(3),
            ),
            (
                0,
                Step::new(
                    "a used name is named",
                    &[
                        bind("", "one", &[Some("1")]),
                        parse("other", "select 1", &[]),
                        bind("", "one", &[Some("1")]),
                        sync(),
                    ],
                ),
            ),
            (
                1,
                Step::new("so is the third", &[too_many("third"), sync()]),
            ),
            (
                0,
                Step::new("one closed", &[close_statement("one"), sync()]),
            ),
            (0, running("other", "7")),
            (0, running("one", "7")),
        ],
    }
}

fn forgetting() -> Scene {
    let command = |sql: &str| [parse("", sql, &[]), bind("", "", &[]), execute("", 0)].concat();
    Scene {
        name: "statements are forgotten",
        steps: vec![
            (0, parsing("a", "select 'a', $1::int")),
            (1, parsing("a", "select 'a', $1::int")),
            (0, Step::query("deallocate all")),
            (0, running("a", "1")),
            (1, running("a", "1")),
            (0, parsing("a", "select 'a', $1::int")),
            (
                0,
                Step::new(
                    "forgotten and prepared anew in one batch",
                    &[
                        command("deallocate all"),
                        parse("a", "select 'anew', $1::int", &[]),
                        bind("", "a", &[Some("2")]),
                        execute("", 0),
                        sync(),
                    ],
                ),
            ),
            (0, running("a", "3")),
            (
                0,
                Step::new(
                    "prepared and forgotten in one batch",
                    &[
                        parse("b", "select 'b', $1::int", &[]),
                        command("deallocate all"),
                        bind("", "a", &[Some("2")]),
                        sync(),
                    ],
                ),
            ),
            (0, running("b", "3")),
            (
                0,
                Step::new(
                    "behind a query that forgets",
                    &[
                        parse("c", "select 'c', $1::int", &[]),
                        sync(),
                        query("discard all"),
                        parse("c", "select 'c anew', $1::int", &[]),
                        bind("", "c", &[Some("2")]),
                        execute("", 0),
                        sync(),
                    ],
                )
                .ready(3),
            ),
            (0, running("c", "3")),
            (0, Step::query("begin")),
            (0, parsing("d", "select 'd', $1::int")),
            (0, Step::query("select 1/0")),
            (
                0,
                Step::new(
                    "closed in a failed transaction",
                    &[close_statement("d"), close_portal(""), sync()],
                ),
            ),
            (0, Step::query("rollback")),
            (0, running("d", "1")),
            (1, running("a", "4")),
            (
                1,
                Step::new(
                    "DEALLOCATE by the protocol",
                    &[command("deallocate a"), sync()],
                ),
            ),
            (1, running("a", "5")),
        ],
    }
}

/// What is left of several unnamed statements when one fails.
fn unnamed() -> Scene {
    let a = || parse("", "select 'a', $1::int", &[]);
    let b = || parse("", "select 'b', $1::int", &[]);
    let fails = || bind("", "", &[Some("1"), Some("2")]);
    Scene {
        name: "unnamed statements",
        steps: vec![
            (1, running("", "1")),
            (
                0,
                Step::new("the second is skipped", &[a(), fails(), b(), sync()]),
            ),
            (1, running("", "1")),
            (0, running("", "2")),
            (
                0,
                Step::new(
                    "the second fails",
                    &[a(), parse("", "selec", &[]), b(), sync()],
                ),
            ),
            (1, running("", "1")),
            (0, running("", "3")),
            (
                0,
                Step::new(
                    "the second is skipped, and a third is not",
                    &[a(), fails(), b(), sync(), b(), sync(), fails(), a(), sync()],
                )
                .ready(3),
            ),
            (1, running("", "1")),
            (0, running("", "4")),
            (
                0,
                Step::new(
                    "a query that drops it is skipped",
                    &[a(), fails(), query("select 1"), sync()],
                ),
            ),
            (1, running("", "1")),
            (0, running("", "5")),
            (
                0,
                Step::new("a query drops it", &[b(), query("select 2"), sync()]).ready(2),
            ),
            (0, running("", "6")),
            (
                0,
                Step::new(
                    "closing is skipped",
                    &[a(), fails(), close_statement(""), sync()],
                ),
            ),
            (0, running("", "7")),
            (0, parsing("forget", "deallocate all")),
            (0, Step::new("a", &[a(), sync()])),
            (0, running_bare("forget")),
            (0, running("", "8")),
            (1, running("", "1")),
            (
                0,
                Step::new(
                    "what is skipped where another's was changes nothing",
                    &[execute("none", 0), close_statement(""), sync()],
                ),
            ),
            (0, running("", "9")),
            (1, Step::new("b", &[b(), sync()])),
            (
                0,
                Step::new(
                    "nor for the next batch",
                    &[
                        execute("none", 0),
                        parse("", "select 'skipped', $1::int", &[]),
                        sync(),
                        run("", &[Some("10")]),
                    ],
                )
                .ready(2),
            ),
            (1, Step::new("b again", &[b(), sync()])),
            (
                0,
                Step::new(
                    "one that fails leaves none",
                    &[parse("", "selec", &[]), sync(), run("", &[Some("11")])],
                )
                .ready(2),
            ),
            (1, running("", "1")),
            (0, Step::new("a", &[a(), sync()])),
            (1, running("", "1")),
            (
                0,
                Step::new(
                    "what is skipped before it is there",
                    &[execute("none", 0), bind("", "", &[Some("1")]), b(), sync()],
                ),
            ),
            (0, running("", "12")),
            (1, running("", "1")),
            (
                0,
                Step::new(
                    "nor is it there for the next batch, which comes with it",
                    &[
                        execute("none", 0),
                        bind("", "", &[Some("1")]),
                        sync(),
                        run("", &[Some("13")]),
                    ],
                )
                .ready(2),
            ),
            (0, Step::new("none", &[close_statement(""), sync()])),
            (1, running("", "1")),
            (
                0,
                Step::new(
                    "another's is nobody's",
                    &[
                        execute("none", 0),
                        bind("", "", &[Some("1")]),
                        sync(),
                        run("", &[Some("14")]),
                    ],
                )
                .ready(2),
            ),
            (0, running("", "15")),
            (0, Step::new("a", &[a(), sync()])),
            (
                0,
                Step::new(
                    "a query that is no text drops nothing",
                    &[query(b"begin; set timezone = 'Europe\xff/Paris'; rollback")],
                ),
            ),
            (1, running("", "1")),
            (0, running("", "16")),
            (
                0,
                Step::new(
                    "nor does it in a batch",
                    &[b(), query(b"select '\xff'"), run("", &[Some("17")])],
                )
                .ready(2),
            ),
            (0, running("", "18")),
            (
                0,
                Step::new(
                    "nor does a Parse that is no text",
                    &[a(), parse("", b"select '\xff', $1::int", &[]), sync()],
                ),
            ),
            (1, running("", "1")),
            (0, running("", "19")),
        ],
    }
}

/// Statements that speak of others by name, and are prepared themselves.
fn naming() -> Scene {
    Scene {
        name: "statements that name statements",
        steps: vec![
            (0, parsing("b", "prepare b as select 1")),
            (0, running_bare("b")),
            (0, parsing("d", "deallocate later")),
            (0, parsing("later", "select 'later', $1::int")),
            (0, running("later", "1")),
            (0, running_bare("d")),
            (0, running("later", "1")),
            (1, parsing("a", "select 'a'")),
            (1, Step::new("no text", &[parsed_raw(b"\xff\xfe"), sync()])),
            (1, running_bare("a")),
        ],
    }
}

/// A Parse whose name is no text in UTF-8.
fn parsed_raw(name: &[u8]) -> Vec<u8> {
    frame(b'P', &[name, b"\0select 1\0\0\0"].concat())
}

/// `DEALLOCATE` by a simple Query, as some drivers send it behind every statement.
fn deallocating() -> Scene {
    let command = |sql: &str| [parse("", sql, &[]), bind("", "", &[]), execute("", 0)].concat();
    Scene {
        name: "DEALLOCATE",
        steps: vec![
            (0, Step::query("create table de (i int)")),
            (0, parsing("pdo_stmt_1", "insert into de values ($1)")),
            (1, parsing("pdo_stmt_1", "insert into de values ($1)")),
            (0, running("pdo_stmt_1", "1")),
            (0, Step::query("DEALLOCATE pdo_stmt_1")),
            (0, running("pdo_stmt_1", "2")),
            (0, Step::query("DEALLOCATE pdo_stmt_1")),
            (1, running("pdo_stmt_1", "3")),
            (0, parsing("Odd name", "select $1::int")),
            (0, Step::query("deallocate \"Odd name\";")),
            (0, running("Odd name", "1")),
            (0, parsing("bad", "select nope")),
            (0, Step::query("deallocate bad")),
            (0, parsing("kept", "select 'kept', $1::int")),
            (0, Step::query("begin")),
            (0, Step::query("deallocate prepare kept")),
            (0, Step::query("rollback")),
            (0, running("kept", "1")),
            (0, parsing("kept", "select 'kept', $1::int")),
            (0, Step::query("begin; select 1/0")),
            (0, Step::query("deallocate kept")),
            (0, Step::query("rollback")),
            (0, running("kept", "2")),
            (
                0,
                Step::new(
                    "at once with others",
                    &[
                        parse("p", "select 'p', $1::int", &[]),
                        sync(),
                        query("deallocate p"),
                        run("p", &[Some("1")]),
                        run("kept", &[Some("1")]),
                    ],
                )
                .ready(4),
            ),
            (0, Step::query("deallocate kept; select 'and more'")),
            (0, running("kept", "3")),
            (1, Step::query("drop table de")),
            (1, Step::query("deallocate all")),
            (1, running("pdo_stmt_1", "3")),
            (1, parsing("q", "select 'q', $1::int")),
            (
                1,
                Step::new("by the protocol", &[command("deallocate all"), sync()]),
            ),
            (1, running("q", "3")),
        ],
    }
}

fn failed_transaction() -> Scene {
    Scene {
        name: "a failed transaction",
        steps: vec![
            (0, parsing("sel", "select $1::int as n")),
            (0, parsing("two", "select $1::int, $2::text")),
            (0, parsing("ins", "create table made (i int)")),
            (0, parsing("back", "/* a comment */ rollback")),
            (0, parsing("end", "commit")),
            (0, parsing("point", "rollback to savepoint p")),
            (0, parsing("begin", "begin")),
            (0, Step::query("begin; savepoint p; select 1/0")),
            (0, running("sel", "1")),
            (0, running("sel", "no number")),
            (0, Step::new("two", &[run("two", &[Some("1"), None])])),
            (0, Step::new("too few values", &[run("two", &[Some("1")])])),
            (0, running_bare("ins")),
            (
                0,
                Step::new("no rows described", &[describe_statement("ins"), sync()]),
            ),
            (0, running_bare("begin")),
            (0, parsing("new", "select 1")),
            (0, parsing("new_end", "commit")),
            (0, running_bare("point")),
            (0, running("sel", "2")),
            (0, Step::query("select 1/0")),
            (
                0,
                Step::new(
                    "back, and on in the same batch",
                    &[
                        bind("", "point", &[]),
                        execute("", 0),
                        run("two", &[Some("3"), Some("x")]),
                    ],
                ),
            ),
            (0, Step::query("select 1/0")),
            (0, running_bare("back")),
            (0, running("sel", "4")),
            (0, running_bare("begin")),
            (0, Step::query("select 1/0")),
            (0, running_bare("end")),
            (0, running_bare("new_end")),
            (0, Step::query("begin; select 1/0")),
            (0, running_bare("new_end")),
            (0, running("sel", "5")),
        ],
    }
}

fn rolled_back() -> Scene {
    Scene {
        name: "a transaction is rolled back",
        steps: vec![
            (0, Step::query("begin")),
            (
                0,
                Step::query("create table rb (i int); insert into rb values (1)"),
            ),
            (0, parsing("of_table", "select * from rb")),
            (0, parsing("plain", "select $1::int + 1")),
            (0, running_bare("of_table")),
            (0, Step::query("rollback")),
            (0, running("plain", "1")),
            (0, running_bare("of_table")),
            (
                1,
                Step::query("create table rb (i int); insert into rb values (2)"),
            ),
            (0, running_bare("of_table")),
            (1, Step::query("drop table rb; create table rb (t text)")),
            (0, running_bare("of_table")),
            (0, Step::query("begin; create table rb2 (i int)")),
            (
                0,
                Step::new(
                    "a failed parse in a transaction",
                    &[parse("bad", "select * from rb3", &[]), sync()],
                ),
            ),
            (0, running_bare("bad")),
            (0, Step::query("rollback")),
            (0, running_bare("bad")),
        ],
    }
}

fn result_types() -> Scene {
    Scene {
        name: "the columns of a table change",
        steps: vec![
            (
                0,
                Step::query("create table ch (a int); insert into ch values (1)"),
            ),
            (0, parsing("star", "select * from ch")),
            (1, parsing("star", "select * from ch")),
            (0, running_bare("star")),
            (1, running_bare("star")),
            (0, Step::query("alter table ch add column b int default 2")),
            (0, running_bare("star")),
            (
                0,
                Step::new("described", &[describe_statement("star"), sync()]),
            ),
            (2, parsing("star", "select * from ch")),
            (
                2,
                Step::new("described", &[describe_statement("star"), sync()]),
            ),
            (2, running_bare("star")),
            (1, running_bare("star")),
            (1, parsing("anew", "select * from ch")),
            (1, running_bare("anew")),
            (1, running_bare("star")),
            (0, Step::new("closed", &[close_statement("star"), sync()])),
            (0, parsing("star", "select * from ch")),
            (0, running_bare("star")),
            (1, Step::query("begin")),
            (1, running_bare("star")),
            (1, running_bare("anew")),
            (1, Step::query("rollback")),
            (1, running_bare("anew")),
            (2, Step::query("alter table ch drop column b")),
            (1, running_bare("star")),
            (1, running_bare("anew")),
            (2, Step::query("alter table ch alter a type text")),
            (0, running_bare("star")),
            (1, running_bare("star")),
            (2, running_bare("star")),
            (
                2,
                Step::query("alter table ch alter a type int using a::int"),
            ),
            (1, running_bare("star")),
        ],
    }
}

fn parameter_types() -> Scene {
    let seven: &[u8] = &[0, 0, 0, 7];
    let insert = |name: &str| {
        Step::new(
            "in binary",
            &[
                bind_formats("", name, &[1], &[Some(seven)], &[]),
                execute("", 0),
                sync(),
            ],
        )
    };
    Scene {
        name: "the type of a column that a parameter goes to changes",
        steps: vec![
            (0, Step::query("create table pt (a int)")),
            (
                0,
                Step::new(
                    "parsed and described",
                    &[
                        parse("ins", "insert into pt values ($1)", &[]),
                        describe_statement("ins"),
                        sync(),
                    ],
                ),
            ),
            (
                0,
                parsing("blind", "insert into pt values ($1) returning a"),
            ),
            (0, insert("ins")),
            (1, Step::query("alter table pt alter a type text")),
            (0, insert("ins")),
            (0, insert("blind")),
            (
                0,
                Step::new("described", &[describe_statement("ins"), sync()]),
            ),
            (1, Step::query("select a, length(a::text) from pt")),
            (
                1,
                Step::new(
                    "parsed anew",
                    &[
                        parse("ins", "insert into pt values ($1)", &[]),
                        describe_statement("ins"),
                        sync(),
                    ],
                ),
            ),
            (1, Step::new("as text", &[run("ins", &[Some("seven")])])),
            (0, insert("ins")),
            (1, Step::query("select a, length(a::text) from pt")),
        ],
    }
}

fn made_again() -> Scene {
    Scene {
        name: "a table is dropped and made again",
        steps: vec![
            (
                0,
                Step::query("create table ma (a int, b text); insert into ma values (1, 'one')"),
            ),
            (0, parsing("all", "select * from ma where a = $1")),
            (1, parsing("all", "select * from ma where a = $1")),
            (0, running("all", "1")),
            (1, Step::query("drop table ma")),
            (0, running("all", "1")),
            (1, running("all", "1")),
            (2, parsing("all", "select * from ma where a = $1")),
            (2, running("all", "1")),
            (
                1,
                Step::query("create table ma (a int, b text); insert into ma values (1, 'again')"),
            ),
            (0, running("all", "1")),
            (1, running("all", "1")),
            (2, running("all", "1")),
            (
                1,
                Step::query("drop table ma; create view ma as select 1 as a, 'view'::text as b"),
            ),
            (0, running("all", "1")),
            (
                1,
                Step::query("drop view ma; create table ma (a int, b varchar(9))"),
            ),
            (0, running("all", "1")),
            (2, parsing("all", "select * from ma where a = $1")),
            (2, running("all", "1")),
            (0, running("all", "1")),
        ],
    }
}

fn pipelines() -> Scene {
    Scene {
        name: "a table changes within a pipeline",
        steps: vec![
            (
                0,
                Step::query("create table pi (a int); insert into pi values (1)"),
            ),
            (0, parsing("star", "select * from pi")),
            (0, parsing("one", "select 1 as one")),
            (1, parsing("star", "select * from pi")),
            (
                0,
                Step::new(
                    "altered between two runs",
                    &[
                        run("star", &[]),
                        query("alter table pi add column b int"),
                        bind("", "one", &[]),
                        execute("", 0),
                        bind("", "star", &[]),
                        execute("", 0),
                        bind("", "one", &[]),
                        execute("", 0),
                        sync(),
                        run("one", &[]),
                    ],
                )
                .ready(4),
            ),
            (1, running_bare("star")),
            (
                1,
                Step::new(
                    "prepared anew and run",
                    &[
                        close_statement("star"),
                        parse("star", "select * from pi", &[]),
                        describe_statement("star"),
                        run("star", &[]),
                    ],
                ),
            ),
            (
                1,
                Step::new(
                    "altered in the batch that runs it",
                    &[
                        parse("", "alter table pi drop column b", &[]),
                        bind("", "", &[]),
                        execute("", 0),
                        bind("", "star", &[]),
                        execute("", 0),
                        sync(),
                        run("star", &[]),
                    ],
                )
                .ready(2),
            ),
        ],
    }
}

fn settings() -> Scene {
    let literals = "select '1/2/2026'::date - '1/1/2026'::date as days, extract(epoch from '2026-07-01 00:00'::timestamptz) as at";
    let strings = r"select 'a\\b' as text, $1::text";
    Scene {
        name: "literals and settings",
        steps: vec![
            (0, parsing("lit", literals)),
            (0, parsing("str", strings)),
            (
                1,
                Step::query("set datestyle = 'ISO, DMY'; set timezone = 'Asia/Tokyo'"),
            ),
            (
                1,
                Step::query(
                    "set standard_conforming_strings = off; set escape_string_warning = off",
                ),
            ),
            (1, parsing("lit", literals)),
            (1, parsing("str", strings)),
            (0, running_bare("lit")),
            (1, running_bare("lit")),
            (0, running("str", "x")),
            (1, running("str", "x")),
            (
                1,
                Step::query(
                    "set datestyle = 'ISO, MDY'; set timezone = 'UTC'; set standard_conforming_strings = on",
                ),
            ),
            (1, running_bare("lit")),
            (1, running("str", "x")),
            (
                0,
                Step::query(
                    "begin; set local timezone = 'America/Lima'; set local datestyle = 'ISO, DMY'",
                ),
            ),
            (0, running_bare("lit")),
            (0, Step::query("show timezone")),
            (0, Step::query("commit")),
            (0, Step::query("show timezone")),
            (0, running_bare("lit")),
            (0, parsing("same", literals)),
            (0, running_bare("same")),
        ],
    }
}

fn search_path() -> Scene {
    Scene {
        name: "search_path and role",
        steps: vec![
            (
                0,
                Step::query(
                    "create schema if not exists sp_one; create schema if not exists sp_two",
                ),
            ),
            (
                0,
                Step::query(
                    "drop table if exists sp_one.t, sp_two.t; create table sp_one.t as select 1 as x; create table sp_two.t as select 2 as x",
                ),
            ),
            (0, Step::query("set search_path = sp_one")),
            (1, Step::query("set search_path = sp_two")),
            (0, parsing("s", "select x from t")),
            (1, parsing("s", "select x from t")),
            (0, running_bare("s")),
            (1, running_bare("s")),
            (0, Step::query("set search_path = sp_two")),
            (0, running_bare("s")),
            (1, Step::query("alter table sp_two.t alter x type text")),
            (0, running_bare("s")),
            (1, running_bare("s")),
            (0, Step::query("set search_path = sp_one; set role other")),
            (0, running_bare("s")),
            (
                0,
                Step::query("reset role; drop schema sp_one, sp_two cascade"),
            ),
            (0, running_bare("s")),
        ],
    }
}

fn portals() -> Scene {
    let rows = "select g, g * $1::int from generate_series(1, 9) g";
    Scene {
        name: "portals of named statements",
        steps: vec![
            (0, parsing("rows", rows)),
            (1, parsing("rows", rows)),
            (0, parsing("one", "select 'one'")),
            (
                0,
                Step::new(
                    "suspended, while another runs",
                    &[
                        bind("p", "rows", &[Some("2")]),
                        describe_portal("p"),
                        execute("p", 2),
                        bind("q", "one", &[]),
                        execute("q", 0),
                        execute("p", 3),
                        close_statement("rows"),
                        execute("p", 1),
                        close_portal("p"),
                        execute("p", 1),
                        sync(),
                    ],
                ),
            ),
            (0, running("rows", "1")),
            (0, parsing("rows", rows)),
            (0, Step::query("begin")),
            (
                0,
                Step::new(
                    "over several Syncs",
                    &[bind("p", "rows", &[Some("3")]), execute("p", 2), sync()],
                ),
            ),
            (1, running("rows", "5")),
            (0, running_bare("one")),
            (0, Step::new("continued", &[execute("p", 4), sync()])),
            (
                0,
                Step::until(
                    "with Flush",
                    &[describe_portal("p"), execute("p", 1), flush()],
                    Until::Tag(b's'),
                ),
            ),
            (
                0,
                Step::new("to the end", &[execute("p", 0), execute("p", 0), sync()]),
            ),
            (0, Step::query("commit")),
            (
                0,
                Step::new("gone with the transaction", &[execute("p", 0), sync()]),
            ),
        ],
    }
}

fn flushing() -> Scene {
    let mut steps = vec![
        (0, parsing("b", "select $1::int")),
        (1, parsing("a", "begin")),
    ];
    for (number, who) in [0, 1, 0, 1].into_iter().enumerate() {
        // The same as the other's: its name on the connection is closed in front of what needs the one before.
        let name = format!("a{number}");
        steps.push((who, parsing(&format!("c{number}"), "select $1::text")));
        steps.push((1 - who, Step::query("select 1 / 0")));
        steps.push((
            0,
            Step::until(
                &format!("round {number}"),
                &[
                    parse(&name, "begin", &[]),
                    bind("b", "b", &[Some("0"), Some("3")]),
                    flush(),
                ],
                Until::Tag(b'E'),
            ),
        ));
        steps.push((0, Step::new("sync", &[sync()])));
    }
    Scene {
        name: "Flush without Sync",
        steps,
    }
}

fn fetching() -> Scene {
    let declare = |sql: &str| Step::query(&format!("begin; declare c cursor for {sql}"));
    let fetch = || parse("", "fetch 1 from c", &[]);
    Scene {
        name: "FETCH that is prepared",
        steps: vec![
            (0, parsing("f", "fetch 2 from c")),
            (
                0,
                Step::new("unnamed", &[fetch(), describe_statement(""), sync()]),
            ),
            (1, running("", "1")),
            (0, declare("select g from generate_series(1, 7) g")),
            (
                0,
                Step::new("unnamed", &[bind("", "", &[]), execute("", 0), sync()]),
            ),
            (0, running_bare("f")),
            (0, Step::query("commit")),
            (1, running("", "1")),
            (
                0,
                declare("select 'text' as t, g from generate_series(1, 7) g"),
            ),
            (0, running_bare("f")),
            (0, Step::query("rollback")),
            (1, declare("select 1")),
            (1, parsing("g", "fetch 2 from c")),
            (1, Step::query("rollback")),
            (0, running_bare("f")),
            (1, declare("select 'another', true")),
            (1, running_bare("g")),
            (1, Step::query("rollback")),
        ],
    }
}

fn view() -> Scene {
    let view = "select name, statement, parameter_types, from_sql from pg_prepared_statements order by name";
    Scene {
        name: "pg_prepared_statements",
        steps: vec![
            (0, parsing("mine", "select $1::int")),
            (1, parsing("theirs", "select $1::text")),
            (0, running("mine", "1")),
            (1, running("theirs", "1")),
            (0, Step::query(view)),
            (0, parsing("later", "select 2")),
            (0, Step::query(view)),
            (0, running("mine", "1")),
            (0, Step::query("deallocate mine")),
            (0, Step::query(view)),
            (0, running("mine", "1")),
            (1, running("theirs", "1")),
        ],
    }
}
