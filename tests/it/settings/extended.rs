//! Settings by the extended protocol: alone, in batches, in pipelines, with errors in the middle.

use super::{Play, Step, compare};
use crate::support::frames::{bind, execute, parse, query, sync};

fn run(sql: &str) -> Step {
    Step::new(
        sql,
        &[
            parse("", sql, &[]),
            bind("", "", &[]),
            execute("", 0),
            sync(),
        ],
    )
}

/// Messages that run one statement, without a Sync.
fn part(sql: &str) -> Vec<u8> {
    [parse("", sql, &[]), bind("", "", &[]), execute("", 0)].concat()
}

fn show(name: &str) -> Step {
    Step::query(&format!("show {name}"))
}

#[test]
fn what_the_extended_protocol_sets_answers_as_direct() {
    compare(&[
        Play::new(
            "alone",
            vec![
                run("set work_mem = '3MB'"),
                show("work_mem"),
                run("set local work_mem = '5MB'"),
                run("show work_mem"),
                run("reset work_mem"),
                run("show work_mem"),
                run("set my.extended = 'x'"),
                run("select current_setting('my.extended')"),
                run("set search_path = a, \"B\""),
                run("show search_path"),
                run("set no_such_setting = 1"),
                run("select set_config('work_mem', '6MB', false)"),
                run("show work_mem"),
                Step::new(
                    "set_config with a parameter",
                    &[
                        parse("", "select set_config('my.extended', $1, false)", &[]),
                        bind("", "", &[Some("by parameter")]),
                        execute("", 0),
                        sync(),
                    ],
                ),
                show("my.extended"),
                Step::new(
                    "for the transaction",
                    &[
                        parse("", "select set_config('my.extended', $1, true)", &[]),
                        bind("", "", &[Some("fading")]),
                        execute("", 0),
                        sync(),
                    ],
                ),
                show("my.extended"),
                run("set role other"),
                run("select current_user"),
                run("discard all"),
                run("select current_user"),
                show("work_mem"),
            ],
        ),
        Play::new(
            "by name",
            vec![
                Step::new(
                    "prepare",
                    &[parse("s", "set work_mem = '3MB'", &[]), sync()],
                ),
                Step::new(
                    "prepare another",
                    &[parse("r", "reset work_mem", &[]), sync()],
                ),
                show("work_mem"),
                Step::new("run", &[bind("", "s", &[]), execute("", 0), sync()]),
                show("work_mem"),
                Step::new(
                    "run the other",
                    &[bind("", "r", &[]), execute("", 0), sync()],
                ),
                show("work_mem"),
                Step::new("bound only", &[bind("", "s", &[]), sync()]),
                show("work_mem"),
                Step::new(
                    "one portal for another",
                    &[
                        bind("", "s", &[]),
                        parse("n", "select 1", &[]),
                        bind("", "n", &[]),
                        execute("", 0),
                        sync(),
                    ],
                ),
                show("work_mem"),
                Step::new(
                    "two portals",
                    &[
                        bind("p", "s", &[]),
                        bind("q", "n", &[]),
                        execute("q", 0),
                        execute("p", 0),
                        sync(),
                    ],
                ),
                show("work_mem"),
                Step::query("begin"),
                Step::new("a portal", &[bind("p", "r", &[]), sync()]),
                Step::query("savepoint x"),
                Step::new("that is executed later", &[execute("p", 0), sync()]),
                Step::query("commit"),
                show("work_mem"),
            ],
        ),
        Play::new(
            "batches",
            vec![
                Step::new(
                    "two",
                    &[
                        part("set work_mem = '3MB'"),
                        part("set my.batch = 1"),
                        sync(),
                    ],
                ),
                show("work_mem"),
                show("my.batch"),
                Step::new(
                    "an error behind",
                    &[part("set work_mem = '4MB'"), part("select 1/0"), sync()],
                ),
                show("work_mem"),
                Step::new(
                    "an error before",
                    &[part("select 1/0"), part("set work_mem = '4MB'"), sync()],
                ),
                show("work_mem"),
                Step::new(
                    "a block",
                    &[
                        part("begin"),
                        part("set work_mem = '5MB'"),
                        part("commit"),
                        sync(),
                    ],
                ),
                show("work_mem"),
                Step::new(
                    "a block rolled back",
                    &[
                        part("begin"),
                        part("set work_mem = '6MB'"),
                        part("rollback"),
                        sync(),
                    ],
                ),
                show("work_mem"),
                Step::new(
                    "behind a block",
                    &[
                        part("begin"),
                        part("set work_mem = '6MB'"),
                        part("rollback"),
                        part("set work_mem = '7MB'"),
                        sync(),
                    ],
                ),
                show("work_mem"),
                Step::new(
                    "a block left open",
                    &[part("set work_mem = '8MB'"), part("begin"), sync()],
                ),
                Step::query("rollback"),
                show("work_mem"),
            ],
        ),
        Play::new(
            "pipelines",
            vec![
                Step::new(
                    "queries",
                    &[
                        query("set work_mem = '3MB'"),
                        query("select 1/0"),
                        query("set my.pipe = 1"),
                        query("show work_mem"),
                    ],
                )
                .ready(4),
                show("work_mem"),
                show("my.pipe"),
                Step::new(
                    "batches",
                    &[
                        part("set work_mem = '4MB'"),
                        sync(),
                        part("set work_mem = '5MB'"),
                        part("select 1/0"),
                        sync(),
                        part("set my.pipe = 2"),
                        sync(),
                    ],
                )
                .ready(3),
                show("work_mem"),
                show("my.pipe"),
                Step::new(
                    "a block",
                    &[
                        query("begin"),
                        query("set work_mem = '6MB'"),
                        query("rollback"),
                        query("set work_mem = '7MB'"),
                        query("begin; set work_mem = '8MB'; commit"),
                    ],
                )
                .ready(5),
                show("work_mem"),
                Step::new(
                    "a function behind a plain one",
                    &[
                        query("set work_mem = '5MB'"),
                        query("select set_config('work_mem', '6MB', false)"),
                    ],
                )
                .ready(2),
                show("work_mem"),
                Step::new(
                    "all kinds",
                    &[
                        query("select set_config('work_mem', '9MB', false)"),
                        part("reset work_mem"),
                        sync(),
                        query("discard all"),
                        query("set my.pipe = 3"),
                    ],
                )
                .ready(4),
                show("work_mem"),
                show("my.pipe"),
                Step::new(
                    "a query in a batch",
                    &[
                        part("set work_mem = '3MB'"),
                        query("set my.pipe = 4"),
                        sync(),
                    ],
                )
                .ready(2),
                show("work_mem"),
                show("my.pipe"),
            ],
        ),
    ]);
}
