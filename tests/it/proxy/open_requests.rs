//! What is open ends with the session that let it in: sockets, streams and uploads, and nobody else's.

use reqwest::Method;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;

use super::front::{Front, PROMPT, head};
use super::origin::{Origin, Wire};
use crate::support::app::{AppBuilder, PASSWORD, StoreKind, TestApp, both_kinds};
use crate::support::forge::{Parts, signed_hs256};
use crate::support::recorder::Reply;
use crate::support::services::services;
use crate::support::wait::eventually;

const SECRET: &str = "a secret of more than thirty-two bytes, for tests";
/// A text frame "hi" as a client sends it (masked with zeros) and as a service does.
const FROM_CLIENT: &[u8] = b"\x81\x82\0\0\0\0hi";
const FROM_SERVICE: &[u8] = b"\x81\x02hi";
const HANDSHAKE: [&str; 4] = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

async fn logout(app: &TestApp, token: &str) {
    let answer = app.request(Method::POST, "/auth/logout").bearer_auth(token).send().await.unwrap();
    assert_eq!(answer.status(), 204);
}

fn request(line: &str, token: &str, lines: &[&str]) -> String {
    let authorization = format!("Authorization: Bearer {token}");
    let lines: Vec<&str> = [authorization.as_str()].iter().chain(lines).copied().collect();
    head(line, &lines)
}

/// An open socket to the recorder, which echoes. More than one try: see `many_sockets`.
async fn socket(app: &TestApp, path: &str, token: &str) -> Wire {
    for _ in 0..20 {
        let mut wire = Wire::connect(app.address).await;
        wire.write(request(&format!("GET {path}"), token, &HANDSHAKE)).await;
        assert!(wire.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 101"));
        if wire.stream.write_all(FROM_CLIENT).await.is_ok() && wire.takes(FROM_SERVICE.len()).await {
            return wire;
        }
    }
    panic!("sockets do not stay open");
}

async fn echo(wire: &mut Wire) {
    wire.write(FROM_CLIENT).await;
    wire.skip(FROM_SERVICE.len()).await;
}

async fn metric(app: &TestApp, series: &str) -> u64 {
    let text = app.get_admin("/metrics").await.text().await.unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {series}")).parse().unwrap()
}

/// A gateway in front of `origin`, with what is open between a client and it.
async fn front_of(origin: &Origin) -> Front {
    Front::of(TestApp::embedded().upstream(&origin.address().to_string())).await
}

both_kinds!(
    sockets_of_an_ended_session_close_and_all_others_go_on,
    |app| app
        .route("/kept", "authenticated")
        .config("[[route]]\npath = '/finish'\nupstream = 'recorder'\non_revoke = 'finish'"),
    |app| async move {
        app.recorder.reply(Reply::WebSocket);
        let (email, ended) = app.new_person().await;
        let same_person = app.login(&email, PASSWORD).await;
        let (_, other_person) = app.new_person().await;
        let mut closing = [socket(&app, "/private/1", &ended).await, socket(&app, "/kept/2", &ended).await];
        let mut staying = [
            socket(&app, "/private/3", &same_person).await,
            socket(&app, "/private/4", &other_person).await,
            // Routes where a session's end closes nothing: it may finish, and nobody was asked for a token.
            socket(&app, "/finish/5", &ended).await,
            socket(&app, "/public/6", &ended).await,
        ];
        assert_eq!(metric(&app, "gateward_open_requests").await, 4);
        logout(&app, &ended).await;
        for socket in &mut closing {
            assert_eq!(socket.until_closed().await, 0, "no word before the end");
        }
        for socket in &mut staying {
            echo(socket).await;
        }
        assert_eq!(metric(&app, "gateward_open_requests").await, 2);
        let closed = "gateward_open_requests_closed_total{reason=\"session_ended\"}";
        assert_eq!(metric(&app, closed).await, 2);
    }
);

#[tokio::test]
async fn a_stream_is_cut_without_its_end_and_said_once_in_the_log() {
    let origin = Origin::start().await;
    let front = front_of(&origin).await;
    let mut client = Wire::connect(front.app.address).await;
    client.write(front.head("GET /private/events?q=secret", &["Accept: text/event-stream"])).await;
    let mut service = origin.accept().await;
    service.read_until("\r\n\r\n").await;
    service.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n").await;
    client.read_until("data: 1\n\n\r\n").await;
    logout(&front.app, &front.token).await;
    assert_eq!(client.until_closed().await, 0, "a last chunk would say that the stream was whole");
    assert_eq!(service.until_closed().await, 0);
    let of_stream = |line: &str| line.contains("path=\"/private/events\"");
    let line = front.app.wait_for_log(of_stream).await;
    for said in [
        "outcome=\"closed\"",
        "reason=\"session_ended\"",
        "status=200",
        "bytes_out=9",
        "account=",
        "route=\"/\"",
    ] {
        assert!(line.contains(said), "{said}: {line}");
    }
    front.assert_nothing_forwarded("the recorder is not behind this gateway");
    logout(&front.app, &front.token).await;
    assert_eq!(front.app.log_lines().iter().filter(|line| of_stream(line)).count(), 1);
}

#[tokio::test]
async fn an_upload_is_cut_wherever_it_stands() {
    let origin = Origin::start().await;
    for held_back in [false, true] {
        let front = front_of(&origin).await;
        let mut client = Wire::connect(front.app.address).await;
        client.write(front.head("POST /private/upload", &["Content-Length: 100000000"]) + "half").await;
        let mut service = origin.accept().await;
        service.read_until("half").await;
        if held_back {
            // The service reads nothing, and all buffers on the way are full: nothing moves any more.
            let part = vec![0; 256 * 1024];
            let stuck = async { while client.try_write(&part).await {} };
            stuck.await;
        }
        logout(&front.app, &front.token).await;
        assert_eq!(client.until_closed().await, 0);
        if !held_back {
            assert_eq!(service.until_closed().await, 0, "nothing follows");
        }
        let line = front.app.wait_for_log(|line| line.contains("path=\"/private/upload\"")).await;
        assert!(line.contains("outcome=\"closed\"") && !line.contains("status="), "{line}");
        assert!(!line.contains("bytes_in=0 "), "{line}");
    }
}

/// It was admitted before the end; its client reads an answer rather than a reset.
#[tokio::test]
async fn a_call_that_is_on_its_way_is_answered_if_that_takes_no_second() {
    let origin = Origin::start().await;
    let front = front_of(&origin).await;
    let mut client = Wire::connect(front.app.address).await;
    client.write(front.head("GET /private/soon", &[])).await;
    let mut service = origin.accept().await;
    service.read_until("\r\n\r\n").await;
    logout(&front.app, &front.token).await;
    service.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone").await;
    assert!(client.read_until("done").await.starts_with("HTTP/1.1 200 OK"));
    // The connection stays, and what follows is refused.
    client.write(front.head("GET /private/again", &[])).await;
    assert!(client.read_until("\r\n\r\n").await.contains("401"));
}

/// No answer, rather than one that says 401: the service may have done what was asked.
#[tokio::test]
async fn a_request_that_is_not_answered_soon_is_closed_without_an_answer() {
    let origin = Origin::start().await;
    let front = front_of(&origin).await;
    let mut client = Wire::connect(front.app.address).await;
    client.write(front.head("GET /private/slow", &[])).await;
    let mut service = origin.accept().await;
    service.read_until("\r\n\r\n").await;
    logout(&front.app, &front.token).await;
    assert_eq!(client.until_closed().await, 0);
    assert_eq!(service.until_closed().await, 0);
}

#[tokio::test]
async fn an_idle_connection_of_an_ended_session_stays_and_answers_401() {
    let front = Front::start().await;
    let mut client = front.connect().await;
    client.send(front.head("GET /private", &[])).await;
    assert_eq!(client.read_response().await.unwrap().status, 200);
    logout(&front.app, &front.token).await;
    for (line, status) in [("GET /private", 401), ("GET /public", 200), ("GET /private", 401)] {
        client.send(front.head(line, &[])).await;
        let answer = client.read_response().await.unwrap_or_else(|none| panic!("{line}: {none:?}"));
        assert_eq!(answer.status, status, "{line}");
        assert_ne!(answer.header("connection"), ["close"], "{line}");
    }
    assert_eq!(metric(&front.app, "gateward_open_requests").await, 0);
}

/// A connection that a proxy shares among people: only what is open on it counts.
#[tokio::test]
async fn a_connection_that_another_session_uses_now_is_not_closed() {
    let front = Front::start().await;
    let other = front.app.login(&front.email, PASSWORD).await;
    front.app.recorder.reply_at("/private/ws", Reply::WebSocket);
    let mut shared = Wire::connect(front.app.address).await;
    shared.write(front.head("GET /private", &[])).await;
    shared.read_until("}").await;
    shared.write(request("GET /private/ws", &other, &HANDSHAKE)).await;
    shared.read_until("101 Switching").await;
    shared.read_until("\r\n\r\n").await;
    logout(&front.app, &front.token).await;
    echo(&mut shared).await;
    logout(&front.app, &other).await;
    assert_eq!(shared.until_closed().await, 0);
}

/// The token is made by hand, so that it has seconds to live: it expired, but within the leeway.
#[tokio::test]
async fn a_socket_closes_when_its_token_is_no_longer_accepted() {
    let config = format!(
        "token.algorithm = 'HS256'\ntoken.secret = '{SECRET}'\n\
         [[route]]\npath = '/finish'\nupstream = 'recorder'\non_revoke = 'finish'"
    );
    let front = Front::with(&config).await;
    front.app.recorder.reply(Reply::WebSocket);
    let good = Parts::of(&front.token);
    let mut claims = good.claims();
    let now = claims["iat"].as_i64().unwrap();
    claims["exp"] = json!(now - 2);
    let short = signed_hs256(&good.header, claims.to_string(), SECRET.as_bytes());
    let mut finishing = socket(&front.app, "/finish/ws", &short).await;
    let mut staying = socket(&front.app, "/private/long", &front.token).await;
    let mut closing = socket(&front.app, "/private/short", &short).await;
    let opened = Instant::now();
    assert_eq!(closing.until_closed().await, 0);
    // Accepted for three seconds from the login on, then found within one.
    assert!(opened.elapsed() < PROMPT, "after {:?}", opened.elapsed());
    assert_eq!(front.app.get("/private", &short).await.status(), 401);
    echo(&mut staying).await;
    echo(&mut finishing).await;
    let line = front.app.wait_for_log(|line| line.contains("path=\"/private/short\"")).await;
    assert!(line.contains("outcome=\"closed\"") && line.contains("reason=\"token_expired\""), "{line}");
    let closed = "gateward_open_requests_closed_total{reason=\"token_expired\"}";
    assert_eq!(metric(&front.app, closed).await, 1);
}

#[tokio::test]
async fn a_logout_at_one_replica_closes_the_sockets_at_the_other() {
    let (database, prefix) = (services().new_database(), services().new_key_prefix());
    let replica = || {
        AppBuilder::new(StoreKind::Embedded).postgres_at(&database, &services().redis_url()).config(&format!(
            "redis.key_prefix = '{prefix}'\n\
             token.key_encryption_key = 'AAcOFRwjKjE4P0ZNVFtiaXB3foWMk5qhqK+2vcTL0tk='"
        ))
    };
    let (one, other) = tokio::join!(replica().start(), replica().start());
    other.recorder.reply(Reply::WebSocket);
    let (email, ended) = one.new_person().await;
    let goes_on = one.login(&email, PASSWORD).await;
    let mut closing = socket(&other, "/private/ended", &ended).await;
    let mut staying = socket(&other, "/private/goes-on", &goes_on).await;
    logout(&one, &ended).await;
    assert_eq!(closing.until_closed().await, 0);
    echo(&mut staying).await;
}

#[tokio::test]
async fn a_stop_waits_no_longer_for_what_has_ended() {
    let origin = Origin::start().await;
    let builder = TestApp::embedded().upstream(&origin.address().to_string());
    let config =
        format!("token.algorithm = 'HS256'\ntoken.secret = '{SECRET}'\nserver.shutdown_grace = '1m'");
    let mut front = Front::of(builder.config(&config)).await;
    let good = Parts::of(&front.token);
    let mut claims = good.claims();
    claims["exp"] = json!(claims["iat"].as_i64().unwrap() - 2);
    let short = signed_hs256(&good.header, claims.to_string(), SECRET.as_bytes());
    let mut client = Wire::connect(front.app.address).await;
    client.write(request("GET /private/never", &short, &[])).await;
    let mut service = origin.accept().await;
    service.read_until("\r\n\r\n").await;
    front.app.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(client.until_closed().await, 0);
    let ended = eventually(PROMPT, || std::future::ready(front.app.ended().is_some())).await;
    assert!(ended, "the program waits for nothing");
}
