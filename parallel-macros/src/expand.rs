//! Writes the code that a `#[parallel]` function becomes.
//!
//! The code holds no logic: each method calls one function of the runtime. All of it is spanned at the attribute with a
//! hygiene of its own; only what the author wrote keeps the author's spans.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::Visibility;
use syn::ext::IdentExt;

use crate::document;
use crate::model::{Model, Parameter};

/// Writes everything.
///
/// ```text
/// // Input:
/// #[parallel]
/// fn cube(x: u64) -> u64 { x * x * x }
/// // Output:
/// struct cube { task: Task<cube> }
/// static cube: cube = …;
/// impl cube { fn body(x: u64) -> u64 { x * x * x } fn spawn… fn submit… }
/// impl Deref… impl From… impl Parameter<0>… impl Returns… impl Function… impl Accepts<u64> for cube …
/// ```
pub(crate) fn function(model: &Model<'_>) -> TokenStream {
    let code = Code::new(model);
    [code.handle(), code.body(), code.calls(), code.conversions(), code.parameters(), code.description(), code.items()]
        .into_iter()
        .collect()
}

/// The parts that many generators use.
struct Code<'a> {
    model: &'a Model<'a>,
    /// The generated type.
    handle: Ident,
    visibility: TokenStream,
    /// `::parallel::__private`
    p: TokenStream,
    /// `-> f64`, or nothing
    output: TokenStream,
    /// What stands in front of every generated item.
    everywhere: TokenStream,
}

/// Generated code has its own hygiene: its local names never meet the author's.
fn span() -> Span {
    Span::mixed_site()
}

impl<'a> Code<'a> {
    fn new(model: &'a Model<'a>) -> Self {
        let crate_path = &model.crate_path;
        Self {
            model,
            handle: generated_name(model.handle),
            visibility: generated(&model.original.visibility),
            p: quote_spanned!(span()=> #crate_path::__private),
            output: model.original.signature.output.to_token_stream(),
            everywhere: {
                let everywhere = &model.attributes.everywhere;
                // What there is to say of the signature is said once, at the body.
                let clippy = quote_spanned!(span()=> clippy::too_many_arguments, clippy::type_complexity);
                quote_spanned!(span()=> #everywhere #[allow(deprecated, unused_qualifications, #clippy)])
            },
        }
    }

    // Input:
    //     #[parallel(retries = 2)]
    //     pub fn norm(row: &[f64], p: f64) -> f64 { … }
    // Output:
    //     pub struct norm { task: Task<norm> }
    //     pub static norm: norm = norm { task: Task::new(Defaults::new().retries(2)) };
    fn handle(&self) -> TokenStream {
        let Self { model, handle, visibility, p, everywhere, .. } = self;
        let defaults = self.defaults();
        let static_name = model.handle;
        let original_visibility = &model.original.visibility;
        let section = document::section(model);
        let deprecated = &model.attributes.deprecated;
        let (mut documentation, lints) = (TokenStream::new(), quote!(#[allow(non_upper_case_globals)]));
        let name = &model.original.signature.ident;
        let line = match (&model.words.handle, model.attributes.documented) {
            (Some(_), _) => Some(format!("Runs [`{name}`](fn@{}) in other processes.", name.unraw())),
            (None, false) => Some("Runs in this process and in others.".to_string()),
            (None, true) => None,
        };
        if let Some(line) = line {
            documentation.extend(quote!(#[doc = #line]));
        }
        if model.words.handle.is_none() {
            documentation.extend(model.attributes.handle.clone());
        }
        quote_spanned! {span()=>
            #everywhere
            #[doc(hidden)]
            #[derive(::core::clone::Clone, ::core::fmt::Debug)]
            #visibility struct #handle {
                task: #p::Task<#handle>,
            }

            #everywhere
            #documentation
            #[doc = #section]
            #deprecated
            #lints
            #original_visibility static #static_name: #handle = #handle { task: #p::Task::new(#defaults) };
        }
    }

    // Input:
    //     timeout = "1.5s", retries = 2
    // Output:
    //     Defaults::new().timeout(Duration::new(1, 500_000_000)).retries(2)
    fn defaults(&self) -> TokenStream {
        let p = &self.p;
        let words = self.model.words;
        let timeout = words.timeout.map(|timeout| {
            let (seconds, nanoseconds) = (timeout.as_secs(), timeout.subsec_nanos());
            quote_spanned!(span()=> .timeout(::core::time::Duration::new(#seconds, #nanoseconds)))
        });
        let retries = words.retries.map(|retries| quote_spanned!(span()=> .retries(#retries)));
        let chunk_size = words.chunk_size.map(|size| quote_spanned!(span()=> .chunk_size(#size)));
        let name = words.name.as_ref().map(|name| quote_spanned!(span()=> .name(#name)));
        quote_spanned!(span()=> #p::Defaults::new() #timeout #retries #chunk_size #name)
    }

    // Input:
    //     #[inline]
    //     fn norm(row: &[f64], p: f64) -> f64 { … }
    // Output:
    //     impl norm {
    //         #[inline]
    //         fn body(row: &[f64], p: f64) -> f64 { … }
    //     }
    //
    // Inside of the type, so that the name `norm` in the body is the static. With `handle = norms` the function stays
    // where it was.
    fn body(&self) -> TokenStream {
        let Self { model, handle, output, .. } = self;
        let original = model.original;
        let everywhere = &model.attributes.everywhere;
        let body = &original.body;
        // A `const fn` is refused. Ahead of the author's attributes, whose word counts.
        let not_const = quote_spanned!(span()=> #[allow(clippy::missing_const_for_fn)]);
        if model.words.handle.is_some() {
            let (attributes, visibility, signature) = (&original.attributes, &original.visibility, &original.signature);
            return quote!(#not_const #(#attributes)* #visibility #signature #body);
        }
        let attributes = &model.attributes.body;
        let inputs = &original.signature.inputs;
        let fn_token = original.signature.fn_token;
        quote_spanned! {span()=>
            #everywhere
            impl #handle {
                /// The function itself.
                #not_const
                #attributes
                #fn_token body(#inputs) #output #body
            }
        }
    }

    /// The function as a value.
    fn pointer(&self) -> TokenStream {
        match self.model.words.handle {
            Some(_) => generated_name(&self.model.original.signature.ident).to_token_stream(),
            None => {
                let handle = &self.handle;
                quote_spanned!(span()=> #handle::body)
            }
        }
    }

    // Input:
    //     fn norm(row: &[f64], p: f64) -> f64
    // Output:
    //     impl norm {
    //         fn spawn(&self, row: &[f64], p: f64) -> JoinHandle<f64> {
    //             self.task.spawn_with((p,), |owned, arguments| {
    //                 arguments.push::<norm, 0>(row)?;
    //                 arguments.push::<norm, 1>(&owned.0)?;
    //                 Ok(())
    //             })
    //         }
    //         fn submit…
    //     }
    fn calls(&self) -> TokenStream {
        let Self { model, handle, visibility, p, everywhere, .. } = self;
        let parameters = model.parameters.iter().map(|Parameter { original, name, .. }| {
            let ty = &original.ty;
            quote!(#name: #ty)
        });
        let inputs = quote_spanned!(span()=> &self, #(#parameters),*);
        let result = self.result();
        // What is given away stands in a tuple: the runtime drops it.
        let owned = model.parameters.iter().filter(|parameter| !parameter.borrowed).map(|parameter| &parameter.name);
        let owned = quote_spanned!(span()=> (#(#owned,)*));
        let push = self.push(|index, parameter| {
            if parameter.borrowed {
                return parameter.name.to_token_stream();
            }
            let place = model.parameters[..index].iter().filter(|parameter| !parameter.borrowed).count();
            let place = Literal::usize_unsuffixed(place);
            quote_spanned!(span()=> __owned.#place)
        });
        quote_spanned! {span()=>
            #everywhere
            impl #handle {
                /// Starts a process for this one call.
                #visibility fn spawn(#inputs) -> #p::JoinHandle<#result> {
                    self.task.spawn_with(#owned, |__owned, __arguments| #push)
                }

                /// Gives this one call to the pool.
                #visibility fn submit(#inputs) -> #p::JoinHandle<#result> {
                    self.task.submit_with(#owned, |__owned, __arguments| #push)
                }
            }
        }
    }

    /// `f64`, or `()` where nothing is written.
    fn result(&self) -> TokenStream {
        self.model.output.map_or_else(|| quote_spanned!(span()=> ()), ToTokens::to_token_stream)
    }

    /// `{ arguments.push::<norm, 0>(row)?; arguments.push::<norm, 1>(&p)?; Ok(()) }`; `value` tells where each stands.
    fn push(&self, value: impl Fn(usize, &Parameter<'_>) -> TokenStream) -> TokenStream {
        let handle = &self.handle;
        let pushes = self.model.parameters.iter().enumerate().map(|(index, parameter)| {
            let (value, index) = (value(index, parameter), Literal::usize_unsuffixed(index));
            let borrow = (!parameter.borrowed).then(|| quote_spanned!(span()=> &));
            quote_spanned!(span()=> __arguments.push::<#handle, #index>(#borrow #value)?;)
        });
        quote_spanned!(span()=> { #(#pushes)* ::core::result::Result::Ok(()) })
    }

    // Input:
    //     fn norm(…)
    // Output:
    //     impl Deref for norm { type Target = Task<norm>; … }
    //     impl From<Task<norm>> for norm { … }
    fn conversions(&self) -> TokenStream {
        let Self { handle, p, everywhere, .. } = self;
        quote_spanned! {span()=>
            #everywhere
            #[automatically_derived]
            impl ::core::ops::Deref for #handle {
                type Target = #p::Task<#handle>;

                #[inline(always)]
                fn deref(&self) -> &Self::Target {
                    &self.task
                }
            }

            #everywhere
            #[automatically_derived]
            impl ::core::convert::From<#p::Task<#handle>> for #handle {
                fn from(__task: #p::Task<#handle>) -> Self {
                    Self { task: __task }
                }
            }
        }
    }

    // Input:
    //     fn norm(row: &[f64], p: f64) -> f64
    // Output:
    //     impl Parameter<0> for norm { const NAME: &'static str = "row"; type Type = [f64]; type Codec = Serde; }
    //     impl Parameter<1> for norm { const NAME: &'static str = "p"; type Type = f64; type Codec = Serde; }
    //     impl Returns for norm { type Output = f64; type Codec = Serde; }
    //
    // A type that cannot be sent is an error at its codec, and nowhere else.
    fn parameters(&self) -> TokenStream {
        let Self { model, handle, p, everywhere, .. } = self;
        let parameters = model.parameters.iter().enumerate().map(|(index, parameter)| {
            let (index, name) = (Literal::usize_unsuffixed(index), parameter.name.unraw().to_string());
            let (ty, codec) = self.sent("Type", parameter.referent.to_token_stream());
            quote_spanned! {span()=>
                #everywhere
                #[automatically_derived]
                impl #p::Parameter<#index> for #handle {
                    const NAME: &'static str = #name;
                    #ty
                    #codec
                }
            }
        });
        let (result, codec) = self.sent("Output", self.result());
        quote_spanned! {span()=>
            #(#parameters)*

            #everywhere
            #[automatically_derived]
            impl #p::Returns for #handle {
                #result
                #codec
            }
        }
    }

    /// `type Output = f64;` and `type Codec = Serde;`, spanned so that what is wrong with them underlines the type.
    fn sent(&self, name: &str, ty: TokenStream) -> (TokenStream, TokenStream) {
        let mut places = ty.clone().into_iter().map(|token| token.span());
        let first = places.next().unwrap_or_else(span);
        let last = places.last().unwrap_or(first);
        let name = Ident::new(name, span());
        let (keyword, end) = (quote_spanned!(first=> type), quote_spanned!(last=> ;));
        // The path reaches from the type's first token to its last, and has the author's hygiene as the type has.
        let given = self.model.words.crate_path.is_some();
        let crate_path = self.model.crate_path.to_token_stream().into_iter().map(|mut token| {
            token.set_span(if given { first.resolved_at(token.span()) } else { first });
            token
        });
        let crate_path: TokenStream = crate_path.collect();
        let path = quote_spanned!(first=> #crate_path::__private::);
        let serde = Ident::new("Serde", last);
        (quote_spanned!(span()=> #keyword #name = #ty #end), quote_spanned!(span()=> type Codec = #path #serde;))
    }

    // Input:
    //     fn norm(row: &[f64], p: f64) -> f64
    // Output:
    //     impl Function for norm {
    //         type Pointer = fn(&[f64], f64) -> f64;
    //         const POINTER: Self::Pointer = norm::body;
    //         type Owned = (Owned<norm, 0>, Owned<norm, 1>);
    //         fn entry() -> &'static Entry { … }
    //         fn encode_owned(…) { … }
    //     }
    fn description(&self) -> TokenStream {
        let Self { model, handle, p, everywhere, output, .. } = self;
        let types = model.parameters.iter().map(|parameter| &parameter.original.ty);
        let pointer = self.pointer();
        let owned = (0..model.parameters.len()).map(|index| {
            let index = Literal::usize_unsuffixed(index);
            quote_spanned!(span()=> #p::Owned<#handle, #index>)
        });
        let entry = self.entry();
        let push = self.push(|index, parameter| {
            let index = syn::Index { index: u32::try_from(index).unwrap_or(u32::MAX), span: span() };
            match parameter.borrowed {
                true => quote_spanned!(span()=> ::core::borrow::Borrow::borrow(&__owned.#index)),
                false => quote_spanned!(span()=> __owned.#index),
            }
        });
        let (owned_name, arguments_name) = self.argument_names("__owned");
        quote_spanned! {span()=>
            #everywhere
            #[automatically_derived]
            impl #p::Function for #handle {
                type Pointer = fn(#(#types),*) #output;
                const POINTER: Self::Pointer = #pointer;
                type Owned = (#(#owned,)*);

                fn entry() -> &'static #p::Entry {
                    #entry
                    &ENTRY
                }

                fn encode_owned(
                    #owned_name: &Self::Owned,
                    #arguments_name: &mut #p::Arguments,
                ) -> ::core::result::Result<(), #p::CodecError> #push
            }
        }
    }

    /// The names of the two parameters of an encoder: with an underscore alone where there is nothing to encode.
    fn argument_names(&self, value: &str) -> (TokenStream, TokenStream) {
        if self.model.parameters.is_empty() {
            return (quote_spanned!(span()=> _), quote_spanned!(span()=> _));
        }
        let value = Ident::new(value, span());
        (quote!(#value), quote_spanned!(span()=> __arguments))
    }

    // Input:
    //     fn norm(row: &[f64], p: f64) -> f64
    // Output:
    //     #[distributed_slice(FUNCTIONS)]
    //     static ENTRY: Entry = Entry::new("path::norm at src/lib.rs:3:4 fn(&[f64], f64) -> f64", "norm", |call| {
    //         call.run::<norm, _>(|parameters| {
    //             let values = (parameters.take_borrowed::<norm, 0>()?, parameters.take::<norm, 1>()?,);
    //             Ok(move || norm::body(values.0.get(), values.1.into_inner()))
    //         });
    //     });
    fn entry(&self) -> TokenStream {
        let Self { model, handle, p, .. } = self;
        let (path, signature) = document::key(model);
        let name = model.original.signature.ident.unraw().to_string();
        // Spanned at the function, so that the line and column are its own.
        let place = quote_spanned! {model.original.signature.ident.span()=>
            ::core::file!(), ":", ::core::line!(), ":", ::core::column!()
        };
        let take = model.parameters.iter().enumerate().map(|(index, parameter)| {
            let index = Literal::usize_unsuffixed(index);
            match parameter.borrowed {
                true => quote_spanned!(span()=> __parameters.take_borrowed::<#handle, #index>()?),
                false => quote_spanned!(span()=> __parameters.take::<#handle, #index>()?),
            }
        });
        let values = model.parameters.iter().enumerate().map(|(index, parameter)| {
            let index = Literal::usize_unsuffixed(index);
            match parameter.borrowed {
                true => quote_spanned!(span()=> __values.#index.get()),
                false => quote_spanned!(span()=> __values.#index.into_inner()),
            }
        });
        let pointer = self.pointer();
        let decode = if model.parameters.is_empty() {
            quote_spanned!(span()=> |_| ::core::result::Result::Ok(#pointer))
        } else {
            quote_spanned! {span()=>
                |__parameters| {
                    let __values = (#(#take,)*);
                    ::core::result::Result::Ok(move || #pointer(#(#values),*))
                }
            }
        };
        quote_spanned! {span()=>
            #[#p::linkme::distributed_slice(#p::FUNCTIONS)]
            #[linkme(crate = #p::linkme)]
            static ENTRY: #p::Entry = #p::Entry::new(
                ::core::concat!(::core::module_path!(), #path, #place, #signature),
                #name,
                |__call| __call.run::<#handle, _>(#decode),
            );
        }
    }

    // Input:
    //     fn cube(x: u64)
    //     fn sum(row: &[f64])
    //     fn norm(row: &[f64], p: f64)
    // Output:
    //     impl Accepts<u64> for cube { … }
    //     impl<Item> Accepts<Item> for sum where [f64]: BorrowedFrom<Item> { … }
    //     impl<'item> Accepts<(&'item [f64], f64)> for norm { … }
    fn items(&self) -> TokenStream {
        let Self { model, handle, p, everywhere, .. } = self;
        let (lifetimes, item, bound, push) = match &*model.parameters {
            [single] if single.borrowed => {
                let referent = single.referent;
                let from = quote_spanned!(span()=> #p::BorrowedFrom<__Item>);
                let borrow =
                    |_, _: &Parameter<'_>| quote_spanned!(span()=> <#referent as #from>::borrowed_from(__item));
                (
                    quote_spanned!(span()=> <__Item>),
                    quote_spanned!(span()=> __Item),
                    quote_spanned!(span()=> where #referent: #from),
                    self.push(borrow),
                )
            }
            [single] => {
                let push = self.push(|_, _| quote_spanned!(span()=> *__item));
                (TokenStream::new(), single.referent.to_token_stream(), TokenStream::new(), push)
            }
            several => {
                let types = several.iter().map(|Parameter { referent, borrowed, .. }| match borrowed {
                    true => quote_spanned!(span()=> &'__item #referent),
                    false => referent.to_token_stream(),
                });
                let push = self.push(|index, _| {
                    let index = Literal::usize_unsuffixed(index);
                    quote_spanned!(span()=> __item.#index)
                });
                let any_borrowed = several.iter().any(|parameter| parameter.borrowed);
                let lifetimes = if any_borrowed { quote_spanned!(span()=> <'__item>) } else { TokenStream::new() };
                (lifetimes, quote_spanned!(span()=> (#(#types),*)), TokenStream::new(), push)
            }
        };
        let (item_name, arguments_name) = self.argument_names("__item");
        quote_spanned! {span()=>
            #everywhere
            #[automatically_derived]
            impl #lifetimes #p::Accepts<#item> for #handle #bound {
                #[inline]
                fn encode(
                    #item_name: &#item,
                    #arguments_name: &mut #p::Arguments,
                ) -> ::core::result::Result<(), #p::CodecError> #push
            }
        }
    }
}

/// The name as the attribute's own token, in the place where the author wrote it: the author's lints leave it alone.
fn generated_name(name: &Ident) -> Ident {
    let mut name = name.clone();
    name.set_span(name.span().resolved_at(span()));
    name
}

/// The visibility as the attribute's own token: lints about the author's `pub` fire once, at the static.
fn generated(visibility: &Visibility) -> TokenStream {
    let mut visibility = visibility.clone();
    match &mut visibility {
        Visibility::Public(token) => token.span = token.span.resolved_at(span()),
        Visibility::Restricted(restricted) => {
            restricted.pub_token.span = restricted.pub_token.span.resolved_at(span());
        }
        Visibility::Inherited => {}
    }
    visibility.to_token_stream()
}
