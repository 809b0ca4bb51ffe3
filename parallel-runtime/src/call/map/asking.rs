//! When a lazy map may wait for its input, which runs on the caller's thread: a pure function of how long it took.
//!
//! While the input is asked, no outcome is given. So what is taken is sent and what is ready is given before an input is asked that
//! has shown to be slow; and it is asked again only after a while in which outcomes may come. That while is a part of the time that
//! the input itself took, so it can make a map longer by that part at most.

use std::time::Duration;

use crate::tuning::{ASKED_UNTIMED, FILL_TIME, LONGEST_PATIENCE, SLOW_ASK, WAITED_PART, WAKE_UP};

/// What is known of an input from how long it took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asking {
    /// It is asked so many times between two looks at the clock, which may cost more than an item.
    stride: usize,
    /// How often it was asked since the latest look.
    asked: usize,
    /// How long outcomes may be waited for before it is asked again.
    patience: Duration,
}

impl Asking {
    pub(crate) fn new() -> Self {
        Self { stride: 1, asked: 0, patience: Duration::ZERO }
    }

    /// How often it may be asked until the next look.
    pub(crate) fn until_look(&self) -> usize {
        self.stride - self.asked
    }

    /// Each time that it is asked is measured by itself.
    pub(crate) fn is_measured_alone(&self) -> bool {
        self.stride == 1
    }

    /// Notes that it was asked so many times; whether to look at the clock.
    #[inline]
    pub(crate) fn asked(&mut self, times: usize) -> bool {
        self.asked += times;
        self.asked >= self.stride
    }

    /// Learns that what it was asked since the latest look took so long, and how long items have been taken without a pause;
    /// whether to pause, to send what was taken and to give what is ready.
    pub(crate) fn looked(&mut self, took: Duration, without_pause: Duration) -> bool {
        self.asked = 0;
        let is_slow = took >= SLOW_ASK;
        if is_slow {
            if self.stride == 1 {
                self.patience = (self.patience + took / WAITED_PART).min(LONGEST_PATIENCE);
            }
            self.stride = 1;
        } else if took < WAKE_UP {
            self.stride = (2 * self.stride).min(ASKED_UNTIMED);
        }
        is_slow || without_pause >= FILL_TIME
    }

    /// How long to wait for an outcome before it is asked again; `None` where it has been quick, or the wait has been spent.
    pub(crate) fn patience(&self) -> Option<Duration> {
        (self.patience >= WAKE_UP).then_some(self.patience)
    }

    /// Learns that an outcome was waited for.
    pub(crate) fn waited(&mut self, time: Duration) {
        self.patience = self.patience.saturating_sub(time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn micros(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    /// Asks until the next look, of which each takes so long; whether to pause then.
    fn ask(asking: &mut Asking, each: Duration) -> bool {
        let times = asking.until_look();
        assert!(!asking.asked(times - 1) || times == 1);
        asking.asked(usize::from(times > 1));
        asking.looked(each * u32::try_from(times).unwrap(), Duration::ZERO)
    }

    #[test]
    fn a_quick_input_is_looked_at_less_and_less_and_never_waited_for() {
        let mut asking = Asking::new();
        let looks: Vec<usize> = (0..8)
            .map(|_| {
                assert!(!ask(&mut asking, Duration::from_nanos(100)));
                asking.until_look()
            })
            .collect();
        assert_eq!(looks, [2, 4, 8, 16, 32, 64, 64, 64]);
        assert_eq!(asking.patience(), None);
    }

    #[test]
    fn a_slow_input_lets_outcomes_come_first_for_a_part_of_its_time() {
        let mut asking = Asking::new();
        assert!(ask(&mut asking, micros(800)));
        assert_eq!(asking.patience(), Some(micros(100)));
        asking.waited(micros(90));
        assert_eq!(asking.patience(), None, "10 µs are no wait worth its wake-up");
        assert!(ask(&mut asking, micros(800)));
        assert_eq!(asking.patience(), Some(micros(110)));
        // However long it took: what comes then may be much.
        assert!(ask(&mut asking, Duration::from_secs(3600)));
        assert_eq!(asking.patience(), Some(LONGEST_PATIENCE));
    }

    #[test]
    fn an_input_that_becomes_slow_is_measured_each_time() {
        let mut asking = Asking::new();
        assert!(!(0..10).any(|_| ask(&mut asking, Duration::from_nanos(100))));
        // Which of them was slow is not known, so nothing is waited for yet.
        assert!(ask(&mut asking, micros(50)));
        assert_eq!((asking.until_look(), asking.patience()), (1, None));
        assert!(!ask(&mut asking, micros(50)));
        assert_eq!(asking.until_look(), 1, "two would take too long");
    }

    #[test]
    fn items_are_taken_for_so_long_without_a_pause() {
        let mut asking = Asking::new();
        asking.asked(1);
        assert!(asking.looked(micros(1), FILL_TIME));
        assert_eq!(asking.patience(), None);
    }
}
