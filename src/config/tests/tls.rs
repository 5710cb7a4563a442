//! Certificates and what belongs to them: every mistake with the others, no key ever shown.

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::case::Case;
use crate::config::{ClientAuth, TlsVersion, load};
use crate::domain::clock::Timestamp;

/// In November 2023; what `rcgen` makes is valid then.
const NOW: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);

/// A case with the files of two certificates, of which the second has expired, and `rest` behind the first entry.
fn case(certificate: &str, key: &str, rest: &str) -> Case {
    let mut case = Case::new();
    case.sources.certificates_at = Some(NOW);
    let pair = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["gw.example".to_owned()]).unwrap();
    case.write("right.pem", &params.self_signed(&pair).unwrap().pem());
    case.write("right.key", &pair.serialize_pem());
    params.not_after = date_time_ymd(2022, 1, 2);
    case.write("expired.pem", &params.self_signed(&pair).unwrap().pem());
    params.not_before = date_time_ymd(2024, 1, 2);
    params.not_after = date_time_ymd(2025, 1, 2);
    case.write("early.pem", &params.self_signed(&pair).unwrap().pem());
    case.write("other.key", &KeyPair::generate().unwrap().serialize_pem());
    let path = |name: &str| case.folder.path().join(name).display().to_string();
    let rest = rest.replace("FOLDER", &path(""));
    let text = format!(
        "[[certificate]]\ncertificate_file = '{}'\nkey_file = '{}'\n{rest}",
        path(certificate),
        path(key)
    );
    case.file(&text)
}

#[test]
fn a_pair_that_belongs_together_is_taken() {
    let loaded = case("right.pem", "right.key", "[tls]\nmin_version = '1.3'\nhsts = '365d'").load();
    let tls = &loaded.settings.tls;
    assert_eq!((tls.certificates.len(), tls.min_version), (1, TlsVersion::Tls13));
    assert_eq!((tls.client_auth, tls.hsts.unwrap().as_secs()), (ClientAuth::None, 365 * 86_400));
    assert_eq!(loaded.settings.server.known_public_url().as_deref(), Some("https://127.0.0.1:8080"));
    assert_eq!(loaded.warnings, Vec::<String>::new());
}

#[test]
fn each_mistake_is_found_without_connecting_to_anything() {
    for (certificate, key, rest, problem) in [
        ("nowhere", "right.key", "", "certificate[0].certificate_file: names a file that cannot be read"),
        ("right.pem", "nowhere", "", "certificate[0].key_file: names a file that cannot be read"),
        ("right.key", "right.key", "", "certificate[0].certificate_file: the certificate file holds no PEM"),
        ("right.pem", "right.pem", "", "certificate[0].certificate_file: the key file holds no PEM"),
        ("right.pem", "other.key", "", "certificate[0].certificate_file: the private key does not belong"),
        ("expired.pem", "right.key", "", "certificate[0].certificate_file: the certificate expired at 2022"),
        (
            "early.pem",
            "right.key",
            "",
            "certificate[0].certificate_file: the certificate is not valid before",
        ),
        (
            "right.pem",
            "right.key",
            "[[certificate]]\nkey_file = '/x'",
            "certificate[1].certificate_file: is missing",
        ),
        ("right.pem", "right.key", "[tls]\nmin_version = '1.1'", "tls.min_version: `1.1` is not known"),
        ("right.pem", "right.key", "[tls]\nhsts = '0s'", "tls.hsts: `0s` is not from"),
        (
            "right.pem",
            "right.key",
            "[tls]\nclient_auth = 'required'",
            "tls.client_auth: needs tls.client_ca_file",
        ),
        (
            "right.pem",
            "right.key",
            "[tls]\nclient_ca_file = 'FOLDERright.pem'",
            "tls.client_ca_file: has no effect while tls.client_auth is none",
        ),
        (
            "right.pem",
            "right.key",
            "[tls]\nclient_auth = 'optional'\nclient_ca_file = 'FOLDERright.key'",
            "tls.client_ca_file: the file holds no PEM certificate of an authority",
        ),
        (
            "right.pem",
            "right.key",
            "[tls]\nredirect_listen = '127.0.0.1:8080'",
            "tls.redirect_listen: takes the same port as server.listen",
        ),
    ] {
        let problems = case(certificate, key, rest).problems();
        assert_eq!(problems.len(), 1, "{certificate} {key} {rest}: {problems:?}");
        assert!(problems[0].contains(problem), "{problem} in {problems:?}");
    }
    let all = case("expired.pem", "right.key", "[server]\nlisten = 'x'\n[tls]\nmin_version = '1'").problems();
    assert_eq!(all.len(), 3, "{all:?}");
}

/// Somebody who set them believes that connections are protected.
#[test]
fn what_needs_a_certificate_is_refused_without_one() {
    for line in
        ["hsts = '1h'", "redirect_listen = '127.0.0.1:81'", "client_auth = 'required'\nclient_ca_file = '/x'"]
    {
        let problems = Case::new().file(&format!("[tls]\n{line}")).problems();
        assert_eq!(problems.len(), 1, "{line}: {problems:?}");
        assert!(problems[0].contains("needs a certificate, and there is none"), "{problems:?}");
    }
}

/// Ending a session must not fail because a certificate has.
#[test]
fn whoever_does_not_serve_does_not_look_into_the_files() {
    let mut case = case("expired.pem", "nowhere", "");
    case.sources.certificates_at = None;
    assert_eq!(case.load().settings.tls.certificates.len(), 1);
}

#[test]
fn no_key_is_ever_printed() {
    let key = KeyPair::generate().unwrap().serialize_pem();
    let middle = key.lines().nth(1).unwrap().to_owned();
    let mut pasted = Case::new();
    pasted.sources.certificates_at = Some(NOW);
    let pasted = pasted
        .file(&format!("[[certificate]]\ncertificate_file = '/x'\nkey_file = '''{key}'''\n[tls]\nclient_ca_file = '''{key}'''"));
    let mut loaded = vec![format!("{:?}", case("right.pem", "right.key", "").load())];
    for case in [pasted, case("right.key", "right.pem", ""), case("right.pem", "other.key", "")] {
        let problems = load(&case.sources).unwrap_err();
        loaded.push(format!("{problems} {problems:?}"));
        for file in ["right.key", "other.key"] {
            let text = std::fs::read_to_string(case.folder.path().join(file)).unwrap_or_else(|_| key.clone());
            let middle = text.lines().nth(1).unwrap();
            assert!(loaded.iter().all(|text| !text.contains(middle)), "{loaded:?}");
        }
    }
    assert!(
        loaded.iter().all(|text| !text.contains(&middle) && !text.contains("BEGIN PRIVATE")),
        "{loaded:?}"
    );
}

#[test]
fn a_plain_public_url_over_tls_is_a_warning() {
    let loaded = case("right.pem", "right.key", "[server]\npublic_url = 'http://gw.example'").load();
    assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
    let loaded = case("right.pem", "right.key", "[tls]\nhsts_include_subdomains = true").load();
    assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
}
