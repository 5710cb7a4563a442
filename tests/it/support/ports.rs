//! Free loopback ports for programs that must be told their port before they start.
//!
//! Not "bind port 0 and let go": the system may hand the same number to another test before the
//! program has taken it, or to an outgoing connection while a stopped server is about to come back.
//! These come from below the range for outgoing connections, and none is given twice by a process.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// Ports 15 000 to 31 999: Linux gives outgoing connections 32 768 and above, macOS 49 152.
const FIRST: u32 = 15_000;
const COUNT: u32 = 17_000;

/// A loopback address whose port nobody listens on now. Another program may still take it, so whoever
/// starts something on it tries again with a new one when that happens.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..COUNT {
        // Test processes that run at the same time begin far apart.
        let start = std::process::id().wrapping_mul(277);
        let port = FIRST + start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let Ok(port) = u16::try_from(port) else { continue };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}
