//! What is measured, once for all peers.

mod choosing;
mod idle;
mod spawning;
mod talking;
mod waking;

pub(crate) mod timing;

use crate::Peer;
use std::time::Duration;

/// Something that a runtime can be asked to do in rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// A task spawns a batch, then joins it.
    SpawnJoin,
    /// A plain thread spawns 10 000 tasks, then waits for all.
    SpawnOutside,
    /// A task spawns another whose future is large, and joins it, again and again.
    SpawnLarge,
    /// Each task spawns the next and ends.
    SpawnChain,
    /// Tasks that wake themselves and are pending once.
    SelfWake,
    /// One task that yields, with nobody to yield to.
    YieldAlone,
    /// Tasks that each spawn a partner and exchange two oneshots with it.
    OneshotPairs,
    /// The future in `block_on` spawns a task and joins it, again and again.
    BlockOnSpawn,
    /// Two tasks that answer each other over channels that hold one message.
    ChannelPair,
    /// A hundred such pairs.
    ChannelPairs,
    /// One task that arms a timer and drops it, again and again.
    TimerArmDrop,
    /// One task that gives a future a second which is ready at once, again and again.
    TimeoutReady,
    /// One task that receives from two channels by `select!`.
    SelectChannels,
    /// A `select!` of two channels that is polled in vain.
    SelectPending,
    /// A `join!` of three futures that are ready.
    JoinReady,
    /// Fibonacci by recursion; each call spawns both its halves, boxed, and joins them.
    ForkJoin,
    /// As `BlockOnSpawn`, after the runtime has slept for 3 ms.
    IdleBlockOnSpawn,
    /// A plain thread wakes a task and waits for its answer, every 50 us.
    IdleWake50us,
    /// A plain thread wakes a task and waits for its answer, every 3 ms.
    IdleWake3ms,
}

/// What there is to say of a workload.
struct About {
    name: &'static str,
    operation: &'static str,
    operations_per_round: u64,
}

const BATCH: usize = 1000;
/// One at a time, so that the memory is in the nearest cache.
const LARGE: usize = 100;
const OUTSIDE: usize = 10_000;
const CHAIN: usize = 1000;
const SELF_WAKERS: usize = 200;
const PAIRS: usize = 1000;
const CHANNEL_PAIRS: usize = 100;
/// So many that a round's yield is not seen, few enough for a poll to be short.
const TIMERS: usize = 1000;
/// As `TIMERS`.
const CHOICES: usize = 1000;
/// Makes 5167 tasks: enough for thieves to come back many times, few enough for a round to be short.
const FIBONACCI: u32 = 17;

impl Workload {
    /// All of them, in the order of the tables.
    pub const ALL: [Workload; 19] = [
        Workload::SpawnJoin,
        Workload::SpawnOutside,
        Workload::SpawnLarge,
        Workload::SpawnChain,
        Workload::SelfWake,
        Workload::YieldAlone,
        Workload::OneshotPairs,
        Workload::BlockOnSpawn,
        Workload::ChannelPair,
        Workload::ChannelPairs,
        Workload::TimerArmDrop,
        Workload::TimeoutReady,
        Workload::SelectChannels,
        Workload::SelectPending,
        Workload::JoinReady,
        Workload::ForkJoin,
        Workload::IdleBlockOnSpawn,
        Workload::IdleWake50us,
        Workload::IdleWake3ms,
    ];

    fn about(self) -> About {
        let about =
            |name, operation, operations: usize| About { name, operation, operations_per_round: operations as u64 };
        match self {
            Workload::SpawnJoin => about("spawn-join", "spawn + join, 1000 at a time, in a task", BATCH),
            Workload::SpawnOutside => about("spawn-outside", "spawn + join, 10 000 at a time, plain thread", OUTSIDE),
            Workload::SpawnLarge => about("spawn-large", "spawn + join of a future of 16 KiB", LARGE),
            Workload::SpawnChain => about("spawn-chain", "link of a chain of 1000 spawns", CHAIN),
            Workload::SelfWake => about("self-wake", "self-wake, 200 tasks", SELF_WAKERS),
            Workload::YieldAlone => about("yield-alone", "yield_now, alone on a worker", 1),
            Workload::OneshotPairs => about("oneshot-pairs", "ping-pong over fresh oneshots, 1000 pairs", PAIRS),
            Workload::BlockOnSpawn => about("block-on-spawn", "spawn + join from block_on, hot loop", 1),
            Workload::ChannelPair => about("channel-pair", "round trip over mpsc(1), one pair", 1),
            Workload::ChannelPairs => about("channel-pairs", "round trip over mpsc(1), 100 pairs", CHANNEL_PAIRS),
            Workload::TimerArmDrop => about("timer-arm-drop", "timer that is armed and dropped", TIMERS),
            Workload::TimeoutReady => about("timeout-ready", "timeout of a future that is ready", TIMERS),
            Workload::SelectChannels => about("select-channels", "message out of select! of two channels", CHOICES),
            Workload::SelectPending => about("select-pending", "poll of select! of two channels", CHOICES),
            Workload::JoinReady => about("join-ready", "join! of three futures that are ready", CHOICES),
            Workload::ForkJoin => about("fork-join", "task of fork-join", spawning::forks(FIBONACCI) as usize),
            Workload::IdleBlockOnSpawn => about("idle-block-on-spawn", "spawn + join from block_on, idle 3 ms", 1),
            Workload::IdleWake50us => about("idle-wake-50us", "wake by a thread + answer, idle 50 us", 1),
            Workload::IdleWake3ms => about("idle-wake-3ms", "wake by a thread + answer, idle 3 ms", 1),
        }
    }

    /// Its name on command lines.
    pub fn name(self) -> &'static str {
        self.about().name
    }

    /// The workload of that name.
    pub fn named(name: &str) -> Option<Self> {
        Workload::ALL.into_iter().find(|workload| workload.name() == name)
    }

    /// What a result is the price of one of.
    pub fn operation(self) -> &'static str {
        self.about().operation
    }

    /// How many of these a round has.
    pub fn operations_per_round(self) -> u64 {
        self.about().operations_per_round
    }

    /// Whether the runtime sleeps for most of each round. The time of such a round is not the time that it takes.
    pub fn is_mostly_idle(self) -> bool {
        matches!(self, Workload::IdleBlockOnSpawn | Workload::IdleWake50us | Workload::IdleWake3ms)
    }

    /// Does it, and returns the time of `rounds` rounds.
    ///
    /// Of a workload that is [mostly idle](Self::is_mostly_idle) it is the median round's time, `rounds` times: a few
    /// wake-ups that the system was slow about would say more about the system than about the runtime.
    pub fn run<P: Peer>(self, peer: &P, rounds: u64) -> Duration {
        match self {
            Workload::SpawnJoin => spawning::batch(peer, rounds, BATCH),
            Workload::SpawnOutside => spawning::outside(peer, rounds, OUTSIDE),
            Workload::SpawnLarge => spawning::large(peer, rounds, LARGE),
            Workload::SpawnChain => spawning::chain(peer, rounds, CHAIN),
            Workload::SelfWake => waking::self_wake(peer, rounds, SELF_WAKERS),
            Workload::YieldAlone => waking::yield_alone(peer, rounds),
            Workload::OneshotPairs => talking::oneshots(peer, rounds, PAIRS),
            Workload::BlockOnSpawn => spawning::from_block_on(peer, rounds),
            Workload::ChannelPair => talking::channels(peer, rounds, 1),
            Workload::ChannelPairs => talking::channels(peer, rounds, CHANNEL_PAIRS),
            Workload::TimerArmDrop => timing::arm_drop(peer, rounds, TIMERS),
            Workload::TimeoutReady => timing::timeout_ready(peer, rounds, TIMERS),
            Workload::SelectChannels => choosing::channels(peer, rounds, CHOICES),
            Workload::SelectPending => choosing::pending(peer, rounds, CHOICES),
            Workload::JoinReady => choosing::ready(peer, rounds, CHOICES),
            Workload::ForkJoin => spawning::fork_join(peer, rounds, FIBONACCI),
            Workload::IdleBlockOnSpawn => idle::spawn_from_block_on(peer, rounds, Duration::from_millis(3)),
            Workload::IdleWake50us => idle::wake(peer, rounds, Duration::from_micros(50)),
            Workload::IdleWake3ms => idle::wake(peer, rounds, Duration::from_millis(3)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Workload;
    use crate::Peers;

    #[test]
    fn every_workload_runs_on_every_peer() {
        let peers = Peers::start(2);
        for workload in Workload::ALL {
            assert!(!workload.run(&peers.rt, 2).is_zero(), "{} on rt", workload.name());
            assert!(!workload.run(&peers.tokio, 2).is_zero(), "{} on tokio", workload.name());
            assert!(!workload.run(&peers.smol, 2).is_zero(), "{} on smol", workload.name());
        }
    }

    #[test]
    fn a_name_leads_back_to_its_workload() {
        for workload in Workload::ALL {
            assert_eq!(Workload::named(workload.name()), Some(workload));
        }
        assert_eq!(Workload::named("nothing"), None);
    }
}
