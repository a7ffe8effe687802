#!/bin/bash
# Runs a server on 127.0.0.1 with its own embedded Postgres, to try the API: `make serve`.
#
# All state is in target/serve/. While the server is ready, three files there say how to reach it: `url`, `ca.pem`
# (trust this) and `token` (an admin's API token). PORT chooses the port, 8443 by default. SIGINT and SIGTERM stop
# it cleanly.
set -euo pipefail
cd "$(dirname "$0")/.."

program=${1:-$PWD/target/debug/baton-server}
directory=$PWD/target/serve
port=${PORT:-8443}
url=https://127.0.0.1:$port
parent=$PPID

forget() {
    rm -f "$directory/url" "$directory/ca.pem" "$directory/token"
}

mkdir -p "$directory/state"
forget
cat >"$directory/server.toml" <<END
listen = "127.0.0.1:$port"
state_dir = "$directory/state"
names = ["localhost", "127.0.0.1"]
END

"$program" run --config "$directory/server.toml" &
server=$!
stop() {
    kill -TERM "$server" 2>/dev/null || true
}
trap stop INT TERM HUP
trap forget EXIT

runs() {
    [ -n "$(jobs -rp)" ]
}

is_ready() {
    [ -s "$directory/state/ca.pem" ] && [ -s "$directory/state/admin-token" ] &&
        curl --silent --fail --noproxy '*' --cacert "$directory/state/ca.pem" --output /dev/null "$url/readyz"
}

# Whether the process that started us is a make that would act on SIGINT.
make_catches_interrupts() {
    local name caught
    read -r name <"/proc/$parent/comm" || return 1
    [ "$name" = make ] || return 1
    caught=$(sed -n 's/^SigCgt:\t*//p' "/proc/$parent/status")
    [ $((0x$caught & 2)) -ne 0 ]
} 2>/dev/null

# A make that is told to stop by SIGINT waits for us without telling us. It shows: it no longer catches SIGINT.
make_caught_interrupts=false
if make_catches_interrupts; then
    make_caught_interrupts=true
fi

ready=false
tries=0
while runs; do
    if [ "$ready" = false ] && is_ready; then
        ready=true
        cp "$directory/state/ca.pem" "$directory/ca.pem"
        install -m 600 "$directory/state/admin-token" "$directory/token"
        echo "$url" >"$directory/url.new"
        mv "$directory/url.new" "$directory/url"
        echo "ready: $url (CA in $directory/ca.pem, token in $directory/token)"
    fi
    tries=$((tries + 1))
    if [ "$ready" = false ] && [ "$tries" -gt 600 ]; then
        echo "the server is not ready after two minutes" >&2
        stop
    fi
    if [ "$make_caught_interrupts" = true ] && ! make_catches_interrupts; then
        stop
    fi
    sleep 0.2
done

status=0
wait "$server" || status=$?
exit "$status"
