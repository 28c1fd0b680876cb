//! Names and values whose encoding nobody has told us, held as text without losing a byte.
//!
//! A role, a database or a setting comes in a StartupMessage before any encoding is agreed upon. Nearly always it is
//! UTF-8, and then the text is what it looks like. A byte that is not is held as a character of its own, at the very
//! end of the last private plane, and becomes that byte again when it is sent.

use std::borrow::Cow;

/// The character that stands for byte 0; only 0x80 and up are ever held so.
const STRAY: u32 = 0x10_FF00;

/// What a UTF-8 character that stands for a byte begins with.
const LEAD: u8 = 0xf4;

/// Bytes as text.
#[must_use]
pub fn text(bytes: &[u8]) -> String {
    let mut held = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if stray_byte(character).is_some() {
                // It would be taken for a byte; its own bytes will not.
                let mut space = [0; 4];
                hold(&mut held, character.encode_utf8(&mut space).as_bytes());
            } else {
                held.push(character);
            }
        }
        hold(&mut held, chunk.invalid());
    }
    held
}

/// The bytes that [`text`] was made of.
#[must_use]
pub fn bytes(text: &str) -> Cow<'_, [u8]> {
    if memchr::memchr(LEAD, text.as_bytes()).is_none() {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut space = [0; 4];
    for character in text.chars() {
        match stray_byte(character) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(character.encode_utf8(&mut space).as_bytes()),
        }
    }
    Cow::Owned(bytes)
}

/// The same text with its stray bytes as U+FFFD, for people to read.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if memchr::memchr(LEAD, text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(String::from_utf8_lossy(&bytes(text)).into_owned())
}

fn hold(held: &mut String, bytes: &[u8]) {
    held.extend(
        bytes
            .iter()
            .filter_map(|&byte| char::from_u32(STRAY + u32::from(byte))),
    );
}

fn stray_byte(character: char) -> Option<u8> {
    u32::from(character)
        .checked_sub(STRAY)
        .and_then(|byte| u8::try_from(byte).ok())
        .filter(|&byte| byte >= 0x80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_come_back_as_they_were() {
        for sample in [
            &b""[..],
            b"plain",
            "n\u{f6}rdlich \u{1f40e}".as_bytes(),
            b"n\xf6rdlich",
            b"\xff\xfe\x80",
            "\u{10ffff}\u{10ff80}\u{10ff7f}\u{10ff00}".as_bytes(),
            b"\xf4\x8f\xbf\xbf\xf4\x8f\xbf",
            b"\xed\xa0\x80",
        ] {
            assert_eq!(*bytes(&text(sample)), *sample, "{sample:?}");
        }
        let mut state = 1_u32;
        for _ in 0..2000 {
            let sample: Vec<u8> = (0..12)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let [high, ..] = state.to_be_bytes();
                    [0xf4, 0x8f, 0xbf, 0xbe, b'a', high][usize::from(high) % 6]
                })
                .collect();
            assert_eq!(*bytes(&text(&sample)), *sample, "{sample:?}");
        }
    }

    #[test]
    fn text_that_is_utf8_is_what_it_looks_like() {
        assert_eq!(text("R\u{f6}le".as_bytes()), "R\u{f6}le");
        assert_ne!(text(b"R\xf6le"), text("R\u{f6}le".as_bytes()));
        assert_eq!(printable(&text(b"R\xf6le")), "R\u{fffd}le");
    }
}
