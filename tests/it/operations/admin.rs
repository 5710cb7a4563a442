//! The admin listener: what it answers, what it counts, and what is not on it.

use std::sync::Mutex;
use std::time::Duration;

use reqwest::Response;
use serde_json::{Value, json};

use super::prometheus::Scrape;
use super::workplace::repository;
use crate::support::app::{PASSWORD, TestApp, both_kinds};
use crate::support::raw::exchange;
use crate::support::wait::eventually;

async fn scrape(app: &TestApp) -> Scrape {
    let answer = app.get_admin("/metrics").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    Scrape::parse(&answer.text().await.unwrap())
}

/// The status of an answer that is read to its end: a client that leaves before is counted as one.
async fn status(answer: impl Future<Output = Response>) -> u16 {
    let answer = answer.await;
    let status = answer.status().as_u16();
    answer.bytes().await.unwrap();
    status
}

/// A scrape that holds so many requests: one is counted a moment after its answer was sent.
async fn scrape_after(app: &TestApp, requests: f64) -> Scrape {
    let last = Mutex::new(None);
    let counted = eventually(Duration::from_secs(5), async || {
        let scrape = scrape(app).await;
        let counted = scrape.sum("gateward_requests_total", &[]);
        *last.lock().unwrap() = Some(scrape);
        counted == Some(requests)
    });
    assert!(counted.await, "{requests} requests are never counted: {last:?}");
    last.into_inner().unwrap().unwrap()
}

/// Names and kinds of the table in docs/metrics.md.
fn documented() -> Vec<(String, String)> {
    let page = std::fs::read_to_string(repository().join("docs/metrics.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let found: Vec<_> = rows
        .map(|row| {
            let mut cells = row.split('|').map(|cell| cell.trim().trim_end_matches('`').to_owned());
            (cells.next().unwrap(), cells.next().unwrap())
        })
        .filter(|(name, _)| {
            cfg!(target_os = "linux") || !name.starts_with("process_") || name.contains("start")
        })
        .collect();
    assert!(found.len() > 15, "{found:?}");
    found
}

both_kinds!(every_documented_metric_is_there_and_moves, |app| async move {
    let before = scrape(&app).await;
    for actor in ["accounts", "sessions", "hasher", "revocations"] {
        assert_eq!(before.sum("gateward_actor_restarts_total", &[("actor", actor)]), Some(0.0), "{actor}");
    }
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    assert_eq!(before.sum("gateward_build_info", &version), Some(1.0));

    let (email, token) = app.new_person().await;
    for _ in 0..3 {
        assert_eq!(status(app.get("/x", &token)).await, 200);
    }
    assert_eq!(status(app.get_anonymously("/x")).await, 401);
    assert_eq!(status(app.get("/x", "no.token.atall")).await, 401);
    assert_eq!(status(app.get_anonymously("/public/x")).await, 200);
    assert_eq!(status(app.try_login(&email, "a wrong password")).await, 401);
    assert_eq!(status(app.register(&email, PASSWORD)).await, 409);

    let after = scrape_after(&app, 10.0).await;
    let moved = |name: &str, labels: &[(&str, &str)]| {
        after.sum(name, labels).unwrap_or_else(|| panic!("{name} {labels:?} is missing"))
            - before.sum(name, labels).unwrap_or_default()
    };
    for (name, labels, by) in [
        ("gateward_requests_total", &[("route", "/"), ("outcome", "forwarded"), ("status", "2xx")][..], 3.0),
        ("gateward_requests_total", &[("route", "/"), ("outcome", "refused"), ("status", "4xx")], 2.0),
        ("gateward_requests_total", &[("route", "/public")], 1.0),
        ("gateward_requests_total", &[("route", "gateward"), ("outcome", "answered")], 2.0),
        ("gateward_requests_total", &[("route", "gateward"), ("outcome", "refused")], 2.0),
        ("gateward_request_duration_seconds_count", &[("outcome", "forwarded")], 4.0),
        ("gateward_auth_checks_total", &[("result", "ok"), ("reason", "")], 3.0),
        ("gateward_auth_checks_total", &[("result", "refused"), ("reason", "no_credentials")], 1.0),
        ("gateward_auth_checks_total", &[("result", "refused")], 2.0),
        ("gateward_token_cache_hits_total", &[], 2.0),
        ("gateward_token_cache_misses_total", &[], 2.0),
        ("gateward_token_cache_entries", &[], 1.0),
        ("gateward_hash_jobs_total", &[("result", "done")], 4.0),
        ("gateward_hash_duration_seconds_count", &[], 4.0),
        ("gateward_logins_total", &[("result", "ok")], 1.0),
        ("gateward_logins_total", &[("result", "invalid_credentials")], 1.0),
        ("gateward_registrations_total", &[("result", "created")], 1.0),
        ("gateward_registrations_total", &[("result", "email_exists")], 1.0),
        ("gateward_store_errors_total", &[], 0.0),
    ] {
        assert_eq!(moved(name, labels), by, "{name} {labels:?}");
    }
    assert!(moved("gateward_pool_wait_seconds_count", &[]) >= 5.0);
    assert!(after.sum("gateward_revocation_lag_seconds", &[]).unwrap() < 5.0);
    assert!(after.sum("gateward_connections", &[]).unwrap() >= 1.0);

    // Without TLS there is no certificate; `tls_reload` sees it.
    let of_tls = |name: &str| name == "gateward_certificate_expires_timestamp_seconds";
    for (name, kind) in documented().into_iter().filter(|(name, _)| !of_tls(name)) {
        assert_eq!(after.families.get(&name), Some(&kind), "{name}");
    }
});

#[tokio::test]
async fn what_clients_send_makes_no_series() {
    let app = TestApp::embedded().start().await;
    let (_, token) = app.new_person().await;
    let send = async |number: u32| {
        status(app.get(&format!("/path/{number}?q={number}"), &token)).await;
        status(app.get(&format!("/auth/nothing/{number}"), &format!("token{number}"))).await;
        let head = format!("M{number} /x{number} HTTP/1.1\r\nHost: h{number}\r\nX{number}: y\r\n\r\n");
        exchange(app.address, head).await.ok();
    };
    send(0).await;
    let before = scrape_after(&app, 5.0).await.series();
    for number in 1..30 {
        send(number).await;
    }
    assert_eq!(scrape_after(&app, 5.0 + 29.0 * 3.0).await.series(), before);
}

#[tokio::test]
async fn each_listener_has_its_own_paths_only() {
    let app = TestApp::embedded().start().await;
    let (_, token) = app.new_person().await;

    assert_eq!(app.get_admin("/livez").await.text().await.unwrap(), "alive\n");
    let mut ready: Value = app.get_admin("/readyz").await.json().await.unwrap();
    let revocations = ready.as_object_mut().unwrap().remove("revocations").unwrap();
    assert_eq!(ready, json!({"ready": true, "missing": [], "degraded": []}));
    assert_eq!(revocations["fresh"], true);
    assert!((0.0..=1.0).contains(&revocations["lag_seconds"].as_f64().unwrap()), "{revocations}");
    let version: Value = app.get_admin("/version").await.json().await.unwrap();
    assert_eq!(version, json!({"name": "gateward", "version": env!("CARGO_PKG_VERSION")}));

    for path in ["/livez", "/readyz", "/version", "/metrics"] {
        assert_eq!(app.get_anonymously(path).await.status(), 401, "{path} is a path of the service's");
        app.recorder.forget();
        app.get(path, &token).await;
        assert_eq!(app.recorder.count(), 1, "{path} goes to the service");
        for method in ["POST", "PUT", "DELETE"] {
            let request = app.client.request(method.parse().unwrap(), app.admin_url(path));
            assert_eq!(request.send().await.unwrap().status(), 405, "{method} {path}");
        }
    }
    for path in
        ["/", "/auth/me", "/auth/login", "/auth/docs/", "/auth/openapi.json", "/.well-known/jwks.json"]
    {
        assert_eq!(app.get_admin(path).await.status(), 404, "{path}");
    }
}
