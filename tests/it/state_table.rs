//! `ARCHITECTURE.md` says what becomes of everything that can live in a session, and what keeps an ask from doing harm. Each
//! row names what shows it: here it is checked that there is such a thing.

use std::fs;
use std::path::Path;

#[test]
fn every_row_of_the_table_names_tests_that_exist() {
    check("## What lives in a session", 3, 30);
}

#[test]
fn every_harm_that_an_ask_cannot_do_names_tests_that_exist() {
    check("## What it can never do", 4, 15);
}

/// Looks at the table below a heading, whose last column names what shows the row.
fn check(heading: &str, column_count: usize, row_count_min: usize) {
    let document = fs::read_to_string("ARCHITECTURE.md").unwrap();
    let (_, section) = document.split_once(heading).expect("the section is there");
    let section = section.split("\n## ").next().unwrap();
    let rows: Vec<&str> = section
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(1)
        .collect();
    assert!(rows.len() >= row_count_min, "{} rows", rows.len());
    let mut wrong = Vec::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        let [harm_or_state, .., shown_by] = cells.as_slice() else {
            continue;
        };
        if cells.len() != column_count {
            wrong.push(format!("not {column_count} cells: {row}"));
        }
        let names: Vec<&str> = shown_by.split('`').skip(1).step_by(2).collect();
        if harm_or_state.trim().is_empty() || names.is_empty() {
            wrong.push(format!("nothing shows it: {row}"));
        }
        let missing = names.iter().filter(|name| !exists(name));
        wrong.extend(missing.map(|name| format!("{name} is no test: {row}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_name_that_means_nothing_is_found_out() {
    for name in [
        "state_table::every_row_of_the_table_names_tests_that_exist",
        "schema::keepers::tests::who_mentions_a_keeper_is_one",
        "isolation/sessions/settings",
        "sessions.sql#LISTEN and NOTIFY",
    ] {
        assert!(exists(name), "{name}");
    }
    for name in [
        "state_table::exists",
        "state_table::no_such_test",
        "no_such_file::a_test",
        "isolation/sessions/no_such_script",
        "isolation/no_such_folder/settings",
        "sessions.sql#no such title",
        "no_such.sql#LISTEN and NOTIFY",
        "",
    ] {
        assert!(!exists(name), "{name}");
    }
}

/// Whether there is a test, a script or a scenario of this name.
fn exists(name: &str) -> bool {
    if let Some(script) = name.strip_prefix("isolation/") {
        return Path::new("tests/it/isolation/scripts")
            .join(format!("{script}.txt"))
            .is_file();
    }
    if let Some((file, title)) = name.split_once('#') {
        let file = Path::new("tests/it/fixtures/differential").join(file);
        return fs::read_to_string(file).is_ok_and(|text| {
            text.lines()
                .filter_map(|line| line.strip_prefix("--@ "))
                // Startup parameters may stand behind a title.
                .any(|line| line == title || line.starts_with(&format!("{title} ")))
        });
    }
    let Some((module, test)) = name.rsplit_once("::") else {
        return false;
    };
    let path = module.replace("::", "/");
    let inside = path.strip_suffix("/tests").unwrap_or(&path);
    [
        format!("tests/it/{path}.rs"),
        format!("tests/it/{path}/mod.rs"),
        format!("src/{inside}.rs"),
        format!("src/{inside}/tests.rs"),
    ]
    .iter()
    .any(|file| fs::read_to_string(file).is_ok_and(|text| has_test(&text, test)))
}

/// Whether a file has a test of this name.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.windows(2).any(|pair| {
        let is_marked = pair[0] == "#[test]" || pair[0].starts_with("#[tokio::test");
        let function = pair[1].trim_start_matches("async ").strip_prefix("fn ");
        is_marked && function.is_some_and(|rest| rest.starts_with(&format!("{name}(")))
    })
}
