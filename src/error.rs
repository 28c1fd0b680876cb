//! What a client may read of a failure: the fields of an ErrorResponse, and nothing else.
//!
//! Every refusal of pgask's own is one of these; what is only for the operator goes to the log instead.

use std::borrow::Cow;
use std::fmt;

/// A five-character SQLSTATE.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SqlState([u8; 5]);

impl SqlState {
    /// Ambiguous question; the HINT lists the numbered readings.
    pub const AMBIGUOUS: Self = Self(*b"NL001");
    /// Question not understood; the message names the words.
    pub const NOT_UNDERSTOOD: Self = Self(*b"NL002");
    /// No provider could answer.
    pub const NO_PROVIDER: Self = Self(*b"NL003");
    /// Refused by the guard; the DETAIL says by which rule.
    pub const GUARD: Self = Self(*b"NL004");
    /// Over a budget or a rate limit.
    pub const BUDGET: Self = Self(*b"NL005");
    /// Asking is switched off here.
    pub const ASKING_OFF: Self = Self(*b"NL006");

    /// `28P01`: the password was wrong.
    pub const INVALID_PASSWORD: Self = Self(*b"28P01");
    /// `28000`: this role may not log in this way.
    pub const INVALID_AUTHORIZATION: Self = Self(*b"28000");
    /// `08P01`: the peer broke the protocol.
    pub const PROTOCOL_VIOLATION: Self = Self(*b"08P01");
    /// `08006`: the connection to the server failed.
    pub const CONNECTION_FAILURE: Self = Self(*b"08006");
    /// `0A000`: understood, and not supported.
    pub const FEATURE_NOT_SUPPORTED: Self = Self(*b"0A000");
    /// `22023`: a parameter has a value that is not allowed.
    pub const INVALID_PARAMETER_VALUE: Self = Self(*b"22023");
    /// `42501`: not allowed for this role.
    pub const INSUFFICIENT_PRIVILEGE: Self = Self(*b"42501");
    /// `42601`: cannot be read as a statement.
    pub const SYNTAX_ERROR: Self = Self(*b"42601");
    /// `42704`: no such object or setting.
    pub const UNDEFINED_OBJECT: Self = Self(*b"42704");
    /// `42710`: there is one of this name already.
    pub const DUPLICATE_OBJECT: Self = Self(*b"42710");
    /// `42P09`: a name that means several.
    pub const AMBIGUOUS_ALIAS: Self = Self(*b"42P09");
    /// `42602`: not a name.
    pub const INVALID_NAME: Self = Self(*b"42602");
    /// `42622`: a name that is too long.
    pub const NAME_TOO_LONG: Self = Self(*b"42622");
    /// `55000`: what is asked for needs another state of things.
    pub const NOT_IN_PREREQUISITE_STATE: Self = Self(*b"55000");
    /// `58030`: reading or writing outside of the server failed.
    pub const IO_ERROR: Self = Self(*b"58030");
    /// `3D000`: no such database.
    pub const UNDEFINED_DATABASE: Self = Self(*b"3D000");
    /// `53300`: too many clients.
    pub const TOO_MANY_CONNECTIONS: Self = Self(*b"53300");
    /// `54000`: over a limit of this program.
    pub const PROGRAM_LIMIT_EXCEEDED: Self = Self(*b"54000");
    /// `57014`: cancelled, or out of time.
    pub const QUERY_CANCELED: Self = Self(*b"57014");
    /// `57P01`: closed because the proxy shuts down.
    pub const ADMIN_SHUTDOWN: Self = Self(*b"57P01");
    /// `57P03`: not accepting queries now.
    pub const CANNOT_CONNECT_NOW: Self = Self(*b"57P03");
    /// `XX000`: a defect of the proxy itself.
    pub const INTERNAL_ERROR: Self = Self(*b"XX000");
    /// `01000`: an ordinary warning or notice of ours.
    pub const WARNING: Self = Self(*b"01000");
    /// `00000`: success, the SQLSTATE of a plain notice.
    pub const SUCCESS: Self = Self(*b"00000");

    /// Reads a SQLSTATE as a server sent it; `None` when it is not five ASCII letters and digits.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        let bytes: [u8; 5] = code.as_bytes().try_into().ok()?;
        bytes
            .iter()
            .all(u8::is_ascii_alphanumeric)
            .then_some(Self(bytes))
    }

    /// The five characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("only ASCII is ever stored")
    }
}

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refusal, in the fields of an ErrorResponse (the same shape serves a NoticeResponse).
///
/// The message is lowercase, without a full stop, names the thing and never a secret; `detail` and `hint` are
/// whole sentences, as PostgreSQL's own style guide asks.
///
/// # Source
/// PostgreSQL manual, "Error and Notice Message Fields" and "Error Message Style Guide".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The SQLSTATE.
    pub sqlstate: SqlState,
    /// The primary message.
    pub message: Cow<'static, str>,
    /// DETAIL: what else is known.
    pub detail: Option<String>,
    /// HINT: what to do about it.
    pub hint: Option<String>,
    /// The query that failed, when it is not the text that the client sent.
    pub internal: Option<Box<InternalQuery>>,
}

/// SQL that ran on the client's behalf though the client did not write it: the fields `q` and `p`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InternalQuery {
    /// Its text.
    pub sql: String,
    /// Where in it the error is, in characters, from 1.
    pub position: Option<u32>,
}

impl Refusal {
    /// A refusal with a message alone.
    #[must_use]
    pub fn new(sqlstate: SqlState, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            sqlstate,
            message: message.into(),
            detail: None,
            hint: None,
            internal: None,
        }
    }

    /// The same refusal with a DETAIL.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The same refusal with the query that it is about.
    #[must_use]
    pub fn with_internal_query(mut self, sql: impl Into<String>, position: Option<u32>) -> Self {
        self.internal = Some(Box::new(InternalQuery {
            sql: sql.into(),
            position,
        }));
        self
    }

    /// The same refusal with a HINT.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.sqlstate)
    }
}

impl std::error::Error for Refusal {}
