//! Rules that hold for every request hold for one of HTTP/2: whose word counts, how large a body may be, which paths
//! are taken, how many requests a connection has.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use serde_json::Value;

use super::front::{Front, noise};
use super::h2_client::{Client, Fate, Raw, front_of, front_with, usual, whole};
use super::origin::Origin;
use crate::support::recorder::RecordedRequest;

const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const TRUSTED: &str = "server.trusted_proxies = ['127.0.0.1', '10.0.0.0/8']";
const LIMITS: &str = "[[route]]\npath = '/small'\nupstream = 'recorder'\naccess = 'public'\nmax_body_bytes = 1000\n\
     [[route]]\npath = '/mine'\nupstream = 'recorder'\nmax_body_bytes = 1000";
/// `/names` takes encoded slashes, `/merged` runs of slashes.
const ODD_PATHS: &str = "[[route]]\npath = '/names'\nupstream = 'recorder'\naccess = 'public'\nallow_encoded_slash = true\n\
     [[route]]\npath = '/merged'\nupstream = 'recorder'\naccess = 'public'\nmerge_slashes = true\n\
     [[route]]\npath = '/names/private'\nupstream = 'recorder'";

/// What the service is told of the client: for, proto, host.
fn told(request: &RecordedRequest) -> [String; 3] {
    ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"].map(|name| {
        let values = request.header(name);
        assert_eq!(values.len(), 1, "{name}: exactly one value");
        values.concat()
    })
}

#[tokio::test]
async fn word_of_a_trusted_proxy_counts_and_of_nobody_else() {
    let front = front_with(TRUSTED).await;
    let says = [
        ("x-forwarded-for", "198.51.100.1, 203.0.113.9"),
        ("x-forwarded-for", "10.1.2.3"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "shop.example"),
    ];
    let mut proxy = Client::connect(front.app.address).await;
    assert_eq!(proxy.get("GET /public/told", &says).await.status, 200);
    let expected = ["203.0.113.9, 10.1.2.3, 127.0.0.1", "https", "shop.example"];
    assert_eq!(told(&front.app.recorder.last()), expected);
    let said = front.app.wait_for_log(|line| line.contains("path=\"/public/told\"")).await;
    assert!(said.contains("client=203.0.113.9 "), "{said}");
    // Each stream has a client of its own.
    assert_eq!(proxy.get("GET /public/x", &[("x-forwarded-for", "203.0.113.7")]).await.status, 200);
    assert_eq!(told(&front.app.recorder.last()), ["203.0.113.7, 127.0.0.1", "http", "front.example"]);
    assert_eq!(proxy.get("GET /public/x", &[]).await.status, 200);
    assert_eq!(told(&front.app.recorder.last()), ["127.0.0.1", "http", "front.example"]);

    let mut stranger = Client::connect_from(STRANGER, front.app.address).await;
    assert_eq!(stranger.get("GET /public/lie", &says).await.status, 200);
    assert_eq!(told(&front.app.recorder.last()), ["127.0.0.2", "http", "front.example"]);
    let said = front.app.wait_for_log(|line| line.contains("path=\"/public/lie\"")).await;
    assert!(said.contains("client=127.0.0.2 "), "{said}");
}

/// It passes on the scheme of its client.
#[tokio::test]
async fn scheme_of_another_connection_is_taken_from_a_trusted_proxy_only() {
    let front = front_with(TRUSTED).await;
    let code =
        |answer: &super::h2_client::Answer| answer.json()["code"].as_str().unwrap_or_default().to_owned();
    let mut proxy = Client::connect(front.app.address).await;
    assert_eq!(proxy.get("GET https://front.example/public/x", &[]).await.status, 200);
    assert_eq!(proxy.get("GET http://front.example/public/x", &[]).await.status, 200);
    let other = proxy.get("GET ftp://front.example/public/x", &[]).await;
    assert_eq!((other.status, code(&other)), (400, "bad_scheme".to_owned()));

    front.app.recorder.forget();
    let mut stranger = Client::connect_from(STRANGER, front.app.address).await;
    for lie in [&[][..], &[("x-forwarded-proto", "https"), ("x-forwarded-for", "127.0.0.1")]] {
        let refused = stranger.get("GET https://front.example/public/x", lie).await;
        assert_eq!((refused.status, code(&refused)), (400, "bad_scheme".to_owned()));
    }
    front.assert_nothing_forwarded("a stranger's scheme");
    assert_eq!(stranger.get("GET /public/x", &[]).await.status, 200);
}

#[tokio::test]
async fn announced_body_over_the_limit_is_refused_before_the_service_is_called() {
    let front = front_with(LIMITS).await;
    let mut client = Client::connect(front.app.address).await;
    for (line, length, status) in [
        ("POST /small", "1001", 413),
        ("GET /small/x", "10737418240", 413),
        // The default.
        ("POST /public", "104857601", 413),
        // Who may not come in is not told what would fit.
        ("POST /mine", "1001", 401),
    ] {
        let (answer, _stream) = client.open(line, &[("content-length", length)], false).await;
        let answer = whole(answer).await.unwrap();
        assert_eq!(answer.status, status, "{line}");
        if status == 413 {
            assert_eq!(answer.json()["code"], "body_too_large", "{line}");
        }
    }
    front.assert_nothing_forwarded("too large");
    for fields in [&[][..], &[("content-length", "1000")]] {
        assert_eq!(client.post("POST /small", fields, &noise(1000)).await.status, 200, "{fields:?}");
        assert_eq!(front.app.recorder.last().body, noise(1000), "{fields:?}");
    }
}

#[tokio::test]
async fn body_that_grows_over_the_limit_is_answered_with_413_and_ends_the_services_connection() {
    let origin = Origin::start().await;
    let front = front_of(origin.address(), LIMITS).await;
    let mut client = Client::connect(front.app.address).await;
    let (answer, mut body) = client.open("POST /small", &[], false).await;
    body.send_data(Bytes::from("x".repeat(1000)), false).unwrap();
    let mut service = origin.accept().await;
    service.read_until("\r\n\r\n").await;
    service.read_until(&"x".repeat(1000)).await;
    body.send_data(Bytes::from_static(b"Y"), false).unwrap();
    let answer = whole(answer).await.unwrap();
    assert_eq!((answer.status, answer.json()["code"].as_str()), (413, Some("body_too_large")));
    let rest = service.until_closed().await;
    assert!(rest < 10, "{rest} bytes: no end of the body, and nothing else");
    let said = front.app.wait_for_log(|line| line.contains("path=\"/small\"")).await;
    assert!(said.contains("status=413 outcome=\"refused\" reason=\"body_too_large\""), "{said}");
    // The other streams are not concerned.
    let (answer, _) = client.open("GET /public/next", &[], true).await;
    let mut service = origin.accept().await;
    service.read_until("\r\n\r\n").await;
    service.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    assert_eq!(whole(answer).await.unwrap().body, "ok"[..]);
}

#[tokio::test]
async fn odd_paths_are_taken_where_a_route_allows_them_only() {
    let front = front_with(ODD_PATHS).await;
    let mut client = Client::connect(front.app.address).await;
    for (target, forwarded) in [
        ("/names/group%2Fname?x=//%2f", "/names/group%2Fname?x=//%2f"),
        ("/merged//a///b?x=//", "/merged/a/b?x=//"),
        ("//merged/a//", "/merged/a/"),
    ] {
        front.app.recorder.forget();
        let answer = client.post(&format!("POST {target}"), &[], b"abc").await;
        assert_eq!(answer.status, 200, "{target}");
        let [request] = &front.app.recorder.requests()[..] else { panic!("{target}: one request") };
        assert_eq!((request.target.as_str(), &request.body[..]), (forwarded, &b"abc"[..]));
    }
    front.app.recorder.forget();
    for (target, code) in [
        ("/public/a%2fb", "encoded_slash"),
        ("/public//a", "empty_segment"),
        ("//public/a", "empty_segment"),
        ("/names//a", "empty_segment"),
        ("/merged/a%2fb", "encoded_slash"),
        ("/names/private%2fx", "encoded_slash"),
        ("/names%2fprivate", "encoded_slash"),
        ("/names/..%2fpublic", "dot_segment"),
        ("/merged//../public", "dot_segment"),
        ("/auth//me", "empty_segment"),
        ("/auth%2fme", "encoded_slash"),
    ] {
        let answer = client.get(&format!("GET {target}"), &[]).await;
        let said: Value = answer.json();
        assert_eq!((answer.status, said["code"].as_str()), (400, Some(code)), "{target}");
    }
    front.assert_nothing_forwarded("none of them");
}

/// Opens streams until so many are answered.
async fn answered(address: SocketAddr, count: u32) -> Raw {
    let mut raw = Raw::connect(address).await;
    for number in 0..count {
        let stream = number * 2 + 1;
        raw.send(stream, &usual(b"/public/x")).await;
        assert_eq!(raw.fate(stream).await, Fate::Answered(200), "request {number}");
    }
    raw
}

#[tokio::test]
async fn the_last_request_of_a_connection_is_told_so() {
    let front: Front = front_with("server.max_requests_per_connection = 3").await;
    let mut raw = answered(front.app.address, 2).await;
    assert!(!raw.is_winding_up().await, "one is left");
    for _ in 0..2 {
        let mut raw = answered(front.app.address, 3).await;
        assert_eq!(raw.until_closed().await, Some(0), "NO_ERROR");
    }
    front.assert_serves("on the next connection").await;
}
