//! What may be asked, as types that were checked at the edge.

use std::net::IpAddr;

use crate::domain::id::{AccountId, SessionId};
use crate::domain::name::DisplayName;
use crate::domain::password::Password;
use crate::domain::session::Session;

/// Who asks: the account and the session of a token that verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Principal {
    /// The account.
    pub account_id: AccountId,
    /// The session.
    pub session_id: SessionId,
}

/// An end of sessions by the person they belong to.
#[derive(Debug, Clone, Copy)]
pub struct Logout {
    /// Who asks.
    pub by: Principal,
    /// Which sessions.
    pub scope: LogoutScope,
}

/// Which sessions a logout ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogoutScope {
    /// The session that asks.
    Local,
    /// All of the account but the one that asks.
    Others,
    /// All of the account.
    Global,
}

/// A page of live sessions, newest first.
#[derive(Debug)]
pub struct SessionPage {
    /// The sessions.
    pub sessions: Vec<Session>,
    /// There are older ones.
    pub more: bool,
}

/// A change of the password by its owner.
#[derive(Debug)]
pub struct PasswordChange {
    /// Who asks.
    pub by: Principal,
    /// From where.
    pub address: IpAddr,
    /// The password so far.
    pub current: Password,
    /// The password from now on, not yet judged by the policy.
    pub new: Password,
}

/// The end of an account by its owner.
#[derive(Debug)]
pub struct AccountDeletion {
    /// Who asks.
    pub by: Principal,
    /// From where.
    pub address: IpAddr,
    /// The password.
    pub password: Password,
}

/// A change of one's name.
#[derive(Debug)]
pub struct Renaming {
    /// Who asks.
    pub by: Principal,
    /// The name from now on.
    pub name: Option<DisplayName>,
}
