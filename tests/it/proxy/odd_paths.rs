//! Paths that only some routes take: encoded slashes, runs of slashes.

use super::front::{Front, head};
use crate::support::app::TestApp;

/// `/names` takes encoded slashes, `/merged` runs of slashes, `/both` both; `/names/private`, `/both/private` and
/// `/plain` neither.
async fn front() -> Front {
    let builder = TestApp::embedded().without_routes().route("/plain", "public").config(
        "[[route]]\npath = '/names'\nupstream = 'recorder'\naccess = 'public'\nallow_encoded_slash = true\n\
         [[route]]\npath = '/names/private'\nupstream = 'recorder'\n\
         [[route]]\npath = '/merged'\nupstream = 'recorder'\naccess = 'public'\nmerge_slashes = true\n\
         [[route]]\npath = '/both'\nupstream = 'recorder'\naccess = 'public'\nallow_encoded_slash = true\n\
         merge_slashes = true\n\
         [[route]]\npath = '/both/private'\nupstream = 'recorder'\n\
         [[route]]\npath = '/public'\nupstream = 'recorder'\naccess = 'public'",
    );
    Front::of(builder).await
}

#[tokio::test]
async fn what_a_route_allows_is_forwarded_as_it_was_decided_on() {
    let front = front().await;
    for (target, forwarded, exception) in [
        ("/names/group%2Fname", "/names/group%2Fname", "encoded_slash"),
        ("/names/http%3A%2f%2Fa/?x=//%2f", "/names/http%3A%2f%2Fa/?x=//%2f", "encoded_slash"),
        ("/merged//a///b?x=//", "/merged/a/b?x=//", "merged_slashes"),
        ("//merged/a//", "/merged/a/", "merged_slashes"),
        ("/both//a%2fb", "/both/a%2fb", "encoded_slash,merged_slashes"),
        ("/both/a%2fb", "/both/a%2fb", "encoded_slash"),
    ] {
        for line in [format!("GET {target}"), format!("POST {target}")] {
            let body = if line.starts_with("POST") { "Content-Length: 3\r\n\r\nabc" } else { "\r\n" };
            let (_, request) =
                front.forwarded(format!("{line} HTTP/1.1\r\nHost: front.example\r\n{body}")).await;
            assert_eq!(request.target, forwarded, "{target}");
            assert_eq!(request.body.len(), if line.starts_with("POST") { 3 } else { 0 }, "{target}");
            let first = String::from_utf8_lossy(&request.raw_head).into_owned();
            assert_eq!(first.split(' ').nth(1), Some(forwarded), "{target}: the very bytes");
        }
        let path = forwarded.split('?').next().unwrap_or_default();
        let says = [format!("path=\"{path}\""), format!("path_exception=\"{exception}\"")];
        front.app.wait_for_log(|line| says.iter().all(|said| line.contains(said))).await;
    }
    let log = front.app.log_lines();
    assert!(
        !log.iter().any(|line| line.contains("path=") && line.contains("//")),
        "the merged path is the path"
    );
}

#[tokio::test]
async fn what_a_route_does_not_allow_is_refused_as_ever() {
    let front = front().await;
    for (target, code) in [
        // No such route, or one that allows nothing, or something else.
        ("/plain/a%2fb", "encoded_slash"),
        ("/plain//a", "empty_segment"),
        ("//plain/a", "empty_segment"),
        ("/nowhere%2fx", "encoded_slash"),
        ("//nowhere", "empty_segment"),
        ("/names//a", "empty_segment"),
        ("/merged/a%2fb", "encoded_slash"),
        // Somebody would read another route.
        ("/names/private%2fx", "encoded_slash"),
        ("/names/private/a%2fx", "encoded_slash"),
        ("/names%2fprivate", "encoded_slash"),
        ("/names/%2fprivate", "encoded_slash"),
        ("/names/%2F%2fprivate/x", "encoded_slash"),
        ("/both//private", "empty_segment"),
        ("/both//%2fprivate", "encoded_slash"),
        ("/both%2f/private", "encoded_slash"),
        ("/%2fboth/a", "encoded_slash"),
        // Ours.
        ("/auth//me", "empty_segment"),
        ("//auth/me", "empty_segment"),
        ("/auth%2fme", "encoded_slash"),
        ("/auth/me%2f", "encoded_slash"),
        ("/.well-known//jwks.json", "empty_segment"),
        // Whatever is allowed.
        ("/both/..%2fplain", "dot_segment"),
        ("/both/a%2f..%2f..%2fplain", "dot_segment"),
        ("/both/%2e%2e%2fplain", "dot_segment"),
        ("/both//../plain", "dot_segment"),
        ("/both/a%2f.", "dot_segment"),
        ("/both/a%5cb", "encoded_backslash"),
        ("/both/a%252fb", "double_encoding"),
        ("/both//a;b", "path_parameter"),
        ("/both//a%00", "encoded_control"),
    ] {
        for line in ["GET", "POST"].map(|method| format!("{method} {target}")) {
            for bytes in [head(&line, &[]), front.head(&line, &[])] {
                front.app.recorder.forget();
                let answer = front.send(&bytes).await;
                assert_eq!((answer.status, &answer.json()["code"]), (400, &code.into()), "{line}");
                front.assert_nothing_forwarded(&line);
            }
        }
    }
    front.assert_serves("after all of them").await;
}

#[tokio::test]
async fn a_route_that_allows_odd_paths_is_named_in_the_log_at_the_start() {
    let front = front().await;
    let warned = |path: &str| {
        let route = format!("route=\"{path}\"");
        let says =
            |line: &&String| line.contains("WARN") && line.contains(&route) && line.contains("two ways");
        front.app.log_lines().iter().filter(says).count()
    };
    for (path, lines) in [("/names", 1), ("/merged", 1), ("/both", 1), ("/plain", 0), ("/both/private", 0)] {
        assert_eq!(warned(path), lines, "{path}");
    }
}
