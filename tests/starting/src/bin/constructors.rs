//! Has constructors of others before and behind that of `parallel`; in a worker they do what the environment says.

#[cfg(no_cpp)]
fn main() {
    panic!("built without a C++ compiler");
}

#[cfg(not(no_cpp))]
fn main() {
    program::main();
}

#[cfg(not(no_cpp))]
mod program {
    use std::ffi::{CStr, c_char, c_int};
    use std::sync::Mutex;

    use parallel::prelude::*;

    unsafe extern "C" {
        safe fn text_before() -> *const c_char;
        safe fn text_after() -> *const c_char;
        safe fn token_before() -> c_int;
        safe fn token_after() -> c_int;
    }

    /// A registry as other crates have it: filled by constructors.
    static REGISTRY: Mutex<Vec<&str>> = Mutex::new(Vec::new());

    extern "C" fn register() {
        REGISTRY.lock().expect("one thread").push("registered");
    }

    #[used]
    // SAFETY: the section is the table of functions that the C library calls before `main`.
    #[unsafe(link_section = ".init_array")]
    static REGISTER: extern "C" fn() = register;

    type Seen = (String, String, bool, bool, Vec<String>);

    fn text(pointer: *const c_char) -> String {
        // SAFETY: both functions return the text of a global that lives as long as the program.
        unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
    }

    #[parallel]
    fn look() -> Seen {
        let registered = REGISTRY.lock().expect("no panic holds it").iter().map(ToString::to_string).collect();
        (text(text_before()), text(text_after()), token_before() != 0, token_after() != 0, registered)
    }

    fn tell<T>(outcome: Result<T, Error>) {
        match outcome {
            Ok(_) => println!("value"),
            Err(error) => match error.kind() {
                ErrorKind::Start(cause) => println!("Start, {:?}: {error}", cause.kind()),
                other => println!("{other:?}"),
            },
        }
    }

    fn seen(token: bool) -> Seen {
        ("constructed before".into(), "constructed after".into(), token, false, vec!["registered".into()])
    }

    pub(crate) fn main() {
        let arguments: Vec<String> = std::env::args().collect();
        match arguments[1].as_str() {
            "look" => {
                assert_eq!(look(), seen(false));
                // The token is there before our constructor, and gone behind it.
                assert_eq!(look.spawn().join().expect("it works"), seen(true));
                let pool = Pool::with_workers(1).expect("a pool");
                assert_eq!(look.on(&pool).submit().join().expect("it works"), seen(true));
            }
            "spawn" => tell(look.spawn().join()),
            "pool" => {
                let pool = Pool::with_workers(2);
                match pool {
                    Ok(pool) => {
                        tell(look.on(&pool).submit().join());
                        tell(look.on(&pool).par_map([(), ()]));
                    }
                    Err(error) => tell(Err::<(), _>(error)),
                }
            }
            "way" => {
                // Far more starts than a zygote is waited for.
                let forked = (0..40).map(|_| {
                    let pool = Pool::with_workers(1).expect("a pool");
                    assert_eq!(look.on(&pool).submit().join().expect("it works"), seen(true));
                    let stats = pool.stats();
                    assert_eq!(stats.forked + stats.executed, 1);
                    stats.forked
                });
                println!("forked: {}", forked.sum::<u64>() > 0);
            }
            "nothing" => println!("main of a process that was started by hand"),
            other => panic!("what is {other}?"),
        }
        println!("done");
    }
}
