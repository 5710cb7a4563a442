//! Services behind TLS: whose certificates are believed, what is said in the handshake, what goes over it.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use rustls::ServerConfig;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use super::front::{Front, PROMPT, head};
use super::origin::{Origin, Wire};
use crate::support::app::TestApp;
use crate::support::certificates::Authority;
use crate::support::h2_service::H2Service;
use crate::support::recorder::{Recorder, Reply};
use crate::support::tls_service::{Handshake, TlsService};

const NAME: &str = "api.internal";

/// An upstream and a public route to it, both of this name.
pub fn upstream(name: &str, server: impl std::fmt::Display, lines: &str) -> String {
    format!(
        "[[upstream]]\nname = '{name}'\nservers = ['{server}']\n{lines}\n\
         [[route]]\npath = '/{name}'\nupstream = '{name}'\naccess = 'public'\n"
    )
}

/// The keys of an upstream that trusts this authority and looks for [`NAME`].
pub fn trusting(authority: &Authority) -> String {
    format!("tls = true\ntls_ca_file = {:?}\ntls_server_name = '{NAME}'", authority.file())
}

/// In front of the recorder, with nothing for HTTP/2.
async fn service(config: Arc<ServerConfig>, recorder: &Recorder) -> TlsService {
    TlsService::start(config, recorder.address(), recorder.address()).await
}

fn local(service: &TlsService) -> SocketAddr {
    ([127, 0, 0, 1], service.port()).into()
}

fn handshake(name: Option<&str>, protocol: Option<&str>, certificate: bool) -> Handshake {
    Handshake { name: name.map(str::to_owned), protocol: protocol.map(str::to_owned), certificate }
}

#[tokio::test]
async fn one_connection_with_the_configured_name_serves_many_requests() {
    let (authority, recorder) = (Authority::new(), Recorder::start());
    let service = service(authority.issue(&[NAME]).server(&["http/1.1"], None), &recorder).await;
    let front = Front::with(&upstream("secure", local(&service), &trusting(&authority))).await;
    let mut client = front.connect().await;
    for number in 0..10 {
        let body = "x".repeat(number * 10_000);
        let length = format!("Content-Length: {}", body.len());
        client.send(head(&format!("POST /secure/{number}"), &[&length]) + &body).await;
        assert_eq!(client.read_response().await.unwrap().status, 200, "{number}");
        let seen = recorder.last();
        assert_eq!(
            (seen.target.as_str(), seen.body.len()),
            (format!("/secure/{number}").as_str(), body.len())
        );
        assert_eq!(seen.header("host"), ["front.example"], "the client's, as without TLS");
    }
    assert_eq!(service.handshakes(), [handshake(Some(NAME), Some("http/1.1"), false)]);
}

#[tokio::test]
async fn without_a_configured_name_the_host_of_the_server_counts() {
    let (authority, recorder) = (Authority::new(), Recorder::start());
    let by_name = service(authority.issue(&["localhost"]).server(&[], None), &recorder).await;
    let by_address = service(authority.issue(&["127.0.0.1"]).server(&[], None), &recorder).await;
    let lines = format!("tls = true\ntls_ca_file = {:?}", authority.file());
    let front = Front::with(&format!(
        "{}{}{}",
        upstream("name", format!("localhost:{}", by_name.port()), &lines),
        upstream("address", local(&by_address), &lines),
        upstream("other", local(&by_name), &lines),
    ))
    .await;
    assert_eq!(front.send(head("GET /name", &[])).await.status, 200);
    assert_eq!(by_name.handshakes(), [handshake(Some("localhost"), None, false)]);
    assert_eq!(front.send(head("GET /address", &[])).await.status, 200);
    // RFC 6066 section 3: no literal addresses.
    assert_eq!(by_address.handshakes(), [handshake(None, None, false)]);
    assert_eq!(front.send(head("GET /other", &[])).await.status, 502, "the certificate has no address");
}

/// The system's, as the variable that is made for this says.
#[tokio::test]
async fn without_authorities_of_its_own_a_service_is_believed_by_those_of_the_system() {
    let (authority, recorder) = (Authority::new(), Recorder::start());
    let service = service(authority.issue(&[NAME]).server(&[], None), &recorder).await;
    let lines = format!("tls = true\ntls_server_name = '{NAME}'");
    for (known, status) in [(true, 200), (false, 502)] {
        let mut builder = TestApp::embedded().config(&upstream("secure", local(&service), &lines));
        if known {
            builder = builder.env("SSL_CERT_FILE", authority.file().to_str().unwrap());
        }
        let front = Front::of(builder).await;
        assert_eq!(front.send(head("GET /secure", &[])).await.status, status, "{known}");
    }
}

#[tokio::test]
async fn service_whose_certificate_is_not_right_gets_no_request() {
    let (authority, other, recorder) = (Authority::new(), Authority::new(), Recorder::start());
    let right = service(authority.issue(&[NAME]).server(&[], None), &recorder).await;
    let foreign = service(other.issue(&[NAME]).server(&[], None), &recorder).await;
    let renamed = service(authority.issue(&["b.internal"]).server(&[], None), &recorder).await;
    let expired = service(authority.issue_expired(&[NAME]).server(&[], None), &recorder).await;
    let lines = trusting(&authority);
    let distrusting = trusting(&other);
    let front = Front::with(
        &[
            upstream("right", local(&right), &lines),
            upstream("foreign", local(&foreign), &lines),
            upstream("renamed", local(&renamed), &lines),
            upstream("expired", local(&expired), &lines),
            upstream("plain", recorder.address(), &format!("{lines}\nconnect_timeout = '300ms'")),
            upstream("distrusted", local(&right), &distrusting),
        ]
        .concat(),
    )
    .await;
    // Its connection is kept: a service that is believed in one upstream is not in another.
    assert_eq!(front.send(head("GET /right", &[])).await.status, 200);
    recorder.forget();
    for (name, why) in [
        ("distrusted", "UnknownIssuer"),
        ("foreign", "UnknownIssuer"),
        ("renamed", "not valid for name"),
        ("expired", "expired"),
        ("plain", ""),
    ] {
        for line in ["GET", "POST"] {
            let lines = ["Content-Length: 0", "Cookie: a=hunter2", "X-Secret: hunter2"];
            let answer = front.send(head(&format!("{line} /{name}?q=hunter2"), &lines)).await;
            assert_eq!((answer.status, &answer.json()["code"]), (502, &"upstream_failed".into()), "{name}");
            assert!(!answer.text().contains("ertificate"), "the operator's matter: {}", answer.text());
        }
        if name == "plain" {
            continue; // it waits for more of what it takes for a request
        }
        let told = |line: &str| {
            line.contains("no connection as configured") && line.contains(name) && line.contains(why)
        };
        let line = front.app.wait_for_log(told).await;
        assert!(!line.contains("hunter2"), "{line}");
    }
    let heads: Vec<_> = recorder.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(heads, Vec::<String>::new());
}

#[tokio::test]
async fn service_that_asks_for_a_certificate_gets_the_configured_one() {
    let (authority, clients, recorder) = (Authority::new(), Authority::new(), Recorder::start());
    let config = authority.issue(&[NAME]).server(&["http/1.1"], Some(&clients));
    let service = service(config, &recorder).await;
    let pair = |(chain, key): (std::path::PathBuf, std::path::PathBuf)| {
        format!("tls_client_certificate_file = {chain:?}\ntls_client_key_file = {key:?}")
    };
    let known = clients.files(&clients.issue(&["gateward"]));
    let unknown = authority.files(&authority.issue(&["gateward"]));
    let lines = trusting(&authority);
    let front = Front::with(
        &[
            upstream("known", local(&service), &format!("{lines}\n{}", pair(known))),
            upstream("unknown", local(&service), &format!("{lines}\n{}", pair(unknown))),
            upstream("none", local(&service), &lines),
        ]
        .concat(),
    )
    .await;
    assert_eq!(front.send(head("GET /known", &[])).await.status, 200);
    assert_eq!(service.handshakes(), [handshake(Some(NAME), Some("http/1.1"), true)]);
    for name in ["unknown", "none"] {
        assert_eq!(front.send(head(&format!("GET /{name}"), &[])).await.status, 502, "{name}");
        front
            .app
            .wait_for_log(|line| line.contains("no connection as configured") && line.contains(name))
            .await;
    }
    assert_eq!(recorder.count(), 1);
}

#[tokio::test]
async fn protocol_is_what_was_configured_or_what_the_server_chose() {
    let (authority, recorder) = (Authority::new(), Recorder::start());
    let (http2, _answers) = H2Service::answering().await;
    for (number, (protocol, offered, agreed, version)) in [
        ("auto", &["h2", "http/1.1"][..], Some("h2"), Some(2)),
        ("auto", &["http/1.1"], Some("http/1.1"), Some(1)),
        ("auto", &[], None, Some(1)),
        ("http1", &["h2", "http/1.1"], Some("http/1.1"), Some(1)),
        ("http2", &["h2", "http/1.1"], Some("h2"), Some(2)),
        ("http2", &["http/1.1"], None, None),
        ("http2", &[], None, None),
    ]
    .into_iter()
    .enumerate()
    {
        let config = authority.issue(&[NAME]).server(offered, None);
        let service = TlsService::start(config, recorder.address(), http2).await;
        let lines = format!("{}\nprotocol = '{protocol}'", trusting(&authority));
        let front = Front::with(&upstream("secure", local(&service), &lines)).await;
        recorder.forget();
        // One connection: its next request is read when the service's connection is back in the pool.
        let mut client = front.connect().await;
        for _ in 0..if version.is_some() { 3 } else { 1 } {
            client.send(head("GET /secure", &[])).await;
            let answer = client.read_response().await.unwrap();
            let expected = if version.is_some() { 200 } else { 502 };
            assert_eq!(answer.status, expected, "{number}: {}", answer.text());
            assert_eq!(answer.header("x-version").is_empty(), version != Some(2), "{number}");
        }
        if version.is_some() {
            assert_eq!(service.handshakes(), [handshake(Some(NAME), agreed, false)], "{number}");
        } else {
            assert!(recorder.raw_bytes().concat().is_empty(), "{number}");
            front.app.wait_for_log(|line| line.contains("no connection as configured")).await;
        }
    }
}

/// The service's `101` may arrive before the proxy library has noticed that the request has no body.
#[tokio::test]
async fn every_websocket_of_a_fast_service_behind_tls_lives() {
    let (authority, recorder) = (Authority::new(), Recorder::start());
    recorder.reply(Reply::WebSocket);
    let service = service(authority.issue(&[NAME]).server(&["h2", "http/1.1"], None), &recorder).await;
    let front = Front::with(&upstream("secure", local(&service), &trusting(&authority))).await;
    let url = format!("ws://{}/secure/ws", front.app.address);
    for number in 0..100 {
        let (mut socket, _) = connect_async(&url).await.unwrap();
        for message in [Message::text("hello"), Message::binary(vec![7; 100_000])] {
            socket.send(message.clone()).await.unwrap();
            let back = tokio::time::timeout(PROMPT, socket.next()).await.unwrap();
            assert!(matches!(&back, Some(Ok(same)) if *same == message), "{number}");
        }
    }
    // HTTP/2 was not even offered, and no connection is used twice.
    assert_eq!(service.handshakes(), vec![handshake(Some(NAME), Some("http/1.1"), false); 100]);
}

/// As without TLS: each event is sent only when the one before has arrived.
#[tokio::test]
async fn events_arrive_as_they_are_sent_over_tls() {
    let (authority, origin) = (Authority::new(), Origin::start().await);
    let mut http2 = H2Service::start().await;
    let config = authority.issue(&[NAME]).server(&["h2", "http/1.1"], None);
    let service = TlsService::start(config, origin.address(), http2.address).await;
    let lines = |protocol: &str| format!("{}\nprotocol = '{protocol}'", trusting(&authority));
    let front = Front::with(
        &[
            upstream("one", local(&service), &lines("http1")),
            upstream("two", local(&service), &lines("http2")),
            upstream("clear", http2.address, "protocol = 'http2'"),
        ]
        .concat(),
    )
    .await;
    let mut client = Wire::connect(front.app.address).await;
    client.write(head("GET /one/events", &["Accept: text/event-stream"])).await;
    let mut wire = origin.accept().await;
    wire.read_until("\r\n\r\n").await;
    wire.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
    client.read_until("\r\n\r\n").await;
    for number in 1..=6 {
        let event = format!("data: {number}\n\n");
        wire.write(format!("{:x}\r\n{event}\r\n", event.len())).await;
        client.read_until(&event).await;
    }
    for path in ["/two/events", "/clear/events"] {
        let mut client = Wire::connect(front.app.address).await;
        client.write(head(&format!("GET {path}"), &["Accept: text/event-stream"])).await;
        let mut call = http2.call().await;
        let mut stream = call.begin(200, &[("content-type", "text/event-stream")]);
        client.read_until("\r\n\r\n").await;
        for number in 1..=6 {
            let event = format!("data: {number}\n\n");
            stream.send_data(event.clone().into(), false).unwrap();
            client.read_until(&event).await;
        }
    }
}
