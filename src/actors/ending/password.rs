//! What a person must prove the password for: a new password, the end of the account.
//!
//! Both carry the epoch that was read with the hash: another change of the password that comes between makes
//! them fail, for its end of all sessions ended the one that asks.

use std::net::IpAddr;
use std::sync::Arc;

use super::ask::{AccountDeletion, PasswordChange, Principal};
use super::work::{account_of, announce, delete};
use crate::actors::AuthError;
use crate::actors::hasher::{Checked, HashWork};
use crate::actors::random::random_bytes;
use crate::actors::workshop::Workshop;
use crate::domain::account::{Account, CredentialEpoch};
use crate::domain::password::Password;
use crate::store;

pub(super) async fn change(shop: &Arc<Workshop>, ask: PasswordChange) -> Result<(), AuthError> {
    let (account, epoch) = prove(shop, ask.by, ask.address, ask.current).await?;
    let context = account.email.as_shown().split('@').chain(account.name.as_deref());
    let context = context.map(str::to_owned).collect();
    let (password, salt) = (ask.new, random_bytes()?);
    let new = shop.hash(|reply| HashWork::New { password, context, salt, reply }).await?;
    let change = store::PasswordChange { account: account.id, epoch, new, last: ask.by.session_id };
    let mut count = 0;
    loop {
        let Some(ended) = shop.durable.change_password(&change, shop.clock.now()).await? else {
            return Err(AuthError::SessionEnded);
        };
        let more = ended.more;
        count += announce(shop, account.id, ended).await?;
        if !more {
            tracing::info!(account = %account.id, sessions = count, "password changed");
            return Ok(());
        }
    }
}

pub(super) async fn delete_own(shop: &Arc<Workshop>, ask: AccountDeletion) -> Result<(), AuthError> {
    let (account, epoch) = prove(shop, ask.by, ask.address, ask.password).await?;
    let gone = delete(shop, account.id, Some((ask.by.session_id, epoch))).await?;
    gone.map(|_| ()).ok_or(AuthError::SessionEnded)
}

/// Checks the password of whoever asks, at the price of a hash. Whoever has stolen a token of a session does not get to
/// guess the password with it.
async fn prove(
    shop: &Workshop,
    by: Principal,
    address: IpAddr,
    password: Password,
) -> Result<(Account, CredentialEpoch), AuthError> {
    let admitted = shop.attempts.password(address, by.account_id, by.session_id).await?;
    let outcome = admitted_proof(shop, by, password).await;
    shop.attempts.settle(admitted, &outcome).await;
    outcome
}

async fn admitted_proof(
    shop: &Workshop,
    by: Principal,
    password: Password,
) -> Result<(Account, CredentialEpoch), AuthError> {
    let account = account_of(shop, by).await?;
    let found = shop.durable.credentials(account.email.normal()).await?;
    let Some(found) = found.filter(|found| found.account.id == account.id) else {
        return Err(AuthError::AccountGone);
    };
    let (salt, stored) = (random_bytes()?, Some(found.stored_hash));
    match shop.hash(|reply| HashWork::Verify { password, stored, salt, reply }).await? {
        Checked::Right | Checked::RightWithRehash(_) => Ok((found.account, found.epoch)),
        Checked::Wrong => Err(AuthError::WrongPassword),
    }
}
