//! Handshakes: versions, names, protocols, deadlines, and who is turned away.

use std::time::Duration;

use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, ProtocolVersion};
use tokio::time::Instant;

use super::front::PROMPT;
use super::tls_front::{HOST, TlsFront, answer, head, head_for};
use crate::support::app::TestApp;
use crate::support::raw::RawClient;
use crate::support::tls::{handshake, leaf};
use crate::support::wait::eventually;

#[tokio::test]
async fn both_modern_versions_are_spoken() {
    let front = TlsFront::start().await;
    for (version, spoken) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let client = front.client().version(version);
        let stream = client.handshake(front.app.address, HOST).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(spoken));
        let mut client = RawClient::over(stream);
        assert_eq!(answer(&mut client, head("GET /public/x", &[])).await.status, 200);
        let request = front.app.recorder.last();
        assert_eq!(request.header("x-forwarded-proto"), ["https"], "{spoken:?}");
        assert_eq!(request.header("x-forwarded-host"), [HOST], "{spoken:?}");
    }
}

#[tokio::test]
async fn tls_1_3_alone_may_be_asked_for() {
    let front = TlsFront::with("tls.min_version = '1.3'").await;
    assert!(front.client().version(&TLS12).handshake(front.app.address, HOST).await.is_err());
    assert!(front.client().version(&TLS13).handshake(front.app.address, HOST).await.is_ok());
    front.assert_metric("gateward_tls_handshake_failures_total{reason=\"version\"}", "1").await;
}

/// A ClientHello of this version, with suites that every server of its time had.
fn client_hello(version: [u8; 2]) -> Vec<u8> {
    let mut body = version.to_vec();
    body.extend([7; 32]);
    body.push(0);
    // TLS_RSA_WITH_AES_128_CBC_SHA, TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA.
    body.extend([0, 4, 0x00, 0x2f, 0xc0, 0x13]);
    body.extend([1, 0]);
    // supported_groups and signature_algorithms, as far as they existed.
    let extensions = [0, 10, 0, 4, 0, 2, 0, 23, 0, 13, 0, 4, 0, 2, 4, 1];
    body.extend([0, 16]);
    body.extend(extensions);
    let mut message = vec![1, 0, 0, u8::try_from(body.len()).unwrap()];
    message.extend(body);
    let mut record = vec![22, 3, 1, 0, u8::try_from(message.len()).unwrap()];
    record.extend(message);
    record
}

#[tokio::test]
async fn older_versions_are_refused_by_an_alert() {
    let front = TlsFront::start().await;
    for version in [[3, 0], [3, 1], [3, 2]] {
        let mut client = RawClient::connect(front.app.address).await;
        client.send(client_hello(version)).await;
        let rest = client.read_rest(PROMPT).await;
        // A fatal alert, and nothing else: 70 is protocol_version.
        assert_eq!((rest.len(), rest[0], rest[5], rest[6]), (7, 21, 2, 70), "{version:?}: {rest:?}");
    }
    front.assert_metric("gateward_tls_handshake_failures_total{reason=\"version\"}", "3").await;
    assert_eq!(front.send(head("GET /public/x", &[])).await.status, 200);
}

#[tokio::test]
async fn certificate_is_chosen_by_the_name_that_the_client_says() {
    let names: &[&[&str]] =
        &[&["first.example"], &["*.apps.example", "apps.example"], &["one.apps.example", "127.0.0.1"]];
    let front = TlsFront::of(names, TestApp::embedded()).await;
    for (name, index) in [
        ("first.example", 0),
        ("apps.example", 1),
        ("two.apps.example", 1),
        ("ONE.apps.example", 2),
        ("one.apps.example", 2),
    ] {
        let stream = front.client().handshake(front.app.address, name).await.unwrap();
        let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
        assert_eq!(shown, leaf(&front.pairs[index].chain), "{name}");
    }
    // Unknown names, and none (an address is never said): the first one, which such a client refuses by itself.
    for name in ["unknown.example", "a.two.apps.example", "127.0.0.1"] {
        let refused = front.client().handshake(front.app.address, name).await.unwrap_err();
        assert!(refused.to_string().contains("not valid for name"), "{name}: {refused}");
    }
    let refusals = "gateward_tls_handshake_failures_total{reason=\"refused_by_client\"}";
    front.assert_metric(refusals, "3").await;
}

/// Otherwise a client that one name admits could ask for what stands behind another.
#[tokio::test]
async fn request_for_a_host_of_another_certificate_is_misdirected() {
    let names: &[&[&str]] = &[&["first.example", "also.example"], &["*.apps.example"]];
    let front = TlsFront::of(names, TestApp::embedded()).await;
    for (name, host, status) in [
        ("first.example", "first.example", 200),
        ("first.example", "ALSO.example:8443", 200),
        ("first.example", "one.apps.example", 421),
        ("first.example", "unknown.example", 421),
        ("first.example", "127.0.0.1", 421),
        ("one.apps.example", "two.apps.example", 200),
        ("one.apps.example", "apps.example", 421),
        ("one.apps.example", "first.example", 421),
    ] {
        for target in ["/public/x", "/.well-known/jwks.json"] {
            front.app.recorder.forget();
            let mut client = front.client().connect(front.app.address, name).await;
            let got = answer(&mut client, head_for(host, &format!("GET {target}"), &[])).await;
            assert_eq!(got.status, status, "{name} {host} {target}: {}", got.text());
            if status == 421 {
                assert_eq!(got.json()["code"], "misdirected_request");
                assert_eq!(front.app.recorder.count(), 0, "{name} {host}");
                // The connection is as good as before.
                assert_eq!(answer(&mut client, head_for(name, "GET /public/x", &[])).await.status, 200);
            }
        }
    }
}

#[tokio::test]
async fn with_one_certificate_any_host_may_be_asked_for() {
    let front = TlsFront::start().await;
    for host in ["10.0.0.1", "balancer.internal:1", HOST] {
        let mut client = front.connect().await;
        assert_eq!(answer(&mut client, head_for(host, "GET /public/x", &[])).await.status, 200, "{host}");
    }
}

#[tokio::test]
async fn protocols_are_negotiated() {
    let front = TlsFront::start().await;
    for (offered, agreed) in [
        (&[][..], None),
        (&["http/1.1"][..], Some("http/1.1")),
        (&["spdy/3", "http/1.1"][..], Some("http/1.1")),
    ] {
        let stream = front.client().offers(offered).handshake(front.app.address, HOST).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), agreed.map(str::as_bytes), "{offered:?}");
        let mut client = RawClient::over(stream);
        assert_eq!(answer(&mut client, head("GET /public/x", &[])).await.status, 200, "{offered:?}");
    }
    let refused = front.client().offers(&["spdy/3"]).handshake(front.app.address, HOST).await.unwrap_err();
    assert!(refused.to_string().contains("NoApplicationProtocol"), "{refused}");
}

#[tokio::test]
async fn sessions_are_resumed_but_no_early_data_is_taken() {
    let front = TlsFront::start().await;
    for version in [&TLS12, &TLS13] {
        let config = front.client().version(version).config();
        let mut kinds = Vec::new();
        for _ in 0..2 {
            let mut stream = handshake(config.clone(), front.app.address, HOST).await.unwrap();
            kinds.push(stream.get_ref().1.handshake_kind().unwrap());
            assert!(stream.get_mut().1.early_data().is_none());
            // Reading takes the tickets in.
            assert_eq!(answer(&mut RawClient::over(stream), head("GET /public/x", &[])).await.status, 200);
        }
        assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed], "{version:?}");
    }
}

#[tokio::test]
async fn plain_http_is_told_that_this_port_speaks_tls() {
    let front = TlsFront::start().await;
    for request in [
        head("GET /public/x", &[]),
        "G".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        format!(
            "POST /auth/login HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n{}",
            "x".repeat(70_000)
        ),
    ] {
        let started = Instant::now();
        let mut client = RawClient::connect(front.app.address).await;
        client.send(&request).await;
        let told = client.read_response().await.unwrap();
        assert_eq!((told.status, told.json()["code"].as_str()), (400, Some("not_tls")));
        assert_eq!(told.header("connection"), ["close"]);
        assert!(told.header("strict-transport-security").is_empty());
        assert!(client.closes_within(PROMPT).await && started.elapsed() < PROMPT);
    }
    assert_eq!(front.app.recorder.count(), 0);
    front.assert_metric("gateward_tls_handshake_failures_total{reason=\"not_tls\"}", "4").await;
}

#[tokio::test]
async fn handshakes_that_are_slow_silent_or_broken_end_and_do_not_count_for_long() {
    let front = TlsFront::with("tls.handshake_timeout = '400ms'").await;
    let hello = client_hello([3, 3]);
    let slow = [b"".as_slice(), &hello[..1], &hello[..5], &hello[..20]].map(|start| {
        let front = &front;
        async move {
            let started = Instant::now();
            let mut client = RawClient::connect(front.app.address).await;
            client.send(start).await;
            assert_eq!(client.read_rest(PROMPT).await, b"", "{start:?}");
            let took = started.elapsed();
            assert!((Duration::from_millis(350)..PROMPT).contains(&took), "{start:?} {took:?}");
        }
    });
    futures_util::future::join_all(slow).await;
    front.assert_metric("gateward_tls_handshake_failures_total{reason=\"too_slow\"}", "4").await;
    for (bytes, counted) in [
        (vec![22, 3, 1, 0, 4, 9, 9, 9, 9], 1),
        (vec![22, 3, 1, 0xff, 0xff, 1, 2, 3], 2),
        (vec![22, 9, 9, 0, 4, 1, 0, 0, 0], 3),
    ] {
        let mut client = RawClient::connect(front.app.address).await;
        client.send(&bytes).await;
        let rest = client.read_rest(PROMPT).await;
        assert!(rest.is_empty() || rest[0] == 21, "{bytes:?}: {rest:?}");
        let log = front.app.log_lines();
        assert!(!log.iter().any(|line| line.contains("panicked")), "{bytes:?}");
        let malformed = "gateward_tls_handshake_failures_total{reason=\"malformed\"}";
        front.assert_metric(malformed, &counted.to_string()).await;
    }
    for partly in [&hello[..0], &hello[..30]] {
        let mut client = RawClient::connect(front.app.address).await;
        client.send(partly).await;
        drop(client);
    }
    front.assert_metric("gateward_tls_handshake_failures_total{reason=\"client_gone\"}", "2").await;
    front.assert_metric("gateward_connections", "0").await;
    assert_eq!(front.send(head("GET /public/x", &[])).await.status, 200);
}

/// The time for the first head runs from the first moment, however the client spends it.
#[tokio::test]
async fn handshake_and_first_head_share_one_deadline() {
    let front = TlsFront::with("server.head_timeout = '600ms'").await;
    let started = Instant::now();
    let mut silent = RawClient::connect(front.app.address).await;
    assert!(silent.closes_within(PROMPT).await);
    assert!(started.elapsed() < Duration::from_secs(3), "the handshake alone may take 10 s");

    let mut client = front.connect().await;
    assert!(client.closes_within(PROMPT).await, "no head comes");
}

#[tokio::test]
async fn connection_in_its_handshake_counts_and_gives_way() {
    let front = TlsFront::with(
        "server.max_connections = 2\ntls.handshake_timeout = '1h'\nserver.head_timeout = '1h'",
    )
    .await;
    let first = RawClient::connect(front.app.address).await;
    let second = RawClient::connect(front.app.address).await;
    front.assert_metric("gateward_connections", "2").await;
    let let_in = eventually(PROMPT, || async {
        let mut third = RawClient::connect(front.app.address).await;
        !third.closes_within(Duration::from_millis(100)).await
    });
    assert!(let_in.await, "who says nothing gives way to a newcomer");
    drop((first, second));
    front.assert_metric("gateward_connections", "0").await;
    assert_eq!(front.send(head("GET /public/x", &[])).await.status, 200);
}
