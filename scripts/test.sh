#!/bin/bash
# The whole judgement: style, lints, committed artefacts, then every test of the workspace.
#
# Ends as cargo test does, with one line `test result: …`; see sum-tests.sh. Fails if anything did.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

failed_steps=()
step() {
    local name=$1
    shift
    echo "== $name"
    "$@" || failed_steps+=("$name")
}

# One compilation serves both: the query macros write what they learn while clippy reads. That openapi/ is
# fresh is for a test to say.
lints_and_queries() {
    scripts/sqlx-prepare.sh --check cargo clippy --workspace --all-targets --quiet -- -D warnings
}

every_test() {
    local log=$1
    # The runner asks each test program for the time of each test; see scripts/timed-test.sh. Cargo splits the
    # variable at spaces and completes the path itself.
    local triple
    triple=$(rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
    export "CARGO_TARGET_${triple}_RUNNER=scripts/timed-test.sh"
    # The laboratory would build the programs itself; built here, their time is nobody's test's.
    cargo build --workspace --bins --examples || return 1
    export BATON_BIN_DIR=${CARGO_TARGET_DIR:-$PWD/target}/debug
    cargo test --workspace --no-fail-fast 2>&1 | tee "$log"
}

slowest_ten() {
    sed -nE 's/^test (.*) \.\.\. .*<([0-9.]+)s>.*$/\2 s  \1/p' "$1" | sort -rn | head -10
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT

step "dependencies" scripts/install-dependencies.sh
step "format" cargo fmt --all --check
step "lints, checked queries" lints_and_queries
if command -v cargo-deny >/dev/null 2>&1; then
    step "licences, bans, sources" cargo deny --offline --log-level error check licenses bans sources
else
    echo "== licences, bans, sources: cargo-deny is not installed; the tests check them (tests/arrows)"
fi
step "tests" every_test "$log"

echo "== the slowest ten"
slowest_ten "$log"
scripts/sum-tests.sh "$log" "${failed_steps[@]}"
