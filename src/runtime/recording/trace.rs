//! Slices, marks and arrows: what a recording looks like.
//!
//! A track is a sequence of slices, of which none overlaps another: what a worker does it does one thing after the other. What was under
//! way at the beginning or at the end of a recording is cut off there. Something that a worker does between two slices, and all that threads outside
//! do, gets a short slice of its own, because a viewer ties arrows to slices. What an arrow begins with is no mark besides: viewers would tie the arrow to
//! that.

use super::tasks::Tasks;
use crate::scheduler::recorder::{By, End, Event, Reel};
use crate::task::wait;
use std::collections::{BTreeMap, HashMap};

/// See the module's page. Times are in nanoseconds since the beginning of the recording.
#[derive(Debug)]
pub(super) struct Trace {
    pub(super) tracks: Vec<Track>,
    pub(super) arrows: Vec<Arrow>,
    pub(super) tasks: Tasks,
    pub(super) length: u64,
    pub(super) lost: u64,
}

/// A worker or another thread.
#[derive(Debug)]
pub(super) struct Track {
    /// Among all tracks.
    pub(super) number: u64,
    pub(super) name: String,
    pub(super) slices: Vec<Slice>,
    pub(super) marks: Vec<Mark>,
}

/// Something that takes time.
#[derive(Debug)]
pub(super) struct Slice {
    pub(super) begin: u64,
    pub(super) end: u64,
    pub(super) what: Doing,
}

#[derive(Debug)]
pub(super) enum Doing {
    /// A task is polled.
    Poll {
        task: u64,
        /// `None`: it is not known, because the recording ended before the poll, or began in its middle.
        end: Option<End>,
        /// Why it is polled now.
        cause: Option<Cause>,
    },
    /// The future of `block_on` is polled.
    Main,
    Parked,
    /// Sources and timers wake what waits for them.
    Events {
        sources: u64,
        timers: u64,
    },
    /// What a thread does that does nothing else.
    Happens(Happened),
}

/// What made a task ready.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cause {
    pub(super) by: By,
    /// A word of `task/wait.rs`.
    pub(super) waited: u64,
    /// How long before the poll.
    pub(super) ready: u64,
}

/// Something that takes no time.
#[derive(Debug)]
pub(super) struct Mark {
    pub(super) time: u64,
    pub(super) what: Happened,
    /// An arrow begins here, which tells all of it.
    pub(super) is_arrow: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Happened {
    /// `waited` is a word of `task/wait.rs`.
    Wakes {
        task: u64,
        by: By,
        waited: u64,
    },
    Spawns {
        task: u64,
        by: By,
    },
    Steals {
        victim: u64,
        tasks: u64,
    },
    Takes {
        tasks: u64,
    },
    Calls {
        worker: u64,
    },
    Stalls {
        task: u64,
        microseconds: u64,
    },
    Panics {
        task: u64,
    },
}

/// From a point in one slice to a point in another. In time it goes forward, or stands.
#[derive(Debug)]
pub(super) struct Arrow {
    pub(super) what: Tie,
    /// Track, as an index, and time.
    pub(super) from: (usize, u64),
    pub(super) to: (usize, u64),
}

/// Why the one leads to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Tie {
    Wake,
    Spawn,
    Unpark,
}

/// How long a slice is that only holds an arrow's beginning, if nothing else comes sooner.
const SHORT: u64 = 1000;

/// Numbers of tracks of threads begin here, behind all workers.
const FIRST_THREAD: u64 = 100_000;

/// What an arrow leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Target {
    Task(u64),
    Worker(u64),
}

/// Where arrows may begin, and where they may end.
#[derive(Default)]
struct Ends {
    begins: HashMap<Target, Vec<Begin>>,
    /// The last is the slice, by its index.
    ends: HashMap<Target, Vec<(u64, usize, usize)>>,
}

/// Where an arrow may begin.
#[derive(Clone, Copy, Debug)]
struct Begin {
    time: u64,
    track: usize,
    what: Happened,
    /// By its index, unless it has a slice.
    mark: Option<usize>,
}

impl Trace {
    pub(super) fn new(reel: &Reel) -> Self {
        let mut ends = Ends::default();
        let mut tracks: Vec<_> = reel
            .by_worker
            .iter()
            .enumerate()
            .map(|(worker, strip)| {
                let name = match worker.checked_sub(reel.workers) {
                    None => format!("worker {worker}"),
                    Some(spare) => format!("spare worker {spare}"),
                };
                let mut drawing = Drawing::new(worker, 1 + worker as u64, name, strip.since, &mut ends);
                drawing.draw_all(&strip.events, reel.length);
                drawing.track
            })
            .collect();
        let mut by_thread: BTreeMap<u64, Vec<(u64, Event)>> = BTreeMap::new();
        let mut waited = HashMap::new();
        for &(time, event) in &reel.outside {
            match event {
                Event::Stalls { task, worker, microseconds, .. } => {
                    if let Some(track) = tracks.get_mut(worker as usize) {
                        track.mark(time, Happened::Stalls { task, microseconds });
                    }
                }
                // It does not say which thread it is of; the wake behind it does.
                Event::Waited { task, word } => _ = waited.insert(task, word),
                Event::Wake { by: By::Thread(thread), task } => {
                    let events = by_thread.entry(thread).or_default();
                    events.extend(waited.remove(&task).map(|word| (time, Event::Waited { task, word })));
                    events.push((time, event));
                }
                Event::Spawn { by: By::Thread(thread), .. } | Event::Calls { by: By::Thread(thread), .. } => {
                    by_thread.entry(thread).or_default().push((time, event));
                }
                _ => {}
            }
        }
        for (thread, events) in by_thread {
            let name = reel.threads.get(&thread).map_or(format!("thread {thread}"), |name| format!("thread {name:?}"));
            let mut drawing = Drawing::new(tracks.len(), FIRST_THREAD + thread, name, 0, &mut ends);
            drawing.draw_all(&events, reel.length);
            tracks.push(drawing.track);
        }
        let arrows = ends.tie(&mut tracks);
        Trace { tracks, arrows, tasks: Tasks::of(reel), length: reel.length, lost: reel.lost }
    }
}

/// A track, while it is drawn.
struct Drawing<'a> {
    index: usize,
    since: u64,
    track: Track,
    open: Option<(u64, Doing)>,
    /// What the tasks waited for whose wakes come next.
    waited: HashMap<u64, u64>,
    ends: &'a mut Ends,
}

impl<'a> Drawing<'a> {
    fn new(index: usize, number: u64, name: String, since: u64, ends: &'a mut Ends) -> Self {
        let track = Track { number, name, slices: Vec::new(), marks: Vec::new() };
        Drawing { index, since, track, open: None, waited: HashMap::new(), ends }
    }

    fn draw_all(&mut self, events: &[(u64, Event)], length: u64) {
        for (at, &(time, event)) in events.iter().enumerate() {
            let next = events.get(at + 1).map_or(length, |(next, _)| *next);
            self.draw(time, event, next.max(time));
        }
        self.close(length);
    }

    fn draw(&mut self, time: u64, event: Event, next: u64) {
        match event {
            Event::PollBegins { task, .. } => {
                self.open(time, Doing::Poll { task, end: None, cause: None });
                let slice = self.track.slices.len();
                self.ends.ends.entry(Target::Task(task)).or_default().push((time, self.index, slice));
            }
            Event::PollEnds { task, end } => match &mut self.open {
                Some((_, Doing::Poll { task: open, end: ending, .. })) if *open == task => {
                    *ending = Some(end);
                    self.close(time);
                }
                _ => self.ends_what_began_before(time, Doing::Poll { task, end: Some(end), cause: None }),
            },
            Event::MainBegins => self.open(time, Doing::Main),
            Event::MainEnds => match self.open {
                Some((_, Doing::Main)) => self.close(time),
                _ => self.ends_what_began_before(time, Doing::Main),
            },
            Event::Parks => self.open(time, Doing::Parked),
            Event::Unparks => {
                match self.open {
                    Some((_, Doing::Parked)) => self.close(time),
                    _ => self.ends_what_began_before(time, Doing::Parked),
                }
                if let Some(Slice { end, what: Doing::Parked, .. }) = self.track.slices.last()
                    && *end == time
                {
                    let end = (time, self.index, self.track.slices.len() - 1);
                    self.ends.ends.entry(Target::Worker(self.index as u64)).or_default().push(end);
                }
            }
            Event::Serves { cause, found } => {
                if !matches!(self.open, Some((_, Doing::Events { .. }))) {
                    self.open(time, Doing::Events { sources: 0, timers: 0 });
                }
                if let Some((_, Doing::Events { sources, timers })) = &mut self.open {
                    match cause {
                        wait::Cause::Source => *sources += found,
                        wait::Cause::Timer => *timers += found,
                    }
                }
            }
            Event::Served => {
                if let Some((_, Doing::Events { .. })) = self.open {
                    self.close(time);
                }
            }
            Event::Waited { task, word } => _ = self.waited.insert(task, word),
            Event::Wake { task, by } => {
                let waited = self.waited.remove(&task).unwrap_or(0);
                self.begin_arrow(time, next, Target::Task(task), Happened::Wakes { task, by, waited });
            }
            Event::Spawn { task, by, .. } => {
                self.begin_arrow(time, next, Target::Task(task), Happened::Spawns { task, by });
            }
            Event::Calls { worker, .. } => {
                self.begin_arrow(time, next, Target::Worker(worker), Happened::Calls { worker });
            }
            Event::Steals { victim, tasks } => self.track.mark(time, Happened::Steals { victim, tasks }),
            Event::Takes { tasks } => self.track.mark(time, Happened::Takes { tasks }),
            Event::Panics { task } => self.track.mark(time, Happened::Panics { task }),
            Event::Stalls { .. } | Event::Name { .. } | Event::MoreOfName { .. } => {}
        }
    }

    fn open(&mut self, time: u64, what: Doing) {
        self.close(time);
        self.open = Some((time, what));
    }

    fn close(&mut self, time: u64) {
        if let Some((begin, what)) = self.open.take() {
            self.track.slices.push(Slice { begin, end: time, what });
        }
    }

    /// The first slice of a track may have begun before it.
    fn ends_what_began_before(&mut self, time: u64, what: Doing) {
        if self.track.slices.is_empty() && self.open.is_none() {
            self.track.slices.push(Slice { begin: self.since, end: time, what });
        }
    }

    fn begin_arrow(&mut self, time: u64, next: u64, target: Target, what: Happened) {
        let mark = if self.open.is_some() {
            self.track.mark(time, what);
            Some(self.track.marks.len() - 1)
        } else {
            self.track.slices.push(Slice { begin: time, end: next.min(time + SHORT), what: Doing::Happens(what) });
            None
        };
        self.ends.begins.entry(target).or_default().push(Begin { time, track: self.index, what, mark });
    }
}

impl Ends {
    /// Arrows from what was last begun before each end to that. What has no other end is left out: it was written over, or has not come yet.
    fn tie(self, tracks: &mut [Track]) -> Vec<Arrow> {
        let mut arrows = Vec::new();
        let Ends { mut begins, ends } = self;
        for (target, mut ends) in ends {
            let Some(begins) = begins.get_mut(&target) else { continue };
            begins.sort_unstable_by_key(|begin| begin.time);
            ends.sort_unstable_by_key(|end| end.0);
            let mut begins = begins.iter().peekable();
            for (time, track, slice) in ends {
                let mut last = None;
                while let Some(&begin) = begins.next_if(|begin| begin.time <= time) {
                    last = Some(begin);
                }
                let Some(begin) = last else { continue };
                if let Some(mark) = begin.mark {
                    tracks[begin.track].marks[mark].is_arrow = true;
                }
                let (tie, cause) = begin.leads_to(time);
                let end = &mut tracks[track].slices[slice];
                if let Doing::Poll { cause: known, .. } = &mut end.what {
                    *known = cause;
                }
                // Inside the slice, and not where it ends.
                let to = time.min(end.end.saturating_sub(1)).max(end.begin).max(begin.time);
                arrows.push(Arrow { what: tie, from: (begin.track, begin.time), to: (track, to) });
            }
        }
        arrows.sort_unstable_by_key(|arrow| arrow.from.1);
        arrows
    }
}

impl Begin {
    /// To what kind of arrow, and why the poll at that time is.
    fn leads_to(&self, time: u64) -> (Tie, Option<Cause>) {
        let ready = time - self.time;
        match self.what {
            Happened::Wakes { by, waited, .. } => (Tie::Wake, Some(Cause { by, waited, ready })),
            Happened::Spawns { by, .. } => (Tie::Spawn, Some(Cause { by, waited: 0, ready })),
            _ => (Tie::Unpark, None),
        }
    }
}

impl Track {
    fn mark(&mut self, time: u64, what: Happened) {
        self.marks.push(Mark { time, what, is_arrow: false });
    }
}
