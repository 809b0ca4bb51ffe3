//! Reads the words of the attribute, `timeout = "30s", retries = 2`, and the function under it.

use std::time::Duration;

use proc_macro2::{Group, Ident, Span, TokenStream};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::token::Paren;
use syn::{Attribute, Error, LitInt, LitStr, Path, Result, Signature, Token, Visibility, parenthesized};

const WORDS: &str = "`timeout`, `retries`, `chunk_size`, `name`, `args`, `handle` and `crate`";

/// The words of the attribute.
#[derive(Default)]
pub(crate) struct Words {
    pub(crate) timeout: Option<Duration>,
    pub(crate) retries: Option<u32>,
    pub(crate) chunk_size: Option<usize>,
    pub(crate) name: Option<LitStr>,
    pub(crate) args: Option<Args>,
    pub(crate) handle: Option<Ident>,
    pub(crate) crate_path: Option<Path>,
    /// What was wrong with the words that could not be read.
    pub(crate) mistakes: Option<Error>,
}

/// The word `args`: users may build the struct of the arguments.
pub(crate) struct Args {
    /// Where the word stands.
    pub(crate) span: Span,
    /// The name that the author chose for the struct.
    pub(crate) name: Option<Ident>,
    /// The traits that the struct derives beside serde's.
    pub(crate) derives: Vec<Path>,
}

/// Reads the words. A word that cannot be read is left out, and reported in `mistakes`.
pub(crate) fn words(tokens: TokenStream) -> Words {
    let read = |input: ParseStream<'_>| {
        let mut words = Words::default();
        let mut seen = Vec::new();
        while !input.is_empty() {
            if let Err(mistake) = words.read_one(input, &mut seen) {
                combine(&mut words.mistakes, mistake);
                skip_to_comma(input)?;
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(words)
    };
    read.parse2(tokens).unwrap_or_else(|mistake| Words { mistakes: Some(mistake), ..Words::default() })
}

impl Words {
    fn read_one(&mut self, input: ParseStream<'_>, seen: &mut Vec<Ident>) -> Result<()> {
        let word = input
            .call(Ident::parse_any)
            .map_err(|_| Error::new(input.span(), format!("expected a word; the words are {WORDS}")))?;
        let text = word.to_string();
        if !["timeout", "retries", "chunk_size", "name", "args", "handle", "crate"].contains(&text.as_str()) {
            return Err(Error::new(word.span(), format!("unknown word `{text}`; the words are {WORDS}")));
        }
        if seen.contains(&word) {
            return Err(Error::new(word.span(), format!("`{text}` is given twice; keep one of them")));
        }
        seen.push(word.clone());
        if text == "args" {
            self.args = Some(Args::read(word.span(), input)?);
            return Ok(());
        }
        if !input.peek(Token![=]) {
            let place = if input.is_empty() { word.span() } else { input.span() };
            return Err(Error::new(place, format!("`{text}` needs a value: write `{}`", example(&text))));
        }
        input.parse::<Token![=]>()?;
        let place = if input.is_empty() { word.span() } else { input.span() };
        let value = match text.as_str() {
            "timeout" => input.parse().and_then(|text| timeout(&text)).map(|timeout| self.timeout = Some(timeout)),
            "retries" => input.parse().and_then(|count| retries(&count)).map(|count| self.retries = Some(count)),
            "chunk_size" => input.parse().and_then(|size| chunk_size(&size)).map(|size| self.chunk_size = Some(size)),
            "name" => input.parse().map(|name| self.name = Some(name)),
            "handle" => input.parse().map(|handle| self.handle = Some(handle)),
            _ => input.call(Path::parse_mod_style).map(|path| self.crate_path = Some(path)),
        };
        value.map_err(|mistake| {
            // Our own refusals name the mistake; syn's say only what token was expected.
            if mistake.to_string().starts_with("expected ") || mistake.to_string().starts_with("unexpected end") {
                Error::new(place, format!("`{text}` cannot be this: write `{}`", example(&text)))
            } else {
                mistake
            }
        })?;
        if input.is_empty() || input.peek(Token![,]) {
            Ok(())
        } else {
            Err(Error::new(input.span(), format!("expected `,` after the value: write `{}`", example(&text))))
        }
    }
}

impl Args {
    /// Reads what may follow the word: nothing, `= Name`, or `(name = Name, derive(Debug, Clone))`.
    fn read(span: Span, input: ParseStream<'_>) -> Result<Self> {
        const FORMS: &str = "write `args`, `args = AName` or `args(name = AName, derive(Debug, Clone))`";
        let mut args = Self { span, name: None, derives: Vec::new() };
        if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            let place = if input.is_empty() { span } else { input.span() };
            args.name = Some(input.parse().map_err(|_| Error::new(place, format!("not a name; {FORMS}")))?);
        } else if input.peek(Paren) {
            let content;
            parenthesized!(content in input);
            while !content.is_empty() {
                let place = content.span();
                let word: Ident = content.call(Ident::parse_any).map_err(|_| Error::new(place, FORMS))?;
                match word.to_string().as_str() {
                    "name" if content.peek(Token![=]) => {
                        content.parse::<Token![=]>()?;
                        let place = if content.is_empty() { word.span() } else { content.span() };
                        let name = content.parse().map_err(|_| Error::new(place, format!("not a name; {FORMS}")))?;
                        args.name = Some(name);
                    }
                    "derive" if content.peek(Paren) => {
                        let derives;
                        parenthesized!(derives in content);
                        let place = derives.span();
                        let paths = derives.parse_terminated(Path::parse_mod_style, Token![,]);
                        args.derives.extend(paths.map_err(|_| Error::new(place, format!("not a trait; {FORMS}")))?);
                    }
                    _ => return Err(Error::new(place, FORMS)),
                }
                if !content.is_empty() {
                    let place = content.span();
                    content.parse::<Token![,]>().map_err(|_| Error::new(place, format!("expected `,`; {FORMS}")))?;
                }
            }
        }
        let serdes = |path: &&Path| {
            path.segments.last().is_some_and(|last| last.ident == "Serialize" || last.ident == "Deserialize")
        };
        if let Some(derive) = args.derives.iter().find(serdes) {
            return Err(Error::new_spanned(derive, "the struct implements serde's traits as it is; leave this out"));
        }
        if input.is_empty() || input.peek(Token![,]) {
            Ok(args)
        } else {
            Err(Error::new(input.span(), format!("expected `,`; {FORMS}")))
        }
    }
}

fn example(word: &str) -> &'static str {
    match word {
        "timeout" => "timeout = \"1.5s\"",
        "retries" => "retries = 1",
        "chunk_size" => "chunk_size = 32",
        "name" => "name = \"a name\"",
        "handle" => "handle = a_name",
        _ => "crate = a::path",
    }
}

fn timeout(text: &LitStr) -> Result<Duration> {
    match humantime::parse_duration(&text.value()) {
        Ok(Duration::ZERO) => {
            Err(Error::new(text.span(), "a timeout of zero lets no call finish; leave it out for none"))
        }
        Ok(duration) => Ok(duration),
        Err(_) => Err(Error::new(
            text.span(),
            "not a duration; write a number with a unit, such as \"1.5s\" or \"1h 30min\"; the units are `h`, `min` or \
             `m`, `s`, `ms`, `us` and `ns`",
        )),
    }
}

fn retries(count: &LitInt) -> Result<u32> {
    whole(count).map_err(|()| Error::new(count.span(), "`retries` is a whole number from 0 to 4294967295"))
}

fn chunk_size(size: &LitInt) -> Result<usize> {
    match whole(size) {
        Ok(0) => Err(Error::new(
            size.span(),
            "a chunk holds one item or more; leave `chunk_size` out to let the pool choose",
        )),
        Ok(items) => Ok(items),
        Err(()) => Err(Error::new(size.span(), "`chunk_size` is a whole number of items")),
    }
}

fn whole<N: std::str::FromStr<Err: std::fmt::Display>>(literal: &LitInt) -> std::result::Result<N, ()> {
    if literal.suffix().is_empty() { literal.base10_parse().map_err(|_| ()) } else { Err(()) }
}

fn skip_to_comma(input: ParseStream<'_>) -> Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<proc_macro2::TokenTree>()?;
    }
    Ok(())
}

/// Adds one more mistake to those found so far.
pub(crate) fn combine(mistakes: &mut Option<Error>, mistake: Error) {
    match mistakes {
        Some(mistakes) => mistakes.combine(mistake),
        None => *mistakes = Some(mistake),
    }
}

/// A function as its author wrote it. The body stays tokens: the macro does not look into it.
#[derive(Clone)]
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) signature: Signature,
    pub(crate) body: Group,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        Ok(Self { attributes, visibility, signature: input.parse()?, body: input.parse()? })
    }
}

/// Reads the function.
///
/// # Errors
///
/// When `item` is not a function.
pub(crate) fn function(item: TokenStream) -> Result<Function> {
    syn::parse2(item.clone()).map_err(|mistake| {
        if let Ok(function) = syn::parse2::<syn::TraitItemFn>(item.clone()) {
            let message = "`#[parallel]` needs a function with a body; write it as a function outside of the trait";
            return Error::new(function.sig.ident.span(), message);
        }
        match syn::parse2(item).as_ref().map(kind) {
            Ok(Some((place, kind))) => Error::new(place, format!("`#[parallel]` goes on a function; this is {kind}")),
            _ => mistake,
        }
    })
}

/// Whether the attribute stands on a statement or an expression, where the compiler itself refuses it.
pub(crate) fn is_statement(item: &TokenStream) -> bool {
    let read = syn::Block::parse_within.parse2(item.clone());
    matches!(read.as_deref(), Ok([syn::Stmt::Local(_) | syn::Stmt::Expr(..)]))
}

/// The keyword of an item that is not a function, and what the item is called.
fn kind(item: &syn::Item) -> Option<(Span, &'static str)> {
    use syn::Item;
    use syn::spanned::Spanned;
    Some(match item {
        Item::Const(item) => (item.const_token.span, "a constant"),
        Item::Enum(item) => (item.enum_token.span, "an enum"),
        Item::ExternCrate(item) => (item.extern_token.span, "an `extern crate`"),
        Item::ForeignMod(item) => (item.abi.extern_token.span, "an `extern` block"),
        Item::Impl(item) => (item.impl_token.span, "an `impl` block"),
        Item::Macro(item) => (item.mac.path.span(), "a macro"),
        Item::Mod(item) => (item.mod_token.span, "a module"),
        Item::Static(item) => (item.static_token.span, "a static"),
        Item::Struct(item) => (item.struct_token.span, "a struct"),
        Item::Trait(item) => (item.trait_token.span, "a trait"),
        Item::TraitAlias(item) => (item.trait_token.span, "a trait alias"),
        Item::Type(item) => (item.type_token.span, "a type alias"),
        Item::Union(item) => (item.union_token.span, "a union"),
        Item::Use(item) => (item.use_token.span, "a `use`"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    #[test]
    fn timeouts_are_read_as_people_write_them() {
        let timeout = |text: &str| words(quote!(timeout = #text)).timeout;
        assert_eq!(timeout("1.5s"), Some(Duration::from_millis(1_500)));
        assert_eq!(timeout("2h"), Some(Duration::from_secs(7_200)));
        assert_eq!(timeout("3m"), Some(Duration::from_secs(180)));
        assert_eq!(timeout("3min"), Some(Duration::from_secs(180)));
        assert_eq!(timeout("1h 30min 5s"), Some(Duration::from_secs(5_405)));
        assert_eq!(timeout("1h30m"), Some(Duration::from_secs(5_400)));
        assert_eq!(timeout("20ms"), Some(Duration::from_millis(20)));
        assert_eq!(timeout("20us"), Some(Duration::from_micros(20)));
        assert_eq!(timeout("20ns"), Some(Duration::from_nanos(20)));
        for text in ["", "s", "20", "20 parsecs", "-1s", "0ms"] {
            assert_eq!(timeout(text), None, "{text}");
        }
    }

    #[test]
    fn a_mistake_leaves_the_other_words_alone() {
        let words = words(quote!(retries = 2, chunk_size = 0, naem = "x", handle = cubes,));
        assert_eq!(
            (words.retries, words.chunk_size, words.handle.unwrap().to_string()),
            (Some(2), None, "cubes".into())
        );
        assert_eq!(words.mistakes.unwrap().into_iter().count(), 2);
    }
}
