//! The code for a function that was refused: the function itself, so that its callers still resolve.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::Error;

use crate::parse::{self, Function, Words};

/// The item as it was, and what is wrong with it.
pub(crate) fn item(mut item: TokenStream, refusal: &Error) -> TokenStream {
    if !parse::is_statement(&item) {
        item.extend(refusal.to_compile_error());
    }
    item
}

/// The function as it was, and what is wrong with it.
pub(crate) fn function(function: &Function, refusal: &Error) -> TokenStream {
    let Function { attributes, visibility, body, .. } = function;
    let mut signature = function.signature.clone();
    // The compiler refuses `...` as well; left out, it is one error instead of two.
    signature.variadic = None;
    item(quote!(#(#attributes)* #visibility #signature #body), refusal)
}

/// The function without the refused qualifiers, so that its uses compile and the mistake is one error.
pub(crate) fn plain(function: &Function) -> Function {
    let mut plain = function.clone();
    plain.attributes.retain(|attribute| !attribute.path().is_ident("target_feature"));
    plain.signature.variadic = None;
    plain.signature.constness = None;
    plain.signature.abi = None;
    plain
}

/// Code with the mistakes in the attribute's words, if any, beside it.
pub(crate) fn beside(mut code: TokenStream, words: &Words) -> TokenStream {
    words.mistakes.as_ref().map(Error::to_compile_error).to_tokens(&mut code);
    code
}
