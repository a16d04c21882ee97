# SPDX-License-Identifier: ISC
# Raw Ethernet frames, VLAN tags and all, on kernels without 8021q too: to send, and to see what arrives.
#
# usage: frames.py send DEVICE FROM TO KIND...   sends frames of each KIND: types, vlans, sizes, or one of
#                                                 LENGTH bytes or, with a VLAN's tag among them, tagged:LENGTH
#        frames.py list DEVICE FROM TO KIND...   only prints what send would
#        frames.py receive DEVICE FROM           until it is killed; FROM is an address or its beginning
#
# All print a line for each frame: its length, its first 22 bytes and a digest of all of it.
import hashlib
import socket
import struct
import sys

ETH_P_ALL = 3
PACKET_OUTGOING = 4
SOL_PACKET, PACKET_AUXDATA = 263, 8
TAG_VALID, TPID_VALID = 0x10, 0x40  # of struct tpacket_auxdata
LOCAL = 0x88B5  # an EtherType for experiments


def type_bytes(*numbers):
    return b"".join(struct.pack("!H", number) for number in numbers)


def content(length, seed):
    return bytes((i * 131 + seed) & 0xFF for i in range(length))


# Numbers below 0x600 are lengths, as of frames with LLC. What claims to be IP or ARP is not.
TYPES = [type_bytes(t) for t in (LOCAL, 0x0027, 0x05DC, 0x8863, 0x8864, 0x88CC, 0x9000, 0xFFFF, 0x0800, 0x86DD, 0x0806)]
VLANS = [type_bytes(*t) for t in (
    (0x8100, 42, LOCAL), (0x8100, 0, LOCAL), (0x8100, 0xE000 | 4094, 0x0800), (0x8100, 42, 0x86DD), (0x88A8, 7, LOCAL),
    (0x88A8, 7, 0x8100, 42, LOCAL), (0x8100, 1, 0x8100, 2, 0x8100, 3, LOCAL), (0x8100, 42, 0x0010))]


def make(head, ethertypes, length):
    start = head + ethertypes
    return start + content(max(0, length - len(start)), length)


def frames_of(kind, head):
    if kind == "types":
        return [make(head, t, length) for t in TYPES for length in (60, 333)]
    if kind == "vlans":
        return [make(head, t, length) for t in VLANS for length in (64, 777)] + [make(head, VLANS[0], 1518)]
    if kind == "sizes":
        return [make(head, TYPES[0], length) for length in [*range(14, 120), *range(1490, 1515)]]
    tag, _, length = kind.rpartition(":")
    return [make(head, VLANS[0] if tag else TYPES[0], int(length))]


def show(frame):
    print(len(frame), frame[:22].hex(), hashlib.sha256(frame).hexdigest()[:16], flush=True)


def address(text):
    return bytes.fromhex(text.replace(":", ""))


# As it was on the wire: the kernel takes the outermost tag out of a frame and tells it beside.
def whole(frame, extra):
    for level, kind, data in extra:
        if (level, kind) != (SOL_PACKET, PACKET_AUXDATA):
            continue
        status, _, _, _, _, tci, tpid = struct.unpack("IIIHHHH", data[:20])
        if status & TAG_VALID:
            return frame[:12] + type_bytes(tpid if status & TPID_VALID else 0x8100, tci) + frame[12:]
    return frame


def send(sock, source, to, *kinds):
    for kind in kinds:
        for frame in frames_of(kind, address(to) + address(source)):
            if sock:
                sock.send(frame)
            show(frame)


def receive(sock, source):
    sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    print("listening", flush=True)
    while True:
        frame, extra, _, where = sock.recvmsg(1 << 17, 256)
        if where[2] == PACKET_OUTGOING or not frame[6:12].startswith(address(source)):
            continue
        show(whole(frame, extra))


command, device = sys.argv[1:3]
if command == "list":
    send(None, *sys.argv[3:])
else:
    protocol = ETH_P_ALL if command == "receive" else 0
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol)) as opened:
        opened.bind((device, protocol))
        {"send": send, "receive": receive}[command](opened, *sys.argv[3:])
