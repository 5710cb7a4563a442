//! What following the revocations takes from the stores: pages of the durable one, and the stream.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::revocation::Revocation;

/// What a follower gets to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationPage {
    /// In order of their numbers.
    pub revocations: Vec<Revocation>,
    /// There may be more: the page is full.
    pub more: bool,
    /// The follower's position is none of this store's; the page begins at the first entry.
    pub restarted: bool,
    /// The highest number that was ever given out, pruned ones too.
    pub newest: i64,
}

impl RevocationPage {
    /// A page of at most `limit` entries.
    pub(super) fn new(revocations: Vec<Revocation>, limit: u32, restarted: bool, newest: i64) -> Self {
        let newest = revocations.last().map_or(newest, |last| last.number.max(newest));
        let more = revocations.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
        Self { revocations, more, restarted, newest }
    }
}

/// The stream of revocations that replicas share: faster than following the durable store, and never the truth.
#[async_trait]
pub trait RevocationFeed: Send + Sync + 'static {
    /// Puts revocations, which are committed, into the stream. `Ok`: whoever reads on finds them, or a gap where
    /// they should be.
    async fn publish(&self, revocations: &[Revocation]) -> Result<(), StoreError>;
    /// Connects to the stream, makes it if there is none, and identifies it.
    async fn follow(&self) -> Result<Box<dyn FeedConnection>, StoreError>;
}

/// A connection to an identified stream. After an error it is of no use.
#[async_trait]
pub trait FeedConnection: Send {
    /// The highest number that the stream held when it was identified.
    fn head(&self) -> i64;
    /// Entries above a number, in order; waits a little for the first. The stream's identity is checked behind
    /// the read.
    async fn read(&mut self, after: i64) -> Result<FeedPage, FeedError>;
    /// Deletes the stream, whoever uses it.
    async fn reset(&mut self) -> Result<(), StoreError>;
}

/// What a stream holds above a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedPage {
    /// In order of their numbers; numbers may be missing.
    pub revocations: Vec<Revocation>,
    /// There may be more: the page is full.
    pub more: bool,
}

/// Why a stream was not read.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// It is another stream than the one that was identified, or has gone.
    #[error("the stream was replaced")]
    Replaced,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
