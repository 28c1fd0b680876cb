//! `$n` in a question: a typed slot, unless it is an amount of money.

/// The numbers of every `$n` in a question, in order of appearance.
pub(super) fn mentioned(question: &str) -> Vec<u16> {
    let bytes = question.as_bytes();
    memchr::memchr_iter(b'$', bytes)
        .filter(|at| *at == 0 || !bytes[at - 1].is_ascii_alphanumeric())
        .filter_map(|at| {
            let digits = bytes[at + 1..]
                .iter()
                .take_while(|b| b.is_ascii_digit())
                .count();
            let after = &bytes[at + 1 + digits..];
            // `$9.99`, `$1,000` and `$5k` are amounts.
            let amount = match after {
                [b'.' | b',', next, ..] => next.is_ascii_digit(),
                [next, ..] => next.is_ascii_alphabetic(),
                [] => false,
            };
            if amount {
                return None;
            }
            question[at + 1..at + 1 + digits]
                .parse()
                .ok()
                .filter(|n| *n > 0)
        })
        .collect()
}

/// The highest slot of a question whose numbers, together with those used in the statement around it, run from 1
/// without a gap; 0 otherwise, because "orders over $500" means dollars.
pub(super) fn highest(mentioned: &[u16], all: &[u16]) -> u16 {
    let mut all = all.to_vec();
    all.sort_unstable();
    all.dedup();
    let contiguous = all
        .iter()
        .enumerate()
        .all(|(i, n)| usize::from(*n) == i + 1);
    if contiguous {
        mentioned.iter().copied().max().unwrap_or(0)
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_run_from_one_and_amounts_do_not() {
        let cases: &[(&str, &[u16], u16)] = &[
            ("rooms of guest $1 since $2", &[], 2),
            ("rooms of guest $1?", &[], 1),
            ("rooms over $500", &[], 0),
            ("rooms over $1.50", &[], 0),
            ("rooms over $1k or $1,000", &[], 0),
            ("rooms of guest $2", &[1], 2),
            ("rooms of guest $2", &[], 0),
            ("US$1 rooms", &[], 0),
            ("rooms", &[1], 0),
        ];
        for (question, outside, expect) in cases {
            let own = mentioned(question);
            let all: Vec<u16> = own.iter().chain(*outside).copied().collect();
            assert_eq!(highest(&own, &all), *expect, "{question}");
        }
    }
}
