//! What shared memory can hold.

use bytemuck::Pod;

/// Plain data: values that lie in shared memory as they are. All types that are [`bytemuck::Pod`] are plain, and no others.
///
/// # Examples
///
/// ```
/// use parallel::prelude::*;
/// use parallel::shared::Plain;
///
/// /// Replaces the shared value, and returns the old one.
/// fn replace<T: Plain>(place: &Value<T>, value: T) -> parallel::Result<T> {
///     place.update(|place| std::mem::replace(place, value))
/// }
///
/// # fn main() -> parallel::Result<()> {
/// let pair = Value::new([1.0, 2.0])?;
/// assert_eq!(replace(&pair, [3.0, 4.0])?, [1.0, 2.0]);
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no plain data, so it cannot lie in memory that processes share",
    label = "not plain data",
    note = "any bytes that another process writes must be a valid value: use numbers (`u8` for `bool`, `u32` for `char`), arrays of them, or a `#[repr(C)]` struct of them that derives `bytemuck::Pod` and `Zeroable`; what owns memory, such as a `String`, goes through a `Queue`"
)]
pub trait Plain: Pod {}

#[diagnostic::do_not_recommend]
impl<T: Pod> Plain for T {}
