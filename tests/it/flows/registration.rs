//! Making an account.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::support::app::{PASSWORD, TestApp, both_kinds};
use crate::support::problems::problem;

async fn register_as(app: &TestApp, name: &Value) -> reqwest::Response {
    let body = json!({"email": app.new_email(), "password": PASSWORD, "name": name});
    app.post_json("/auth/register", &body).await
}

both_kinds!(a_registered_account_is_shown_as_documented_and_can_log_in_at_once, |app| async move {
    let body = json!({"email": "  Ada.Lovelace@Example.ORG ", "password": PASSWORD, "name": " Jo\u{308}rg "});
    let answer = app.post_json("/auth/register", &body).await;
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let account: Value = answer.json().await.unwrap();

    let members = account.as_object().unwrap();
    let mut names: Vec<_> = members.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["created_at", "email", "email_verified", "id", "name", "roles"]);
    assert_eq!(account["email"], "Ada.Lovelace@Example.ORG");
    assert_eq!(account["email_verified"], false);
    assert_eq!(account["name"], "J\u{f6}rg");
    assert_eq!(account["roles"], json!([]));
    let id: uuid::Uuid = account["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(id.get_version_num(), 7);
    let created_at = account["created_at"].as_str().unwrap();
    assert!(created_at.ends_with('Z'), "{created_at} is not in UTC");
    let age = std::time::SystemTime::now() - OffsetDateTime::parse(created_at, &Rfc3339).unwrap();
    assert!(age.abs() < time::Duration::minutes(1), "{created_at}");

    let token = app.login("ada.lovelace@example.org", PASSWORD).await;
    let me = app.get("/auth/me", &token).await;
    assert_eq!(me.status(), 200);
    assert_eq!(me.headers()["cache-control"], "no-store");
    assert_eq!(me.json::<Value>().await.unwrap(), account);
});

both_kinds!(one_address_has_one_account_however_it_is_spelt, |app| async move {
    assert_eq!(app.register("Ann.Smith@Example.com", PASSWORD).await.status(), 201);
    for spelling in [
        "Ann.Smith@Example.com",
        "ann.smith@example.com",
        "ANN.SMITH@EXAMPLE.COM",
        "\t ann.smith@example.com\n",
        "\u{ff41}nn.smith@example.com",          // fullwidth: NFKC
        "ann.\u{17f}mith@example.com",           // long s: NFKC
        "\u{1d41a}nn.smith@ex\u{1d4ea}mple.com", // mathematical letters: NFKC
    ] {
        problem(app.register(spelling, PASSWORD).await, 409, "email_exists").await;
    }
    app.login("\u{ff21}NN.smith@example.com", PASSWORD).await;
    // Another mailbox is another account: no provider's rules are applied.
    for other in ["annsmith@example.com", "ann.smith+tag@example.com", "ann.smith@example.org"] {
        assert_eq!(app.register(other, PASSWORD).await.status(), 201, "{other}");
    }
});

both_kinds!(what_is_no_mailbox_is_refused_with_the_reason, |app| async move {
    let (long_part, long) = ("a".repeat(65), format!("a@{}com", "abcdefghi.".repeat(26)));
    for email in [
        "",
        "   ",
        "ann",
        "@example.com",
        "ann@",
        "ann@localhost",
        "a b@example.com",
        "\"a b\"@example.com",
        "ann@[127.0.0.1]",
        "Ann <ann@example.com>",
        "ann@example.com, bob@example.com",
        "ann@example..com",
        ".ann@example.com",
        "ann@-example.com",
        "ann\0@example.com",
        "ann\r\nBcc: x@example.com",
        "ann\u{ff20}example.com",
        "ann@exam\u{202e}ple.com",
        &format!("{long_part}@example.com"),
        &long,
    ] {
        let body = problem(app.register(email, PASSWORD).await, 422, "invalid_email").await;
        assert!(body["detail"].as_str().unwrap().contains("e-mail address"), "{email:?}: {body}");
    }
    assert_eq!(app.register(&format!("{}@example.com", "a".repeat(64)), PASSWORD).await.status(), 201);
});

both_kinds!(a_name_is_optional_and_can_be_shown_safely, |app| async move {
    for name in [json!(null), json!("x"), json!("\u{1f600}".repeat(200)), json!("Ren\u{e9} O'Brien 3rd")] {
        let answer = register_as(&app, &name).await;
        assert_eq!(answer.status(), 201, "{name}");
        assert_eq!(answer.json::<Value>().await.unwrap()["name"], name);
    }
    for name in ["", " \t", &"x".repeat(201), "a\0b", "a\nb", "a\u{1b}[2Jb", "a\u{202e}b", "a\u{2028}b"] {
        problem(register_as(&app, &json!(name)).await, 422, "invalid_name").await;
    }
});
