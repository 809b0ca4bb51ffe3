//! Refuses what cannot run in another process: one error at each offending token, which says what to write instead.

use proc_macro2::Span;
use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    Attribute, Error, FnArg, GenericArgument, GenericParam, Generics, Lifetime, Pat, PathArguments, PathSegment,
    Result, Safety, Signature, Token, Type,
};

use crate::document::source;
use crate::model::{Model, Parameter, bare};
use crate::parse::{Function, combine};
use crate::place;

const MOST_PARAMETERS: usize = 12;

/// Why a function was refused.
pub(crate) struct Refusal {
    pub(crate) error: Error,
    /// Whether the function compiles without the refused parts, so that its uses cause no further errors.
    pub(crate) can_stand: bool,
}

/// Refuses a function in an `impl` or a trait.
///
/// # Errors
///
/// When it is one.
pub(crate) fn place(function: &Function, place: place::Place) -> Result<()> {
    let has_receiver = function.signature.receiver().is_some();
    let (place, text) = match (place, has_receiver) {
        (place::Place::Elsewhere, _) => return Ok(()),
        // The refusal of `self` says more.
        (place::Place::Impl, true) => (receiver_span(&function.signature), METHOD),
        (place::Place::Impl, false) => (
            function.signature.ident.span(),
            "a `#[parallel]` function cannot stand in an `impl`; move it out of it, and call it from there",
        ),
        (place::Place::Trait, _) => (
            function.signature.ident.span(),
            "a `#[parallel]` function cannot stand in a trait; move it out of it, and call it from there",
        ),
    };
    Err(Error::new(place, text))
}

const METHOD: &str = "a `#[parallel]` function has no `self`; move it out of the `impl` and make the value a parameter";

fn receiver_span(signature: &Signature) -> Span {
    signature.receiver().map_or_else(|| signature.ident.span(), |receiver| receiver.self_token.span)
}

/// Checks the whole function and reports every mistake in it.
///
/// # Errors
///
/// When there is one.
pub(crate) fn function(model: &Model<'_>) -> std::result::Result<(), Refusal> {
    let (mut left_out, mut mistakes) = (None, None);
    let mut leave_out = |mistake| combine(&mut left_out, mistake);
    let mut refuse = |mistake| combine(&mut mistakes, mistake);
    let signature = &model.original.signature;
    attributes(&model.original.attributes, &mut leave_out);
    qualifiers(signature, &mut leave_out, &mut refuse);
    generics(&signature.generics, &mut refuse);
    inputs(&signature.inputs, &mut refuse);
    if let Some(variadic) = &signature.variadic {
        leave_out(Error::new(
            variadic.dots.span(),
            "a `#[parallel]` function takes a fixed number of parameters; take a `Vec`",
        ));
    }
    if let Some(extra) = model.parameters.get(MOST_PARAMETERS) {
        leave_out(Error::new(
            extra.original.span(),
            format!(
                "a `#[parallel]` function has at most {MOST_PARAMETERS} parameters; put some of them into a struct"
            ),
        ));
    }
    for parameter in &model.parameters {
        self::parameter(parameter, model, &mut refuse);
    }
    if let Some(output) = model.output {
        returned(output, &mut refuse);
    }
    if model.handle == "main" {
        refuse(Error::new(
            model.handle.span(),
            "the static of this name would stand in the way of the program's `main`; put the work into a function of its own",
        ));
    }
    if model.words.handle.as_ref() == Some(&signature.ident) {
        refuse(Error::new(
            model.handle.span(),
            "the handle needs a name of its own; leave `handle` out to use the function's",
        ));
    }
    let can_stand = mistakes.is_none();
    match left_out.into_iter().chain(mistakes).reduce(|mut all, one| {
        all.combine(one);
        all
    }) {
        None => Ok(()),
        Some(error) => Err(Refusal { error, can_stand }),
    }
}

fn qualifiers(signature: &Signature, leave_out: &mut impl FnMut(Error), refuse: &mut impl FnMut(Error)) {
    if let Some(token) = &signature.constness {
        leave_out(Error::new(token.span, "a `#[parallel]` function cannot be `const`; leave `const` out"));
    }
    if let Some(token) = &signature.asyncness {
        refuse(Error::new(
            token.span,
            "a `#[parallel]` function cannot be `async`; leave `async` out and block in the body: it has a process of its own",
        ));
    }
    if let Safety::Unsafe(token) = &signature.safety {
        leave_out(Error::new(
            token.span,
            "a `#[parallel]` function cannot be `unsafe`; leave `unsafe` out and put an `unsafe` block into the body",
        ));
    }
    if let Some(abi) = &signature.abi {
        leave_out(Error::new(
            abi.extern_token.span,
            "a `#[parallel]` function cannot be `extern`; leave `extern` out and call it from the foreign function",
        ));
    }
}

fn attributes(attributes: &[Attribute], refuse: &mut impl FnMut(Error)) {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("target_feature")) {
        refuse(Error::new(
            attribute.path().span(),
            "a `#[parallel]` function can be called from everywhere, so it cannot ask for a target feature; call one that \
             does from the body",
        ));
    }
}

fn generics(generics: &Generics, refuse: &mut impl FnMut(Error)) {
    for parameter in &generics.params {
        refuse(match parameter {
            GenericParam::Lifetime(parameter) => Error::new(
                parameter.lifetime.span(),
                format!("a `#[parallel]` function has no lifetimes of its own; leave `{}` out", parameter.lifetime),
            ),
            GenericParam::Type(parameter) => Error::new(
                parameter.ident.span(),
                "a `#[parallel]` function cannot be generic: the worker finds it by name; write the type, or one function \
                 for each type",
            ),
            GenericParam::Const(parameter) => Error::new(
                parameter.ident.span(),
                "a `#[parallel]` function cannot be generic: the worker finds it by name; make the constant a parameter",
            ),
        });
    }
    if let (true, Some(clause)) = (generics.params.is_empty(), &generics.where_clause) {
        refuse(Error::new(clause.where_token.span, "a `#[parallel]` function is not generic; leave `where` out"));
    }
}

fn inputs(inputs: &Punctuated<FnArg, Token![,]>, refuse: &mut impl FnMut(Error)) {
    for input in inputs {
        let attributes = match input {
            FnArg::Receiver(receiver) => {
                refuse(Error::new(receiver.self_token.span, METHOD));
                &receiver.attrs
            }
            FnArg::Typed(typed) => &typed.attrs,
        };
        for attribute in attributes {
            if attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr") {
                refuse(Error::new(
                    attribute.path().span(),
                    "a parameter of a `#[parallel]` function is always there; put the condition on the function",
                ));
            }
        }
    }
}

fn parameter(parameter: &Parameter<'_>, model: &Model<'_>, refuse: &mut impl FnMut(Error)) {
    if let (Pat::Ident(_), true) = (&*parameter.original.pat, &parameter.name == model.handle) {
        let name = model.handle;
        refuse(Error::new(
            parameter.name.span(),
            format!(
                "`{name}` is also the name of the static that the attribute makes; rename the parameter, or write \
                     `#[parallel(handle = a_name)]`"
            ),
        ));
    }
    if let Type::Reference(reference) = bare(&parameter.original.ty) {
        if let Some(token) = &reference.mutability {
            refuse(Error::new(
                token.span,
                "a `#[parallel]` function works on a copy of its arguments, so `&mut` changes nothing here; take the value \
                 and return the new one",
            ));
        }
        if reference.lifetime.as_ref().is_some_and(|lifetime| lifetime.ident == "static") {
            refuse(Error::new(
                reference.lifetime.span(),
                format!(
                    "an argument is borrowed for one call, not for `'static`; write `&{}`",
                    source_of(&reference.elem)
                ),
            ));
        }
        if let Type::TraitObject(_) = bare(&reference.elem) {
            refuse(Error::new(
                reference.elem.span(),
                "a trait object cannot be sent to another process; write a concrete type, such as an enum",
            ));
            return;
        }
    }
    Inside { position: Position::Parameter, refuse }.visit_type(parameter.referent);
}

fn returned(output: &Type, refuse: &mut impl FnMut(Error)) {
    match bare(output) {
        Type::Never(never) => refuse(Error::new(
            never.span(),
            "a function that never returns has no result to send back; return `()`, and leave the loop when the work is done",
        )),
        _ => Inside { position: Position::Output, refuse }.visit_type(output),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Position {
    Parameter,
    Output,
}

/// Refuses what may not stand inside of a parameter's or result's type.
struct Inside<'r, R> {
    position: Position,
    refuse: &'r mut R,
}

impl<'a, R: FnMut(Error)> Visit<'a> for Inside<'_, R> {
    fn visit_type(&mut self, ty: &'a Type) {
        match ty {
            Type::Reference(reference) => {
                let owned = owned(&reference.elem);
                (self.refuse)(Error::new(
                    reference.and_token.span,
                    match self.position {
                        Position::Parameter => {
                            format!(
                                "a parameter can be borrowed as a whole, but nothing inside of it; write `{owned}` here"
                            )
                        }
                        Position::Output => format!(
                            "a result comes from another process, so there is nothing here that it could borrow from; \
                             return `{owned}`"
                        ),
                    },
                ));
            }
            Type::ImplTrait(implied) => (self.refuse)(Error::new(
                implied.impl_token.span,
                match self.position {
                    Position::Parameter => {
                        "a `#[parallel]` function cannot take `impl Trait`: the worker must know the type; write the type"
                    }
                    Position::Output => {
                        "a `#[parallel]` function cannot return `impl Trait`: the caller must know the type; write the type, \
                         such as `Vec` for an iterator"
                    }
                },
            )),
            Type::Infer(infer) => (self.refuse)(Error::new(
                infer.underscore_token.span,
                "the signature of a `#[parallel]` function names every type; write the type",
            )),
            // Types named in these are never sent, or the whole is refused for missing traits.
            Type::FnPtr(_) | Type::TraitObject(_) | Type::Ptr(_) => {}
            _ => visit::visit_type(self, ty),
        }
    }

    fn visit_path_segment(&mut self, segment: &'a PathSegment) {
        if segment.ident == "Self" {
            (self.refuse)(Error::new(
                segment.ident.span(),
                "a `#[parallel]` function stands outside of an `impl`; move it out and write the type's name",
            ));
        }
        if let Some(borrowed) = cow_without_lifetime(segment) {
            (self.refuse)(Error::new(
                segment.ident.span(),
                format!("this `Cow` comes from another process and cannot borrow; write `Cow<'static, {borrowed}>`"),
            ));
        }
        visit::visit_path_segment(self, segment);
    }

    fn visit_lifetime(&mut self, lifetime: &'a Lifetime) {
        // Other lifetimes are declared by the function, and refused there.
        if lifetime.ident == "_" {
            (self.refuse)(Error::new(
                lifetime.span(),
                match self.position {
                    Position::Parameter => {
                        "a parameter's type cannot borrow; write `'static`, or a type that owns its data"
                    }
                    Position::Output => "a result cannot borrow; write `'static`, or a type that owns its data",
                },
            ));
        }
    }

    // Lengths of arrays and the like.
    fn visit_expr(&mut self, _: &'a syn::Expr) {}
}

/// The `str` of a `Cow<str>` without a lifetime.
fn cow_without_lifetime(segment: &PathSegment) -> Option<String> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    let has_lifetime = arguments.args.iter().any(|argument| matches!(argument, GenericArgument::Lifetime(_)));
    (segment.ident == "Cow" && !has_lifetime).then(|| source(arguments.args.to_token_stream()))
}

/// What to write instead of a borrow of this type.
fn owned(referent: &Type) -> String {
    match bare(referent) {
        Type::Path(path) if path.path.is_ident("str") => "String".to_string(),
        Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Path") => "PathBuf".to_string(),
        Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "OsStr") => {
            "OsString".to_string()
        }
        Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "CStr") => "CString".to_string(),
        Type::Slice(slice) => format!("Vec<{}>", source_of(&slice.elem)),
        other => source_of(other),
    }
}

fn source_of(ty: &Type) -> String {
    source(ty.to_token_stream())
}
