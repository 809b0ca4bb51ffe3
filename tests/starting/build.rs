//! Builds what is not Rust: C++ globals, whose constructors run before and behind that of `parallel`.
use std::env::var;

fn main() {
    println!("cargo:rerun-if-changed=native/global.cpp");
    println!("cargo:rustc-check-cfg=cfg(no_cpp)");
    let folder = var("OUT_DIR").expect("cargo sets it");
    for place in ["before", "after"] {
        let mut build = cc::Build::new();
        build.cpp(true).cargo_metadata(false).define("PLACE", place).file("native/global.cpp");
        build.out_dir(format!("{folder}/{place}"));
        if place == "before" {
            build.define("FIRST", None);
        }
        let Ok(objects) = build.try_compile_intermediates() else {
            // No compiler for C++: the program that needs these says so, and its tests are ignored.
            println!("cargo:rustc-cfg=no_cpp");
            return;
        };
        for object in objects {
            // Linked behind all Rust code, so that a constructor without a priority comes last.
            println!("cargo:rustc-link-arg-bin=constructors={}", object.display());
        }
    }
    println!("cargo:rustc-link-arg-bin=constructors=-lstdc++");
    println!("cargo:rerun-if-changed=native/ending.cpp");
    let mut build = cc::Build::new();
    build.cpp(true).cargo_metadata(false).file("native/ending.cpp");
    for object in build.compile_intermediates() {
        println!("cargo:rustc-link-arg-bin=everywhere={}", object.display());
    }
    println!("cargo:rustc-link-arg-bin=everywhere=-lstdc++");
}
