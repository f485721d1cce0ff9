//! criterion's statistics of the workloads, the three peers beside each other in each group: `cargo bench -p rt-benches`.
//!
//! The peers of a group run one after the other, not in turns; for ratios see the binary `compare`.

use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use rt_benches::{Peer, Peers, Workload};
use std::time::Duration;

fn bench<P: Peer>(group: &mut BenchmarkGroup<'_, WallTime>, workload: Workload, peer: &P) {
    group.bench_function(P::NAME, |bencher| bencher.iter_custom(|rounds| workload.run(peer, rounds)));
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    let peers = Peers::start(2);
    // criterion would believe that a round that is mostly idle takes no longer than its time, and run for hours.
    for workload in Workload::ALL.into_iter().filter(|workload| !workload.is_mostly_idle()) {
        let mut group = criterion.benchmark_group(workload.name());
        group.throughput(Throughput::Elements(workload.operations_per_round()));
        bench(&mut group, workload, &peers.rt);
        bench(&mut group, workload, &peers.tokio);
        bench(&mut group, workload, &peers.smol);
        group.finish();
    }
    criterion.final_summary();
}
