//! An error that travels, made of any error.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, OneLine};

/// An error to return from a function, whatever it fails with: `?` turns every [`std::error::Error`] into it, and it travels,
/// which few errors do.
///
/// It keeps the texts of the error and of its causes, and with the `try_` maps which function and item failed. For `?` to work it
/// is, like `anyhow::Error`, no [`std::error::Error`] itself, but becomes a boxed one by `into`; an `anyhow::Error` with all its
/// causes by `anyhow::Error::from_boxed(failure.into())`. What is no error type either, an `anyhow::Error`, a boxed error or
/// text, goes in by `.map_err(Failure::new)?`.
///
/// `{}` is one line: function, item, and what went wrong. `{:#}` has the causes behind it, and `{:?}` below it.
///
/// # Examples
///
/// ```
/// use parallel::Failure;
/// use parallel::prelude::*;
///
/// #[parallel]
/// fn size(path: &str) -> Result<u64, Failure> {
///     let len = std::fs::metadata(path)?.len();
///     if len == 0 {
///         return Err(Failure::new(format!("{path} is empty")));
///     }
///     Ok(len)
/// }
///
/// fn main() -> parallel::Result<()> {
///     let failure = size.spawn("/no such file").join()?.unwrap_err();
///     assert!(failure.to_string().contains("No such file"), "{failure}");
///     Ok(())
/// }
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure(Box<Inner>);

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Inner {
    text: String,
    /// The texts of its causes, the nearest first.
    causes: Vec<String>,
    function: Option<String>,
    index: Option<usize>,
    /// The text says itself where it happened.
    says_where: bool,
}

impl Failure {
    /// Makes one of a text, an error, a boxed error, or an `anyhow::Error`; of one that was made into a boxed error, itself again.
    ///
    /// # Examples
    ///
    /// ```
    /// use parallel::Failure;
    ///
    /// assert_eq!(Failure::new("no such user").to_string(), "no such user");
    /// let boxed: Box<dyn std::error::Error + Send + Sync> = Failure::new("no such user").into();
    /// assert_eq!(Failure::new(boxed), Failure::new("no such user"));
    /// ```
    pub fn new(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        match error.into().downcast::<Boxed>() {
            Ok(boxed) => boxed.failure,
            Err(error) => Self::of(&*error, error.downcast_ref()),
        }
    }

    /// `ours`: the error as one of ours, if it is.
    fn of(error: &(dyn StdError + 'static), ours: Option<&Error>) -> Self {
        let causes = std::iter::successors(error.source(), |&cause| cause.source());
        Self(Box::new(Inner {
            text: error.to_string(),
            causes: causes.map(ToString::to_string).collect(),
            function: ours.and_then(Error::function).map(ToString::to_string),
            index: ours.and_then(Error::index),
            says_where: ours.is_some(),
        }))
    }

    /// Adds which function failed, and which item of a map, where that is not known yet.
    pub(crate) fn in_item(mut self, function: &str, index: usize) -> Self {
        if self.0.function.is_none() {
            self.0.function = Some(function.to_string());
            self.0.index = Some(index);
        }
        self
    }

    /// Returns the name of the function, where one of the `try_` maps or an [`Error`](crate::Error) told it.
    pub fn function(&self) -> Option<&str> {
        self.0.function.as_deref()
    }

    /// Returns which item of a map failed, counted from 0.
    pub fn index(&self) -> Option<usize> {
        self.0.index
    }

    /// Returns the texts of the error and of its causes, the nearest first.
    ///
    /// # Examples
    ///
    /// ```
    /// let error = "x".parse::<f64>().unwrap_err();
    /// let failure = parallel::Failure::from(error);
    /// assert_eq!(failure.chain().collect::<Vec<_>>(), ["invalid float literal"]);
    /// ```
    pub fn chain(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.0.text).chain(&self.0.causes).map(String::as_str)
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let any: &dyn Any = &error;
        Self::of(&error, any.downcast_ref())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { text, causes, function, index, says_where } = &*self.0;
        if let (Some(function), false) = (function, says_where) {
            write!(f, "`{function}`")?;
            if let Some(index) = index {
                write!(f, ", item {index}")?;
            }
            f.write_str(": ")?;
        }
        write!(f, "{}", OneLine(text))?;
        if f.alternate() {
            for cause in causes {
                write!(f, ": {}", OneLine(cause))?;
            }
        }
        Ok(())
    }
}

/// What a `main` that returns it prints: the line of `Display`, and its causes below.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        for cause in &self.0.causes {
            write!(f, "\n    caused by: {}", OneLine(cause))?;
        }
        Ok(())
    }
}

/// A failure as a boxed error.
#[derive(Debug)]
struct Boxed {
    failure: Failure,
    source: Option<Box<Cause>>,
}

#[derive(Debug)]
struct Cause {
    text: String,
    source: Option<Box<Cause>>,
}

impl From<Failure> for Box<dyn StdError + Send + Sync> {
    fn from(failure: Failure) -> Self {
        let texts = failure.0.causes.iter().rev();
        let source = texts.fold(None, |source, text| Some(Box::new(Cause { text: text.clone(), source })));
        Box::new(Boxed { failure, source })
    }
}

impl From<Failure> for Box<dyn StdError> {
    fn from(failure: Failure) -> Self {
        Box::<dyn StdError + Send + Sync>::from(failure)
    }
}

impl fmt::Display for Boxed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.failure, f)
    }
}

impl StdError for Boxed {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|cause| cause as _)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for Cause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|cause| cause as _)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::error::ErrorKind;

    #[derive(Debug)]
    struct Outer(io::Error);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the picture\nis broken")
        }
    }

    impl StdError for Outer {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(&self.0)
        }
    }

    fn failure() -> Failure {
        Outer(io::Error::other("half of it is missing")).into()
    }

    #[test]
    fn one_line_tells_what_and_where_and_more_the_causes() {
        let placed = failure().in_item("decode", 3);
        assert_eq!(failure().to_string(), "the picture; is broken");
        assert_eq!(placed.to_string(), "`decode`, item 3: the picture; is broken");
        assert_eq!(format!("{placed:#}"), "`decode`, item 3: the picture; is broken: half of it is missing");
        assert_eq!(
            format!("{placed:?}"),
            "`decode`, item 3: the picture; is broken\n    caused by: half of it is missing"
        );
        assert_eq!((placed.function(), placed.index()), (Some("decode"), Some(3)));
        // The first place stays: it is the innermost.
        assert_eq!(placed.clone().in_item("other", 0), placed);
    }

    #[test]
    fn an_error_of_ours_keeps_its_place_and_says_it_once() {
        let error = Error::new(ErrorKind::Cancelled).in_function("cube").at_index(7).in_process(12);
        let text = error.to_string();
        for failure in [Failure::new(error.duplicate()), Failure::from(error)] {
            assert_eq!(
                (failure.to_string(), failure.function(), failure.index()),
                (text.clone(), Some("cube"), Some(7))
            );
        }
    }

    #[test]
    fn no_link_of_the_chain_says_what_another_has_said() {
        let kinds = [
            ErrorKind::Start(io::Error::other("no more processes")),
            ErrorKind::Signal(io::Error::other("not permitted")),
            ErrorKind::Decode(crate::error::CodecError::new::<u8>("too short")),
        ];
        for kind in kinds {
            let error = Error::new(kind).in_function("cube");
            let line = error.to_string();
            assert_eq!(format!("{:#}", Failure::from(error)), line);
        }
    }

    #[test]
    fn a_boxed_failure_is_an_error_with_causes_and_becomes_itself_again() {
        let boxed: Box<dyn StdError + Send + Sync> = failure().in_item("decode", 3).into();
        let cause = boxed.source().map(ToString::to_string);
        assert_eq!(cause.as_deref(), Some("half of it is missing"));
        assert_eq!(Failure::new(boxed), failure().in_item("decode", 3));
        let plain: Box<dyn StdError> = failure().into();
        assert_eq!(plain.to_string(), "the picture; is broken");
    }
}
