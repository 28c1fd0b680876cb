//! From the typed query to SQL.
//!
//! Every relation is schema-qualified and every name quoted where it needs to be. What came from the question is
//! printed as a constant and in no other way.

use std::collections::HashMap;

use crate::schema::snapshot::{RelationId, Snapshot};

use super::english::Affix;
use super::query::{
    Aggregate, Expr, Limit, Moment, Predicate, Rows, Select, SetOperation, SourceId, TimeUnit,
};

/// Prints a query.
pub(super) fn sql(select: &Select, snapshot: &Snapshot) -> String {
    let mut printer = Printer {
        snapshot,
        aliases: HashMap::new(),
    };
    printer.name_sources(select);
    printer.select(select)
}

struct Printer<'a> {
    snapshot: &'a Snapshot,
    aliases: HashMap<SourceId, String>,
}

impl Printer<'_> {
    /// Gives every source of the query, inner selects included, a name of its own.
    fn name_sources(&mut self, select: &Select) {
        for source in &select.sources {
            let base = match &source.rows {
                Rows::Relation(id) => initials(&self.snapshot.relation(*id).name),
                Rows::Derived(inner) => {
                    self.name_sources(inner);
                    "t".to_owned()
                }
            };
            let taken = |name: &str| self.aliases.values().any(|a| a == name);
            let alias = std::iter::once(base.clone())
                .chain((2..).map(|n| format!("{base}{n}")))
                .find(|name| !taken(name) && !is_reserved(name))
                .expect("there is always a next number");
            self.aliases.insert(source.id, alias);
        }
        for predicate in select.filters.iter().chain(&select.having) {
            self.name_in_predicate(predicate);
        }
        for item in &select.items {
            self.name_in_expr(&item.expr);
        }
        for (_, other) in &select.combined {
            self.name_sources(other);
        }
    }

    fn name_in_predicate(&mut self, predicate: &Predicate) {
        match predicate {
            Predicate::Compare(a, _, b) => {
                self.name_in_expr(a);
                self.name_in_expr(b);
            }
            Predicate::Exists(select, _) => self.name_sources(select),
            Predicate::In(expr, select) => {
                self.name_in_expr(expr);
                self.name_sources(select);
            }
            Predicate::Not(inner) => self.name_in_predicate(inner),
            Predicate::All(parts) | Predicate::Any(parts) => {
                parts.iter().for_each(|p| self.name_in_predicate(p));
            }
            Predicate::OneOf(..)
            | Predicate::Is(..)
            | Predicate::Null(..)
            | Predicate::Like(..) => {}
        }
    }

    fn name_in_expr(&mut self, expr: &Expr) {
        match expr {
            Expr::Scalar(select) => self.name_sources(select),
            Expr::Aggregate(_, inner)
            | Expr::Share(inner)
            | Expr::Start(_, inner)
            | Expr::Lower(inner) => {
                self.name_in_expr(inner);
            }
            _ => {}
        }
    }

    fn select(&self, select: &Select) -> String {
        let mut sql = String::from("SELECT ");
        if select.distinct {
            sql.push_str("DISTINCT ");
        }
        let items: Vec<String> = select
            .items
            .iter()
            .map(|item| {
                let expr = self.expr(&item.expr);
                let own_name = match &item.expr {
                    Expr::Column(_, id) => self.snapshot.column(*id).name == item.name,
                    Expr::Named(_, name) => *name == item.name,
                    _ => false,
                };
                if own_name || item.name.is_empty() {
                    expr
                } else {
                    format!("{expr} AS {}", quoted(&item.name))
                }
            })
            .collect();
        sql.push_str(&if items.is_empty() {
            "1".to_owned()
        } else {
            items.join(", ")
        });
        for (i, source) in select.sources.iter().enumerate() {
            sql.push_str(match (i, &source.join) {
                (0, _) => " FROM ",
                (_, Some(join)) if join.outer => " LEFT JOIN ",
                (_, Some(_)) => " JOIN ",
                (_, None) => " CROSS JOIN ",
            });
            match &source.rows {
                Rows::Relation(id) => sql.push_str(&self.relation(*id)),
                Rows::Derived(inner) => {
                    sql.push('(');
                    sql.push_str(&self.select(inner));
                    sql.push(')');
                }
            }
            sql.push_str(" AS ");
            sql.push_str(&self.aliases[&source.id]);
            if let Some(join) = source.join.as_ref().filter(|_| i > 0) {
                let on = join
                    .on
                    .iter()
                    .map(|(a, b)| format!("{} = {}", self.expr(a), self.expr(b)));
                sql.push_str(" ON ");
                sql.push_str(&on.collect::<Vec<_>>().join(" AND "));
            }
        }
        self.clause(
            &mut sql,
            " WHERE ",
            " AND ",
            select.filters.iter().map(|p| self.predicate(p)),
        );
        self.clause(
            &mut sql,
            " GROUP BY ",
            ", ",
            select.groups.iter().map(|e| self.expr(e)),
        );
        self.clause(
            &mut sql,
            " HAVING ",
            " AND ",
            select.having.iter().map(|p| self.predicate(p)),
        );
        for (operation, other) in &select.combined {
            sql.push_str(match operation {
                SetOperation::Union => " UNION ",
                SetOperation::Intersect => " INTERSECT ",
                SetOperation::Except => " EXCEPT ",
            });
            sql.push_str(&self.select(other));
        }
        let order = select.order.iter().map(|(expr, descending)| {
            let direction = if *descending { " DESC NULLS LAST" } else { "" };
            format!("{}{direction}", self.expr(expr))
        });
        self.clause(&mut sql, " ORDER BY ", ", ", order);
        match &select.limit {
            Some(Limit::Rows(n)) => sql.push_str(&format!(" LIMIT {n}")),
            Some(Limit::Param(n)) => sql.push_str(&format!(" LIMIT ${n}")),
            None => {}
        }
        sql
    }

    fn clause(
        &self,
        sql: &mut String,
        lead: &str,
        between: &str,
        parts: impl Iterator<Item = String>,
    ) {
        let parts: Vec<String> = parts.collect();
        if !parts.is_empty() {
            sql.push_str(lead);
            sql.push_str(&parts.join(between));
        }
    }

    fn relation(&self, id: RelationId) -> String {
        let relation = self.snapshot.relation(id);
        format!("{}.{}", quoted(&relation.schema), quoted(&relation.name))
    }

    fn expr(&self, expr: &Expr) -> String {
        match expr {
            Expr::Column(source, id) => {
                format!(
                    "{}.{}",
                    self.aliases[source],
                    quoted(&self.snapshot.column(*id).name)
                )
            }
            Expr::Named(source, name) => format!("{}.{}", self.aliases[source], quoted(name)),
            Expr::CountRows => "count(*)".to_owned(),
            Expr::Aggregate(function, inner) => {
                let inner = self.expr(inner);
                match function {
                    Aggregate::Count => format!("count({inner})"),
                    Aggregate::CountDistinct => format!("count(DISTINCT {inner})"),
                    Aggregate::Sum => format!("sum({inner})"),
                    Aggregate::Average => format!("avg({inner})"),
                    Aggregate::Min => format!("min({inner})"),
                    Aggregate::Max => format!("max({inner})"),
                }
            }
            Expr::Product(a, b) => format!("{} * {}", self.expr(a), self.expr(b)),
            Expr::Share(inner) => {
                let part = self.expr(inner);
                format!(
                    "round(CAST(100.0 * {part} / nullif(sum({part}) OVER (), 0) AS numeric), 2)"
                )
            }
            Expr::Start(TimeUnit::Hour, inner) => {
                format!("date_trunc('hour', {})", self.expr(inner))
            }
            Expr::Start(unit, inner) => {
                format!("date_trunc('{}', {})::date", unit.name(), self.expr(inner))
            }
            Expr::Text(text) => constant(text),
            Expr::Number(digits) => digits.clone(),
            Expr::Date(moment) => moment_sql(moment),
            Expr::Param(n) => format!("${n}"),
            Expr::Scalar(select) => format!("({})", self.select(select)),
            Expr::Lower(inner) => format!("lower({})", self.expr(inner)),
        }
    }

    fn predicate(&self, predicate: &Predicate) -> String {
        match predicate {
            Predicate::Compare(a, comparison, b) => {
                format!("{} {} {}", self.expr(a), comparison.sql(), self.expr(b))
            }
            Predicate::OneOf(expr, list) => {
                let list: Vec<String> = list.iter().map(|e| self.expr(e)).collect();
                format!("{} IN ({})", self.expr(expr), list.join(", "))
            }
            Predicate::Is(expr, true) => self.expr(expr),
            Predicate::Is(expr, false) => format!("NOT {}", self.expr(expr)),
            Predicate::Null(expr, true) => format!("{} IS NULL", self.expr(expr)),
            Predicate::Null(expr, false) => format!("{} IS NOT NULL", self.expr(expr)),
            Predicate::Like(expr, affix, text) => {
                format!(
                    "{} ILIKE {}",
                    self.expr(expr),
                    constant(&pattern(*affix, text))
                )
            }
            Predicate::Exists(select, found) => {
                let not = if *found { "" } else { "NOT " };
                format!("{not}EXISTS ({})", self.select(select))
            }
            Predicate::In(expr, select) => {
                format!("{} IN ({})", self.expr(expr), self.select(select))
            }
            Predicate::Not(inner) => format!("({}) IS NOT TRUE", self.predicate(inner)),
            Predicate::All(parts) => {
                let parts: Vec<String> = parts.iter().map(|p| self.predicate(p)).collect();
                parts.join(" AND ")
            }
            Predicate::Any(parts) => {
                let parts: Vec<String> = parts
                    .iter()
                    .map(|p| match p {
                        Predicate::All(_) => format!("({})", self.predicate(p)),
                        _ => self.predicate(p),
                    })
                    .collect();
                format!("({})", parts.join(" OR "))
            }
        }
    }
}

fn moment_sql(moment: &Moment) -> String {
    match moment {
        Moment::Day(date) => format!("DATE '{date}'"),
        Moment::Today(0) => "CURRENT_DATE".to_owned(),
        Moment::Today(days) if *days < 0 => format!("CURRENT_DATE - {}", days.unsigned_abs()),
        Moment::Today(days) => format!("CURRENT_DATE + {days}"),
        Moment::StartOf(unit, n) => {
            let now = if *unit == TimeUnit::Hour {
                "now()"
            } else {
                "CURRENT_DATE"
            };
            format!("date_trunc('{}', {now}){}", unit.name(), moved(*unit, *n))
        }
        Moment::Ago(TimeUnit::Hour, n) => format!("now(){}", moved(TimeUnit::Hour, *n)),
        Moment::Ago(TimeUnit::Day, n) => moment_sql(&Moment::Today(*n)),
        Moment::Ago(TimeUnit::Week, n) => moment_sql(&Moment::Today(n.saturating_mul(7))),
        Moment::Ago(unit, n) => format!("CURRENT_DATE{}", moved(*unit, *n)),
        Moment::Param(n) => format!("${n}"),
    }
}

/// ` - INTERVAL '2 months'`
fn moved(unit: TimeUnit, n: i32) -> String {
    if n == 0 {
        return String::new();
    }
    let sign = if n < 0 { '-' } else { '+' };
    let (name, count) = match unit {
        TimeUnit::Quarter => ("month", n.unsigned_abs().saturating_mul(3)),
        unit => (unit.name(), n.unsigned_abs()),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!(" {sign} INTERVAL '{count} {name}{plural}'")
}

/// A LIKE pattern in which the text stands for itself.
fn pattern(affix: Affix, text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    match affix {
        Affix::Prefix => format!("{escaped}%"),
        Affix::Inside => format!("%{escaped}%"),
        Affix::Suffix => format!("%{escaped}"),
    }
}

/// A string constant that means the same whatever `standard_conforming_strings` is.
fn constant(text: &str) -> String {
    let text: String = text.chars().filter(|c| *c != '\0').collect();
    let quoted = text.replace('\'', "''");
    if text.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

/// A name, between double quotes unless it is plain.
pub(super) fn quoted(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && !is_reserved(name);
    if plain {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

fn initials(name: &str) -> String {
    let initials: String = super::text::words(name)
        .iter()
        .filter_map(|word| word.chars().next())
        .filter(char::is_ascii_lowercase)
        .collect();
    if initials.is_empty() {
        "r".to_owned()
    } else {
        initials
    }
}

/// Words that cannot stand as a column's or an alias's name without quotes somewhere.
///
/// # Source
/// PostgreSQL manual, "SQL Key Words": reserved, and non-reserved that cannot be a function, type or bare label.
const RESERVED: &str = "all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean \
    both case cast char character check coalesce collate collation column concurrently constraint create cross \
    current_catalog current_date current_role current_schema current_time current_timestamp current_user day dec decimal \
    default deferrable desc distinct do else end except exists extract false fetch filter float for foreign freeze \
    from full grant greatest group grouping having hour ilike in initially inner inout int integer intersect interval \
    into is isnull join lateral leading least left like limit localtime localtimestamp minute month national natural \
    nchar none normalize not notnull null nullif numeric offset on only or order out outer over overlaps overlay \
    placing position precision primary real references returning right row second select session_user setof similar \
    smallint some substring symmetric system_user table tablesample then time timestamp to trailing treat trim true \
    union unique user using values varchar variadic varying verbose when where window with within without year";

fn is_reserved(name: &str) -> bool {
    RESERVED.split_ascii_whitespace().any(|word| word == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_said_is_printed_as_a_constant() {
        assert_eq!(constant("O'Brien"), "'O''Brien'");
        assert_eq!(constant("a\\' OR 1=1 --"), "E'a\\\\'' OR 1=1 --'");
        assert_eq!(constant("a\0b"), "'ab'");
        assert_eq!(pattern(Affix::Prefix, "50%_"), "50\\%\\_%");
    }

    #[test]
    fn names_are_quoted_where_they_must_be() {
        for (name, expect) in [
            ("orders", "orders"),
            ("order", "\"order\""),
            ("loyaltyPoints", "\"loyaltyPoints\""),
            ("a\"b", "\"a\"\"b\""),
            ("2nd", "\"2nd\""),
        ] {
            assert_eq!(quoted(name), expect);
        }
    }
}
