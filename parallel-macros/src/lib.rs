//! The attribute of the `parallel` crate. Users depend on `parallel`, not on this crate.
//!
//! An attribute and a function go through six modules: `parse` reads them, `place` looks at what is around them, `model`
//! names their parts, `validate` refuses what cannot run in another process, and `expand` writes the code, or `fallback`
//! where the function was refused.

mod attributes;
mod document;
mod expand;
mod fallback;
mod model;
mod parse;
mod place;
#[cfg(test)]
mod tests;
mod validate;

use proc_macro2::TokenStream;

use crate::validate::Refusal;

/// Turns an ordinary function into one that runs in other processes.
///
/// The function's name becomes that of a handle. Called, it is still the function; its methods run the function
/// elsewhere: `spawn` in a process of its own, `submit` and the `par_*` maps in a pool. The crate `parallel` describes
/// them at `Task`.
///
/// # The words
///
/// Each sets what the option of that name would set in front of every call. All may be left out.
///
/// | written | meaning |
/// |---|---|
/// | `timeout = "1.5s"` | how long one call may run; in `h`, `min` or `m`, `s`, `ms`, `us`, `ns`; also `"1h 30min"` |
/// | `retries = 1` | how often a call is tried again after its process died or was too slow |
/// | `chunk_size = 32` | items for each task of a map; chosen by the pool when left out |
/// | `name = "a name"` | the name of the calls, in errors and in their own process |
/// | `args`, `args = NormJob`, `args(name = NormJob, derive(Debug, Clone))` | names the struct of the arguments, `NormArgs` for `norm` where no name is given; as visible as the function, with serde's traits and what is derived |
/// | `handle = cubes` | leaves the function as it is written, and makes a handle of another name |
/// | `crate = path` | the path of the crate `parallel`, where the program has it under another name |
///
/// # The functions
///
/// Functions of 0 to 12 parameters, in modules and inside of other functions, of any visibility. A parameter is an owned
/// type or a borrow, `&T`, `&str` or `&[T]`; it may be a pattern. Parameters and results implement serde's `Serialize`
/// and `Deserialize`; behind a borrow, its owned form does. What cannot run in another process is a compile error that
/// says what to write instead.
///
/// The handle is a `static` of the function's name. So no local variable in its scope can have that name, which the compiler
/// tells as E0530, "let bindings cannot shadow statics"; `handle = name` helps there. Where a function is asked for by value, as in
/// `iter.map(cube)`, the compiler says "expected an `FnMut` closure, found `cube`": write `cube.as_fn()`.
///
/// A copy of each argument travels. Types that are made to be changed where they stand, such as `&std::sync::Mutex<T>`,
/// `&AtomicU64` or `&RefCell<T>`, are refused, because the change would be lost; inside of a struct they go unnoticed.
///
/// # Examples
///
/// ```
/// use parallel::prelude::*;
///
/// #[parallel]
/// fn cube(x: u64) -> u64 {
///     x * x * x
/// }
///
/// #[parallel(timeout = "30s", retries = 2)]
/// fn norm(row: &[f64], p: f64) -> f64 {
///     row.iter().map(|v| v.abs().powf(p)).sum::<f64>().powf(1.0 / p)
/// }
///
/// #[parallel(handle = squares)]
/// fn square(x: u64) -> u64 {
///     x * x
/// }
///
/// #[parallel(args)]
/// fn repeat(text: &str, times: usize) -> String {
///     text.repeat(times)
/// }
///
/// # fn main() -> parallel::Result<()> {
/// assert_eq!(cube(3), 27);
/// assert_eq!(cube.spawn(3).join()?, 27);
/// assert_eq!(cube.par_map(1..4)?, [1, 8, 27]);
/// assert_eq!(norm.spawn(&[3.0, 4.0], 2.0).join()?, 5.0);
/// let job = RepeatArgs { text: "ab".to_string(), times: 2 };
/// assert_eq!(repeat.spawn_args(&job).join()?, "abab");
/// let square = square(3);
/// assert_eq!(squares.spawn(3).join()?, square);
/// # Ok(())
/// # }
/// ```
#[proc_macro_attribute]
pub fn parallel(words: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    attribute(words.into(), item.into()).into()
}

fn attribute(words: TokenStream, item: TokenStream) -> TokenStream {
    let words = parse::words(words);
    let function = match parse::function(item.clone()) {
        Ok(function) => function,
        Err(refusal) => return fallback::item(item, &refusal),
    };
    if let Err(refusal) = validate::place(&function, place::of_attribute()) {
        return fallback::function(&function, &refusal);
    }
    let model = model::Model::new(&function, &words);
    let code = match validate::function(&model) {
        Ok(()) => expand::function(&model),
        Err(Refusal { error, can_stand: false }) => fallback::function(&function, &error),
        Err(Refusal { error, can_stand: true }) => {
            let function = fallback::plain(&function);
            let mut code = expand::function(&model::Model::new(&function, &words));
            code.extend(error.to_compile_error());
            code
        }
    };
    fallback::beside(code, &words)
}
