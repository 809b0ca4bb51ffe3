//! What rustdoc and editors show of a `#[parallel]` function, beside the author's own words.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;

use crate::model::Model;

/// The section below the author's documentation: the signature, and the ways to call it.
pub(crate) fn section(model: &Model<'_>) -> String {
    let signature = signature(model);
    let handle = model.handle.to_string();
    let names: Vec<String> = model.parameters.iter().map(|parameter| parameter.name.to_string()).collect();
    let names = names.join(", ");
    // Links know no leading `::`.
    let task = format!("{}::Task", source(model.crate_path.to_token_stream()).trim_start_matches("::"));
    let call = &model.original.signature.ident;
    let named = model.words.args.as_ref().map_or_else(String::new, |_| {
        let name = &model.arguments;
        format!("| `{handle}.spawn_args(&arguments)` and the like | with a [`{name}`] |\n")
    });
    // `text` keeps the signature from being a documentation test.
    format!(
        "\n# Calls\n\n\
         ```text\n{signature}\n```\n\n\
         | | |\n|---|---|\n\
         | `{call}({names})` | runs in this process |\n\
         | `{handle}.spawn({names})` | runs in a process of its own |\n\
         | `{handle}.submit({names})` | runs in the pool |\n\
         | `{handle}.par_map(items)` | runs in the pool, once for each item |\n{named}\n\
         [`Task`]({task}) holds the other maps and the options that may stand in front of a call.\n"
    )
}

/// The documentation of the struct of the arguments.
pub(crate) fn arguments(model: &Model<'_>) -> String {
    let call = &model.original.signature.ident;
    let handle = model.handle;
    let name = &model.arguments;
    format!(
        "The arguments of [`{call}`](static@{link}), as data: to be built by name, stored, and sent.\n\n\
         ```text\n{signature}\n```\n\n\
         | | |\n|---|---|\n\
         | `{handle}.call_args(arguments)` | runs in this process |\n\
         | `{handle}.spawn_args(&arguments)` | runs in a process of its own |\n\
         | `{handle}.submit_args(&arguments)` | runs in the pool |\n\
         | `{handle}.par_map_args(list)` | runs in the pool, once for each `{name}` |\n",
        link = handle.unraw(),
        signature = signature(model),
    )
}

/// `fn norm(row: &[f64], p: f64) -> f64`, with names for pattern parameters.
pub(crate) fn signature(model: &Model<'_>) -> String {
    let parameters: Vec<String> = model
        .parameters
        .iter()
        .map(|parameter| format!("{}: {}", parameter.name, source(parameter.original.ty.to_token_stream())))
        .collect();
    format!("fn {}({}){}", model.original.signature.ident, parameters.join(", "), output(model))
}

/// The parts of the registry's key that tokens tell: before the place `::norm at `, or `::norm as Norm at ` with
/// `handle = Norm`; after the place ` fn(&[f64], f64) -> f64`.
pub(crate) fn key(model: &Model<'_>) -> (String, String) {
    let types: Vec<String> =
        model.parameters.iter().map(|parameter| source(parameter.original.ty.to_token_stream())).collect();
    let name = model.original.signature.ident.unraw();
    // The handle's name tells functions apart that one macro makes in one place.
    let handle = model.words.handle.as_ref().map(|handle| format!(" as {handle}")).unwrap_or_default();
    (format!("::{name}{handle} at "), format!(" fn({}){}", types.join(", "), output(model)))
}

fn output(model: &Model<'_>) -> String {
    model.output.map(|output| format!(" -> {}", source(output.to_token_stream()))).unwrap_or_default()
}

/// Prints the tokens of a type or path with the usual spaces.
pub(crate) fn source(tokens: TokenStream) -> String {
    let mut pieces = Vec::new();
    collect(tokens, &mut pieces);
    let mut text = String::new();
    for (at, piece) in pieces.iter().enumerate() {
        if at > 0 && spaced(&pieces[at - 1], piece) {
            text.push(' ');
        }
        text.push_str(piece);
    }
    text
}

/// Takes tokens apart into pieces. Joined tokens, such as `::` and `'a`, are one piece.
fn collect(tokens: TokenStream, pieces: &mut Vec<String>) {
    let mut joined = false;
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                pieces.extend((!open.is_empty()).then(|| open.to_string()));
                collect(group.stream(), pieces);
                pieces.extend((!close.is_empty()).then(|| close.to_string()));
                joined = false;
            }
            TokenTree::Punct(punct) => {
                match pieces.last_mut() {
                    Some(last) if joined => last.push(punct.as_char()),
                    _ => pieces.push(punct.as_char().to_string()),
                }
                // `>>` closes two lists; it is not one piece.
                joined = punct.spacing() == Spacing::Joint && !matches!(punct.as_char(), '>' | '<' | '&');
            }
            other => {
                match pieces.last_mut() {
                    Some(last) if joined => last.push_str(&other.to_string()),
                    _ => pieces.push(other.to_string()),
                }
                joined = false;
            }
        }
    }
}

fn spaced(before: &str, after: &str) -> bool {
    let opens = matches!(before, "(" | "[" | "<" | "&" | "::" | "!");
    let follows = matches!(after, ")" | "]" | ">" | "<" | "," | ";" | ":" | "::" | "!" | "(");
    match (before, after) {
        ("," | ";" | ":" | "->" | "+" | "=", _) => true,
        (_, "->" | "+" | "=") => true,
        ("*", "const" | "mut") => false,
        _ => !opens && !follows,
    }
}

#[cfg(test)]
mod tests {
    use super::source;

    #[test]
    fn types_are_printed_as_people_write_them() {
        for text in [
            "&[f64]",
            "(u8, &str)",
            "Vec<Vec<u8>>",
            "std::collections::BTreeMap<String, Vec<(u8, Option<[u8; 3]>)>>",
            "::std::borrow::Cow<'static, str>",
            "&'static str",
            "Box<dyn Fn(u8) -> u8 + Send>",
            "fn(&u8) -> u8",
            "*const u8",
            "<u8 as Trait<Item = u8>>::Type",
            "[u8; N * 2]",
            "()",
        ] {
            assert_eq!(source(text.parse().unwrap()), text);
        }
    }
}
