//! The whole proof, from a Draft to an Approved.

use sqlparser::ast::Query;

use crate::access::visible::Visible;
use crate::error::Refusal;
use crate::guard::approved::Approved;
use crate::guard::rules::{Rule, Rules};
use crate::guard::scope::Proof;
use crate::guard::{parse, spelling};
use crate::names::Draft;

/// Proves that a Draft is one read-only query over what its caller may see.
///
/// The Approved's SQL is printed from the tree that was proved: no comment and no trailing semicolon is left, and
/// every relation is qualified by its schema, so that neither a temporary table nor another `search_path` can take
/// its place. It can stand alone or in parentheses.
///
/// # Errors
/// `NL004`; the message ends in the rule's name ([`Rule::name`]), the DETAIL names what broke it, and the HINT, when
/// there is one, speaks of nothing that the caller may not see.
pub fn approve(draft: &Draft, visible: &Visible, rules: &Rules) -> Result<Approved, Refusal> {
    let mut query = parse::one_query(&draft.sql)?;
    let mut proof = Proof::new(visible, rules);
    proof.query(&mut query)?;
    spelling::unmistakable(&query)?;
    let sql = print(&query)?;
    Ok(Approved::new(sql, proof.into_relations()))
}

/// Prints a proved query, and reads it again to be sure that what is run is what was proved.
fn print(query: &Query) -> Result<String, Refusal> {
    let sql = query.to_string();
    match parse::one_query(&sql) {
        Ok(again) if *again == *query => Ok(sql),
        _ => Err(Rule::Unprintable.refuse(
            "The query reads differently once printed; simpler spelling (fewer nested signs, plain literals) helps.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::fixture::{draft, visible};

    fn approved(sql: &str) -> Result<Approved, Refusal> {
        approve(&draft(sql), &visible(), &Rules::default())
    }

    #[test]
    fn relations_are_qualified_and_reported() {
        let approved = approved(
            "SELECT l.id FROM loans_old l JOIN books ON true JOIN archive.loans_old x ON x.id = books.id;",
        )
        .unwrap();
        assert_eq!(
            approved.sql(),
            "SELECT l.id FROM archive.loans_old l JOIN public.books ON true JOIN archive.loans_old x ON x.id = books.id"
        );
        assert_eq!(approved.relations(), ["archive.loans_old", "public.books"]);
    }

    #[test]
    fn nothing_of_a_comment_is_left() {
        let sql = approved("SELECT 1 -- one\n, /* two */ 2 -- three").unwrap();
        assert_eq!(sql.sql(), "SELECT 1, 2");
    }

    #[test]
    fn strings_mean_the_same_in_every_session() {
        let sql = approved(r"SELECT 'a\', $x$b'$x$, 'c''''d'").unwrap();
        assert_eq!(sql.sql(), r"SELECT E'a\\', 'b''', E'c\'\'d'");
    }

    #[test]
    fn a_near_miss_is_told_from_visible_names() {
        let refusal = approved("SELECT * FROM bookz").unwrap_err();
        assert_eq!(
            refusal.hint.as_deref(),
            Some("Did you mean \"public.books\"?")
        );
        let refusal = approved("SELECT * FROM vault.secrets").unwrap_err();
        assert_eq!(refusal.hint, None);
    }

    #[test]
    fn a_function_that_is_near_is_offered_when_it_may_be_called() {
        let hint = |sql| approved(sql).unwrap_err().hint;
        assert_eq!(
            hint("SELECT dat_trunc('month', added) FROM books").as_deref(),
            Some("Did you mean \"date_trunc\"?")
        );
        assert_eq!(
            hint("SELECT clock_timestam()").as_deref(),
            Some("Did you mean \"clock_timestamp\"?")
        );
        assert_eq!(hint("SELECT setvall('x', 1)"), None);
    }

    #[test]
    fn open_catalogs_can_be_read_and_their_functions_cannot() {
        let rules = Rules {
            catalogs: true,
            ..Rules::default()
        };
        let read = |sql| approve(&draft(sql), &visible(), &rules);
        assert_eq!(
            read("SELECT relname FROM pg_class").unwrap().sql(),
            "SELECT relname FROM pg_catalog.pg_class"
        );
        assert!(read("SELECT table_name FROM information_schema.tables").is_ok());
        assert!(read("SELECT pg_read_file('x') FROM pg_class").is_err());
        assert!(read("SELECT * FROM pg_toast.x").is_err());
    }

    #[test]
    fn a_parameter_needs_a_value() {
        let rules = Rules {
            parameter_count: Some(1),
            ..Rules::default()
        };
        assert!(approve(&draft("SELECT $1"), &visible(), &rules).is_ok());
        assert!(approve(&draft("SELECT $2"), &visible(), &rules).is_err());
    }

    #[test]
    fn endless_chains_and_nests_are_refused_without_a_crash() {
        for sql in [
            format!("SELECT 1{}", "+1".repeat(30_000)),
            format!("SELECT {}1{}", "(".repeat(30_000), ")".repeat(30_000)),
            format!("SELECT 1{}", " UNION SELECT 1".repeat(4_000)),
            format!("SELECT 1{}", "::int".repeat(10_000)),
            format!("SELECT {} true", "NOT ".repeat(10_000)),
            format!("SELECT x{}", "[1]".repeat(10_000)),
            format!("SELECT 1{}", " COLLATE x".repeat(5_000)),
            format!("SELECT {}", "- ".repeat(30_000)),
            format!("SELECT 1{}", " IS NULL".repeat(5_000)),
            format!(
                "SELECT * FROM {}books{}",
                "(".repeat(9_000),
                ")".repeat(9_000)
            ),
            format!("SELECT * FROM books{} ON true", " JOIN books".repeat(5_000)),
            format!(
                "SELECT * FROM books{}",
                " JOIN books b ON true".repeat(3_000)
            ),
            format!("SELECT 1{}", " UNION SELECT 1, 2".repeat(3_000)),
            format!("SELECT {}", "CASE WHEN ".repeat(6_000)),
            format!("SELECT {}", "ARRAY[".repeat(9_000)),
            format!("SELECT {}", "(SELECT ".repeat(8_000)),
            format!("SELECT {}", "abs(1, ".repeat(8_000)),
            "WITH x AS (".repeat(5_000),
            "SELECT ".repeat(9_000),
            "(".repeat(60_000),
            "/*".repeat(30_000),
        ] {
            assert!(approved(&sql).is_err());
        }
    }

    #[test]
    fn the_longest_chain_that_is_let_through_fits_a_stack() {
        for sql in [
            format!("SELECT 1{}", "+1".repeat(120)),
            format!("SELECT 1{}", " UNION SELECT 1".repeat(100)),
            format!("SELECT 1{}", "::int".repeat(120)),
            format!(
                "SELECT {}1{}{}",
                "abs(".repeat(25),
                "+1".repeat(120),
                ")".repeat(25)
            ),
            format!(
                "{}SELECT 1{}{}",
                "SELECT (".repeat(25),
                "+1".repeat(120),
                ")".repeat(25)
            ),
        ] {
            assert!(approved(&sql).is_ok());
        }
    }
}
