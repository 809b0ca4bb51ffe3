//! Builds the C program that loads this package's library.
fn main() {
    println!("cargo:rerun-if-changed=native/load.c");
    let folder = std::env::var("OUT_DIR").expect("cargo sets it");
    let program = format!("{folder}/load");
    let compiler = cc::Build::new().cargo_metadata(false).get_compiler();
    let status = compiler.to_command().args(["native/load.c", "-o", &program, "-ldl"]).status();
    assert!(status.is_ok_and(|status| status.success()), "the C compiler that links Rust programs fails");
    println!("cargo:rustc-env=LOAD={program}");
}
