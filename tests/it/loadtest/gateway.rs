//! The program under its own load.

use serde_json::Value;

use crate::support::app::{TestApp, both_kinds};
use crate::support::tls::Authority;

/// Runs `gateward loadtest` with sessions in the app's store; the result, which must be good.
async fn load(app: &TestApp, url: &str, more: &[&str]) -> Value {
    let short = ["--connections", "4", "--duration", "700ms", "--warm-up", "200ms", "--json"];
    let line = [&["loadtest", "--url", url], more, &short].concat();
    let json = app.cli_ok(&line, "").await;
    serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

/// All kinds were sent, and each was answered as it should be.
fn all_right(result: &Value, expected: &[(&str, &str)]) {
    assert_eq!(
        (&result["passed"], &result["wrong"], &result["errors"]),
        (&true.into(), &0.into(), &0.into())
    );
    for (kind, status) in expected {
        let row = &result["kinds"][kind];
        assert!(row["requests"].as_u64().unwrap() > 0, "{kind}: {result}");
        assert_eq!(row["statuses"].as_object().unwrap().keys().collect::<Vec<_>>(), [status], "{kind}");
        assert!(row["latency_us"]["p99"].as_f64().unwrap() > 0.0);
    }
    assert!(result["rate"].as_f64().unwrap() > 1.0);
}

const KINDS: [(&str, &str); 6] = [
    ("valid", "200"),
    ("cold", "200"),
    ("expired", "401"),
    ("revoked", "401"),
    ("forged", "401"),
    ("absent", "401"),
];
/// All kinds in a short run.
const MIX: [&str; 4] = ["--sessions", "30", "--mix", "valid=5,cold=1,expired=1,revoked=1,forged=1,absent=1"];

both_kinds!(a_right_gateway_passes_over_http1, |app| async move {
    let pid = app.pid().to_string();
    let more = [&MIX[..], &["--http1", "--target-pid", &pid]].concat();
    let result = load(&app, &app.url("/private"), &more).await;
    all_right(&result, &KINDS);
    assert!(result["cpu_us_per_request"].as_f64().unwrap() > 0.0, "{result}");
    assert!(result["rss_bytes"].as_u64().unwrap() > 1_000_000);
    assert_eq!(result["settings"]["protocol"], "HTTP/1.1");
    assert_eq!(result["tokens"]["revoked"], 10);
});

#[tokio::test(flavor = "multi_thread")]
async fn a_right_gateway_passes_over_http2_without_tls() {
    let app = TestApp::embedded().config("server.h2c = true").start().await;
    let result = load(&app, &app.url("/private"), &[&MIX[..], &["--http2", "--threads", "2"]].concat()).await;
    all_right(&result, &KINDS);
    assert_eq!(result["settings"]["streams"], 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_gateway_passes_over_tls() {
    let authority = Authority::new();
    let app = TestApp::embedded().tls(&[authority.server(&["127.0.0.1"])]).start().await;
    let url = format!("https://{}/private", app.address);
    let file = authority.file();
    for trust in [&["--ca-file", file.to_str().unwrap()][..], &["--insecure"]] {
        for protocol in ["--http1", "--http2"] {
            let result = load(&app, &url, &[&MIX[..], trust, &[protocol]].concat()).await;
            all_right(&result, &KINDS);
        }
    }
    let output = app.cli(&["loadtest", "--url", &url, "--mix", "absent=1"], "").await;
    assert_eq!(output.status.code(), Some(69), "an unknown authority is not trusted");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_loop_keeps_its_rate() {
    let app = TestApp::embedded().start().await;
    let result = load(&app, &app.url("/private"), &[&MIX[..], &["--rate", "200"]].concat()).await;
    all_right(&result, &KINDS);
    let planned = result["schedule"]["planned"].as_u64().unwrap();
    assert!((139..=141).contains(&planned), "{planned} of 700 ms");
    assert_eq!(result["schedule"]["unsent"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_route_lets_every_kind_in() {
    let app = TestApp::embedded().start().await;
    let result = load(&app, &app.url("/public"), &[&MIX[..], &["--expect-public"]].concat()).await;
    all_right(&result, &KINDS.map(|(kind, _)| (kind, "200")));
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_a_file_are_sent_and_cold_ones_never_twice() {
    let app = TestApp::embedded().start().await;
    let file = app.working_dir().join("tokens.txt");
    let file = file.to_str().unwrap();
    let prepare = [
        "loadtest",
        "--write-tokens",
        file,
        "--sessions",
        "20",
        "--cold-tokens",
        "3",
        "--revoked-sessions",
        "11",
    ];
    app.cli_ok(&prepare, "").await;
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "tokens are credentials");
    let text = std::fs::read_to_string(file).unwrap();
    let count = |kind: &str| text.lines().filter(|line| line.starts_with(kind)).count();
    assert_eq!([count("valid "), count("cold "), count("revoked "), count("expired ")], [20, 3, 11, 20]);

    let result = load(&app, &app.url("/private"), &["--tokens", file]).await;
    all_right(&result, &KINDS);
    assert_eq!(result["kinds"]["cold"]["requests"], 3);
    let notes = result["notes"].to_string();
    assert!(notes.contains("the cold tokens ran out: 3 were there"), "{notes}");
    let sent = app.recorder.requests();
    let cold = text.lines().filter_map(|line| line.strip_prefix("cold "));
    for token in cold {
        let session = session_of(token);
        let count =
            sent.iter().filter(|request| request.header("x-auth-session") == [session.as_str()]).count();
        assert_eq!(count, 1);
    }
}

/// The `sid` of a token.
fn session_of(token: &str) -> String {
    use base64::Engine as _;
    let claims = token.split('.').nth(1).unwrap();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    claims["sid"].as_str().unwrap().to_owned()
}
