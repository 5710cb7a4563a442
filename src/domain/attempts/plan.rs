//! Which buckets an attempt is charged to, and what is given back.

use std::net::IpAddr;
use std::time::Duration;

use super::bucket::{FAILURE, Limit, SUCCESS};
use super::key::{AttemptKeys, BucketKey, Proof, network, place};
use crate::domain::id::{AccountId, SessionId};

/// What a bucket is for; the word in metrics and logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketKind {
    /// An address.
    Address,
    /// A network.
    Network,
    /// An account, to strangers.
    Account,
    /// An account, at a place or on a device that is known.
    Known,
    /// Registrations of an address.
    Registration,
    /// Passwords given in a session.
    Session,
    /// Tokens and client secrets that an address got wrong.
    Secret,
}

impl BucketKind {
    /// All.
    pub const ALL: [Self; 7] = [
        Self::Address,
        Self::Network,
        Self::Account,
        Self::Known,
        Self::Registration,
        Self::Session,
        Self::Secret,
    ];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Network => "network",
            Self::Account => "account",
            Self::Known => "known",
            Self::Registration => "registration",
            Self::Session => "session",
            Self::Secret => "secret",
        }
    }
}

/// A bucket by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// What for.
    pub kind: BucketKind,
    /// Its name.
    pub key: BucketKey,
    /// How much it holds.
    pub limit: Limit,
}

/// The two buckets of an account, of which one is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Door {
    /// If the store remembers it (see [`Settlement::remember`]), this one.
    pub known: Bucket,
    /// Else this one.
    pub stranger: Bucket,
}

/// An attempt: charged to all buckets, or to none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// All of these,
    pub buckets: Vec<Bucket>,
    /// and one of these.
    pub door: Option<Door>,
    /// Remembered after a success.
    place: Option<(Bucket, Duration)>,
    /// What a success costs the buckets, in units.
    success: u32,
}

/// What became of a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charged {
    /// Charged. Whether the door was the known one.
    Admitted {
        /// See [`Door`].
        known: bool,
    },
    /// Not charged.
    Refused {
        /// The bucket that lacks most.
        by: BucketKind,
        /// Until all buckets would do.
        wait: Duration,
    },
}

/// A known place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remember {
    /// The known bucket of its [`Door`].
    pub bucket: Bucket,
    /// What is given back to it, if it is there.
    pub units: u32,
    /// For how long from now.
    pub ttl: Duration,
}

/// What is given back, and what is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settlement {
    /// Buckets and units.
    pub refunds: Vec<(Bucket, u32)>,
    /// A place that is known from now on.
    pub remember: Option<Remember>,
}

impl Attempt {
    /// What every attempt is charged, in units: it may fail.
    pub const UNITS: u32 = FAILURE;

    fn new(buckets: impl IntoIterator<Item = Option<Bucket>>) -> Self {
        let buckets = buckets.into_iter().flatten().collect();
        Self { buckets, door: None, place: None, success: SUCCESS }
    }

    /// Whether there is nothing to charge.
    pub fn is_free(&self) -> bool {
        self.buckets.is_empty() && self.door.is_none()
    }

    /// After a success.
    pub fn succeeded(&self, known: bool) -> Settlement {
        let back = FAILURE - self.success.min(FAILURE);
        // Of an account, only failures count.
        let of = |bucket: &Bucket| match bucket.kind {
            BucketKind::Account | BucketKind::Known => FAILURE,
            BucketKind::Address
            | BucketKind::Network
            | BucketKind::Registration
            | BucketKind::Session
            | BucketKind::Secret => back,
        };
        let mut refunds: Vec<_> = self.buckets.iter().map(|bucket| (*bucket, of(bucket))).collect();
        refunds.extend(self.door.filter(|_| !known).map(|door| (door.stranger, FAILURE)));
        let units = if known { FAILURE } else { 0 };
        let remember = self.place.map(|(bucket, ttl)| Remember { bucket, units, ttl });
        Settlement { refunds, remember }
    }

    /// When whoever asked did not wait for the outcome: accounts get theirs back, for nobody has learned anything;
    /// addresses do not, for a hash may have been computed.
    pub fn abandoned(&self, known: bool) -> Settlement {
        let mut undone = self.undone(known);
        undone.refunds.retain(|(bucket, _)| match bucket.kind {
            BucketKind::Account | BucketKind::Known | BucketKind::Session => true,
            BucketKind::Address | BucketKind::Network | BucketKind::Registration | BucketKind::Secret => {
                false
            }
        });
        undone
    }

    /// When nothing came of it through a fault of ours.
    pub fn undone(&self, known: bool) -> Settlement {
        let door = self.door.map(|door| if known { door.known } else { door.stranger });
        let refunds = self.buckets.iter().copied().chain(door).map(|bucket| (bucket, FAILURE)).collect();
        Settlement { refunds, remember: None }
    }
}

/// The limits in force; what is `None` is not limited.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Failures of an address.
    pub address: Option<Limit>,
    /// Failures of a network.
    pub network: Option<Limit>,
    /// Failures at an account; the same for each known place and device of it, and each session.
    pub account: Option<Limit>,
    /// Registrations of an address.
    pub registration: Option<Limit>,
    /// Wrong tokens and client secrets of an address.
    pub secret: Option<Limit>,
    /// How long a place is known after a login.
    pub known_for: Duration,
}

impl Limits {
    /// A login from `address` to the account with this address in normal form; `None` for what is no address, which
    /// is no account's.
    pub fn login(
        &self,
        keys: &AttemptKeys,
        address: IpAddr,
        account: Option<&str>,
        proof: Option<Proof>,
    ) -> Attempt {
        let place_of = place(address);
        // Known devices have a lane of their own, for each account: neither strangers behind the same address can fill it,
        // nor the known devices of others.
        let lane = account.filter(|_| proof.is_some()).unwrap_or_default();
        let mut attempt = Attempt::new([
            bucket(BucketKind::Address, self.address, keys, &[lane.as_bytes(), &place_of]),
            bucket(BucketKind::Network, self.network, keys, &[lane.as_bytes(), &network(address)]),
        ]);
        let (Some(account), Some(limit)) = (account, self.account) else { return attempt };
        let account = account.as_bytes();
        let known = |word: &str, id: &[u8]| {
            let key = keys.of(BucketKind::Known.as_str(), &[account, word.as_bytes(), id]);
            Bucket { kind: BucketKind::Known, key, limit }
        };
        let here = known("place", &place_of);
        match proof {
            Some(Proof::Device(id)) => attempt.buckets.push(known("device", &id.0)),
            Some(Proof::Session(id)) => attempt.buckets.push(known("session", id.to_string().as_bytes())),
            None => {
                let key = keys.of(BucketKind::Account.as_str(), &[account]);
                let stranger = Bucket { kind: BucketKind::Account, key, limit };
                attempt.door = Some(Door { known: here, stranger });
            }
        }
        attempt.place = Some((here, self.known_for));
        attempt
    }

    /// A registration from `address`, whatever comes of it: each may be an account, or tell of one.
    pub fn registration(&self, keys: &AttemptKeys, address: IpAddr) -> Attempt {
        let attempt = Attempt::new([
            bucket(BucketKind::Registration, self.registration, keys, &[&place(address)]),
            bucket(BucketKind::Network, self.network, keys, &[b"", &network(address)]),
        ]);
        Attempt { success: FAILURE, ..attempt }
    }

    /// A password that is given in a session, to prove who asks. The right one costs a tenth here, too: each is a hash, and
    /// an account has any number of sessions. Its address is charged apart for each account, so that nobody keeps others
    /// behind the same address from changing theirs.
    pub fn password(
        &self,
        keys: &AttemptKeys,
        address: IpAddr,
        account: AccountId,
        session: SessionId,
    ) -> Attempt {
        let (account, session) = (account.to_string(), session.to_string());
        Attempt::new([
            bucket(BucketKind::Session, self.account, keys, &[session.as_bytes()]),
            bucket(
                BucketKind::Address,
                self.address,
                keys,
                &[b"password", account.as_bytes(), &place(address)],
            ),
        ])
    }

    /// A token or client secret from `address`. Nobody guesses one: what is bounded is the work of looking it up.
    pub fn secret(&self, keys: &AttemptKeys, address: IpAddr) -> Attempt {
        let attempt = Attempt::new([bucket(BucketKind::Secret, self.secret, keys, &[&place(address)])]);
        Attempt { success: 0, ..attempt }
    }
}

fn bucket(kind: BucketKind, limit: Option<Limit>, keys: &AttemptKeys, parts: &[&[u8]]) -> Option<Bucket> {
    limit.map(|limit| Bucket { kind, key: keys.of(kind.as_str(), parts), limit })
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use zeroize::Zeroizing;

    use super::*;
    use crate::domain::attempts::DeviceId;

    fn keys() -> AttemptKeys {
        AttemptKeys::new(Zeroizing::new([1; 32]))
    }

    fn limits() -> Limits {
        let limit = Some(Limit::new(NonZeroU32::new(10).unwrap(), Duration::from_secs(1)));
        Limits {
            address: limit,
            network: limit,
            account: limit,
            registration: limit,
            secret: limit,
            known_for: Duration::from_secs(60),
        }
    }

    fn login(address: &str, account: &str, proof: Option<Proof>) -> Attempt {
        limits().login(&keys(), address.parse().unwrap(), Some(account), proof)
    }

    #[test]
    fn strangers_share_the_accounts_bucket_wherever_they_come_from() {
        let (one, other) = (login("192.0.2.1", "a", None), login("198.51.100.1", "a", None));
        let (one, other) = (one.door.unwrap(), other.door.unwrap());
        assert_eq!(one.stranger, other.stranger);
        assert_ne!(one.known, other.known);
        assert_ne!(login("192.0.2.1", "b", None).door.unwrap().stranger, one.stranger);
    }

    #[test]
    fn a_proven_device_shares_no_bucket_with_strangers_behind_the_same_address() {
        let stranger = login("192.0.2.1", "a", None);
        for proof in
            [Proof::Device(DeviceId([1; 16])), Proof::Session(SessionId::from_uuid(uuid::Uuid::nil()))]
        {
            let known = login("192.0.2.1", "a", Some(proof));
            assert_eq!(known.door, None);
            assert_eq!(known.buckets.len(), 3);
            let door = stranger.door.unwrap();
            for bucket in &known.buckets {
                assert!(
                    !stranger.buckets.contains(bucket) && *bucket != door.stranger && *bucket != door.known
                );
            }
        }
    }

    #[test]
    fn known_devices_of_one_account_share_nothing_with_those_of_another() {
        let proof = Some(Proof::Device(DeviceId([1; 16])));
        let (one, other) = (login("192.0.2.1", "a", proof), login("192.0.2.1", "b", proof));
        assert!(one.buckets.iter().all(|bucket| !other.buckets.contains(bucket)));
    }

    #[test]
    fn what_was_not_waited_for_is_charged_to_addresses_alone() {
        let attempt = login("192.0.2.1", "a", None);
        let door = attempt.door.unwrap();
        assert_eq!(attempt.abandoned(false).refunds, [(door.stranger, FAILURE)]);
        assert_eq!(attempt.abandoned(true).refunds, [(door.known, FAILURE)]);
        let proven = login("192.0.2.1", "a", Some(Proof::Device(DeviceId([1; 16]))));
        let kinds: Vec<_> = proven.abandoned(false).refunds.iter().map(|(bucket, _)| bucket.kind).collect();
        assert_eq!(kinds, [BucketKind::Known]);
    }

    #[test]
    fn a_success_costs_addresses_a_tenth_and_accounts_nothing() {
        let attempt = login("192.0.2.1", "a", None);
        let door = attempt.door.unwrap();
        let settlement = attempt.succeeded(false);
        let units: Vec<u32> = settlement.refunds.iter().map(|(_, units)| *units).collect();
        assert_eq!(units, [9, 9, 10]);
        assert_eq!(settlement.refunds[2].0, door.stranger);
        let remember = settlement.remember.unwrap();
        assert_eq!((remember.bucket, remember.units), (door.known, 0));

        let settlement = attempt.succeeded(true);
        assert_eq!(settlement.refunds.len(), 2, "the account's bucket was not charged");
        assert_eq!(settlement.remember.unwrap().units, 10);
    }

    #[test]
    fn a_fault_of_ours_gives_everything_back_and_makes_nobody_known() {
        let attempt = login("192.0.2.1", "a", None);
        for (known, of) in [(true, attempt.door.unwrap().known), (false, attempt.door.unwrap().stranger)] {
            let settlement = attempt.undone(known);
            assert!(settlement.refunds.iter().all(|(_, units)| *units == Attempt::UNITS));
            assert_eq!(settlement.refunds[2].0, of);
            assert_eq!(settlement.remember, None);
        }
    }

    #[test]
    fn a_registration_costs_the_same_whatever_comes_of_it() {
        let attempt = limits().registration(&keys(), "192.0.2.1".parse().unwrap());
        assert!(attempt.succeeded(false).refunds.iter().all(|(_, units)| *units == 0));
        assert_eq!(attempt.succeeded(false).remember, None);
    }

    #[test]
    fn what_is_not_limited_is_not_charged() {
        let limits = Limits { address: None, network: None, account: None, registration: None, ..limits() };
        let address = "192.0.2.1".parse().unwrap();
        assert!(limits.login(&keys(), address, Some("a"), None).is_free());
        assert!(limits.registration(&keys(), address).is_free());
    }
}
