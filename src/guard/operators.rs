//! Operators. An operator is a call of a function that its name does not tell, so that only PostgreSQL's own symbols,
//! and those of a few well-known extensions, are let through.

use sqlparser::ast::{BinaryOperator, UnaryOperator};

use crate::guard::rules::Rule;
use crate::guard::scope::Proved;

/// Symbols without a name of their own in the parser: PostgreSQL's, and those of pg_trgm, ltree, hstore, pgvector.
const SYMBOLS: &[&str] = &[
    "!!", "!=", "!~", "!~*", "!~~", "!~~*", "#", "##", "#-", "#<=", "#=", "#>", "#>=", "#>>", "%",
    "%>", "%>>", "&", "&&", "&<", "&<|", "&>", "*", "*<", "*<=", "*<>", "*=", "*>", "*>=", "+",
    "-", "->", "->>", "-|-", "/", "<", "<#>", "<%", "<+>", "<->", "<->>", "<<", "<<%", "<<->",
    "<<=", "<<|", "<=", "<=>", "<>", "<@", "<^", "=", ">", ">=", ">>", ">>=", ">^", "?", "?#",
    "?&", "?-", "?-|", "?|", "?||", "@", "@>", "@?", "@@", "@@@", "^", "^@", "^?", "|", "|&>",
    "|>>", "||", "~", "~*", "~<=~", "~<~", "~=", "~>=~", "~>~", "~~", "~~*",
];

pub(in crate::guard) fn binary_operator(operator: &BinaryOperator) -> Proved {
    use BinaryOperator as Op;
    let known = match operator {
        Op::And | Op::Or | Op::Overlaps => true,
        // OPERATOR(schema.symbol)
        Op::PGCustomBinaryOperator(parts) => match parts.as_slice() {
            [symbol] => SYMBOLS.contains(&symbol.as_str()),
            [schema, symbol] => {
                schema.eq_ignore_ascii_case("pg_catalog") && SYMBOLS.contains(&symbol.as_str())
            }
            _ => false,
        },
        other => SYMBOLS.contains(&other.to_string().as_str()),
    };
    allowed(known, &operator.to_string())
}

pub(in crate::guard) fn unary_operator(operator: &UnaryOperator) -> Proved {
    use UnaryOperator as Op;
    let known = matches!(
        operator,
        Op::Plus
            | Op::Minus
            | Op::Not
            | Op::PGAbs
            | Op::PGSquareRoot
            | Op::PGCubeRoot
            | Op::BitwiseNot
            | Op::DoubleAt
            | Op::Hash
            | Op::AtDashAt
            | Op::QuestionDash
            | Op::QuestionPipe
    );
    allowed(known, &operator.to_string())
}

fn allowed(known: bool, operator: &str) -> Proved {
    if known {
        Ok(())
    } else {
        Err(Rule::Operator.refuse(format!(
            "`{operator}` is not one of PostgreSQL's operators."
        )))
    }
}
