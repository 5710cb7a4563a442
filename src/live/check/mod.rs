//! Is this token valid now?
//!
//! Verifying a signature costs 1 to 40 microseconds, so tokens that verified are kept (`verified`), and a hit still
//! asks what may have changed since: time, key ring, revocations. A new ring or a retired key does not empty the
//! cache: each entry is asked once whether its key is still good. Only tokens that are valid are kept, so nothing an
//! attacker sends can grow the cache or push good tokens out of it; what forged ones cost is bounded by address
//! (`forgeries`).

mod forgeries;
#[cfg(test)]
mod tests;
mod token_check;
mod verified;

pub use token_check::{CacheUse, CheckLimits, TokenCheck};
pub use verified::Verified;
