//! Who calls is said by the gateway alone.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;

use super::front::{Front, head};
use crate::support::app::PASSWORD;
use crate::support::recorder::RecordedRequest;

const OURS: [&str; 10] = [
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-Forwarded-Preferred-Username",
    "X-Auth-Session",
    "X-Auth-Scope",
    "X-Request-Id",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
];

/// Names that belong to the gateway although it does not set them.
const OTHERS: [&str; 14] = [
    "Forwarded",
    "X-Real-IP",
    "X-Forwarded-Uri",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-HTTP-Method-Override",
    "Remote-User",
    "X-Remote-User",
    "X-Auth-Request-User",
    "X-Gateward-Whatever",
    "True-Client-IP",
    "Proxy",
];

/// The name as a lenient service sees it.
fn folded(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect()
}

/// Each header of ours is there exactly once, whatever a service makes of names; its values by name.
fn assert_once(request: &RecordedRequest, case: &str) {
    for ours in OURS {
        let lines = request.headers();
        let same = lines.iter().filter(|(name, _)| folded(name) == folded(ours)).count();
        assert_eq!(same, 1, "{case}: {ours} in {}", request.raw_head.escape_ascii());
    }
}

/// The claims of a token, unverified.
fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("a token has three parts");
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = payload.bytes().map(|c| alphabet.iter().position(|a| *a == c).expect("base64url"));
    let (mut out, mut held, mut count) = (Vec::new(), 0_usize, 0);
    for six in bits {
        held = (held << 6 | six) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(held >> count & 0xff).unwrap());
        }
    }
    serde_json::from_slice(&out).expect("claims are JSON")
}

#[tokio::test]
async fn service_is_told_who_calls() {
    let front = Front::start().await;
    let email = "ann@example.com";
    let mut create = front.app.command(&["user", "create", email, "--role", "admin", "--role", "staff"]);
    create
        .args(["--config", "config.toml"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = create.spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{PASSWORD}\n").as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let token = front.app.login(email, PASSWORD).await;
    let claims = claims(&token);
    let authorization = format!("Authorization: Bearer {token}");
    let (_, request) = front.forwarded(head("GET /private/who", &[&authorization])).await;
    assert_once(&request, "with roles");
    let value = |name: &str| request.header(name).join("|");
    assert_eq!(value("X-Forwarded-User"), claims["sub"].as_str().unwrap());
    assert_eq!(value("X-Forwarded-Email"), email);
    assert_eq!(value("X-Forwarded-Groups"), "admin,staff");
    assert_eq!(value("X-Forwarded-Preferred-Username"), email);
    assert_eq!(value("X-Auth-Session"), claims["sid"].as_str().unwrap());
    assert_eq!(value("X-Auth-Scope"), claims["scope"].as_str().unwrap_or_default());
    let me: Value = front.app.get("/auth/me", &token).await.json().await.unwrap();
    assert_eq!(value("X-Forwarded-User"), me["id"].as_str().unwrap());
    // Somebody without roles, on the same upstream connections.
    let (_, request) = front.forwarded(front.head("GET /private/who", &[])).await;
    assert_eq!(request.header("X-Forwarded-Groups"), [""]);
    assert_eq!(request.header("X-Forwarded-Email"), [front.email.as_str()]);
}

#[tokio::test]
async fn service_is_told_about_nobody_on_public_routes() {
    let front = Front::start().await;
    let with_token = front.head("GET /public/who", &[]);
    for (case, request) in [("no token", head("GET /public/who", &[])), ("a token", with_token)] {
        let (_, request) = front.forwarded(request).await;
        assert_once(&request, case);
        for name in &OURS[..6] {
            assert_eq!(request.header(name), [""], "{case}: {name}");
        }
    }
}

#[tokio::test]
async fn no_spelling_of_a_protected_name_arrives() {
    let front = Front::start().await;
    let spellings: [fn(&str) -> String; 6] = [
        str::to_owned,
        |name| name.to_ascii_uppercase(),
        |name| name.to_ascii_lowercase(),
        |name| name.replace('-', "_"),
        |name| name.replace('-', "."),
        |name| name.replacen('-', "_", 1),
    ];
    for name in OURS.iter().chain(&OTHERS) {
        let mut lines: Vec<String> = spellings.iter().map(|spell| format!("{}: evil", spell(name))).collect();
        lines.push(format!("{name}: evil, evil"));
        lines.push(format!("{name}: evil"));
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        for line in ["GET /private/x", "GET /public/x"] {
            let case = format!("{line} with {name}");
            let (_, request) = front.forwarded(front.head(line, &lines)).await;
            assert_once(&request, &case);
            front.assert_never_forwarded("evil", &case);
            let user = if line.contains("private") { front.email.as_str() } else { "" };
            assert_eq!(request.header("X-Forwarded-Email"), [user], "{case}");
        }
    }
}

#[tokio::test]
async fn connection_cannot_take_our_headers_away() {
    let front = Front::start().await;
    for name in OURS.iter().chain(&["Via"]) {
        let lines = [format!("Connection: {name}"), format!("Connection: close, {}", name.to_lowercase())];
        for line in &lines {
            let (_, request) = front.forwarded(front.head("GET /private/x", &[line])).await;
            assert_once(&request, line);
            assert_eq!(request.header("X-Forwarded-Email"), [front.email.as_str()], "{line}");
            assert!(request.header("via").contains(&"1.1 gateward".to_owned()), "{line}");
        }
    }
}
