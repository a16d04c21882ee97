# SPDX-License-Identifier: ISC
"""Starts a program with open descriptors, as a service manager does.

hand-over.py WHAT... -- COMMAND...; WHAT is one of
    tun:NAME[:FLAG...]  a TUN device; flags are pi and vnet_hdr (else neither)
    tap:NAME[:FLAG...]  a TAP device
    wg:NAME[:FLAG...]   a TUN device, as WG_TUN_FD
    udp4:PORT udp6:PORT UDP sockets, IPv6's without IPv4
    dual:PORT           a UDP socket for both
    tcp:PORT            what nobody asked for
    user:NAME           afterwards it is that user, without any rights
"""
import ctypes
import fcntl
import os
import pwd
import socket
import struct
import sys

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 1, 2, 0x1000, 0x4000
FLAGS = {"pi": -IFF_NO_PI, "vnet_hdr": IFF_VNET_HDR}


def open_tun(kind, name, *flags):
    number = (IFF_TAP if kind == "tap" else IFF_TUN) | IFF_NO_PI
    for flag in flags:
        number += FLAGS[flag]
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), number))
    return fd


def open_socket(kind, port):
    family = socket.AF_INET if kind in ("udp4", "tcp") else socket.AF_INET6
    opened = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, kind == "udp6")
    opened.bind(("", int(port)))
    return opened.detach()


def become(name):
    entry = pwd.getpwnam(name)
    for capability in range(64):
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
    os.setgroups([])
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)


def main():
    split = sys.argv.index("--")
    fds, user, wireguards = [], None, None
    for kind, *words in (word.split(":") for word in sys.argv[1:split]):
        if kind == "user":
            user = words[0]
        elif kind == "wg":
            wireguards = open_tun(kind, *words)
        else:
            opener = open_tun if kind in ("tun", "tap") else open_socket
            fds.append((kind, opener(kind, *words)))
    moved = [fcntl.fcntl(fd, fcntl.F_DUPFD, 100) for _, fd in fds]
    if wireguards is not None:
        wireguards = fcntl.fcntl(wireguards, fcntl.F_DUPFD, 90)
        os.environ["WG_TUN_FD"] = str(wireguards)
        os.set_inheritable(wireguards, True)
    os.closerange(3, 80)
    for i, fd in enumerate(moved):
        os.dup2(fd, 3 + i)
        os.close(fd)
    if fds:
        os.environ["LISTEN_PID"] = str(os.getpid())
        os.environ["LISTEN_FDS"] = str(len(fds))
        os.environ["LISTEN_FDNAMES"] = ":".join(kind for kind, _ in fds)
    if user:
        become(user)
    os.execvp(sys.argv[split + 1], sys.argv[split + 1:])


main()
