//! Names of buckets: keyed hashes, so that a shared store holds neither addresses nor accounts.

use std::fmt;
use std::net::IpAddr;

use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::device::DeviceId;
use crate::domain::id::SessionId;

/// Bytes of a bucket's name. Nobody can look for collisions without the key.
const KEY_BYTES: usize = 16;

/// The name of a bucket.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct BucketKey([u8; KEY_BYTES]);

impl BucketKey {
    /// For a store.
    pub const fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl fmt::Debug for BucketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BucketKey(..)")
    }
}

/// Why a login is not a stranger's, proven by what came with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// A device cookie of this account.
    Device(DeviceId),
    /// An access token of this account that is valid now.
    Session(SessionId),
}

/// Makes the names, and the codes of device cookies. The same on every replica.
pub struct AttemptKeys(Zeroizing<[u8; 32]>);

impl AttemptKeys {
    /// With this secret.
    pub const fn new(secret: Zeroizing<[u8; 32]>) -> Self {
        Self(secret)
    }

    pub(super) fn of(&self, what: &str, parts: &[&[u8]]) -> BucketKey {
        let mut short = [0; KEY_BYTES];
        short.iter_mut().zip(self.code(what, parts)).for_each(|(to, from)| *to = from);
        BucketKey(short)
    }

    /// HMAC-SHA256 of `what` and `parts`, each with its length in front.
    pub(super) fn code(&self, what: &str, parts: &[&[u8]]) -> [u8; 32] {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&*self.0) else {
            // HMAC takes keys of every length.
            return [0; 32];
        };
        for part in std::iter::once(&what.as_bytes()).chain(parts) {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for AttemptKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AttemptKeys(..)")
    }
}

/// What one subscriber usually has: an IPv4 address, of IPv6 the /64 (RFC 6177, RFC 8981).
pub fn place(address: IpAddr) -> Vec<u8> {
    cut(address, 4, 8)
}

/// What is usually rented in one piece: an IPv4 /24, an IPv6 /48.
pub(super) fn network(address: IpAddr) -> Vec<u8> {
    cut(address, 3, 6)
}

/// The first octets of the address; how many say which kind it is.
fn cut(address: IpAddr, of_v4: usize, of_v6: usize) -> Vec<u8> {
    match address.to_canonical() {
        IpAddr::V4(address) => address.octets().iter().take(of_v4).copied().collect(),
        IpAddr::V6(address) => address.octets().iter().take(of_v6).copied().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(byte: u8) -> AttemptKeys {
        AttemptKeys::new(Zeroizing::new([byte; 32]))
    }

    #[test]
    fn names_depend_on_key_kind_and_every_part() {
        let one = keys(1).of("a", &[b"xy", b"z"]);
        assert_eq!(one, keys(1).of("a", &[b"xy", b"z"]));
        for other in [
            keys(2).of("a", &[b"xy", b"z"]),
            keys(1).of("b", &[b"xy", b"z"]),
            keys(1).of("a", &[b"x", b"yz"]),
            keys(1).of("a", &[b"xyz"]),
            keys(1).of("ax", &[b"y", b"z"]),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn an_address_is_cut_to_what_one_subscriber_has() {
        let of = |cut: fn(IpAddr) -> Vec<u8>, text: &str| cut(text.parse().unwrap());
        for (same, one, other) in [
            (true, "192.0.2.1", "::ffff:192.0.2.1"),
            (false, "192.0.2.1", "192.0.2.2"),
            (true, "2001:db8::1", "2001:db8::ffff:1"),
            (false, "2001:db8::1", "2001:db8:0:1::1"),
        ] {
            assert_eq!(of(place, one) == of(place, other), same, "{one} {other}");
        }
        for (same, one, other) in [
            (true, "192.0.2.1", "192.0.2.255"),
            (false, "192.0.2.1", "192.0.3.1"),
            (true, "2001:db8::1", "2001:db8:0:1::1"),
            (false, "2001:db8::1", "2001:db8:1::1"),
        ] {
            assert_eq!(of(network, one) == of(network, other), same, "{one} {other}");
        }
    }

    #[test]
    fn nothing_secret_is_shown() {
        let keys = keys(7);
        assert_eq!(format!("{keys:?} {:?}", keys.of("a", &[])), "AttemptKeys(..) BucketKey(..)");
    }
}
