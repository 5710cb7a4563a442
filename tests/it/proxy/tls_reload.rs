//! Certificates are renewed while connections are open; wrong ones change nothing.

use std::time::Duration;

use nix::sys::signal::Signal;
use rcgen::date_time_ymd;
use rustls::HandshakeKind;
use rustls::pki_types::CertificateDer;
use time::OffsetDateTime;

use super::front::PROMPT;
use super::tls_front::{HOST, TlsFront, answer, head};
use crate::support::app::TestApp;
use crate::support::raw::RawClient;
use crate::support::tls::{Authority, Pair, handshake, leaf};
use crate::support::wait::eventually;

const RELOADS: &str = "gateward_certificate_reloads_total";

/// The certificate that a new connection is shown.
async fn shown(front: &TlsFront, host: &str) -> CertificateDer<'static> {
    let stream = front.client().handshake(front.app.address, host).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].clone()
}

async fn assert_shows(front: &TlsFront, host: &str, pair: &Pair) {
    let wanted = leaf(&pair.chain);
    let reached = eventually(PROMPT, || async { shown(front, host).await == wanted }).await;
    assert!(reached, "{host}");
}

#[tokio::test]
async fn changed_files_are_taken_while_connections_go_on() {
    let front = TlsFront::of(&[&[HOST], &["other.example"]], TestApp::embedded()).await;
    let mut before = front.connect().await;
    assert_eq!(answer(&mut before, head("GET /public/x", &[])).await.status, 200);
    let config = front.client().config();
    handshaken(&front, &config).await;
    assert_eq!(handshaken(&front, &config).await, HandshakeKind::Resumed);

    let renewed = front.authority.server(&[HOST, "new.example"]);
    front.pairs[0].replace_with(&renewed);
    assert_shows(&front, HOST, &renewed).await;
    assert_shows(&front, "new.example", &renewed).await;
    assert_eq!(shown(&front, "other.example").await, leaf(&front.pairs[1].chain));
    assert_eq!(handshaken(&front, &config).await, HandshakeKind::Full, "a ticket of before");
    assert_eq!(answer(&mut before, head("GET /public/x", &[])).await.status, 200, "the old connection");
    front.assert_metric(&format!("{RELOADS}{{result=\"ok\"}}"), "1").await;
    front.assert_metric(&format!("{RELOADS}{{result=\"failed\"}}"), "0").await;
}

/// One request on a connection of this configuration, which takes its tickets in; how the handshake went.
async fn handshaken(front: &TlsFront, config: &std::sync::Arc<rustls::ClientConfig>) -> HandshakeKind {
    let stream = handshake(config.clone(), front.app.address, HOST).await.unwrap();
    let kind = stream.get_ref().1.handshake_kind().unwrap();
    assert_eq!(answer(&mut RawClient::over(stream), head("GET /public/x", &[])).await.status, 200);
    kind
}

#[tokio::test]
async fn wrong_files_are_logged_and_the_old_certificates_stay() {
    let front = TlsFront::of(&[&[HOST], &["other.example"]], TestApp::embedded()).await;
    let (first, second) = (front.pairs[0].copied("first"), front.pairs[1].copied("second"));
    let renewed = front.authority.server(&["other.example"]);
    let expired = front.authority.server_with(&[HOST], |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    });
    let key_of_another = front.authority.server(&[HOST]);
    let mut failures = 0;
    for (case, words) in [
        ("expired", "expired at 2021"),
        ("mixed", "does not belong"),
        ("empty", "holds no PEM"),
        ("gone", "No such file"),
    ] {
        // What is right beside it is not taken either.
        front.pairs[1].replace_with(&renewed);
        match case {
            "expired" => front.pairs[0].replace_with(&expired),
            "mixed" => drop(std::fs::copy(&key_of_another.key, &front.pairs[0].key).unwrap()),
            "empty" => std::fs::write(&front.pairs[0].chain, "").unwrap(),
            _ => std::fs::remove_file(&front.pairs[0].chain).unwrap(),
        }
        let error = front
            .app
            .wait_for_log(|line| line.contains("certificates not reloaded") && line.contains(words))
            .await;
        assert!(
            error.contains("ERROR") && error.contains(&front.pairs[0].chain.display().to_string()),
            "{error}"
        );
        failures += 1;
        front.assert_metric(&format!("{RELOADS}{{result=\"failed\"}}"), &failures.to_string()).await;
        assert_eq!(shown(&front, HOST).await, leaf(&first.chain), "{case}");
        assert_eq!(shown(&front, "other.example").await, leaf(&second.chain), "{case}");
        front.pairs[0].replace_with(&first);
        front.pairs[1].replace_with(&second);
        // The old contents are a change, too.
        front.assert_metric(&format!("{RELOADS}{{result=\"ok\"}}"), &failures.to_string()).await;
    }
    let secret = std::fs::read_to_string(&first.key).unwrap().lines().nth(1).unwrap().to_owned();
    assert!(!front.app.log_lines().iter().any(|line| line.contains(&secret) || line.contains("BEGIN")));
}

#[tokio::test]
async fn hang_up_asks_for_a_look_and_ends_nothing() {
    let mut front = TlsFront::start().await;
    let mut open = front.connect().await;
    assert_eq!(answer(&mut open, head("GET /public/x", &[])).await.status, 200);
    for round in 1..=3 {
        let renewed = front.authority.server(&[HOST]);
        front.pairs[0].replace_with(&renewed);
        front.app.signal(Signal::SIGHUP);
        assert_shows(&front, HOST, &renewed).await;
        assert_eq!(answer(&mut open, head("GET /public/x", &[])).await.status, 200, "{round}");
    }
    assert!(front.app.ended().is_none());
    assert_eq!(front.app.stop().await.code(), Some(0));
}

#[tokio::test]
async fn a_certificate_near_its_end_is_a_warning_and_its_end_a_metric() {
    let authority = Authority::new();
    let soon = OffsetDateTime::now_utc() + Duration::from_hours(13 * 24);
    let pair = authority.server_with(&["soon.example"], |params| params.not_after = soon);
    let app = TestApp::embedded().tls(std::slice::from_ref(&pair)).start().await;
    let warning = app.wait_for_log(|line| line.contains("a certificate expires soon")).await;
    assert!(warning.contains("WARN") && warning.contains("soon.example"), "{warning}");
    let front = TlsFront { app, authority, pairs: vec![pair] };
    let metric = |name: &str| format!("gateward_certificate_expires_timestamp_seconds{{name=\"{name}\"}}");
    front.assert_metric(&metric("soon.example"), &soon.unix_timestamp().to_string()).await;

    let later = soon + Duration::from_hours(24 * 24);
    let renewed = front.authority.server_with(&["later.example"], |params| params.not_after = later);
    front.pairs[0].replace_with(&renewed);
    front.assert_metric(&metric("later.example"), &later.unix_timestamp().to_string()).await;
    let text = front.app.get_admin("/metrics").await.text().await.unwrap();
    assert!(!text.contains("soon.example"), "{text}");
    assert_eq!(front.app.log_lines().iter().filter(|line| line.contains("expires soon")).count(), 1);
}
