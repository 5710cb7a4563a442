//! Many who want the same thing at once.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use serde_json::Value;

use crate::support::app::{PASSWORD, both_kinds};

/// How many ask in all, and how many of them at any moment: more connections than that would meet the limit
/// of open files of many systems.
const REGISTRATIONS: usize = 1000;
const AT_ONCE: usize = 300;

both_kinds!(
    a_thousand_registrations_of_one_address_make_one_account,
    // Several hash threads, so that inserts really meet; a short queue, so that the rest is refused quickly. The pool opens its
    // first connections beside a thousand requests: not in its usual deadline, on a small machine.
    |app| app.config("password.hash_threads = 8\npassword.hash_queue = 24\npostgres.timeout = \"5s\""),
    |app| async move {
        let spellings = ["ann@example.com", "Ann@Example.COM", "\u{ff41}nn@example.com", " ann@example.com "];
        let mut asked = futures_util::stream::iter(0..REGISTRATIONS)
            .map(|number| app.register(spellings[number % spellings.len()], PASSWORD))
            .buffer_unordered(AT_ONCE);
        let mut answers = BTreeMap::new();
        while let Some(answer) = asked.next().await {
            let status = answer.status().as_u16();
            let body: Value = answer.json().await.unwrap();
            let code = body["code"].as_str().unwrap_or_default().to_owned();
            *answers.entry((status, code)).or_insert(0) += 1;
        }
        drop(asked);
        let count = |status: u16, code: &str| answers.get(&(status, code.to_owned())).copied().unwrap_or(0);
        let (made, taken, busy) = (count(201, ""), count(409, "email_exists"), count(503, "busy"));
        assert_eq!(made, 1, "{answers:?}");
        assert!(taken > 0, "somebody lost the race: {answers:?}");
        assert_eq!(made + taken + busy, REGISTRATIONS, "{answers:?}");

        let listed = app.cli_ok(&["user", "list", "--json"], "").await;
        assert_eq!(listed.lines().count(), 1, "{listed}");
        app.login("ann@example.com", PASSWORD).await;
    }
);
