//! Parsers of addresses: listeners, servers of an upstream, and the short form `http://host:port`.
//!
//! Names are not resolved here: a service may start later than the gateway.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::given::Raw;
use super::parse::{quoted, text};
use super::problem::Fault;
use crate::domain::forwarding::{Network, NetworkError};

/// IP address and port to listen on.
pub(super) fn socket(raw: &Raw) -> Result<SocketAddr, Fault> {
    let text = text(raw)?;
    text.parse().map_err(|_| {
        Fault::new(
            format!("{} is not an IP address with a port", quoted(&text)),
            "write for example \"127.0.0.1:8080\", \"0.0.0.0:8080\" or \"[::1]:8080\"",
        )
    })
}

/// Whether two listeners cannot both be bound. Port 0 asks the system for any free port.
pub(super) fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port()
        && a.port() != 0
        && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}

/// At least one `host:port`.
pub(super) fn servers(raw: &Raw) -> Result<Vec<String>, Fault> {
    const REMEDY: &str = "write a list of servers, for example [\"127.0.0.1:8000\"]";
    let Raw::List(items) = raw else {
        return Err(Fault::new(format!("is {}, not a list", raw.type_name()), REMEDY));
    };
    if items.is_empty() {
        return Err(Fault::new("is an empty list", REMEDY));
    }
    items.iter().map(|item| text(item).and_then(|text| host_and_port(&text))).collect()
}

/// `http://host:port` or `https://host:port`: whether it asks for TLS, and `host:port`.
pub(super) fn upstream_url(raw: &Raw) -> Result<(bool, String), Fault> {
    let text = text(raw)?;
    let plain = text.strip_prefix("http://").map(|rest| (false, rest));
    plain
        .or_else(|| text.strip_prefix("https://").map(|rest| (true, rest)))
        .map(|(tls, rest)| (tls, rest.strip_suffix('/').unwrap_or(rest)))
        .and_then(|(tls, server)| Some((tls, host_and_port(server).ok()?)))
        .ok_or_else(|| {
            Fault::new(
                format!("{} is not of the form http://host:port or https://host:port", quoted(&text)),
                "write for example http://127.0.0.1:8000, without a path; for more use [[upstream]] in the file",
            )
        })
}

/// `http(s)://host[:port]`, without user, path, query and fragment; what follows is put behind it.
pub(super) fn public_url(raw: &Raw) -> Result<String, Fault> {
    let text = text(raw)?;
    let url = text.strip_suffix('/').unwrap_or(&text);
    let server = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let right = |server: &str| {
        let bare = !server.ends_with(':') && host_and_port(&format!("{server}:80")).is_ok();
        server.len() <= 255 && (bare || host_and_port(server).is_ok())
    };
    if server.is_some_and(right) {
        return Ok(url.to_owned());
    }
    Err(Fault::new(
        format!("{} is not of the form https://host or https://host:port", quoted(&text)),
        "write for example \"https://auth.example.org\", without a path",
    ))
}

/// Addresses and ranges; in a variable parted by commas, with or without brackets around.
pub(super) fn networks(raw: &Raw) -> Result<Vec<Network>, Fault> {
    const REMEDY: &str = "write a list of addresses and ranges, for example [\"10.0.0.0/8\", \"192.0.2.7\"]";
    let items = match raw {
        Raw::List(items) => items.iter().map(text).collect::<Result<Vec<_>, _>>()?,
        Raw::Untyped(text) => {
            let text = text.trim();
            let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
            let items = bare.split(',').map(|item| item.trim().trim_matches('"').to_owned());
            items.filter(|_| !bare.trim().is_empty()).collect()
        }
        Raw::Text(_) | Raw::Integer(_) | Raw::Boolean(_) | Raw::Other(_) => {
            return Err(Fault::new(format!("is {}, not a list", raw.type_name()), REMEDY));
        }
    };
    items.iter().map(|item| network(item)).collect()
}

fn network(text: &str) -> Result<Network, Fault> {
    text.parse().map_err(|error: NetworkError| {
        let remedy = match error {
            NetworkError::Malformed => {
                "write for example \"10.0.0.0/8\", \"192.0.2.7\" or \"fd00::/8\"".to_owned()
            }
            NetworkError::WithinRange(range) => format!("write \"{range}\", or the address alone"),
            NetworkError::TooWide => {
                "name the proxies' own addresses: at least /8, of IPv6 /16, or private ones".to_owned()
            }
            NetworkError::MappedV4 => "write it as IPv4".to_owned(),
        };
        Fault::new(format!("{} {error}", quoted(text)), remedy)
    })
}

fn host_and_port(text: &str) -> Result<String, Fault> {
    let parts = match text.strip_prefix('[') {
        Some(rest) => rest.split_once("]:").filter(|(host, _)| host.parse::<Ipv6Addr>().is_ok()),
        None => text.split_once(':').filter(|(host, _)| is_host(host)),
    };
    match parts {
        Some((_, port)) if is_port(port) => Ok(text.to_owned()),
        Some(_) | None => Err(Fault::new(
            format!("{} is not host:port", quoted(text)),
            "write for example \"127.0.0.1:8000\", \"api.internal:80\" or \"[::1]:80\"",
        )),
    }
}

/// Digits only: `u16`'s own parser takes a plus sign too.
fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port != 0)
}

/// An IPv4 address or a name by RFC 1123 section 2.1, with the underscore that container networks use. A last
/// label of digits means an address (RFC 3696 section 2), so `10.0.0.256` is not a name.
fn is_host(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let numeric = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    if name.rsplit('.').next().is_some_and(numeric) {
        return host.parse::<Ipv4Addr>().is_ok();
    }
    name.len() <= 253 && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Raw {
        Raw::Text(text.to_owned())
    }

    #[test]
    fn servers_are_host_and_port() {
        for right in ["127.0.0.1:80", "[::1]:80", "localhost:8000", "api_1.internal:65535", "a-b.c.:1"] {
            assert!(host_and_port(right).is_ok(), "{right}");
        }
        for wrong in [
            "",
            ":",
            "host",
            "host:",
            ":80",
            "host:0",
            "host:65536",
            "host:+80",
            "host:80:80",
            "::1:80",
            "[::1]",
            "[::1]80",
            "[host]:80",
            "10.0.0.256:80",
            "1.2.3:80",
            "a..b:80",
            "-a:80",
            "a-:80",
            "a b:80",
            "http://host:80",
            "host:80/x",
            "user@host:80",
            "h\u{f6}st:80",
        ] {
            assert!(host_and_port(wrong).is_err(), "{wrong}");
        }
        assert!(host_and_port(&format!("{}:80", "a".repeat(64))).is_err());
    }

    #[test]
    fn a_list_of_servers_has_at_least_one_and_only_texts() {
        assert!(
            servers(&Raw::List(vec![raw("a:1"), raw("b:2")])).is_ok_and(|servers| servers == ["a:1", "b:2"])
        );
        for wrong in
            [Raw::List(vec![]), raw("a:1"), Raw::List(vec![Raw::Integer(1)]), Raw::List(vec![raw("a")])]
        {
            assert!(servers(&wrong).is_err());
        }
    }

    #[test]
    fn the_short_form_is_a_scheme_and_a_server_without_a_path() {
        for (right, tls) in [
            ("http://a:1", false),
            ("http://a:1/", false),
            ("http://[::1]:80", false),
            ("https://a:1/", true),
        ] {
            assert_eq!(upstream_url(&raw(right)).ok().map(|(tls, _)| tls), Some(tls), "{right}");
        }
        for wrong in ["", "a:1", "HTTPS://a:1", "https://a", "http://a", "http://a:1/x", "http://u:p@a:1"] {
            assert!(upstream_url(&raw(wrong)).is_err(), "{wrong}");
        }
        assert!(
            upstream_url(&raw("http://u:hunter2@a:1")).is_err_and(|fault| !fault.message.contains("hunter2"))
        );
    }

    #[test]
    fn the_public_url_has_a_scheme_and_a_host_and_nothing_behind_it() {
        for (text, expected) in [
            ("https://auth.example.org", "https://auth.example.org"),
            ("https://auth.example.org/", "https://auth.example.org"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://[::1]", "http://[::1]"),
            ("http://[::1]:80", "http://[::1]:80"),
        ] {
            assert_eq!(public_url(&raw(text)).ok().as_deref(), Some(expected), "{text}");
        }
        for wrong in [
            "",
            "auth.example.org",
            "ftp://auth.example.org",
            "HTTPS://auth.example.org",
            "https://",
            "https://:443",
            "https://a:",
            "https://a:0",
            "https://a:x",
            "https://a//",
            "https://a/x",
            "https://a?x",
            "https://a#x",
            "https://u:p@a",
            "https://a b",
            "https://a\r\nx",
            "https://a,b",
        ] {
            assert!(public_url(&raw(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn listeners_are_ip_addresses_with_ports() {
        for (text, right) in [
            ("127.0.0.1:0", true),
            ("[::]:80", true),
            ("localhost:80", false),
            ("127.0.0.1", false),
            ("8080", false),
            ("", false),
        ] {
            assert_eq!(socket(&raw(text)).is_ok(), right, "{text}");
        }
        assert!(socket(&Raw::Integer(8080)).is_err());
    }

    #[test]
    fn listeners_on_one_port_collide() {
        for (a, b, expected) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("0.0.0.0:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "[::]:80", true),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
        ] {
            let (a, b) = (socket(&raw(a)).ok(), socket(&raw(b)).ok());
            assert_eq!(a.zip(b).map(|(a, b)| collide(a, b)), Some(expected));
        }
    }
}
