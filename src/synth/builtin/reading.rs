//! A typed query in plain words: what was understood.

use crate::schema::snapshot::{ColumnId, Snapshot};

use super::english::Affix;
use super::query::{Aggregate, Comparison, Expr, Limit, Moment, Predicate, Rows, Select, TimeUnit};

/// Says what a query asks for.
pub(super) fn reading(select: &Select, snapshot: &Snapshot) -> String {
    Reader { snapshot }.select(select)
}

struct Reader<'a> {
    snapshot: &'a Snapshot,
}

impl Reader<'_> {
    fn select(&self, select: &Select) -> String {
        let derived = select.sources.iter().find_map(|s| match &s.rows {
            Rows::Derived(inner) => Some(inner.as_ref()),
            Rows::Relation(_) => None,
        });
        let measures: Vec<String> = select
            .items
            .iter()
            .filter(|i| is_aggregate(&i.expr))
            .map(|i| self.expr_in(&i.expr, select))
            .collect();
        let keys: Vec<String> = select
            .items
            .iter()
            .filter(|i| !is_aggregate(&i.expr))
            .map(|i| self.expr_in(&i.expr, select))
            .collect();
        let mut said = match (&measures[..], &keys[..]) {
            ([], keys) => format!(
                "{}{}",
                if select.distinct { "different " } else { "" },
                list(keys)
            ),
            (measures, []) => list(measures),
            (measures, keys) => format!("{} for each {}", list(measures), list(keys)),
        };
        let filters = &derived.unwrap_or(select).filters;
        let conditions: Vec<&Predicate> = filters.iter().chain(&select.having).collect();
        let conditions = self.conditions(&conditions);
        if !conditions.is_empty() {
            said.push_str(", where ");
            said.push_str(&conditions.join(" and "));
        }
        if let Some((expr, descending)) = select.order.first() {
            let ordered = self.expr_in(expr, select);
            let way = if *descending { "highest" } else { "lowest" };
            match &select.limit {
                Some(Limit::Rows(1)) => {
                    said.push_str(&format!(", the one with the {way} {ordered}"))
                }
                Some(Limit::Rows(n)) => {
                    said.push_str(&format!(", the {n} with the {way} {ordered}"))
                }
                Some(Limit::Param(n)) => {
                    said.push_str(&format!(", the ${n} with the {way} {ordered}"))
                }
                None => said.push_str(&format!(", {way} {ordered} first")),
            }
        } else if let Some(Limit::Rows(n)) = &select.limit {
            said.push_str(&format!(", {n} of them"));
        }
        said
    }

    /// An expression, looked up in the derived rows where it names one of theirs.
    fn expr_in(&self, expr: &Expr, select: &Select) -> String {
        match expr {
            Expr::Named(source, name) => {
                let inner = select
                    .sources
                    .iter()
                    .find(|s| s.id == *source)
                    .and_then(|s| match &s.rows {
                        Rows::Derived(inner) => inner.items.iter().find(|i| i.name == *name),
                        Rows::Relation(_) => None,
                    });
                inner.map_or_else(|| name.clone(), |item| self.expr(&item.expr))
            }
            Expr::Aggregate(aggregate, inner) => {
                aggregated(*aggregate, &self.expr_in(inner, select))
            }
            Expr::Share(inner) => share_words(&self.expr_in(inner, select)),
            Expr::CountRows => match select.sources.first().map(|s| &s.rows) {
                Some(Rows::Relation(id)) => {
                    format!("number of {}", plain(&self.snapshot.relation(*id).name))
                }
                _ => "number of rows".to_owned(),
            },
            other => self.expr(other),
        }
    }

    fn expr(&self, expr: &Expr) -> String {
        match expr {
            Expr::Column(_, id) => self.column(*id),
            Expr::Named(_, name) => name.clone(),
            Expr::CountRows => "number of rows".to_owned(),
            Expr::Aggregate(aggregate, inner) => aggregated(*aggregate, &self.expr(inner)),
            Expr::Product(a, b) => format!("{} times {}", self.expr(a), self.expr(b)),
            Expr::Share(inner) => share_words(&self.expr(inner)),
            Expr::Start(unit, inner) => format!("{} of {}", unit.name(), self.expr(inner)),
            Expr::Text(text) => format!("\"{text}\""),
            Expr::Number(digits) => digits.clone(),
            Expr::Date(moment) => moment_words(moment),
            Expr::Param(n) => format!("${n}"),
            Expr::Scalar(select) => format!("the {}", self.select(select)),
            Expr::Lower(inner) => self.expr(inner),
        }
    }

    fn column(&self, id: ColumnId) -> String {
        format!(
            "{}.{}",
            self.snapshot.relation(id.relation).name,
            self.snapshot.column(id).name
        )
    }

    /// Conditions one by one; the two ends of a span of time are said as one.
    fn conditions(&self, predicates: &[&Predicate]) -> Vec<String> {
        let mut said = Vec::new();
        let mut rest = predicates;
        while let [first, after @ ..] = rest {
            rest = after;
            if let Predicate::Compare(a, Comparison::GreaterOrEqual, Expr::Date(from)) = first
                && let [
                    Predicate::Compare(b, Comparison::Less, Expr::Date(until)),
                    after @ ..,
                ] = rest
                && a == b
                && let Some(span) = span_words(from, until)
            {
                said.push(format!("{} is {span}", self.expr(a)));
                rest = after;
                continue;
            }
            said.push(self.predicate(first));
        }
        said
    }

    fn predicate(&self, predicate: &Predicate) -> String {
        match predicate {
            Predicate::Compare(a, Comparison::GreaterOrEqual, Expr::Date(moment)) => {
                format!("{} is not before {}", self.expr(a), moment_words(moment))
            }
            Predicate::Compare(a, Comparison::Less, Expr::Date(moment)) => {
                format!("{} is before {}", self.expr(a), moment_words(moment))
            }
            Predicate::Compare(a, Comparison::Greater, Expr::Date(moment)) => {
                format!("{} is after {}", self.expr(a), moment_words(moment))
            }
            Predicate::Compare(a, Comparison::LessOrEqual, Expr::Date(moment)) => {
                format!("{} is not after {}", self.expr(a), moment_words(moment))
            }
            Predicate::Compare(Expr::Lower(a), comparison, b) => format!(
                "{} {} {} in any letter case",
                self.expr(a),
                comparison.words(),
                self.expr(b)
            ),
            Predicate::Compare(Expr::Scalar(select), comparison, b) => {
                format!(
                    "the {} {} {}",
                    self.inner(select),
                    comparison.words(),
                    self.expr(b)
                )
            }
            Predicate::Compare(a, comparison, b) => {
                format!("{} {} {}", self.expr(a), comparison.words(), self.expr(b))
            }
            Predicate::OneOf(expr, list) => {
                let list: Vec<String> = list.iter().map(|e| self.expr(e)).collect();
                format!("{} is {}", self.expr(expr), list.join(" or "))
            }
            Predicate::Is(expr, true) => format!("{} is true", self.expr(expr)),
            Predicate::Is(expr, false) => format!("{} is false", self.expr(expr)),
            Predicate::Null(expr, true) => format!("{} is empty", self.expr(expr)),
            Predicate::Null(expr, false) => format!("{} is filled in", self.expr(expr)),
            Predicate::Like(expr, affix, text) => {
                let how = match affix {
                    Affix::Prefix => "begins with",
                    Affix::Inside => "contains",
                    Affix::Suffix => "ends with",
                };
                format!("{} {how} \"{text}\"", self.expr(expr))
            }
            Predicate::Exists(select, true) => format!("there are {}", self.inner(select)),
            Predicate::Exists(select, false) => format!("there are no {}", self.inner(select)),
            Predicate::In(_, select) => match select.having.first() {
                Some(Predicate::Compare(measure, comparison, b)) => format!(
                    "the {}{} {} {}",
                    self.expr_in(measure, select),
                    self.narrowed(select),
                    comparison.words(),
                    self.expr(b)
                ),
                _ => format!("there are {}", self.inner(select)),
            },
            Predicate::Not(inner) => format!("it is not so that {}", self.predicate(inner)),
            Predicate::All(parts) => {
                let parts: Vec<&Predicate> = parts.iter().collect();
                self.conditions(&parts).join(" and ")
            }
            Predicate::Any(parts) => {
                let parts: Vec<String> = parts.iter().map(|p| self.predicate(p)).collect();
                parts.join(" or ")
            }
        }
    }

    /// Rows of an inner select: its last relation, and what narrows it beside the tie to the outer row.
    fn inner(&self, select: &Select) -> String {
        let rows = match select.items.first().map(|i| &i.expr) {
            Some(measure) if is_aggregate(measure) => self.expr_in(measure, select),
            _ => {
                let names = select.sources.iter().filter_map(|s| match &s.rows {
                    Rows::Relation(id) => Some(plain(&self.snapshot.relation(*id).name)),
                    Rows::Derived(_) => None,
                });
                names.collect::<Vec<_>>().join(" with ")
            }
        };
        format!("{rows}{}", self.narrowed(select))
    }

    fn narrowed(&self, select: &Select) -> String {
        let own = |p: &&Predicate| {
            !matches!(
                p,
                Predicate::Compare(Expr::Column(..), Comparison::Equal, Expr::Column(..))
            )
        };
        let conditions: Vec<&Predicate> = select.filters.iter().filter(own).collect();
        let conditions = self.conditions(&conditions);
        if conditions.is_empty() {
            String::new()
        } else {
            format!(" (where {})", conditions.join(" and "))
        }
    }
}

fn is_aggregate(expr: &Expr) -> bool {
    matches!(expr, Expr::Aggregate(..) | Expr::CountRows | Expr::Share(_))
}

fn aggregated(aggregate: Aggregate, inner: &str) -> String {
    let words = match aggregate {
        Aggregate::Count => "number of",
        Aggregate::CountDistinct => "number of different",
        Aggregate::Sum => "sum of",
        Aggregate::Average => "average of",
        Aggregate::Min => "lowest",
        Aggregate::Max => "highest",
    };
    format!("{words} {inner}")
}

fn share_words(measure: &str) -> String {
    format!("{measure} as a percentage of the whole")
}

fn plain(name: &str) -> String {
    super::text::words(name).join(" ")
}

fn list(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A span that has a name of its own: "in last month", "in 2025".
fn span_words(from: &Moment, until: &Moment) -> Option<String> {
    match (from, until) {
        (Moment::StartOf(unit, n), Moment::StartOf(other, m)) if unit == other && *m == n + 1 => {
            let which = match n {
                0 => "this",
                -1 => "last",
                1 => "next",
                _ => return None,
            };
            Some(format!("in {which} {}", unit.name()))
        }
        (Moment::Today(n), Moment::Today(m)) if *m == n + 1 && n.abs() <= 1 => {
            Some(moment_words(from))
        }
        (Moment::Day(first), Moment::Day(stop)) => {
            let last = stop.yesterday().ok()?;
            let begins = first.day() == 1;
            let same_year = first.year() == last.year();
            if *first == last {
                Some(format!("on {first}"))
            } else if begins
                && same_year
                && first.month() == 1
                && stop.day() == 1
                && stop.month() == 1
            {
                Some(format!("in {}", first.year()))
            } else if begins && same_year && first.month() == last.month() && stop.day() == 1 {
                Some(first.strftime("in %B %Y").to_string())
            } else {
                Some(format!("from {first} to {last}"))
            }
        }
        _ => None,
    }
}

fn moment_words(moment: &Moment) -> String {
    let shifted = |unit: &TimeUnit, n: i32| {
        let plural = if n.unsigned_abs() == 1 { "" } else { "s" };
        format!("{} {}{plural}", n.unsigned_abs(), unit.name())
    };
    match moment {
        Moment::Day(date) => date.to_string(),
        Moment::Today(0) => "today".to_owned(),
        Moment::Today(1) => "tomorrow".to_owned(),
        Moment::Today(-1) => "yesterday".to_owned(),
        Moment::Today(n) if *n < 0 => format!("{} ago", shifted(&TimeUnit::Day, *n)),
        Moment::Today(n) => format!("{} from today", shifted(&TimeUnit::Day, *n)),
        Moment::StartOf(unit, 0) => format!("the start of this {}", unit.name()),
        Moment::StartOf(unit, -1) => format!("the start of last {}", unit.name()),
        Moment::StartOf(unit, 1) => format!("the start of next {}", unit.name()),
        Moment::StartOf(unit, n) if *n < 0 => {
            format!("the start of the {} {} ago", unit.name(), shifted(unit, *n))
        }
        Moment::StartOf(unit, n) => {
            format!("the start of the {} in {}", unit.name(), shifted(unit, *n))
        }
        Moment::Ago(unit, n) if *n < 0 => format!("{} ago", shifted(unit, *n)),
        Moment::Ago(unit, n) => format!("{} from now", shifted(unit, *n)),
        Moment::Param(n) => format!("${n}"),
    }
}
