//! The flight recorder, switched and saved from outside.

use super::request::Switch;
use crate::primitives::json::Object;
use crate::runtime::Handle;
use crate::runtime::handle::Inner;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

/// # Errors
///
/// What is wrong, for people.
pub(super) fn switch(inner: &Arc<Inner>, switch: &Switch<'_>) -> Result<impl FnOnce(&mut Object<'_>), String> {
    let handle = Handle { inner: inner.clone() };
    let mut saved = None;
    match switch {
        Switch::Look => {}
        Switch::Start => handle.start_recording(),
        Switch::Stop => handle.stop_recording(),
        Switch::Save(path) => saved = Some((*path, save(&handle, Path::new(path))?)),
    }
    let is_on = handle.is_recording();
    Ok(move |reply: &mut Object<'_>| {
        reply.plain("is_on", is_on);
        if let Some((path, (events, length))) = saved {
            reply.string("path", path);
            reply.plain("events", events);
            reply.plain("length_ns", length);
        }
    })
}

/// Writes a new file: what is there is nobody's to replace from outside, and one that blocks, like a pipe, would block this thread. Returns how many events
/// it has, and of how many nanoseconds they are.
fn save(handle: &Handle, path: &Path) -> Result<(usize, u128), String> {
    let error = |what: &dyn std::fmt::Display| format!("cannot save the trace to {}: {what}", path.display());
    if !path.is_absolute() {
        return Err(error(&"the path must be absolute: the program has a folder of its own"));
    }
    let recording = handle.recording();
    if recording.is_empty() {
        return Err(error(&"nothing has been recorded; `trace start` begins"));
    }
    let write = || -> io::Result<()> {
        let file = File::create_new(path)?;
        recording.write_chrome_trace(file).inspect_err(|_| {
            // Half a file helps nobody.
            let _ = fs::remove_file(path);
        })
    };
    match write() {
        Ok(()) => Ok((recording.events(), recording.duration().as_nanos())),
        Err(taken) if taken.kind() == ErrorKind::AlreadyExists => Err(error(&"there is such a file")),
        Err(other) => Err(error(&other)),
    }
}
