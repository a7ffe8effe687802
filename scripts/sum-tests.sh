#!/bin/bash
# Sums up a log of `cargo test`: `sum-tests.sh LOG [STEP THAT FAILED]...`.
#
# Says which tests are ignored and why, which steps failed, and ends as cargo test does: with one line
# `test result: …` that adds up those of all test programs. Fails if anything did, or if nothing was tested.
set -uo pipefail
log=$1
shift

count() {
    sed -nE "s/^test result: .* ([0-9]+) $1[;.].*/\1/p" "$log" | awk '{ total += $1 } END { print total + 0 }'
}

sed -nE \
    -e 's/^test (.*) \.\.\. ignored, (.*)$/IGNORED: \1: \2/p' \
    -e 's/^test (.*) \.\.\. ignored *$/IGNORED: \1: no reason given/p' "$log"
for step in "$@"; do
    echo "FAILED: $step"
done
passed=$(count passed)
failed=$(count failed)
verdict=ok
if [ "$#" -gt 0 ] || [ "$failed" -gt 0 ] || [ "$passed" -eq 0 ]; then
    verdict=FAILED
fi
echo "test result: $verdict. $passed passed; $failed failed; $(count ignored) ignored"
[ "$verdict" = ok ]
