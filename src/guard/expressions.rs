//! Expressions: the nodes that are let through, each with all of its parts.

use sqlparser::ast::{
    AccessExpr, Array, CaseWhen, CastKind, CeilFloorKind, DateTimeField, Expr, Ident, Interval,
    Subscript, TypedString, UnaryOperator, Value,
};

use crate::guard::query::{absent, unknown};
use crate::guard::rules::Rule;
use crate::guard::scope::{Proof, Proved, folded};
use crate::guard::types::plain_collation;

impl Proof<'_> {
    pub(in crate::guard) fn exprs(&mut self, exprs: &mut [Expr]) -> Proved {
        exprs.iter_mut().try_for_each(|expr| self.expr(expr))
    }

    fn each<'e>(&mut self, exprs: impl IntoIterator<Item = &'e mut Box<Expr>>) -> Proved {
        exprs.into_iter().try_for_each(|expr| self.expr(expr))
    }

    /// Proves an expression. A node that is not named here is refused.
    pub(in crate::guard) fn expr(&mut self, expr: &mut Expr) -> Proved {
        self.operators(expr)?;
        match expr {
            Expr::Identifier(_) => Ok(()),
            Expr::CompoundIdentifier(parts) => self.compound(parts),
            Expr::CompoundFieldAccess { root, access_chain } => {
                self.expr(root)?;
                access_chain
                    .iter_mut()
                    .try_for_each(|access| self.access(access))
            }
            Expr::Value(value) => self.literal(&mut value.value),
            Expr::TypedString(TypedString {
                data_type,
                value,
                uses_odbc_syntax,
            }) => {
                if *uses_odbc_syntax {
                    return Err(unknown("{d ...}"));
                }
                self.data_type(data_type)?;
                self.literal(&mut value.value)
            }
            Expr::Interval(interval) => self.interval(interval),
            Expr::IsFalse(inner)
            | Expr::IsNotFalse(inner)
            | Expr::IsTrue(inner)
            | Expr::IsNotTrue(inner)
            | Expr::IsNull(inner)
            | Expr::IsNotNull(inner)
            | Expr::IsUnknown(inner)
            | Expr::IsNotUnknown(inner)
            | Expr::Nested(inner)
            | Expr::IsJson { expr: inner, .. }
            | Expr::IsNormalized { expr: inner, .. } => self.expr(inner),
            Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => {
                self.each([left, right])
            }
            Expr::InList {
                expr,
                list,
                negated: _,
            } => {
                self.expr(expr)?;
                self.exprs(list)
            }
            Expr::InSubquery {
                expr,
                subquery,
                negated: _,
            } => {
                self.expr(expr)?;
                self.query(subquery)
            }
            Expr::Exists {
                subquery,
                negated: _,
            }
            | Expr::Subquery(subquery) => self.query(subquery),
            Expr::Between {
                expr,
                negated: _,
                low,
                high,
            } => self.each([expr, low, high]),
            Expr::BinaryOp { left, op: _, right } => self.each([left, right]),
            Expr::UnaryOp { op, expr } => {
                self.expr(expr)?;
                // Two signs in a row are printed without a space, and `--` begins a comment.
                if matches!(**expr, Expr::UnaryOp { .. }) && *op != UnaryOperator::Not {
                    let inner = std::mem::replace(expr, Box::new(Expr::Value(Value::Null.into())));
                    **expr = Expr::Nested(inner);
                }
                Ok(())
            }
            Expr::AnyOp {
                left,
                compare_op: _,
                right,
                is_some: _,
            }
            | Expr::AllOp {
                left,
                compare_op: _,
                right,
            } => self.each([left, right]),
            Expr::Like {
                negated: _,
                any: _,
                expr,
                pattern,
                escape_char,
            }
            | Expr::ILike {
                negated: _,
                any: _,
                expr,
                pattern,
                escape_char,
            }
            | Expr::SimilarTo {
                negated: _,
                expr,
                pattern,
                escape_char,
            } => {
                self.each([expr, pattern])?;
                self.each(escape_char)
            }
            Expr::Cast {
                kind,
                expr,
                data_type,
                format,
            } => {
                if !matches!(kind, CastKind::Cast | CastKind::DoubleColon) {
                    return Err(unknown("TRY_CAST or SAFE_CAST"));
                }
                absent(format, "CAST ... FORMAT")?;
                self.data_type(data_type)?;
                self.expr(expr)
            }
            Expr::AtTimeZone {
                timestamp,
                time_zone,
            } => self.each([timestamp, time_zone]),
            Expr::Extract {
                field,
                syntax: _,
                expr,
            } => {
                unquote(field);
                self.expr(expr)
            }
            Expr::Ceil { expr, field } => self.rounded("ceil", expr, field),
            Expr::Floor { expr, field } => self.rounded("floor", expr, field),
            Expr::Position { expr, r#in } => self.each([expr, r#in]),
            Expr::Substring {
                expr,
                substring_from,
                substring_for,
                special: _,
                shorthand,
            } => {
                self.builtin(if *shorthand { "substr" } else { "substring" })?;
                self.expr(expr)?;
                self.each(substring_from.iter_mut().chain(substring_for))
            }
            Expr::Trim {
                trim_where: _,
                trim_what,
                expr,
                trim_characters,
            } => {
                self.expr(expr)?;
                self.each(trim_what)?;
                self.exprs(trim_characters.as_deref_mut().unwrap_or_default())
            }
            Expr::Overlay {
                expr,
                overlay_what,
                overlay_from,
                overlay_for,
            } => {
                self.builtin("overlay")?;
                self.each([expr, overlay_what, overlay_from])?;
                self.each(overlay_for)
            }
            Expr::Collate { expr, collation } => {
                plain_collation(collation)?;
                self.expr(expr)
            }
            Expr::Function(call) => self.function(call),
            Expr::Case {
                case_token: _,
                end_token: _,
                operand,
                conditions,
                else_result,
            } => {
                self.each(operand)?;
                for CaseWhen { condition, result } in conditions {
                    self.expr(condition)?;
                    self.expr(result)?;
                }
                self.each(else_result)
            }
            Expr::GroupingSets(sets) | Expr::Cube(sets) | Expr::Rollup(sets) => {
                sets.iter_mut().try_for_each(|set| self.exprs(set))
            }
            Expr::Tuple(exprs)
            | Expr::Array(Array {
                elem: exprs,
                named: _,
            }) => self.exprs(exprs),
            other => Err(unknown(&format!("`{other}`"))),
        }
    }

    /// `x.name`, which is a call of `name` when `x` has no such column.
    fn compound(&self, parts: &[Ident]) -> Proved {
        let [.., qualifier, name] = parts else {
            return Ok(());
        };
        let name = folded(name);
        let certain = self
            .binding(&folded(qualifier))
            .is_some_and(|b| b.has_column(self.visible, &name));
        if certain {
            Ok(())
        } else {
            self.attribute(&name)
        }
    }

    /// The operators that an expression itself is made of, whether it shows them or not. A function of its own: what it
    /// needs of the stack would be needed at every level of an expression.
    fn operators(&self, expr: &Expr) -> Proved {
        match expr {
            Expr::BinaryOp { op, .. } => self.binary_operator(op),
            Expr::UnaryOp { op, .. } => self.unary_operator(op),
            Expr::AnyOp { compare_op, .. } | Expr::AllOp { compare_op, .. } => {
                self.binary_operator(compare_op)
            }
            Expr::IsDistinctFrom(..)
            | Expr::IsNotDistinctFrom(..)
            | Expr::Case {
                operand: Some(_), ..
            } => self.implied(&["="]),
            Expr::InList { .. } | Expr::InSubquery { .. } => self.implied(&["=", "<>"]),
            Expr::Between { .. } => self.implied(&["<", "<=", ">", ">="]),
            Expr::Like { .. } => self.implied(&["~~", "!~~"]),
            Expr::ILike { .. } => self.implied(&["~~*", "!~~*"]),
            Expr::SimilarTo { .. } => self.implied(&["~", "!~"]),
            _ => Ok(()),
        }
    }

    fn access(&mut self, access: &mut AccessExpr) -> Proved {
        match access {
            AccessExpr::Dot(Expr::Identifier(name)) => self.attribute(&folded(name)),
            AccessExpr::Dot(other) => Err(unknown(&format!("`.{other}`"))),
            AccessExpr::Subscript(Subscript::Index { index }) => self.expr(index),
            AccessExpr::Subscript(Subscript::Slice {
                lower_bound,
                upper_bound,
                stride,
            }) => {
                absent(stride, "a stride in a slice")?;
                lower_bound
                    .iter_mut()
                    .chain(upper_bound)
                    .try_for_each(|bound| self.expr(bound))
            }
        }
    }

    fn interval(&mut self, interval: &mut Interval) -> Proved {
        let Interval {
            value,
            leading_field: _,
            leading_precision: _,
            last_field: _,
            fractional_seconds_precision: _,
        } = interval;
        match &**value {
            Expr::Value(_) => self.expr(value),
            _ => Err(Rule::Literal.refuse(
                "INTERVAL takes a literal; multiply one (n * INTERVAL '1 day') to reckon with a value.",
            )),
        }
    }

    fn rounded(&mut self, function: &str, expr: &mut Expr, field: &CeilFloorKind) -> Proved {
        match field {
            CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) => {
                self.builtin(function)?;
                self.expr(expr)
            }
            _ => Err(unknown("CEIL or FLOOR with a second argument")),
        }
    }
}

/// Turns the field of `extract('year' FROM ...)` into the one of `extract(year FROM ...)`; what is no field keeps its
/// quotes, and is refused for them.
fn unquote(field: &mut DateTimeField) {
    let DateTimeField::Custom(ident) = field else {
        return;
    };
    let known = match ident.value.to_ascii_lowercase().as_str() {
        "century" => DateTimeField::Century,
        "day" => DateTimeField::Day,
        "decade" => DateTimeField::Decade,
        "dow" => DateTimeField::Dow,
        "doy" => DateTimeField::Doy,
        "epoch" => DateTimeField::Epoch,
        "hour" => DateTimeField::Hour,
        "isodow" => DateTimeField::Isodow,
        "isoyear" => DateTimeField::Isoyear,
        "minute" => DateTimeField::Minute,
        "month" => DateTimeField::Month,
        "quarter" => DateTimeField::Quarter,
        "second" => DateTimeField::Second,
        "week" => DateTimeField::Week(None),
        "year" => DateTimeField::Year,
        _ => return,
    };
    *field = known;
}
