#!/bin/sh
# Fuzzes every target, or the named targets, for a number of seconds each: fuzz/run.sh [seconds] [target…]
# Stops at the first finding with exit code 1; the input is kept below fuzz/artifacts/.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
seconds=${1:-600}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- archives filters lifecycle manifests names paths policies ranges requests versions

tools=$root/target/tools/cargo
[ -x "$tools/bin/cargo-fuzz" ] || cargo install --quiet --locked --root "$tools" --version 0.13.2 cargo-fuzz
export PATH="$tools/bin:$PATH"

for target in "$@"; do
    found=$root/target/fuzz/corpus/$target
    mkdir -p "$found"
    echo "── $target"
    # New inputs are written below target/; the committed corpus stays small.
    cargo +nightly fuzz run --fuzz-dir fuzz --target-dir target/fuzz --features libfuzzer --sanitizer none \
        "$target" "$found" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0
done
