//! The `tls` keys of `[[upstream]]`, with real certificates.

use rcgen::{CertificateParams, KeyPair};

use super::case::Case;
use crate::config::{UpstreamProtocol, load};

const API: &str = "[[upstream]]\nname = \"api\"\nservers = [\"api.internal:443\"]\n";

/// PEM of a certificate and of its key.
fn certificate() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["gateward".to_owned()]).unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn tls_keys_become_checked_values() {
    let case = Case::new();
    let (certificate, key) = certificate();
    let (ca, key) = (case.write("ca.pem", &certificate), case.write("key.pem", &key));
    let text = format!(
        "{API}tls = true\nprotocol = \"http2\"\ntls_server_name = \"b.internal\"\ntls_ca_file = {ca:?}\n\
         tls_client_certificate_file = {ca:?}\ntls_client_key_file = {key:?}\n"
    );
    let loaded = case.file(&text).load();
    let upstream = &loaded.settings.upstreams[0];
    let tls = upstream.tls.as_ref().unwrap();
    assert_eq!(upstream.protocol, UpstreamProtocol::Http2);
    assert_eq!(tls.server_name.as_deref(), Some("b.internal"));
    assert_eq!(tls.roots.as_ref().map(Vec::len), Some(1));
    let client = tls.client.as_ref().unwrap();
    let shown = format!("{:?}", loaded.settings);
    let bytes = format!("{:?}", client.key.secret_der());
    assert!(!shown.contains(bytes.trim_matches(['[', ']'])), "the key is redacted");
    assert!(shown.contains("secret key elided"), "{shown}");
}

#[test]
fn the_short_form_takes_tls_too() {
    for (url, tls) in [("http://api.internal:80", false), ("https://api.internal:443", true)] {
        let loaded = Case::new().env("UPSTREAM", url).load();
        let [upstream] = &loaded.settings.upstreams[..] else { panic!("one upstream") };
        assert_eq!(upstream.tls.is_some(), tls, "{url}");
        let shown = loaded.values.iter().find(|shown| shown.key == "upstream[0].tls").unwrap();
        assert_eq!(shown.value, tls.to_string());
    }
    let problems = Case::new().env("UPSTREAM", "https://api_1.internal:443").problems();
    assert_eq!(problems.len(), 1, "{problems:?}");
}

/// One mistake each, and how its problem starts.
#[test]
fn each_rule_of_tls_has_its_problem() {
    let case = Case::new();
    let (certificate, key) = certificate();
    let other = self::certificate().1;
    let path = |name: &str, text: &str| case.write(name, text).display().to_string();
    let (ca, key, other) = (path("ca.pem", &certificate), path("key.pem", &key), path("other.pem", &other));
    let (text, broken) = (path("text", "no PEM"), path("broken", &certificate.replace("MII", "!!!")));
    let wrong = path("wrong", "-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n");
    let no_key = path("no_key", "-----BEGIN PRIVATE KEY-----\naHVudGVyMg==\n-----END PRIVATE KEY-----\n");
    let pair = |chain: &str, key: &str| {
        format!("tls = true\ntls_client_certificate_file = \"{chain}\"\ntls_client_key_file = \"{key}\"")
    };
    let with_ca = |file: &str| format!("tls = true\ntls_ca_file = \"{file}\"");
    for (lines, expected) in [
        ("tls = \"yes\"".to_owned(), "tls: is neither true nor false"),
        ("protocol = \"h2\"".to_owned(), "protocol: `h2` is not known"),
        (format!("tls_ca_file = \"{ca}\""), "tls_ca_file: is given without TLS"),
        ("tls_server_name = \"a\"".to_owned(), "tls_server_name: is given without TLS"),
        ("tls = true\ntls_server_name = \"a_b\"".to_owned(), "tls_server_name: `a_b` is not a host name"),
        (with_ca("/nowhere"), "tls_ca_file: names a file that cannot be read"),
        (with_ca("/dev/zero"), "tls_ca_file: names a file that cannot be read: it is longer"),
        (with_ca(&text), "tls_ca_file: names a file with no certificate"),
        (with_ca(&key), "tls_ca_file: names a file with no certificate"),
        (with_ca(&broken), "tls_ca_file: names a file with a certificate that is not PEM"),
        (with_ca(&wrong), "tls_ca_file: names a file with something else"),
        (pair(&ca, "/nowhere"), "tls_client_key_file: names a file that cannot be read"),
        (pair(&ca, &ca), "tls_client_key_file: names a file without a private key"),
        (pair(&ca, &no_key), "tls_client_key_file: names a file with a private key of an unknown kind"),
        (pair(&ca, &other), "tls_client_key_file: is not the key of"),
        (pair(&text, &key), "tls_client_certificate_file: names a file with no certificate"),
        (
            format!("tls = true\ntls_client_certificate_file = \"{ca}\""),
            "tls_client_certificate_file: is given without tls_client_key_file",
        ),
        (
            format!("tls = true\ntls_client_key_file = \"{key}\""),
            "tls_client_key_file: is given without tls_client_certificate_file",
        ),
    ] {
        let file = format!("{API}{lines}\n");
        let problems = Case::new().file(&file).problems();
        assert_eq!(problems.len(), 1, "{lines}\n{problems:#?}");
        let (_, text) = problems[0].split_once(' ').unwrap();
        assert!(text.starts_with(&format!("upstream[0].{expected}")), "{lines}\n{text}");
    }
    let under = API.replace("api.internal", "api_1.internal");
    let problems = Case::new().file(&format!("{under}tls = true")).problems();
    assert!(problems[0].contains("servers: `api_1.internal:443` is not a name"), "{problems:?}");
    let named = Case::new().file(&format!("{under}tls = true\ntls_server_name = \"api.internal\""));
    assert!(load(&named.sources).is_ok());
}
