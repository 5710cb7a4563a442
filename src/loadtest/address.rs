//! Where the requests go: one URL, checked before the first byte is sent.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use http::Uri;

/// `http://HOST[:PORT]/PATH` or `https://..`; the only place that is sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    uri: Uri,
    https: bool,
}

/// Why a URL cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Another scheme, or none.
    #[error("a URL begins with http:// or https://")]
    Scheme,
    /// No host, user information, or a port that is none.
    #[error("a URL holds a host, perhaps a port, and a path")]
    Shape,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let https = match text.split_once("://").map(|(scheme, _)| scheme) {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(AddressError::Scheme),
        };
        let uri: Uri = text.parse().map_err(|_| AddressError::Shape)?;
        let authority = uri.authority().ok_or(AddressError::Shape)?;
        // The library takes a port that is no number for none.
        let port = authority.as_str().strip_prefix(authority.host()).ok_or(AddressError::Shape)?;
        let port_is_one = match port.strip_prefix(':') {
            Some(number) => number.parse::<u16>().is_ok_and(|number| number > 0),
            None => port.is_empty(),
        };
        if authority.host().is_empty() || !port_is_one {
            return Err(AddressError::Shape);
        }
        Ok(Self { uri, https })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(f)
    }
}

impl Address {
    /// Whether it is reached with TLS.
    pub fn is_https(&self) -> bool {
        self.https
    }

    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The host without brackets.
    pub(super) fn host(&self) -> &str {
        self.uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
    }

    /// `HOST[:PORT]` as in the URL.
    pub(super) fn authority(&self) -> &str {
        self.uri.authority().map_or("", |authority| authority.as_str())
    }

    /// The path with its query.
    pub(super) fn path(&self) -> &str {
        self.uri.path_and_query().map_or("/", |path| path.as_str())
    }

    /// The address to connect to: the first that its name resolves to. `Err` holds one that is not loopback.
    pub(super) async fn resolve(
        &self,
        allow_remote: bool,
    ) -> std::io::Result<Result<SocketAddr, SocketAddr>> {
        let port = self.uri.port_u16().unwrap_or(if self.https { 443 } else { 80 });
        let addresses: Vec<SocketAddr> = tokio::net::lookup_host((self.host(), port)).await?.collect();
        // All of them: a name that also resolves to somewhere else is not this machine's.
        let remote = addresses.iter().find(|address| !address.ip().to_canonical().is_loopback());
        if let (Some(remote), false) = (remote, allow_remote) {
            return Ok(Err(*remote));
        }
        addresses.first().map(|address| Ok(*address)).ok_or_else(|| std::io::ErrorKind::NotFound.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_whole_url() {
        for (text, authority, path) in [
            ("http://127.0.0.1:8080/private?a=b", "127.0.0.1:8080", "/private?a=b"),
            ("https://localhost", "localhost", "/"),
            ("http://[::1]:80/", "[::1]:80", "/"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.authority(), address.path()), (authority, path), "{text}");
        }
        assert_eq!("http://[::1]:80/".parse::<Address>().unwrap().host(), "::1");
        for text in [
            "127.0.0.1:8080",
            "ftp://a/",
            "/private",
            "http://",
            "http://a:b/",
            "http://u@a/",
            "http://a:70000/",
            "http://a b/",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn an_address_that_is_not_loopback_needs_leave() {
        let remote: Address = "http://192.0.2.1/".parse().unwrap();
        assert!(remote.resolve(false).await.unwrap().is_err());
        assert!(remote.resolve(true).await.unwrap().is_ok());
        let local: Address = "http://127.0.0.1:1/".parse().unwrap();
        assert!(local.resolve(false).await.unwrap().is_ok());
    }
}
