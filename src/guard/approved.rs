//! SQL that has been proved.

/// One read-only query over relations that its caller may see.
///
/// The field is private to this room and there is no public constructor: holding a value is the proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approved {
    sql: String,
    relations: Vec<String>,
}

impl Approved {
    pub(in crate::guard) fn new(sql: String, relations: Vec<String>) -> Self {
        Self { sql, relations }
    }

    /// The query, without a trailing semicolon.
    #[must_use]
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// The relations it reads, `schema.name`, sorted, each once.
    #[must_use]
    pub fn relations(&self) -> &[String] {
        &self.relations
    }
}
