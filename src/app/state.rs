//! The state store as the commands see it: where its file is, whether it opens, and its text.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::app::console;
use crate::app::failure::Failure;
use crate::config::Settings;
use crate::state::record::{Records, Verdict};
use crate::state::settings::StoreKind;
use crate::state::store::Store;
use crate::state::text;

/// The longest text that is imported, in bytes.
const IMPORT_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The store of these settings, on its default path where they name none.
#[must_use]
pub fn open(settings: &Settings) -> Store {
    let mut state = settings.state.clone();
    if state.store == StoreKind::Sqlite && state.path.is_none() {
        state.path = default_path(|name| std::env::var_os(name), is_root());
        if state.path.is_none() {
            tracing::warn!(
                "no state directory: nothing can be pinned until state.path says where to keep it"
            );
        }
    }
    Store::new(&state)
}

/// `pgask state export`: writes every record as text, to a file or to standard output.
///
/// # Errors
/// When the store cannot be read or the file cannot be written.
pub async fn export(settings: &Settings, file: Option<&Path>) -> Result<(), Failure> {
    let store = open(settings);
    let records = store.export().await.map_err(|why| {
        Failure::new(format!(
            "cannot read the state store {}: {why}",
            store.place()
        ))
    })?;
    let text = text::write(&records);
    match file {
        None => console::print(&text),
        Some(file) => fs::write(file, text)
            .map_err(|error| Failure::new(format!("cannot write {}: {error}", file.display()))),
    }
}

/// `pgask state import`: reads records as text, from a file or from standard input, and keeps all of them or none.
///
/// # Errors
/// When the text is wrong or the store cannot be written.
pub async fn import(settings: &Settings, file: Option<&Path>) -> Result<(), Failure> {
    let name = file.map_or_else(
        || "standard input".to_owned(),
        |file| file.display().to_string(),
    );
    let written = read(file).map_err(|why| Failure::new(format!("cannot read {name}: {why}")))?;
    let records = text::read(&written).map_err(|why| Failure::new(format!("{name}: {why}")))?;
    let told = counted(&records);
    let store = open(settings);
    store.import(records).await.map_err(|why| {
        Failure::new(format!(
            "cannot write the state store {}: {why}",
            store.place()
        ))
    })?;
    console::say(&format!("imported {told} into {}", store.place()));
    Ok(())
}

/// What `pgask check` says of the store.
///
/// # Errors
/// When it cannot be read, or its file could not be made.
pub async fn check(settings: &Settings) -> Result<String, String> {
    let store = open(settings);
    let place = store.place();
    if let Err(why) = store.is_kept() {
        return Ok(format!("nothing is kept: {why}"));
    }
    let file = Path::new(&place);
    if settings.state.store == StoreKind::Sqlite && !file.exists() {
        return match file.ancestors().skip(1).find(|above| above.exists()) {
            Some(above) if above.is_dir() => Ok(format!(
                "{place}: not there yet, made with the first record"
            )),
            _ => Err(format!("{place}: there can be no such file")),
        };
    }
    match store.export().await {
        Ok(records) => Ok(format!("{place}: {}", counted(&records))),
        Err(why) => Err(format!("{place}: {why}")),
    }
}

fn counted(records: &Records) -> String {
    let corrections = records
        .feedback
        .iter()
        .filter(|one| one.verdict == Verdict::Corrected)
        .count();
    format!(
        "{} pins, feedback on {} questions, {corrections} of them corrected",
        records.pins.len(),
        records.feedback.len()
    )
}

fn read(file: Option<&Path>) -> io::Result<String> {
    let mut text = String::new();
    match file {
        Some(file) => fs::File::open(file)?
            .take(IMPORT_BYTES_MAX)
            .read_to_string(&mut text)?,
        None => io::stdin()
            .lock()
            .take(IMPORT_BYTES_MAX)
            .read_to_string(&mut text)?,
    };
    Ok(text)
}

/// Where the file is when nobody says: what the system gives a service, else the user's own place for such files.
///
/// # Source
/// systemd.exec(5) on `StateDirectory=`; XDG Base Directory Specification on `XDG_STATE_HOME`; the File Hierarchy
/// Standard on `/var/lib`.
fn default_path(variable: impl Fn(&str) -> Option<OsString>, is_root: bool) -> Option<PathBuf> {
    let absolute = |name: &str| {
        // systemd lists several directories with colons between them; the first is as good as any.
        let value = variable(name)?.into_string().ok()?;
        let path = PathBuf::from(value.split(':').next()?);
        path.is_absolute().then_some(path)
    };
    if let Some(directory) = absolute("STATE_DIRECTORY") {
        return Some(directory.join("state.db"));
    }
    let base = match absolute("XDG_STATE_HOME") {
        Some(base) => base,
        None if is_root => PathBuf::from("/var/lib"),
        None => absolute("HOME")?.join(".local/state"),
    };
    Some(base.join("pgask/state.db"))
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_where_such_files_are() {
        let check = |variables: &[(&str, &str)], is_root, expect: Option<&str>| {
            let variable = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| OsString::from(value))
            };
            assert_eq!(default_path(variable, is_root), expect.map(PathBuf::from));
        };
        let home = ("HOME", "/home/ann");
        check(&[], false, None);
        check(&[("HOME", "")], false, None);
        check(
            &[home],
            false,
            Some("/home/ann/.local/state/pgask/state.db"),
        );
        check(&[home], true, Some("/var/lib/pgask/state.db"));
        check(
            &[home, ("XDG_STATE_HOME", "/s")],
            true,
            Some("/s/pgask/state.db"),
        );
        check(
            &[("STATE_DIRECTORY", "/var/lib/p:/x"), home],
            false,
            Some("/var/lib/p/state.db"),
        );
        check(
            &[("XDG_STATE_HOME", "s"), home],
            false,
            Some("/home/ann/.local/state/pgask/state.db"),
        );
    }
}
