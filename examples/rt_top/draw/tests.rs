//! What is to be seen, of what is known, on screens of every size.

use super::{Theme, draw};
use crate::picture;
use crate::protocol::{Bucket, Hello, Histogram, Listing, Metrics, Place, Task, Worker};
use crate::state::{App, Overlay};
use crate::wire::{Frame, News};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::style::Color;

fn metrics(second: u64) -> Metrics {
    let worker = |busy: u64| Worker {
        polls: 1000 * second,
        stolen_tasks: second,
        stalls: busy / 80,
        busy_ns: busy * 10_000_000 * second,
        queue_depth: busy,
    };
    let bucket = |from_ns, count| Bucket { from_ns, to_ns: Some(from_ns * 5 / 4), count: count * second };
    let buckets = vec![bucket(2_000, 90), bucket(10_000, 9), bucket(20_000_000, 1)];
    Metrics {
        elapsed_ns: second * 1_000_000_000,
        spawned_tasks: 50 * second,
        stalls: 3 * second,
        poll_times: Histogram { count: 100 * second, buckets },
        workers: vec![worker(25), worker(100)],
        ..Metrics::default()
    }
}

fn listing() -> Listing {
    let task = |id, name: &str, state: &str| Task {
        id,
        name: (!name.is_empty()).then(|| name.to_owned()),
        kind: "async".to_owned(),
        state: state.to_owned(),
        waits_for: "descriptor 7 to be readable".to_owned(),
        location: format!("src/server/connections.rs:{id}:9"),
        age_ns: 61_000_000_000,
        polls: 1000 * id,
        busy_ns: Some(2_000_000 * id),
        ..Task::default()
    };
    let stuck = Task { worker: Some(1), running_ns: 250_000_000, stalls: 4, ..task(7, "reader", "running") };
    Listing {
        all: 100_003,
        running: 1,
        queued: 2,
        waiting: 100_000,
        matching: 100_003,
        tasks: vec![stuck, task(8, "", "queued"), task(9, "wri\u{7}ter\u{1b}[31m", "waiting")],
        ..Listing::default()
    }
}

fn app() -> App {
    let mut app = App::new(std::env::temp_dir());
    let hello = Hello {
        pid: 4711,
        program: "target/busy".to_owned(),
        flavor: "multi_thread".to_owned(),
        workers: 2,
        ..Hello::default()
    };
    app.hear(News::Connected(Box::new(hello)));
    for second in 1..=3 {
        app.hear(News::Frame(Box::new(Frame { metrics: metrics(second), listing: listing() })));
    }
    app
}

fn buffer(app: &mut App, width: u16, height: u16, theme: Theme) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, app, theme)).unwrap();
    terminal.backend().buffer().clone()
}

fn text(app: &mut App, width: u16, height: u16) -> String {
    picture::text(&buffer(app, width, height, Theme::plain()))
}

#[track_caller]
fn line_of<'a>(text: &'a str, part: &str) -> &'a str {
    text.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("{part:?} is not to be seen in\n{text}"))
}

#[test]
fn a_picture_has_the_program_its_tasks_workers_and_rates() {
    let text = text(&mut app(), 120, 36);
    let title = line_of(&text, "rt-top");
    assert!(title.contains("busy 4711, multi-thread, 2 workers, up 3.0 s") && title.contains("● every 1.0 s"));
    line_of(&text, "100 003 tasks: 1 running, 2 queued, 100 000 waiting");
    let worker = line_of(&text, "  0 ██");
    assert!(worker.contains("25 %") && worker.contains("1000/s") && worker.contains("q25"), "{worker}");
    assert!(line_of(&text, "  1 ██").contains("100 %"));
    assert!(line_of(&text, "tasks spawned").contains("50"), "{text}");
    assert!(line_of(&text, "poll times").contains("p50 2.5 us, p99 12 us, max 25 ms"), "{text}");
    assert!(line_of(&text, "schedule delays").contains("schedule delays"));
    line_of(&text, "none yet");
    line_of(&text, "tasks by busy 1 of 100 003");
    let stuck = line_of(&text, "reader");
    for part in ["7 reader", "runs on 1, 250 ms", "14 ms", "7000", "61.0 s", "4 src/server/connections.rs:7"] {
        assert!(stuck.contains(part), "{part:?}: {stuck}");
    }
    assert!(line_of(&text, "fd 7 readable").contains("wri") && !text.contains('\u{1b}'));
    line_of(&text, "q quit");
}

#[test]
fn a_poll_that_lasts_is_red_and_the_worker_that_is_always_busy_too() {
    let mut app = app();
    app.selected = 1;
    let buffer = buffer(&mut app, 120, 36, Theme::colourful());
    let colour_of = |part: &str| {
        let text = picture::text(&buffer);
        let (y, line) = text.lines().enumerate().find(|(_, line)| line.contains(part)).unwrap();
        let x = line.split(part).next().unwrap().chars().count();
        buffer[(x as u16, y as u16)].fg
    };
    assert_eq!(colour_of("reader"), Color::LightRed);
    assert_eq!(colour_of(&"█".repeat(20)), Color::LightRed);
    assert_eq!(colour_of("fd 7"), Color::Reset);
}

#[test]
fn every_size_of_screen_has_a_picture_with_as_much_as_it_can_hold() {
    let mut app = app();
    for width in [0, 1, 2, 5, 10, 20, 37, 40, 60, 79, 80, 100, 133, 250] {
        for height in [0, 1, 2, 3, 4, 5, 8, 12, 13, 20, 24, 36, 80] {
            for overlay in [None, Some(Overlay::Help), Some(Overlay::Detail)] {
                app.overlay = overlay;
                buffer(&mut app, width, height, Theme::colourful());
            }
        }
    }
    app.overlay = None;
    let small = text(&mut app, 60, 8);
    assert!(small.contains("reader") && !small.contains("workers "), "{small}");
    let usual = text(&mut app, 80, 24);
    assert!(usual.contains("poll times") && usual.contains("fd 7") && usual.contains("rs:9"), "{usual}");
}

#[test]
fn without_a_connection_it_is_said_why_and_what_was_there_stays() {
    let mut app = app();
    app.hear(News::Lost("the program has gone".to_owned()));
    let text = text(&mut app, 100, 30);
    line_of(&text, "the program has gone");
    assert!(line_of(&text, "rt-top").contains("not connected"));
    line_of(&text, "reader");
    let mut fresh = App::new(std::env::temp_dir());
    fresh.hear(News::Lost("waits for busy".to_owned()));
    line_of(&super::tests::text(&mut fresh, 80, 24), "waits for busy");
}

#[test]
fn places_are_listed_with_what_their_tasks_do() {
    let mut app = app();
    app.press(KeyEvent::from(KeyCode::Char('g')));
    let place = Place {
        location: "src/main.rs:12:5".to_owned(),
        name: Some("sleeper".to_owned()),
        tasks: 100_000,
        waiting: 99_999,
        ..Place::default()
    };
    let listing = Listing { all: 100_000, places: 1, list: vec![place], ..Listing::default() };
    app.hear(News::Frame(Box::new(Frame { metrics: metrics(4), listing })));
    let text = text(&mut app, 120, 30);
    line_of(&text, "places by tasks 1 of 1");
    let line = line_of(&text, "sleeper");
    assert!(line.contains("100 000") && line.contains("99 999") && line.contains("src/main.rs:12"), "{line}");
}

#[test]
fn what_lies_over_the_picture_can_be_read() {
    let mut app = app();
    app.press(KeyEvent::from(KeyCode::Char('?')));
    line_of(&text(&mut app, 120, 36), "the other way round");
    app.overlay = Some(Overlay::Detail);
    let detail = text(&mut app, 120, 36);
    line_of(&detail, "task 7");
    line_of(&detail, "src/server/connections.rs:7:9");
    let lines: Vec<_> = (1..=100).map(|line| format!("  line {line}")).collect();
    app.overlay = Some(Overlay::Text { title: " a dump ".to_owned(), text: lines.join("\n"), first: 50 });
    let dump = text(&mut app, 80, 24);
    line_of(&dump, "a dump");
    assert!(dump.contains("line 51") && !dump.contains("line 50\n"), "{dump}");
    line_of(&dump, "51 to");
}

#[test]
fn a_filter_that_is_typed_is_seen() {
    let mut app = app();
    "/rea".chars().for_each(|key| _ = app.press(KeyEvent::from(KeyCode::Char(key))));
    let text = text(&mut app, 100, 30);
    line_of(&text, "filter rea▏");
    line_of(&text, "with \"rea\"");
}
