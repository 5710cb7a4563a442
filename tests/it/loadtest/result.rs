//! What a run leaves: table, JSON, picture, exit code.

use std::process::Output;

use serde_json::Value;

use crate::support::app::TestApp;
use crate::support::recorder::Recorder;

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A short run by the command line against an upstream that lets everything in.
async fn against_everything(app: &TestApp, mix: &str, more: &[&str]) -> (Output, Recorder) {
    let upstream = Recorder::start();
    let tokens = app.working_dir().join("few.txt");
    std::fs::write(&tokens, "a.b.cccc\nd.e.ffff\n").unwrap();
    let url = format!("http://{}/?a=1&b=%3C", upstream.address());
    let line = ["loadtest", "--url", &url, "--tokens", tokens.to_str().unwrap(), "--mix", mix];
    let short = ["--connections", "2", "--duration", "1s", "--warm-up", "0s"];
    (app.cli(&[&line[..], &short, more].concat(), "").await, upstream)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_result_is_a_table_json_and_a_picture() {
    let app = TestApp::embedded().start().await;
    let (json, svg) = (app.working_dir().join("r.json"), app.working_dir().join("r.svg"));
    let files = ["--json", json.to_str().unwrap(), "--svg", svg.to_str().unwrap()];
    let (output, _upstream) = against_everything(&app, "valid=1", &files).await;
    let table = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{table}{}", text(&output.stderr));
    assert!(table.starts_with("KIND") && table.contains("answers/s"), "{table}");
    assert_eq!(text(&output.stderr), "", "nothing is shown of the progress but on a terminal");
    let json: Value = serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap();
    for member in [
        "format",
        "gateward",
        "passed",
        "settings",
        "tokens",
        "duration_seconds",
        "answers",
        "rate",
        "wrong",
        "errors",
        "cpu_us_per_request",
        "rss_bytes",
        "target",
        "generator",
        "schedule",
        "latency_us",
        "kinds",
        "wrong_answers",
        "error_causes",
        "notes",
    ] {
        assert!(json.get(member).is_some(), "{member}");
    }
    assert_eq!((json["format"].as_u64(), json["cpu_us_per_request"].is_null()), (Some(1), true));
    assert!(!json.to_string().contains("cccc"), "no token");
    let svg = std::fs::read_to_string(svg).unwrap();
    well_formed(&svg);
    assert!(
        svg.contains("Latency by percentile") && svg.contains(">valid (2xx)<") && svg.contains("a=1&amp;b=")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_answer_is_exit_code_1_and_is_shown() {
    let app = TestApp::embedded().start().await;
    let (output, _upstream) = against_everything(&app, "valid=1,forged=1,absent=1", &[]).await;
    let (table, errors) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{table}");
    let row = |kind: &str| {
        table.lines().any(|line| line.starts_with(&format!("wrong admit  {kind}")) && line.contains("200"))
    };
    assert!(row("forged") && row("absent"), "{table}");
    assert!(errors.contains("wrong answers"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_that_make_no_sense_are_usage_errors() {
    let app = TestApp::embedded().start().await;
    let (output, upstream) = against_everything(&app, "valid=1,expired=1", &[]).await;
    assert_eq!(output.status.code(), Some(2), "there are no expired tokens");
    assert!(upstream.requests().is_empty());
    for line in [
        &["loadtest"][..],
        &["loadtest", "--url", "http://192.0.2.1/", "--mix", "absent=1"],
        &["loadtest", "--url", "http://127.0.0.1:1/", "--http1", "--http2"],
        &["loadtest", "--url", "http://127.0.0.1:1/", "--tokens", "a", "--sessions", "1"],
        &["loadtest", "--url", "http://127.0.0.1:1/", "--mix", "nice=1"],
        &["loadtest", "--url", "http://127.0.0.1:1/", "--connections", "0"],
    ] {
        assert_eq!(app.cli(line, "").await.status.code(), Some(2), "{line:?}");
    }
    let away = ["loadtest", "--url", "http://127.0.0.1:1/", "--mix", "absent=1"];
    assert_eq!(app.cli(&away, "").await.status.code(), Some(69));
}

/// Every element ends, in order, and what is no markup is escaped.
fn well_formed(svg: &str) {
    let mut open = Vec::new();
    let mut rest = svg;
    while let Some(start) = rest.find('<') {
        let between = &rest[..start];
        assert!(!between.contains('>'), "{between}");
        assert!(
            between.split('&').skip(1).all(|entity| entity.split(';').next().unwrap().len() <= 4),
            "{between}"
        );
        let end = rest[start..].find('>').expect("a tag ends") + start;
        let tag = &rest[start + 1..end];
        assert!(tag.matches('"').count().is_multiple_of(2) && !tag.contains('<'), "{tag}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{tag}");
        } else if !tag.ends_with('/') {
            open.push(tag.split([' ', '\n']).next().unwrap());
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?}");
    assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
}
