//! Header names as lenient services see them.
//!
//! CGI, WSGI, Rack and PHP turn a name into a variable: letters to one case, `-` and `_` (in some, `.` and
//! others) to one character. Two names that fold to the same are the same header somewhere.

/// A byte of a folded name: letters lower-cased, digits kept, everything else `-`.
#[inline]
pub(super) const fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

/// Whether `name` folds to `folded`, which must itself be folded.
#[inline]
pub fn folds_to(name: &[u8], folded: &[u8]) -> bool {
    name.len() == folded.len() && starts_folded(name, folded)
}

/// Whether `name`, folded, starts with `prefix`, which must itself be folded.
#[inline]
pub(super) fn starts_folded(name: &[u8], prefix: &[u8]) -> bool {
    name.len() >= prefix.len() && name.iter().zip(prefix).all(|(byte, expected)| fold(*byte) == *expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fold() {
        for name in ["X-Forwarded-User", "x_forwarded_user", "X.Forwarded~User", "x-FORWARDED!user"] {
            assert!(folds_to(name.as_bytes(), b"x-forwarded-user"), "{name}");
        }
        for name in ["X-Forwarded-Use", "X-Forwarded-Users", "XForwarded-User", "X--Forwarded-User", ""] {
            assert!(!folds_to(name.as_bytes(), b"x-forwarded-user"), "{name}");
        }
        assert!(starts_folded(b"X_Gateward_Any", b"x-gateward-"));
        assert!(!starts_folded(b"X_Gatewar", b"x-gateward-"));
    }
}
