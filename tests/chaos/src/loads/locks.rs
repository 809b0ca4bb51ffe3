//! Locks, values, permits and barriers whose holders are killed.

use std::time::Duration;

use parallel::prelude::*;
use parallel::shared::Value;
use parallel::sync::{Barrier, Mutex, Semaphore};

use super::Ground;

/// Permits of the semaphore.
const PERMITS: usize = 2;
/// A call that gets no permit for so long gets none any more.
const PERMIT: Duration = Duration::from_secs(20);
/// Long enough to see whether a permit that may be lost is there.
const SHORT: Duration = Duration::from_millis(500);
/// Longer than a dead holder takes to be noticed, on a busy machine.
const LONG: Duration = Duration::from_secs(60);
/// Who has not met the others in this time breaks the barrier.
const MEETING: Duration = Duration::from_millis(300);

/// Runs `act` on what a lock guards; a holder that died is passed over.
fn despite_deaths<T>(
    mut act: impl FnMut() -> Result<T, Error>,
    recover: impl Fn() -> Result<(), Error>,
) -> Result<T, String> {
    loop {
        match act() {
            Ok(value) => return Ok(value),
            Err(error) if matches!(error.kind(), ErrorKind::OwnerDied { .. }) => {
                // Somebody else may have done it.
                recover().map_err(|error| format!("recover: {error:?}"))?;
            }
            Err(error) => return Err(format!("{error:?}")),
        }
    }
}

/// Counts twice, in two steps under one lock, and once in a value, so many times; with a permit. How often it did: it ends
/// early where all permits are lost, because a process that is killed as it takes one or gives it back may take it along.
#[parallel]
fn count(pair: Mutex<[u64; 2]>, value: Value<u64>, permits: Semaphore, times: u64) -> Result<u64, String> {
    for done in 0..times {
        let permit = permits.acquire_timeout(PERMIT).map_err(|error| format!("acquire: {error:?}"))?;
        let Some(permit) = permit else { return Ok(done) };
        let step = || {
            let mut pair = pair.lock()?;
            pair[0] += 1;
            let mine = pair[0];
            (0..mine % 500).for_each(|_| std::hint::spin_loop());
            assert_eq!(pair[0], mine, "nobody else holds the lock");
            pair[1] += 1;
            Ok(())
        };
        despite_deaths(step, || pair.recover())?;
        drop(permit);
        despite_deaths(|| value.update(|value| *value += 1), || value.recover())?;
    }
    Ok(times)
}

pub(super) fn locks(ground: &mut Ground<'_>) {
    let pair = Mutex::new([0_u64; 2]).expect("there is memory");
    let value = Value::new(0_u64).expect("there is memory");
    let permits = Semaphore::new(PERMITS).expect("there is memory");
    let times = ground.rng.u64(1..3_000);
    let calls: Vec<_> = (0..ground.rng.u64(1..6))
        .map(|_| {
            let (pair, value, permits) = (pair.clone(), value.clone(), permits.clone());
            match ground.rng.bool() {
                true => count.spawn(pair, value, permits, times),
                false => count.on(ground.pool).submit(pair, value, permits, times),
            }
        })
        .collect();
    let all = calls.len() as u64 * times;
    let (mut done, mut died) = (0, 0);
    for call in calls {
        match call.join() {
            Ok(counted) => done += counted.expect("no other error"),
            Err(error) => {
                ground.is_death(&error, "count");
                died += 1;
            }
        }
    }
    let [first, second] = despite_deaths(|| pair.lock().map(|pair| *pair), || pair.recover()).expect("no other error");
    let third = despite_deaths(|| value.get(), || value.recover()).expect("no other error");
    assert!((done..=all).contains(&first) && (done..=all).contains(&second) && (done..=all).contains(&third));
    assert!(first >= second && first - second <= died, "{first} and {second} with {died} dead");
    assert!(died > 0 || done == all, "{done} of {all} with nobody dead");
    // The permits of the dead come back, but for one each at most.
    let held: Vec<_> = (0..PERMITS)
        .map_while(|permit| {
            let is_sure = permit as u64 + died < PERMITS as u64;
            let patience = if is_sure { LONG } else { SHORT };
            permits.acquire_timeout(patience).expect("no error")
        })
        .collect();
    assert!(held.len() as u64 + died >= PERMITS as u64, "{} permits are left with {died} dead", held.len());
    assert!(permits.try_acquire().expect("no error").is_none(), "there are no more than {PERMITS}");
}

/// Meets the others so many times; how often this was the leader, and how often all had met when it was over.
#[parallel]
fn meet(barrier: Barrier, rounds: u32) -> Result<(u32, u32), String> {
    let mut led = 0;
    for round in 0..rounds {
        match barrier.wait_timeout(MEETING) {
            Ok(met) => led += u32::from(met.is_leader()),
            Err(error) if matches!(error.kind(), ErrorKind::Broken) => return Ok((led, round)),
            Err(error) => return Err(format!("{error:?}")),
        }
    }
    Ok((led, rounds))
}

pub(super) fn meetings(ground: &mut Ground<'_>) {
    let parties = ground.rng.usize(1..=3);
    let barrier = Barrier::new(parties).expect("there is memory");
    let rounds = ground.rng.u32(1..200);
    let calls: Vec<_> = (0..parties).map(|_| meet.spawn(barrier.clone(), rounds)).collect();
    let (mut led, mut met, mut is_whole) = (0, Vec::new(), true);
    for call in calls {
        match call.join() {
            Ok(outcome) => {
                let (leads, rounds) = outcome.expect("no other error");
                led += leads;
                met.push(rounds);
            }
            Err(error) => {
                ground.is_death(&error, "meet");
                is_whole = false;
            }
        }
    }
    let most = met.iter().copied().max().unwrap_or_default();
    assert!(led <= most.max(rounds));
    if is_whole {
        assert!(most - met.iter().copied().min().unwrap_or_default() <= 1, "{met:?}");
        assert!(met.iter().all(|&met| met == rounds) != barrier.is_broken(), "{met:?} of {rounds}");
        if !barrier.is_broken() {
            assert_eq!(led, rounds, "one leads in each round");
        }
    }
}
