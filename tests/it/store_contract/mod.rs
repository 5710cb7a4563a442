//! The store contract, kept by both kinds: the same checks on SQLite with memory and on Postgres with
//! Redis. What only one kind can show (its files, its connections) is in the file named after it.

mod account_sessions;
mod accounts;
mod attempts;
mod audit;
mod expiring;
mod feed;
mod fixtures;
mod keys;
mod migrations;
mod outages;
mod postgres;
mod redis;
mod refresh;
mod replicas;
mod revocations;
mod sessions;
mod sqlite;
mod status_indexes;

/// Makes a test per check and kind: `sqlite::{check}` and `postgres::{check}`.
macro_rules! on_both_durable_kinds {
    ($($check:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $check() {
                let (store, _folder) = crate::store_contract::fixtures::migrated_sqlite().await;
                super::$check(store).await;
            })+
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $check() {
                super::$check(crate::store_contract::fixtures::migrated_postgres().await).await;
            })+
        }
    };
}
pub(crate) use on_both_durable_kinds;
