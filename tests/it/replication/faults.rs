//! What goes wrong in a scenario, and what it excuses.

use std::time::Duration;

use crate::support::cluster::Cluster;
use crate::support::fault_proxy::Mode;

/// The replica that is asked to log out.
pub const ANSWERING: usize = 0;
/// One that is not.
pub const OTHER: usize = 1;
/// How many there are.
pub const REPLICAS: usize = 3;

/// Later, but well within the deadline of a call.
pub const SLOW: Mode = Mode::Delay(Duration::from_millis(10));
/// Later than the deadlines of calls to Postgres (250 ms) and Redis (100 ms): it arrives when nobody waits
/// for it any more.
pub const LATE: Mode = Mode::Delay(Duration::from_millis(400));

/// One thing that goes wrong. Unless it says otherwise it begins before the logout and lasts until the
/// scenario heals everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing by itself: the logout comes only when the other faults have lasted longer than a replica may go
    /// without news.
    LongBefore,
    /// On the way of a replica to Postgres.
    Postgres(usize, Mode),
    /// On the way of a replica to Redis.
    Redis(usize, Mode),
    /// The logout is committed, and the replica that answers it never hears so.
    CommitReplyLost,
    /// The announcement of the logout arrives, and the replica that answers never hears so.
    AnnouncementReplyLost,
    /// Redis loses its contents.
    FlushBefore,
    /// Right after the logout.
    FlushAfter,
    /// Redis is stopped and comes back empty.
    RestartBefore,
    /// Right after the logout.
    RestartAfter,
    /// The process of a replica stands still for three seconds.
    Pause(usize),
    /// `kill -9` right after the answer to the logout.
    Kill9After(usize),
}

impl Fault {
    /// Does what comes before the logout.
    pub async fn begin(self, cluster: &mut Cluster) {
        match self {
            Self::Postgres(replica, mode) => cluster.replicas[replica].postgres.set(mode),
            Self::Redis(replica, mode) => cluster.replicas[replica].redis.set(mode),
            // With the NUL that ends the statement, for a transaction begins with READ COMMITTED.
            Self::CommitReplyLost => cluster.replicas[ANSWERING].postgres.lose_reply_to(b"COMMIT\0"),
            Self::AnnouncementReplyLost => cluster.replicas[ANSWERING].redis.lose_reply_to(b"XADD"),
            Self::FlushBefore => cluster.flush_redis().await,
            Self::RestartBefore => cluster.restart_redis(),
            Self::Pause(replica) => cluster.replicas[replica].pause(),
            Self::LongBefore | Self::FlushAfter | Self::RestartAfter | Self::Kill9After(_) => {}
        }
    }

    /// Does what comes right after the logout.
    pub async fn go_on(self, cluster: &mut Cluster) {
        match self {
            Self::FlushAfter => cluster.flush_redis().await,
            Self::RestartAfter => cluster.restart_redis(),
            Self::Kill9After(replica) => cluster.replicas[replica].app.kill9(),
            Self::CommitReplyLost => {
                assert!(!cluster.replicas[ANSWERING].postgres.is_armed(), "a logout commits");
            }
            Self::Postgres(..) | Self::Redis(..) | Self::AnnouncementReplyLost => {}
            Self::LongBefore | Self::FlushBefore | Self::RestartBefore | Self::Pause(_) => {}
        }
    }

    /// Ends it.
    pub async fn heal(self, cluster: &mut Cluster) {
        cluster.heal_edges();
        match self {
            Self::Pause(replica) => cluster.replicas[replica].resume(),
            Self::Kill9After(replica) => cluster.replicas[replica].app.restart().await,
            Self::Postgres(..) | Self::Redis(..) | Self::CommitReplyLost | Self::AnnouncementReplyLost => {}
            Self::LongBefore
            | Self::FlushBefore
            | Self::FlushAfter
            | Self::RestartBefore
            | Self::RestartAfter => {}
        }
    }

    /// Whether the shared Redis must be left alone.
    pub fn needs_own_redis(self) -> bool {
        matches!(self, Self::FlushBefore | Self::FlushAfter | Self::RestartBefore | Self::RestartAfter)
    }

    /// Whether calls of this replica may stay without any answer.
    pub fn silences(self, replica: usize) -> bool {
        self == Self::Pause(replica) || self == Self::Kill9After(replica)
    }

    fn touches_postgres_of_answering(self) -> bool {
        matches!(self, Self::Postgres(ANSWERING, _) | Self::CommitReplyLost)
    }

    fn loses_redis_of_answering(self) -> bool {
        matches!(self, Self::Redis(ANSWERING, mode) if is_loss(mode))
    }

    fn loses_postgres(self) -> Option<usize> {
        match self {
            Self::Postgres(replica, mode) if is_loss(mode) => Some(replica),
            _ => None,
        }
    }
}

/// Whether nothing works on such an edge. After a cut it does at once, and slow is slow.
fn is_loss(mode: Mode) -> bool {
    !matches!(mode, Mode::Pass | Mode::Cut | SLOW)
}

/// Whether a logout may be refused with 503: when it may not have been stored, and when a replica without
/// Postgres can be told of it only through a Redis that the answering replica does not reach.
pub fn excuse_a_refused_logout(faults: &[Fault]) -> bool {
    faults.iter().any(|fault| fault.touches_postgres_of_answering())
        || faults.iter().any(|fault| fault.loses_redis_of_answering())
            && faults.iter().any(|fault| fault.loses_postgres().is_some_and(|replica| replica != ANSWERING))
}

/// Whether this replica serves everybody else during the faults: Postgres alone is enough.
pub fn keeps_serving(faults: &[Fault], replica: usize) -> bool {
    !faults.iter().any(|fault| fault.loses_postgres() == Some(replica) || fault.silences(replica))
}
