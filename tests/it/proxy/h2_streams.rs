//! Streams have deadlines and ends of their own; what becomes of one does not touch its siblings.

use bytes::Bytes;
use h2::Reason;
use reqwest::Method;
use tokio::time::Instant;

use super::front::PROMPT;
use super::h2_client::{
    Client, END_HEADERS, END_STREAM, Fate, HEADERS, Raw, block, frame, front, front_of, front_with, head,
    usual, whole,
};
use super::origin::Origin;
use crate::support::app::PASSWORD;
use crate::support::recorder::Reply;
use crate::support::wait::eventually;

#[tokio::test]
async fn a_logout_cuts_the_streams_of_its_session_and_no_others() {
    let origin = Origin::start().await;
    let front = front_of(origin.address(), "").await;
    let staying = format!("Bearer {}", front.app.login(&front.email, PASSWORD).await);
    let ending = format!("Bearer {}", front.token);
    let mut client = Client::connect(front.app.address).await;
    let (ended, _) = client.open("GET /private/ending", &[("authorization", &ending)], true).await;
    let mut service = origin.accept().await;
    service.read_until("\r\n\r\n").await;
    service.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n").await;
    let mut ended = head(ended).await.into_body();
    assert_eq!(ended.data().await.unwrap().unwrap(), "first");
    let (stays, _) = client.open("GET /private/staying", &[("authorization", &staying)], true).await;
    let mut other = origin.accept().await;
    other.read_until("\r\n\r\n").await;
    other.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfirst").await;

    let logout =
        front.app.request(Method::POST, "/auth/logout").bearer_auth(&front.token).send().await.unwrap();
    assert_eq!(logout.status(), 204);
    let cut = tokio::time::timeout(PROMPT, ended.data()).await.expect("promptly").unwrap();
    assert!(cut.unwrap_err().is_reset(), "an end would say that the answer was whole");
    assert_eq!(service.until_closed().await, 0, "the service's connection goes with it");
    other.write("later").await;
    assert_eq!(whole(stays).await.unwrap().body, "firstlater"[..]);
    let line = front.app.wait_for_log(|line| line.contains("path=\"/private/ending\"")).await;
    for said in ["outcome=\"closed\"", "reason=\"session_ended\"", "status=200", "http=\"2\""] {
        assert!(line.contains(said), "{said}: {line}");
    }
}

#[tokio::test]
async fn a_stream_that_is_given_up_ends_its_call_to_the_service() {
    let origin = Origin::start().await;
    let front = front_of(origin.address(), "").await;
    let mut client = Client::connect(front.app.address).await;
    let (answer, mut stream) = client.open("GET /public/x", &[], false).await;
    let mut service = origin.accept().await;
    service.read_until("\r\n\r\n").await;
    stream.send_reset(Reason::CANCEL);
    assert_eq!(service.until_closed().await, 0);
    assert!(whole(answer).await.is_err());
    let (answer, _) = client.open("GET /public/y", &[], true).await;
    let mut service = origin.accept().await;
    service.read_until("\r\n\r\n").await;
    service.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    assert_eq!(whole(answer).await.unwrap().body, "ok"[..]);
}

#[tokio::test]
async fn requests_of_a_client_that_leaves_are_ended_and_logged() {
    let origin = Origin::start().await;
    let front = front_of(origin.address(), "").await;
    let client = {
        let mut client = Client::connect(front.app.address).await;
        let mut services = Vec::new();
        for number in 0..3 {
            let (answer, stream) = client.open(&format!("GET /public/{number}"), &[], true).await;
            let mut service = origin.accept().await;
            service.read_until("\r\n\r\n").await;
            services.push((service, answer, stream));
        }
        (client, services)
    };
    drop(client.0);
    for (number, (mut service, _, _)) in client.1.into_iter().enumerate() {
        assert_eq!(service.until_closed().await, 0);
        let path = format!("path=\"/public/{number}\"");
        let line = front.app.wait_for_log(|line| line.contains(&path)).await;
        assert!(line.contains("reason=\"client_gone\""), "{line}");
    }
}

#[tokio::test]
async fn silent_bodies_and_slow_readers_are_given_up_and_siblings_are_served() {
    let front = front_with("server.body_timeout = '500ms'\nserver.write_timeout = '500ms'").await;
    front.app.recorder.reply_at("/public/big", Reply::Big(3_000_000));
    let mut client = Client::connect(front.app.address).await;
    let (answer, mut body) = client.open("POST /public/slow", &[], false).await;
    body.send_data(Bytes::from_static(b"x"), false).unwrap();
    // Its window is never opened again.
    let (unread, _) = client.open("GET /public/big", &[], true).await;
    let unread = head(unread).await;
    assert_eq!(unread.status(), 200);
    assert_eq!(whole(answer).await.unwrap().status, 408);
    assert_eq!(client.get("GET /public/x", &[]).await.status, 200);
    let line = front.app.wait_for_log(|line| line.contains("path=\"/public/big\"")).await;
    assert!(line.contains("outcome=\"failed\"") || line.contains("outcome=\"refused\""), "{line}");
    let mut unread = unread.into_body();
    let mut got = 0;
    let end = loop {
        match unread.data().await {
            Some(Ok(data)) => got += data.len(),
            Some(Err(error)) => break error,
            None => panic!("it ended as if it were whole, after {got}"),
        }
    };
    assert!(end.is_reset() && got < 3_000_000, "{end}");
    assert_eq!(client.get("GET /public/x", &[]).await.status, 200);
}

#[tokio::test]
async fn header_blocks_have_one_deadline() {
    let front = front_with("server.head_timeout = '500ms'").await;
    let fields = block(&usual(b"/public/x"));
    for (case, begin) in [
        ("open block", frame(HEADERS, END_STREAM, 1, &fields)),
        ("part of a frame", frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields)[..20].to_vec()),
        ("part of a frame's head", vec![0, 0]),
    ] {
        let mut client = Raw::connect(front.app.address).await;
        let started = Instant::now();
        client.wire.write(begin).await;
        assert!(matches!(client.until_closed().await, Some(11) | None), "{case}");
        assert!(started.elapsed() < PROMPT, "{case}: {:?}", started.elapsed());
    }
    // Nothing but the preface, and less than that.
    for begin in [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], b"PRI * HTTP/2.0\r\n\r\nSM", b"PRI * HT"] {
        let mut wire = super::origin::Wire::connect(front.app.address).await;
        wire.write(begin).await;
        let started = Instant::now();
        wire.until_closed().await;
        assert!(started.elapsed() < PROMPT, "{}", begin.escape_ascii());
    }
    front.assert_serves("slow header blocks").await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_with_a_word() {
    let front = front_with("server.keepalive_timeout = '1s'").await;
    let mut client = Raw::connect(front.app.address).await;
    client.send(1, &usual(b"/public/x")).await;
    assert_eq!(client.fate(1).await, Fate::Answered(200));
    let started = Instant::now();
    assert_eq!(client.until_closed().await, Some(0), "GOAWAY, no error");
    assert!(started.elapsed() < PROMPT);
}

#[tokio::test]
async fn a_stop_lets_streams_finish_and_takes_no_new_ones() {
    let origin = Origin::start().await;
    let mut front = front_of(origin.address(), "").await;
    let mut client = Client::connect(front.app.address).await;
    let (answer, _) = client.open("GET /public/slow", &[], true).await;
    let mut service = origin.accept().await;
    service.read_until("\r\n\r\n").await;
    front.app.signal(nix::sys::signal::Signal::SIGTERM);
    service.write("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n").await;
    let mut body = head(answer).await.into_body();
    service.write("late").await;
    assert_eq!(body.data().await.unwrap().unwrap(), "late");
    assert!(body.data().await.is_none());
    client.ended().await.unwrap();
    let ended = eventually(PROMPT, || std::future::ready(front.app.ended().is_some())).await;
    assert!(ended);
    assert_eq!(front.app.ended().unwrap().code(), Some(0));
}

#[tokio::test]
async fn more_streams_than_allowed_are_refused_and_may_be_tried_again() {
    let origin = Origin::start().await;
    let front = front_of(origin.address(), "server.max_streams = 2").await;
    let mut client = Raw::connect(front.app.address).await;
    for stream in [1, 3, 5] {
        client.send(stream, &usual(b"/public/x")).await;
    }
    assert_eq!(client.fate(5).await, Fate::Reset(7), "REFUSED_STREAM");
    let front = front_with("server.max_connections = 3").await;
    front.app.recorder.reply(Reply::Delay(std::time::Duration::from_secs(3)));
    let mut client = Raw::connect(front.app.address).await;
    for stream in [1, 3, 5, 7] {
        client.send(stream, &usual(b"/public/x")).await;
    }
    assert_eq!(client.fate(7).await, Fate::Reset(7), "REFUSED_STREAM");
}

#[tokio::test]
async fn clients_of_both_versions_are_counted_and_served_together() {
    let front = front().await;
    let mut client = Client::connect(front.app.address).await;
    for _ in 0..20 {
        assert_eq!(client.get("GET /public/x", &[]).await.status, 200);
        front.forwarded(super::front::head("GET /public/y", &[])).await;
    }
    // The last is counted a moment after its answer.
    let all = "gateward_requests_total{outcome=\"forwarded\",route=\"/public\",status=\"2xx\"} 40";
    let text = || async { front.app.get_admin("/metrics").await.text().await.unwrap() };
    assert!(eventually(PROMPT, || async { text().await.contains(all) }).await, "{}", text().await);
}

/// A client may hold no more of the streams than it may hold connections, however few connections it needs for them.
#[tokio::test]
async fn streams_are_bounded_by_address() {
    let origin = Origin::start().await;
    // Some connections are those of the test's other client.
    let front = front_of(origin.address(), "server.max_connections_per_address = 6").await;
    let mut client = Client::connect(front.app.address).await;
    let mut held = Vec::new();
    for number in 0..6 {
        let (answer, stream) = client.open(&format!("GET /public/{number}"), &[], true).await;
        let mut service = origin.accept().await;
        service.read_until("\r\n\r\n").await;
        held.push((answer, stream, service));
    }
    let (another, _) = client.open("GET /public/another", &[], true).await;
    assert_eq!(whole(another).await.unwrap_err().reason(), Some(Reason::REFUSED_STREAM));
    let metrics = front.app.get_admin("/metrics").await.text().await.unwrap();
    assert!(
        metrics.contains("gateward_connections_refused_total{reason=\"too_many_streams\"} 1"),
        "{metrics}"
    );
    let (answer, _, mut service) = held.pop().unwrap();
    service.write("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok").await;
    assert_eq!(whole(answer).await.unwrap().body, "ok"[..]);
    // The place is free a moment after the answer is whole.
    for _ in 0..1000 {
        let (again, _) = client.open("GET /public/again", &[], true).await;
        tokio::select! {
            refused = whole(again) => assert_eq!(refused.unwrap_err().reason(), Some(Reason::REFUSED_STREAM)),
            _called = origin.accept() => return,
        }
    }
    panic!("a place that was given back is not taken again");
}

/// Also for a client that does not answer the ping with which the last stream is agreed on.
#[tokio::test]
async fn no_stream_is_served_behind_the_last_one_of_a_connection() {
    let front = front_with("server.max_requests_per_connection = 2").await;
    let mut client = Raw::connect(front.app.address).await;
    for stream in [1, 3, 5, 7] {
        client.send(stream, &usual(b"/public/x")).await;
    }
    assert!(matches!(client.fate(1).await, Fate::Answered(200)));
    client.until_closed().await;
    assert_eq!(front.app.recorder.requests().len(), 2);
}
