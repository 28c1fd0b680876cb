//! The table of `tests/drivers/asks.toml`, and its cells.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Step, Task};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    question: BTreeMap<String, String>,
    pub(super) spelling: Vec<Spelling>,
    pub(super) position: Vec<Position>,
    pub(super) driver: Vec<Driver>,
    exception: Vec<Exception>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spelling {
    pub(super) name: String,
    pub(super) shown: String,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Position {
    pub(super) name: String,
    pub(super) shown: String,
    #[serde(default = "groups")]
    question: String,
    statements: Vec<String>,
    #[serde(default)]
    values: Vec<String>,
    #[serde(default)]
    copies: bool,
    #[serde(default)]
    pub(super) gold: Vec<String>,
    pub(super) part: Option<usize>,
    pub(super) mentions: Option<String>,
    /// What is left of it in every spelling, protocol and driver that can send it.
    refused: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Driver {
    pub(super) name: String,
    pub(super) shown: String,
    placeholder: String,
}

/// Cells that do not give the gold rows, and why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Exception {
    #[serde(default)]
    pub(super) spellings: Vec<String>,
    #[serde(default)]
    pub(super) positions: Vec<String>,
    #[serde(default)]
    protocols: Vec<Protocol>,
    #[serde(default)]
    pub(super) drivers: Vec<String>,
    outcome: String,
    pub(super) because: String,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Protocol {
    Simple,
    Extended,
}

pub(super) const PROTOCOLS: [Protocol; 2] = [Protocol::Simple, Protocol::Extended];

pub(super) struct Cell<'t> {
    pub(super) id: usize,
    pub(super) spelling: &'t Spelling,
    pub(super) position: &'t Position,
    pub(super) protocol: Protocol,
    pub(super) outcome: &'t str,
    /// Which of the exceptions it is.
    pub(super) exception: Option<usize>,
    driver: &'t Driver,
    question: &'t str,
}

fn groups() -> String {
    "groups".to_owned()
}

impl Table {
    pub(super) fn read() -> Self {
        let table: Self = toml::from_str(include_str!("../../../drivers/asks.toml"))
            .unwrap_or_else(|error| panic!("asks.toml: {error}"));
        table.check();
        table
    }

    /// Whether every name that an exception mentions is one.
    fn check(&self) {
        for exception in &self.exception {
            let known = |names: &[String], all: Vec<&String>| {
                for name in names {
                    assert!(
                        all.contains(&name),
                        "asks.toml: {name} is nothing that there is"
                    );
                }
            };
            known(
                &exception.spellings,
                self.spelling.iter().map(|s| &s.name).collect(),
            );
            known(
                &exception.positions,
                self.position.iter().map(|p| &p.name).collect(),
            );
            known(
                &exception.drivers,
                self.driver.iter().map(|d| &d.name).collect(),
            );
        }
    }

    /// The reasons of exceptions that no cell falls under, be it that an earlier one holds.
    pub(super) fn unused_exceptions(&self) -> Vec<&str> {
        let drivers = self.driver.iter().map(|driver| self.cells(&driver.name));
        let used: Vec<usize> = drivers
            .flatten()
            .filter_map(|cell| cell.exception)
            .collect();
        let all = self.exception.iter().enumerate();
        all.filter(|(i, _)| !used.contains(i))
            .map(|(_, e)| e.because.as_str())
            .collect()
    }

    pub(super) fn exceptions(&self) -> &[Exception] {
        &self.exception
    }

    /// All cells of a driver; whatever the driver, a cell has the same number.
    pub(super) fn cells(&self, driver: &str) -> Vec<Cell<'_>> {
        let driver = self
            .driver
            .iter()
            .find(|d| d.name == driver)
            .expect("a driver of the table");
        let mut cells = Vec::new();
        for protocol in PROTOCOLS {
            for position in &self.position {
                for spelling in &self.spelling {
                    let exception = self
                        .exception
                        .iter()
                        .position(|e| e.fits(spelling, position, protocol, driver));
                    let outcome = match exception {
                        Some(i) => self.exception[i].outcome.as_str(),
                        None => position.refused.as_deref().unwrap_or("rows"),
                    };
                    let question = &self.question[&position.question];
                    let id = cells.len();
                    cells.push(Cell {
                        id,
                        spelling,
                        position,
                        protocol,
                        outcome,
                        exception,
                        driver,
                        question,
                    });
                }
            }
        }
        cells
    }
}

impl Exception {
    fn fits(
        &self,
        spelling: &Spelling,
        position: &Position,
        protocol: Protocol,
        driver: &Driver,
    ) -> bool {
        let among = |names: &[String], name: &String| names.is_empty() || names.contains(name);
        among(&self.spellings, &spelling.name)
            && among(&self.positions, &position.name)
            && (self.protocols.is_empty() || self.protocols.contains(&protocol))
            && among(&self.drivers, &driver.name)
    }
}

impl Cell<'_> {
    pub(super) fn name(&self) -> String {
        let (driver, position, spelling) =
            (&self.driver.name, &self.position.name, &self.spelling.name);
        format!("{driver}, {:?}: {position}, {spelling}", self.protocol)
    }

    pub(super) fn task(&self) -> Task {
        let ask = self.ask();
        let steps = self.position.statements.iter().map(|statement| {
            let asks = statement.contains("{ask}");
            Step {
                sql: statement
                    .replace("{ask}", &ask)
                    .replace("{n}", &self.id.to_string()),
                values: if asks {
                    self.position.values.clone()
                } else {
                    Vec::new()
                },
                copies: self.position.copies,
                asks,
            }
        });
        Task {
            id: self.id,
            protocol: self.protocol,
            steps: steps.collect(),
        }
    }

    pub(super) fn statements(&self) -> Vec<String> {
        self.task().steps.into_iter().map(|step| step.sql).collect()
    }

    /// The question as it is spelled. In the function form a bound value is an argument, elsewhere a part of the text.
    fn ask(&self) -> String {
        let binds = !self.position.values.is_empty();
        let function = self.spelling.text.contains("{arguments}");
        let placeholder = self.driver.placeholder.as_str();
        let question = self
            .question
            .replace("{1}", if function { "$1" } else { placeholder });
        let arguments = if binds {
            format!(", {placeholder}")
        } else {
            String::new()
        };
        let (first, rest) = question.split_once(' ').unwrap();
        let text = self
            .spelling
            .text
            .replace("{first}", first)
            .replace("{rest}", rest);
        text.replace("{question}", &question)
            .replace("{arguments}", &arguments)
    }
}
