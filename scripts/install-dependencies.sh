#!/bin/sh
# Installs the distribution packages that building, the tests and the demo need, and nothing else.
#
# Only what is missing is installed. No service is started or left enabled, and no database cluster is made,
# by anything that is installed here. A second run changes nothing.
set -eu

# Program (or file, with a slash in front) that shows that a package is there, and the package.
NEEDED='
cc build-essential
make make
curl curl
ip iproute2
nft nftables
haproxy haproxy
nginx nginx-light
conntrackd conntrackd
conntrack conntrack
keepalived keepalived
vtysh frr
tcpdump tcpdump
arping iputils-arping
/usr/lib/postgresql/*/bin/postgres postgresql
psql postgresql-client
/lib/systemd/systemd systemd
/etc/ssl/certs/ca-certificates.crt ca-certificates
'

is_there() {
    case $1 in
        /*) for match in $1; do [ -e "$match" ] && return 0; done; return 1 ;;
        *) PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1 ;;
    esac
}

missing=$(echo "$NEEDED" | while read -r sign package; do
    [ -z "$sign" ] || is_there "$sign" || printf ' %s' "$package"
done)
if [ -z "$missing" ]; then
    exit 0
fi

if [ "$(id -u)" -ne 0 ]; then
    echo "missing packages:$missing; run as root to install them" >&2
    exit 1
fi
if ! command -v apt-get >/dev/null 2>&1; then
    echo "missing packages:$missing; install them by hand, this system has no apt-get" >&2
    exit 1
fi

echo "installing:$missing"
work=$(mktemp -d)
policy=/usr/sbin/policy-rc.d
cluster=/etc/postgresql-common/createcluster.d/zz-none-while-installing.conf

give_up() {
    echo "$1 failed; these packages are needed:$missing" >&2
    exit 1
}

enabled_units() {
    for directory in /etc/systemd/system /etc/rc2.d; do
        [ ! -d "$directory" ] || find "$directory" -name '*.wants' -prune -o -name 'S[0-9]*' -print
        [ ! -d "$directory" ] || find "$directory" -path '*.wants/*' -print
    done | sort
}

# Packages enable their services even where they may not start them, also those whose installation then fails.
# Take back exactly what is new.
disable_what_is_new() {
    enabled_units >"$work/enabled-after"
    comm -13 "$work/enabled-before" "$work/enabled-after" | while read -r link; do
        unit=$(basename "$link")
        case $link in
            */rc2.d/*) update-rc.d "${unit#S[0-9][0-9]}" disable >/dev/null 2>&1 || true ;;
            *.service | *.timer | *.socket | *.path)
                systemctl disable "$unit" >/dev/null 2>&1 || true
                rm -f "$link"
                ;;
        esac
    done
}

undo() {
    trap '' INT TERM HUP
    [ ! -e "$work/enabled-before" ] || disable_what_is_new
    if [ -e "$work/policy-rc.d" ] || [ -L "$work/policy-rc.d" ]; then
        mv -f "$work/policy-rc.d" "$policy"
    elif [ -e "$work/forbids-starts" ]; then
        rm -f "$policy"
    fi
    rm -f "$cluster"
    if [ -e "$work/made-directories" ]; then
        for directory in /etc/postgresql-common/createcluster.d /etc/postgresql-common; do
            rmdir --ignore-fail-on-non-empty "$directory" 2>/dev/null || true
        done
    fi
    rm -rf "$work"
}
trap undo EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# invoke-rc.d asks this script before it starts a service; 101 forbids it.
if [ -e "$policy" ] || [ -L "$policy" ]; then
    mv "$policy" "$work/policy-rc.d"
fi
touch "$work/forbids-starts"
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

# postgresql-common reads this directory before it decides whether to make a cluster.
[ -d /etc/postgresql-common ] || touch "$work/made-directories"
mkdir -p /etc/postgresql-common/createcluster.d
echo 'create_main_cluster = false' >"$cluster"

enabled_units >"$work/enabled-before"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq || give_up "apt-get update"
# shellcheck disable=SC2086 # the list is meant to be split
apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 $missing || give_up "apt-get install"
