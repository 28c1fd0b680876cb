//! The file of a Unix socket, and the lock beside it by which PostgreSQL and we keep off each other's sockets.
//!
//! # Source
//! `Lock_AF_UNIX` in `src/backend/libpq/pqcomm.c` and `CreateLockFile` in `src/backend/utils/init/miscinit.c`: whoever
//! holds `.s.PGSQL.<port>.lock` owns the socket; a lock whose process is gone is nobody's.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use tokio::net::UnixListener;

/// How often a lock may have to be tried for before something is wrong with the directory.
const LOCK_TRIES_MAX: usize = 100;

/// A socket's file and its lock; both are removed when the value is dropped.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    // Dropped last: the lock outlives the socket.
    _lock: LockFile,
}

impl SocketFile {
    /// Binds `.s.PGSQL.<port>` in a directory.
    ///
    /// # Errors
    /// `AddrInUse` when another process has it, and what the operating system says.
    pub(super) fn bind(directory: &Path, port: u16) -> io::Result<(UnixListener, Self)> {
        let path = directory.join(format!(".s.PGSQL.{port}"));
        let lock = LockFile::create(&path, directory, port)?;
        // Someone who knows nothing of locks may listen there all the same.
        if std::os::unix::net::UnixStream::connect(&path).is_ok() {
            return Err(io::Error::new(
                io::ErrorKind::AddrInUse,
                "another process listens there",
            ));
        }
        // A socket that nobody listens on is left over from a process that was killed. Anything else is not ours.
        if fs::symlink_metadata(&path).is_ok_and(|found| found.file_type().is_socket()) {
            fs::remove_file(&path)?;
        }
        let listener = UnixListener::bind(&path)?;
        let file = Self { path, _lock: lock };
        // As PostgreSQL's own socket: who may log in is decided by logging in, and the directory may say more.
        fs::set_permissions(&file.path, Permissions::from_mode(0o777))?;
        Ok((listener, file))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[derive(Debug)]
struct LockFile(PathBuf);

impl LockFile {
    fn create(socket: &Path, directory: &Path, port: u16) -> io::Result<Self> {
        let mut name = socket.as_os_str().to_owned();
        name.push(".lock");
        let path = PathBuf::from(name);
        for _ in 0..LOCK_TRIES_MAX {
            let opened = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path);
            match opened {
                Ok(mut file) => {
                    let lock = Self(path);
                    file.write_all(contents(directory, port).as_bytes())?;
                    return Ok(lock);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => remove_stale(&path)?,
                Err(error) => return Err(about("could not create lock file", &path, error)),
            }
        }
        Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            format!("could not create lock file {}", path.display()),
        ))
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The lines of a lock file in PostgreSQL's order: process id, directory of work, start, port, directory of the socket.
fn contents(directory: &Path, port: u16) -> String {
    let work = std::env::current_dir().unwrap_or_default();
    let start = SystemTime::now().duration_since(UNIX_EPOCH);
    format!(
        "{}\n{}\n{}\n{port}\n{}\n",
        std::process::id(),
        work.display(),
        start.unwrap_or_default().as_secs(),
        directory.display()
    )
}

/// Removes a lock whose process is gone.
fn remove_stale(path: &Path) -> io::Result<()> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        // Its owner has just removed it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(about("could not read lock file", path, error)),
    };
    let in_use = |what: String| Err(io::Error::new(io::ErrorKind::AddrInUse, what));
    let Some(line) = text.lines().next() else {
        return in_use(format!(
            "lock file {} is empty: another process is starting, or one has crashed while it did; if none is, remove it",
            path.display()
        ));
    };
    // A standalone backend writes its own negated.
    let owner = line.trim().parse().ok().map(i32::saturating_abs);
    let Some(owner) = owner.and_then(Pid::from_raw) else {
        return in_use(format!("bogus data in lock file {}", path.display()));
    };
    if is_alive(owner) {
        return in_use(format!(
            "lock file {} already exists: process {} uses the socket",
            path.display(),
            owner.as_raw_nonzero()
        ));
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(about("could not remove old lock file", path, error))
        }
        _ => Ok(()),
    }
}

/// Whether a process is there that may have written a lock. One of ours, or of another user, has not: in a container
/// the same small numbers come back after every start.
fn is_alive(owner: Pid) -> bool {
    let own = [std::process::id(), std::os::unix::process::parent_id()];
    let number = owner.as_raw_nonzero().get();
    if own.iter().any(|&id| i32::try_from(id) == Ok(number)) {
        return false;
    }
    !matches!(test_kill_process(owner), Err(Errno::SRCH | Errno::PERM))
}

fn about(what: &str, path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what} {}: {error}", path.display()))
}
