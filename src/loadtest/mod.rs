//! Load on a gateway, this one or another, with an eye on every answer.
//!
//! It sends requests of several [kinds](Kind), with good tokens and others, at full speed or on a schedule, and
//! measures how long the answers take. A gateway that is fast because it lets the wrong ones through is found out: an
//! answer that its kind does not get fails the run.
//!
//! Times of an open loop count from when a request was *to be* sent, so that a gateway that stands still for a second
//! shows a second, and not one slow request (coordinated omission).
//!
//! It knows HTTP from the outside only and shares no code with the gateway. It mints no tokens: those come from the
//! caller.

mod address;
mod client;
mod judge;
mod kind;
mod mix;
mod options;
mod pacer;
mod plot;
mod process;
mod report;
mod run;
mod schedule;
mod stats;
mod timer;
mod tokens;
mod turns;
mod worker;

pub use address::{Address, AddressError};
pub use client::TlsError;
pub use judge::{Access, Failure, Outcome, Verdict, Wrong, judge};
pub use kind::{Kind, PerKind, UnknownKind};
pub use mix::{Mix, MixError};
pub use options::{LoadError, Options, Pace, Protocol, Trust};
pub use report::{GeneratorRow, KindRow, LatencyRow, Report, ScheduleRow, SettingsRow, TargetRow, WrongRow};
pub use run::{Progress, run};
pub use tokens::{MOST_TOKENS, TokenFault, TokenList, TokenWriter, Tokens, TokensError};
