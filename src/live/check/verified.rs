//! A token that was found good, and the cache of them.
//!
//! What is kept says that a signature and the claims under it are good, and whose the token is. It says nothing of
//! any route: whether the token may be used where it is sent is decided anew for every request. Issuer and audience
//! belong to the verification, and there is one pair of them in a process ([`crate::domain::token::Parties`]).
//!
//! The cache is bounded by bytes. An entry's weight is what an allocator hands out for it, not what was asked for:
//! `benches/million.rs` compares the sum with the memory of a process.
//!
//! Keys are whole tokens: hashed with a key that this process drew at random, compared byte for byte. Entries come
//! from verified tokens only, so nobody without one of our keys decides what stands in it; the hash key is for those
//! who share the secret of HS256 with us. One-time tokens do not push out those in use: an entry that is asked for
//! again while it is new is kept behind the others, a new one that is not is the first to go (CLOCK-Pro; see
//! `quick_cache`).

use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ahash::RandomState;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};

use crate::domain::keyring::SigningKey;
use crate::domain::token::{VerifiedBearer, VerifiedClaims};
use crate::live::{IdentityValues, KeyMark};

/// A token that was valid at the time of the check, with what services are told about it.
#[derive(Debug)]
pub struct Verified {
    bearer: VerifiedBearer,
    identity: IdentityValues,
    key: Arc<SigningKey>,
    /// The same key for the registry of open requests.
    mark: KeyMark,
    /// The state of ring and retired keys in which `key` was last found good; 0: not yet.
    key_good_at: AtomicU64,
}

impl Verified {
    pub(super) fn new(claims: &VerifiedClaims, key: &Arc<SigningKey>) -> Self {
        Self {
            bearer: claims.bearer(),
            identity: IdentityValues::of(claims),
            key: Arc::clone(key),
            mark: KeyMark::of(key.kid()),
            key_good_at: AtomicU64::new(0),
        }
    }

    /// Whose it is, and until when.
    pub fn claims(&self) -> &VerifiedBearer {
        &self.bearer
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

    /// The encoded header that it begins with.
    pub(super) fn header_segment(&self) -> &str {
        self.key.header_segment()
    }

    pub(super) fn key_was_good_at(&self, stamp: u64) -> bool {
        self.key_good_at.load(Ordering::Relaxed) == stamp
    }

    pub(super) fn key_is_good_at(&self, stamp: u64) {
        self.key_good_at.store(stamp, Ordering::Relaxed);
    }
}

/// Tokens that were found good, by their text.
pub(super) struct VerifiedTokens<Hash = RandomState>(Cache<Box<str>, Arc<Verified>, ByBytes, Hash>);

impl VerifiedTokens {
    /// An empty cache that may hold so many bytes.
    pub(super) fn new(bytes: u64) -> Self {
        Self::hashed_by(keyed_hash(), bytes)
    }
}

impl<Hash: BuildHasher + Clone> VerifiedTokens<Hash> {
    fn hashed_by(hash: Hash, bytes: u64) -> Self {
        let usual = allocated(700).saturating_add(allocated(128)).saturating_add(FIXED);
        let entries = usize::try_from(bytes / usual).unwrap_or(usize::MAX);
        let options = OptionsBuilder::new().estimated_items_capacity(entries).weight_capacity(bytes).build();
        #[expect(clippy::expect_used, reason = "the two numbers that are asked for are given")]
        let options = options.expect("options of a cache");
        Self(Cache::with_options(options, ByBytes, hash, DefaultLifecycle::default()))
    }

    /// What was found out about this very text.
    pub(super) fn get(&self, token: &str) -> Option<Arc<Verified>> {
        self.0.get(token)
    }

    /// Keeps it, for as long as there is room.
    pub(super) fn insert(&self, token: &str, verified: &Arc<Verified>) {
        self.0.insert(token.into(), Arc::clone(verified));
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Bytes that they take.
    pub(super) fn bytes(&self) -> u64 {
        self.0.weight()
    }
}

/// The hash of one cache: keyed by the operating system's randomness, which is where the standard library's comes from.
fn keyed_hash() -> RandomState {
    let system = std::hash::RandomState::new();
    let [a, b, c, d] = [0_u8, 1, 2, 3].map(|number| system.hash_one(number));
    RandomState::with_seeds(a, b, c, d)
}

#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<Box<str>, Arc<Verified>> for ByBytes {
    fn weight(&self, token: &Box<str>, verified: &Arc<Verified>) -> u64 {
        allocated(token.len()).saturating_add(allocated(verified.identity.text_bytes())).saturating_add(FIXED)
    }
}

/// What every entry costs besides its texts: [`Verified`] with its counts (304 + 16 bytes), the count of the shared
/// text (24, of which 32 are taken), and the cache's own slots. A slot has 40 bytes and 5 in its index; there is half a
/// one more for a token that went, and both tables double when they are full.
const FIXED: u64 = 320 + 32 + (40 + 5) * 3;

/// What an allocator hands out for so many bytes: sizes go in steps of a quarter of a power of two, from 16 on.
fn allocated(bytes: usize) -> u64 {
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX).max(1);
    // The greatest power of two below the size.
    let power = 1_u64 << (bytes - 1).max(1).ilog2();
    let step = (power / 4).max(16);
    bytes.div_ceil(step).saturating_mul(step)
}

#[cfg(test)]
mod tests {
    use std::hash::Hasher;
    use std::time::Duration;

    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::domain::id::{AccountId, SessionId, TokenId};
    use crate::domain::keyring::Keyring;
    use crate::domain::token::{Grant, Parties, mint, verify};

    const NOW: Timestamp = Timestamp::from_unix_millis(1_800_000_000_000);

    fn verified(session: u8) -> (String, Arc<Verified>) {
        let ring = Keyring::new(1, SigningKey::from_secret(&[7; 32]), Vec::new());
        let parties = Parties { issuer: "gw".into(), audience: "svc".into() };
        let grant = Grant {
            account_id: AccountId::new(NOW, [1; 10]),
            session_id: SessionId::new(NOW, [session; 10]),
            token_id: TokenId::new(NOW, [3; 10]),
            scope: String::new(),
            roles: Vec::new(),
            email: "a@example.org".into(),
            issued_at: NOW,
            expires_at: NOW.plus(Duration::from_secs(60)),
            status: None,
        };
        let token = mint(&grant, &parties, &ring).unwrap();
        let claims = verify(&token, &parties, &ring, NOW).unwrap();
        (token, Arc::new(Verified::new(&claims, &ring.keys()[0])))
    }

    /// The worst of all hashes: as if somebody knew how to make tokens that have the same.
    #[derive(Clone)]
    struct AllTheSame;

    impl BuildHasher for AllTheSame {
        type Hasher = Self;

        fn build_hasher(&self) -> Self {
            Self
        }
    }

    impl Hasher for AllTheSame {
        fn finish(&self) -> u64 {
            7
        }

        fn write(&mut self, _: &[u8]) {}
    }

    #[test]
    fn tokens_with_the_same_hash_are_told_apart() {
        let tokens = VerifiedTokens::hashed_by(AllTheSame, 1 << 20);
        let ((one, of_one), (other, of_other)) = (verified(1), verified(2));
        tokens.insert(&one, &of_one);
        assert!(tokens.get(&other).is_none());
        tokens.insert(&other, &of_other);
        let session = |token: &str| tokens.get(token).map(|found| found.claims().session_id());
        assert_eq!(session(&one), Some(SessionId::new(NOW, [1; 10])));
        assert_eq!(session(&other), Some(SessionId::new(NOW, [2; 10])));
        assert_eq!(session(&one[..one.len() - 1]), None);
    }

    #[test]
    fn an_allocation_is_counted_as_the_allocator_rounds_it() {
        for (asked, got) in [
            (0, 16),
            (1, 16),
            (17, 32),
            (33, 48),
            (64, 64),
            (65, 80),
            (128, 128),
            (129, 160),
            (700, 768),
            (768, 768),
            (769, 896),
            (1025, 1280),
            (8192, 8192),
        ] {
            assert_eq!(allocated(asked), got, "{asked}");
        }
    }

    #[test]
    fn an_entry_is_no_larger_than_it_is_counted() {
        assert!(size_of::<Verified>() + 16 <= 320, "{}", size_of::<Verified>());
        assert_eq!(size_of::<(Box<str>, Arc<Verified>)>(), 24, "and the slot's state: 40 bytes");
    }

    #[test]
    fn every_cache_hashes_with_a_key_of_its_own() {
        assert_ne!(keyed_hash().hash_one("token"), keyed_hash().hash_one("token"));
    }
}
