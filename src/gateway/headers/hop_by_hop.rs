//! The fields that end at this hop (RFC 9110 section 7.6.1).

use http::{HeaderName, header};
use pingora::Result;
use pingora::http::RequestHeader;

use super::protected::is_protected;
use crate::gateway::request::Upgrade;

/// Applies `Connection` and `Upgrade` to a request that was accepted, before pingora proxies it (in
/// `request_filter`): removes the fields that `Connection` names and, unless the upgrade is a WebSocket,
/// every trace of one.
///
/// Pingora does this too, later, but answers its own error for more than nine names and for some protected
/// ones; with `Connection` reduced here, naming a header of ours has no effect, since ours are set
/// afterwards. Framing and credentials cannot be named: such heads are refused.
///
/// # Errors
/// None in practice; pingora's signature allows for one.
pub fn settle_connection(request: &mut RequestHeader, upgrade: Upgrade) -> Result<()> {
    let nominated: Vec<HeaderName> = request
        .headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|option| HeaderName::from_bytes(option.trim_ascii()).ok())
        .filter(|name| {
            *name != header::CONNECTION && *name != header::UPGRADE && !is_protected(name.as_str())
        })
        .filter(|name| request.headers.contains_key(name))
        .collect();
    for name in &nominated {
        request.remove_header(name);
    }
    request.remove_header(&header::CONNECTION);
    match upgrade {
        Upgrade::WebSocket => request.insert_header(header::CONNECTION, "Upgrade"),
        Upgrade::None | Upgrade::Ignored => {
            request.remove_header(&header::UPGRADE);
            request.remove_header("http2-settings");
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(fields: &[(&'static str, &'static str)], upgrade: Upgrade) -> String {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        for (name, value) in fields {
            request.append_header(*name, *value).unwrap();
        }
        settle_connection(&mut request, upgrade).unwrap();
        let mut wire = Vec::new();
        request.header_to_h1_wire(&mut wire);
        String::from_utf8(wire).unwrap()
    }

    #[test]
    fn named_fields_and_foreign_upgrades_are_removed() {
        for (fields, upgrade, expected) in [
            (&[("A", "b")][..], Upgrade::None, "A: b\r\n"),
            (&[("A", "b"), ("Connection", "close")], Upgrade::None, "A: b\r\n"),
            (&[("A", "b"), ("Connection", "a, ,x")], Upgrade::None, ""),
            (
                &[("A", "b"), ("Connection", "close"), ("C", "d"), ("Connection", "c")],
                Upgrade::None,
                "A: b\r\n",
            ),
            (
                &[("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAA")],
                Upgrade::Ignored,
                "",
            ),
            (&[("Upgrade", "h2c"), ("HTTP2-Settings", "AAA")], Upgrade::Ignored, ""),
            (
                &[("Connection", "keep-alive, upgrade, a"), ("Upgrade", "websocket"), ("A", "b")],
                Upgrade::WebSocket,
                "Upgrade: websocket\r\nConnection: Upgrade\r\n",
            ),
        ] {
            assert_eq!(sorted(&settled(fields, upgrade)), sorted(expected), "{fields:?}");
        }
    }

    #[test]
    fn naming_a_protected_header_leaves_it_to_be_stripped() {
        let fields = [("Connection", "X-Forwarded-For"), ("X-Forwarded-For", "evil")];
        assert_eq!(settled(&fields, Upgrade::None), "X-Forwarded-For: evil\r\n");
    }

    fn sorted(wire: &str) -> Vec<&str> {
        let mut lines: Vec<_> = wire.lines().collect();
        lines.sort_unstable();
        lines
    }
}
