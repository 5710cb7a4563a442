//! `gateward key`, next to a running program on the same store.

use serde_json::Value;

use super::workplace::operate;
use crate::support::app::{PASSWORD, TestApp, both_kinds};
use crate::support::forge::header_of;

fn listed(app: &TestApp) -> Vec<Value> {
    let lines = operate(app, "key list --json").ok();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

both_kinds!(an_operator_lists_and_rotates_keys, |app| async move {
    let (email, token) = app.new_person().await;
    let kid = header_of(&token)["kid"].as_str().unwrap().to_owned();
    let keys = listed(&app);
    assert_eq!(keys.len(), 1);
    assert_eq!((&keys[0]["kid"], &keys[0]["state"]), (&kid.clone().into(), &"signing".into()));
    assert_eq!(keys[0]["algorithm"], "EdDSA");
    assert_eq!(keys[0]["published_at"], keys[0]["signs_from"], "the first one signs at once");
    assert!(keys[0]["retired_at"].is_null());

    let made = operate(&app, "key rotate").ok();
    assert!(made.starts_with("made ") && made.contains(" EdDSA; signs from "), "{made}");
    let next = made.split(' ').nth(1).unwrap();
    let keys = listed(&app);
    assert_eq!(keys[1]["kid"], next);
    assert_eq!(keys[1]["state"], "upcoming");
    let table = operate(&app, "key list").ok();
    assert!(table.starts_with("KID ") && table.contains(next) && table.contains("upcoming"), "{table}");
    let said = operate(&app, "key rotate").failed(1);
    assert!(said.contains(next) && said.contains("--now"), "one is on its way: {said}");
    assert_eq!(header_of(&app.login(&email, PASSWORD).await)["kid"], kid.as_str(), "it does not sign yet");

    let ran = operate(&app, "key rotate --now");
    assert!(ran.err.contains("warning"), "{}", ran.err);
    ran.ok();
    let states: Vec<_> = listed(&app).iter().map(|key| key["state"].as_str().unwrap().to_owned()).collect();
    assert_eq!(states, ["accepted", "upcoming", "signing"]);

    assert_eq!(operate(&app, "key retire nothing").failed(1), "gateward: there is no such key\n");
    let signing = listed(&app)[2]["kid"].as_str().unwrap().to_owned();
    let said = operate(&app, &format!("key retire {signing}")).failed(1);
    assert!(said.contains("--rotate"), "{said}");
    assert_eq!(
        operate(&app, &format!("key retire {next}")).ok(),
        format!("retired {next}; its tokens are refused\n")
    );
    let keys = listed(&app);
    assert_eq!(keys[1]["state"], "retired");
    assert!(keys[1]["retired_at"].is_string());
});

both_kinds!(
    a_shared_secret_is_listed_and_nothing_else,
    |app| app.config(
        "token.algorithm = 'HS256'\ntoken.secret = 'a secret of more than thirty-two bytes, for tests'"
    ),
    |app| async move {
        let (_, token) = app.new_person().await;
        let keys = listed(&app);
        assert_eq!(keys.len(), 1);
        assert_eq!(keys[0]["kid"], header_of(&token)["kid"]);
        assert_eq!((&keys[0]["algorithm"], &keys[0]["state"]), (&"HS256".into(), &"signing".into()));
        assert!(operate(&app, "key list").ok().contains("HS256"));
        let kid = keys[0]["kid"].as_str().unwrap();
        for order in
            ["key rotate".to_owned(), "key rotate --now".to_owned(), format!("key retire {kid} --rotate")]
        {
            let said = operate(&app, &order).failed(1);
            assert!(said.contains("token.secret"), "{order}: {said}");
        }
    }
);

both_kinds!(
    published_keys_may_be_kept_for_half_of_publish_ahead,
    |app| app.config("token.publish_ahead = '1m'"),
    |app| async move {
        let answer = app.get_anonymously("/.well-known/jwks.json").await;
        assert_eq!(answer.headers()["cache-control"], "public, max-age=30");
    }
);
