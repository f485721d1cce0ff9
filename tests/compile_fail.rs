//! Wrong uses of `#[rt::main]` and `#[rt::test]` are refused where they are wrong, with a message that says what to do.
//!
//! What the compiler prints for each file in `tests/compile_fail/` stands beside it, in a file `.stderr`. Where a
//! message was changed on purpose, `TRYBUILD=overwrite cargo test --test compile_fail` writes them anew.

#[test]
fn wrong_uses_are_refused_with_a_helpful_message() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
