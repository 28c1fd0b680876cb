//! Properties that rows have or have not, from columns that hold nothing but yes and no.

use crate::schema::snapshot::ColumnId;

use super::lexicon::{Draft, Meaning};

/// Words whose opposite is another word.
const OPPOSITES: &[(&str, &str)] = &[
    ("up", "down"),
    ("active", "inactive"),
    ("enabled", "disabled"),
    ("open", "closed"),
    ("online", "offline"),
    ("available", "unavailable"),
    ("paid", "unpaid"),
    ("public", "private"),
    ("visible", "hidden"),
    ("on", "off"),
    ("full", "empty"),
    ("new", "used"),
    ("official", "unofficial"),
    ("valid", "invalid"),
    ("verified", "unverified"),
    ("confirmed", "unconfirmed"),
    ("approved", "unapproved"),
    ("married", "unmarried"),
    ("employed", "unemployed"),
    ("read", "unread"),
    ("known", "unknown"),
    ("resolved", "unresolved"),
    ("male", "female"),
];

/// Adds the phrases of a column of yes and no: `is_up` gives "up" and "down".
pub(super) fn add(
    draft: &mut Draft<'_>,
    id: ColumnId,
    mut name: Vec<String>,
    meaning: impl Fn(bool) -> Meaning,
) {
    if name.len() > 1
        && matches!(
            name[0].as_str(),
            "is" | "has" | "was" | "can" | "are" | "did"
        )
    {
        name.remove(0);
        draft.add(&name, Meaning::Column(id), 0.95);
    }
    draft.add(&name, meaning(true), 1.0);
    let [word] = &name[..] else { return };
    for (yes, no) in OPPOSITES {
        for (this, other) in [(yes, no), (no, yes)] {
            if word == this {
                draft.add(&[(*other).to_owned()], meaning(false), 0.9);
            }
        }
    }
}
