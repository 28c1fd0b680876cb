//! One throwaway server, from `initdb` to the removal of its directory.
//!
//! The server is started below a small shell that reads a pipe whose other end only this process holds. However
//! this process ends (a normal end, Ctrl-C, a panic, SIGKILL), the pipe closes, and the shell stops the server and
//! removes the directory. That is why nothing is left behind even when no destructor runs.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::app::throwaway::ThrowawayError;
use crate::app::throwaway::binaries::Binaries;

/// The superuser that every throwaway server has.
pub const SUPERUSER: &str = "postgres";

/// How much of a log or an output an error shows, in bytes, counted from its end.
const SHOWN_BYTES_MAX: usize = 2_000;

/// A free port may be taken by another process between the moment it is found and the moment the server binds it.
const PORT_TRIES_MAX: u32 = 5;

/// The longest socket directory that leaves room for `/.s.PGSQL.65535` in a `sockaddr_un` of 104 bytes (macOS).
const SOCKET_DIR_BYTES_MAX: usize = 88;

/// Runs with the binaries' directory and the server's own directory as arguments. It takes part in no Ctrl-C,
/// because it has a process group of its own, and survives a closed standard output.
const SUPERVISOR: &str = r#"
trap '' PIPE
if "$1/pg_ctl" -D "$2/data" -l "$2/server.log" -w -t 60 start >"$2/pg_ctl.log" 2>&1; then
    echo ready
else
    echo failed
fi
cat >/dev/null
"$1/pg_ctl" -D "$2/data" -m immediate -w stop >/dev/null 2>&1
cd / && rm -rf "$2"
"#;

/// How clients prove who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Everybody is believed, on loopback and on the Unix socket.
    Trust,
    /// SCRAM-SHA-256 for every role; the superuser alone is believed on the Unix socket, whose directory only the
    /// server's own user (and root) can enter.
    Scram,
}

/// What kind of server is wanted.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The TCP port on 127.0.0.1; `None` takes a free one.
    pub port: Option<u16>,
    /// How clients log in.
    pub auth: Auth,
    /// Lines for `postgresql.conf`, as name and value; the value is quoted here.
    pub settings: Vec<(String, String)>,
    /// A data directory made by [`Server::save`] to copy; `None` runs `initdb`.
    pub template: Option<PathBuf>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            port: None,
            auth: Auth::Trust,
            settings: Vec::new(),
            template: None,
        }
    }
}

/// A running throwaway server; it is stopped and its directory removed when the value is dropped.
#[derive(Debug)]
pub struct Server {
    supervisor: Child,
    binaries: Binaries,
    user: Option<User>,
    dir: PathBuf,
    port: u16,
}

/// The unprivileged user that the server runs as when this process is root.
#[derive(Clone, Copy, Debug)]
struct User {
    uid: u32,
    gid: u32,
}

impl Server {
    /// Starts a server and waits until it accepts connections. Blocks, typically for under two seconds.
    ///
    /// # Errors
    /// When the binaries are missing, when there is no user to run it as, and when `initdb` or the server fails;
    /// the error carries the end of what they wrote.
    pub fn start(plan: &Plan) -> Result<Self, ThrowawayError> {
        let binaries = Binaries::find()?;
        for _ in 1..PORT_TRIES_MAX {
            match Self::start_once(plan, &binaries) {
                Err(ThrowawayError::Program { output, .. })
                    if plan.port.is_none() && output.contains("already in use") => {}
                other => return other,
            }
        }
        Self::start_once(plan, &binaries)
    }

    /// The TCP port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The directory of the Unix socket.
    #[must_use]
    pub fn socket_dir(&self) -> &Path {
        &self.dir
    }

    /// Everything the server has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        read_lossy(&self.dir.join("server.log"))
    }

    /// Stops the server in good order and keeps a copy of its data directory at `to`, for [`Plan::template`].
    ///
    /// # Errors
    /// When the server does not stop, or the copy cannot be written.
    pub fn save(self, to: &Path) -> Result<(), ThrowawayError> {
        let mut command = program(&self.binaries, "pg_ctl", self.user, &self.dir);
        command.arg("-D").arg(self.data());
        run(command.args(["-m", "fast", "-w", "stop"]), "pg_ctl stop")?;
        copy_tree(&self.data(), to, None).map_err(ThrowawayError::io("copy the data directory"))
    }

    fn start_once(plan: &Plan, binaries: &Binaries) -> Result<Self, ThrowawayError> {
        let dir = tempfile::Builder::new()
            .prefix("pgask-")
            .tempdir_in(parent_of_directories())
            .map_err(ThrowawayError::io("create a temporary directory"))?;
        // Whoever may create files here owns them: the owner tells whether this process is root.
        let is_root = fs::metadata(dir.path())
            .map_err(ThrowawayError::io("read the temporary directory's owner"))?
            .uid()
            == 0;
        let user = if is_root { Some(User::find()?) } else { None };
        let data = dir.path().join("data");
        if let Some(template) = &plan.template {
            copy_tree(template, &data, user)
                .map_err(ThrowawayError::io("copy the data directory"))?;
        }
        if let Some(user) = user {
            chown(dir.path(), Some(user.uid), Some(user.gid))
                .map_err(ThrowawayError::io("hand the temporary directory over"))?;
        }
        if plan.template.is_none() {
            initdb(binaries, user, dir.path(), &data)?;
        }
        let port = match plan.port {
            Some(port) => port,
            None => free_port().map_err(ThrowawayError::io("find a free port"))?,
        };
        configure(plan, dir.path(), &data, port)
            .map_err(ThrowawayError::io("write the server's configuration"))?;

        let mut supervisor = environment(Command::new("sh"), user, dir.path())
            .args(["-c", SUPERVISOR, "pgask-throwaway"])
            .arg(binaries.dir())
            .arg(dir.path())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(ThrowawayError::io("start the server"))?;
        let answer = supervisor.stdout.take().expect("stdout was piped above");
        // From here on the shell removes the directory, and dropping `server` closes its pipe.
        let server = Self {
            supervisor,
            binaries: binaries.clone(),
            user,
            dir: dir.keep(),
            port,
        };
        let mut line = String::new();
        BufReader::new(answer)
            .read_line(&mut line)
            .map_err(ThrowawayError::io("wait for the server"))?;
        if line.trim() == "ready" {
            return Ok(server);
        }
        Err(ThrowawayError::Program {
            program: "postgres",
            output: tail(&(read_lossy(&server.dir.join("pg_ctl.log")) + &server.log())),
        })
    }

    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        // The shell cannot be waited for twice and its failure changes nothing here: there is nobody to tell.
        let _ = self.supervisor.wait();
        // The shell empties the directory; where only root may write beside it, root has to remove it.
        let _ = fs::remove_dir(&self.dir);
    }
}

impl User {
    /// `postgres` where a package made it, else `nobody`.
    fn find() -> Result<Self, ThrowawayError> {
        let passwd = fs::read_to_string("/etc/passwd").map_err(ThrowawayError::io(
            "read /etc/passwd to find an unprivileged user",
        ))?;
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| Self::in_passwd(&passwd, name))
            .ok_or(ThrowawayError::NoUser)
    }

    fn in_passwd(passwd: &str, name: &str) -> Option<Self> {
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            if fields.next()? != name {
                return None;
            }
            let uid: u32 = fields.nth(1)?.parse().ok()?;
            let gid: u32 = fields.next()?.parse().ok()?;
            (uid != 0).then_some(Self { uid, gid })
        })
    }
}

fn initdb(
    binaries: &Binaries,
    user: Option<User>,
    dir: &Path,
    data: &Path,
) -> Result<(), ThrowawayError> {
    let mut command = program(binaries, "initdb", user, dir);
    command.arg("-D").arg(data).args([
        "--username",
        SUPERUSER,
        "--auth=trust",
        "--encoding=UTF8",
        // The same order of rows and the same messages on every machine.
        "--no-locale",
        // Small segments: a copy of the empty cluster is then some 24 MB in place of 40.
        "--wal-segsize=1",
        "--no-sync",
    ]);
    run(&mut command, "initdb")
}

fn configure(plan: &Plan, dir: &Path, data: &Path, port: u16) -> std::io::Result<()> {
    let mut conf = fs::read_to_string(data.join("postgresql.conf"))?;
    let own = [
        ("listen_addresses", "127.0.0.1".to_owned()),
        ("port", port.to_string()),
        ("unix_socket_directories", dir.display().to_string()),
        // The data is thrown away: nothing of it has to survive a power cut.
        ("fsync", "off".to_owned()),
        ("synchronous_commit", "off".to_owned()),
        ("full_page_writes", "off".to_owned()),
        ("password_encryption", "scram-sha-256".to_owned()),
    ];
    conf.push_str("\n# Written by pgask: the last line of a name wins.\n");
    let asked = plan.settings.iter().map(|(n, v)| (n.as_str(), v));
    for (name, value) in own.iter().map(|(n, v)| (*n, v)).chain(asked) {
        conf.push_str(&format!("{name} = '{}'\n", value.replace('\'', "''")));
    }
    fs::write(data.join("postgresql.conf"), conf)?;
    let hba = match plan.auth {
        Auth::Trust => "local all all trust\nhost all all 127.0.0.1/32 trust\n".to_owned(),
        Auth::Scram => format!(
            "local all {SUPERUSER} trust\n\
             local all all scram-sha-256\n\
             host all all 127.0.0.1/32 scram-sha-256\n"
        ),
    };
    fs::write(data.join("pg_hba.conf"), hba)
}

fn program(binaries: &Binaries, name: &str, user: Option<User>, dir: &Path) -> Command {
    environment(Command::new(binaries.program(name)), user, dir)
}

/// The user, the directory and the environment that PostgreSQL's programs run with: a caller's `PGPORT` or
/// `PGDATA` must not reach them, and the caller's directory may be closed to the other user.
fn environment(mut command: Command, user: Option<User>, dir: &Path) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    command.current_dir(dir).env("HOME", dir).env("LC_ALL", "C");
    if let Some(user) = user {
        // The standard library drops root's supplementary groups along with the uid.
        command.gid(user.gid).uid(user.uid);
    }
    command
}

fn run(command: &mut Command, program: &'static str) -> Result<(), ThrowawayError> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(ThrowawayError::io(format!("run {program}")))?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    Err(ThrowawayError::Program {
        program,
        output: tail(&String::from_utf8_lossy(&text)),
    })
}

/// Copies a directory tree of plain files and directories, with a data directory's own modes.
fn copy_tree(from: &Path, to: &Path, owner: Option<User>) -> std::io::Result<()> {
    fs::DirBuilder::new().mode(0o700).create(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target, owner)?;
            continue;
        }
        fs::copy(entry.path(), &target)?;
        if let Some(user) = owner {
            chown(&target, Some(user.uid), Some(user.gid))?;
        }
    }
    match owner {
        Some(user) => chown(to, Some(user.uid), Some(user.gid)),
        None => Ok(()),
    }
}

fn parent_of_directories() -> PathBuf {
    let dir = std::env::temp_dir();
    if dir.as_os_str().len() + "/pgask-XXXXXX".len() > SOCKET_DIR_BYTES_MAX {
        return PathBuf::from("/tmp");
    }
    dir
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

fn read_lossy(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

fn tail(text: &str) -> String {
    let text = text.trim();
    let mut start = text.len().saturating_sub(SHOWN_BYTES_MAX);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text[start..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_read_from_passwd_but_never_root() {
        let passwd =
            "root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\npostgres:x:101:104::/:/bin/sh\n";
        let user = User::in_passwd(passwd, "postgres").unwrap();
        assert_eq!((user.uid, user.gid), (101, 104));
        assert!(User::in_passwd(passwd, "toor").is_none());
        assert!(User::in_passwd(passwd, "nobody").is_none());
    }

    #[test]
    fn the_tail_of_an_output_never_splits_a_character() {
        let text = "ä".repeat(SHOWN_BYTES_MAX);
        assert!(tail(&text).len() <= SHOWN_BYTES_MAX);
    }
}
