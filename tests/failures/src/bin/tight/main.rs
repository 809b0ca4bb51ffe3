//! Calls and shared things where the system allows little or refuses something, as the arguments say.

mod calls;
mod memory;
mod queues;
mod refusals;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments.as_slice() {
        ["under", letter, value] => calls::under(letter, value.parse().unwrap()),
        ["calls", letter] => calls::calls(letter),
        ["own_limits"] => calls::own_limits(),
        ["refusal", name, errno] => refusals::refusal(name, errno.parse().unwrap()),
        ["unmounted"] => refusals::unmounted(),
        ["many_queues"] => queues::many(),
        ["share"] => queues::share(),
        ["core"] => queues::core(),
        ["locked"] => queues::locked(),
        ["killed", group] => memory::killed(group),
        ["neighbour", group] => memory::neighbour(group),
        ["hog"] => memory::hog_here(),
        ref other => panic!("there is no way {other:?}"),
    }
}

/// Sets what this process may use now; it can be raised again up to what it was at the start.
fn limit(resource: libc::__rlimit_resource_t, value: u64) {
    let mut limits = limits_of(resource);
    limits.rlim_cur = value.min(limits.rlim_max);
    // SAFETY: `limits` was filled by the system.
    assert_eq!(unsafe { libc::setrlimit(resource, &raw const limits) }, 0);
}

fn limits_of(resource: libc::__rlimit_resource_t) -> libc::rlimit {
    let mut limits = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limits` is memory for the answer.
    assert_eq!(unsafe { libc::getrlimit(resource, &raw mut limits) }, 0);
    limits
}

/// Says on stderr that something could not be tried here.
fn not_run(why: &str) {
    eprintln!("not run: {why}");
}

fn is_root() -> bool {
    // SAFETY: a plain system call.
    unsafe { libc::geteuid() == 0 }
}
