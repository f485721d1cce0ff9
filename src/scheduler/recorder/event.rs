//! What is recorded, and how it is packed into a record.
//!
//! | word | |
//! |---|---|
//! | 0 | bits 0-4: which event; bits 5-7: [`By`] whom; bits 8-63: the lower 56 bits of the processor's counter |
//! | 1 | the task, mostly |
//! | 2 | what else there is to say |
//! | place | where the task was spawned |
//!
//! So a record is 32 bytes. 56 bits of a counter that runs at 4 GHz begin again after 208 days; what is recorded within half of that is told apart.
//!
//! Names do not fit. They follow in records of their own, eight bytes each: when a task is spawned, and when it ends. So whoever reads finds
//! the name of a task that has ended behind the last that it did; those that live are asked for theirs.

use super::ring::{Place, Ring};
use crate::primitives::cycles;
use crate::task::wait::Cause;

/// The ring of a worker.
pub(in super::super) type Tape = Ring<3>;

type Record = super::ring::Record<3>;

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A poll of a task begins.
    PollBegins {
        task: u64,
        place: Option<Place>,
    },
    PollEnds {
        task: u64,
        end: End,
    },
    /// The same of the future of `block_on`, on the thread that is the worker besides.
    MainBegins,
    MainEnds,
    /// A task that waited is queued.
    Wake {
        task: u64,
        by: By,
    },
    /// A new task is queued.
    Spawn {
        task: u64,
        by: By,
        place: Option<Place>,
    },
    /// What the task waited for of which the wake comes next: a word of `task/wait.rs`.
    Waited {
        task: u64,
        word: u64,
    },
    /// The first eight bytes of a name, filled up with zeros.
    Name {
        task: u64,
        text: [u8; 8],
    },
    /// The next ones.
    MoreOfName {
        task: u64,
        text: [u8; 8],
    },
    /// Tasks are taken from another worker.
    Steals {
        victim: u64,
        tasks: u64,
    },
    /// Tasks are taken from the injector.
    Takes {
        tasks: u64,
    },
    /// The worker goes to sleep.
    Parks,
    Unparks,
    /// Another worker is woken from its sleep.
    Calls {
        worker: u64,
        by: By,
    },
    /// So many sources of events, or timers, wake what waits for them.
    Serves {
        cause: Cause,
        found: u64,
    },
    /// All of them have.
    Served,
    /// A worker has been in this poll for so long. Said by the monitor.
    Stalls {
        task: u64,
        worker: u64,
        microseconds: u64,
        place: Option<Place>,
    },
    /// The task has panicked.
    Panics {
        task: u64,
    },
}

/// How a poll ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The task waits.
    Pending,
    /// It was woken meanwhile, and is queued again.
    Again,
    /// There is no task any more.
    Ended,
}

/// Who wakes a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum By {
    /// The worker itself: in a hook of the user's, for example.
    #[default]
    Nobody,
    /// The task that the worker polls.
    Task(u64),
    /// A socket or another descriptor that has become ready.
    Source,
    Timer,
    /// The future of `block_on`.
    Main,
    /// A thread that is no worker, by its number.
    Thread(u64),
}

impl By {
    fn pack(self) -> (u64, u64) {
        match self {
            By::Nobody => (0, 0),
            By::Task(task) => (1, task),
            By::Source => (2, 0),
            By::Timer => (3, 0),
            By::Main => (4, 0),
            By::Thread(thread) => (5, thread),
        }
    }

    fn unpack(kind: u64, value: u64) -> Self {
        match kind {
            1 => By::Task(value),
            2 => By::Source,
            3 => By::Timer,
            4 => By::Main,
            5 => By::Thread(value),
            _ => By::Nobody,
        }
    }
}

impl From<Cause> for By {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Source => By::Source,
            Cause::Timer => By::Timer,
        }
    }
}

const KIND_BITS: u32 = 5;
const BY_BITS: u32 = 3;
const STAMP: u32 = KIND_BITS + BY_BITS;

const POLL: u64 = 1;
const PENDING: u64 = 2;
const AGAIN: u64 = 3;
const ENDED: u64 = 4;
const MAIN: u64 = 5;
const MAIN_ENDED: u64 = 6;
const WAKE: u64 = 7;
const SPAWN: u64 = 8;
const WAITED: u64 = 9;
const NAME: u64 = 10;
const MORE_OF_NAME: u64 = 11;
const STEAL: u64 = 12;
const TAKE: u64 = 13;
const PARK: u64 = 14;
const UNPARK: u64 = 15;
const CALL: u64 = 16;
const SERVE_SOURCES: u64 = 17;
const SERVE_TIMERS: u64 = 18;
const SERVED: u64 = 19;
const STALL: u64 = 20;
const PANIC: u64 = 21;

/// Of the word that says which worker has been in a poll, and for how long: 40 bits of microseconds are twelve days.
const STALL_WORKER: u32 = 40;
const STALL_TIME: u64 = (1 << STALL_WORKER) - 1;

impl Event {
    /// Writes it, now. For the one who writes to the ring.
    #[inline(always)]
    pub(in super::super) fn write(self, tape: &Tape) {
        tape.write(self.pack(cycles::now()));
    }

    #[inline(always)]
    fn pack(self, stamp: u64) -> Record {
        let (kind, by, first, second, place) = match self {
            Event::PollBegins { task, place } => (POLL, 0, task, 0, place),
            Event::PollEnds { task, end } => {
                let kind = match end {
                    End::Pending => PENDING,
                    End::Again => AGAIN,
                    End::Ended => ENDED,
                };
                (kind, 0, task, 0, None)
            }
            Event::MainBegins => (MAIN, 0, 0, 0, None),
            Event::MainEnds => (MAIN_ENDED, 0, 0, 0, None),
            Event::Wake { task, by } => {
                let (by, value) = by.pack();
                (WAKE, by, task, value, None)
            }
            Event::Spawn { task, by, place } => {
                let (by, value) = by.pack();
                (SPAWN, by, task, value, place)
            }
            Event::Waited { task, word } => (WAITED, 0, task, word, None),
            Event::Name { task, text } => (NAME, 0, task, u64::from_le_bytes(text), None),
            Event::MoreOfName { task, text } => (MORE_OF_NAME, 0, task, u64::from_le_bytes(text), None),
            Event::Steals { victim, tasks } => (STEAL, 0, victim, tasks, None),
            Event::Takes { tasks } => (TAKE, 0, tasks, 0, None),
            Event::Parks => (PARK, 0, 0, 0, None),
            Event::Unparks => (UNPARK, 0, 0, 0, None),
            Event::Calls { worker, by } => {
                let (by, value) = by.pack();
                (CALL, by, worker, value, None)
            }
            Event::Serves { cause: Cause::Source, found } => (SERVE_SOURCES, 0, found, 0, None),
            Event::Serves { cause: Cause::Timer, found } => (SERVE_TIMERS, 0, found, 0, None),
            Event::Served => (SERVED, 0, 0, 0, None),
            Event::Stalls { task, worker, microseconds, place } => {
                (STALL, 0, task, worker << STALL_WORKER | microseconds.min(STALL_TIME), place)
            }
            Event::Panics { task } => (PANIC, 0, task, 0, None),
        };
        Record { words: [stamp << STAMP | by << KIND_BITS | kind, first, second], place }
    }

    fn unpack(record: &Record) -> Option<Self> {
        let [head, first, second] = record.words;
        let kind = head & ((1 << KIND_BITS) - 1);
        let by = || By::unpack(head >> KIND_BITS & ((1 << BY_BITS) - 1), second);
        let place = record.place;
        Some(match kind {
            POLL => Event::PollBegins { task: first, place },
            PENDING => Event::PollEnds { task: first, end: End::Pending },
            AGAIN => Event::PollEnds { task: first, end: End::Again },
            ENDED => Event::PollEnds { task: first, end: End::Ended },
            MAIN => Event::MainBegins,
            MAIN_ENDED => Event::MainEnds,
            WAKE => Event::Wake { task: first, by: by() },
            SPAWN => Event::Spawn { task: first, by: by(), place },
            WAITED => Event::Waited { task: first, word: second },
            NAME => Event::Name { task: first, text: second.to_le_bytes() },
            MORE_OF_NAME => Event::MoreOfName { task: first, text: second.to_le_bytes() },
            STEAL => Event::Steals { victim: first, tasks: second },
            TAKE => Event::Takes { tasks: first },
            PARK => Event::Parks,
            UNPARK => Event::Unparks,
            CALL => Event::Calls { worker: first, by: by() },
            SERVE_SOURCES => Event::Serves { cause: Cause::Source, found: first },
            SERVE_TIMERS => Event::Serves { cause: Cause::Timer, found: first },
            SERVED => Event::Served,
            STALL => {
                Event::Stalls { task: first, worker: second >> STALL_WORKER, microseconds: second & STALL_TIME, place }
            }
            PANIC => Event::Panics { task: first },
            _ => return None,
        })
    }
}

/// What a ring has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Strip {
    /// From then on nothing is missing.
    pub(crate) since: u64,
    /// When, and what.
    pub(crate) events: Vec<(u64, Event)>,
}

/// Bytes of a name that are kept. More would push out what a name is there to explain.
const LONGEST_NAME: usize = 120;

/// Writes the name of a task.
pub(super) fn write_name(tape: &Tape, task: u64, name: &str) {
    let end = (0..=LONGEST_NAME.min(name.len())).rev().find(|&end| name.is_char_boundary(end)).unwrap_or(0);
    for (index, part) in name.as_bytes()[..end].chunks(8).enumerate() {
        let mut text = [0; 8];
        text[..part.len()].copy_from_slice(part);
        let event = if index == 0 { Event::Name { task, text } } else { Event::MoreOfName { task, text } };
        event.write(tape);
    }
}

/// What a ring has of the time from `begin` to `end`, both by the processor's counter. Times are cycles since `begin`, none less than those
/// before it.
pub(super) fn read(tape: &Tape, begin: u64, end: u64) -> Strip {
    let records = tape.read();
    // The difference of 56 bits, as a number with a sign.
    let since_begin = |record: &Record| ((record.words[0] >> STAMP).wrapping_sub(begin) << STAMP) as i64 >> STAMP;
    // Nothing was written over that is of this time, if something older is there.
    let is_whole = !tape.has_gone_round() || records.first().is_some_and(|record| since_begin(record) < 0);
    let length = end.saturating_sub(begin);
    let mut last = 0;
    let events = records.iter().filter_map(|record| {
        let since = u64::try_from(since_begin(record)).ok().filter(|&since| since <= length)?;
        let event = Event::unpack(record)?;
        // A thread that has changed to another processor may find its counter a little behind.
        last = since.max(last);
        Some((last, event))
    });
    let events: Vec<_> = events.collect();
    let since = if is_whole { 0 } else { events.first().map_or(0, |(time, _)| *time) };
    Strip { since, events }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;

    fn all() -> Vec<Event> {
        let place = Some(std::panic::Location::caller());
        let (task, text) = (1 << 40, *b"a name\0\0");
        let ends = [End::Pending, End::Again, End::Ended].map(|end| Event::PollEnds { task, end });
        let bys = [By::Nobody, By::Task(u64::MAX), By::Source, By::Timer, By::Main, By::Thread(1 << 33)];
        let wakes = bys.iter().flat_map(|&by| {
            [Event::Wake { task, by }, Event::Spawn { task, by, place }, Event::Calls { worker: 4095, by }]
        });
        let others = [
            Event::PollBegins { task, place },
            Event::MainBegins,
            Event::MainEnds,
            Event::Waited { task, word: u64::MAX },
            Event::Name { task, text },
            Event::MoreOfName { task, text },
            Event::Steals { victim: 3, tasks: 200 },
            Event::Takes { tasks: 31 },
            Event::Parks,
            Event::Unparks,
            Event::Serves { cause: Cause::Source, found: 1024 },
            Event::Serves { cause: Cause::Timer, found: 512 },
            Event::Served,
            Event::Stalls { task, worker: 20479, microseconds: 3_600_000_000, place },
            Event::Panics { task },
        ];
        ends.into_iter().chain(wakes).chain(others).collect()
    }

    #[test]
    fn every_event_survives_the_way_into_a_record_and_back() {
        for event in all() {
            assert_eq!(Event::unpack(&event.pack(u64::MAX)), Some(event));
        }
    }

    #[test]
    fn a_slot_that_was_never_written_is_no_event() {
        assert_eq!(Event::unpack(&Record { words: [0; 3], place: None }), None);
    }

    #[test]
    fn only_what_happened_in_that_time_is_read_also_where_the_counter_begins_again() {
        let tape = Tape::new(16);
        let begin = (1 << 56) - 100;
        for stamp in [begin - 5, begin + 10, begin + 99, begin + 100, begin + 150, begin + 120, begin + 1000] {
            tape.write(Event::Parks.pack(stamp));
        }
        let times: Vec<_> = read(&tape, begin, begin + 500).events.iter().map(|(time, _)| *time).collect();
        assert_eq!(times, [10, 99, 100, 150, 150]);
    }

    #[test]
    fn a_long_name_is_cut_between_two_characters() {
        let tape = Tape::new(32);
        write_name(&tape, 7, &"\u{e9}".repeat(100));
        let name: Vec<u8> = read(&tape, cycles::now() - (1 << 40), cycles::now())
            .events
            .into_iter()
            .flat_map(|(_, event)| match event {
                Event::Name { task: 7, text } | Event::MoreOfName { task: 7, text } => text,
                other => panic!("{other:?} is no name"),
            })
            .collect();
        assert_eq!(name, "\u{e9}".repeat(60).into_bytes());
    }
}
