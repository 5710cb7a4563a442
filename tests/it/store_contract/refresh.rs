//! Refresh tokens: one live one a family, whoever asks at once, and an end for all of them.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gateward::domain::account::Account;
use gateward::domain::audit::{AuditKind, AuditNote};
use gateward::domain::clock::Timestamp;
use gateward::domain::id::AuditEventId;
use gateward::domain::refresh::{
    ClientFingerprint, RefreshRefusal, RefreshRules, RefreshToken, RefreshTokenState, RefreshTokenText,
    SuccessorNonce,
};
use gateward::domain::session::{EndReason, Session, SessionState};
use gateward::store::{DurableStore, Presentation, Refreshed, Turn};

use super::fixtures::{DAY, NOW, at_once, is_corrupt, session_of, stored_account};

super::on_both_durable_kinds!(
    a_token_comes_back_with_its_session_and_account,
    a_token_needs_an_active_account,
    a_rotation_hands_over_and_marks_the_session_used,
    of_any_number_at_once_one_rotates_and_all_get_its_successor,
    of_two_clients_at_once_one_rotates_and_the_session_ends,
    a_reused_token_ends_the_family_with_revocation_and_audit_event,
    another_client_within_the_grace_is_a_reuse,
    both_ends_are_kept,
    what_has_ended_gets_nothing_and_leaves_no_trace,
    a_refresh_that_races_with_an_end_leaves_nothing_alive,
    what_a_successor_is_computed_with_is_erased_after_the_grace,
    tokens_are_pruned_with_their_session,
);

const GRACE: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(3600);

fn later(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

/// A token that nobody else has.
fn new_text() -> RefreshTokenText {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    RefreshTokenText::from_random(bytes)
}

fn client(number: u8) -> ClientFingerprint {
    ClientFingerprint::of(IpAddr::from([192, 0, 2, number]), Some("agent"))
}

fn first_of(session: &Session, text: &RefreshTokenText) -> RefreshToken {
    RefreshToken {
        hash: text.hash(),
        session_id: session.id,
        issued_at: NOW,
        expires_at: NOW.plus(IDLE),
        state: RefreshTokenState::Live,
    }
}

/// A stored person, session and first token.
async fn family(store: &dyn DurableStore, address: &str) -> (Account, Session, RefreshTokenText) {
    let account = stored_account(store, address).await;
    let session = session_of(account.id);
    let text = new_text();
    assert!(store.create_session_with_refresh(&session, &first_of(&session, &text), None).await.unwrap());
    (account, session, text)
}

fn presentation(text: &RefreshTokenText, who: u8, now: Timestamp) -> Presentation {
    let nonce = SuccessorNonce::from_bytes(*new_text().hash().as_bytes());
    let mut id = [0; 10];
    id.copy_from_slice(&nonce.as_bytes()[..10]);
    Presentation {
        hash: text.hash(),
        client: client(who),
        now,
        rules: RefreshRules { idle_lifetime: IDLE, grace: GRACE },
        nonce,
        successor: text.successor(&nonce).hash(),
        note: AuditNote {
            id: AuditEventId::new(now, id),
            address: Some(format!("192.0.2.{who}")),
            user_agent: Some("agent".to_owned()),
        },
    }
}

async fn refresh(store: &dyn DurableStore, text: &RefreshTokenText, who: u8, now: Timestamp) -> Refreshed {
    store.refresh(&presentation(text, who, now)).await.unwrap()
}

/// Rotates; the successor.
async fn rotated(
    store: &dyn DurableStore,
    text: &RefreshTokenText,
    who: u8,
    now: Timestamp,
) -> RefreshTokenText {
    match refresh(store, text, who, now).await {
        Refreshed::Granted { nonce, turn: Turn::First, .. } => text.successor(&nonce),
        other => panic!("not rotated: {other:?}"),
    }
}

fn refusal(refreshed: &Refreshed) -> Option<RefreshRefusal> {
    match refreshed {
        Refreshed::Refused { refusal, .. } => Some(*refusal),
        Refreshed::Granted { .. } | Refreshed::Reused { .. } => None,
    }
}

async fn a_token_comes_back_with_its_session_and_account(store: Arc<dyn DurableStore>) {
    let (account, session, text) = family(&*store, "person@example.com").await;
    let record = store.refresh_token(text.hash()).await.unwrap().unwrap();
    assert_eq!(record.token, first_of(&session, &text));
    assert_eq!((record.session, record.account), (session.clone(), account));
    assert!(store.refresh_token(new_text().hash()).await.unwrap().is_none());

    let other = session_of(session.account_id);
    let again = store.create_session_with_refresh(&other, &first_of(&other, &text), None).await;
    assert!(is_corrupt(&again), "a token is used once");
    assert!(store.session(other.id).await.unwrap().is_none(), "both or neither");
}

async fn a_token_needs_an_active_account(store: Arc<dyn DurableStore>) {
    let account = stored_account(&*store, "person@example.com").await;
    store.disable_account(account.id, NOW).await.unwrap();
    let (session, text) = (session_of(account.id), new_text());
    assert!(!store.create_session_with_refresh(&session, &first_of(&session, &text), None).await.unwrap());
    assert!(store.session(session.id).await.unwrap().is_none());
    assert!(store.refresh_token(text.hash()).await.unwrap().is_none());
}

async fn a_rotation_hands_over_and_marks_the_session_used(store: Arc<dyn DurableStore>) {
    let (account, session, text) = family(&*store, "person@example.com").await;
    let asked = presentation(&text, 1, later(60));
    let Refreshed::Granted { record, nonce, turn: Turn::First } = store.refresh(&asked).await.unwrap() else {
        panic!("not rotated");
    };
    assert_eq!((record.account.id, nonce), (account.id, asked.nonce));

    let old = store.refresh_token(text.hash()).await.unwrap().unwrap();
    let rotated = RefreshTokenState::Rotated { at: later(60), by: client(1), nonce: Some(nonce) };
    assert_eq!(old.token.state, rotated);
    assert_eq!(old.session, Session { last_used_at: later(60), ..session.clone() });
    let new = store.refresh_token(text.successor(&nonce).hash()).await.unwrap().unwrap();
    assert_eq!(new.token.state, RefreshTokenState::Live);
    assert_eq!((new.token.issued_at, new.token.expires_at), (later(60), later(60).plus(IDLE)));
    assert_eq!(new.token.session_id, session.id);

    // A clock that was set back does not take the session's last use back.
    rotated_back(&*store, &text.successor(&nonce)).await;
}

async fn rotated_back(store: &dyn DurableStore, text: &RefreshTokenText) {
    let successor = rotated(store, text, 1, later(50)).await;
    let record = store.refresh_token(successor.hash()).await.unwrap().unwrap();
    assert_eq!(record.session.last_used_at, later(60));
}

async fn of_any_number_at_once_one_rotates_and_all_get_its_successor(store: Arc<dyn DurableStore>) {
    for round in 0..10 {
        let (_, _, text) = family(&*store, &format!("person{round}@example.com")).await;
        let asked: Vec<_> = (0..30).map(|_| presentation(&text, 1, later(1))).collect();
        let answers = at_once(asked.len(), |number| {
            let (store, asked) = (Arc::clone(&store), asked[number].clone());
            async move { store.refresh(&asked).await.unwrap() }
        })
        .await;
        let (mut nonces, mut firsts) = (Vec::new(), 0);
        for answer in &answers {
            let Refreshed::Granted { nonce, turn, .. } = answer else { panic!("round {round}: {answer:?}") };
            nonces.push(*nonce);
            firsts += usize::from(*turn == Turn::First);
        }
        assert_eq!(firsts, 1, "round {round}");
        assert!(nonces.iter().all(|nonce| *nonce == nonces[0]), "round {round}");
        assert!(store.refresh_token(text.successor(&nonces[0]).hash()).await.unwrap().is_some());
    }
}

async fn of_two_clients_at_once_one_rotates_and_the_session_ends(store: Arc<dyn DurableStore>) {
    for round in 0..10 {
        let (_, session, text) = family(&*store, &format!("person{round}@example.com")).await;
        let asked: Vec<_> = (0..16).map(|number| presentation(&text, 1 + number % 2, later(1))).collect();
        let answers = at_once(asked.len(), |number| {
            let (store, asked) = (Arc::clone(&store), asked[number].clone());
            async move { store.refresh(&asked).await.unwrap() }
        })
        .await;
        let ended = answers.iter().filter(|answer| matches!(answer, Refreshed::Reused { .. })).count();
        assert_eq!(ended, 1, "round {round}: ended once");
        assert!(!store.session(session.id).await.unwrap().unwrap().is_live(later(1)), "round {round}");
        let left = refresh(&*store, &text, 1, later(2)).await;
        assert_eq!(refusal(&left), Some(RefreshRefusal::Ended), "round {round}");
    }
    assert_eq!(store.audit_events(None, 100).await.unwrap().len(), 10);
    assert_eq!(store.revocations_after(0, 100).await.unwrap().len(), 10);
}

async fn a_reused_token_ends_the_family_with_revocation_and_audit_event(store: Arc<dyn DurableStore>) {
    let (account, session, first) = family(&*store, "person@example.com").await;
    let (_, other_session, other) = family(&*store, "other@example.com").await;
    let second = rotated(&*store, &first, 1, later(1)).await;
    let third = rotated(&*store, &second, 1, later(100)).await;

    let at = later(111);
    let Refreshed::Reused { account_id, session_id, ended } = refresh(&*store, &second, 1, at).await else {
        panic!("a reuse");
    };
    assert_eq!((account_id, session_id), (account.id, session.id));
    assert_eq!(ended.revocations.len(), 1);
    assert_eq!(ended.revocations[0].session_id(), Some(session.id));
    assert_eq!(ended.revocations[0].reason, EndReason::RefreshTokenReused);
    assert_eq!(store.revocations_after(0, 100).await.unwrap(), ended.revocations);
    let state = store.session(session.id).await.unwrap().unwrap().state;
    assert_eq!(state, SessionState::Revoked { at, reason: EndReason::RefreshTokenReused });

    let events = store.audit_events(None, 100).await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].kind, events[0].at), (AuditKind::RefreshTokenReused, at));
    assert_eq!((events[0].account_id, events[0].session_id), (account.id, Some(session.id)));
    assert_eq!(events[0].address.as_deref(), Some("192.0.2.1"));

    for token in [&first, &second, &third] {
        let answer = refresh(&*store, token, 1, later(112)).await;
        assert_eq!(refusal(&answer), Some(RefreshRefusal::Ended));
    }
    assert_eq!(store.audit_events(None, 100).await.unwrap().len(), 1, "told once");
    rotated(&*store, &other, 1, later(112)).await;
    assert!(store.session(other_session.id).await.unwrap().unwrap().is_live(later(112)));
}

async fn another_client_within_the_grace_is_a_reuse(store: Arc<dyn DurableStore>) {
    let (_, _, text) = family(&*store, "person@example.com").await;
    let successor = rotated(&*store, &text, 1, later(1)).await;
    let again = refresh(&*store, &text, 1, later(2)).await;
    assert!(matches!(again, Refreshed::Granted { turn: Turn::Again, .. }), "{again:?}");
    assert!(matches!(refresh(&*store, &text, 2, later(2)).await, Refreshed::Reused { .. }));
    assert_eq!(refusal(&refresh(&*store, &successor, 1, later(2)).await), Some(RefreshRefusal::Ended));
}

async fn both_ends_are_kept(store: Arc<dyn DurableStore>) {
    let (_, _, idle) = family(&*store, "idle@example.com").await;
    let end = NOW.plus(IDLE);
    assert_eq!(refusal(&refresh(&*store, &idle, 1, end).await), Some(RefreshRefusal::Expired));
    let just_before = Timestamp::from_unix_millis(end.unix_millis() - 1);
    rotated(&*store, &idle, 1, just_before).await;

    let (_, session, mut text) = family(&*store, "busy@example.com").await;
    let mut now = NOW;
    while now.plus(IDLE) < session.expires_at {
        now = now.plus(IDLE / 2);
        text = rotated(&*store, &text, 1, now).await;
    }
    let last = store.refresh_token(text.hash()).await.unwrap().unwrap().token;
    assert_eq!(last.expires_at, session.expires_at, "no token outlives its session");
    assert_eq!(session.expires_at, NOW.plus(DAY));
    let answer = refresh(&*store, &text, 1, session.expires_at).await;
    assert_eq!(refusal(&answer), Some(RefreshRefusal::Expired));
    assert!(store.revocations_after(0, 10).await.unwrap().is_empty());
}

async fn what_has_ended_gets_nothing_and_leaves_no_trace(store: Arc<dyn DurableStore>) {
    let (_, session, text) = family(&*store, "person@example.com").await;
    let successor = rotated(&*store, &text, 1, later(1)).await;
    store.end_session(session.id, EndReason::Logout, later(2)).await.unwrap();
    for token in [&text, &successor] {
        let answer = refresh(&*store, token, 2, later(3)).await;
        assert!(
            matches!(answer, Refreshed::Refused { refusal: RefreshRefusal::Ended, session_id: Some(id) } if id == session.id)
        );
    }
    let answer = refresh(&*store, &new_text(), 1, later(3)).await;
    assert!(matches!(answer, Refreshed::Refused { refusal: RefreshRefusal::Unknown, session_id: None }));

    let (account, _, text) = family(&*store, "disabled@example.com").await;
    store.disable_account(account.id, later(4)).await.unwrap();
    assert_eq!(refusal(&refresh(&*store, &text, 1, later(5)).await), Some(RefreshRefusal::Ended));
    store.enable_account(account.id).await.unwrap();
    let answer = refresh(&*store, &text, 1, later(5)).await;
    assert_eq!(refusal(&answer), Some(RefreshRefusal::Ended), "an ended session stays ended");
    assert!(store.audit_events(None, 10).await.unwrap().is_empty());
}

async fn a_refresh_that_races_with_an_end_leaves_nothing_alive(store: Arc<dyn DurableStore>) {
    for round in 0..25 {
        let (account, session, text) = family(&*store, &format!("person{round}@example.com")).await;
        let asked: Vec<_> = (0..8).map(|_| presentation(&text, 1, later(1))).collect();
        let answers = at_once(asked.len() + 1, |number| {
            let (store, asked) = (Arc::clone(&store), asked.get((number + 4) % 9).cloned());
            async move {
                match asked {
                    Some(asked) => match store.refresh(&asked).await.unwrap() {
                        Refreshed::Granted { nonce, .. } => Some(nonce),
                        Refreshed::Refused { .. } | Refreshed::Reused { .. } => None,
                    },
                    None if round % 2 == 0 => {
                        store.disable_account(account.id, later(1)).await.unwrap();
                        None
                    }
                    None => {
                        store.end_session(session.id, EndReason::Logout, later(1)).await.unwrap();
                        None
                    }
                }
            }
        })
        .await;
        let nonces: Vec<_> = answers.into_iter().flatten().collect();
        assert!(nonces.iter().all(|nonce| *nonce == nonces[0]), "round {round}");
        for text in nonces.first().map(|nonce| text.successor(nonce)).iter().chain([&text]) {
            let answer = refresh(&*store, text, 1, later(1)).await;
            assert_eq!(refusal(&answer), Some(RefreshRefusal::Ended), "round {round}");
        }
    }
    assert!(store.audit_events(None, 10).await.unwrap().is_empty(), "nobody reused anything");
}

async fn what_a_successor_is_computed_with_is_erased_after_the_grace(store: Arc<dyn DurableStore>) {
    let nonce_of = async |text: &RefreshTokenText| match store
        .refresh_token(text.hash())
        .await
        .unwrap()
        .unwrap()
        .token
        .state
    {
        RefreshTokenState::Rotated { nonce, .. } => nonce,
        RefreshTokenState::Live => panic!("still live"),
    };
    let (_, _, first) = family(&*store, "person@example.com").await;
    let second = rotated(&*store, &first, 1, later(1)).await;
    let third = rotated(&*store, &second, 1, later(5)).await;
    assert!(nonce_of(&first).await.is_some() && nonce_of(&second).await.is_some(), "may be asked for again");
    rotated(&*store, &third, 1, later(100)).await;
    assert_eq!((nonce_of(&first).await, nonce_of(&second).await), (None, None));
    assert!(nonce_of(&third).await.is_some());
}

async fn tokens_are_pruned_with_their_session(store: Arc<dyn DurableStore>) {
    let (_, session, text) = family(&*store, "person@example.com").await;
    let successor = rotated(&*store, &text, 1, later(1)).await;
    // Past their idle end they are kept: the use of an old one must be noticed.
    assert_eq!(store.prune(session.expires_at, 100).await.unwrap(), 0);
    let after = session.expires_at.plus(Duration::from_millis(1));
    assert_eq!(store.prune(after, 100).await.unwrap(), 3, "the session and two tokens");
    for token in [&text, &successor] {
        assert!(store.refresh_token(token.hash()).await.unwrap().is_none());
        let answer = refresh(&*store, token, 1, later(2)).await;
        assert_eq!(refusal(&answer), Some(RefreshRefusal::Unknown));
    }
}
