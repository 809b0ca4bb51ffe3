//! The operating system, and the only place that calls it: the [contract] with the floors above, and a folder for each platform.

mod contract;

pub(crate) mod bytes;

#[cfg(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))]
#[path = "linux/mod.rs"]
mod platform;

#[cfg(not(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64"))))]
compile_error!(
    "`parallel` runs on Linux with glibc on x86-64 and aarch64 so far; on this target there is no `sys` folder yet"
);

pub(crate) use platform::descriptor::{BorrowedDescriptor, Descriptor, Number};
pub(crate) use platform::{
    CAPABILITIES, early, executable, fork, forked, limits, memory, oom, owner, parts, process, program, refusal,
    rights, socket, stack, standing, surroundings, wait, watch, word,
};

/// What has, or is, a descriptor: a file, socket, memory, event or process of the system, which can be handed on.
pub(crate) trait AsDescriptor {
    fn as_descriptor(&self) -> BorrowedDescriptor<'_>;
}
