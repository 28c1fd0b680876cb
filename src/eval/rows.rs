//! Whether two results are the same.
//!
//! # Source
//! `same`, `column_picks` and `orders` of the development suites' referee.

use std::collections::HashSet;

use super::value::Value;

/// The rows of a result.
pub type Rows = Vec<Vec<Value>>;

/// Ways to pair columns that are tried at most.
const PICKS_MAX: usize = 500;

/// How a predicted result may differ from the gold one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Columns {
    /// Each gold column is one of the predicted, in any order, and there is no other.
    AllAndNoOther,
    /// There may be others; rows that are equal count once.
    AllAndOthers,
}

/// Whether the rows are the same, as a multiset or, with `keep_order`, in their order.
#[must_use]
pub fn are_same(gold: &Rows, predicted: &Rows, keep_order: bool, columns: Columns) -> bool {
    let (Some(first), Some(first_predicted)) = (gold.first(), predicted.first()) else {
        return gold.is_empty() && predicted.is_empty();
    };
    let (wanted, given) = (first.len(), first_predicted.len());
    match columns {
        Columns::AllAndNoOther if wanted == given => {
            let picks = Picks {
                fits: fits(gold, predicted, sorted_column),
                left: PICKS_MAX,
            };
            picks.any(|pick| {
                let rows = project(predicted, pick);
                is_equal(gold, rows, keep_order)
            })
        }
        Columns::AllAndOthers if wanted <= given => {
            let gold = distinct(gold.clone());
            let picks = Picks {
                // A column with other values can be no part of equal rows.
                fits: fits(&gold, predicted, distinct_column),
                left: usize::MAX,
            };
            picks.any(|pick| {
                let rows = distinct(project(predicted, pick));
                is_equal(&gold, rows, keep_order)
            })
        }
        _ => false,
    }
}

/// Whether the outermost query of an SQL text has an ORDER BY.
#[must_use]
pub fn orders(sql: &str) -> bool {
    let mut outer = String::with_capacity(sql.len());
    let mut depth = 0_i32;
    for c in without_literals(sql).chars() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        outer.push(if depth == 0 { c } else { ' ' });
    }
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let lower = outer.to_lowercase();
    lower.match_indices("order").any(|(at, word)| {
        let before = lower[..at].chars().next_back();
        let behind = &lower[at + word.len()..];
        let rest = behind.trim_start();
        behind.len() > rest.len()
            && before.is_none_or(|c| !is_word(c))
            && rest
                .strip_prefix("by")
                .is_some_and(|rest| !rest.starts_with(is_word))
    })
}

/// The text with nothing between its quotes.
fn without_literals(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(start) = rest.find('\'')
        && let Some(length) = rest[start + 1..].find('\'')
    {
        text.push_str(&rest[..start]);
        text.push_str("''");
        rest = &rest[start + length + 2..];
    }
    text + rest
}

/// Ways to give each gold column a different predicted one.
struct Picks {
    /// The predicted columns that may be each gold one.
    fits: Vec<Vec<usize>>,
    /// How many more ways are tried.
    left: usize,
}

impl Picks {
    fn any(mut self, mut holds: impl FnMut(&[usize]) -> bool) -> bool {
        let mut pick = Vec::with_capacity(self.fits.len());
        self.extend(&mut pick, &mut holds)
    }

    fn extend(&mut self, pick: &mut Vec<usize>, holds: &mut impl FnMut(&[usize]) -> bool) -> bool {
        if self.left == 0 {
            return false;
        }
        if pick.len() == self.fits.len() {
            self.left -= 1;
            return holds(pick);
        }
        for index in 0..self.fits[pick.len()].len() {
            let column = self.fits[pick.len()][index];
            if pick.contains(&column) {
                continue;
            }
            pick.push(column);
            if self.extend(pick, holds) {
                return true;
            }
            pick.pop();
        }
        false
    }
}

/// For each gold column, the predicted ones of which `measure` says the same.
fn fits<'a, M: PartialEq>(
    gold: &'a Rows,
    predicted: &'a Rows,
    measure: impl Fn(&'a Rows, usize) -> M,
) -> Vec<Vec<usize>> {
    let columns = |rows: &'a Rows| -> Vec<M> {
        let count = rows.first().map_or(0, Vec::len);
        (0..count).map(|column| measure(rows, column)).collect()
    };
    let predicted = columns(predicted);
    columns(gold)
        .iter()
        .map(|wanted| {
            let is_same = |(at, given): (usize, &M)| (given == wanted).then_some(at);
            predicted.iter().enumerate().filter_map(is_same).collect()
        })
        .collect()
}

fn sorted_column(rows: &Rows, column: usize) -> Vec<&Value> {
    let mut values: Vec<_> = rows.iter().map(|row| &row[column]).collect();
    values.sort_unstable();
    values
}

fn distinct_column(rows: &Rows, column: usize) -> HashSet<&Value> {
    rows.iter().map(|row| &row[column]).collect()
}

fn project(rows: &Rows, pick: &[usize]) -> Rows {
    let project = |row: &Vec<Value>| pick.iter().map(|column| row[*column].clone()).collect();
    rows.iter().map(project).collect()
}

/// Every row once, where it stood first.
fn distinct(rows: Rows) -> Rows {
    let mut seen = HashSet::new();
    rows.into_iter()
        .filter(|row| seen.insert(row.clone()))
        .collect()
}

fn is_equal(gold: &Rows, mut rows: Rows, keep_order: bool) -> bool {
    if keep_order || rows.len() != gold.len() {
        return rows == *gold;
    }
    let mut gold = gold.clone();
    gold.sort_unstable();
    rows.sort_unstable();
    rows == gold
}

#[cfg(test)]
mod tests {
    use tokio_postgres::types::Type;

    use super::*;

    fn rows(rows: &[&[&str]]) -> Rows {
        let value = |text: &&str| Value::read(Some(text), &Type::TEXT);
        rows.iter()
            .map(|row| row.iter().map(value).collect())
            .collect()
    }

    #[test]
    fn columns_stand_in_any_order_and_rows_only_where_they_are_ordered() {
        let gold = rows(&[&["a", "1"], &["b", "2"]]);
        let turned = rows(&[&["2", "b"], &["1", "a"]]);
        let exact = Columns::AllAndNoOther;
        assert!(are_same(&gold, &turned, false, exact));
        assert!(!are_same(&gold, &turned, true, exact));
        assert!(!are_same(
            &gold,
            &rows(&[&["a", "2"], &["b", "1"]]),
            false,
            exact
        ));
        assert!(!are_same(&gold, &rows(&[&["a"], &["b"]]), false, exact));
        assert!(!are_same(&gold, &vec![], false, exact));
        assert!(are_same(&vec![], &vec![], true, exact));
    }

    #[test]
    fn a_multiset_counts_its_rows() {
        let gold = rows(&[&["a"], &["a"], &["b"]]);
        let exact = Columns::AllAndNoOther;
        assert!(!are_same(
            &gold,
            &rows(&[&["a"], &["b"], &["b"]]),
            false,
            exact
        ));
        assert!(!are_same(&gold, &rows(&[&["a"], &["b"]]), false, exact));
        assert!(are_same(
            &gold,
            &rows(&[&["a"], &["b"]]),
            false,
            Columns::AllAndOthers
        ));
    }

    #[test]
    fn other_columns_are_passed_over_where_they_may_be() {
        let gold = rows(&[&["a", "1"], &["b", "1"]]);
        let more = rows(&[&["1", "x", "a"], &["1", "y", "b"]]);
        assert!(are_same(&gold, &more, true, Columns::AllAndOthers));
        assert!(!are_same(&gold, &more, true, Columns::AllAndNoOther));
        assert!(!are_same(
            &gold,
            &rows(&[&["1", "x"], &["1", "y"]]),
            false,
            Columns::AllAndOthers
        ));
    }

    #[test]
    fn only_the_outermost_order_counts() {
        for sql in [
            "select a from t order by a",
            "select 1 ORDER\n BY 1",
            "select ')' order by 1",
        ] {
            assert!(orders(sql), "{sql}");
        }
        for sql in [
            "select * from (select a from t order by a) s",
            "select 'order by'",
            "select reorder by",
            "select a, rank() over (order by a) from t",
            "select order_by",
        ] {
            assert!(!orders(sql), "{sql}");
        }
    }
}
