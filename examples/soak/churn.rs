//! Runtimes that come and go, with tasks in them.

use crate::actor::microseconds;
use crate::books::Books;
use crate::round::World;
use fastrand::Rng;
use rt::runtime::Builder;
use rt::task::{LocalSet, spawn_blocking, spawn_local, yield_now};
use rt::time::sleep;
use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Builds one on a thread of the pool, and ends it while its tasks do what they like.
pub(crate) async fn runtime(world: &Arc<World>, random: &mut Rng) {
    let (books, random) = (world.books, random.fork());
    world.books.joins.out(1);
    spawn_blocking(move || live_and_die(books, random)).await.expect("the other runtime ends");
    world.books.joins.back(1);
}

fn live_and_die(books: &'static Books, mut random: Rng) {
    let _mark = books.runtimes.mark();
    let mut builder = match random.u32(..3) {
        0 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    let builder = builder.worker_threads(random.usize(1..4)).report_stalls_after(None).enable_all();
    let runtime = builder.build().expect("there is room for another runtime");
    for _ in 0..random.u32(..30) {
        let (mark, time) = (books.futures.mark(), microseconds(&mut random, 3000));
        let kind = random.u32(..4);
        drop(runtime.spawn(async move {
            let _mark = mark;
            match kind {
                0 => pending().await,
                1 => sleep(time).await,
                2 => yield_now().await,
                _ => loop {
                    yield_now().await;
                },
            }
        }));
    }
    let time = microseconds(&mut random, 2000);
    runtime.block_on(async {
        if random.bool() {
            let local = LocalSet::new();
            let shared = Rc::new(books.futures.mark());
            local.run_until(async { spawn_local(async move { drop(shared) }).await.expect("nobody aborts it") }).await;
        }
        sleep(time).await;
    });
    match random.u32(..3) {
        0 => drop(runtime),
        1 => runtime.shutdown_timeout(Duration::from_secs(60)),
        _ => runtime.shutdown_background(),
    }
}
