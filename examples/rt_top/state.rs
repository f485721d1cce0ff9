//! What is on the screen, and what keys do to it. Knows nothing of terminals but keys, and nothing of sockets but what has been heard.

use crate::numbers::{self, Moments};
use crate::protocol::{Dump, Hello, Listing, Place, Task, Trace};
use crate::wire::{Frame, News, Order, View};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
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

    /// What is to be done after a key, if anything.
    pub(crate) fn press(&mut self, key: KeyEvent) -> Option<Order> {
        self.notice = None;
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            self.is_over = true;
            return None;
        }
        let before = self.view();
        let order = if self.typing.is_some() {
            self.type_filter(key.code);
            None
        } else if self.overlay.is_some() {
            self.press_over(key.code);
            None
        } else {
            self.press_plain(key.code)
        };
        let view = self.view();
        order.or_else(|| (view != before).then_some(Order::Show(view)))
    }

    fn type_filter(&mut self, key: KeyCode) {
        match key {
            KeyCode::Enter => self.typing = None,
            KeyCode::Esc => self.filter = self.typing.take().unwrap_or_default(),
            KeyCode::Backspace => _ = self.filter.pop(),
            // As much as fits in a request.
            KeyCode::Char(character) if !character.is_control() && self.filter.len() < 200 => {
                self.filter.push(character);
                (self.selected, self.first) = (0, 0);
            }
            _ => {}
        }
    }

    fn press_over(&mut self, key: KeyCode) {
        if let Some(Overlay::Text { text, first, .. }) = &mut self.overlay {
            let last = text.lines().count().saturating_sub(1);
            let page = self.height.max(1) * 2;
            *first = match key {
                KeyCode::Up | KeyCode::Char('k') => first.saturating_sub(1),
                KeyCode::Down | KeyCode::Char('j') => (*first + 1).min(last),
                KeyCode::PageUp => first.saturating_sub(page),
                KeyCode::PageDown | KeyCode::Char(' ') => (*first + page).min(last),
                KeyCode::Home => 0,
                KeyCode::End => last,
                _ => return self.overlay = None,
            };
            return;
        }
        self.overlay = None;
    }

    fn press_plain(&mut self, key: KeyCode) -> Option<Order> {
        let keys = self.keys().len();
        match key {
            KeyCode::Char('q') | KeyCode::Esc => self.is_over = true,
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => self.overlay = Some(Overlay::Help),
            KeyCode::Char('s' | '>') => self.set_key((self.key() + 1) % keys),
            KeyCode::Char('S' | '<') => self.set_key((self.key() + keys - 1) % keys),
            KeyCode::Char('r') => self.is_reversed = !self.is_reversed,
            KeyCode::Char('/') => self.typing = Some(self.filter.clone()),
            KeyCode::Char('f') => {
                self.state = match self.state {
                    None => Some(0),
                    Some(state) if state + 1 < STATES.len() => Some(state + 1),
                    Some(_) => None,
                };
                (self.selected, self.first) = (0, 0);
            }
            KeyCode::Char('g') => {
                self.by_place = !self.by_place;
                (self.selected, self.first) = (0, 0);
            }
            KeyCode::Char(' ' | 'p') => self.is_paused = !self.is_paused,
            KeyCode::Char('+') => self.period = self.period.saturating_sub(1),
            KeyCode::Char('-') => self.period = (self.period + 1).min(PERIODS.len() - 1),
            KeyCode::Char('d' | 'D' | 't' | 'T') if !matches!(self.link, Link::Live) => {
                self.notice = Some("there is no program to ask".to_owned());
            }
            KeyCode::Char('d' | 'D') => {
                self.notice = Some("asks for a dump".to_owned());
                return Some(Order::Dump { each: key == KeyCode::Char('D') });
            }
            KeyCode::Char('t') => {
                let request = if self.is_recording { "trace stop" } else { "trace start" };
                return Some(Order::Trace(request.to_owned()));
            }
            KeyCode::Char('T') => {
                let path = self.paths("trace.json").find(|path| !path.exists())?;
                self.notice = Some("asks for the trace".to_owned());
                return Some(Order::Trace(format!("trace save {}", path.display())));
            }
            KeyCode::Enter => {
                // From a place to its tasks.
                if let Some(place) = self.selected_place() {
                    self.filter = place.location.clone();
                    self.by_place = false;
                    (self.selected, self.first) = (0, 0);
                } else if self.selected_task().is_some() {
                    self.overlay = Some(Overlay::Detail);
                }
            }
            KeyCode::Up | KeyCode::Char('k') => self.select(self.selected.saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => self.select(self.selected + 1),
            KeyCode::PageUp => self.select(self.selected.saturating_sub(self.height)),
            KeyCode::PageDown => self.select(self.selected + self.height),
            KeyCode::Home => self.select(0),
            KeyCode::End => self.select(self.lines()),
            _ => {}
        }
        None
    }

    fn select(&mut self, line: usize) {
        self.selected = line.min(self.lines().saturating_sub(1));
        // At the end of what was listed, more is asked for.
        if self.selected + 1 >= self.limit {
            self.limit = (self.limit * 2).min(MOST_LINES);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn app() -> App {
        let mut app = App::new(std::env::temp_dir());
        app.hear(News::Connected(Box::default()));
        app
    }

    fn press(app: &mut App, keys: &str) -> Option<Order> {
        keys.chars().fold(None, |_, key| app.press(KeyEvent::from(KeyCode::Char(key))))
    }

    fn list(order: Option<Order>) -> String {
        match order {
            Some(Order::Show(view)) => view.list,
            other => panic!("{other:?}"),
        }
    }

    fn frame(elapsed_ns: u64, polls: &[(u64, u64)]) -> News {
        let mut frame = Frame::default();
        frame.metrics.elapsed_ns = elapsed_ns;
        frame.listing.tasks = polls.iter().map(|&(id, polls)| Task { id, polls, ..Task::default() }).collect();
        News::Frame(Box::new(frame))
    }

    #[test]
    fn keys_change_what_is_asked_for() {
        let mut app = app();
        assert_eq!(app.view().list, "tasks sort=busy limit=100");
        assert_eq!(list(press(&mut app, "s")), "tasks sort=polls limit=100");
        assert_eq!(list(press(&mut app, "r")), "tasks sort=polls limit=100 order=up");
        assert_eq!(list(press(&mut app, "rf")), "tasks sort=polls limit=100 state=running");
        assert_eq!(list(press(&mut app, "ffg")), "places sort=tasks limit=100 state=waiting");
        assert_eq!(list(press(&mut app, "fS")), "places sort=location limit=100");
        assert_eq!(press(&mut app, "x"), None);
        assert!(!app.is_over);
        press(&mut app, "q");
        assert!(app.is_over);
    }

    #[test]
    fn a_filter_is_typed_and_taken_back() {
        let mut app = app();
        assert_eq!(list(press(&mut app, "/qs")), "tasks sort=busy limit=100 filter=qs");
        app.press(KeyEvent::from(KeyCode::Enter));
        press(&mut app, "/");
        assert_eq!(list(app.press(KeyEvent::from(KeyCode::Backspace))), "tasks sort=busy limit=100 filter=q");
        app.press(KeyEvent::from(KeyCode::Esc));
        assert_eq!((&*app.filter, app.is_over), ("qs", false));
    }

    #[test]
    fn rates_are_of_tasks_that_were_there_before() {
        let mut app = app();
        app.hear(frame(1_000_000_000, &[(1, 10), (2, 10)]));
        assert!(app.task_rates.is_empty());
        app.hear(frame(3_000_000_000, &[(2, 50), (3, 7)]));
        assert_eq!(app.task_rates, HashMap::from([(2, 20.0)]));
    }

    #[test]
    fn another_process_begins_anew() {
        let mut app = app();
        app.hear(frame(9_000_000_000, &[(1, 10)]));
        app.hear(News::Lost("gone".to_owned()));
        assert!(matches!(&app.link, Link::Waiting(why) if why == "gone"));
        assert!(press(&mut app, "d").is_none() && app.notice.is_some());
        app.hear(News::Connected(Box::new(Hello { pid: 7, ..Hello::default() })));
        assert!(app.moments.last().is_none());
        app.hear(frame(1_000_000_000, &[(1, 3)]));
        assert!(app.task_rates.is_empty());
    }

    #[test]
    fn the_selected_line_stays_on_the_screen() {
        let mut app = app();
        let tasks: Vec<_> = (0..100).map(|id| (id, 0)).collect();
        app.hear(frame(1_000_000_000, &tasks));
        app.fit(10);
        (0..25).for_each(|_| _ = press(&mut app, "j"));
        app.fit(10);
        assert_eq!((app.selected, app.first), (25, 16));
        app.press(KeyEvent::from(KeyCode::PageUp));
        app.press(KeyEvent::from(KeyCode::PageUp));
        app.fit(10);
        assert_eq!((app.selected, app.first), (5, 5));
        // More is asked for at the end of the list.
        assert_eq!(list(app.press(KeyEvent::from(KeyCode::End))), "tasks sort=busy limit=200");
        app.hear(frame(2_000_000_000, &tasks[..3]));
        app.fit(10);
        assert_eq!((app.selected, app.first), (2, 0));
    }

    #[test]
    fn a_place_leads_to_its_tasks_and_a_task_to_all_that_is_known_of_it() {
        let mut app = app();
        press(&mut app, "g");
        let mut news = Frame::default();
        news.listing.list = vec![Place { location: "src/main.rs:12:5".to_owned(), ..Place::default() }];
        app.hear(News::Frame(Box::new(news)));
        let order = app.press(KeyEvent::from(KeyCode::Enter));
        assert_eq!(list(order), "tasks sort=busy limit=100 filter=src/main.rs:12:5");
        app.hear(frame(1_000_000_000, &[(1, 1)]));
        app.press(KeyEvent::from(KeyCode::Enter));
        assert!(matches!(app.overlay, Some(Overlay::Detail)));
        press(&mut app, "x");
        assert!(app.overlay.is_none());
    }

    #[test]
    fn a_trace_is_started_stopped_and_saved() {
        let mut app = app();
        assert_eq!(press(&mut app, "t"), Some(Order::Trace("trace start".to_owned())));
        app.hear(News::Traced(Trace { is_on: true, ..Trace::default() }));
        assert!(app.is_recording && app.notice.is_some());
        assert_eq!(press(&mut app, "t"), Some(Order::Trace("trace stop".to_owned())));
        let Some(Order::Trace(request)) = press(&mut app, "T") else { panic!("it is saved") };
        let path = request.strip_prefix("trace save ").unwrap();
        assert!(std::path::Path::new(path).is_absolute() && path.ends_with(".trace.json"));
        let saved = Trace { path: Some(path.to_owned()), events: 1234, ..Trace::default() };
        app.hear(News::Traced(saved));
        assert!(!app.is_recording && app.notice.unwrap().contains("1 234 events"));
    }

    #[test]
    fn a_dump_is_shown_or_saved_in_a_file_of_its_own() {
        let folder = std::env::temp_dir().join(format!("rt-top-test-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut app = App::new(folder.clone());
        app.hear(News::Connected(Box::new(Hello { program: "a/busy".to_owned(), pid: 7, ..Hello::default() })));
        assert_eq!(press(&mut app, "d"), Some(Order::Dump { each: false }));
        assert_eq!(press(&mut app, "D"), Some(Order::Dump { each: true }));
        let dump = || Dump { text: "3 tasks".to_owned(), tasks: 3, is_cut: false };
        app.hear(News::Dumped { each: false, dump: dump() });
        assert!(matches!(&app.overlay, Some(Overlay::Text { text, .. }) if text == "3 tasks"));
        app.hear(News::Dumped { each: true, dump: dump() });
        app.hear(News::Dumped { each: true, dump: dump() });
        assert_eq!(std::fs::read_to_string(folder.join("busy-7-2.dump.txt")).unwrap(), "3 tasks");
        assert!(app.notice.as_ref().unwrap().contains("busy-7-2.dump.txt"));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
