//! The rule at its edges, and replicas whose clocks differ.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;

use super::rule::*;
use crate::domain::clock::Timestamp;
use crate::domain::keyring::KeyAlgorithm;
use crate::domain::token::{LEEWAY, LONGEST_LIFE};

const T0: i64 = 1_800_000_000_000;
const SECOND: i64 = 1_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_unix_millis(T0 + millis)
}

fn key(kid: &str, created: i64, active: i64) -> KeyLife {
    KeyLife {
        kid: kid.to_owned(),
        algorithm: KeyAlgorithm::EdDsa,
        created_at: at(created),
        active_from: at(active),
        retired_at: None,
    }
}

fn retired(life: KeyLife, when: i64) -> KeyLife {
    KeyLife { retired_at: Some(at(when)), ..life }
}

fn rule() -> RotationRule {
    RotationRule {
        algorithm: KeyAlgorithm::EdDsa,
        rotate_every: Some(Duration::from_secs(90 * 24 * 3600)),
        publish_ahead: Duration::from_secs(3600),
    }
}

#[test]
fn a_key_is_upcoming_then_signs_then_is_accepted_until_its_last_token_is_dead() {
    let keys = [key("old", 0, 0), key("new", DAY, DAY + HOUR)];
    let keep = i64::try_from(KEEP.as_millis()).unwrap();
    use KeyState::{Accepted, Signing, Spent, Upcoming};
    for (now, expected) in [
        (-1, [Signing, Upcoming]),
        (DAY, [Signing, Upcoming]),
        (DAY + HOUR - 1, [Signing, Upcoming]),
        (DAY + HOUR, [Accepted, Signing]),
        (DAY + HOUR + keep - 1, [Accepted, Signing]),
        (DAY + HOUR + keep, [Spent, Signing]),
    ] {
        assert_eq!(schedule(&keys, &rule(), at(now)).states, expected, "{now}");
    }
}

#[test]
fn a_retired_key_signs_nothing_and_ends_nobody_elses_time() {
    let keys = [key("a", 0, 0), retired(key("b", 1, 1), 10), key("c", 2, 2)];
    let states = schedule(&keys, &rule(), at(20)).states;
    assert_eq!(states, [KeyState::Accepted, KeyState::Retired, KeyState::Signing]);
    let keys = [key("a", 0, 0), retired(key("b", 1, 1), 10)];
    assert_eq!(schedule(&keys, &rule(), at(20)).states, [KeyState::Signing, KeyState::Retired]);
    assert_eq!(schedule(&keys, &rule(), at(10).plus(KEEP)).states[1], KeyState::Spent);
}

#[test]
fn the_next_key_is_due_in_time_to_be_published_ahead() {
    let lead = rule().publish_ahead + ALLOWANCE;
    let due = i64::try_from((rule().rotate_every.unwrap() - lead).as_millis()).unwrap();
    let keys = [key("a", 0, 0)];
    assert_eq!(schedule(&keys, &rule(), at(due - 1)).next, None);
    assert_eq!(schedule(&keys, &rule(), at(due)).next, Some(at(due).plus(lead)));
    let never = RotationRule { rotate_every: None, ..rule() };
    assert_eq!(schedule(&keys, &never, at(10_000 * DAY)).next, None);
    assert_eq!(schedule(&[], &never, at(5)).next, Some(at(5)), "the first one signs at once");
    assert_eq!(schedule(&[retired(keys[0].clone(), 1)], &never, at(5)).next, Some(at(5)));
    let waiting = [key("a", 0, 0), key("b", due, due + HOUR)];
    assert_eq!(schedule(&waiting, &rule(), at(due + 1)).next, None, "one is on its way");
}

#[test]
fn another_algorithm_is_a_rotation() {
    let es256 = RotationRule { algorithm: KeyAlgorithm::Es256, rotate_every: None, ..rule() };
    let decided = schedule(&[key("a", 0, 0)], &es256, at(7));
    assert_eq!(decided.states, [KeyState::Signing], "until the next key signs");
    assert_eq!(decided.next, Some(at(7).plus(rule().publish_ahead + ALLOWANCE)));
}

#[test]
fn the_only_signing_key_is_not_retired_without_another() {
    let keys = [key("a", 0, 0), retired(key("b", 1, 1), 2), key("c", 3, 30)];
    assert_eq!(retirable(&keys, "a", at(20)), Err(NotRetirable::Signing));
    assert_eq!(retirable(&keys, "a", at(30)), Ok(()));
    assert_eq!(retirable(&keys, "c", at(20)), Ok(()));
    assert_eq!(retirable(&keys, "c", at(30)), Err(NotRetirable::Signing));
    assert_eq!(retirable(&keys, "b", at(20)), Err(NotRetirable::Retired));
    assert_eq!(retirable(&keys, "d", at(20)), Err(NotRetirable::Unknown));
}

/// How old the keys that a replica works with may be.
const REFRESH: i64 = 250;

/// Replicas on one store, whose clocks differ.
struct World {
    now: i64,
    offsets: Vec<i64>,
    rule: RotationRule,
    store: Vec<KeyLife>,
    views: Vec<Vec<KeyLife>>,
    /// When all replicas published a key.
    published: HashMap<String, i64>,
    /// Key, and when the token expires.
    tokens: Vec<(String, Timestamp)>,
    signed: HashMap<String, i64>,
}

impl World {
    fn clock(&self, replica: usize) -> Timestamp {
        at(self.now + self.offsets[replica])
    }

    fn read_everywhere(&mut self) {
        self.views.fill(self.store.clone());
        for key in &self.store {
            self.published.entry(key.kid.clone()).or_insert(self.now);
        }
    }

    /// Reads, makes and forgets as a replica does.
    fn refresh(&mut self, replica: usize) {
        let now = self.clock(replica);
        let decided = schedule(&self.store, &self.rule, now);
        let mut states = decided.states.iter();
        self.store.retain(|_| states.next() != Some(&KeyState::Spent));
        if let Some(active_from) = decided.next {
            let kid = format!("{}", self.now);
            let algorithm = self.rule.algorithm;
            self.store.push(KeyLife { kid, algorithm, created_at: now, active_from, retired_at: None });
        }
        self.views[replica] = self.store.clone();
    }

    /// Goes on to a moment: near the beginning of a key, near the end of its predecessor's tokens, or any.
    fn wait(&mut self, kind: u8, percent: u32) {
        let keep = i64::try_from(KEEP.as_millis()).unwrap();
        let edge = |from: i64, span: i64| from + i64::from(percent) * span / 100;
        let near = self.store.iter().map(|key| key.active_from.unix_millis() - T0).map(|active| match kind {
            0 => edge(active - 2_500, 3_000),
            _ => edge(active + keep - 70 * SECOND, 140 * SECOND),
        });
        let period = i64::try_from(self.rule.rotate_every.unwrap().as_millis()).unwrap();
        let any = self.now + period * i64::from(percent) / 50;
        let next = near.filter(|moment| *moment > self.now).min();
        self.now = if kind < 2 { next.unwrap_or(any) } else { any };
    }

    fn sign(&mut self, replica: usize) {
        let now = self.clock(replica);
        let states = schedule(&self.views[replica], &self.rule, now).states;
        let signing: Vec<_> = states.iter().filter(|state| **state == KeyState::Signing).collect();
        assert_eq!(signing.len(), 1, "one key signs");
        let position = states.iter().position(|state| *state == KeyState::Signing).unwrap();
        let kid = self.views[replica][position].kid.clone();
        self.signed.entry(kid.clone()).or_insert(self.now);
        self.tokens.push((kid, now.plus(LONGEST_LIFE)));
    }

    fn check_everywhere(&mut self) {
        let clocks: Vec<_> = (0..self.offsets.len()).map(|replica| self.clock(replica)).collect();
        for (view, now) in self.views.iter().zip(clocks) {
            let states = schedule(view, &self.rule, now).states;
            for (kid, expires_at) in self.tokens.iter().filter(|token| now < token.1.plus(LEEWAY)) {
                let position = view.iter().position(|key| key.kid == *kid);
                let known = position.is_some_and(|position| states[position].in_ring());
                assert!(known, "a token of {kid} lives until {expires_at}, now is {now}");
            }
        }
        let earliest = clocks_earliest(&self.offsets, self.now);
        self.tokens.retain(|token| earliest < token.1.plus(LEEWAY));
    }
}

fn clocks_earliest(offsets: &[i64], now: i64) -> Timestamp {
    at(now + offsets.iter().min().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_live_token_verifies_and_every_key_is_published_ahead(
        ahead in 1..20 * HOUR / SECOND,
        more in 3..40 * HOUR / SECOND,
        offsets in proptest::collection::vec(-1000..=1000i64, 3),
        steps in proptest::collection::vec((0..3usize, 0..4u8, 0..100u32, 0..REFRESH), 1..120),
    ) {
        let seconds = |count: i64| Duration::from_secs(u64::try_from(count).unwrap());
        let rule = RotationRule {
            algorithm: KeyAlgorithm::EdDsa,
            rotate_every: Some(seconds(ahead + more)),
            publish_ahead: seconds(ahead),
        };
        let views = vec![Vec::new(); offsets.len()];
        let mut world = World {
            now: 0, offsets, rule, store: Vec::new(), views,
            published: HashMap::new(), tokens: Vec::new(), signed: HashMap::new(),
        };
        world.refresh(0);
        let first = world.store[0].kid.clone();
        world.read_everywhere();
        for (replica, kind, percent, pause) in steps {
            // What happens between two steps is that everybody reads, again and again.
            world.wait(kind, percent);
            world.read_everywhere();
            world.sign((replica + 2) % 3);
            world.refresh(replica);
            world.sign(replica);
            world.now += pause;
            // These have not read yet what the one just did.
            world.sign((replica + 1) % 3);
            world.check_everywhere();
            world.now += REFRESH - pause;
            world.read_everywhere();
            world.check_everywhere();
        }
        for (kid, signed) in &world.signed {
            let published = world.published[kid];
            prop_assert!(*kid == first || signed - published >= ahead * SECOND, "{kid}: {}", signed - published);
        }
    }
}
