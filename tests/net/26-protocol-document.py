#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# One end of a tunnel, written from doc/PROTOCOL: talks to a running culvert, whose every answer it checks.
#
# usage: 26-protocol-document.py shared|public|ethernet DIRECTORY
#
# The directory has shared.key, or a.key (ours), b.pub (culvert's) and psk.key. We are 192.0.2.1, inside 10.9.0.1;
# culvert is 192.0.2.2, inside 10.9.0.2, and is started after us. Exit status 0: all is as the document says.

import os
import select
import socket
import struct
import sys
import time
from base64 import b64decode

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "unit", "vectors"))
import culvert as cv  # noqa: E402
import wireguard as wg  # noqa: E402

PORT = 51820
THEIRS = ("192.0.2.2", PORT)
INSIDE_US, INSIDE_THEM = socket.inet_aton("10.9.0.1"), socket.inet_aton("10.9.0.2")
NAMES = {1: "an initiation", 2: "a response", 3: "a cookie reply", 4: "a data message"}
BETWEEN_INITIATIONS = 0.1  # section 4: not two within 20 ms; a busy machine takes its time


def fail(what):
    print(f"FAILED: {what}", flush=True)
    sys.exit(1)


def step(what):
    print(what, flush=True)


def expect(what, expected, seen):
    if expected != seen:
        fail(f"{what}: expected {expected!r}, seen {seen!r}")


def tai64n(seconds):
    """TIMESTAMP() of a time that is given in seconds since 1970."""
    whole = int(seconds)
    nanoseconds = int((seconds - whole) * 1e9) & ~0xFFFFFF
    return struct.pack(">QI", 2**62 + 10 + whole, nanoseconds)


def seconds_of(timestamp):
    seconds, nanoseconds = struct.unpack(">QI", timestamp)
    return seconds - 2**62 - 10 + nanoseconds / 1e9


# ---- The wire


class Wire:
    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("192.0.2.1", PORT))
        self.waiting = {kind: [] for kind in NAMES}

    def send(self, message):
        self.socket.sendto(message, THEIRS)

    def receive(self, seconds):
        """Puts what arrives where next() finds it; false if nothing does."""
        if not select.select([self.socket], [], [], max(seconds, 0))[0]:
            return False
        message, source = self.socket.recvfrom(65536)
        expect("the sender of a datagram", THEIRS, source)
        if len(message) < 4 or message[0] not in NAMES or message[2:4] != b"\0\0":
            fail(f"a datagram that begins with {message[:4].hex()}")
        self.waiting[message[0]].append(message)
        return True

    def next(self, kind, seconds, fits=lambda message: True):
        """The next message of a kind, or None; those that do not fit are dropped."""
        end = time.monotonic() + seconds
        while True:
            while self.waiting[kind]:
                message = self.waiting[kind].pop(0)
                if fits(message):
                    return message
            if not self.receive(end - time.monotonic()):
                return None

    def drain(self):
        while self.receive(0):
            pass
        for messages in self.waiting.values():
            messages.clear()


# ---- An end of a tunnel


class Session:
    def __init__(self, end, C, ours, theirs, we_began):
        one, two = wg.transport_keys(C)
        self.end, self.ours, self.theirs, self.counter = end, ours, theirs, 0
        self.send_key, self.receive_key = (one, two) if we_began else (two, one)

    def seal(self, packet):
        message = wg.data_message(self.send_key, self.theirs, self.counter, packet)
        self.counter += 1
        return message

    def receive(self, seconds):
        """The padded packet of the next data message of this session, or None."""
        ours = struct.pack("<I", self.ours)
        message = self.end.wire.next(4, seconds, lambda message: message[4:8] == ours)
        if message is None:
            return None
        expect("the type word of data", b"\4\0\0\0", message[:4])
        return wg.open_data_message(self.receive_key, message)[2]

    def echo_reply(self, seconds, sequence):
        """Waits for this ICMP echo reply, checks it with its padding. Other packets may come before it."""
        end = time.monotonic() + seconds
        while (packet := self.receive(end - time.monotonic())) is not None:
            if len(packet) < 20 or packet[9] != 1 or packet[20] != 0:
                continue  # a keepalive, or what the host sends of its own accord
            length = struct.unpack(">H", packet[2:4])[0]
            expect("the length of a padded packet", (length + 15) // 16 * 16, len(packet))
            expect("the padding", bytes(len(packet) - length), packet[length:])
            expect("the inner addresses", INSIDE_THEM + INSIDE_US, packet[12:20])
            expect("the sum over the ICMP message", 0, checksum(packet[20:length]))
            expect("identifier and data", (0x4356, b"x" * 33), (
                struct.unpack(">H", packet[24:26])[0], packet[28:length]))
            if struct.unpack(">H", packet[26:28])[0] == sequence:
                return True
        return False


def checksum(data):
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def echo_request(sequence):
    icmp = struct.pack(">BBHHH", 8, 0, 0, 0x4356, sequence) + b"x" * 33
    icmp = icmp[:2] + struct.pack(">H", checksum(icmp)) + icmp[4:]
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(icmp), 0, 0, 64, 1, 0) + INSIDE_US + INSIDE_THEM
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + icmp


def read_key(directory, name):
    with open(os.path.join(directory, name), encoding="ascii") as file:
        return b64decode(file.readline())


class End:
    """Keys by role: start_* where we begin, answer_* where culvert does."""

    link = cv.IP_PACKETS

    def __init__(self, wire):
        self.wire, self.sequence, self.cookie = wire, 0, None
        self.clock = time.time()

    def shared(self, directory):
        key = read_key(directory, "shared.key")
        a, b, self.psk = cv.shared_key_parts(key)
        self.start_private, self.start_public = a, wg.DH_PUBLIC(b)
        self.answer_private, self.answer_public = b, wg.DH_PUBLIC(a)
        self.instance = cv.instance_of(key, os.urandom(32))
        return self

    def public(self, directory):
        self.start_private = self.answer_private = read_key(directory, "a.key")
        self.start_public = self.answer_public = read_key(directory, "b.pub")
        self.psk, self.instance = read_key(directory, "psk.key"), None
        return self

    def fields(self, **change):
        return cv.usual_fields(**{"instance": self.instance, "link": self.link, **change})

    def check_mac2(self, message):
        """All messages of culvert's bear our cookie, once we have given one."""
        mac2 = wg.MAC(self.cookie, message[:-16]) if self.cookie else bytes(16)
        expect("mac2", mac2, message[-16:])

    # -- we begin

    def timestamp(self):
        self.clock += 1
        return tai64n(self.clock)

    def initiation(self, fields=None, timestamp=None):
        index = struct.unpack("<I", os.urandom(4))[0]
        return cv.create_initiation(
            self.start_private, self.start_public, os.urandom(32), index, timestamp or self.timestamp(),
            self.fields() if fields is None else fields)

    def response_to(self, state, seconds=3):
        """What answers our initiation, or None. Responses to anything else must not be there at all."""
        message = self.wire.next(2, seconds)
        if message is None:
            return None
        if len(message) < 92 or message[8:12] != struct.pack("<I", state.index_i):
            fail("a response to something that must not be answered")
        self.check_mac2(message)
        return cv.consume_response(message, state, self.start_private, self.psk)

    def start(self, fields=None, timestamp=None):
        """A whole handshake, confirmed with a ping; returns the session."""
        time.sleep(BETWEEN_INITIATIONS)
        message, state = self.initiation(fields, timestamp)
        self.wire.send(message)
        done = self.response_to(state)
        if done is None:
            fail("an initiation that is right is not answered")
        seen = cv.read_fields(done.fields, True)
        expect("CIPHERS of the response", bytes([cv.CHACHA20_POLY1305]), seen.get(cv.CIPHERS))
        expect("LINK of the response", bytes([self.link]), seen.get(cv.LINK))
        expect("REFUSAL of the response", None, seen.get(cv.REFUSAL))
        expect("SWITCH of the response", None, seen.get(cv.SWITCH))
        return Session(self, done.C, done.index_i, done.index_r, True)

    def refused(self, fields):
        """The REFUSAL that answers these fields."""
        time.sleep(BETWEEN_INITIATIONS)
        message, state = self.initiation(fields)
        self.wire.send(message)
        done = self.response_to(state)
        if done is None:
            fail("an initiation that must be answered by a REFUSAL is not answered")
        seen = cv.read_fields(done.fields, True)
        no_session = Session(self, done.C, done.index_i, done.index_r, True)
        expect("a ping after a REFUSAL", False, self.ping(no_session, 0.3))
        return seen.get(cv.REFUSAL)

    def ignored(self, what, *messages):
        """None of these messages is answered, and the handshake after them is: culvert answers in order."""
        for message in messages:
            time.sleep(BETWEEN_INITIATIONS)
            self.wire.send(message)
        session = self.start()
        if self.wire.waiting[2] or self.wire.waiting[3]:
            fail(f"this is answered: {what}")
        return session

    # -- culvert begins

    def their_initiation(self, seconds=10):
        message = self.wire.next(1, seconds)
        if message is None:
            fail(f"no initiation from culvert in {seconds} s")
        state = cv.consume_initiation(message, self.answer_private)
        expect("the static key that culvert starts with", self.answer_public, state.public_i)
        expect("the clock of culvert, within 5 s", True, abs(seconds_of(state.timestamp) - time.time()) < 5)
        expect("the low bits of the nanoseconds", bytes(3), state.timestamp[9:])
        state.offer = cv.read_fields(state.fields, False)
        expect("LINK of the initiation", bytes([self.link]), state.offer.get(cv.LINK))
        expect("chacha20-poly1305 offered", True, cv.CHACHA20_POLY1305 in state.offer.get(cv.CIPHERS, b""))
        self.check_mac2(message)
        state.message = message
        return state

    def answer(self, state, fields=None):
        index = struct.unpack("<I", os.urandom(4))[0]
        message, done = cv.create_response(
            state, os.urandom(32), index, self.psk, self.fields() if fields is None else fields)
        self.wire.send(message)
        return Session(self, done.C, done.index_r, done.index_i, False)

    def answer_until_heard(self, state, fields=None):
        """The session of an initiation, or of a later one if that has come meanwhile; culvert MUST send at once."""
        for _ in range(5):
            session = self.answer(state, fields)
            if session.receive(1) is not None:
                return session
            if not self.wire.waiting[1]:
                break
            while self.wire.waiting[1]:
                state = self.their_initiation()
        fail("no message at once on the session that culvert began")

    # -- data

    def ping(self, session, seconds=3, over=None):
        """A request through session; its reply comes over that session, or over another."""
        self.sequence += 1
        self.wire.send(session.seal(echo_request(self.sequence)))
        return (over or session).echo_reply(seconds, self.sequence)


# ---- An end that carries Ethernet frames

MAC_US, EVERYBODY = b"\2\0\0\0\0\1", b"\xff" * 6
ARP, IPV4 = b"\x08\x06", b"\x08\0"


def arp_request(mac):
    """Who has INSIDE_THEM, asked by us with this address."""
    fixed = struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1)
    return EVERYBODY + mac + ARP + fixed + mac + INSIDE_US + bytes(6) + INSIDE_THEM


def padded_frame(frame):
    n = -(len(frame) + 1) % 16
    return frame + bytes(n) + bytes([n])


def frame_of(plain):
    n = plain[-1]
    expect("the length of a padded frame, by 16", 0, len(plain) % 16)
    expect("a byte below 16 behind a frame of at least 14", True, n < 16 and len(plain) >= 15 + n)
    expect("the padding", bytes(n), plain[-1 - n:-1])
    return plain[:-1 - n]


class EthernetEnd(End):
    link = cv.ETHERNET_FRAMES

    def next_frame(self, session, seconds, fits):
        end = time.monotonic() + seconds
        while (plain := session.receive(end - time.monotonic())) is not None:
            if plain and fits(frame := frame_of(plain)):
                return frame
        return None

    def their_mac(self, session, request, mac, seconds=3):
        """Where INSIDE_THEM is, or None."""
        self.wire.send(session.seal(request))
        reply = self.next_frame(session, seconds, lambda frame: frame[:6] == mac and frame[12:14] == ARP)
        if reply is not None:
            expect("the answer to an ARP request", (2, INSIDE_THEM), (reply[21], reply[28:32]))
        return reply and reply[6:12]

    def ping(self, session, seconds=3, over=None):
        self.sequence += 1
        mac = self.their_mac(session, padded_frame(arp_request(MAC_US)), MAC_US)
        if mac is None:
            return False
        request = echo_request(self.sequence)
        self.wire.send(session.seal(padded_frame(mac + MAC_US + IPV4 + request)))
        reply = self.next_frame(over or session, seconds, lambda frame: (
            frame[12:14] == IPV4 and frame[23] == 1 and frame[34] == 0 and
            frame[40:42] == struct.pack(">H", self.sequence)))
        if reply is not None:
            expect("the frame of an echo reply", (MAC_US + mac + IPV4, len(request)), (reply[:14], len(reply) - 14))
        return reply is not None


def check_padding(end, session):
    for more in range(16):
        step(f"a frame and {more} bytes more")
        mac = b"\2\1\0\0\0" + bytes([more])
        expect("the answer", True, bool(end.their_mac(session, padded_frame(arp_request(mac) + bytes(more)), mac)))
    step("a last byte that is too great")
    mac = b"\2\2\0\0\0\1"
    for last in (16, 17, 33, 47, 48, 128, 255):
        end.wire.send(session.seal(arp_request(mac) + bytes(5) + bytes([last])))
    for last in range(2, 16):
        end.wire.send(session.seal(bytes(15) + bytes([last])))
    expect("an answer to that", None, end.their_mac(session, b"", mac, 0.3))
    expect("a ping after it", True, end.ping(session))


# ---- What must be skipped, and what must not be accepted

UNKNOWN = cv.field(200, b"from a later version") + cv.field(6, b"") + cv.field(255, b"\0")


def accepted_fields(end):
    usual = end.fields()
    return {
        "unknown types first": UNKNOWN + usual,
        "unknown types last": usual + UNKNOWN,
        "SWITCH, which says nothing of an IP tunnel": usual + cv.field(cv.SWITCH, b""),
        "PADDING twice": cv.field(cv.PADDING, b"\0") + usual + cv.field(cv.PADDING, b"not zero"),
        "1280 bytes of fields": usual + cv.field(cv.PADDING, bytes(cv.FIELDS_MAX - len(usual) - 3)),
        "ciphers that nobody knows, then one": end.fields(ciphers=(77, 0, 255, cv.CHACHA20_POLY1305)),
    }


def dropped_fields(end):
    usual = end.fields()
    ciphers, link = cv.field(cv.CIPHERS, b"\1"), cv.field(cv.LINK, b"\1")
    instance = cv.field(cv.INSTANCE, end.instance) if end.instance else b""
    table = {
        "CIPHERS twice": ciphers + usual,
        "LINK twice": usual + link,
        "an unknown type twice": usual + cv.field(200, b"1") + cv.field(200, b"2"),
        "no CIPHERS": link + instance,
        "no LINK": ciphers + instance,
        "no fields": b"",
        "a last field without its length": usual + b"\0",
        "a last field without its value": usual + struct.pack("<BH", cv.PADDING, 1),
        "a last field that is cut short": usual + struct.pack("<BH", 200, 9) + b"12345678",
        "empty CIPHERS": cv.field(cv.CIPHERS, b"") + link + instance,
        "LINK of two bytes": ciphers + cv.field(cv.LINK, b"\1\0") + instance,
        "LINK 0": ciphers + cv.field(cv.LINK, b"\0") + instance,
        "INSTANCE of 15 bytes": ciphers + link + cv.field(cv.INSTANCE, bytes(15)),
        "SWITCH of one byte": usual + cv.field(cv.SWITCH, b"\1"),
        "SWITCH twice": usual + 2 * cv.field(cv.SWITCH, b""),
        "1281 bytes of fields": usual + cv.field(cv.PADDING, bytes(cv.FIELDS_MAX - len(usual) - 2)),
    }
    if instance:
        table["INSTANCE twice"] = usual + instance
        table["no INSTANCE"] = ciphers + link
    return table


def check_fields(end):
    for what, fields in accepted_fields(end).items():
        step(f"accepted: {what}")
        expect(f"ping, with {what}", True, end.ping(end.start(fields)))
    for what, fields in dropped_fields(end).items():
        step(f"dropped: {what}")
        end.ignored(what, end.initiation(fields)[0])
    step("refused, with a reason")
    expect("REFUSAL of LINK 2", b"\2", end.refused(end.fields(link=cv.ETHERNET_FRAMES)))
    expect("REFUSAL of LINK 9", b"\2", end.refused(end.fields(link=9)))
    expect("REFUSAL of CIPHERS 77", b"\1", end.refused(end.fields(ciphers=(77,))))
    if end.ping(end.start()) is not True:
        fail("no ping after a REFUSAL of something else")


def check_messages(end):
    """Datagrams that do not fit section 3, macs and timestamps."""
    good, _ = end.initiation()
    wrong_mac = good[:-32] + bytes([good[-32] ^ 1]) + good[-31:]
    other_word = wg.with_macs(b"\1\2\0\0" + good[4:-32], end.start_public)
    reserved = wg.with_macs(b"\1\1\1\0" + good[4:-32], end.start_public)
    as_wireguard = wg.with_macs(b"\1\0\0\0" + good[4:-32], end.start_public)
    changed = wg.with_macs(good[:100] + bytes([good[100] ^ 1]) + good[101:-32], end.start_public)
    session = end.ignored(
        "a datagram that does not fit", wrong_mac, other_word, reserved, as_wireguard, changed,
        good[:147], good[:3], b"")
    expect("ping after datagrams that do not fit", True, end.ping(session))
    end.ignored("an initiation that is late", good)

    step("data: a counter that was seen")
    session = end.start()
    end.sequence += 1
    message = session.seal(echo_request(end.sequence))
    end.wire.send(message)
    expect("the first reply", True, session.echo_reply(3, end.sequence))
    end.wire.send(message)
    expect("the reply to the next", True, end.ping(session))
    end.wire.drain()
    expect("a reply to what was replayed", False, session.echo_reply(0.3, end.sequence - 1))


# ---- The two runs


def run_shared(end):
    step("culvert begins; we ask for a cookie")
    first = end.their_initiation(30)
    began = time.monotonic()
    expect("INSTANCE of the initiation", 16, len(first.offer.get(cv.INSTANCE, b"")))
    end.cookie = os.urandom(16)
    public = wg.DH_PUBLIC(end.answer_private)
    end.wire.send(wg.cookie_reply(public, os.urandom(24), end.cookie, first.message))
    second = end.their_initiation()
    took = time.monotonic() - began
    expect(f"1 to 1.33 s until the first repetition ({took:.2f})", True, 0.95 < took < 3)
    expect("another ephemeral key", True, first.public_ei != second.public_ei)
    expect("a greater timestamp", True, first.timestamp < second.timestamp)
    expect("the same INSTANCE", first.offer[cv.INSTANCE], second.offer[cv.INSTANCE])

    # What is dropped for being its own leaves no trace: the next one's timestamp is lower, and it is answered.
    step("culvert's own messages, and its INSTANCE, are not answered")
    end.clock = seconds_of(second.timestamp) - 1000
    theirs = end.fields(instance=second.offer[cv.INSTANCE])
    session = end.ignored(
        "its own initiation", second.message, first.message,
        end.initiation(theirs, tai64n(time.time() + 1000))[0])

    # Its own initiation stays open until the session that we began is confirmed, which a ping would do.
    step("both began: its own initiation is still open")
    other = end.answer_until_heard(second)
    expect("ping over it", True, end.ping(other))
    expect("reply over it to a ping over ours", True, end.ping(session, over=other))

    step("its own initiation, when that is no longer open")
    end.ignored("its own old initiation", second.message)
    check_fields(end)
    check_messages(end)


def run_public(end):
    step("culvert begins; we choose what was not offered")
    first = end.their_initiation(30)
    expect("SWITCH of the initiation", None, first.offer.get(cv.SWITCH))
    expect("the offer of an end that is set to one cipher", b"\1", first.offer[cv.CIPHERS])
    wrong = end.answer(first, end.fields(ciphers=(cv.AES_256_GCM,)))
    expect("a message after a wrong choice", None, wrong.receive(0.5))
    second = end.their_initiation()
    session = end.answer_until_heard(second, UNKNOWN + end.fields())
    expect("ping over the session that it began", True, end.ping(session))
    expect("ping over the session that we began", True, end.ping(end.start()))

    step("the WireGuard dialect is not answered")
    message, _ = wg.create_initiation(
        end.start_private, end.start_public, os.urandom(32), 1, end.timestamp())
    end.ignored("an initiation of the WireGuard dialect", message)
    check_fields(end)
    check_messages(end)


def run_ethernet(end):
    step("culvert begins, with frames")
    first = end.their_initiation(30)
    expect("SWITCH of an end with one peer", None, first.offer.get(cv.SWITCH))
    session = end.answer_until_heard(first)
    expect("ping over the session that it began", True, end.ping(session))
    check_padding(end, session)
    expect("ping over the session that we began", True, end.ping(end.start()))
    step("we are a switch")
    expect("ping", True, end.ping(end.start(end.fields() + cv.field(cv.SWITCH, b""))))
    end.ignored("SWITCH of one byte", end.initiation(end.fields() + cv.field(cv.SWITCH, b"\1"))[0])
    step("another link")
    expect("REFUSAL of LINK 1", b"\2", end.refused(end.fields(link=cv.IP_PACKETS)))


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("shared", "public", "ethernet"):
        sys.exit("usage: 26-protocol-document.py shared|public|ethernet DIRECTORY")
    wire = Wire()
    step("ready")
    if sys.argv[1] == "shared":
        run_shared(End(wire).shared(sys.argv[2]))
    elif sys.argv[1] == "ethernet":
        run_ethernet(EthernetEnd(wire).shared(sys.argv[2]))
    else:
        run_public(End(wire).public(sys.argv[2]))
    step("passed")


if __name__ == "__main__":
    main()
