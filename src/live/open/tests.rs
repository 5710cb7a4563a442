use std::cell::Cell;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::{Cut, KeyMark, OpenConnection, OpenRequest, OpenRequests};
use crate::domain::clock::Timestamp;
use crate::domain::id::{AccountId, SessionId, TokenId};
use crate::domain::keyring::{Keyring, SigningKey};
use crate::domain::revocation::{Revocation, Revoked};
use crate::domain::session::EndReason;
use crate::domain::token::{Grant, LEEWAY, Parties, TokenRefusal, mint};
use crate::live::{Clock, RevocationPublisher, TokenCheck, keys_channel, revocations_channel};

const NOW: Timestamp = Timestamp::from_unix_millis(1_800_000_000_000);
const LIFETIME: Duration = Duration::from_secs(60);

struct Gate {
    check: TokenCheck,
    ring: Keyring,
    parties: Parties,
    revocations: RevocationPublisher,
}

/// Counts how often a task was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn key(secret: u8) -> SigningKey {
    SigningKey::from_secret(&[secret; 32])
}

fn session(number: u8) -> SessionId {
    SessionId::new(NOW, [number; 10])
}

impl Gate {
    fn new() -> Self {
        let parties = Parties { issuer: "gw".into(), audience: "svc".into() };
        let (_publisher, keys) = keys_channel(Keyring::new(1, key(7), vec![Arc::new(key(8))]));
        let (revocations, live) = revocations_channel(Duration::from_secs(1));
        let check = TokenCheck::new(parties.clone(), keys, live, Clock::Stopped(NOW));
        Self { check, ring: Keyring::new(1, key(7), Vec::new()), parties, revocations }
    }

    fn token(&self, session_id: SessionId, ring: &Keyring) -> String {
        let grant = Grant {
            account_id: AccountId::new(NOW, [1; 10]),
            session_id,
            token_id: TokenId::new(NOW, [3; 10]),
            scope: String::new(),
            roles: Vec::new(),
            email: "a@example.org".into(),
            issued_at: NOW,
            expires_at: NOW.plus(LIFETIME),
            status: None,
        };
        mint(&grant, &self.parties, ring).unwrap()
    }

    fn requests(&self) -> &OpenRequests {
        self.check.open_requests()
    }

    fn open(&self, connection: &OpenConnection, number: u8) -> OpenRequest {
        let token = self.token(session(number), &self.ring);
        connection.open(|| self.check.check(&token)).unwrap().1
    }

    fn end(&self, number: u8) {
        self.revocations.add(&[Revocation {
            number: 1,
            revoked: Revoked::Session { id: session(number), status_index: None },
            forget_at: NOW.plus(Duration::from_secs(3600)),
            revoked_at: NOW,
            reason: EndReason::Logout,
        }]);
    }
}

/// What has become of a connection's request.
fn fate(connection: &OpenConnection) -> Option<Cut> {
    connection.was_cut()
}

#[test]
fn the_end_of_a_session_cuts_its_open_requests_and_no_other() {
    let gate = Gate::new();
    let connections: Vec<_> = (0..6).map(|_| gate.requests().connection()).collect();
    let _open: Vec<_> =
        connections.iter().zip([1, 2, 1, 3, 1, 2]).map(|(at, number)| gate.open(at, number)).collect();
    assert_eq!(gate.requests().len(), 6);
    gate.end(1);
    let fates: Vec<_> = connections.iter().map(fate).collect();
    let ended = Some(Cut::SessionEnded);
    assert_eq!(fates, [ended, None, ended, None, ended, None]);
    assert_eq!(gate.requests().len(), 3);
}

#[test]
fn a_connection_between_two_requests_is_left_alone() {
    let gate = Gate::new();
    let connection = gate.requests().connection();
    drop(gate.open(&connection, 1));
    assert_eq!((gate.requests().len(), gate.requests().entries()), (0, 1));
    gate.end(1);
    assert_eq!(gate.requests().end_expired(NOW.plus(LIFETIME * 2)), 0);
    assert_eq!(fate(&connection), None);
}

#[test]
fn a_session_that_ends_between_check_and_entry_lets_nothing_through() {
    let gate = Gate::new();
    let (connection, kept) = (gate.requests().connection(), gate.requests().connection());
    drop(gate.open(&kept, 1));
    for (connection, number) in [(&connection, 2), (&kept, 1)] {
        let token = gate.token(session(number), &gate.ring);
        let checks = Cell::new(0);
        let opened = connection.open(|| {
            checks.set(checks.get() + 1);
            let verdict = gate.check.check(&token);
            if checks.get() == 1 {
                assert!(verdict.is_ok());
                gate.end(number);
            }
            verdict
        });
        assert_eq!(opened.map(|_| ()), Err(TokenRefusal::SessionEnded));
        assert_eq!(gate.requests().len(), 0, "a refused request is not open");
    }
}

#[test]
fn whoever_ends_a_session_and_whoever_opens_a_request_never_miss_each_other() {
    let gate = Gate::new();
    for number in 0..200 {
        let token = gate.token(session(number), &gate.ring);
        let connection = gate.requests().connection();
        gate.check.check(&token).unwrap();
        let turn = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            let opened = scope.spawn(|| {
                turn.wait();
                let opened = connection.open(|| gate.check.check(&token));
                turn.wait();
                opened.map(|_| fate(&connection))
            });
            turn.wait();
            gate.end(number);
            turn.wait();
            let refused_or_cut = matches!(opened.join().unwrap(), Err(_) | Ok(Some(Cut::SessionEnded)));
            assert!(refused_or_cut, "request {number} slipped through");
        });
    }
}

#[test]
fn a_request_is_cut_when_its_token_is_not_accepted_any_more() {
    let gate = Gate::new();
    let connection = gate.requests().connection();
    let _open = gate.open(&connection, 1);
    let refused_from = NOW.plus(LIFETIME + LEEWAY);
    let before = Timestamp::from_unix_millis(refused_from.unix_millis() - 1);
    assert_eq!((gate.requests().end_expired(before), fate(&connection)), (0, None));
    assert_eq!(gate.requests().end_expired(refused_from), 1);
    assert_eq!(fate(&connection), Some(Cut::TokenExpired));
}

#[test]
fn a_retired_key_cuts_what_its_tokens_admitted() {
    let gate = Gate::new();
    let (mine, other) = (gate.requests().connection(), gate.requests().connection());
    let _mine = gate.open(&mine, 1);
    let token = gate.token(session(1), &Keyring::new(1, key(8), Vec::new()));
    let _other = other.open(|| gate.check.check(&token)).unwrap();
    assert_eq!(gate.requests().end_key(KeyMark::of(key(8).kid())), 1);
    assert_eq!((fate(&mine), fate(&other)), (None, Some(Cut::KeyRetired)));
}

#[test]
fn a_connection_follows_the_session_of_its_request_and_leaves_with_its_end() {
    let gate = Gate::new();
    let connection = gate.requests().connection();
    drop(gate.open(&connection, 1));
    let _open = gate.open(&connection, 2);
    gate.end(1);
    assert_eq!(fate(&connection), None);
    assert_eq!(gate.requests().entries(), 1);
    drop(connection);
    assert_eq!(gate.requests().entries(), 0);
}

/// Whatever the order in which the connections of one session close.
#[test]
fn entries_leave_in_any_order() {
    let gate = Gate::new();
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]] {
        let mut connections: Vec<_> = (0..4).map(|_| Some(gate.requests().connection())).collect();
        for connection in connections.iter().flatten() {
            drop(gate.open(connection, 1));
        }
        for (gone, at) in order.into_iter().enumerate() {
            assert_eq!(gate.requests().entries(), 4 - gone);
            connections[at] = None;
        }
        assert_eq!(gate.requests().entries(), 0);
    }
}

#[test]
fn a_cut_wakes_the_task_of_its_connection_alone_and_gives_up_its_request() {
    let gate = Gate::new();
    let (mine, other) = (gate.requests().connection(), gate.requests().connection());
    let (mine_woken, other_woken) = (Arc::new(Woken::default()), Arc::new(Woken::default()));
    let (mine_waker, other_waker) =
        (Waker::from(Arc::clone(&mine_woken)), Waker::from(Arc::clone(&other_woken)));
    // As the proxy does: the request opens inside what is cut.
    let request = |connection, number| {
        let gate = &gate;
        Box::pin(async move {
            let _open = gate.open(connection, number);
            std::future::pending::<()>().await;
        })
    };
    let mut mine = pin!(mine.until_cut(request(&mine, 1)));
    let mut other = pin!(other.until_cut(request(&other, 2)));
    let woken = || [&mine_woken, &other_woken].map(|woken| woken.0.load(Ordering::Relaxed));

    let mut context = Context::from_waker(&mine_waker);
    assert!(mine.as_mut().poll(&mut context).is_pending());
    assert!(other.as_mut().poll(&mut Context::from_waker(&other_waker)).is_pending());
    assert_eq!((gate.requests().len(), woken()), (2, [0, 0]));
    gate.end(1);
    assert_eq!(woken(), [1, 0]);
    assert_eq!(mine.poll(&mut context), Poll::Ready(Err(Cut::SessionEnded)));
}

/// A cut that comes when its request is over must not hit the next one.
#[test]
fn a_late_cut_is_forgotten() {
    let gate = Gate::new();
    let connection = gate.requests().connection();
    let open = gate.open(&connection, 1);
    gate.end(1);
    drop(open);
    let mut next = pin!(connection.until_cut(std::future::ready(())));
    assert_eq!(next.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(())));
}
