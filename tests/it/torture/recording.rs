//! The recorder sees what a careless gateway lets through, and the engine says so.

use std::net::SocketAddr;

use gateward::torture::{Recorder, ScoreCard, TortureError, Verdict};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::card::{Recording, failing, options_at};
use crate::support::app::client;

const TOKEN: &str = "e30.e30.AAAA";

/// A gateway as bad as they come: it looks at the first line and for the token anywhere in the head, and
/// passes on every byte of the connection.
async fn careless(upstream: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            connections.spawn(async move {
                let mut head = vec![0; 64 * 1024];
                let size = client.read(&mut head).await.unwrap_or(0);
                head.truncate(size);
                let text = String::from_utf8_lossy(&head);
                let public = text.split(' ').nth(1).is_some_and(|target| target.starts_with("/public"));
                if !public && !text.contains(TOKEN) {
                    let refusal = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
                    let _gone = client.write_all(refusal).await;
                    return;
                }
                let mut server = TcpStream::connect(upstream).await.unwrap();
                server.write_all(&head).await.unwrap();
                let _gone = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    address
}

fn verdict(card: &ScoreCard, class: &str, case: &str) -> Verdict {
    let row = card.rows.iter().find(|row| row.class == class && row.case == case);
    row.unwrap_or_else(|| panic!("no {class} {case}")).verdict
}

#[tokio::test(flavor = "multi_thread")]
async fn a_careless_gateway_fails_and_is_told_why() {
    let recording = Recording::start().await;
    let gateway = careless(recording.address).await;
    let mut options = options_at(gateway, recording.control, Some(TOKEN));
    options.classes = vec!["path".to_owned(), "framing".to_owned()];
    let card = gateward::torture::run(&options).await.unwrap();
    assert!(!card.passed());
    assert_eq!(verdict(&card, "path", "dot-segments[..]"), Verdict::Fail);
    assert_eq!(verdict(&card, "path", "good[{public}/a]"), Verdict::Pass);
    let smuggled = "length-and-chunked[Content-Length: 0\\r\\nTransfer-Encoding: chunked]";
    assert_eq!(verdict(&card, "framing", smuggled), Verdict::Fail);
    let lines = failing(&card).join("\n");
    assert!(lines.contains("the upstream saw 2, not nothing"), "{lines}");
    assert!(!card.json().unwrap().contains(TOKEN), "the card shows the token");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_made_is_skipped_and_has_not_passed() {
    let recording = Recording::start().await;
    let gateway = careless(recording.address).await;
    let mut options = options_at(gateway, recording.control, None);
    options.classes = vec!["signature".to_owned()];
    let card = gateward::torture::run(&options).await.unwrap();
    assert!(card.rows.iter().all(|row| row.verdict == Verdict::Skipped), "{:?}", card.rows);
    assert!(!card.passed());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_judged_where_verdicts_would_mean_nothing() {
    let (recording, other) = (Recording::start().await, Recording::start().await);
    let gateway = careless(recording.address).await;
    let run = async |change: &dyn Fn(&mut gateward::torture::Options)| {
        let mut options = options_at(gateway, recording.control, Some(TOKEN));
        change(&mut options);
        gateward::torture::run(&options).await.expect_err("nothing can be judged")
    };
    let error = run(&|options| options.recorder = other.control).await;
    assert!(matches!(error, TortureError::NotBehind { seen: 0, .. }), "{error}");
    let error = run(&|options| options.protected = "/public".to_owned()).await;
    assert!(matches!(error, TortureError::Open { .. }), "{error}");
    let error = run(&|options| options.token = Some("a.b.c".to_owned().into())).await;
    assert!(matches!(error, TortureError::TokenRefused { .. }), "{error}");
    let error = run(&|options| options.recorder = gateway).await;
    assert!(matches!(error, TortureError::Recorder(_)), "{error}");
    let error = run(&|options| options.target = "http://192.0.2.1".parse().unwrap()).await;
    assert!(matches!(error, TortureError::Remote(_)), "{error}");
    let error = run(&|options| options.classes = vec!["nothing".to_owned()]).await;
    assert!(matches!(error, TortureError::Class(..)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recorder_keeps_every_request_of_a_connection_apart() {
    let recording = Recording::start().await;
    let mut stream = TcpStream::connect(recording.address).await.unwrap();
    let sent = "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n\
                GET /b HTTP/1.1\nHost: x\n\nGET /c HTTP/1.0\r\n\r\n";
    stream.write_all(sent.as_bytes()).await.unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).await.unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 3, "{answers}");
    // A head that never ends counts as seen.
    let mut stream = TcpStream::connect(recording.address).await.unwrap();
    stream.write_all(b"GET /d").await.unwrap();
    let records = async || -> Value {
        let url = format!("http://{}/records?since=0", recording.control);
        client().get(url).send().await.unwrap().json().await.unwrap()
    };
    let arrived = async || records().await["records"].as_array().unwrap().len() == 4;
    assert!(crate::support::wait::eventually(std::time::Duration::from_secs(5), arrived).await);
    let page = records().await;
    let targets: Vec<_> =
        page["records"].as_array().unwrap().iter().map(|record| &record["target"]).collect();
    assert_eq!(targets, ["/a", "/b", "/c", ""]);
    assert_eq!(page["records"][3]["complete"], false);
    assert_eq!(page["records"][3]["raw"], "R0VUIC9k");
    client().post(format!("http://{}/reset", recording.control)).send().await.unwrap();
    assert_eq!(records().await["records"], Value::Array(Vec::new()));
}

#[tokio::test]
async fn the_recorder_listens_on_loopback_only() {
    let anywhere: SocketAddr = "0.0.0.0:0".parse().unwrap();
    let loopback: SocketAddr = "127.0.0.1:0".parse().unwrap();
    assert!(Recorder::bind(anywhere, loopback).await.is_err());
    assert!(Recorder::bind(loopback, anywhere).await.is_err());
}
