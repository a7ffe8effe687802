# Where `make serve` keeps things, and who may touch them. Sourced, in the root of the checkout.
#
# All is in target/serve/. Only the server's state may be elsewhere: a server that is root runs its Postgres
# as an ordinary user, who must be able to enter every directory above the data and does not get into a
# checkout under /root; and the path of a Unix socket has at most 107 octets. Such a state is in
# /var/lib/baton-serve/<hash of the checkout's path>, and target/serve/state is a symbolic link to it: it
# lasts from run to run, and `make clean` removes both.

serve_directory=$PWD/target/serve
serve_elsewhere=/var/lib/baton-serve/$(printf %s "$PWD" | sha256sum | cut -c -16)

# Takes the lock, which lasts until this shell and all it has started have ended; fails when another has it.
# What is started with 9>&- does not hold it.
lock_serve() {
    mkdir -p "$serve_directory"
    exec 9<>"$serve_directory/.lock"
    flock --nonblock 9
}

# Says who holds the lock.
name_of_lock_holder() {
    local pid
    for pid in $(head -n 1 "$serve_directory/.lock"); do
        if kill -0 "$pid" 2>/dev/null; then
            echo "pid $pid"
            return
        fi
    done
    echo "its Postgres still stops"
}

# The user that runs the Postgres of a server that is root.
postgres_user() {
    if id postgres >/dev/null 2>&1; then echo postgres; else echo nobody; fi
}

may_hold_state() {
    local directory=$1 longest_socket=$1/state/postgres/run/.s.PGSQL.5432 user
    [ "$(id -u)" -eq 0 ] || return 0
    [ "$(printf %s "$longest_socket" | wc -c)" -le 107 ] || return 1
    user=$(postgres_user)
    setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups test -x "$directory"
}

# Makes the directory of the state where it can be used and says where that is.
place_state() {
    local state=$serve_directory/state
    umask 022
    if [ -L "$state" ] && [ "$(readlink "$state")" = "$serve_elsewhere" ] && [ -d "$serve_elsewhere" ]; then
        echo "$serve_elsewhere"
    elif may_hold_state "$serve_directory"; then
        if [ -L "$state" ]; then rm "$state"; fi
        mkdir -p "$state"
        echo "$state"
    else
        # What is there belonged to a checkout that is gone.
        rm -rf "$serve_elsewhere"
        mkdir -p "$(dirname "$serve_elsewhere")"
        if [ -d "$state" ] && [ ! -L "$state" ]; then
            mv "$state" "$serve_elsewhere"
        else
            mkdir "$serve_elsewhere"
        fi
        ln -sfn "$serve_elsewhere" "$state"
        echo "$serve_elsewhere"
    fi
}

remove_serve() {
    if [ "$(readlink "$serve_directory/state")" = "$serve_elsewhere" ]; then
        rm -rf "$serve_elsewhere"
        rmdir --ignore-fail-on-non-empty "$(dirname "$serve_elsewhere")"
    fi
    rm -rf "$serve_directory"
}
