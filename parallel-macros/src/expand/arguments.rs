//! The struct of a function's arguments: hidden, or with the word `args` a struct that users build, store and send.

use proc_macro2::{Literal, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::Type;
use syn::ext::IdentExt;

use super::{Code, span};
use crate::document;
use crate::model::{Parameter, bare};

impl Code<'_> {
    // Input:
    //     #[parallel(args)]
    //     pub fn norm(row: &[f64], p: f64) -> f64 { … }
    // Output:
    //     pub struct NormArgs { pub row: Vec<f64>, pub p: f64 }
    //     impl NamedArguments for norm {}
    //     impl norm { pub fn call_args(&self, arguments: NormArgs) -> f64 { … } }
    //     impl Serialize for NormArgs { … }
    //     impl<'de> Deserialize<'de> for NormArgs { … }
    //
    // Without the word `args`: the struct alone, under a hidden name.
    pub(super) fn arguments(&self) -> TokenStream {
        let Self { model, visibility, everywhere, .. } = self;
        let name = &model.arguments;
        let fields = model
            .parameters
            .iter()
            .enumerate()
            .map(|(index, parameter)| (index, parameter, self.owned(index, parameter)));
        let Some(args) = &model.words.args else {
            let fields = fields.map(|(_, Parameter { name, .. }, owned)| quote_spanned!(span()=> #name: #owned));
            return quote_spanned! {span()=>
                #everywhere
                #[doc(hidden)]
                #[allow(dead_code, missing_debug_implementations, non_camel_case_types)]
                #visibility struct #name { #(#fields),* }
            };
        };
        let derives = &args.derives;
        let about = document::arguments(model);
        let user_visibility = &model.original.visibility;
        let fields = fields.map(|(_, Parameter { name, original, .. }, owned)| {
            let about =
                format!("The argument `{}: {}`.", name.unraw(), document::source(original.ty.to_token_stream()));
            quote_spanned!(span()=> #[doc = #about] #user_visibility #name: #owned)
        });
        let structure = quote_spanned! {span()=>
            #everywhere
            #[doc = #about]
            #[derive(#(#derives),*)]
            #user_visibility struct #name { #(#fields),* }
        };
        [structure, self.named_calls(), self.serde()].into_iter().collect()
    }

    /// The type of a parameter's field: as written; of a borrow, `Vec<T>`, `String` or, by way of the codec, its owned form.
    fn owned(&self, index: usize, parameter: &Parameter<'_>) -> TokenStream {
        let (handle, p, referent) = (&self.handle, &self.p, parameter.referent);
        match (parameter.borrowed, bare(referent)) {
            (false, _) => referent.to_token_stream(),
            (true, Type::Slice(slice)) => {
                let element = &slice.elem;
                quote_spanned!(span()=> ::std::vec::Vec<#element>)
            }
            (true, Type::Path(path)) if path.path.is_ident("str") => quote_spanned!(span()=> ::std::string::String),
            (true, _) => {
                let index = Literal::usize_unsuffixed(index);
                quote_spanned!(span()=> #p::Owned<#handle, #index>)
            }
        }
    }

    // Input:
    //     #[parallel(args)]
    //     fn norm(row: &[f64], p: f64) -> f64 { … }
    // Output:
    //     impl NamedArguments for norm {}
    //     impl norm {
    //         fn call_args(&self, arguments: NormArgs) -> f64 { __parallel_norm::norm::<()>::norm(arguments.row.borrow(), arguments.p) }
    //     }
    fn named_calls(&self) -> TokenStream {
        let Self { model, handle, p, everywhere, output, visibility, .. } = self;
        let (name, pointer) = (&model.arguments, self.pointer());
        let values = model.parameters.iter().map(|Parameter { name, borrowed, .. }| match borrowed {
            true => quote_spanned!(span()=> ::core::borrow::Borrow::borrow(&__given.#name)),
            false => quote_spanned!(span()=> __given.#name),
        });
        let given =
            if model.parameters.is_empty() { quote_spanned!(span()=> _) } else { quote_spanned!(span()=> __given) };
        quote_spanned! {span()=>
            #everywhere
            #[automatically_derived]
            impl #p::NamedArguments for #handle {}

            #everywhere
            impl #handle {
                /// Runs the function in this process.
                #visibility fn call_args(&self, #given: #name) #output {
                    #pointer(#(#values),*)
                }
            }
        }
    }

    // Input:
    //     #[parallel(args)]
    //     fn norm(row: &[f64], p: f64) -> f64 { … }
    // Output:
    //     impl Serialize for NormArgs {
    //         fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
    //             let mut fields = serializer.serialize_struct("NormArgs", 2)?;
    //             fields.serialize_field("row", &Field::<norm, 0>(self.row.borrow()))?;
    //             …
    //             fields.end()
    //         }
    //     }
    //     impl<'de> Deserialize<'de> for NormArgs {
    //         fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
    //             #[derive(Deserialize)]
    //             struct Fields { row: OwnedField<norm, 0>, p: OwnedField<norm, 1> }
    //             let fields = Fields::deserialize(deserializer)?;
    //             Ok(NormArgs { row: fields.row.0, p: fields.p.0 })
    //         }
    //     }
    //
    // Fields go through the codecs, so that a type that cannot travel is an error there and nowhere else.
    fn serde(&self) -> TokenStream {
        let Self { model, handle, p, everywhere, .. } = self;
        let (name, text, count) = (&model.arguments, model.arguments.unraw().to_string(), model.parameters.len());
        let serde = quote_spanned!(span()=> #p::serde);
        let crate_text = document::source(quote!(#serde));
        let names: Vec<_> = model.parameters.iter().map(|parameter| &parameter.name).collect();
        let indices: Vec<_> = (0..count).map(Literal::usize_unsuffixed).collect();
        let texts: Vec<_> = names.iter().map(|name| name.unraw().to_string()).collect();
        let given = model.parameters.iter().map(|Parameter { name, borrowed, .. }| match borrowed {
            true => quote_spanned!(span()=> ::core::borrow::Borrow::borrow(&self.#name)),
            false => quote_spanned!(span()=> &self.#name),
        });
        let binding = if count == 0 { quote_spanned!(span()=> _) } else { quote_spanned!(span()=> __fields) };
        let make_mutable = (count > 0).then(|| quote_spanned!(span()=> mut));
        quote_spanned! {span()=>
            #everywhere
            #[automatically_derived]
            impl #serde::Serialize for #name {
                fn serialize<__S: #serde::Serializer>(
                    &self,
                    __serializer: __S,
                ) -> ::core::result::Result<__S::Ok, __S::Error> {
                    let #make_mutable __fields = #serde::Serializer::serialize_struct(__serializer, #text, #count)?;
                    #(#serde::ser::SerializeStruct::serialize_field(
                        &mut __fields, #texts, &#p::Field::<#handle, #indices>(#given),
                    )?;)*
                    #serde::ser::SerializeStruct::end(__fields)
                }
            }

            #everywhere
            #[automatically_derived]
            impl<'de> #serde::Deserialize<'de> for #name {
                fn deserialize<__D: #serde::Deserializer<'de>>(
                    __deserializer: __D,
                ) -> ::core::result::Result<Self, __D::Error> {
                    #[derive(#serde::Deserialize)]
                    #[serde(crate = #crate_text, rename = #text)]
                    struct __Fields { #(#names: #p::OwnedField<#handle, #indices>),* }
                    let #binding: __Fields = #serde::Deserialize::deserialize(__deserializer)?;
                    ::core::result::Result::Ok(Self { #(#names: __fields.#names.0),* })
                }
            }
        }
    }
}
