//! Who called a trusted proxy: the only reader of inbound `X-Forwarded-*`.
//!
//! From any other peer nothing of the family is looked at. The names are taken literally here: an alias
//! (`X_Forwarded_For`) counts for nothing, and is removed like everything a service could take for one of ours.
//!
//! A service gets the client's address and, behind it, those of the trusted proxies on the way, the peer last: every
//! entry is one that was vouched for, so that the first is the client, and so is the last for a service that knows
//! the proxies. What the client itself wrote in front is left out.

use std::net::IpAddr;

use http::HeaderValue;

use super::arrival::Client;
use super::request::is_host;
use crate::domain::forwarding::{Hops, TrustedProxies};

/// Who sent the request with this head (which was accepted) on the connection of `peer`.
pub(super) fn client(trusted: &TrustedProxies, peer: &Client, head: &[u8]) -> Client {
    // Heads are not read a second time for the sake of peers that are not believed.
    if !trusted.trusts(peer.address) {
        return peer.clone();
    }
    let lines = head.split(|byte| *byte == b'\n').skip(1);
    let fields = lines.filter_map(|line| {
        let colon = memchr::memchr(b':', line)?;
        Some((line.get(..colon)?, line.get(colon + 1..)?.trim_ascii()))
    });
    behind(trusted, peer, fields)
}

/// The same for fields that are apart already. `peer` is trusted.
fn behind<'a>(
    trusted: &TrustedProxies,
    peer: &Client,
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> Client {
    let (mut hops, mut protos, mut hosts) = (Vec::new(), Vec::new(), Vec::new());
    for (name, value) in fields {
        let family = name.get(..12).is_some_and(|start| start.eq_ignore_ascii_case(b"x-forwarded-"));
        match name.get(12..).unwrap_or_default() {
            _ if !family => {}
            rest if rest.eq_ignore_ascii_case(b"for") => hops.push(value),
            rest if rest.eq_ignore_ascii_case(b"proto") => protos.push(value),
            rest if rest.eq_ignore_ascii_case(b"host") => hosts.push(value),
            _ => {}
        }
    }
    let mut client = peer.clone();
    if let Some(hops) = trusted.walk(hops.into_iter())
        && let Some(value) = chain(&hops, peer.address)
    {
        client.address = hops.client;
        client.address_value = value;
    }
    // Exactly one word of the two, as a proxy writes that sets it; a list is nobody's.
    client.proto = match protos[..] {
        [b"http"] => HeaderValue::from_static("http"),
        [b"https"] => HeaderValue::from_static("https"),
        _ => client.proto,
    };
    client.host = match hosts[..] {
        [host] if is_host(host) => HeaderValue::from_bytes(host).ok(),
        _ => None,
    };
    client
}

fn chain(hops: &Hops, peer: IpAddr) -> Option<HeaderValue> {
    let mut value = hops.client.to_string();
    for hop in hops.between.iter().chain([&peer]) {
        value.push_str(", ");
        value.push_str(&hop.to_string());
    }
    HeaderValue::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str) -> Client {
        Client::plain(address.parse().unwrap()).unwrap()
    }

    fn told(peer_address: &str, lines: &str) -> [String; 4] {
        let trusted = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
        let head = format!("GET /x:y HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        let client = client(&trusted, &peer(peer_address), head.as_bytes());
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        [
            client.address.to_string(),
            text(&client.address_value),
            text(&client.proto),
            client.host.as_ref().map(text).unwrap_or_default(),
        ]
    }

    #[test]
    fn trusted_peer_is_believed_what_it_can_know() {
        let of = "X-Forwarded-For: 198.51.100.1, 203.0.113.9\r\nx-forwarded-for: 10.0.0.7\r\n";
        let all = format!("{of}X-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example:8443\r\n");
        for (lines, expected) in [
            ("", ["10.0.0.1", "10.0.0.1", "http", ""]),
            (&all, ["203.0.113.9", "203.0.113.9, 10.0.0.7, 10.0.0.1", "https", "shop.example:8443"]),
            ("X-Forwarded-Proto: http\r\n", ["10.0.0.1", "10.0.0.1", "http", ""]),
            ("X-Forwarded-For: unknown\r\n", ["10.0.0.1", "10.0.0.1", "http", ""]),
        ] {
            assert_eq!(told("10.0.0.1", lines), expected, "{lines}");
        }
    }

    #[test]
    fn what_is_not_exactly_right_is_not_believed() {
        for line in [
            "X-Forwarded-Proto: HTTPS",
            "X-Forwarded-Proto: https,http",
            "X-Forwarded-Proto: ws",
            "X-Forwarded-Proto: ",
            "X-Forwarded-Proto: https\r\nX-Forwarded-Proto: https",
            "X-Forwarded-Host: a.example, b.example",
            "X-Forwarded-Host: user@a.example",
            "X-Forwarded-Host: a.example\r\nX-Forwarded-Host: a.example",
            "X-Forwarded-Host: a/b",
            "X_Forwarded_Proto: https",
            "X_Forwarded_For: 203.0.113.9",
            "X.Forwarded.Host: a.example",
            "X-Forwarded-Forx: 203.0.113.9",
            "Forwarded: for=203.0.113.9;proto=https;host=a.example",
            "X-Real-IP: 203.0.113.9",
        ] {
            let expected = ["10.0.0.1", "10.0.0.1", "http", ""];
            assert_eq!(told("10.0.0.1", &format!("{line}\r\n")), expected, "{line}");
        }
    }

    #[test]
    fn other_peers_are_not_believed_at_all() {
        let lines = "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b\r\n";
        assert_eq!(told("192.0.2.1", lines), ["192.0.2.1", "192.0.2.1", "http", ""]);
    }
}
