//! Which source proves at present, for metrics and the log: a line when one is lost or back, not one per try.

use crate::domain::feed::{Follower, Monotonic, ResyncCause};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::{FeedResync, RevocationSource};

/// What was last said.
#[derive(Debug)]
pub(super) struct Sources {
    durable: Option<bool>,
    stream: Option<bool>,
    has_stream: bool,
}

impl Sources {
    pub(super) const fn new(has_stream: bool) -> Self {
        Self { durable: None, stream: None, has_stream }
    }

    /// After each event: says what is new.
    pub(super) fn look(&mut self, metrics: &Metrics, follower: &Follower, now: Monotonic) {
        // Before the first answer there is nothing to say.
        if follower.proven().is_none() {
            return;
        }
        tell(metrics, RevocationSource::Durable, &mut self.durable, follower.durable_answers());
        if self.has_stream && (self.stream.is_some() || follower.trusts_stream(now)) {
            tell(metrics, RevocationSource::Stream, &mut self.stream, follower.trusts_stream(now));
        }
    }

    pub(super) fn resync(&self, metrics: &Metrics, cause: ResyncCause) {
        let cause = match cause {
            ResyncCause::Gap => FeedResync::Gap,
            ResyncCause::StreamLost => FeedResync::StreamLost,
            ResyncCause::StreamReplaced => FeedResync::StreamReplaced,
            ResyncCause::StreamForeign => FeedResync::StreamForeign,
            ResyncCause::StoreWentBack => FeedResync::StoreWentBack,
        };
        metrics.feed_resync(cause);
        match cause {
            // Usual under load, and said below when it lasts.
            FeedResync::Gap | FeedResync::StreamLost | FeedResync::StreamReplaced => {}
            FeedResync::StreamForeign | FeedResync::StoreWentBack => {
                tracing::warn!(
                    cause = cause.as_str(),
                    "the stores disagree about revocations; reading all again"
                );
            }
        }
    }
}

fn tell(metrics: &Metrics, source: RevocationSource, before: &mut Option<bool>, is_up: bool) {
    if *before == Some(is_up) {
        return;
    }
    metrics.revocation_source(source, is_up);
    let (first, source) = (before.is_none(), source.as_str());
    *before = Some(is_up);
    match (first, is_up) {
        (true, true) => {}
        (false, true) => tracing::info!(source, "revocations are followed by this source again"),
        (_, false) => tracing::warn!(source, "revocations are not followed by this source"),
    }
}
