//! A lock that its holder may take again: functions that lock call functions that lock.
//!
//! ```text
//! cargo run --example recursive_lock [PROCESSES] [TRANSFERS]
//! ```
//!
//! Each of four processes moves money between three accounts, fifty thousand times. A transfer is a withdrawal and a
//! deposit; each of the three locks the accounts for itself, so each can be called alone, and nobody sees money that has
//! left one account and not reached the other. Prints the balances and how often an auditor looked meanwhile.

mod arguments;

use parallel::prelude::*;

/// The balances of the accounts. With an ordinary `Mutex` the inner `lock` would wait for the outer one for ever.
type Accounts = ReentrantMutex<[i64; 3]>;

const BEGIN: [i64; 3] = [100, 200, 300];

fn withdraw(accounts: &Accounts, account: usize, amount: i64) -> parallel::Result<bool> {
    let balances = accounts.lock()?;
    let mut after = balances.get();
    after[account] -= amount;
    let covered = after[account] >= 0;
    if covered {
        balances.set(after);
    }
    Ok(covered)
}

fn deposit(accounts: &Accounts, account: usize, amount: i64) -> parallel::Result<()> {
    let balances = accounts.lock()?;
    let mut after = balances.get();
    after[account] += amount;
    balances.set(after);
    Ok(())
}

fn transfer(accounts: &Accounts, from: usize, to: usize, amount: i64) -> parallel::Result<bool> {
    let _both = accounts.lock()?; // until the end of the function
    let covered = withdraw(accounts, from, amount)?;
    if covered {
        deposit(accounts, to, amount)?;
    }
    Ok(covered)
}

/// Moves random amounts around, and returns how many transfers were covered.
#[parallel]
fn trade(accounts: Accounts, seed: u64, transfers: u64) -> u64 {
    let mut random = fastrand::Rng::with_seed(seed);
    let covered = |_: &u64| {
        let (from, to, amount) = (random.usize(0..3), random.usize(0..3), random.i64(1..100));
        transfer(&accounts, from, to, amount).expect("nobody dies with the lock")
    };
    (0..transfers).filter(covered).count() as u64
}

fn main() -> parallel::Result<()> {
    let [processes, transfers] =
        arguments::numbers([("PROCESSES", 0..=100, 4), ("TRANSFERS", 0..=100_000_000, 50_000)]);

    let accounts = Accounts::new(BEGIN)?;
    let calls: Vec<_> = (0..processes).map(|seed| trade.spawn(accounts.clone(), seed, transfers)).collect();
    let mut audits = 0;
    loop {
        let over = calls.iter().all(JoinHandle::is_finished);
        assert_eq!(accounts.lock()?.get().iter().sum::<i64>(), 600, "no money is on its way");
        audits += 1;
        if over {
            break;
        }
    }
    let covered = calls.into_iter().map(JoinHandle::join).sum::<parallel::Result<u64>>()?;

    let end = accounts.lock()?.get();
    println!("before: {BEGIN:?}");
    println!("after:  {end:?}, {covered} of {} transfers were covered", processes * transfers);
    println!("{audits} audits found 600 in the bank each time");
    assert_eq!(end.iter().sum::<i64>(), 600);
    assert!(end.iter().all(|&balance| balance >= 0));
    Ok(())
}
