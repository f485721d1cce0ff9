#!/bin/sh
# Instructions per operation on one worker, counted by callgrind: `benches/count.sh [workload...]`.
#
# Each workload runs with N and with 2 N rounds; the difference is free of what starting and stopping costs. Unlike
# times, the counts are nearly the same on a noisy machine, and show a path that grew by a few per cent. They say
# nothing of caches, contention or system calls.
set -eu
command -v valgrind >/dev/null || { echo "count.sh: valgrind is not installed" >&2; exit 1; }
cd "$(dirname "$0")/.."

workloads="${*:-spawn-join spawn-chain self-wake yield-alone oneshot-pairs}"
peers="rt tokio smol"

# Enough for the difference to be large beside the few thousand instructions by which waiting varies.
rounds() {
    case "$1" in
        yield-alone | block-on-spawn | channel-pair) echo 5000 ;;
        self-wake | channel-pairs | idle-*) echo 100 ;;
        *) echo 10 ;;
    esac
}

cargo build --release --quiet -p rt-benches --bin count
program="${CARGO_TARGET_DIR:-target}/release/count"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT

# Prints "<instructions> <operations>".
measure() {
    operations="$(valgrind --tool=callgrind --callgrind-out-file="$scratch/out" --log-file="$scratch/log" \
        "$program" "$1" "$2" "$3")" || { cat "$scratch/log" >&2; exit 1; }
    echo "$(sed -n 's/^totals: *//p' "$scratch/out") $operations"
}

printf '%-16s' 'instructions'
for peer in $peers; do printf '%10s' "$peer"; done
printf '%10s%10s\n' 'rt/tokio' 'rt/smol'
for workload in $workloads; do
    once="$(rounds "$workload")"
    results=
    for peer in $peers; do
        one="$(measure "$peer" "$workload" "$once")"
        two="$(measure "$peer" "$workload" "$((2 * once))")"
        results="$results $(echo "$one $two" | awk '{ printf "%.1f", ($3 - $1) / ($4 - $2) }')"
    done
    echo "$workload $results" |
        awk '{ printf "%-16s%10.0f%10.0f%10.0f%10.2f%10.2f\n", $1, $2, $3, $4, $2 / $3, $2 / $4 }'
done
