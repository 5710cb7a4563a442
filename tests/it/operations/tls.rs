//! Certificates as operators meet them: a start that is refused, and `gateward tls-dev`.

use rcgen::date_time_ymd;

use super::workplace::{Workplace, run};
use crate::support::app::TestApp;
use crate::support::raw::RawClient;
use crate::support::tls::{Authority, TlsClient};

#[test]
fn start_with_an_expired_certificate_is_refused_and_other_commands_go_on() {
    let pair = Authority::new().server_with(&["gw.example"], |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    });
    let (chain, key) = (pair.chain.display(), pair.key.display());
    let text = format!(
        "[[certificate]]\ncertificate_file = '{chain}'\nkey_file = '{key}'\n\
         [[certificate]]\ncertificate_file = '{key}'\nkey_file = '/nowhere'\n"
    );
    let place = Workplace::new().file("tls.toml", &text);
    for command in ["serve", "config check", "config show"] {
        let said = place.gateward(&format!("--config tls.toml {command}")).failed(78);
        assert!(said.contains("has 2 mistakes"), "{command}: {said}");
        assert!(
            said.contains("tls.toml:2: certificate[0].certificate_file: the certificate expired at 2021"),
            "{said}"
        );
        assert!(
            said.contains("tls.toml:6: certificate[1].key_file: names a file that cannot be read"),
            "{said}"
        );
    }
    assert_eq!(place.gateward("--config tls.toml migrate up").code, 0);
    assert_eq!(place.gateward("--config tls.toml user list").code, 0);
}

#[tokio::test]
async fn a_development_certificate_is_made_and_trusted_by_its_authority() {
    let mut app = TestApp::embedded().start().await;
    let said = run(app.command(&["tls-dev", "--name", "gw.test"]), "").ok();
    assert!(said.contains("certificate_file = \".gateward/tls-dev/certificate.pem\""), "{said}");
    let file = app.working_dir().join(".gateward/tls-dev/gateward.toml");
    app.reconfigure(&std::fs::read_to_string(file).unwrap());
    app.restart().await;
    let client = TlsClient::trusting(&app.working_dir().join(".gateward/tls-dev/ca.pem"));
    for host in ["localhost", "127.0.0.1", "::1", "gw.test"] {
        let stream =
            client.handshake(app.address, host).await.unwrap_or_else(|error| panic!("{host}: {error}"));
        let mut client = RawClient::over(stream);
        client
            .send(format!("GET /public/x HTTP/1.1\r\nHost: {host}\r\n\r\n").replace(" ::1", " [::1]"))
            .await;
        assert_eq!(client.read_response().await.unwrap().status, 200, "{host}");
    }
    assert!(client.handshake(app.address, "other.test").await.is_err());
}
