//! Identifiers: UUIDv7 (RFC 9562), one type per kind of thing, so that a session id never stands
//! where an account id belongs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::clock::Timestamp;

/// The text is not a UUID in its canonical hyphenated lower-case form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id: expected a lower-case hyphenated UUID")]
pub struct ParseIdError;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id: the millisecond of its birth, then the 74 usable bits of `random`.
            pub fn new(now: Timestamp, random: [u8; 10]) -> Self {
                let millis = u64::try_from(now.unix_millis()).unwrap_or(0);
                Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
            }

            /// An id that a store kept.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID, for a store.
            pub const fn as_uuid(&self) -> &Uuid {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            /// Takes the canonical form only: one id has one spelling.
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let uuid = Uuid::try_parse(text).map_err(|_| ParseIdError)?;
                let id = Self(uuid);
                if id.to_string() == text { Ok(id) } else { Err(ParseIdError) }
            }
        }
    };
}

id!(
    /// An account: the `sub` of its tokens.
    AccountId
);
id!(
    /// A session, from a login to its end: the `sid` of its tokens.
    SessionId
);
id!(
    /// One token: its `jti`.
    TokenId
);
id!(
    /// One run of a process that serves, as the other replicas know it.
    ReplicaId
);
id!(
    /// One entry of the audit trail.
    AuditEventId
);
id!(
    /// One request, as logs and error answers name it.
    RequestId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_version_7_uuid_that_carries_its_time() {
        let id = AccountId::new(Timestamp::from_unix_millis(0x0123_4567_89ab), [0xff; 10]);
        assert_eq!(id.to_string(), "01234567-89ab-7fff-bfff-ffffffffffff");
    }

    #[test]
    fn only_the_canonical_spelling_parses() {
        let text = "01234567-89ab-7fff-bfff-ffffffffffff";
        assert_eq!(text.parse::<SessionId>().map(|id| id.to_string()), Ok(text.to_owned()));
        for other in [text.to_uppercase(), text.replace('-', ""), format!("{{{text}}}"), String::new()] {
            assert_eq!(other.parse::<SessionId>(), Err(ParseIdError), "{other}");
        }
    }
}
