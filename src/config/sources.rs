//! Where settings are written, and how the places are laid over one another.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::config::file;
use crate::config::mistake::{Mistake, show};
use crate::config::tree::{Node, Origin, Value, join};

/// The file that is read when none is named, if it is there.
const DEFAULT_FILE: &str = "proxy.toml";

/// Every place that settings are read from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file; `None` for none.
    pub file: Option<PathBuf>,
    /// The environment. `PGASK_SECTION__KEY` sets a key; `env:NAME` reads any other.
    pub environment: BTreeMap<String, String>,
    /// What the command line says; it wins over everything.
    pub flags: Vec<Flag>,
}

/// A flag of the command line that sets a key.
#[derive(Clone, Debug)]
pub struct Flag {
    /// As it is typed: `--listen`.
    pub name: &'static str,
    /// The key it sets: `listen.address`.
    pub key: &'static str,
    /// What was given.
    pub value: String,
}

impl Sources {
    /// The sources of this process: the named file, or `proxy.toml` in the working directory if it is there, the
    /// environment, and the flags.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>, flags: Vec<Flag>) -> Self {
        let default = || Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.exists());
        Self {
            file: file.or_else(default),
            environment: std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
            flags,
        }
    }

    /// Lays the sources over one another, the later over the earlier.
    ///
    /// # Errors
    /// A file that cannot be read or is not TOML, or a variable that does not fit what it is laid over.
    pub(super) fn merge(&self) -> Result<Node, Mistake> {
        let mut root = match &self.file {
            Some(path) => file::read(path)?,
            None => Node::table(Origin::Default),
        };
        self.replace_upstreams(&mut root);
        for (keys, name, value) in self.variables() {
            let origin = Origin::Environment(name.to_owned());
            set(&mut root, &keys, Node::text(value, origin))?;
        }
        for flag in &self.flags {
            let keys: Vec<String> = flag.key.split('.').map(str::to_owned).collect();
            set(
                &mut root,
                &keys,
                Node::text(&flag.value, Origin::Flag(flag.name)),
            )?;
        }
        Ok(root)
    }

    /// A flag that names the upstream names the only one: what the file says of others would be a surprise. The
    /// environment is laid over it afterwards, so that a password can still come from there.
    fn replace_upstreams(&self, root: &mut Node) {
        let flag = self.flags.iter().find(|flag| flag.key == UPSTREAM_URL);
        if let (Some(flag), Value::Table(sections)) = (flag, &mut root.value) {
            let origin = Origin::Flag(flag.name);
            let value = Value::List(vec![Node::table(origin.clone())]);
            sections.insert("upstream".to_owned(), Node { value, origin });
        }
    }

    /// The variables that set a key, list positions in order. One without `__` is not ours: container runtimes set
    /// `PGASK_PORT` and the like for a service of that name.
    fn variables(&self) -> Vec<(Vec<String>, &str, &str)> {
        let mut variables: Vec<_> = self
            .environment
            .iter()
            .filter_map(|(name, value)| {
                let rest = name.strip_prefix("PGASK_")?;
                rest.contains("__").then(|| {
                    let keys = rest.split("__").map(str::to_ascii_lowercase).collect();
                    (keys, name.as_str(), value.as_str())
                })
            })
            .collect();
        variables.sort_by_key(|(keys, ..): &(Vec<String>, _, _)| {
            keys.get(1).and_then(|key| key.parse::<usize>().ok())
        });
        variables
    }
}

/// The key that `--upstream` sets.
const UPSTREAM_URL: &str = "upstream.0.url";

/// Puts a node at a path, making the tables and lists on the way.
fn set(root: &mut Node, keys: &[String], node: Node) -> Result<(), Mistake> {
    let mut place = root;
    let mut path = String::new();
    for (depth, key) in keys.iter().enumerate() {
        // Only sections repeat: a number below that is a name, as of a database.
        let position = (depth == 1).then(|| key.parse::<usize>().ok()).flatten();
        place = match position {
            Some(position) => entry_at(place, &path, position, &node.origin)?,
            None => entry(place, &path, key, &node.origin)?,
        };
        path = join(&path, key);
    }
    *place = node;
    Ok(())
}

fn entry<'a>(
    place: &'a mut Node,
    path: &str,
    key: &str,
    origin: &Origin,
) -> Result<&'a mut Node, Mistake> {
    match &mut place.value {
        Value::Table(entries) => {
            let made = || Node::table(origin.clone());
            Ok(entries.entry(key.to_owned()).or_insert_with(made))
        }
        Value::List(_) => {
            let says = format!("{path} is a list: expected a position such as {path}.0");
            Err(Mistake::in_value(origin, &join(path, key), None, &says))
        }
        plain => {
            let shown = show(plain);
            let says = "expected a table";
            Err(Mistake::in_value(
                &place.origin,
                path,
                shown.as_deref(),
                says,
            ))
        }
    }
}

fn entry_at<'a>(
    place: &'a mut Node,
    path: &str,
    position: usize,
    origin: &Origin,
) -> Result<&'a mut Node, Mistake> {
    let path_there = join(path, &position.to_string());
    if matches!(&place.value, Value::Table(entries) if entries.is_empty()) {
        place.value = Value::List(Vec::new());
    }
    let Value::List(nodes) = &mut place.value else {
        let says = format!("{path} is no list: expected the name of a key");
        return Err(Mistake::in_value(origin, &path_there, None, &says));
    };
    if position > nodes.len() {
        let says = format!("expected a position from 0 to {}", nodes.len());
        return Err(Mistake::in_value(origin, &path_there, None, &says));
    }
    if position == nodes.len() {
        nodes.push(Node::table(origin.clone()));
    }
    Ok(&mut nodes[position])
}

impl Flag {
    /// `--listen ADDR`
    #[must_use]
    pub fn listen(address: String) -> Self {
        Self {
            name: "--listen",
            key: "listen.address",
            value: address,
        }
    }

    /// `--upstream URL`
    #[must_use]
    pub fn upstream(url: String) -> Self {
        Self {
            name: "--upstream",
            key: UPSTREAM_URL,
            value: url,
        }
    }
}

/// Reads a secret's own source: `env:NAME` and `file:PATH`; anything else is the secret itself.
///
/// # Errors
/// What is wrong with the place that it names, as a phrase.
pub(super) fn resolve(
    written: &str,
    environment: &BTreeMap<String, String>,
) -> Result<String, String> {
    if let Some(name) = written.strip_prefix("env:") {
        let value = environment.get(name);
        return value
            .filter(|value| !value.is_empty())
            .cloned()
            .ok_or_else(|| format!("expected a value in the environment variable {name}"));
    }
    if let Some(path) = written.strip_prefix("file:") {
        let text = std::fs::read_to_string(Path::new(path))
            .map_err(|error| format!("expected a readable file: {error}"))?;
        // Editors end a file with a line break; no secret does.
        let value = text.trim_end_matches(['\n', '\r']);
        return if value.is_empty() {
            Err("expected a file that is not empty".to_owned())
        } else {
            Ok(value.to_owned())
        };
    }
    Ok(written.to_owned())
}
