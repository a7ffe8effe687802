#!/bin/bash
# Mutation testing of the protocol core: changes one operator, condition or return value of `vrrp` after the
# other and asks its tests. Writes docs/mutants.md; fails if fewer than 90 % are killed, or one that survives
# has no reason in vrrp/survivors.txt, or a reason is left over. What was judged is kept until the core
# changes, so a run that was interrupted goes on where it was.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

readonly version=27.1.0 least_percent=90 shards=24 lanes=2
readonly root=$PWD place=$PWD/target/mutants reasons=vrrp/survivors.txt
# What was built elsewhere must not be mixed with what is built here.
unset CARGO_TARGET_DIR CARGO_BUILD_TARGET_DIR
# The same cases for each mutant, and no search for the smallest one that shows it.
export PROPTEST_RNG_SEED=1 PROPTEST_MAX_SHRINK_ITERS=0 PROPTEST_DISABLE_FAILURE_PERSISTENCE=1
export PATH=$root/target/tools/bin:$PATH

install_tool() {
    [ "$(cargo mutants --version 2>/dev/null)" = "cargo-mutants $version" ] ||
        cargo install --quiet --locked --version "$version" --root target/tools cargo-mutants
}

# What a verdict depends on.
fingerprint() {
    {
        echo "$version $shards"
        find vrrp Cargo.toml Cargo.lock rust-toolchain.toml -type f ! -path "$reasons" -print0 |
            LC_ALL=C sort -z | xargs -0 sha256sum
    } | sha256sum
}

# Sources with the time of now: cargo must not take what it built from a mutant for what it builds from these.
fresh_copy() {
    mkdir -p "$1" && rm -rf "$1/vrrp" &&
        cp -r vrrp Cargo.lock rust-toolchain.toml "$1" &&
        sed -e 's/^members = .*/members = ["vrrp"]/' Cargo.toml >"$1/Cargo.toml"
}

# Judges every second shard that nobody has judged yet, in a copy and a target directory of its own.
lane() {
    local copy=$place/lane-$1 shard out status
    fresh_copy "$copy" || return
    for ((shard = $1; shard < shards; shard += lanes)); do
        out=$place/shards/$shard
        [ -e "$out/judged" ] && continue
        rm -rf "$out" && mkdir -p "$out"
        nice cargo mutants --dir "$copy" --in-place --package vrrp --profile mutants \
            --cargo-test-arg=--tests --minimum-test-timeout 20 --output "$out" \
            --shard "$shard/$shards" --sharding round-robin \
            --colors never --annotations none --no-times >"$out/log" 2>&1 &
        # It ends the tests that it has started, the endless ones too.
        trap 'kill -INT '"$!"'; wait; exit 1' TERM
        wait "$!"
        status=$?
        # 2: some survived; 3: some never ended. Anything else is no verdict.
        case $status in
            0 | 2 | 3) touch "$out/judged" && echo "shard $shard of $shards: $(tail -1 "$out/log")" ;;
            *) echo "shard $shard of $shards: no verdict, see $out/log" >&2 && return 1 ;;
        esac
    done
}

# The mutants of one verdict, one per line: without position, so that an edit above does not rename them.
verdict() {
    cat "$place"/shards/*/mutants.out/"$1".txt | sed -E 's/^([^:]+):[0-9]+:[0-9]+: /\1: /' | LC_ALL=C sort
}

number_of() {
    verdict "$1" | grep -c "^${2:-}"
}

percent() {
    awk -v part="$1" -v whole="$2" 'BEGIN { printf "%.1f", whole ? int(1000 * part / whole) / 10 : 0 }'
}

# Each mutant with a reason, a tab, and the reason.
read_reasons() {
    awk '/^#/ || /^$/ { next }
        /^[^ ]/ { if (name) print name "\t" why; name = $0; why = ""; next }
        { sub(/^ +/, ""); why = why (why ? " " : "") $0 }
        END { if (name) print name "\t" why }' "$reasons" | LC_ALL=C sort
}

# Complains about survivors without reason, and reasons without survivor. Two of one name need two reasons.
check_reasons() {
    local without over
    without=$(LC_ALL=C comm -23 <(verdict missed) <(read_reasons | awk -F'\t' '$2 { print $1 }'))
    over=$(LC_ALL=C comm -13 <(verdict missed) <(read_reasons | cut -f1))
    [ -z "$without" ] || printf 'these survive without a reason in %s:\n%s\n' "$reasons" "$without"
    [ -z "$over" ] || printf 'these have a reason in %s and do not survive:\n%s\n' "$reasons" "$over"
    [ -z "$without$over" ]
}

row() {
    local name=$1 file=${2:-} killed endless survived
    killed=$(number_of caught "$file") endless=$(number_of timeout "$file")
    survived=$(number_of missed "$file")
    echo "| $name | $((killed + endless + survived)) | $killed | $endless | $survived |" \
        "$(percent $((killed + endless)) $((killed + endless + survived))) % |"
}

write_table() {
    cat <<END
# Mutants

\`make mutants\` changes the protocol core in one place after the other: an operator, a condition, an arm of a
\`match\`, what a function returns. It runs the tests of \`vrrp\` against each, and writes this page. A mutant
that compiles is killed when a test fails, or does not end. At least $least_percent % must be killed, and each
that survives needs its reason in \`$reasons\`.

Fingerprint of the core: \`$core\`.

END
    echo "| File | Compiled | Killed | Never ended | Survived | Killed of those that compiled |"
    echo "|---|---|---|---|---|---|"
    for file in $({ verdict caught; verdict timeout; verdict missed; } | cut -d: -f1 | LC_ALL=C sort -u); do
        row "\`$file\`" "$file:"
    done
    row "all"
    echo
    echo "Of $listed mutants $(number_of unviable) do not compile."
    echo
    echo "## Survivors"
    echo
    if [ "$(number_of missed)" -eq 0 ]; then
        echo "None."
        return
    fi
    echo "| Mutant | Why no test fails |"
    echo "|---|---|"
    read_reasons | while IFS=$'\t' read -r name why; do
        echo "| \`${name//|/\\|}\` | $why |"
    done
}

install_tool || { echo "cargo-mutants $version could not be installed" >&2; exit 1; }
mkdir -p "$place/shards"
exec 9>"$place/lock"
flock -n 9 || { echo "another \`make mutants\` runs in this checkout" >&2; exit 1; }
now=$(fingerprint)
core=$(scripts/fingerprint.sh core) || exit
if [ "$(cat "$place/fingerprint" 2>/dev/null)" != "$now" ]; then
    rm -rf "$place/shards" && mkdir -p "$place/shards"
    echo "$now" >"$place/fingerprint"
fi

pids=()
interrupted() {
    kill "${pids[@]}" 2>/dev/null
    wait
    echo "incomplete: \`make mutants\` goes on from here" >&2
    exit 130
}
trap interrupted INT TERM HUP
for ((number = 0; number < lanes; number++)); do
    lane "$number" &
    pids+=("$!")
done
wait "${pids[@]}"
trap - INT TERM HUP

judged=$(find "$place/shards" -name judged | wc -l)
listed=$(cd "$place/lane-0" && cargo mutants --list --package vrrp | wc -l)
killed=$(($(number_of caught) + $(number_of timeout)))
survived=$(number_of missed)
if [ "$judged" -ne "$shards" ] || [ "$listed" -ne $((killed + survived + $(number_of unviable))) ]; then
    echo "incomplete: $judged of $shards shards, $((killed + survived)) verdicts on $listed mutants" >&2
    exit 1
fi
rate=$(percent "$killed" $((killed + survived)))
echo "$((killed + survived)) mutants: $killed killed ($rate %), $survived survive"
check_reasons >&2 || exit 1
write_table >docs/mutants.md
awk -v rate="$rate" -v least="$least_percent" 'BEGIN { exit rate < least }' ||
    { echo "at least $least_percent % must be killed" >&2; exit 1; }
