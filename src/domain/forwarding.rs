//! Who is behind a trusted proxy: ranges of addresses, and the walk through `X-Forwarded-For`.
//!
//! Every proxy on the way appends the address that it was called from, so the list is true from its right end up to
//! the first address that is no trusted proxy's: that one is the client. What stands further left is the client's
//! own word and counts for nothing (MDN "X-Forwarded-For", adam-p.ca "The perils of the real client IP").
//!
//! What this module deliberately does not do: look at a header when the peer is not trusted; read `Forwarded`
//! (RFC 7239), which hardly a proxy writes and which would be a second truth beside the first.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::str::FromStr;

use ipnet::IpNet;

/// Entries of a list that are looked at, from the right: far more proxies than a call passes.
const MOST_HOPS: usize = 32;
/// The widest range of IPv4: one in 256 of all addresses, as `10.0.0.0/8`.
const WIDEST_V4: u8 = 8;
/// The widest range of public IPv6 addresses.
const WIDEST_V6: u8 = 16;
/// IPv6 ranges that no stranger on the internet has an address in, and so may be trusted whole: unique local
/// (RFC 4193) and link-local (RFC 4291) addresses.
const NOT_PUBLIC_V6: [(Ipv6Addr, u8); 2] =
    [(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7), (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10)];

/// An address, or a range of them in the notation of RFC 4632 (`10.0.0.0/8`, `fd00::/8`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(IpNet);

/// Why a text is no [`Network`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Neither an address nor a range.
    #[error("is no IP address and no range of them")]
    Malformed,
    /// The address has bits beyond its prefix, so that it is not clear what is meant. The range it lies in.
    #[error("is an address within the range {0}, not the range")]
    WithinRange(IpNet),
    /// So wide that strangers are in it.
    #[error("is so wide that it takes in strangers")]
    TooWide,
    /// An IPv4 address in IPv6 form: peers are known by their IPv4 address.
    #[error("is IPv4 in IPv6 form")]
    MappedV4,
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        // The standard library's addresses: `ipnet` also reads 010.0.0.0, which is octal to others.
        let network = match text.split_once('/') {
            None => IpNet::from(text.parse::<IpAddr>().map_err(|_| NetworkError::Malformed)?),
            Some((address, prefix)) => range(address, prefix).ok_or(NetworkError::Malformed)?,
        };
        if network.addr() != network.network() {
            return Err(NetworkError::WithinRange(network.trunc()));
        }
        let narrow = match network {
            IpNet::V4(_) => network.prefix_len() >= WIDEST_V4,
            IpNet::V6(v6) => {
                if v6.addr().to_ipv4_mapped().is_some() {
                    return Err(NetworkError::MappedV4);
                }
                let not_public = NOT_PUBLIC_V6.iter().any(|(address, prefix)| {
                    ipnet::Ipv6Net::new(*address, *prefix).is_ok_and(|range| range.contains(&v6))
                });
                v6.prefix_len() >= WIDEST_V6 || not_public
            }
        };
        if narrow { Ok(Self(network)) } else { Err(NetworkError::TooWide) }
    }
}

fn range(address: &str, prefix: &str) -> Option<IpNet> {
    // A number may be parsed with a sign in front.
    let digits = prefix.bytes().all(|byte| byte.is_ascii_digit());
    let prefix = prefix.parse().ok().filter(|_| digits)?;
    IpNet::new(address.parse().ok()?, prefix).ok()
}

/// The proxies whose word counts about who called them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

/// What a list of hops comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hops {
    /// Who called the outermost trusted proxy, as far as it is known.
    pub client: IpAddr,
    /// The trusted proxies between the client and the peer, in the order of the way; without the peer.
    pub between: Vec<IpAddr>,
}

impl TrustedProxies {
    /// These, and no others.
    pub fn new(networks: Vec<Network>) -> Self {
        Self(networks)
    }

    /// Whether this peer's word counts. An IPv4 address is to be given as one.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.0.iter().any(|network| network.0.contains(&peer))
    }

    /// Walks the values of all `X-Forwarded-For` lines, in the order received, from the right. `peer` is a trusted
    /// proxy. None: the list says nothing about who called it.
    ///
    /// An entry that is no address ends the walk: the last address found counts. So does the bound of 32 entries.
    pub fn walk<'a, L>(&self, lines: L) -> Option<Hops>
    where
        L: DoubleEndedIterator<Item = &'a [u8]>,
    {
        let entries = lines.rev().flat_map(|line| line.rsplit(|byte| *byte == b','));
        let mut between = Vec::new();
        for entry in entries.take(MOST_HOPS) {
            let Some(address) = address(entry) else { break };
            between.push(address);
            if !self.trusts(address) {
                break;
            }
        }
        let client = between.pop()?;
        between.reverse();
        Some(Hops { client, between })
    }
}

/// An address, with or without port; IPv6 also in brackets. IPv4 in IPv6 form is IPv4.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim_matches([' ', '\t']);
    let address = if let Some(rest) = text.strip_prefix('[') {
        match rest.strip_suffix(']') {
            Some(bare) => bare.parse::<Ipv6Addr>().ok()?.into(),
            // A zone is of no meaning beyond the machine that wrote it.
            None => IpAddr::V6(*text.parse::<SocketAddrV6>().ok().filter(|at| at.scope_id() == 0)?.ip()),
        }
    } else if let Ok(v4) = text.parse::<Ipv4Addr>() {
        v4.into()
    } else if let Ok(with_port) = text.parse::<SocketAddrV4>() {
        (*with_port.ip()).into()
    } else {
        text.parse::<Ipv6Addr>().ok()?.into()
    };
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn trusted(networks: &[&str]) -> TrustedProxies {
        TrustedProxies::new(networks.iter().map(|network| network.parse().unwrap()).collect())
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn ranges_are_exact_and_never_the_whole_internet() {
        for right in [
            "10.0.0.0/8",
            "192.0.2.7",
            "192.0.2.7/32",
            "172.16.0.0/12",
            "127.0.0.0/8",
            "::1",
            "2001:db8::/32",
            "2001::/16",
            "fd00::/8",
            "fc00::/7",
            "fe80::/10",
        ] {
            assert!(right.parse::<Network>().is_ok(), "{right}");
        }
        for (wrong, error) in [
            ("0.0.0.0/0", NetworkError::TooWide),
            ("::/0", NetworkError::TooWide),
            ("0.0.0.0/1", NetworkError::TooWide),
            ("128.0.0.0/1", NetworkError::TooWide),
            ("10.0.0.0/7", NetworkError::TooWide),
            ("2000::/3", NetworkError::TooWide),
            ("2000::/15", NetworkError::TooWide),
            ("f800::/5", NetworkError::TooWide),
            ("::ffff:0:0/96", NetworkError::MappedV4),
            ("::ffff:10.0.0.1", NetworkError::MappedV4),
            ("10.0.0.1/8", NetworkError::WithinRange("10.0.0.0/8".parse().unwrap())),
            ("fd00::1/64", NetworkError::WithinRange("fd00::/64".parse().unwrap())),
            ("", NetworkError::Malformed),
            ("10.0.0.0/33", NetworkError::Malformed),
            ("10.0.0.0/", NetworkError::Malformed),
            ("10.0.0.0/-1", NetworkError::Malformed),
            ("10.0.0.0/+8", NetworkError::Malformed),
            ("10.0.0/8", NetworkError::Malformed),
            ("010.0.0.0/8", NetworkError::Malformed),
            ("10.0.0.0/255.0.0.0", NetworkError::Malformed),
            ("proxy.internal", NetworkError::Malformed),
            (" 10.0.0.0/8", NetworkError::Malformed),
            ("fe80::1%eth0", NetworkError::Malformed),
            ("*", NetworkError::Malformed),
        ] {
            assert_eq!(wrong.parse::<Network>(), Err(error), "{wrong}");
        }
    }

    #[test]
    fn nobody_is_trusted_unless_named() {
        assert!(!trusted(&[]).trusts(ip("127.0.0.1")));
        let proxies = trusted(&["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"]);
        for (peer, expected) in [
            ("10.255.255.255", true),
            ("11.0.0.0", false),
            ("9.255.255.255", false),
            ("2001:db8:ffff::1", true),
            ("2001:db9::", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("::ffff:10.0.0.1", false),
        ] {
            assert_eq!(proxies.trusts(ip(peer)), expected, "{peer}");
        }
    }

    #[test]
    fn the_rightmost_address_that_is_not_trusted_is_the_client() {
        let proxies = trusted(&["10.0.0.0/8", "fd00::/8"]);
        for (lines, client, between) in [
            (&["203.0.113.9"][..], Some("203.0.113.9"), &[][..]),
            (&["198.51.100.1, 203.0.113.9"], Some("203.0.113.9"), &[]),
            (&["198.51.100.1, 203.0.113.9, 10.0.0.2"], Some("203.0.113.9"), &["10.0.0.2"]),
            (
                &["198.51.100.1", "203.0.113.9 ,10.0.0.3", "\tfd00::2"],
                Some("203.0.113.9"),
                &["10.0.0.3", "fd00::2"],
            ),
            (&["203.0.113.9:4711"], Some("203.0.113.9"), &[]),
            (&["[2001:db8::1]:4711, [fd00::2]"], Some("2001:db8::1"), &["fd00::2"]),
            (&["2001:db8::1"], Some("2001:db8::1"), &[]),
            (&["::ffff:203.0.113.9"], Some("203.0.113.9"), &[]),
            (&["::ffff:10.0.0.9"], Some("10.0.0.9"), &[]),
            // All of them are proxies: the outermost one called.
            (&["10.0.0.3, 10.0.0.2"], Some("10.0.0.3"), &["10.0.0.2"]),
            // What cannot be read ends the walk, whatever stands left of it.
            (&["203.0.113.9, unknown, 10.0.0.2"], Some("10.0.0.2"), &[]),
            (&["203.0.113.9, , 10.0.0.2"], Some("10.0.0.2"), &[]),
            (&["203.0.113.9, 10.0.0.2,"], None, &[]),
            (&["203.0.113.9", ""], None, &[]),
            (&["unknown"], None, &[]),
            (&[""], None, &[]),
            (&[], None, &[]),
            (&["203.0.113.9:"], None, &[]),
            (&["203.0.113.9:99999"], None, &[]),
            (&["203.0.113.09"], None, &[]),
            (&["[fe80::1%1]:80"], None, &[]),
            (&["[203.0.113.9]"], None, &[]),
            (&["[2001:db8::1"], None, &[]),
            (&["\"203.0.113.9\""], None, &[]),
            (&["for=203.0.113.9"], None, &[]),
            (&["203.0.113.9;203.0.113.8"], None, &[]),
        ] {
            let hops = proxies.walk(lines.iter().map(|line| line.as_bytes()));
            let expected = client.map(|client| Hops {
                client: ip(client),
                between: between.iter().map(|hop| ip(hop)).collect(),
            });
            assert_eq!(hops, expected, "{lines:?}");
        }
    }

    #[test]
    fn endless_list_is_followed_so_far_and_no_further() {
        let list = format!("203.0.113.9{}", ", 10.0.0.1".repeat(10_000));
        let hops = trusted(&["10.0.0.0/8"]).walk([list.as_bytes()].into_iter()).unwrap();
        assert_eq!((hops.client, hops.between.len()), (ip("10.0.0.1"), MOST_HOPS - 1));
    }

    proptest! {
        /// Whatever a client writes to the left of what the proxies append changes nothing.
        #[test]
        fn the_clients_own_word_counts_for_nothing(
            lies in proptest::collection::vec("[ -~]{0,40}", 0..4),
            hops in proptest::collection::vec(0_u8..=255, 0..6),
        ) {
            let proxies = trusted(&["10.0.0.0/8"]);
            let appended: String = hops.iter().map(|hop| format!(", 10.0.0.{hop}")).collect();
            let truth = format!("203.0.113.9{appended}");
            let expected = proxies.walk([truth.as_bytes()].into_iter()).unwrap();
            prop_assert_eq!(expected.client, ip("203.0.113.9"));
            let joined = format!("{}, {truth}", lies.join(", "));
            prop_assert_eq!(proxies.walk([joined.as_bytes()].into_iter()), Some(expected.clone()));
            let lines = lies.iter().map(String::as_bytes).chain([truth.as_bytes()]).collect::<Vec<_>>();
            prop_assert_eq!(proxies.walk(lines.into_iter()), Some(expected));
        }

        /// Any bytes: an answer, and one that the rules allow.
        #[test]
        fn only_the_outermost_hop_may_be_a_stranger(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let proxies = trusted(&["10.0.0.0/8"]);
            if let Some(hops) = proxies.walk([&line[..]].into_iter()) {
                prop_assert!(hops.between.iter().all(|hop| proxies.trusts(*hop)));
            }
        }

        #[test]
        fn every_way_to_write_an_address_is_read(bits in any::<u128>(), port in any::<u16>()) {
            let v6 = Ipv6Addr::from(bits);
            let v4 = Ipv4Addr::from(v6.to_bits().to_le_bytes()[..4].try_into().map(u32::from_be_bytes).unwrap());
            for (text, expected) in [
                (v4.to_string(), IpAddr::V4(v4)),
                (format!("{v4}:{port}"), v4.into()),
                (v6.to_string(), IpAddr::V6(v6).to_canonical()),
                (format!("[{v6}]"), IpAddr::V6(v6).to_canonical()),
                (format!(" [{v6}]:{port}"), IpAddr::V6(v6).to_canonical()),
            ] {
                prop_assert_eq!(address(text.as_bytes()), Some(expected), "{}", text);
            }
        }
    }
}
