//! A crate whose dependency on `rt-runtime` is called `tokio`, as in a program that is being ported. That the macros
//! find the runtime under this name depends on the `Cargo.toml`, so a crate of its own has to show it: in an ordinary
//! function, in the doctest below, in unit tests, and in integration tests under `tests/`.
//!
//! ```
//! #[tokio::main]
//! async fn main() {
//!     let answer = tokio::spawn(async { 6 * 7 }).await.unwrap();
//!     assert_eq!(answer, 42);
//! }
//!
//! #[tokio::test]
//! async fn a_test_in_a_doctest_compiles() {
//!     assert_eq!(tokio::spawn(async { 6 * 7 }).await.unwrap(), 42);
//! }
//! ```

/// Runs a task on a runtime that is there for this call only.
#[tokio::main(flavor = "current_thread")]
pub async fn answer() -> u32 {
    tokio::spawn(async { 6 * 7 }).await.unwrap()
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn a_unit_test_finds_the_renamed_runtime() {
        assert_eq!(tokio::spawn(async { 6 * 7 }).await.unwrap(), 42);
    }

    #[test]
    fn a_function_of_the_library_finds_the_renamed_runtime() {
        assert_eq!(super::answer(), 42);
    }
}
