//! Writing behind the writer's back.
//!
//! Whoever writes to a file, or to standard output, leaves bytes here and goes on; a *job* on the blocking pool writes them. So a
//! write waits only if there is no room, and many small ones become few large ones, because all that was left while the job wrote is
//! its next piece.
//!
//! # The protocol
//!
//! One lock, over the [`Queue`].
//!
//! *Leaving bytes*: append them; if no job serves the queue, say that one does, and spawn it when the lock is released.
//! *The job*: take all that waits, release the lock, write it, begin again; if nothing waits, say that no job serves the queue any more, and
//! end. *Waiting* for room, or for the end: look; if it has not come, leave a waker, and say for which. The job takes it when it takes bytes, or when it ends.
//!
//! How could bytes be forgotten? A job was said to serve the queue, so none was spawned, and that job did not look again. But its last look and its
//! saying so are one step under the lock. How could a waiter be forgotten? The job took bytes, or ended, before the waker was there:
//! then the waiter, which looked under the same lock, saw room or the end.
//!
//! # Errors
//!
//! An error is kept until the writer asks, at its next write or flush. What had been left behind the bytes that failed is dropped, because it
//! would end up in the wrong place.
//!
//! # Shutdown
//!
//! Bytes that were taken are written, also if the pool is closed before the job has begun: a job that is dropped does its work as an errand, on a
//! thread that the shutdown waits for.

use crate::blocking::Pool;
use crate::primitives::Mutex;
use crate::primitives::planted::{self, Step};
use crate::runtime::Handle;
use crate::task::{Id, Meta, budget, wait, wake_contained};
use std::io::{self, IoSlice};
use std::mem;
use std::panic::Location;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

/// How many bytes small writes may add up to while the job writes others. With a quarter of it, the calls of the system and the wakes of the
/// writer begin to cost; with four times as much, the bytes have left the processor's nearer caches when they are written.
const GATHERED: usize = 128 * 1024;

/// Where the bytes go. It may block.
pub(crate) trait Target: Send + 'static {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;

    fn flush(&mut self) -> io::Result<()>;
}

/// See the module's page. What is written to is named with each call, so that nothing keeps it while nobody writes.
#[derive(Debug)]
pub(crate) struct Behind {
    queue: Arc<Mutex<Queue>>,
    /// Whose writes these are, for reports.
    location: &'static Location<'static>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<u8>,
    /// There is a job, and it will look here again.
    is_served: bool,
    /// Which it is, as soon as that is known.
    job: Option<Id>,
    /// Something was written that has not been flushed.
    is_dirty: bool,
    /// The job is to flush what it has written.
    wants_flush: bool,
    failure: Option<io::Error>,
    waiter: Option<Waker>,
    /// It waits for room, and not for the end.
    wants_room: bool,
}

impl Queue {
    /// How many bytes may be added, if one write never adds more than `most`.
    fn room(&self, most: usize) -> usize {
        // One large write is taken as it is, and not cut into pieces.
        if self.waiting.is_empty() { most } else { GATHERED.min(most).saturating_sub(self.waiting.len()) }
    }

    fn add(&mut self, buffers: &[IoSlice<'_>], room: usize) -> usize {
        let before = self.waiting.len();
        for buffer in buffers {
            let left = room - (self.waiting.len() - before);
            self.waiting.extend_from_slice(&buffer[..buffer.len().min(left)]);
        }
        self.waiting.len() - before
    }

    fn wait(&mut self, cx: &Context<'_>, wants_room: bool) {
        self.wants_room = wants_room;
        if let Some(job) = self.job {
            wait::note_join(job);
        }
        match &mut self.waiter {
            Some(waiter) => waiter.clone_from(cx.waker()),
            None => self.waiter = Some(cx.waker().clone()),
        }
    }
}

impl Behind {
    pub(crate) fn new(location: &'static Location<'static>) -> Self {
        Behind { queue: Arc::default(), location }
    }

    /// Takes bytes, not more than `most`, and returns how many; or the error of a write before.
    ///
    /// # Panics
    ///
    /// If this thread is in no runtime.
    pub(crate) fn poll_write<T: Target>(
        &self,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
        most: usize,
        target: impl FnOnce() -> T,
    ) -> Poll<io::Result<usize>> {
        let step = ready!(budget::poll_proceed(cx));
        let (count, server) = ready!(self.poll_leave(cx, buffers, most, open_pool))?;
        step.made();
        if let Some(pool) = server {
            self.serve(&pool, target());
        }
        Poll::Ready(Ok(count))
    }

    /// Takes bytes. If no job serves the queue, it counts as served from now on, by what `server` has returned.
    fn poll_leave<S>(
        &self,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
        most: usize,
        server: impl FnOnce() -> io::Result<S>,
    ) -> Poll<io::Result<(usize, Option<S>)>> {
        let mut queue = self.queue.lock();
        if let Some(failure) = queue.failure.take() {
            return Poll::Ready(Err(failure));
        }
        if buffers.iter().all(|buffer| buffer.is_empty()) {
            return Poll::Ready(Ok((0, None)));
        }
        let room = queue.room(most);
        if room == 0 {
            queue.wait(cx, true);
            return Poll::Pending;
        }
        let server = if queue.is_served { None } else { Some(server()?) };
        let count = queue.add(buffers, room);
        queue.is_dirty = true;
        queue.is_served = true;
        Poll::Ready(Ok((count, server)))
    }

    /// Waits until everything is written and the target has flushed it; or gives the error of a write before.
    ///
    /// # Panics
    ///
    /// If this thread is in no runtime.
    #[cfg(feature = "io-std")]
    pub(crate) fn poll_flush<T: Target>(
        &self,
        cx: &mut Context<'_>,
        target: impl FnOnce() -> T,
    ) -> Poll<io::Result<()>> {
        let mut queue = self.queue.lock();
        if let Some(failure) = queue.failure.take() {
            return Poll::Ready(Err(failure));
        }
        if queue.is_dirty && !queue.is_served {
            let pool = open_pool()?;
            queue.is_served = true;
            queue.wants_flush = true;
            drop(queue);
            self.serve(&pool, target());
            queue = self.queue.lock();
        }
        queue.wants_flush |= queue.is_dirty;
        if !queue.is_served {
            return Poll::Ready(queue.failure.take().map_or(Ok(()), Err));
        }
        queue.wait(cx, false);
        Poll::Pending
    }

    /// Waits until nothing is written any more.
    #[cfg(any(feature = "fs", test))]
    pub(crate) fn poll_idle(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut queue = self.queue.lock();
        if !queue.is_served {
            return Poll::Ready(());
        }
        queue.wait(cx, false);
        Poll::Pending
    }

    /// Whether nothing is written now.
    #[cfg(feature = "fs")]
    pub(crate) fn is_idle(&self) -> bool {
        !self.queue.lock().is_served
    }

    /// The error of a write before.
    #[cfg(feature = "fs")]
    pub(crate) fn take_failure(&self) -> Option<io::Error> {
        self.queue.lock().failure.take()
    }

    fn serve<T: Target>(&self, pool: &Arc<Pool>, target: T) {
        let job = self.job(target, Some(pool.clone()));
        // If it is refused, it has been dropped, and has done its work.
        let spawned = pool.try_spawn(move || job.run(), Meta::new(None, self.location));
        let id = spawned.ok().map(|handle| handle.id());
        let mut queue = self.queue.lock();
        queue.job = id.filter(|_| queue.is_served);
    }

    fn job<T: Target>(&self, target: T, errands: Option<Arc<Pool>>) -> Job<T> {
        Job { queue: self.queue.clone(), target: Some(target), errands }
    }
}

/// The pool of the current runtime.
fn open_pool() -> io::Result<Arc<Pool>> {
    Handle::with_current_pool(|pool| if pool.is_closed() { Err(shut_down()) } else { Ok(pool.clone()) })
}

/// What an operation says that the runtime will not do any more.
pub(crate) fn shut_down() -> io::Error {
    io::Error::other("the runtime has shut down, and takes no further operation")
}

/// Writes what waits in a queue. Whether it is run or dropped: it does its work.
struct Job<T: Target> {
    queue: Arc<Mutex<Queue>>,
    /// `None` once it has done its work.
    target: Option<T>,
    /// Where it does its work if it is dropped; if that has been tried, on the thread that drops it.
    errands: Option<Arc<Pool>>,
}

impl<T: Target> Job<T> {
    fn run(mut self) {
        self.work();
    }

    fn work(&mut self) {
        let mut bytes = Vec::new();
        while let Some((flush, waiter)) = self.take(&mut bytes) {
            waiter.into_iter().for_each(wake_contained);
            let Some(target) = &mut self.target else { return };
            let mut result = target.write_all(&bytes);
            if flush && result.is_ok() {
                result = target.flush();
            }
            if let Err(error) = result {
                self.fail(error);
            }
            bytes.clear();
            bytes.shrink_to(GATHERED);
        }
    }

    /// Takes what waits, and the waker of one who waits for room. `None`: there was nothing, and the work is done.
    fn take(&mut self, bytes: &mut Vec<u8>) -> Option<(bool, Option<Waker>)> {
        let mut queue = self.queue.lock();
        let is_over = queue.waiting.is_empty() && !queue.wants_flush;
        if !is_over {
            mem::swap(bytes, &mut queue.waiting);
            let flush = mem::take(&mut queue.wants_flush);
            queue.is_dirty &= !flush;
            let waiter = if queue.wants_room { queue.waiter.take() } else { None };
            return Some((flush, waiter));
        }
        if !planted::keeps(Step::LastLookIsUnderTheLock) {
            drop(queue);
            queue = self.queue.lock();
        }
        queue.is_served = false;
        queue.job = None;
        if queue.waiting.capacity() == 0 {
            queue.waiting = mem::take(bytes);
        }
        // Under the lock: who finds the queue idle may take the target apart.
        self.target = None;
        let waiter = queue.waiter.take();
        drop(queue);
        waiter.into_iter().for_each(wake_contained);
        None
    }

    fn fail(&self, error: io::Error) {
        let mut queue = self.queue.lock();
        queue.waiting.clear();
        queue.wants_flush = false;
        queue.failure = Some(error);
    }
}

impl<T: Target> Drop for Job<T> {
    fn drop(&mut self) {
        let Some(target) = self.target.take() else { return };
        let mut job = Job { queue: self.queue.clone(), target: Some(target), errands: None };
        match self.errands.take() {
            // If no thread can be had for it, it is dropped, and comes here again.
            Some(pool) => drop(pool.lend(Box::new(move || job.run()))),
            None => job.work(),
        }
    }
}

#[cfg(all(test, rt_loom))]
mod models {
    use super::*;
    use crate::primitives::planted::assert_caught;
    use loom::thread;
    use std::task::Wake;

    /// What was written, and how often its writer was woken. Not loom's: only read after the threads were joined.
    #[derive(Default)]
    struct Record {
        written: std::sync::Mutex<Vec<u8>>,
        wakes: std::sync::atomic::AtomicUsize,
    }

    impl Target for Arc<Record> {
        fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
            self.written.lock().unwrap().extend_from_slice(bytes);
            Ok(())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Wake for Record {
        fn wake(self: Arc<Self>) {
            self.wakes.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    }

    #[test]
    fn what_is_left_behind_is_written_in_order_and_whoever_waits_for_it_is_woken() {
        loom::model(|| {
            let record = Arc::new(Record::default());
            let waker = Waker::from(record.clone());
            let mut cx = Context::from_waker(&waker);
            let behind = Behind::new(Location::caller());
            let mut jobs = Vec::new();
            for byte in 1..=2 {
                match behind.poll_leave(&mut cx, &[IoSlice::new(&[byte])], 8, || Ok(())) {
                    Poll::Ready(Ok((1, server))) => jobs.extend(server.map(|()| {
                        let job = behind.job(record.clone(), None);
                        thread::spawn(move || job.run())
                    })),
                    other => panic!("there is room: {other:?}"),
                }
            }
            let is_idle = behind.poll_idle(&mut cx).is_ready();
            jobs.into_iter().for_each(|job| job.join().unwrap());
            assert!(behind.poll_idle(&mut cx).is_ready());
            assert_eq!(*record.written.lock().unwrap(), [1, 2]);
            assert!(is_idle || record.wakes.load(std::sync::atomic::Ordering::SeqCst) > 0, "the waiter was forgotten");
        });
    }

    #[test]
    fn whoever_waits_for_room_is_woken_when_there_is_some() {
        loom::model(|| {
            let record = Arc::new(Record::default());
            let waker = Waker::from(record.clone());
            let mut cx = Context::from_waker(&waker);
            let behind = Behind::new(Location::caller());
            let mut leave = |byte: u8| behind.poll_leave(&mut cx, &[IoSlice::new(&[byte])], 1, || Ok(()));
            assert!(matches!(leave(1), Poll::Ready(Ok((1, Some(()))))));
            let job = behind.job(record.clone(), None);
            let job = thread::spawn(move || job.run());
            let mut left = leave(2);
            job.join().unwrap();
            if left.is_pending() {
                assert!(record.wakes.load(std::sync::atomic::Ordering::SeqCst) > 0, "the waiter was forgotten");
                left = leave(2);
            }
            match left {
                Poll::Ready(Ok((1, Some(())))) => behind.job(record.clone(), None).run(),
                Poll::Ready(Ok((1, None))) => {}
                other => panic!("there is room: {other:?}"),
            }
            assert_eq!(*record.written.lock().unwrap(), [1, 2]);
        });
    }

    #[test]
    fn the_model_of_writing_behind_notices_a_job_that_does_not_look_and_leave_in_one_step() {
        assert_caught(
            "io::behind::models::what_is_left_behind_is_written_in_order_and_whoever_waits_for_it_is_woken",
            Step::LastLookIsUnderTheLock,
        );
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;
    use std::sync::Mutex as StdMutex;

    /// Takes bytes until it is told to fail.
    #[derive(Clone, Default)]
    struct Record(Arc<StdMutex<(Vec<Vec<u8>>, bool)>>);

    impl Record {
        fn pieces(&self) -> Vec<Vec<u8>> {
            self.0.lock().unwrap().0.clone()
        }
    }

    impl Target for Record {
        fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
            let mut record = self.0.lock().unwrap();
            if record.1 {
                return Err(io::Error::from_raw_os_error(28));
            }
            record.0.push(bytes.to_vec());
            Ok(())
        }

        fn flush(&mut self) -> io::Result<()> {
            self.write_all(b"flush")
        }
    }

    fn leave(behind: &Behind, bytes: &[u8], most: usize) -> Poll<io::Result<(usize, Option<()>)>> {
        let mut cx = Context::from_waker(Waker::noop());
        behind.poll_leave(&mut cx, &[IoSlice::new(bytes)], most, || Ok(()))
    }

    #[test]
    fn one_job_writes_all_that_was_left_before_it_began() {
        let (behind, record) = (Behind::new(Location::caller()), Record::default());
        assert!(matches!(leave(&behind, b"one ", 100), Poll::Ready(Ok((4, Some(()))))));
        assert!(matches!(leave(&behind, b"two", 100), Poll::Ready(Ok((3, None)))));
        behind.job(record.clone(), None).run();
        assert_eq!(record.pieces(), [b"one two".to_vec()]);
        assert!(matches!(leave(&behind, b"three", 100), Poll::Ready(Ok((5, Some(()))))));
    }

    #[test]
    fn a_large_write_is_taken_as_it_is_and_small_ones_up_to_a_limit() {
        let behind = Behind::new(Location::caller());
        let large = vec![0; 10 * GATHERED];
        assert!(matches!(leave(&behind, &large, large.len()), Poll::Ready(Ok((count, _))) if count == large.len()));
        assert!(leave(&behind, b"x", large.len()).is_pending());

        let behind = Behind::new(Location::caller());
        assert!(matches!(leave(&behind, b"x", large.len()), Poll::Ready(Ok((1, Some(()))))));
        assert!(matches!(leave(&behind, &large, large.len()), Poll::Ready(Ok((count, None))) if count == GATHERED - 1));
        assert!(leave(&behind, b"x", large.len()).is_pending());
    }

    #[test]
    fn what_was_left_after_bytes_that_failed_is_dropped_and_the_error_is_told_once() {
        let (behind, record) = (Behind::new(Location::caller()), Record::default());
        record.0.lock().unwrap().1 = true;
        assert!(leave(&behind, b"fails", 100).is_ready());
        behind.job(record.clone(), None).run();
        record.0.lock().unwrap().1 = false;
        match leave(&behind, b"is refused", 100) {
            Poll::Ready(Err(error)) => assert_eq!(error.raw_os_error(), Some(28)),
            other => panic!("the error was not told: {other:?}"),
        }
        assert!(matches!(leave(&behind, b"goes on", 100), Poll::Ready(Ok((7, Some(()))))));
        behind.job(record.clone(), None).run();
        assert_eq!(record.pieces(), [b"goes on".to_vec()]);
    }

    #[test]
    fn a_job_that_is_dropped_does_its_work() {
        let (behind, record) = (Behind::new(Location::caller()), Record::default());
        assert!(leave(&behind, b"bytes", 100).is_ready());
        drop(behind.job(record.clone(), None));
        assert_eq!(record.pieces(), [b"bytes".to_vec()]);
        assert!(behind.poll_idle(&mut Context::from_waker(Waker::noop())).is_ready());
    }

    #[test]
    fn when_the_queue_is_idle_the_job_has_let_go_of_the_target() {
        let (behind, record) = (Behind::new(Location::caller()), Record::default());
        assert!(leave(&behind, b"bytes", 100).is_ready());
        behind.job(record.clone(), None).run();
        assert_eq!(Arc::strong_count(&record.0), 1);
    }
}
