#!/bin/bash
# Feeds every reader of the wire with bad input for so many seconds in all, and then agents with 10^6
# random packets through their sockets, and a real agent beside them, whose memory is watched.
#
# With a nightly compiler the targets of fuzz/ run under cargo-fuzz, guided by coverage. What they have found
# worth keeping stays in target/fuzz/corpus, where the next run goes on; what broke a promise is kept in
# fuzz/regressions, and from then on every test run tries it. Without a nightly the same bodies run on stable,
# unguided.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
seconds=${1:-600}

root=$PWD
targets=$(sed -nE 's/^name = "(.*)"/\1/p' fuzz/Cargo.toml | grep -v '^baton-fuzz$')
each=$((seconds / $(wc -w <<<"$targets")))
[ "$each" -gt 0 ] || each=1
broken=()

cargo_fuzz() {
    PATH=$root/target/tools/bin:$PATH cargo +nightly fuzz "$@"
}

with_coverage() {
    local corpus found log=$root/target/fuzz/log
    mkdir -p target/fuzz/corpus
    # Nothing here is unsafe, so a sanitizer would only cost time.
    local common=(--fuzz-dir fuzz --sanitizer none --target-dir target/fuzz/build)
    cargo_fuzz build "${common[@]}" || return 1
    for target in $targets; do
        corpus=target/fuzz/corpus/$target
        found=fuzz/regressions/$target
        mkdir -p "$corpus" "$found"
        cargo_fuzz run "${common[@]}" "$target" "$corpus" "fuzz/seeds/$target" "$found" -- \
            -max_total_time="$each" -max_len=4096 -artifact_prefix="$root/$found/" -print_final_stats=1 \
            >"$log" 2>&1 || { broken+=("$target") && tail -30 "$log"; }
        awk -v target="$target" '/number_of_executed_units/ { n = $2 } /average_exec_per_sec/ { rate = $2 }
            END { printf "%s: %d executions, %d/s\n", target, n, rate }' "$log"
        rmdir --ignore-fail-on-non-empty "$found"
    done
}

if rustup run nightly rustc --version >/dev/null 2>&1; then
    if ! cargo_fuzz --version >/dev/null 2>&1; then
        cargo install --locked --root target/tools cargo-fuzz || exit 1
    fi
    with_coverage || broken+=("the build")
else
    echo "there is no nightly compiler: the same bodies run on stable, without coverage as a guide"
    BATON_FUZZ_SECONDS=$seconds cargo test --package fuzz-bodies --test bodies -- --nocapture ||
        broken+=("a body")
fi

BATON_HOSTILE_PACKETS=1000000 cargo test --package baton-agent --test kernel hostile::flood -- --nocapture ||
    broken+=("the flood")

if [ "${#broken[@]}" -gt 0 ]; then
    echo "broken: ${broken[*]}; what did it is in fuzz/regressions"
    exit 1
fi
