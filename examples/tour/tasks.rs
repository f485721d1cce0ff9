//! Tasks that split into tasks.

use crate::figures::{Meter, Moment, grouped, rounded};
use crate::screen::{Frame, Row, Screen};
use crate::workers::Workers;
use crate::{Failure, Outcome, join_all};
use rt::runtime::Handle;
use rt::task::JoinError;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How often a tree splits. Fewer splits and a tree is over before a thief has come; many more, and one that is begun just
/// before the end keeps the next section waiting.
const SPLITS: u32 = 10;
const LEAVES: u64 = 1 << SPLITS;
const TASKS: u64 = 2 * LEAVES - 1;

struct Progress {
    joined: AtomicU64,
    stop: AtomicBool,
}

/// Grows trees, again and again, and shows how fast.
pub(crate) async fn show(screen: &mut Screen, lasting: Duration) -> Outcome {
    screen.headline(&format!("Tasks: each spawns two and joins them, {SPLITS} times over"))?;
    let mut workers = Workers::new();
    let metrics = Handle::current().metrics();
    let spawned_before = metrics.spawned_tasks_count();
    let progress = Arc::new(Progress { joined: AtomicU64::new(0), stop: AtomicBool::new(false) });
    // A tree for every other worker: those without one live on what they steal.
    let trees = metrics.num_workers().div_ceil(2);
    let growers: Vec<_> = (0..trees).map(|_| rt::spawn(grow(progress.clone()))).collect();

    let mut meter = Meter::default();
    let frame = |moment: Moment| {
        let joined = progress.joined.load(Ordering::Relaxed);
        let rate = rounded(meter.rate(moment, joined));
        let spawned = metrics.spawned_tasks_count() - spawned_before;
        let (bars, stolen) = workers.report(moment);
        let total = format!("{} spawned, {} joined", grouped(spawned), grouped(joined));
        let mut rows = vec![Row::Text(format!("{rate} tasks/s spawned and joined")), Row::Text(total)];
        rows.extend(bars);
        Frame { line: format!("{rate} tasks/s spawned and joined; {stolen}"), rows }
    };
    let line = screen.watch("tasks", lasting, frame).await?;

    progress.stop.store(true, Ordering::Relaxed);
    join_all("a task that spawns others", growers).await?;
    Ok(line)
}

async fn grow(progress: Arc<Progress>) -> Result<(), Failure> {
    while !progress.stop.load(Ordering::Relaxed) {
        let leaves = rt::spawn(tree(SPLITS)).await??;
        if leaves != LEAVES {
            return Err(format!("a tree of tasks has {leaves} leaves instead of {LEAVES}").into());
        }
        // Once a tree, and not once a task: all trees share this count.
        progress.joined.fetch_add(TASKS, Ordering::Relaxed);
    }
    Ok(())
}

/// Counts the leaves below it. Boxed, because a future cannot hold another of its own type.
fn tree(splits: u32) -> Pin<Box<dyn Future<Output = Result<u64, JoinError>> + Send>> {
    Box::pin(async move {
        if splits == 0 {
            return Ok(1);
        }
        let (left, right) = (rt::spawn(tree(splits - 1)), rt::spawn(tree(splits - 1)));
        Ok(left.await?? + right.await??)
    })
}
