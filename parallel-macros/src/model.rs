//! Names the parts of a function. All parts borrow the author's tokens, so that every refusal can underline them.

use proc_macro2::{Ident, Span};
use quote::format_ident;
use syn::ext::IdentExt;
use syn::{FnArg, Pat, PatType, Path, ReturnType, Type};

use crate::attributes::Attributes;
use crate::parse::{Args, Function, Words};

/// A function under the attribute.
pub(crate) struct Model<'a> {
    pub(crate) original: &'a Function,
    pub(crate) words: &'a Words,
    pub(crate) attributes: Attributes,
    /// The name of the static, and of its type: the function's, or that of `handle = name`.
    pub(crate) handle: &'a Ident,
    /// The name of the struct of its arguments.
    pub(crate) arguments: Ident,
    /// `parallel`, under the name it has here.
    pub(crate) crate_path: Path,
    /// The parameters; a `self` is not among them.
    pub(crate) parameters: Vec<Parameter<'a>>,
    /// What is returned; `None` where nothing is written.
    pub(crate) output: Option<&'a Type>,
}

/// One parameter.
pub(crate) struct Parameter<'a> {
    pub(crate) original: &'a PatType,
    /// The parameter's name in the generated methods; a pattern gets one.
    pub(crate) name: Ident,
    /// The parameter's type; of a borrow, the type behind it.
    pub(crate) referent: &'a Type,
    pub(crate) borrowed: bool,
}

impl<'a> Model<'a> {
    pub(crate) fn new(original: &'a Function, words: &'a Words) -> Self {
        let signature = &original.signature;
        let typed = signature.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(typed) => Some(typed),
            FnArg::Receiver(_) => None,
        });
        Self {
            original,
            words,
            attributes: Attributes::new(&original.attributes),
            handle: words.handle.as_ref().unwrap_or(&signature.ident),
            arguments: arguments_name(&signature.ident, words),
            crate_path: words.crate_path.clone().unwrap_or_else(|| syn::parse_quote!(::parallel)),
            parameters: typed.enumerate().map(|(index, typed)| Parameter::new(typed, index)).collect(),
            output: match &signature.output {
                ReturnType::Default => None,
                ReturnType::Type(_, output) => Some(output),
            },
        }
    }
}

/// The name of the struct of the arguments: the chosen one, or `NormArgs` for `norm`; a hidden name without `args`.
fn arguments_name(function: &Ident, words: &Words) -> Ident {
    let camel = |name: &str| -> String {
        let words = name.split('_').map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
        });
        words.collect()
    };
    match &words.args {
        Some(Args { name: Some(name), .. }) => name.clone(),
        Some(args) => Ident::new(&format!("{}Args", camel(&function.unraw().to_string())), args.span),
        None => {
            let handle = words.handle.as_ref().unwrap_or(function);
            format_ident!("__parallel_arguments_of_{}", handle.unraw(), span = Span::mixed_site())
        }
    }
}

impl<'a> Parameter<'a> {
    fn new(original: &'a PatType, index: usize) -> Self {
        let name = match &*original.pat {
            Pat::Ident(pattern) => pattern.ident.clone(),
            // The hygiene of the attribute keeps the name apart from the author's names.
            _ => format_ident!("argument_{index}", span = Span::mixed_site()),
        };
        let (referent, borrowed) = match bare(&original.ty) {
            Type::Reference(reference) => (&*reference.elem, true),
            _ => (&*original.ty, false),
        };
        Self { original, name, referent, borrowed }
    }
}

/// The type without parentheses, and without the invisible ones that a macro's `$t:ty` leaves.
pub(crate) fn bare(mut ty: &Type) -> &Type {
    loop {
        ty = match ty {
            Type::Group(group) => &group.elem,
            Type::Paren(paren) => &paren.elem,
            _ => return ty,
        };
    }
}
