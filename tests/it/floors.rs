//! The house stands: a room imports only from rooms on floors below its own, and what must never happen does not.

use std::fs;
use std::path::{Path, PathBuf};

/// The floors from the roof down, as `ARCHITECTURE.md` prints them.
const FLOORS: [&[&str]; 12] = [
    &["main"],
    &["app"],
    &["config"],
    &["listener"],
    &["session", "eval"],
    &["admin", "exec"],
    &["ask"],
    &["http", "synth", "guard", "state"],
    &["pool", "access"],
    &["wire", "schema"],
    &["resilience", "observe"],
    &["error", "names"],
];

#[test]
fn every_room_imports_only_from_the_floors_below() {
    let mut upward = Vec::new();
    for file in sources(Path::new("src")) {
        let room = room_of(&file);
        if room == "lib" {
            continue;
        }
        for imported in imports(&fs::read_to_string(&file).unwrap()) {
            if imported != room && floor(&imported) >= floor(&room) {
                upward.push(format!("{} imports {imported}", file.display()));
            }
        }
    }
    assert!(
        upward.is_empty(),
        "imports that do not run downward:\n{}",
        upward.join("\n")
    );
}

#[test]
fn the_document_prints_the_floors_that_are_checked() {
    let document = fs::read_to_string("ARCHITECTURE.md").unwrap();
    for (index, rooms) in FLOORS.iter().enumerate() {
        let line = format!("{:>4}  {}\n", FLOORS.len() - index, rooms.join(" | "));
        assert!(
            document.contains(&line),
            "ARCHITECTURE.md has no line {line:?}"
        );
    }
}

#[test]
fn the_imports_of_a_file_are_found_however_they_are_written() {
    let text = "use crate::pool::lease::Lease;\nuse crate::{ask, wire::frame};\nuse crate::{\n    schema,\n    \
                http::{self, serve},\n};\nfn f() -> crate::error::Refusal {}\n#[cfg(test)]\nuse crate::config;\n";
    let mut found = imports(text);
    found.sort();
    assert_eq!(found, ["ask", "error", "http", "pool", "schema", "wire"]);
}

/// The Rust files below a directory that are part of the program, tests left out.
fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") && !is_test(&name) {
            found.push(path);
        }
    }
    found
}

fn is_test(name: &str) -> bool {
    ["tests", "fixture", "corpus"].contains(&name) || name.ends_with("_test")
}

fn room_of(file: &Path) -> String {
    let first = file.iter().nth(1).unwrap().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The rooms that a file names as `crate::room`, up to its tests.
fn imports(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap();
    let code: String = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    let mut found: Vec<String> = code
        .split("crate::")
        .skip(1)
        .flat_map(|rest| match rest.strip_prefix('{') {
            Some(list) => outer_items(list),
            None => vec![identifier(rest)],
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

/// The first identifiers of `a, b::c, d::{e, f}}`.
fn outer_items(list: &str) -> Vec<String> {
    let mut depth = 0;
    let mut items = vec![String::new()];
    for c in list.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => items.push(String::new()),
            _ if depth == 0 => items.last_mut().unwrap().push(c),
            _ => {}
        }
    }
    let items = items.iter().map(|item| identifier(item.trim_start()));
    items.filter(|item| !item.is_empty()).collect()
}

fn identifier(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_ascii_lowercase() || *c == '_')
        .collect()
}

/// The floor of a room, 1 in the cellar; a room that no floor has is a mistake in the table above.
fn floor(room: &str) -> usize {
    let height = FLOORS.iter().position(|rooms| rooms.contains(&room));
    let height = height.unwrap_or_else(|| panic!("the room {room} is on no floor"));
    FLOORS.len() - height
}
