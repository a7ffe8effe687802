#!/bin/bash
# Runs a server on 127.0.0.1 with its own embedded Postgres, to try the API: `make serve`.
#
# All state is in target/serve/, or, where Postgres could not reach it, behind the link target/serve/state;
# see serve-place.sh. While the server is ready, three files in target/serve/ say how to reach it: `url`,
# `ca.pem` (trust this) and `token` (an admin's API token). PORT chooses the port, 8443 by default;
# BATON_BIN_DIR names a directory with a server that is built already. SIGINT and SIGTERM stop it cleanly:
# this script ends when the server and its Postgres have ended.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/serve-place.sh
. scripts/serve-place.sh

port=${PORT:-8443}
if ! [[ $port =~ ^[0-9]{1,5}$ ]] || ((10#$port < 1 || 10#$port > 65535)); then
    echo "PORT is \"$port\": it must be a number from 1 to 65535" >&2
    exit 2
fi
port=$((10#$port))
url=https://127.0.0.1:$port
directory=$serve_directory
parent=$PPID

if ! lock_serve; then
    echo "another \`make serve\` runs ($(name_of_lock_holder)), stop it first" >&2
    exit 1
fi
echo $$ >"$directory/.lock"

if [ -n "${BATON_BIN_DIR:-}" ]; then
    program=$BATON_BIN_DIR/baton-server
else
    echo "cargo build --workspace --bins"
    cargo build --workspace --bins 9>&-
    program=${CARGO_TARGET_DIR:-$PWD/target}/debug/baton-server
fi

forget() {
    rm -f "$directory/url" "$directory/ca.pem" "$directory/token"
}

as_toml() {
    local text=${1//\\/\\\\}
    printf '"%s"' "${text//\"/\\\"}"
}

forget
state=$(place_state)
cat >"$directory/server.toml" <<TOML
listen = "127.0.0.1:$port"
state_dir = $(as_toml "$state")
names = ["localhost", "127.0.0.1"]
TOML

server=
stopping=false
stop() {
    stopping=true
    [ -z "$server" ] || kill -TERM "$server" 2>/dev/null || true
}
# Waits until the server has ended, whatever signals arrive meanwhile, and says how it ended.
await_server() {
    local status
    while true; do
        status=0
        wait "$server" || status=$?
        kill -0 "$server" 2>/dev/null || return "$status"
    done
}
leave() {
    local status=$?
    trap '' INT TERM HUP
    stop
    [ -z "$server" ] || await_server || true
    forget
    exit "$status"
}
trap stop INT TERM HUP
trap leave EXIT

# It keeps the lock: as long as it runs nobody else may start.
"$program" run --config "$directory/server.toml" &
server=$!
echo "$$ $server" >"$directory/.lock"

is_ready() {
    [ -s "$state/ca.pem" ] &&
        curl --silent --fail --noproxy '*' --cacert "$state/ca.pem" --output /dev/null "$url/readyz"
}

# A server that is ready has written the token, unless an admin's token is valid already.
explain_missing_token() {
    cat >&2 <<TEXT
$state/admin-token is missing, and the server writes no new one while an admin's token is valid.
Put the file back; or remove all admins' tokens with one that you have (\`baton delete token NAME --yes\`)
and start again; or begin anew, without what this server knows: \`make clean\`
TEXT
}

announce() {
    cp "$state/ca.pem" "$directory/ca.pem"
    install -m 600 "$state/admin-token" "$directory/token"
    echo "$url" >"$directory/url.new"
    mv "$directory/url.new" "$directory/url"
    echo "ready: $url (CA in $directory/ca.pem, token in $directory/token)"
}

# Whether the process that started us is a make that would act on SIGINT.
make_catches_interrupts() {
    local name caught
    read -r name <"/proc/$parent/comm" || return 1
    [ "$name" = make ] || return 1
    caught=$(sed -n 's/^SigCgt:\t*//p' "/proc/$parent/status")
    [ $((0x$caught & 2)) -ne 0 ]
} 2>/dev/null

# A make that is told to stop by SIGINT waits for us without telling us. It shows: it no longer catches
# SIGINT.
make_caught_interrupts=false
if make_catches_interrupts; then
    make_caught_interrupts=true
fi

ready=false
failed=0
tries=0
while [ "$stopping" = false ] && [ -n "$(jobs -rp)" ]; do
    if [ "$ready" = false ] && is_ready && [ "$stopping" = false ]; then
        ready=true
        if [ -s "$state/admin-token" ]; then
            announce
        else
            explain_missing_token
            failed=1
            stop
        fi
    fi
    tries=$((tries + 1))
    if [ "$ready" = false ] && [ "$tries" -gt 600 ]; then
        echo "the server is not ready after two minutes" >&2
        stop
    fi
    if [ "$make_caught_interrupts" = true ] && ! make_catches_interrupts; then
        stop
    fi
    # At a terminal, Ctrl-C interrupts this as well.
    sleep 0.2 9>&- || true
done

status=0
await_server || status=$?
server=
exit $((failed > status ? failed : status))
