//! The messages that we write ourselves, and the fields that we read out of others'.

use std::borrow::Cow;

use bytes::BytesMut;
use pgwire::messages::Message;
use pgwire::messages::data::{DataRow, FieldDescription, RowDescription};
use pgwire::messages::response::{CommandComplete, ReadyForQuery, TransactionStatus};
use pgwire::messages::startup::Authentication;

use super::frame::{HEADER_BYTES, split_cstr, tag};
use crate::error::{InternalQuery, Refusal, SqlState};
use crate::names::raw;

/// How grave an ErrorResponse or a NoticeResponse is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The statement failed; the connection goes on.
    Error,
    /// The connection is closed behind it.
    Fatal,
    /// A notice.
    Notice,
    /// A warning.
    Warning,
}

impl Severity {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
            Self::Notice => "NOTICE",
            Self::Warning => "WARNING",
        }
    }
}

/// PostgreSQL's type OID of `text`.
pub const TEXT_OID: u32 = 25;

/// Appends an ErrorResponse.
pub fn put_error(out: &mut BytesMut, severity: Severity, refusal: &Refusal) {
    put_frame(out, tag::ERROR_RESPONSE, &[&fields(severity, refusal)]);
}

/// Appends a NoticeResponse.
pub fn put_notice(out: &mut BytesMut, severity: Severity, notice: &Refusal) {
    put_frame(out, tag::NOTICE_RESPONSE, &[&fields(severity, notice)]);
}

/// Appends a ReadyForQuery with a transaction status of `I`, `T` or `E`.
pub fn put_ready_for_query(out: &mut BytesMut, status: u8) {
    let status = match status {
        b'T' => TransactionStatus::Transaction,
        b'E' => TransactionStatus::Error,
        _ => TransactionStatus::Idle,
    };
    put(out, &ReadyForQuery::new(status));
}

/// Appends a CommandComplete.
pub fn put_command_complete(out: &mut BytesMut, command_tag: &str) {
    put(out, &CommandComplete::new(command_tag.to_owned()));
}

/// Appends an ErrorResponse as it was in protocol 2: a text, and no length.
pub fn put_error_2_0(out: &mut BytesMut, severity: Severity, refusal: &Refusal) {
    out.extend_from_slice(&[tag::ERROR_RESPONSE]);
    let text = format!(
        "{}:  {}\n\0",
        severity.as_str(),
        printable(&refusal.message)
    );
    out.extend_from_slice(&raw::bytes(&text));
}

/// Appends a ParameterStatus; the texts are as [`raw`] holds them.
pub fn put_parameter_status(out: &mut BytesMut, name: &str, value: &str) {
    let (name, value) = (raw::bytes(name), raw::bytes(value));
    put_frame(out, tag::PARAMETER_STATUS, &[&name, b"\0", &value, b"\0"]);
}

/// Appends AuthenticationOk.
pub fn put_authentication_ok(out: &mut BytesMut) {
    put(out, &Authentication::Ok);
}

/// Appends AuthenticationSASL with the mechanisms offered.
pub fn put_authentication_sasl(out: &mut BytesMut, mechanisms: &[&str]) {
    let mechanisms = mechanisms.iter().map(|&name| name.to_owned()).collect();
    put(out, &Authentication::SASL(mechanisms));
}

/// Appends AuthenticationSASLContinue.
pub fn put_authentication_sasl_continue(out: &mut BytesMut, data: String) {
    put(out, &Authentication::SASLContinue(data.into()));
}

/// Appends AuthenticationSASLFinal.
pub fn put_authentication_sasl_final(out: &mut BytesMut, data: String) {
    put(out, &Authentication::SASLFinal(data.into()));
}

/// Appends BackendKeyData with a key of any length.
pub fn put_backend_key_data(out: &mut BytesMut, process_id: i32, secret_key: &[u8]) {
    put_frame(
        out,
        tag::BACKEND_KEY_DATA,
        &[&process_id.to_be_bytes(), secret_key],
    );
}

/// Appends NegotiateProtocolVersion: version 3.`minor` is what will be spoken, and these options are not known.
///
/// # Source
/// `SendNegotiateProtocolVersion` in `src/backend/tcop/backend_startup.c`: the version goes with its major part, other
/// than the manual says.
pub fn put_negotiate_protocol_version(out: &mut BytesMut, minor: u16, unknown_options: &[String]) {
    let mut body = ((3 << 16) | u32::from(minor)).to_be_bytes().to_vec();
    let count = u32::try_from(unknown_options.len()).expect("a startup packet is short");
    body.extend_from_slice(&count.to_be_bytes());
    for option in unknown_options {
        body.extend_from_slice(&raw::bytes(option));
        body.push(0);
    }
    put_frame(out, tag::NEGOTIATE_PROTOCOL_VERSION, &[&body]);
}

/// Appends a RowDescription of text columns.
pub fn put_text_row_description(out: &mut BytesMut, columns: &[&str]) {
    let fields = columns
        .iter()
        .map(|&name| FieldDescription::new(name.to_owned(), 0, 0, TEXT_OID, -1, -1, 0))
        .collect();
    put(out, &RowDescription::new(fields));
}

/// Appends a DataRow of text values.
pub fn put_text_data_row(out: &mut BytesMut, values: &[Option<&str>]) {
    let mut data = BytesMut::new();
    for value in values {
        match value {
            Some(text) => {
                let length = i32::try_from(text.len()).expect("our own values are short");
                data.extend_from_slice(&length.to_be_bytes());
                data.extend_from_slice(text.as_bytes());
            }
            None => data.extend_from_slice(&(-1i32).to_be_bytes()),
        }
    }
    let count = i16::try_from(values.len()).expect("our own rows are narrow");
    put(out, &DataRow::new(data, count));
}

/// Appends a frame of a tag and a body.
pub fn put_frame(out: &mut BytesMut, code: u8, body: &[&[u8]]) {
    let length: usize = 4 + body.iter().map(|part| part.len()).sum::<usize>();
    let length = u32::try_from(length).expect("frames are at most a gigabyte");
    out.extend_from_slice(&[code]);
    out.extend_from_slice(&length.to_be_bytes());
    for part in body {
        out.extend_from_slice(part);
    }
}

/// Appends a Query.
pub fn put_query(out: &mut BytesMut, sql: &[u8]) {
    put_frame(out, tag::QUERY, &[sql, b"\0"]);
}

/// The value of one field (`b'C'` the SQLSTATE, `b'M'` the message, ...) of an ErrorResponse or NoticeResponse.
#[must_use]
pub fn error_field(frame: &[u8], code: u8) -> Option<&[u8]> {
    let mut rest = frame.get(HEADER_BYTES..)?;
    while let Some((&field, tail)) = rest.split_first() {
        if field == 0 {
            return None;
        }
        let (value, tail) = split_cstr(tail)?;
        if field == code {
            return Some(value);
        }
        rest = tail;
    }
    None
}

/// An ErrorResponse with a HINT of ours, where it has none of its own.
#[must_use]
pub fn with_hint(frame: &[u8], hint: &str) -> Option<Vec<u8>> {
    if hint.contains('\0') || error_field(frame, b'H').is_some() {
        return None;
    }
    let fields = frame.get(HEADER_BYTES..)?.strip_suffix(b"\0")?;
    let mut out = BytesMut::new();
    put_frame(
        &mut out,
        tag::ERROR_RESPONSE,
        &[fields, b"H", hint.as_bytes(), b"\0\0"],
    );
    Some(out.to_vec())
}

/// An ErrorResponse that names `sql` as its internal query, its position in there; `None` when it has an internal query
/// of its own, or is no frame that we can read.
#[must_use]
pub fn with_internal_query(frame: &[u8], sql: &str) -> Option<Vec<u8>> {
    if sql.contains('\0') || error_field(frame, b'q').is_some() {
        return None;
    }
    let mut body = Vec::with_capacity(frame.len() + sql.len());
    let mut rest = frame.get(HEADER_BYTES..)?;
    while let Some((&field, tail)) = rest.split_first() {
        if field == 0 {
            break;
        }
        let (value, tail) = split_cstr(tail)?;
        body.push(if field == b'P' { b'p' } else { field });
        body.extend_from_slice(value);
        body.push(0);
        rest = tail;
    }
    let mut out = BytesMut::new();
    let query = [b"q", sql.as_bytes(), b"\0\0"].concat();
    put_frame(&mut out, tag::ERROR_RESPONSE, &[&body, &query]);
    Some(out.to_vec())
}

/// Reads an ErrorResponse of a server into a refusal, in as far as it is text that we can read.
#[must_use]
pub fn read_error(frame: &[u8]) -> Refusal {
    let text = |code| error_field(frame, code).map(|v| String::from_utf8_lossy(v).into_owned());
    let sqlstate = error_field(frame, b'C')
        .and_then(|code| std::str::from_utf8(code).ok())
        .and_then(SqlState::parse)
        .unwrap_or(SqlState::INTERNAL_ERROR);
    Refusal {
        sqlstate,
        message: text(b'M').unwrap_or_default().into(),
        detail: text(b'D'),
        hint: text(b'H'),
        internal: text(b'q').map(|sql| {
            let position = text(b'p').and_then(|position| position.parse().ok());
            Box::new(InternalQuery { sql, position })
        }),
    }
}

/// The fields of a refusal, in the order in which the server sends them.
fn fields(severity: Severity, refusal: &Refusal) -> Vec<u8> {
    let mut fields = Vec::new();
    let mut put = |code: u8, text: &str| {
        fields.push(code);
        fields.extend_from_slice(&raw::bytes(&printable(text)));
        fields.push(0);
    };
    put(b'S', severity.as_str());
    put(b'V', severity.as_str());
    put(b'C', refusal.sqlstate.as_str());
    put(b'M', &refusal.message);
    if let Some(detail) = &refusal.detail {
        put(b'D', detail);
    }
    if let Some(hint) = &refusal.hint {
        put(b'H', hint);
    }
    if let Some(internal) = &refusal.internal {
        if let Some(position) = internal.position {
            put(b'p', &position.to_string());
        }
        put(b'q', &internal.sql);
    }
    fields.push(0);
    fields
}

/// A NUL would end the field early and break the frame.
fn printable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

fn put(out: &mut BytesMut, message: &impl Message) {
    message
        .encode(out)
        .expect("our own messages are within every limit");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_back_as_written() {
        let refusal = Refusal::new(SqlState::NOT_UNDERSTOOD, "question not understood")
            .with_detail("A detail.")
            .with_hint("A hint.")
            .with_internal_query("SELECT y", Some(8));
        let mut out = BytesMut::new();
        put_error(&mut out, Severity::Error, &refusal);
        assert_eq!(read_error(&out), refusal);
        assert_eq!(error_field(&out, b'S'), Some(&b"ERROR"[..]));
        assert_eq!(error_field(&out, b'P'), None);
    }

    #[test]
    fn an_error_is_made_to_speak_of_the_sql_it_is_in() {
        let mut out = BytesMut::new();
        put_frame(
            &mut out,
            tag::ERROR_RESPONSE,
            &[b"SERROR\0C42883\0Mno such operator\0P8\0\0"],
        );
        let told = with_internal_query(&out, "SELECT 1").unwrap();
        assert_eq!(error_field(&told, b'q'), Some(&b"SELECT 1"[..]));
        assert_eq!(error_field(&told, b'p'), Some(&b"8"[..]));
        assert_eq!(error_field(&told, b'P'), None);
        assert_eq!(error_field(&told, b'M'), Some(&b"no such operator"[..]));
        let length = u32::from_be_bytes(told[1..5].try_into().unwrap()) as usize;
        assert_eq!(length + 1, told.len());
        assert_eq!(with_internal_query(&told, "SELECT 2"), None);
    }

    #[test]
    fn a_hint_is_added_where_there_is_none() {
        let mut out = BytesMut::new();
        let fields: &[u8] = b"SERROR\0C25006\0Mcannot write\0\0";
        put_frame(&mut out, tag::ERROR_RESPONSE, &[fields]);
        let told = with_hint(&out, "Do else.").unwrap();
        assert_eq!(read_error(&told).hint.as_deref(), Some("Do else."));
        assert_eq!(read_error(&told).message, "cannot write");
        assert_eq!(with_hint(&told, "Again."), None);
    }

    #[test]
    fn a_nul_in_a_message_does_not_end_the_field() {
        let mut out = BytesMut::new();
        put_error(
            &mut out,
            Severity::Fatal,
            &Refusal::new(SqlState::INTERNAL_ERROR, "a\0b"),
        );
        assert_eq!(read_error(&out).message, "a\u{fffd}b");
    }
}
