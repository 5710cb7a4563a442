//! What three replicas promise together while the edges between them and their stores break.

mod callers;
mod ended_sessions;
mod faults;
mod scenario;
mod stale;
