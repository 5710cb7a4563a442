//! Accounts: registering them, looking them up, and what an operator does to them.

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::AuthError;
use super::ending::announce;
use super::hasher::HashWork;
use super::job::Job;
use super::random::random_bytes;
use super::requests::Registration;
use super::workshop::Workshop;
use crate::domain::account::{Account, AccountStatus, NewAccount};
use crate::domain::id::{AccountId, SessionId};

/// What may be asked of [`Accounts`].
pub enum AccountsMessage {
    /// Make an account.
    Register(Job<Registration, Account>),
    /// The account behind a session, if both are still good.
    Profile(Job<(AccountId, SessionId), Account>),
    /// Whether account, session and key are good, by the durable store alone.
    Confirm(Job<(AccountId, SessionId, String), ()>),
    /// Accounts in order of age, after one, at most so many.
    List(Job<(Option<AccountId>, u32), Vec<Account>>),
    /// The account with this id.
    ById(Job<AccountId, Option<Account>>),
    /// The account with this address in normal form.
    Find(Job<String, Option<Account>>),
    /// Disable an account and end its sessions; the number of ended sessions, or none without account.
    Disable(Job<AccountId, Option<usize>>),
    /// Let a disabled account log in again; whether there is one.
    Enable(Job<AccountId, bool>),
    /// Breaks the actor, to see it come back.
    #[cfg(test)]
    Panic,
}

/// The actor.
pub struct Accounts;

impl Actor for Accounts {
    type Msg = AccountsMessage;
    type State = Arc<Workshop>;
    type Arguments = Arc<Workshop>;

    async fn pre_start(
        &self,
        _myself: ActorRef<AccountsMessage>,
        workshop: Arc<Workshop>,
    ) -> Result<Arc<Workshop>, ActorProcessingErr> {
        Ok(workshop)
    }

    async fn handle(
        &self,
        _myself: ActorRef<AccountsMessage>,
        message: AccountsMessage,
        workshop: &mut Arc<Workshop>,
    ) -> Result<(), ActorProcessingErr> {
        let shop = Arc::clone(workshop);
        match message {
            AccountsMessage::Register(job) => job.start(async move |ask| register(&shop, ask).await),
            AccountsMessage::Profile(job) => {
                job.start(async move |(account, session)| profile(&shop, account, session).await);
            }
            AccountsMessage::Confirm(job) => {
                job.start(async move |(account, session, kid)| confirm(&shop, account, session, &kid).await);
            }
            AccountsMessage::List(job) => {
                job.start(async move |(after, limit)| Ok(shop.durable.accounts(after, limit).await?));
            }
            AccountsMessage::ById(job) => job.start(async move |id| Ok(shop.durable.account(id).await?)),
            AccountsMessage::Find(job) => job.start(async move |email: String| {
                Ok(shop.durable.credentials(&email).await?.map(|found| found.account))
            }),
            AccountsMessage::Disable(job) => job.start(async move |id| disable(&shop, id).await),
            AccountsMessage::Enable(job) => {
                job.start(async move |id| Ok(shop.durable.enable_account(id).await?));
            }
            #[cfg(test)]
            AccountsMessage::Panic => panic!("broken on purpose"),
        }
        Ok(())
    }
}

async fn register(shop: &Workshop, ask: Registration) -> Result<Account, AuthError> {
    let Some(address) = ask.address else { return admitted_registration(shop, ask).await };
    let admitted = shop.attempts.registration(address).await?;
    let outcome = admitted_registration(shop, ask).await;
    shop.attempts.settle(admitted, &outcome).await;
    outcome
}

/// A registration that may be tried.
async fn admitted_registration(shop: &Workshop, ask: Registration) -> Result<Account, AuthError> {
    // An account that cannot be stored is not worth a hash; and whoever asks learns of an outage at once, not
    // behind a queue of hashes.
    shop.durable.ping().await?;
    let context = known_about(&ask);
    let salt = random_bytes()?;
    let password = ask.password;
    let password_hash = shop.hash(|reply| HashWork::New { password, context, salt, reply }).await?;
    let now = shop.clock.now();
    let mut roles = ask.roles;
    roles.sort();
    roles.dedup();
    let account = Account {
        id: AccountId::new(now, random_bytes()?),
        email: ask.email,
        email_verified: false,
        name: ask.name.map(|name| name.as_str().to_owned()),
        roles,
        status: AccountStatus::Active,
        created_at: now,
    };
    shop.durable.create_account(NewAccount { account: account.clone(), password_hash }).await?;
    Ok(account)
}

/// What a guesser knows about the person: the two halves of the address, and the name.
fn known_about(ask: &Registration) -> Vec<String> {
    let halves = ask.email.as_shown().split('@');
    halves.chain(ask.name.as_ref().map(|name| name.as_str())).map(str::to_owned).collect()
}

async fn profile(shop: &Workshop, id: AccountId, session: SessionId) -> Result<Account, AuthError> {
    // At once, so that an outage of both stores costs the longer of two deadlines and not their sum.
    let (account, record) = tokio::join!(shop.durable.account(id), shop.shared.session(session));
    let account = account?;
    if !shop.session_is_live(session, record).await? {
        return Err(AuthError::SessionEnded);
    }
    match account {
        Some(account) if account.status == AccountStatus::Active => Ok(account),
        Some(_) | None => Err(AuthError::AccountGone),
    }
}

/// Nothing but the truth: neither this process's revocations nor the records of the shared store.
async fn confirm(shop: &Workshop, id: AccountId, session: SessionId, kid: &str) -> Result<(), AuthError> {
    let (account, session, key_is_retired) = tokio::try_join!(
        shop.durable.account(id),
        shop.durable.session(session),
        shop.durable.key_is_retired(kid)
    )?;
    if key_is_retired {
        return Err(AuthError::SessionEnded);
    }
    if !session.is_some_and(|session| session.account_id == id && session.is_live(shop.clock.now())) {
        return Err(AuthError::SessionEnded);
    }
    match account {
        Some(account) if account.status == AccountStatus::Active => Ok(()),
        Some(_) | None => Err(AuthError::AccountGone),
    }
}

async fn disable(shop: &Arc<Workshop>, id: AccountId) -> Result<Option<usize>, AuthError> {
    let mut count = 0;
    loop {
        let Some(ended) = shop.durable.disable_account(id, shop.clock.now()).await? else {
            return Ok(None);
        };
        let more = ended.more;
        count += announce(shop, id, ended).await?;
        if !more {
            return Ok(Some(count));
        }
    }
}
