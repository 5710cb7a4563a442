//! The API's own documentation is true, and works in a browser without any other host.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::app::{PASSWORD, TestApp};

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// Paths that clients of such services know: each is documented, or not there.
const FAMILIAR: [&str; 10] = [
    "/auth/refresh",
    "/auth/sessions",
    "/auth/password/change",
    "/auth/introspect",
    "/auth/revoke",
    "/auth/verify",
    "/auth/users",
    "/auth/token",
    "/auth/admin",
    "/auth/forward/nginx",
];

async fn document(app: &TestApp) -> Value {
    let answer = app.get_anonymously("/auth/openapi.json").await;
    assert_eq!(answer.headers()["content-type"], "application/json");
    answer.json().await.unwrap()
}

#[tokio::test]
async fn the_document_lists_what_is_served_and_nothing_else() {
    let app = TestApp::embedded().start().await;
    app.new_person().await; // else there is no status list
    let document = document(&app).await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."), "{}", document["openapi"]);
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));

    let paths = document["paths"].as_object().unwrap();
    for path in [
        "/auth/register",
        "/auth/login",
        "/auth/refresh",
        "/auth/logout",
        "/auth/me",
        "/.well-known/jwks.json",
    ] {
        assert!(paths.contains_key(path), "{path}");
    }
    for (path, operations) in paths {
        let concrete = path.replace("{list}", "0");
        for method in METHODS {
            let listed = operations.get(method.to_lowercase()).is_some();
            let status = app.request(method.parse().unwrap(), &concrete).send().await.unwrap().status();
            assert_ne!(status, 404, "{method} {path}");
            assert_eq!(status != 405, listed, "{method} {path} answers {status}");
        }
    }
    for path in FAMILIAR.iter().filter(|path| !paths.contains_key(**path)) {
        let status = app.request("POST".parse().unwrap(), path).send().await.unwrap().status();
        assert_eq!(status, 404, "{path} is served and not documented");
    }
    for (path, operation) in [
        ("/auth/me", "get"),
        ("/auth/me", "patch"),
        ("/auth/me", "delete"),
        ("/auth/logout", "post"),
        ("/auth/sessions", "get"),
        ("/auth/sessions/{id}", "delete"),
        ("/auth/password/change", "post"),
    ] {
        assert_eq!(paths[path][operation]["security"], json!([{"password": []}]), "{path}");
    }
}

#[tokio::test]
async fn the_authorize_button_logs_in_through_the_password_flow() {
    let app = TestApp::embedded().start().await;
    let document = document(&app).await;
    let scheme = &document["components"]["securitySchemes"]["password"];
    assert_eq!(scheme["type"], "oauth2");
    assert_eq!(scheme["flows"]["password"]["tokenUrl"], "/auth/login");
    assert_eq!(scheme["flows"]["password"]["refreshUrl"], "/auth/refresh");

    let email = app.new_email();
    assert_eq!(app.register(&email, PASSWORD).await.status(), 201);
    // As Swagger UI sends it with empty client fields: a Basic header of ":".
    let form = |password: &str| {
        app.request("POST".parse().unwrap(), "/auth/login")
            .header("authorization", "Basic Og==")
            .header("x-requested-with", "XMLHttpRequest")
            .header("accept", "application/json, text/plain, */*")
            .form(&[("grant_type", "password"), ("username", &email), ("password", password)])
            .send()
    };
    let answer = form(PASSWORD).await.unwrap();
    assert_eq!(answer.status(), 200);
    let pair: Value = answer.json().await.unwrap();
    assert_eq!(pair["token_type"], "bearer");
    let me = app.get("/auth/me", pair["access_token"].as_str().unwrap()).await;
    assert_eq!(me.status(), 200);

    let refused = form("a wrong password").await.unwrap();
    assert_eq!(refused.status(), 400);
    let error: Value = refused.json().await.unwrap();
    assert_eq!(error["error"], "invalid_grant", "what the dialog shows");
}

/// What a page asks a browser to fetch.
fn references(html: &str) -> BTreeSet<&str> {
    let after = |mark: &'static str| html.split(mark).skip(1).filter_map(|rest| rest.split('"').next());
    after("src=\"").chain(after("href=\"")).collect()
}

#[tokio::test]
async fn the_page_takes_everything_from_the_gateway_itself() {
    let app = TestApp::embedded().start().await;
    let moved = app.get_anonymously("/auth/docs").await;
    assert_eq!(moved.status(), 303);
    assert_eq!(moved.headers()["location"], "/auth/docs/");

    let page = app.get_anonymously("/auth/docs/").await;
    assert_eq!(page.status(), 200);
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    for rule in ["default-src 'none'", "script-src 'self';", "connect-src 'self'", "frame-ancestors 'none'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("http") && !policy.contains("unsafe-eval"), "{policy}");
    let html = page.text().await.unwrap();
    let references = references(&html);
    assert!(references.len() >= 5, "{references:?}");
    for reference in references {
        assert!(!reference.contains("//") && !reference.contains(".."), "{reference} is on another host");
        let path = format!("/auth/docs/{}", reference.trim_start_matches("./"));
        let asset = app.get_anonymously(&path).await;
        assert_eq!(asset.status(), 200, "{path}");
        let kind = asset.headers()["content-type"].to_str().unwrap().to_owned();
        let wanted = match path.rsplit('.').next().unwrap() {
            "js" => "text/javascript",
            "css" => "text/css",
            _ => "image/png",
        };
        assert!(kind.starts_with(wanted), "nosniff makes a browser refuse {kind} for {path}");
        let length = asset.bytes().await.unwrap().len();
        let head = app.request("HEAD".parse().unwrap(), &path).send().await.unwrap();
        assert_eq!(head.headers()["content-length"], length.to_string().as_str(), "HEAD {path}");
    }
    let start = app.get_anonymously("/auth/docs/swagger-initializer.js").await.text().await.unwrap();
    assert!(
        start.contains("\"/auth/openapi.json\"") && start.contains("\"validatorUrl\": \"none\""),
        "{start}"
    );
    assert!(!start.contains("http"), "{start}");
}
