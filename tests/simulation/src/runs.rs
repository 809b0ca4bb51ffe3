//! Many runs, and what is told of one that fails.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::plan::Plan;
use crate::world;

/// How many runs, where `SIMULATION_RUNS` does not say.
const RUNS: u64 = 100_000;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("it is a number"))
}

/// Leaves out what a failure does not need.
fn shrink(plan: &Plan) -> Plan {
    let mut least = plan.clone();
    loop {
        let fewer = (0..least.deeds.len()).find_map(|at| {
            let mut fewer = least.clone();
            fewer.deeds.remove(at);
            world::run(&fewer, false).is_err().then_some(fewer)
        });
        match fewer {
            Some(fewer) => least = fewer,
            None => return least,
        }
    }
}

fn fail(plan: &Plan) -> ! {
    let least = shrink(plan);
    let story = world::run(&least, true).expect_err("it failed before");
    panic!(
        "seed {} fails (SIMULATION_SEED={} runs it alone); at its shortest:\n{least:#?}\n{story}",
        plan.seed, plan.seed
    );
}

#[test]
fn a_pool_keeps_its_promises_in_every_order() {
    // A failure is told once, at the end.
    std::panic::set_hook(Box::new(|_| {}));
    if let Some(seed) = number("SIMULATION_SEED") {
        let plan = Plan::draw(seed);
        let failed = world::run(&plan, false).is_err();
        let _ = std::panic::take_hook();
        if failed {
            std::panic::set_hook(Box::new(|_| {}));
            let least = shrink(&plan);
            let story = world::run(&least, true).expect_err("it failed before");
            let _ = std::panic::take_hook();
            panic!("at its shortest:\n{least:#?}\n{story}");
        }
        return;
    }
    let runs = number("SIMULATION_RUNS").unwrap_or(RUNS);
    let first = number("SIMULATION_FIRST").unwrap_or(0);
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let failed = AtomicU64::new(u64::MAX);
    let lowest = std::thread::scope(|scope| {
        let run = |thread: u64| {
            let seeds = (first + thread..first + runs).step_by(threads as usize);
            let mut seeds = seeds.take_while(|&seed| seed < failed.load(Ordering::Relaxed));
            let found = seeds.find(|&seed| world::run(&Plan::draw(seed), false).is_err());
            // The others go on as far as this, to find the first one.
            failed.fetch_min(found.unwrap_or(u64::MAX), Ordering::Relaxed);
            found
        };
        let all: Vec<_> = (0..threads).map(|thread| scope.spawn(move || run(thread))).collect();
        all.into_iter().filter_map(|one| one.join().expect("it catches panics")).min()
    });
    let told = lowest.map(|seed| std::panic::catch_unwind(|| fail(&Plan::draw(seed))).expect_err("it fails"));
    let _ = std::panic::take_hook();
    if let Some(told) = told {
        panic!("{}", told.downcast_ref::<String>().map_or("", String::as_str));
    }
}
