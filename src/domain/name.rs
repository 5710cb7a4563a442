//! What a person calls themselves: free text that is shown to others and forwarded to services.
//!
//! Deliberately little is refused: names have apostrophes, joiners, digits and any script. Names are not
//! unique and prove nothing.

use unicode_normalization::UnicodeNormalization;

/// Longest name in code points, after NFC.
pub const MAX_CHARS: usize = 200;

/// Longer input is refused before normalising. A code point has at most 4 in its canonical decomposition, of
/// at most 4 bytes each, so no acceptable name is lost.
const MAX_RAW_BYTES: usize = MAX_CHARS * 4 * 4;

/// A name: trimmed, NFC, 1 to [`MAX_CHARS`] code points, one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisplayName(String);

/// Why a text is not a name; the text is a sentence for the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing but white space.
    #[error("the name is empty")]
    Empty,
    /// More than [`MAX_CHARS`] code points.
    #[error("the name is longer than {MAX_CHARS} characters")]
    TooLong,
    /// A control character, a line break, or one that changes the direction of the text around it.
    #[error("the name has a character that cannot be shown safely")]
    Forbidden,
}

impl DisplayName {
    /// Trims, normalises and checks a name.
    ///
    /// # Errors
    /// [`NameError`], by cause.
    pub fn parse(raw: &str) -> Result<Self, NameError> {
        let trimmed = raw.trim();
        if trimmed.is_empty() {
            return Err(NameError::Empty);
        }
        if trimmed.len() > MAX_RAW_BYTES {
            return Err(NameError::TooLong);
        }
        let name: String = trimmed.nfc().collect();
        if name.chars().count() > MAX_CHARS {
            return Err(NameError::TooLong);
        }
        if name.chars().any(is_forbidden) {
            return Err(NameError::Forbidden);
        }
        Ok(Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Controls, line and paragraph separators, and every character of Unicode's `Bidi_Control` property: they let
/// a name rewrite how the text around it reads (<https://trojansource.codes>).
fn is_forbidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(raw: &str) -> Result<String, NameError> {
        DisplayName::parse(raw).map(|name| name.as_str().to_owned())
    }

    #[test]
    fn names_are_trimmed_and_composed() {
        for (raw, expected) in [
            ("  Ann  Lee\n", "Ann  Lee"),
            ("Jo\u{308}rg", "J\u{f6}rg"),
            ("Ren\u{e9} O'Brien-Smith 3rd", "Ren\u{e9} O'Brien-Smith 3rd"),
            // The zero-width non-joiner is part of Persian spelling.
            ("\u{645}\u{6cc}\u{200c}\u{62e}", "\u{645}\u{6cc}\u{200c}\u{62e}"),
        ] {
            assert_eq!(parse(raw), Ok(expected.to_owned()));
        }
    }

    #[test]
    fn length_counts_code_points_after_composition() {
        assert!(parse(&"\u{1f600}".repeat(200)).is_ok());
        assert_eq!(parse(&"a".repeat(201)), Err(NameError::TooLong));
        assert!(parse(&"\u{3c9}\u{313}\u{342}\u{345}".repeat(200)).is_ok(), "800 code points compose to 200");
        assert_eq!(parse(&"a".repeat(1 << 20)), Err(NameError::TooLong));
        assert_eq!(parse(" \t\u{3000}"), Err(NameError::Empty));
    }

    #[test]
    fn controls_and_direction_characters_are_refused() {
        let forbidden = "\0\t\n\r\u{1b}\u{7f}\u{9b}\u{2028}\u{2029}\u{61c}\u{200e}\u{200f}\u{202a}\u{202e}\u{2066}\u{2069}";
        for c in forbidden.chars() {
            assert_eq!(parse(&format!("a{c}b")), Err(NameError::Forbidden), "{c:?}");
        }
    }
}
