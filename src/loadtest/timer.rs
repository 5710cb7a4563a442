//! A timer that is finer than a millisecond.

use std::io;

use tokio::time::Instant;

#[cfg(target_os = "linux")]
pub(super) use kernel::Timer;
#[cfg(not(target_os = "linux"))]
pub(super) use runtime::Timer;

#[cfg(target_os = "linux")]
mod kernel {
    use std::os::fd::OwnedFd;

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    use super::{Instant, io};

    /// A timerfd(2), which the kernel's slack of 50 us makes late and nothing else.
    pub(in crate::loadtest) struct Timer(AsyncFd<OwnedFd>);

    impl Timer {
        /// Not running.
        ///
        /// # Errors
        /// The process has too many files.
        pub(in crate::loadtest) fn new() -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            #[expect(
                deprecated,
                reason = "the new one is unsafe because other types may swap their descriptor; an OwnedFd does not"
            )]
            Ok(Self(AsyncFd::with_interest(timer, Interest::READABLE)?))
        }

        /// Waits.
        ///
        /// # Errors
        /// None that is known.
        pub(in crate::loadtest) async fn sleep_until(&self, at: Instant) -> io::Result<()> {
            loop {
                let left = at.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Ok(());
                }
                let once = Itimerspec {
                    it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
                    it_value: Timespec::try_from(left).map_err(io::Error::other)?,
                };
                // It also forgets what was not read, so that it need not be read.
                timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once)?;
                self.0.readable().await?.clear_ready();
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod runtime {
    use super::{Instant, io};

    /// The runtime's, to the millisecond.
    pub(in crate::loadtest) struct Timer;

    impl Timer {
        /// # Errors
        /// None.
        pub(in crate::loadtest) fn new() -> io::Result<Self> {
            Ok(Self)
        }

        /// # Errors
        /// None.
        pub(in crate::loadtest) async fn sleep_until(&self, at: Instant) -> io::Result<()> {
            tokio::time::sleep_until(at).await;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn it_never_goes_off_too_early_and_can_be_used_again() {
        let timer = Timer::new().unwrap();
        for micros in [0, 1, 150, 900, 2_500, 30] {
            let at = Instant::now() + Duration::from_micros(micros);
            timer.sleep_until(at).await.unwrap();
            assert!(Instant::now() >= at);
        }
    }
}
