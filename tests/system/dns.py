#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A name server for tests: dns.py ADDRESS FILE. Lines of FILE, read anew for each question: NAME IPV4-ADDRESS.

Each question is printed, as NAME CLIENT. What is not in the file does not exist.
"""
import socket
import struct
import sys

A, OPT, IN = 1, 41, 1
ANSWER, NAME_ERROR = 0x8580, 0x8583


def question(message):
    """The name that is asked for, the type, and where the question ends."""
    labels, at = [], 12
    while message[at]:
        labels.append(message[at + 1 : at + 1 + message[at]].decode())
        at += 1 + message[at]
    return ".".join(labels).lower(), struct.unpack_from("!H", message, at + 1)[0], at + 5


def answer(message, names):
    name, kind, end = question(message)
    address = names.get(name) if kind == A else None
    extended = struct.unpack_from("!H", message, 10)[0] > 0  # EDNS: without it in the answer resolved tries for longer
    head = struct.pack("!HHHHHH", struct.unpack_from("!H", message)[0], ANSWER if name in names else NAME_ERROR,
                       1, 1 if address else 0, 0, 1 if extended else 0)
    body = message[12:end]
    if address:
        body += struct.pack("!HHHIH", 0xC00C, A, IN, 1, 4) + socket.inet_aton(address)
    if extended:
        body += struct.pack("!BHHIH", 0, OPT, 1232, 0, 0)
    return name, head + body


def main():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((sys.argv[1], 53))
    while True:
        message, client = server.recvfrom(4096)
        with open(sys.argv[2], encoding="ascii") as lines:
            names = dict(line.split() for line in lines)
        name, reply = answer(message, names)
        print(name, client[0], flush=True)
        server.sendto(reply, client)


main()
