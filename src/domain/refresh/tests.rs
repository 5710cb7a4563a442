//! One family under any interleaving of calls, clients, clocks and ends.

use std::net::IpAddr;
use std::time::Duration;

use proptest::prelude::*;

use super::{
    ClientFingerprint, Judgement, RefreshRecord, RefreshRefusal, RefreshRules, RefreshToken,
    RefreshTokenState, RefreshTokenText, Standing, SuccessorNonce, judge, standing,
};
use crate::domain::account::{Account, AccountStatus};
use crate::domain::clock::Timestamp;
use crate::domain::email::EmailAddress;
use crate::domain::id::{AccountId, SessionId};
use crate::domain::session::{EndReason, Session, SessionState};

const START: i64 = 1_800_000_000_000;
const RULES: RefreshRules =
    RefreshRules { idle_lifetime: Duration::from_secs(300), grace: Duration::from_secs(10) };
const LIFETIME: Duration = Duration::from_secs(1_000);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_millis(START + seconds * 1000)
}

fn client(number: u8) -> ClientFingerprint {
    ClientFingerprint::of(IpAddr::from([192, 0, 2, number]), Some("agent"))
}

/// A store of one family that does what `judge` says, as the real ones do: read, perhaps wait, then judge and act
/// under a lock.
struct Family {
    session: Session,
    account: Account,
    tokens: Vec<RefreshToken>,
    /// By the number of the token: the text, and the successors that were ever told for it.
    texts: Vec<RefreshTokenText>,
    told: Vec<Vec<usize>>,
    next_random: u8,
    reused: bool,
}

impl Family {
    fn new() -> Self {
        let account_id = AccountId::new(at(0), [1; 10]);
        let session = Session {
            id: SessionId::new(at(0), [2; 10]),
            account_id,
            created_at: at(0),
            last_used_at: at(0),
            expires_at: at(0).plus(LIFETIME),
            address: None,
            user_agent: None,
            status_index: None,
            state: SessionState::Active,
        };
        let account = Account {
            id: account_id,
            email: EmailAddress::parse("a@example.org").unwrap(),
            email_verified: false,
            name: None,
            roles: Vec::new(),
            status: AccountStatus::Active,
            created_at: at(0),
        };
        let mut family = Self {
            session,
            account,
            tokens: Vec::new(),
            texts: Vec::new(),
            told: Vec::new(),
            next_random: 0,
            reused: false,
        };
        let first = RefreshTokenText::from_random([0; 32]);
        let idle_end = RULES.idle_end(at(0), &family.session);
        family.hand_out(first, at(0), idle_end);
        family
    }

    fn hand_out(&mut self, text: RefreshTokenText, now: Timestamp, expires_at: Timestamp) -> usize {
        self.tokens.push(RefreshToken {
            hash: text.hash(),
            session_id: self.session.id,
            issued_at: now,
            expires_at,
            state: RefreshTokenState::Live,
        });
        self.texts.push(text);
        self.told.push(Vec::new());
        self.tokens.len() - 1
    }

    fn record(&self, number: usize) -> RefreshRecord {
        let (session, account) = (self.session.clone(), self.account.clone());
        RefreshRecord { token: self.tokens[number].clone(), session, account }
    }

    /// The two steps of a store. `read` is what was seen without a lock, maybe long ago.
    fn present(&mut self, number: usize, read: &RefreshRecord, who: ClientFingerprint, now: Timestamp) {
        match judge(read, who, now, &RULES) {
            Judgement::Repeat { nonce } => return self.tell(number, nonce, now),
            Judgement::Refuse(_) => return,
            Judgement::Rotate { .. } | Judgement::Reuse => {}
        }
        match judge(&self.record(number), who, now, &RULES) {
            Judgement::Rotate { expires_at } => {
                assert!(!self.reused, "a token of a dead family was rotated");
                assert!(now < self.tokens[number].expires_at, "past its idle end");
                self.next_random += 1;
                let nonce = SuccessorNonce::from_bytes([self.next_random; 32]);
                self.tokens[number].state =
                    RefreshTokenState::Rotated { at: now, by: who, nonce: Some(nonce) };
                let successor = self.texts[number].successor(&nonce);
                let added = self.hand_out(successor, now, expires_at);
                self.told[number].push(added);
                self.erase(now);
            }
            Judgement::Repeat { nonce } => self.tell(number, nonce, now),
            Judgement::Reuse => {
                self.reused = true;
                self.session.state = SessionState::Revoked { at: now, reason: EndReason::RefreshTokenReused };
            }
            Judgement::Refuse(_) => return,
        }
        assert!(now < self.session.expires_at || self.reused, "something happened past the absolute end");
    }

    fn tell(&mut self, number: usize, nonce: SuccessorNonce, now: Timestamp) {
        assert!(now < self.session.expires_at, "told past the absolute end");
        let hash = self.texts[number].successor(&nonce).hash();
        let told = self.tokens.iter().position(|token| token.hash == hash);
        self.told[number].push(told.expect("what is told is a token of the family"));
    }

    fn erase(&mut self, now: Timestamp) {
        for token in &mut self.tokens {
            if let RefreshTokenState::Rotated { at, nonce, .. } = &mut token.state
                && *at < RULES.grace_begins(now)
            {
                *nonce = None;
            }
        }
    }

    fn check(&self, now: Timestamp) {
        let live = |token: &&RefreshToken| token.state == RefreshTokenState::Live;
        assert_eq!(self.tokens.iter().filter(live).count(), 1, "one token has no successor");
        for told in &self.told {
            assert!(told.windows(2).all(|pair| pair[0] == pair[1]), "two successors of one token: {told:?}");
        }
        for number in 0..self.tokens.len() {
            let record = self.record(number);
            assert!(record.token.expires_at <= self.session.expires_at);
            if self.reused || now >= self.session.expires_at {
                assert_eq!(standing(&record, now), Standing::Dead);
                let judgement = judge(&record, client(1), now, &RULES);
                assert!(matches!(judgement, Judgement::Refuse(_)), "{judgement:?}");
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// Somebody reads without a lock.
    Read {
        token: prop::sample::Index,
        client: u8,
    },
    /// Somebody who has read goes on.
    GoOn {
        reader: prop::sample::Index,
    },
    /// Both at once.
    Present {
        token: prop::sample::Index,
        client: u8,
    },
    /// The live token, as a good client does.
    UseNewest {
        client: u8,
    },
    /// Time passes, or a clock is set back.
    Clock {
        seconds: i64,
    },
    EndSession,
    DisableAccount,
}

fn step() -> impl Strategy<Value = Step> {
    let token = any::<prop::sample::Index>;
    prop_oneof![
        4 => (token(), 1..3_u8).prop_map(|(token, client)| Step::Read { token, client }),
        4 => token().prop_map(|reader| Step::GoOn { reader }),
        4 => (token(), 1..3_u8).prop_map(|(token, client)| Step::Present { token, client }),
        8 => Just(Step::UseNewest { client: 1 }),
        4 => (0..4_i64).prop_map(|seconds| Step::Clock { seconds }),
        2 => (-20..400_i64).prop_map(|seconds| Step::Clock { seconds }),
        1 => Just(Step::EndSession),
        1 => Just(Step::DisableAccount),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_family_never_forks_and_never_comes_back(steps in prop::collection::vec(step(), 1..60)) {
        let mut family = Family::new();
        let mut readers: Vec<(usize, RefreshRecord, ClientFingerprint)> = Vec::new();
        let mut seconds = 1;
        for step in steps {
            let now = at(seconds);
            match step {
                Step::Read { token, client: who } => {
                    let number = token.index(family.tokens.len());
                    readers.push((number, family.record(number), client(who)));
                }
                Step::GoOn { reader } if !readers.is_empty() => {
                    let (number, read, who) = readers.swap_remove(reader.index(readers.len()));
                    family.present(number, &read, who, now);
                }
                Step::GoOn { .. } => {}
                Step::Present { token, client: who } => {
                    let number = token.index(family.tokens.len());
                    family.present(number, &family.record(number), client(who), now);
                }
                Step::UseNewest { client: who } => {
                    let newest = family.tokens.len() - 1;
                    family.present(newest, &family.record(newest), client(who), now);
                }
                Step::Clock { seconds: by } => seconds = (seconds + by).max(0),
                Step::EndSession => {
                    family.session.state = SessionState::Revoked { at: now, reason: EndReason::Logout };
                    family.reused = true;
                }
                Step::DisableAccount => {
                    family.account.status = AccountStatus::Disabled;
                    family.reused = true;
                }
            }
            family.check(at(seconds));
        }
    }
}

/// A family whose first token was rotated by client 1 at second 100.
fn rotated_at_100() -> Family {
    let mut family = Family::new();
    family.present(0, &family.record(0), client(1), at(100));
    assert_eq!(family.tokens.len(), 2);
    family
}

fn judged(family: &Family, token: usize, who: u8, seconds: i64) -> Judgement {
    judge(&family.record(token), client(who), at(seconds), &RULES)
}

#[test]
fn the_same_client_gets_the_same_successor_within_the_grace_only() {
    let family = rotated_at_100();
    for seconds in [95, 100, 109] {
        assert!(matches!(judged(&family, 0, 1, seconds), Judgement::Repeat { .. }), "{seconds}");
    }
    for seconds in [94, 110, 500] {
        assert_eq!(judged(&family, 0, 1, seconds), Judgement::Reuse, "{seconds}");
    }
    assert_eq!(judged(&family, 0, 2, 100), Judgement::Reuse, "another client");
    let never = RefreshRules { grace: Duration::ZERO, ..RULES };
    assert_eq!(judge(&family.record(0), client(1), at(100), &never), Judgement::Reuse);
}

#[test]
fn the_same_successor_is_told_also_after_it_was_used() {
    let mut family = rotated_at_100();
    let Judgement::Repeat { nonce } = judged(&family, 0, 1, 101) else { panic!("not told") };
    family.present(1, &family.record(1), client(1), at(102));
    assert_eq!(judged(&family, 0, 1, 103), Judgement::Repeat { nonce });
}

#[test]
fn both_ends_are_exact() {
    let family = rotated_at_100();
    let idle_end = 400;
    let rotate = |seconds: i64| Judgement::Rotate { expires_at: at(seconds).plus(RULES.idle_lifetime) };
    assert_eq!(judged(&family, 1, 1, idle_end - 1), rotate(idle_end - 1));
    assert_eq!(judged(&family, 1, 2, idle_end - 1), rotate(idle_end - 1), "a client may move");
    assert_eq!(judged(&family, 1, 1, idle_end), Judgement::Refuse(RefreshRefusal::Expired));

    let mut family = Family::new();
    for (token, seconds) in [200, 400, 600, 800, 990].into_iter().enumerate() {
        family.present(token, &family.record(token), client(1), at(seconds));
    }
    assert_eq!(
        family.tokens.last().map(|last| last.expires_at),
        Some(at(1_000)),
        "no later than the session"
    );
    for token in 0..family.tokens.len() {
        assert_eq!(judged(&family, token, 1, 1_000), Judgement::Refuse(RefreshRefusal::Expired), "{token}");
    }
}

#[test]
fn a_session_that_ended_is_not_ended_again() {
    let mut family = rotated_at_100();
    family.session.state = SessionState::Revoked { at: at(101), reason: EndReason::Logout };
    for token in [0, 1] {
        assert_eq!(judged(&family, token, 2, 102), Judgement::Refuse(RefreshRefusal::Ended));
    }
    let mut family = rotated_at_100();
    family.account.status = AccountStatus::Disabled;
    assert_eq!(judged(&family, 1, 1, 102), Judgement::Refuse(RefreshRefusal::Ended));
    assert_eq!(standing(&family.record(1), at(102)), Standing::Dead);
}

#[test]
fn standing_tells_the_live_one_from_those_of_the_past() {
    let family = rotated_at_100();
    assert_eq!(standing(&family.record(0), at(101)), Standing::Rotated);
    assert_eq!(standing(&family.record(1), at(101)), Standing::Live);
    assert_eq!(standing(&family.record(1), at(400)), Standing::Dead);
}
