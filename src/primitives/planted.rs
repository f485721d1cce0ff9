//! Faults that the models plant into the production code to show that they would notice.
//!
//! Each [`Step`] names one ordering or one action that a protocol cannot do without. In every ordinary build these
//! functions are the identity and vanish. Under `rt_loom` the environment variable `RT_PLANTED` names one step to
//! weaken; the test of a model runs itself once more in a child process with that variable set, and passes only if the
//! child fails.

use super::atomic::Ordering;

/// One indispensable step of a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A waker publishes its data with the wake (task state word).
    WakePublishes,
    /// A wake is counted even if the task is queued already (task state word).
    WakeIsCounted,
    /// A poll acquires what wakers published (task state word).
    PollAcquires,
    /// Completion publishes the output (task state word).
    CompletePublishes,
    /// A run that is traced clears the mark before it takes the requests (traces).
    MarkIsClearedFirst,
    /// The registry, or the runner for it, acquires and publishes when it lets go of a cell (task state word).
    RetirePublishes,
    /// A handle drops the output before it says that it goes (task state word).
    OutputGoesFirst,
    /// A runner that has a joiner to wake retires the task only after it took the waker (join slot).
    WakerIsTakenBeforeRetiring,
    /// The join waker is written before it is announced (join slot).
    JoinWakerPublishes,
    /// The joiner takes its waker back before it replaces it (join slot).
    JoinWakerIsReclaimed,
    /// Who sends complete tasks home publishes them and their links (registry).
    ReturnPublishes,
    /// Who takes in what was sent home acquires it (registry).
    CollectorAcquires,
    /// A spawn looks whether the registry still takes tasks in (registry).
    SpawnSeesTheGate,
    /// A pusher fences between its push and its look at the sleepers (parking).
    PusherFences,
    /// A worker fences between its announcement and its last look at the queues (parking).
    ParkerFences,
    /// A worker looks at the queues once more after it announced its sleep (parking).
    ParkerLooksAgain,
    /// The last searcher to leave with work looks for more (parking).
    LastSearcherLooks,
    /// Whoever submits a closure fences between its push and its look at who is on duty (blocking pool).
    SubmitterFences,
    /// A thread of the pool fences between entering the sleepers and its last look at the queue (blocking pool).
    IdlerFences,
    /// A thread of the pool looks at the queue once more after it entered the sleepers (blocking pool).
    IdlerLooksAgain,
    /// A thread on duty that takes a closure looks whether more wait (blocking pool).
    TakerLooksForMore,
    /// A notification that meets a running thread is kept for its next park (parker).
    NotificationIsSticky,
    /// Whoever arms a timer fences between publishing it and its look at the waiting thread (timers).
    #[cfg(feature = "time")]
    ArmerFences,
    /// The thread about to wait fences between announcing until when and its last look at the deadlines (timers).
    #[cfg(feature = "time")]
    WaiterFences,
    /// The owner of a timer acquires what the wheel wrote before it fired (timers).
    #[cfg(feature = "time")]
    OwnerAcquires,
    /// A timer that fires is given up with all that was written to it (timers).
    #[cfg(feature = "time")]
    FireReleases,
    /// A timer fires only if it has not been postponed meanwhile (timers).
    #[cfg(feature = "time")]
    FireCompares,
    /// The owner of an armed timer looks again under the lock before taking it out (timers).
    #[cfg(feature = "time")]
    OwnerLooksAgain,
    /// A task that has left its waker looks at the readiness once more (readiness).
    #[cfg(feature = "net")]
    WaiterSeesAgain,
    /// Readiness is cleared only if no event came since it was seen (readiness).
    #[cfg(feature = "net")]
    ClearCompares,
    /// A listener that has left its waker compares the counts once more (signals of the system).
    #[cfg(feature = "signal")]
    #[allow(dead_code, reason = "there are systems without signals")]
    ListenerComparesAgain,
    /// The monitor fences between its verdict on a poll and its look whether that poll has ended (verdicts).
    VerdictFences,
    /// The monitor fences between saying that it sleeps and its look whether somebody is at work (vigil).
    MonitorFences,
    /// A worker that was woken fences between leaving the sleepers and its look at the monitor (vigil).
    WokenFences,
    /// Whoever ends a turn fences between giving the post back and its look for a note (post).
    TurnFences,
    /// Whoever wants to wait fences between its note and its second attempt (post).
    WatcherFences,
    /// A thief takes the LIFO slot with a compare-and-swap (LIFO slot).
    ThiefCompares,
    /// Whoever waits for a signal looks for it again under the lock (signals).
    SignalIsSeenUnderTheLock,
    /// A scope's parent counts its children and leaves its waker under one lock (scopes).
    ParentLooksUnderTheLock,
    /// A child whose scope was cancelled while it was spawned is aborted by its spawner (scopes).
    SpawnerSeesTheCancelling,
    /// A child whose task has ended before its spawner says which task it is, is not listed (scopes).
    SpawnerSeesTheEnd,
    /// Whoever polls a local set leaves its waker before it looks what others have queued (local set).
    PollerLeavesItsWaker,
    /// A local set that ends waits for the wakes that are under way (local set).
    EndWaits,
    /// Whoever records says how far it has come before it writes over what is there (flight recorder).
    RecorderFences,
    /// A record is published with the place where it ends (flight recorder).
    RecordPublishes,
    /// A reader fences between its reading and its second look at how far the ring has come (flight recorder).
    ReaderFences,
    /// A reader gives up what may have been written over while it read (flight recorder).
    ReaderLooksAgain,
    /// A ring that several threads write is handed on with all that was written (flight recorder).
    RingIsHandedOn,
    /// A job that finds nothing to write says that it goes under the same lock (writing behind).
    #[cfg(any(feature = "fs", feature = "io-std"))]
    LastLookIsUnderTheLock,
    /// A handler publishes its trace (backtraces).
    #[cfg(feature = "stall-backtrace")]
    #[allow(dead_code, reason = "there are systems without backtraces")]
    TracePublishes,
    /// Whoever asks acquires what a late handler published (backtraces).
    #[cfg(feature = "stall-backtrace")]
    #[allow(dead_code, reason = "there are systems without backtraces")]
    AskerAcquires,
    /// A handler answers only for its own thread (backtraces).
    #[cfg(feature = "stall-backtrace")]
    #[allow(dead_code, reason = "there are systems without backtraces")]
    HandlerComparesThread,
    /// An asker leaves the page to a handler that has begun to write (backtraces).
    #[cfg(feature = "stall-backtrace")]
    #[allow(dead_code, reason = "there are systems without backtraces")]
    AskerLeavesThePage,
}

#[cfg(not(rt_loom))]
mod imp {
    use super::{Ordering, Step};

    /// `ordering`, unless a model weakens `step` to `Relaxed`.
    #[inline(always)]
    pub(crate) const fn ordering(_step: Step, ordering: Ordering) -> Ordering {
        ordering
    }

    /// Whether `step` is to be done: always, outside a model.
    #[inline(always)]
    pub(crate) const fn keeps(_step: Step) -> bool {
        true
    }
}

#[cfg(rt_loom)]
mod imp {
    use super::{Ordering, Step};
    use std::sync::OnceLock;

    fn is_planted(step: Step) -> bool {
        static PLANTED: OnceLock<Option<String>> = OnceLock::new();
        PLANTED.get_or_init(|| std::env::var("RT_PLANTED").ok()).as_deref() == Some(format!("{step:?}").as_str())
    }

    pub(crate) fn ordering(step: Step, ordering: Ordering) -> Ordering {
        if is_planted(step) { Ordering::Relaxed } else { ordering }
    }

    pub(crate) fn keeps(step: Step) -> bool {
        !is_planted(step)
    }
}

pub(crate) use imp::{keeps, ordering};

/// Runs the calling test again in a child process with `step` weakened, and panics unless the child fails.
///
/// A child process, because loom may end a failed model by aborting.
#[cfg(all(test, rt_loom))]
pub(crate) fn assert_caught(test: &str, step: Step) {
    let program = std::env::current_exe().expect("the path of the test binary");
    let output = std::process::Command::new(program)
        .args(["--exact", test, "--nocapture"])
        .env("RT_PLANTED", format!("{step:?}"))
        .output()
        .expect("run the test binary");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("running 1 test"), "no test is called {test}: {text}");
    assert!(!output.status.success(), "{test} does not notice that {step:?} was left out");
}
