//! Present because Cargo asks for a build script where `links` is set; there is nothing to build.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}
