//! What an operator does from the command line, on the stores directly: the gateway may be running or not. A
//! running one learns of ended sessions from the durable store within a quarter of a second.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::AppError;
use super::runtime::install_crypto;
use crate::actors::{AuthHandle, AuthSystem, MINTED_AT_ONCE, MigrationRun, Mint, Registration, migrations};
use crate::config::Settings;
use crate::domain::account::Account;
use crate::domain::audit::AuditEvent;
use crate::domain::email::EmailAddress;
use crate::domain::id::AccountId;
use crate::domain::name::DisplayName;
use crate::domain::password::Password;
use crate::live::Clock;
use crate::store::MigrationStatus;
use crate::telemetry::metrics::Metrics;

/// Accounts, or events, per page of a listing.
const PAGE: u32 = 1000;

/// Applies pending migrations, or says which are pending.
///
/// # Errors
/// The store does not answer, or holds a schema that this program does not know.
pub fn migrate(settings: &Settings, apply: bool) -> Result<MigrationStatus, AppError> {
    install_crypto();
    let run = if apply { MigrationRun::Up } else { MigrationRun::Status };
    Ok(migrations(settings, run)?)
}

/// Roles travel in every token, and a token is 8 KiB at most.
const MOST_ROLES: usize = 32;

/// Tokens to be made without a login.
#[derive(Debug, Clone)]
pub struct MintOrder {
    /// Whose.
    pub subject: AccountId,
    /// Address in the tokens instead of the account's.
    pub email: Option<String>,
    /// Roles in the tokens instead of the account's, unless empty.
    pub roles: Vec<String>,
    /// Scopes.
    pub scopes: Vec<String>,
    /// Life of each token and its session.
    pub lifetime: Duration,
    /// How long ago their sessions began: longer than their life, and they have expired.
    pub age: Duration,
    /// How many.
    pub count: u32,
}

/// The actors without the gateway.
pub struct Operator {
    system: AuthSystem,
}

impl Operator {
    /// Opens the stores.
    ///
    /// # Errors
    /// As the start of the gateway.
    pub fn open(settings: &Settings) -> Result<Self, AppError> {
        install_crypto();
        let clock = Clock::System;
        let metrics =
            Metrics::new(clock.now().unix_seconds()).map_err(|error| AppError::Failed(error.to_string()))?;
        Ok(Self { system: AuthSystem::for_command(settings, Arc::new(metrics), clock)? })
    }

    /// Makes an account, by the rules of registration, with roles, also while registration is closed.
    ///
    /// # Errors
    /// A field is wrong, the address is taken, the password weak, or the store does not answer.
    pub fn create(
        &self,
        email: &str,
        password: &SecretString,
        name: Option<&str>,
        roles: Vec<String>,
    ) -> Result<Account, AppError> {
        if roles.len() > MOST_ROLES {
            return Err(AppError::Failed(format!("an account may have {MOST_ROLES} roles")));
        }
        let wrong = |what: &str, error: &dyn std::fmt::Display| AppError::Failed(format!("{what}: {error}"));
        let ask = Registration {
            address: None,
            email: EmailAddress::parse(email).map_err(|error| wrong("e-mail address", &error))?,
            password: Password::parse(password.expose_secret().to_owned())
                .map_err(|error| wrong("password", &error))?,
            name: name.map(DisplayName::parse).transpose().map_err(|error| wrong("name", &error))?,
            roles,
        };
        self.run(self.system.handle().register(ask))
    }

    /// All accounts, oldest first.
    ///
    /// # Errors
    /// The store does not answer.
    pub fn list(&self) -> Result<Vec<Account>, AppError> {
        let handle = self.system.handle();
        let mut all: Vec<Account> = Vec::new();
        loop {
            let page = self.run(handle.accounts(all.last().map(|account| account.id), PAGE))?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// The account with this address.
    ///
    /// # Errors
    /// It is no address, there is no such account, or the store does not answer.
    pub fn by_email(&self, email: &str) -> Result<AccountId, AppError> {
        let email = EmailAddress::parse(email).map_err(|error| AppError::Failed(error.to_string()))?;
        let found = self.run(self.system.handle().find(email.normal().to_owned()))?;
        found.map(|account| account.id).ok_or_else(no_account)
    }

    /// Disables an account; says how many sessions that ended.
    ///
    /// # Errors
    /// There is no such account, or the store does not answer.
    pub fn disable(&self, account: AccountId) -> Result<usize, AppError> {
        self.run(self.system.handle().disable(account))?.ok_or_else(no_account)
    }

    /// Lets a disabled account log in again.
    ///
    /// # Errors
    /// There is no such account, or the store does not answer.
    pub fn enable(&self, account: AccountId) -> Result<(), AppError> {
        if self.run(self.system.handle().enable(account))? { Ok(()) } else { Err(no_account()) }
    }

    /// All audit events, oldest first.
    ///
    /// # Errors
    /// The store does not answer.
    pub fn audit(&self) -> Result<Vec<AuditEvent>, AppError> {
        let handle = self.system.handle();
        let mut all: Vec<AuditEvent> = Vec::new();
        loop {
            let page = self.run(handle.audit_events(all.last().map(|event| event.id), PAGE))?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// Mints tokens, each with a session of its own, and hands them over as they come.
    ///
    /// # Errors
    /// There is no such account, it is disabled, or the store does not answer: some may have been made.
    pub fn mint(&self, order: &MintOrder, mut each: impl FnMut(&str)) -> Result<(), AppError> {
        let handle = self.system.handle();
        let mut account = self.run(handle.account(order.subject))?.ok_or_else(no_account)?;
        if let Some(email) = &order.email {
            account.email =
                EmailAddress::parse(email).map_err(|error| AppError::Failed(error.to_string()))?;
        }
        if !order.roles.is_empty() {
            account.roles.clone_from(&order.roles);
        }
        let scope = order.scopes.join(" ");
        let mut left = usize::try_from(order.count).unwrap_or(usize::MAX);
        while left > 0 {
            let count = left.min(MINTED_AT_ONCE);
            let (lifetime, age) = (order.lifetime, order.age);
            let ask = Mint { account: account.clone(), lifetime, age, scope: scope.clone(), count };
            let grants = self.run(handle.mint(ask))?;
            grants.iter().for_each(|grant| each(grant.access_token.expose()));
            left = left.saturating_sub(count);
        }
        Ok(())
    }

    pub(super) fn handle(&self) -> AuthHandle {
        self.system.handle()
    }

    pub(super) fn run<T>(
        &self,
        call: impl Future<Output = Result<T, crate::actors::AuthError>>,
    ) -> Result<T, AppError> {
        match self.system.run(call) {
            Some(outcome) => Ok(outcome?),
            None => Err(AppError::Failed("the actors have stopped".to_owned())),
        }
    }
}

pub(super) fn no_account() -> AppError {
    AppError::Failed("there is no such account".to_owned())
}
