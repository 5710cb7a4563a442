//! HTTP/2 inside TLS, agreed on in the handshake: what browsers speak.

use futures_util::future::select_all;
use serde_json::json;

use super::front::PROMPT;
use super::h2_client::{Answer, Client};
use super::tls_front::{HOST, TlsFront, answer, head};
use crate::support::app::{PASSWORD, TestApp};
use crate::support::raw::{NoResponse, RawClient};
use crate::support::recorder::Reply;
use crate::support::wait::eventually;

const HSTS: &str = "strict-transport-security";

/// A connection of HTTP/2 to this host.
async fn connect_to(front: &TlsFront, host: &str) -> Client {
    let stream = front.client().offers(&["h2"]).handshake(front.app.address, host).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    Client::over(stream, &format!("https://{host}")).await
}

async fn connect(front: &TlsFront) -> Client {
    connect_to(front, HOST).await
}

/// Registers and logs in on this connection; `Authorization` of then on.
async fn person(front: &TlsFront, client: &mut Client) -> String {
    let credentials = json!({"email": front.app.new_email(), "password": PASSWORD}).to_string();
    let json = [("content-type", "application/json")];
    let registered = client.post("POST /auth/register", &json, credentials.as_bytes()).await;
    assert_eq!(registered.status, 201);
    let login = client.post("POST /auth/login", &json, credentials.as_bytes()).await;
    assert_eq!(login.status, 200);
    format!("Bearer {}", login.json()["access_token"].as_str().unwrap())
}

fn hsts(answer: &Answer) -> Vec<&str> {
    answer.headers.get_all(HSTS).iter().map(|value| value.to_str().unwrap()).collect()
}

#[tokio::test]
async fn http2_is_agreed_on_before_http1_whatever_the_client_likes_better() {
    let front = TlsFront::start().await;
    for offered in [&["h2"][..], &["h2", "http/1.1"], &["http/1.1", "h2"], &["spdy/3", "http/1.1", "h2"]] {
        let stream = front.client().offers(offered).handshake(front.app.address, HOST).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]), "{offered:?}");
        let mut client = Client::over(stream, &format!("https://{HOST}")).await;
        assert_eq!(client.get("GET /public/x", &[]).await.status, 200, "{offered:?}");
    }
}

#[tokio::test]
async fn a_person_logs_in_and_calls_a_service() {
    let front = TlsFront::start().await;
    let mut client = connect(&front).await;
    let token = person(&front, &mut client).await;
    assert_eq!(client.get("GET /private/x", &[]).await.status, 401);
    assert_eq!(front.app.recorder.count(), 0, "no token");
    let called = client.get("GET /private/x?y=z", &[("authorization", &token)]).await;
    assert_eq!(called.status, 200);
    let request = front.app.recorder.last();
    assert_eq!(request.target, "/private/x?y=z");
    for (name, value) in [
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", HOST),
        ("x-forwarded-for", "127.0.0.1"),
        ("via", "2.0 gateward"),
    ] {
        assert_eq!(request.header(name), [value], "{name}");
    }
    let line = front.app.wait_for_log(|line| line.contains("path=\"/private/x\" ")).await;
    assert!(line.contains("http=\"2\""), "{line}");
}

/// What was agreed on is what is spoken, also where HTTP/2 without TLS is allowed.
#[tokio::test]
async fn the_protocol_of_the_handshake_is_the_one_of_the_connection() {
    let front = TlsFront::with("server.h2c = true").await;
    for offered in [&[][..], &["http/1.1"]] {
        let mut client =
            RawClient::over(front.client().offers(offered).handshake(front.app.address, HOST).await.unwrap());
        assert_eq!(answer(&mut client, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.status, 505, "{offered:?}");
    }
    let mut client = front.client().offers(&["h2"]).connect(front.app.address, HOST).await;
    client.send(head("GET /public/x", &[])).await;
    let got = client.read_response().await;
    assert!(
        matches!(got, Err(NoResponse::Closed | NoResponse::CutOff(_) | NoResponse::Malformed(_))),
        "{got:?}"
    );
    assert_eq!(front.app.recorder.count(), 0);
}

#[tokio::test]
async fn a_scheme_that_is_not_the_connections_is_refused() {
    let front = TlsFront::start().await;
    let mut client = connect(&front).await;
    for path in ["/public/x", "/.well-known/jwks.json"] {
        let got = client.get(&format!("GET http://{HOST}{path}"), &[]).await;
        assert_eq!((got.status, got.json()["code"].as_str()), (400, Some("bad_scheme")), "{path}");
    }
    assert_eq!(front.app.recorder.count(), 0);
    assert_eq!(client.get("GET /public/x", &[]).await.status, 200, "it is as good as before");
}

#[tokio::test]
async fn hsts_is_on_every_answer_once() {
    let front = TlsFront::with("tls.hsts = '365d'\ntls.hsts_include_subdomains = true").await;
    let own = "HTTP/1.1 200 OK\r\nstrict-transport-security: max-age=1\r\ncontent-length: 0\r\n\r\n";
    front.app.recorder.reply_at("/public/own", Reply::Raw(own.into()));
    front.app.recorder.reply_at("/public/gone", Reply::Close);
    let refused = format!("GET http://{HOST}/public/x");
    let mut client = connect(&front).await;
    for (line, status) in [
        ("GET /public/x", 200),
        ("GET /public/own", 200),
        ("GET /public/gone", 502),
        ("GET /private/x", 401),
        ("GET /auth/me", 401),
        ("GET /.well-known/jwks.json", 200),
        ("GET /public//x", 400),
        ("TRACE /public/x", 405),
        (&refused, 400),
    ] {
        let got = client.get(line, &[]).await;
        assert_eq!((got.status, hsts(&got)), (status, vec!["max-age=31536000; includeSubDomains"]), "{line}");
    }
    let without = TlsFront::start().await;
    let mut client = connect(&without).await;
    for line in ["GET /public/x", "GET /private/x", &refused] {
        assert!(hsts(&client.get(line, &[]).await).is_empty(), "{line}");
    }
}

/// A browser uses one connection for all hosts of a certificate (RFC 9113 section 9.1.1), and no others.
#[tokio::test]
async fn a_request_for_a_host_of_another_certificate_is_misdirected() {
    let names: &[&[&str]] = &[&["first.example", "also.example"], &["*.apps.example"]];
    let front = TlsFront::of(names, TestApp::embedded()).await;
    for (name, host, status) in [
        ("first.example", "first.example", 200),
        ("first.example", "also.example:8443", 200),
        ("first.example", "one.apps.example", 421),
        ("first.example", "unknown.example", 421),
        ("one.apps.example", "two.apps.example", 200),
        ("one.apps.example", "first.example", 421),
    ] {
        let mut client = connect_to(&front, name).await;
        for path in ["/public/x", "/.well-known/jwks.json"] {
            front.app.recorder.forget();
            let got = client.get(&format!("GET https://{host}{path}"), &[]).await;
            assert_eq!(got.status, status, "{name} {host} {path}");
            if status == 421 {
                assert_eq!(got.json()["code"], "misdirected_request", "{name} {host} {path}");
                assert_eq!(front.app.recorder.count(), 0, "{name} {host} {path}");
            }
        }
        assert_eq!(client.get("GET /public/x", &[]).await.status, 200, "it is as good as before");
    }
}

/// What holds a place is a stream that is served, not a connection without one.
#[tokio::test]
async fn an_idle_connection_gives_way_to_a_new_one() {
    // It is also the bound of all streams, and an answer is there a moment before its stream is over: two connections
    // would be too few.
    let front = TlsFront::with("server.max_connections = 8").await;
    front.app.recorder.reply_at("/public/held", Reply::Delay(PROMPT * 20));
    let mut serving = connect(&front).await;
    let _held = serving.open("GET /public/held", &[], true).await;
    let arrived = eventually(PROMPT, || async { front.app.recorder.count() == 1 }).await;
    assert!(arrived);
    // The end of one stream is not that of the other.
    assert_eq!(serving.get("GET /public/x", &[]).await.status, 200);
    let mut idle = Vec::new();
    for _ in 0..7 {
        let mut client = connect(&front).await;
        assert_eq!(client.get("GET /public/x", &[]).await.status, 200);
        idle.push(client);
    }

    let newcomer = eventually(PROMPT, || async {
        let Ok(stream) = front.client().offers(&["h2"]).handshake(front.app.address, HOST).await else {
            return false;
        };
        let mut client = Client::over(stream, &format!("https://{HOST}")).await;
        client.get("GET /public/new", &[]).await.status == 200
    });
    assert!(newcomer.await, "a newcomer is served");
    let (ended, ..) = select_all(idle.iter_mut().map(|client| Box::pin(client.ended()))).await;
    ended.expect("one is told, and that nothing is wrong");
    front.assert_metric("gateward_connections_displaced_total{reason=\"too_many\"}", "1").await;
    assert_eq!(serving.get("GET /public/x", &[]).await.status, 200, "who is served stays");
}
