//! Certificates that change while the gateway runs.
//!
//! The files are looked at every second, by content: no watch of the file system survives every way in which renewed
//! certificates arrive (renamed, through links, mounted). What has changed counts once it is the same in two looks, so
//! that a half-written pair is not taken for a wrong one. A signal makes it count at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

use super::entries::Entries;
use super::files::{Contents, TlsError};
use super::server::Tls;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is known of the files.
struct Looks {
    /// Of what was last taken or refused. None: the files could not be read.
    settled: Option<[u8; 32]>,
    /// Of the last look.
    seen: Option<[u8; 32]>,
}

impl Tls {
    /// Follows the files until `stop` becomes true; `asked` tells of a wish to look at once.
    pub async fn follow(self: Arc<Self>, mut asked: mpsc::Receiver<()>, mut stop: watch::Receiver<bool>) {
        let mut looks = Looks { settled: Some(self.first_digest), seen: Some(self.first_digest) };
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let at_once = tokio::select! {
                _ = stop.wait_for(|stopping| *stopping) => return,
                _ = ticks.tick() => false,
                // Nobody is left to ask: the ticks go on.
                Some(()) = asked.recv() => true,
            };
            let tls = Arc::clone(&self);
            let look = tokio::task::spawn_blocking(move || tls.look(looks, at_once)).await;
            looks = look.unwrap_or_else(|error| {
                tracing::error!(%error, "the certificate files were not looked at");
                Looks { settled: None, seen: None }
            });
        }
    }

    /// Blocks for a few small files.
    fn look(&self, before: Looks, at_once: bool) -> Looks {
        let read = Contents::read(&self.rules.certificates, self.rules.client_ca.as_deref());
        let digest = read.as_ref().ok().map(Contents::digest);
        let steady = digest == before.seen && digest != before.settled;
        if !steady && !at_once {
            return Looks { seen: digest, ..before };
        }
        let taken = read.and_then(|contents| self.take(&contents));
        self.metrics.certificates_reloaded(taken.is_ok());
        match taken {
            Ok(()) => tracing::info!("certificates reloaded"),
            Err(error) => tracing::error!(%error, "certificates not reloaded, the old ones stay"),
        }
        Looks { settled: digest, seen: digest }
    }

    fn take(&self, contents: &Contents) -> Result<(), TlsError> {
        let entries = Entries::new(contents, &self.rules, self.clock.now())?;
        self.entries.store(Arc::new(entries));
        self.announce();
        Ok(())
    }
}
