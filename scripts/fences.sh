#!/bin/bash
# Judges every fence and every planned move from outside (root): `make fences`. Writes target/fences/report.json
# and, of a whole campaign, docs/fences.md. Finished cells are kept in target/fences/cells, so that a campaign that was interrupted
# goes on; what was judged on other sources is judged again. Arguments go to baton-fences (`--help`).
set -euo pipefail
cd "$(dirname "$0")/.."

judged=$(scripts/fingerprint.sh fences)
if [ -z "${BATON_BIN_DIR:-}" ]; then
    # What is shipped is judged: a debug build takes its time.
    cargo build --release --workspace --bins
    built=${CARGO_TARGET_DIR:-$PWD/target}/release
    # A build during the campaign must not change what is judged.
    BATON_BIN_DIR=$PWD/target/fences/programs
    mkdir -p "$BATON_BIN_DIR"
    cp "$built"/baton "$built"/baton-agent "$built"/baton-server "$built"/baton-fences "$BATON_BIN_DIR"
    export BATON_BIN_DIR
fi
status=0
"$BATON_BIN_DIR"/baton-fences --fingerprint "$judged" --page docs/fences.md "$@" || status=$?
[ "$(scripts/fingerprint.sh fences)" = "$judged" ] ||
    { echo "the sources have changed meanwhile: run it again" >&2; exit 1; }
exit "$status"
