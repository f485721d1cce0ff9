//! The protocols of timers under loom, and the faults that are planted into them.

use super::word::State;
use super::*;
use crate::primitives::atomic::AtomicBool;
use crate::primitives::planted::assert_caught;
use loom::thread;
use std::task::Wake;

/// For the state of a waker, which is no part of the protocol.
struct Note(AtomicBool);

impl Wake for Note {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn timers(shards: usize) -> Arc<Timers> {
    let bell = Bell::new(
        #[cfg(feature = "net")]
        None,
    );
    Arc::new(Timers::new(shards, &Arc::new(bell)))
}

const LONG: u64 = 3600 * 1_000_000_000;

fn timer(timers: &Timers, shard: usize) -> Timer {
    timers.timer(Some(shard), Time(0), None).unwrap()
}

fn after(start: Time, time: u64) -> Time {
    Time(start.0 + time)
}

fn fire(timers: &Timers, at: u64) -> bool {
    let mut woken = Vec::new();
    timers.fire_at(at, &mut woken);
    woken.into_iter().map(Waker::wake).count() > 0
}

#[test]
fn a_new_earliest_timer_is_known_to_the_waiting_thread_or_interrupts_it() {
    loom::model(|| {
        let timers = timers(2);
        let armer = thread::spawn({
            let timers = timers.clone();
            move || {
                let mut timer = Box::pin(timer(&timers, 1));
                let deadline = after(Time::now(), LONG).0;
                // SAFETY: the timer is boxed, and its drop disarms it.
                unsafe { timer.shard.wheel.lock().insert(&timer.entry, deadline, Waker::noop().clone()) };
                let interrupts = timer.shard.publish_earlier(deadline) && timer.shard.tell_waiter(deadline);
                timer.as_mut().reset(after(Time::now(), 2 * LONG));
                (interrupts, timer)
            }
        });
        let limit = timers.begin_wait();
        let (interrupts, _timer) = armer.join().unwrap();
        assert!(limit.is_some() || interrupts, "the thread waits for ever and the timer is armed");
    });
}

#[test]
fn the_timer_model_notices_an_armer_without_a_fence() {
    let name = "driver::timers::models::a_new_earliest_timer_is_known_to_the_waiting_thread_or_interrupts_it";
    assert_caught(name, Step::ArmerFences);
}

#[test]
fn the_timer_model_notices_a_waiter_without_a_fence() {
    let name = "driver::timers::models::a_new_earliest_timer_is_known_to_the_waiting_thread_or_interrupts_it";
    assert_caught(name, Step::WaiterFences);
}

// In the following, the owner is the second thread. loom looks for races with the last access to an atomic only, and the wheel reads a
// word before it exchanges it.

#[test]
fn a_timer_that_is_dropped_while_it_fires_is_taken_out_once() {
    loom::model(|| {
        let timers = timers(1);
        let mut timer = Box::pin(timer(&timers, 0));
        let note = Arc::new(Note(AtomicBool::new(false)));
        assert!(timer.as_mut().poll(after(Time::now(), LONG), &Waker::from(note.clone())).is_pending());
        let owner = thread::spawn(move || {
            // As in its drop, but for the look at the outcome.
            if matches!(timer.entry.word.state(), State::Armed(_)) {
                drop(timer.disarm());
            }
            timer.entry.word.state()
        });
        let has_fired = fire(&timers, LAST);
        let state = owner.join().unwrap();
        assert_eq!(state == State::Fired, has_fired, "a timer that has fired is not taken out again");
        assert_eq!(Arc::strong_count(&note), 1, "the waker is dropped once");
        assert_eq!(timers.shards[0].wheel.lock().next(), NEVER, "nothing is left in the wheel");
    });
}

#[test]
fn the_firing_model_notices_an_owner_that_does_not_look_again() {
    let name = "driver::timers::models::a_timer_that_is_dropped_while_it_fires_is_taken_out_once";
    assert_caught(name, Step::OwnerLooksAgain);
}

#[test]
fn a_timer_that_has_fired_is_its_owners_again_with_all_that_was_written_to_it() {
    loom::model(|| {
        let timers = timers(1);
        let mut timer = Box::pin(timer(&timers, 0));
        assert!(timer.as_mut().poll(after(Time::now(), LONG), Waker::noop()).is_pending());
        let owner = thread::spawn(move || {
            if timer.entry.word.state() == State::Fired {
                // Without the lock, as when it is armed again or its memory is used for something else.
                // SAFETY: it has fired, so it is the owner's.
                unsafe { timer.entry.put_waker(Waker::noop().clone()) };
            }
        });
        fire(&timers, LAST);
        owner.join().unwrap();
    });
}

#[test]
fn the_firing_model_notices_a_wheel_that_does_not_release() {
    let name = "driver::timers::models::a_timer_that_has_fired_is_its_owners_again_with_all_that_was_written_to_it";
    assert_caught(name, Step::FireReleases);
}

#[test]
fn the_firing_model_notices_an_owner_that_does_not_acquire() {
    let name = "driver::timers::models::a_timer_that_has_fired_is_its_owners_again_with_all_that_was_written_to_it";
    assert_caught(name, Step::OwnerAcquires);
}

#[test]
fn a_timer_is_either_postponed_or_fires() {
    loom::model(|| {
        let timers = timers(1);
        let start = Time::now();
        let mut timer = Box::pin(timer(&timers, 0));
        assert!(timer.as_mut().poll(after(start, LONG), Waker::noop()).is_pending());
        let between = after(start, 2 * LONG).0;
        let later = after(start, 3 * LONG).0;
        let owner = thread::spawn(move || (timer.entry.word.postpone(later), timer));
        let has_fired = fire(&timers, between);
        let (is_postponed, timer) = owner.join().unwrap();
        assert_ne!(is_postponed, has_fired);
        assert_eq!(timer.entry.word.state() == State::Fired, has_fired);
        assert_eq!(fire(&timers, LAST), is_postponed, "who postpones a timer finds it armed");
    });
}

#[test]
fn the_postponing_model_notices_a_wheel_that_does_not_compare() {
    assert_caught("driver::timers::models::a_timer_is_either_postponed_or_fires", Step::FireCompares);
}

#[test]
fn a_timer_that_is_reset_to_an_earlier_time_while_it_fires_is_armed_still_or_has_fired() {
    loom::model(|| {
        let timers = timers(1);
        let start = Time::now();
        let mut timer = Box::pin(timer(&timers, 0));
        assert!(timer.as_mut().poll(after(start, 2 * LONG), Waker::noop()).is_pending());
        let owner = thread::spawn(move || {
            timer.as_mut().reset(after(start, LONG));
            timer
        });
        let has_fired = fire(&timers, LAST);
        let timer = owner.join().unwrap();
        match timer.entry.word.state() {
            // It fired first; the owner polls it again.
            State::Idle(_) => assert!(has_fired, "it was armed, and is lost"),
            State::Armed(_) => assert!(!has_fired && fire(&timers, LAST), "it cannot fire"),
            State::Fired => assert!(has_fired),
            State::Closed => unreachable!(),
        }
    });
}

#[test]
fn a_timer_that_is_polled_with_another_waker_while_it_fires_wakes_the_last_or_is_ready() {
    loom::model(|| {
        let timers = timers(1);
        let deadline = after(Time::now(), LONG);
        let note = || Arc::new(Note(AtomicBool::new(false)));
        let (first, second) = (note(), note());
        let is_woken = |note: &Note| note.0.load(Ordering::Relaxed);
        let mut timer = Box::pin(timer(&timers, 0));
        assert!(timer.as_mut().poll(deadline, &Waker::from(first.clone())).is_pending());
        let owner = thread::spawn({
            let waker = Waker::from(second.clone());
            move || (timer.as_mut().poll(deadline, &waker).is_ready(), timer)
        });
        let has_fired = fire(&timers, LAST);
        let (is_ready, timer) = owner.join().unwrap();
        match is_ready {
            true => assert!(has_fired && is_woken(&first)),
            false => assert!((has_fired || fire(&timers, LAST)) && is_woken(&second), "nobody polls it again"),
        }
        drop(timer);
        assert_eq!((Arc::strong_count(&first), Arc::strong_count(&second)), (1, 1), "each waker is dropped once");
    });
}

#[test]
fn shutting_down_wakes_a_timer_or_makes_arming_it_a_panic() {
    loom::model(|| {
        let timers = timers(1);
        let timer = Box::pin(timer(&timers, 0));
        let owner = thread::spawn(move || {
            let mut wheel = timer.shard.wheel.lock();
            let is_armed = !wheel.is_closed();
            if is_armed {
                // SAFETY: the timer is boxed, and its drop disarms it.
                unsafe { wheel.insert(&timer.entry, 1, Waker::noop().clone()) };
            }
            drop(wheel);
            (is_armed, timer)
        });
        let mut woken = Vec::new();
        timers.shut_down(&mut woken);
        let (is_armed, timer) = owner.join().unwrap();
        assert_eq!(woken.len() == 1, is_armed);
        assert_eq!(timer.entry.word.state() == State::Closed, is_armed);
    });
}
