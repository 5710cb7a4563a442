//! What is spoken inside TLS, agreed in the handshake (ALPN, RFC 7301).

/// A protocol that the edge serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// HTTP/1.1 or 1.0, also for clients that do not say.
    Http1,
    /// HTTP/2.
    Http2,
}

/// What is offered, best first. A client that wants only others is refused by an alert.
const OFFERED: &[(&[u8], Protocol)] = &[(b"h2", Protocol::Http2), (b"http/1.1", Protocol::Http1)];

impl Protocol {
    /// The names that are offered.
    pub(super) fn names() -> Vec<Vec<u8>> {
        OFFERED.iter().map(|(name, _)| name.to_vec()).collect()
    }

    /// The one that was agreed on, if any was.
    pub(super) fn of(agreed: Option<&[u8]>) -> Self {
        let known = OFFERED.iter().find(|(name, _)| Some(*name) == agreed);
        known.map_or(Self::Http1, |(_, protocol)| *protocol)
    }
}
