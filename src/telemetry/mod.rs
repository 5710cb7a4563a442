//! What the program says about itself: log lines and metrics, with every name in one place.
//!
//! Imports nothing else of ours. Whoever reports hands over what is to be said; nothing here looks
//! at a request by itself, so nothing here can leak one.

mod access;
mod access_format;
mod labels;
mod log_filter;
mod logs;
pub mod metrics;
mod panics;

pub use access::{ACCESS_TARGET, AccessLine};
pub use labels::{
    AuthResult, ConnectionRefusal, FeedResync, HandshakeFailure, HashResult, Http2Abuse, LoginResult,
    Outcome, RefreshResult, RegistrationResult, RequestClosed, RevocationSource,
};
pub use logs::{DroppedLines, LogError, LogFormatChoice, LogGuard, init};
pub use panics::log_panics;
