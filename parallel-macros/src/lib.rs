//! The attribute of the `parallel` crate. Users depend on `parallel`, not on this crate.
//!
//! An attribute and a function go through five rooms: [`parse`] reads them, [`model`] names their parts, [`validate`]
//! refuses what cannot run in another process, [`expand`] writes the code, and [`fallback`] stands in for it where the
//! function was refused.

mod attributes;
mod document;
mod expand;
mod fallback;
mod model;
mod parse;
#[cfg(test)]
mod tests;
mod validate;

use proc_macro2::TokenStream;

/// Turns an ordinary function into one that runs in other processes.
///
/// See the documentation of the crate `parallel`.
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
    let model = model::Model::new(&function, &words);
    match validate::function(&model) {
        Ok(()) => fallback::beside(expand::function(&model), &words),
        Err(refusal) => fallback::beside(fallback::function(&function, &refusal), &words),
    }
}
