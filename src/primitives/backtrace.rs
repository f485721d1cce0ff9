//! Placeholder.
pub(crate) fn capture(_thread: u32) -> Option<Vec<usize>> { None }
pub(crate) fn symbolise(_trace: &[usize]) -> String { String::new() }
