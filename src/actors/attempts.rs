//! Charges attempts before they cost anything: in the shared store, and in this process while that does not answer.
//!
//! The limits are the same in both. While the shared store answers, this process counts its own attempts as well, so
//! that a store that stumbles does not hand out full buckets. One that failed is asked
//! again after a second, so that an outage costs one login its deadline each second, and not all of them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::AuthError;
use super::job::spawn;
use super::places_per_address::{Place, PlacesPerAddress};
use super::random::random_bytes;
use crate::domain::attempts::{
    Attempt, AttemptKeys, BucketKind, Charged, DeviceCookie, DeviceId, Limits, Proof, Settlement,
};
use crate::domain::clock::Timestamp;
use crate::domain::id::{AccountId, SessionId};
use crate::store::SharedStore;
use crate::store::memory::MemoryBuckets;
use crate::telemetry::metrics::Metrics;

/// Buckets and known places that this process holds at most, each about 200 bytes.
const LOCAL_CAPACITY: usize = 100_000;
/// Before a shared store that failed is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// The buckets.
pub struct Attempts {
    shared: Arc<dyn SharedStore>,
    /// Whether the shared store is another process, which may be away.
    shared_may_fail: bool,
    local: MemoryBuckets,
    places: Arc<PlacesPerAddress>,
    limits: Limits,
    keys: AttemptKeys,
    metrics: Arc<Metrics>,
    /// Until then the shared store is left alone.
    out_until: Mutex<Option<Instant>>,
}

/// Who logs in, as far as it shows before the password is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// The client's address.
    pub address: IpAddr,
    /// The account's address in normal form; none when what was typed is no address.
    pub account: Option<&'a str>,
    /// The device cookie that came with it.
    pub cookie: Option<&'a str>,
    /// The session of an access token of this account that came with it.
    pub session: Option<SessionId>,
}

/// An attempt that was charged. Dropped without an outcome (its client has gone, or its time is over), it stays charged to
/// addresses for the work that it may have cost, and not to accounts: nobody has learned anything.
#[derive(Debug)]
pub struct Admitted {
    charge: Option<Charge>,
    device: Option<DeviceId>,
    _place: Option<Place>,
}

#[derive(Debug)]
struct Charge {
    by: Arc<Attempts>,
    attempt: Attempt,
    /// Whether the shared store charged it, and then whether to the known bucket of its door.
    shared: Option<bool>,
    /// The same for this process.
    local: Option<bool>,
}

impl Attempts {
    /// With all buckets full but those that the shared store knows better.
    pub fn new(
        shared: Arc<dyn SharedStore>,
        shared_may_fail: bool,
        places: Arc<PlacesPerAddress>,
        limits: Limits,
        keys: AttemptKeys,
        metrics: Arc<Metrics>,
    ) -> Self {
        BucketKind::ALL.iter().for_each(|kind| metrics.watch_attempts(kind.as_str()));
        let (local, out_until) = (MemoryBuckets::new(LOCAL_CAPACITY), Mutex::new(None));
        Self { shared, shared_may_fail, local, places, limits, keys, metrics, out_until }
    }

    /// Charges a login.
    ///
    /// # Errors
    /// [`AuthError::TooManyAttempts`].
    pub async fn login(self: &Arc<Self>, caller: Caller<'_>, now: Timestamp) -> Result<Admitted, AuthError> {
        let device = caller
            .account
            .zip(caller.cookie)
            .and_then(|(account, text)| DeviceCookie::read(&self.keys, account, text, now));
        let proof = device.map(Proof::Device).or(caller.session.map(Proof::Session));
        let attempt = self.limits.login(&self.keys, caller.address, caller.account, proof);
        let mut admitted = self.charge(attempt, caller.address).await?;
        admitted.device = device;
        Ok(admitted)
    }

    /// Charges a registration.
    ///
    /// # Errors
    /// [`AuthError::TooManyAttempts`].
    pub async fn registration(self: &Arc<Self>, address: IpAddr) -> Result<Admitted, AuthError> {
        self.charge(self.limits.registration(&self.keys, address), address).await
    }

    /// Charges a password that is given in a session.
    ///
    /// # Errors
    /// [`AuthError::TooManyAttempts`].
    pub async fn password(
        self: &Arc<Self>,
        address: IpAddr,
        account: AccountId,
        session: SessionId,
    ) -> Result<Admitted, AuthError> {
        self.charge(self.limits.password(&self.keys, address, account, session), address).await
    }

    /// Charges a token or client secret that was wrong, in this process alone: it costs no hash, and cannot be guessed.
    ///
    /// # Errors
    /// [`AuthError::TooManyAttempts`].
    pub fn secret(&self, address: IpAddr) -> Result<(), AuthError> {
        let attempt = self.limits.secret(&self.keys, address);
        self.judge(self.local.charge(&attempt, Instant::now())).map(|_| ())
    }

    /// The cookie for a device that has just logged in: the same device, if it was one. None where accounts are not
    /// limited, which makes it useless, and without randomness, which a login does not depend on here.
    pub fn device_cookie(&self, admitted: &Admitted, account: &str, now: Timestamp) -> Option<DeviceCookie> {
        self.limits.account?;
        let device = match admitted.device {
            Some(device) => device,
            None => DeviceId(random_bytes().ok()?),
        };
        Some(DeviceCookie::issue(&self.keys, account, device, now))
    }

    /// Gives back what the outcome is not to be charged for.
    pub async fn settle<T>(&self, mut admitted: Admitted, outcome: &Result<T, AuthError>) {
        let Some(Charge { attempt, shared, local, .. }) = admitted.charge.take() else { return };
        let settlement = |known: bool| match outcome {
            Ok(_) => Some(attempt.succeeded(known)),
            // Failures of whoever asks: charged as they were.
            Err(
                AuthError::InvalidCredentials
                | AuthError::WrongPassword
                | AuthError::InvalidRefreshToken
                | AuthError::EmailTaken
                | AuthError::WeakPassword(_),
            ) => None,
            // Nothing was learned, and nobody is to blame.
            Err(
                AuthError::Busy
                | AuthError::Unavailable(_)
                | AuthError::Internal(_)
                | AuthError::TooManyAttempts(_)
                | AuthError::AccountGone
                | AuthError::SessionEnded,
            ) => Some(attempt.undone(known)),
        };
        self.settle_here(local.and_then(settlement));
        self.settle_shared(shared.and_then(settlement)).await;
    }

    fn settle_here(&self, settlement: Option<Settlement>) {
        // Places are remembered here as well: they are known while the shared store is away.
        if let Some(settlement) = settlement {
            self.local.settle(&settlement, Instant::now());
        }
    }

    /// What the shared store cannot be told stays charged there: its buckets fill up again.
    async fn settle_shared(&self, settlement: Option<Settlement>) {
        if let Some(settlement) = settlement
            && self.shared_may_answer()
        {
            let settled = self.shared.settle(&settlement).await;
            self.shared_answered(settled.is_ok());
        }
    }

    async fn charge(self: &Arc<Self>, attempt: Attempt, address: IpAddr) -> Result<Admitted, AuthError> {
        if attempt.is_free() {
            return Ok(Admitted { charge: None, device: None, _place: None });
        }
        let _place = Some(self.places.take(address)?);
        let charged = match self.shared_may_answer() {
            true => {
                let charged = self.shared.charge(&attempt).await;
                self.shared_answered(charged.is_ok());
                charged.ok()
            }
            false => None,
        };
        self.metrics.attempt_charged(charged.is_none());
        let shared = charged.map(|charged| self.judge(charged)).transpose()?;
        let local = match shared {
            Some(_) if !self.shared_may_fail => None,
            // Refused here, it is at its end here, too; but all replicas together decide.
            Some(_) => match self.local.charge(&attempt, Instant::now()) {
                Charged::Admitted { known } => Some(known),
                Charged::Refused { .. } => None,
            },
            None => Some(self.judge(self.local.charge(&attempt, Instant::now()))?),
        };
        let charge = Charge { by: Arc::clone(self), attempt, shared, local };
        Ok(Admitted { charge: Some(charge), device: None, _place })
    }

    fn judge(&self, charged: Charged) -> Result<bool, AuthError> {
        match charged {
            Charged::Admitted { known } => Ok(known),
            Charged::Refused { by, wait } => {
                self.metrics.attempt_refused(by.as_str());
                tracing::debug!(bucket = by.as_str(), seconds = wait.as_secs(), "attempt refused");
                Err(AuthError::TooManyAttempts(wait))
            }
        }
    }

    /// Whether to ask it; of those who ask during an outage, one each second.
    fn shared_may_answer(&self) -> bool {
        let now = Instant::now();
        let mut out_until = self.out_until.lock();
        match *out_until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                *out_until = Some(now + ASK_AGAIN);
                true
            }
        }
    }

    fn shared_answered(&self, did: bool) {
        *self.out_until.lock() = (!did).then(|| Instant::now() + ASK_AGAIN);
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let Some(Charge { by, attempt, shared, local }) = self.charge.take() else { return };
        by.settle_here(local.map(|known| attempt.abandoned(known)));
        if let Some(known) = shared {
            spawn(async move { by.settle_shared(Some(attempt.abandoned(known))).await });
        }
    }
}

impl std::fmt::Debug for Attempts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Attempts(..)")
    }
}
