//! `#[rt::main]` and `#[rt::test]`, with the dependency under its own name.

use std::{error::Error, fmt, thread};

/// An error that has to be boxed before it is a `Box<dyn Error>`.
#[derive(Debug)]
struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("broken")
    }
}

impl Error for Broken {}

#[rt::main]
async fn thread_of_a_body() -> thread::ThreadId {
    thread::current().id()
}

#[test]
fn main_runs_the_body_on_the_calling_thread() {
    assert_eq!(thread_of_a_body(), thread::current().id());
}

#[rt::main]
async fn thread_of_a_task() -> thread::ThreadId {
    rt::spawn(async { thread::current().id() }).await.unwrap()
}

#[test]
fn main_runs_tasks_on_workers() {
    assert_ne!(thread_of_a_task(), thread::current().id());
}

#[rt::main(flavor = "current_thread")]
async fn thread_of_a_task_of_current_thread() -> thread::ThreadId {
    rt::spawn(async { thread::current().id() }).await.unwrap()
}

#[test]
fn main_with_current_thread_runs_tasks_on_the_calling_thread() {
    assert_eq!(thread_of_a_task_of_current_thread(), thread::current().id());
}

#[rt::main(flavor = "multi_thread", worker_threads = 3)]
async fn workers() -> usize {
    rt::runtime::Handle::current().metrics().num_workers()
}

#[test]
fn main_builds_as_many_workers_as_it_is_told() {
    assert_eq!(workers(), 3);
}

#[rt::main(worker_threads = 1)]
async fn one_worker() -> usize {
    rt::runtime::Handle::current().metrics().num_workers()
}

#[test]
fn worker_threads_do_not_need_a_flavor_in_main() {
    assert_eq!(one_worker(), 1);
}

#[rt::main(crate = "rt")]
async fn given_crate() -> u32 {
    rt::spawn(async { 6 * 7 }).await.unwrap()
}

mod reexport {
    pub(crate) use rt as runtime_crate;
}

#[rt::main(crate = "crate::reexport::runtime_crate")]
async fn given_path() -> u32 {
    rt::spawn(async { 6 * 7 }).await.unwrap()
}

#[test]
fn the_crate_may_be_given() {
    assert_eq!(given_crate(), 42);
    assert_eq!(given_path(), 42);
}

#[rt::main]
async fn boxes_its_error() -> Result<(), Box<dyn Error>> {
    if thread::current().name() == Some("no such thread") {
        return Ok(());
    }
    Err(Box::new(Broken))
}

#[test]
fn a_body_knows_the_type_that_it_returns() {
    assert_eq!(boxes_its_error().unwrap_err().to_string(), "broken");
}

#[rt::main]
async fn uses_the_question_mark() -> Result<u16, Box<dyn Error>> {
    let port: u16 = rt::spawn(async { "no port".parse() }).await??;
    Ok(port)
}

#[test]
fn the_question_mark_returns_from_the_function() {
    assert!(uses_the_question_mark().unwrap_err().is::<std::num::ParseIntError>());
}

#[rt::main]
async fn returns_some_trait() -> impl Iterator<Item = u32> {
    [1, 2].into_iter().map(|number| number * 2)
}

#[test]
fn a_function_may_return_an_opaque_type() {
    assert!(returns_some_trait().eq([2, 4]));
}

#[rt::main]
async fn returns_never() -> ! {
    panic!("it went wrong")
}

#[test]
#[should_panic(expected = "it went wrong")]
fn a_function_may_never_return() {
    returns_never()
}

struct Program;

impl Program {
    const NAME: &str = "program";

    /// Documented, so that a visibility and a doc comment pass through too.
    #[rt::main(flavor = "current_thread")]
    pub(crate) async fn run() -> &'static str {
        rt::spawn(async { Program::NAME }).await.unwrap()
    }
}

#[test]
fn a_function_may_belong_to_a_type() {
    assert_eq!(Program::run(), "program");
}

#[rt::test]
async fn test_runs_tasks_on_its_own_thread() {
    let task = rt::spawn(async { thread::current().id() });
    assert_eq!(task.await.unwrap(), thread::current().id());
}

#[rt::test(flavor = "multi_thread", worker_threads = 2)]
async fn test_runs_tasks_on_workers_if_told() {
    let task = rt::spawn(async { thread::current().id() });
    assert_ne!(task.await.unwrap(), thread::current().id());
    assert_eq!(rt::runtime::Handle::current().metrics().num_workers(), 2);
}

#[rt::test]
#[should_panic(expected = "it went wrong")]
async fn test_may_be_expected_to_panic() {
    panic!("it went wrong");
}

#[rt::test]
async fn test_may_return_a_result() -> Result<(), Box<dyn Error>> {
    if thread::current().name() == Some("no such thread") {
        return Err(Box::new(Broken));
    }
    let port: u16 = rt::spawn(async { "8080".parse() }).await??;
    assert_eq!(port, 8080);
    Ok(())
}

#[rt::test]
async fn test_may_return_an_opaque_type() -> impl std::process::Termination {
    std::process::ExitCode::SUCCESS
}

#[rt::test]
async fn test_has_io_and_time() {
    rt::time::sleep(std::time::Duration::from_millis(1)).await;
    rt::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
}

/// Every name that the expansion could stumble over, taken.
mod taken_names {
    #![no_implicit_prelude]
    #![allow(dead_code, non_camel_case_types, non_upper_case_globals)]

    mod core {}
    mod std {}
    mod rt {}
    mod runtime {}
    struct Result;
    struct Option;
    struct Future;
    struct Pin;
    struct Builder;
    const body: u8 = 0;
    const future: u8 = 0;
    static pin: u8 = 0;

    #[::rt::main]
    pub(super) async fn run() -> ::core::result::Result<u8, ()> {
        // `body` is the constant above, not something of the macro's.
        ::core::result::Result::Ok(body)
    }

    #[::rt::test]
    async fn test_finds_what_it_needs() {
        ::core::assert_eq!(future + pin, 0);
    }
}

#[test]
fn main_finds_what_it_needs_where_its_names_are_taken() {
    assert_eq!(taken_names::run(), Ok(0));
}

macro_rules! define {
    ($(#[$attribute:meta])* $visibility:vis $name:ident, $workers:literal, $output:ty, $body:block) => {
        $(#[$attribute])*
        #[rt::main(flavor = "multi_thread", worker_threads = $workers)]
        $visibility async fn $name() -> $output $body

        mod in_a_module {
            #[rt::test(flavor = "multi_thread", worker_threads = $workers)]
            async fn test_may_be_written_by_a_macro() -> $output $body
        }
    };
}

macro_rules! annotate {
    ($function:item) => {
        #[rt::main]
        $function
    };
}

define!(#[doc = "A function."] pub(crate) written_by_a_macro, 1, Result<(), rt::task::JoinError>, {
    rt::spawn(async {}).await
});
annotate!(
    async fn annotated_by_a_macro() -> bool {
        rt::spawn(async { true }).await.unwrap()
    }
);

#[test]
fn a_function_may_be_written_by_a_macro() {
    assert!(written_by_a_macro().is_ok());
    assert!(annotated_by_a_macro());
}

#[rt::main(name = "named")]
async fn name_of_the_runtime() -> Option<String> {
    rt::runtime::Handle::current().name().map(str::to_owned)
}

#[test]
fn main_names_its_runtime() {
    assert_eq!(name_of_the_runtime().as_deref(), Some("named"));
}

#[rt::test(unhandled_panic = "shutdown_runtime")]
#[should_panic(expected = "has panicked")]
async fn a_test_may_fail_with_its_tasks() {
    rt::spawn(async { panic!("boom") });
    std::future::pending().await
}

#[rt::test(flavor = "multi_thread", worker_threads = 1, unhandled_panic = "ignore", name = "tested")]
async fn a_test_may_go_on_without_its_tasks() {
    assert!(rt::spawn(async { panic!("boom") }).await.unwrap_err().is_panic());
    assert_eq!(rt::runtime::Handle::current().name(), Some("tested"));
}
