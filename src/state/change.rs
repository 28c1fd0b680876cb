//! What a change of the records comes to: decided over the records of its place, with no store in hand.

use std::sync::Arc;

use super::record::{Feedback, Pin, Place, Question, Records};

/// What is to be changed.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// A new pin, where there may be so many in its place.
    AddPin(Pin, usize),
    /// A pin less.
    RemovePin {
        place: Place,
        role: Option<Arc<str>>,
        name: Arc<str>,
    },
    /// The last word on a question, where the role that says it may have so many in its place.
    KeepFeedback(Feedback, usize),
    /// What was said of a question, taken back.
    RemoveFeedback {
        place: Place,
        role: Option<Arc<str>>,
        question: Question,
    },
}

/// What came of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was made.
    Done,
    /// A pin that holds for this role has this name already.
    NameTaken,
    /// A pin that holds for this role, of this name, pins this question already.
    QuestionTaken(Arc<str>),
    /// The place, or the role in it, has as many records of the kind as it may have.
    Full,
    /// There is no such record.
    Missing,
}

impl Change {
    pub(super) fn place(&self) -> &Place {
        match self {
            Self::AddPin(pin, _) => &pin.place,
            Self::RemovePin { place, .. } | Self::RemoveFeedback { place, .. } => place,
            Self::KeepFeedback(feedback, _) => &feedback.place,
        }
    }

    /// What comes of it, given the records of its place.
    pub(super) fn judge(&self, records: &Records) -> Outcome {
        match self {
            Self::AddPin(pin, pins_max) => judge_pin(pin, *pins_max, records),
            Self::RemovePin { role, name, .. } => {
                let is_it = |pin: &&Pin| pin.role == *role && pin.name == *name;
                match records.pins.iter().find(is_it) {
                    Some(_) => Outcome::Done,
                    None => Outcome::Missing,
                }
            }
            Self::KeepFeedback(feedback, feedback_max) => {
                let replaces =
                    |one: &Feedback| one.role == feedback.role && one.question == feedback.question;
                let by_the_same = |one: &&Feedback| one.given_by == feedback.given_by;
                let count = records.feedback.iter().filter(by_the_same).count();
                if count >= *feedback_max && !records.feedback.iter().any(replaces) {
                    Outcome::Full
                } else {
                    Outcome::Done
                }
            }
            Self::RemoveFeedback { role, question, .. } => {
                let is_it = |one: &Feedback| one.role == *role && one.question == *question;
                if records.feedback.iter().any(is_it) {
                    Outcome::Done
                } else {
                    Outcome::Missing
                }
            }
        }
    }
}

/// A pin for one role must differ from those that hold for that role, a pin for all from those for all.
fn judge_pin(pin: &Pin, pins_max: usize, records: &Records) -> Outcome {
    let mut beside = records
        .pins
        .iter()
        .filter(|other| other.role.is_none() || other.role == pin.role);
    if beside.clone().any(|other| other.name == pin.name) {
        Outcome::NameTaken
    } else if let Some(other) = beside.find(|other| other.question == pin.question) {
        Outcome::QuestionTaken(Arc::clone(&other.name))
    } else if records.pins.len() >= pins_max {
        Outcome::Full
    } else {
        Outcome::Done
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::{pin, place};
    use super::*;

    #[test]
    fn names_and_questions_are_had_once() {
        let records = Records {
            pins: vec![pin(None, "all", "beds"), pin(Some("ann"), "own", "rooms")],
            feedback: Vec::new(),
        };
        let judge =
            |role, name, asked, max| Change::AddPin(pin(role, name, asked), max).judge(&records);
        assert_eq!(judge(Some("ann"), "own", "x", 9), Outcome::NameTaken);
        assert_eq!(judge(Some("ann"), "all", "x", 9), Outcome::NameTaken);
        assert_eq!(
            judge(Some("ann"), "x", "beds", 9),
            Outcome::QuestionTaken("all".into())
        );
        assert_eq!(judge(Some("bob"), "own", "rooms", 9), Outcome::Done);
        assert_eq!(judge(None, "own", "rooms", 9), Outcome::Done);
        assert_eq!(judge(Some("bob"), "own", "rooms", 2), Outcome::Full);
    }

    #[test]
    fn only_what_is_there_can_be_removed() {
        let records = Records {
            pins: vec![pin(Some("ann"), "own", "rooms")],
            feedback: Vec::new(),
        };
        let remove = |role: Option<&str>| {
            let change = Change::RemovePin {
                place: place("hotel"),
                role: role.map(Arc::from),
                name: "own".into(),
            };
            change.judge(&records)
        };
        assert_eq!(remove(Some("ann")), Outcome::Done);
        assert_eq!(remove(Some("bob")), Outcome::Missing);
        assert_eq!(remove(None), Outcome::Missing);
    }
}
