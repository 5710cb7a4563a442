//! Requests to services of HTTP/2 that do not end well: refused, broken off, left, and which of them are sent again.

use h2::Reason;
use tokio::io::AsyncReadExt as _;

use super::front::{Front, PROMPT, head};
use super::origin::{Origin, Wire};
use super::upstream_h2::{assert_problem, front_of, front_with};
use super::upstream_tls::upstream;
use crate::support::h2_service::H2Service;

/// The service says that it did not look at the request; anything else it may have acted on.
#[tokio::test]
async fn only_a_request_that_the_service_did_not_touch_is_sent_again() {
    let mut service = H2Service::start().await;
    let front = front_of(&service).await;
    for method in ["GET", "POST"] {
        for (reason, again) in [
            (Reason::REFUSED_STREAM, true),
            (Reason::INTERNAL_ERROR, false),
            (Reason::CANCEL, false),
            (Reason::ENHANCE_YOUR_CALM, false),
            (Reason::NO_ERROR, false),
            (Reason::HTTP_1_1_REQUIRED, false),
        ] {
            let case = format!("{method} {reason:?}");
            let mut client = front.connect().await;
            client.send(head(&format!("{method} /h2/x"), &["Content-Length: 5"]) + "hello").await;
            let mut call = service.call().await;
            assert_eq!(call.body().await, b"hello", "{case}");
            call.answer.send_reset(reason);
            if again {
                let mut call = service.call().await;
                assert_eq!(call.body().await, b"hello", "{case}: the whole of it");
                call.answer(200, &[], "ok");
            }
            let answer = client.read_response().await.unwrap();
            if again {
                assert_eq!((answer.status, answer.text().as_str()), (200, "ok"), "{case}");
            } else {
                assert_problem(&answer, 502, "upstream_failed", &case);
            }
            service.assert_no_call(&case);
        }
    }
    // Not for ever.
    let mut client = front.connect().await;
    client.send(head("POST /h2/x", &["Content-Length: 0"])).await;
    for _ in 0..8 {
        service.call().await.answer.send_reset(Reason::REFUSED_STREAM);
    }
    assert_problem(&client.read_response().await.unwrap(), 502, "upstream_failed", "always refused");
    service.assert_no_call("always refused");
}

#[tokio::test]
async fn no_request_is_lost_when_a_service_ends_a_connection() {
    let mut service = H2Service::start().await;
    let front = front_of(&service).await;
    let mut client = front.connect().await;
    for round in 1..=5 {
        client.send(head("GET /h2/leave", &[])).await;
        let call = service.call().await;
        assert_eq!(call.connection, round, "the connection that was ended takes nothing more");
        call.answer(200, &[], "bye");
        assert_eq!(client.read_response().await.unwrap().text(), "bye");
    }
}

/// RFC 9113 section 6.8: what comes behind the last stream that GOAWAY names was not looked at.
#[tokio::test]
async fn request_behind_the_last_one_that_a_service_takes_goes_over_another_connection() {
    const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
    // END_STREAM and END_HEADERS on stream 1; `:status: 200`.
    const ANSWER: &[u8] = b"\0\0\x01\x01\x05\0\0\0\x01\x88";
    for (code, status) in [(0, 200), (2, 502)] {
        let origin = Origin::start().await;
        let front = Front::with(&upstream("h2", origin.address(), "protocol = 'http2'")).await;
        let mut client = front.connect().await;
        client.send(head("POST /h2/x", &["Content-Length: 5"]) + "hello").await;
        let mut first = origin.accept().await;
        first.write(SETTINGS).await;
        until_headers(&mut first).await;
        first.write([b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0", &[code][..]].concat()).await;
        if status == 200 {
            let mut second = origin.accept().await;
            second.write(SETTINGS).await;
            until_headers(&mut second).await;
            second.write(ANSWER).await;
            assert_eq!(client.read_response().await.unwrap().status, 200);
        } else {
            assert_problem(&client.read_response().await.unwrap(), status, "upstream_failed", "an error");
        }
    }
}

/// Reads frames up to the first with a request.
async fn until_headers(wire: &mut Wire) {
    const PREFACE: usize = 24;
    let read = async {
        wire.stream.read_exact(&mut [0; PREFACE]).await.unwrap();
        loop {
            let mut frame = [0; 9];
            wire.stream.read_exact(&mut frame).await.unwrap();
            let length = u32::from_be_bytes([0, frame[0], frame[1], frame[2]]);
            wire.stream.read_exact(&mut vec![0; usize::try_from(length).unwrap()]).await.unwrap();
            if frame[3] == 1 {
                return;
            }
        }
    };
    tokio::time::timeout(PROMPT, read).await.expect("a request comes");
}

#[tokio::test]
async fn service_in_trouble_is_named_so() {
    let mut service = H2Service::start().await;
    let front = front_with(&service, "read_timeout = '500ms'").await;
    let mut client = front.connect().await;
    client.send(head("GET /h2/silent", &[])).await;
    let mut silent = service.call().await;
    assert_problem(&client.read_response().await.unwrap(), 504, "upstream_timeout", "silent");
    let reset = tokio::time::timeout(PROMPT, std::future::poll_fn(|cx| silent.answer.poll_reset(cx))).await;
    assert_eq!(reset.unwrap().unwrap(), Reason::CANCEL, "the service need not go on");
    // It breaks off: the client sees that the answer is not whole.
    for fields in [&[("content-length", "100")][..], &[]] {
        let mut client = front.connect().await;
        client.send(head("GET /h2/half", &[])).await;
        let mut call = service.call().await;
        let mut stream = call.begin(200, fields);
        stream.send_data("half".into(), false).unwrap();
        stream.send_reset(Reason::INTERNAL_ERROR);
        let broken = client.read_response().await;
        assert!(!matches!(&broken, Ok(answer) if answer.status == 200), "{broken:?}");
    }
    // It answers with what HTTP/2 does not have.
    let mut client = front.connect().await;
    client.send(head("GET /h2/x", &[])).await;
    service.call().await.answer(200, &[("x-fine", "1")], "fine");
    assert_eq!(client.read_response().await.unwrap().text(), "fine");
    let log = front.app.log_lines();
    let fault = log.iter().find(|line| line.contains("inside the gateway") || line.contains("panicked"));
    assert!(fault.is_none(), "{fault:?}");
}

#[tokio::test]
async fn client_that_leaves_ends_the_request_at_the_service() {
    let mut service = H2Service::start().await;
    let front = front_of(&service).await;
    for case in ["answer", "wait", "request"] {
        let mut client = Wire::connect(front.app.address).await;
        let lines = if case == "request" { &["Content-Length: 1000"][..] } else { &[] };
        client.write(head("POST /h2/x", lines)).await;
        let mut call = service.call().await;
        let mut stream = (case == "answer").then(|| call.begin(200, &[("content-length", "1000")]));
        if let Some(stream) = &mut stream {
            stream.send_data("half".into(), false).unwrap();
            client.read_until("half").await;
        }
        drop(client);
        let reset = std::future::poll_fn(|cx| match &mut stream {
            Some(stream) => stream.poll_reset(cx),
            None => call.answer.poll_reset(cx),
        });
        let reset = tokio::time::timeout(PROMPT, reset).await;
        assert!(reset.is_ok_and(|reset| reset.is_ok()), "{case}");
    }
    // The connection is none the worse.
    let mut client = front.connect().await;
    client.send(head("GET /h2/after", &[])).await;
    let call = service.call().await;
    assert_eq!(call.connection, 1);
    call.answer(200, &[], "ok");
    assert_eq!(client.read_response().await.unwrap().text(), "ok");
}

/// A session that ends closes the streams of its requests.
#[tokio::test]
async fn ended_session_ends_its_open_request_at_the_service() {
    let mut service = H2Service::start().await;
    let front = front_of(&service).await;
    let mut client = Wire::connect(front.app.address).await;
    client.write(front.head("GET /own/events", &[])).await;
    let mut call = service.call().await;
    let mut stream = call.begin(200, &[]);
    stream.send_data("event".into(), false).unwrap();
    client.read_until("event").await;
    let logout = front.send(front.head("POST /auth/logout", &["Content-Length: 0"])).await;
    assert_eq!(logout.status, 204, "{}", logout.text());
    client.until_closed().await;
    let reset = tokio::time::timeout(PROMPT, std::future::poll_fn(|cx| stream.poll_reset(cx))).await;
    assert!(reset.is_ok_and(|reset| reset.is_ok()));
}
