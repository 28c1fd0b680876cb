//! Which relation a name means, and whether the caller may see it.

use std::borrow::Cow;

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

use crate::error::Refusal;
use crate::guard::functions::is_harmless_volatile;
use crate::guard::query::unknown;
use crate::guard::rules::Rule;
use crate::guard::scope::{Columns, Proof, folded};
use crate::schema::quote::identifier_if_needed;
use crate::schema::snapshot::RelationId;

/// How near a name must be to be offered in a HINT, 0 to 1 (Jaro-Winkler). Two names that differ in one letter of five
/// are at 0.89 or nearer.
pub(in crate::guard) const SIMILARITY_MIN: f64 = 0.85;

impl Proof<'_> {
    /// Resolves a name in FROM as PostgreSQL would, and qualifies it in place, so that it means the same relation
    /// whatever the session's `search_path` and temporary tables are. Returns what columns are qualified with.
    pub(in crate::guard) fn relation(
        &mut self,
        name: &mut ObjectName,
    ) -> Result<(String, Columns), Refusal> {
        let (schema, relation) = parts(name)?;
        if let Some(schema) = schema {
            if is_catalog(&schema) {
                self.catalog(&schema, &relation)?;
                return Ok((relation, Columns::Unknown));
            }
            let id = self
                .visible
                .find(&schema, &relation)
                .ok_or_else(|| self.no_such_relation(&format!("{schema}.{relation}"), &relation))?;
            return self.reads(id);
        }
        if let Some(columns) = self.cte(&relation) {
            let columns = columns.clone();
            return Ok((relation, columns));
        }
        let found = self
            .visible
            .search_path()
            .iter()
            .find_map(|schema| self.visible.find(schema, &relation));
        if let Some(id) = found {
            qualify(name, &self.visible.relation(id).schema);
            return self.reads(id);
        }
        if relation.starts_with("pg_") {
            self.catalog("pg_catalog", &relation)?;
            qualify(name, "pg_catalog");
            return Ok((relation, Columns::Unknown));
        }
        Err(self.no_such_relation(&relation, &relation))
    }

    fn reads(&mut self, id: RelationId) -> Result<(String, Columns), Refusal> {
        let relation = self.visible.relation(id);
        let call = relation
            .volatile_calls
            .iter()
            .find(|(schema, function)| !is_harmless_volatile(schema, function));
        if let Some((schema, function)) = call {
            let functions = self.visible.functions.named(function);
            let what = if functions.iter().any(|f| f.schema == *schema) {
                format!("\"{schema}.{function}\"")
            } else {
                "a function".to_owned()
            };
            return Err(Rule::VolatileFunction.refuse(format!(
                "Reading the view \"{}.{}\" runs {what}, which is declared volatile, so that it may have effects.",
                relation.schema, relation.name
            )));
        }
        self.add_read(&relation.schema, &relation.name);
        Ok((relation.name.clone(), Columns::Relation(id, Vec::new())))
    }

    fn catalog(&mut self, schema: &str, relation: &str) -> Result<(), Refusal> {
        if self.rules.catalogs && matches!(schema, "pg_catalog" | "information_schema") {
            self.add_read(schema, relation);
            return Ok(());
        }
        Err(Rule::Catalog.refuse(format!(
            "\"{schema}.{relation}\" is a system catalog, which a question may not read."
        )))
    }

    /// The same words whether it is missing or hidden, and a HINT from visible names alone.
    fn no_such_relation(&self, written: &str, name: &str) -> Refusal {
        let refusal = Rule::Relation.refuse(format!(
            "There is no relation \"{written}\", or it may not be seen by this role."
        ));
        match self.nearest_relation(name) {
            Some(near) => refusal.with_hint(format!("Did you mean \"{near}\"?")),
            None => refusal,
        }
    }

    fn nearest_relation(&self, name: &str) -> Option<String> {
        self.visible
            .relations
            .iter()
            .map(|r| (strsim::jaro_winkler(&r.name, name), r))
            .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, r)| format!("{}.{}", r.schema, r.name))
    }
}

/// A name of one or two parts: the schema if given, and the name proper, both as the server sees them.
pub(in crate::guard) fn parts(name: &ObjectName) -> Result<(Option<String>, String), Refusal> {
    let ident = |part: &ObjectNamePart| match part {
        ObjectNamePart::Identifier(ident) => Ok(folded(ident)),
        ObjectNamePart::Function(_) => Err(unknown("a call as a part of a name")),
    };
    match name.0.as_slice() {
        [only] => Ok((None, ident(only)?)),
        [schema, last] => Ok((Some(ident(schema)?), ident(last)?)),
        _ => Err(unknown(&format!(
            "the name `{name}`; a schema and a name are the most"
        ))),
    }
}

/// Whether a schema is the server's own. Users cannot create schemas that begin with `pg_`.
fn is_catalog(schema: &str) -> bool {
    schema.starts_with("pg_") || schema == "information_schema"
}

fn qualify(name: &mut ObjectName, schema: &str) {
    let plain = matches!(identifier_if_needed(schema), Cow::Borrowed(_));
    let ident = if plain {
        Ident::new(schema)
    } else {
        Ident::with_quote('"', schema)
    };
    name.0.insert(0, ObjectNamePart::Identifier(ident));
}
