//! The flight recorder: what the workers of a runtime did last.
//!
//! | file | subject |
//! |---|---|
//! | this | [`Recording`], and how a handle makes one |
//! | `settings` | what the builder says of it |
//! | `trace` | slices, marks and arrows, made of what was recorded |
//! | `tasks` | who the tasks are |
//! | `chrome` | writing them for a viewer |
//! | `dumps` | files that are written when something goes wrong |

mod chrome;
mod dumps;
mod settings;
mod tasks;
#[cfg(all(test, not(rt_loom)))]
mod tests;
mod trace;

pub(super) use dumps::Dumps;
pub(super) use settings::Settings;

use super::Handle;
use crate::scheduler::recorder::Reel;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;
use trace::Trace;

/// What a runtime's workers did in the last moments of a recording; see [`Handle::recording`].
///
/// Of each worker: which tasks it polled, from when to when and with what outcome; who woke and who spawned whom; what it took from other
/// workers and from outside; when it slept, and who woke it; sockets and timers that became ready; polls that took too long. Of other
/// threads: whom they woke and spawned.
#[derive(Clone)]
pub struct Recording {
    reel: Reel,
}

impl Recording {
    /// How long the recording is, from when it was started to when it was stopped, or taken. Of a busy worker it may have only the end of that time:
    /// as much as there is [room](super::Builder::flight_recorder_capacity) for.
    pub fn duration(&self) -> Duration {
        Duration::from_nanos(self.reel.length)
    }

    /// How many events it has.
    pub fn events(&self) -> usize {
        self.reel.by_worker.iter().map(|strip| strip.events.len()).sum::<usize>() + self.reel.outside.len()
    }

    /// Whether it has none: nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.events() == 0
    }

    /// Writes it as JSON in Chrome's trace format, which [Perfetto](https://ui.perfetto.dev) opens.
    ///
    /// Each worker is a track, and so is each thread that woke or spawned tasks from outside. A poll is a slice with the task's name, or where it was
    /// spawned if it has none; arrows lead from who woke, or spawned, a task to the poll that followed. An event takes some 150 bytes.
    ///
    /// ```
    /// # #[rt::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let handle = rt::runtime::Handle::current();
    /// let mut json = Vec::new();
    /// handle.recording().write_chrome_trace(&mut json)?;
    /// assert!(json.starts_with(b"{"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// What `writer` says. Part of it may be written then.
    pub fn write_chrome_trace(&self, writer: impl Write) -> io::Result<()> {
        let mut writer = BufWriter::new(writer);
        chrome::write(&Trace::new(&self.reel), &mut writer)?;
        writer.flush()
    }

    /// Writes it to a file, as [`write_chrome_trace`](Self::write_chrome_trace) does. What is at `path` is replaced when all is written: nobody finds half
    /// a file there.
    ///
    /// # Errors
    ///
    /// What the system says, with the path. Until it is complete the file has the same name with `.part` behind it; it is removed if that fails.
    pub fn save(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        let mut part = OsString::from(path);
        part.push(".part");
        let write = || {
            self.write_chrome_trace(fs::File::create(&part)?)?;
            fs::rename(&part, path)
        };
        write().map_err(|error| {
            // It may not be there, and there is nobody to tell.
            let _ = fs::remove_file(&part);
            io::Error::new(error.kind(), format!("cannot write the recording to {}: {error}", path.display()))
        })
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording").field("duration", &self.duration()).field("events", &self.events()).finish()
    }
}

impl Handle {
    /// Switches the flight recorder on: from now on the runtime keeps what its workers did last, in a ring of memory for each. Does nothing if it is on
    /// already; what an earlier recording has is forgotten.
    ///
    /// An event, of which a poll has two and a wake one, costs less than 10 ns, and no lock: 1 % of a processor at a million a second. Switched off it costs
    /// nothing. The memory, 2 MiB for each worker unless
    /// [`Builder::flight_recorder_capacity`](super::Builder::flight_recorder_capacity) says otherwise and four times that for the threads outside, is
    /// taken when the recorder is first switched on, and kept.
    ///
    /// A worker notices when something comes to it from outside, and after [`event_interval`](super::Builder::event_interval) polls of its own queue at the latest. Tasks of a
    /// [`LocalSet`](crate::task::LocalSet), and closures of [`spawn_blocking`](crate::task::spawn_blocking), are not recorded.
    ///
    /// ```
    /// # #[rt::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let handle = rt::runtime::Handle::current();
    /// handle.start_recording();
    /// rt::task::Builder::new().name("adder").spawn(async { 1 + 1 })?.await.unwrap();
    /// handle.stop_recording();
    ///
    /// let recording = handle.recording();
    /// println!("{} events in {:?}", recording.events(), recording.duration());
    /// # let path = std::env::temp_dir().join(format!("rt-doc-{}.json", std::process::id()));
    /// // To be opened with https://ui.perfetto.dev.
    /// # /*
    /// recording.save("trace.json")?;
    /// # */
    /// # recording.save(&path)?;
    /// # std::fs::remove_file(path)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn start_recording(&self) {
        self.inner.scheduler.start_recording();
    }

    /// Switches the flight recorder off. What it has is kept for [`recording`](Self::recording), until it is switched on again. Does nothing if it is
    /// off.
    pub fn stop_recording(&self) {
        self.inner.scheduler.stop_recording();
    }

    /// Whether the flight recorder is on.
    pub fn is_recording(&self) -> bool {
        self.inner.scheduler.recorder().is_on()
    }

    /// What the flight recorder has: of the recording that is under way, up to now, or else of the last one. Empty if there was none.
    ///
    /// It goes on recording meanwhile, and holds nobody up: this copies the rings, a millisecond or so for each, and works from any thread, also while
    /// all workers are stuck, and when the runtime has shut down. What is written while a ring is copied pushes out the oldest that it has.
    pub fn recording(&self) -> Recording {
        Recording { reel: self.inner.scheduler.reel() }
    }
}
