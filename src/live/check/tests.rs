//! What a check refuses, keeps and forgets.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::domain::clock::Timestamp;
use crate::domain::forwarding::TrustedProxies;
use crate::domain::id::{AccountId, SessionId, TokenId};
use crate::domain::keyring::{Keyring, SigningKey};
use crate::domain::revocation::{Revocation, Revoked};
use crate::domain::session::EndReason;
use crate::domain::token::{self, Grant, MAX_TOKEN_BYTES, Parties, TokenRefusal};
use crate::live::{Clock, KeyPublisher, Moment, RevocationPublisher, keys_channel, revocations_channel};

const NOW: Timestamp = Timestamp::from_unix_millis(1_800_000_000_000);

fn ring(generation: u64, secret: u8) -> Keyring {
    Keyring::new(generation, SigningKey::from_secret(&[secret; 32]), Vec::new())
}

fn parties() -> Parties {
    Parties { issuer: "gw".into(), audience: "svc".into() }
}

fn grant(number: u64) -> Grant {
    let mut random = [2; 10];
    random[..8].copy_from_slice(&number.to_be_bytes());
    Grant {
        account_id: AccountId::new(NOW, [1; 10]),
        session_id: SessionId::new(NOW, random),
        token_id: TokenId::new(NOW, [3; 10]),
        scope: String::new(),
        roles: vec!["a".into(), "b".into()],
        email: "a@example.org".into(),
        issued_at: NOW,
        expires_at: NOW.plus(Duration::from_secs(60)),
        status: None,
    }
}

fn minted(grant: &Grant) -> String {
    token::mint(grant, &parties(), &ring(1, 7)).unwrap()
}

fn of_session(number: u64) -> String {
    minted(&grant(number))
}

fn setup() -> (TokenCheck, KeyPublisher, RevocationPublisher, String, SessionId) {
    let (check, key_publisher, revocation_publisher) = with(CheckLimits::default());
    (check, key_publisher, revocation_publisher, of_session(0), grant(0).session_id)
}

fn with(limits: CheckLimits) -> (TokenCheck, KeyPublisher, RevocationPublisher) {
    let (key_publisher, keys) = keys_channel(ring(1, 7));
    let (revocation_publisher, revocations) = revocations_channel(Duration::from_secs(1));
    let check = TokenCheck::with_limits(parties(), keys, revocations, Clock::Stopped(NOW), limits);
    (check, key_publisher, revocation_publisher)
}

/// A check with room for so many bytes.
fn small(cache_bytes: u64) -> (TokenCheck, KeyPublisher, RevocationPublisher) {
    with(CheckLimits { cache_bytes, ..CheckLimits::default() })
}

fn ended(session_id: SessionId) -> Revocation {
    Revocation {
        number: 1,
        revoked: Revoked::Session { id: session_id, status_index: None },
        forget_at: NOW.plus(Duration::from_secs(3600)),
        revoked_at: NOW,
        reason: EndReason::Logout,
    }
}

/// The same token, signed by nobody.
fn forged(token: &str, number: usize) -> String {
    let (message, signature) = token.rsplit_once('.').unwrap();
    format!("{message}.{}{number:08}A", &signature[..signature.len() - 9])
}

#[test]
fn a_cached_token_is_refused_once_its_session_is_revoked() {
    let (check, _keys, revocations, token, session_id) = setup();
    assert!(check.check(&token).is_ok());
    assert_eq!(check.cached(), 1);
    assert_eq!(check.cache_use(), CacheUse { hits: 0, misses: 1 });
    revocations.add(&[ended(session_id)]);
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
    assert_eq!(check.check("e30.e30.AAAA").map(|_| ()), Err(TokenRefusal::UnknownHeader), "not of our form");
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

#[test]
fn only_the_very_same_text_is_a_hit() {
    let (check, _keys, _revocations, token, _) = setup();
    assert!(check.check(&token).is_ok());
    for at in 0..token.len() {
        let mut other = token.clone().into_bytes();
        other[at] = if other[at] == b'A' { b'B' } else { b'A' };
        let other = String::from_utf8(other).unwrap();
        assert!(check.check(&other).is_err(), "byte {at}");
    }
    for other in [format!("{token} "), format!(" {token}"), token[1..].to_owned(), format!("{token}\0")] {
        assert!(check.check(&other).is_err(), "{other}");
    }
    assert_eq!(check.cache_use().hits, 0);
    assert!(check.check(&token).is_ok());
    assert_eq!(check.cache_use().hits, 1);
}

#[test]
fn what_is_kept_is_the_verification_for_these_parties_and_nobody_elses() {
    let (mine, ..) = with(CheckLimits::default());
    let (_publisher, keys) = keys_channel(ring(1, 7));
    let (_revocations, revocations) = revocations_channel(Duration::from_secs(1));
    let others = Parties { audience: "another".into(), ..parties() };
    let other = TokenCheck::new(others, keys, revocations, Clock::Stopped(NOW));
    let token = of_session(0);
    for _ in 0..2 {
        assert!(mine.check(&token).is_ok());
        assert_eq!(other.check(&token).map(|_| ()), Err(TokenRefusal::WrongAudience));
    }
    assert_eq!((mine.cached(), other.cached()), (1, 0));
}

#[test]
fn any_number_of_tokens_of_any_size_stays_within_the_bytes() {
    for padding in [0, 1, 300, 2000, 4500] {
        let (check, ..) = small(1 << 20);
        let mut least = u64::MAX;
        for number in 0..2000 {
            let mut grant = grant(number);
            grant.scope = "s".repeat(padding);
            let token = minted(&grant);
            least = least.min(u64::try_from(token.len() + grant.scope.len()).unwrap());
            assert!(check.check(&token).is_ok());
        }
        assert!(check.cached_bytes() <= 1 << 20, "{padding}: {}", check.cached_bytes());
        let cached = u64::try_from(check.cached()).unwrap();
        assert!(cached > 50 && cached * (least + 300) <= 1 << 20, "{padding}: {cached} of {least} bytes");
    }
}

#[test]
fn roles_cost_what_they_say_not_what_a_list_of_them_would() {
    let (check, ..) = small(1 << 20);
    let mut grant = grant(0);
    grant.roles = vec![String::new(); 1500];
    assert!(check.check(&minted(&grant)).is_ok());
    assert_eq!(check.cached(), 1);
    assert!(check.cached_bytes() < 12 * 1024, "{}", check.cached_bytes());
}

#[test]
fn huge_tokens_are_refused_before_anything_is_done_with_them() {
    let (check, ..) = small(1 << 20);
    let mut grant = grant(0);
    grant.scope = "s".repeat(MAX_TOKEN_BYTES);
    let token = minted(&grant);
    assert_eq!(check.check(&token).map(|_| ()), Err(TokenRefusal::TooLong));
    assert_eq!(
        (check.cached(), check.cache_use()),
        (0, CacheUse { hits: 0, misses: 0 }),
        "not even looked up"
    );
}

#[test]
fn refused_tokens_never_take_the_place_of_good_ones() {
    let (check, _keys, revocations) = small(1 << 20);
    for number in 0..1000 {
        assert!(check.check(&of_session(number)).is_ok());
    }
    let (full, bytes) = (check.cached(), check.cached_bytes());
    assert!(full < 1000, "more than there is room for");
    let good = of_session(5000);
    for number in 0..2000 {
        assert_eq!(check.check(&forged(&good, number)).map(|_| ()), Err(TokenRefusal::BadSignature));
        let number = 10_000 + u64::try_from(number).unwrap();
        let mut late = grant(number);
        late.expires_at = Timestamp::from_unix_millis(NOW.unix_millis() - 3_600_000);
        assert_eq!(check.check(&minted(&late)).map(|_| ()), Err(TokenRefusal::Expired));
        revocations.add(&[ended(grant(number).session_id)]);
        assert_eq!(check.check(&of_session(number)).map(|_| ()), Err(TokenRefusal::SessionEnded));
    }
    assert_eq!((check.cached(), check.cached_bytes()), (full, bytes));
}

#[test]
fn a_storm_of_tokens_that_are_used_once_leaves_those_in_use() {
    let (check, ..) = small(1 << 20);
    let in_use = || (0..200).map(of_session);
    for _ in 0..3 {
        in_use().for_each(|token| assert!(check.check(&token).is_ok()));
    }
    // Thirty times as many as there is room for; those in use come back now and then.
    for round in 0..20 {
        for number in 0..1000 {
            assert!(check.check(&of_session(1_000_000 + round * 1000 + number)).is_ok());
        }
        let before = check.cache_use();
        in_use().for_each(|token| assert!(check.check(&token).is_ok()));
        let hits = check.cache_use().hits - before.hits;
        assert!(hits >= 198, "round {round}: {hits} of 200");
    }
}

#[test]
fn tokens_that_come_into_use_in_a_full_cache_are_kept_instead_of_those_that_are_not() {
    let (check, ..) = small(1 << 20);
    for number in 0..3000 {
        assert!(check.check(&of_session(number)).is_ok());
    }
    for round in 0..5 {
        let before = check.cache_use();
        for number in 0..200 {
            assert!(check.check(&of_session(1_000_000 + number)).is_ok());
        }
        let hits = check.cache_use().hits - before.hits;
        assert!(round < 3 || hits >= 195, "round {round}: {hits} of 200");
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn forgers_wait_for_tokens_that_are_not_known_and_nobody_else_waits_for_anything() {
    let (check, ..) = with(CheckLimits { forged_per_minute: 20, ..CheckLimits::default() });
    let (known, unknown) = (of_session(0), of_session(1));
    let (forger, other) = (ip("192.0.2.1"), ip("192.0.2.2"));
    let judged = |from, token: &str| check.check_from(from, token).map(|_| ());
    assert_eq!(judged(other, &known), Ok(()));
    for number in 0..20 {
        assert_eq!(judged(forger, &forged(&known, number)), Err(TokenRefusal::BadSignature));
    }
    assert_eq!(judged(forger, &forged(&known, 20)), Err(TokenRefusal::TooManyForged), "not looked at");
    assert_eq!(judged(forger, &known), Ok(()), "found good before");
    assert_eq!(judged(forger, &unknown), Err(TokenRefusal::TooManyForged), "good, but who knows");
    assert_eq!(judged(forger, "a.b.c"), Err(TokenRefusal::UnknownHeader), "costs nothing");
    assert_eq!(judged(other, &unknown), Ok(()));
    assert_eq!(judged(forger, &unknown), Ok(()), "found good in the meantime");
    assert!(check.check(&of_session(2)).is_ok(), "an asker that we know");
}

#[test]
fn tokens_that_we_signed_are_no_forgeries() {
    let (check, _keys, revocations) = with(CheckLimits { forged_per_minute: 1, ..CheckLimits::default() });
    let client = ip("192.0.2.1");
    for number in 0..50 {
        revocations.add(&[ended(grant(number).session_id)]);
        let token = of_session(number);
        assert_eq!(check.check_from(client, &token).map(|_| ()), Err(TokenRefusal::SessionEnded));
        assert_eq!(check.check_from(client, "a.b.c").map(|_| ()), Err(TokenRefusal::UnknownHeader));
    }
    assert!(check.check_from(client, &of_session(100)).is_ok());
}

#[test]
fn addresses_that_many_people_share_are_not_counted() {
    let trusted_proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
    let limits = |count_loopback| CheckLimits {
        forged_per_minute: 1,
        count_loopback,
        trusted_proxies: trusted_proxies.clone(),
        ..CheckLimits::default()
    };
    let waits = |check: &TokenCheck, from: &str| {
        for number in 0..3 {
            let _ = check.check_from(ip(from), &forged(&of_session(0), number));
        }
        check.check_from(ip(from), &of_session(1)).is_err()
    };
    for (from, count_loopback, expected) in [
        ("10.1.2.3", true, false),
        ("::ffff:10.1.2.3", true, false),
        ("127.0.0.1", false, false),
        ("::1", false, false),
        ("127.0.0.1", true, true),
        ("::1", true, true),
        ("192.0.2.1", false, true),
    ] {
        let (check, ..) = with(limits(count_loopback));
        assert_eq!(waits(&check, from), expected, "{from} {count_loopback}");
    }
}

#[test]
fn one_token_checked_by_many_threads_is_one_entry() {
    let (check, _keys, ..) = setup();
    let (check, token) = (Arc::new(check), of_session(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..50).for_each(|_| assert!(check.check(&token).is_ok())));
        }
    });
    assert_eq!(check.cached(), 1);
}
