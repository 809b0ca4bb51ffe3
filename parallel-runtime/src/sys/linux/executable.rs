//! The executable: what of its file is mapped here, and whether a start of `/proc/self/exe` would run that file.
//!
//! The link leads to what the kernel was told to execute. That is another file where the program was brought here by a loader
//! (`ld.so ./program`), by valgrind or by qemu: to execute it would run the loader, with the program's first argument as
//! the program. Names do not tell, nor does the number of a device, which differs between a file and its mapping on layered
//! file systems. So the ELF header, the program headers and the notes, among them the build's number, are compared with what is
//! mapped.

use std::ffi::{c_int, c_void};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use libc::{Elf64_Ehdr, Elf64_Phdr};

/// What a start executes: `/proc/self/exe`, in a spelling of our own. Valgrind and qemu know the usual one, and some of their
/// versions let a program read its own file there, but execute them. What is compared has to be what is executed.
pub(super) const EXECUTABLE: &std::ffi::CStr = c"/proc/self/./exe";

/// The same, as users know it.
pub(crate) const NAME: &str = "/proc/self/exe";
/// Why a start would execute another file.
pub(crate) const FOREIGN: &str = "the file behind /proc/self/exe is not this program, as where a loader (`ld.so ./program`), \
    valgrind, qemu or a packer brought it into memory; start its file itself";

/// The executable as it is loaded.
#[derive(Clone, Copy)]
struct Image {
    /// What is added to the addresses of its headers.
    base: u64,
    headers: &'static [Elf64_Phdr],
}

impl Image {
    fn get() -> Option<Self> {
        /// Is called for each loaded object, the executable first; asks for no other.
        unsafe extern "C" fn look(object: *mut libc::dl_phdr_info, _: usize, found: *mut c_void) -> c_int {
            // SAFETY: the C library passes a description that is valid during the call.
            let object = unsafe { &*object };
            // SAFETY: the table of program headers of the executable, which stays loaded, of the length that it says.
            let headers = unsafe { std::slice::from_raw_parts(object.dlpi_phdr, object.dlpi_phnum.into()) };
            // SAFETY: `get` passes its own live local.
            let found = unsafe { &mut *found.cast::<Option<Image>>() };
            *found = Some(Image { base: object.dlpi_addr, headers });
            1
        }
        let mut found = None;
        // SAFETY: the callback gets the pointer that it expects.
        unsafe { libc::dl_iterate_phdr(Some(look), (&raw mut found).cast()) };
        found
    }

    fn segments(&self) -> impl Iterator<Item = &'static Elf64_Phdr> + use<> {
        self.headers.iter().filter(|header| header.p_type == libc::PT_LOAD)
    }

    fn contains(&self, address: u64) -> bool {
        // As the loader adds them: both may wrap.
        self.segments().any(|segment| address.wrapping_sub(self.base.wrapping_add(segment.p_vaddr)) < segment.p_memsz)
    }

    /// Those bytes of its file, where a segment maps them for reading and not for writing.
    fn bytes(&self, offset: u64, len: u64) -> Option<&'static [u8]> {
        let end = offset.checked_add(len)?;
        let segment = self.segments().find(|segment| {
            let within = segment.p_offset <= offset && end - segment.p_offset.min(end) <= segment.p_filesz;
            within && segment.p_flags & (libc::PF_R | libc::PF_W) == libc::PF_R
        })?;
        let address = self.base.wrapping_add(segment.p_vaddr).wrapping_add(offset - segment.p_offset);
        let pointer = std::ptr::with_exposed_provenance(usize::try_from(address).ok()?);
        // SAFETY: inside a segment of the executable, which stays loaded, is readable and is not writable.
        Some(unsafe { std::slice::from_raw_parts(pointer, usize::try_from(len).ok()?) })
    }

    /// Whether it needs a loader to run, which the kernel then brings along.
    fn needs_loader(&self) -> bool {
        self.headers.iter().any(|header| header.p_type == libc::PT_INTERP)
    }
}

/// Whether `address` is part of the executable.
pub(crate) fn contains(address: usize) -> bool {
    Image::get().is_some_and(|image| image.contains(address as u64))
}

/// Whether a start would execute the file that this code was loaded from.
///
/// # Errors
///
/// Where that cannot be told, as without `/proc`, or where no descriptor is free; it may be told later.
pub(crate) fn is_started_file() -> io::Result<bool> {
    let Some(image) = Image::get() else { return Ok(false) };
    match File::open(EXECUTABLE.to_str().unwrap_or_default()) {
        Ok(file) => Ok(is_image_of(&image, |offset, len| {
            let mut bytes = vec![0; len];
            file.read_exact_at(&mut bytes, offset).ok().map(|()| bytes)
        })),
        // The file may be executed and not be read. It is this program's where the kernel started the program itself: the
        // program needs no loader, or the kernel brought one along.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(!image.needs_loader() || has_loader()),
        Err(error) => Err(error),
    }
}

/// Whether the kernel has brought a loader along for what it was told to execute.
fn has_loader() -> bool {
    // SAFETY: reads the process's own auxiliary vector.
    unsafe { libc::getauxval(libc::AT_BASE) != 0 }
}

/// Whether the image was loaded from the file that `read` gives parts of, by place and length.
fn is_image_of(image: &Image, read: impl Fn(u64, usize) -> Option<Vec<u8>>) -> bool {
    let same = |offset: u64, len: u64| {
        let mapped = image.bytes(offset, len);
        mapped.is_none_or(|mapped| read(offset, mapped.len()).is_some_and(|read| read == mapped))
    };
    let Some(header) = read(0, size_of::<Elf64_Ehdr>()) else { return false };
    let word = |at: usize| <[u8; 8]>::try_from(&header[at..at + 8]).map_or(0, u64::from_ne_bytes);
    let table = word(std::mem::offset_of!(Elf64_Ehdr, e_phoff));
    // SAFETY: plain numbers, read as the bytes that they are.
    let headers =
        unsafe { std::slice::from_raw_parts(image.headers.as_ptr().cast::<u8>(), size_of_val(image.headers)) };
    let notes = image.headers.iter().filter(|header| header.p_type == libc::PT_NOTE);
    same(0, header.len() as u64)
        && read(table, headers.len()).is_some_and(|read| read == headers)
        && notes.into_iter().all(|note| same(note.p_offset, note.p_filesz))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This program's file, with one byte changed.
    fn is_image_with(changed: Option<u64>) -> bool {
        let file = File::open("/proc/self/exe").unwrap();
        is_image_of(&Image::get().unwrap(), |offset, len| {
            let mut bytes = vec![0; len];
            file.read_exact_at(&mut bytes, offset).ok()?;
            let inside = changed.and_then(|changed| changed.checked_sub(offset)).filter(|&at| at < len as u64);
            inside.into_iter().for_each(|at| bytes[usize::try_from(at).unwrap()] ^= 1);
            Some(bytes)
        })
    }

    #[test]
    fn a_file_is_the_programs_own_only_with_its_header_its_table_and_its_notes() {
        assert!(is_started_file().unwrap());
        assert!(is_image_with(None));
        let image = Image::get().unwrap();
        let note = image.headers.iter().find(|header| header.p_type == libc::PT_NOTE).unwrap();
        let entry = std::mem::offset_of!(Elf64_Ehdr, e_entry) as u64;
        let table = size_of::<Elf64_Ehdr>() as u64;
        for changed in [0, entry, table, table + 8, note.p_offset + note.p_filesz - 1] {
            assert!(!is_image_with(Some(changed)), "{changed}");
        }
    }

    #[test]
    fn a_file_that_is_too_short_or_another_program_is_not_the_programs_own() {
        let image = Image::get().unwrap();
        assert!(!is_image_of(&image, |_, _| None));
        assert!(!is_image_of(&image, |_, len| Some(vec![0; len])));
        let shell = File::open("/bin/sh").unwrap();
        assert!(!is_image_of(&image, |offset, len| {
            let mut bytes = vec![0; len];
            shell.read_exact_at(&mut bytes, offset).ok().map(|()| bytes)
        }));
    }

    #[test]
    fn what_is_code_or_a_static_of_the_program_is_in_it_and_the_c_library_is_not() {
        assert!(contains(contains as *const () as usize));
        assert!(contains(EXECUTABLE.as_ptr() as usize));
        let local = 0;
        assert!(!contains(&raw const local as usize));
        assert!(!contains(libc::getauxval as *const () as usize) || !Image::get().unwrap().needs_loader());
    }
}
