//! The `Authorization` field: whether it carries one bearer token (RFC 6750 section 2.1).
//!
//! Only syntax is judged here, and nothing is refused: what missing or bad credentials mean depends on the
//! route.

use std::ops::Range;

use super::byte_class::{TOKEN, all_bearer};

/// What the `Authorization` lines of a request amount to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// No line.
    None,
    /// One line, `Bearer` and a token; where the token stands in the head.
    Bearer(Range<usize>),
    /// One well-formed line with another scheme. Not ours to check; where a token is needed, it is not one.
    OtherScheme,
    /// One line that is no credentials, or `Bearer` without exactly one token behind exactly one space.
    Malformed,
    /// More than one line, whatever they say.
    Several,
}

impl Credentials {
    /// Adds a line with a trimmed `value` that begins at `at` in the head.
    pub(super) fn add_line(&mut self, value: &[u8], at: usize) {
        *self = match self {
            Self::None => read(value, at),
            _ => Self::Several,
        };
    }
}

fn read(value: &[u8], at: usize) -> Credentials {
    let end = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
    let (scheme, rest) = (value.get(..end).unwrap_or_default(), value.get(end + 1..).unwrap_or_default());
    if scheme.is_empty() || !TOKEN.all(scheme) {
        return Credentials::Malformed;
    }
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Credentials::OtherScheme;
    }
    if is_b64token(rest) {
        Credentials::Bearer(at + end + 1..at + value.len())
    } else {
        Credentials::Malformed
    }
}

/// `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`
fn is_b64token(token: &[u8]) -> bool {
    let body = token.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    body > 0 && token.get(..body).is_some_and(all_bearer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorization_lines_are_classified() {
        for (value, expected) in [
            ("Bearer abc", Credentials::Bearer(107..110)),
            ("bEARER a.b-c_d~e+f/g==", Credentials::Bearer(107..122)),
            ("Bearer", Credentials::Malformed),
            ("Bearer ", Credentials::Malformed),
            ("Bearer  abc", Credentials::Malformed),
            ("Bearer\tabc", Credentials::Malformed),
            ("Bearer a b", Credentials::Malformed),
            ("Bearer a,b", Credentials::Malformed),
            ("Bearer =", Credentials::Malformed),
            ("Bearer a=b", Credentials::Malformed),
            ("Bearer \"a\"", Credentials::Malformed),
            ("Bearer a\u{e9}", Credentials::Malformed),
            ("Bearer:abc", Credentials::Malformed),
            ("", Credentials::Malformed),
            ("Basic YTpi", Credentials::OtherScheme),
            ("Bearerx abc", Credentials::OtherScheme),
        ] {
            let mut credentials = Credentials::None;
            credentials.add_line(value.as_bytes(), 100);
            assert_eq!(credentials, expected, "{value}");
            credentials.add_line(b"Bearer abc", 200);
            assert_eq!(credentials, Credentials::Several, "{value}");
        }
    }
}
