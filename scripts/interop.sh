#!/bin/bash
# Runs Baton beside keepalived and FRR, and writes docs/interop.md from what was seen.
set -euo pipefail
cd "$(dirname "$0")/.."

BATON_INTEROP_ROWS=$(mktemp -d)
export BATON_INTEROP_ROWS
trap 'rm -rf "$BATON_INTEROP_ROWS"' EXIT
cargo test --package baton-agent --test kernel -- interop:: --skip every_row_of_the_interoperation_table

{
    cat <<'TEXT'
# Interoperation

What was seen of Baton beside keepalived and FRR as Debian ships them, in network namespaces. `make interop`
runs this and writes this file; `make test` runs it too and fails when something else is seen.

- "It" is the other program. Holders are those whose kernels have the address on an interface that is up and
  plugged in.
- Frames are advertisements, counted on the bridge: those of the one that has to be silent, while the one that
  is Active sends some, and resignations (priority 0).
- A takeover is from the last frame of one router, or its first resignation, to the first frame of the next. A
  class ends three quarters of an interval after the time that it is named after; an interval is 100 ms, in
  version 2 it is 1 s.
- The client asks the address for an echo every 5 ms; it is without an answer until one comes, and answers that
  were kept somewhere come late. A host that dies is taken off the bridge, with its carrier kept.
- With a virtual MAC, the host of the other program has `arp_ignore` 1 and `arp_announce` 2, without which
  Linux answers for a macvlan's address from the interface below, too. Where Baton owns the address it has
  `accept_local` 1: Linux drops what comes from an address that the host itself has.

What to know of the others:

- keepalived 2.2.7 drops packets with other addresses than its own list. While it is Active it starts its
  interval anew at each packet that it drops: beside a faster Baton it holds the address and says nothing.
- A keepalived that loses an election against an Active Baton says nothing, so Baton may not learn that there
  were two. What it announces every 10 s while a member is not Baton puts neighbours right at the latest.
- keepalived does not run on an interface whose one address is the virtual one, so it owns none: it can
  advertise 255.
- FRR's macvlan stays up, without a carrier. Over IPv4, as Backup, too, FRR's host answers what is sent to the
  virtual MAC.
- Over IPv6 the answers leave through that macvlan alone. As Backup FRR's host keeps them and asks for the MAC
  address of the client once a second, in vain; after a takeover that can last a second more. Here it is told
  that MAC address, so that the table says what the routers do.
- Over IPv6 FRR's first advertisement as Active goes to the macvlan before that has a carrier, and is lost: it is
  on the wire an interval late, or when Baton resigns again. So Baton, when it is stopped, resigns twice.
- FRR and keepalived speak version 3 over IPv4 with the pseudo-header of RFC 5798 and hear nothing else.
TEXT
    cat "$BATON_INTEROP_ROWS"/* | LC_ALL=C sort | awk -F'\t' '
        $2 != title {
            title = $2
            print "\n## " title "\n"
            print "| What | Peer | Spoken | Holder | Frames | Takeover | Client without an answer | Test |"
            print "|---|---|---|---|---|---|---|---|"
        }
        { print $3 }
    '
} >docs/.interop.md.new
mv docs/.interop.md.new docs/interop.md
