//! The corpora: Drafts that must be refused, each with its rule, and Drafts that must pass, as text.

use crate::guard::approve;
use crate::guard::fixture::{draft, visible};
use crate::guard::rules::Rules;

/// Lines of `rule | SQL`; `#` begins a remark, and `\n` in the SQL stands for a line break.
const HOSTILE: &str = include_str!("corpus/hostile.txt");

/// Lines of `SQL`, in the same spelling.
const BENIGN: &str = include_str!("corpus/benign.txt");

fn cases(corpus: &str) -> impl Iterator<Item = &str> {
    corpus
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[test]
fn hostile_drafts_are_refused_by_their_rule() {
    let visible = visible();
    let mut wrong = Vec::new();
    let mut count = 0;
    for case in cases(HOSTILE) {
        let (rule, sql) = case.split_once(" | ").expect("a rule and its SQL");
        let sql = sql.replace("\\n", "\n").replace("\\0", "\0");
        count += 1;
        match approve(&draft(&sql), &visible, &Rules::default()) {
            Ok(approved) => wrong.push(format!("APPROVED {sql}\n  as {}", approved.sql())),
            Err(refusal) if refusal.message == format!("refused by the guard: {}", rule.trim()) => {
            }
            Err(refusal) => wrong.push(format!(
                "{sql}\n  {} ({:?})",
                refusal.message, refusal.detail
            )),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 80, "only {count} hostile Drafts");
}

#[test]
fn benign_drafts_pass() {
    let visible = visible();
    let mut wrong = Vec::new();
    let mut count = 0;
    for case in cases(BENIGN) {
        let sql = case.replace("\\n", "\n");
        count += 1;
        match approve(&draft(&sql), &visible, &Rules::default()) {
            Ok(approved) => {
                if let Err(refusal) = approve(&draft(approved.sql()), &visible, &Rules::default()) {
                    wrong.push(format!("not twice: {}\n  {refusal:?}", approved.sql()));
                }
            }
            Err(refusal) => wrong.push(format!(
                "{sql}\n  {} ({:?})",
                refusal.message, refusal.detail
            )),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 40, "only {count} benign Drafts");
}
