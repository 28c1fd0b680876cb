//! The two sides: one PostgreSQL with two equal databases, of which one is reached directly and one through pgask.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use pgask::app::throwaway::server::{Auth, Plan, SUPERUSER, Server};
use tempfile::TempDir;
use toml::Table;

use super::player::{Answer, Player};
use super::script::Message;
use crate::support::proxy::{Proxy, free_port};
use crate::support::raw::{Endpoint, Login, Raw};

/// Server connections that pgask may have for the players; there are always more clients.
pub(super) const POOL_SIZE: usize = 2;

/// The most clients that take part in a sequence.
pub(super) const CLIENTS_MAX: usize = 5;

/// The role that all players log in as; it is a member of `other`.
pub(super) const PLAYER: &str = "player";

/// How long the servers may take to notice that a client has gone.
const SETTLING_TIMEOUT: Duration = Duration::from_secs(20);

const SCHEMA: &str = include_str!("../fixtures/fuzz_diff/schema.sql");
const UNDEFINE: &str = include_str!("../fixtures/fuzz_diff/undefine.sql");
const RESIDUES: &str = include_str!("../fixtures/fuzz_diff/residues.sql");
const REFILL: &str = include_str!("../fixtures/fuzz_diff/refill.sql");

/// Makes the tables as small as new ones.
const EMPTY: &str = "truncate fuzz.log, fuzz.uniq, fuzz.late, fuzz.ser, fuzz.typed";

/// Where everything that is created and dropped leaves dead rows.
const CATALOGS: [&str; 9] = [
    "pg_class",
    "pg_attribute",
    "pg_attrdef",
    "pg_type",
    "pg_proc",
    "pg_index",
    "pg_rewrite",
    "pg_constraint",
    "pg_depend",
];

/// What a sequence has left in the tables.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Dirt {
    pub(super) rows: bool,
    pub(super) definitions: bool,
}

/// One PostgreSQL and one pgask before it.
pub(super) struct Theatre {
    // Ends before the server does. Locked only because the workers share the rest.
    proxy: Mutex<Proxy>,
    server: Server,
    proxy_socket: PathBuf,
    dir: TempDir,
}

impl Theatre {
    /// Starts both.
    pub(super) fn open() -> Self {
        let settings = [
            // Nothing happens by itself.
            ("autovacuum", "off"),
            ("jit", "off"),
            ("timezone", "UTC"),
            ("max_connections", "200"),
            // Backends come and go all the time: what they share should be mapped in a moment.
            ("shared_buffers", "32MB"),
            // A million sequences fail many times a second on purpose.
            ("log_min_messages", "panic"),
            ("wal_level", "minimal"),
            ("max_wal_senders", "0"),
            // Whoever waits for a lock longer than this is a defect of the generator; both sides say so.
            ("lock_timeout", "5s"),
        ];
        let server = Server::start(&Plan {
            auth: Auth::Trust,
            settings: settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..Plan::default()
        })
        .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (proxy, proxy_socket) = start_proxy(&server, &dir);
        let theatre = Self {
            server,
            proxy: Mutex::new(proxy),
            proxy_socket,
            dir,
        };
        let mut admin = theatre.admin("postgres");
        admin.rows("create role other");
        admin.rows(&format!("create role {PLAYER} login in role other"));
        theatre
    }

    /// A pair of sides of their own; their players have yet to log in.
    pub(super) fn sides(&self, name: &str) -> [Side; 2] {
        let mut admin = self.admin("postgres");
        let template = format!("{name}_template");
        for database in [
            &template,
            &format!("{name}_direct"),
            &format!("{name}_proxied"),
        ] {
            admin.rows(&format!("drop database if exists {database} with (force)"));
        }
        admin.rows(&format!("create database {template}"));
        self.admin(&template).rows(SCHEMA);
        let make = |admin: &mut Raw, side: &str| {
            let database = format!("{name}_{side}");
            // Copies have the same OIDs.
            admin.rows(&format!("create database {database} template {template}"));
            admin.rows(&format!(
                "alter database {database} set search_path = fuzz, public"
            ));
            database
        };
        let direct = make(&mut admin, "direct");
        let proxied = make(&mut admin, "proxied");
        admin.rows(&format!("drop database {template}"));
        let direct_socket = self
            .server
            .socket_dir()
            .join(format!(".s.PGSQL.{}", self.server.port()));
        [
            Side::new(self.admin(&direct), direct, direct_socket),
            Side::new(self.admin(&proxied), proxied, self.proxy_socket.clone()),
        ]
    }

    /// Ends pgask and starts another one: what it remembered is forgotten.
    pub(super) fn restart_proxy(&mut self) {
        let (proxy, socket) = start_proxy(&self.server, &self.dir);
        self.proxy = Mutex::new(proxy);
        self.proxy_socket = socket;
    }

    /// Where pgask listens.
    pub(super) fn proxy_socket(&self) -> PathBuf {
        self.proxy_socket.clone()
    }

    /// What pgask has logged.
    pub(super) fn proxy_logs(&self) -> String {
        self.proxy.lock().unwrap().logs()
    }

    fn admin(&self, database: &str) -> Raw {
        let login = Login {
            user: SUPERUSER,
            password: "",
            database,
            parameters: &[],
        };
        let endpoint = Endpoint::unix(self.server.socket_dir(), self.server.port());
        Raw::login(&endpoint, &login).expect("a login")
    }
}

fn start_proxy(server: &Server, dir: &TempDir) -> (Proxy, PathBuf) {
    let port = free_port();
    let config: Table = format!(
        "[listen]\naddress = '127.0.0.1:{port}'\nunix_socket_dir = '{}'\n\
         [[upstream]]\nname = 'main'\nurl = 'postgres://{SUPERUSER}@/postgres?host={}&port={}'\n\
         [pool]\ndefault_pool_size = {POOL_SIZE}\nquery_wait_timeout = '15s'\n\
         [auth]\nmethod = 'trust'\n[log]\nlevel = 'warn'\n",
        dir.path().display(),
        server.socket_dir().display(),
        server.port(),
    )
    .parse()
    .unwrap();
    let proxy = Proxy::start_config(config, &[]);
    (proxy, dir.path().join(format!(".s.PGSQL.{port}")))
}

/// One of the two sides.
pub(super) struct Side {
    admin: Raw,
    database: String,
    pub(super) socket: PathBuf,
    players: Vec<Option<Player>>,
}

impl Side {
    fn new(admin: Raw, database: String, socket: PathBuf) -> Self {
        Self {
            admin,
            database,
            socket,
            players: (0..CLIENTS_MAX).map(|_| None).collect(),
        }
    }

    /// A client, logged in if it was not.
    pub(super) fn player(&mut self, client: usize) -> &mut Player {
        self.players[client]
            .get_or_insert_with(|| Player::login(&self.socket, PLAYER, &self.database).0)
    }

    /// Logs a client in that has left.
    pub(super) fn log_in_again(&mut self, client: usize) -> Answer {
        let (player, answer) = Player::login(&self.socket, PLAYER, &self.database);
        self.players[client] = Some(player);
        answer
    }

    /// Closes a client's connection.
    pub(super) fn drop_player(&mut self, client: usize) {
        self.players[client] = None;
    }

    /// Closes every client's connection.
    pub(super) fn drop_players(&mut self) {
        self.players.fill_with(|| None);
    }

    /// Makes the tables what they were.
    pub(super) fn clean(&mut self, dirt: Dirt) {
        if dirt.definitions {
            self.admin.rows(UNDEFINE);
        }
        if dirt.rows {
            self.admin.rows(REFILL);
        }
    }

    /// Rids the tables and the catalog of dead rows. The tables are not vacuumed: that would tell the planner how large
    /// they are, on one side perhaps otherwise than on the other.
    pub(super) fn renew_storage(&mut self) {
        self.admin.rows(EMPTY);
        self.admin.rows(REFILL);
        for catalog in CATALOGS {
            self.admin.rows(&format!("vacuum {catalog}"));
        }
    }

    /// What is left in the players' sessions that a new one would not have, a line for each.
    pub(super) fn residues(&mut self) -> Vec<String> {
        (0..CLIENTS_MAX)
            .flat_map(|client| {
                let player = self.player(client);
                player.send(&[Message::query(RESIDUES)]);
                player.read().lines()
            })
            .collect()
    }

    /// What [`Self::residues`] says when nothing is left.
    pub(super) fn no_residues() -> Vec<String> {
        let line = format!("D |{PLAYER} |{PLAYER} |fuzz, public |NULL |0 |0 |0");
        let type_of = |name: &str, oid: u32, size: i32| format!(" {name}:-.0:{oid}:{size}:-1:0");
        let columns = [
            type_of("current_user", 19, 64),
            type_of("session_user", 19, 64),
            type_of("current_setting", 25, -1),
            type_of("settings", 25, -1),
            type_of("relations", 20, 8),
            type_of("channels", 20, 8),
            type_of("locks", 20, 8),
        ];
        let lines = [
            format!("T{}", columns.concat()),
            line,
            "C SELECT 1\\x00".to_owned(),
            "Z I".to_owned(),
        ];
        (0..CLIENTS_MAX).flat_map(|_| lines.clone()).collect()
    }

    /// How many of the players' backends are at work or in a transaction, and how many advisory locks they have.
    pub(super) fn business(&mut self) -> Vec<Option<String>> {
        let sql = format!(
            "select count(*), (select count(*) from pg_locks l join pg_database d on d.oid = l.database \
             where l.locktype = 'advisory' and d.datname = '{0}') from pg_stat_activity \
             where datname = '{0}' and usename = '{PLAYER}' and state <> 'idle'",
            self.database
        );
        self.admin.rows(&sql).remove(0)
    }

    /// Whether a player's statement is asleep.
    pub(super) fn is_sleeping(&mut self) -> bool {
        let sql = format!(
            "select count(*) > 0 from pg_stat_activity \
             where datname = '{}' and usename = '{PLAYER}' and wait_event = 'PgSleep'",
            self.database
        );
        self.admin.value(&sql) == "t"
    }

    /// Waits until exactly so much business goes on; what goes on instead, if it does not come to that.
    pub(super) fn wait_for_business(
        &mut self,
        expected: &[Option<String>],
    ) -> Result<(), Vec<Option<String>>> {
        let start = Instant::now();
        loop {
            let found = self.business();
            if found == expected {
                return Ok(());
            }
            if start.elapsed() > SETTLING_TIMEOUT {
                return Err(found);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until the server has no more than these clients' backends.
    pub(super) fn wait_for_backends(&mut self) {
        let clients = self.players.iter().flatten().count();
        let sql = format!(
            "select count(*) <= {clients} from pg_stat_activity where datname = '{}' and usename = '{PLAYER}'",
            self.database
        );
        let start = Instant::now();
        while self.admin.value(&sql) != "t" {
            assert!(
                start.elapsed() < SETTLING_TIMEOUT,
                "PostgreSQL keeps a backend whose client has gone"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
