#!/bin/bash
# Plants each fault of simulator/bug-bank in a copy of the protocol core, and says who finds it: the tests of the core,
# and the simulator. Writes docs/bug-bank.md; fails if nobody finds one, or the simulator finds none.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

root=$PWD
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
judged=$(scripts/fingerprint.sh bug-bank) || exit
export CARGO_TARGET_DIR=${BUG_BANK_TARGET:-$root/target/bug-bank}
mkdir -p "$CARGO_TARGET_DIR" "$copy/log"

fresh_copy() {
    rm -rf "$copy/vrrp" "$copy/simulator"
    cp -r vrrp simulator Cargo.lock rust-toolchain.toml "$copy"
    sed 's/^members = .*/members = ["vrrp", "simulator"]/' Cargo.toml >"$copy/Cargo.toml"
}

# The tests that fail, one name per line; `does not compile` when it does not.
core_says() {
    (cd "$copy" && timeout 300 cargo test --offline -p vrrp --lib --test golden --no-fail-fast) >"$copy/log/core" 2>&1
    if grep -q '^error: could not compile' "$copy/log/core"; then
        echo "does not compile"
        return
    fi
    sed -nE 's/^test (.*) \.\.\. FAILED.*/\1/p' "$copy/log/core" | sort -u
}

# What the simulator finds, in at most 600 seeds and a minute; nothing when it finds nothing.
simulator_says() {
    (cd "$copy" && timeout 300 cargo test --offline --profile soak -p simulator --test lan --no-fail-fast -- incidents properties sets) \
        >"$copy/log/lan" 2>&1
    sed -nE 's/^test (.*) \.\.\. FAILED.*/\1/p' "$copy/log/lan" | sort -u | head -1
    (cd "$copy" && timeout 300 cargo run --offline --profile soak -p simulator --bin baton-soak -- \
        --from 0 --seeds 600 --seconds 60 --first --keep /dev/null) >"$copy/log/soak" 2>&1
    sed -nE 's/^seed ([0-9]+) failed.*/seed \1/p' "$copy/log/soak" | head -1
}

table=$copy/table
missed=0
simulated=0
for patch in simulator/bug-bank/*.patch; do
    name=$(basename "$patch" .patch)
    what=$(head -1 "$patch")
    fresh_copy
    if ! (cd "$copy" && git apply -p1 "$root/$patch"); then
        echo "$name: the patch does not apply" >&2
        missed=$((missed + 1))
        continue
    fi
    core=$(core_says)
    if [ "$core" = "does not compile" ]; then
        echo "$name: does not compile" >&2
        missed=$((missed + 1))
        continue
    fi
    simulator=$(simulator_says | paste -sd, | sed 's/,/, /g')
    number=$(printf '%s' "$core" | grep -c .)
    first=$(printf '%s' "$core" | head -1)
    echo "$name: ${number} tests of the core; simulator: ${simulator:-nothing}"
    if [ "$number" -eq 0 ] && [ -z "$simulator" ]; then
        missed=$((missed + 1))
    fi
    [ -n "$simulator" ] && simulated=$((simulated + 1))
    found=$([ "$number" -gt 0 ] && echo "$number, among them \`$first\`" || echo "nothing")
    seen=$([ -n "$simulator" ] && echo "\`$simulator\`" || echo "nothing")
    echo "| $name | $what | $found | $seen |" >>"$table"
done

[ "$(scripts/fingerprint.sh bug-bank)" = "$judged" ] ||
    { echo "the sources have changed meanwhile: run it again" >&2; exit 1; }
{
    echo "# The bug bank"
    echo
    echo "Faults that routers in the field have or had, and some of our own, each as a patch in \`simulator/bug-bank\`."
    echo "\`make bug-bank\` plants one after the other and writes this table of what finds it. The simulator sees what moves"
    echo "addresses; a fault that both ends of the wire share, or that only strangers meet, is for vectors and captures."
    echo
    echo "Fingerprint of the core, the simulator and the faults: \`$judged\`."
    echo
    echo "| Fault | What is wrong | Tests of the core | Simulator |"
    echo "|---|---|---|---|"
    cat "$table"
} >docs/bug-bank.md

total=$(ls simulator/bug-bank/*.patch | wc -l)
echo "$total faults: $((total - missed)) found, $simulated of them by the simulator"
[ "$missed" -eq 0 ] && [ "$simulated" -gt 0 ]
