//! Attacks in a row: sends the corpus to a gateway whose upstream is the bundled recorder, and judges what
//! came back *and* what the upstream saw.
//!
//! The answer alone proves little: a gateway may answer 400 to a request that it has forwarded. So every
//! case carries a random word ([`Case`]: `{canary}`), and the recorder is asked afterwards which requests
//! bear it.
//!
//! It knows HTTP from the outside only: it shares no code with the gateway, so that a mistake there is not
//! repeated here. It does not look for load limits; those are measured elsewhere.

mod card;
mod case;
mod client;
mod concrete;
mod corpus;
mod frames;
mod gateway;
mod judge;
mod options;
mod placeholders;
mod plan;
mod public_key;
mod recorder;
mod run;
mod sightings;
mod target;
mod token;

pub use card::{Row, ScoreCard, Verdict};
pub use case::*;
pub use corpus::{CorpusError, class_names, corpus};
pub use options::{Options, TortureError};
pub use recorder::{Record, Recorder, RecorderError};
pub use run::run;
pub use target::{Target, TargetError};
