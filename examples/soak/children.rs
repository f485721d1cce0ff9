//! Tasks that spawn tasks, wait for them, or do not.

use crate::actor::microseconds;
use crate::round::World;
use fastrand::Rng;
use rt::task::{AbortHandle, Builder, JoinHandle, JoinSet, try_scope, yield_now};
use rt::time::sleep;
use std::future::pending;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;

/// Spawns it, in the books.
pub(crate) fn spawn<T: Send + 'static>(
    world: &Arc<World>,
    future: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    let mark = world.books.futures.mark();
    rt::spawn(async move {
        let _mark = mark;
        future.await
    })
}

pub(crate) fn detach(world: &Arc<World>, future: impl Future<Output = ()> + Send + 'static) {
    drop(spawn(world, future));
}

pub(crate) async fn tree(world: &Arc<World>, random: &mut Rng) {
    let leaves = random.u64(1..40);
    world.books.joins.out(1);
    let found = grow(world.clone(), random.fork(), leaves).await;
    assert_eq!(found, leaves, "a join has got lost");
    world.books.joins.back(1);
}

/// A tree of tasks with so many leaves, which are counted.
fn grow(world: Arc<World>, mut random: Rng, leaves: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async move {
        if random.bool() {
            yield_now().await;
        }
        if leaves == 1 {
            return 1;
        }
        let left = random.u64(1..leaves);
        let branches = [left, leaves - left].map(|leaves| {
            let (random, mark) = (random.fork(), world.books.futures.mark());
            let branch = grow(world.clone(), random, leaves);
            async move {
                let _mark = mark;
                branch.await
            }
        });
        if random.bool() {
            let mut set: JoinSet<u64> = branches.into_iter().collect();
            let mut found = 0;
            while let Some(branch) = set.join_next().await {
                found += branch.expect("nobody aborts it");
            }
            found
        } else {
            let [one, other] =
                branches.map(|branch| Builder::new().name("branch").spawn(branch).expect("it is running"));
            one.await.expect("nobody aborts it") + other.await.expect("nobody aborts it")
        }
    })
}

pub(crate) async fn scopes(world: &Arc<World>, random: &mut Rng) {
    let (children, fails) = (random.u32(..8), random.bool());
    let result = try_scope(async |scope| {
        for child in 0..children {
            let (mark, time) = (world.books.futures.mark(), microseconds(random, 1000));
            scope.spawn(async move {
                let _mark = mark;
                match child {
                    0 if fails => Err(child),
                    1 if fails => pending().await,
                    2 => {
                        sleep(time).await;
                        Ok(())
                    }
                    _ => {
                        yield_now().await;
                        Ok(())
                    }
                }
            });
        }
        Ok(())
    })
    .await;
    assert_eq!(result.is_err(), fails && children > 0);
}

pub(crate) async fn aborted(world: &Arc<World>, random: &mut Rng) {
    let time = microseconds(random, 2000);
    let child = match random.u32(..3) {
        0 => spawn(world, pending()),
        1 => spawn(world, sleep(time)),
        _ => spawn(world, async {
            loop {
                yield_now().await;
            }
        }),
    };
    if random.bool() {
        yield_now().await;
    }
    world.books.joins.out(1);
    let abort: AbortHandle = child.abort_handle();
    if random.bool() {
        detach(world, async move { abort.abort() });
    } else {
        abort.abort();
    }
    if random.u32(..4) > 0 {
        let joined = child.await;
        assert!(
            joined.map_or_else(|error| error.is_cancelled(), |()| true),
            "a child that was aborted has failed otherwise"
        );
    }
    world.books.joins.back(1);
}

/// Its message; the hook that prints panics is not called for it.
const AS_TOLD: &str = "as told";

pub(crate) async fn panicking(world: &Arc<World>, random: &mut Rng) {
    let later = random.bool();
    world.books.joins.out(1);
    let child = spawn(world, async move {
        if later {
            yield_now().await;
        }
        resume_unwind(Box::new(AS_TOLD))
    });
    let panic = child.await.map(|()| "nothing").expect_err("it panics").into_panic();
    assert_eq!(panic.downcast_ref(), Some(&AS_TOLD));
    world.books.joins.back(1);
}
