//! A timer that fires at a point of `CLOCK_BOOTTIME`.
#![expect(unsafe_code, reason = "tokio cannot know that a file descriptor stays open while it is registered")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use vrrp::Instant;

/// A `timerfd`: unlike tokio's own timers (a grid of 1 ms, rounded up) it fires within microseconds.
pub(crate) struct BoottimeTimer {
    fd: AsyncFd<RegisteredTimer>,
    armed_for: Option<Instant>,
}

struct RegisteredTimer(TimerFd);

impl AsRawFd for RegisteredTimer {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl BoottimeTimer {
    /// A timer that is not armed. Needs a tokio runtime.
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = RegisteredTimer(TimerFd::new(ClockId::CLOCK_BOOTTIME, flags)?);
        // SAFETY: the `AsyncFd` owns the timer, which never changes or closes its descriptor before it is dropped.
        let fd = unsafe { AsyncFd::register_with_interest(timer, Interest::READABLE)? };
        Ok(Self { fd, armed_for: None })
    }

    /// Fires at `deadline`, at once if that has passed; never when it is `None`.
    pub(crate) fn arm(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        if self.armed_for == deadline {
            return Ok(());
        }
        let timer = &self.fd.get_ref().0;
        match deadline {
            // A time of zero would disarm the timer.
            Some(at) => timer.set(
                Expiration::OneShot(TimeSpec::from(at.since_origin().max(Duration::from_nanos(1)))),
                TimerSetTimeFlags::TFD_TIMER_ABSTIME,
            )?,
            None => timer.unset()?,
        }
        self.armed_for = deadline;
        Ok(())
    }

    /// Returns once the timer has fired, and disarms it.
    pub(crate) async fn fired(&mut self) -> io::Result<()> {
        let mut guard = self.fd.readable().await?;
        match guard.try_io(|fd| fd.get_ref().0.wait().map_err(io::Error::from)) {
            Ok(outcome) => outcome?,
            Err(_spurious_wake) => return Ok(()),
        }
        drop(guard);
        self.armed_for = None;
        Ok(())
    }
}
