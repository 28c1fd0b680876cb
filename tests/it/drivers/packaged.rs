//! The drivers that come from a system's packages or are compiled: run by `make test-drivers`, which installs them.
//!
//! `make test` leaves this module out (`.config/nextest.toml`). One that could not be installed is named by
//! `scripts/driver-env.sh`, and its test says so and checks nothing.

use std::process::Command;

use super::scripts::{check, environment, python, target};
use super::{drivers_dir, matrix};

#[test]
fn jdbc() {
    if installed("jdbc") {
        check("11-jdbc", || {
            let mut command = Command::new("java");
            command
                .arg("-Dfile.encoding=UTF-8")
                .args(["-cp", "/usr/share/java/postgresql.jar"])
                .arg(drivers_dir().join("JdbcClient.java"));
            command
        });
    }
}

#[test]
fn asks_of_jdbc() {
    if installed("jdbc") {
        matrix::jdbc();
    }
}

#[test]
fn odbc() {
    if installed("odbc") {
        check("12-odbc", || python("odbc_client.py", &[]));
    }
}

#[test]
fn go_pgx() {
    if installed("go") {
        check("13-go-pgx", || built("pgx_client"));
    }
}

#[test]
fn go_lib_pq() {
    if installed("go") {
        check("14-go-lib-pq", || built("pq_client"));
    }
}

#[test]
fn ruby() {
    if installed("ruby") {
        check("15-ruby", || interpreted("ruby", "ruby_client.rb"));
    }
}

#[test]
fn php() {
    if installed("php") {
        check("16-php", || interpreted("php", "php_client.php"));
    }
}

#[test]
fn perl() {
    if installed("perl") {
        check("17-perl", || interpreted("perl", "perl_client.pl"));
    }
}

#[test]
fn sqlx() {
    if installed("sqlx") {
        check("19-sqlx", || built("sqlx_client"));
    }
}

fn interpreted(interpreter: &str, script: &str) -> Command {
    let mut command = Command::new(interpreter);
    command.arg(drivers_dir().join(script));
    command
}

/// A program that `scripts/driver-env.sh` has compiled.
fn built(name: &str) -> Command {
    Command::new(environment().join("bin").join(name))
}

/// Whether a driver is there; the reason is printed where it is not.
fn installed(driver: &str) -> bool {
    let dir = target().join("drivers");
    match std::fs::read_to_string(dir.join(format!("{driver}.missing"))) {
        Ok(reason) => {
            eprintln!("{driver} could not be installed: {reason}");
            false
        }
        Err(_) => {
            let made = dir.join(format!("{driver}.installed")).exists();
            assert!(
                made,
                "run `make test-drivers`: {driver} was never installed"
            );
            true
        }
    }
}
