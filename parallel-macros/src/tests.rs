//! What five typical functions become, word for word.
//!
//! The expansions stand in `snapshots/`. After a change that is meant, write them anew and read the difference:
//! `BLESS=1 cargo test -p parallel-macros`.

use std::path::Path;

use proc_macro2::TokenStream;
use quote::quote;

fn compare(name: &str, words: TokenStream, function: TokenStream) {
    let expansion = syn::parse2(crate::attribute(words, function)).expect("the expansion is Rust");
    let expansion = prettyplease::unparse(&expansion);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots").join(name).with_extension("rs");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &expansion).expect("the snapshot can be written");
    }
    let stored = std::fs::read_to_string(&path).expect("the snapshot is there; BLESS=1 writes it");
    assert!(stored == expansion, "{} differs; the expansion is now:\n{expansion}", path.display());
}

#[test]
fn a_function_of_one_value() {
    compare(
        "one_value",
        quote!(),
        quote! {
            #[parallel]
            fn cube(x: u64) -> u64 {
                x * x * x
            }
        },
    );
}

#[test]
fn a_function_of_one_borrow() {
    compare(
        "one_borrow",
        quote!(),
        quote! {
            /// Sums the row.
            #[inline]
            #[cfg(feature = "sums")]
            pub(crate) fn sum(row: &[f64]) -> f64 {
                row.iter().sum()
            }
        },
    );
}

#[test]
fn a_function_of_several_parameters_with_every_word() {
    compare(
        "several_parameters",
        quote!(timeout = "1.5s", retries = 2, chunk_size = 32, name = "the norm", crate = crate::vendored::parallel),
        quote! {
            /// Computes the norm of a row.
            pub fn norm(row: &[f64], mut p: f64, (low, high): (f64, f64)) -> f64 {
                p = p.clamp(low, high);
                row.iter().map(|v| v.abs().powf(p)).sum::<f64>().powf(1.0 / p)
            }
        },
    );
}

#[test]
fn a_function_of_nothing() {
    compare(
        "nothing",
        quote!(),
        quote! {
            #[allow(clippy::print_stdout)]
            fn r#match() {
                println!("here");
            }
        },
    );
}

#[test]
fn a_function_beside_its_handle() {
    compare(
        "handle",
        quote!(handle = cubes),
        quote! {
            /// Cubes.
            #[must_use]
            pub fn cube(x: u64) -> u64 {
                x * x * x
            }
        },
    );
}

/// Target features depend on the machine, so this mistake has no file in `ui-tests`.
#[test]
fn a_target_feature_is_refused() {
    let function = quote! {
        #[target_feature(enable = "avx2")]
        fn double(x: u8) -> u8 {
            2 * x
        }
    };
    let expansion = crate::attribute(quote!(), function).to_string();
    assert!(expansion.contains("compile_error") && expansion.contains("cannot ask for a target feature"));
    assert!(expansion.contains("fn double"));
}
