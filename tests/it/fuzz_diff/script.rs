//! What a sequence is: steps of several clients in the order in which they are taken, printed so that a person can
//! repeat them.

use std::fmt;

use super::ledger::Kind;
use crate::support::frames;

/// One random sequence.
#[derive(Clone)]
pub(super) struct Script {
    pub(super) steps: Vec<Step>,
}

/// What one client does before another one's turn comes.
#[derive(Clone)]
pub(super) struct Step {
    pub(super) client: usize,
    pub(super) act: Act,
}

#[derive(Clone)]
pub(super) enum Act {
    /// Messages, and then all of their answers are read.
    Say(Vec<Message>),
    /// Messages whose answers are read only when the step after this one, another client's, is done.
    SayAndWait(Vec<Message>),
    /// `select pg_backend_pid()`; the number is nobody's business but the coverage count's.
    AskPid,
    /// The connection ends in one of several ways, and the client logs in again.
    Leave(Leave),
    /// A statement that would take long, cancelled until it ends.
    CancelBusy(&'static str),
    /// A cancel while nothing runs.
    CancelIdle,
    /// A statement and a cancel at the same time: either of two answers is right.
    CancelRace,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Leave {
    Terminate,
    Close,
    /// In the middle of a message.
    MidMessage,
    /// A query's answer is never read.
    Unread,
}

#[derive(Clone)]
pub(super) enum Message {
    Query(Vec<u8>),
    Parse(&'static str, Vec<u8>, Vec<u32>),
    Bind {
        portal: &'static str,
        statement: &'static str,
        values: Vec<Option<Vec<u8>>>,
        formats: Vec<i16>,
        results: Vec<i16>,
    },
    DescribeStatement(&'static str),
    DescribePortal(&'static str),
    Execute(&'static str, i32),
    CloseStatement(&'static str),
    ClosePortal(&'static str),
    Flush,
    Sync,
    CopyData(Vec<u8>),
    CopyDone,
    CopyFail,
    FunctionCall(u32, Vec<&'static str>),
}

impl Message {
    pub(super) fn query(sql: &str) -> Self {
        Self::Query(sql.as_bytes().to_vec())
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Query(sql) => frames::query(sql),
            Self::Parse(name, sql, types) => frames::parse(name, sql, types),
            Self::Bind {
                portal,
                statement,
                values,
                formats,
                results,
            } => {
                let values: Vec<_> = values.iter().map(Option::as_deref).collect();
                frames::bind_formats(portal, statement, formats, &values, results)
            }
            Self::DescribeStatement(name) => frames::describe_statement(name),
            Self::DescribePortal(name) => frames::describe_portal(name),
            Self::Execute(portal, rows_max) => frames::execute(portal, *rows_max),
            Self::CloseStatement(name) => frames::close_statement(name),
            Self::ClosePortal(name) => frames::close_portal(name),
            Self::Flush => frames::flush(),
            Self::Sync => frames::sync(),
            Self::CopyData(data) => frames::copy_data(data),
            Self::CopyDone => frames::copy_done(),
            Self::CopyFail => frames::copy_fail("the client says so"),
            Self::FunctionCall(oid, arguments) => frames::function_call(*oid, arguments),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Query(_) | Self::FunctionCall(..) => Kind::Query,
            Self::Parse(..) => Kind::Parse,
            Self::Bind { .. } => Kind::Bind,
            Self::DescribeStatement(_) | Self::DescribePortal(_) => Kind::Describe,
            Self::Execute(..) => Kind::Execute,
            Self::CloseStatement(_) | Self::ClosePortal(_) => Kind::Close,
            Self::Flush => Kind::Flush,
            Self::Sync => Kind::Sync,
            Self::CopyData(_) => Kind::CopyData,
            Self::CopyDone | Self::CopyFail => Kind::CopyEnd,
        }
    }

    /// The SQL in it, if there is any.
    pub(super) fn sql(&self) -> Option<&[u8]> {
        match self {
            Self::Query(sql) | Self::Parse(_, sql, _) => Some(sql),
            _ => None,
        }
    }
}

impl Act {
    pub(super) fn messages(&self) -> &[Message] {
        match self {
            Self::Say(messages) | Self::SayAndWait(messages) => messages,
            _ => &[],
        }
    }
}

/// The longest text of a message that is printed whole.
const SHOWN_BYTES_MAX: usize = 400;

fn quoted(bytes: &[u8]) -> String {
    if bytes.len() > SHOWN_BYTES_MAX {
        return format!(
            "\"{}...\" ({} bytes)",
            bytes[..40].escape_ascii(),
            bytes.len()
        );
    }
    format!("\"{}\"", bytes.escape_ascii())
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Query(sql) => write!(f, "Query({})", quoted(sql)),
            Self::Parse(name, sql, types) => {
                write!(f, "Parse({name:?}, {}, {types:?})", quoted(sql))
            }
            Self::Bind {
                portal,
                statement,
                values,
                formats,
                results,
            } => {
                let values: Vec<_> = values
                    .iter()
                    .map(|value| value.as_deref().map_or_else(|| "NULL".to_owned(), quoted))
                    .collect();
                write!(
                    f,
                    "Bind(portal {portal:?}, {statement:?}, [{}], {formats:?}, {results:?})",
                    values.join(", ")
                )
            }
            Self::DescribeStatement(name) => write!(f, "Describe(statement {name:?})"),
            Self::DescribePortal(name) => write!(f, "Describe(portal {name:?})"),
            Self::Execute(portal, rows_max) => write!(f, "Execute({portal:?}, {rows_max})"),
            Self::CloseStatement(name) => write!(f, "Close(statement {name:?})"),
            Self::ClosePortal(name) => write!(f, "Close(portal {name:?})"),
            Self::Flush => f.write_str("Flush"),
            Self::Sync => f.write_str("Sync"),
            Self::CopyData(data) => write!(f, "CopyData({})", quoted(data)),
            Self::CopyDone => f.write_str("CopyDone"),
            Self::CopyFail => f.write_str("CopyFail"),
            Self::FunctionCall(oid, arguments) => write!(f, "FunctionCall({oid}, {arguments:?})"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {}:", self.client)?;
        match &self.act {
            Act::Say(messages) => {
                for message in messages {
                    write!(f, " {message}")?;
                }
                Ok(())
            }
            Act::SayAndWait(messages) => {
                for message in messages {
                    write!(f, " {message}")?;
                }
                f.write_str(" (read after the next step)")
            }
            Act::AskPid => f.write_str(" Query(\"select pg_backend_pid()\")"),
            Act::Leave(how) => write!(f, " leaves ({how:?}) and logs in again"),
            Act::CancelBusy(sql) => write!(f, " Query({sql:?}), cancelled"),
            Act::CancelIdle => f.write_str(" CancelRequest while idle"),
            Act::CancelRace => f.write_str(" a Query and a CancelRequest at the same time"),
        }
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            writeln!(f, "    {step}")?;
        }
        Ok(())
    }
}
