//! The check itself.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::forgeries::Forgeries;
use super::verified::{Verified, VerifiedTokens};
use crate::domain::attempts::Limit;
use crate::domain::forwarding::TrustedProxies;
use crate::domain::keyring::Keyring;
use crate::domain::token::{self, MAX_TOKEN_BYTES, Parties, TokenRefusal};
use crate::live::{Clock, LiveKeys, LiveRevocations, Moment, OpenRequests};

/// Decides whether a token is valid now.
pub struct TokenCheck {
    parties: Parties,
    keys: LiveKeys,
    revocations: LiveRevocations,
    pub(super) clock: Clock,
    verified: VerifiedTokens,
    forgeries: Forgeries,
    limits: CheckLimits,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// What a check may spend.
#[derive(Debug, Clone)]
pub struct CheckLimits {
    /// Bytes of memory for tokens that verified. Default 32 MiB.
    pub cache_bytes: u64,
    /// Forged tokens of one address that are looked at in a minute, which it may send at once. 0: any number.
    /// Default 600.
    pub forged_per_minute: u32,
    /// Whether that holds for loopback addresses too. Default: no. Other programs of this machine may speak for many
    /// people.
    pub count_loopback: bool,
    /// Who speaks for many people for certain, and is not counted. Default: nobody.
    pub trusted_proxies: TrustedProxies,
}

impl Default for CheckLimits {
    fn default() -> Self {
        Self {
            cache_bytes: 32 * 1024 * 1024,
            forged_per_minute: 600,
            count_loopback: false,
            trusted_proxies: TrustedProxies::default(),
        }
    }
}

impl CheckLimits {
    /// Whether this is the address of one client, or of the few of one network.
    fn counts(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        !self.trusted_proxies.trusts(client) && (self.count_loopback || !client.is_loopback())
    }
}

/// How often the cache of verified tokens was of use, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheUse {
    /// Checks of a token that was in it.
    pub hits: u64,
    /// Checks of any other.
    pub misses: u64,
}

impl TokenCheck {
    /// A check with an empty cache and the default limits.
    pub fn new(parties: Parties, keys: LiveKeys, revocations: LiveRevocations, clock: Clock) -> Self {
        Self::with_limits(parties, keys, revocations, clock, CheckLimits::default())
    }

    /// A check with an empty cache.
    pub fn with_limits(
        parties: Parties,
        keys: LiveKeys,
        revocations: LiveRevocations,
        clock: Clock,
        limits: CheckLimits,
    ) -> Self {
        // So many at once, and as many in each minute.
        let forged = NonZeroU32::new(limits.forged_per_minute);
        let forged = forged.map(|most| Limit::new(most, Duration::from_mins(1) / most.get()));
        Self {
            parties,
            keys,
            revocations,
            clock,
            verified: VerifiedTokens::new(limits.cache_bytes),
            forgeries: Forgeries::new(forged),
            limits,
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

    /// Bytes that the cache takes.
    pub fn cached_bytes(&self) -> u64 {
        self.verified.bytes()
    }

    /// How the cache was used. Counted here, for this layer knows no metrics.
    pub fn cache_use(&self) -> CacheUse {
        CacheUse { hits: self.hits.load(Ordering::Relaxed), misses: self.misses.load(Ordering::Relaxed) }
    }

    /// Judges a token by everything this process knows at this moment. Whether that is enough to let a request
    /// pass is another question: see [`LiveRevocations::is_fresh`].
    ///
    /// For an asker that we know and that answers for what it asks about; any other: [`TokenCheck::check_from`].
    ///
    /// # Errors
    /// Why it is refused; for logs and metrics only.
    pub fn check(&self, token: &str) -> Result<Arc<Verified>, TokenRefusal> {
        self.judge(token, None)
    }

    /// The same for a token that came from `client`, whose forgeries are counted.
    ///
    /// # Errors
    /// Why it is refused; [`TokenRefusal::TooManyForged`] says nothing about the token.
    pub fn check_from(&self, client: IpAddr, token: &str) -> Result<Arc<Verified>, TokenRefusal> {
        self.judge(token, Some(client))
    }

    fn judge(&self, token: &str, client: Option<IpAddr>) -> Result<Arc<Verified>, TokenRefusal> {
        // Before its every byte is hashed.
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenRefusal::TooLong);
        }
        // Before the look at what is retired.
        let epoch = self.revocations.key_epoch();
        let keys = self.keys.load();
        match self.verified.get(token) {
            Some(hit) => {
                self.hits.fetch_add(1, Ordering::Relaxed);
                if !hit.claims().is_current(self.clock.now()) {
                    return Err(TokenRefusal::Expired);
                }
                self.still_good(&hit, &keys, epoch)?;
                Ok(hit)
            }
            None => {
                self.misses.fetch_add(1, Ordering::Relaxed);
                let fresh = Arc::new(self.verify(token, client, &keys)?);
                self.still_good(&fresh, &keys, epoch)?;
                // Not before: what is refused takes nobody's place.
                self.verified.insert(token, &fresh);
                Ok(fresh)
            }
        }
    }

    /// Looks at a token that is not in the cache.
    fn verify(&self, token: &str, client: Option<IpAddr>, keys: &Keyring) -> Result<Verified, TokenRefusal> {
        let candidate = token::candidate(token, keys).map_err(|why| self.explained(why, token))?;
        let (now, client) = (Moment::now(), client.filter(|client| self.limits.counts(*client)));
        if client.is_some_and(|client| !self.forgeries.allow(client, now)) {
            return Err(TokenRefusal::TooManyForged);
        }
        match candidate.verify(&self.parties, self.clock.now()) {
            Ok(claims) => Ok(Verified::new(&claims, candidate.key())),
            Err(why) => {
                if let (TokenRefusal::BadSignature, Some(client)) = (why, client) {
                    self.forgeries.count(client, now);
                }
                Err(why)
            }
        }
    }

    /// Whether key and session of a verified token are good at this moment.
    fn still_good(&self, verified: &Verified, keys: &Keyring, epoch: u32) -> Result<(), TokenRefusal> {
        self.check_key(verified, keys, epoch)?;
        if self.revocations.contains(verified.claims().session_id()) {
            return Err(TokenRefusal::SessionEnded);
        }
        Ok(())
    }

    /// Whether the key of a verified token is good. One comparison, unless something about keys has changed.
    fn check_key(&self, verified: &Verified, keys: &Keyring, epoch: u32) -> Result<(), TokenRefusal> {
        let stamp = stamp(keys.generation(), epoch);
        if verified.key_was_good_at(stamp) {
            return Ok(());
        }
        if self.revocations.contains_key(verified.kid()) {
            return Err(TokenRefusal::KeyRetired);
        }
        if keys.key_for_header(verified.header_segment()).is_none() {
            return Err(TokenRefusal::UnknownHeader);
        }
        verified.key_is_good_at(stamp);
        Ok(())
    }

    /// A header that no key makes: it may be of a retired key, or of one that the others have made while this
    /// process could not read the store. Memory only, whatever is sent.
    fn explained(&self, why: TokenRefusal, token: &str) -> TokenRefusal {
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
