//! What a function is called: in its module, in spans that it makes, in backtraces and by `type_name`.

mod engines;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use parallel::prelude::*;
use parse::parse;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Has the name of what is in it.
mod parse {
    #[parallel::parallel]
    pub(crate) fn parse(text: &str) -> Option<u32> {
        text.parse().ok()
    }
}

#[parallel]
#[tracing::instrument]
fn spanned(x: u64) -> (u64, String) {
    (x, function_name(|| ()))
}

/// The path of the function in which a closure stands.
fn function_name<F: Fn()>(_: F) -> String {
    std::any::type_name::<F>().trim_end_matches("::{{closure}}").to_string()
}

/// Keeps the names of the spans that are made.
#[derive(Default)]
struct Names {
    made: AtomicU64,
    names: Mutex<Vec<&'static str>>,
}

impl Subscriber for &'static Names {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.names.lock().unwrap().push(span.metadata().name());
        Id::from_u64(self.made.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn a_function_may_have_the_name_of_its_module() {
    assert_eq!(parse("7"), Some(7));
    assert_eq!(parse.spawn("7").join().unwrap(), Some(7));
    assert_eq!(parse::parse.par_map(["7", "x"]).unwrap(), [Some(7), None]);
}

#[test]
fn spans_and_paths_have_the_functions_name() {
    static NAMES: std::sync::LazyLock<Names> = std::sync::LazyLock::new(Names::default);
    let (_, here) = tracing::subscriber::with_default(&*NAMES, || spanned(3));
    assert_eq!(*NAMES.names.lock().unwrap(), ["spanned"]);
    let (x, there) = spanned.spawn(4).join().unwrap();
    assert_eq!((x, &there), (4, &here));
    assert!(here.trim_end_matches("::{{closure}}").ends_with("::spanned"), "{here}");
}

/// A pool without workers does all of this too.
#[test]
fn all_of_this_holds_inline() {
    engines::inline_too("all_of_this_holds_inline", &[]);
}
