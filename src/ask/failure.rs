//! Why a question has no answer, as its asker is told.

use std::time::Duration;

use crate::access::visible::Visible;
use crate::error::{Refusal, SqlState};
use crate::names::duration;
use crate::synth::brief::SynthError;

/// Asking is off (NL006).
pub(super) fn asking_off() -> Refusal {
    Refusal::new(SqlState::ASKING_OFF, "asking is off here")
        .with_hint("The operator can switch it on with enabled = true under [ask] in proxy.toml.")
}

/// Too much text to be a question (54000).
pub(super) fn too_long(bytes_max: usize) -> Refusal {
    Refusal::new(
        SqlState::PROGRAM_LIMIT_EXCEEDED,
        format!("question is longer than {bytes_max} bytes"),
    )
}

/// What a provider's failure comes to (NL001, NL002, NL003).
pub(super) fn of_provider(error: SynthError) -> Refusal {
    match error {
        SynthError::NotUnderstood { words, hint } => not_understood(&words, hint),
        SynthError::Ambiguous { readings } => ambiguous(&readings),
        SynthError::Unavailable { reason } => no_provider(reason),
        SynthError::NoSql { reason } => {
            Refusal::new(SqlState::NO_PROVIDER, "no provider answered with a query")
                .with_detail(sentence(reason))
                .with_hint(
                    "Put the question in other words, or ask another provider: SET ask.provider.",
                )
        }
    }
}

fn not_understood(words: &[String], hint: Option<String>) -> Refusal {
    let refusal = if words.is_empty() {
        Refusal::new(SqlState::NOT_UNDERSTOOD, "question not understood")
    } else {
        let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
        Refusal::new(
            SqlState::NOT_UNDERSTOOD,
            format!("question not understood: {}", quoted.join(", ")),
        )
    };
    let hint = hint.unwrap_or_else(|| "`ask help;` shows what can be asked here.".to_owned());
    refusal.with_hint(hint)
}

fn ambiguous(readings: &[String]) -> Refusal {
    let numbered: Vec<String> = (1..)
        .zip(readings)
        .map(|(number, reading)| format!("{number}. {reading}"))
        .collect();
    Refusal::new(
        SqlState::AMBIGUOUS,
        format!("question has {} readings", readings.len()),
    )
    .with_hint(format!("Ask for one of them:\n{}", numbered.join("\n")))
}

fn no_provider(reason: String) -> Refusal {
    Refusal::new(SqlState::NO_PROVIDER, "no provider could answer").with_detail(sentence(reason))
}

/// What the server says of a query, without names that its asker may not see: PostgreSQL proposes columns and names
/// functions whoever asks, and a model is told of it too.
pub(super) fn of_server(refusal: Refusal, visible: &Visible, sql: &str) -> Refusal {
    let knows = |name: &str| {
        let name = name.rsplit('.').next().unwrap_or(name);
        sql.contains(name)
            || !visible.functions.named(name).is_empty()
            || visible.relations.iter().any(|relation| {
                relation.name == name || relation.columns.iter().any(|c| c.name == name)
            })
    };
    let speaks_of_known = |text: &String| text.split('"').skip(1).step_by(2).all(knows);
    let message = match refusal.message.rsplit_once(' ') {
        // "permission denied for function name"
        Some((what, name))
            if refusal.sqlstate == SqlState::INSUFFICIENT_PRIVILEGE
                && !knows(name.trim_matches('"')) =>
        {
            what.to_owned().into()
        }
        _ => refusal.message,
    };
    Refusal {
        message,
        detail: refusal.detail.filter(speaks_of_known),
        hint: refusal.hint.filter(speaks_of_known),
        ..refusal
    }
}

/// Out of time (57014).
pub(super) fn timed_out(timeout: Duration) -> Refusal {
    Refusal::new(
        SqlState::QUERY_CANCELED,
        format!(
            "ask took longer than ask.timeout ({})",
            duration::spell(&timeout)
        ),
    )
    .with_hint("SET ask.timeout gives it more time.")
}

/// Over the cost ceiling (NL005).
pub(super) fn too_costly(cost: f64, cost_max: f64, sql: &str) -> Refusal {
    Refusal::new(
        SqlState::BUDGET,
        format!("estimated cost {cost:.0} is over the ceiling of {cost_max:.0}"),
    )
    .with_hint("Ask for less: a condition, a period, or fewer tables.")
    .with_internal_query(sql, None)
}

/// The cost ceiling cannot be kept, because there is no plan (NL005).
pub(super) fn cost_unknown(reason: &Refusal) -> Refusal {
    Refusal::new(
        SqlState::BUDGET,
        "cost cannot be estimated, and there is a ceiling for it",
    )
    .with_detail(sentence(reason.message.to_string()))
}

/// A DETAIL is a whole sentence.
pub(super) fn sentence(text: String) -> String {
    let text = text.trim();
    let mut sentence: String = text.chars().take(1).flat_map(char::to_uppercase).collect();
    sentence.extend(text.chars().skip(1));
    if !sentence.is_empty() && !sentence.ends_with(['.', '!', '?', '"']) {
        sentence.push('.');
    }
    sentence
}

/// A refusal as a provider is told of it: message, DETAIL and HINT in one text.
pub(super) fn reason(refusal: &Refusal) -> String {
    let mut reason = refusal.message.to_string();
    for part in [&refusal.detail, &refusal.hint].into_iter().flatten() {
        reason.push_str(". ");
        reason.push_str(part.trim_end_matches('.'));
    }
    reason
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_its_sqlstate_and_names_the_thing() {
        let cases = [
            (
                SynthError::NotUnderstood {
                    words: vec!["flurb".to_owned(), "wug".to_owned()],
                    hint: None,
                },
                "NL002 question not understood: \"flurb\", \"wug\" | - | `ask help;` shows what can be asked here.",
            ),
            (
                SynthError::NotUnderstood {
                    words: Vec::new(),
                    hint: Some("Name a table.".to_owned()),
                },
                "NL002 question not understood | - | Name a table.",
            ),
            (
                SynthError::Ambiguous {
                    readings: vec!["rooms by size".to_owned(), "rooms by price".to_owned()],
                },
                "NL001 question has 2 readings | - | Ask for one of them:\n1. rooms by size\n2. rooms by price",
            ),
            (
                SynthError::Unavailable {
                    reason: "local: connection refused".to_owned(),
                },
                "NL003 no provider could answer | Local: connection refused. | -",
            ),
            (
                SynthError::NoSql {
                    reason: "it said: \"Sorry!\"".to_owned(),
                },
                "NL003 no provider answered with a query | It said: \"Sorry!\" | Put the question in other words, or ask another provider: SET ask.provider.",
            ),
        ];
        for (error, expect) in cases {
            let refusal = of_provider(error);
            let shown = format!(
                "{} {} | {} | {}",
                refusal.sqlstate,
                refusal.message,
                refusal.detail.as_deref().unwrap_or("-"),
                refusal.hint.as_deref().unwrap_or("-"),
            );
            assert_eq!(shown, expect);
        }
    }
}
