#[cfg(feature = "sums")]
#[allow(
    deprecated,
    unused_qualifications,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[doc(hidden)]
#[derive(::core::clone::Clone, ::core::fmt::Debug)]
pub(crate) struct sum {
    task: ::parallel::__private::Task<sum>,
}
#[cfg(feature = "sums")]
#[allow(
    deprecated,
    unused_qualifications,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
/// Sums the row.
/**
# Calls

```text
fn sum(row: &[f64]) -> f64
```

| | |
|---|---|
| `sum(row)` | runs in this process |
| `sum.spawn(row)` | runs in a process of its own |
| `sum.submit(row)` | runs in the pool |
| `sum.par_map(items)` | runs in the pool, once for each item |

[`Task`](parallel::Task) holds the other maps and the options that may stand in front of a call.
*/
#[allow(non_upper_case_globals)]
pub(crate) static sum: sum = sum {
    task: ::parallel::__private::Task::new(::parallel::__private::Defaults::new()),
};
#[cfg(feature = "sums")]
impl sum {
    /// The function itself.
    #[allow(clippy::missing_const_for_fn)]
    #[inline]
    fn body(row: &[f64]) -> f64 {
        row.iter().sum()
    }
}
#[cfg(feature = "sums")]
#[allow(
    deprecated,
    unused_qualifications,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
impl sum {
    /// Starts a process for this one call.
    pub(crate) fn spawn(&self, row: &[f64]) -> ::parallel::__private::JoinHandle<f64> {
        self.task
            .spawn_with(
                (),
                |__owned, __arguments| {
                    __arguments.push::<sum, 0>(row)?;
                    ::core::result::Result::Ok(())
                },
            )
    }
    /// Gives this one call to the pool.
    pub(crate) fn submit(&self, row: &[f64]) -> ::parallel::__private::JoinHandle<f64> {
        self.task
            .submit_with(
                (),
                |__owned, __arguments| {
                    __arguments.push::<sum, 0>(row)?;
                    ::core::result::Result::Ok(())
                },
            )
    }
}
#[cfg(feature = "sums")]
#[allow(
    deprecated,
    unused_qualifications,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl ::core::ops::Deref for sum {
    type Target = ::parallel::__private::Task<sum>;
    #[inline(always)]
    fn deref(&self) -> &Self::Target {
        &self.task
    }
}
#[cfg(feature = "sums")]
#[allow(
    deprecated,
    unused_qualifications,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl ::core::convert::From<::parallel::__private::Task<sum>> for sum {
    fn from(__task: ::parallel::__private::Task<sum>) -> Self {
        Self { task: __task }
    }
}
#[cfg(feature = "sums")]
#[allow(
    deprecated,
    unused_qualifications,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl ::parallel::__private::Parameter<0> for sum {
    const NAME: &'static str = "row";
    type Type = [f64];
    type Codec = ::parallel::__private::Serde;
}
#[cfg(feature = "sums")]
#[allow(
    deprecated,
    unused_qualifications,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl ::parallel::__private::Returns for sum {
    type Output = f64;
    type Codec = ::parallel::__private::Serde;
}
#[cfg(feature = "sums")]
#[allow(
    deprecated,
    unused_qualifications,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl ::parallel::__private::Function for sum {
    type Pointer = fn(&[f64]) -> f64;
    const POINTER: Self::Pointer = sum::body;
    type Owned = (::parallel::__private::Owned<sum, 0>,);
    fn entry() -> &'static ::parallel::__private::Entry {
        #[::parallel::__private::linkme::distributed_slice(
            ::parallel::__private::FUNCTIONS
        )]
        #[linkme(crate = ::parallel::__private::linkme)]
        static ENTRY: ::parallel::__private::Entry = ::parallel::__private::Entry::new(
            ::core::concat!(
                ::core::module_path!(), "::sum at ", ::core::file!(), ":",
                ::core::line!(), ":", ::core::column!(), " fn(&[f64]) -> f64"
            ),
            "sum",
            |__call| {
                __call
                    .run::<
                        sum,
                        _,
                    >(|__parameters| {
                        let __values = (__parameters.take_borrowed::<sum, 0>()?,);
                        ::core::result::Result::Ok(move || sum::body(__values.0.get()))
                    })
            },
        );
        &ENTRY
    }
    fn encode_owned(
        __owned: &Self::Owned,
        __arguments: &mut ::parallel::__private::Arguments,
    ) -> ::core::result::Result<(), ::parallel::__private::CodecError> {
        __arguments.push::<sum, 0>(::core::borrow::Borrow::borrow(&__owned.0))?;
        ::core::result::Result::Ok(())
    }
}
#[cfg(feature = "sums")]
#[allow(
    deprecated,
    unused_qualifications,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl<__Item> ::parallel::__private::Accepts<__Item> for sum
where
    [f64]: ::parallel::__private::BorrowedFrom<__Item>,
{
    #[inline]
    fn encode(
        __item: &__Item,
        __arguments: &mut ::parallel::__private::Arguments,
    ) -> ::core::result::Result<(), ::parallel::__private::CodecError> {
        __arguments
            .push::<
                sum,
                0,
            >(
                <[f64] as ::parallel::__private::BorrowedFrom<
                    __Item,
                >>::borrowed_from(__item),
            )?;
        ::core::result::Result::Ok(())
    }
}
