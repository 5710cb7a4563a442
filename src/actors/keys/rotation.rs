//! What is due is done, and a ring is made of what is stored.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;

use super::error::KeysError;
use super::sealing::{Seal, generate};
use crate::domain::clock::Timestamp;
use crate::domain::key_schedule::{KeyLife, KeyState, RotationRule, Schedule, schedule};
use crate::domain::keyring::{KeyAlgorithm, Keyring, SigningKey};
use crate::live::Clock;
use crate::store::{DurableStore, SealedKey};

/// What a set with key pairs needs; none for a shared secret.
pub(super) struct Rotation {
    pub(super) rule: RotationRule,
    pub(super) key_encryption_key: Option<SecretString>,
    pub(super) data_dir: PathBuf,
}

/// Keys that were opened once: opening one again costs, and can only give the same.
pub(super) type Opened = HashMap<String, Arc<SigningKey>>;

impl Rotation {
    /// The stored keys after what was due has been done, by this process or by another.
    pub(super) async fn follow(
        &self,
        store: &dyn DurableStore,
        clock: Clock,
    ) -> Result<Vec<SealedKey>, KeysError> {
        let stored = store.signing_keys().await?;
        let now = clock.now();
        let lives = lives(&stored)?;
        let Schedule { states, next } = schedule(&lives, &self.rule, now);
        let both = lives.iter().zip(&states);
        let spent: Vec<String> =
            both.filter(|(_, state)| **state == KeyState::Spent).map(|(life, _)| life.kid.clone()).collect();
        if spent.is_empty() && next.is_none() {
            return Ok(stored);
        }
        if !spent.is_empty() {
            store.forget_signing_keys(&spent).await?;
            tracing::info!(keys = spent.join(" "), "signing keys forgotten: no token of them is alive");
        }
        if let Some(active_from) = next {
            let key = self.make(&stored, now, active_from).await?;
            let kid = key.kid.clone();
            if store.add_signing_key(key, &in_use_without(&stored, &spent)).await? {
                tracing::info!(kid, signs_from = %active_from, "signing key made");
            }
        }
        Ok(store.signing_keys().await?)
    }

    /// A ring of the keys whose tokens are accepted at `now`.
    pub(super) fn ring(
        &self,
        stored: &[SealedKey],
        opened: &mut Opened,
        generation: u64,
        now: Timestamp,
    ) -> Result<Keyring, KeysError> {
        let states = schedule(&lives(stored)?, &self.rule, now).states;
        let (mut signer, mut others, mut seal) = (None, Vec::new(), None);
        for (key, state) in stored.iter().zip(states).filter(|(_, state)| state.in_ring()) {
            let open = match opened.get(&key.kid) {
                Some(open) => Arc::clone(open),
                None => {
                    let seal = match &mut seal {
                        Some(seal) => seal,
                        none => none.insert(self.seal(Some(key))?),
                    };
                    let open = Arc::new(seal.open(key)?);
                    opened.insert(key.kid.clone(), Arc::clone(&open));
                    open
                }
            };
            if state == KeyState::Signing {
                signer = Some(open);
            } else {
                others.push(open);
            }
        }
        let signer = signer.ok_or_else(|| KeysError::Generate("the store did not keep it".to_owned()))?;
        Ok(Keyring::new(generation, signer, others))
    }

    /// A new key, sealed. Off the runtime's threads: an RSA key takes a good part of a second.
    pub(super) async fn make(
        &self,
        stored: &[SealedKey],
        now: Timestamp,
        active_from: Timestamp,
    ) -> Result<SealedKey, KeysError> {
        let seal = self.seal(stored.first())?;
        let algorithm = self.rule.algorithm;
        tokio::task::spawn_blocking(move || generate(algorithm, &seal, now, active_from))
            .await
            .unwrap_or_else(|error| Err(KeysError::Generate(error.to_string())))
    }

    fn seal(&self, sealed: Option<&SealedKey>) -> Result<Seal, KeysError> {
        Seal::load(self.key_encryption_key.as_ref(), &self.data_dir, sealed)
    }
}

/// Whether two rings sign and accept alike.
pub(super) fn same_keys(one: &Keyring, other: &Keyring) -> bool {
    let kids = |ring: &Keyring| ring.keys().iter().map(|key| key.kid().to_owned()).collect::<Vec<_>>();
    kids(one) == kids(other)
}

/// The keys that are not retired.
pub(super) fn in_use(stored: &[SealedKey]) -> Vec<String> {
    in_use_without(stored, &[])
}

fn in_use_without(stored: &[SealedKey], gone: &[String]) -> Vec<String> {
    let alive = stored.iter().filter(|key| key.retired_at.is_none() && !gone.contains(&key.kid));
    alive.map(|key| key.kid.clone()).collect()
}

/// What the schedule knows of the keys.
pub(super) fn lives(stored: &[SealedKey]) -> Result<Vec<KeyLife>, KeysError> {
    stored.iter().map(life).collect()
}

/// What the schedule knows of a key.
pub(super) fn life(key: &SealedKey) -> Result<KeyLife, KeysError> {
    Ok(KeyLife {
        kid: key.kid.clone(),
        algorithm: KeyAlgorithm::parse(&key.algorithm)?,
        created_at: key.created_at,
        active_from: key.active_from,
        retired_at: key.retired_at,
    })
}
