//! Stored values as phrases: as they are, by what else the world calls them, and codes for yes and no.

use std::collections::HashSet;
use std::sync::Arc;

use crate::schema::sensitive::{Sensitivity, sensitivity};
use crate::schema::snapshot::{Column, ColumnId, ColumnStats, RelationKind, TypeClass};

use super::codes;
use super::english::{self, Word};
use super::flags;
use super::lexicon::{Draft, Meaning, PHRASE_WORDS_MAX};
use super::text::words;
use super::world;

/// The last words of firms' names, which nobody says.
const LEGAL_FORMS: &[&str] = &[
    "inc",
    "ltd",
    "llc",
    "corp",
    "co",
    "gmbh",
    "ag",
    "plc",
    "sa",
    "bv",
    "limited",
    "corporation",
    "incorporated",
];

/// How good a name a comment's is for a code.
const CODE_MEANING: f32 = 0.95;

/// Values of one column that are looked up in what the world calls things, at most: those of a longer list are names.
const WORLD_VALUES_MAX: usize = 1_000;

/// How a column of text or numbers spells that something is so, and that it is not.
const YES_AND_NO: &[(&str, &str)] = &[
    ("yes", "no"),
    ("y", "n"),
    ("true", "false"),
    ("t", "f"),
    ("1", "0"),
    ("on", "off"),
];

/// Adds the values that are known of a column. Of a column named for secrets there are none.
pub(super) fn add_values(draft: &mut Draft<'_>, id: ColumnId, column: &Column, kind: RelationKind) {
    let quality = match kind {
        RelationKind::View | RelationKind::MaterializedView => 0.8,
        _ => 1.0,
    };
    let about = || {
        let relation = draft.names.relation(id.relation).words.iter();
        let own = draft.names.column(id).words.iter();
        own.chain(relation).cloned().collect::<Vec<String>>()
    };
    let about = about();
    for label in &column.enum_labels {
        add_value(draft, id, &Arc::from(label.as_str()), quality);
        add_other_names(draft, id, &Arc::from(label.as_str()), &about, quality);
    }
    if let Some(comment) = &column.comment {
        add_codes(draft, id, column, comment);
    }
    let Some(stats) = &column.stats else {
        return;
    };
    if sensitivity(&column.name) == Sensitivity::Secret {
        return;
    }
    if let Some((yes, no)) = yes_and_no(column) {
        let own = draft.names.column(id).own().to_vec();
        let value = |is_so: bool| if is_so { &yes } else { &no };
        flags::add(draft, id, own, |is_so| {
            Meaning::Value(id, Arc::clone(value(is_so)))
        });
    }
    if column.class != TypeClass::Text {
        return;
    }
    // Text that was read is shared with the snapshot; what statistics hold is not.
    let bounds = stats.common_values.iter().chain(&stats.histogram);
    let values = bounds.map(|v| Arc::from(v.as_str()));
    for (count, value) in values.chain(stats.other_values.iter().cloned()).enumerate() {
        add_value(draft, id, &value, quality);
        if count < WORLD_VALUES_MAX {
            add_other_names(draft, id, &value, &about, quality);
        }
    }
}

/// What a comment says that the column's codes mean, for those that are stored; for all of them where nothing is known of
/// what is.
fn add_codes(draft: &mut Draft<'_>, id: ColumnId, column: &Column, comment: &str) {
    let may = matches!(
        column.class,
        TypeClass::Text | TypeClass::Enum | TypeClass::Integer
    );
    if !may || sensitivity(&column.name) == Sensitivity::Secret {
        return;
    }
    let stored: HashSet<&str> = column
        .enum_labels
        .iter()
        .map(String::as_str)
        .chain(column.stats.iter().flat_map(ColumnStats::values))
        .collect();
    for (code, meaning) in codes::codes(comment) {
        let fits = match column.class {
            TypeClass::Integer => code.parse::<i64>().is_ok(),
            _ => stored.is_empty() || stored.contains(code.as_str()),
        };
        if fits {
            let value = Meaning::Value(id, Arc::from(code));
            draft.add_spelled(&meaning, value, CODE_MEANING);
        }
    }
}

fn add_value(draft: &mut Draft<'_>, id: ColumnId, value: &Arc<str>, quality: f32) {
    let parts = words(value);
    if parts.is_empty() || parts.len() > PHRASE_WORDS_MAX {
        return;
    }
    let meaning = || Meaning::Value(id, Arc::clone(value));
    draft.add_spelled(&parts, meaning(), quality * weight(&parts, value));
    if let [name @ .., last] = &parts[..]
        && !name.is_empty()
        && LEGAL_FORMS.contains(&last.as_str())
    {
        draft.add_spelled(name, meaning(), quality * 0.85);
    }
}

/// A letter, or "the", is a word of the question more often than a value.
fn weight(parts: &[String], value: &str) -> f32 {
    let is_small =
        value.chars().count() < 2 || english::functions(&parts.join(" ")).contains(&Word::Stop);
    if is_small { 0.3 } else { 1.0 }
}

fn add_other_names(
    draft: &mut Draft<'_>,
    id: ColumnId,
    value: &Arc<str>,
    about: &[String],
    quality: f32,
) {
    for (name, good) in world::other_names(value, about) {
        let good = good * weight(name, &name.join(" "));
        draft.add_spelled(name, Meaning::Value(id, Arc::clone(value)), quality * good);
    }
}

/// The values of a column that holds nothing but yes and no, in its own spelling; numbers only where its name asks a
/// question.
fn yes_and_no(column: &Column) -> Option<(Arc<str>, Arc<str>)> {
    let stats = column.stats.as_ref()?;
    let values: HashSet<&str> = stats.values().take(3).collect();
    let is_question = || {
        let first = words(&column.name).into_iter().next().unwrap_or_default();
        matches!(first.as_str(), "is" | "has" | "was" | "can" | "are" | "did")
    };
    let may = match column.class {
        TypeClass::Text => true,
        TypeClass::Integer => is_question(),
        _ => false,
    };
    if !may || values.is_empty() || values.len() > 2 {
        return None;
    }
    let folded = |value: &&str| value.trim().to_lowercase();
    let (yes, no) = YES_AND_NO.iter().find(|(yes, no)| {
        let known = |value: &&str| [*yes, *no].contains(&folded(value).as_str());
        values.iter().all(known)
    })?;
    let spelled = |wanted: &str| {
        values
            .iter()
            .find(|value| folded(value) == wanted)
            .map(|value| Arc::from(*value))
    };
    // Where only one of the two is stored, the other is spelled in the same letter case.
    let like = |stored: &str, wanted: &str| -> Arc<str> {
        if stored.chars().all(|c| !c.is_lowercase()) {
            wanted.to_uppercase().into()
        } else if stored.starts_with(char::is_uppercase) {
            let mut letters = wanted.chars();
            let first = letters.next().map(|c| c.to_ascii_uppercase());
            first.into_iter().chain(letters).collect::<String>().into()
        } else {
            wanted.into()
        }
    };
    match (spelled(yes), spelled(no)) {
        (Some(yes), Some(no)) => Some((yes, no)),
        (Some(one), None) => Some((Arc::clone(&one), like(&one, no))),
        (None, Some(one)) => Some((like(&one, yes), one)),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::builtin::Engine;
    use crate::synth::builtin::fixture::{self, snapshot};
    use crate::synth::builtin::lexicon::Lexicon;
    use crate::synth::builtin::text::key;

    fn values(lexicon: &Lexicon, phrase: &str) -> Vec<String> {
        lexicon
            .get(&key(&words(phrase)))
            .iter()
            .filter_map(|e| match &e.meaning {
                Meaning::Value(_, value) => Some(value.to_string()),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn values_are_known_as_they_are_and_by_other_names() {
        let schema = snapshot(&[
            "riders: id int pk; name text = Ann Lee; homeland text = France|USA; sex text = F|M; licence text = 007|12-4; \
             team text = Wug Corp.; pro text = T|F; is_captain text = yes; tax_id text = Zebra; month text = Jan",
        ]);
        let lexicon = Lexicon::new(&schema);
        for (phrase, value) in [
            ("ann lee", "Ann Lee"),
            ("french", "France"),
            ("american", "USA"),
            ("women", "F"),
            ("f", "F"),
            ("007", "007"),
            ("12-4", "12-4"),
            ("wug", "Wug Corp."),
            ("pro", "T"),
            ("captain", "yes"),
            ("January", "Jan"),
        ] {
            assert!(
                values(&lexicon, phrase).contains(&value.to_owned()),
                "{phrase}"
            );
        }
        assert!(values(&lexicon, "zebra").is_empty(), "a secret");
        let letter = &lexicon.get("f")[0];
        assert!(letter.quality < 0.5, "a letter is seldom meant");
    }

    #[test]
    fn codes_mean_what_their_comment_says() {
        let schema = snapshot(&[
            "riders: id int pk; form text = A|R # A = in good form, R = resting, Q = quit; \
             grade int # 1: rookie, 2: veteran; pin text # X = secret one, Y = secret two",
        ]);
        let lexicon = Lexicon::new(&schema);
        assert_eq!(values(&lexicon, "resting"), ["R"]);
        assert_eq!(values(&lexicon, "in good form"), ["A"]);
        assert!(values(&lexicon, "quit").is_empty(), "it is not stored");
        assert_eq!(values(&lexicon, "veterans"), ["2"]);
        assert!(values(&lexicon, "secret one").is_empty());
        let engine = Engine::new(&fixture::visible(schema));
        let today = jiff::civil::date(2026, 11, 21);
        let drafted = engine.draft(
            ("how many veteran riders", 0),
            today,
            (&[], false),
            (&Arc::from("own"), 0.0),
        );
        let sql = drafted.unwrap().sql;
        assert!(sql.ends_with("WHERE r.grade = 2"), "{sql}");
    }

    #[test]
    fn a_column_of_yes_and_no_is_known_whatever_its_spelling() {
        let case = |values: &[&str], class, name: &str| {
            yes_and_no(&Column {
                name: name.into(),
                class,
                stats: Some(ColumnStats {
                    common_values: values.iter().map(|&v| v.to_owned()).collect(),
                    ..Default::default()
                }),
                ..Column::default()
            })
            .map(|(yes, no)| format!("{yes} {no}"))
        };
        let text = TypeClass::Text;
        assert_eq!(case(&["T", "F"], text, "open").as_deref(), Some("T F"));
        assert_eq!(case(&["No"], text, "open").as_deref(), Some("Yes No"));
        assert_eq!(case(&["Y"], text, "open").as_deref(), Some("Y N"));
        assert_eq!(case(&["yes", "maybe"], text, "open"), None);
        assert_eq!(case(&["M", "F"], text, "sex"), None);
        let integer = TypeClass::Integer;
        assert_eq!(
            case(&["1", "0"], integer, "is_open").as_deref(),
            Some("1 0")
        );
        assert_eq!(case(&["1", "0"], integer, "doors"), None);
    }
}
