//! Which signing key signs, which are accepted, which are only published, and what is due.
//!
//! Everything follows from the stored keys and the time, so that replicas which read the same keys agree. A key is
//! published when it is made, signs from its `active_from` until the next one's, and is kept until no token of it
//! can be alive. The configuration decides only over the *next* key: a change of algorithm is a rotation too, and
//! replicas whose configurations differ for a while still sign with the same key.

mod rule;
#[cfg(test)]
mod tests;

pub use rule::{
    ALLOWANCE, KEEP, KeyLife, KeyState, NotRetirable, RotationRule, Schedule, retirable, schedule,
};
