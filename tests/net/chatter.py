# SPDX-License-Identifier: ISC
# Lively traffic to a far side, of every kind that a host's programs make: TCP, UDP, ping, look-ups of names, by sockets that
# were connected before, new ones, and ones bound to each of the given addresses; besides what stays on the link.
#
# usage: chatter.py COUNTS FAR4 FAR6 [DEVICE LOCAL-ADDRESS...]
#
# Until it is killed. COUNTS is written again every half second: lines "KIND SENT REFUSED".
import os
import socket
import struct
import sys
import threading
import time

counts_path, far4, far6 = sys.argv[1:4]
device, own = (sys.argv[4], sys.argv[5:]) if len(sys.argv) > 4 else (None, [])
far = {socket.AF_INET: far4, socket.AF_INET6: far6}
version = {socket.AF_INET: "4", socket.AF_INET6: "6"}
counts = {}
lock = threading.Lock()


def attempt(kind, call):
    try:
        call()
        done = 0
    except BlockingIOError:  # a connection that has begun
        done = 0
    except OSError:
        done = 1
    with lock:
        counts.setdefault(kind, [0, 0])[done] += 1


def connected(kind, port):
    made = []
    for family, address in far.items():
        s = socket.socket(family, kind)
        s.settimeout(5)
        s.connect((address, port))
        s.setblocking(False)
        made.append((version[family], s))
    return made


def send_udp(family, source, port):
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        if source:
            s.bind((source, 0))
        s.sendto(b"chatter", (far[family], port))


def send_tcp(family, source):
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.setblocking(False)
        if source:
            s.bind((source, 0))
        s.connect((far[family], 80))


def send_ping(family, source):
    v4 = family == socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM, socket.IPPROTO_ICMP if v4 else socket.IPPROTO_ICMPV6) as s:
        if source:
            s.bind((source, 0))
        s.sendto(struct.pack("!BBHHH", 8 if v4 else 128, 0, 0, 0, 1), (far[family], 0))


def send_multicast(family):
    index = socket.if_nametoindex(device)
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        if family == socket.AF_INET:
            s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("=4s4si", bytes(4), bytes(4), index))
            s.sendto(b"chatter", ("224.0.0.251", 5353))
        else:
            s.sendto(b"chatter", ("ff02::fb", 5353, 0, index))


def look_up():
    number = 0
    while True:
        number += 1
        attempt("name", lambda: socket.getaddrinfo("n%d-%d.example.org" % (threading.get_ident(), number), 80))
        time.sleep(0.05)


def new_ones(family, source):
    label = version[family] + ("-bound" if source else "")
    attempt("udp" + label, lambda: send_udp(family, source, 9))
    attempt("dns" + label, lambda: send_udp(family, source, 53))
    attempt("tcp" + label, lambda: send_tcp(family, source))
    attempt("ping" + label, lambda: send_ping(family, source))


def write_counts():
    with open(counts_path + ".new", "w") as file, lock:
        for kind, (sent, refused) in sorted(counts.items()):
            file.write("%s %d %d\n" % (kind, sent, refused))
    os.rename(counts_path + ".new", counts_path)


old = []
if device:
    old = [("udp", s) for s in connected(socket.SOCK_DGRAM, 9)] + [("tcp", s) for s in connected(socket.SOCK_STREAM, 7)]
    for _ in range(3):
        threading.Thread(target=look_up, daemon=True).start()
due = 0
while True:
    for kind, (family, s) in old:
        attempt(kind + family + "-old", lambda: s.send(b"chatter"))
    for family in far:
        new_ones(family, None)
        for source in own:
            if (":" in source) == (family == socket.AF_INET6):
                new_ones(family, source)
        if device:
            attempt("multicast" + version[family], lambda: send_multicast(family))
    if due <= time.monotonic():
        write_counts()
        due = time.monotonic() + 0.5
    time.sleep(0.02)
