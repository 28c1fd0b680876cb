//! The table in a reader's form: `docs/asks-matrix.md`, and what a run prints.

use std::fmt::Write as _;
use std::fs;

use super::table::{Cell, Exception, PROTOCOLS, Table};

const DOCUMENT: &str = "docs/asks-matrix.md";

/// Stand around what is written from the table.
const BEGIN: &str = "<!-- from tests/drivers/asks.toml: begin -->\n";
const END: &str = "<!-- from tests/drivers/asks.toml: end -->\n";

/// Fails when the document is not the table's; with `PGASK_UPDATE_DOCS` set, writes it.
pub(super) fn check(table: &Table) {
    let document = fs::read_to_string(DOCUMENT).unwrap();
    let (before, rest) = document
        .split_once(BEGIN)
        .expect("the mark of the beginning");
    let (_, after) = rest.split_once(END).expect("the mark of the end");
    let fresh = format!("{before}{BEGIN}\n{}\n{END}{after}", whole(table));
    if std::env::var_os("PGASK_UPDATE_DOCS").is_some() {
        fs::write(DOCUMENT, fresh).unwrap();
        return;
    }
    assert!(
        document == fresh,
        "{DOCUMENT} is not what tests/drivers/asks.toml says; PGASK_UPDATE_DOCS=1 writes it anew"
    );
}

/// A table per protocol, over all drivers, and the remarks.
fn whole(table: &Table) -> String {
    let drivers: Vec<Vec<Cell<'_>>> = table
        .driver
        .iter()
        .map(|driver| table.cells(&driver.name))
        .collect();
    let names: Vec<&str> = table
        .driver
        .iter()
        .map(|driver| driver.shown.as_str())
        .collect();
    let mut page = format!("The drivers: {}.\n\n", names.join(", "));
    for protocol in PROTOCOLS {
        let of_protocol: Vec<Vec<&Cell<'_>>> = drivers
            .iter()
            .map(|cells| {
                cells
                    .iter()
                    .filter(|cell| cell.protocol == protocol)
                    .collect()
            })
            .collect();
        let _ = writeln!(
            page,
            "### The {} protocol\n",
            format!("{protocol:?}").to_lowercase()
        );
        let general = remarks(table, of_protocol.concat().as_slice(), Width::Protocol);
        if !general.is_empty() {
            let _ = writeln!(
                page,
                "Remark {} is about all of it.\n",
                general.replace(' ', ", ")
            );
        }
        page.push_str(&grid(table, |position, spelling| {
            let here: Vec<&Cell<'_>> = of_protocol
                .iter()
                .flatten()
                .filter(|cell| {
                    cell.position.name == position
                        && spelling.is_none_or(|s| cell.spelling.name == s)
                })
                .copied()
                .collect();
            match spelling {
                None => raised(&remarks(table, &here, Width::Row)),
                Some(_) => format!(
                    "{}{}",
                    sign(table, &here),
                    raised(&remarks(table, &here, Width::Cell))
                ),
            }
        }));
        page.push('\n');
    }
    page.push_str("### Remarks\n\n");
    for (i, exception) in table.exceptions().iter().enumerate() {
        let shown = |name: &String| {
            table
                .driver
                .iter()
                .find(|d| d.name == *name)
                .map(|d| d.shown.as_str())
        };
        let drivers: Vec<&str> = exception.drivers.iter().filter_map(shown).collect();
        let whose = if drivers.is_empty() {
            String::new()
        } else {
            format!("{}: ", drivers.join(", "))
        };
        let _ = writeln!(page, "{}. {whose}{}", i + 1, exception.because);
    }
    page
}

/// The grids of one driver, for whoever reads a run's output.
pub(super) fn of_driver(table: &Table, driver: &str) -> String {
    let cells = table.cells(driver);
    let mut page = format!("{driver}\n\n");
    for protocol in PROTOCOLS {
        let _ = writeln!(page, "{protocol:?}\n");
        page.push_str(&grid(table, |position, spelling| {
            let cell = cells.iter().find(|cell| {
                cell.protocol == protocol
                    && cell.position.name == position
                    && Some(cell.spelling.name.as_str()) == spelling
            });
            cell.map_or_else(String::new, |cell| cell.outcome.to_owned())
        }));
        page.push('\n');
    }
    page
}

/// How much of a protocol's table a remark is about, beyond which drivers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Width {
    Protocol,
    Row,
    Cell,
}

fn width(exception: &Exception) -> Width {
    match (
        exception.drivers.is_empty(),
        exception.positions.is_empty(),
        exception.spellings.is_empty(),
    ) {
        (true, ..) | (false, _, false) => Width::Cell,
        (false, true, true) => Width::Protocol,
        (false, false, true) => Width::Row,
    }
}

/// The numbers of the remarks of this width that these cells fall under.
fn remarks(table: &Table, cells: &[&Cell<'_>], of: Width) -> String {
    let mut numbers: Vec<usize> = cells.iter().filter_map(|cell| cell.exception).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers.retain(|i| width(&table.exceptions()[*i]) == of);
    let numbers: Vec<String> = numbers.iter().map(|i| (i + 1).to_string()).collect();
    numbers.join(" ")
}

fn raised(numbers: &str) -> String {
    if numbers.is_empty() {
        String::new()
    } else {
        format!(" <sup>{numbers}</sup>")
    }
}

/// What most drivers get: what no remark about single drivers says.
fn sign(table: &Table, cells: &[&Cell<'_>]) -> String {
    let of_all = cells.iter().find(|cell| {
        cell.exception
            .is_none_or(|i| table.exceptions()[i].drivers.is_empty())
    });
    match of_all.map(|cell| cell.outcome) {
        Some("rows") => "✓".to_owned(),
        Some(sqlstate) => sqlstate.to_owned(),
        // Every driver that sends it at all gets the same refusal.
        None => cells
            .iter()
            .map(|cell| cell.outcome)
            .find(|outcome| outcome.len() == 5)
            .unwrap_or_default()
            .to_owned(),
    }
}

/// A row per position, a column per spelling; `shown` tells what stands in a cell, or behind the name of a row.
fn grid(table: &Table, shown: impl Fn(&str, Option<&str>) -> String) -> String {
    let heads: Vec<&str> = table
        .spelling
        .iter()
        .map(|spelling| spelling.shown.as_str())
        .collect();
    let mut grid = format!(
        "| | {} |\n|---|{}\n",
        heads.join(" | "),
        "---|".repeat(heads.len())
    );
    for position in &table.position {
        let cells: Vec<String> = table
            .spelling
            .iter()
            .map(|spelling| shown(&position.name, Some(&spelling.name)))
            .collect();
        let _ = writeln!(
            grid,
            "| {}{} | {} |",
            position.shown,
            shown(&position.name, None),
            cells.join(" | ")
        );
    }
    grid
}
