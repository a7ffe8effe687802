#!/bin/sh
# Captures the golden packets anew: keepalived in one network namespace, tshark in another, a veth pair between.
# Needs root, keepalived, tshark and iproute2. Takes about a minute; writes keepalived.pcap and versions.txt
# beside itself.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
sender=btv-sender observer=btv-observer
keepalived_pid= tshark_pid=

clean_up() {
    [ -z "$keepalived_pid" ] || kill "$keepalived_pid" 2>/dev/null || true
    [ -z "$tshark_pid" ] || kill "$tshark_pid" 2>/dev/null || true
    ip netns delete "$sender" 2>/dev/null || true
    ip netns delete "$observer" 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

ip netns add "$sender"
ip netns add "$observer"
ip link add btv-a netns "$sender" address 02:00:00:00:00:01 type veth peer name btv-b netns "$observer"
ip -n "$sender" addr add 192.0.2.9/24 dev btv-a
ip -n "$sender" link set btv-a up
ip -n "$observer" link set btv-b up
until ip -n "$sender" -6 addr show dev btv-a scope link -tentative | grep -q fe80; do sleep 0.1; done

ip netns exec "$observer" tshark -q -i btv-b -f 'ip proto 112 or ip6 proto 112' -F pcap -w "$work/all.pcap" &
tshark_pid=$!
until [ -s "$work/all.pcap" ]; do sleep 0.1; done

ip netns exec "$sender" keepalived --dont-fork --log-console --vrrp --use-file "$here/keepalived.conf" \
    --pid "$work/keepalived.pid" --vrrp_pid "$work/vrrp.pid" >"$work/keepalived.log" 2>&1 &
keepalived_pid=$!
# The owner with the longest interval waits one interval before its first advertisement.
sleep 45
kill -TERM "$keepalived_pid"
wait "$keepalived_pid" || true
keepalived_pid=
sleep 2
kill -INT "$tshark_pid"
wait "$tshark_pid" || true
tshark_pid=

# The first packet of each virtual router and priority is enough.
frames=$(tshark -r "$work/all.pcap" -T fields -e frame.number -e vrrp.virt_rtr_id \
    -e vrrp.prio | awk -F '\t' '!seen[$2 "/" $3]++ { printf "%s%s", separator, $1; separator = "," }')
tshark -r "$work/all.pcap" -Y "frame.number in {$frames}" -F pcap -w "$here/keepalived.pcap"

{
    keepalived --version 2>&1 | head -n 1
    tshark --version | head -n 1
    uname -sr
} >"$here/versions.txt"
