//! How often somebody may try: buckets that an attempt is charged to before any password is hashed.
//!
//! # What is charged, and to whom
//!
//! | attempt | buckets |
//! |---|---|
//! | a login | its address (IPv4 address, IPv6 /64), its network (/24, /48), and the account that was named |
//! | ... from a known place | its address, its network, and the bucket of that account *at that place* |
//! | ... of a known device or session | the bucket of that account *on that device*, and address and network in a lane for that account's known devices |
//! | a registration | its address, in a bucket of its own, and its network |
//! | a password given to change it or to delete the account | the session that asks, and that account at that address |
//!
//! A bucket holds so many failures and gets one back each so often; a success costs a tenth of a failure. Every
//! attempt is charged as a failure *before* it is worked on, so that a thousand at once are a thousand, and a success
//! gets its nine tenths back. All buckets of an attempt are charged, or none: what is refused costs nothing, so a flood
//! does not push its own end further away. When the fault is ours, everything is given back.
//!
//! What was not waited for is given back to accounts and not to addresses: nobody has learned anything, but it may have
//! cost a hash. What could not be told to the shared store stays charged there.
//!
//! The account's bucket is charged by failures alone: a success gives all back. It is kept for every address that is
//! typed, whether there is such an account or not, so that the answers are the same.
//!
//! # Whose door stays open
//!
//! Somebody who guesses at one account from thousands of addresses empties the account's bucket, and gets no more
//! guesses than it holds. Its owner gets in nevertheless: a successful login makes the place it came from known for a
//! while, and gives the client a device cookie ([`DeviceCookie`]; OWASP, "device cookies"). A login from there is
//! charged to a bucket that nobody fills who has neither the place nor the cookie. Sessions that are alive need no
//! login at all: they refresh, and their access token is taken like a device cookie.
//!
//! # Deliberately not here
//!
//! A browser keeps one device cookie: a second account there makes the first one's device unknown, not its place. Whoever
//! logged in once has a device for 90 days, and with it a bucket of its own, also after the password was changed. The embedded
//! store forgets known places when it starts; cookies outlive that.
//!
//! No account is ever disabled: that would hand every stranger a switch. NIST SP 800-63B-4 section 3.2.2 wants at most
//! 100 failures in a row; the default bucket lets a stranger have no more than 100 a day.

mod bucket;
mod device;
mod key;
mod plan;

pub use bucket::{Limit, Micros};
pub use device::{DEVICE_LIFE, DeviceCookie, DeviceId};
pub use key::{AttemptKeys, BucketKey, Proof, place};
pub use plan::{Attempt, Bucket, BucketKind, Charged, Door, Limits, Remember, Settlement};
