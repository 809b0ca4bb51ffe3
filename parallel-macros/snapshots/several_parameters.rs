#[allow(
    deprecated,
    unused_qualifications,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[doc(hidden)]
#[derive(::core::clone::Clone, ::core::fmt::Debug)]
pub struct norm {
    task: crate::vendored::parallel::__private::Task<norm>,
}
#[allow(
    deprecated,
    unused_qualifications,
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
pub static norm: norm = norm {
    task: crate::vendored::parallel::__private::Task::new(
        crate::vendored::parallel::__private::Defaults::new()
            .timeout(::core::time::Duration::new(1u64, 500000000u32))
            .retries(2u32)
            .chunk_size(32usize)
            .name("the norm"),
    ),
};
impl norm {
    /// The function itself.
    #[allow(clippy::missing_const_for_fn)]
    fn body(row: &[f64], mut p: f64, (low, high): (f64, f64)) -> f64 {
        p = p.clamp(low, high);
        row.iter().map(|v| v.abs().powf(p)).sum::<f64>().powf(1.0 / p)
    }
}
#[allow(
    deprecated,
    unused_qualifications,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
impl norm {
    /// Starts a process for this one call.
    pub fn spawn(
        &self,
        row: &[f64],
        p: f64,
        argument_2: (f64, f64),
    ) -> crate::vendored::parallel::__private::JoinHandle<f64> {
        self.task
            .spawn_with(
                (p, argument_2),
                |__owned, __arguments| {
                    __arguments.push::<norm, 0>(row)?;
                    __arguments.push::<norm, 1>(&__owned.0)?;
                    __arguments.push::<norm, 2>(&__owned.1)?;
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
        self.task
            .submit_with(
                (p, argument_2),
                |__owned, __arguments| {
                    __arguments.push::<norm, 0>(row)?;
                    __arguments.push::<norm, 1>(&__owned.0)?;
                    __arguments.push::<norm, 2>(&__owned.1)?;
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
impl ::core::ops::Deref for norm {
    type Target = crate::vendored::parallel::__private::Task<norm>;
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
impl ::core::convert::From<crate::vendored::parallel::__private::Task<norm>> for norm {
    fn from(__task: crate::vendored::parallel::__private::Task<norm>) -> Self {
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
impl crate::vendored::parallel::__private::Parameter<0> for norm {
    const NAME: &'static str = "row";
    type Type = [f64];
    type Codec = crate::vendored::parallel::__private::Serde;
}
#[allow(
    deprecated,
    unused_qualifications,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl crate::vendored::parallel::__private::Parameter<1> for norm {
    const NAME: &'static str = "p";
    type Type = f64;
    type Codec = crate::vendored::parallel::__private::Serde;
}
#[allow(
    deprecated,
    unused_qualifications,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl crate::vendored::parallel::__private::Parameter<2> for norm {
    const NAME: &'static str = "argument_2";
    type Type = (f64, f64);
    type Codec = crate::vendored::parallel::__private::Serde;
}
#[allow(
    deprecated,
    unused_qualifications,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl crate::vendored::parallel::__private::Returns for norm {
    type Output = f64;
    type Codec = crate::vendored::parallel::__private::Serde;
}
#[allow(
    deprecated,
    unused_qualifications,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl crate::vendored::parallel::__private::Function for norm {
    type Pointer = fn(&[f64], f64, (f64, f64)) -> f64;
    const POINTER: Self::Pointer = norm::body;
    type Owned = (
        crate::vendored::parallel::__private::Owned<norm, 0>,
        crate::vendored::parallel::__private::Owned<norm, 1>,
        crate::vendored::parallel::__private::Owned<norm, 2>,
    );
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
                __call
                    .run::<
                        norm,
                        _,
                    >(|__parameters| {
                        let __values = (
                            __parameters.take_borrowed::<norm, 0>()?,
                            __parameters.take::<norm, 1>()?,
                            __parameters.take::<norm, 2>()?,
                        );
                        ::core::result::Result::Ok(move || norm::body(
                            __values.0.get(),
                            __values.1.into_inner(),
                            __values.2.into_inner(),
                        ))
                    })
            },
        );
        &ENTRY
    }
    fn encode_owned(
        __owned: &Self::Owned,
        __arguments: &mut crate::vendored::parallel::__private::Arguments,
    ) -> ::core::result::Result<(), crate::vendored::parallel::__private::CodecError> {
        __arguments.push::<norm, 0>(::core::borrow::Borrow::borrow(&__owned.0))?;
        __arguments.push::<norm, 1>(&__owned.1)?;
        __arguments.push::<norm, 2>(&__owned.2)?;
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
impl<
    '__item,
> crate::vendored::parallel::__private::Accepts<(&'__item [f64], f64, (f64, f64))>
for norm {
    #[inline]
    fn encode(
        __item: &(&'__item [f64], f64, (f64, f64)),
        __arguments: &mut crate::vendored::parallel::__private::Arguments,
    ) -> ::core::result::Result<(), crate::vendored::parallel::__private::CodecError> {
        __arguments.push::<norm, 0>(__item.0)?;
        __arguments.push::<norm, 1>(&__item.1)?;
        __arguments.push::<norm, 2>(&__item.2)?;
        ::core::result::Result::Ok(())
    }
}
