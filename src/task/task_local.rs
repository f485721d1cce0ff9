//! Values that a future carries along: task-locals.
//!
//! A value lies in the [`TaskLocalFuture`] that it was given to, and is swapped into a thread-local while that future is polled or
//! dropped, and back afterwards, also when it panics. So it moves with its future from thread to thread, and the value of an outer
//! scope, which lies in the inner one's future meanwhile, is there again.

use pin_project_lite::pin_project;
use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::marker::PhantomPinned;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

/// Declares values that a future carries along, each behind a [`LocalKey`](crate::task::LocalKey).
///
/// ```
/// rt::task_local! {
///     /// Whose request this is.
///     pub static USER: String;
///     static DEPTH: u32;
/// }
///
/// # #[rt::main]
/// # async fn main() {
/// async fn greet() -> String {
///     USER.with(|user| format!("hello, {user}"))
/// }
/// assert_eq!(USER.scope("ada".to_owned(), greet()).await, "hello, ada");
///
/// let deeper = DEPTH.scope(1, async { DEPTH.scope(DEPTH.get() + 1, async { DEPTH.get() }).await });
/// assert_eq!(deeper.await, 2);
/// # }
/// ```
///
/// A task that is spawned inside a scope is not in it: give it a scope of its own.
#[macro_export]
macro_rules! task_local {
    () => {};
    ($(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty; $($rest:tt)*) => {
        $crate::task_local!($(#[$attribute])* $visibility static $name: $type);
        $crate::task_local!($($rest)*);
    };
    ($(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty) => {
        $(#[$attribute])*
        $visibility static $name: $crate::task::LocalKey<$type> = {
            // An item, which hides one of the same name that the type may mention: nobody has this one.
            ::std::thread_local! {
                static __RT_TASK_LOCAL: ::std::cell::RefCell<::std::option::Option<$type>> =
                    const { ::std::cell::RefCell::new(::std::option::Option::None) };
            }
            $crate::task::LocalKey::__new(__RT_TASK_LOCAL)
        };
    };
}

/// The key of a value that a future carries along. Made by [`task_local!`](crate::task_local).
///
/// The value is there while a future is polled or dropped that was given one by [`scope`](Self::scope), and nowhere else.
///
/// ```
/// rt::task_local! {
///     static REQUEST: u64;
/// }
///
/// # #[rt::main]
/// # async fn main() {
/// let task = rt::spawn(REQUEST.scope(7, async {
///     // The value moves with the task, from worker to worker.
///     rt::task::yield_now().await;
///     REQUEST.get()
/// }));
/// assert_eq!(task.await.unwrap(), 7);
/// assert!(REQUEST.try_get().is_err());
/// # }
/// ```
pub struct LocalKey<T: 'static> {
    inner: thread::LocalKey<RefCell<Option<T>>>,
}

impl<T: 'static> LocalKey<T> {
    /// For `task_local!`.
    #[doc(hidden)]
    pub const fn __new(inner: thread::LocalKey<RefCell<Option<T>>>) -> Self {
        LocalKey { inner }
    }

    /// Gives a future a value. It is there whenever that future is polled, and when it is dropped.
    ///
    /// ```
    /// rt::task_local! {
    ///     static NUMBER: u32;
    /// }
    ///
    /// # #[rt::main]
    /// # async fn main() {
    /// assert_eq!(NUMBER.scope(1, async { NUMBER.get() }).await, 1);
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// The future, when it is polled inside [`with`](Self::with) of the same key, whose value cannot be replaced so long, or on a thread whose
    /// local storage is gone.
    ///
    /// # Cancel safety
    ///
    /// That of `future`.
    pub fn scope<F>(&'static self, value: T, future: F) -> TaskLocalFuture<T, F>
    where
        F: Future,
    {
        TaskLocalFuture { local: self, slot: Some(value), future: Some(future), pinned: PhantomPinned }
    }

    /// Runs a closure with a value.
    ///
    /// ```
    /// rt::task_local! {
    ///     static NUMBER: u32;
    /// }
    ///
    /// assert_eq!(NUMBER.sync_scope(1, || NUMBER.get()), 1);
    /// ```
    ///
    /// # Panics
    ///
    /// Inside [`with`](Self::with) of the same key, and on a thread whose local storage is gone; and if the closure does.
    #[track_caller]
    pub fn sync_scope<F, R>(&'static self, value: T, f: F) -> R
    where
        F: FnOnce() -> R,
    {
        match self.enter(&mut Some(value)) {
            Ok(_entered) => f(),
            Err(error) => error.panic(),
        }
    }

    /// Runs a closure with the value.
    ///
    /// ```
    /// rt::task_local! {
    ///     static NAME: String;
    /// }
    ///
    /// assert_eq!(NAME.sync_scope("four".to_owned(), || NAME.with(String::len)), 4);
    /// ```
    ///
    /// # Panics
    ///
    /// Outside the scopes of this key; [`try_with`](Self::try_with) does not. And if the closure does.
    #[track_caller]
    pub fn with<F, R>(&'static self, f: F) -> R
    where
        F: FnOnce(&T) -> R,
    {
        match self.try_with(f) {
            Ok(result) => result,
            Err(error) => panic!("{error}"),
        }
    }

    /// Runs a closure with the value.
    ///
    /// ```
    /// rt::task_local! {
    ///     static NUMBER: u32;
    /// }
    ///
    /// assert!(NUMBER.try_with(|number| *number).is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// Outside the scopes of this key. The closure is not run.
    pub fn try_with<F, R>(&'static self, f: F) -> Result<R, AccessError>
    where
        F: FnOnce(&T) -> R,
    {
        // A thread whose local storage is gone is in no scope.
        // Mutably borrowed it is only while values are swapped, which runs no code of the user's.
        let result = self.inner.try_with(|value| value.borrow().as_ref().map(f));
        result.ok().flatten().ok_or(AccessError(()))
    }

    /// Swaps `slot` with the thread's value until the guard is dropped.
    fn enter<'a>(&'static self, slot: &'a mut Option<T>) -> Result<Entered<'a, T>, EnterError> {
        self.swap(slot)?;
        Ok(Entered { local: self, slot })
    }

    fn swap(&'static self, slot: &mut Option<T>) -> Result<(), EnterError> {
        let swap = |value: &RefCell<Option<T>>| match value.try_borrow_mut() {
            Ok(mut value) => {
                mem::swap(slot, &mut value);
                Ok(())
            }
            Err(_) => Err(EnterError::Borrowed),
        };
        self.inner.try_with(swap).unwrap_or(Err(EnterError::Destroyed))
    }
}

impl<T: Clone + 'static> LocalKey<T> {
    /// A clone of the value.
    ///
    /// ```
    /// rt::task_local! {
    ///     static NAME: &'static str;
    /// }
    ///
    /// assert_eq!(NAME.sync_scope("ada", || NAME.get()), "ada");
    /// ```
    ///
    /// # Panics
    ///
    /// Outside the scopes of this key; [`try_get`](Self::try_get) does not.
    #[track_caller]
    pub fn get(&'static self) -> T {
        self.with(T::clone)
    }

    /// A clone of the value.
    ///
    /// ```
    /// rt::task_local! {
    ///     static NUMBER: u32;
    /// }
    ///
    /// assert_eq!(NUMBER.sync_scope(1, || NUMBER.try_get()), Ok(1));
    /// assert!(NUMBER.try_get().is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// Outside the scopes of this key.
    pub fn try_get(&'static self) -> Result<T, AccessError> {
        self.try_with(T::clone)
    }
}

impl<T: 'static> fmt::Debug for LocalKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKey").finish_non_exhaustive()
    }
}

/// Swaps the values back when dropped.
struct Entered<'a, T: 'static> {
    local: &'static LocalKey<T>,
    slot: &'a mut Option<T>,
}

impl<T: 'static> Drop for Entered<'_, T> {
    fn drop(&mut self) {
        // It was there to enter; nobody outside this module can borrow it for longer than a call of `with`, which is over; and a thread's storage
        // does not go while one of its functions runs that had found it, unless that is called by a destructor of the same storage: then
        // the value is gone with it.
        let _ = self.local.swap(self.slot);
    }
}

/// Why a scope cannot be entered.
enum EnterError {
    Borrowed,
    Destroyed,
}

impl EnterError {
    #[track_caller]
    fn panic(self) -> ! {
        match self {
            EnterError::Borrowed => {
                panic!(
                    "a scope of a task-local was entered inside `with` of the same key: clone the value and leave `with` first"
                )
            }
            EnterError::Destroyed => {
                panic!(
                    "a scope of a task-local was entered on a thread that is ending, and whose local storage is gone"
                )
            }
        }
    }
}

pin_project! {
    /// A future that carries a value along. Made by [`LocalKey::scope`].
    pub struct TaskLocalFuture<T, F>
    where
        T: 'static,
    {
        local: &'static LocalKey<T>,
        slot: Option<T>,
        // `None` once it is done.
        #[pin]
        future: Option<F>,
        #[pin]
        pinned: PhantomPinned,
    }

    impl<T: 'static, F> PinnedDrop for TaskLocalFuture<T, F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let mut future = this.future;
            if mem::needs_drop::<F>() && future.is_some() {
                // Where that is impossible, it goes without the value.
                let _entered = this.local.enter(this.slot);
                future.set(None);
            }
        }
    }
}

impl<T: 'static, F> TaskLocalFuture<T, F> {
    /// Takes the value out. `None` if it has been taken, and inside the future itself.
    ///
    /// A future that is polled afterwards finds no value.
    ///
    /// ```
    /// use std::pin::pin;
    ///
    /// rt::task_local! {
    ///     static LOG: std::cell::RefCell<Vec<&'static str>>;
    /// }
    ///
    /// # #[rt::main]
    /// # async fn main() {
    /// let mut scope = pin!(LOG.scope(Default::default(), async {
    ///     LOG.with(|log| log.borrow_mut().push("was here"));
    /// }));
    /// scope.as_mut().await;
    /// assert_eq!(scope.as_mut().take_value().unwrap().into_inner(), ["was here"]);
    /// assert!(scope.take_value().is_none());
    /// # }
    /// ```
    pub fn take_value(self: Pin<&mut Self>) -> Option<T> {
        self.project().slot.take()
    }
}

impl<T: 'static, F: Future> Future for TaskLocalFuture<T, F> {
    type Output = F::Output;

    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let mut future = this.future;
        let _entered = match this.local.enter(this.slot) {
            Ok(entered) => entered,
            Err(error) => error.panic(),
        };
        let Some(running) = future.as_mut().as_pin_mut() else {
            panic!("a future in the scope of a task-local was polled again after it was done");
        };
        let output = running.poll(cx);
        if output.is_ready() {
            // Here, where it finds the value.
            future.set(None);
        }
        output
    }
}

impl<T: fmt::Debug + 'static, F> fmt::Debug for TaskLocalFuture<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("TaskLocalFuture");
        match &self.slot {
            Some(value) => debug.field("value", value),
            None => debug.field("value", &format_args!("<missing>")),
        };
        debug.finish_non_exhaustive()
    }
}

/// A task-local was asked for outside its scopes.
///
/// ```
/// rt::task_local! {
///     static NUMBER: u32;
/// }
///
/// let error = NUMBER.try_get().unwrap_err();
/// assert!(error.to_string().contains("scope"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessError(());

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a task-local has no value here: this code runs outside its scopes. A task that is spawned inside a scope needs its own")
    }
}

impl Error for AccessError {}
