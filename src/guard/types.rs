//! Types that may be cast to, and collations.
//!
//! A cast calls a type's input function or a cast function, so that only PostgreSQL's own types and those of visible
//! columns are let through; never those whose input looks a name up in the catalogs (`regclass` and its kin).

use sqlparser::ast::{ArrayElemTypeDef, DataType, ObjectName};

use crate::error::Refusal;
use crate::guard::families::is_object_identifier;
use crate::guard::query::unknown;
use crate::guard::relations::parts;
use crate::guard::rules::Rule;
use crate::guard::scope::{Proof, Proved};

/// PostgreSQL's own types that the parser has no word for.
const BUILTIN: &[&str] = &[
    "bit",
    "bool",
    "box",
    "bpchar",
    "bytea",
    "cidr",
    "circle",
    "citext",
    "date",
    "daterange",
    "datemultirange",
    "float4",
    "float8",
    "inet",
    "int2",
    "int4",
    "int4range",
    "int8",
    "int8range",
    "interval",
    "json",
    "jsonb",
    "jsonpath",
    "line",
    "lseg",
    "macaddr",
    "macaddr8",
    "money",
    "name",
    "numeric",
    "numrange",
    "oid",
    "path",
    "point",
    "polygon",
    "text",
    "time",
    "timestamp",
    "timestamptz",
    "timetz",
    "tsquery",
    "tsrange",
    "tstzrange",
    "tsvector",
    "uuid",
    "varbit",
    "varchar",
    "xml",
];

impl Proof<'_> {
    pub(in crate::guard) fn data_type(&self, data_type: &DataType) -> Proved {
        match data_type {
            DataType::Character(_)
            | DataType::Char(_)
            | DataType::CharacterVarying(_)
            | DataType::CharVarying(_)
            | DataType::Varchar(_)
            | DataType::Uuid
            | DataType::Numeric(_)
            | DataType::Decimal(_)
            | DataType::Dec(_)
            | DataType::Float(_)
            | DataType::Int2(_)
            | DataType::SmallInt(_)
            | DataType::Int(_)
            | DataType::Int4(_)
            | DataType::Int8(_)
            | DataType::Integer(_)
            | DataType::BigInt(_)
            | DataType::Float4
            | DataType::Real
            | DataType::Float8
            | DataType::DoublePrecision
            | DataType::Bool
            | DataType::Boolean
            | DataType::Date
            | DataType::Time(..)
            | DataType::Timestamp(..)
            | DataType::Interval { .. }
            | DataType::JSON
            | DataType::JSONB
            | DataType::Text
            | DataType::Bytea
            | DataType::Bit(_)
            | DataType::BitVarying(_)
            | DataType::VarBit(_)
            | DataType::GeometricType(_)
            | DataType::TsVector
            | DataType::TsQuery => Ok(()),
            DataType::Array(ArrayElemTypeDef::SquareBracket(inner, _)) => self.data_type(inner),
            DataType::Custom(name, modifiers) => self.named_type(name, modifiers),
            other => Err(refused(&other.to_string())),
        }
    }

    fn named_type(&self, name: &ObjectName, modifiers: &[String]) -> Proved {
        let numbers = modifiers
            .iter()
            .all(|m| !m.is_empty() && m.bytes().all(|b| b.is_ascii_digit() || b == b'-'));
        let (schema, own_name) = parts(name)?;
        let builtin = schema.as_deref().is_none_or(|s| s == "pg_catalog")
            && BUILTIN.contains(&own_name.as_str());
        let seen = || {
            !is_object_identifier(&own_name) && self.is_column_type(schema.as_deref(), &own_name)
        };
        if numbers && (builtin || seen()) {
            Ok(())
        } else {
            Err(refused(&name.to_string()))
        }
    }

    /// Whether a column that the caller may see is of this type, in `format_type()`'s spelling.
    fn is_column_type(&self, schema: Option<&str>, name: &str) -> bool {
        self.visible
            .relations
            .iter()
            .flat_map(|r| &r.columns)
            .any(|column| {
                let spelled = column.type_name.trim_end_matches("[]").replace('"', "");
                let spelled = spelled.split_once('(').map_or(spelled.as_str(), |(s, _)| s);
                match (spelled.split_once('.'), schema) {
                    (Some((own_schema, own_name)), Some(schema)) => {
                        own_schema == schema && own_name == name
                    }
                    (Some((_, own_name)), None) => own_name == name,
                    (None, _) => spelled == name,
                }
            })
    }
}

/// A collation changes nothing but an order; it must only be named plainly.
pub(in crate::guard) fn plain_collation(name: &ObjectName) -> Proved {
    match parts(name)? {
        (None, _) => Ok(()),
        (Some(schema), _) if schema == "pg_catalog" => Ok(()),
        _ => Err(unknown(&format!("the collation `{name}`"))),
    }
}

fn refused(name: &str) -> Refusal {
    Rule::Type.refuse(format!(
        "\"{name}\" is neither one of PostgreSQL's plain types nor the type of a visible column."
    ))
}
