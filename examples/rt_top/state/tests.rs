//! What keys do to what is on the screen, and what is heard.

use super::{App, Link, Overlay};
use crate::protocol::{Dump, Hello, Place, Task, Trace};
use crate::wire::{Frame, News, Order};
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use std::collections::HashMap;

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
