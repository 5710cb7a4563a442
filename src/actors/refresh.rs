//! Refreshing: an old refresh token for a new one and an access token.
//!
//! The store decides and commits; here the texts are made, which no store sees, and what happened is told.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::AuthError;
use super::ending::announce;
use super::grant::grant;
use super::random::random_bytes;
use super::requests::{ClientFacts, TokenPair};
use super::workshop::Workshop;
use crate::domain::audit::AuditNote;
use crate::domain::clock::Timestamp;
use crate::domain::id::{AccountId, AuditEventId, SessionId};
use crate::domain::refresh::{
    ClientFingerprint, RefreshRefusal, RefreshToken, RefreshTokenState, RefreshTokenText, Standing,
    SuccessorNonce, standing,
};
use crate::domain::session::Session;
use crate::store::{Presentation, Refreshed, Turn};
use crate::telemetry::RefreshResult;

/// Refreshes that ask the store at once. A crowd of them (every tab of every browser, after an outage) waits for its
/// turn outside of the store's short deadline: inside, it would spend that on the queue for a connection, be cut off
/// half way, lose the connection with it, and come back.
pub const REFRESHES_AT_ONCE: usize = 8;
/// How long one waits for its turn at most.
const TURN_WITHIN: Duration = Duration::from_secs(2);

/// A refresh token that a client presents.
#[derive(Debug)]
pub struct Refresh {
    /// The token.
    pub token: RefreshTokenText,
    /// The client's address.
    pub address: IpAddr,
    /// Who asks, for the audit trail.
    pub client: ClientFacts,
}

/// What is known of a refresh token.
#[derive(Debug, Clone, Copy)]
pub struct RefreshTokenFacts {
    /// Its family.
    pub session_id: SessionId,
    /// Whose.
    pub account_id: AccountId,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Its idle end; not later than the session's.
    pub expires_at: Timestamp,
    /// Whether it is the one that may be used.
    pub standing: Standing,
}

/// The first token of a session, and what is stored of it.
pub fn first_token(
    shop: &Workshop,
    session: &Session,
) -> Result<(RefreshTokenText, RefreshToken), AuthError> {
    let text = RefreshTokenText::from_random(random_bytes()?);
    let stored = RefreshToken {
        hash: text.hash(),
        session_id: session.id,
        issued_at: session.created_at,
        expires_at: shop.refresh_rules.idle_end(session.created_at, session),
        state: RefreshTokenState::Live,
    };
    Ok((text, stored))
}

/// Has the store judge the token, and does what follows.
pub async fn refresh(shop: &Arc<Workshop>, ask: Refresh) -> Result<TokenPair, AuthError> {
    let Ok(turn) = tokio::time::timeout(TURN_WITHIN, shop.refresh_turns.acquire()).await else {
        shop.metrics.refresh(RefreshResult::Busy);
        return Err(AuthError::Busy);
    };
    let now = shop.clock.now();
    let nonce = SuccessorNonce::from_bytes(random_bytes()?);
    let presented = Presentation {
        hash: ask.token.hash(),
        client: ClientFingerprint::of(ask.address, ask.client.user_agent.as_deref()),
        now,
        rules: shop.refresh_rules,
        nonce,
        successor: ask.token.successor(&nonce).hash(),
        note: AuditNote {
            id: AuditEventId::new(now, random_bytes()?),
            address: ask.client.address,
            user_agent: ask.client.user_agent,
        },
    };
    let refreshed = shop.durable.refresh(&presented).await;
    drop(turn);
    // Only a token that was never handed out is charged, and refused: whoever has one of ours may try it as often as they
    // like, whatever others behind the same address do. Looks into the store are bounded by the turns.
    if matches!(refreshed, Ok(Refreshed::Refused { refusal: RefreshRefusal::Unknown, .. })) {
        shop.attempts.secret(ask.address).inspect_err(|_| shop.metrics.refresh(RefreshResult::TooMany))?;
    }
    shop.metrics.refresh(refreshed.as_ref().map_or(RefreshResult::Error, result));
    match refreshed? {
        Refreshed::Granted { record, nonce, turn: _ } => {
            // No scope: a login grants none. Roles and address are those of the account as it is now.
            let lifetime = shop.access_lifetime;
            let access = grant(shop, &record.account, &record.session, lifetime, String::new(), now)?;
            Ok(TokenPair { access, refresh_token: ask.token.successor(&nonce), device_cookie: None })
        }
        Refreshed::Reused { account_id, session_id, ended } => {
            let address = presented.note.address.unwrap_or_default();
            tracing::warn!(account = %account_id, session = %session_id, address, "refresh token reused; session ended");
            // Ended it is, whatever comes of telling the others.
            let _told = announce(shop, account_id, ended).await;
            Err(AuthError::InvalidRefreshToken)
        }
        Refreshed::Refused { refusal, session_id: Some(session) } => {
            tracing::info!(%session, reason = refusal.as_str(), "refresh refused");
            Err(AuthError::InvalidRefreshToken)
        }
        Refreshed::Refused { refusal, session_id: None } => {
            // Anybody can cause this as often as they like.
            tracing::debug!(reason = refusal.as_str(), "refresh refused");
            Err(AuthError::InvalidRefreshToken)
        }
    }
}

fn result(refreshed: &Refreshed) -> RefreshResult {
    match refreshed {
        Refreshed::Granted { turn: Turn::First, .. } => RefreshResult::Rotated,
        Refreshed::Granted { turn: Turn::Again, .. } => RefreshResult::Repeated,
        Refreshed::Reused { .. } => RefreshResult::Reused,
        Refreshed::Refused { refusal, .. } => match refusal {
            RefreshRefusal::Unknown => RefreshResult::Unknown,
            RefreshRefusal::Expired => RefreshResult::Expired,
            RefreshRefusal::Ended => RefreshResult::Ended,
        },
    }
}

/// Looks a token up; changes nothing.
pub async fn facts(
    shop: &Workshop,
    token: &RefreshTokenText,
) -> Result<Option<RefreshTokenFacts>, AuthError> {
    let record = shop.durable.refresh_token(token.hash()).await?;
    let now = shop.clock.now();
    Ok(record.map(|record| RefreshTokenFacts {
        session_id: record.session.id,
        account_id: record.account.id,
        issued_at: record.token.issued_at,
        expires_at: record.token.expires_at,
        standing: standing(&record, now),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::{AuthSystem, Login, Registration};
    use crate::config::{Flag, Sources, load};
    use crate::domain::email::EmailAddress;
    use crate::domain::password::Password;
    use crate::live::Clock;
    use crate::telemetry::metrics::Metrics;

    fn start(data_dir: &std::path::Path) -> AuthSystem {
        let flag = |key: &str, value: String| Flag { key: key.to_owned(), value, name: "--test".to_owned() };
        let flags = vec![
            flag("server.data_dir", data_dir.display().to_string()),
            flag("password.bcrypt_cost", "10".to_owned()),
        ];
        let settings = load(&Sources { flags, ..Sources::default() }).unwrap().settings;
        AuthSystem::start(&settings, Arc::new(Metrics::new(0).unwrap()), Clock::System).unwrap()
    }

    #[test]
    fn facts_tell_the_live_token_from_its_predecessor_and_change_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let system = start(folder.path());
        let handle = system.handle();
        let email = || EmailAddress::parse("ada@example.org").unwrap();
        let password = || Password::parse("seven purple otters juggle".to_owned()).unwrap();
        let copy = |text: &RefreshTokenText| RefreshTokenText::parse(&text.expose()).unwrap();
        let standings = |tokens: [&RefreshTokenText; 2]| {
            tokens.map(|token| {
                let facts = system.run(handle.refresh_token_facts(copy(token))).unwrap().unwrap();
                facts.map(|facts| facts.standing)
            })
        };
        system
            .run(async {
                let roles = Vec::new();
                let ask =
                    Registration { email: email(), password: password(), name: None, roles, address: None };
                handle.register(ask).await
            })
            .unwrap()
            .unwrap();
        let address = IpAddr::from([127, 0, 0, 1]);
        let ask = Login {
            email: Some(email()),
            password: password(),
            address,
            device_cookie: None,
            session: None,
            client: ClientFacts::default(),
        };
        let pair = system.run(handle.login(ask)).unwrap().unwrap();
        let stranger = RefreshTokenText::from_random([7; 32]);
        assert_eq!(standings([&pair.refresh_token, &stranger]), [Some(Standing::Live), None]);

        let ask = Refresh { token: copy(&pair.refresh_token), address, client: ClientFacts::default() };
        let next = system.run(handle.refresh(ask)).unwrap().unwrap();
        for _ in 0..2 {
            let found = standings([&pair.refresh_token, &next.refresh_token]);
            assert_eq!(found, [Some(Standing::Rotated), Some(Standing::Live)]);
        }
    }
}
