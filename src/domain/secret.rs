//! Values that must not be seen: no `Display`, no `Serialize`, no `Clone`, a `Debug` that says nothing.
//!
//! The only way to the value is `expose`, so `grep expose` finds every place that handles one.
//! Passwords and their hashes have types of their own, `password` and `password_hash`; so have refresh tokens,
//! `refresh`.

use std::fmt;

/// The text of an access token: whoever has it may act until it expires.
///
/// Not wiped on drop: it lives minutes, and the request's own header bytes are not wiped either.
pub struct AccessTokenText(String);

impl AccessTokenText {
    /// The compact form of a signed token.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for the answer that hands it out or the check that verifies it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AccessTokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessTokenText(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        assert_eq!(format!("{:#?}", AccessTokenText::new("eyJ.x.y".to_owned())), "AccessTokenText(redacted)");
    }

    #[test]
    fn exposed_is_what_went_in() {
        assert_eq!(AccessTokenText::new("eyJ.x.y".to_owned()).expose(), "eyJ.x.y");
    }
}
