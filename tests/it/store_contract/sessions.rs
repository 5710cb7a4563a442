//! Sessions: how they begin, and that an ended one stays ended.

use std::sync::Arc;

use gateward::domain::revocation::Revoked;
use gateward::domain::session::{EndReason, Session, SessionState};
use gateward::store::{DurableStore, ENDED_AT_ONCE};

use super::fixtures::{NOW, at_once, is_corrupt, new_account, session_of, stored_account, stored_sessions};

super::on_both_durable_kinds!(
    a_session_comes_back_as_it_was_stored,
    a_session_needs_an_active_account,
    many_sessions_are_stored_together_or_not_at_all,
    disabling_an_account_ends_its_sessions_and_no_others,
    a_login_that_races_with_disable_leaves_no_live_session,
    thousands_of_sessions_are_ended_page_by_page,
    a_session_ends_once,
);

async fn a_session_comes_back_as_it_was_stored(store: Arc<dyn DurableStore>) {
    let account = stored_account(&*store, "person@example.com").await;
    let full = session_of(account.id);
    let bare = Session { address: None, user_agent: None, status_index: None, ..session_of(account.id) };
    let ended = Session {
        state: SessionState::Revoked { at: NOW, reason: EndReason::Logout },
        ..session_of(account.id)
    };
    for session in [full, bare, ended] {
        assert!(store.create_session(&session, None).await.unwrap());
        assert_eq!(store.session(session.id).await.unwrap().as_ref(), Some(&session));
        assert!(is_corrupt(&store.create_session(&session, None).await), "an id is used once");
    }
    assert!(store.session(session_of(account.id).id).await.unwrap().is_none());
}

async fn a_session_needs_an_active_account(store: Arc<dyn DurableStore>) {
    let account = stored_account(&*store, "person@example.com").await;
    store.disable_account(account.id, NOW).await.unwrap();
    let nobody = new_account("nobody@example.com").account;
    for owner in [account.id, nobody.id] {
        let session = session_of(owner);
        assert!(!store.create_session(&session, None).await.unwrap());
        assert!(store.session(session.id).await.unwrap().is_none());
    }
    store.enable_account(account.id).await.unwrap();
    assert!(store.create_session(&session_of(account.id), None).await.unwrap());
}

async fn many_sessions_are_stored_together_or_not_at_all(store: Arc<dyn DurableStore>) {
    let account = stored_account(&*store, "person@example.com").await;
    let full = session_of(account.id);
    let bare = Session { address: None, user_agent: None, status_index: None, ..session_of(account.id) };
    let ended = Session {
        state: SessionState::Revoked { at: NOW, reason: EndReason::Logout },
        ..session_of(account.id)
    };
    let all = [full, bare, ended];
    assert!(store.create_sessions(account.id, &all).await.unwrap());
    for session in &all {
        assert_eq!(store.session(session.id).await.unwrap().as_ref(), Some(session));
    }
    assert!(store.create_sessions(account.id, &[]).await.unwrap());

    // One whose id is used, one of somebody else, and an account that is disabled: the new one is not stored.
    let new = session_of(account.id);
    let [used, ..] = all;
    assert!(is_corrupt(&store.create_sessions(account.id, &[new.clone(), used]).await));
    let other = stored_account(&*store, "other@example.com").await;
    assert!(!store.create_sessions(account.id, &[new.clone(), session_of(other.id)]).await.unwrap());
    store.disable_account(account.id, NOW).await.unwrap();
    assert!(!store.create_sessions(account.id, std::slice::from_ref(&new)).await.unwrap());
    assert!(store.session(new.id).await.unwrap().is_none());
}

async fn disabling_an_account_ends_its_sessions_and_no_others(store: Arc<dyn DurableStore>) {
    let account = stored_account(&*store, "person@example.com").await;
    let other = stored_account(&*store, "other@example.com").await;
    let mut sessions = stored_sessions(&*store, account.id, 4).await;
    let others = stored_sessions(&*store, other.id, 2).await;
    let logged_out = sessions.pop().unwrap();
    store.end_session(logged_out.id, EndReason::Logout, NOW).await.unwrap();

    let ended = store.disable_account(account.id, NOW).await.unwrap().unwrap().revocations;

    assert_eq!(ended.iter().map(|revocation| revocation.number).collect::<Vec<_>>(), [2, 3, 4]);
    for session in &sessions {
        let revocation = ended.iter().find(|revocation| revocation.session_id() == Some(session.id)).unwrap();
        assert_eq!(revocation.forget_at, session.expires_at);
        let status_index = session.status_index;
        assert_eq!(revocation.revoked, Revoked::Session { id: session.id, status_index });
        assert_eq!((revocation.revoked_at, revocation.reason), (NOW, EndReason::AccountDisabled));
        let state = store.session(session.id).await.unwrap().unwrap().state;
        assert_eq!(state, SessionState::Revoked { at: NOW, reason: EndReason::AccountDisabled });
    }
    assert_eq!(store.revocations_after(1, 100).await.unwrap(), ended);
    for session in others {
        assert!(store.session(session.id).await.unwrap().unwrap().is_live(NOW));
    }
    let again = store.disable_account(account.id, NOW).await.unwrap().unwrap();
    assert!(again.revocations.is_empty());
}

async fn thousands_of_sessions_are_ended_page_by_page(store: Arc<dyn DurableStore>) {
    let account = stored_account(&*store, "person@example.com").await;
    let page = usize::try_from(ENDED_AT_ONCE).unwrap();
    stored_sessions(&*store, account.id, page + 5).await;

    let first = store.disable_account(account.id, NOW).await.unwrap().unwrap();
    assert_eq!((first.revocations.len(), first.more), (page, true));
    assert!(
        !store.create_session(&session_of(account.id), None).await.unwrap(),
        "it is disabled from the first page on"
    );
    let second = store.disable_account(account.id, NOW).await.unwrap().unwrap();
    assert_eq!((second.revocations.len(), second.more), (5, false));
}

async fn a_login_that_races_with_disable_leaves_no_live_session(store: Arc<dyn DurableStore>) {
    for round in 0..25 {
        let account = stored_account(&*store, &format!("person{round}@example.com")).await;
        let sessions: Vec<_> = (0..8).map(|_| session_of(account.id)).collect();
        // One call in the middle disables, the others log in.
        let mut calls: Vec<_> = sessions.iter().cloned().map(Some).collect();
        calls.insert(4, None);
        let outcomes = at_once(calls.len(), |number| {
            let store = Arc::clone(&store);
            let login = calls[number].clone();
            async move {
                match login {
                    Some(session) => store.create_session(&session, None).await.unwrap(),
                    None => store.disable_account(account.id, NOW).await.unwrap().is_some(),
                }
            }
        })
        .await;
        let stored = outcomes.iter().filter(|done| **done).count() - 1;
        let mut found = 0;
        for session in &sessions {
            if let Some(session) = store.session(session.id).await.unwrap() {
                assert!(!session.is_live(NOW), "round {round}");
                found += 1;
            }
        }
        assert_eq!(found, stored, "round {round}");
    }
}

async fn a_session_ends_once(store: Arc<dyn DurableStore>) {
    let account = stored_account(&*store, "person@example.com").await;
    let session = stored_sessions(&*store, account.id, 1).await.remove(0);
    let later = NOW.plus(std::time::Duration::from_secs(1));

    let first = store.end_session(session.id, EndReason::Logout, NOW).await.unwrap().revocations;
    let second = store.end_session(session.id, EndReason::AccountDisabled, later).await.unwrap().revocations;

    assert_eq!(first.len(), 1);
    assert_eq!((first[0].number, first[0].session_id()), (1, Some(session.id)));
    assert!(second.is_empty());
    assert_eq!(store.revocations_after(0, 100).await.unwrap(), first);
    let state = store.session(session.id).await.unwrap().unwrap().state;
    assert_eq!(state, SessionState::Revoked { at: NOW, reason: EndReason::Logout });

    let unknown = session_of(account.id).id;
    assert!(store.end_session(unknown, EndReason::Logout, NOW).await.unwrap().revocations.is_empty());
}
