//! What a task waits for, as far as the runtime knows.
//!
//! A leaf future of ours that returns `Pending` notes for what, in a thread-local: it does not know whose poll it is in. When
//! the poll has ended, its runner moves the note into the task. So a dump can tell what a task waits for without polling it, and a
//! poll that notes nothing costs two reads.
//!
//! Of several notes of one poll, that of a socket or a join counts more than that of a timer, which is mostly the limit of
//! the former; and the first more than those after it. That there were others is noted too.

use super::Id;
use std::cell::Cell;

/// What a task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    pub(crate) what: What,
    /// Something else would wake it too.
    pub(crate) or_others: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// For nothing that a leaf of the runtime has noted: a channel, a lock, a waker of somebody's.
    Unknown,
    /// A point in time, in the timers' nanoseconds, less than 16 too early.
    Timer(u64),
    /// A descriptor, and in which directions.
    Descriptor { number: u32, read: bool, write: bool },
    /// The end of a task.
    Join(Id),
    /// The end of so many tasks, each or all: a set, a scope.
    Tasks(u64),
    /// Something that happens once.
    Event(Event),
}

/// What happens once, and is the runtime's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A drain comes to its end.
    Drained,
    /// A drain, or the shutdown, begins.
    Draining,
    /// A scope is cancelled.
    Cancelled,
}

/// What ends such a wait from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A descriptor that has become ready.
    Source,
    /// A point in time that has come.
    Timer,
}

/// A [`Wait`] as one word: what kind it is in the lowest bits, and what it is of above.
pub(super) type Word = u64;

const TIMER: Word = 1;
const DESCRIPTOR: Word = 2;
const JOIN: Word = 3;
/// Not a wait: the task is ready, since when is above.
const READY: Word = 4;
const TASKS: Word = 5;
const EVENT: Word = 6;
const KIND: Word = 7;
const OTHERS: Word = 1 << 3;
const OF: u32 = 4;
const READ: Word = 1 << 40;
const WRITE: Word = 1 << 41;

thread_local! {
    static NOTED: Cell<Word> = const { Cell::new(0) };
    /// A deadline; 0 for none.
    static TIMER_NOTED: Cell<u64> = const { Cell::new(0) };
}

/// This poll waits for a point in time.
#[cfg(feature = "time")]
#[inline(always)]
pub(crate) fn note_timer(deadline: u64) {
    TIMER_NOTED.set(deadline);
}

/// This poll waits for a descriptor.
#[cfg(feature = "net")]
pub(crate) fn note_descriptor(number: u32, read: bool, write: bool) {
    let directions = if read { READ } else { 0 } | if write { WRITE } else { 0 };
    note(Word::from(number) << OF | directions | DESCRIPTOR);
}

/// This poll waits for the end of a task.
pub(crate) fn note_join(task: Id) {
    note(task.as_u64() << OF | JOIN);
}

/// This poll waits for the end of so many tasks.
pub(crate) fn note_tasks(remaining: usize) {
    note((remaining as Word) << OF | TASKS);
}

/// This poll waits for something that happens once.
pub(crate) fn note_event(event: Event) {
    note((event as Word) << OF | EVENT);
}

fn note(word: Word) {
    let before = NOTED.get();
    NOTED.set(if before == 0 || before & !OTHERS == word { word } else { before | OTHERS });
}

/// What the poll that has just ended waits for; and nothing is noted any more.
#[inline(always)]
pub(super) fn take() -> Word {
    if NOTED.get() | TIMER_NOTED.get() == 0 { 0 } else { take_noted() }
}

#[inline(never)]
fn take_noted() -> Word {
    match (NOTED.replace(0), TIMER_NOTED.replace(0)) {
        (0, deadline) => deadline & !(KIND | OTHERS) | TIMER,
        (noted, 0) => noted,
        (noted, _) => noted | OTHERS,
    }
}

/// What has been noted is of a poll after which nobody waits.
#[inline(always)]
pub(crate) fn forget() {
    NOTED.set(0);
    TIMER_NOTED.set(0);
}

/// Called by a thread that begins to poll futures, perhaps in the middle of another poll: what it notes until the guard is dropped
/// is none of that one's.
pub(crate) fn scope() -> Scope {
    Scope { before: (NOTED.replace(0), TIMER_NOTED.replace(0)) }
}

/// Restores what was noted when dropped.
pub(crate) struct Scope {
    before: (Word, u64),
}

impl Drop for Scope {
    fn drop(&mut self) {
        NOTED.set(self.before.0);
        TIMER_NOTED.set(self.before.1);
    }
}

/// The word of a task that has been ready since then: nanoseconds of the scheduler's.
pub(super) fn ready_since(time: u64) -> Word {
    time << OF | READY
}

/// The word of what a task waits for, or 0 if nothing is known, also because it is ready.
pub(super) fn waited_for(word: Word) -> Word {
    if word & KIND == READY { 0 } else { word }
}

/// Since when a task is ready, if that was noted.
pub(super) fn since(word: Word) -> Option<u64> {
    (word & KIND == READY).then_some(word >> OF)
}

impl From<Word> for Wait {
    fn from(word: Word) -> Self {
        let of = word >> OF;
        let what = match word & KIND {
            TIMER => What::Timer(word & !(KIND | OTHERS)),
            DESCRIPTOR => What::Descriptor { number: of as u32, read: word & READ != 0, write: word & WRITE != 0 },
            JOIN => What::Join(Id::from_raw(of)),
            TASKS => What::Tasks(of),
            EVENT => What::Event(Event::of(of)),
            _ => What::Unknown,
        };
        Wait { what, or_others: word & OTHERS != 0 }
    }
}

impl Event {
    fn of(number: Word) -> Self {
        [Event::Drained, Event::Draining, Event::Cancelled][number as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken() -> Wait {
        take().into()
    }

    #[test]
    fn a_poll_that_notes_nothing_waits_for_the_unknown() {
        assert_eq!(taken(), Wait { what: What::Unknown, or_others: false });
    }

    #[test]
    fn what_was_noted_comes_out_once() {
        let task = Id::from_raw(1 << 40);
        note_join(task);
        assert_eq!(taken(), Wait { what: What::Join(task), or_others: false });
        assert_eq!(taken().what, What::Unknown);
        note_join(task);
        forget();
        assert_eq!(taken().what, What::Unknown);
    }

    #[test]
    fn tasks_and_events_come_out_as_they_went_in() {
        note_tasks(usize::MAX >> OF);
        assert_eq!(taken().what, What::Tasks((usize::MAX >> OF) as u64));
        for event in [Event::Drained, Event::Draining, Event::Cancelled] {
            note_event(event);
            assert_eq!(taken(), Wait { what: What::Event(event), or_others: false });
        }
    }

    #[test]
    fn the_first_of_several_notes_counts_and_the_others_are_mentioned() {
        let (first, second) = (Id::from_raw(1), Id::from_raw(2));
        note_join(first);
        note_join(first);
        assert_eq!(taken(), Wait { what: What::Join(first), or_others: false });
        note_join(first);
        note_join(second);
        assert_eq!(taken(), Wait { what: What::Join(first), or_others: true });
    }

    #[test]
    #[cfg(all(feature = "net", feature = "time"))]
    fn a_socket_counts_more_than_its_timeout() {
        note_timer(1 << 62);
        assert_eq!(taken(), Wait { what: What::Timer(1 << 62), or_others: false });
        note_descriptor(u32::MAX, true, false);
        note_timer(1 << 62);
        let what = What::Descriptor { number: u32::MAX, read: true, write: false };
        assert_eq!(taken(), Wait { what, or_others: true });
    }
}
