//! The device cookie: shows that somebody logged in to this account on this device before.
//!
//! It grants nothing but a bucket of its own: no session, no shorter login. It holds a random number, not the
//! account; the code (HMAC) binds it to the account, so for another one it is worth nothing. It needs no store and
//! survives restarts and a lost Redis.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;

use super::key::AttemptKeys;
use crate::domain::clock::Timestamp;

/// How long a device is known without another login.
pub const DEVICE_LIFE: Duration = Duration::from_hours(90 * 24);

const VERSION: &str = "1";

/// A device, as a random number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceId(pub [u8; 16]);

/// The text of a device cookie: `1.{id}.{issued, seconds since 1970}.{code}`, both base64url.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceCookie(String);

impl DeviceCookie {
    /// A cookie for the account with this address in normal form.
    pub fn issue(keys: &AttemptKeys, account: &str, device: DeviceId, now: Timestamp) -> Self {
        let issued = now.unix_seconds();
        let (id, code) = (URL_SAFE_NO_PAD.encode(device.0), code(keys, account, device, issued));
        Self(format!("{VERSION}.{id}.{issued}.{}", URL_SAFE_NO_PAD.encode(code)))
    }

    /// The device, if `text` is a cookie of this account that has not expired.
    pub fn read(keys: &AttemptKeys, account: &str, text: &str, now: Timestamp) -> Option<DeviceId> {
        let mut parts = text.split('.');
        let (version, id, issued, given) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if version != VERSION || parts.next().is_some() {
            return None;
        }
        let device = DeviceId(URL_SAFE_NO_PAD.decode(id).ok()?.try_into().ok()?);
        let issued: i64 = issued.parse().ok()?;
        let given = URL_SAFE_NO_PAD.decode(given).ok()?;
        if !bool::from(code(keys, account, device, issued).ct_eq(&given)) {
            return None;
        }
        let age = now.unix_seconds().checked_sub(issued)?;
        (age < i64::try_from(DEVICE_LIFE.as_secs()).ok()?).then_some(device)
    }

    /// For the client.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for DeviceCookie {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DeviceCookie(redacted)")
    }
}

fn code(keys: &AttemptKeys, account: &str, device: DeviceId, issued: i64) -> [u8; 32] {
    keys.code("device cookie", &[account.as_bytes(), &device.0, &issued.to_be_bytes()])
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);
    const DEVICE: DeviceId = DeviceId([9; 16]);

    fn keys(byte: u8) -> AttemptKeys {
        AttemptKeys::new(Zeroizing::new([byte; 32]))
    }

    #[test]
    fn a_cookie_is_good_for_its_account_until_it_expires() {
        let keys = keys(1);
        let cookie = DeviceCookie::issue(&keys, "ada@example.org", DEVICE, NOW);
        let read = |account: &str, now| DeviceCookie::read(&keys, account, cookie.as_str(), now);
        assert_eq!(read("ada@example.org", NOW), Some(DEVICE));
        assert_eq!(read("eve@example.org", NOW), None);
        let second = Duration::from_secs(1);
        assert_eq!(read("ada@example.org", NOW.plus(DEVICE_LIFE - second)), Some(DEVICE));
        assert_eq!(read("ada@example.org", NOW.plus(DEVICE_LIFE)), None);
        assert_eq!(format!("{cookie:?}"), "DeviceCookie(redacted)");
        assert!(!cookie.as_str().contains("ada"));
    }

    #[test]
    fn nobody_makes_or_changes_one_without_the_key() {
        let cookie = DeviceCookie::issue(&keys(1), "a@b.org", DEVICE, NOW);
        assert_eq!(DeviceCookie::read(&keys(2), "a@b.org", cookie.as_str(), NOW), None);
        let good = cookie.as_str();
        for at in 0..good.len() {
            let mut changed = good.as_bytes().to_vec();
            changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(DeviceCookie::read(&keys(1), "a@b.org", &changed, NOW), None, "{changed}");
        }
        for bad in ["", "1", "1...", "1.a.b.c", &format!("{good}.x"), &format!("{good} "), &good.repeat(2)] {
            assert_eq!(DeviceCookie::read(&keys(1), "a@b.org", bad, NOW), None, "{bad}");
        }
    }
}
