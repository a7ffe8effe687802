#!/bin/sh
# Renews .sqlx/, with which the server's queries are checked where there is no database.
#
#   scripts/sqlx-prepare.sh                     writes .sqlx/
#   scripts/sqlx-prepare.sh --check             changes nothing; fails when .sqlx/ is stale
#   scripts/sqlx-prepare.sh --check COMMAND...  the same, compiling by COMMAND, whose failure is the failure
#
# Starts a throw-away Postgres on a Unix socket, applies migrations/ to it in order, and compiles the server
# against it: the query macros write what they learn. Needs the programs of Postgres; Debian: postgresql.
set -eu
cd "$(dirname "$0")/.."
root=$PWD

check=false
if [ "${1:-}" = --check ]; then
    check=true
    shift
fi
[ $# -gt 0 ] || set -- cargo check --quiet --workspace --all-targets

bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
[ -n "$bin" ] || bin=$(pg_config --bindir)

work=$(mktemp -d /tmp/baton-sqlx-XXXXXX)
chmod 711 "$work"
mkdir "$work/pg" "$work/queries"

# Postgres refuses root.
as() { "$@"; }
if [ "$(id -u)" = 0 ]; then
    user=postgres
    id "$user" >/dev/null 2>&1 || user=nobody
    chown "$user" "$work/pg"
    as() { setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups "$@"; }
fi

cleanup() {
    as "$bin/pg_ctl" -D "$work/pg/data" -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

cd "$work"
as "$bin/initdb" -D "$work/pg/data" -U postgres -A trust -E UTF8 --no-locale --no-sync >/dev/null
as "$bin/pg_ctl" -D "$work/pg/data" -w -l "$work/pg/log" \
    -o "-k $work/pg -c listen_addresses= -c fsync=off -c jit=off" start >/dev/null
cd "$root"
for migration in migrations/*.sql; do
    "$bin/psql" -X -q -v ON_ERROR_STOP=1 -h "$work/pg" -U postgres -d postgres -f "$migration"
done

# The macros run only when the crate is compiled.
touch server/src/lib.rs
socket=$(printf %s "$work/pg" | sed 's|/|%2F|g')
DATABASE_URL="postgres://postgres@$socket/postgres" SQLX_OFFLINE=false SQLX_OFFLINE_DIR="$work/queries" \
    "$@"

if [ "$check" = true ]; then
    if ! diff -rq "$work/queries" .sqlx; then
        echo "sqlx-prepare: .sqlx is stale; run scripts/sqlx-prepare.sh and commit it" >&2
        exit 1
    fi
    echo "sqlx-prepare: .sqlx is up to date"
else
    rm -rf .sqlx
    cp -r "$work/queries" .sqlx
    echo "sqlx-prepare: wrote $(ls .sqlx | wc -l) queries to .sqlx"
fi
