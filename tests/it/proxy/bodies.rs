//! Bodies arrive as they were sent.

use super::front::{Front, chunked, noise};

#[tokio::test]
async fn bodies_arrive_byte_for_byte_in_either_framing() {
    let front = Front::start().await;
    for size in [0, 1, 2, 1000, 65_537, 5 * 1024 * 1024] {
        let body = noise(size);
        for method in ["POST", "PUT", "DELETE", "GET"] {
            if size > 100_000 && method != "POST" {
                continue;
            }
            let line = format!("{method} /private/body");
            let whole = front.head(&line, &[&format!("Content-Length: {size}")]).into_bytes();
            let (_, request) = front.forwarded([&whole[..], &body].concat()).await;
            assert!(request.body == body && request.complete, "{line}, {size} bytes with their length");
            assert_eq!(request.header("content-length"), [size.to_string()], "{line}");
            assert!(request.header("transfer-encoding").is_empty(), "{line}");

            let chunks = front.head(&line, &["Transfer-Encoding: chunked"]).into_bytes();
            let (_, request) = front.forwarded([&chunks[..], &chunked(&body, 70_000)].concat()).await;
            assert!(request.body == body && request.complete, "{line}, {size} bytes in chunks");
            assert_eq!(request.header("transfer-encoding"), ["chunked"], "{line}");
            assert!(request.header("content-length").is_empty(), "{line}");
        }
    }
}

#[tokio::test]
async fn body_of_one_byte_a_piece_arrives_whole() {
    let front = Front::start().await;
    front.app.recorder.forget();
    let mut client = front.connect().await;
    let body = noise(300);
    client.send(front.head("POST /private/slow", &["Transfer-Encoding: chunked"])).await;
    for byte in chunked(&body, 3) {
        client.send([byte]).await;
    }
    assert_eq!(client.read_response().await.unwrap().status, 200);
    assert_eq!(front.app.recorder.last().body, body);
}
