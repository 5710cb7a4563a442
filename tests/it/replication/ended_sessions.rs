//! After an acknowledged logout no replica admits the session for longer than `revocation.max_staleness`,
//! and the one that answered not at all, whatever edge breaks.

use super::faults::Fault::{
    AnnouncementReplyLost, CommitReplyLost, FlushAfter, FlushBefore, Kill9After, LongBefore, Pause, Postgres,
    Redis, RestartAfter, RestartBefore,
};
use super::faults::{ANSWERING, LATE, OTHER, SLOW};
use super::scenario::scenario;
use crate::support::fault_proxy::Mode::{Blackhole, Cut, Refuse};

const THIRD: usize = 2;

/// A session stays ended, whatever of this goes wrong.
macro_rules! sessions_stay_ended {
    ($($name:ident: [$($fault:expr),*];)*) => {$(
        #[tokio::test]
        async fn $name() {
            scenario(&[$($fault),*]).await;
        }
    )*};
}

sessions_stay_ended! {
    when_nothing_is_wrong: [];

    when_postgres_refuses_the_answering_replica: [Postgres(ANSWERING, Refuse)];
    when_postgres_is_slow_for_the_answering_replica: [Postgres(ANSWERING, SLOW)];
    when_postgres_is_late_for_the_answering_replica: [Postgres(ANSWERING, LATE)];
    when_postgres_is_silent_to_the_answering_replica: [Postgres(ANSWERING, Blackhole)];
    when_postgres_cuts_the_answering_replica: [Postgres(ANSWERING, Cut)];

    when_postgres_refuses_another_replica: [Postgres(OTHER, Refuse)];
    when_postgres_is_slow_for_another_replica: [Postgres(OTHER, SLOW)];
    when_postgres_is_late_for_another_replica: [Postgres(OTHER, LATE)];
    when_postgres_is_silent_to_another_replica: [Postgres(OTHER, Blackhole)];
    when_postgres_cuts_another_replica: [Postgres(OTHER, Cut)];

    when_redis_refuses_the_answering_replica: [Redis(ANSWERING, Refuse)];
    when_redis_is_slow_for_the_answering_replica: [Redis(ANSWERING, SLOW)];
    when_redis_is_late_for_the_answering_replica: [Redis(ANSWERING, LATE)];
    when_redis_is_silent_to_the_answering_replica: [Redis(ANSWERING, Blackhole)];
    when_redis_cuts_the_answering_replica: [Redis(ANSWERING, Cut)];

    when_redis_refuses_another_replica: [Redis(OTHER, Refuse)];
    when_redis_is_slow_for_another_replica: [Redis(OTHER, SLOW)];
    when_redis_is_late_for_another_replica: [Redis(OTHER, LATE)];
    when_redis_is_silent_to_another_replica: [Redis(OTHER, Blackhole)];
    when_redis_cuts_another_replica: [Redis(OTHER, Cut)];

    when_the_reply_to_the_commit_is_lost: [CommitReplyLost];
    when_the_reply_to_the_announcement_is_lost: [AnnouncementReplyLost];

    when_redis_refuses_the_answering_and_postgres_another_replica:
        [Redis(ANSWERING, Refuse), Postgres(OTHER, Refuse)];
    when_redis_is_silent_to_the_answering_and_postgres_to_another_replica:
        [Redis(ANSWERING, Blackhole), Postgres(OTHER, Blackhole)];
    when_another_replica_has_lost_both_stores: [Redis(OTHER, Blackhole), Postgres(OTHER, Blackhole)];
    when_all_lost_redis: [Redis(ANSWERING, Blackhole), Redis(OTHER, Blackhole), Redis(THIRD, Blackhole)];
    when_all_lost_postgres:
        [Postgres(ANSWERING, Blackhole), Postgres(OTHER, Blackhole), Postgres(THIRD, Blackhole)];

    long_after_another_replica_lost_postgres: [LongBefore, Postgres(OTHER, Blackhole)];
    long_after_another_replica_lost_redis: [LongBefore, Redis(OTHER, Blackhole)];
    long_after_another_replica_lost_both_stores:
        [LongBefore, Redis(OTHER, Blackhole), Postgres(OTHER, Blackhole)];
    long_after_all_lost_redis:
        [LongBefore, Redis(ANSWERING, Refuse), Redis(OTHER, Refuse), Redis(THIRD, Refuse)];

    when_redis_is_flushed_before_the_logout: [FlushBefore];
    when_redis_is_flushed_after_the_logout: [FlushAfter];
    when_redis_comes_back_empty_before_the_logout: [RestartBefore];
    when_redis_comes_back_empty_after_the_logout: [RestartAfter];

    when_another_replica_stands_still_for_three_seconds: [Pause(OTHER)];
    when_the_answering_replica_dies_right_after_its_answer: [Kill9After(ANSWERING)];
}
