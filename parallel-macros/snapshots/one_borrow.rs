#[cfg(feature = "sums")]
#[allow(
    deprecated,
    unused_qualifications,
    clippy::absolute_paths,
    clippy::exhaustive_structs,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[doc(hidden)]
#[allow(non_snake_case)]
mod __parallel_sum {
    #[derive(::core::clone::Clone, ::core::fmt::Debug)]
    #[allow(
        non_camel_case_types,
        unreachable_pub,
        clippy::field_scoped_visibility_modifiers
    )]
    pub(crate) struct sum<__Task> {
        pub(super) task: __Task,
    }
}
#[cfg(feature = "sums")]
#[allow(
    deprecated,
    unused_qualifications,
    clippy::absolute_paths,
    clippy::exhaustive_structs,
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
pub(crate) static sum: __parallel_sum::sum<
    ::parallel::__private::Call<fn(&[f64]) -> f64>,
> = __parallel_sum::sum {
    task: ::parallel::__private::Call::new(
        __parallel_sum::sum::<()>::sum,
        ::parallel::__private::Defaults::new(),
    ),
};
#[cfg(feature = "sums")]
impl __parallel_sum::sum<()> {
    /// The function itself.
    #[allow(clippy::missing_const_for_fn)]
    #[inline]
    fn sum(row: &[f64]) -> f64 {
        row.iter().sum()
    }
}
#[cfg(feature = "sums")]
#[allow(
    deprecated,
    unused_qualifications,
    clippy::absolute_paths,
    clippy::exhaustive_structs,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[doc(hidden)]
#[allow(dead_code, missing_debug_implementations, non_camel_case_types)]
pub(crate) struct __parallel_arguments_of_sum {
    row: ::std::vec::Vec<f64>,
}
#[cfg(feature = "sums")]
#[allow(
    deprecated,
    unused_qualifications,
    clippy::absolute_paths,
    clippy::exhaustive_structs,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
impl __parallel_sum::sum<::parallel::__private::Call<fn(&[f64]) -> f64>> {
    /// Starts a process for this one call.
    pub(crate) fn spawn(&self, row: &[f64]) -> ::parallel::__private::JoinHandle<f64> {
        ::core::ops::Deref::deref(self)
            .spawn_with(
                (),
                |__owned, __arguments| {
                    __arguments
                        .push::<
                            __parallel_sum::sum<
                                ::parallel::__private::Call<fn(&[f64]) -> f64>,
                            >,
                            0,
                        >(row)?;
                    ::core::result::Result::Ok(())
                },
            )
    }
    /// Gives this one call to the pool.
    pub(crate) fn submit(&self, row: &[f64]) -> ::parallel::__private::JoinHandle<f64> {
        ::core::ops::Deref::deref(self)
            .submit_with(
                (),
                |__owned, __arguments| {
                    __arguments
                        .push::<
                            __parallel_sum::sum<
                                ::parallel::__private::Call<fn(&[f64]) -> f64>,
                            >,
                            0,
                        >(row)?;
                    ::core::result::Result::Ok(())
                },
            )
    }
}
#[cfg(feature = "sums")]
#[allow(
    deprecated,
    unused_qualifications,
    clippy::absolute_paths,
    clippy::exhaustive_structs,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl ::core::ops::Deref
for __parallel_sum::sum<::parallel::__private::Call<fn(&[f64]) -> f64>> {
    type Target = ::parallel::__private::Task<
        __parallel_sum::sum<::parallel::__private::Call<fn(&[f64]) -> f64>>,
    >;
    #[inline(always)]
    fn deref(&self) -> &Self::Target {
        ::parallel::__private::Task::of(&self.task)
    }
}
#[cfg(feature = "sums")]
#[allow(
    deprecated,
    unused_qualifications,
    clippy::absolute_paths,
    clippy::exhaustive_structs,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl ::core::convert::From<
    ::parallel::__private::Task<
        __parallel_sum::sum<::parallel::__private::Call<fn(&[f64]) -> f64>>,
    >,
> for __parallel_sum::sum<::parallel::__private::Call<fn(&[f64]) -> f64>> {
    fn from(
        __task: ::parallel::__private::Task<
            __parallel_sum::sum<::parallel::__private::Call<fn(&[f64]) -> f64>>,
        >,
    ) -> Self {
        __parallel_sum::sum {
            task: __task.into_call(),
        }
    }
}
#[cfg(feature = "sums")]
#[allow(
    deprecated,
    unused_qualifications,
    clippy::absolute_paths,
    clippy::exhaustive_structs,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl ::parallel::__private::Parameter<0>
for __parallel_sum::sum<::parallel::__private::Call<fn(&[f64]) -> f64>> {
    const NAME: &'static str = "row";
    type Type = [f64];
    fn codec() -> impl ::parallel::__private::ArgumentCodec<[f64]> {
        #[allow(unused_imports)]
        use ::parallel::__private::{
            ByChange as _, ByDefault as _, BySerde as _, ByType as _, Silent as _,
        };
        ::parallel::__private::whole(
                (
                    (&&&::parallel::__private::Probe::<[f64]>::new())
                        .behind()
                        .inside::<[f64]>(),
                    (
                        ::parallel::__private::whole(
                                (
                                    (&&&::parallel::__private::Probe::<f64>::new())
                                        .behind()
                                        .inside::<f64>(),
                                    (),
                                ),
                                (&&&::parallel::__private::Probe::<[f64]>::new())
                                    .kind()
                                    .lacking(
                                        (&&&::parallel::__private::Probe::<f64>::new()).kind(),
                                    ),
                            )
                            .inside::<f64>(),
                        (),
                    ),
                ),
                (&&&::parallel::__private::Probe::<[f64]>::new()).kind(),
            )
            .codec::<[f64]>()
    }
}
#[cfg(feature = "sums")]
#[allow(
    deprecated,
    unused_qualifications,
    clippy::absolute_paths,
    clippy::exhaustive_structs,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl ::parallel::__private::Returns
for __parallel_sum::sum<::parallel::__private::Call<fn(&[f64]) -> f64>> {
    type Output = f64;
    fn codec() -> impl ::parallel::__private::ResultCodec<f64> {
        #[allow(unused_imports)]
        use ::parallel::__private::{
            ByChange as _, ByDefault as _, BySerde as _, ByType as _, Silent as _,
        };
        ::parallel::__private::whole(
                (),
                (&&&::parallel::__private::Probe::<f64>::new()).kind(),
            )
            .codec::<f64>()
    }
}
#[cfg(feature = "sums")]
#[allow(
    deprecated,
    unused_qualifications,
    clippy::absolute_paths,
    clippy::exhaustive_structs,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl ::parallel::__private::Callable
for __parallel_sum::sum<::parallel::__private::Call<fn(&[f64]) -> f64>> {
    type Pointer = fn(&[f64]) -> f64;
    type Arguments = __parallel_arguments_of_sum;
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
                #[allow(unused_imports)]
                use ::parallel::__private::{OfAny as _, OfNumbers as _};
                (&&::parallel::__private::Signature::<
                    __parallel_sum::sum<::parallel::__private::Call<fn(&[f64]) -> f64>>,
                    (
                        ::parallel::__private::Owned<
                            __parallel_sum::sum<
                                ::parallel::__private::Call<fn(&[f64]) -> f64>,
                            >,
                            0,
                        >,
                    ),
                >::new())
                    .run(
                        __call,
                        |__parameters| {
                            let __values = (
                                __parameters
                                    .take_borrowed::<
                                        __parallel_sum::sum<
                                            ::parallel::__private::Call<fn(&[f64]) -> f64>,
                                        >,
                                        0,
                                    >()?,
                            );
                            ::core::result::Result::Ok(move || __parallel_sum::sum::<
                                (),
                            >::sum(__values.0.get()))
                        },
                    );
            },
        );
        &ENTRY
    }
    fn encode_arguments(
        __given: &Self::Arguments,
        __arguments: &mut ::parallel::__private::Arguments,
    ) -> ::core::result::Result<(), ::parallel::__private::CodecError> {
        __arguments
            .push::<
                __parallel_sum::sum<::parallel::__private::Call<fn(&[f64]) -> f64>>,
                0,
            >(::core::borrow::Borrow::borrow(&__given.row))?;
        ::core::result::Result::Ok(())
    }
}
#[cfg(feature = "sums")]
#[allow(
    deprecated,
    unused_qualifications,
    clippy::absolute_paths,
    clippy::exhaustive_structs,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl ::parallel::__private::Function
for __parallel_sum::sum<::parallel::__private::Call<fn(&[f64]) -> f64>> {}
#[cfg(feature = "sums")]
#[allow(
    deprecated,
    unused_qualifications,
    clippy::absolute_paths,
    clippy::exhaustive_structs,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl<__Item0> ::parallel::__private::Accepts<__Item0>
for __parallel_sum::sum<::parallel::__private::Call<fn(&[f64]) -> f64>>
where
    [f64]: ::parallel::__private::BorrowedFrom<__Item0>,
{
    #[inline]
    fn encode(
        __item: &__Item0,
        __arguments: &mut ::parallel::__private::Arguments,
    ) -> ::core::result::Result<(), ::parallel::__private::CodecError> {
        __arguments
            .push::<
                __parallel_sum::sum<::parallel::__private::Call<fn(&[f64]) -> f64>>,
                0,
            >(
                <[f64] as ::parallel::__private::BorrowedFrom<
                    __Item0,
                >>::borrowed_from(__item),
            )?;
        ::core::result::Result::Ok(())
    }
}
#[cfg(feature = "sums")]
#[allow(
    deprecated,
    unused_qualifications,
    clippy::absolute_paths,
    clippy::exhaustive_structs,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl<__Item0> ::parallel::__private::AcceptsTuple<(__Item0,)>
for __parallel_sum::sum<::parallel::__private::Call<fn(&[f64]) -> f64>>
where
    [f64]: ::parallel::__private::BorrowedFrom<__Item0>,
{
    #[inline]
    fn encode(
        __item: &(__Item0,),
        __arguments: &mut ::parallel::__private::Arguments,
    ) -> ::core::result::Result<(), ::parallel::__private::CodecError> {
        __arguments
            .push::<
                __parallel_sum::sum<::parallel::__private::Call<fn(&[f64]) -> f64>>,
                0,
            >(
                <[f64] as ::parallel::__private::BorrowedFrom<
                    __Item0,
                >>::borrowed_from(&__item.0),
            )?;
        ::core::result::Result::Ok(())
    }
}
