//! How the two durable kinds spell domain values in columns, where both do it alike.
//!
//! What comes back from a database is not trusted: a word that means nothing gives `None`, and the
//! caller makes that [`StoreError::Corrupt`](super::StoreError::Corrupt).

use crate::domain::account::AccountStatus;
use crate::domain::clock::Timestamp;
use crate::domain::session::{EndReason, SessionState};

/// The status behind the column `status`.
pub(super) fn parse_status(word: &str) -> Option<AccountStatus> {
    [AccountStatus::Active, AccountStatus::Disabled].into_iter().find(|status| status.as_str() == word)
}

/// The state behind the columns `revoked_at` and `revoked_reason`: both set, or neither.
pub(super) fn parse_state(revoked_at: Option<i64>, reason: Option<&str>) -> Option<SessionState> {
    match (revoked_at, reason) {
        (None, None) => Some(SessionState::Active),
        (Some(at), Some(word)) => Some(SessionState::Revoked {
            at: Timestamp::from_unix_millis(at),
            reason: EndReason::parse(word)?,
        }),
        (Some(_), None) | (None, Some(_)) => None,
    }
}

/// The columns `revoked_at` and `revoked_reason` of a state.
pub(super) fn state_columns(state: SessionState) -> (Option<i64>, Option<&'static str>) {
    match state {
        SessionState::Active => (None, None),
        SessionState::Revoked { at, reason } => (Some(at.unix_millis()), Some(reason.as_str())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_survives_its_columns() {
        for status in [AccountStatus::Active, AccountStatus::Disabled] {
            assert_eq!(parse_status(status.as_str()), Some(status));
        }
        let at = Timestamp::from_unix_millis(7);
        for state in [
            SessionState::Active,
            SessionState::Revoked { at, reason: EndReason::Logout },
            SessionState::Revoked { at, reason: EndReason::AccountDisabled },
        ] {
            let (revoked_at, reason) = state_columns(state);
            assert_eq!(parse_state(revoked_at, reason), Some(state));
        }
    }

    #[test]
    fn a_word_that_means_nothing_is_no_value() {
        assert_eq!(parse_status("Active"), None);
        assert_eq!(parse_state(Some(1), Some("boredom")), None);
        assert_eq!(parse_state(Some(1), None), None);
        assert_eq!(parse_state(None, Some("logout")), None);
    }
}
