//! The hosts that a certificate is for.

use std::net::IpAddr;

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::X509Certificate;

/// The subject alternative names of a certificate that name hosts; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateNames(Vec<Name>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    /// In lower case, without a dot at its end.
    Host(String),
    /// What follows `*.`, likewise.
    OneLabelBefore(String),
    Address(IpAddr),
}

impl CertificateNames {
    /// The names of a certificate; none when it names no host.
    pub(super) fn of(certificate: &X509Certificate<'_>) -> Option<Self> {
        let alternatives = certificate.subject_alternative_name().ok().flatten()?;
        let names: Vec<Name> = alternatives.value.general_names.iter().filter_map(Name::of).collect();
        (!names.is_empty()).then_some(Self(names))
    }

    /// Whether it is for this host, which may have a port, as in `Host`. A wildcard stands for exactly one whole label
    /// (RFC 9525 section 6.3).
    pub fn covers(&self, host: &str) -> bool {
        self.names_exactly(host) || self.covers_by_wildcard(host)
    }

    /// The same without wildcards.
    pub fn names_exactly(&self, host: &str) -> bool {
        let host = host_without_port(host);
        if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            return self.0.contains(&Name::Address(address));
        }
        let host = host.strip_suffix('.').unwrap_or(host);
        self.0.iter().any(|name| matches!(name, Name::Host(known) if known.eq_ignore_ascii_case(host)))
    }

    /// Whether this very name is one of them, also one that begins with `*.`.
    pub fn has(&self, name: &str) -> bool {
        let name = name.parse().map(Name::Address).ok().or_else(|| Name::of_host(name));
        name.is_some_and(|name| self.0.contains(&name))
    }

    fn covers_by_wildcard(&self, host: &str) -> bool {
        let host = host_without_port(host);
        let host = host.strip_suffix('.').unwrap_or(host);
        let Some((label, parent)) = host.split_once('.') else { return false };
        !label.is_empty()
            && self
                .0
                .iter()
                .any(|name| matches!(name, Name::OneLabelBefore(known) if known.eq_ignore_ascii_case(parent)))
    }

    /// The first name, for people: in logs and metrics.
    pub fn first(&self) -> String {
        match self.0.first() {
            Some(Name::Host(name)) => name.clone(),
            Some(Name::OneLabelBefore(parent)) => format!("*.{parent}"),
            Some(Name::Address(address)) => address.to_string(),
            None => String::new(),
        }
    }
}

impl Name {
    fn of(name: &GeneralName<'_>) -> Option<Self> {
        match name {
            GeneralName::DNSName(name) => Self::of_host(name),
            GeneralName::IPAddress(bytes) => {
                let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
                v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from)).ok().map(Self::Address)
            }
            _ => None,
        }
    }

    /// A `*` anywhere but as the whole first label means nothing to today's clients, so it means nothing here.
    fn of_host(name: &str) -> Option<Self> {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        match name.strip_prefix("*.") {
            Some(parent) if !parent.is_empty() && !parent.contains('*') => {
                Some(Self::OneLabelBefore(parent.to_owned()))
            }
            Some(_) => None,
            None => (!name.is_empty() && !name.contains('*')).then_some(Self::Host(name)),
        }
    }
}

/// `name` of `name:port`, `[v6]` of `[v6]:port`.
pub fn host_without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // Behind the last colon of `[::1]` stands no port.
        Some((name, port)) if !port.contains(']') => name,
        Some(_) | None => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(texts: &[&str]) -> CertificateNames {
        let of = |text: &&str| match text.parse() {
            Ok(address) => Some(Name::Address(address)),
            Err(_) => Name::of_host(text),
        };
        CertificateNames(texts.iter().filter_map(of).collect())
    }

    #[test]
    fn a_host_is_covered_by_its_name_or_a_wildcard_of_exactly_one_label() {
        let names = names(&["Example.org", "*.apps.example.org", "127.0.0.1", "::1", "f*.org", "*", "*.*.x"]);
        for (host, covered) in [
            ("example.org", true),
            ("EXAMPLE.ORG", true),
            ("example.org:8443", true),
            ("example.org.", true),
            ("example.org.:443", true),
            ("a.apps.example.org", true),
            ("A.Apps.example.org:1", true),
            ("apps.example.org", false),
            ("a.b.apps.example.org", false),
            (".apps.example.org", false),
            ("*.apps.example.org", true),
            ("www.example.org", false),
            ("notexample.org", false),
            ("foo.org", false),
            ("anything", false),
            ("a.b.x", false),
            ("127.0.0.1", true),
            ("127.0.0.1:443", true),
            ("127.0.0.2", false),
            ("[::1]", true),
            ("[::1]:443", true),
            ("[0:0:0:0:0:0:0:1]", true),
            ("[::2]", false),
            ("", false),
        ] {
            assert_eq!(names.covers(host), covered, "{host}");
        }
        assert_eq!(names.first(), "example.org");
    }

    #[test]
    fn an_exact_name_is_told_from_a_wildcard() {
        let names = names(&["*.example.org"]);
        assert!(names.covers("a.example.org") && !names.names_exactly("a.example.org"));
        assert_eq!(names.first(), "*.example.org");
    }

    #[test]
    fn ports_are_cut_off() {
        for (host, name) in [("a:1", "a"), ("a", "a"), ("[::1]:2", "[::1]"), ("[::1]", "[::1]"), ("", "")] {
            assert_eq!(host_without_port(host), name);
        }
    }
}
