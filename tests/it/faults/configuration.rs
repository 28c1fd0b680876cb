//! A mistake in the configuration is one line, exit code 2, and no port is bound.

use std::fs;
use std::net::TcpListener;

use crate::support::proxy::command;

/// What is written, and what the one line must name besides the file.
const MISTAKES: [(&str, &[&str]); 16] = [
    ("[pool]\ndefault_pool_sise = 5\n", &["default_pool_sise"]),
    (
        "[pool]\nmode = \"sometimes\"\n",
        &["mode", "sometimes", "auto", "transaction", "session"],
    ),
    (
        "[pool]\ndefault_pool_size = 0\n",
        &["default_pool_size", "0"],
    ),
    (
        "[pool]\ndefault_pool_size = \"many\"\n",
        &["default_pool_size", "many"],
    ),
    (
        "[pool]\ndefault_pool_size = -1\n",
        &["default_pool_size", "-1"],
    ),
    (
        "[pool]\nquery_wait_timeout = \"soon\"\n",
        &["query_wait_timeout", "soon"],
    ),
    (
        "[pool]\nquery_wait_timeout = 30\n",
        &["query_wait_timeout", "30"],
    ),
    (
        "[auth]\nmethod = \"password\"\n",
        &["method", "password", "auth_query", "trust"],
    ),
    ("[listen]\nmax_clients = 0\n", &["max_clients", "0"]),
    (
        "[listen]\naddress = \"nonsense\"\n",
        &["address", "nonsense"],
    ),
    ("[nonsense]\nx = 1\n", &["nonsense"]),
    ("[log]\nformat = \"xml\"\n", &["format", "xml", "json"]),
    ("pool = 3\n", &["pool"]),
    ("[pool\n", &["not TOML", "1"]),
    (
        "[[provider]]\nname = \"m\"\nkind = \"psychic\"\n",
        &["kind", "psychic", "builtin", "openai"],
    ),
    ("[ask]\nmax_rows = \"all\"\n", &["max_rows", "all"]),
];

/// What every configuration needs.
const UPSTREAM: &str = "[[upstream]]\nname = \"main\"\nurl = \"postgres://u@127.0.0.1:1/d\"\n";

/// Runs `pgask serve` on this file and this environment; what it wrote to standard error.
fn refused(config: &str, environment: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("proxy.toml");
    fs::write(&file, config).unwrap();
    let output = command()
        .args(["serve", "--config"])
        .arg(&file)
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{config}: {told}");
    assert_eq!(told.trim_end().lines().count(), 1, "{config}: {told}");
    assert_eq!(output.stdout, b"");
    told
}

#[test]
fn a_mistake_is_one_line_that_names_file_key_value_and_what_is_allowed() {
    // The port is taken, so that a proxy that binds first fails otherwise.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (mistake, named) in MISTAKES {
        let mut config = mistake.to_owned();
        if !mistake.contains("[[") {
            config.push_str(UPSTREAM);
        }
        let environment = [("PGASK_LISTEN__ADDRESS", address.as_str())];
        let is_about_the_address = named.contains(&"address");
        let told = refused(&config, &environment[usize::from(is_about_the_address)..]);
        assert!(told.contains("proxy.toml"), "{mistake}: {told}");
        for word in named {
            assert!(told.contains(word), "{mistake}: {word} is not in: {told}");
        }
    }
}

#[test]
fn a_mistake_in_the_environment_names_the_variable() {
    let told = refused("", &[("PGASK_POOL__MODE", "sometimes")]);
    for word in ["PGASK_POOL__MODE", "sometimes", "transaction"] {
        assert!(told.contains(word), "{told}");
    }
}

#[test]
fn a_secret_is_not_shown_in_the_mistake_about_it() {
    let told = refused(
        "[[upstream]]\nname = \"main\"\nurl = \"postgres://u:hunter2@127.0.0.1:notaport/d\"\n",
        &[],
    );
    assert!(told.contains("url") && !told.contains("hunter2"), "{told}");
}

#[test]
fn a_missing_file_is_named() {
    let output = command()
        .args(["serve", "--config", "no/such/proxy.toml"])
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert_eq!(told.trim_end().lines().count(), 1, "{told}");
    assert!(told.contains("no/such/proxy.toml"), "{told}");
}

#[test]
fn an_unknown_flag_exits_2() {
    let output = command()
        .args(["serve", "--no-such-flag"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}
