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
    /// The time that it is set to and has not been seen to reach.
    set_to: Option<Duration>,
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
        Self { timer: timer.and_then(|timer| Receiver::from_owned_fd_unchecked(timer).ok()), set_to: None }
    }

    /// Waits until that time. Safe to cancel.
    ///
    /// A time that is put off again and again, as that of a heartbeat is, costs no system call: the timer stays set to
    /// the earlier one, and is set anew when that has come.
    pub async fn until(&mut self, at: Duration) {
        loop {
            let is_early = self.set_to.is_some_and(|set_to| set_to <= at);
            let Some(timer) = self.timer.as_ref().filter(|timer| is_early || set(timer, at)) else {
                return tokio::time::sleep(at.saturating_sub(now())).await;
            };
            self.set_to = if is_early { self.set_to } else { Some(at) };
            // What is left over from a time that was set before is not readable any more.
            while timer.try_read(&mut [0; 8]).is_err() {
                if timer.readable().await.is_err() {
                    return;
                }
            }
            self.set_to = None;
            if now() >= at {
                return;
            }
        }
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

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn a_time_that_is_put_off_leaves_the_timer_as_it_is_and_is_waited_for_whole() {
        let mut timer = Timer::new();
        let first = now() + Duration::from_millis(20);
        for more in 0..5 {
            let at = first + Duration::from_millis(5 * more);
            assert!(timeout(Duration::ZERO, timer.until(at)).await.is_err());
            assert_eq!(timer.set_to, Some(first));
        }
        let last = first + Duration::from_millis(40);
        timer.until(last).await;
        assert!(now() >= last);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_time_that_is_brought_forward_is_not_missed() {
        let mut timer = Timer::new();
        let late = now() + Duration::from_secs(3_600);
        assert!(timeout(Duration::ZERO, timer.until(late)).await.is_err());
        let soon = now() + Duration::from_millis(5);
        timeout(Duration::from_secs(60), timer.until(soon)).await.expect("it waits for the later one");
        assert!(now() >= soon && now() < late);
    }
}
