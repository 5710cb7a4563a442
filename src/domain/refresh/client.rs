//! Which client it is that presents a token, as far as a server can tell.

use std::fmt;
use std::net::IpAddr;

use sha2::{Digest as _, Sha256};

/// Bytes of an IPv6 address that name a network: hosts change the rest by themselves (RFC 8981).
const IPV6_NETWORK: usize = 8;

/// A client's address (of IPv6 the /64) and `User-Agent`, hashed.
///
/// No secret, and no proof: whoever sits behind the same address and copies the `User-Agent` is the same client.
/// It only decides who may be told a successor twice within seconds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ClientFingerprint([u8; 32]);

impl ClientFingerprint {
    /// The fingerprint of a client as the gateway saw it.
    pub fn of(address: IpAddr, user_agent: Option<&str>) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"gateward client 1\0");
        match address.to_canonical() {
            IpAddr::V4(address) => {
                hash.update(b"4");
                hash.update(address.octets());
            }
            IpAddr::V6(address) => {
                hash.update(b"6");
                address.octets().iter().take(IPV6_NETWORK).for_each(|octet| hash.update([*octet]));
            }
        }
        if let Some(user_agent) = user_agent {
            hash.update(b"\0");
            hash.update(user_agent);
        }
        Self(hash.finalize().into())
    }

    /// As a store kept it.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// For a store.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for ClientFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientFingerprint(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str, user_agent: Option<&str>) -> ClientFingerprint {
        ClientFingerprint::of(address.parse().unwrap(), user_agent)
    }

    #[test]
    fn the_same_network_and_agent_are_the_same_client() {
        assert_eq!(of("192.0.2.1", Some("a")), of("192.0.2.1", Some("a")));
        assert_eq!(
            of("192.0.2.1", Some("a")),
            of("::ffff:192.0.2.1", Some("a")),
            "one address, written twice"
        );
        assert_eq!(of("2001:db8::1", None), of("2001:db8::ffff:2", None), "one /64");
    }

    #[test]
    fn another_address_network_or_agent_is_another_client() {
        let client = of("192.0.2.1", Some("a"));
        assert_ne!(client, of("192.0.2.2", Some("a")));
        assert_ne!(client, of("192.0.2.1", Some("b")));
        assert_ne!(client, of("192.0.2.1", None));
        assert_ne!(of("192.0.2.1", Some("")), of("192.0.2.1", None));
        assert_ne!(of("2001:db8::1", None), of("2001:db8:0:1::1", None));
    }
}
