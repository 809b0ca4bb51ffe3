#[allow(
    deprecated,
    unused_qualifications,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[doc(hidden)]
#[derive(::core::clone::Clone, ::core::fmt::Debug)]
struct cube {
    task: ::parallel::__private::Task<cube>,
}
#[allow(
    deprecated,
    unused_qualifications,
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
static cube: cube = cube {
    task: ::parallel::__private::Task::new(::parallel::__private::Defaults::new()),
};
impl cube {
    /// The function itself.
    #[allow(clippy::missing_const_for_fn)]
    #[parallel]
    fn body(x: u64) -> u64 {
        x * x * x
    }
}
#[allow(
    deprecated,
    unused_qualifications,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
impl cube {
    /// Starts a process for this one call.
    fn spawn(&self, x: u64) -> ::parallel::__private::JoinHandle<u64> {
        self.task
            .spawn_with(
                (x,),
                |__owned, __arguments| {
                    __arguments.push::<cube, 0>(&__owned.0)?;
                    ::core::result::Result::Ok(())
                },
            )
    }
    /// Gives this one call to the pool.
    fn submit(&self, x: u64) -> ::parallel::__private::JoinHandle<u64> {
        self.task
            .submit_with(
                (x,),
                |__owned, __arguments| {
                    __arguments.push::<cube, 0>(&__owned.0)?;
                    ::core::result::Result::Ok(())
                },
            )
    }
}
#[allow(
    deprecated,
    unused_qualifications,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl ::core::ops::Deref for cube {
    type Target = ::parallel::__private::Task<cube>;
    #[inline(always)]
    fn deref(&self) -> &Self::Target {
        &self.task
    }
}
#[allow(
    deprecated,
    unused_qualifications,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl ::core::convert::From<::parallel::__private::Task<cube>> for cube {
    fn from(__task: ::parallel::__private::Task<cube>) -> Self {
        Self { task: __task }
    }
}
#[allow(
    deprecated,
    unused_qualifications,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl ::parallel::__private::Parameter<0> for cube {
    const NAME: &'static str = "x";
    type Type = u64;
    type Codec = ::parallel::__private::Serde;
}
#[allow(
    deprecated,
    unused_qualifications,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl ::parallel::__private::Returns for cube {
    type Output = u64;
    type Codec = ::parallel::__private::Serde;
}
#[allow(
    deprecated,
    unused_qualifications,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl ::parallel::__private::Function for cube {
    type Pointer = fn(u64) -> u64;
    const POINTER: Self::Pointer = cube::body;
    type Owned = (::parallel::__private::Owned<cube, 0>,);
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
                __call
                    .run::<
                        cube,
                        _,
                    >(|__parameters| {
                        let __values = (__parameters.take::<cube, 0>()?,);
                        ::core::result::Result::Ok(move || cube::body(
                            __values.0.into_inner(),
                        ))
                    })
            },
        );
        &ENTRY
    }
    fn encode_owned(
        __owned: &Self::Owned,
        __arguments: &mut ::parallel::__private::Arguments,
    ) -> ::core::result::Result<(), ::parallel::__private::CodecError> {
        __arguments.push::<cube, 0>(&__owned.0)?;
        ::core::result::Result::Ok(())
    }
}
#[allow(
    deprecated,
    unused_qualifications,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl ::parallel::__private::Accepts<u64> for cube {
    #[inline]
    fn encode(
        __item: &u64,
        __arguments: &mut ::parallel::__private::Arguments,
    ) -> ::core::result::Result<(), ::parallel::__private::CodecError> {
        __arguments.push::<cube, 0>(&*__item)?;
        ::core::result::Result::Ok(())
    }
}
