//! What pgask was told: a file, the environment and flags, merged, checked, and turned into each room's settings.
//!
//! Owns the order of the sources (defaults, file, `PGASK_SECTION__KEY`, flags; the later wins), where every value
//! came from, and the one line that a mistake gets. Each room owns the meaning of its own section; no room below
//! imports this one. Read [`load`] first, then `tree` (what was written) and `read` (what it means).

mod check;
mod fault;
mod file;
mod mistake;
mod print;
mod read;
mod sections;
mod sources;
mod tree;

#[cfg(test)]
mod mistakes_test;
#[cfg(test)]
mod sample_test;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::pool::settings::UpstreamSettings;
use crate::synth::settings::ProviderSettings;
use crate::{access, ask, http, listener, observe, pool, schema, state};

pub use mistake::Mistake;
pub use sources::{Flag, Sources};

/// Everything that pgask can be told, section by section.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `[listen]`
    pub listen: listener::settings::Settings,
    /// `[[upstream]]`, in the order of the file.
    pub upstream: Vec<UpstreamSettings>,
    /// `[pool]`
    pub pool: pool::settings::Settings,
    /// `[auth]`
    pub auth: access::settings::Settings,
    /// `[[provider]]`, in the order in which they are asked; none for the built-in engine alone.
    pub provider: Vec<ProviderSettings>,
    /// `[schema]`
    pub schema: schema::settings::Settings,
    /// `[ask]`
    pub ask: ask::settings::Settings,
    /// `[cache]`
    pub cache: ask::settings::CacheSettings,
    /// `[state]`
    pub state: state::settings::Settings,
    /// `[http]`
    pub http: http::settings::Settings,
    /// `[log]`
    pub log: observe::settings::Settings,
}

/// Settings that were read and checked, and where they came from.
#[derive(Debug)]
pub struct Loaded {
    /// What the rooms are built from.
    pub settings: Settings,
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
    written: tree::Node,
}

/// Reads, merges and checks every source.
///
/// # Errors
/// The first mistake, as one line; the process should end with exit code 2 before it binds a port.
pub fn load(sources: &Sources) -> Result<Loaded, Mistake> {
    let written = sources.merge()?;
    let mut settings = read::read(&written, &sources.environment)?;
    check::check(&settings, &written)?;
    drop_empty(&mut settings);
    Ok(Loaded {
        settings,
        file: sources.file.clone(),
        written,
    })
}

impl Loaded {
    /// The effective configuration as TOML, each value with where it came from, secrets hidden.
    #[must_use]
    pub fn render(&self) -> String {
        print::render(&self.settings, &self.written)
    }
}

/// An address or a directory set to nothing is one that is not set: so the environment can switch off what the
/// file has on.
fn drop_empty(settings: &mut Settings) {
    settings.http.address.take_if(|address| address.is_empty());
    settings
        .ask
        .glossary
        .take_if(|path| path.as_os_str().is_empty());
    settings
        .state
        .path
        .take_if(|path| path.as_os_str().is_empty());
    settings
        .listen
        .unix_socket_dir
        .take_if(|dir| dir.as_os_str().is_empty());
}
