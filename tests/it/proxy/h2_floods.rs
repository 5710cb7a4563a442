//! Frames that cost a client nothing and us something: bounded, counted, and no matter to others.

use std::time::Duration;

use super::front::{Front, PROMPT};
use super::h2_client::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Fate, HEADERS, PING, PRIORITY, RST_STREAM, Raw, SETTINGS,
    WINDOW_UPDATE, block, frame, front, usual,
};
use crate::support::wait::eventually;

async fn counted(front: &Front, reason: &str) -> bool {
    let series = format!("gateward_http2_connections_closed_total{{reason=\"{reason}\"}} 1");
    let series = &series;
    eventually(PROMPT, || async move {
        front.app.get_admin("/metrics").await.text().await.unwrap().contains(series)
    })
    .await
}

#[tokio::test]
async fn every_flood_ends_its_connection_and_nobody_elses() {
    let front = front().await;
    let mut bystander = Raw::connect(front.app.address).await;
    let fields = block(&usual(b"/public/x"));
    let open = frame(HEADERS, END_HEADERS, 1, &fields);
    let floods: Vec<(&str, Vec<u8>, Vec<u8>)> = vec![
        ("settings", vec![], frame(SETTINGS, 0, 0, b"")),
        ("pings", vec![], frame(PING, 0, 0, &[0; 8])),
        ("priorities", vec![], frame(PRIORITY, 0, 3, &[0, 0, 0, 1, 5])),
        ("window_updates", vec![], frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("unknown_frames", vec![], frame(0xfa, 0, 0, b"x")),
        ("empty_frames", open, frame(DATA, 0, 1, b"")),
        ("continuations", frame(HEADERS, END_STREAM, 1, &fields), frame(CONTINUATION, 0, 1, b"")),
    ];
    let mut stream = 1;
    for (reason, begin, bytes) in floods {
        front.app.recorder.forget();
        let mut client = Raw::connect(front.app.address).await;
        client.wire.write(begin).await;
        let sent = client.flood(&bytes.repeat(100), 100).await;
        assert!(matches!(client.until_closed().await, Some(11) | None), "{reason}: closed");
        assert!(counted(&front, reason).await, "{reason} after {sent}");
        bystander.send(stream, &usual(b"/public/bystander")).await;
        assert_eq!(bystander.fate(stream).await, Fate::Answered(200), "{reason}");
        stream += 2;
    }
    // They are counted a moment before they are logged.
    let said =
        || front.app.log_lines().iter().filter(|line| line.contains("http/2 connection closed")).count();
    assert!(eventually(PROMPT, || async { said() == 7 }).await, "{} and not once for each", said());
    front.assert_serves("floods").await;
}

/// CVE-2023-44487: streams that are opened and given up at once.
#[tokio::test]
async fn rapid_resets_are_bounded() {
    let front = front().await;
    let mut client = Raw::connect(front.app.address).await;
    let fields = block(&usual(b"/public/x"));
    let mut taken = true;
    for batch in 0..100_u32 {
        let mut bytes = Vec::new();
        for stream in 0..50 {
            let stream = (batch * 50 + stream) * 2 + 1;
            bytes.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &fields));
            bytes.extend(frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]));
        }
        taken = client.wire.put(&bytes).await;
        if !taken {
            break;
        }
    }
    assert!(matches!(client.until_closed().await, Some(11) | None), "taken to the end: {taken}");
    assert!(front.app.recorder.count() <= 400, "{} reached the service", front.app.recorder.count());
    let by_us = counted(&front, "resets");
    let by_library = counted(&front, "library");
    tokio::select! {
        true = by_us => {}
        true = by_library => {}
        () = tokio::time::sleep(Duration::from_secs(8)) => panic!("not counted"),
    }
    front.assert_serves("rapid resets").await;
}
