//! Certificates of clients: asked for, judged, never passed on.

use rustls::HandshakeKind;

use super::front::Front;
use super::tls_front::{HOST, TlsFront, head};
use crate::support::app::TestApp;
use crate::support::raw::RawClient;
use crate::support::tls::{Authority, TlsClient, handshake};

/// The status of a request, if one is answered: over TLS 1.3 a client learns with its first read only that the
/// gateway has refused its certificate.
async fn status(front: &TlsFront, client: TlsClient) -> Option<u16> {
    let stream = client.handshake(front.app.address, HOST).await.ok()?;
    let mut client = RawClient::over(stream);
    client.send(head("GET /public/x", &[])).await;
    Some(client.read_response().await.ok()?.status)
}

#[tokio::test]
async fn certificates_of_clients_are_demanded_or_judged_when_shown() {
    let (people, strangers) = (Authority::new(), Authority::new());
    let good = people.client("ann.example");
    let foreign = strangers.client("ann.example");
    // For servers only (RFC 5280 section 4.2.1.12).
    let misused = people.server(&["ann.example"]);
    for (client_auth, without) in [("required", None), ("optional", Some(200))] {
        let file = people.file().display().to_string();
        let config = format!("tls.client_auth = '{client_auth}'\ntls.client_ca_file = '{file}'");
        let front = TlsFront::with(&config).await;
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let client = || front.client().version(version);
            let case = format!("{client_auth} {version:?}");
            assert_eq!(status(&front, client()).await, without, "{case}");
            assert_eq!(status(&front, client().shows(&good)).await, Some(200), "{case}");
            assert_eq!(status(&front, client().shows(&foreign)).await, None, "{case}");
            assert_eq!(status(&front, client().shows(&misused)).await, None, "{case}");
        }
        let failures = |reason| format!("gateward_tls_handshake_failures_total{{reason=\"{reason}\"}}");
        front.assert_metric(&failures("bad_client_certificate"), "4").await;
        let missing = if without.is_none() { "2" } else { "0" };
        front.assert_metric(&failures("no_client_certificate"), missing).await;
    }
}

/// A ticket would stand for a certificate that has expired, or whose authority is no longer trusted.
#[tokio::test]
async fn every_connection_shows_its_certificate_anew() {
    let people = Authority::new();
    let file = people.file().display().to_string();
    let front = TlsFront::with(&format!("tls.client_auth = 'required'\ntls.client_ca_file = '{file}'")).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let config = front.client().version(version).shows(&people.client("ann.example")).config();
        for _ in 0..2 {
            let stream = handshake(config.clone(), front.app.address, HOST).await.unwrap();
            assert_eq!(stream.get_ref().1.handshake_kind(), Some(HandshakeKind::Full), "{version:?}");
            let mut client = RawClient::over(stream);
            client.send(head("GET /public/x", &[])).await;
            assert_eq!(client.read_response().await.unwrap().status, 200);
        }
    }
}

#[tokio::test]
async fn without_being_asked_a_client_shows_nothing() {
    let front = TlsFront::start().await;
    let strangers = Authority::new();
    assert_eq!(status(&front, front.client().shows(&strangers.client("x.example"))).await, Some(200));
}

/// RFC 9440 section 2.4, and what other proxies call the same.
#[tokio::test]
async fn what_a_client_says_about_its_certificate_is_removed() {
    let front = Front::of(TestApp::embedded()).await;
    let names = [
        "Client-Cert",
        "Client_Cert",
        "Client-Cert-Chain",
        "X-Client-Cert",
        "X-Client-Cert-Fingerprint",
        "X-SSL-Client-Cert",
        "X-SSL-Client-Verify",
        "X_SSL_Client_S_DN",
        "SSL-Client-Cert",
        "ssl-client-verify",
        "ssl-client-subject-dn",
        "X-Forwarded-Client-Cert",
        "X-Forwarded-Tls-Client-Cert",
        "X-Tls-Client-Cert",
    ];
    let lines: Vec<String> = names.iter().map(|name| format!("{name}: evil")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let (_, request) = front.forwarded(front.head("GET /private/x", &lines)).await;
    assert!(!String::from_utf8_lossy(&request.raw_head).contains("evil"));
}
