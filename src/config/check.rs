//! What no room can check alone: values that do not fit one another, and ports before they are bound.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::ask::settings::{BYTES_RANGE, REPAIR_COUNT_LIMIT};
use crate::config::Settings;
use crate::config::mistake::{Mistake, show, show_secret};
use crate::config::tree::{Node, Origin, Value, join};
use crate::observe::log;
use crate::pool::settings::EVERY_DATABASE;
use crate::schema::settings::VALUES_BYTES_LIMIT;
use crate::state::settings::{RECORDS_LIMIT, StoreKind};

/// Checks settings that were read.
///
/// # Errors
/// The first mistake.
pub(super) fn check(settings: &Settings, written: &Node) -> Result<(), Mistake> {
    let told = Told(written);
    check_listen(settings, &told)?;
    check_upstreams(settings, &told)?;
    check_pool(settings, &told)?;
    check_auth(settings, &told)?;
    check_providers(settings, &told)?;
    let schema = &settings.schema;
    above_zero(schema.refresh, &told, &["schema", "refresh"])?;
    above_zero(
        schema.statistics_refresh,
        &told,
        &["schema", "statistics_refresh"],
    )?;
    if schema.values_bytes > VALUES_BYTES_LIMIT {
        let says = "expected an amount of data of 256MB or less";
        return Err(told.wrong(&["schema", "values_bytes"], says));
    }
    check_ask(settings, &told)?;
    check_state(settings, &told)?;
    check_http(settings, &told)?;
    log::filter(&settings.log.level).map(drop).map_err(|_| {
        told.wrong(
            &["log", "level"],
            "expected error, warn, info, debug, trace, off or directives such as info,pgask::pool=debug",
        )
    })
}

/// What was written, to name a mistake's place.
struct Told<'a>(&'a Node);

impl Told<'_> {
    /// A value that is not allowed.
    fn wrong(&self, keys: &[&str], says: &str) -> Mistake {
        self.mistake(keys, says, show)
    }

    /// A value that may be a secret and is not allowed where it stands.
    fn wrong_secret(&self, keys: &[&str], says: &str) -> Mistake {
        self.mistake(keys, says, show_secret)
    }

    fn mistake(&self, keys: &[&str], says: &str, show: fn(&Value) -> Option<String>) -> Mistake {
        let path = keys
            .iter()
            .fold(String::new(), |path, key| join(&path, key));
        let shown = self.0.at(keys).and_then(|node| show(&node.value));
        Mistake::in_value(self.nearest(keys), &path, shown.as_deref(), says)
    }

    /// Where the closest table around a key was written.
    fn nearest(&self, keys: &[&str]) -> &Origin {
        let around = (0..=keys.len())
            .rev()
            .find_map(|count| self.0.at(&keys[..count]));
        around.map_or(&Origin::Default, |node| &node.origin)
    }
}

fn check_listen(settings: &Settings, told: &Told<'_>) -> Result<(), Mistake> {
    let listen = &settings.listen;
    if !listen.address.is_empty() && !is_address(&listen.address) {
        return Err(told.wrong(&["listen", "address"], ADDRESS));
    }
    let dir = listen.unix_socket_dir.as_deref();
    let dir = dir.filter(|dir| !dir.as_os_str().is_empty());
    if listen.address.is_empty() && dir.is_none() {
        let says =
            "nothing to listen on: expected host:port, or a directory in listen.unix_socket_dir";
        return Err(told.wrong(&["listen", "address"], says));
    }
    if let Some(dir) = dir {
        check_socket_dir(dir).map_err(|says| told.wrong(&["listen", "unix_socket_dir"], says))?;
    }
    if listen.max_clients == 0 {
        return Err(told.wrong(&["listen", "max_clients"], ONE_OR_MORE));
    }
    above_zero(listen.login_timeout, told, &["listen", "login_timeout"])
}

/// # Source
/// `sun_path` holds 108 bytes on Linux and 104 elsewhere, the end mark included: unix(7).
fn check_socket_dir(dir: &Path) -> Result<(), &'static str> {
    let longest = 103 - "/.s.PGSQL.65535".len();
    if dir.as_os_str().len() > longest {
        return Err("expected a directory with a path of 88 bytes or fewer");
    }
    if dir.is_dir() {
        Ok(())
    } else {
        Err("expected a directory that exists")
    }
}

fn check_upstreams(settings: &Settings, told: &Told<'_>) -> Result<(), Mistake> {
    if settings.upstream.is_empty() {
        let says = "no server to talk to: expected [[upstream]] with a url, PGASK_UPSTREAM__0__URL or --upstream URL";
        return Err(told.wrong(&["upstream"], says));
    }
    let mut names = BTreeMap::new();
    let mut databases = BTreeMap::new();
    for (position, upstream) in settings.upstream.iter().enumerate() {
        let position_text = position.to_string();
        let key = |name| ["upstream", &position_text, name];
        if upstream.name.is_empty() {
            return Err(told.wrong(&key("name"), "expected a name"));
        }
        if let Some(other) = names.insert(&upstream.name, position) {
            let says = format!("upstream.{other} has this name too: expected one of its own");
            return Err(told.wrong(&key("name"), &says));
        }
        if upstream.has_two_passwords() {
            let says = "upstream's url holds a password too: expected one of the two";
            return Err(told.wrong_secret(&key("password"), says));
        }
        if upstream.databases.is_empty() || upstream.databases.iter().any(String::is_empty) {
            let says = r#"expected names of databases, or "*" for all"#;
            return Err(told.wrong(&key("databases"), says));
        }
        for database in &upstream.databases {
            if let Some(other) = databases.insert(database, position) {
                let says = format!(
                    "{database:?} is served by upstream.{other} already: expected each database once"
                );
                return Err(told.wrong(&key("databases"), &says));
            }
        }
    }
    Ok(())
}

fn check_pool(settings: &Settings, told: &Told<'_>) -> Result<(), Mistake> {
    let pool = &settings.pool;
    if pool.default_pool_size == 0 {
        return Err(told.wrong(&["pool", "default_pool_size"], ONE_OR_MORE));
    }
    if pool.prepared_statements_max == 0 {
        return Err(told.wrong(&["pool", "prepared_statements_max"], ONE_OR_MORE));
    }
    for (key, value) in [
        ("query_wait_timeout", pool.query_wait_timeout),
        ("server_connect_timeout", pool.server_connect_timeout),
        ("server_idle_timeout", pool.server_idle_timeout),
        ("server_lifetime", pool.server_lifetime),
    ] {
        above_zero(value, told, &["pool", key])?;
    }
    Ok(())
}

fn check_ask(settings: &Settings, told: &Told<'_>) -> Result<(), Mistake> {
    let ask = &settings.ask;
    // Bounds that a session's SET has too: what it may not choose, it must not start with.
    if ask.max_rows == 0 || i32::try_from(ask.max_rows).is_err() {
        let says = "expected a whole number from 1 to 2147483647";
        return Err(told.wrong(&["ask", "max_rows"], says));
    }
    if !BYTES_RANGE.contains(&ask.max_bytes) {
        let says = "expected an amount of data from 1kB to 1TB";
        return Err(told.wrong(&["ask", "max_bytes"], says));
    }
    above_zero(ask.timeout, told, &["ask", "timeout"])?;
    if ask.timeout > ASK_TIMEOUT_MAX {
        return Err(told.wrong(&["ask", "timeout"], "expected a duration of 24h or less"));
    }
    let is_cost = |cost: f64| cost.is_finite() && cost > 0.0;
    if ask.cost_max.is_some_and(|cost| !is_cost(cost)) {
        return Err(told.wrong(&["ask", "cost_max"], "expected a number above zero"));
    }
    if ask.repair_count_max > REPAIR_COUNT_LIMIT {
        let says = format!("expected a whole number from 0 to {REPAIR_COUNT_LIMIT}");
        return Err(told.wrong(&["ask", "repair_count_max"], &says));
    }
    if settings.cache.entries == 0 {
        return Err(told.wrong(&["cache", "entries"], ONE_OR_MORE));
    }
    above_zero(settings.cache.ttl, told, &["cache", "ttl"])
}

fn check_state(settings: &Settings, told: &Told<'_>) -> Result<(), Mistake> {
    let state = &settings.state;
    let path = state.path.as_deref();
    let has_path = path.is_some_and(|path| !path.as_os_str().is_empty());
    if path.is_some_and(|path| has_path && path.is_relative()) {
        let says = "expected an absolute path, such as /var/lib/pgask/state.db";
        return Err(told.wrong(&["state", "path"], says));
    }
    if state.store == StoreKind::Postgres && state.url.is_none() {
        let says = "store = \"postgres\" needs it: expected postgres://user[:password]@host[:port]/database";
        return Err(told.wrong_secret(&["state", "url"], says));
    }
    let in_url = state.url.as_ref().is_some_and(|url| url.password.is_some());
    if state.password.is_some() && (in_url || state.url.is_none()) {
        let says =
            "state.url holds a password too, or is not set: expected one password for one url";
        return Err(told.wrong_secret(&["state", "password"], says));
    }
    for (key, count) in [
        ("pins_max", state.pins_max),
        ("feedback_max", state.feedback_max),
    ] {
        if count == 0 || count > RECORDS_LIMIT {
            let says = format!("expected a whole number from 1 to {RECORDS_LIMIT}");
            return Err(told.wrong(&["state", key], &says));
        }
    }
    Ok(())
}

fn check_auth(settings: &Settings, told: &Told<'_>) -> Result<(), Mistake> {
    let serves = |name: &str| {
        let mut listed = settings
            .upstream
            .iter()
            .flat_map(|upstream| &upstream.databases);
        listed.any(|database| database == name || database == EVERY_DATABASE)
    };
    match settings.auth.databases.keys().find(|name| !serves(name)) {
        Some(name) => {
            let says =
                "no upstream serves this database: expected a name listed in upstream.databases";
            Err(told.wrong(&["auth", "databases", name], says))
        }
        None => Ok(()),
    }
}

fn check_providers(settings: &Settings, told: &Told<'_>) -> Result<(), Mistake> {
    let mut names = BTreeMap::new();
    for (position, provider) in settings.provider.iter().enumerate() {
        let position_text = position.to_string();
        let key = |name| ["provider", &position_text, name];
        match provider.mistake() {
            Some((name, says)) if name == "api_key" => {
                return Err(told.wrong_secret(&key(name), says));
            }
            Some((name, says)) => return Err(told.wrong(&key(name), says)),
            None => {}
        }
        if let Some(other) = names.insert(&provider.name, position) {
            let says = format!("provider.{other} has this name too: expected one of its own");
            return Err(told.wrong(&key("name"), &says));
        }
    }
    Ok(())
}

fn check_http(settings: &Settings, told: &Told<'_>) -> Result<(), Mistake> {
    let Some(address) = settings
        .http
        .address
        .as_deref()
        .filter(|text| !text.is_empty())
    else {
        return Ok(());
    };
    if !is_address(address) {
        return Err(told.wrong(&["http", "address"], ADDRESS));
    }
    if address == settings.listen.address && !address.ends_with(":0") {
        let says = "clients connect there (listen.address): expected another port";
        return Err(told.wrong(&["http", "address"], says));
    }
    Ok(())
}

fn above_zero(value: Duration, told: &Told<'_>, keys: &[&str]) -> Result<(), Mistake> {
    if value.is_zero() {
        return Err(told.wrong(keys, "expected a duration above zero"));
    }
    Ok(())
}

/// Whether a text is `host:port`: a name, an IPv4 address or an IPv6 address in brackets, and a port from 0 (any
/// free one) to 65535.
fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let bracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host_is_one = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && !host.contains([':', '/', '[', ']', ' ', '@']),
    };
    host_is_one && !port.starts_with('+') && port.parse::<u16>().is_ok()
}

/// The longest `ask.timeout`.
const ASK_TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);
const ADDRESS: &str = "expected host:port, such as 127.0.0.1:6432";
const ONE_OR_MORE: &str = "expected a whole number from 1";
