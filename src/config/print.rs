//! The effective configuration, each value with where it came from.

use std::fmt::Write as _;

use crate::config::Settings;
use crate::config::sections::{Section, sections};
use crate::config::tree::{Node, Origin, join};

/// Renders settings as TOML; secrets are `***` by their own type.
pub(super) fn render(settings: &Settings, written: &Node) -> String {
    let values = toml::Table::try_from(settings).expect("settings are tables of plain values");
    let mut page = Page {
        written,
        text: String::new(),
    };
    for section in sections() {
        page.section(&section, values.get(section.name));
    }
    page.text
}

struct Page<'a> {
    written: &'a Node,
    text: String,
}

impl Page<'_> {
    fn section(&mut self, section: &Section, value: Option<&toml::Value>) {
        let name = section.name;
        match value {
            Some(toml::Value::Array(items)) if section.repeats => {
                for (position, item) in items.iter().enumerate() {
                    self.heading(&format!("[[{name}]]"));
                    self.keys(&[name, &position.to_string()], section.keys, item);
                }
            }
            Some(table) => {
                self.heading(&format!("[{name}]"));
                self.keys(&[name], section.keys, table);
            }
            None => {}
        }
    }

    fn heading(&mut self, heading: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(heading);
        self.text.push('\n');
    }

    /// The plain values first: in TOML, what follows a table's heading belongs to that table.
    fn keys(&mut self, path: &[&str], keys: &[&str], table: &toml::Value) {
        let mut tables = Vec::new();
        for &key in keys {
            match table.get(key) {
                Some(toml::Value::Table(inner)) => tables.push((key, inner)),
                Some(value) => self.line(&[path, &[key]].concat(), &format!("{key} = {value}")),
                None => self.line(&[path, &[key]].concat(), &format!("# {key} is not set")),
            }
        }
        for (key, inner) in tables {
            for (name, value) in inner {
                let path = [path, &[key, name]].concat();
                let heading = path
                    .iter()
                    .fold(String::new(), |path, key| join(&path, key));
                self.heading(&format!("[{heading}]"));
                let Some(inner) = value.as_table() else {
                    continue;
                };
                let keys: Vec<&str> = inner.keys().map(String::as_str).collect();
                self.keys(&path, &keys, value);
            }
        }
    }

    fn line(&mut self, path: &[&str], line: &str) {
        match self.written.at(path) {
            Some(node) => writeln!(self.text, "{line:<50} # {}", node.origin),
            None if line.starts_with('#') => writeln!(self.text, "{line}"),
            None => writeln!(self.text, "{line:<50} # {}", Origin::Default),
        }
        .expect("a String takes every write");
    }
}
