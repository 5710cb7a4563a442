//! The `Host` field (RFC 9110 section 7.2): a name or address with an optional port.

use std::net::Ipv6Addr;

use super::byte_class::HOST;
use super::refusal::{HOST_SYNTAX, HOST_USER_INFO, Refusal};

/// The longest DNS name, as text.
const LONGEST_NAME: usize = 253;

/// Judges a field value. Names are letters, digits, `-`, `.` and `_`: percent-encoding and other
/// sub-delimiters, legal in a URI, mean different hosts to different readers.
pub(super) fn judge(value: &[u8]) -> Result<(), Refusal> {
    if value.contains(&b'@') {
        return Err(HOST_USER_INFO);
    }
    let (name_ok, port) = match value.strip_prefix(b"[") {
        Some(rest) => {
            let end = rest.iter().position(|byte| *byte == b']').ok_or(HOST_SYNTAX)?;
            (is_ipv6(rest.get(..end).unwrap_or_default()), rest.get(end + 1..).unwrap_or_default())
        }
        None => {
            let end = value.iter().position(|byte| *byte == b':').unwrap_or(value.len());
            (is_name(value.get(..end).unwrap_or_default()), value.get(end..).unwrap_or_default())
        }
    };
    let port_ok = match port.split_first() {
        None => true,
        Some((b':', digits)) => is_port(digits),
        Some(_) => false,
    };
    if name_ok && port_ok { Ok(()) } else { Err(HOST_SYNTAX) }
}

/// Whether a text is a host as `Host` may name one.
pub fn is_host(text: &[u8]) -> bool {
    judge(text).is_ok()
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.len() <= LONGEST_NAME && name.first() != Some(&b'.') && HOST.all(name)
}

fn is_ipv6(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

/// 1 to 65535 without leading zeros.
fn is_port(digits: &[u8]) -> bool {
    (1..=5).contains(&digits.len())
        && digits.first() != Some(&b'0')
        && digits.iter().all(u8::is_ascii_digit)
        && digits.iter().fold(0_u32, |port, digit| port * 10 + u32::from(digit - b'0')) <= 65_535
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_accepted() {
        for host in [
            "example.org",
            "EXAMPLE.org:8080",
            "localhost",
            "a_b.internal:1",
            "127.0.0.1:65535",
            "[::1]",
            "[2001:db8::1]:443",
            "[::ffff:1.2.3.4]",
            "x-y",
            "trailing.",
        ] {
            assert_eq!(judge(host.as_bytes()), Ok(()), "{host}");
        }
    }

    #[test]
    fn hosts_are_refused() {
        for host in [
            "",
            ":80",
            ".",
            "a:",
            "a:0",
            "a:080",
            "a:65536",
            "a:123456",
            "a:-1",
            "a:+80",
            "a:80:80",
            "a b",
            "a,b",
            "a/b",
            "a%2eb",
            "a\tb",
            "é",
            "[::1",
            "::1",
            "[]",
            "[::1]a",
            "[::1]:",
            "[fe80::1%eth0]",
            "[1.2.3.4]",
            "[v1.x]",
            "a\\b",
            "a?b",
            "a#b",
        ] {
            assert_eq!(judge(host.as_bytes()), Err(HOST_SYNTAX), "{host}");
        }
        assert_eq!(judge(&[b'a'; 254]), Err(HOST_SYNTAX));
        for host in ["user@a", "user:secret@a:80", "@", "a@b@c"] {
            assert_eq!(judge(host.as_bytes()), Err(HOST_USER_INFO), "{host}");
        }
    }
}
