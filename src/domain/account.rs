//! An account: who somebody is to the gateway.

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::email::EmailAddress;
use super::id::AccountId;
use super::password_hash::PasswordHash;

/// Whether an account may log in and use its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountStatus {
    /// May log in.
    Active,
    /// May not log in; every session was ended when this was set.
    Disabled,
}

impl AccountStatus {
    /// The word both stores keep.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }
}

/// An account as stored, without its password hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id, for ever the same.
    pub id: AccountId,
    /// The address, as given and in the normal form that is unique.
    pub email: EmailAddress,
    /// Whether the address was shown to be theirs.
    pub email_verified: bool,
    /// What they call themselves.
    pub name: Option<String>,
    /// The groups a service may decide on, sorted, without repetition.
    pub roles: Vec<String>,
    /// May it log in.
    pub status: AccountStatus,
    /// When it was registered.
    pub created_at: Timestamp,
}

/// An account to be stored.
#[derive(Debug)]
pub struct NewAccount {
    /// The account.
    pub account: Account,
    /// The hash of its password.
    pub password_hash: PasswordHash,
}

/// How often the password of an account was changed. Hashing the same password anew does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialEpoch(pub i64);

/// What a login needs: the account and the hash to check against.
#[derive(Debug)]
pub struct Credentials {
    /// The account.
    pub account: Account,
    /// Text of the stored hash, not yet judged: it may be foreign or damaged.
    pub stored_hash: super::password_hash::StoredHash,
    /// The epoch that the hash belongs to.
    pub epoch: CredentialEpoch,
}
