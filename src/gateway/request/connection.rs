//! Connection options and the WebSocket upgrade (RFC 9110 sections 7.6.1 and 7.8, RFC 6455 section 4.1).

use http::{Method, Version};

use super::byte_class::TOKEN;
use super::framing::Body;
use super::refusal::{CONNECTION_NOMINATES, CONNECTION_OPTION, Refusal, UPGRADE};

/// Each option costs a look-up when fields named by `Connection` are removed.
const MOST_OPTIONS: usize = 16;

/// Fields of the whole request: an option with one of these names would take it away behind our back.
const NEVER_NOMINATED: [&[u8]; 5] =
    [b"host", b"content-length", b"transfer-encoding", b"authorization", b"cookie"];

/// The protocol change a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upgrade {
    /// None.
    None,
    /// A well-formed WebSocket handshake.
    WebSocket,
    /// Another protocol, `h2c` above all: Java's and curl's HTTP/2 clients offer it with every first request.
    /// A server may ignore an offer; the fields must not reach a service (`headers::settle_connection`
    /// removes them).
    Ignored,
}

/// The lines that concern the connection, seen so far.
#[derive(Default)]
pub(super) struct ConnectionLines {
    options: usize,
    close: bool,
    upgrade_option: bool,
    upgrade: Option<Offer>,
    websocket_keys: Lines,
    websocket_versions: Lines,
}

/// What the `Upgrade` lines offer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Offer {
    /// One line with nothing but `websocket`.
    WebSocket,
    /// Something in which no `websocket` occurs.
    Other,
    /// `websocket` among others, or in several lines.
    Mixed,
}

/// How often a field that must stand exactly once was seen, and whether it was good.
#[derive(Default)]
struct Lines {
    count: usize,
    good: bool,
}

impl Lines {
    fn add(&mut self, good: bool) {
        self.count += 1;
        self.good = good;
    }

    fn is_one_good_line(&self) -> bool {
        self.count == 1 && self.good
    }
}

impl ConnectionLines {
    /// A `Connection` line.
    pub(super) fn connection(&mut self, value: &[u8]) -> Result<(), Refusal> {
        for option in
            value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|option| !option.is_empty())
        {
            self.options += 1;
            if self.options > MOST_OPTIONS || !TOKEN.all(option) {
                return Err(CONNECTION_OPTION);
            }
            if NEVER_NOMINATED.iter().any(|name| name.eq_ignore_ascii_case(option)) {
                return Err(CONNECTION_NOMINATES);
            }
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.upgrade_option |= option.eq_ignore_ascii_case(b"upgrade");
        }
        Ok(())
    }

    /// An `Upgrade` line.
    pub(super) fn upgrade(&mut self, value: &[u8]) {
        let names_websocket = value.windows(9).any(|window| window.eq_ignore_ascii_case(b"websocket"));
        let offer = if value.eq_ignore_ascii_case(b"websocket") {
            Offer::WebSocket
        } else if names_websocket {
            Offer::Mixed
        } else {
            Offer::Other
        };
        self.upgrade = Some(match (self.upgrade, offer) {
            (None, offer) => offer,
            (Some(Offer::Other), Offer::Other) => Offer::Other,
            (Some(_), _) => Offer::Mixed,
        });
    }

    /// A `Sec-WebSocket-Key` line: base64 of 16 bytes, that is 22 characters and `==`.
    pub(super) fn websocket_key(&mut self, value: &[u8]) {
        let good = value.len() == 24
            && value.strip_suffix(b"==").is_some_and(|key| {
                key.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
            });
        self.websocket_keys.add(good);
    }

    /// A `Sec-WebSocket-Version` line.
    pub(super) fn websocket_version(&mut self, value: &[u8]) {
        self.websocket_versions.add(value == b"13");
    }

    /// Whether the client will send another request on this connection. HTTP/1.0's `keep-alive` is not
    /// honoured.
    pub(super) fn keep_alive(&self, version: Version) -> bool {
        version == Version::HTTP_11 && !self.close
    }

    /// After the last line. Everything that begins like a WebSocket handshake must be one: the proxy library
    /// and services look at fewer of its fields than they should.
    pub(super) fn judge_upgrade(
        &self,
        method: &Method,
        version: Version,
        body: Body,
    ) -> Result<Upgrade, Refusal> {
        match self.upgrade {
            None => Ok(Upgrade::None),
            Some(Offer::Other) => Ok(Upgrade::Ignored),
            Some(Offer::Mixed) => Err(UPGRADE),
            Some(Offer::WebSocket) => {
                let well_formed = self.upgrade_option
                    && !self.close
                    && *method == Method::GET
                    && version == Version::HTTP_11
                    && matches!(body, Body::None | Body::Length(0))
                    && self.websocket_keys.is_one_good_line()
                    && self.websocket_versions.is_one_good_line();
                if well_formed { Ok(Upgrade::WebSocket) } else { Err(UPGRADE) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    fn lines(fields: &[(&str, &str)]) -> Result<ConnectionLines, Refusal> {
        let mut lines = ConnectionLines::default();
        for (name, value) in fields {
            match *name {
                "connection" => lines.connection(value.as_bytes())?,
                "upgrade" => lines.upgrade(value.as_bytes()),
                "key" => lines.websocket_key(value.as_bytes()),
                "version" => lines.websocket_version(value.as_bytes()),
                other => unreachable!("{other}"),
            }
        }
        Ok(lines)
    }

    #[test]
    fn connection_options_are_read() {
        for (values, keep_alive) in [
            (&[][..], true),
            (&["keep-alive"], true),
            (&["close"], false),
            (&["Keep-Alive, Close"], false),
            (&["keep-alive", "close"], false),
            (&["X-Forwarded-User"], true),
            (&[" , ,"], true),
        ] {
            let fields: Vec<_> = values.iter().map(|value| ("connection", *value)).collect();
            let lines = lines(&fields).unwrap();
            assert_eq!(lines.keep_alive(Version::HTTP_11), keep_alive, "{values:?}");
            assert!(!lines.keep_alive(Version::HTTP_10), "{values:?}");
        }
    }

    #[test]
    fn bad_connection_options_are_refused() {
        for value in ["a b", "\"close\"", "close;x", ":authority", "a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a"] {
            assert_eq!(lines(&[("connection", value)]).err(), Some(CONNECTION_OPTION), "{value}");
        }
        for value in ["Host", "close, Content-Length", "transfer-encoding", "AUTHORIZATION", "cookie"] {
            assert_eq!(lines(&[("connection", value)]).err(), Some(CONNECTION_NOMINATES), "{value}");
        }
    }

    #[test]
    fn websocket_handshakes_are_judged_whole() {
        let good = [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("key", KEY),
            ("version", "13"),
        ];
        let judge = |fields: &[(&str, &str)], method: Method, version, body| {
            lines(fields).unwrap().judge_upgrade(&method, version, body)
        };
        assert_eq!(judge(&good, Method::GET, Version::HTTP_11, Body::None), Ok(Upgrade::WebSocket));
        assert_eq!(judge(&good, Method::POST, Version::HTTP_11, Body::None), Err(UPGRADE));
        assert_eq!(judge(&good, Method::GET, Version::HTTP_10, Body::None), Err(UPGRADE));
        assert_eq!(judge(&good, Method::GET, Version::HTTP_11, Body::Length(3)), Err(UPGRADE));
        assert_eq!(judge(&good, Method::GET, Version::HTTP_11, Body::Chunked), Err(UPGRADE));
        for (left_out, _) in good.iter().filter(|(name, _)| *name != "upgrade") {
            let fields: Vec<_> = good.iter().copied().filter(|(name, _)| name != left_out).collect();
            assert_eq!(judge(&fields, Method::GET, Version::HTTP_11, Body::None), Err(UPGRADE), "{left_out}");
        }
        for extra in [
            ("upgrade", "websocket"),
            ("upgrade", "h2c"),
            ("key", KEY),
            ("version", "13"),
            ("connection", "close"),
        ] {
            let fields: Vec<_> = good.iter().copied().chain([extra]).collect();
            assert_eq!(judge(&fields, Method::GET, Version::HTTP_11, Body::None), Err(UPGRADE), "{extra:?}");
        }
        for (name, bad) in [
            ("upgrade", "websocket, h2c"),
            ("upgrade", "websocket/13"),
            ("version", "12"),
            ("version", "13, 8"),
            ("key", "short=="),
            ("key", "dGhlIHNhbXBsZSBub25jZQ=a"),
            ("key", "dGhlIHNhbXBsZSBub25j ZQ="),
        ] {
            let fields: Vec<_> =
                good.iter().map(|field| if field.0 == name { (name, bad) } else { *field }).collect();
            assert_eq!(
                judge(&fields, Method::GET, Version::HTTP_11, Body::None),
                Err(UPGRADE),
                "{name} {bad}"
            );
        }
    }

    #[test]
    fn other_upgrades_are_ignored() {
        for value in ["h2c", "TLS/1.0", "h2c, foo", ""] {
            let upgrade = lines(&[("upgrade", value)]).unwrap().judge_upgrade(
                &Method::GET,
                Version::HTTP_11,
                Body::None,
            );
            assert_eq!(upgrade, Ok(Upgrade::Ignored), "{value}");
        }
        assert_eq!(
            lines(&[]).unwrap().judge_upgrade(&Method::GET, Version::HTTP_11, Body::None),
            Ok(Upgrade::None)
        );
    }
}
