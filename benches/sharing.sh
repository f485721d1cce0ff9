#!/bin/sh
# How often cache lines change hands per operation, counted with 2, 16 and 64 workers: `benches/sharing.sh`.
#
# Builds the runtime with counting atomics, into a target folder of its own. Fails if a path that is to touch none of the
# lines that other workers write does.
set -eu
cd "$(dirname "$0")/.."
export RUSTFLAGS="${RUSTFLAGS:-} --cfg rt_count"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/counted"
exec cargo run --quiet --release -p rt-benches --bin sharing
