//! Rooms that more than one command puts together.

use std::sync::Arc;

use crate::access::directory::Directory;
use crate::app::failure::Failure;
use crate::app::state;
use crate::ask::memo::Memo;
use crate::ask::pipeline::Pipeline;
use crate::config::Settings;
use crate::guard::rules::Rules;
use crate::observe::metrics::Metrics;
use crate::pool::control::ControlPools;
use crate::pool::registry::control_config;
use crate::synth::chain::Chain;
use crate::synth::glossary::Glossary;

/// The service accounts' pools, which connect when they are first used.
#[must_use]
pub fn control(settings: &Settings) -> ControlPools {
    ControlPools::new(
        settings
            .upstream
            .iter()
            .map(|upstream| (upstream.name.clone(), control_config(&upstream.endpoint()))),
    )
}

/// What answers questions, and the directory that it looks callers up in.
///
/// # Errors
/// When TLS, which a provider needs, cannot be set up, or the glossary is wrong.
pub fn asking(
    settings: &Settings,
    control: &ControlPools,
    metrics: &Arc<Metrics>,
) -> Result<(Pipeline<Chain>, Directory), Failure> {
    install_tls();
    let chain = Chain::new(&settings.provider, settings.ask.privacy)
        .map_err(|error| Failure::new(format!("cannot set up TLS: {error}")))?
        .knowing(&Arc::new(glossary(settings)?))
        .measured(metrics.clone());
    let directory = Directory::new(Arc::new(control.clone()), settings.schema.clone());
    let pipeline = Pipeline::new(
        chain,
        directory.clone(),
        Rules::default(),
        settings.ask.clone(),
        Memo::new(&settings.cache),
        metrics.clone(),
    )
    .keeping(Arc::new(state::open(settings).measured(metrics.clone())));
    Ok((pipeline, directory))
}

/// The configured glossary; an empty one where there is none.
///
/// # Errors
/// When it cannot be read, or is none.
pub fn glossary(settings: &Settings) -> Result<Glossary, Failure> {
    match &settings.ask.glossary {
        Some(path) => Glossary::read(path).map_err(Failure::new),
        None => Ok(Glossary::default()),
    }
}

/// reqwest and rustls are built without a provider of their own; there is one in the house.
fn install_tls() {
    // An error only says that it was installed before.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
