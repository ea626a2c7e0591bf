//! The clock that also runs while the machine sleeps, and a timer on it.

use std::time::Duration;

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create,
    timerfd_settime,
};
use tokio::net::unix::pipe::Receiver;

/// Time since the machine started, on a clock that also runs while it sleeps.
pub fn now() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// A timer on the clock of [`now`], exact to microseconds.
///
/// The runtime's own timers round to milliseconds, up or down with what else
/// happens: somebody on the wire could tell from cover traffic whether anything
/// did. They also stand still while the machine sleeps.
pub struct Timer {
    /// Becomes readable when the time has come, and to the runtime that is as good as a pipe.
    /// Without a descriptor left the runtime's timers must do.
    timer: Option<Receiver>,
}

impl Default for Timer {
    fn default() -> Self {
        Self::new()
    }
}

impl Timer {
    /// A timer that is not set.
    pub fn new() -> Self {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Boottime, flags).ok();
        Self { timer: timer.and_then(|timer| Receiver::from_owned_fd_unchecked(timer).ok()) }
    }

    /// Waits until that time. Safe to cancel.
    pub async fn until(&self, at: Duration) {
        let Some(timer) = self.timer.as_ref().filter(|timer| set(timer, at)) else {
            return tokio::time::sleep(at.saturating_sub(now())).await;
        };
        // What is left over from the time that was set before is not readable any more.
        while timer.readable().await.is_ok() && timer.try_read(&mut [0; 8]).is_err() {}
    }
}

fn set(timer: &Receiver, at: Duration) -> bool {
    // A time of zero would unset it.
    let at = at.max(Duration::from_nanos(1));
    let Ok(tv_sec) = at.as_secs().try_into() else { return false };
    let value = Timespec { tv_sec, tv_nsec: at.subsec_nanos().into() };
    let never = Timespec { tv_sec: 0, tv_nsec: 0 };
    let new = Itimerspec { it_interval: never, it_value: value };
    timerfd_settime(timer, TimerfdTimerFlags::ABSTIME, &new).is_ok()
}
