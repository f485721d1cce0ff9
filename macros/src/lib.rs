//! The attribute macros of `rt-runtime`. Use them as `#[rt::main]` and `#[rt::test]`; nothing here is meant to be
//! depended on directly. `rt::select!` and its kin are macros of `macro_rules!` in that crate; here is what explains their errors.

mod arguments;
mod async_fn;
mod crate_path;
mod expansion;
mod select;

use expansion::{Attribute, expand};
use proc_macro::TokenStream;

/// Runs an `async fn` on a runtime of its own.
///
/// The function becomes an ordinary one with the same name, visibility, attributes and return type. It builds a
/// runtime with I/O and time enabled, blocks until the body has finished, shuts the runtime down and returns what the
/// body returned. It is meant for `main`, and works on any function that takes no arguments and is not generic. In an
/// `impl` block, write the name of the type where `Self` would stand.
///
/// The body runs on the thread that called the function, not on a worker. What should run in parallel goes into tasks
/// of its own, with `rt::spawn`.
///
/// # Arguments
///
/// | argument | meaning | default |
/// |---|---|---|
/// | `flavor` | `"multi_thread"`: a pool of workers that steal from each other; `"current_thread"`: everything on the calling thread; `"local"`: the same, and `rt::task::spawn_local` takes futures that are not `Send` | `"multi_thread"` |
/// | `worker_threads` | how many workers the pool has, at least 1; only for `"multi_thread"` | what `rt::runtime::Builder` chooses |
/// | `start_paused` | whether time stands still from the beginning, see `rt::time::pause`; `true` not for `"multi_thread"`, and with the feature `test-util` | `false` |
/// | `unhandled_panic` | `"ignore"`: a panic stays in its task; `"shutdown_runtime"`: the runtime shuts down and the function panics | `"ignore"` |
/// | `name` | what `rt::runtime::Handle::name` gives | none |
/// | `crate` | the path of the runtime crate | the name the dependency has in `Cargo.toml` |
///
/// # Examples
///
/// ```
/// #[rt::main]
/// async fn main() {
///     let answer = rt::spawn(async { 6 * 7 }).await.unwrap();
///     assert_eq!(answer, 42);
/// }
/// ```
///
/// Its `main` does this:
///
/// ```
/// async fn body() {
///     let answer = rt::spawn(async { 6 * 7 }).await.unwrap();
///     assert_eq!(answer, 42);
/// }
///
/// rt::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(body());
/// ```
///
/// With two workers, and errors returned from `main`:
///
/// ```
/// #[rt::main(flavor = "multi_thread", worker_threads = 2)]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let port: u16 = rt::spawn(async { "8080".parse() }).await??;
///     assert_eq!(port, 8080);
///     Ok(())
/// }
/// ```
///
/// Without any thread but the caller's:
///
/// ```
/// #[rt::main(flavor = "current_thread")]
/// async fn main() {
///     let main_thread = std::thread::current().id();
///     let task = rt::spawn(async { std::thread::current().id() });
///     assert_eq!(task.await.unwrap(), main_thread);
/// }
/// ```
///
/// The same, and with tasks that need not be `Send`:
///
/// ```
/// use std::rc::Rc;
///
/// #[rt::main(flavor = "local")]
/// async fn main() {
///     let number = Rc::new(42);
///     let task = rt::task::spawn_local({
///         let number = number.clone();
///         async move { *number }
///     });
///     assert_eq!(task.await.unwrap(), *number);
/// }
/// ```
///
/// # Where the runtime is looked up
///
/// The macro reads the `Cargo.toml` of the crate it is used in, so that it also works where the dependency was renamed
/// (`tokio = { package = "rt-runtime", .. }`). A crate that only reaches the runtime through somebody else's
/// re-export says where it is:
///
/// ```
/// mod prelude {
///     pub use rt as async_runtime;
/// }
///
/// #[rt::main(crate = "crate::prelude::async_runtime")]
/// async fn main() {}
/// ```
///
/// # Panics
///
/// The function panics if the runtime cannot be built, for example because the process may not start another thread.
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, function: TokenStream) -> TokenStream {
    expand(Attribute::Main, arguments.into(), function.into()).into()
}

/// Makes an `async fn` a test that runs on a runtime of its own.
///
/// Each test builds a runtime with I/O and time enabled, blocks until the body has finished, and shuts the runtime
/// down, so that nothing a test spawned outlives it. Everything that works beside `#[test]` works beside this too:
/// `#[should_panic]`, `#[ignore]`, and returning a `Result`.
///
/// # Arguments
///
/// | argument | meaning | default |
/// |---|---|---|
/// | `flavor` | `"multi_thread"`: a pool of workers that steal from each other; `"current_thread"`: everything on the test's thread; `"local"`: the same, and `rt::task::spawn_local` takes futures that are not `Send` | `"current_thread"` |
/// | `worker_threads` | how many workers the pool has, at least 1; only for `"multi_thread"` | what `rt::runtime::Builder` chooses |
/// | `start_paused` | whether time stands still from the beginning, see `rt::time::pause`; `true` not for `"multi_thread"`, and with the feature `test-util` | `false` |
/// | `unhandled_panic` | `"ignore"`: a panic stays in its task; `"shutdown_runtime"`: the runtime shuts down and the function panics | `"ignore"` |
/// | `name` | what `rt::runtime::Handle::name` gives | none |
/// | `crate` | the path of the runtime crate | the name the dependency has in `Cargo.toml` |
///
/// [`#[rt::main]`](macro@main) says how the crate is looked up.
///
/// # Examples
///
/// ```no_run
/// #[rt::test]
/// async fn a_task_returns_its_output() {
///     assert_eq!(rt::spawn(async { 6 * 7 }).await.unwrap(), 42);
/// }
///
/// #[rt::test(flavor = "multi_thread", worker_threads = 2)]
/// async fn a_number_is_parsed_in_a_task() -> Result<(), Box<dyn std::error::Error>> {
///     let port: u16 = rt::spawn(async { "8080".parse() }).await??;
///     assert_eq!(port, 8080);
///     Ok(())
/// }
///
/// #[rt::test]
/// #[should_panic(expected = "it went wrong")]
/// async fn a_panic_is_expected() {
///     panic!("it went wrong");
/// }
/// # // A doctest is not built as a test: this only shows that the tests above compile.
/// # fn main() {}
/// ```
///
/// # Panics
///
/// The test panics, and so fails, if the runtime cannot be built.
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, function: TokenStream) -> TokenStream {
    expand(Attribute::Test, arguments.into(), function.into()).into()
}

/// For `select!`: says what is wrong with the branch that the tokens begin with.
#[doc(hidden)]
#[proc_macro]
pub fn explain_select(branches: TokenStream) -> TokenStream {
    select::explain(branches.into()).into()
}
