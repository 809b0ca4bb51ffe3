//! What the compiler says to each mistake: one error, at the place of the mistake.

#[test]
fn each_mistake_is_one_error_that_says_what_to_write() {
    trybuild::TestCases::new().compile_fail("ui-tests/*.rs");
}
