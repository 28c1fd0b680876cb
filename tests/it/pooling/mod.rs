//! Who gets which server connection, and when it goes to somebody else.

mod ages;
mod cancels;
mod greeting;
mod modes;
mod sharing;
mod waiting;

use crate::support::raw::Raw;

impl Raw {
    /// The process id of the backend that serves this client's next transaction.
    fn backend(&mut self) -> String {
        self.value("select pg_backend_pid()")
    }
}
