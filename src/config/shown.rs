//! What `gateward config show` prints.

use super::problem::Origin;

/// In place of a secret.
pub(super) const REDACTED: &str = "(redacted)";
/// In place of a value that has no default and was not given.
pub(super) const NOT_SET: &str = "(not set)";

/// A key, its value in force and where that came from. Holds no secret: secrets are `(redacted)`, and of a URL
/// the password is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// For example `server.listen` or `upstream[0].name`.
    pub key: String,
    /// As given; `(not set)` for an absent one without a default.
    pub value: String,
    /// Where the value came from.
    pub origin: Origin,
}
