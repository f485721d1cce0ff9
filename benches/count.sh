#!/bin/sh
# Instructions per operation on one worker, counted by callgrind.
#
#   benches/count.sh [workload...]           a table of rt, tokio and smol
#   benches/count.sh --check [workload...]   fails if rt takes more than 5 % more than benches/instructions.txt says
#   benches/count.sh --record                writes that file anew
#
# Each workload runs with N and with 2 N rounds; the difference is free of what starting and stopping costs. Unlike
# times, the counts are nearly the same on a noisy machine, and show a path that grew by a few per cent. They say
# nothing of caches, contention or system calls. They do depend on the compiler and on the C library's allocator: where
# either is another, --check says nothing until the file was recorded with it.
set -eu
command -v valgrind >/dev/null || { echo "count.sh: valgrind is not installed" >&2; exit 1; }
cd "$(dirname "$0")/.."

mode=compare
case "${1:-}" in
    --check) mode=check; shift ;;
    --record) mode=record; shift ;;
    -*) echo "usage: benches/count.sh [--check] [workload...] | --record" >&2; exit 1 ;;
esac
if [ $mode = record ] && [ $# -gt 0 ]; then
    echo "count.sh: --record is for all workloads at once" >&2
    exit 1
fi
workloads="${*:-spawn-join spawn-large spawn-chain self-wake yield-alone oneshot-pairs timer-arm-drop timeout-ready select-channels select-pending join-ready}"
peers="rt tokio smol"
recorded=benches/instructions.txt
# Per cent.
allowed=5

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

# Prints the instructions of one operation.
per_operation() {
    once="$(rounds "$2")"
    one="$(measure "$1" "$2" "$once")"
    two="$(measure "$1" "$2" "$((2 * once))")"
    echo "$one $two" | awk '{ printf "%.1f", ($3 - $1) / ($4 - $2) }'
}

compare() {
    printf '%-16s' 'instructions'
    for peer in $peers; do printf '%10s' "$peer"; done
    printf '%10s%10s\n' 'rt/tokio' 'rt/smol'
    for workload in $workloads; do
        results=
        for peer in $peers; do
            result="$(per_operation "$peer" "$workload")"
            results="$results $result"
        done
        echo "$workload $results" |
            awk '{ printf "%-16s%10.0f%10.0f%10.0f%10.2f%10.2f\n", $1, $2, $3, $4, $2 / $3, $2 / $4 }'
    done
}

# By way of a copy, so that a measurement that fails does not cost the old figures.
record() {
    for workload in $workloads; do
        result="$(per_operation rt "$workload")"
        echo "$workload $result" | awk '{ printf "%s %.0f\n", $1, $2 }' | tee -a "$scratch/instructions"
    done
    cat "$scratch/instructions" >"$recorded"
}

# Tells of all workloads before it fails.
check() {
    [ -f "$recorded" ] || { echo "count.sh: there is no $recorded: make it with benches/count.sh --record" >&2; exit 1; }
    failed=0
    printf '%-16s%10s%10s%10s\n' 'instructions' 'recorded' 'measured' 'change'
    for workload in $workloads; do
        before="$(awk -v workload="$workload" '$1 == workload { print $2 }' "$recorded")"
        if [ -z "$before" ]; then
            echo "count.sh: $workload is not in $recorded" >&2
            failed=1
            continue
        fi
        now="$(per_operation rt "$workload")"
        verdict="$(echo "$workload $before $now" | awk -v allowed=$allowed -v table="$scratch/table" '{
            change = 100 * ($3 / $2 - 1)
            printf "%-16s%10.0f%10.0f%+9.1f%%\n", $1, $2, $3, change >table
            print (change > allowed ? "more" : (change < -allowed ? "less" : "same"))
        }')"
        cat "$scratch/table"
        figures="recorded are $before instructions, measured were $now"
        case "$verdict" in
            more)
                echo "count.sh: $workload takes over $allowed % more than it did: $figures" >&2
                failed=1
                ;;
            less) echo "count.sh: $workload takes over $allowed % less, so $recorded should be updated: $figures" >&2 ;;
        esac
    done
    exit $failed
}

$mode
