//! `pin!`.

/// Pins futures where they are, so that `&mut future` can be awaited, in a loop around [`select!`](crate::select) for example.
///
/// The name of each becomes that of a `Pin<&mut F>`; what it was before cannot be reached any more.
///
/// ```
/// use rt::time::{Duration, sleep};
///
/// # #[rt::main]
/// # async fn main() {
/// let deadline = sleep(Duration::from_millis(5));
/// let work = async { "done" };
/// rt::pin!(deadline, work);
///
/// rt::select! {
///     outcome = &mut work => assert_eq!(outcome, "done"),
///     () = &mut deadline => println!("too late"),
/// }
/// # }
/// ```
///
/// Or a name is made, with its value:
///
/// ```
/// # #[rt::main]
/// # async fn main() {
/// rt::pin! {
///     let one = async { 1 };
///     let two = async { 2 };
/// }
/// assert_eq!(one.await + two.await, 3);
/// # }
/// ```
///
/// The standard library's [`std::pin::pin!`] does the same for an expression.
#[macro_export]
macro_rules! pin {
    ($($future:ident),* $(,)?) => { $(
        // Not all who pin a future poll it.
        #[allow(unused_mut)]
        let mut $future = $crate::macros::pin!($future);
    )* };
    ($(let $future:ident = $value:expr;)*) => { $(
        #[allow(unused_mut)]
        let mut $future = $crate::macros::pin!($value);
    )* };
}
