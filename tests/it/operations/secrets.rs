//! A whole day with everything that may go wrong, at the most talkative log level: no secret in any log line,
//! error answer, metric, or in `config show`; and the log has its one line per request.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::workplace::operate;
use crate::support::app::{AppBuilder, PASSWORD, StoreKind, TestApp};
use crate::support::raw::exchange;
use crate::support::services::{PrivatePostgres, services};

const WRONG: &str = "wrong-Lantern-58-gravel";
const WEAK: &str = "qwertz12345";
const DATABASE_PASSWORD: &str = "db-Pillow-91-quartz";
const SECRET: &str = "hmac-Orchid-13-velvet-hmac-Orchid-13";
const SEALING_KEY: &str = "c2VhbC1Gb3hnbG92ZS0yNy1tYXJibGUtc2VhbC0xMjM=";
const QUERY: &str = "query-Thistle-44";
const CLIENT_SECRET: &str = "client-Juniper-63-basalt-client-Juniper-63";

/// Everything sent and seen in a day.
struct Day {
    app: TestApp,
    secrets: Vec<String>,
    refresh_tokens: Vec<String>,
    answers: Vec<String>,
    requests: usize,
}

impl Day {
    async fn begin(builder: AppBuilder, format: &str) -> Self {
        let app = builder
            .config(&format!("log.level = 'trace'\nlog.format = '{format}'\ntoken.algorithm = 'HS256'\n[[client]]\nid = 'orders'"))
            .env("GATEWARD__CLIENT__0__SECRET", CLIENT_SECRET)
            .env("SECRET_KEY", SECRET)
            .env("GATEWARD__TOKEN__KEY_ENCRYPTION_KEY", SEALING_KEY)
            .start()
            .await;
        let secrets = [PASSWORD, WRONG, WEAK, DATABASE_PASSWORD, SECRET, SEALING_KEY, QUERY, CLIENT_SECRET];
        let secrets = secrets.iter().map(|secret| (*secret).to_owned()).collect();
        Self { app, secrets, refresh_tokens: Vec::new(), answers: Vec::new(), requests: 0 }
    }

    /// Sends a request and remembers the answer if it is an error.
    async fn send(&mut self, request: RequestBuilder, status: u16) {
        let answer = request.send().await.unwrap();
        self.requests += 1;
        assert_eq!(answer.status(), status, "{}", answer.url());
        let seen = format!("{:?}", answer.headers());
        self.answers.push(seen + &answer.text().await.unwrap());
    }

    async fn post(&mut self, path: &str, kind: &'static str, body: String, status: u16) {
        let request = self.app.request("POST".parse().unwrap(), path);
        self.send(request.header("content-type", kind).body(body), status).await;
    }

    async fn post_json(&mut self, path: &str, body: Value, status: u16) {
        self.post(path, "application/json", body.to_string(), status).await;
    }

    async fn get(&mut self, path: &str, authorization: &str, status: u16) {
        let request = self.app.request("GET".parse().unwrap(), path);
        self.send(request.header("authorization", authorization), status).await;
    }

    async fn raw(&mut self, head: &str) {
        let answer = exchange(self.app.address, head).await;
        self.requests += 1;
        let answer = answer.unwrap_or_else(|error| panic!("{error:?} to {head}"));
        assert!((400..500).contains(&answer.status), "{} to {head}", answer.status);
        self.answers.push(answer.head.clone() + &answer.text());
    }

    /// A login and a refresh; the tokens and the access token's parts are secrets.
    async fn login(&mut self, email: &str) -> String {
        let first = self.app.login_pair(email).await;
        let second = self.app.refresh(&first.refresh).await;
        self.requests += 2;
        let token = second.access;
        for refresh in [first.refresh, second.refresh] {
            self.secrets.push(refresh.trim_start_matches("gwr_").to_owned());
            self.refresh_tokens.push(refresh);
        }
        let (rest, signature) = token.rsplit_once('.').unwrap();
        let payload = rest.rsplit_once('.').unwrap().1;
        self.secrets.extend([signature.to_owned(), payload.to_owned()]);
        token
    }

    async fn morning(&mut self, email: &str) -> String {
        self.post_json("/auth/register", json!({"email": email, "password": PASSWORD}), 201).await;
        self.answers.clear(); // the account's own answer
        self.post_json("/auth/register", json!({"email": email, "password": PASSWORD}), 409).await;
        self.post_json("/auth/register", json!({"email": "a@b.example", "password": WEAK}), 422).await;
        self.post_json("/auth/register", json!({"email": PASSWORD, "password": PASSWORD}), 422).await;
        self.post_json("/auth/login", json!({"email": email, "password": WRONG}), 401).await;
        self.post_json("/auth/login", json!({"email": PASSWORD, "password": PASSWORD}), 401).await;
        for wrong in [
            json!({"email": [PASSWORD], "password": PASSWORD}),
            json!({"email": email, "password": {"is": PASSWORD}}),
            json!({"email": email, "password": [PASSWORD]}),
            json!({"email": email, "password": PASSWORD, "remember": PASSWORD}),
            json!([PASSWORD]),
            json!(PASSWORD),
        ] {
            self.post_json("/auth/login", wrong.clone(), 422).await;
            self.post_json("/auth/register", wrong, 422).await;
        }
        let cut_off = format!("{{\"email\": \"{email}\", \"password\": \"{PASSWORD}");
        self.post("/auth/login", "application/json", cut_off, 400).await;
        let twice = format!("username={email}&password={WRONG}&password={PASSWORD}");
        self.post("/auth/login", "application/x-www-form-urlencoded", twice, 400).await;
        let form = format!("username={email}&password={WRONG}&grant_type=password");
        self.post("/auth/login", "application/x-www-form-urlencoded", form, 400).await;
        self.post("/auth/login", "text/plain", PASSWORD.to_owned(), 415).await;
        self.login(email).await
    }

    async fn noon(&mut self, token: &str) {
        self.get(&format!("/x?access_token={token}&{QUERY}=1"), &format!("Bearer {token}"), 200).await;
        self.get(&format!("/public?token={token}&{QUERY}"), "", 200).await;
        self.answers.truncate(self.answers.len() - 2); // what the service answered
        for wrong in self.refresh_tokens.clone() {
            self.post_json("/auth/refresh", json!({"refresh_token": [&wrong]}), 422).await;
            self.post_json("/auth/refresh", json!({"refresh_token": format!("{wrong}x")}), 401).await;
            self.get(&format!("/public?refresh_token={wrong}"), "", 200).await;
            self.answers.pop(); // what the service answered
            let twice = format!("refresh_token={wrong}&refresh_token={wrong}");
            self.post("/auth/refresh", "application/x-www-form-urlencoded", twice, 400).await;
            self.get("/auth/me", &format!("Bearer {wrong}"), 401).await;
        }
        for garbage in [
            format!("Bearer {token} {token}"),
            format!("Bearer {token}x"),
            format!("Token {token}"),
            token.to_owned(),
            format!("Basic {}", STANDARD.encode(format!("ada:{PASSWORD}"))),
        ] {
            self.secrets.push(STANDARD.encode(format!("ada:{PASSWORD}")));
            self.get(&format!("/x?{QUERY}"), &garbage, 401).await;
            self.get("/auth/me", &garbage, 401).await;
        }
        let bearer = format!("Authorization: Bearer {token}\r\n");
        for head in [
            format!("GET /x?t={token} HTTP/1.1\r\nHost: a\r\n{bearer}Bad Header: x\r\n\r\n"),
            format!("GET /x?t={token} HTTP/1.1\r\nHost: a\r\n{bearer}{bearer}\r\n"),
            format!("GET /x?t={token} HTTP/1.1\r\nHost: a\r\n{bearer} folded\r\n\r\n"),
            format!("GET http://ada:{PASSWORD}@h/x?t={token} HTTP/1.1\r\nHost: h\r\n{bearer}\r\n"),
            format!("GET /x?t={token}\u{7f} HTTP/1.1\r\nHost: a\r\n{bearer}\r\n"),
            format!("GET /%zz?t={token} HTTP/1.1\r\nHost: a\r\n{bearer}\r\n"),
            format!("GET /{token} /x HTTP/1.1\r\nHost: a\r\n{bearer}\r\n"),
            format!("{token} / HTTP/1.1 {token}\r\nHost: a\r\n\r\n"),
            format!("GET / HTTP/1.1\r\nHost: {PASSWORD}@a\r\n{bearer}\r\n"),
            format!("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: {token}\r\n{bearer}\r\n"),
            format!(
                "POST /auth/login HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\nTransfer-Encoding: chunked\r\n\r\n\
                 5\r\n{PASSWORD}\r\n0\r\n\r\n"
            ),
            format!(
                "POST /auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
                 Transfer-Encoding: chunked\r\n\r\n{PASSWORD}\r\n{token}\r\n0\r\n\r\n"
            ),
            format!("GET /x HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", token.repeat(100)),
        ] {
            self.raw(&head).await;
        }
    }

    /// Questions about tokens, by clients and by others, right and wrong.
    async fn afternoon(&mut self, token: &str) {
        let basic = |secret: &str| STANDARD.encode(format!("orders:{secret}"));
        self.secrets.extend([basic(CLIENT_SECRET), basic(PASSWORD)]);
        for (path, secret, status) in [
            ("/auth/introspect", CLIENT_SECRET, 200),
            ("/auth/introspect", PASSWORD, 401),
            ("/auth/revoke", PASSWORD, 401),
        ] {
            let ask = self.app.request("POST".parse().unwrap(), path);
            let ask = ask.header("authorization", format!("Basic {}", basic(secret)));
            self.send(ask.form(&[("token", token)]), status).await;
            let fields = [("token", token), ("client_id", "orders"), ("client_secret", secret)];
            let ask = self.app.request("POST".parse().unwrap(), path);
            self.send(ask.form(&fields), status).await;
        }
        let twice = format!("token={token}&token={token}&client_secret={CLIENT_SECRET}");
        self.post("/auth/introspect", "application/x-www-form-urlencoded", twice, 400).await;
        self.post("/auth/revoke", "text/plain", token.to_owned(), 415).await;
        self.post("/auth/token", "application/x-www-form-urlencoded", format!("grant_type={PASSWORD}"), 400)
            .await;
        self.answers.retain(|answer| !answer.contains("\"active\":true"));
    }

    async fn evening(&mut self, email: &str, token: &str) {
        let wrong = json!({"scope": PASSWORD});
        let logout = self.app.request("POST".parse().unwrap(), "/auth/logout").bearer_auth(token);
        self.send(logout.json(&wrong), 422).await;
        let logout = self.app.request("POST".parse().unwrap(), "/auth/logout").bearer_auth(token);
        self.send(logout, 204).await;
        self.get("/x", &format!("Bearer {token}"), 401).await;
        for ended in self.refresh_tokens.clone() {
            self.post_json("/auth/refresh", json!({"refresh_token": ended}), 401).await;
        }
        let stolen = self.app.login_pair(email).await;
        self.app.refresh(&stolen.refresh).await;
        let reuse = self.app.request("POST".parse().unwrap(), "/auth/refresh").header("user-agent", "other");
        self.send(reuse.json(&json!({"refresh_token": stolen.refresh})), 401).await;
        self.secrets.push(stolen.refresh.trim_start_matches("gwr_").to_owned());
        self.requests += 2;
        self.login(email).await;
    }

    /// Stops the program and looks for the secrets everywhere.
    async fn end(mut self, email: &str, format: &str) {
        let metrics = self.app.get_admin("/metrics").await.text().await.unwrap();
        let shown = operate(&self.app, "config show");
        assert_eq!(shown.code, 0, "{}", shown.err);
        assert!(self.app.stop().await.success());
        let lines = self.app.log_lines();
        let log = lines.join("\n");
        for (place, text) in [
            ("the log", &log),
            ("the metrics", &metrics),
            ("config show", &(shown.out + &shown.err)),
            ("an answer", &self.answers.join("\n")),
        ] {
            for secret in &self.secrets {
                let found = text.lines().find(|line| line.contains(secret.as_str()));
                assert_eq!(found, None, "{secret} is in {place}");
            }
        }
        assert!(!log.contains(email), "an address of e-mail is in the log");
        let access: Vec<&String> = lines.iter().filter(|line| line.contains("gateward::access")).collect();
        assert_eq!(access.len(), self.requests, "one line per request:\n{log}");
        if format == "json" {
            check_json(&lines);
        }
    }
}

fn check_json(lines: &[String]) {
    let mut ids = HashSet::new();
    for line in lines {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for field in ["timestamp", "level", "target"] {
            assert!(value[field].is_string(), "{field} in {line}");
        }
        if value["target"] != "gateward::access" {
            continue;
        }
        assert!(ids.insert(value["request_id"].as_str().unwrap().to_owned()), "an id twice: {line}");
        assert!(value["duration_ms"].is_number() && value["status"].is_number(), "{line}");
        let path = value["path"].as_str().unwrap();
        assert!(!path.contains('?'), "{line}");
        let outcome = value["outcome"].as_str().unwrap();
        let has_reason = value["reason"].is_string();
        assert_eq!(has_reason, outcome == "refused" || outcome == "failed", "{line}");
        if outcome == "forwarded" {
            assert!(value["route"].is_string() && value["upstream"] == "recorder", "{line}");
        }
    }
}

async fn embedded(format: &str) {
    let mut day = Day::begin(AppBuilder::new(StoreKind::Embedded), format).await;
    let email = day.app.new_email();
    let token = day.morning(&email).await;
    day.noon(&token).await;
    day.afternoon(&token).await;
    day.evening(&email, &token).await;
    day.end(&email, format).await;
}

async fn postgres(format: &str) {
    let mut server = PrivatePostgres::start();
    let url = server.new_database().replacen("@", &format!(":{DATABASE_PASSWORD}@"), 1);
    let builder = AppBuilder::new(StoreKind::Postgres).postgres_at(&url, &services().redis_url());
    let mut day = Day::begin(builder, format).await;
    let email = day.app.new_email();
    let token = day.morning(&email).await;
    server.stop();
    day.post_json("/auth/login", json!({"email": email, "password": PASSWORD}), 503).await;
    day.post_json("/auth/register", json!({"email": "c@d.example", "password": PASSWORD}), 503).await;
    day.noon(&token).await;
    server.start_again();
    day.app.wait_for_log(|line| line.contains("store answers again")).await;
    day.evening(&email, &token).await;
    day.end(&email, format).await;
}

#[tokio::test]
async fn no_secret_leaves_in_a_day_on_the_embedded_store_text() {
    embedded("text").await;
}

#[tokio::test]
async fn no_secret_leaves_in_a_day_on_the_embedded_store_json() {
    embedded("json").await;
}

#[tokio::test]
async fn no_secret_leaves_in_a_day_on_postgres_text() {
    postgres("text").await;
}

#[tokio::test]
async fn no_secret_leaves_in_a_day_on_postgres_json() {
    postgres("json").await;
}
