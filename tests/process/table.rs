//! What the system knows of processes and descriptors.

use crate::support::{SOON, eventually};
use std::path::Path;

/// Whether the system's table has no such process any more, not even one that has ended.
pub(crate) fn is_gone(process: u32) -> bool {
    !Path::new(&format!("/proc/{process}")).exists()
}

/// Waits until it is.
#[track_caller]
pub(crate) fn expect_gone(process: u32) {
    eventually(SOON, || is_gone(process));
}

/// The children of this process, those that have ended and are not reaped among them, with their states.
pub(crate) fn children() -> Vec<(u32, char)> {
    let own = std::process::id().to_string();
    let stats = std::fs::read_dir("/proc").expect("list the processes").flatten();
    let child = |stat: String| {
        let (number, rest) = stat.split_once(" (")?;
        // The name may have anything in it.
        let mut fields = rest.rsplit_once(") ")?.1.split(' ');
        let state = fields.next()?.chars().next()?;
        (fields.next()? == own).then_some((number.parse().ok()?, state))
    };
    stats.filter_map(|entry| child(std::fs::read_to_string(entry.path().join("stat")).ok()?)).collect()
}

/// Waits until this process has no child, dead or alive.
#[track_caller]
pub(crate) fn expect_no_children() {
    eventually(SOON, || children().is_empty());
}

pub(crate) fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("list the open files").count()
}

pub(crate) fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").expect("list the threads").count()
}

/// How many descriptors of processes are open.
pub(crate) fn process_descriptors() -> usize {
    let links = std::fs::read_dir("/proc/self/fd").expect("list the open files").flatten();
    let is_one = |path: std::path::PathBuf| path.to_string_lossy().contains("pidfd");
    links.filter(|entry| std::fs::read_link(entry.path()).is_ok_and(is_one)).count()
}

/// Sends a signal to a process.
pub(crate) fn kill(process: u32, signal: i32) {
    // SAFETY: takes numbers only.
    assert_eq!(unsafe { libc::kill(process as i32, signal) }, 0);
}

#[test]
fn a_child_that_nobody_reaps_is_seen() {
    let mut child = std::process::Command::new("true").spawn().unwrap();
    eventually(SOON, || children().contains(&(child.id(), 'Z')));
    assert!(!is_gone(child.id()));
    child.wait().unwrap();
    assert!(is_gone(child.id()));
}
