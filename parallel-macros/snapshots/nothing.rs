#[allow(clippy::print_stdout)]
#[allow(
    deprecated,
    unused_qualifications,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[doc(hidden)]
#[derive(::core::clone::Clone, ::core::fmt::Debug)]
struct r#match {
    task: ::parallel::__private::Task<r#match>,
}
#[allow(clippy::print_stdout)]
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
static r#match: r#match = r#match {
    task: ::parallel::__private::Task::new(::parallel::__private::Defaults::new()),
};
#[allow(clippy::print_stdout)]
impl r#match {
    /// The function itself.
    #[allow(clippy::missing_const_for_fn)]
    fn body() {
        println!("here");
    }
}
#[allow(clippy::print_stdout)]
#[allow(
    deprecated,
    unused_qualifications,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
impl r#match {
    /// Starts a process for this one call.
    fn spawn(&self) -> ::parallel::__private::JoinHandle<()> {
        self.task
            .spawn_with((), |__owned, __arguments| { ::core::result::Result::Ok(()) })
    }
    /// Gives this one call to the pool.
    fn submit(&self) -> ::parallel::__private::JoinHandle<()> {
        self.task
            .submit_with((), |__owned, __arguments| { ::core::result::Result::Ok(()) })
    }
}
#[allow(clippy::print_stdout)]
#[allow(
    deprecated,
    unused_qualifications,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl ::core::ops::Deref for r#match {
    type Target = ::parallel::__private::Task<r#match>;
    #[inline(always)]
    fn deref(&self) -> &Self::Target {
        &self.task
    }
}
#[allow(clippy::print_stdout)]
#[allow(
    deprecated,
    unused_qualifications,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl ::core::convert::From<::parallel::__private::Task<r#match>> for r#match {
    fn from(__task: ::parallel::__private::Task<r#match>) -> Self {
        Self { task: __task }
    }
}
#[allow(clippy::print_stdout)]
#[allow(
    deprecated,
    unused_qualifications,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl ::parallel::__private::Returns for r#match {
    type Output = ();
    type Codec = ::parallel::__private::Serde;
}
#[allow(clippy::print_stdout)]
#[allow(
    deprecated,
    unused_qualifications,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl ::parallel::__private::Function for r#match {
    type Pointer = fn();
    const POINTER: Self::Pointer = r#match::body;
    type Owned = ();
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
                __call.run::<r#match, _>(|_| ::core::result::Result::Ok(r#match::body))
            },
        );
        &ENTRY
    }
    fn encode_owned(
        _: &Self::Owned,
        _: &mut ::parallel::__private::Arguments,
    ) -> ::core::result::Result<(), ::parallel::__private::CodecError> {
        ::core::result::Result::Ok(())
    }
}
#[allow(clippy::print_stdout)]
#[allow(
    deprecated,
    unused_qualifications,
    clippy::too_many_arguments,
    clippy::type_complexity
)]
#[automatically_derived]
impl ::parallel::__private::Accepts<()> for r#match {
    #[inline]
    fn encode(
        _: &(),
        _: &mut ::parallel::__private::Arguments,
    ) -> ::core::result::Result<(), ::parallel::__private::CodecError> {
        ::core::result::Result::Ok(())
    }
}
