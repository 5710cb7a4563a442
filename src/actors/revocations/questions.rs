//! The questions that a follower asks, each a job of its own that ends with a message to the actor.

use std::sync::Arc;

use ractor::ActorRef;

use super::actor::RevocationsMessage;
use crate::actors::job;
use crate::actors::workshop::Workshop;
use crate::domain::feed::{DurablePage, Event, Failure, Position, StreamAnswer};
use crate::live::Moment;
use crate::store::{FeedConnection, FeedError, StoreError};

/// Rows read at once.
const PAGE: u32 = 10_000;

/// The connection to the stream.
pub(super) type Stream = Option<Box<dyn FeedConnection>>;

/// Who asks.
pub(super) struct Questions {
    pub(super) shop: Arc<Workshop>,
    pub(super) actor: ActorRef<RevocationsMessage>,
}

/// A question under way. However it ends, by a panic too, the actor hears of it: else it would wait for ever and
/// never ask again.
struct Question {
    actor: ActorRef<RevocationsMessage>,
    ends: Option<RevocationsMessage>,
}

impl Question {
    fn end_with(&mut self, message: RevocationsMessage) {
        self.ends = Some(message);
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        if let Some(ends) = self.ends.take() {
            // The actor may have been restarted meanwhile; its successor starts from the beginning.
            let _gone = self.actor.send_message(ends);
        }
    }
}

/// The store layer counts it; a line every quarter of a second would say no more.
fn lost(error: &StoreError) -> Failure {
    tracing::debug!(%error, "revocations not followed");
    Failure::Lost
}

impl Questions {
    pub(super) fn read_durable(&self, after: Position) {
        let (shop, began) = (Arc::clone(&self.shop), Moment::now().monotonic());
        let failed = Event::DurableRead { began, outcome: Err(Failure::Lost) };
        self.ask_durable(failed, async move {
            let page = shop.durable.follow_revocations(after, PAGE).await.map_err(|error| lost(&error));
            let outcome = page.map(|page| {
                shop.revocations.add(&page.revocations);
                shop.relay(&page.revocations);
                DurablePage {
                    last: page.revocations.last().map(Position::from),
                    more: page.more,
                    restarted: page.restarted,
                    newest: page.newest,
                }
            });
            Event::DurableRead { began, outcome }
        });
    }

    pub(super) fn register(&self, followed: Position) {
        let (shop, began) = (Arc::clone(&self.shop), Moment::now().monotonic());
        let failed = Event::Registered { began, outcome: Err(Failure::Lost) };
        self.ask_durable(failed, async move {
            let renewed = shop.membership.register(&*shop.durable, followed).await;
            Event::Registered { began, outcome: renewed.map_err(|error| lost(&error)) }
        });
    }

    pub(super) fn sweep(&self, after: i64) {
        let shop = Arc::clone(&self.shop);
        self.ask_durable(Event::Swept { outcome: Err(Failure::Lost) }, async move {
            let page = shop.durable.revocations_after(after, PAGE).await.map_err(|error| lost(&error));
            let outcome = page.map(|page| {
                shop.revocations.add(&page);
                let is_full = page.len() >= usize::try_from(PAGE).unwrap_or(usize::MAX);
                page.last().map(|last| last.number).filter(|_| is_full)
            });
            Event::Swept { outcome }
        });
    }

    pub(super) fn open_stream(&self, old: Stream) {
        drop(old);
        let shop = Arc::clone(&self.shop);
        self.ask_stream(Event::StreamOpened { outcome: Err(Failure::Lost) }, async move {
            let opened = match &shop.feed {
                Some(feed) => feed.follow().await.map_err(|error| lost(&error)),
                None => Err(Failure::Lost),
            };
            let (outcome, connection) = match opened {
                Ok(connection) => (Ok(connection.head()), Some(connection)),
                Err(failure) => (Err(failure), None),
            };
            (Event::StreamOpened { outcome }, connection)
        });
    }

    pub(super) fn read_stream(&self, connection: Stream, after: i64) {
        let (shop, began) = (Arc::clone(&self.shop), Moment::now().monotonic());
        let failed = Event::StreamRead { began, outcome: Err(Failure::Lost) };
        self.ask_stream(failed, async move {
            let Some(mut connection) = connection else {
                return (Event::StreamRead { began, outcome: Err(Failure::Lost) }, None);
            };
            let page = connection.read(after).await.map_err(|error| match error {
                FeedError::Replaced => Failure::Replaced,
                FeedError::Store(error) => lost(&error),
            });
            let connection = page.is_ok().then_some(connection);
            let outcome = page.map(|page| {
                shop.revocations.add(&page.revocations);
                StreamAnswer {
                    entries: page.revocations.iter().map(Position::from).collect(),
                    more: page.more,
                }
            });
            (Event::StreamRead { began, outcome }, connection)
        });
    }

    pub(super) fn reset_stream(&self, connection: Stream) {
        self.ask_stream(Event::StreamReset, async move {
            if let Some(mut connection) = connection
                && let Err(error) = connection.reset().await
            {
                tracing::debug!(%error, "stream of revocations not deleted");
            }
            (Event::StreamReset, None)
        });
    }

    fn ask_durable(&self, failed: Event, question: impl Future<Output = Event> + Send + 'static) {
        let ends = Some(RevocationsMessage::Durable(failed));
        let mut under_way = Question { actor: self.actor.clone(), ends };
        job::spawn(async move {
            let event = question.await;
            under_way.end_with(RevocationsMessage::Durable(event));
        });
    }

    fn ask_stream(&self, failed: Event, question: impl Future<Output = (Event, Stream)> + Send + 'static) {
        let ends = Some(RevocationsMessage::Stream(failed, None));
        let mut under_way = Question { actor: self.actor.clone(), ends };
        job::spawn(async move {
            let (event, connection) = question.await;
            under_way.end_with(RevocationsMessage::Stream(event, connection));
        });
    }
}
