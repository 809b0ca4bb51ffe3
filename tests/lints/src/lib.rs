//! Attributed functions of every form, under every lint that there is: what the attribute writes says nothing.
//!
//! `cargo test` compiles this, which shows it for the lints of the compiler; `cargo clippy` for its own. That lints about
//! what the author wrote still speak is shown by expectations, which are warned of where they are not met.

#![forbid(unsafe_code)]
// Every lint of the compiler that is allowed where nobody says otherwise (`rustc -W help`), and all that warn;
// `linker_messages` aside, which is for programs.
#![allow(unknown_lints, reason = "no compiler knows all of them: some are newer, some unstable")]
#![deny(
    warnings,
    absolute_paths_not_starting_with_crate,
    ambiguous_negative_literals,
    closure_returning_async_block,
    deprecated_in_future,
    deprecated_safe_2024,
    deref_into_dyn_supertrait,
    edition_2024_expr_fragment_specifier,
    elided_lifetimes_in_paths,
    explicit_outlives_requirements,
    ffi_unwind_calls,
    fuzzy_provenance_casts,
    if_let_rescope,
    impl_trait_overcaptures,
    impl_trait_redundant_captures,
    keyword_idents_2018,
    keyword_idents_2024,
    let_underscore_drop,
    lossy_provenance_casts,
    macro_use_extern_crate,
    meta_variable_misuse,
    missing_copy_implementations,
    missing_debug_implementations,
    missing_docs,
    missing_unsafe_on_extern,
    multiple_supertrait_upcastable,
    must_not_suspend,
    non_ascii_idents,
    non_exhaustive_omitted_patterns,
    redundant_imports,
    redundant_lifetimes,
    resolving_to_items_shadowing_supertrait_items,
    rust_2021_incompatible_closure_captures,
    rust_2021_incompatible_or_patterns,
    rust_2021_prefixes_incompatible_syntax,
    rust_2021_prelude_collisions,
    rust_2024_guarded_string_incompatible_syntax,
    rust_2024_incompatible_pat,
    rust_2024_prelude_collisions,
    shadowing_supertrait_items,
    single_use_lifetimes,
    tail_expr_drop_order,
    trivial_casts,
    trivial_numeric_casts,
    unit_bindings,
    unnameable_types,
    unqualified_local_imports,
    unreachable_pub,
    unsafe_attr_outside_unsafe,
    unsafe_op_in_unsafe_fn,
    unstable_features,
    unused_crate_dependencies,
    unused_extern_crates,
    unused_import_braces,
    unused_lifetimes,
    unused_macro_rules,
    unused_qualifications,
    unused_results,
    variant_size_differences,
    rustdoc::all,
    clippy::all,
    clippy::pedantic,
    clippy::nursery,
    clippy::restriction,
    clippy::cargo
)]
#![allow(
    clippy::blanket_clippy_restriction_lints,
    clippy::cargo_common_metadata,
    clippy::multiple_crate_versions,
    reason = "what they speak of is this package, not the functions in it"
)]
#![allow(clippy::implicit_return, reason = "`clippy::needless_return` says the opposite")]
#![allow(
    clippy::missing_inline_in_public_items,
    clippy::single_call_fn,
    reason = "they speak of plain functions as well, and of each of these"
)]
#![allow(clippy::pub_with_shorthand, reason = "`clippy::pub_without_shorthand` says the opposite")]

mod inside {
    //! Functions that are seen from here only, or by the whole crate.

    use parallel::parallel;

    /// For this crate.
    #[parallel]
    pub(crate) fn shared(number: u64) -> u64 {
        private(number)
    }

    /// For this module.
    #[parallel]
    fn private(number: u64) -> u64 {
        /// For this function.
        #[parallel]
        fn inner(number: u64) -> u64 {
            number
        }
        inner(number)
    }
}

use parallel::parallel;

/// Takes nothing, gives nothing.
#[parallel]
pub fn nothing() {}

/// Takes one number.
#[parallel]
pub fn one(number: u64) -> u64 {
    number.wrapping_add(1)
}

/// Takes two, with options.
#[must_use]
#[inline]
#[parallel(timeout = "30s", retries = 2, chunk_size = 32, name = "the sum")]
pub fn two(left: u64, mut right: u64) -> u64 {
    right = right.wrapping_add(left);
    right
}

/// Borrows a text.
#[parallel]
pub fn length(text: &str) -> usize {
    text.len()
}

/// Borrows a row.
#[parallel]
pub fn total(row: &[u64]) -> u64 {
    row.iter().copied().fold(0, u64::wrapping_add)
}

/// Borrows some of its arguments.
#[parallel]
pub fn some(name: &str, row: &[u64], pair: &(u64, u64, u64), last: Option<u64>) -> (usize, Option<u64>) {
    (name.len().wrapping_add(row.len()), last.or(Some(pair.0)))
}

/// Takes what it gives apart.
#[parallel]
pub fn pattern((low, high): (u64, u64), [first, _]: [u64; 2]) -> u64 {
    low.max(high).max(first)
}

/// May fail.
///
/// # Errors
///
/// When the text is no number.
#[parallel]
pub fn fallible(text: String) -> Result<u64, String> {
    text.parse().map_err(|_error| text)
}

/// Has a handle of another name.
#[must_use]
#[parallel(handle = doubles)]
pub fn double(number: u64) -> u64 {
    number.wrapping_mul(2)
}

/// Is not to be used any more.
#[deprecated(since = "0.1.0", note = "use `one`")]
#[parallel]
pub fn old(number: u64) -> u64 {
    number
}

/// Has as many parameters as there can be.
#[must_use]
#[expect(clippy::too_many_arguments, clippy::many_single_char_names, reason = "as many as there can be")]
#[expect(clippy::min_ident_chars, reason = "names are not what is shown here")]
#[cfg(unix)]
#[parallel]
pub fn twelve(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8, i: u8, j: u8, k: u8, l: u8) -> usize {
    [a, b, c, d, e, f, g, h, i, j, k, l].into_iter().filter(|number| *number > 0).count()
}

/// Has a type that is said to be long, once.
#[expect(clippy::type_complexity, reason = "to show that clippy says so")]
#[parallel]
pub fn long(values: &[Option<Vec<Result<(u8, u16), (u32, Vec<Option<u64>>)>>>]) -> usize {
    values.len()
}

/// Calls functions in all ways, with options.
///
/// # Errors
///
/// What the calls say.
#[expect(clippy::question_mark_used, reason = "as users write it")]
pub fn calls() -> parallel::Result<u64> {
    let pool = parallel::Pool::with_workers(1)?;
    nothing.spawn().join()?;
    let first = two.retries(1).spawn(1, 2).join()?;
    let second = inside::shared.on(&pool).submit(first).join()?;
    let third: Vec<u64> = one.on(&pool).chunk_size(2).par_map(0..second)?;
    let fourth = total.on(&pool).par_map([&*third])?;
    pool.join()?;
    Ok(fourth.into_iter().fold(doubles(1), u64::wrapping_add))
}

// What the author wrote is still spoken of: an expectation that is not met is warned of, and warnings are denied.

/// Has a local that nobody uses.
#[expect(unused_variables, reason = "to show that the compiler says so")]
#[parallel]
pub fn unused_local(number: u64) -> u64 {
    let local = number;
    number
}

/// Has a parameter that nobody uses.
#[expect(unused_variables, reason = "to show that the compiler says so")]
#[parallel]
pub fn unused_parameter(number: u64) {}

/// Has a statement whose value nobody uses.
#[expect(unused_must_use, reason = "to show that the compiler says so")]
#[parallel]
pub fn unused_value(number: u64) {
    number.wrapping_add(1);
}

/// Says `return` where it is said anyway.
#[expect(clippy::needless_return, reason = "to show that clippy says so")]
#[parallel]
pub fn returns(number: u64) -> u64 {
    return number;
}

/// Takes what it only looks at.
#[expect(clippy::needless_pass_by_value, reason = "to show that clippy says so")]
#[parallel]
pub fn takes(text: String) -> usize {
    text.len()
}

/// Adds without a word on what is too much.
#[must_use]
#[expect(clippy::arithmetic_side_effects, reason = "to show that clippy says so")]
#[parallel(handle = sums)]
pub fn sum(left: u64, right: u64) -> u64 {
    left + right
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_under_every_lint_runs() {
        assert_eq!(super::calls().unwrap_or(0), 8);
    }
}

/// Its arguments have a name.
#[parallel(args(name = LintedArgs, derive(Clone, Debug)))]
pub fn linted(name: &str, row: &[u64]) -> usize {
    name.len().saturating_add(row.len())
}
