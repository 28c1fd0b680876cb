//! Standard output and standard error, for the commands that talk to a person.

use std::io::{self, ErrorKind, Write};

use crate::app::failure::Failure;

/// Writes text to standard output.
///
/// A reader that has gone (`pgask config | head`) has what it wants: that is no failure.
///
/// # Errors
/// When standard output cannot be written, as to a full disk.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::new(format!(
            "cannot write to standard output: {error}"
        ))),
        _ => Ok(()),
    }
}

/// Writes a line to standard error; there is nowhere to say that this failed.
pub fn say(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
