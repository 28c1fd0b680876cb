//! The conversation of one session: the questions that the next one may refer to.

use std::sync::Arc;

use crate::synth::brief::Turn;

/// Turns remembered at most; the oldest goes first.
pub const TURNS_MAX: usize = 16;

/// Bytes of questions and SQL remembered at most: what an idle session may hold for it.
pub const BYTES_MAX: usize = 32 * 1024;

/// What was asked and answered while `ask.context` was on, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Conversation {
    turns: Vec<Arc<Turn>>,
}

impl Conversation {
    /// The turns, oldest first.
    #[must_use]
    pub fn turns(&self) -> &[Arc<Turn>] {
        &self.turns
    }

    /// Adds a turn, and forgets as many of the oldest as the bounds ask for. A turn that is too long by itself ends
    /// the conversation: what came before it is not what the next question would speak of.
    pub fn add(&mut self, turn: Turn) {
        self.turns.push(Arc::new(turn));
        let mut bytes: usize = self.turns.iter().map(|turn| bytes_of(turn)).sum();
        while self.turns.len() > TURNS_MAX || bytes > BYTES_MAX {
            bytes -= bytes_of(&self.turns.remove(0));
        }
    }

    /// Begins anew.
    pub fn clear(&mut self) {
        self.turns = Vec::new();
    }
}

fn bytes_of(turn: &Turn) -> usize {
    turn.question.len() + turn.sql.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(question: String) -> Turn {
        Turn {
            question,
            sql: "SELECT 1".to_owned(),
            today: jiff::civil::date(2026, 11, 21),
        }
    }

    #[test]
    fn the_oldest_turns_are_forgotten_first() {
        let mut conversation = Conversation::default();
        for number in 0..TURNS_MAX + 3 {
            conversation.add(turn(number.to_string()));
        }
        let questions: Vec<&str> = conversation
            .turns()
            .iter()
            .map(|turn| turn.question.as_str())
            .collect();
        assert_eq!(questions.len(), TURNS_MAX);
        assert_eq!((questions[0], questions[TURNS_MAX - 1]), ("3", "18"));
    }

    #[test]
    fn long_turns_leave_room_for_fewer() {
        let mut conversation = Conversation::default();
        conversation.add(turn("short".to_owned()));
        conversation.add(turn("x".repeat(BYTES_MAX - 20)));
        assert_eq!(conversation.turns().len(), 1);
        conversation.add(turn("y".repeat(BYTES_MAX)));
        assert!(conversation.turns().is_empty());
    }
}
