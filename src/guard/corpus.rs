//! The corpora as text: Drafts that must pass, and what comes of Drafts that are neither hostile nor benign.

use crate::guard::approve;
use crate::guard::fixture::{draft, visible};
use crate::guard::rules::Rules;

/// Lines of `rule | fence | SQL`; `#` begins a remark, and `\n` in the SQL stands for a line break. What becomes of each
/// on a real server is the black-box tests' to say.
const HOSTILE: &str = include_str!("../../tests/it/hostile/drafts.txt");

/// Lines of `SQL`, in the same spelling.
const BENIGN: &str = include_str!("corpus/benign.txt");

/// Lines of `rule | SQL`: what PostgreSQL would read and the guard does not.
const REFUSED: &str = include_str!("corpus/refused.txt");

fn cases(corpus: &str) -> impl Iterator<Item = &str> {
    corpus
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
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

#[test]
fn constructs_without_use_or_parser_are_refused_by_their_rule() {
    let visible = visible();
    let mut wrong = Vec::new();
    for case in cases(REFUSED) {
        let (rule, sql) = case.split_once(" | ").expect("a rule and a Draft");
        let sql = sql.replace("\\n", "\n");
        match approve(&draft(&sql), &visible, &Rules::default()) {
            Ok(approved) => wrong.push(format!("{sql}\n  approved as {}", approved.sql())),
            Err(refusal) if refusal.message.ends_with(rule) => {}
            Err(refusal) => wrong.push(format!("{sql}\n  {refusal:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Drafts made of the corpora's words in wrong places: none may bring the guard down, and what it approves it approves
/// again as it stands.
#[test]
fn shuffled_drafts_are_refused_or_proved_for_good() {
    let visible = visible();
    let rules = Rules::default();
    let drafts: Vec<Vec<&str>> = cases(HOSTILE)
        .filter_map(|case| case.splitn(3, " | ").nth(2))
        .chain(cases(BENIGN))
        .map(words)
        .collect();
    let mut random = Random(SEED);
    for _ in 0..4_000 {
        let mut words = drafts[random.below(drafts.len())].clone();
        for _ in 0..=random.below(3) {
            let other = &drafts[random.below(drafts.len())];
            let at = random.below(words.len());
            match random.below(4) {
                0 => drop(words.remove(at)),
                1 => words.insert(at, other[random.below(other.len())]),
                2 => words[at] = other[random.below(other.len())],
                _ => words.extend_from_within(at..),
            }
            if words.is_empty() {
                words.push("SELECT");
            }
        }
        let sql = words.concat();
        if let Ok(approved) = approve(&draft(&sql), &visible, &rules) {
            let again = approve(&draft(approved.sql()), &visible, &rules);
            assert_eq!(again.as_ref(), Ok(&approved), "seed {SEED}: {sql}");
        }
    }
}

const SEED: u64 = 2026;

/// A text cut before and after every word, number and sign.
fn words(text: &str) -> Vec<&str> {
    text.split_inclusive(|c: char| !c.is_alphanumeric() && c != '_')
        .collect()
}

/// # Source
/// Marsaglia, "Xorshift RNGs", 2003.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}
