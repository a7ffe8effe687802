#!/bin/bash
# Removes what demos and tests left that were killed before they could clean up: processes, network namespaces
# and files. A laboratory whose owner still runs stays.
#
# Everything of a laboratory has names that begin with that of its directory; see tests/harness/leftovers.rs.
set -euo pipefail

[ "$(id -u)" -eq 0 ] || exit 0

# The process id and start time of an owner, as it has written them; its name may hold blanks.
identity_of() {
    sed -n 's/^\([0-9]*\) (.*) //p' "/proc/$1/stat" | cut -d ' ' -f 20 | sed "s/^/$1 /"
} 2>/dev/null

shopt -s nullglob
for directory in "${TMPDIR:-/tmp}"/bt-*/; do
    # A directory without an owner is being made.
    owner=$(cat "$directory/owner" 2>/dev/null) || continue
    [ -n "$owner" ] || continue
    [ "$(identity_of "${owner%% *}")" != "$owner" ] || continue
    prefix=$(basename "$directory")
    for name in /run/netns/"$prefix"*; do
        namespace=$(basename "$name")
        ip netns pids "$namespace" | xargs --no-run-if-empty kill -KILL 2>/dev/null || true
        ip netns del "$namespace"
    done
    rm -rf "$directory"
    echo "removed what an earlier run left: $prefix*"
done
