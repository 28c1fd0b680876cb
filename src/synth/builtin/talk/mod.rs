//! Conversations: a question that goes on about the one before is read as an edit of that one's sketch.
//!
//! What is a question of its own is decided by rule. It has a subject, that is rows or a measure that it names itself,
//! it is understood without any context, and no word ties it to what was said before ("and", "only", "instead").
//! Everything else edits, or is refused. `words` takes a follow-up apart by the closed words in `phrases`, `edit` and `merge`
//! carry out what it says; what becomes of conditions is decided where they are bound (`bind/supersede`), because only there
//! it is known which speak of the same column.

mod edit;
mod measure;
mod merge;
mod phrases;
mod words;

use std::sync::Arc;

use jiff::civil::Date;

use crate::synth::brief::{SynthError, Turn};

use super::answer::{self, Question, Understood};
use super::lattice::{Edge, Kind, Lattice};
use super::sketch::{Over, Show, Sketch};
use super::tokens::{Token, tokens};
use super::{Domain, reading};

/// A question that was answered, or what edits have made of it, with one meaning for each of its words.
struct Thread {
    lattice: Lattice,
    sketch: Sketch,
}

/// What a question is about, where it is read by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    /// Rows or a measure that it names.
    Own,
    /// Columns, and nobody has said whose.
    Columns,
    /// Nothing that could be asked for.
    None,
}

/// Reads a question in its conversation.
pub(super) fn understand(
    domain: &Domain,
    question: Question<'_>,
) -> Result<Understood, SynthError> {
    let thread = replay(domain, question.turns);
    let tokens = tokens(question.text, question.parameter_count);
    let asked = read(domain, thread.as_ref(), tokens, question.today);
    asked.map_err(|error| with_hint(error, thread.is_some(), question.turns))
}

/// The thread that the turns have come to; `None` when the last of them was answered otherwise than it would be here,
/// by another provider or over another schema: what is to be edited is what was answered.
fn replay(domain: &Domain, turns: &[Arc<Turn>]) -> Option<Thread> {
    let mut thread = None;
    for (number, turn) in turns.iter().enumerate() {
        // A question with parameters is no turn.
        let tokens = tokens(&turn.question, 0);
        let understood = match number {
            0 => answer::alone(domain, tokens, turn.today),
            _ => read(domain, thread.as_ref(), tokens, turn.today),
        };
        thread = understood
            .ok()
            .filter(|understood| understood.readings[0].sql == turn.sql)
            .map(Thread::of);
    }
    thread
}

impl Thread {
    fn of(understood: Understood) -> Self {
        let Understood {
            mut lattice,
            mut readings,
        } = understood;
        let mut best = readings.swap_remove(0);
        lattice.pin(&best.picks);
        for (number, column) in best.dates {
            best.sketch.conditions[number].dated = Some(column);
        }
        Self {
            lattice,
            sketch: measure::explicit(best.sketch),
        }
    }
}

fn read(
    domain: &Domain,
    thread: Option<&Thread>,
    tokens: Vec<Token>,
    today: Date,
) -> Result<Understood, SynthError> {
    let cut = words::cut(&tokens);
    let alone = answer::alone(domain, tokens.clone(), today);
    let subject = match &alone {
        Ok(understood) => subject(understood),
        Err(_) => Subject::None,
    };
    // "all customers" may be all there are, or no longer only some; "any customer" is the latter.
    let frees = !cut.freed.is_empty() && cut.rest.is_empty() && thread.is_some();
    let frees_one = frees && !cut.freed.iter().any(|t| t.folded.ends_with('s'));
    if !cut.marked {
        if subject == Subject::Own && !frees {
            return alone;
        }
        // A whole question with an edit in it, which only follow-ups may have.
        if !cut.edits.is_empty() && !cut.rest.is_empty() {
            let rest = answer::alone(domain, cut.rest.clone(), today);
            if rest.is_ok_and(|rest| self::subject(&rest) == Subject::Own) {
                return alone;
            }
        }
    }
    let edited = match thread {
        Some(thread) => edit::edited(domain, thread, &cut, today),
        None => Err(edit::not_understood(&tokens)),
    };
    let in_doubt = !cut.marked
        && cut.edits.is_empty()
        && match subject {
            Subject::Own => !frees_one,
            Subject::Columns => !frees,
            Subject::None => false,
        };
    match (edited, alone) {
        // "emails": of those that were asked for, or all there are.
        (Ok(edited), Ok(alone)) if in_doubt && edited.readings[0].sql != alone.readings[0].sql => {
            Err(ambiguous(domain, &[&edited, &alone]))
        }
        (Err(SynthError::NotUnderstood { .. }), Ok(alone))
            if in_doubt || subject == Subject::Own && !cut.marked =>
        {
            Ok(alone)
        }
        (Err(SynthError::NotUnderstood { words, .. }), _) if words.is_empty() => {
            Err(edit::not_understood(&tokens))
        }
        (edited, _) => edited,
    }
}

/// The refusal that names one reading of each.
fn ambiguous(domain: &Domain, ways: &[&Understood]) -> SynthError {
    let readings = ways
        .iter()
        .map(|way| reading::reading(&way.readings[0].select, &domain.visible))
        .collect();
    SynthError::Ambiguous { readings }
}

/// What a question that was read by itself is about.
fn subject(understood: &Understood) -> Subject {
    let Understood { lattice, readings } = understood;
    if words::only_continues(lattice) {
        return Subject::None;
    }
    let object = words::object(lattice);
    let is_thing = |id: usize| {
        let edge = &lattice.edges[id];
        Some(edge.start) != object
            && match &edge.kind {
                Kind::Noun(_) => true,
                Kind::Value(_) => is_plural(lattice, edge),
                _ => false,
            }
    };
    let shows = &readings[0].sketch.shows;
    let own = shows.iter().any(|show| match show {
        Show::Noun { edge, .. } => is_thing(*edge),
        Show::Attribute(attribute) => attribute.of.is_some_and(is_thing),
        Show::Measure(measure) => match measure.over {
            Over::Noun(edge) => is_thing(edge),
            Over::Attribute(_) | Over::RowsOf(_) | Over::Business { .. } => true,
        },
    });
    let columns = shows.iter().all(|s| matches!(s, Show::Attribute(_)));
    // "by status" goes on.
    let goes_on = words::begins_with_preposition(lattice);
    // "which country has the most orders" names whose columns it asks for.
    let names_rows = || readings[0].sketch.nouns.iter().copied().any(is_thing);
    match columns && !goes_on {
        _ if own => Subject::Own,
        true if names_rows() => Subject::Own,
        true => Subject::Columns,
        false => Subject::None,
    }
}

/// "routers" are rows, "Germany" narrows some: a value in the plural names those that have it.
fn is_plural(lattice: &Lattice, edge: &Edge) -> bool {
    let Kind::Value(candidates) = &edge.kind else {
        return false;
    };
    lattice.tokens[edge.end - 1].folded.ends_with('s')
        && !candidates
            .iter()
            .any(|((_, value), _)| value.to_lowercase().ends_with('s'))
}

/// Says what the question could not go on about.
fn with_hint(error: SynthError, has_thread: bool, turns: &[Arc<Turn>]) -> SynthError {
    let (SynthError::NotUnderstood { words, .. }, Some(last)) = (&error, turns.last()) else {
        return error;
    };
    let hint = if has_thread {
        format!(
            "It does not go on about the last question, \"{}\". Ask for all of it at once.",
            last.question
        )
    } else {
        format!(
            "The answer to the last question, \"{}\", cannot be edited here. Ask for all of it at once.",
            last.question
        )
    };
    SynthError::NotUnderstood {
        words: words.clone(),
        hint: Some(hint),
    }
}

#[cfg(test)]
mod tests;
