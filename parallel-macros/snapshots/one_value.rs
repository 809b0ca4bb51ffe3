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
mod __parallel_cube {
    #[derive(::core::clone::Clone, ::core::fmt::Debug)]
    #[allow(
        non_camel_case_types,
        unreachable_pub,
        clippy::field_scoped_visibility_modifiers
    )]
    pub(super) struct cube<__Task> {
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
///Runs in this process and in others.
/**
# Calls

```text
fn cube(x: u64) -> u64
```

| | |
|---|---|
| `cube(x)` | runs in this process |
| `cube.spawn(x)` | runs in a process of its own |
| `cube.submit(x)` | runs in the pool |
| `cube.par_map(items)` | runs in the pool, once for each item |

[`Task`](parallel::Task) holds the other maps and the options that may stand in front of a call.
*/
#[allow(non_upper_case_globals)]
static cube: __parallel_cube::cube<::parallel::__private::Call<fn(u64) -> u64>> = __parallel_cube::cube {
    task: ::parallel::__private::Call::new(
        __parallel_cube::cube::<()>::cube,
        ::parallel::__private::Defaults::new(),
    ),
};
impl __parallel_cube::cube<()> {
    /// The function itself.
    #[allow(clippy::missing_const_for_fn)]
    #[parallel]
    fn cube(x: u64) -> u64 {
        x * x * x
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
struct __parallel_arguments_of_cube {
    x: u64,
}
#[allow(
    deprecated,
    unused_qualifications,
    clippy::absolute_paths,
    clippy::exhaustive_structs,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
impl __parallel_cube::cube<::parallel::__private::Call<fn(u64) -> u64>> {
    /// Starts a process for this one call.
    fn spawn(&self, x: u64) -> ::parallel::__private::JoinHandle<u64> {
        ::core::ops::Deref::deref(self)
            .spawn_with(
                (x,),
                |__owned, __arguments| {
                    __arguments
                        .push::<
                            __parallel_cube::cube<
                                ::parallel::__private::Call<fn(u64) -> u64>,
                            >,
                            0,
                        >(&__owned.0)?;
                    ::core::result::Result::Ok(())
                },
            )
    }
    /// Gives this one call to the pool.
    fn submit(&self, x: u64) -> ::parallel::__private::JoinHandle<u64> {
        ::core::ops::Deref::deref(self)
            .submit_with(
                (x,),
                |__owned, __arguments| {
                    __arguments
                        .push::<
                            __parallel_cube::cube<
                                ::parallel::__private::Call<fn(u64) -> u64>,
                            >,
                            0,
                        >(&__owned.0)?;
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
for __parallel_cube::cube<::parallel::__private::Call<fn(u64) -> u64>> {
    type Target = ::parallel::__private::Task<
        __parallel_cube::cube<::parallel::__private::Call<fn(u64) -> u64>>,
    >;
    #[inline(always)]
    fn deref(&self) -> &Self::Target {
        ::parallel::__private::Task::of(&self.task)
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
    ::parallel::__private::Task<
        __parallel_cube::cube<::parallel::__private::Call<fn(u64) -> u64>>,
    >,
> for __parallel_cube::cube<::parallel::__private::Call<fn(u64) -> u64>> {
    fn from(
        __task: ::parallel::__private::Task<
            __parallel_cube::cube<::parallel::__private::Call<fn(u64) -> u64>>,
        >,
    ) -> Self {
        __parallel_cube::cube {
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
impl ::parallel::__private::Parameter<0>
for __parallel_cube::cube<::parallel::__private::Call<fn(u64) -> u64>> {
    const NAME: &'static str = "x";
    type Type = u64;
    fn codec() -> impl ::parallel::__private::ArgumentCodec<u64> {
        #[allow(unused_imports)]
        use ::parallel::__private::{
            ByChange as _, ByDefault as _, BySerde as _, ByType as _, Silent as _,
        };
        ::parallel::__private::whole(
                (),
                (&&&::parallel::__private::Probe::<u64>::new()).kind(),
            )
            .codec::<u64>()
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
impl ::parallel::__private::Returns
for __parallel_cube::cube<::parallel::__private::Call<fn(u64) -> u64>> {
    type Output = u64;
    fn codec() -> impl ::parallel::__private::ResultCodec<u64> {
        #[allow(unused_imports)]
        use ::parallel::__private::{
            ByChange as _, ByDefault as _, BySerde as _, ByType as _, Silent as _,
        };
        ::parallel::__private::whole(
                (),
                (&&&::parallel::__private::Probe::<u64>::new()).kind(),
            )
            .codec::<u64>()
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
impl ::parallel::__private::Callable
for __parallel_cube::cube<::parallel::__private::Call<fn(u64) -> u64>> {
    type Pointer = fn(u64) -> u64;
    type Arguments = __parallel_arguments_of_cube;
    fn entry() -> &'static ::parallel::__private::Entry {
        #[::parallel::__private::linkme::distributed_slice(
            ::parallel::__private::FUNCTIONS
        )]
        #[linkme(crate = ::parallel::__private::linkme)]
        static ENTRY: ::parallel::__private::Entry = ::parallel::__private::Entry::new(
            ::core::concat!(
                ::core::module_path!(), "::cube at ", ::core::file!(), ":",
                ::core::line!(), ":", ::core::column!(), " fn(u64) -> u64"
            ),
            "cube",
            |__call| {
                #[allow(unused_imports)]
                use ::parallel::__private::{OfAny as _, OfNumbers as _};
                (&&::parallel::__private::Signature::<
                    __parallel_cube::cube<::parallel::__private::Call<fn(u64) -> u64>>,
                    (
                        ::parallel::__private::Owned<
                            __parallel_cube::cube<
                                ::parallel::__private::Call<fn(u64) -> u64>,
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
                                    .take::<
                                        __parallel_cube::cube<
                                            ::parallel::__private::Call<fn(u64) -> u64>,
                                        >,
                                        0,
                                    >()?,
                            );
                            ::core::result::Result::Ok(move || __parallel_cube::cube::<
                                (),
                            >::cube(__values.0.into_inner()))
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
                __parallel_cube::cube<::parallel::__private::Call<fn(u64) -> u64>>,
                0,
            >(&__given.x)?;
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
impl ::parallel::__private::Function
for __parallel_cube::cube<::parallel::__private::Call<fn(u64) -> u64>> {}
#[allow(
    deprecated,
    unused_qualifications,
    clippy::absolute_paths,
    clippy::exhaustive_structs,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl ::parallel::__private::Accepts<u64>
for __parallel_cube::cube<::parallel::__private::Call<fn(u64) -> u64>> {
    #[inline]
    fn encode(
        __item: &u64,
        __arguments: &mut ::parallel::__private::Arguments,
    ) -> ::core::result::Result<(), ::parallel::__private::CodecError> {
        __arguments
            .push::<
                __parallel_cube::cube<::parallel::__private::Call<fn(u64) -> u64>>,
                0,
            >(&*__item)?;
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
impl ::parallel::__private::AcceptsTuple<(u64,)>
for __parallel_cube::cube<::parallel::__private::Call<fn(u64) -> u64>> {
    #[inline]
    fn encode(
        __item: &(u64,),
        __arguments: &mut ::parallel::__private::Arguments,
    ) -> ::core::result::Result<(), ::parallel::__private::CodecError> {
        __arguments
            .push::<
                __parallel_cube::cube<::parallel::__private::Call<fn(u64) -> u64>>,
                0,
            >(&__item.0)?;
        ::core::result::Result::Ok(())
    }
}
