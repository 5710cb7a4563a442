//! Accounts: what is stored comes back, one address is one account.

use std::sync::Arc;

use gateward::domain::account::AccountStatus;
use gateward::domain::id::AccountId;
use gateward::domain::password_hash::StoredHash;
use gateward::store::{DurableStore, StoreError};

use super::fixtures::{NOW, at_once, is_corrupt, new_account, password_hash, stored_account};

super::on_both_durable_kinds!(
    an_account_comes_back_as_it_was_stored,
    of_a_thousand_registrations_of_one_address_one_succeeds,
    a_taken_address_says_so_and_a_taken_id_is_no_taken_address,
    a_hash_is_replaced_only_while_it_is_the_old_one,
    accounts_are_listed_by_age_page_by_page,
    an_account_can_be_disabled_and_enabled_again,
);

async fn an_account_comes_back_as_it_was_stored(store: Arc<dyn DurableStore>) {
    let full = new_account("Zoë.Müller@Bücher.example");
    let mut bare = new_account("bare@example.com");
    bare.account.name = None;
    bare.account.roles = Vec::new();
    bare.account.email_verified = true;
    bare.account.status = AccountStatus::Disabled;
    let accounts = [full.account.clone(), bare.account.clone()];
    store.create_account(full).await.unwrap();
    store.create_account(bare).await.unwrap();

    for account in accounts {
        assert_eq!(store.account(account.id).await.unwrap().as_ref(), Some(&account));
        let credentials = store.credentials(account.email.normal()).await.unwrap().unwrap();
        assert_eq!(credentials.account, account);
        assert_eq!(credentials.stored_hash.expose(), password_hash(1).expose());
    }
    assert!(store.account(new_account("x").account.id).await.unwrap().is_none());
    for unknown in ["", "nobody@example.com", "BARE@example.com", "%", "' OR 1=1 --"] {
        assert!(store.credentials(unknown).await.unwrap().is_none(), "{unknown}");
    }
}

async fn of_a_thousand_registrations_of_one_address_one_succeeds(store: Arc<dyn DurableStore>) {
    let spellings = ["one@example.com", "One@Example.com", "ONE@EXAMPLE.COM"];
    let results = at_once(1000, |number| {
        let store = Arc::clone(&store);
        let new = new_account(spellings[number % spellings.len()]);
        async move { store.create_account(new).await }
    })
    .await;
    let created = results.iter().filter(|result| result.is_ok()).count();
    let taken = results.iter().filter(|result| matches!(result, Err(StoreError::EmailTaken))).count();
    let others: Vec<_> =
        results.iter().filter(|r| !matches!(r, Ok(()) | Err(StoreError::EmailTaken))).collect();
    assert_eq!((created, taken), (1, 999), "{:?}", others.first());
    assert_eq!(store.accounts(None, 10).await.unwrap().len(), 1);
}

async fn a_taken_address_says_so_and_a_taken_id_is_no_taken_address(store: Arc<dyn DurableStore>) {
    let first = stored_account(&*store, "first@example.com").await;
    let taken = store.create_account(new_account("FIRST@example.com")).await;
    assert!(matches!(taken, Err(StoreError::EmailTaken)), "{taken:?}");
    let mut same_id = new_account("second@example.com");
    same_id.account.id = first.id;
    assert!(is_corrupt(&store.create_account(same_id).await));
    assert!(store.credentials("second@example.com").await.unwrap().is_none());
}

async fn a_hash_is_replaced_only_while_it_is_the_old_one(store: Arc<dyn DurableStore>) {
    let account = stored_account(&*store, "rehash@example.com").await;
    let old = StoredHash::from_stored(password_hash(1).expose().to_owned());
    let stored = async || {
        let credentials = store.credentials("rehash@example.com").await.unwrap().unwrap();
        credentials.stored_hash.expose().to_owned()
    };
    assert!(store.replace_password_hash(account.id, &old, &password_hash(2)).await.unwrap());
    assert_eq!(stored().await, password_hash(2).expose());
    assert!(!store.replace_password_hash(account.id, &old, &password_hash(3)).await.unwrap());
    assert_eq!(stored().await, password_hash(2).expose());
    let nobody = new_account("nobody@example.com").account.id;
    assert!(!store.replace_password_hash(nobody, &old, &password_hash(3)).await.unwrap());
}

async fn accounts_are_listed_by_age_page_by_page(store: Arc<dyn DurableStore>) {
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(stored_account(&*store, &format!("person{number}@example.com")).await.id);
    }
    ids.sort();
    let page = async |after, limit| -> Vec<AccountId> {
        let accounts = store.accounts(after, limit).await.unwrap();
        accounts.into_iter().map(|account| account.id).collect()
    };
    assert_eq!(page(None, 100).await, ids);
    assert_eq!(page(None, 2).await, ids[..2]);
    assert_eq!(page(Some(ids[1]), 2).await, ids[2..4]);
    assert_eq!(page(Some(ids[4]), 2).await, []);
    assert_eq!(page(None, 0).await, []);
    assert_eq!(page(None, u32::MAX).await, ids);
}

async fn an_account_can_be_disabled_and_enabled_again(store: Arc<dyn DurableStore>) {
    let account = stored_account(&*store, "switch@example.com").await;
    let status = async || store.account(account.id).await.unwrap().unwrap().status;
    assert!(store.disable_account(account.id, NOW).await.unwrap().is_some());
    assert_eq!(status().await, AccountStatus::Disabled);
    assert!(store.enable_account(account.id).await.unwrap());
    assert_eq!(status().await, AccountStatus::Active);
    let nobody = new_account("nobody@example.com").account.id;
    assert!(store.disable_account(nobody, NOW).await.unwrap().is_none());
    assert!(!store.enable_account(nobody).await.unwrap());
}
