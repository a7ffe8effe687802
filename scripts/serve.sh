#!/bin/sh
# Runs a server on 127.0.0.1 with its own embedded Postgres, to try the API: `make serve`.
#
# All state is in target/serve/. When the server is ready it holds three files: `url`, `ca.pem` (trust this) and
# `token` (an admin's API token). PORT chooses the port, 8443 by default. SIGINT or SIGTERM stops it cleanly.
set -eu
cd "$(dirname "$0")/.."

directory=$PWD/target/serve
port=${PORT:-8443}
program=${CARGO_TARGET_DIR:-$PWD/target}/debug/baton-server

mkdir -p "$directory/state"
rm -f "$directory/url" "$directory/ca.pem" "$directory/token"
cat >"$directory/server.toml" <<END
listen = "127.0.0.1:$port"
state_dir = "$directory/state"
names = ["localhost", "127.0.0.1"]
END

"$program" run --config "$directory/server.toml" &
server=$!
status=0
stop() {
    kill -TERM "$server" 2>/dev/null || true
}
trap stop INT TERM HUP

url=https://127.0.0.1:$port
is_ready() {
    [ -s "$directory/state/ca.pem" ] && [ -s "$directory/state/admin-token" ] &&
        curl --silent --fail --noproxy '*' --cacert "$directory/state/ca.pem" --output /dev/null "$url/readyz"
}
tries=0
while kill -0 "$server" 2>/dev/null; do
    if is_ready; then
        cp "$directory/state/ca.pem" "$directory/ca.pem"
        (umask 077 && cp "$directory/state/admin-token" "$directory/token")
        echo "$url" >"$directory/url.new" && mv "$directory/url.new" "$directory/url"
        echo "ready: $url (CA $directory/ca.pem, token $directory/token)"
        break
    fi
    tries=$((tries + 1))
    if [ "$tries" -gt 600 ]; then
        echo "the server is not ready after a minute" >&2
        stop
    fi
    sleep 0.1
done

# A trapped signal ends `wait` early; the server is waited for until it is gone.
while kill -0 "$server" 2>/dev/null; do
    wait "$server" && status=0 || status=$?
done
rm -f "$directory/url" "$directory/ca.pem" "$directory/token"
exit "$status"
