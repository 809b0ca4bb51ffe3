//! skeleton

use proc_macro::TokenStream;

/// skeleton
#[proc_macro_attribute]
pub fn parallel(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    item
}
