//! Thousands of open sockets, and one session of them ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::front::{Front, head};
use crate::support::app::TestApp;
use crate::support::forge::{Parts, signed_hs256};

const SECRET: &str = "a secret of more than thirty-two bytes, for tests";
/// Two files each on this side and two on the program's; other tests run beside.
const SOCKETS: usize = 4_000;
/// Each so many-th is of the session that ends. So many are opened at a time.
const EACH: usize = 40;
/// Generous: how soon is measured by a bench, not here.
const DEADLINE: Duration = Duration::from_secs(60);

/// A service that opens every socket and sends back what it gets.
async fn echoing(listener: TcpListener) {
    let mut connections = JoinSet::new();
    while let Ok((mut stream, _)) = listener.accept().await {
        connections.spawn(async move {
            read_head(&mut stream).await;
            let answer =
                "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";
            stream.write_all(answer.as_bytes()).await.unwrap();
            let mut part = [0; 64];
            while let Ok(size @ 1..) = stream.read(&mut part).await {
                if stream.write_all(&part[..size]).await.is_err() {
                    break;
                }
            }
        });
    }
}

/// A head in small reads: there is nothing behind it.
async fn read_head(stream: &mut TcpStream) -> String {
    let (mut head, mut part) = (Vec::new(), [0; 2048]);
    while !head.ends_with(b"\r\n\r\n") {
        let size = stream.read(&mut part).await.unwrap();
        assert!(size > 0, "closed in a head: {}", head.escape_ascii());
        head.extend_from_slice(&part[..size]);
    }
    String::from_utf8(head).unwrap()
}

/// An open socket. Each [`EACH`]-th is of the session that ends, the others have a session of their own.
async fn socket(front: &Front, number: usize) -> TcpStream {
    let good = Parts::of(&front.token);
    let mut claims = good.claims();
    if !number.is_multiple_of(EACH) {
        claims["sid"] = json!(uuid::Uuid::now_v7().to_string());
    }
    let token = signed_hs256(&good.header, claims.to_string(), SECRET.as_bytes());
    let authorization = format!("Authorization: Bearer {token}");
    let handshake = [
        authorization.as_str(),
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    let handshake = head("GET /private/ws", &handshake);
    // When the service answers before the proxy library looks, the library may take the end of the handshake's
    // empty body for the end of the socket (pingora issue 946). Not what is tested here.
    for _ in 0..20 {
        let mut stream = TcpStream::connect(front.app.address).await.unwrap();
        stream.write_all(handshake.as_bytes()).await.unwrap();
        assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 101"));
        let mut byte = *b"x";
        if stream.write_all(&byte).await.is_ok() && stream.read_exact(&mut byte).await.is_ok() {
            return stream;
        }
    }
    panic!("sockets do not stay open");
}

#[tokio::test]
async fn of_thousands_of_sockets_exactly_those_of_the_ended_session_close() {
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let service = listener.local_addr().unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(echoing(listener));
    let config = format!("token.algorithm = 'HS256'\ntoken.secret = '{SECRET}'");
    let front = Front::of(TestApp::embedded().upstream(&service.to_string()).config(&config)).await;

    let mut sockets = Vec::new();
    while sockets.len() < SOCKETS {
        sockets.extend(join_all((sockets.len()..).take(EACH).map(|number| socket(&front, number))).await);
    }
    let closed: Vec<Arc<AtomicUsize>> = (0..SOCKETS).map(|_| Arc::default()).collect();
    let mut watching = JoinSet::new();
    for (number, mut stream) in sockets.into_iter().enumerate() {
        let closed = Arc::clone(&closed[number]);
        watching.spawn(async move {
            let mut byte = [0];
            // A reset is an end as well.
            assert_eq!(stream.read(&mut byte).await.unwrap_or(0), 0, "nobody says anything");
            closed.fetch_add(1, Ordering::Relaxed);
        });
    }
    let logout = front.app.request(Method::POST, "/auth/logout").bearer_auth(&front.token);
    assert_eq!(logout.send().await.unwrap().status(), 204);
    let ending = async {
        for _ in 0..SOCKETS / EACH {
            watching.join_next().await.unwrap().unwrap();
        }
    };
    timeout(DEADLINE, ending).await.expect("the sockets of the session close");
    // A task that was woken wrongly would have run before an answer to this comes.
    let metrics = front.app.get_admin("/metrics").await.text().await.unwrap();
    let open = format!("gateward_open_requests {}\n", SOCKETS - SOCKETS / EACH);
    assert!(metrics.contains(&open), "{metrics}");
    for (number, closed) in closed.iter().enumerate() {
        let expected = usize::from(number.is_multiple_of(EACH));
        assert_eq!(closed.load(Ordering::Relaxed), expected, "socket {number}");
    }
}
