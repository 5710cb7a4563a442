//! Flows through the public door: one binary, so that it links once and its tests share the servers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test that cannot go on has failed, and a panic says where"
)]

mod architecture;
mod fault_checks;
mod flows;
mod fuzz_targets;
mod loadtest;
mod model;
mod operations;
mod proxy;
mod readme;
mod replication;
mod store_contract;
mod support;
mod support_checks;
mod torture;
