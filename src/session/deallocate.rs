//! `DEALLOCATE` by a simple Query, which several drivers send behind every statement: carried out without tying the
//! connection to the session, as speaking of statements by name otherwise does.

use super::serve::Session;
use crate::wire::exchange::{Fate, Sent};
use crate::wire::frame::{HEADER_BYTES, Header, split_cstr, tag};
use crate::wire::message;

/// What a `DEALLOCATE` speaks of.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Deallocate {
    /// Every statement.
    All,
    /// The statement of this name.
    Named(Box<[u8]>),
}

/// A longer name is cut by the server.
///
/// # Source
/// `NAMEDATALEN` in `src/include/pg_config_manual.h`.
const NAME_BYTES_MAX: usize = 63;

/// Reads a text that is one plain `DEALLOCATE`; `None` for everything else, and for whatever takes a closer look.
pub(super) fn read(sql: &[u8]) -> Option<Deallocate> {
    let sql = sql.trim_ascii();
    let sql = sql.strip_suffix(b";").unwrap_or(sql).trim_ascii_end();
    let rest = strip_word(sql, "deallocate")?;
    let name = strip_word(rest, "prepare").unwrap_or(rest);
    if name.eq_ignore_ascii_case(b"all") {
        return Some(Deallocate::All);
    }
    let name = match name.strip_prefix(b"\"") {
        Some(quoted) => quoted
            .strip_suffix(b"\"")
            .filter(|inner| !inner.contains(&b'"'))?
            .to_vec(),
        None => {
            let is_plain = !name.eq_ignore_ascii_case(b"prepare")
                && name.first().is_some_and(|byte| !byte.is_ascii_digit())
                && name
                    .iter()
                    .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
            if !is_plain {
                return None;
            }
            name.to_ascii_lowercase()
        }
    };
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len());
    fits.then(|| Deallocate::Named(name.into()))
}

/// What follows a word and the space behind it.
fn strip_word<'a>(sql: &'a [u8], word: &str) -> Option<&'a [u8]> {
    let (head, rest) = sql.split_at_checked(word.len())?;
    let is_apart = rest.first().is_some_and(u8::is_ascii_whitespace);
    (head.eq_ignore_ascii_case(word.as_bytes()) && is_apart).then(|| rest.trim_ascii_start())
}

impl Session {
    /// The `DEALLOCATE` that a Query or a Parse is.
    pub(super) fn front_deallocate(&self, header: Header) -> Option<Deallocate> {
        let body = &self.from_client.unscanned()[HEADER_BYTES..header.frame_bytes];
        let text = match header.tag {
            tag::QUERY => body,
            _ => split_cstr(body)?.1,
        };
        read(split_cstr(text)?.0)
    }

    /// Has the server deallocate something else in the place of a statement that it knows by another name, if at all,
    /// and that others may need: all that is the client's of it is the name.
    pub(super) fn deallocate(&mut self, header: Header, name: Box<[u8]>) {
        self.own_words_ahead = !self.in_batch;
        let stand_in = self.stand_in(&[0, 0]);
        self.from_client.discard(header.frame_bytes);
        self.unnamed.forget();
        let Some(lease) = &mut self.server else {
            return;
        };
        lease.closing.retain(|closing| *closing != stand_in);
        let mut space = [0; 24];
        let stand_in = stand_in.write(&mut space);
        lease.scratch.clear();
        message::put_frame(&mut lease.scratch, tag::QUERY, &[b"DEALLOCATE ", stand_in]);
        lease.exchange.sent(Sent::Query, Fate::Relay);
        lease.unnamed_owner = 0;
        self.from_client.insert(&lease.scratch);
        self.deallocating = Some(name);
        self.in_batch = false;
        self.names_in_doubt = true;
        self.batch_changes_names = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_plain_deallocate_is_told_from_the_rest() {
        let named = |name: &str| Some(Deallocate::Named(name.as_bytes().into()));
        for (sql, expected) in [
            ("DEALLOCATE ALL", Some(Deallocate::All)),
            (" deallocate prepare all ;", Some(Deallocate::All)),
            ("deallocate pdo_stmt_00000001", named("pdo_stmt_00000001")),
            ("DEALLOCATE Mixed_Case;", named("mixed_case")),
            ("deallocate prepare \"Quoted name\"", named("Quoted name")),
            ("deallocate \"all\"", named("all")),
        ] {
            assert_eq!(read(sql.as_bytes()), expected, "{sql}");
        }
        for sql in [
            "deallocate",
            "deallocate prepare",
            "deallocate \"\"",
            "deallocate \"a\"\"b\"",
            "deallocate a; select 1",
            "deallocate a -- b",
            "deallocate 1a",
            "deallocate U&\"a\"",
            "deallocateall",
            "select deallocate",
        ] {
            assert_eq!(read(sql.as_bytes()), None, "{sql}");
        }
        let long = format!("deallocate {}", "x".repeat(64));
        assert_eq!(read(long.as_bytes()), None);
    }
}
