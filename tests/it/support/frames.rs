//! The protocol's messages as tests write and read them: builders for frontend frames, and one line of text for each
//! backend frame, with what legitimately differs between two sessions left out.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// The longest value shown byte for byte; a longer one is shown by its length and a hash.
const SHOWN_BYTES_MAX: usize = 240;

/// The first OID that PostgreSQL gives to what users create.
const FIRST_USER_OID: u32 = 16_384;

/// One message from the server, without its length.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The type byte.
    pub(crate) tag: u8,
    /// The bytes after the length.
    pub(crate) body: Vec<u8>,
}

impl Frame {
    /// One field of an ErrorResponse or a NoticeResponse, by its code (`b'C'` is the SQLSTATE).
    pub(crate) fn field(&self, code: u8) -> Option<String> {
        self.body
            .split(|byte| *byte == 0)
            .find(|field| field.first() == Some(&code))
            .map(|field| String::from_utf8_lossy(&field[1..]).into_owned())
    }

    /// The same field, byte for byte.
    pub(crate) fn raw_field(&self, code: u8) -> Option<&[u8]> {
        self.body
            .split(|byte| *byte == 0)
            .find(|field| field.first() == Some(&code))
            .map(|field| &field[1..])
    }

    /// The columns of a DataRow as text, NULL as `None`.
    pub(crate) fn columns(&self) -> Vec<Option<String>> {
        assert_eq!(self.tag, b'D', "not a DataRow: {}", self.render());
        let mut reader = Reader(&self.body);
        (0..reader.int16())
            .map(|_| {
                let length = reader.int32();
                (length >= 0).then(|| {
                    String::from_utf8_lossy(reader.bytes(usize::try_from(length).unwrap()))
                        .into_owned()
                })
            })
            .collect()
    }

    /// The column names of a RowDescription.
    pub(crate) fn column_names(&self) -> Vec<String> {
        assert_eq!(self.tag, b'T', "not a RowDescription: {}", self.render());
        let mut reader = Reader(&self.body);
        (0..reader.int16())
            .map(|_| {
                let name = reader.cstr();
                reader.bytes(18);
                name
            })
            .collect()
    }

    /// One line that says all of the message that two equal sessions must agree on.
    pub(crate) fn render(&self) -> String {
        let mut reader = Reader(&self.body);
        match self.tag {
            b'T' => render_row_description(&mut reader),
            b'D' => render_data_row(&mut reader),
            b'E' | b'N' => render_fields(self.tag, &self.body),
            b'A' => {
                reader.int32();
                format!("A {} {}", reader.cstr(), reader.cstr())
            }
            b'K' => "K".to_owned(),
            b't' => {
                let count = reader.int16();
                let oids: Vec<_> = (0..count).map(|_| oid(reader.int32() as u32)).collect();
                format!("t {}", oids.join(" "))
            }
            tag => format!("{} {}", char::from(tag), shown(&self.body)),
        }
    }
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.render())
    }
}

fn render_row_description(reader: &mut Reader<'_>) -> String {
    let mut line = "T".to_owned();
    for _ in 0..reader.int16() {
        let name = reader.cstr();
        let relation = if reader.int32() == 0 { "-" } else { "rel" };
        let column = reader.int16();
        let type_oid = oid(reader.int32() as u32);
        let (size, modifier, format) = (reader.int16(), reader.int32(), reader.int16());
        let _ = write!(
            line,
            " {name}:{relation}.{column}:{type_oid}:{size}:{modifier}:{format}"
        );
    }
    line
}

fn render_data_row(reader: &mut Reader<'_>) -> String {
    let mut line = "D".to_owned();
    for _ in 0..reader.int16() {
        let length = reader.int32();
        match usize::try_from(length) {
            Ok(length) => {
                let _ = write!(line, " |{}", shown(reader.bytes(length)));
            }
            Err(_) => line.push_str(" |NULL"),
        }
    }
    line
}

fn render_fields(tag: u8, body: &[u8]) -> String {
    let mut line = char::from(tag).to_string();
    for field in body
        .split(|byte| *byte == 0)
        .filter(|field| !field.is_empty())
    {
        let _ = write!(line, " {}={}", char::from(field[0]), shown(&field[1..]));
    }
    line
}

/// An OID that is the same in every cluster, or the word for one that is not.
fn oid(oid: u32) -> String {
    if oid < FIRST_USER_OID {
        oid.to_string()
    } else {
        "user".to_owned()
    }
}

fn shown(bytes: &[u8]) -> String {
    if bytes.len() <= SHOWN_BYTES_MAX {
        return bytes.escape_ascii().to_string();
    }
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("<{} bytes, hash {:016x}>", bytes.len(), hasher.finish())
}

/// A reader that trusts its input: a short message fails the test.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, length: usize) -> &'a [u8] {
        let (head, tail) = self.0.split_at(length);
        self.0 = tail;
        head
    }

    fn int16(&mut self) -> i16 {
        i16::from_be_bytes(self.bytes(2).try_into().unwrap())
    }

    fn int32(&mut self) -> i32 {
        i32::from_be_bytes(self.bytes(4).try_into().unwrap())
    }

    fn cstr(&mut self) -> String {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap();
        let text = String::from_utf8_lossy(self.bytes(end)).into_owned();
        self.bytes(1);
        text
    }
}

/// A frame with this tag around this body.
pub(crate) fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    out.extend(int32(body.len() + 4));
    out.extend(body);
    out
}

/// A StartupMessage of protocol 3.0 with these parameters.
pub(crate) fn startup(parameters: &[(&str, &str)]) -> Vec<u8> {
    startup_of(0, parameters)
}

/// A StartupMessage of a minor version of protocol 3, with texts or bytes as parameters.
pub(crate) fn startup_of<T: AsRef<[u8]>>(minor: u16, parameters: &[(T, T)]) -> Vec<u8> {
    let mut body = ((3_u32 << 16) | u32::from(minor)).to_be_bytes().to_vec();
    for (key, value) in parameters {
        cstr(&mut body, key.as_ref());
        cstr(&mut body, value.as_ref());
    }
    body.push(0);
    untagged(&body)
}

/// An SSLRequest.
pub(crate) fn ssl_request() -> Vec<u8> {
    untagged(&80_877_103_i32.to_be_bytes())
}

/// A GSSENCRequest.
pub(crate) fn gssenc_request() -> Vec<u8> {
    untagged(&80_877_104_i32.to_be_bytes())
}

/// A CancelRequest for the BackendKeyData body that the session was given.
pub(crate) fn cancel_request(key: &[u8]) -> Vec<u8> {
    let mut body = 80_877_102_i32.to_be_bytes().to_vec();
    body.extend(key);
    untagged(&body)
}

/// Query.
pub(crate) fn query(sql: impl AsRef<[u8]>) -> Vec<u8> {
    let mut body = Vec::new();
    cstr(&mut body, sql.as_ref());
    frame(b'Q', &body)
}

/// Parse; `types` are the OIDs of the parameters that the client prescribes.
pub(crate) fn parse(name: &str, sql: impl AsRef<[u8]>, types: &[u32]) -> Vec<u8> {
    let mut body = Vec::new();
    cstr(&mut body, name.as_bytes());
    cstr(&mut body, sql.as_ref());
    body.extend(int16(types.len()));
    for oid in types {
        body.extend(oid.to_be_bytes());
    }
    frame(b'P', &body)
}

/// Bind with text parameters and text results.
pub(crate) fn bind(portal: &str, statement: &str, values: &[Option<&str>]) -> Vec<u8> {
    let values: Vec<_> = values.iter().map(|v| v.map(str::as_bytes)).collect();
    bind_formats(portal, statement, &[], &values, &[])
}

/// Bind with everything spelled out; a format is 0 for text and 1 for binary.
pub(crate) fn bind_formats(
    portal: &str,
    statement: &str,
    formats: &[i16],
    values: &[Option<&[u8]>],
    results: &[i16],
) -> Vec<u8> {
    let mut body = Vec::new();
    cstr(&mut body, portal.as_bytes());
    cstr(&mut body, statement.as_bytes());
    int16s(&mut body, formats);
    body.extend(int16(values.len()));
    for value in values {
        match value {
            Some(bytes) => {
                body.extend(int32(bytes.len()));
                body.extend(*bytes);
            }
            None => body.extend((-1_i32).to_be_bytes()),
        }
    }
    int16s(&mut body, results);
    frame(b'B', &body)
}

/// Describe of a statement.
pub(crate) fn describe_statement(name: &str) -> Vec<u8> {
    named(b'D', b'S', name)
}

/// Describe of a portal.
pub(crate) fn describe_portal(name: &str) -> Vec<u8> {
    named(b'D', b'P', name)
}

/// Close of a statement.
pub(crate) fn close_statement(name: &str) -> Vec<u8> {
    named(b'C', b'S', name)
}

/// Close of a portal.
pub(crate) fn close_portal(name: &str) -> Vec<u8> {
    named(b'C', b'P', name)
}

/// Execute of a portal, at most `rows_max` rows; 0 is no limit.
pub(crate) fn execute(portal: &str, rows_max: i32) -> Vec<u8> {
    let mut body = Vec::new();
    cstr(&mut body, portal.as_bytes());
    body.extend(rows_max.to_be_bytes());
    frame(b'E', &body)
}

/// Sync.
pub(crate) fn sync() -> Vec<u8> {
    frame(b'S', &[])
}

/// Flush.
pub(crate) fn flush() -> Vec<u8> {
    frame(b'H', &[])
}

/// Terminate.
pub(crate) fn terminate() -> Vec<u8> {
    frame(b'X', &[])
}

/// CopyData.
pub(crate) fn copy_data(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    frame(b'd', bytes.as_ref())
}

/// CopyDone.
pub(crate) fn copy_done() -> Vec<u8> {
    frame(b'c', &[])
}

/// CopyFail.
pub(crate) fn copy_fail(reason: &str) -> Vec<u8> {
    let mut body = Vec::new();
    cstr(&mut body, reason.as_bytes());
    frame(b'f', &body)
}

/// FunctionCall with text arguments and a text result.
pub(crate) fn function_call(oid: u32, arguments: &[&str]) -> Vec<u8> {
    let mut body = oid.to_be_bytes().to_vec();
    int16s(&mut body, &[0]);
    body.extend(int16(arguments.len()));
    for argument in arguments {
        body.extend(int32(argument.len()));
        body.extend(argument.as_bytes());
    }
    body.extend(int16(0));
    frame(b'F', &body)
}

fn named(tag: u8, kind: u8, name: &str) -> Vec<u8> {
    let mut body = vec![kind];
    cstr(&mut body, name.as_bytes());
    frame(tag, &body)
}

/// A first packet: a length and a body.
pub(crate) fn untagged(body: &[u8]) -> Vec<u8> {
    let mut out = int32(body.len() + 4).to_vec();
    out.extend(body);
    out
}

fn cstr(out: &mut Vec<u8>, text: &[u8]) {
    out.extend(text);
    out.push(0);
}

fn int16s(out: &mut Vec<u8>, values: &[i16]) {
    out.extend(int16(values.len()));
    for value in values {
        out.extend(value.to_be_bytes());
    }
}

fn int16(value: usize) -> [u8; 2] {
    u16::try_from(value).unwrap().to_be_bytes()
}

fn int32(value: usize) -> [u8; 4] {
    u32::try_from(value).unwrap().to_be_bytes()
}
