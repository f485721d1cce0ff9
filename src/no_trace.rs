//! Stands in for `trace/` where the feature `tracing` is off: nothing is told, and it costs nothing.

#[cfg(feature = "time")]
#[derive(Debug)]
pub(crate) struct Resource {}

#[cfg(feature = "time")]
impl Resource {
    #[inline(always)]
    pub(crate) fn sleep() -> Self {
        Resource {}
    }

    #[inline(always)]
    pub(crate) fn interval() -> Self {
        Resource {}
    }

    #[inline(always)]
    pub(crate) fn set_duration(&self, _left: impl FnOnce() -> std::time::Duration) {}

    #[inline(always)]
    pub(crate) fn poll(&self, poll: impl FnOnce() -> bool) -> bool {
        poll()
    }
}
