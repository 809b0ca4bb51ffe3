//! Contenders: one way to do a row's work, and how one sample of it is taken.

use std::hint::black_box;
use std::time::Instant;

/// Takes one sample, in the row's unit; or says why there is none.
pub(crate) type Sampler = Box<dyn FnMut() -> Result<f64, String>>;

/// One way to do a row's work.
pub struct Contender {
    name: String,
    prepare: Box<dyn FnOnce() -> Result<Sampler, String>>,
}

impl Contender {
    /// A contender whose samples the harness times, in seconds.
    ///
    /// `prepare` does what is not measured and returns the work. A call of the work counts as `units` units, and a
    /// sample is the time of one unit. `check` sees every result outside the measured time; so does the result's drop.
    pub fn timed<R, W>(
        name: &str,
        units: u32,
        prepare: impl FnOnce() -> W + 'static,
        check: impl Fn(&R) -> bool + 'static,
    ) -> Self
    where
        W: FnMut() -> R + 'static,
    {
        Self::gauge(name, move || {
            let mut work = prepare();
            Ok(move || {
                let start = Instant::now();
                let result = black_box(work());
                let seconds = start.elapsed().as_secs_f64();
                if check(&result) { Ok(seconds / f64::from(units)) } else { Err("gave a wrong result".to_string()) }
            })
        })
    }

    /// A contender that takes its samples itself, in the row's unit.
    pub fn gauge<S>(name: &str, prepare: impl FnOnce() -> Result<S, String> + 'static) -> Self
    where
        S: FnMut() -> Result<f64, String> + 'static,
    {
        Self { name: name.to_string(), prepare: Box::new(move || prepare().map(|sample| Box::new(sample) as Sampler)) }
    }

    /// A contender that cannot do this work: the table shows the reason.
    pub fn skipped(name: &str, reason: &'static str) -> Self {
        Self { name: name.to_string(), prepare: Box::new(move || Err(format!("skipped: {reason}"))) }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn prepare(self) -> Result<Sampler, String> {
        (self.prepare)()
    }
}
