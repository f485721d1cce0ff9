//! What the builder says of the flight recorder.

use crate::runtime::Builder;
use crate::scheduler::recorder::CAPACITY;
use std::path::PathBuf;

/// See the module's page.
#[derive(Clone, Debug)]
pub(in crate::runtime) struct Settings {
    /// The recorder is on from the beginning.
    pub(in crate::runtime) is_on: bool,
    /// Events of each worker.
    pub(in crate::runtime) capacity: usize,
    /// Where to write what it has when a task panics, and when a poll takes too long.
    pub(super) on_panic: Option<PathBuf>,
    pub(super) on_stall: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { is_on: false, capacity: CAPACITY, on_panic: None, on_stall: None }
    }
}

impl Builder {
    /// Whether the flight recorder is on from the beginning; see [`Handle::start_recording`](super::Handle::start_recording), which switches it on later.
    /// Default: it is off.
    ///
    /// ```
    /// let runtime = rt::runtime::Builder::new_multi_thread().worker_threads(2).enable_flight_recorder().build()?;
    /// runtime.block_on(async { rt::spawn(async {}).await.unwrap() });
    /// assert!(!runtime.handle().recording().is_empty());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn enable_flight_recorder(&mut self) -> &mut Self {
        self.recording.is_on = true;
        self
    }

    /// How many events the flight recorder keeps of each worker. Default: 65536. Rounded up to a power of two, from 64 to 67 million.
    ///
    /// Each takes 32 bytes, so that the default is 2 MiB a worker; threads that are no workers have four times that together. A task that is woken and
    /// polled makes three events, so a worker with 20 000 polls a second is kept for a second by the default.
    ///
    /// # Panics
    ///
    /// If `events` is 0.
    #[track_caller]
    pub fn flight_recorder_capacity(&mut self, events: usize) -> &mut Self {
        assert!(
            events > 0,
            "`flight_recorder_capacity` must be at least 1 event; a recorder that is off takes no memory"
        );
        self.recording.capacity = events;
        self
    }

    /// When a task, or a closure of [`spawn_blocking`](crate::task::spawn_blocking), panics, what the flight recorder has is written to `path`, as
    /// [`Recording::save`](super::Recording::save) does. Switches the recorder on.
    ///
    /// It is the first panic that is kept: the file is written once in a recording, and again only after
    /// [`start_recording`](super::Handle::start_recording) has begun another. It is there before the task's handle reports the panic; the worker whose
    /// task it was counts as blocked meanwhile. If it cannot be written, standard error says why.
    ///
    /// A panic that does not unwind, because of `panic = "abort"`, ends the process before. Then a panic hook of the program's can call
    /// [`Handle::recording`](super::Handle::recording).
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("rt-doc-panic-{}.json", std::process::id()));
    /// let runtime = rt::runtime::Builder::new_multi_thread().worker_threads(2).dump_recording_on_panic(&path).build()?;
    /// assert!(runtime.block_on(runtime.spawn(async { panic!("as an example") })).is_err());
    /// assert!(path.exists());
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn dump_recording_on_panic(&mut self, path: impl Into<PathBuf>) -> &mut Self {
        self.recording.on_panic = Some(path.into());
        self.enable_flight_recorder()
    }

    /// When a poll takes longer than [`report_stalls_after`](Self::report_stalls_after), what the flight recorder has is written to `path`, as
    /// [`Recording::save`](super::Recording::save) does. Switches the recorder on.
    ///
    /// It is the first stall that is kept, as with [`dump_recording_on_panic`](Self::dump_recording_on_panic). A thread of its own writes it, while the poll
    /// goes on; the end of the runtime waits for that. If it cannot be written, standard error says why. Nothing is written where nobody looks for stalls: on
    /// a current-thread runtime, and without [`stall_after`](Self::stall_after) or `report_stalls_after`.
    ///
    /// ```
    /// use rt::runtime::Builder;
    ///
    /// let runtime = Builder::new_multi_thread().dump_recording_on_stall("/tmp/stall.json").build()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn dump_recording_on_stall(&mut self, path: impl Into<PathBuf>) -> &mut Self {
        self.recording.on_stall = Some(path.into());
        self.enable_flight_recorder()
    }
}
