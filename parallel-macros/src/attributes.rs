//! Sends each attribute of the function to the generated items where it has its meaning.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Attribute, Meta};

/// The function's attributes by their destination, as tokens to be put in front of an item.
#[derive(Default)]
pub(crate) struct Attributes {
    /// `#[cfg]`, and lints that are allowed: on every generated item.
    pub(crate) everywhere: TokenStream,
    /// Documentation, and lint levels: on the static that bears the function's name.
    pub(crate) handle: TokenStream,
    /// `#[deprecated]`: on the static, under whichever name.
    pub(crate) deprecated: TokenStream,
    /// Whether there is documentation.
    pub(crate) documented: bool,
    /// All others: on the function that holds the body.
    pub(crate) body: TokenStream,
}

/// Lints about a function's name, documentation and callers. They never fire at the body: its name and documentation stand
/// at the static, and the registry uses it. So an expectation of them would not be met there.
const NEVER_FIRE: [&str; 4] = ["dead_code", "unused", "non_snake_case", "missing_docs"];

impl Attributes {
    pub(crate) fn new(attributes: &[Attribute]) -> Self {
        let mut sorted = Self::default();
        for attribute in attributes {
            sorted.sort(attribute.meta.to_token_stream(), &|meta| quote!(#[#meta]));
        }
        sorted
    }

    /// Sorts one attribute; `wrap` puts it under the conditions of the `cfg_attr`s around it.
    fn sort(&mut self, meta: TokenStream, wrap: &dyn Fn(TokenStream) -> TokenStream) {
        let Ok(parsed) = syn::parse2::<Meta>(meta.clone()) else {
            self.body.extend(wrap(meta));
            return;
        };
        let name = parsed.path().get_ident().map(ToString::to_string).unwrap_or_default();
        match (name.as_str(), &parsed) {
            ("cfg_attr", Meta::List(list)) => {
                let mut parts = split_at_commas(list.tokens.clone()).into_iter();
                let condition = parts.next().unwrap_or_default();
                for part in parts {
                    self.sort(part, &|meta| wrap(quote!(cfg_attr(#condition, #meta))));
                }
            }
            ("cfg" | "allow", _) => self.everywhere.extend(wrap(meta)),
            ("expect", Meta::List(list)) => self.sort_expectation(list.tokens.clone(), wrap),
            ("warn" | "deny" | "forbid", _) => {
                self.handle.extend(wrap(meta.clone()));
                self.body.extend(wrap(meta));
            }
            ("doc", _) => {
                self.documented = true;
                self.handle.extend(wrap(meta));
            }
            ("deprecated", _) => self.deprecated.extend(wrap(meta)),
            _ => self.body.extend(wrap(meta)),
        }
    }

    /// Sorts `expect`: stays at the body, where the lint can fire, and becomes `allow` on the other items.
    fn sort_expectation(&mut self, lints: TokenStream, wrap: &dyn Fn(TokenStream) -> TokenStream) {
        let (reason, lints): (Vec<_>, Vec<_>) = split_at_commas(lints)
            .into_iter()
            .partition(|part| syn::parse2::<syn::MetaNameValue>(part.clone()).is_ok());
        for lint in lints {
            let name = lint.to_string();
            self.everywhere.extend(wrap(quote!(allow(#lint, #(#reason),*))));
            if !NEVER_FIRE.contains(&name.as_str()) {
                self.body.extend(wrap(quote!(expect(#lint, #(#reason),*))));
            }
        }
    }
}

fn split_at_commas(tokens: TokenStream) -> Vec<TokenStream> {
    let mut parts = vec![TokenStream::new()];
    for token in tokens {
        match (&token, parts.last_mut()) {
            (TokenTree::Punct(punct), _) if punct.as_char() == ',' => parts.push(TokenStream::new()),
            (_, Some(part)) => part.extend([token]),
            (_, None) => {}
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}
