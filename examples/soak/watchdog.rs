//! Shows how far it is, and ends the program if an actor does not move any more.

use crate::actor::Shape;
use crate::books::Stage;
use crate::screen::Screen;
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What an actor does now. Only it writes.
#[derive(Default)]
pub(crate) struct Slot {
    /// The shape's number and one; 0: it rests between rounds.
    shape: AtomicUsize,
    steps: AtomicU64,
}

impl Slot {
    pub(crate) fn begins(&self, shape: Shape) {
        self.shape.store(shape as usize + 1, Ordering::Relaxed);
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn rests(&self) {
        self.shape.store(0, Ordering::Relaxed);
    }

    pub(crate) fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }

    fn shape(&self) -> Option<Shape> {
        Some(Shape::ALL[self.shape.load(Ordering::Relaxed).checked_sub(1)?])
    }
}

/// The longest step takes a second on a machine that does nothing else. One that is crowded makes fifty of it.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(250);
/// Tasks of a dump that are shown. What holds up the others is mostly among the oldest.
const LINES: usize = 60;

pub(crate) struct Watchdog {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Watchdog {
    pub(crate) fn stop(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().expect("the watchdog does not panic");
    }
}

pub(crate) fn start(stage: Arc<Stage>, screen: Screen) -> Watchdog {
    let is_over = Arc::new(AtomicBool::new(false));
    let thread = thread::spawn({
        let is_over = is_over.clone();
        move || watch(&stage, screen, &is_over)
    });
    Watchdog { is_over, thread }
}

fn watch(stage: &Stage, mut screen: Screen, is_over: &AtomicBool) {
    let mut seen: Vec<_> = stage.slots.iter().map(|slot| (slot.steps(), Instant::now())).collect();
    while !is_over.load(Ordering::Relaxed) {
        thread::sleep(LOOK);
        for (index, (slot, (steps, since))) in stage.slots.iter().zip(&mut seen).enumerate() {
            let now = slot.steps();
            match slot.shape() {
                Some(shape) if now == *steps => {
                    if since.elapsed() > PATIENCE {
                        give_up(stage, index, shape);
                    }
                }
                _ => (*steps, *since) = (now, Instant::now()),
            }
        }
        screen.show(stage);
    }
}

fn give_up(stage: &Stage, actor: usize, shape: Shape) -> ! {
    eprintln!("\nsoak: actor-{actor} has been at {shape:?} for {PATIENCE:?}; the books: {}", stage.books);
    if let Err(error) = stage.books.check() {
        eprintln!("soak: {error}");
    }
    let dump = format!("{:#}", stage.handle.dump());
    dump.lines().take(LINES).for_each(|line| eprintln!("{line}"));
    eprintln!("{}", stage.handle.metrics());
    exit(1);
}
