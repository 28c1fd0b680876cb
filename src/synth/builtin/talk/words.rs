//! Takes a follow-up apart: what ties it to the question before, edits that need no word of the schema, and the rest.

use crate::synth::builtin::lattice::{Edge, Kind, Lattice};
use crate::synth::builtin::query::TimeUnit;
use crate::synth::builtin::sketch::Manner;
use crate::synth::builtin::tokens::{Token, TokenKind};

use super::phrases::{
    EDITS, Edit, FILTERS, FREEING, FREEING_FILTERS, LEADS, PREPOSITIONS, PRONOUNS, TAILS, WHOLE,
};

/// A follow-up, taken apart.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Cut {
    /// A word says that it goes on about something.
    pub(super) marked: bool,
    pub(super) manner: Manner,
    /// What comes first belongs to what was asked about: "*their* emails".
    pub(super) their: bool,
    pub(super) edits: Vec<Edit>,
    /// Said to be replaced: "instead of *Germany*".
    pub(super) replaced: Vec<Token>,
    /// What is not to narrow the rows any more: "any *country*".
    pub(super) freed: Vec<Token>,
    /// What is left to be read like a question.
    pub(super) rest: Vec<Token>,
}

/// Takes a follow-up apart; that it is one is for others to say.
pub(super) fn cut(tokens: &[Token]) -> Cut {
    let mut cut = Cut {
        rest: tokens.to_vec(),
        ..Cut::default()
    };
    cut.take_instead_of();
    cut.take_edits();
    cut.take_leads();
    cut.take_tails();
    cut.take_pronouns();
    if let Some((edit, _)) = WHOLE.iter().find(|(_, phrases)| {
        phrases
            .split('|')
            .any(|phrase| folded(&cut.rest) == phrase.trim())
    }) {
        cut.edits.push(*edit);
        cut.rest.clear();
    } else if let Some(rows) = cut.bare_number() {
        cut.edits.push(Edit::Limit(rows));
        cut.rest.clear();
    } else {
        cut.take_freed();
    }
    cut
}

/// Whether it is a preposition and a value and no more, or begins with one and a measure: "in Sales" narrows, whatever
/// else "sales" may be, and "by revenue" goes on.
pub(super) fn only_continues(lattice: &Lattice) -> bool {
    let continues = |(_, e): (usize, &Edge)| match e.kind {
        Kind::Value(_) | Kind::Flag(_) => e.end == lattice.tokens.len(),
        Kind::Business(_) => true,
        _ => false,
    };
    begins_with_preposition(lattice) && lattice.from(1).any(continues)
}

pub(super) fn begins_with_preposition(lattice: &Lattice) -> bool {
    let mut first = lattice.tokens.iter().take(1);
    first.any(|t| PREPOSITIONS.contains(&t.folded.as_str()))
}

/// The token at which the rows begin that a leading preposition leads to: "in all *stores*", "of premium *members*".
/// They are not what a question asks for.
pub(super) fn object(lattice: &Lattice) -> Option<usize> {
    if !begins_with_preposition(lattice) {
        return None;
    }
    let is = |at: usize, test: &dyn Fn(&Kind) -> bool| lattice.from(at).any(|(_, e)| test(&e.kind));
    let noun = |kind: &Kind| matches!(kind, Kind::Noun(_));
    let narrows = |at: usize| {
        let small = matches!(
            lattice.tokens[at].folded.as_str(),
            "the" | "all" | "any" | "every" | "each" | "our"
        );
        small || is(at, &|kind| matches!(kind, Kind::Value(_) | Kind::Flag(_)))
    };
    (1..lattice.tokens.len())
        .take_while(|&at| is(at, &noun) || narrows(at))
        .find(|&at| is(at, &noun))
}

impl Cut {
    fn mark(&mut self, manner: Manner) {
        self.marked = true;
        // "and only", "and ... too": the plainer word says less.
        let says_more =
            matches!(self.manner, Manner::Plain | Manner::And) && manner != Manner::Plain;
        if says_more && !(self.manner == Manner::And && manner == Manner::And) {
            self.manner = manner;
        }
    }

    fn take_instead_of(&mut self) {
        let place = self
            .rest
            .windows(2)
            .position(|pair| pair[0].folded == "instead" && pair[1].folded == "of");
        if let Some(place) = place.filter(|place| *place > 0) {
            self.replaced = self.rest.split_off(place).split_off(2);
            self.mark(Manner::Instead);
        }
    }

    fn take_edits(&mut self) {
        let found = EDITS
            .iter()
            .flat_map(|(edit, phrases)| {
                phrases.split('|').map(move |phrase| (*edit, phrase.trim()))
            })
            .filter_map(|(edit, phrase)| {
                let length = phrase.split(' ').count();
                let place = self
                    .rest
                    .windows(length)
                    .position(|window| folded(window) == phrase)?;
                Some((edit, place, length))
            })
            .max_by_key(|found| found.2);
        if let Some((edit, place, length)) = found {
            self.rest.drain(place..place + length);
            self.edits.push(edit);
        }
    }

    fn take_leads(&mut self) {
        while let Some((manner, length)) =
            longest(LEADS, |length| self.rest.get(..length).map(folded))
        {
            self.rest.drain(..length);
            self.mark(manner);
        }
        let owned = |t: &Token| matches!(t.folded.as_str(), "their" | "its" | "his" | "her");
        if self.rest.first().is_some_and(owned) {
            self.rest.remove(0);
            self.their = true;
            self.mark(Manner::Also);
        }
    }

    fn take_tails(&mut self) {
        while let Some((manner, length)) = longest(TAILS, |length| {
            let from = self.rest.len().checked_sub(length)?;
            Some(folded(&self.rest[from..]))
        }) {
            self.rest.truncate(self.rest.len() - length);
            self.mark(manner);
        }
        if self.rest.last().is_some_and(|t| t.folded == "please") {
            self.rest.pop();
        }
    }

    fn take_pronouns(&mut self) {
        let mut at = 0;
        while at < self.rest.len() {
            let length = PRONOUNS
                .split('|')
                .map(|phrase| phrase.split(' ').count())
                .filter(|length| {
                    self.rest.get(at..at + length).is_some_and(|window| {
                        let said = folded(window);
                        PRONOUNS.split('|').any(|phrase| phrase == said)
                    })
                })
                .max();
            match length {
                // "last year" has no pronoun, but "these 3 months" and "it" as a name might.
                Some(length) if !self.is_before_unit(at + length) => {
                    self.rest.drain(at..at + length);
                    self.marked = true;
                }
                _ => at += 1,
            }
        }
    }

    fn is_before_unit(&self, at: usize) -> bool {
        self.rest
            .get(at)
            .is_some_and(|t| TimeUnit::parse(&t.folded).is_some() || t.kind != TokenKind::Word)
    }

    /// "10", "limit 10", "limit to 10".
    fn bare_number(&self) -> Option<u64> {
        let (last, before) = self.rest.split_last()?;
        let TokenKind::Number(digits) = &last.kind else {
            return None;
        };
        let alone = matches!(
            folded(before).as_str(),
            "" | "limit" | "limit to" | "the" | "show" | "show me"
        );
        // What looks like a year is one.
        let rows = digits.parse().ok().filter(|n| (1..1000).contains(n))?;
        alone.then_some(rows)
    }

    fn take_freed(&mut self) {
        let end = self
            .rest
            .iter()
            .position(|t| t.kind == TokenKind::Comma || t.folded == "and" || t.folded == "but")
            .unwrap_or(self.rest.len());
        let lead = |phrases: &str| {
            phrases
                .split('|')
                .map(|phrase| phrase.trim())
                .filter(|phrase| {
                    let length = phrase.split(' ').count();
                    length < end && folded(&self.rest[..length]) == **phrase
                })
                .map(|phrase| phrase.split(' ').count())
                .max()
        };
        let filter = end > 0 && FILTERS.contains(&self.rest[end - 1].folded.as_str());
        let found = match lead(FREEING) {
            Some(length) => Some(length),
            None if filter => lead(FREEING_FILTERS),
            None => None,
        };
        let Some(length) = found else {
            return;
        };
        let stop = end - usize::from(filter);
        if length >= stop {
            return;
        }
        let after = self.rest.split_off((end + 1).min(self.rest.len()));
        self.freed = self.rest[length..stop].to_vec();
        self.rest = after;
    }
}

/// The longest phrase of a table at one place, and its length in tokens.
fn longest(
    table: &[(Manner, &str)],
    at: impl Fn(usize) -> Option<String>,
) -> Option<(Manner, usize)> {
    table
        .iter()
        .flat_map(|(manner, phrases)| {
            phrases
                .split('|')
                .map(move |phrase| (*manner, phrase.trim()))
        })
        .filter_map(|(manner, phrase)| {
            let length = phrase.split(' ').count();
            (at(length)? == phrase).then_some((manner, length))
        })
        .max_by_key(|found| found.1)
}

fn folded(tokens: &[Token]) -> String {
    let words: Vec<&str> = tokens.iter().map(|t| t.folded.as_str()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::builtin::tokens::tokens;

    fn shown(question: &str) -> String {
        let cut = cut(&tokens(question, 0));
        let mark = if cut.marked { "marked" } else { "plain" };
        let mut shown = format!("{mark} {:?}", cut.manner);
        for edit in &cut.edits {
            shown.push_str(&format!(" {edit:?}"));
        }
        for (name, tokens) in [
            ("free", &cut.freed),
            ("not", &cut.replaced),
            ("rest", &cut.rest),
        ] {
            if !tokens.is_empty() {
                shown.push_str(&format!(" {name}({})", folded(tokens)));
            }
        }
        shown
    }

    #[test]
    fn follow_ups_are_taken_apart() {
        let cases = [
            ("and last year?", "marked And rest(last year)"),
            ("what about France", "marked Plain rest(france)"),
            ("and what about France too?", "marked Also rest(france)"),
            ("only Germany", "marked Only rest(germany)"),
            ("Germany only", "marked Only rest(germany)"),
            ("by month instead", "marked Instead rest(by month)"),
            (
                "average instead of the sum",
                "marked Instead not(the sum) rest(average)",
            ),
            ("as a percentage", "plain Plain Share(true)"),
            ("and as a percentage of the total", "marked And Share(true)"),
            ("top 10 instead", "marked Instead rest(top 10)"),
            ("only 3", "marked Only Limit(3)"),
            ("make it 20", "marked Plain Limit(20)"),
            ("2024", "plain Plain rest(2024)"),
            ("in 2024", "plain Plain rest(in 2024)"),
            (
                "without the cancelled ones",
                "marked Plain rest(without the cancelled)",
            ),
            ("how many?", "plain Plain rest(how many)"),
            ("how many of them?", "marked Plain rest(how many)"),
            ("and their emails", "marked Also rest(emails)"),
            ("the other way round", "plain Plain Flip"),
            ("any country", "plain Plain free(country)"),
            (
                "in all countries and by month",
                "plain Plain free(countries) rest(by month)",
            ),
            ("remove the date filter", "plain Plain free(date)"),
            ("without the country filter", "plain Plain free(country)"),
            ("without reviews", "plain Plain rest(without reviews)"),
            ("all of them", "marked Plain NoLimit"),
            ("ever", "plain Plain AnyTime"),
            ("break it down by country", "marked Also rest(by country)"),
            (
                "customers from Germany",
                "plain Plain rest(customers from germany)",
            ),
        ];
        for (question, expect) in cases {
            assert_eq!(shown(question), expect, "{question}");
        }
    }
}
