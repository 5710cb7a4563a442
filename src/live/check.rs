//! Is this token valid now?
//!
//! Verifying a signature costs 4 to 66 microseconds, so verified tokens are kept: the key is the whole
//! token (hashed with a per-process random key, compared in full), and a hit still asks what may have
//! changed since: time, key ring, revocations. A new ring or a retired key does not empty the cache: each entry is
//! asked once whether its key is still good. Only tokens that verified are kept, so nothing an attacker
//! sends can grow the cache or push good tokens out of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::{Clock, IdentityValues, KeyMark, LiveKeys, LiveRevocations, Moment, OpenRequests};
use crate::domain::keyring::{Keyring, SigningKey};
use crate::domain::token::{self, Parties, TokenRefusal, VerifiedClaims};

/// Bytes that the cache of verified tokens may hold.
const CACHE_BYTES: u64 = 32 * 1024 * 1024;
/// What an entry costs besides its token text: claims, header values, table slots (measured by size_of
/// and an average of the strings).
const ENTRY_OVERHEAD: u64 = 768;

/// A token that was valid at the time of the check, with what services are told about it.
#[derive(Debug)]
pub struct Verified {
    claims: VerifiedClaims,
    identity: IdentityValues,
    key: Arc<SigningKey>,
    /// The same key for the registry of open requests.
    mark: KeyMark,
    /// The state of ring and retired keys in which `key` was last found good; see [`stamp`].
    key_good_at: AtomicU64,
}

impl Verified {
    /// Its claims.
    pub fn claims(&self) -> &VerifiedClaims {
        &self.claims
    }

    /// Its identity header values.
    pub fn identity(&self) -> &IdentityValues {
        &self.identity
    }

    /// The id of the key that signed it.
    pub fn kid(&self) -> &str {
        self.key.kid()
    }

    /// The key that signed it.
    pub fn key(&self) -> KeyMark {
        self.mark
    }
}

#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<Box<str>, Arc<Verified>> for ByBytes {
    fn weight(&self, token: &Box<str>, _: &Arc<Verified>) -> u64 {
        u64::try_from(token.len()).unwrap_or(u64::MAX).saturating_add(ENTRY_OVERHEAD)
    }
}

/// Decides whether a token is valid now.
pub struct TokenCheck {
    parties: Parties,
    keys: LiveKeys,
    revocations: LiveRevocations,
    clock: Clock,
    verified: Cache<Box<str>, Arc<Verified>, ByBytes>,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// How often the cache of verified tokens was of use, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheUse {
    /// Checks of a token that was in it.
    pub hits: u64,
    /// Checks that had to verify a signature.
    pub misses: u64,
}

impl TokenCheck {
    /// A check with an empty cache.
    pub fn new(parties: Parties, keys: LiveKeys, revocations: LiveRevocations, clock: Clock) -> Self {
        let entries = usize::try_from(CACHE_BYTES / (ENTRY_OVERHEAD + 700)).unwrap_or(1);
        let verified = Cache::with_weighter(entries, CACHE_BYTES, ByBytes);
        Self {
            parties,
            keys,
            revocations,
            clock,
            verified,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// The ring in force, to publish or to mint with.
    pub fn keys(&self) -> &LiveKeys {
        &self.keys
    }

    /// The requests that its answers let in.
    pub fn open_requests(&self) -> &OpenRequests {
        self.revocations.open_requests()
    }

    /// The clock that decides.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// The ended sessions, and how fresh that knowledge is.
    pub fn revocations(&self) -> &LiveRevocations {
        &self.revocations
    }

    /// Tokens in the cache.
    pub fn cached(&self) -> usize {
        self.verified.len()
    }

    /// How the cache was used. Counted here, for this layer knows no metrics.
    pub fn cache_use(&self) -> CacheUse {
        CacheUse { hits: self.hits.load(Ordering::Relaxed), misses: self.misses.load(Ordering::Relaxed) }
    }

    /// Judges a token by everything this process knows at this moment. Whether that is enough to let a request
    /// pass is another question: see [`LiveRevocations::is_fresh`].
    ///
    /// # Errors
    /// Why it is refused; for logs and metrics only.
    pub fn check(&self, token: &str) -> Result<Arc<Verified>, TokenRefusal> {
        // Before the look at what is retired.
        let epoch = self.revocations.key_epoch();
        let keys = self.keys.load();
        let now = self.clock.now();
        let verified = match self.verified.get(token) {
            Some(hit) => {
                self.hits.fetch_add(1, Ordering::Relaxed);
                if !hit.claims.is_current(now) {
                    return Err(TokenRefusal::Expired);
                }
                hit
            }
            None => {
                self.misses.fetch_add(1, Ordering::Relaxed);
                let claims =
                    token::verify(token, &self.parties, &keys, now).map_err(|why| self.judged(why, token))?;
                let key = self.key_of(token, &keys).ok_or(TokenRefusal::UnknownHeader)?;
                let identity = IdentityValues::of(&claims);
                let (mark, key_good_at) = (KeyMark::of(key.kid()), AtomicU64::new(0));
                let fresh = Arc::new(Verified { claims, identity, key, mark, key_good_at });
                self.check_key(&fresh, &keys, epoch)?;
                self.verified.insert(token.into(), Arc::clone(&fresh));
                fresh
            }
        };
        self.check_key(&verified, &keys, epoch)?;
        if self.revocations.contains(verified.claims.session_id()) {
            return Err(TokenRefusal::SessionEnded);
        }
        Ok(verified)
    }

    /// Whether the key of a verified token is good. One comparison, unless something about keys has changed.
    fn check_key(&self, verified: &Verified, keys: &Keyring, epoch: u32) -> Result<(), TokenRefusal> {
        let stamp = stamp(keys.generation(), epoch);
        if verified.key_good_at.load(Ordering::Relaxed) == stamp {
            return Ok(());
        }
        if self.revocations.contains_key(verified.key.kid()) {
            return Err(TokenRefusal::KeyRetired);
        }
        if keys.key_for_header(verified.key.header_segment()).is_none() {
            return Err(TokenRefusal::UnknownHeader);
        }
        verified.key_good_at.store(stamp, Ordering::Relaxed);
        Ok(())
    }

    fn key_of(&self, token: &str, keys: &Keyring) -> Option<Arc<SigningKey>> {
        token.split('.').next().and_then(|header| keys.key_for_header(header)).cloned()
    }

    /// A header that no key makes: it may be of a retired key, or of one that the others have made while this
    /// process could not read the store. Memory only, whatever is sent.
    fn judged(&self, why: TokenRefusal, token: &str) -> TokenRefusal {
        if why != TokenRefusal::UnknownHeader {
            return why;
        }
        match token.split('.').next().and_then(token::kid_of_our_form) {
            Some(kid) if self.revocations.contains_key(&kid) => TokenRefusal::KeyRetired,
            Some(_) if !self.keys.is_fresh(Moment::now()) => TokenRefusal::KeysStale,
            Some(_) | None => why,
        }
    }
}

/// One number for the ring and the number of retired keys; never 0, for rings are numbered from 1.
fn stamp(generation: u64, epoch: u32) -> u64 {
    generation << 32 | u64::from(epoch)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::domain::id::{AccountId, SessionId, TokenId};
    use crate::domain::keyring::{Keyring, SigningKey};
    use crate::domain::revocation::{Revocation, Revoked};
    use crate::domain::session::EndReason;
    use crate::domain::token::Grant;
    use crate::live::{KeyPublisher, RevocationPublisher, keys_channel, revocations_channel};

    const NOW: Timestamp = Timestamp::from_unix_millis(1_800_000_000_000);

    fn ring(generation: u64, secret: u8) -> Keyring {
        Keyring::new(generation, SigningKey::from_secret(&[secret; 32]), Vec::new())
    }

    fn setup() -> (TokenCheck, KeyPublisher, RevocationPublisher, String, SessionId) {
        let parties = Parties { issuer: "gw".into(), audience: "svc".into() };
        let (key_publisher, keys) = keys_channel(ring(1, 7));
        let (revocation_publisher, revocations) = revocations_channel(Duration::from_secs(1));
        let session_id = SessionId::new(NOW, [2; 10]);
        let grant = Grant {
            account_id: AccountId::new(NOW, [1; 10]),
            session_id,
            token_id: TokenId::new(NOW, [3; 10]),
            scope: String::new(),
            roles: vec!["a".into(), "b".into()],
            email: "a@example.org".into(),
            issued_at: NOW,
            expires_at: NOW.plus(Duration::from_secs(60)),
            status: None,
        };
        let token = token::mint(&grant, &parties, &keys.load()).unwrap();
        let check = TokenCheck::new(parties, keys, revocations, Clock::Stopped(NOW));
        (check, key_publisher, revocation_publisher, token, session_id)
    }

    #[test]
    fn a_cached_token_is_refused_once_its_session_is_revoked() {
        let (check, _keys, revocations, token, session_id) = setup();
        assert!(check.check(&token).is_ok());
        assert_eq!(check.cached(), 1);
        assert_eq!(check.cache_use(), CacheUse { hits: 0, misses: 1 });
        revocations.add(&[Revocation {
            number: 1,
            revoked: Revoked::Session { id: session_id, status_index: None },
            forget_at: NOW.plus(Duration::from_secs(3600)),
            revoked_at: NOW,
            reason: EndReason::Logout,
        }]);
        assert_eq!(check.check(&token).map(|_| ()), Err(TokenRefusal::SessionEnded));
        assert_eq!(check.cache_use(), CacheUse { hits: 1, misses: 1 });
    }

    #[test]
    fn a_cached_token_is_refused_once_it_expires() {
        let (mut check, _keys, _revocations, token, _) = setup();
        assert!(check.check(&token).is_ok());
        check.clock = Clock::Stopped(NOW.plus(Duration::from_secs(66)));
        assert_eq!(check.check(&token).map(|_| ()), Err(TokenRefusal::Expired));
    }

    #[test]
    fn a_cached_token_is_refused_once_its_key_is_gone() {
        let (check, mut keys, _revocations, token, _) = setup();
        assert!(check.check(&token).is_ok());
        keys.publish(ring(2, 8));
        assert_eq!(check.check(&token).map(|_| ()), Err(TokenRefusal::UnknownHeader));
    }

    #[test]
    fn a_new_ring_with_the_same_key_verifies_nothing_again() {
        let (check, mut keys, _revocations, token, _) = setup();
        assert!(check.check(&token).is_ok());
        let mine = Arc::clone(&keys.ring().keys()[0]);
        keys.publish(Keyring::new(2, SigningKey::from_secret(&[8; 32]), vec![mine]));
        assert!(check.check(&token).is_ok());
        assert!(check.check(&token).is_ok());
        assert_eq!(check.cache_use(), CacheUse { hits: 2, misses: 1 });
    }

    fn retired(kid: &str) -> Revocation {
        Revocation {
            number: 1,
            revoked: Revoked::Key { kid: kid.to_owned() },
            forget_at: NOW.plus(Duration::from_secs(3600)),
            revoked_at: NOW,
            reason: EndReason::KeyRetired,
        }
    }

    #[test]
    fn tokens_of_a_retired_key_are_refused_before_and_after_it_leaves_the_ring() {
        for cached in [true, false] {
            let (check, mut keys, revocations, token, _) = setup();
            if cached {
                assert!(check.check(&token).is_ok());
            }
            revocations.add(&[retired("another")]);
            revocations.add(&[retired(keys.ring().signer().kid())]);
            assert_eq!(check.check(&token).map(|_| ()), Err(TokenRefusal::KeyRetired));
            keys.publish(ring(2, 8));
            assert!(check.check(&token).is_err());
        }
    }

    #[test]
    fn an_unknown_key_is_our_fault_only_while_the_keys_are_old() {
        let (check, mut keys, revocations, ..) = setup();
        let kid = "A".repeat(43);
        let header = crate::domain::keyring::access_token_header("EdDSA", &kid);
        let token = format!("{header}.e30.AAAA");
        keys.mark_followed(Moment::now());
        assert_eq!(check.check(&token).map(|_| ()), Err(TokenRefusal::UnknownHeader));
        keys.mark_followed(Moment::NEVER);
        assert_eq!(check.check(&token).map(|_| ()), Err(TokenRefusal::KeysStale));
        assert_eq!(
            check.check("e30.e30.AAAA").map(|_| ()),
            Err(TokenRefusal::UnknownHeader),
            "not of our form"
        );
        revocations.add(&[retired(&kid)]);
        assert_eq!(check.check(&token).map(|_| ()), Err(TokenRefusal::KeyRetired));
    }

    #[test]
    fn a_refused_token_is_not_kept() {
        let (check, _keys, _revocations, token, _) = setup();
        for n in 0..100 {
            assert!(check.check(&format!("{token}{n}")).is_err());
        }
        assert_eq!(check.cached(), 0);
    }

    #[test]
    fn the_identity_of_a_token_is_what_it_claims() {
        let (check, _keys, _revocations, token, session_id) = setup();
        let verified = check.check(&token).unwrap();
        assert_eq!(verified.identity().groups, "a,b");
        assert_eq!(verified.identity().email, "a@example.org");
        assert_eq!(verified.identity().session, session_id.to_string().as_str());
    }
}
