//! All sessions of an account: listed, ended together, and ended for good with a password or an account.

use std::sync::Arc;
use std::time::Duration;

use gateward::domain::account::CredentialEpoch;
use gateward::domain::clock::Timestamp;
use gateward::domain::id::{AccountId, SessionId};
use gateward::domain::password_hash::StoredHash;
use gateward::domain::session::{EndReason, Session, SessionState};
use gateward::store::{DurableStore, ENDED_AT_ONCE, EndedSessions, PasswordChange};

use super::fixtures::{
    DAY, NOW, at_once, new_account, password_hash, session_of, stored_account, stored_sessions,
};

const ADDRESS: &str = "person@example.com";

super::on_both_durable_kinds!(
    live_sessions_are_listed_newest_first_and_nobody_elses,
    all_sessions_of_an_account_end_but_the_one_that_is_excepted,
    thousands_are_ended_page_by_page_and_the_last_page_says_so,
    single_logouts_meanwhile_make_no_page_the_last_and_no_revocation_twice,
    a_password_changes_with_the_end_of_the_last_session,
    a_password_is_changed_once_per_epoch,
    a_login_that_checked_the_old_password_begins_no_session,
    hashing_the_same_password_anew_begins_no_epoch,
    logins_that_race_with_a_change_of_the_password_leave_no_live_session,
    a_deleted_account_leaves_revocations_and_a_free_address,
    an_account_with_thousands_of_sessions_is_there_until_the_last_is_gone,
    logins_that_race_with_the_end_of_their_account_leave_nothing,
    a_name_is_changed_and_removed,
);

async fn epoch(store: &dyn DurableStore) -> CredentialEpoch {
    store.credentials(ADDRESS).await.unwrap().unwrap().epoch
}

async fn stored_hash(store: &dyn DurableStore) -> StoredHash {
    store.credentials(ADDRESS).await.unwrap().unwrap().stored_hash
}

fn change(account: AccountId, epoch: CredentialEpoch, new: u8, last: &Session) -> PasswordChange {
    PasswordChange { account, epoch, new: password_hash(new), last: last.id }
}

fn ids(ended: &EndedSessions) -> Vec<SessionId> {
    let mut ids: Vec<_> = ended.revocations.iter().filter_map(|ended| ended.session_id()).collect();
    ids.sort();
    ids
}

fn page_size() -> usize {
    usize::try_from(ENDED_AT_ONCE).unwrap()
}

async fn is_live(store: &dyn DurableStore, id: SessionId) -> bool {
    store.session(id).await.unwrap().is_some_and(|session| session.is_live(NOW))
}

async fn live_sessions_are_listed_newest_first_and_nobody_elses(store: Arc<dyn DurableStore>) {
    let account = stored_account(&*store, ADDRESS).await;
    let other = stored_account(&*store, "other@example.com").await;
    let mut own = stored_sessions(&*store, account.id, 6).await;
    stored_sessions(&*store, other.id, 2).await;
    let ended = own.remove(2);
    store.end_session(ended.id, EndReason::Logout, NOW).await.unwrap();
    let expired = Session { expires_at: NOW, ..session_of(account.id) };
    assert!(store.create_session(&expired, None).await.unwrap());
    own.sort_by_key(|session| std::cmp::Reverse(session.id));

    let page = async |before, limit| store.sessions_of(account.id, before, limit, NOW).await.unwrap();
    assert_eq!(page(None, 100).await, own);
    assert_eq!(page(None, 2).await, own[..2]);
    assert_eq!(page(Some(own[1].id), 2).await, own[2..4]);
    assert_eq!(page(Some(own[4].id), 2).await, []);
    let nobody = new_account("nobody@example.com").account.id;
    assert!(store.sessions_of(nobody, None, 100, NOW).await.unwrap().is_empty());
}

async fn all_sessions_of_an_account_end_but_the_one_that_is_excepted(store: Arc<dyn DurableStore>) {
    let account = stored_account(&*store, ADDRESS).await;
    let other = stored_account(&*store, "other@example.com").await;
    let own = stored_sessions(&*store, account.id, 4).await;
    let theirs = stored_sessions(&*store, other.id, 1).await.remove(0);
    let end = async |except| {
        store.end_sessions_of(account.id, except, EndReason::LogoutElsewhere, NOW).await.unwrap()
    };

    let ended = end(Some(own[1].id)).await;
    assert!(!ended.more);
    assert_eq!(ids(&ended), [own[0].id, own[2].id, own[3].id]);
    assert!(is_live(&*store, own[1].id).await);
    assert_eq!(store.revocations_after(0, 100).await.unwrap(), ended.revocations);
    assert!(end(Some(own[1].id)).await.revocations.is_empty(), "again: done already");
    assert_eq!(ids(&end(None).await), [own[1].id]);
    let state = store.session(own[0].id).await.unwrap().unwrap().state;
    assert_eq!(state, SessionState::Revoked { at: NOW, reason: EndReason::LogoutElsewhere });
    assert!(is_live(&*store, theirs.id).await, "somebody else's goes on");
    assert!(store.create_session(&session_of(account.id), None).await.unwrap(), "and one may log in again");
}

async fn thousands_are_ended_page_by_page_and_the_last_page_says_so(store: Arc<dyn DurableStore>) {
    let account = stored_account(&*store, ADDRESS).await;
    let own = stored_sessions(&*store, account.id, page_size() + 5).await;
    let kept = own[3].id;
    let end = async || {
        let ended =
            store.end_sessions_of(account.id, Some(kept), EndReason::LogoutElsewhere, NOW).await.unwrap();
        (ended.revocations.len(), ended.more)
    };
    assert_eq!(end().await, (page_size(), true));
    assert_eq!(end().await, (4, false));
    assert_eq!(end().await, (0, false));
    assert!(is_live(&*store, kept).await);
}

async fn single_logouts_meanwhile_make_no_page_the_last_and_no_revocation_twice(
    store: Arc<dyn DurableStore>,
) {
    let account = stored_account(&*store, ADDRESS).await;
    let own = stored_sessions(&*store, account.id, page_size() + 60).await;
    let singles: Vec<_> = own.iter().step_by(own.len() / 30).map(|session| session.id).collect();
    let counts = at_once(singles.len() + 1, |number| {
        let (store, single) = (Arc::clone(&store), singles.get(number).copied());
        async move {
            if let Some(id) = single {
                let ended = store.end_session(id, EndReason::Logout, NOW).await;
                return ended.unwrap().revocations.len();
            }
            let mut count = 0;
            loop {
                let ended = store.end_sessions_of(account.id, None, EndReason::Operator, NOW).await.unwrap();
                count += ended.revocations.len();
                if !ended.more {
                    break count;
                }
            }
        }
    })
    .await;
    assert_eq!(counts.iter().sum::<usize>(), own.len());
    assert!(store.sessions_of(account.id, None, 10, NOW).await.unwrap().is_empty());
    assert_eq!(store.revocations_after(0, 10_000).await.unwrap().len(), own.len());
}

async fn a_password_changes_with_the_end_of_the_last_session(store: Arc<dyn DurableStore>) {
    let account = stored_account(&*store, ADDRESS).await;
    let own = stored_sessions(&*store, account.id, page_size() + 5).await;
    let old_epoch = epoch(&*store).await;
    let change = change(account.id, old_epoch, 2, &own[0]);

    let first = store.change_password(&change, NOW).await.unwrap().unwrap();
    assert_eq!((first.revocations.len(), first.more), (page_size(), true));
    assert!(stored_hash(&*store).await.expose() == password_hash(1).expose(), "the old one holds so far");
    assert_eq!(epoch(&*store).await, old_epoch);
    assert!(is_live(&*store, own[0].id).await, "whoever asked can ask again");

    let second = store.change_password(&change, NOW).await.unwrap().unwrap();
    assert_eq!((second.revocations.len(), second.more), (5, false));
    assert!(stored_hash(&*store).await.expose() == password_hash(2).expose());
    assert_ne!(epoch(&*store).await, old_epoch);
    assert!(store.sessions_of(account.id, None, 10, NOW).await.unwrap().is_empty());
    assert!(second.revocations.iter().all(|ended| ended.reason == EndReason::PasswordChanged));
}

async fn a_password_is_changed_once_per_epoch(store: Arc<dyn DurableStore>) {
    let account = stored_account(&*store, ADDRESS).await;
    let own = stored_sessions(&*store, account.id, 1).await;
    let checked = epoch(&*store).await;
    let changed = at_once(8, |number| {
        let change = change(account.id, checked, 2 + u8::try_from(number).unwrap(), &own[0]);
        let store = Arc::clone(&store);
        async move { store.change_password(&change, NOW).await.unwrap().is_some() }
    })
    .await;
    assert_eq!(changed.iter().filter(|changed| **changed).count(), 1);

    let checked = epoch(&*store).await;
    store.disable_account(account.id, NOW).await.unwrap();
    assert!(store.change_password(&change(account.id, checked, 9, &own[0]), NOW).await.unwrap().is_none());
    let nobody = new_account("nobody@example.com").account.id;
    assert!(store.change_password(&change(nobody, checked, 9, &own[0]), NOW).await.unwrap().is_none());
}

async fn a_login_that_checked_the_old_password_begins_no_session(store: Arc<dyn DurableStore>) {
    let account = stored_account(&*store, ADDRESS).await;
    let own = stored_sessions(&*store, account.id, 1).await;
    let checked = epoch(&*store).await;
    assert!(store.create_session(&session_of(account.id), Some(checked)).await.unwrap());
    store.change_password(&change(account.id, checked, 2, &own[0]), NOW).await.unwrap().unwrap();

    let late = session_of(account.id);
    assert!(!store.create_session(&late, Some(checked)).await.unwrap());
    assert!(store.session(late.id).await.unwrap().is_none());
    let anew = epoch(&*store).await;
    assert!(store.create_session(&session_of(account.id), Some(anew)).await.unwrap());
}

async fn hashing_the_same_password_anew_begins_no_epoch(store: Arc<dyn DurableStore>) {
    let account = stored_account(&*store, ADDRESS).await;
    let checked = epoch(&*store).await;
    let old = stored_hash(&*store).await;
    assert!(store.replace_password_hash(account.id, &old, &password_hash(7)).await.unwrap());
    assert_eq!(epoch(&*store).await, checked);
    let session = session_of(account.id);
    assert!(store.create_session(&session, Some(checked)).await.unwrap());

    // And a change of the password is not undone by a rehash of the old one.
    let old = stored_hash(&*store).await;
    store.change_password(&change(account.id, checked, 2, &session), NOW).await.unwrap().unwrap();
    assert!(!store.replace_password_hash(account.id, &old, &password_hash(8)).await.unwrap());
}

async fn logins_that_race_with_a_change_of_the_password_leave_no_live_session(store: Arc<dyn DurableStore>) {
    let account = stored_account(&*store, ADDRESS).await;
    for round in 0..25 {
        let asks = stored_sessions(&*store, account.id, 1).await.remove(0);
        let checked = epoch(&*store).await;
        let sessions: Vec<_> = (0..8).map(|_| session_of(account.id)).collect();
        at_once(sessions.len() + 1, |number| {
            let (store, login) = (Arc::clone(&store), sessions.get((number + 4) % 9).cloned());
            let change = change(account.id, checked, 100 + round, &asks);
            async move {
                match login {
                    Some(session) => store.create_session(&session, Some(checked)).await.unwrap(),
                    None => store.change_password(&change, NOW).await.unwrap().is_some(),
                }
            }
        })
        .await;
        assert!(stored_hash(&*store).await.expose() == password_hash(100 + round).expose());
        for session in sessions.iter().chain([&asks]) {
            assert!(!is_live(&*store, session.id).await, "round {round}");
        }
    }
}

async fn a_deleted_account_leaves_revocations_and_a_free_address(store: Arc<dyn DurableStore>) {
    let account = stored_account(&*store, ADDRESS).await;
    let other = stored_account(&*store, "other@example.com").await;
    let own = stored_sessions(&*store, account.id, 3).await;
    let theirs = stored_sessions(&*store, other.id, 1).await.remove(0);
    let before = store.end_session(own[0].id, EndReason::Logout, NOW).await.unwrap().revocations;
    let wrong = CredentialEpoch(epoch(&*store).await.0 + 1);
    assert!(store.delete_account(account.id, Some(wrong), None, NOW).await.unwrap().is_none());
    assert!(is_live(&*store, own[1].id).await, "nothing was done");

    let right = epoch(&*store).await;
    let ended = store.delete_account(account.id, Some(right), Some(own[2].id), NOW).await.unwrap().unwrap();
    assert_eq!(ids(&ended), [own[1].id, own[2].id], "what had ended does not end again");
    assert!(ended.revocations.iter().all(|ended| ended.reason == EndReason::AccountDeleted));
    let all = [before, ended.revocations].concat();
    assert_eq!(store.revocations_after(0, 100).await.unwrap(), all);

    assert!(store.account(account.id).await.unwrap().is_none());
    assert!(store.credentials(ADDRESS).await.unwrap().is_none());
    for session in &own {
        assert!(store.session(session.id).await.unwrap().is_none());
    }
    assert!(!store.create_session(&session_of(account.id), None).await.unwrap());
    assert!(store.delete_account(account.id, None, None, NOW).await.unwrap().is_none(), "again: it is gone");
    assert!(is_live(&*store, theirs.id).await);

    let again = stored_account(&*store, ADDRESS).await;
    assert_ne!(again.id, account.id);
    assert_eq!(store.revocations_after(0, 100).await.unwrap(), all, "the old tokens stay refused");
    let later = Timestamp::from_unix_millis(NOW.unix_millis()).plus(DAY + Duration::from_millis(1));
    store.prune(later, 100).await.unwrap();
    assert!(store.revocations_after(0, 100).await.unwrap().is_empty(), "until none of them can be alive");
}

async fn an_account_with_thousands_of_sessions_is_there_until_the_last_is_gone(store: Arc<dyn DurableStore>) {
    let account = stored_account(&*store, ADDRESS).await;
    let own = stored_sessions(&*store, account.id, page_size() + 5).await;
    let last = Some(own[0].id);

    let first = store.delete_account(account.id, None, last, NOW).await.unwrap().unwrap();
    assert_eq!((first.revocations.len(), first.more), (page_size(), true));
    assert!(store.account(account.id).await.unwrap().is_some());
    assert!(is_live(&*store, own[0].id).await, "whoever asked can ask again");
    let second = store.delete_account(account.id, None, last, NOW).await.unwrap().unwrap();
    assert_eq!((second.revocations.len(), second.more), (5, false));
    assert!(store.account(account.id).await.unwrap().is_none());
}

async fn logins_that_race_with_the_end_of_their_account_leave_nothing(store: Arc<dyn DurableStore>) {
    for round in 0..25 {
        let account = stored_account(&*store, ADDRESS).await;
        let sessions: Vec<_> = (0..8).map(|_| session_of(account.id)).collect();
        let outcomes = at_once(sessions.len() + 1, |number| {
            let (store, login) = (Arc::clone(&store), sessions.get((number + 4) % 9).cloned());
            async move {
                match login {
                    Some(session) => usize::from(store.create_session(&session, None).await.unwrap()),
                    None => {
                        let ended = store.delete_account(account.id, None, None, NOW).await.unwrap().unwrap();
                        assert!(!ended.more);
                        100 + ended.revocations.len()
                    }
                }
            }
        })
        .await;
        let stored: usize = outcomes.iter().filter(|count| **count < 100).sum();
        let ended = outcomes.iter().find(|count| **count >= 100).unwrap() - 100;
        assert_eq!(stored, ended, "round {round}: each one that was stored was ended");
        for session in &sessions {
            assert!(store.session(session.id).await.unwrap().is_none(), "round {round}");
        }
    }
}

async fn a_name_is_changed_and_removed(store: Arc<dyn DurableStore>) {
    let account = stored_account(&*store, ADDRESS).await;
    for name in [Some("Ada"), None] {
        let renamed = store.rename_account(account.id, name).await.unwrap().unwrap();
        assert_eq!(renamed.name.as_deref(), name);
        assert_eq!(store.account(account.id).await.unwrap(), Some(renamed));
    }
    let nobody = new_account("nobody@example.com").account.id;
    assert!(store.rename_account(nobody, Some("Ada")).await.unwrap().is_none());
}
