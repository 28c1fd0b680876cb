//! Where PostgreSQL's server binaries are.
//!
//! Packages put them outside the PATH on most systems, several versions side by side; whichever is found first is
//! taken, newest first within a directory of versions.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::app::throwaway::ThrowawayError;

/// The programs that a directory must hold to be of use.
pub(super) const REQUIRED: [&str; 3] = ["initdb", "pg_ctl", "postgres"];

/// Directories of versions: each entry names a version, with a `bin` or a tool of its own below it.
const VERSION_DIRS: [(&str, &str); 5] = [
    ("/usr/lib/postgresql", ""),
    ("/usr/local/lib/postgresql", ""),
    ("/opt/homebrew/opt", "postgresql"),
    ("/usr/local/opt", "postgresql"),
    ("/home/linuxbrew/.linuxbrew/opt", "postgresql"),
];

/// Directories that hold the binaries of the only version there is.
const PLAIN_DIRS: [&str; 4] = [
    "/usr/libexec/postgresql",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/bin",
    "/usr/bin",
];

/// A directory that holds `initdb`, `pg_ctl` and `postgres`.
#[derive(Clone, Debug)]
pub struct Binaries {
    dir: PathBuf,
}

impl Binaries {
    /// Looks in the PATH, in `pg_config --bindir`, and where packages put them.
    ///
    /// # Errors
    /// [`ThrowawayError::NoBinaries`], naming every directory that was tried.
    pub fn find() -> Result<Self, ThrowawayError> {
        Self::first_of(candidates())
    }

    /// The directory itself.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The path of one of the programs.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// What `postgres --version` prints, without the line's end.
    ///
    /// # Errors
    /// [`ThrowawayError::Io`] when the program does not start.
    pub fn version(&self) -> Result<String, ThrowawayError> {
        let output = Command::new(self.program("postgres"))
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .map_err(ThrowawayError::io("run postgres --version"))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn first_of(candidates: Vec<PathBuf>) -> Result<Self, ThrowawayError> {
        let mut looked: Vec<PathBuf> = Vec::new();
        for dir in candidates {
            if looked.contains(&dir) {
                continue;
            }
            if REQUIRED.iter().all(|name| dir.join(name).is_file()) {
                return Ok(Self { dir });
            }
            looked.push(dir);
        }
        Err(ThrowawayError::NoBinaries { looked })
    }
}

fn candidates() -> Vec<PathBuf> {
    let mut found = Vec::new();
    if let Some(path) = env::var_os("PATH") {
        found.extend(env::split_paths(&path).filter(|p| !p.as_os_str().is_empty()));
    }
    found.extend(pg_config_bindir());
    for (parent, prefix) in VERSION_DIRS {
        found.extend(newest_first(Path::new(parent), prefix));
    }
    found.extend(PLAIN_DIRS.iter().map(PathBuf::from));
    // Packages of the Red Hat family installed side by side: /usr/pgsql-16/bin.
    found.extend(newest_first(Path::new("/usr"), "pgsql-"));
    found
}

fn pg_config_bindir() -> Option<PathBuf> {
    let output = Command::new("pg_config")
        .arg("--bindir")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let dir = text.trim();
    (output.status.success() && !dir.is_empty()).then(|| PathBuf::from(dir))
}

/// The `bin` directories below `parent` whose entry starts with `prefix`, highest version first; `parent/*/bin`
/// itself when there is none, so that an error can say where it looked.
fn newest_first(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let rest = name.strip_prefix(prefix)?;
            let digits: String = rest
                .chars()
                .skip_while(|c| !c.is_ascii_digit())
                .take_while(char::is_ascii_digit)
                .collect();
            Some((digits.parse().unwrap_or(0), entry.path().join("bin")))
        })
        .collect();
    if versions.is_empty() {
        return vec![parent.join(format!("{prefix}*")).join("bin")];
    }
    versions.sort_by(|a, b| b.cmp(a));
    versions.into_iter().map(|(_, dir)| dir).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_higher_version_comes_first_by_number_and_not_by_letters() {
        let dir = tempfile::tempdir().unwrap();
        for version in ["9", "15", "16"] {
            fs::create_dir_all(dir.path().join(version).join("bin")).unwrap();
        }
        let found = newest_first(dir.path(), "");
        let names: Vec<_> = found
            .iter()
            .map(|p| p.strip_prefix(dir.path()).unwrap().to_str().unwrap())
            .collect();
        assert_eq!(names, ["16/bin", "15/bin", "9/bin"]);
    }

    #[test]
    fn a_directory_counts_only_when_it_holds_every_program() {
        let dir = tempfile::tempdir().unwrap();
        let (half, whole) = (dir.path().join("half"), dir.path().join("whole"));
        for (bin, names) in [(&half, &REQUIRED[..1]), (&whole, &REQUIRED[..])] {
            fs::create_dir(bin).unwrap();
            for name in names {
                fs::write(bin.join(name), "").unwrap();
            }
        }
        let found = Binaries::first_of(vec![half.clone(), whole.clone()]).unwrap();
        assert_eq!(found.dir(), whole);
    }

    #[test]
    fn the_error_names_every_place_that_was_tried() {
        let error = Binaries::first_of(vec!["/no/such".into(), "/nor/this".into()]).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("looked in /no/such, /nor/this;"), "{text}");
    }
}
