//! Runners in the drivers' own languages: cells go in as lines of JSON, and a line comes back for each.

use std::process::Command;

use super::{Seen, Shop, Task, scripts};
use crate::drivers::{drivers_dir, run, text};

pub(super) fn python(script: &'static str) -> impl Fn(&Shop, &[Task]) -> Vec<Seen> {
    move |shop, tasks| play(shop, scripts::python(script, &[]), tasks)
}

pub(super) fn node(script: &'static str) -> impl Fn(&Shop, &[Task]) -> Vec<Seen> {
    move |shop, tasks| play(shop, scripts::node(script), tasks)
}

pub(super) fn java(source: &'static str) -> impl Fn(&Shop, &[Task]) -> Vec<Seen> {
    move |shop, tasks| {
        let mut command = Command::new("java");
        command
            .arg("-Dfile.encoding=UTF-8")
            .args(["-cp", "/usr/share/java/postgresql.jar"]);
        command.arg(drivers_dir().join(source));
        play(shop, command, tasks)
    }
}

fn play(shop: &Shop, mut command: Command, tasks: &[Task]) -> Vec<Seen> {
    let lines: Vec<String> = tasks
        .iter()
        .map(|task| serde_json::to_string(task).unwrap())
        .collect();
    let output = run(
        shop.point(&mut command, shop.proxy.port()),
        lines.join("\n").as_bytes(),
    );
    let told = String::from_utf8_lossy(&output.stderr);
    let answers = text(&output);
    assert!(
        output.status.success(),
        "{command:?} ended early: {told}\n{answers}"
    );
    answers
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
