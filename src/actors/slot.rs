//! Where an actor is found, whichever incarnation of it runs.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use ractor::ActorRef;

/// Where the present incarnation of an actor is found.
pub struct Slot<Message>(Arc<ArcSwapOption<ActorRef<Message>>>);

impl<Message> Clone for Slot<Message> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<Message: ractor::Message> Slot<Message> {
    /// A slot with nobody in it.
    pub fn empty() -> Self {
        Self(Arc::default())
    }

    /// Puts a new incarnation into it.
    pub(super) fn put(&self, actor: ActorRef<Message>) {
        self.0.store(Some(Arc::new(actor)));
    }

    /// Sends to whoever is in the slot now.
    ///
    /// # Errors
    /// The message, when nobody is there to take it.
    pub fn send(&self, message: Message) -> Result<(), Box<Message>> {
        match self.0.load().as_deref() {
            Some(actor) => actor.send_message(message).map_err(|error| match error {
                ractor::MessagingErr::SendErr(message) => Some(Box::new(message)),
                ractor::MessagingErr::ChannelClosed | ractor::MessagingErr::InvalidActorType => None,
            }),
            None => Err(Some(Box::new(message))),
        }
        .or_else(|lost| lost.map_or(Ok(()), Err))
    }
}
