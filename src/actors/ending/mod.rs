//! How sessions end before their time, other than one by one at their own logout: the others or all of an account,
//! one of a list, with a change of the password, with the account.
//!
//! Each is a row in the durable store before it is anything else. An account with thousands of sessions is worked
//! on page by page, a transaction each; what must not be half done (a new password with old sessions alive, an
//! account that is gone with sessions left) happens in the transaction of the last page.
//!
//! Whoever asks with a token is looked up in the durable store first: its session may have ended at another
//! replica a moment ago, and then it must not end others.

mod ask;
mod handle;
mod message;
mod password;
mod work;

pub use ask::{AccountDeletion, Logout, LogoutScope, PasswordChange, Principal, Renaming, SessionPage};
pub use message::EndingMessage;
pub(super) use work::announce;
