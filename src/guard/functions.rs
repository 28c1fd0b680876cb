//! Which functions may be called.

use sqlparser::ast::{
    Function, FunctionArg, FunctionArgExpr, FunctionArgOperator, FunctionArgumentClause,
    FunctionArgumentList, FunctionArguments, JsonReturningClause, ObjectName, WindowFrame,
    WindowFrameBound, WindowSpec, WindowType,
};

use crate::error::Refusal;
use crate::guard::families;
use crate::guard::query::{absent, unknown};
use crate::guard::relations::{SIMILARITY_MIN, parts};
use crate::guard::rules::Rule;
use crate::guard::scope::{Proof, Proved};
use crate::schema::snapshot::{Function as Known, Volatility};

/// What PostgreSQL's grammar reads as its own syntax when it is neither quoted nor qualified: no lookup takes place, and
/// no function of the same name can stand in for it.
///
/// # Source
/// `func_expr_common_subexpr` of PostgreSQL's `gram.y`; SUBSTRING and OVERLAY with commas are looked up like any other.
const GRAMMAR_FORMS: &[&str] = &[
    "coalesce",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "greatest",
    "grouping",
    "json",
    "json_array",
    "json_arrayagg",
    "json_exists",
    "json_object",
    "json_objectagg",
    "json_query",
    "json_scalar",
    "json_serialize",
    "json_value",
    "least",
    "localtime",
    "localtimestamp",
    "nullif",
    "row",
    "session_user",
    "user",
];

/// Volatile functions of `pg_catalog` that do nothing but return a value.
const HARMLESS_VOLATILE: &[&str] = &[
    "clock_timestamp",
    "gen_random_uuid",
    "random",
    "random_normal",
    "timeofday",
    "uuidv4",
    "uuidv7",
];

impl Proof<'_> {
    /// Proves a call: the function, its arguments and every clause around them.
    pub(in crate::guard) fn function(&mut self, call: &mut Function) -> Proved {
        let Function {
            name,
            uses_odbc_syntax,
            parameters,
            args,
            within_group,
            filter,
            null_treatment,
            over,
        } = call;
        if *uses_odbc_syntax {
            return Err(unknown("{fn ...}"));
        }
        if *parameters != FunctionArguments::None {
            return Err(unknown("a call with two lists of arguments"));
        }
        absent(null_treatment, "IGNORE NULLS or RESPECT NULLS")?;
        self.arguments(name, args)?;
        self.order_by_exprs(within_group)?;
        if let Some(filter) = filter {
            self.expr(filter)?;
        }
        match over {
            None | Some(WindowType::NamedWindow(_)) => Ok(()),
            Some(WindowType::WindowSpec(spec)) => self.window(spec),
        }
    }

    fn arguments(&mut self, name: &ObjectName, args: &mut FunctionArguments) -> Proved {
        match args {
            FunctionArguments::Subquery(query) => {
                // ARRAY(SELECT ...) is syntax; in any other call the subquery wants parentheses of its own.
                if name.to_string().eq_ignore_ascii_case("array") {
                    self.query(query)
                } else {
                    Err(unknown("a bare subquery as an argument"))
                }
            }
            FunctionArguments::None => self.callee(name),
            FunctionArguments::List(FunctionArgumentList {
                duplicate_treatment: _,
                args,
                clauses,
            }) => {
                self.callee(name)?;
                for arg in args {
                    self.argument(arg)?;
                }
                for clause in clauses {
                    match clause {
                        FunctionArgumentClause::OrderBy(exprs) => self.order_by_exprs(exprs)?,
                        FunctionArgumentClause::JsonNullClause(_) => {}
                        FunctionArgumentClause::JsonReturningClause(JsonReturningClause {
                            data_type,
                        }) => self.data_type(data_type)?,
                        _ => return Err(unknown("this clause inside a call")),
                    }
                }
                Ok(())
            }
        }
    }

    fn argument(&mut self, arg: &mut FunctionArg) -> Proved {
        let (value, operator) = match arg {
            FunctionArg::Unnamed(value) => (value, None),
            FunctionArg::Named {
                name: _,
                arg,
                operator,
            } => (arg, Some(operator)),
            FunctionArg::ExprNamed {
                name,
                arg,
                operator,
            } => {
                self.expr(name)?;
                (arg, Some(operator))
            }
        };
        match operator {
            None
            | Some(
                FunctionArgOperator::RightArrow
                | FunctionArgOperator::Assignment
                | FunctionArgOperator::Colon
                | FunctionArgOperator::Value,
            ) => {}
            Some(_) => return Err(unknown("this way to name an argument")),
        }
        match value {
            FunctionArgExpr::Expr(expr) => self.expr(expr),
            FunctionArgExpr::Wildcard | FunctionArgExpr::QualifiedWildcard(_) => Ok(()),
            FunctionArgExpr::WildcardWithOptions(_) => Err(unknown("* with options")),
        }
    }

    pub(in crate::guard) fn window(&mut self, spec: &mut WindowSpec) -> Proved {
        let WindowSpec {
            window_name: _,
            partition_by,
            order_by,
            window_frame,
        } = spec;
        self.exprs(partition_by)?;
        self.order_by_exprs(order_by)?;
        let Some(WindowFrame {
            units: _,
            start_bound,
            end_bound,
        }) = window_frame
        else {
            return Ok(());
        };
        for bound in std::iter::once(start_bound).chain(end_bound) {
            match bound {
                WindowFrameBound::CurrentRow
                | WindowFrameBound::Preceding(None)
                | WindowFrameBound::Following(None) => {}
                WindowFrameBound::Preceding(Some(expr))
                | WindowFrameBound::Following(Some(expr)) => self.expr(expr)?,
            }
        }
        Ok(())
    }

    fn callee(&self, name: &ObjectName) -> Proved {
        let (schema, function) = parts(name)?;
        let quoted = name
            .0
            .iter()
            .any(|part| part.as_ident().is_some_and(|i| i.quote_style.is_some()));
        if schema.is_none() && !quoted && GRAMMAR_FORMS.contains(&function.as_str()) {
            if function == "nullif" {
                self.implied(&["="])?;
            }
            return Ok(());
        }
        self.function_named(schema.as_deref(), &function)
    }

    /// Proves a function that is called without being spelled as a call (`ceil`, `substring`, `unnest`).
    pub(in crate::guard) fn builtin(&self, function: &str) -> Proved {
        self.function_named(None, function)
    }

    /// Proves that `x.name` is no call in disguise: PostgreSQL reads it as `name(x)` when `x` has no such column.
    pub(in crate::guard) fn attribute(&self, name: &str) -> Proved {
        if self.visible.functions.named(name).is_empty() {
            return Ok(());
        }
        self.function_named(None, name)
    }

    fn function_named(&self, schema: Option<&str>, function: &str) -> Proved {
        if let Some(reach) = families::reach(function) {
            return Err(Rule::Reach.refuse(format!("\"{function}\" {reach}.")));
        }
        let known = self.visible.functions.named(function);
        match schema {
            Some(schema) => {
                let one = known.iter().find(|f| f.schema == schema).ok_or_else(|| {
                    self.no_such_function(&format!("{schema}.{function}"), function)
                })?;
                harmless(one, function)
            }
            None if known.is_empty() => Err(self.no_such_function(function, function)),
            None => unshadowed(known, function),
        }
    }

    /// The HINT offers functions of `pg_catalog` alone, because those are no secret.
    fn no_such_function(&self, written: &str, function: &str) -> Refusal {
        let refusal =
            Rule::UnknownFunction.refuse(format!("No function \"{written}\" is known here."));
        let near = self
            .visible
            .functions
            .iter()
            .filter(|(name, known)| {
                known.schema == "pg_catalog"
                    && families::reach(name).is_none()
                    && harmless(known, name).is_ok()
            })
            .map(|(name, _)| (strsim::jaro_winkler(name, function), name))
            .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        match near {
            Some((_, name)) => refusal.with_hint(format!("Did you mean \"{name}\"?")),
            None => refusal,
        }
    }
}

/// An unqualified name may mean any function of that name, whatever the session's `search_path`: all must be harmless.
fn unshadowed(known: &[Known], function: &str) -> Proved {
    let builtin_is_harmless = known
        .iter()
        .any(|f| f.schema == "pg_catalog" && harmless(f, function).is_ok());
    for one in known {
        let Err(refusal) = harmless(one, function) else {
            continue;
        };
        if builtin_is_harmless {
            return Err(Rule::ShadowedFunction
                .refuse(format!(
                    "\"{function}\" could also mean the function of schema \"{}\", which is not allowed.",
                    one.schema
                ))
                .with_hint(format!("Write pg_catalog.{function} to mean PostgreSQL's own.")));
        }
        return Err(refusal);
    }
    Ok(())
}

fn harmless(known: &Known, function: &str) -> Proved {
    let schema = &known.schema;
    if known.security_definer {
        return Err(Rule::DefinerFunction.refuse(format!(
            "\"{schema}.{function}\" runs with the rights of its owner."
        )));
    }
    if known.volatility == Volatility::Volatile && !is_harmless_volatile(schema, function) {
        return Err(Rule::VolatileFunction.refuse(format!(
            "\"{schema}.{function}\" is declared volatile, so that it may have effects."
        )));
    }
    Ok(())
}

/// Whether a volatile function does nothing but return a value.
pub(in crate::guard) fn is_harmless_volatile(schema: &str, function: &str) -> bool {
    schema == "pg_catalog" && HARMLESS_VOLATILE.contains(&function)
}
