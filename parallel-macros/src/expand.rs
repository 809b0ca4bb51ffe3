//! Writes the code that a `#[parallel]` function becomes.
//!
//! The code holds no logic: each method calls one function of the runtime. The code is spanned at the attribute, with its
//! hygiene; the author's tokens keep their spans.

use std::iter::zip;

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Type, Visibility};

mod arguments;

use crate::document;
use crate::model::{Model, Parameter, bare};

/// Writes everything.
///
/// ```text
/// // Input:
/// #[parallel]
/// fn cube(x: u64) -> u64 { x * x * x }
/// // Output:
/// mod __parallel_cube { pub struct cube<T> { pub(super) task: T } }
/// static cube: __parallel_cube::cube<Call<fn(u64) -> u64>> = …;
/// impl __parallel_cube::cube<()> { fn cube(x: u64) -> u64 { x * x * x } }
/// struct __parallel_arguments_of_cube { x: u64 }
/// impl cube<…> { fn spawn… fn submit… }
/// impl Deref… impl From… impl Parameter<0>… impl Returns… impl Callable… impl Accepts<u64> for cube<…> …
/// ```
pub(crate) fn function(model: &Model<'_>) -> TokenStream {
    let code = Code::new(model);
    let parts = [
        code.handle(),
        code.body(),
        code.arguments(),
        code.calls(),
        code.conversions(),
        code.parameters(),
        code.description(),
        code.items(),
    ];
    parts.into_iter().collect()
}

/// The parts that many generators use.
struct Code<'a> {
    model: &'a Model<'a>,
    /// The hidden module of the generated type, and the type: a module of its own, so that it takes no name from the
    /// author's types.
    module: Ident,
    name: Ident,
    /// The generated type as it is used: `norm<Call<fn(&[f64], f64) -> f64>>`.
    handle: TokenStream,
    visibility: TokenStream,
    /// `::parallel::__private`
    p: TokenStream,
    /// `-> f64`, or nothing
    output: TokenStream,
    /// What stands in front of every generated item.
    everywhere: TokenStream,
}

/// The span of generated code: its hygiene keeps local names apart from the author's.
fn span() -> Span {
    Span::mixed_site()
}

impl<'a> Code<'a> {
    fn new(model: &'a Model<'a>) -> Self {
        let crate_path = &model.crate_path;
        let p = quote_spanned!(span()=> #crate_path::__private);
        let module = format_ident!("__parallel_{}", model.handle.unraw(), span = span());
        let name = generated_name(model.handle);
        let types = model.parameters.iter().map(|parameter| &parameter.original.ty);
        let output = &model.original.signature.output;
        // An `unsafe` function is refused; `unsafe` still stands here, so that its uses compile.
        let safety = &model.original.signature.safety;
        Self {
            model,
            handle: quote_spanned!(span()=> #module::#name<#p::Call<#safety fn(#(#types),*) #output>>),
            module,
            name,
            visibility: generated(&model.original.visibility),
            p,
            output: model.original.signature.output.to_token_stream(),
            everywhere: {
                let everywhere = &model.attributes.everywhere;
                // These lints about the signature fire once, at the body.
                let clippy = quote_spanned!(span()=> clippy::absolute_paths, clippy::exhaustive_structs, clippy::too_many_arguments, clippy::type_complexity);
                quote_spanned!(span()=> #everywhere #[allow(deprecated, unused_qualifications, #clippy)])
            },
        }
    }

    // Input:
    //     #[parallel(retries = 2)]
    //     pub fn norm(row: &[f64], p: f64) -> f64 { … }
    // Output:
    //     mod __parallel_norm { pub struct norm<T> { pub(super) task: T } }
    //     pub static norm: __parallel_norm::norm<Call<fn(&[f64], f64) -> f64>> =
    //         __parallel_norm::norm { task: Call::new(body, Defaults::new().retries(2)) };
    //
    // The module names no item from outside, so it is the same wherever the function stands.
    fn handle(&self) -> TokenStream {
        let Self { model, handle, module, name: type_name, p, everywhere, .. } = self;
        let (defaults, pointer) = (self.defaults(), self.pointer());
        let type_visibility = from_within(&model.original.visibility);
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
            #[allow(non_snake_case)]
            mod #module {
                #[derive(::core::clone::Clone, ::core::fmt::Debug)]
                #[allow(non_camel_case_types, unreachable_pub, clippy::field_scoped_visibility_modifiers)]
                #type_visibility struct #type_name<__Task> {
                    pub(super) task: __Task,
                }
            }

            #everywhere
            #documentation
            #[doc = #section]
            #deprecated
            #lints
            #original_visibility static #static_name: #handle =
                #module::#type_name { task: #p::Call::new(#pointer, #defaults) };
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
    //     impl __parallel_norm::norm<()> {
    //         #[inline]
    //         fn norm(row: &[f64], p: f64) -> f64 { … }
    //     }
    //
    // An associated function, so that the name `norm` in the body means the static; of `norm<()>`, which has no other
    // methods. With `handle = norms` the function stays where it was.
    fn body(&self) -> TokenStream {
        let Self { model, module, name, output, .. } = self;
        let original = model.original;
        let everywhere = &model.attributes.everywhere;
        let body = &original.body;
        // A `const fn` is refused. Stands ahead of the author's attributes, so that those win.
        let not_const = quote_spanned!(span()=> #[allow(clippy::missing_const_for_fn)]);
        if model.words.handle.is_some() {
            let (attributes, visibility, signature) = (&original.attributes, &original.visibility, &original.signature);
            return quote!(#not_const #(#attributes)* #visibility #signature #body);
        }
        let attributes = &model.attributes.body;
        let inputs = &original.signature.inputs;
        let (safety, fn_token) = (&original.signature.safety, original.signature.fn_token);
        quote_spanned! {span()=>
            #everywhere
            impl #module::#name<()> {
                /// The function itself.
                #not_const
                #attributes
                #safety #fn_token #name(#inputs) #output #body
            }
        }
    }

    /// The function as a value.
    fn pointer(&self) -> TokenStream {
        match self.model.words.handle {
            Some(_) => generated_name(&self.model.original.signature.ident).to_token_stream(),
            None => {
                let Self { module, name, .. } = self;
                quote_spanned!(span()=> #module::#name::<()>::#name)
            }
        }
    }

    // Input:
    //     fn norm(row: &[f64], p: f64) -> f64
    // Output:
    //     impl norm {
    //         fn spawn(&self, row: &[f64], p: f64) -> JoinHandle<f64> {
    //             self.deref().spawn_with((p,), |owned, arguments| {
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
        // Owned arguments go in a tuple, which the runtime drops.
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
                    ::core::ops::Deref::deref(self).spawn_with(#owned, |__owned, __arguments| #push)
                }

                /// Gives this one call to the pool.
                #visibility fn submit(#inputs) -> #p::JoinHandle<#result> {
                    ::core::ops::Deref::deref(self).submit_with(#owned, |__owned, __arguments| #push)
                }
            }
        }
    }

    /// `f64`, or `()` where nothing is written.
    fn result(&self) -> TokenStream {
        self.model.output.map_or_else(|| quote_spanned!(span()=> ()), ToTokens::to_token_stream)
    }

    /// `{ arguments.push::<norm, 0>(row)?; arguments.push::<norm, 1>(&p)?; Ok(()) }`; `value` gives each argument's tokens.
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
        let Self { module, name, handle, p, everywhere, .. } = self;
        quote_spanned! {span()=>
            #everywhere
            #[automatically_derived]
            impl ::core::ops::Deref for #handle {
                type Target = #p::Task<#handle>;

                #[inline(always)]
                fn deref(&self) -> &Self::Target {
                    #p::Task::of(&self.task)
                }
            }

            #everywhere
            #[automatically_derived]
            impl ::core::convert::From<#p::Task<#handle>> for #handle {
                fn from(__task: #p::Task<#handle>) -> Self {
                    #module::#name { task: __task.into_call() }
                }
            }
        }
    }

    // Input:
    //     fn norm(row: &[f64], p: f64) -> f64
    // Output:
    //     impl Parameter<0> for norm { const NAME: &'static str = "row"; type Type = [f64]; fn codec… }
    //     impl Parameter<1> for norm { const NAME: &'static str = "p"; type Type = f64; fn codec… }
    //     impl Returns for norm { type Output = f64; fn codec… }
    //
    // A type that cannot be sent is an error at its codec, and nowhere else.
    fn parameters(&self) -> TokenStream {
        let Self { model, handle, p, everywhere, .. } = self;
        let parameters = model.parameters.iter().enumerate().map(|(index, parameter)| {
            let (index, name) = (Literal::usize_unsuffixed(index), parameter.name.unraw().to_string());
            let (ty, codec) = self.sent("Type", parameter.referent, parameter.borrowed);
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
        let unit = Type::Tuple(syn::TypeTuple {
            attrs: Vec::new(),
            paren_token: syn::token::Paren(span()),
            elems: Punctuated::new(),
        });
        let (result, codec) = self.sent("Output", self.model.output.unwrap_or(&unit), false);
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

    /// `type Output = f64;` and `fn codec() -> …`, spanned so that errors in them underline the type.
    fn sent(&self, name: &str, ty: &Type, borrowed: bool) -> (TokenStream, TokenStream) {
        let argument = name == "Type";
        let mut places = ty.to_token_stream().into_iter().map(|token| token.span());
        let first = places.next().unwrap_or_else(span);
        let last = places.last().unwrap_or(first);
        let (keyword, end) = (quote_spanned!(first=> type), quote_spanned!(last=> ;));
        let p = self.door(first);
        let codec = Ident::new(if argument { "ArgumentCodec" } else { "ResultCodec" }, last);
        let any = &self.p;
        let kind = self.kind(ty, None, borrowed.then_some(Holder::Borrow));
        let choose = quote_spanned!(first=> #kind.codec::<#ty>());
        let name = Ident::new(name, span());
        (
            quote_spanned!(span()=> #keyword #name = #ty #end),
            quote_spanned! {span()=>
                fn codec() -> impl #p #codec<#ty> {
                    #[allow(unused_imports)]
                    use #any::{ByChange as _, ByDefault as _, BySerde as _, ByType as _, Silent as _};
                    #choose
                }
            },
        )
    }

    /// `::parallel::__private::`, with the span and the hygiene of the type at `place`.
    fn door(&self, place: Span) -> TokenStream {
        let given = self.model.words.crate_path.is_some();
        let crate_path = self.model.crate_path.to_token_stream().into_iter().map(|mut token| {
            token.set_span(if given { place.resolved_at(token.span()) } else { place });
            token
        });
        let crate_path: TokenStream = crate_path.collect();
        quote_spanned!(place=> #crate_path::__private::)
    }

    // Input:
    //     fn f(pair: (File, u8))
    // Output:
    //     whole((holder.kind().lacking(file.kind()).inside::<File>(), (… u8 …, ())), pair.kind())
    //
    // Asks about each type inside of a type, spanned at that inner type: whether it does not travel where the type around
    // it does not, and whether it is made to be changed in place while it stands behind a borrow, box, `Arc` or `Rc`.
    fn kind(&self, ty: &Type, around: Option<&Type>, behind: Option<Holder<'_>>) -> TokenStream {
        let place = place(ty);
        let p = self.door(place);
        let kind = match (bare(ty), around) {
            // The array is written out, so its kind is certain, whatever its length.
            (Type::Array(_), None) => quote_spanned!(place=> #p Row),
            (_, None) => quote_spanned!(place=> (&&&#p Probe::<#ty>::new()).kind()),
            (_, Some(around)) => quote_spanned! {place=>
                (&&&#p Probe::<#around>::new()).kind().lacking((&&&#p Probe::<#ty>::new()).kind())
            },
        };
        let mut answers = quote_spanned!(span()=> ());
        let inside = match Holder::of(ty) {
            Some(holder) => Some(holder),
            None => behind,
        };
        for part in parts(ty).into_iter().rev() {
            let place = self::place(part);
            let kind = self.kind(part, Some(ty), inside);
            let answer = quote_spanned!(place=> #kind.inside::<#part>());
            answers = quote_spanned!(span()=> (#answer, #answers));
        }
        if let Some(holder) = behind {
            let behind = quote_spanned!(place=> (&&&#p Probe::<#ty>::new()).behind());
            let behind = match holder {
                Holder::Borrow => quote_spanned!(place=> #behind.inside::<#ty>()),
                // A holder that does not travel itself reports only that.
                Holder::Type(holder) => {
                    quote_spanned!(place=> (&&&#p Probe::<#holder>::new()).kind().holding(#behind).inside::<#ty>())
                }
            };
            answers = quote_spanned!(span()=> (#behind, #answers));
        }
        quote_spanned!(place=> #p whole(#answers, #kind))
    }

    // Input:
    //     fn norm(row: &[f64], p: f64) -> f64
    // Output:
    //     impl Function for norm {}
    //     impl Callable for norm {
    //         type Pointer = fn(&[f64], f64) -> f64;
    //         type Arguments = __parallel_arguments_of_norm;
    //         fn entry() -> &'static Entry { … }
    //         fn encode_arguments(…) { … }
    //     }
    fn description(&self) -> TokenStream {
        let Self { model, handle, p, everywhere, output, .. } = self;
        let types = model.parameters.iter().map(|parameter| &parameter.original.ty);
        let entry = self.entry();
        let safety = &model.original.signature.safety;
        let push = self.push(|_, parameter| {
            let name = &parameter.name;
            match parameter.borrowed {
                true => quote_spanned!(span()=> ::core::borrow::Borrow::borrow(&__given.#name)),
                false => quote_spanned!(span()=> __given.#name),
            }
        });
        let arguments = &model.arguments;
        let (given_name, arguments_name) = self.argument_names("__given");
        quote_spanned! {span()=>
            #everywhere
            #[automatically_derived]
            impl #p::Callable for #handle {
                type Pointer = #safety fn(#(#types),*) #output;
                type Arguments = #arguments;

                fn entry() -> &'static #p::Entry {
                    #entry
                    &ENTRY
                }

                fn encode_arguments(
                    #given_name: &Self::Arguments,
                    #arguments_name: &mut #p::Arguments,
                ) -> ::core::result::Result<(), #p::CodecError> #push
            }

            #everywhere
            #[automatically_derived]
            impl #p::Function for #handle {}
        }
    }

    /// The names of the two parameters of an encoder; `_` where there is nothing to encode.
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
    //         use __private::{OfAny as _, OfNumbers as _};
    //         (&&Signature::<norm, (Owned<norm, 0>, Owned<norm, 1>,)>::new()).run(call, |parameters| {
    //             let values = (parameters.take_borrowed::<norm, 0>()?, parameters.take::<norm, 1>()?,);
    //             Ok(move || __parallel_norm::norm::<()>::norm(values.0.get(), values.1.into_inner()))
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
        let call = quote_spanned!(span()=> #pointer(#(#values),*));
        let decode = if let syn::Safety::Unsafe(_) = model.original.signature.safety {
            quote_spanned!(span()=> |_| ::core::result::Result::Ok(|| ::core::unimplemented!()))
        } else if model.parameters.is_empty() {
            quote_spanned!(span()=> |_| ::core::result::Result::Ok(#pointer))
        } else {
            quote_spanned! {span()=>
                |__parameters| {
                    let __values = (#(#take,)*);
                    ::core::result::Result::Ok(move || #call)
                }
            }
        };
        let indices = (0..model.parameters.len()).map(Literal::usize_unsuffixed);
        quote_spanned! {span()=>
            #[#p::linkme::distributed_slice(#p::FUNCTIONS)]
            #[linkme(crate = #p::linkme)]
            static ENTRY: #p::Entry = #p::Entry::new(
                ::core::concat!(::core::module_path!(), #path, #place, #signature),
                #name,
                |__call| {
                    #[allow(unused_imports)]
                    use #p::{OfAny as _, OfNumbers as _};
                    (&&#p::Signature::<#handle, (#(#p::Owned<#handle, #indices>,)*)>::new()).run(__call, #decode);
                },
            );
        }
    }

    // Input:
    //     fn cube(x: u64)
    //     fn sum(row: &[f64])
    //     fn norm(row: &[f64], p: f64)
    // Output:
    //     impl Accepts<u64> for cube { … }
    //     impl AcceptsTuple<(u64,)> for cube { … }
    //     impl<Item0> Accepts<Item0> for sum where [f64]: BorrowedFrom<Item0> { … }
    //     impl<Item0> AcceptsTuple<(Item0,)> for sum where [f64]: BorrowedFrom<Item0> { … }
    //     impl<Item0> Accepts<(Item0, f64)> for norm where [f64]: BorrowedFrom<Item0> { … }
    //     impl<Item0> AcceptsTuple<(Item0, f64)> for norm where [f64]: BorrowedFrom<Item0> { … }
    //
    // Generic in the borrowed parameters only: for the others, the parameter's type decides the type of a literal.
    fn items(&self) -> TokenStream {
        let Self { model, handle, p, everywhere, .. } = self;
        let places: Vec<_> =
            (0..model.parameters.len()).map(|index| format_ident!("__Item{index}", span = span())).collect();
        let types: Vec<_> = zip(&model.parameters, &places)
            .map(|(parameter, place)| match parameter.borrowed {
                true => place.to_token_stream(),
                false => parameter.referent.to_token_stream(),
            })
            .collect();
        let borrowed = || zip(&model.parameters, &places).filter(|(parameter, _)| parameter.borrowed);
        let generics = borrowed().map(|(_, place)| place);
        let generics = quote_spanned!(span()=> <#(#generics),*>);
        let bounds = borrowed()
            .map(|(Parameter { referent, .. }, place)| quote_spanned!(span()=> #referent: #p::BorrowedFrom<#place>));
        let bounds = quote_spanned!(span()=> where #(#bounds),*);
        let implement = |name: &str, item: TokenStream, alone: bool| {
            let name = Ident::new(name, span());
            let push = self.push(|index, parameter| {
                let (at, referent, place) = (Literal::usize_unsuffixed(index), parameter.referent, &places[index]);
                match (alone, parameter.borrowed) {
                    (true, false) => quote_spanned!(span()=> *__item),
                    (false, false) => quote_spanned!(span()=> __item.#at),
                    (true, true) => {
                        quote_spanned!(span()=> <#referent as #p::BorrowedFrom<#place>>::borrowed_from(__item))
                    }
                    (false, true) => {
                        quote_spanned!(span()=> <#referent as #p::BorrowedFrom<#place>>::borrowed_from(&__item.#at))
                    }
                }
            });
            let (item_name, arguments_name) = self.argument_names("__item");
            quote_spanned! {span()=>
                #everywhere
                #[automatically_derived]
                impl #generics #p::#name<#item> for #handle #bounds {
                    #[inline]
                    fn encode(
                        #item_name: &#item,
                        #arguments_name: &mut #p::Arguments,
                    ) -> ::core::result::Result<(), #p::CodecError> #push
                }
            }
        };
        let tuple = quote_spanned!(span()=> (#(#types,)*));
        let item = match &*types {
            [single] => implement("Accepts", single.clone(), true),
            _ => implement("Accepts", tuple.clone(), false),
        };
        let tuple = implement("AcceptsTuple", tuple, false);
        quote!(#item #tuple)
    }
}

/// What a type stands behind.
#[derive(Clone, Copy)]
enum Holder<'a> {
    Borrow,
    /// A box, an `Arc` or an `Rc`.
    Type(&'a Type),
}

impl<'a> Holder<'a> {
    /// The holder of the types inside of `ty`, if `ty` is one.
    fn of(ty: &'a Type) -> Option<Self> {
        matches!(last_word(ty).as_deref(), Some("Box" | "Arc" | "Rc")).then_some(Self::Type(ty))
    }
}

/// The last segment of a path, without its generic arguments.
fn last_word(ty: &Type) -> Option<String> {
    match bare(ty) {
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
        _ => None,
    }
}

/// Where a type is written.
fn place(ty: &Type) -> Span {
    ty.to_token_stream().into_iter().next().map_or_else(span, |token| token.span())
}

/// The types written directly inside of a type whose values may hold values of them.
fn parts(ty: &Type) -> Vec<&Type> {
    struct Parts<'a>(Vec<&'a Type>);

    impl<'a> Visit<'a> for Parts<'a> {
        fn visit_type(&mut self, ty: &'a Type) {
            if !matches!(bare(ty), Type::TraitObject(_) | Type::Ptr(_) | Type::Macro(_)) {
                self.0.push(ty);
            }
        }

        // Lengths of arrays and the like.
        fn visit_expr(&mut self, _: &'a syn::Expr) {}
    }

    let ty = bare(ty);
    let mut parts = Parts(Vec::new());
    match last_word(ty).as_deref() {
        // `PhantomData` holds no value, and a `Result` has an error message of its own.
        Some("PhantomData" | "Result") => {}
        _ if matches!(ty, Type::FnPtr(_)) => {}
        _ => visit::visit_type(&mut parts, ty),
    }
    parts.0
}

/// The name as a token of the attribute, in the place where the author wrote it, so that the author's lints do not fire.
fn generated_name(name: &Ident) -> Ident {
    let mut name = name.clone();
    name.set_span(name.span().resolved_at(span()));
    name
}

/// The visibility as a token of the attribute, so that lints about the author's `pub` fire once, at the static.
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

/// The same visibility, seen from a module inside of the function's place.
fn from_within(visibility: &Visibility) -> TokenStream {
    match visibility {
        Visibility::Public(_) => quote_spanned!(span()=> pub),
        Visibility::Inherited => quote_spanned!(span()=> pub(super)),
        Visibility::Restricted(restricted) => {
            let path = &restricted.path;
            match path.segments.first() {
                Some(first) if first.ident == "self" => {
                    let rest = path.segments.iter().skip(1);
                    quote_spanned!(span()=> pub(in super #(:: #rest)*))
                }
                Some(first) if first.ident == "super" => quote_spanned!(span()=> pub(in super::#path)),
                _ => quote_spanned!(span()=> pub(in #path)),
            }
        }
    }
}
