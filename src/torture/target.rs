//! The gateway to attack: a URL, checked before the first byte is sent.

use std::net::SocketAddr;
use std::str::FromStr;

/// `http://HOST[:PORT]` or `https://HOST[:PORT]`, nothing more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    https: bool,
    host: String,
    port: Option<u16>,
}

/// Why a URL names no target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Another scheme, or none.
    #[error("a URL begins with http:// or https://")]
    Scheme,
    /// Something after the authority.
    #[error("only the address: name the prefixes with --public and --protected")]
    Path,
    /// No host, user information, or a port that is none.
    #[error("a URL holds a host and perhaps a port")]
    Authority,
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let (scheme, rest) = text.split_once("://").ok_or(TargetError::Scheme)?;
        let https = match scheme {
            "http" => false,
            "https" => true,
            _ => return Err(TargetError::Scheme),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#', '\\']) {
            return Err(TargetError::Path);
        }
        // The colons of an IPv6 address are in brackets.
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (rest, None),
        };
        let port = port.map(|port| port.parse().map_err(|_| TargetError::Authority)).transpose()?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let is_name = !host.is_empty() && host.bytes().all(fits);
        let is_v6 = bare.is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok());
        if !is_name && !is_v6 {
            return Err(TargetError::Authority);
        }
        Ok(Self { https, host: host.to_owned(), port })
    }
}

impl Target {
    /// Whether it is reached with TLS.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }

    /// The host without brackets.
    pub fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// `HOST[:PORT]` as in the URL.
    pub fn authority(&self) -> String {
        self.port.map_or_else(|| self.host.clone(), |port| format!("{}:{port}", self.host))
    }

    /// The address to connect to: the first that its name resolves to. `Err` holds one that is not loopback.
    pub(super) async fn resolve(
        &self,
        allow_remote: bool,
    ) -> std::io::Result<Result<SocketAddr, SocketAddr>> {
        let port = self.port.unwrap_or(if self.https { 443 } else { 80 });
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
    fn a_target_is_scheme_host_and_port() {
        for (text, authority) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("https://localhost/", "localhost"),
            ("http://[::1]:80", "[::1]:80"),
            ("http://[::1]", "[::1]"),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!(target.authority(), authority);
        }
        for text in [
            "127.0.0.1:8080",
            "ftp://a",
            "http://a/b",
            "http://",
            "http://a:b",
            "http://u@a",
            "http://a:70000",
            "http://::1",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn an_address_that_is_not_loopback_needs_leave() {
        let remote: Target = "http://192.0.2.1".parse().unwrap();
        assert!(remote.resolve(false).await.unwrap().is_err());
        assert!(remote.resolve(true).await.unwrap().is_ok());
        let local: Target = "http://[::ffff:127.0.0.1]:1".parse().unwrap();
        assert!(local.resolve(false).await.unwrap().is_ok());
    }
}
