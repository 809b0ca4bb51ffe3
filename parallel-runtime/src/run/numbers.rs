//! Which functions have numbers as arguments and result, as the attribute asks the compiler.
//!
//! It asks `(&&Signature::<H, (u64, f64)>::new()).run(..)`, and the compiler takes [`OfNumbers`] where its bounds hold, else
//! [`OfAny`]: as in [`probe`](crate::probe). So the loop over a row is compiled for those functions only.

use std::marker::PhantomData;

use super::items::ItemLoop;
use crate::wire::arguments::Parameters;
use crate::wire::codec::CodecError;
use crate::wire::parameter::Returns;
use crate::wire::plain::Short;

/// The function of handle `H`, with the types `A` of its parameters.
#[derive(Debug)]
pub struct Signature<H, A>(PhantomData<(H, A)>);

impl<H, A> Signature<H, A> {
    /// Asks about it.
    #[expect(clippy::new_without_default, reason = "nobody makes one but the attribute")]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

/// Parameters that are numbers, or truth values.
pub trait Numbers {}

macro_rules! numbers {
    ($($number:ident)*) => {
        impl<$($number: Short),*> Numbers for ($($number,)*) {}
    };
}
numbers!(A);
numbers!(A B);
numbers!(A B C);
numbers!(A B C D);
numbers!(A B C D E);
numbers!(A B C D E F);
numbers!(A B C D E F G);
numbers!(A B C D E F G I);

/// Functions that have numbers as arguments and result.
pub trait OfNumbers<H: Returns> {
    /// Runs the items of `call`.
    fn run<'a, F: FnOnce() -> H::Output>(
        &self,
        call: &mut ItemLoop<'a>,
        decode: impl Fn(&mut Parameters<'a>) -> Result<F, CodecError>,
    ) {
        call.run_numbers::<H, F>(decode);
    }
}

impl<H: Returns<Output: Short>, A: Numbers> OfNumbers<H> for &Signature<H, A> {}

/// All other functions.
pub trait OfAny<H: Returns> {
    /// Runs the items of `call`.
    fn run<'a, F: FnOnce() -> H::Output>(
        &self,
        call: &mut ItemLoop<'a>,
        decode: impl Fn(&mut Parameters<'a>) -> Result<F, CodecError>,
    ) {
        call.run::<H, F>(decode);
    }
}

impl<H: Returns, A> OfAny<H> for Signature<H, A> {}
