#!/usr/bin/env python3
"""Rewrites the IPv4 version 3 packets of keepalived.pcap with the checksum of RFC 9568 §5.2.8.

keepalived 2.2.7 cannot send that form (v3_checksum_as_v2 came with 2.2.8). Everything but the checksum stays as
keepalived sent it; the sum is computed here, by hand and without any of Baton's code. Writes rfc9568.pcap.
"""

import pathlib
import struct

HERE = pathlib.Path(__file__).parent
ETHERNET, IPV4, VRRP = 14, 0x0800, 112


def ones_complement_sum(message: bytes) -> int:
    total = 0
    for (word,) in struct.iter_unpack("!H", message):
        total += word
        if total > 0xFFFF:
            total -= 0xFFFF
    return total


def rewritten(frame: bytes) -> bytes | None:
    if struct.unpack("!H", frame[12:14])[0] != IPV4 or frame[ETHERNET + 9] != VRRP:
        return None
    start = ETHERNET + 4 * (frame[ETHERNET] & 0x0F)
    end = ETHERNET + struct.unpack("!H", frame[ETHERNET + 2 : ETHERNET + 4])[0]
    message = frame[start:end]
    if message[0] >> 4 != 3:
        return None
    blank = message[:6] + b"\0\0" + message[8:]
    checksum = 0xFFFF - ones_complement_sum(blank)
    return frame[:start] + blank[:6] + struct.pack("!H", checksum) + blank[8:]


def main() -> None:
    capture = (HERE / "keepalived.pcap").read_bytes()
    out = capture[:24]
    at = 24
    while at < len(capture):
        header = capture[at : at + 16]
        length = struct.unpack("<I", header[8:12])[0]
        frame = rewritten(capture[at + 16 : at + 16 + length])
        if frame is not None:
            out += header + frame
        at += 16 + length
    (HERE / "rfc9568.pcap").write_bytes(out)


main()
