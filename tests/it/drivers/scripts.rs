//! Runs a driver's script direct and through the proxy, and compares what it saw.
//!
//! The proxy has fewer server connections than a script has sessions, so that they are shared. What each driver did is
//! also written to `target/drivers/outcome`, of which `make test-drivers` makes the table in `docs/clients.md`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::postgres::{Fixture, Postgres};
use crate::support::proxy::Proxy;

use super::{Shop, drivers_dir, run, text};

/// Three server connections, and no long wait for one when they are not shared.
const PROXY: &str = "[pool]\ndefault_pool_size = 3\nquery_wait_timeout = \"15s\"\n";

/// What a script printed: the driver with its version, and what was seen of each feature.
pub(super) struct Outcome {
    pub(super) driver: String,
    pub(super) features: Vec<(String, String)>,
}

/// Runs a script's plain features direct and through the proxy, then its asks.
pub(super) fn check(name: &str, command: impl Fn() -> Command) {
    compare(name, |shop, port, part| {
        let mut command = command();
        let output = run(shop.point(&mut command, port).arg(part), b"");
        outcome(&output)
    });
}

/// The same for anything that can tell what it saw at a port: `session(shop, port, part)`.
pub(super) fn compare(name: &str, mut session: impl FnMut(&Shop, u16, &str) -> Outcome) {
    let postgres = Postgres::start_with(Fixture::Shop);
    let proxy = Proxy::start(&postgres, PROXY);
    let shop = Shop { proxy, postgres };
    let direct = session(&shop, shop.postgres.port(), "plain");
    let proxied = session(&shop, shop.proxy.port(), "plain");
    let asks = session(&shop, shop.proxy.port(), "asks");

    let mut results = Vec::new();
    let mut wrong = Vec::new();
    let by_name: BTreeMap<_, _> = proxied.features.iter().cloned().collect();
    for (feature, expected) in &direct.features {
        let found = by_name.get(feature).map_or("nothing", String::as_str);
        let same = expected == found && !failed(expected);
        if !same {
            wrong.push(format!(
                "{feature}\n  direct:  {expected}\n  proxied: {found}"
            ));
        }
        results.push((feature, same));
    }
    for (feature, found) in &asks.features {
        if failed(found) {
            wrong.push(format!("{feature}\n  {found}"));
        }
        results.push((feature, !failed(found)));
    }
    write(name, &direct.driver, &results);
    assert!(wrong.is_empty(), "{}:\n{}", direct.driver, wrong.join("\n"));
    assert!(
        direct.features.len() >= 5 && asks.features.len() >= 2,
        "{name}: hardly a feature was tried"
    );
}

/// The Python of the driver environments with a script, and arguments before the part's name.
pub(super) fn python(script: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(environment().join("python/bin/python"));
    command.arg(drivers_dir().join(script)).args(arguments);
    command
}

/// Node with a script.
pub(super) fn node(script: &str) -> Command {
    let mut command = Command::new("node");
    command
        .arg(drivers_dir().join(script))
        .env("DRIVERS", environment());
    command
}

/// The folder of the driver environments, which the first test to come here makes.
pub(super) fn environment() -> PathBuf {
    let target = target();
    let lock = File::create(target.join("drivers.lock")).unwrap();
    lock.lock().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/driver-env.sh");
    let output = Command::new("sh")
        .arg(script)
        .env("CARGO_TARGET_DIR", &target)
        .env("PGASK_DRIVERS", "required")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "the drivers cannot be installed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    target.join("drivers")
}

/// The folder of everything that is built.
pub(super) fn target() -> PathBuf {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    tmp.parent().unwrap().to_owned()
}

fn failed(seen: &str) -> bool {
    seen.starts_with("FAILED")
}

/// Reads what a script printed, or panics with what it said of its failure.
fn outcome(output: &Output) -> Outcome {
    let printed = text(output);
    let mut lines = printed.lines().filter_map(|line| line.split_once('\t'));
    let told = String::from_utf8_lossy(&output.stderr);
    // Shown by the test runner for a test that failed, and by no other.
    eprint!("{told}");
    let Some(("driver", driver)) = lines.next() else {
        panic!("no driver: {printed}{told}");
    };
    let features: Vec<_> = lines
        .map(|(name, seen)| (name.to_owned(), seen.to_owned()))
        .collect();
    assert!(
        output.status.success() || features.iter().any(|(_, seen)| failed(seen)),
        "{driver} ended early: {printed}{told}"
    );
    Outcome {
        driver: driver.to_owned(),
        features,
    }
}

fn write(name: &str, driver: &str, results: &[(&String, bool)]) {
    let dir = target().join("drivers/outcome");
    fs::create_dir_all(&dir).unwrap();
    let mut lines = format!("driver\t{driver}\n");
    for (feature, same) in results {
        lines.push_str(feature);
        lines.push_str(if *same { "\tyes\n" } else { "\tno\n" });
    }
    fs::write(dir.join(name), lines).unwrap();
}
