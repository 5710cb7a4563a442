//! The actor: a follower's state machine, and what carries out what it says.

use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::prune::prune;
use super::questions::{Questions, Stream};
use super::sources::Sources;
use crate::actors::job;
use crate::actors::workshop::Workshop;
use crate::domain::feed::{Action, Event, Follower, FollowerRules};
use crate::live::Moment;
use crate::store::FeedConnection;

/// Between two looks at the durable store, at most.
const FOLLOW_EVERY: Duration = Duration::from_millis(250);
/// Looks within the greatest staleness that is allowed, at least.
const LOOKS: u32 = 4;
/// Between two clean-ups.
const PRUNE_EVERY: Duration = Duration::from_secs(60);

/// What [`Revocations`] is told.
pub enum RevocationsMessage {
    /// Look now.
    Tick,
    /// A question to the durable store has ended.
    Durable(Event),
    /// A question to the stream has ended. The connection comes back, unless it is of no use any more.
    Stream(Event, Option<Box<dyn FeedConnection>>),
    /// Clean up now.
    Prune,
}

/// Its state.
pub struct RevocationsState {
    shop: Arc<Workshop>,
    follower: Follower,
    /// The connection to the stream, unless a question has it.
    stream: Stream,
    sources: Sources,
}

/// The actor.
pub struct Revocations;

impl Actor for Revocations {
    type Msg = RevocationsMessage;
    type State = RevocationsState;
    type Arguments = Arc<Workshop>;

    async fn pre_start(
        &self,
        myself: ActorRef<RevocationsMessage>,
        shop: Arc<Workshop>,
    ) -> Result<RevocationsState, ActorProcessingErr> {
        myself.send_message(RevocationsMessage::Tick)?;
        let every = FOLLOW_EVERY.min(shop.membership.max_staleness() / LOOKS);
        myself.send_interval(every, || RevocationsMessage::Tick);
        myself.send_interval(PRUNE_EVERY, || RevocationsMessage::Prune);
        let rules =
            FollowerRules { has_stream: shop.feed.is_some(), lease: shop.membership.detached_limit() };
        let sources = Sources::new(rules.has_stream);
        Ok(RevocationsState { shop, follower: Follower::new(rules), stream: None, sources })
    }

    async fn handle(
        &self,
        myself: ActorRef<RevocationsMessage>,
        message: RevocationsMessage,
        state: &mut RevocationsState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            RevocationsMessage::Tick => state.take(&myself, Event::Tick),
            RevocationsMessage::Durable(event) => state.take(&myself, event),
            RevocationsMessage::Stream(event, connection) => {
                state.stream = connection;
                state.take(&myself, event);
            }
            RevocationsMessage::Prune => job::spawn(prune(Arc::clone(&state.shop))),
        }
        Ok(())
    }
}

impl RevocationsState {
    fn take(&mut self, myself: &ActorRef<RevocationsMessage>, event: Event) {
        let now = Moment::now().monotonic();
        let ask = Questions { shop: Arc::clone(&self.shop), actor: myself.clone() };
        for action in self.follower.handle(now, event) {
            match action {
                Action::ReadDurable { after } => ask.read_durable(after),
                Action::Register { followed } => ask.register(followed),
                Action::Sweep { after } => ask.sweep(after),
                Action::OpenStream => ask.open_stream(self.stream.take()),
                Action::ReadStream { after } => ask.read_stream(self.stream.take(), after),
                Action::ResetStream => ask.reset_stream(self.stream.take()),
                Action::Prove { as_of, .. } => self.shop.revocations.prove(Moment::since_begin(as_of.0)),
                Action::Resync(cause) => self.sources.resync(&self.shop.metrics, cause),
            }
        }
        self.sources.look(&self.shop.metrics, &self.follower, now);
    }
}
