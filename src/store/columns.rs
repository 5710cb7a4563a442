//! How the two durable kinds spell domain values in columns, where both do it alike.
//!
//! What comes back from a database is not trusted: a word that means nothing gives `None`, and the
//! caller makes that [`StoreError::Corrupt`](super::StoreError::Corrupt).

use std::time::Duration;

use uuid::Uuid;

use crate::domain::account::AccountStatus;
use crate::domain::clock::Timestamp;
use crate::domain::id::SessionId;
use crate::domain::refresh::{ClientFingerprint, RefreshTokenState, SuccessorNonce};
use crate::domain::revocation::Revoked;
use crate::domain::session::{EndReason, SessionState, StatusIndex};

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
            reason: EndReason::parse(word),
        }),
        (Some(_), None) | (None, Some(_)) => None,
    }
}

/// The state behind the columns `rotated_at`, `rotated_by` and `successor_nonce`: the first two both set, or none.
pub(super) fn parse_refresh_state(
    rotated_at: Option<i64>,
    rotated_by: Option<&[u8]>,
    nonce: Option<&[u8]>,
) -> Option<RefreshTokenState> {
    match (rotated_at, rotated_by, nonce) {
        (None, None, None) => Some(RefreshTokenState::Live),
        (Some(at), Some(by), nonce) => Some(RefreshTokenState::Rotated {
            at: Timestamp::from_unix_millis(at),
            by: ClientFingerprint::from_bytes(by.try_into().ok()?),
            nonce: match nonce {
                Some(nonce) => Some(SuccessorNonce::from_bytes(nonce.try_into().ok()?)),
                None => None,
            },
        }),
        (Some(_), None, _) | (None, Some(_), _) | (None, None, Some(_)) => None,
    }
}

/// What the columns `session_id`, `status_index` and `kid` of a revocation say: one of a session or a key.
pub(super) fn parse_revoked(
    session: Option<Uuid>,
    status_index: Option<i64>,
    kid: Option<String>,
) -> Option<Revoked> {
    match (session, kid) {
        (Some(id), None) => Some(Revoked::Session {
            id: SessionId::from_uuid(id),
            status_index: status_index.map(StatusIndex),
        }),
        (None, Some(kid)) => Some(Revoked::Key { kid }),
        (Some(_), Some(_)) | (None, None) => None,
    }
}

/// The columns `session_id`, `status_index` and `kid` of a revocation.
pub(super) fn revoked_columns(revoked: &Revoked) -> (Option<Uuid>, Option<i64>, Option<&str>) {
    match revoked {
        Revoked::Session { id, status_index } => {
            (Some(*id.as_uuid()), status_index.map(|index| index.0), None)
        }
        Revoked::Key { kid } => (None, None, Some(kid)),
    }
}

/// A span in milliseconds, for a column.
pub(super) fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// The span behind a column in milliseconds; a negative one is none.
pub(super) fn span(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
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
        for state in [SessionState::Active, SessionState::Revoked { at, reason: EndReason::Logout }] {
            let (revoked_at, reason) = state_columns(state);
            assert_eq!(parse_state(revoked_at, reason), Some(state));
        }
    }

    #[test]
    fn every_reason_survives_its_word() {
        for reason in EndReason::ALL {
            assert_eq!(EndReason::parse(reason.as_str()), reason);
        }
    }

    #[test]
    fn a_word_that_means_nothing_is_no_value() {
        assert_eq!(parse_status("Active"), None);
        assert_eq!(parse_state(Some(1), None), None);
        assert_eq!(parse_state(None, Some("logout")), None);
        let (right, short) = ([7; 32], [7; 31]);
        assert!(parse_refresh_state(Some(1), Some(&right), Some(&right)).is_some());
        assert_eq!(parse_refresh_state(Some(1), Some(&short), None), None);
        assert_eq!(parse_refresh_state(Some(1), Some(&right), Some(&short)), None);
        assert_eq!(parse_refresh_state(None, Some(&right), None), None);
        assert_eq!(parse_refresh_state(None, None, Some(&right)), None);
    }
}
