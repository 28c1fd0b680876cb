//! Frames: a tag byte, a length that counts itself, and a body.

/// Tag and length of every message but the first of a connection.
pub const HEADER_BYTES: usize = 5;

/// The largest message that PostgreSQL accepts, its length field included.
///
/// # Source
/// `PQ_LARGE_MESSAGE_LIMIT` (`MaxAllocSize - 1`) in `src/include/libpq/libpq.h`.
pub const LARGE_MESSAGE_BYTES_MAX: usize = 0x3fff_ffff - 1;

/// The largest message of a kind that has no reason to be large.
///
/// # Source
/// `PQ_SMALL_MESSAGE_LIMIT` in `src/include/libpq/libpq.h`.
pub const SMALL_MESSAGE_BYTES_MAX: usize = 10_000;

/// Message tags, as the manual names them.
pub mod tag {
    /// Query (frontend).
    pub const QUERY: u8 = b'Q';
    /// Parse (frontend).
    pub const PARSE: u8 = b'P';
    /// Bind (frontend).
    pub const BIND: u8 = b'B';
    /// Describe (frontend).
    pub const DESCRIBE: u8 = b'D';
    /// Execute (frontend).
    pub const EXECUTE: u8 = b'E';
    /// Close (frontend).
    pub const CLOSE: u8 = b'C';
    /// Sync (frontend).
    pub const SYNC: u8 = b'S';
    /// Flush (frontend).
    pub const FLUSH: u8 = b'H';
    /// FunctionCall (frontend).
    pub const FUNCTION_CALL: u8 = b'F';
    /// Terminate (frontend).
    pub const TERMINATE: u8 = b'X';
    /// PasswordMessage and the SASL responses (frontend).
    pub const PASSWORD: u8 = b'p';
    /// CopyData (both ways).
    pub const COPY_DATA: u8 = b'd';
    /// CopyDone (both ways).
    pub const COPY_DONE: u8 = b'c';
    /// CopyFail (frontend).
    pub const COPY_FAIL: u8 = b'f';

    /// Authentication (backend).
    pub const AUTHENTICATION: u8 = b'R';
    /// ParameterStatus (backend).
    pub const PARAMETER_STATUS: u8 = b'S';
    /// BackendKeyData (backend).
    pub const BACKEND_KEY_DATA: u8 = b'K';
    /// NegotiateProtocolVersion (backend).
    pub const NEGOTIATE_PROTOCOL_VERSION: u8 = b'v';
    /// ReadyForQuery (backend).
    pub const READY_FOR_QUERY: u8 = b'Z';
    /// RowDescription (backend).
    pub const ROW_DESCRIPTION: u8 = b'T';
    /// ParameterDescription (backend).
    pub const PARAMETER_DESCRIPTION: u8 = b't';
    /// NoData (backend).
    pub const NO_DATA: u8 = b'n';
    /// DataRow (backend).
    pub const DATA_ROW: u8 = b'D';
    /// CommandComplete (backend).
    pub const COMMAND_COMPLETE: u8 = b'C';
    /// EmptyQueryResponse (backend).
    pub const EMPTY_QUERY_RESPONSE: u8 = b'I';
    /// PortalSuspended (backend).
    pub const PORTAL_SUSPENDED: u8 = b's';
    /// ParseComplete (backend).
    pub const PARSE_COMPLETE: u8 = b'1';
    /// BindComplete (backend).
    pub const BIND_COMPLETE: u8 = b'2';
    /// CloseComplete (backend).
    pub const CLOSE_COMPLETE: u8 = b'3';
    /// ErrorResponse (backend).
    pub const ERROR_RESPONSE: u8 = b'E';
    /// NoticeResponse (backend).
    pub const NOTICE_RESPONSE: u8 = b'N';
    /// NotificationResponse (backend).
    pub const NOTIFICATION_RESPONSE: u8 = b'A';
    /// CopyInResponse (backend).
    pub const COPY_IN_RESPONSE: u8 = b'G';
    /// CopyOutResponse (backend).
    pub const COPY_OUT_RESPONSE: u8 = b'H';
    /// CopyBothResponse (backend).
    pub const COPY_BOTH_RESPONSE: u8 = b'W';
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The message's tag.
    pub tag: u8,
    /// Bytes of the whole frame, header included.
    pub frame_bytes: usize,
}

/// A header that no peer may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadHeader {
    /// A tag that is no message of this direction.
    Tag(u8),
    /// A length below its own four bytes or above the limit for this tag.
    Length(u8, i32),
}

impl Header {
    /// Reads a header from the start of `bytes`; `None` when fewer than five are there.
    ///
    /// A length that is too short even for itself comes back as a frame of header size only where the server is
    /// trusted to be sane; clients are checked by [`Self::read_frontend`].
    #[inline]
    #[must_use]
    pub fn read_backend(bytes: &[u8]) -> Option<Self> {
        let header: &[u8; HEADER_BYTES] = bytes.first_chunk()?;
        let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
        Some(Self {
            tag: header[0],
            frame_bytes: 1 + length.max(4),
        })
    }

    /// Reads and checks the header of a message from a client; `None` when fewer than five bytes are there.
    ///
    /// # Errors
    /// A tag or a length that PostgreSQL itself would close the connection for (08P01).
    #[inline]
    pub fn read_frontend(bytes: &[u8]) -> Result<Option<Self>, BadHeader> {
        let Some(&code) = bytes.first() else {
            return Ok(None);
        };
        let limit = match code {
            tag::QUERY | tag::PARSE | tag::BIND | tag::FUNCTION_CALL | tag::COPY_DATA => {
                LARGE_MESSAGE_BYTES_MAX
            }
            tag::DESCRIBE
            | tag::EXECUTE
            | tag::CLOSE
            | tag::SYNC
            | tag::FLUSH
            | tag::TERMINATE
            | tag::COPY_DONE
            | tag::COPY_FAIL => SMALL_MESSAGE_BYTES_MAX,
            _ => return Err(BadHeader::Tag(code)),
        };
        let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        let length = i32::from_be_bytes([header[1], header[2], header[3], header[4]]);
        match usize::try_from(length) {
            Ok(bytes) if (4..=limit).contains(&bytes) => Ok(Some(Self {
                tag: code,
                frame_bytes: 1 + bytes,
            })),
            _ => Err(BadHeader::Length(code, length)),
        }
    }

    /// Bytes of the body.
    #[inline]
    #[must_use]
    pub const fn body_bytes(&self) -> usize {
        self.frame_bytes - HEADER_BYTES
    }
}

/// Splits a NUL-terminated string off the front; `None` when there is no NUL.
#[inline]
#[must_use]
pub fn split_cstr(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(0, bytes)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_waits_for_five_bytes() {
        assert_eq!(Header::read_frontend(b""), Ok(None));
        assert_eq!(Header::read_frontend(b"Q\0\0\0"), Ok(None));
        assert_eq!(
            Header::read_frontend(b"Q\0\0\0\x05\0"),
            Ok(Some(Header {
                tag: b'Q',
                frame_bytes: 6
            }))
        );
    }

    #[test]
    fn lengths_and_tags_out_of_range_are_refused() {
        assert_eq!(
            Header::read_frontend(b"Q\0\0\0\x03"),
            Err(BadHeader::Length(b'Q', 3))
        );
        assert_eq!(
            Header::read_frontend(b"Q\x7f\xff\xff\xff"),
            Err(BadHeader::Length(b'Q', i32::MAX))
        );
        assert_eq!(
            Header::read_frontend(b"S\0\0\x40\0"),
            Err(BadHeader::Length(b'S', 0x4000))
        );
        assert_eq!(Header::read_frontend(b"!"), Err(BadHeader::Tag(b'!')));
    }
}
