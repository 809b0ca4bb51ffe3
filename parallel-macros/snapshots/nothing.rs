#[allow(clippy::print_stdout)]
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
mod __parallel_match {
    #[derive(::core::clone::Clone, ::core::fmt::Debug)]
    #[allow(
        non_camel_case_types,
        unreachable_pub,
        clippy::field_scoped_visibility_modifiers
    )]
    pub(super) struct r#match<__Task> {
        pub(super) task: __Task,
    }
}
#[allow(clippy::print_stdout)]
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
fn r#match()
```

| | |
|---|---|
| `r#match()` | runs in this process |
| `r#match.spawn()` | runs in a process of its own |
| `r#match.submit()` | runs in the pool |
| `r#match.par_map(items)` | runs in the pool, once for each item |

[`Task`](parallel::Task) holds the other maps and the options that may stand in front of a call.
*/
#[allow(non_upper_case_globals)]
static r#match: __parallel_match::r#match<::parallel::__private::Call<fn()>> = __parallel_match::r#match {
    task: ::parallel::__private::Call::new(
        __parallel_match::r#match::<()>::r#match,
        ::parallel::__private::Defaults::new(),
    ),
};
#[allow(clippy::print_stdout)]
impl __parallel_match::r#match<()> {
    /// The function itself.
    #[allow(clippy::missing_const_for_fn)]
    fn r#match() {
        println!("here");
    }
}
#[allow(clippy::print_stdout)]
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
struct __parallel_arguments_of_match {}
#[allow(clippy::print_stdout)]
#[allow(
    deprecated,
    unused_qualifications,
    clippy::absolute_paths,
    clippy::exhaustive_structs,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
impl __parallel_match::r#match<::parallel::__private::Call<fn()>> {
    /// Starts a process for this one call.
    fn spawn(&self) -> ::parallel::__private::JoinHandle<()> {
        ::core::ops::Deref::deref(self)
            .spawn_with((), |__owned, __arguments| { ::core::result::Result::Ok(()) })
    }
    /// Gives this one call to the pool.
    fn submit(&self) -> ::parallel::__private::JoinHandle<()> {
        ::core::ops::Deref::deref(self)
            .submit_with((), |__owned, __arguments| { ::core::result::Result::Ok(()) })
    }
}
#[allow(clippy::print_stdout)]
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
for __parallel_match::r#match<::parallel::__private::Call<fn()>> {
    type Target = ::parallel::__private::Task<
        __parallel_match::r#match<::parallel::__private::Call<fn()>>,
    >;
    #[inline(always)]
    fn deref(&self) -> &Self::Target {
        ::parallel::__private::Task::of(&self.task)
    }
}
#[allow(clippy::print_stdout)]
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
        __parallel_match::r#match<::parallel::__private::Call<fn()>>,
    >,
> for __parallel_match::r#match<::parallel::__private::Call<fn()>> {
    fn from(
        __task: ::parallel::__private::Task<
            __parallel_match::r#match<::parallel::__private::Call<fn()>>,
        >,
    ) -> Self {
        __parallel_match::r#match {
            task: __task.into_call(),
        }
    }
}
#[allow(clippy::print_stdout)]
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
for __parallel_match::r#match<::parallel::__private::Call<fn()>> {
    type Output = ();
    fn codec() -> impl ::parallel::__private::ResultCodec<()> {
        #[allow(unused_imports)]
        use ::parallel::__private::{
            ByChange as _, ByDefault as _, BySerde as _, ByType as _, Silent as _,
        };
        ::parallel::__private::whole(
                (),
                (&&&::parallel::__private::Probe::<()>::new()).kind(),
            )
            .codec::<()>()
    }
}
#[allow(clippy::print_stdout)]
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
for __parallel_match::r#match<::parallel::__private::Call<fn()>> {
    type Pointer = fn();
    type Arguments = __parallel_arguments_of_match;
    fn entry() -> &'static ::parallel::__private::Entry {
        #[::parallel::__private::linkme::distributed_slice(
            ::parallel::__private::FUNCTIONS
        )]
        #[linkme(crate = ::parallel::__private::linkme)]
        static ENTRY: ::parallel::__private::Entry = ::parallel::__private::Entry::new(
            ::core::concat!(
                ::core::module_path!(), "::match at ", ::core::file!(), ":",
                ::core::line!(), ":", ::core::column!(), " fn()"
            ),
            "match",
            |__call| {
                #[allow(unused_imports)]
                use ::parallel::__private::{OfAny as _, OfNumbers as _};
                (&&::parallel::__private::Signature::<
                    __parallel_match::r#match<::parallel::__private::Call<fn()>>,
                    (),
                >::new())
                    .run(
                        __call,
                        |_| ::core::result::Result::Ok(
                            __parallel_match::r#match::<()>::r#match,
                        ),
                    );
            },
        );
        &ENTRY
    }
    fn encode_arguments(
        _: &Self::Arguments,
        _: &mut ::parallel::__private::Arguments,
    ) -> ::core::result::Result<(), ::parallel::__private::CodecError> {
        ::core::result::Result::Ok(())
    }
}
#[allow(clippy::print_stdout)]
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
for __parallel_match::r#match<::parallel::__private::Call<fn()>> {}
#[allow(clippy::print_stdout)]
#[allow(
    deprecated,
    unused_qualifications,
    clippy::absolute_paths,
    clippy::exhaustive_structs,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl ::parallel::__private::Accepts<()>
for __parallel_match::r#match<::parallel::__private::Call<fn()>> {
    #[inline]
    fn encode(
        _: &(),
        _: &mut ::parallel::__private::Arguments,
    ) -> ::core::result::Result<(), ::parallel::__private::CodecError> {
        ::core::result::Result::Ok(())
    }
}
#[allow(clippy::print_stdout)]
#[allow(
    deprecated,
    unused_qualifications,
    clippy::absolute_paths,
    clippy::exhaustive_structs,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl ::parallel::__private::AcceptsTuple<()>
for __parallel_match::r#match<::parallel::__private::Call<fn()>> {
    #[inline]
    fn encode(
        _: &(),
        _: &mut ::parallel::__private::Arguments,
    ) -> ::core::result::Result<(), ::parallel::__private::CodecError> {
        ::core::result::Result::Ok(())
    }
}
