//! How a trace gets from the thread that is asked to the one who asks: a page that both share, and a word that says whose
//! it is.
//!
//! # The word
//!
//! | bits 0-1 | bits 2-63 | the page belongs to | who leads on |
//! |---|---|---|---|
//! | `FREE` | 0 | whoever asks | an asker, to `ASKED` |
//! | `ASKED` | registration of the thread | nobody | that thread's handler, to `WRITING`; the asker, back to `FREE` |
//! | `WRITING` | the same | the handler | the handler, to `WRITTEN` |
//! | `WRITTEN` | length of the trace | whoever asks | an asker, to `ASKED` |
//!
//! Only one thread asks at a time; the callers see to that with a lock, which no handler takes.
//!
//! 1. *Ask*: from `FREE` or `WRITTEN` to `ASKED`, then signal the thread. In `WRITING`, do not ask: see step 5.
//! 2. *Accept*: the handler exchanges exactly `ASKED` with its own registration for `WRITING`. If that fails, nobody asks
//!    it, or no longer: it returns and has touched nothing.
//! 3. *Publish*: the handler has written the page and sets `WRITTEN`. It touches the page no more.
//! 4. *Answer*: the asker sees `WRITTEN`, and reads.
//! 5. *Withdraw*: the asker has no more patience. It exchanges `ASKED` for `FREE`: whatever signal is still under way will
//!    find nothing. That fails in `WRITTEN`: read, after all. It fails in `WRITING`: the page is left to the handler, which
//!    may be waiting for a core. Askers go away without a trace until it has published, and the one after that writes over
//!    what it published. Nobody waits for a handler for ever.
//!
//! # Why no trace is torn
//!
//! The page is written only between accept and publish, by the one handler whose exchange succeeded; another can succeed only
//! after somebody asked again, which nobody does in `WRITING`. It is read only in `WRITTEN`, by an asker, under the lock.
//!
//! # Why no trace is stale, or another thread's
//!
//! Between an ask and the `WRITTEN` that answers it stands an accept, and what is written was found after that. The accept
//! compares the whole word, registration included, and registrations are not used twice. So a signal that comes too late
//! finds another thread's registration, and does nothing; or its own, asked for once more, and then it is as good an answer as
//! the signal that belongs to it, and that one finds nothing.
//!
//! # Orderings
//!
//! Publish is `Release`, and whoever reads the word to find `WRITTEN` does so with `Acquire`, also in order to ask. Ask is
//! `Release` and accept `Acquire`: the page is written after the last asker has read it, and after a late handler wrote it.
//! The addresses are atomics so that a mistake in this
//! argument would be a wrong trace and not undefined behaviour.

use crate::primitives::atomic::{AtomicU64, Ordering};
use crate::primitives::planted::{self, Step};

/// The frames nearest to where the thread is. Half would cut off what called a deep library; double only lengthens the report.
#[cfg(not(rt_loom))]
pub(super) const FRAMES: usize = 64;
#[cfg(rt_loom)]
pub(super) const FRAMES: usize = 2;

const FREE: u64 = 0;
const ASKED: u64 = 1;
const WRITING: u64 = 2;
const WRITTEN: u64 = 3;
const PHASE: u64 = 3;

fn word(phase: u64, rest: u64) -> u64 {
    rest << 2 | phase
}

/// See the module's page.
#[derive(Debug)]
pub(super) struct Exchange {
    word: AtomicU64,
    page: [AtomicU64; FRAMES],
}

/// What the asker has to do next.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Ask {
    /// Signal the thread, and look for its answer.
    Signal,
    /// The thread that was asked last is still writing. Go away.
    Busy,
}

/// The page, in the hands of the handler.
#[derive(Debug)]
#[must_use]
pub(super) struct Page<'a> {
    exchange: &'a Exchange,
    length: usize,
}

impl Exchange {
    #[cfg(not(rt_loom))]
    pub(super) const fn new() -> Self {
        Exchange { word: AtomicU64::new(FREE), page: [const { AtomicU64::new(0) }; FRAMES] }
    }

    #[cfg(rt_loom)]
    pub(super) fn new() -> Self {
        Exchange { word: AtomicU64::new(FREE), page: std::array::from_fn(|_| AtomicU64::new(0)) }
    }

    /// Step 1.
    pub(super) fn ask(&self, registration: u64) -> Ask {
        // Ordering: Acquire pairs with the Release in `publish`. This asker reads nothing, but what a late handler wrote must
        // not come after what the next one writes.
        let now = self.word.load(planted::ordering(Step::AskerAcquires, Ordering::Acquire));
        if now & PHASE == WRITING && planted::keeps(Step::AskerLeavesThePage) {
            return Ask::Busy;
        }
        // Ordering: Release pairs with the Acquire in `accept`: the page has been read, or written by a late handler, before
        // it is written again.
        self.word.store(word(ASKED, registration), Ordering::Release);
        Ask::Signal
    }

    /// Step 2, on the thread with this registration.
    pub(super) fn accept(&self, registration: u64) -> Option<Page<'_>> {
        let mut asked = word(ASKED, registration);
        if !planted::keeps(Step::HandlerComparesThread) {
            // Ordering: Relaxed; only in a model.
            asked = self.word.load(Ordering::Relaxed) & !PHASE | ASKED;
        }
        // Ordering: Acquire pairs with the Release in `ask`.
        self.word
            .compare_exchange(asked, word(WRITING, registration), Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
            .then_some(Page { exchange: self, length: 0 })
    }

    /// Step 4.
    pub(super) fn answer(&self) -> Option<Vec<usize>> {
        // Ordering: Acquire pairs with the Release in `publish`.
        self.read(self.word.load(Ordering::Acquire))
    }

    /// Step 5. The answer, if it came at the last moment.
    pub(super) fn withdraw(&self) -> Option<Vec<usize>> {
        // Ordering: Acquire pairs with the Release in `publish`.
        let now = self.word.load(Ordering::Acquire);
        if now & PHASE != ASKED {
            return self.read(now);
        }
        // Ordering: Acquire on failure as above. Relaxed on success: no handler has accepted, so there is nothing to see.
        match self.word.compare_exchange(now, FREE, Ordering::Relaxed, Ordering::Acquire) {
            Ok(_) => None,
            Err(now) => self.read(now),
        }
    }

    /// `now` is what the word was, read with `Acquire`.
    fn read(&self, now: u64) -> Option<Vec<usize>> {
        // Ordering: Relaxed; ordered by the word.
        let read = |frame: &AtomicU64| frame.load(Ordering::Relaxed) as usize;
        (now & PHASE == WRITTEN).then(|| self.page.iter().take((now >> 2) as usize).map(read).collect())
    }
}

impl Page<'_> {
    pub(super) fn is_full(&self) -> bool {
        self.length == FRAMES
    }

    /// Left out if the page is full.
    pub(super) fn push(&mut self, address: usize) {
        // Not indexed: a signal handler must not panic.
        if let Some(frame) = self.exchange.page.get(self.length) {
            // Ordering: Relaxed; `publish` publishes it.
            frame.store(address as u64, Ordering::Relaxed);
            self.length += 1;
        }
    }

    /// Step 3.
    pub(super) fn publish(self) {
        let written = word(WRITTEN, self.length as u64);
        // Ordering: Release pairs with the Acquire in `answer` and `withdraw`.
        self.exchange.word.store(written, planted::ordering(Step::TracePublishes, Ordering::Release));
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;

    fn accept(exchange: &Exchange, registration: u64) -> Page<'_> {
        exchange.accept(registration).expect("the thread is asked")
    }

    #[test]
    fn what_is_published_is_the_answer() {
        let exchange = Exchange::new();
        assert_eq!(exchange.ask(1), Ask::Signal);
        assert_eq!(exchange.answer(), None);
        let mut page = accept(&exchange, 1);
        page.push(10);
        page.push(20);
        assert_eq!(exchange.answer(), None);
        page.publish();
        assert_eq!(exchange.answer(), Some(vec![10, 20]));
    }

    #[test]
    fn a_page_takes_no_more_than_it_holds() {
        let exchange = Exchange::new();
        assert_eq!(exchange.ask(1), Ask::Signal);
        let mut page = accept(&exchange, 1);
        (0..FRAMES + 10).for_each(|address| page.push(address));
        assert!(page.is_full());
        page.publish();
        assert_eq!(exchange.answer(), Some((0..FRAMES).collect()));
    }

    #[test]
    fn a_thread_that_is_not_asked_accepts_nothing() {
        let exchange = Exchange::new();
        assert!(exchange.accept(1).is_none());
        assert_eq!(exchange.ask(1), Ask::Signal);
        assert!(exchange.accept(2).is_none());
        accept(&exchange, 1).publish();
        assert!(exchange.accept(1).is_none());
    }

    #[test]
    fn a_handler_that_comes_after_the_withdrawal_finds_nothing() {
        let exchange = Exchange::new();
        assert_eq!(exchange.ask(1), Ask::Signal);
        assert_eq!(exchange.withdraw(), None);
        assert!(exchange.accept(1).is_none());
        assert_eq!(exchange.ask(2), Ask::Signal);
        assert!(exchange.accept(1).is_none());
    }

    #[test]
    fn an_answer_at_the_last_moment_is_an_answer() {
        let exchange = Exchange::new();
        assert_eq!(exchange.ask(1), Ask::Signal);
        let mut page = accept(&exchange, 1);
        page.push(10);
        page.publish();
        assert_eq!(exchange.withdraw(), Some(vec![10]));
    }

    #[test]
    fn nobody_asks_while_a_late_handler_writes_and_its_trace_answers_nobody() {
        let exchange = Exchange::new();
        assert_eq!(exchange.ask(1), Ask::Signal);
        let mut late = accept(&exchange, 1);
        late.push(10);
        assert_eq!(exchange.withdraw(), None);
        assert_eq!(exchange.ask(2), Ask::Busy);
        late.publish();
        assert_eq!(exchange.ask(2), Ask::Signal);
        assert_eq!(exchange.answer(), None);
        let mut page = accept(&exchange, 2);
        page.push(20);
        page.publish();
        assert_eq!(exchange.answer(), Some(vec![20]));
    }
}

#[cfg(all(test, rt_loom))]
mod models {
    use super::*;
    use crate::primitives::planted::assert_caught;
    use loom::sync::Arc;
    use loom::thread;

    /// What a thread does when its signal comes. Its trace is full of its registration.
    fn handle(exchange: &Exchange, registration: u64) {
        if let Some(mut page) = exchange.accept(registration) {
            while !page.is_full() {
                page.push(registration as usize);
            }
            page.publish();
        }
    }

    /// One who asks, and gets what `look` finds.
    fn capture(exchange: &Exchange, registration: u64, look: fn(&Exchange) -> Option<Vec<usize>>) {
        if exchange.ask(registration) == Ask::Signal
            && let Some(trace) = look(exchange)
        {
            assert_eq!(trace, vec![registration as usize; FRAMES], "the trace is torn, or another thread's");
        }
    }

    #[test]
    fn no_trace_is_torn_or_of_another_thread_however_late_it_comes() {
        loom::model(|| {
            let exchange = Arc::new(Exchange::new());
            let threads = [1, 2].map(|registration| {
                let exchange = exchange.clone();
                thread::spawn(move || handle(&exchange, registration))
            });
            // The first has no patience at all.
            capture(&exchange, 1, Exchange::withdraw);
            capture(&exchange, 2, Exchange::answer);
            for thread in threads {
                thread.join().unwrap();
            }
        });
    }

    const MODEL: &str =
        "primitives::backtrace::exchange::models::no_trace_is_torn_or_of_another_thread_however_late_it_comes";

    #[test]
    fn the_trace_model_notices_a_trace_that_is_not_published() {
        assert_caught(MODEL, Step::TracePublishes);
    }

    #[test]
    fn the_trace_model_notices_an_asker_that_does_not_acquire() {
        assert_caught(MODEL, Step::AskerAcquires);
    }

    #[test]
    fn the_trace_model_notices_a_handler_that_answers_for_another_thread() {
        assert_caught(MODEL, Step::HandlerComparesThread);
    }

    #[test]
    fn the_trace_model_notices_an_asker_that_takes_the_page_from_a_handler() {
        assert_caught(MODEL, Step::AskerLeavesThePage);
    }
}
