//! Stands in for `backtrace` where the feature `stall-backtrace` is off, or the system is another than it is made for: no
//! thread can be asked.

// The protocol is built for its models, but not what depends on signals and statics.
#[cfg(all(test, rt_loom, feature = "stall-backtrace"))]
#[path = "backtrace/exchange.rs"]
mod exchange;

/// A thread that has registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OsThread;

/// Keeps the thread that made it registered.
#[derive(Debug)]
#[must_use = "the thread can be asked only until this is dropped"]
pub(crate) struct Registered {
    /// As the other one, not to be sent to another thread.
    here: std::marker::PhantomData<*mut ()>,
}

impl Registered {
    pub(crate) fn thread(&self) -> OsThread {
        OsThread
    }
}

pub(crate) fn register_this_thread() -> Registered {
    Registered { here: std::marker::PhantomData }
}

pub(crate) fn capture(_thread: OsThread) -> Option<Vec<usize>> {
    None
}

pub(crate) fn symbolise(_addresses: &[usize]) -> String {
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_no_trace_of_any_thread() {
        let registered = register_this_thread();
        assert_eq!(capture(registered.thread()), None);
        assert_eq!(symbolise(&[1]), "");
    }
}
