//! How often the runtime's cache lines change hands, with more workers than this machine has cores.
//!
//! `benches/sharing.sh` builds the runtime with counting atomics and runs this. All workers do the same operation at the same
//! time, each with tasks of its own, so that nobody has to steal. Per operation it counts *foreign* accesses: writes to a line
//! that another worker wrote last, and first reads of such a line. On a machine with as many cores each of them is a
//! transfer from one core to another, and a line that every operation writes bounds the whole machine, however many cores it
//! has. The prediction is the exact mean value analysis of a closed network: every worker computes on its own, and queues at
//! each shared line for as long as a transfer takes.

#[cfg(not(rt_count))]
fn main() -> std::process::ExitCode {
    eprintln!("sharing: the runtime counts only when it is built for it: run benches/sharing.sh");
    std::process::ExitCode::FAILURE
}

#[cfg(rt_count)]
fn main() -> std::process::ExitCode {
    counting::main()
}

/// Closed queueing networks; see M. Reiser and S. Lavenberg, "Mean-value analysis of closed multichain queuing networks",
/// Journal of the ACM 27(2), 1980.
#[cfg(any(rt_count, test))]
mod model {
    /// How much of `workers` times a single worker's throughput is left, when each operation takes `private` ns of a worker's own
    /// time, and holds each of the shared lines for the given time in ns.
    pub(super) fn efficiency(workers: u32, private: f64, lines: &[f64]) -> f64 {
        let mut queues = vec![0.0; lines.len()];
        let mut throughput = 0.0;
        for population in 1..=workers {
            let residences: Vec<f64> =
                lines.iter().zip(&queues).map(|(demand, queue)| demand * (1.0 + queue)).collect();
            throughput = f64::from(population) / (private + residences.iter().sum::<f64>());
            queues = residences.iter().map(|residence| throughput * residence).collect();
        }
        throughput * private / f64::from(workers)
    }

    #[cfg(test)]
    mod tests {
        use super::efficiency;

        #[test]
        fn nothing_is_lost_without_shared_lines() {
            assert!((efficiency(64, 100.0, &[]) - 1.0).abs() < 1e-9);
        }

        #[test]
        fn a_line_that_every_operation_holds_bounds_the_throughput() {
            // One operation in 20 ns at best, whatever the number of workers.
            let throughput = efficiency(64, 100.0, &[20.0]) * 64.0 / 100.0;
            assert!((throughput - 1.0 / 20.0).abs() < 1e-4, "{throughput}");
        }
    }
}

#[cfg(rt_count)]
mod counting {
    use super::model::efficiency;
    use rt::runtime::{Builder, Runtime};
    use rt_benches::median;
    use std::collections::BTreeMap;
    use std::process::ExitCode;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::sync::{Arc, Barrier, Mutex};
    use std::thread;
    use tokio::sync::mpsc;

    const WORKERS: [usize; 3] = [2, 16, 64];
    const OPERATIONS: usize = 2000;
    /// Enough for queues and free lists to have grown.
    const WARM_UP: usize = 500;
    /// What a line takes from one core to another that share a cache, in ns.
    const TRANSFER: f64 = 20.0;
    /// Above this many foreign accesses per operation the path is not what the documentation says.
    const LIMIT: f64 = 0.05;

    /// Foreign accesses per operation.
    #[derive(Clone, Copy)]
    struct Shared {
        writes: f64,
        reads: f64,
    }

    #[derive(Clone, Copy)]
    enum Operation {
        Yield,
        SpawnJoin,
        SpawnBatch,
        Converse,
        Outside,
    }

    const BATCH: usize = 10;

    impl Operation {
        const ALL: [Operation; 5] =
            [Operation::Yield, Operation::SpawnJoin, Operation::SpawnBatch, Operation::Converse, Operation::Outside];

        fn name(self) -> &'static str {
            match self {
                Operation::Yield => "yield (wake of itself, poll)",
                Operation::SpawnJoin => "spawn + join, one by one",
                Operation::SpawnBatch => "spawn + join, ten at a time",
                Operation::Converse => "wake another task of the worker, and be woken by it",
                Operation::Outside => "spawn from a thread that is no worker, its side",
            }
        }

        /// Whether no line at all is to be shared.
        fn is_private(self) -> bool {
            !matches!(self, Operation::Outside)
        }

        /// What one worker takes for it alone, in ns, and how long it holds each line that all workers of tokio's design write:
        /// the counter of ids, the count of the handle's `Arc`, the counters of the list of tasks, the word of the idle
        /// workers. `compare --workers 1` has the times.
        fn of_tokio(self) -> Option<(f64, &'static [f64])> {
            match self {
                Operation::Yield => Some((58.0, &[TRANSFER])),
                Operation::SpawnJoin => Some((178.0, &[TRANSFER, 2.0 * TRANSFER, 3.0 * TRANSFER])),
                Operation::SpawnBatch => Some((313.0, &[TRANSFER, 2.0 * TRANSFER, 3.0 * TRANSFER, TRANSFER])),
                Operation::Converse => Some((250.0, &[])),
                Operation::Outside => None,
            }
        }

        /// The same of this runtime's private time.
        fn private(self) -> f64 {
            match self {
                Operation::Yield => 12.0,
                Operation::SpawnJoin => 68.0,
                Operation::SpawnBatch => 77.0,
                Operation::Converse => 240.0,
                Operation::Outside => 120.0,
            }
        }
    }

    /// What is done by time, as the look at events every 50 us, comes on top of what the operation does itself, the more the slower the
    /// machine is just then. The least of three has the least of that.
    fn least(operation: Operation, workers: usize) -> Shared {
        let total = |shared: &Shared| shared.writes + shared.reads;
        let measured = (0..3).map(|_| measure(operation, workers));
        measured.min_by(|one, other| total(one).total_cmp(&total(other))).expect("there are three")
    }

    pub(super) fn main() -> ExitCode {
        let mut failed = false;
        println!("| foreign writes + reads per operation | 2 workers | 16 | 64 |\n|---|---:|---:|---:|");
        let mut predictions = Vec::new();
        for operation in Operation::ALL {
            let counted = WORKERS.map(|workers| least(operation, workers));
            let cells = counted.map(|shared| format!("{:.3} + {:.3}", shared.writes, shared.reads));
            println!("| {} | {} |", operation.name(), cells.join(" | "));
            failed |= operation.is_private() && counted.iter().any(|shared| shared.writes + shared.reads > LIMIT);
            predictions.push((operation, counted));
        }
        println!(
            "\n| predicted share of perfect scaling | rt, 16 cores | rt, 64 | tokio's design, 16 | tokio's design, 64 |\n\
             |---|---:|---:|---:|---:|"
        );
        for (operation, counted) in predictions {
            let Some((private, lines)) = operation.of_tokio() else { continue };
            let percent = |efficiency: f64| format!("{:.0} %", 100.0 * efficiency);
            let own = |place: usize| {
                let held = (counted[place].writes + counted[place].reads) * TRANSFER;
                percent(efficiency(WORKERS[place] as u32, operation.private(), &[held]))
            };
            let theirs = |workers| percent(efficiency(workers, private, lines));
            println!("| {} | {} | {} | {} | {} |", operation.name(), own(1), own(2), theirs(16), theirs(64));
        }
        if failed {
            eprintln!("sharing: a path that is to be private shares lines; the places are above");
            return ExitCode::FAILURE;
        }
        ExitCode::SUCCESS
    }

    fn measure(operation: Operation, workers: usize) -> Shared {
        // Counting is so slow, and cores so few, that the monitor would take most of the workers for stuck.
        let runtime = Builder::new_multi_thread()
            .stall_after(None)
            .worker_threads(workers)
            .enable_all()
            .build()
            .expect("start the runtime");
        if let Operation::Outside = operation {
            return outside(&runtime, workers);
        }
        let results = Arc::new(Mutex::new(Vec::new()));
        let all_here = Arc::new(Barrier::new(workers));
        let measured = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..workers)
            .map(|_| {
                let (results, all_here, measured) = (results.clone(), all_here.clone(), measured.clone());
                runtime.spawn(async move {
                    // Blocks, so that each worker has one of these.
                    all_here.wait();
                    let mut partner = Partner::new();
                    perform(operation, WARM_UP, &mut partner).await;
                    loop {
                        let here = thread::current().id();
                        rt::take_foreign();
                        perform(operation, OPERATIONS, &mut partner).await;
                        let foreign = rt::take_foreign();
                        if thread::current().id() == here {
                            results.lock().unwrap().push(foreign);
                            break;
                        }
                    }
                    // The others are to be measured beside workers that are busy.
                    measured.fetch_add(1, Ordering::Relaxed);
                    while measured.load(Ordering::Relaxed) < workers {
                        perform(operation, 10, &mut partner).await;
                    }
                })
            })
            .collect();
        runtime.block_on(async {
            for task in tasks {
                task.await.expect("no operation panics");
            }
        });
        let results = std::mem::take(&mut *results.lock().unwrap());
        summary(operation, workers, OPERATIONS, &results)
    }

    /// Tasks pushed by this thread while all workers are busy.
    fn outside(runtime: &Runtime, workers: usize) -> Shared {
        let stop = Arc::new(AtomicBool::new(false));
        let busy: Vec<_> = (0..workers)
            .map(|_| {
                let stop = stop.clone();
                runtime.spawn(async move {
                    while !stop.load(Ordering::Relaxed) {
                        rt::task::yield_now().await;
                    }
                })
            })
            .collect();
        let push = |tasks: usize| {
            (0..tasks).for_each(|_| drop(runtime.spawn(async {})));
        };
        push(WARM_UP);
        rt::take_foreign();
        push(OPERATIONS);
        let foreign = rt::take_foreign();
        stop.store(true, Ordering::Relaxed);
        runtime.block_on(async {
            for task in busy {
                task.await.expect("no operation panics");
            }
        });
        summary(Operation::Outside, workers, OPERATIONS, &[foreign])
    }

    /// A task that answers.
    struct Partner {
        there: mpsc::Sender<()>,
        returns: mpsc::Receiver<()>,
    }

    impl Partner {
        fn new() -> Self {
            let (there, mut arrives) = mpsc::channel(1);
            let (back, returns) = mpsc::channel(1);
            drop(rt::spawn(async move {
                while let Some(()) = arrives.recv().await {
                    back.send(()).await.expect("somebody asks");
                }
            }));
            Partner { there, returns }
        }
    }

    async fn perform(operation: Operation, times: usize, partner: &mut Partner) {
        match operation {
            Operation::Yield => {
                for _ in 0..times {
                    rt::task::yield_now().await;
                }
            }
            Operation::SpawnJoin => {
                for _ in 0..times {
                    rt::spawn(async {}).await.expect("it does not panic");
                }
            }
            Operation::SpawnBatch => {
                for _ in 0..times.div_ceil(BATCH) {
                    let batch: Vec<_> = (0..BATCH).map(|_| rt::spawn(async {})).collect();
                    for task in batch {
                        task.await.expect("it does not panic");
                    }
                }
            }
            Operation::Converse => {
                for _ in 0..times {
                    partner.there.send(()).await.expect("the partner waits");
                    partner.returns.recv().await.expect("the partner answers");
                }
            }
            Operation::Outside => unreachable!("it is not performed by a task"),
        }
    }

    type Counted = Vec<(String, rt::Foreign)>;

    /// The middle worker's, and on stderr the places in the source, all workers together.
    fn summary(operation: Operation, workers: usize, operations: usize, results: &[Counted]) -> Shared {
        let per_operation = |count: u64| count as f64 / operations as f64;
        let middle = |of: fn(&rt::Foreign) -> u64| {
            median(results.iter().map(|places| per_operation(places.iter().map(|(_, foreign)| of(foreign)).sum())))
        };
        let mut places: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for (place, foreign) in results.iter().flatten() {
            let sum = places.entry(place).or_default();
            *sum = (sum.0 + foreign.writes, sum.1 + foreign.reads);
        }
        eprintln!("{}, {workers} workers:", operation.name());
        for (place, (writes, reads)) in places {
            let mean = |count: u64| per_operation(count) / results.len() as f64;
            if mean(writes + reads) >= LIMIT / 10.0 {
                eprintln!("  {:.3} writes {:.3} reads at {place}", mean(writes), mean(reads));
            }
        }
        Shared { writes: middle(|foreign| foreign.writes), reads: middle(|foreign| foreign.reads) }
    }
}
