//! What a session remembers of its asks while `ask.context` is on, and when that ends.

use std::sync::Arc;

use super::ask::AskState;
use super::serve::Session;
use super::settings::Identity;
use crate::ask::conversation::Conversation;
use crate::ask::pipeline::{Asked, Resolved};
use crate::ask::surface::verb::Verb;
use crate::synth::brief::Turn;

/// A conversation, and whom the session acted as in it.
#[derive(Debug, Default)]
pub(super) struct Talk {
    conversation: Conversation,
    identity: Identity,
}

impl Session {
    /// The turns that an ask may refer to. What stands inside other SQL stands by itself: it may be kept, as a view is,
    /// and run where nobody knows what was asked before.
    pub(super) fn turns(&mut self, embedded: bool) -> Vec<Arc<Turn>> {
        if embedded || !self.ask_state.settings.current().context {
            return Vec::new();
        }
        self.ask_state.talk.conversation.turns().to_vec()
    }

    /// After SET ROLE and its like: what one role asked is nothing that another one's question goes on about, or judges.
    pub(super) fn forget_what_another_asked(&mut self) {
        let identity = self.settings.acts_as();
        let state = &mut self.ask_state;
        if state.talk.identity != identity {
            state.talk.conversation.clear();
            state.talk.identity = identity;
            state.last = None;
        }
    }

    /// Remembers an ask that was answered. Only what is run moves the conversation on: `ask sql` and its like look at
    /// an answer, which may then be asked for as it was.
    pub(super) fn add_turn(&mut self, verb: Verb, asked: &Asked<'_>, resolved: &Resolved) {
        let Some(answer) = &resolved.answer else {
            return;
        };
        if verb != Verb::Rows || asked.embedded || !asked.settings.context {
            return;
        }
        let conversation = &mut self.ask_state.talk.conversation;
        if asked.parameter_count > 0 {
            // The values bound to it are known to nobody afterwards.
            conversation.clear();
            return;
        }
        conversation.add(Turn {
            question: asked.question.to_owned(),
            sql: answer.drafted.clone(),
            today: asked.today,
        });
    }
}

impl AskState {
    /// Everything is as in a new session, as RESET ALL and DISCARD ALL make it.
    pub(super) fn reset(&mut self) {
        self.settings.reset_all();
        self.talk.conversation.clear();
        self.last = None;
    }

    /// A conversation ends when the setting does.
    pub(super) fn settings_changed(&mut self) {
        if !self.settings.current().context {
            self.talk.conversation.clear();
        }
    }
}
