//! Every case of the corpus, judged by the answer and by what the upstream saw.

use std::net::SocketAddr;
use std::time::Duration;

use gateward::torture::{Case, Options, Protocol, Recorder, ScoreCard, Signer, Verdict};
use tokio::task::JoinHandle;

use crate::support::app::TestApp;

const SECRET: &str = "a secret of more than thirty-two bytes, for tests";

/// How many requests the corpus makes at least, over all protocols that the program speaks.
const LEAST: usize = 4_500;

/// What tells the program to speak HTTP/2 without TLS; when it does, the corpus runs over both protocols.
const HTTP2: Option<&str> = Some("server.h2c = true");

/// The recorder that the program brings. Ends with the test.
pub(super) struct Recording {
    pub(super) address: SocketAddr,
    pub(super) control: SocketAddr,
    task: JoinHandle<()>,
}

impl Recording {
    pub(super) async fn start() -> Self {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let recorder = Recorder::bind(any, any).await.unwrap();
        let (address, control) = (recorder.address(), recorder.control_address());
        Self { address, control, task: tokio::spawn(recorder.run()) }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Attacks on the gateway at this address, over HTTP/1.1.
pub(super) fn options_at(gateway: SocketAddr, recorder: SocketAddr, token: Option<&str>) -> Options {
    Options {
        target: format!("http://{gateway}").parse().unwrap(),
        public: "/public".to_owned(),
        protected: "/private".to_owned(),
        token: token.map(|token| token.to_owned().into()),
        secret: Some(SECRET.as_bytes().to_vec().into()),
        recorder,
        classes: Vec::new(),
        over: vec![Protocol::H1],
        insecure: false,
        allow_remote: false,
        now: i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap(),
        seed: u64::from(gateway.port()),
        concurrency: 8,
        total: Duration::from_secs(120),
    }
}

fn options(app: &TestApp, recording: &Recording, token: &str) -> Options {
    let mut over = vec![Protocol::H1];
    over.extend(HTTP2.map(|_| Protocol::H2));
    Options { over, ..options_at(app.address, recording.control, Some(token)) }
}

/// The rows that apply and did not pass.
pub(super) fn failing(card: &ScoreCard) -> Vec<String> {
    card.rows
        .iter()
        .filter(|row| !matches!(row.verdict, Verdict::Pass | Verdict::Inapplicable))
        .map(|row| {
            format!(
                "{} {} {} {}: sent {}, answered {}, the upstream saw {}: {}",
                row.verdict.as_str(),
                row.class,
                row.case,
                row.over,
                row.sent,
                row.answered,
                row.upstream,
                row.reasons.join("; ")
            )
        })
        .collect()
}

/// The program with a public and a protected prefix in front of the recorder, and a token.
async fn attacked(recording: &Recording, more: &str) -> (TestApp, String) {
    let app = TestApp::embedded()
        .upstream(&recording.address.to_string())
        .route("/private", "authenticated")
        .config(more)
        .config(HTTP2.unwrap_or_default())
        .start()
        .await;
    let (_, token) = app.new_person().await;
    (app, token)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_passes_every_case_of_the_corpus() {
    let recording = Recording::start().await;
    let shared = format!("token.algorithm = 'HS256'\ntoken.secret = '{SECRET}'");
    let (app, token) = attacked(&recording, &shared).await;
    let card = gateward::torture::run(&options(&app, &recording, &token)).await.unwrap();
    // Cases with published keys do not apply: a shared secret is not published. The next test has them.
    let failing = failing(&card);
    assert!(failing.is_empty(), "{} of {}:\n{}", failing.len(), card.rows.len(), failing.join("\n"));
    let sent = card.total().sent();
    assert!(sent >= LEAST, "only {sent} requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn published_keys_are_no_secrets() {
    let recording = Recording::start().await;
    for algorithm in ["EdDSA", "ES256", "RS256"] {
        let (app, token) = attacked(&recording, &format!("token.algorithm = '{algorithm}'")).await;
        let mut options = options(&app, &recording, &token);
        options.secret = None;
        options.classes = signing_classes();
        let card = gateward::torture::run(&options).await.unwrap();
        let failing = failing(&card);
        assert!(failing.is_empty(), "{algorithm}:\n{}", failing.join("\n"));
    }
}

/// The classes with cases that take a published key for a secret.
fn signing_classes() -> Vec<String> {
    let published = [Signer::PublicKey, Signer::PublicKeyBytes, Signer::PublicKeyJson];
    let signs = |case: &Case| case.token.as_ref().is_some_and(|token| published.contains(&token.sign));
    let classes = gateward::torture::corpus().unwrap().into_iter();
    let names: Vec<_> =
        classes.filter(|class| class.cases.iter().any(signs)).map(|class| class.class).collect();
    assert!(!names.is_empty(), "no case takes a published key for a secret");
    names
}
