//! Locks and signals between processes, also where processes die.

mod surroundings;

use std::time::{Duration, Instant};

use parallel::prelude::*;
use parallel::sync::{Barrier, Condvar, Mutex};

/// Longer than anything here takes, however busy the machine is.
const GENEROUS: Duration = Duration::from_secs(60);

fn die() {
    // SAFETY: ends this process, which is what it is for.
    unsafe { libc::raise(libc::SIGKILL) };
}

#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
enum End {
    Killed,
    Exited,
    Aborted,
    Panicked,
    /// The guard is never dropped; the process ends in order.
    Forgotten,
}

const ENDS: [End; 5] = [End::Killed, End::Exited, End::Aborted, End::Panicked, End::Forgotten];

impl End {
    fn come<G>(self, guard: G) {
        match self {
            Self::Killed => die(),
            Self::Exited => std::process::exit(0),
            Self::Aborted => std::process::abort(),
            Self::Panicked => panic!("with the lock held"),
            Self::Forgotten => std::mem::forget(guard),
        }
    }
}

#[parallel]
fn end_with(mutex: Mutex<u32>, again: ReentrantMutex<u32>, end: End) -> u32 {
    let mut guard = mutex.lock().unwrap();
    *guard = 1;
    let outer = again.lock().unwrap();
    let inner = again.lock().unwrap();
    inner.set(1);
    end.come((guard, outer, inner));
    std::process::id()
}

fn owner_died<T>(outcome: parallel::Result<T>) -> u32 {
    match outcome.map(|_| ()).unwrap_err().kind() {
        ErrorKind::OwnerDied { pid } => *pid,
        other => panic!("{other}"),
    }
}

#[test]
fn a_lock_whose_holder_is_gone_says_so_until_it_is_recovered() {
    for end in ENDS {
        let (mutex, again) = (Mutex::new(0).unwrap(), ReentrantMutex::new(0).unwrap());
        let outcome = end_with.spawn(mutex.clone(), again.clone(), end).join();
        let pid = outcome.unwrap_or_else(|error| error.pid().unwrap());
        for _ in 0..2 {
            assert_eq!(owner_died(mutex.lock()), pid, "{end:?}");
            assert_eq!(owner_died(mutex.try_lock()), pid, "{end:?}");
            assert_eq!(owner_died(mutex.lock_timeout(Duration::ZERO)), pid, "{end:?}");
            assert_eq!(owner_died(again.lock()), pid, "{end:?}");
            assert_eq!(owner_died(again.try_lock()), pid, "{end:?}");
            assert_eq!(owner_died(again.lock_timeout(Duration::ZERO)), pid, "{end:?}");
        }
        mutex.recover().unwrap();
        again.recover().unwrap();
        assert_eq!((*mutex.lock().unwrap(), again.lock().unwrap().get()), (1, 1), "{end:?}");
        assert!(mutex.try_lock().unwrap().is_some());
    }
}

#[test]
fn a_holder_that_died_is_noticed_at_the_first_look_whichever_that_is() {
    for look in 0..3 {
        let (mutex, again) = (Mutex::new(0).unwrap(), ReentrantMutex::new(0).unwrap());
        let pid = end_with.spawn(mutex.clone(), again, End::Killed).join().unwrap_err().pid().unwrap();
        match look {
            0 => assert_eq!(owner_died(mutex.try_lock()), pid),
            1 => assert_eq!(owner_died(mutex.lock_timeout(Duration::ZERO)), pid),
            _ => {
                // Without a look before.
                mutex.recover().unwrap();
                assert!(mutex.try_lock().unwrap().is_some());
            }
        }
    }
}

#[parallel]
fn hold_until_killed(mutex: Mutex<u32>, held: Event) {
    let _guard = mutex.lock().unwrap();
    held.set();
    loop {
        std::thread::park();
    }
}

#[parallel]
fn lock_within(mutex: Mutex<u32>, waiting: Semaphore, within: Duration) -> Option<u32> {
    waiting.release(1).unwrap();
    let start = Instant::now();
    let pid = owner_died(mutex.lock_timeout(within));
    (start.elapsed() < within).then_some(pid)
}

#[test]
fn those_who_wait_learn_of_the_holders_death_within_their_deadline() {
    let (mutex, held, waiting) = (Mutex::new(0).unwrap(), Event::new().unwrap(), Semaphore::new(0).unwrap());
    let holder = hold_until_killed.spawn(mutex.clone(), held.clone());
    held.wait();
    let waiters: Vec<_> = (0..3).map(|_| lock_within.spawn(mutex.clone(), waiting.clone(), GENEROUS)).collect();
    for _ in 0..3 {
        waiting.acquire().unwrap().forget();
    }
    let pid = holder.pid().unwrap();
    assert!(mutex.lock_timeout(Duration::from_millis(1)).unwrap().is_none());
    holder.kill().unwrap();
    for waiter in waiters {
        assert_eq!(waiter.join().unwrap(), Some(pid));
    }
    mutex.recover().unwrap();
    drop(mutex.lock().unwrap());
}

#[test]
fn a_waiter_that_is_killed_leaves_the_lock_as_it_was() {
    let (mutex, held, waiting) = (Mutex::new(0).unwrap(), Event::new().unwrap(), Semaphore::new(0).unwrap());
    let guard = mutex.lock().unwrap();
    let waiters: Vec<_> = (0..2).map(|_| hold_until_killed_after.spawn(mutex.clone(), waiting.clone())).collect();
    for _ in 0..2 {
        waiting.acquire().unwrap().forget();
    }
    for waiter in waiters {
        waiter.kill().unwrap();
        waiter.join().unwrap_err();
    }
    drop(guard);
    *mutex.lock().unwrap() = 1;
    held.set();
}

#[parallel]
fn hold_until_killed_after(mutex: Mutex<u32>, waiting: Semaphore) {
    waiting.release(1).unwrap();
    let _guard = mutex.lock().unwrap();
    loop {
        std::thread::park();
    }
}

/// Makes a signal come every millisecond to this process, whose handler does nothing.
fn signal_every_millisecond() {
    extern "C" fn ignore(_: libc::c_int) {}
    // SAFETY: zeros are an action without flags: system calls that are interrupted end, as without SA_RESTART.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = ignore as extern "C" fn(libc::c_int) as usize;
    // SAFETY: a handler that does nothing.
    assert_eq!(unsafe { libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut()) }, 0);
    let period = libc::timeval { tv_sec: 0, tv_usec: 1_000 };
    let timer = libc::itimerval { it_interval: period, it_value: period };
    // SAFETY: a timer of this process, with the handler set above.
    assert_eq!(unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) }, 0);
}

/// Runs `wait` and returns how long it took.
fn timed(wait: impl FnOnce()) -> Duration {
    let start = Instant::now();
    wait();
    start.elapsed()
}

#[parallel]
fn wait_for_what_never_comes(
    mutex: Mutex<u32>,
    again: ReentrantMutex<u32>,
    time: Duration,
    signals: bool,
) -> Vec<Duration> {
    if signals {
        signal_every_millisecond();
    }
    let (semaphore, event) = (Semaphore::new(0).unwrap(), Event::new().unwrap());
    let (condvar, barrier, free) = (Condvar::new().unwrap(), Barrier::new(2).unwrap(), Mutex::new(0).unwrap());
    vec![
        timed(|| assert!(mutex.lock_timeout(time).unwrap().is_none())),
        timed(|| assert!(again.lock_timeout(time).unwrap().is_none())),
        timed(|| assert!(semaphore.acquire_timeout(time).unwrap().is_none())),
        timed(|| assert!(!event.wait_timeout(time))),
        timed(|| assert!(condvar.wait_timeout(free.lock().unwrap(), time).unwrap().1.timed_out())),
        timed(|| assert!(matches!(barrier.wait_timeout(time).unwrap_err().kind(), ErrorKind::Broken))),
    ]
}

#[test]
fn timed_waits_are_never_early_and_not_prolonged_by_signals() {
    let (mutex, again) = (Mutex::new(0).unwrap(), ReentrantMutex::new(0).unwrap());
    let _held = (mutex.lock().unwrap(), again.lock().unwrap());
    for signals in [false, true] {
        for time in [0, 1, 20, 120].map(Duration::from_millis) {
            let took = wait_for_what_never_comes.spawn(mutex.clone(), again.clone(), time, signals).join().unwrap();
            for took in took {
                // A wait that starts its time anew with each signal never ends.
                assert!(took >= time && took < time + GENEROUS, "{took:?} in place of {time:?}");
            }
        }
    }
}

#[parallel]
fn give_what_is_waited_for(mutex: Mutex<u32>, held: Semaphore, semaphore: Semaphore, event: Event, barrier: Barrier) {
    let guard = mutex.lock().unwrap();
    held.release(1).unwrap();
    semaphore.release(1).unwrap();
    event.set();
    drop(guard);
    barrier.wait_timeout(Duration::MAX).unwrap();
}

#[test]
fn the_longest_timeout_waits_until_it_comes() {
    let (mutex, held) = (Mutex::new(0).unwrap(), Semaphore::new(0).unwrap());
    let (semaphore, event, barrier) = (Semaphore::new(0).unwrap(), Event::new().unwrap(), Barrier::new(2).unwrap());
    let call =
        give_what_is_waited_for.spawn(mutex.clone(), held.clone(), semaphore.clone(), event.clone(), barrier.clone());
    assert!(held.acquire_timeout(Duration::MAX).unwrap().is_some());
    assert!(mutex.lock_timeout(Duration::MAX).unwrap().is_some());
    assert!(semaphore.acquire_timeout(Duration::MAX).unwrap().is_some());
    assert!(event.wait_timeout(Duration::MAX));
    barrier.wait_timeout(Duration::MAX).unwrap();
    call.join().unwrap();
}

/// Locks again and again until all together have `enough` turns, and keeps the lock for `hold` each time; returns how
/// many turns were its own.
#[parallel]
fn take_turns(start: Barrier, turns: Mutex<u64>, enough: u64, hold: Duration) -> u64 {
    start.wait().unwrap();
    let mut own = 0;
    loop {
        let mut turns = turns.lock().unwrap();
        if *turns >= enough {
            return own;
        }
        *turns += 1;
        own += 1;
        if !hold.is_zero() {
            let since = Instant::now();
            while since.elapsed() < hold {}
        }
    }
}

#[test]
fn four_processes_on_one_lock_each_get_their_share() {
    // One that holds the lock nearly all the time has it again before anybody else is awake.
    for (enough, hold, least) in [(4_000_000, Duration::ZERO, 200_000), (2_000, Duration::from_micros(200), 250)] {
        let (start, turns) = (Barrier::new(4).unwrap(), Mutex::new(0).unwrap());
        let calls: Vec<_> = (0..4).map(|_| take_turns.spawn(start.clone(), turns.clone(), enough, hold)).collect();
        let shares: Vec<u64> = calls.into_iter().map(|call| call.join().unwrap()).collect();
        assert_eq!(shares.iter().sum::<u64>(), enough);
        // A quarter each would be exact.
        assert!(shares.iter().all(|share| *share >= least), "{shares:?} of {hold:?} each");
    }
}

/// Says that it waits, waits to be notified, and says that it was, all with the lock held.
#[parallel]
fn wait_to_be_notified(counts: Mutex<[u32; 2]>, changed: Condvar) {
    let mut guard = counts.lock().unwrap();
    guard[0] += 1;
    let mut guard = changed.wait(guard).unwrap();
    guard[1] += 1;
}

/// Waits until `done` of those who wait were notified.
fn wait_for(counts: &Mutex<[u32; 2]>, field: usize, count: u32) {
    let deadline = Instant::now() + GENEROUS;
    while counts.lock().unwrap()[field] < count {
        assert!(Instant::now() < deadline, "{:?} in place of {count}", *counts.lock().unwrap());
        std::thread::yield_now();
    }
}

#[test]
fn as_many_wake_as_were_notified() {
    let (counts, changed) = (Mutex::new([0; 2]).unwrap(), Condvar::new().unwrap());
    let calls: Vec<_> = (0..6).map(|_| wait_to_be_notified.spawn(counts.clone(), changed.clone())).collect();
    wait_for(&counts, 0, 6);
    for (count, in_all) in [(1, 1), (2, 3), (0, 3)] {
        changed.notify_n(count);
        wait_for(&counts, 1, in_all);
        // Those who sleep look around every 50 ms; they find nothing. Too short a pause could only miss a fault.
        std::thread::sleep(Duration::from_millis(150));
        assert_eq!(counts.lock().unwrap()[1], in_all);
    }
    changed.notify_all();
    for call in calls {
        call.join().unwrap();
    }
    assert_eq!(*counts.lock().unwrap(), [6, 6]);
}

#[test]
fn a_waiter_that_was_killed_swallows_no_notification() {
    let random = &mut fastrand::Rng::with_seed(11);
    for round in 0..20 {
        let (counts, changed) = (Mutex::new([0; 2]).unwrap(), Condvar::new().unwrap());
        let victim = wait_to_be_notified.spawn(counts.clone(), changed.clone());
        wait_for(&counts, 0, 1);
        let patient = wait_to_be_notified.spawn(counts.clone(), changed.clone());
        wait_for(&counts, 0, 2);
        if round % 2 == 0 {
            victim.kill().unwrap();
            victim.join().unwrap_err();
            changed.notify_one();
        } else {
            changed.notify_one();
            // Somewhere on its way.
            std::thread::sleep(Duration::from_micros(random.u64(0..200)));
            victim.kill().unwrap();
            let _ = victim.join();
        }
        // Either the victim was quicker, which it said with the lock held, or it died with the lock held, or the
        // notification is the other's.
        let deadline = Instant::now() + GENEROUS;
        loop {
            match counts.lock().map(|counts| counts[1]) {
                Ok(1) => break,
                Ok(_) => assert!(Instant::now() < deadline, "the notification is gone"),
                Err(error) => {
                    assert!(matches!(error.kind(), ErrorKind::OwnerDied { .. }), "{error}");
                    break;
                }
            }
        }
        let _ = counts.recover();
        changed.notify_all();
        drop(patient);
    }
}

#[test]
fn a_thread_that_times_out_has_taken_no_notification() {
    let (level, changed) = (Mutex::new(0_u32).unwrap(), Condvar::new().unwrap());
    // One of the two gets each notification, however close it comes to the other's deadline.
    for round in 0..200_u64 {
        std::thread::scope(|scope| {
            let (level, changed) = (&level, &changed);
            let hasty = scope.spawn(move || {
                let time = Duration::from_micros(round % 50 * 10);
                let (mut guard, outcome) = changed.wait_timeout(level.lock().unwrap(), time).unwrap();
                if *guard > 0 {
                    *guard -= 1;
                } else {
                    return;
                }
                drop(guard);
                let _ = outcome;
                // Gives it on.
                *level.lock().unwrap() += 1;
                changed.notify_one();
            });
            let patient = scope.spawn(move || {
                let mut guard = changed.wait_while(level.lock().unwrap(), |level| *level == 0).unwrap();
                *guard -= 1;
            });
            *level.lock().unwrap() += 1;
            changed.notify_one();
            patient.join().unwrap();
            hasty.join().unwrap();
        });
        assert_eq!(*level.lock().unwrap(), 0);
    }
}

#[parallel]
fn pass(barrier: Barrier, time: Duration) -> Result<bool, String> {
    barrier.wait_timeout(time).map(|result| result.is_leader()).map_err(|error| error.to_string())
}

#[test]
fn a_barrier_that_misses_a_dead_party_is_broken_for_all_at_their_deadline() {
    let barrier = Barrier::new(3).unwrap();
    let time = Duration::from_millis(300);
    let start = Instant::now();
    let calls: Vec<_> = (0..2).map(|_| pass.spawn(barrier.clone(), time)).collect();
    die_at_once.spawn(barrier.clone()).join().unwrap_err();
    for call in calls {
        assert!(call.join().unwrap().unwrap_err().contains("broken"));
    }
    assert!(start.elapsed() >= time);
    assert!(barrier.is_broken());
    assert!(matches!(barrier.wait().unwrap_err().kind(), ErrorKind::Broken));
    barrier.reset();
    let calls: Vec<_> = (0..3).map(|_| pass.spawn(barrier.clone(), GENEROUS)).collect();
    let leaders = calls.into_iter().map(|call| call.join().unwrap().unwrap());
    assert_eq!(leaders.filter(|leader| *leader).count(), 1);
}

#[parallel]
fn die_at_once(_barrier: Barrier) {
    die();
}

#[parallel]
fn keep_step(barrier: Barrier, rounds: Array<u32>, me: usize) -> bool {
    (1..=500).all(|round| {
        rounds.set(me, round).unwrap();
        barrier.wait().unwrap();
        let others = rounds.to_vec().unwrap();
        barrier.wait().unwrap();
        others.iter().all(|other| *other == round)
    })
}

#[test]
fn parties_stay_in_step_over_many_rounds() {
    let (barrier, array) = (Barrier::new(3).unwrap(), Array::zeroed(3).unwrap());
    let calls: Vec<_> = (0..3).map(|me| keep_step.spawn(barrier.clone(), array.clone(), me)).collect();
    assert!(calls.into_iter().all(|call| call.join().unwrap()));
}

#[test]
fn an_aborted_barrier_sends_all_away() {
    let barrier = Barrier::new(3).unwrap();
    let calls: Vec<_> = (0..2).map(|_| pass.spawn(barrier.clone(), Duration::MAX)).collect();
    barrier.abort();
    for call in calls {
        assert!(call.join().unwrap().is_err());
    }
}

#[parallel]
fn visit(room: Semaphore, inside: Value<[u32; 2]>) {
    for _ in 0..200 {
        let _permit = room.acquire().unwrap();
        inside
            .update(|[now, most]| {
                *now += 1;
                *most = (*now).max(*most)
            })
            .unwrap();
        std::thread::yield_now();
        inside.update(|[now, _]| *now -= 1).unwrap();
    }
}

#[test]
fn no_more_are_inside_than_there_are_permits() {
    let (room, inside) = (Semaphore::bounded(2).unwrap(), Value::new([0; 2]).unwrap());
    let calls: Vec<_> = (0..5).map(|_| visit.spawn(room.clone(), inside.clone())).collect();
    for call in calls {
        call.join().unwrap();
    }
    let [now, most] = inside.get().unwrap();
    // On a busy machine no two of them need have met.
    assert!(now == 0 && (1..=2).contains(&most), "{now} are inside, there were {most}");
    let both = [room.try_acquire().unwrap(), room.try_acquire().unwrap()];
    assert!(both.iter().all(Option::is_some) && room.try_acquire().unwrap().is_none());
}

#[parallel]
fn hold_permits(room: Semaphore, held: Event, ends: Event, how_many: usize, end: End) {
    let permits: Vec<_> = (0..how_many).map(|_| room.acquire().unwrap()).collect();
    held.set();
    ends.wait();
    end.come(permits);
}

#[test]
fn the_permits_of_a_process_that_is_gone_come_back() {
    for end in ENDS {
        let room = Semaphore::bounded(2).unwrap();
        let (held, ends) = (Event::new().unwrap(), Event::new().unwrap());
        let holder = hold_permits.spawn(room.clone(), held.clone(), ends.clone(), 2, end);
        held.wait();
        assert!(room.try_acquire().unwrap().is_none());
        assert!(room.acquire_timeout(Duration::from_millis(60)).unwrap().is_none());
        ends.set();
        let first = room.acquire_timeout(GENEROUS).unwrap().unwrap();
        let second = room.acquire_timeout(GENEROUS).unwrap().unwrap();
        assert!(room.try_acquire().unwrap().is_none(), "{end:?}");
        let _ = holder.join();
        assert!(room.try_acquire().unwrap().is_none(), "{end:?}");
        drop((first, second));
        assert!(room.release(1).is_err(), "{end:?}");
    }
}

#[test]
fn a_killed_holders_permit_is_found_at_the_first_look_whichever_that_is() {
    for look in 0..3 {
        let room = Semaphore::new(1).unwrap();
        let ends = Event::new().unwrap();
        ends.set();
        hold_permits.spawn(room.clone(), Event::new().unwrap(), ends, 1, End::Killed).join().unwrap_err();
        let permit = match look {
            0 => room.try_acquire(),
            1 => room.acquire_timeout(Duration::ZERO),
            _ => room.acquire_timeout(Duration::from_micros(1)),
        };
        assert!(permit.unwrap().is_some());
    }
}

/// Takes so many permits, says so, and keeps them until it is killed.
#[parallel]
fn keep_permits(room: Semaphore, held: Semaphore, how_many: usize) {
    std::mem::forget((0..how_many).map(|_| room.acquire().unwrap()).collect::<Vec<_>>());
    held.release(1).unwrap();
    loop {
        std::thread::park();
    }
}

/// Lets as many processes take a permit each, and keeps all of them until they are killed.
#[parallel]
fn hold_in_many(room: Semaphore, held: Semaphore, processes: usize) {
    for _ in 0..processes {
        // SAFETY: the child takes memory, which the C library allows in the child of a program with several threads.
        match unsafe { libc::fork() } {
            0 => hold_for_ever(&room, &held),
            child => assert!(child > 0, "{}", std::io::Error::last_os_error()),
        }
    }
    hold_for_ever(&room, &held);
}

fn hold_for_ever(room: &Semaphore, held: &Semaphore) {
    std::mem::forget(room.acquire().unwrap());
    held.release(1).unwrap();
    loop {
        std::thread::park();
    }
}

#[test]
fn the_permits_of_a_thousand_killed_processes_come_back() {
    const CHILDREN: usize = 999;
    let (room, held) = (Semaphore::bounded(CHILDREN + 1).unwrap(), Semaphore::new(0).unwrap());
    let call = hold_in_many.spawn(room.clone(), held.clone(), CHILDREN);
    for _ in 0..=CHILDREN {
        held.acquire_timeout(GENEROUS).unwrap().expect("each of them starts").forget();
    }
    assert!(room.try_acquire().unwrap().is_none());
    // With all that it has started.
    call.kill().unwrap();
    call.join().unwrap_err();
    let back: Vec<_> =
        (0..=CHILDREN).map(|_| room.acquire_timeout(GENEROUS).unwrap().expect("it has come back")).collect();
    assert!(room.try_acquire().unwrap().is_none());
    drop(back);
    assert!(room.release(1).is_err());
}

#[test]
fn a_killed_process_gives_back_as_many_permits_as_it_had() {
    const PERMITS: usize = 5_000;
    let (room, held) = (Semaphore::new(PERMITS).unwrap(), Semaphore::new(0).unwrap());
    let calls: Vec<_> = (0..2).map(|_| keep_permits.spawn(room.clone(), held.clone(), PERMITS / 2)).collect();
    for _ in 0..2 {
        held.acquire_timeout(GENEROUS).unwrap().expect("both start").forget();
    }
    assert!(room.try_acquire().unwrap().is_none());
    for call in calls {
        call.kill().unwrap();
        call.join().unwrap_err();
    }
    for _ in 0..PERMITS {
        room.try_acquire().unwrap().expect("it has come back").forget();
    }
    assert!(room.try_acquire().unwrap().is_none());
}

#[test]
fn one_process_may_have_any_number_of_permits() {
    let room = Semaphore::bounded(1_000).unwrap();
    let permits: Vec<_> = (0..1_000).map(|_| room.acquire().unwrap()).collect();
    assert!(room.try_acquire().unwrap().is_none());
    drop(permits);
    assert!(room.release(1).is_err());
    assert_eq!((0..1_001).filter_map(|_| room.try_acquire().unwrap().map(|permit| permit.forget())).count(), 1_000);
}

#[test]
fn numbers_that_make_no_sense_are_invalid_input() {
    let semaphore = Semaphore::bounded(2).unwrap();
    let most = Semaphore::new((1 << 31) - 1).unwrap();
    let refusals = [
        Semaphore::bounded(0).map(drop),
        Semaphore::new(1 << 31).map(drop),
        Semaphore::new(usize::MAX).map(drop),
        semaphore.release(0),
        semaphore.release(1),
        semaphore.release(usize::MAX),
        most.release(1),
        most.release((1 << 31) - 1),
        Barrier::new(0).map(drop),
        Barrier::new(usize::MAX).map(drop),
    ];
    for refusal in refusals {
        let error = refusal.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::InvalidInput(_)), "{error}");
    }
    // Nothing of it was added.
    let permits = [semaphore.try_acquire().unwrap(), semaphore.try_acquire().unwrap()];
    assert!(permits.iter().all(Option::is_some) && semaphore.try_acquire().unwrap().is_none());
}

#[parallel]
fn wait_for_event(event: Event, waiting: Semaphore) -> bool {
    waiting.release(1).unwrap();
    event.wait_timeout(GENEROUS)
}

#[test]
fn all_who_wait_for_an_event_see_it() {
    let (event, waiting) = (Event::new().unwrap(), Semaphore::new(0).unwrap());
    let calls: Vec<_> = (0..3).map(|_| wait_for_event.spawn(event.clone(), waiting.clone())).collect();
    for _ in 0..3 {
        waiting.acquire().unwrap().forget();
    }
    event.set();
    assert!(calls.into_iter().all(|call| call.join().unwrap()));
    assert!(event.is_set());
    event.clear();
    assert!(!event.is_set() && !event.wait_timeout(Duration::ZERO));
}

#[test]
fn a_forked_child_does_not_free_its_parents_lock() {
    let mutex = Mutex::new(0).unwrap();
    let again = ReentrantMutex::new(0).unwrap();
    let guards = (mutex.lock().unwrap(), again.lock().unwrap());
    // SAFETY: the child only drops guards, looks at words, and exits.
    match unsafe { libc::fork() } {
        0 => {
            drop(guards);
            let held = matches!(mutex.try_lock(), Ok(None)) && matches!(again.try_lock(), Ok(None));
            // SAFETY: ends the child.
            unsafe { libc::_exit(if held { 0 } else { 1 }) };
        }
        child => {
            let mut status = 0;
            // SAFETY: waits for the child of this test.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            assert_eq!(status, 0);
        }
    }
}

#[test]
fn what_nobody_else_wants_takes_no_system_call() {
    let (mutex, again) = (Mutex::new(0).unwrap(), ReentrantMutex::new(0).unwrap());
    let (semaphore, event, condvar) = (Semaphore::new(1).unwrap(), Event::new().unwrap(), Condvar::new().unwrap());
    let (value, array) = (Value::new(0).unwrap(), Array::<u32>::zeroed(3).unwrap());
    let use_all = || {
        *mutex.lock().unwrap() += 1;
        *mutex.try_lock().unwrap().unwrap() += 1;
        *mutex.lock_timeout(Duration::ZERO).unwrap().unwrap() += 1;
        let _outer = again.lock().unwrap();
        let inner = again.lock().unwrap();
        inner.set(inner.get() + 1);
        drop(again.lock_timeout(Duration::ZERO).unwrap());
        drop(semaphore.acquire().unwrap());
        drop(semaphore.acquire_timeout(Duration::MAX).unwrap());
        value.update(|value| *value += 1).unwrap();
        array.set(1, array.get(1).unwrap() + 1).unwrap();
        condvar.notify_all();
        event.set();
        event.wait();
        assert!(event.wait_timeout(Duration::MAX));
        event.clear();
    };
    // SAFETY: the child uses what it has mapped, and exits.
    match unsafe { libc::fork() } {
        0 => {
            // The first use in a process reads who it is.
            use_all();
            // SAFETY: from here on the kernel kills this thread at any system call but read, write and exit.
            unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_STRICT) };
            (0..1_000).for_each(|_| use_all());
            // SAFETY: ends the child's only thread.
            unsafe { libc::syscall(libc::SYS_exit, 7) };
        }
        child => {
            let mut status = 0;
            // SAFETY: waits for the child of this test.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            assert_eq!((libc::WIFEXITED(status), libc::WEXITSTATUS(status)), (true, 7));
        }
    }
}

#[parallel]
fn make_and_drop(count: usize) -> [usize; 2] {
    let holdings = || {
        std::fs::read_dir("/proc/self/fd").unwrap().count()
            + std::fs::read_to_string("/proc/self/maps").unwrap().lines().count()
    };
    // What is made once and for all is there before counting.
    drop(Mutex::new(1).unwrap().lock().unwrap());
    let before = holdings();
    for _ in 0..count {
        let (mutex, condvar) = (Mutex::new(1_u8).unwrap(), Condvar::new().unwrap());
        let (semaphore, event) = (Semaphore::new(1).unwrap(), Event::new().unwrap());
        let (barrier, again) = (Barrier::new(1).unwrap(), ReentrantMutex::new(1_u8).unwrap());
        let _ = condvar.wait_timeout(mutex.lock().unwrap(), Duration::ZERO).unwrap();
        let _permit = semaphore.acquire().unwrap();
        let _guard = again.lock().unwrap();
        event.set();
        barrier.wait().unwrap();
    }
    [before, holdings()]
}

#[test]
fn a_thousand_rounds_of_each_leave_nothing() {
    let [before, after] = make_and_drop.spawn(1_000).join().unwrap();
    // The allocator may have mapped some memory of its own.
    assert!(after <= before + 10, "{before} and {after}");
}

#[test]
fn all_of_this_works_with_few_descriptors_and_without_dev_shm() {
    surroundings::pass_again("all_of_this_works_with_few_descriptors_and_without_dev_shm", &[]);
}
