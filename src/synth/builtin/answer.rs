//! One question, from its words to a Draft or a refusal.

use std::sync::Arc;

use jiff::civil::Date;

use crate::names::{Alternative, Draft};
use crate::schema::snapshot::ColumnId;
use crate::synth::brief::{Drafted, SynthError, Turn};

use super::bind::{Bound, bind};
use super::lattice::{Kind, Lattice};
use super::lexicon::Meaning;
use super::phrase::Trust;
use super::query::Select;
use super::rank::{self, Weights};
use super::sketch::{EdgeId, Sketch};
use super::tokens::Token;
use super::{Domain, english, grammar, phrase, print, reading, talk, tokens};

/// Other readings given with a Draft at most.
const ALTERNATIVES_MAX: usize = 4;

/// Words of a question that the stricter reading is trusted with where the phrases are not sure.
const SHORT: usize = 8;

/// A reading further below the best one than this is no alternative.
const ALTERNATIVE_GAP: f32 = 0.9;

/// A reading this far below zero has a word that nothing covers, or a clause that leads nowhere.
const HOPELESS: f32 = -5.0;

/// What is asked, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    pub(super) text: &'a str,
    /// The highest `$n` of the text that is a parameter.
    pub(super) parameter_count: u16,
    pub(super) today: Date,
    /// The questions before it, oldest first, when it may refer to them.
    pub(super) turns: &'a [Arc<Turn>],
    /// Whether later questions may refer to it.
    pub(super) conversing: bool,
    /// How sure an answer must be, 0 to 1.
    pub(super) min_confidence: f32,
}

/// A reading, printed.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) select: Select,
    pub(super) sql: String,
    pub(super) score: f32,
    pub(super) sketch: Sketch,
    /// What its words were taken for.
    pub(super) picks: Vec<(EdgeId, Meaning)>,
    /// What its dates are dates of.
    pub(super) dates: Vec<(usize, ColumnId)>,
}

/// A question that has readings.
#[derive(Debug)]
pub(super) struct Understood {
    pub(super) lattice: Lattice,
    /// Best first; never empty.
    pub(super) readings: Vec<Reading>,
}

pub(super) fn answer(domain: &Domain, question: Question<'_>, provider: &Arc<str>) -> Drafted {
    if !question.turns.is_empty() {
        return match talk::understand(domain, question) {
            Ok(understood) => settle(domain, &understood, provider),
            Err(error) => by_itself(domain, question, provider).ok_or(error),
        };
    }
    let tokens = tokens::tokens(question.text, question.parameter_count);
    if tokens.len() >= tokens::TOKENS_MAX {
        // What stands behind would be left out without a word.
        return Err(SynthError::NotUnderstood {
            words: tokens[tokens.len() - 1..]
                .iter()
                .map(|t| t.raw.clone())
                .collect(),
            hint: Some(format!(
                "A question may have up to {} words.",
                tokens::TOKENS_MAX - 1
            )),
        });
    }
    let by_sketch = || alone(domain, tokens.clone(), question.today);
    // Only a sketch can be edited by what is asked next.
    if question.conversing
        && let Ok(understood) = by_sketch()
    {
        return settle(domain, &understood, provider);
    }
    let lattice = Lattice::new(tokens.clone(), &domain.lexicon, question.today);
    let read = phrase::read(domain, &lattice, &breaks(question));
    let evidence = phrase::Evidence::of(&read, &lattice);
    let trust = read.first().map_or(Trust::Lost, |best| best.trust);
    let sure = evidence
        .as_ref()
        .is_some_and(|e| e.certainty() >= question.min_confidence);
    // The stricter reading is heard first where the phrases leave doubt, and alone where they leave out too much.
    // Of a long sentence it understands less than the phrases, even where they are not sure.
    let stricter = match trust {
        Trust::Whole if sure || lattice.tokens.len() > SHORT => None,
        _ => by_sketch().ok(),
    };
    match (stricter, evidence) {
        (Some(understood), _) => settle(domain, &understood, provider),
        (None, Some(evidence)) if sure && trust != Trust::Lost => {
            Ok(by_phrases(domain, &read, &evidence, provider))
        }
        _ => Err(unsure(domain, &lattice, &read)),
    }
}

/// A question of a conversation that nothing ties to what was said before, where the phrases leave no doubt.
fn by_itself(domain: &Domain, question: Question<'_>, provider: &Arc<str>) -> Option<Draft> {
    const TIES: &[&str] = &[
        "ones", "one", "them", "those", "these", "it", "they", "its", "instead", "same", "only",
        "also", "too", "now", "again", "just", "rather",
    ];
    let tokens = tokens::tokens(question.text, question.parameter_count);
    let tied = tokens.iter().any(|t| TIES.contains(&t.folded.as_str()))
        || tokens
            .first()
            .is_some_and(|t| matches!(t.folded.as_str(), "and" | "but" | "or"))
        || tokens.get(1).is_some_and(|t| t.folded == "about")
        || tokens.first().is_none_or(|t| !phrase::opens(&t.folded));
    if tied {
        return None;
    }
    let lattice = Lattice::new(tokens, &domain.lexicon, question.today);
    let read = phrase::read(domain, &lattice, &breaks(question));
    let evidence = phrase::Evidence::of(&read, &lattice)?;
    let sure = evidence.certainty() >= question.min_confidence && read[0].trust == Trust::Whole;
    sure.then(|| by_phrases(domain, &read, &evidence, provider))
}

/// The best reading by phrases as a Draft.
fn by_phrases(
    domain: &Domain,
    read: &[phrase::Read],
    evidence: &phrase::Evidence,
    provider: &Arc<str>,
) -> Draft {
    let confidence = evidence.certainty();
    let best = &read[0];
    let mut seen = vec![&best.select];
    let mut alternatives = Vec::new();
    for other in &read[1..] {
        let lost = best.score - other.score;
        if alternatives.len() == ALTERNATIVES_MAX || lost > ALTERNATIVE_GAP {
            break;
        }
        if !seen.contains(&&other.select) {
            seen.push(&other.select);
            alternatives.push(Alternative {
                sql: print::sql(&other.select, &domain.visible),
                reading: reading::reading(&other.select, &domain.visible),
                confidence: confidence * (-lost).exp() * 0.5,
            });
        }
    }
    Draft {
        sql: print::sql(&best.select, &domain.visible),
        reading: reading::reading(&best.select, &domain.visible),
        confidence: Some(confidence),
        provider: Arc::clone(provider),
        alternatives,
        evidence: evidence.named(),
    }
}

/// Names the words that were left over, or all of them where each is known and none of the readings convinces.
fn unsure(domain: &Domain, lattice: &Lattice, read: &[phrase::Read]) -> SynthError {
    let dropped = read.first().map_or(&[][..], |best| &best.dropped);
    if dropped.is_empty() {
        return not_understood(domain, lattice, &[]);
    }
    let words = dropped.iter().map(|&i| lattice.tokens[i].raw.clone());
    SynthError::NotUnderstood {
        words: words.collect(),
        hint: hint(domain),
    }
}

/// The tokens that begin a sentence, the first one left out.
fn breaks(question: Question<'_>) -> Vec<usize> {
    let text = question.text;
    let ends = text.char_indices().filter(|&(at, c)| {
        matches!(c, '?' | '.' | '!')
            && text[at + c.len_utf8()..].starts_with(char::is_whitespace)
            && text[at + c.len_utf8()..]
                .trim_start()
                .starts_with(char::is_uppercase)
    });
    ends.map(|(at, _)| tokens::tokens(&text[..at], question.parameter_count).len())
        .filter(|&n| n > 0)
        .collect()
}

/// Reads a question that stands by itself.
pub(super) fn alone(
    domain: &Domain,
    tokens: Vec<Token>,
    today: Date,
) -> Result<Understood, SynthError> {
    let weights = rank::weights();
    let lattice = Lattice::new(tokens, &domain.lexicon, today);
    let sketches = grammar::sketches(&lattice, weights);
    let readings = readings(domain, &lattice, &sketches, weights);
    if readings.is_empty() {
        return Err(not_understood(domain, &lattice, &sketches));
    }
    Ok(Understood { lattice, readings })
}

/// The best reading as a Draft, unless another one is as good.
pub(super) fn settle(domain: &Domain, understood: &Understood, provider: &Arc<str>) -> Drafted {
    let weights = rank::weights();
    let Understood { lattice, readings } = understood;
    let best = &readings[0];
    let rivals: Vec<&Reading> = readings[1..]
        .iter()
        .filter(|r| best.score - r.score < ALTERNATIVE_GAP)
        .take(ALTERNATIVES_MAX)
        .collect();
    let said = |reading: &Reading| reading::reading(&reading.select, &domain.visible);
    let lead = rivals
        .first()
        .map_or(f32::INFINITY, |r| best.score - r.score);
    if lead < weights.ambiguous_margin {
        let close = rivals
            .iter()
            .filter(|r| best.score - r.score < weights.ambiguous_margin);
        let mut readings = vec![said(best)];
        readings.extend(close.map(|r| said(r)));
        readings.dedup();
        if readings.len() > 1 {
            return Err(SynthError::Ambiguous { readings });
        }
    }
    let ideal = ideal(lattice, weights);
    let alternatives = rivals
        .iter()
        .map(|r| Alternative {
            sql: r.sql.clone(),
            reading: said(r),
            confidence: weights.confidence(ideal - r.score, 0.0),
        })
        .collect();
    Ok(Draft {
        sql: best.sql.clone(),
        reading: said(best),
        confidence: Some(weights.confidence(ideal - best.score, lead)),
        provider: Arc::clone(provider),
        alternatives,
        evidence: Vec::new(),
    })
}

/// All readings that cover the question, best first, each SQL once.
pub(super) fn readings(
    domain: &Domain,
    lattice: &Lattice,
    sketches: &[Sketch],
    weights: &Weights,
) -> Vec<Reading> {
    let mut readings: Vec<Reading> = Vec::new();
    let good = sketches
        .iter()
        .filter(|s| s.score > HOPELESS && s.unknown.is_empty() && s.asks() && s.is_settled());
    for sketch in good {
        for bound in bind(domain, lattice, sketch, weights) {
            let Bound {
                select,
                score,
                picks,
                dates,
            } = bound;
            if score < HOPELESS {
                continue;
            }
            let sql = print::sql(&select, &domain.visible);
            match readings.iter_mut().find(|r| r.sql == sql) {
                Some(known) => known.score = known.score.max(score),
                None => readings.push(Reading {
                    select,
                    sql,
                    score,
                    sketch: sketch.clone(),
                    picks,
                    dates,
                }),
            }
        }
    }
    readings.sort_by(|a, b| b.score.total_cmp(&a.score));
    readings
}

/// What the words could be worth if every one were matched by its very name.
fn ideal(lattice: &Lattice, weights: &Weights) -> f32 {
    lattice
        .tokens
        .iter()
        .map(|t| match t.kind {
            tokens::TokenKind::Word
                if english::functions(&t.folded).contains(&english::Word::Stop) =>
            {
                weights.stop
            }
            tokens::TokenKind::Word => weights.function,
            _ => weights.content,
        })
        .sum()
}

/// Names the words that stood in the way.
fn not_understood(domain: &Domain, lattice: &Lattice, sketches: &[Sketch]) -> SynthError {
    let unknown: Vec<usize> = sketches
        .first()
        .map(|s| s.unknown.clone())
        .unwrap_or_default();
    let mut words: Vec<String> = unknown
        .iter()
        .map(|&i| lattice.tokens[i].raw.clone())
        .collect();
    if words.is_empty() {
        // Every word is known, and they do not come together: name those with content.
        let hints = sketches
            .first()
            .map(|s| s.hints.clone())
            .unwrap_or_default();
        let weak = hints
            .iter()
            .map(|&id| lattice.words(lattice.edges[id].start, lattice.edges[id].end));
        words.extend(weak);
    }
    if words.is_empty() {
        let content = |i: usize| {
            let function = !english::functions(&lattice.tokens[i].folded).is_empty();
            let constant = lattice
                .from(i)
                .any(|(_, e)| matches!(e.kind, Kind::Date(_) | Kind::Number(_)));
            // "oldest" is closed too, but it asks for a column that there may not be.
            let graded = lattice
                .from(i)
                .any(|(_, e)| matches!(e.kind, Kind::Graded(_)));
            graded || !function && !constant
        };
        words = (0..lattice.tokens.len())
            .filter(|&i| content(i))
            .map(|i| lattice.tokens[i].raw.clone())
            .collect();
    }
    if words.is_empty() {
        words = lattice.tokens.iter().map(|t| t.raw.clone()).collect();
    }
    words.dedup();
    SynthError::NotUnderstood {
        words,
        hint: hint(domain),
    }
}

/// Things that can be asked about: the largest tables, by name.
fn hint(domain: &Domain) -> Option<String> {
    let mut relations: Vec<_> = domain.visible.relations.iter().collect();
    relations.sort_by(|a, b| {
        b.row_estimate
            .unwrap_or(0.0)
            .total_cmp(&a.row_estimate.unwrap_or(0.0))
    });
    let names: Vec<String> = relations
        .iter()
        .take(6)
        .map(|r| super::text::words(&r.name).join(" "))
        .collect();
    (!names.is_empty()).then(|| format!("You can ask about {}.", names.join(", ")))
}
