//! The sample at the top level says what the code does: every key, and every default.

use std::path::Path;

use crate::access;
use crate::config::sections::{Section, keys, sections};
use crate::config::{Settings, check, file, read};
use crate::pool::endpoint::Endpoint;
use crate::pool::settings::UpstreamSettings;

const SAMPLE: &str = include_str!("../../proxy.toml");

fn settings_of(text: &str) -> Settings {
    let written = file::parse(Path::new("proxy.toml"), text).unwrap();
    let settings = read::read(&written, &environment()).unwrap();
    check::check(&settings, &written).unwrap();
    settings
}

fn environment() -> std::collections::BTreeMap<String, String> {
    // The keys that are off by default show how a secret is read from elsewhere.
    SAMPLE
        .split('"')
        .filter_map(|text| text.strip_prefix("env:"))
        .map(|name| (name.to_owned(), "secret".to_owned()))
        .collect()
}

/// The sample with every key on: `#key = ` loses its mark, `# prose` keeps it.
fn everything_on() -> String {
    let lines = SAMPLE.lines().map(|line| match line.strip_prefix('#') {
        Some(key) if key.starts_with(|first: char| first.is_ascii_lowercase() || first == '[') => {
            key
        }
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_value_of_the_sample_is_the_default() {
    let mut expected = Settings::default();
    let url = "postgres://postgres@127.0.0.1:5432/postgres";
    expected.upstream = vec![UpstreamSettings::new(Endpoint::parse(url).unwrap())];
    assert_eq!(settings_of(SAMPLE), expected);
}

#[test]
fn every_key_of_the_sample_exists() {
    let settings = settings_of(&everything_on());
    assert!(settings.http.address.is_some(), "the keys were switched on");
}

#[test]
fn every_key_that_exists_is_in_the_sample() {
    let on = everything_on();
    let written = file::parse(Path::new("proxy.toml"), &on).unwrap();
    for Section {
        name,
        repeats,
        keys,
    } in sections()
    {
        assert!(!keys.is_empty(), "{name} has keys");
        for key in keys {
            let path = if repeats {
                vec![name, "0", key]
            } else {
                vec![name, key]
            };
            assert!(
                written.at(&path).is_some(),
                "{name}.{key} is not in the sample"
            );
        }
    }
    for key in keys::<access::settings::DatabaseSettings>() {
        assert!(
            written.at(&["auth", "databases", "sandbox", key]).is_some(),
            "{key}"
        );
    }
}

#[test]
fn every_section_that_exists_is_listed() {
    let listed: Vec<_> = sections().iter().map(|section| section.name).collect();
    assert_eq!(listed, keys::<Settings>());
}

#[test]
fn what_is_printed_reads_back_as_the_same() {
    let text = everything_on();
    let loaded = crate::config::Loaded {
        settings: settings_of(&text),
        file: None,
        written: file::parse(Path::new("proxy.toml"), &text).unwrap(),
    };
    let printed = loaded.render();
    assert!(!printed.contains("\"secret\""), "{printed}");
    let again = settings_of(&printed);
    assert_eq!(again.listen, loaded.settings.listen);
    assert_eq!(again.pool, loaded.settings.pool);
    assert_eq!(again.auth, loaded.settings.auth);
    assert_eq!(again.http, loaded.settings.http);
    assert!(printed.contains("# proxy.toml:"), "{printed}");
}
