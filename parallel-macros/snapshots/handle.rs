#[allow(
    deprecated,
    unused_qualifications,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[doc(hidden)]
#[derive(::core::clone::Clone, ::core::fmt::Debug)]
pub struct cubes {
    task: ::parallel::__private::Task<cubes>,
}
#[allow(
    deprecated,
    unused_qualifications,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
///Runs [`cube`](fn@cube) in other processes.
/**
# Calls

```text
fn cube(x: u64) -> u64
```

| | |
|---|---|
| `cube(x)` | runs in this process |
| `cubes.spawn(x)` | runs in a process of its own |
| `cubes.submit(x)` | runs in the pool |
| `cubes.par_map(items)` | runs in the pool, once for each item |

[`Task`](parallel::Task) holds the other maps and the options that may stand in front of a call.
*/
#[allow(non_upper_case_globals)]
pub static cubes: cubes = cubes {
    task: ::parallel::__private::Task::new(::parallel::__private::Defaults::new()),
};
#[allow(clippy::missing_const_for_fn)]
/// Cubes.
#[must_use]
pub fn cube(x: u64) -> u64 {
    x * x * x
}
#[allow(
    deprecated,
    unused_qualifications,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
impl cubes {
    /// Starts a process for this one call.
    pub fn spawn(&self, x: u64) -> ::parallel::__private::JoinHandle<u64> {
        self.task
            .spawn_with(
                (x,),
                |__owned, __arguments| {
                    __arguments.push::<cubes, 0>(&__owned.0)?;
                    ::core::result::Result::Ok(())
                },
            )
    }
    /// Gives this one call to the pool.
    pub fn submit(&self, x: u64) -> ::parallel::__private::JoinHandle<u64> {
        self.task
            .submit_with(
                (x,),
                |__owned, __arguments| {
                    __arguments.push::<cubes, 0>(&__owned.0)?;
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
impl ::core::ops::Deref for cubes {
    type Target = ::parallel::__private::Task<cubes>;
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
impl ::core::convert::From<::parallel::__private::Task<cubes>> for cubes {
    fn from(__task: ::parallel::__private::Task<cubes>) -> Self {
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
impl ::parallel::__private::Parameter<0> for cubes {
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
impl ::parallel::__private::Returns for cubes {
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
impl ::parallel::__private::Function for cubes {
    type Pointer = fn(u64) -> u64;
    const POINTER: Self::Pointer = cube;
    type Owned = (::parallel::__private::Owned<cubes, 0>,);
    fn entry() -> &'static ::parallel::__private::Entry {
        #[::parallel::__private::linkme::distributed_slice(
            ::parallel::__private::FUNCTIONS
        )]
        #[linkme(crate = ::parallel::__private::linkme)]
        static ENTRY: ::parallel::__private::Entry = ::parallel::__private::Entry::new(
            ::core::concat!(
                ::core::module_path!(), "::cube as cubes at ", ::core::file!(), ":",
                ::core::line!(), ":", ::core::column!(), " fn(u64) -> u64"
            ),
            "cube",
            |__call| {
                __call
                    .run::<
                        cubes,
                        _,
                    >(|__parameters| {
                        let __values = (__parameters.take::<cubes, 0>()?,);
                        ::core::result::Result::Ok(move || cube(__values.0.into_inner()))
                    })
            },
        );
        &ENTRY
    }
    fn encode_owned(
        __owned: &Self::Owned,
        __arguments: &mut ::parallel::__private::Arguments,
    ) -> ::core::result::Result<(), ::parallel::__private::CodecError> {
        __arguments.push::<cubes, 0>(&__owned.0)?;
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
impl ::parallel::__private::Accepts<u64> for cubes {
    #[inline]
    fn encode(
        __item: &u64,
        __arguments: &mut ::parallel::__private::Arguments,
    ) -> ::core::result::Result<(), ::parallel::__private::CodecError> {
        __arguments.push::<cubes, 0>(&*__item)?;
        ::core::result::Result::Ok(())
    }
}
