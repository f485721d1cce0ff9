//! What becomes of recordings that have not all of what happened.

use super::trace::{Doing, Happened, Tie, Trace};
use crate::scheduler::recorder::{By, End, Event, Known, Reel, Strip};
use std::panic::Location;

fn reel(by_worker: Vec<Vec<(u64, Event)>>) -> Reel {
    let by_worker: Vec<_> = by_worker.into_iter().map(|events| Strip { since: 0, events }).collect();
    Reel { length: 100, workers: by_worker.len(), by_worker, ..Reel::default() }
}

fn begins(task: u64) -> Event {
    Event::PollBegins { task, place: None }
}

fn ends(task: u64) -> Event {
    Event::PollEnds { task, end: End::Pending }
}

fn wake(task: u64, by: u64) -> Event {
    Event::Wake { task, by: By::Task(by) }
}

/// Begin, end and task of the polls of a track.
fn polls(trace: &Trace, track: usize) -> Vec<(u64, u64, u64)> {
    let poll = |slice: &super::trace::Slice| match slice.what {
        Doing::Poll { task, .. } => Some((slice.begin, slice.end, task)),
        _ => None,
    };
    trace.tracks[track].slices.iter().filter_map(poll).collect()
}

#[test]
fn a_poll_whose_beginning_was_written_over_is_cut_off_there() {
    let mut reel = reel(vec![vec![(30, ends(1)), (40, begins(2)), (50, ends(2))]]);
    assert_eq!(polls(&Trace::new(&reel), 0), [(0, 30, 1), (40, 50, 2)]);
    reel.by_worker[0].since = 25;
    assert_eq!(polls(&Trace::new(&reel), 0), [(25, 30, 1), (40, 50, 2)]);
}

#[test]
fn a_poll_whose_end_is_missing_goes_on_to_the_next_thing_or_to_the_end() {
    let trace = Trace::new(&reel(vec![vec![(10, begins(1)), (20, Event::Parks)], vec![(10, begins(2))]]));
    assert_eq!(polls(&trace, 0), [(10, 20, 1)]);
    assert_eq!(polls(&trace, 1), [(10, 100, 2)]);
    assert_eq!(trace.tracks[0].slices[1].end, 100, "it sleeps still");
}

#[test]
fn an_end_of_another_poll_than_the_open_one_ends_nothing() {
    let trace = Trace::new(&reel(vec![vec![(10, begins(1)), (20, ends(2)), (30, ends(1))]]));
    assert_eq!(polls(&trace, 0), [(10, 30, 1)]);
}

#[test]
fn each_wake_leads_to_the_poll_behind_it_and_one_without_such_a_poll_is_a_mark() {
    let trace = Trace::new(&reel(vec![
        vec![(10, begins(1)), (12, wake(2, 1)), (30, wake(2, 1)), (60, wake(2, 1)), (70, ends(1))],
        vec![(15, begins(2)), (20, ends(2)), (35, begins(2)), (40, ends(2))],
    ]));
    let arrows: Vec<_> = trace.arrows.iter().map(|arrow| (arrow.what, arrow.from, arrow.to)).collect();
    assert_eq!(arrows, [(Tie::Wake, (0, 12), (1, 15)), (Tie::Wake, (0, 30), (1, 35))]);
    let marks: Vec<_> = trace.tracks[0].marks.iter().filter(|mark| !mark.is_arrow).map(|mark| mark.time).collect();
    assert_eq!(marks, [60]);
}

#[test]
fn of_two_wakes_before_a_poll_the_poll_between_was_lost_and_the_later_one_counts() {
    let events = vec![(1, begins(1)), (2, wake(2, 1)), (5, wake(2, 1)), (6, ends(1))];
    let trace = Trace::new(&reel(vec![events, vec![(8, begins(2)), (9, ends(2))]]));
    assert_eq!(trace.arrows.iter().map(|arrow| arrow.from.1).collect::<Vec<_>>(), [5]);
}

#[test]
fn what_happens_between_two_slices_has_a_short_one_of_its_own() {
    let trace = Trace::new(&reel(vec![
        vec![(10, Event::Calls { worker: 1, by: By::Nobody }), (11, begins(1))],
        vec![(0, Event::Parks), (20, Event::Unparks)],
    ]));
    let slice = &trace.tracks[0].slices[0];
    assert!(matches!(slice.what, Doing::Happens(Happened::Calls { worker: 1 })));
    assert_eq!((slice.begin, slice.end), (10, 11));
    assert_eq!((trace.arrows[0].what, trace.arrows[0].to), (Tie::Unpark, (1, 19)));
}

#[test]
fn a_name_counts_with_its_beginning_only_and_those_that_live_know_best() {
    let name = |task, text: &[u8; 8]| Event::Name { task, text: *text };
    let more = |task, text: &[u8; 8]| Event::MoreOfName { task, text: *text };
    let events =
        vec![more(1, b"lost\0\0\0\0"), name(2, b"longer t"), more(2, b"han 8\0\0\0"), name(3, b"old\0\0\0\0\0")];
    let polled = (1..=3).map(begins);
    let mut reel = reel(vec![polled.chain(events).map(|event| (5, event)).collect()]);
    let place = Location::caller();
    reel.tasks.insert(3, Known { name: Some("new".into()), place });
    let tasks = Trace::new(&reel).tasks;
    assert_eq!((tasks.name(1), tasks.name(2), tasks.name(3)), (None, Some("longer than 8"), Some("new")));
    assert_eq!((tasks.label(1), tasks.place(3)), ("task 1".to_owned(), Some(place)));
}
