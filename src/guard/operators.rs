//! Operators. An operator is a call of a function that its name does not tell, so that only PostgreSQL's own symbols,
//! and those of a few well-known extensions, are let through; and of those only such as mean nothing harmful in this
//! database, where anybody may define an operator of any symbol.

use sqlparser::ast::{BinaryOperator, UnaryOperator};

use crate::error::Refusal;
use crate::guard::families;
use crate::guard::rules::Rule;
use crate::guard::scope::{Proof, Proved};
use crate::schema::snapshot::{Operator, Volatility};

/// Symbols without a name of their own in the parser: PostgreSQL's, and those of pg_trgm, ltree, hstore, pgvector.
const SYMBOLS: &[&str] = &[
    "!!", "!=", "!~", "!~*", "!~~", "!~~*", "#", "##", "#-", "#<=", "#=", "#>", "#>=", "#>>", "%",
    "%>", "%>>", "&", "&&", "&<", "&<|", "&>", "*", "*<", "*<=", "*<>", "*=", "*>", "*>=", "+",
    "-", "->", "->>", "-|-", "/", "<", "<#>", "<%", "<+>", "<->", "<->>", "<<", "<<%", "<<->",
    "<<=", "<<|", "<=", "<=>", "<>", "<@", "<^", "=", ">", ">=", ">>", ">>=", ">^", "?", "?#",
    "?&", "?-", "?-|", "?|", "?||", "@", "@>", "@?", "@@", "@@@", "^", "^@", "^?", "|", "|&>",
    "|>>", "||", "~", "~*", "~<=~", "~<~", "~=", "~>=~", "~>~", "~~", "~~*",
];

impl Proof<'_> {
    pub(in crate::guard) fn binary_operator(&self, operator: &BinaryOperator) -> Proved {
        use BinaryOperator as Op;
        match operator {
            // Syntax, and never looked up.
            Op::And | Op::Or | Op::Overlaps => Ok(()),
            // OPERATOR(schema.symbol)
            Op::PGCustomBinaryOperator(parts) => match parts.as_slice() {
                [symbol] => self.symbol(symbol),
                [schema, symbol] if schema.eq_ignore_ascii_case("pg_catalog") => own(symbol),
                _ => Err(foreign(&operator.to_string())),
            },
            other => self.symbol(&other.to_string()),
        }
    }

    pub(in crate::guard) fn unary_operator(&self, operator: &UnaryOperator) -> Proved {
        use UnaryOperator as Op;
        match operator {
            Op::Not => Ok(()),
            Op::Plus
            | Op::Minus
            | Op::PGAbs
            | Op::PGSquareRoot
            | Op::PGCubeRoot
            | Op::BitwiseNot
            | Op::DoubleAt
            | Op::Hash
            | Op::AtDashAt
            | Op::QuestionDash
            | Op::QuestionPipe => self.unshadowed_symbol(&operator.to_string()),
            _ => Err(foreign(&operator.to_string())),
        }
    }

    /// Proves what syntax calls without writing it: `IN` calls `=`, `LIKE` calls `~~`. They are looked up as if they were
    /// written.
    pub(in crate::guard) fn implied(&self, symbols: &[&str]) -> Proved {
        symbols
            .iter()
            .try_for_each(|symbol| self.unshadowed_symbol(symbol))
    }

    fn symbol(&self, symbol: &str) -> Proved {
        own(symbol)?;
        self.unshadowed_symbol(symbol)
    }

    /// A symbol may mean any operator of that spelling, by the types of its operands and whatever the session's
    /// `search_path`: all must be harmless. The schema is not named, because it may not be the caller's to see.
    fn unshadowed_symbol(&self, symbol: &str) -> Proved {
        let mut others = self.visible.operators.iter();
        let Some(flaw) = others.find_map(|o| (o.symbol == symbol).then(|| flaw(o)).flatten())
        else {
            return Ok(());
        };
        Err(Rule::Operator
            .refuse(format!(
                "`{symbol}` could also mean an operator that was defined in this database, whose function {flaw}."
            ))
            .with_hint(format!(
                "Write OPERATOR(pg_catalog.{symbol}) to mean PostgreSQL's own."
            )))
    }
}

/// Why an operator may not be called; `None` when it may.
fn flaw(operator: &Operator) -> Option<&'static str> {
    if operator.security_definer {
        Some("runs with the rights of its owner")
    } else if operator.volatility == Volatility::Volatile {
        Some("is declared volatile, so that it may have effects")
    } else {
        families::reach(&operator.function)
    }
}

fn own(symbol: &str) -> Proved {
    if SYMBOLS.contains(&symbol) {
        Ok(())
    } else {
        Err(foreign(symbol))
    }
}

fn foreign(operator: &str) -> Refusal {
    Rule::Operator.refuse(format!(
        "`{operator}` is not one of PostgreSQL's operators."
    ))
}
