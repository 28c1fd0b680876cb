//! What each mistake is told, as one table: what was written, and the line.

use std::path::PathBuf;

use crate::config::{Flag, Loaded, Mistake, Sources, load};

/// A file that is right, but for what a case adds to it.
const UPSTREAM: &str = "[[upstream]]\nurl = 'postgres://service@db'\n";

struct Written {
    dir: tempfile::TempDir,
    sources: Sources,
}

fn written(text: &str, environment: &[(&str, &str)], flags: Vec<Flag>) -> Written {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("proxy.toml");
    std::fs::write(&path, text).unwrap();
    let environment = environment
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let sources = Sources {
        file: Some(path),
        environment,
        flags,
    };
    Written { dir, sources }
}

impl Written {
    fn load(&self) -> Result<Loaded, Mistake> {
        load(&self.sources)
    }

    fn line(&self) -> String {
        let mistake = self.load().expect_err("a mistake was written");
        let dir = format!("{}/", self.dir.path().display());
        mistake.to_string().replace(&dir, "")
    }
}

/// The file alone is wrong.
fn file(text: &str, expect: &str) {
    let line = written(text, &[], Vec::new()).line();
    assert_eq!(line, expect, "\n{text}");
}

/// A right file, and a section that is wrong.
fn section(text: &str, expect: &str) {
    file(&format!("{UPSTREAM}{text}"), expect);
}

/// A right file, and a variable that is wrong.
fn variable(name: &str, value: &str, expect: &str) {
    let line = written(UPSTREAM, &[(name, value)], Vec::new()).line();
    assert_eq!(line, expect, "\n{name}={value}");
}

/// A right file, and a flag that is wrong.
fn flag(flag: Flag, expect: &str) {
    assert_eq!(written(UPSTREAM, &[], vec![flag]).line(), expect);
}

#[test]
fn words_and_types_that_are_not_allowed() {
    section(
        "[pool]\nmode = 'fast'",
        r#"proxy.toml: pool.mode = "fast": expected one of auto, transaction, session"#,
    );
    section(
        "[pool]\nmode = 'sesion'",
        r#"proxy.toml: pool.mode = "sesion": did you mean session? expected one of auto, transaction, session"#,
    );
    section(
        "[pool]\nmode = 3",
        "proxy.toml: pool.mode = 3: expected one of auto, transaction, session",
    );
    section(
        "[pool]\ndefault_pool_size = 'many'",
        r#"proxy.toml: pool.default_pool_size = "many": expected a whole number from 0 to 4294967295"#,
    );
    section(
        "[pool]\ndefault_pool_size = -1",
        "proxy.toml: pool.default_pool_size = -1: expected a whole number from 0 to 4294967295",
    );
    section(
        "[pool]\ndefault_pool_size = 1.5",
        "proxy.toml: pool.default_pool_size = 1.5: expected a whole number from 0 to 4294967295",
    );
    section(
        "[pool]\ndefault_pool_size = 0",
        "proxy.toml: pool.default_pool_size = 0: expected a whole number from 1",
    );
    section(
        "[pool]\nprepared_statements_max = 0",
        "proxy.toml: pool.prepared_statements_max = 0: expected a whole number from 1",
    );
    section(
        "[pool]\nserver_lifetime = 60",
        r#"proxy.toml: pool.server_lifetime = 60: expected text in quotes"#,
    );
    section(
        "[pool]\nserver_lifetime = 'soon'",
        r#"proxy.toml: pool.server_lifetime = "soon": expected a duration such as "30s", "10m" or "1h""#,
    );
    section(
        "[pool]\nserver_lifetime = '-1h'",
        r#"proxy.toml: pool.server_lifetime = "-1h": expected a duration such as "30s", "10m" or "1h""#,
    );
    section(
        "[pool]\nserver_lifetime = '0s'",
        r#"proxy.toml: pool.server_lifetime = "0s": expected a duration above zero"#,
    );
    section(
        "[listen]\nmax_clients = 0",
        "proxy.toml: listen.max_clients = 0: expected a whole number from 1",
    );
    section(
        "[listen]\naddress = 6432",
        "proxy.toml: listen.address = 6432: expected text in quotes",
    );
    section(
        "[auth]\nmethod = 'md5'",
        r#"proxy.toml: auth.method = "md5": expected one of auth_query, trust"#,
    );
    section(
        "[log]\nformat = 'xml'",
        r#"proxy.toml: log.format = "xml": expected one of auto, human, json"#,
    );
    section(
        "[log]\nlevel = 'pgask=loud'",
        r#"proxy.toml: log.level = "pgask=loud": expected error, warn, info, debug, trace, off or directives such as info,pgask::pool=debug"#,
    );
    section(
        "[log]\nlevel = 'loud'",
        r#"proxy.toml: log.level = "loud": expected error, warn, info, debug, trace, off or directives such as info,pgask::pool=debug"#,
    );
    section(
        "[[pool]]\nmode = 'auto'",
        "proxy.toml: pool: expected a table",
    );
    file("pool = 3", "proxy.toml: pool = 3: expected a table");
    file(
        "[upstream]\nurl = 'postgres://s@h'",
        "proxy.toml: upstream: expected a list",
    );
}

#[test]
fn keys_that_nobody_knows() {
    section(
        "[pool]\nmod = 'auto'",
        "proxy.toml: pool.mod: unknown key: did you mean mode? expected one of mode, default_pool_size, query_wait_timeout, server_connect_timeout, server_idle_timeout, server_lifetime, prepared_statements_max",
    );
    section(
        "[http]\nport = 1",
        "proxy.toml: http.port: unknown key: expected address",
    );
    section(
        "[auth.databases.shop]\nmethods = 'trust'",
        "proxy.toml: auth.databases.shop.methods: unknown key: did you mean method? expected method",
    );
    section(
        "[auth.databases.\"my shop\"]\nx = 1",
        "proxy.toml: auth.databases.\"my shop\".x: unknown key: expected method",
    );
    let line = written("[listener]\naddress = 'x'", &[], Vec::new()).line();
    assert!(line.starts_with("proxy.toml: listener: unknown key: did you mean listen? expected one of listen, upstream, "), "{line}");
}

#[test]
fn text_that_is_not_toml() {
    for (text, line) in [
        ("[pool", 1),
        ("[pool]\nmode = ", 2),
        ("[pool]\nmode = 'a'\nmode = 'b'", 3),
        ("a = 1\n\nb = 'x", 3),
    ] {
        let told = written(text, &[], Vec::new()).line();
        assert!(
            told.starts_with(&format!("proxy.toml:{line}: not TOML: ")),
            "{text}: {told}"
        );
    }
    section(
        "[listen]\nmax_clients = 99999999999999999999",
        "proxy.toml:4: 99999999999999999999: expected a number of 64 bits",
    );
    let missing = Sources {
        file: Some(PathBuf::from("no/such/proxy.toml")),
        ..Sources::default()
    };
    let line = load(&missing).unwrap_err().to_string();
    assert!(
        line.starts_with("no/such/proxy.toml: cannot be read: "),
        "{line}"
    );
}

#[test]
fn addresses_that_cannot_be_bound() {
    for address in [
        "6432",
        "localhost",
        "localhost:",
        ":6432",
        "localhost:99999",
        "::1:6432",
        "[::g]:1",
        "tcp://h:1",
        "h:+1",
    ] {
        let expect = format!(
            "proxy.toml: listen.address = {address:?}: expected host:port, such as 127.0.0.1:6432"
        );
        section(&format!("[listen]\naddress = '{address}'"), &expect);
    }
    section(
        "[http]\naddress = '9432'",
        r#"proxy.toml: http.address = "9432": expected host:port, such as 127.0.0.1:6432"#,
    );
    section(
        "[http]\naddress = '127.0.0.1:6432'",
        r#"proxy.toml: http.address = "127.0.0.1:6432": clients connect there (listen.address): expected another port"#,
    );
    section(
        "[listen]\naddress = ''",
        r#"proxy.toml: listen.address = "": nothing to listen on: expected host:port, or a directory in listen.unix_socket_dir"#,
    );
    section(
        "[listen]\nunix_socket_dir = '/no/such/dir'",
        r#"proxy.toml: listen.unix_socket_dir = "/no/such/dir": expected a directory that exists"#,
    );
}

#[test]
fn upstreams_that_do_not_fit() {
    file(
        "",
        "proxy.toml: upstream: no server to talk to: expected [[upstream]] with a url, PGASK_UPSTREAM__0__URL or --upstream URL",
    );
    file(
        "[[upstream]]\nname = 'a'",
        "proxy.toml: upstream.0.url: missing: expected a value",
    );
    section(
        UPSTREAM,
        "proxy.toml: upstream.1.name: upstream.0 has this name too: expected one of its own",
    );
    section(
        "[[upstream]]\nname = 'b'\nurl = 'postgres://s@h'",
        r#"proxy.toml: upstream.1.databases: "*" is served by upstream.0 already: expected each database once"#,
    );
    file(
        "[[upstream]]\nname = ''\nurl = 'postgres://s@h'",
        r#"proxy.toml: upstream.0.name = "": expected a name"#,
    );
    file(
        "[[upstream]]\nurl = 'postgres://s@h'\ndatabases = []",
        r#"proxy.toml: upstream.0.databases: expected names of databases, or "*" for all"#,
    );
    file(
        "[[upstream]]\nurl = 'postgres://s@h'\ndatabases = [1]",
        "proxy.toml: upstream.0.databases.0 = 1: expected text in quotes",
    );
    file(
        "[[upstream]]\nurl = 'postgres://s@h'\ndatabases = 'shop'",
        r#"proxy.toml: upstream.0.databases = "shop": expected a list"#,
    );
    file(
        "[[upstream]]\nurl = 'postgres://s@h'\ndatabases = ['shop']\n[auth.databases.crm]\nmethod = 'trust'",
        "proxy.toml: auth.databases.crm: no upstream serves this database: expected a name listed in upstream.databases",
    );
}

#[test]
fn asks_that_could_not_be_answered() {
    section(
        "[ask]\nmax_rows = 0",
        "proxy.toml: ask.max_rows = 0: expected a whole number from 1 to 2147483647",
    );
    section(
        "[ask]\nmax_rows = 3000000000",
        "proxy.toml: ask.max_rows = 3000000000: expected a whole number from 1 to 2147483647",
    );
    section(
        "[ask]\nmax_bytes = 'much'",
        r#"proxy.toml: ask.max_bytes = "much": expected an amount of data such as "64MB" or "1GB""#,
    );
    section(
        "[ask]\nmax_bytes = 100",
        "proxy.toml: ask.max_bytes = 100: expected an amount of data from 1kB to 1TB",
    );
    section(
        "[ask]\ntimeout = '48h'",
        r#"proxy.toml: ask.timeout = "48h": expected a duration of 24h or less"#,
    );
    section(
        "[ask]\ncost_max = 0",
        "proxy.toml: ask.cost_max = 0: expected a number above zero",
    );
    section(
        "[schema]\nvalues_bytes = \"1GB\"",
        r#"proxy.toml: schema.values_bytes = "1GB": expected an amount of data of 256MB or less"#,
    );
    section(
        "[ask]\nrepair_count_max = 6",
        "proxy.toml: ask.repair_count_max = 6: expected a whole number from 0 to 5",
    );
    section(
        "[ask]\nprivacy = 'none'",
        r#"proxy.toml: ask.privacy = "none": expected one of schema, comments, samples"#,
    );
    section(
        "[ask]\nenabled = 'yes'",
        r#"proxy.toml: ask.enabled = "yes": expected true or false"#,
    );
    section(
        "[cache]\nentries = 0",
        "proxy.toml: cache.entries = 0: expected a whole number from 1",
    );
    section(
        "[cache]\nttl = '0s'",
        r#"proxy.toml: cache.ttl = "0s": expected a duration above zero"#,
    );
}

#[test]
fn a_state_store_that_cannot_be() {
    section(
        "[state]\nstore = 'redis'",
        r#"proxy.toml: state.store = "redis": expected one of sqlite, postgres, none"#,
    );
    section(
        "[state]\npath = 'state.db'",
        r#"proxy.toml: state.path = "state.db": expected an absolute path, such as /var/lib/pgask/state.db"#,
    );
    section(
        "[state]\nstore = 'postgres'",
        r#"proxy.toml: state.url: store = "postgres" needs it: expected postgres://user[:password]@host[:port]/database"#,
    );
    section(
        "[state]\nstore = 'postgres'\nurl = 'postgres://p:hunter2@h/d'\npassword = 'hunter3'",
        r#"proxy.toml: state.password = ***: state.url holds a password too, or is not set: expected one password for one url"#,
    );
    section(
        "[state]\nscope = 'user'",
        r#"proxy.toml: state.scope = "user": expected one of role, database"#,
    );
    section(
        "[state]\npins_max = 0",
        "proxy.toml: state.pins_max = 0: expected a whole number from 1 to 100000",
    );
}

#[test]
fn providers_that_do_not_fit() {
    section(
        "[[provider]]\nname = 'a'\nkind = 'builtn'",
        r#"proxy.toml: provider.0.kind = "builtn": did you mean builtin? expected one of builtin, openai"#,
    );
    section(
        "[[provider]]\nkind = 'builtin'",
        "proxy.toml: provider.0.name: missing: expected a value",
    );
    section(
        "[[provider]]\nname = 'a'\nkind = 'openai'\nmodel = 'm'",
        "proxy.toml: provider.0.base_url: a provider of kind openai needs this key",
    );
    section(
        "[[provider]]\nname = 'a'\nkind = 'builtin'\napi_key = 'sk-hunter2'",
        "proxy.toml: provider.0.api_key = ***: only a provider of kind openai has this key",
    );
    section(
        "[[provider]]\nname = 'a'\nkind = 'openai'\nbase_url = 'http://u:hunter2@h/v1'",
        r#"proxy.toml: provider.0.base_url = "http://u:***@h/v1": expected http:// or https:// and a host, without a user, such as http://localhost:11434/v1"#,
    );
    section(
        "[[provider]]\nname = 'a'\nkind = 'builtin'\n[[provider]]\nname = 'a'\nkind = 'builtin'",
        r#"proxy.toml: provider.1.name = "a": provider.0 has this name too: expected one of its own"#,
    );
    section(
        "[[provider]]\nname = 'a'\nkind = 'openai'\nbase_url = 'http://h/v1'\nmodel = 'm'\ntemperature = 3",
        "proxy.toml: provider.0.temperature = 3: expected a number from 0 to 2",
    );
}

#[test]
fn secrets_are_never_repeated() {
    const SHAPE: &str = "expected postgres://user[:password]@host[:port][/database] or postgres://user@/database?host=/socket/dir";
    file(
        "[[upstream]]\nurl = 'postgres://s:hunter2@h:port'",
        &format!(r#"proxy.toml: upstream.0.url = "postgres://s:***@h:port": {SHAPE}"#),
    );
    file(
        "[[upstream]]\nurl = 'mysql://s:hunter2@h'",
        &format!(r#"proxy.toml: upstream.0.url = "mysql://s:***@h": {SHAPE}"#),
    );
    file(
        "[[upstream]]\nurl = 'hunter2'",
        &format!("proxy.toml: upstream.0.url = ***: {SHAPE}"),
    );
    file(
        "[[upstream]]\nurl = 'postgres://s:hunter2@h?sslmode=require'",
        r#"proxy.toml: upstream.0.url = "postgres://s:***@h?sslmode=require": expected sslmode disable, allow or prefer in the URL"#,
    );
    file(
        "[[upstream]]\nurl = 'postgres://s@h'\npassword = 12345",
        "proxy.toml: upstream.0.password = ***: expected text, env:NAME or file:PATH",
    );
    file(
        "[[upstream]]\nurl = 'postgres://s@h'\npasword = 'hunter2'",
        "proxy.toml: upstream.0.pasword: unknown key: did you mean password? expected one of name, url, password, databases",
    );
    file(
        "[[upstream]]\nurl = 'postgres://s:hunter2@h'\npassword = 'hunter3'",
        "proxy.toml: upstream.0.password = ***: upstream's url holds a password too: expected one of the two",
    );
    file(
        "[[upstream]]\nurl = 'postgres://s@h'\npassword = 'env:NO_SUCH'",
        r#"proxy.toml: upstream.0.password = "env:NO_SUCH": expected a value in the environment variable NO_SUCH"#,
    );
    let line = written(
        "[[upstream]]\nurl = 'postgres://s@h'\npassword = 'file:/no/such'",
        &[],
        Vec::new(),
    )
    .line();
    assert!(
        line.starts_with(
            r#"proxy.toml: upstream.0.password = "file:/no/such": expected a readable file: "#
        ),
        "{line}"
    );
}

#[test]
fn the_environment_and_flags_are_named_too() {
    variable(
        "PGASK_POOL__MODE",
        "fast",
        r#"PGASK_POOL__MODE: pool.mode = "fast": expected one of auto, transaction, session"#,
    );
    variable(
        "PGASK_POOL__DEFAULT_POOL_SIZE",
        "x",
        r#"PGASK_POOL__DEFAULT_POOL_SIZE: pool.default_pool_size = "x": expected a whole number from 0 to 4294967295"#,
    );
    variable(
        "PGASK_HTTP__PORT",
        "1",
        "PGASK_HTTP__PORT: http.port: unknown key: expected address",
    );
    variable(
        "PGASK_UPSTREAM__2__URL",
        "x",
        "PGASK_UPSTREAM__2__URL: upstream.2: expected a position from 0 to 1",
    );
    variable(
        "PGASK_UPSTREAM__URL",
        "x",
        "PGASK_UPSTREAM__URL: upstream.url: upstream is a list: expected a position such as upstream.0",
    );
    variable(
        "PGASK_POOL__0__MODE",
        "auto",
        "PGASK_POOL__0__MODE: pool: expected a table",
    );
    variable(
        "PGASK_UPSTREAM__0__URL",
        "x:hunter2",
        "PGASK_UPSTREAM__0__URL: upstream.0.url = ***: expected postgres://user[:password]@host[:port][/database] or postgres://user@/database?host=/socket/dir",
    );
    flag(
        Flag::listen("nowhere".to_owned()),
        r#"--listen: listen.address = "nowhere": expected host:port, such as 127.0.0.1:6432"#,
    );
    flag(
        Flag::upstream("postgres://h".to_owned()),
        r#"--upstream: upstream.0.url = "postgres://h": no user in the URL: expected postgres://user[:password]@host[:port][/database] or postgres://user@/database?host=/socket/dir"#,
    );
}

#[test]
fn the_later_source_wins() {
    let text =
        format!("{UPSTREAM}[listen]\naddress = 'a:1'\nmax_clients = 5\n[http]\naddress = 'b:2'");
    let environment = [
        ("PGASK_LISTEN__ADDRESS", "c:3"),
        ("PGASK_LISTEN__MAX_CLIENTS", "7"),
        ("PGASK_HTTP__ADDRESS", ""),
        ("PGASK_UPSTREAM__0__DATABASES", "shop, crm"),
        ("PGASK_UPSTREAM__0__PASSWORD", "env:SERVICE"),
        ("PGASK_AUTH__DATABASES__SHOP__METHOD", "trust"),
        ("PGASK_PORT", "tcp://10.0.0.1:6432"),
        ("SERVICE", "hunter2"),
    ];
    let flags = vec![
        Flag::listen("d:4".to_owned()),
        Flag::upstream("postgres://x@flag".to_owned()),
    ];
    let loaded = written(&text, &environment, flags).load().unwrap();
    let settings = &loaded.settings;
    assert_eq!(settings.listen.address, "d:4");
    assert_eq!(settings.listen.max_clients, 7);
    assert_eq!(settings.http.address, None);
    assert_eq!(settings.upstream.len(), 1);
    assert_eq!(settings.upstream[0].databases, ["shop", "crm"]);
    assert_eq!(
        settings.upstream[0].endpoint().password.unwrap().expose(),
        "hunter2"
    );
    let printed = loaded.render();
    for (line, origin) in [
        (r#"address = "d:4""#, "--listen"),
        ("max_clients = 7", "PGASK_LISTEN__MAX_CLIENTS"),
        (r#"url = "postgres://x@flag:5432/postgres""#, "--upstream"),
        (r#"password = "***""#, "PGASK_UPSTREAM__0__PASSWORD"),
        (r#"mode = "auto""#, "default"),
    ] {
        let expect = format!("{line:<50} # {origin}");
        assert!(
            printed.lines().any(|line| line == expect),
            "{expect}\n{printed}"
        );
    }
    assert!(!printed.contains("hunter2"), "{printed}");
}

#[test]
fn a_secret_may_stand_in_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("password");
    std::fs::write(&path, "hunter2\n").unwrap();
    let text = format!("{UPSTREAM}password = 'file:{}'", path.display());
    let loaded = written(&text, &[], Vec::new()).load().unwrap();
    assert_eq!(
        loaded.settings.upstream[0]
            .endpoint()
            .password
            .unwrap()
            .expose(),
        "hunter2"
    );
}
