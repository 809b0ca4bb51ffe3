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
mod __parallel_norm {
    #[derive(::core::clone::Clone, ::core::fmt::Debug)]
    #[allow(
        non_camel_case_types,
        unreachable_pub,
        clippy::field_scoped_visibility_modifiers
    )]
    pub struct norm<__Task> {
        pub(super) task: __Task,
    }
}
#[allow(
    deprecated,
    unused_qualifications,
    clippy::absolute_paths,
    clippy::exhaustive_structs,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
/// Computes the norm of a row.
/**
# Calls

```text
fn norm(row: &[f64], p: f64, argument_2: (f64, f64)) -> f64
```

| | |
|---|---|
| `norm(row, p, argument_2)` | runs in this process |
| `norm.spawn(row, p, argument_2)` | runs in a process of its own |
| `norm.submit(row, p, argument_2)` | runs in the pool |
| `norm.par_map(items)` | runs in the pool, once for each item |

[`Task`](crate::vendored::parallel::Task) holds the other maps and the options that may stand in front of a call.
*/
#[allow(non_upper_case_globals)]
pub static norm: __parallel_norm::norm<
    crate::vendored::parallel::__private::Call<fn(&[f64], f64, (f64, f64)) -> f64>,
> = __parallel_norm::norm {
    task: crate::vendored::parallel::__private::Call::new(
        __parallel_norm::norm::<()>::norm,
        crate::vendored::parallel::__private::Defaults::new()
            .timeout(::core::time::Duration::new(1u64, 500000000u32))
            .retries(2u32)
            .chunk_size(32usize)
            .name("the norm"),
    ),
};
impl __parallel_norm::norm<()> {
    /// The function itself.
    #[allow(clippy::missing_const_for_fn)]
    fn norm(row: &[f64], mut p: f64, (low, high): (f64, f64)) -> f64 {
        p = p.clamp(low, high);
        row.iter().map(|v| v.abs().powf(p)).sum::<f64>().powf(1.0 / p)
    }
}
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
pub struct __parallel_arguments_of_norm {
    row: ::std::vec::Vec<f64>,
    p: f64,
    argument_2: (f64, f64),
}
#[allow(
    deprecated,
    unused_qualifications,
    clippy::absolute_paths,
    clippy::exhaustive_structs,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
impl __parallel_norm::norm<
    crate::vendored::parallel::__private::Call<fn(&[f64], f64, (f64, f64)) -> f64>,
> {
    /// Starts a process for this one call.
    pub fn spawn(
        &self,
        row: &[f64],
        p: f64,
        argument_2: (f64, f64),
    ) -> crate::vendored::parallel::__private::JoinHandle<f64> {
        ::core::ops::Deref::deref(self)
            .spawn_with(
                (p, argument_2),
                |__owned, __arguments| {
                    __arguments
                        .push::<
                            __parallel_norm::norm<
                                crate::vendored::parallel::__private::Call<
                                    fn(&[f64], f64, (f64, f64)) -> f64,
                                >,
                            >,
                            0,
                        >(row)?;
                    __arguments
                        .push::<
                            __parallel_norm::norm<
                                crate::vendored::parallel::__private::Call<
                                    fn(&[f64], f64, (f64, f64)) -> f64,
                                >,
                            >,
                            1,
                        >(&__owned.0)?;
                    __arguments
                        .push::<
                            __parallel_norm::norm<
                                crate::vendored::parallel::__private::Call<
                                    fn(&[f64], f64, (f64, f64)) -> f64,
                                >,
                            >,
                            2,
                        >(&__owned.1)?;
                    ::core::result::Result::Ok(())
                },
            )
    }
    /// Gives this one call to the pool.
    pub fn submit(
        &self,
        row: &[f64],
        p: f64,
        argument_2: (f64, f64),
    ) -> crate::vendored::parallel::__private::JoinHandle<f64> {
        ::core::ops::Deref::deref(self)
            .submit_with(
                (p, argument_2),
                |__owned, __arguments| {
                    __arguments
                        .push::<
                            __parallel_norm::norm<
                                crate::vendored::parallel::__private::Call<
                                    fn(&[f64], f64, (f64, f64)) -> f64,
                                >,
                            >,
                            0,
                        >(row)?;
                    __arguments
                        .push::<
                            __parallel_norm::norm<
                                crate::vendored::parallel::__private::Call<
                                    fn(&[f64], f64, (f64, f64)) -> f64,
                                >,
                            >,
                            1,
                        >(&__owned.0)?;
                    __arguments
                        .push::<
                            __parallel_norm::norm<
                                crate::vendored::parallel::__private::Call<
                                    fn(&[f64], f64, (f64, f64)) -> f64,
                                >,
                            >,
                            2,
                        >(&__owned.1)?;
                    ::core::result::Result::Ok(())
                },
            )
    }
}
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
for __parallel_norm::norm<
    crate::vendored::parallel::__private::Call<fn(&[f64], f64, (f64, f64)) -> f64>,
> {
    type Target = crate::vendored::parallel::__private::Task<
        __parallel_norm::norm<
            crate::vendored::parallel::__private::Call<
                fn(&[f64], f64, (f64, f64)) -> f64,
            >,
        >,
    >;
    #[inline(always)]
    fn deref(&self) -> &Self::Target {
        crate::vendored::parallel::__private::Task::of(&self.task)
    }
}
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
    crate::vendored::parallel::__private::Task<
        __parallel_norm::norm<
            crate::vendored::parallel::__private::Call<
                fn(&[f64], f64, (f64, f64)) -> f64,
            >,
        >,
    >,
>
for __parallel_norm::norm<
    crate::vendored::parallel::__private::Call<fn(&[f64], f64, (f64, f64)) -> f64>,
> {
    fn from(
        __task: crate::vendored::parallel::__private::Task<
            __parallel_norm::norm<
                crate::vendored::parallel::__private::Call<
                    fn(&[f64], f64, (f64, f64)) -> f64,
                >,
            >,
        >,
    ) -> Self {
        __parallel_norm::norm {
            task: __task.into_call(),
        }
    }
}
#[allow(
    deprecated,
    unused_qualifications,
    clippy::absolute_paths,
    clippy::exhaustive_structs,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl crate::vendored::parallel::__private::Parameter<0>
for __parallel_norm::norm<
    crate::vendored::parallel::__private::Call<fn(&[f64], f64, (f64, f64)) -> f64>,
> {
    const NAME: &'static str = "row";
    type Type = [f64];
    fn codec() -> impl crate::vendored::parallel::__private::ArgumentCodec<[f64]> {
        #[allow(unused_imports)]
        use crate::vendored::parallel::__private::{
            ByChange as _, ByDefault as _, BySerde as _, ByType as _, Silent as _,
        };
        crate::vendored::parallel::__private::whole(
                (
                    (&&&crate::vendored::parallel::__private::Probe::<[f64]>::new())
                        .behind()
                        .inside::<[f64]>(),
                    (
                        crate::vendored::parallel::__private::whole(
                                (
                                    (&&&crate::vendored::parallel::__private::Probe::<
                                        f64,
                                    >::new())
                                        .behind()
                                        .inside::<f64>(),
                                    (),
                                ),
                                (&&&crate::vendored::parallel::__private::Probe::<
                                    [f64],
                                >::new())
                                    .kind()
                                    .lacking(
                                        (&&&crate::vendored::parallel::__private::Probe::<
                                            f64,
                                        >::new())
                                            .kind(),
                                    ),
                            )
                            .inside::<f64>(),
                        (),
                    ),
                ),
                (&&&crate::vendored::parallel::__private::Probe::<[f64]>::new()).kind(),
            )
            .codec::<[f64]>()
    }
}
#[allow(
    deprecated,
    unused_qualifications,
    clippy::absolute_paths,
    clippy::exhaustive_structs,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl crate::vendored::parallel::__private::Parameter<1>
for __parallel_norm::norm<
    crate::vendored::parallel::__private::Call<fn(&[f64], f64, (f64, f64)) -> f64>,
> {
    const NAME: &'static str = "p";
    type Type = f64;
    fn codec() -> impl crate::vendored::parallel::__private::ArgumentCodec<f64> {
        #[allow(unused_imports)]
        use crate::vendored::parallel::__private::{
            ByChange as _, ByDefault as _, BySerde as _, ByType as _, Silent as _,
        };
        crate::vendored::parallel::__private::whole(
                (),
                (&&&crate::vendored::parallel::__private::Probe::<f64>::new()).kind(),
            )
            .codec::<f64>()
    }
}
#[allow(
    deprecated,
    unused_qualifications,
    clippy::absolute_paths,
    clippy::exhaustive_structs,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl crate::vendored::parallel::__private::Parameter<2>
for __parallel_norm::norm<
    crate::vendored::parallel::__private::Call<fn(&[f64], f64, (f64, f64)) -> f64>,
> {
    const NAME: &'static str = "argument_2";
    type Type = (f64, f64);
    fn codec() -> impl crate::vendored::parallel::__private::ArgumentCodec<(f64, f64)> {
        #[allow(unused_imports)]
        use crate::vendored::parallel::__private::{
            ByChange as _, ByDefault as _, BySerde as _, ByType as _, Silent as _,
        };
        crate::vendored::parallel::__private::whole(
                (
                    crate::vendored::parallel::__private::whole(
                            (),
                            (&&&crate::vendored::parallel::__private::Probe::<
                                (f64, f64),
                            >::new())
                                .kind()
                                .lacking(
                                    (&&&crate::vendored::parallel::__private::Probe::<
                                        f64,
                                    >::new())
                                        .kind(),
                                ),
                        )
                        .inside::<f64>(),
                    (
                        crate::vendored::parallel::__private::whole(
                                (),
                                (&&&crate::vendored::parallel::__private::Probe::<
                                    (f64, f64),
                                >::new())
                                    .kind()
                                    .lacking(
                                        (&&&crate::vendored::parallel::__private::Probe::<
                                            f64,
                                        >::new())
                                            .kind(),
                                    ),
                            )
                            .inside::<f64>(),
                        (),
                    ),
                ),
                (&&&crate::vendored::parallel::__private::Probe::<(f64, f64)>::new())
                    .kind(),
            )
            .codec::<(f64, f64)>()
    }
}
#[allow(
    deprecated,
    unused_qualifications,
    clippy::absolute_paths,
    clippy::exhaustive_structs,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl crate::vendored::parallel::__private::Returns
for __parallel_norm::norm<
    crate::vendored::parallel::__private::Call<fn(&[f64], f64, (f64, f64)) -> f64>,
> {
    type Output = f64;
    fn codec() -> impl crate::vendored::parallel::__private::ResultCodec<f64> {
        #[allow(unused_imports)]
        use crate::vendored::parallel::__private::{
            ByChange as _, ByDefault as _, BySerde as _, ByType as _, Silent as _,
        };
        crate::vendored::parallel::__private::whole(
                (),
                (&&&crate::vendored::parallel::__private::Probe::<f64>::new()).kind(),
            )
            .codec::<f64>()
    }
}
#[allow(
    deprecated,
    unused_qualifications,
    clippy::absolute_paths,
    clippy::exhaustive_structs,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl crate::vendored::parallel::__private::Callable
for __parallel_norm::norm<
    crate::vendored::parallel::__private::Call<fn(&[f64], f64, (f64, f64)) -> f64>,
> {
    type Pointer = fn(&[f64], f64, (f64, f64)) -> f64;
    type Arguments = __parallel_arguments_of_norm;
    fn entry() -> &'static crate::vendored::parallel::__private::Entry {
        #[crate::vendored::parallel::__private::linkme::distributed_slice(
            crate::vendored::parallel::__private::FUNCTIONS
        )]
        #[linkme(crate = crate::vendored::parallel::__private::linkme)]
        static ENTRY: crate::vendored::parallel::__private::Entry = crate::vendored::parallel::__private::Entry::new(
            ::core::concat!(
                ::core::module_path!(), "::norm at ", ::core::file!(), ":",
                ::core::line!(), ":", ::core::column!(),
                " fn(&[f64], f64, (f64, f64)) -> f64"
            ),
            "norm",
            |__call| {
                #[allow(unused_imports)]
                use crate::vendored::parallel::__private::{OfAny as _, OfNumbers as _};
                (&&crate::vendored::parallel::__private::Signature::<
                    __parallel_norm::norm<
                        crate::vendored::parallel::__private::Call<
                            fn(&[f64], f64, (f64, f64)) -> f64,
                        >,
                    >,
                    (
                        crate::vendored::parallel::__private::Owned<
                            __parallel_norm::norm<
                                crate::vendored::parallel::__private::Call<
                                    fn(&[f64], f64, (f64, f64)) -> f64,
                                >,
                            >,
                            0,
                        >,
                        crate::vendored::parallel::__private::Owned<
                            __parallel_norm::norm<
                                crate::vendored::parallel::__private::Call<
                                    fn(&[f64], f64, (f64, f64)) -> f64,
                                >,
                            >,
                            1,
                        >,
                        crate::vendored::parallel::__private::Owned<
                            __parallel_norm::norm<
                                crate::vendored::parallel::__private::Call<
                                    fn(&[f64], f64, (f64, f64)) -> f64,
                                >,
                            >,
                            2,
                        >,
                    ),
                >::new())
                    .run(
                        __call,
                        |__parameters| {
                            let __values = (
                                __parameters
                                    .take_borrowed::<
                                        __parallel_norm::norm<
                                            crate::vendored::parallel::__private::Call<
                                                fn(&[f64], f64, (f64, f64)) -> f64,
                                            >,
                                        >,
                                        0,
                                    >()?,
                                __parameters
                                    .take::<
                                        __parallel_norm::norm<
                                            crate::vendored::parallel::__private::Call<
                                                fn(&[f64], f64, (f64, f64)) -> f64,
                                            >,
                                        >,
                                        1,
                                    >()?,
                                __parameters
                                    .take::<
                                        __parallel_norm::norm<
                                            crate::vendored::parallel::__private::Call<
                                                fn(&[f64], f64, (f64, f64)) -> f64,
                                            >,
                                        >,
                                        2,
                                    >()?,
                            );
                            ::core::result::Result::Ok(move || __parallel_norm::norm::<
                                (),
                            >::norm(
                                __values.0.get(),
                                __values.1.into_inner(),
                                __values.2.into_inner(),
                            ))
                        },
                    );
            },
        );
        &ENTRY
    }
    fn encode_arguments(
        __given: &Self::Arguments,
        __arguments: &mut crate::vendored::parallel::__private::Arguments,
    ) -> ::core::result::Result<(), crate::vendored::parallel::__private::CodecError> {
        __arguments
            .push::<
                __parallel_norm::norm<
                    crate::vendored::parallel::__private::Call<
                        fn(&[f64], f64, (f64, f64)) -> f64,
                    >,
                >,
                0,
            >(::core::borrow::Borrow::borrow(&__given.row))?;
        __arguments
            .push::<
                __parallel_norm::norm<
                    crate::vendored::parallel::__private::Call<
                        fn(&[f64], f64, (f64, f64)) -> f64,
                    >,
                >,
                1,
            >(&__given.p)?;
        __arguments
            .push::<
                __parallel_norm::norm<
                    crate::vendored::parallel::__private::Call<
                        fn(&[f64], f64, (f64, f64)) -> f64,
                    >,
                >,
                2,
            >(&__given.argument_2)?;
        ::core::result::Result::Ok(())
    }
}
#[allow(
    deprecated,
    unused_qualifications,
    clippy::absolute_paths,
    clippy::exhaustive_structs,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl crate::vendored::parallel::__private::Function
for __parallel_norm::norm<
    crate::vendored::parallel::__private::Call<fn(&[f64], f64, (f64, f64)) -> f64>,
> {}
#[allow(
    deprecated,
    unused_qualifications,
    clippy::absolute_paths,
    clippy::exhaustive_structs,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl<__Item0> crate::vendored::parallel::__private::Accepts<(__Item0, f64, (f64, f64))>
for __parallel_norm::norm<
    crate::vendored::parallel::__private::Call<fn(&[f64], f64, (f64, f64)) -> f64>,
>
where
    [f64]: crate::vendored::parallel::__private::BorrowedFrom<__Item0>,
{
    #[inline]
    fn encode(
        __item: &(__Item0, f64, (f64, f64)),
        __arguments: &mut crate::vendored::parallel::__private::Arguments,
    ) -> ::core::result::Result<(), crate::vendored::parallel::__private::CodecError> {
        __arguments
            .push::<
                __parallel_norm::norm<
                    crate::vendored::parallel::__private::Call<
                        fn(&[f64], f64, (f64, f64)) -> f64,
                    >,
                >,
                0,
            >(
                <[f64] as crate::vendored::parallel::__private::BorrowedFrom<
                    __Item0,
                >>::borrowed_from(&__item.0),
            )?;
        __arguments
            .push::<
                __parallel_norm::norm<
                    crate::vendored::parallel::__private::Call<
                        fn(&[f64], f64, (f64, f64)) -> f64,
                    >,
                >,
                1,
            >(&__item.1)?;
        __arguments
            .push::<
                __parallel_norm::norm<
                    crate::vendored::parallel::__private::Call<
                        fn(&[f64], f64, (f64, f64)) -> f64,
                    >,
                >,
                2,
            >(&__item.2)?;
        ::core::result::Result::Ok(())
    }
}
#[allow(
    deprecated,
    unused_qualifications,
    clippy::absolute_paths,
    clippy::exhaustive_structs,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl<
    __Item0,
> crate::vendored::parallel::__private::AcceptsTuple<(__Item0, f64, (f64, f64))>
for __parallel_norm::norm<
    crate::vendored::parallel::__private::Call<fn(&[f64], f64, (f64, f64)) -> f64>,
>
where
    [f64]: crate::vendored::parallel::__private::BorrowedFrom<__Item0>,
{
    #[inline]
    fn encode(
        __item: &(__Item0, f64, (f64, f64)),
        __arguments: &mut crate::vendored::parallel::__private::Arguments,
    ) -> ::core::result::Result<(), crate::vendored::parallel::__private::CodecError> {
        __arguments
            .push::<
                __parallel_norm::norm<
                    crate::vendored::parallel::__private::Call<
                        fn(&[f64], f64, (f64, f64)) -> f64,
                    >,
                >,
                0,
            >(
                <[f64] as crate::vendored::parallel::__private::BorrowedFrom<
                    __Item0,
                >>::borrowed_from(&__item.0),
            )?;
        __arguments
            .push::<
                __parallel_norm::norm<
                    crate::vendored::parallel::__private::Call<
                        fn(&[f64], f64, (f64, f64)) -> f64,
                    >,
                >,
                1,
            >(&__item.1)?;
        __arguments
            .push::<
                __parallel_norm::norm<
                    crate::vendored::parallel::__private::Call<
                        fn(&[f64], f64, (f64, f64)) -> f64,
                    >,
                >,
                2,
            >(&__item.2)?;
        ::core::result::Result::Ok(())
    }
}
