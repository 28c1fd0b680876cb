//! psql, which speaks the simple protocol only: a session for each cell, its statements typed or given with `-c`.

use super::{Rows, Seen, Shop, Step, Task};
use crate::drivers::{psql_prompt, run, text};

/// Between the values of a row, because a plan has every other character in it.
const SEPARATOR: &str = "\u{1f}";

pub(super) fn at_its_prompt(shop: &Shop, tasks: &[Task]) -> Vec<Seen> {
    play(shop, tasks, |steps| {
        let typed: String = steps
            .iter()
            .map(|step| ended(&statement(step)) + "\n")
            .collect();
        (Vec::new(), typed)
    })
}

pub(super) fn on_its_command_line(shop: &Shop, tasks: &[Task]) -> Vec<Seen> {
    play(shop, tasks, |steps| {
        let given = steps
            .iter()
            .flat_map(|step| ["-c".to_owned(), statement(step)]);
        (given.collect(), String::new())
    })
}

fn play(shop: &Shop, tasks: &[Task], said: impl Fn(&[Step]) -> (Vec<String>, String)) -> Vec<Seen> {
    let mut seen = Vec::new();
    for task in tasks {
        let (arguments, typed) = said(&task.steps);
        let mut command = psql_prompt(shop, shop.proxy.port());
        command
            .args([
                "-F",
                SEPARATOR,
                "-v",
                "ON_ERROR_STOP=1",
                "-v",
                "VERBOSITY=sqlstate",
            ])
            .args(arguments);
        let output = run(&mut command, typed.as_bytes());
        let told = String::from_utf8(output.stderr.clone()).unwrap();
        let sqlstate = told
            .lines()
            .find_map(|line| line.split_once("ERROR:  "))
            .map(|(_, state)| state.to_owned());
        assert!(
            sqlstate.is_some() != output.status.success(),
            "{:?}: {told}",
            task.id
        );
        let rows = sqlstate.is_none().then(|| rows(&text(&output)));
        seen.push(Seen {
            id: task.id,
            rows,
            sqlstate,
            tag: None,
            fails: None,
        });
    }
    seen
}

fn statement(step: &Step) -> String {
    if step.copies {
        format!("copy ({}) to stdout", step.sql)
    } else {
        step.sql.clone()
    }
}

/// A statement reaches psql's server when psql has read a semicolon.
fn ended(sql: &str) -> String {
    if sql.trim_end().ends_with(';') {
        sql.to_owned()
    } else {
        format!("{sql};")
    }
}

/// COPY puts tabs between values.
fn rows(printed: &str) -> Rows {
    let values = |line: &str| {
        line.replace('\t', SEPARATOR)
            .split(SEPARATOR)
            .map(|value| Some(value.to_owned()))
            .collect()
    };
    printed.lines().map(values).collect()
}
