//! An `UnsafeCell` whose accesses are closures, as loom's are, so that a model can see who reads and who writes.

#[cfg(rt_loom)]
pub(crate) use loom::cell::UnsafeCell;

/// By which frames of `with_mut` are known in a backtrace.
pub(crate) const FILE: &str = file!();

/// See [`std::cell::UnsafeCell`].
#[cfg(not(rt_loom))]
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(rt_loom))]
impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        UnsafeCell(std::cell::UnsafeCell::new(value))
    }

    /// Runs `f` with a pointer to write through.
    #[inline(always)]
    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}
