//! The stored keys as this process follows them, and what an operator does to them.

use std::path::Path;

use secrecy::ExposeSecret as _;
use tokio::sync::Mutex;

use super::error::KeysError;
use super::rotation::{Opened, Rotation, in_use, life, lives, same_keys};
use crate::config::{SigningAlgorithm, TokenSettings};
use crate::domain::clock::Timestamp;
use crate::domain::key_schedule::{
    ALLOWANCE, KEEP, KeyLife, KeyState, NotRetirable, RotationRule, Schedule, retirable, schedule,
};
use crate::domain::keyring::{KeyAlgorithm, Keyring, SigningKey};
use crate::live::{Clock, KeyPublisher, LiveKeys, Moment, keys_channel};
use crate::store::{DurableStore, EndedSessions, KeyRetirement, StoreError};

/// How often a change is tried against the changes of others.
const TRIES: u32 = 5;

/// Brings the next key.
#[derive(Debug, Clone, Copy)]
pub struct RotateKey {
    /// It signs now, and not when it has been published for long enough.
    pub at_once: bool,
}

/// Ends all tokens of a key.
#[derive(Debug, Clone)]
pub struct RetireKey {
    /// Which.
    pub kid: String,
    /// If it is the one that signs, bring another that signs at once.
    pub rotate: bool,
}

/// A key as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedKey {
    /// Its id.
    pub kid: String,
    /// `EdDSA`, `ES256`, `RS256` or `HS256`.
    pub algorithm: &'static str,
    /// What it is for now.
    pub state: KeyState,
    /// When it was made; none for a shared secret, likewise below.
    pub created_at: Option<Timestamp>,
    /// From when on it signs.
    pub active_from: Option<Timestamp>,
    /// When it was retired.
    pub retired_at: Option<Timestamp>,
}

/// Why a key was not rotated or retired, for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefusal {
    /// There is only the secret.
    #[error(
        "token.algorithm = \"HS256\" signs with the configured secret: change token.secret and restart every \
         replica, which ends all its tokens"
    )]
    SharedSecret,
    /// One is on its way.
    #[error("key {0} is published already and signs from {1}; `--now` does not wait")]
    Upcoming(String, Timestamp),
    /// See [`NotRetirable`].
    #[error(transparent)]
    NotRetirable(#[from] NotRetirable),
}

/// Follows the stored keys. Outlives a restart of the actor.
pub struct KeySet {
    rotation: Option<Rotation>,
    state: Mutex<State>,
    /// What was last said about a refresh that failed: the same four times a second would say no more.
    complaint: parking_lot::Mutex<Option<String>>,
}

struct State {
    publisher: KeyPublisher,
    opened: Opened,
}

impl KeySet {
    /// Reads the keys that the configuration asks for, and makes the first.
    ///
    /// # Errors
    /// See [`KeysError`].
    pub async fn load(
        settings: &TokenSettings,
        data_dir: &Path,
        store: &dyn DurableStore,
        clock: Clock,
    ) -> Result<(Self, LiveKeys), KeysError> {
        let algorithm = match &settings.algorithm {
            SigningAlgorithm::Hs256 { secret } => {
                // The secret alone: whoever chose one in place of key pairs may no longer have what opens those.
                let key = SigningKey::from_secret(secret.expose_secret().as_bytes());
                let (publisher, live) = keys_channel(Keyring::new(1, key, Vec::new()));
                let state = Mutex::new(State { publisher, opened: Opened::new() });
                return Ok((Self { rotation: None, state, complaint: Default::default() }, live));
            }
            SigningAlgorithm::EdDsa => KeyAlgorithm::EdDsa,
            SigningAlgorithm::Es256 => KeyAlgorithm::Es256,
            SigningAlgorithm::Rs256 => KeyAlgorithm::Rs256,
        };
        let rotation = Rotation {
            rule: RotationRule {
                algorithm,
                rotate_every: settings.rotate_every,
                publish_ahead: settings.publish_ahead,
            },
            key_encryption_key: settings.key_encryption_key.clone(),
            data_dir: data_dir.to_owned(),
        };
        let asked_at = Moment::now();
        let stored = rotation.follow(store, clock).await?;
        let mut opened = Opened::new();
        let ring = rotation.ring(&stored, &mut opened, 1, clock.now())?;
        let (mut publisher, live) = keys_channel(ring);
        publisher.mark_followed(asked_at);
        let state = Mutex::new(State { publisher, opened });
        Ok((Self { rotation: Some(rotation), state, complaint: Default::default() }, live))
    }

    /// Reads the stored keys, does what is due, and publishes a new ring if it is another.
    ///
    /// # Errors
    /// See [`KeysError`]. The ring in force stays.
    pub async fn refresh(&self, store: &dyn DurableStore, clock: Clock) -> Result<(), KeysError> {
        let Some(rotation) = &self.rotation else { return Ok(()) };
        let mut state = self.state.lock().await;
        let State { publisher, opened } = &mut *state;
        let asked_at = Moment::now();
        let stored = rotation.follow(store, clock).await?;
        let before = publisher.ring();
        let ring = rotation.ring(&stored, opened, before.generation().saturating_add(1), clock.now())?;
        if !same_keys(&before, &ring) {
            let (signer, keys) = (ring.signer().kid(), ring.keys().len());
            tracing::info!(signer, keys, "signing keys changed");
            opened.retain(|kid, _| ring.keys().iter().any(|key| key.kid() == kid));
            publisher.publish(ring);
        }
        publisher.mark_followed(asked_at);
        *self.complaint.lock() = None;
        Ok(())
    }

    /// Logs that the stored keys could not be used, once.
    pub fn complain(&self, error: &KeysError) {
        let text = error.to_string();
        let mut complaint = self.complaint.lock();
        if complaint.as_ref() != Some(&text) {
            tracing::error!(error = text, "the stored signing keys cannot be used; those in memory go on");
            *complaint = Some(text);
        }
    }

    /// All keys that are stored, oldest first.
    ///
    /// # Errors
    /// See [`KeysError`].
    pub async fn list(&self, store: &dyn DurableStore, now: Timestamp) -> Result<Vec<ListedKey>, KeysError> {
        let Some(rotation) = &self.rotation else {
            let ring = self.state.lock().await.publisher.ring();
            let (kid, algorithm) = (ring.signer().kid().to_owned(), "HS256");
            let (created_at, active_from, retired_at) = (None, None, None);
            let state = KeyState::Signing;
            return Ok(vec![ListedKey { kid, algorithm, state, created_at, active_from, retired_at }]);
        };
        let lives = lives(&store.signing_keys().await?)?;
        let states = schedule(&lives, &rotation.rule, now).states;
        Ok(lives.into_iter().zip(states).map(|(life, state)| listed(life, state)).collect())
    }

    /// Brings the next key before it is due; says which.
    ///
    /// # Errors
    /// See [`KeysError`]; inside, the refusal.
    pub async fn rotate(
        &self,
        store: &dyn DurableStore,
        clock: Clock,
        ask: RotateKey,
    ) -> Result<Result<ListedKey, KeyRefusal>, KeysError> {
        let Some(rotation) = &self.rotation else { return Ok(Err(KeyRefusal::SharedSecret)) };
        for _ in 0..TRIES {
            let now = clock.now();
            let stored = store.signing_keys().await?;
            let lives = lives(&stored)?;
            let Schedule { states, .. } = schedule(&lives, &rotation.rule, now);
            let mut both = lives.iter().zip(&states);
            if let (false, Some((key, _))) = (ask.at_once, both.find(|both| *both.1 == KeyState::Upcoming)) {
                return Ok(Err(KeyRefusal::Upcoming(key.kid.clone(), key.active_from)));
            }
            let ahead = rotation.rule.publish_ahead.saturating_add(ALLOWANCE);
            let active_from = if ask.at_once { now } else { now.plus(ahead) };
            let key = rotation.make(&stored, now, active_from).await?;
            let life = life(&key)?;
            if store.add_signing_key(key, &in_use(&stored)).await? {
                let state = if ask.at_once { KeyState::Signing } else { KeyState::Upcoming };
                return Ok(Ok(listed(life, state)));
            }
        }
        Err(contended())
    }

    /// Ends all tokens of a key; the revocation is to be published.
    ///
    /// # Errors
    /// See [`KeysError`]; inside, the refusal.
    pub async fn retire(
        &self,
        store: &dyn DurableStore,
        clock: Clock,
        ask: &RetireKey,
    ) -> Result<Result<EndedSessions, KeyRefusal>, KeysError> {
        let Some(rotation) = &self.rotation else { return Ok(Err(KeyRefusal::SharedSecret)) };
        for _ in 0..TRIES {
            let now = clock.now();
            let stored = store.signing_keys().await?;
            let successor = match retirable(&lives(&stored)?, &ask.kid, now) {
                Ok(()) => None,
                Err(NotRetirable::Signing) if ask.rotate => Some(rotation.make(&stored, now, now).await?),
                Err(refusal) => return Ok(Err(refusal.into())),
            };
            let retirement =
                KeyRetirement { kid: ask.kid.clone(), successor, forget_at: now.plus(KEEP), now };
            if let Some(revocations) = store.retire_signing_key(retirement, &in_use(&stored)).await? {
                tracing::warn!(kid = ask.kid, "signing key retired: its tokens are refused");
                return Ok(Ok(EndedSessions { revocations, more: false }));
            }
        }
        Err(contended())
    }
}

fn listed(life: KeyLife, state: KeyState) -> ListedKey {
    ListedKey {
        kid: life.kid,
        algorithm: life.algorithm.as_str(),
        state,
        created_at: Some(life.created_at),
        active_from: Some(life.active_from),
        retired_at: life.retired_at,
    }
}

fn contended() -> KeysError {
    let reason = "the signing keys change all the time; try again".to_owned();
    KeysError::Store(StoreError::Unavailable { store: "signing keys", reason })
}
