//! What is on the screen, and what keys do to it. Knows nothing of terminals but keys, and nothing of sockets but what has been heard.

mod keys;
#[cfg(test)]
mod tests;

use crate::numbers::{self, Moments};
use crate::protocol::{Dump, Hello, Listing, Place, Task, Trace};
use crate::wire::{Frame, News, View};
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

/// Where pictures come from.
#[derive(Debug)]
pub(crate) enum Link {
    /// There is none, and why.
    Waiting(String),
    Live,
}

/// What lies over everything else.
#[derive(Debug)]
pub(crate) enum Overlay {
    Help,
    /// A text, and its first line on the screen.
    Text {
        title: String,
        text: String,
        first: usize,
    },
    /// All that is known of the selected line.
    Detail,
}

/// What the list may be sorted by: what the program calls it, and what its column is headed.
pub(crate) const TASK_KEYS: [(&str, &str); 9] = [
    ("busy", "BUSY"),
    ("polls", "POLLS"),
    ("age", "AGE"),
    ("stalls", "STALLS"),
    ("state", "STATE"),
    ("last_poll", "LAST"),
    ("id", "ID"),
    ("name", "NAME"),
    ("location", "SPAWNED AT"),
];

pub(crate) const PLACE_KEYS: [(&str, &str); 6] = [
    ("tasks", "TASKS"),
    ("busy", "BUSY"),
    ("polls", "POLLS"),
    ("age", "OLDEST"),
    ("stalls", "STALLS"),
    ("location", "SPAWNED AT"),
];

const STATES: [&str; 3] = ["running", "queued", "waiting"];

/// How often a picture is asked for.
const PERIODS: [Duration; 6] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

/// Lines that are asked for at least, so that a little scrolling asks for nothing.
const LINES: usize = 100;
/// Lines that the program would list at most.
const MOST_LINES: usize = 1000;

/// See the module's page.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) link: Link,
    pub(crate) hello: Hello,
    pub(crate) moments: Moments,
    pub(crate) listing: Listing,
    /// Of each task that is listed, polls per second.
    pub(crate) task_rates: HashMap<u64, f64>,
    pub(crate) by_place: bool,
    /// By what tasks and places are sorted, and whether the other way round.
    task_key: usize,
    place_key: usize,
    pub(crate) is_reversed: bool,
    pub(crate) state: Option<usize>,
    pub(crate) filter: String,
    /// The filter is being typed; this is what it was before.
    pub(crate) typing: Option<String>,
    period: usize,
    pub(crate) is_paused: bool,
    pub(crate) selected: usize,
    pub(crate) first: usize,
    /// Lines of the list that are on the screen, as it was drawn last.
    pub(crate) height: usize,
    pub(crate) overlay: Option<Overlay>,
    /// The program's flight recorder is on.
    pub(crate) is_recording: bool,
    /// What is told instead of the keys, until the next one.
    pub(crate) notice: Option<String>,
    pub(crate) is_over: bool,
    /// Where files are written.
    pub(crate) folder: PathBuf,
    limit: usize,
}

impl App {
    pub(crate) fn new(folder: PathBuf) -> Self {
        App {
            link: Link::Waiting(String::new()),
            hello: Hello::default(),
            moments: Moments::default(),
            listing: Listing::default(),
            task_rates: HashMap::new(),
            by_place: false,
            task_key: 0,
            place_key: 0,
            is_reversed: false,
            state: None,
            filter: String::new(),
            typing: None,
            period: 2,
            is_paused: false,
            selected: 0,
            first: 0,
            height: 1,
            overlay: None,
            is_recording: false,
            notice: None,
            is_over: false,
            folder,
            limit: LINES,
        }
    }

    pub(crate) fn keys(&self) -> &'static [(&'static str, &'static str)] {
        if self.by_place { &PLACE_KEYS } else { &TASK_KEYS }
    }

    /// Which of these it is sorted by.
    pub(crate) fn key(&self) -> usize {
        if self.by_place { self.place_key } else { self.task_key }
    }

    /// False: there is no such key.
    pub(crate) fn sort_by(&mut self, name: &str) -> bool {
        let found = self.keys().iter().position(|(key, _)| *key == name);
        if let Some(found) = found {
            self.set_key(found);
        }
        found.is_some()
    }

    fn set_key(&mut self, key: usize) {
        *(if self.by_place { &mut self.place_key } else { &mut self.task_key }) = key;
        (self.selected, self.first) = (0, 0);
    }

    pub(crate) fn every(&self) -> Duration {
        PERIODS[self.period]
    }

    pub(crate) fn state(&self) -> Option<&'static str> {
        self.state.map(|state| STATES[state])
    }

    /// What the program is asked for.
    pub(crate) fn view(&self) -> View {
        let (sort, _) = self.keys()[self.key()];
        let mut list = format!("{} sort={sort} limit={}", if self.by_place { "places" } else { "tasks" }, self.limit);
        let goes_up = matches!(sort, "id" | "name" | "state" | "last_poll" | "location");
        if self.is_reversed {
            list += if goes_up { " order=down" } else { " order=up" };
        }
        if let Some(state) = self.state() {
            list += &format!(" state={state}");
        }
        if !self.filter.is_empty() {
            list += &format!(" filter={}", self.filter);
        }
        View { list, every: self.every(), is_paused: self.is_paused }
    }

    /// Lines of the list.
    pub(crate) fn lines(&self) -> usize {
        if self.by_place { self.listing.list.len() } else { self.listing.tasks.len() }
    }

    pub(crate) fn selected_task(&self) -> Option<&Task> {
        if self.by_place { None } else { self.listing.tasks.get(self.selected) }
    }

    pub(crate) fn selected_place(&self) -> Option<&Place> {
        if self.by_place { self.listing.list.get(self.selected) } else { None }
    }

    pub(crate) fn hear(&mut self, news: News) {
        match news {
            News::Connected(hello) => {
                // Another process counts from zero again.
                if hello.pid != self.hello.pid {
                    self.moments = Moments::default();
                    self.task_rates.clear();
                }
                self.hello = *hello;
                self.link = Link::Live;
            }
            News::Lost(why) => self.link = Link::Waiting(why),
            News::Refused(why) => self.notice = Some(why),
            News::Frame(frame) => self.show(*frame),
            News::Dumped { each, dump } => self.show_dump(each, dump),
            News::Traced(trace) => self.show_trace(trace),
        }
    }

    fn show(&mut self, frame: Frame) {
        let Frame { metrics, listing } = frame;
        if let Some(before) = self.moments.last() {
            let seconds = numbers::seconds(metrics.elapsed_ns.saturating_sub(before.elapsed_ns));
            // Two pictures in one moment tell no rate.
            if seconds > 0.02 {
                let polls: HashMap<u64, u64> = self.listing.tasks.iter().map(|task| (task.id, task.polls)).collect();
                let rate = |task: &Task| {
                    let before = polls.get(&task.id)?;
                    Some((task.id, task.polls.saturating_sub(*before) as f64 / seconds))
                };
                self.task_rates = listing.tasks.iter().filter_map(rate).collect();
            }
        }
        self.is_recording = metrics.is_recording;
        self.moments.push(metrics);
        self.listing = listing;
        self.selected = self.selected.min(self.lines().saturating_sub(1));
    }

    fn show_dump(&mut self, each: bool, dump: Dump) {
        let cut = if dump.is_cut { ", too many for all of them" } else { "" };
        self.notice = None;
        if !each {
            let title = format!(" what {} tasks do{cut} ", numbers::count(dump.tasks));
            self.overlay = Some(Overlay::Text { title, text: dump.text, first: 0 });
            return;
        }
        self.notice = Some(match self.save("dump.txt", &dump.text) {
            Ok(path) => format!("{} tasks{cut} are in {}", numbers::count(dump.tasks), path.display()),
            Err(error) => format!("the dump cannot be saved: {error}"),
        });
    }

    fn show_trace(&mut self, trace: Trace) {
        self.is_recording = trace.is_on;
        self.notice = Some(match trace {
            Trace { path: Some(path), events, length_ns, .. } => {
                let (events, length) = (numbers::count(events), numbers::time(length_ns));
                format!("{events} events of {length} are in {path}: open it in ui.perfetto.dev")
            }
            Trace { is_on: true, .. } => "a trace is recorded; t stops it, T saves it".to_owned(),
            Trace { is_on: false, .. } => "the trace is stopped; T saves it".to_owned(),
        });
    }

    /// Names of files for this program.
    fn paths(&self, ending: &str) -> impl Iterator<Item = PathBuf> {
        // The program that is asked to write one may be in another folder.
        let folder = std::path::absolute(&self.folder).unwrap_or_else(|_| self.folder.clone());
        let (name, process) = (self.hello.name().to_owned(), self.hello.pid);
        (1..).map(move |number| folder.join(format!("{name}-{process}-{number}.{ending}")))
    }

    /// Writes a file of a name that is not taken.
    fn save(&self, ending: &str, text: &str) -> std::io::Result<PathBuf> {
        let mut paths = self.paths(ending);
        loop {
            let path = paths.next().ok_or(std::io::ErrorKind::AlreadyExists)?;
            match std::fs::File::create_new(&path) {
                Ok(mut file) => return std::io::Write::write_all(&mut file, text.as_bytes()).map(|()| path),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The list is drawn with so many lines: those around the selected one.
    pub(crate) fn fit(&mut self, height: usize) {
        self.height = height.max(1);
        self.first = self.first.min(self.lines().saturating_sub(self.height));
        if self.selected < self.first {
            self.first = self.selected;
        } else if self.selected >= self.first + self.height {
            self.first = self.selected + 1 - self.height;
        }
    }
}
