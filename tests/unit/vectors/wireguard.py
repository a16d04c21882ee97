#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# WireGuard's handshake, data and cookie messages written down a second time, to make test vectors.
#
# Usage: python3 wireguard.py >handshake.h
#
# Two ends that share a mistake agree with each other, so a handshake tested only against itself
# proves little. This file shares nothing with the C sources: it follows the WireGuard paper
# ("WireGuard: Next Generation Kernel Network Tunnel", section 5.4) with the paper's names, on
# primitives written from RFC 7748 (X25519), RFC 8439 (ChaCha20-Poly1305) and
# draft-irtf-cfrg-xchacha; only BLAKE2s comes from Python's hashlib. Every run first checks the
# primitives against the vectors published with them, and then that both ends of every handshake
# arrive at the same place. The output is always the same, byte for byte.
#
# Nothing here runs in constant time. Never use it with a key that matters.

import hashlib
import hmac
import struct
import sys
from types import SimpleNamespace

# ---- X25519, RFC 7748 section 5 ----

P = 2**255 - 19


def clamp(k):
    k = bytearray(k)
    k[0] &= 248
    k[31] &= 127
    k[31] |= 64
    return bytes(k)


def x25519(scalar, point):
    k = int.from_bytes(clamp(scalar), "little")
    x1 = int.from_bytes(point, "little") % 2**255 % P
    x2, z2, x3, z3, swap = 1, 0, x1, 1, 0
    for t in reversed(range(255)):
        bit = k >> t & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a % P, b * b % P, d * a % P, c * b % P
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % P, x1 * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


# ---- ChaCha20, Poly1305 and their AEAD, RFC 8439 section 2 ----


def rotl(v, n):
    return (v << n | v >> (32 - n)) & 0xFFFFFFFF


def quarter_round(s, a, b, c, d):
    for x, y, z, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        s[x] = (s[x] + s[y]) & 0xFFFFFFFF
        s[z] = rotl(s[z] ^ s[x], n)


def chacha_rounds(state):
    s = list(state)
    for _ in range(10):
        for column in range(4):
            quarter_round(s, *(column + 4 * row for row in range(4)))
        for diagonal in range(4):
            quarter_round(s, *((diagonal + row) % 4 + 4 * row for row in range(4)))
    return s


def chacha_state(key, last_four_words):
    return struct.unpack("<16I", b"expand 32-byte k" + key + last_four_words)


def chacha20_block(key, counter, nonce):
    state = chacha_state(key, struct.pack("<I", counter) + nonce)
    mixed = chacha_rounds(state)
    return struct.pack("<16I", *((a + b) & 0xFFFFFFFF for a, b in zip(state, mixed)))


def chacha20(key, counter, nonce, data):
    blocks = range(counter, counter + (len(data) + 63) // 64)
    stream = b"".join(chacha20_block(key, n, nonce) for n in blocks)
    return bytes(a ^ b for a, b in zip(data, stream))


def poly1305(key, message):
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    acc = 0
    for i in range(0, len(message), 16):
        acc = (acc + int.from_bytes(message[i : i + 16] + b"\x01", "little")) * r % (2**130 - 5)
    return ((acc + int.from_bytes(key[16:], "little")) % 2**128).to_bytes(16, "little")


def pad16(data):
    return data + bytes(-len(data) % 16)


def chachapoly_tag(key, nonce, ciphertext, ad):
    sizes = struct.pack("<QQ", len(ad), len(ciphertext))
    one_time_key = chacha20_block(key, 0, nonce)[:32]
    return poly1305(one_time_key, pad16(ad) + pad16(ciphertext) + sizes)


def chachapoly_seal(key, nonce, plaintext, ad):
    ciphertext = chacha20(key, 1, nonce, plaintext)
    return ciphertext + chachapoly_tag(key, nonce, ciphertext, ad)


def chachapoly_open(key, nonce, sealed, ad):
    ciphertext, tag = sealed[:-16], sealed[-16:]
    if chachapoly_tag(key, nonce, ciphertext, ad) != tag:
        raise ValueError("the authentication tag is wrong")
    return chacha20(key, 1, nonce, ciphertext)


# ---- HChaCha20 and XChaCha20-Poly1305, draft-irtf-cfrg-xchacha section 2 ----


def hchacha20(key, nonce16):
    s = chacha_rounds(chacha_state(key, nonce16))
    return struct.pack("<8I", *s[0:4], *s[12:16])


def xchachapoly_seal(key, nonce24, plaintext, ad):
    subkey = hchacha20(key, nonce24[:16])
    return chachapoly_seal(subkey, bytes(4) + nonce24[16:], plaintext, ad)


def xchachapoly_open(key, nonce24, sealed, ad):
    subkey = hchacha20(key, nonce24[:16])
    return chachapoly_open(subkey, bytes(4) + nonce24[16:], sealed, ad)


# ---- The functions and constants of the paper, section 5.4 ----

CONSTRUCTION = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
IDENTIFIER = b"WireGuard v1 zx2c4 Jason@zx2c4.com"
LABEL_MAC1 = b"mac1----"
LABEL_COOKIE = b"cookie--"
EMPTY = b""


def DH(private, public):
    return x25519(private, public)


def DH_PUBLIC(private):
    return x25519(private, (9).to_bytes(32, "little"))


def aead_nonce(counter):
    return bytes(4) + struct.pack("<Q", counter)


def AEAD(key, counter, plaintext, ad):
    return chachapoly_seal(key, aead_nonce(counter), plaintext, ad)


def AEAD_OPEN(key, counter, sealed, ad):
    return chachapoly_open(key, aead_nonce(counter), sealed, ad)


def XAEAD(key, nonce24, plaintext, ad):
    return xchachapoly_seal(key, nonce24, plaintext, ad)


def XAEAD_OPEN(key, nonce24, sealed, ad):
    return xchachapoly_open(key, nonce24, sealed, ad)


def HASH(data):
    return hashlib.blake2s(data).digest()


def MAC(key, data):
    return hashlib.blake2s(data, key=key, digest_size=16).digest()


def HMAC(key, data):
    return hmac.new(key, data, hashlib.blake2s).digest()


def KDF(n, key, data):
    t0 = HMAC(key, data)
    t = [EMPTY]
    for i in range(1, n + 1):
        t.append(HMAC(t0, t[-1] + bytes([i])))
    return t[1:]


def KDF1(key, data):
    return KDF(1, key, data)[0]


def KDF2(key, data):
    return KDF(2, key, data)


def KDF3(key, data):
    return KDF(3, key, data)


# ---- Handshake messages, sections 5.4.2 to 5.4.5 ----
#
# C is the chaining key and H the hash, as in the paper. A `state` is what an end remembers between
# the messages; index_i and index_r are the sender indices of initiator and responder.


def with_macs(message, receiver_public, cookie=None):
    """Appends mac1 and mac2 (section 5.4.4) to a message addressed to receiver_public."""
    message += MAC(HASH(LABEL_MAC1 + receiver_public), message)
    return message + (MAC(cookie, message) if cookie else bytes(16))


def check_mac1(message, my_public):
    if MAC(HASH(LABEL_MAC1 + my_public), message[:-32]) != message[-32:-16]:
        raise ValueError("mac1 is wrong")


def initial_state(responder_public):
    C = HASH(CONSTRUCTION)
    H = HASH(C + IDENTIFIER)
    return C, HASH(H + responder_public)


def create_initiation(private_i, public_r, ephemeral_i, index_i, timestamp, cookie=None):
    C, H = initial_state(public_r)
    public_i, public_ei = DH_PUBLIC(private_i), DH_PUBLIC(ephemeral_i)
    # e
    C = KDF1(C, public_ei)
    H = HASH(H + public_ei)
    # es, s
    C, key = KDF2(C, DH(ephemeral_i, public_r))
    static = AEAD(key, 0, public_i, H)
    H = HASH(H + static)
    # ss, payload
    C, key = KDF2(C, DH(private_i, public_r))
    stamp = AEAD(key, 0, timestamp, H)
    H = HASH(H + stamp)
    message = struct.pack("<B3xI", 1, index_i) + public_ei + static + stamp
    state = SimpleNamespace(C=C, H=H, ephemeral_i=ephemeral_i, index_i=index_i)
    return with_macs(message, public_r, cookie), state


def consume_initiation(message, private_r):
    public_r = DH_PUBLIC(private_r)
    check_mac1(message, public_r)
    kind, index_i, public_ei, static, stamp = struct.unpack("<II32s48s28s", message[:-32])
    if kind != 1:
        raise ValueError("not a handshake initiation")
    C, H = initial_state(public_r)
    # e
    C = KDF1(C, public_ei)
    H = HASH(H + public_ei)
    # es, s
    C, key = KDF2(C, DH(private_r, public_ei))
    public_i = AEAD_OPEN(key, 0, static, H)
    H = HASH(H + static)
    # ss, payload
    C, key = KDF2(C, DH(private_r, public_i))
    timestamp = AEAD_OPEN(key, 0, stamp, H)
    H = HASH(H + stamp)
    return SimpleNamespace(
        C=C, H=H, index_i=index_i, public_ei=public_ei, public_i=public_i, timestamp=timestamp
    )


def mix_psk(C, H, psk):
    C, tau, key = KDF3(C, psk)
    return C, HASH(H + tau), key


def create_response(state, ephemeral_r, index_r, psk, cookie=None):
    public_er = DH_PUBLIC(ephemeral_r)
    # e
    C = KDF1(state.C, public_er)
    H = HASH(state.H + public_er)
    # ee, se
    C = KDF1(C, DH(ephemeral_r, state.public_ei))
    C = KDF1(C, DH(ephemeral_r, state.public_i))
    # psk, payload
    C, H, key = mix_psk(C, H, psk)
    empty = AEAD(key, 0, EMPTY, H)
    H = HASH(H + empty)
    message = struct.pack("<B3xII", 2, index_r, state.index_i) + public_er + empty
    result = SimpleNamespace(C=C, H=H, index_i=state.index_i, index_r=index_r)
    return with_macs(message, state.public_i, cookie), result


def consume_response(message, state, private_i, psk):
    check_mac1(message, DH_PUBLIC(private_i))
    kind, index_r, index_i, public_er, empty = struct.unpack("<III32s16s", message[:-32])
    if kind != 2 or index_i != state.index_i:
        raise ValueError("not the response to this initiation")
    # e
    C = KDF1(state.C, public_er)
    H = HASH(state.H + public_er)
    # ee, se
    C = KDF1(C, DH(state.ephemeral_i, public_er))
    C = KDF1(C, DH(private_i, public_er))
    # psk, payload
    C, H, key = mix_psk(C, H, psk)
    if AEAD_OPEN(key, 0, empty, H) != EMPTY:
        raise ValueError("the response's payload is not empty")
    H = HASH(H + empty)
    return SimpleNamespace(C=C, H=H, index_i=index_i, index_r=index_r)


def transport_keys(C):
    """The initiator's send key and receive key; the responder uses them the other way round."""
    return KDF2(C, EMPTY)


# ---- Data messages, section 5.4.6 ----


def data_message(key, receiver_index, counter, packet):
    header = struct.pack("<B3xIQ", 4, receiver_index, counter)
    return header + AEAD(key, counter, pad16(packet), EMPTY)


def open_data_message(key, message):
    kind, receiver_index, counter = struct.unpack("<IIQ", message[:16])
    if kind != 4:
        raise ValueError("not a data message")
    return receiver_index, counter, AEAD_OPEN(key, counter, message[16:], EMPTY)


# ---- Cookies, section 5.4.7 ----


def source_bytes(address, port):
    """Source of a packet: 4 or 16 bytes of address, then 2 of port, both in network order.
    The paper leaves the form open, since only the end that made a cookie ever computes it."""
    return address + struct.pack(">H", port)


def cookie_value(secret, source):
    return MAC(secret, source)


def cookie_reply(replier_public, nonce24, cookie, message):
    """The reply of the end whose static key is replier_public to an initiation or a response."""
    mac1 = message[-32:-16]
    sealed = XAEAD(HASH(LABEL_COOKIE + replier_public), nonce24, cookie, mac1)
    return struct.pack("<B3x", 3) + message[4:8] + nonce24 + sealed


def open_cookie_reply(reply, replier_public, mac1):
    kind, receiver_index, nonce24, sealed = struct.unpack("<II24s32s", reply)
    if kind != 3:
        raise ValueError("not a cookie reply")
    key = HASH(LABEL_COOKIE + replier_public)
    return receiver_index, XAEAD_OPEN(key, nonce24, sealed, mac1)


# ---- Published vectors for the primitives ----

SUNSCREEN = (
    b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the "
    b"future, sunscreen would be it."
)


def same(what, got, expected):
    if got != bytes.fromhex(expected):
        sys.exit(f"wireguard.py: {what}: got {got.hex()}, expected {expected}")


def agree(what, one, other):
    if one != other:
        sys.exit(f"wireguard.py: {what}: {one} at one end, {other} at the other")


def check_primitives():
    h = bytes.fromhex
    same(
        "RFC 7693 appendix B",
        HASH(b"abc"),
        "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982",
    )
    for scalar, point, expected in (
        (
            "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
            "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
        ),
        (
            "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
            "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
        ),
    ):
        same("RFC 7748 section 5.2", x25519(h(scalar), h(point)), expected)
    alice = h("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
    bob = h("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
    shared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"
    same("RFC 7748 section 6.1", DH(alice, DH_PUBLIC(bob)), shared)
    same("RFC 7748 section 6.1", DH(bob, DH_PUBLIC(alice)), shared)
    same(
        "RFC 8439 section 2.5.2",
        poly1305(
            h("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b"),
            b"Cryptographic Forum Research Group",
        ),
        "a8061dc1305136c6c22b8baf0c0127a9",
    )
    key, ad = bytes(range(0x80, 0xA0)), h("50515253c0c1c2c3c4c5c6c7")
    sealed = chachapoly_seal(key, h("070000004041424344454647"), SUNSCREEN, ad)
    same(
        "RFC 8439 section 2.8.2",
        sealed,
        "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
        "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
        "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
        "3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd060"
        "0691",
    )
    same(
        "draft-irtf-cfrg-xchacha section 2.2.1",
        hchacha20(bytes(range(32)), h("000000090000004a0000000031415927")),
        "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc",
    )
    sealed = xchachapoly_seal(key, bytes(range(0x40, 0x58)), SUNSCREEN, ad)
    same(
        "draft-irtf-cfrg-xchacha appendix A.3.1",
        sealed,
        "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb"
        "731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452"
        "2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9"
        "21f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780a"
        "cf49",
    )
    opened = xchachapoly_open(key, bytes(range(0x40, 0x58)), sealed, ad)
    agree("XChaCha20-Poly1305", SUNSCREEN, opened)


# ---- The cases ----


def private_key(label):
    """A key that nobody chose: the hash of its name."""
    return clamp(HASH(label.encode()))


def handshake_case(name, private_i, private_r, psk, ephemeral_i, ephemeral_r, **rest):
    return SimpleNamespace(
        name=name,
        initiator_private=private_i,
        responder_private=private_r,
        psk=psk,
        initiator_ephemeral=ephemeral_i,
        responder_ephemeral=ephemeral_r,
        **rest,
    )


def handshake_cases():
    a, b, c, d, ea, eb, ec, ed = (private_key("culvert test key " + x) for x in "abcdefgh")
    no_psk, psk, highest = bytes(32), HASH(b"culvert test psk"), clamp(b"\xff" * 32)
    tai = struct.Struct(">QI")  # TAI64N: 2^62 plus seconds, then nanoseconds
    now = tai.pack(0x400000006553F10A, 0x1A000000)
    return [
        handshake_case(
            "no psk", a, b, no_psk, ea, eb,
            initiator_index=0x01020304, responder_index=0xA1B2C3D4,
            timestamp=now, packet=bytes(range(60)),
        ),
        handshake_case(
            "psk", a, b, psk, ea, eb,
            initiator_index=0x01020304, responder_index=0xA1B2C3D4,
            timestamp=now, packet=bytes(range(64)),
        ),
        handshake_case(
            "psk, other keys, keepalive", c, d, HASH(psk), ec, ed,
            initiator_index=0x00000001, responder_index=0x00000000,
            timestamp=tai.pack(0x400000006553F10B, 0), packet=EMPTY,
        ),
        handshake_case(
            "all high bits set in the ephemerals", a, b, psk, highest, b"\xc0" + highest[1:],
            initiator_index=0x80000000, responder_index=0x7FFFFFFF,
            timestamp=tai.pack(0x400000007FFFFFFF, 999999999), packet=b"\xff",
        ),
        handshake_case(
            "all bits set in psk, indices, timestamp and packet",
            d, c, b"\xff" * 32, ed, ec,
            initiator_index=0xFFFFFFFF, responder_index=0xFFFFFFFF,
            timestamp=b"\xff" * 12, packet=b"\xff" * 112,
        ),
    ]


def run_handshake(v):
    """Fills in a case's results, with both ends working from the bytes of the messages alone."""
    v.initiator_public = DH_PUBLIC(v.initiator_private)
    v.responder_public = DH_PUBLIC(v.responder_private)
    v.initiation, at_i = create_initiation(
        v.initiator_private, v.responder_public, v.initiator_ephemeral, v.initiator_index,
        v.timestamp,
    )
    at_r = consume_initiation(v.initiation, v.responder_private)
    agree("after the initiation", (at_i.C, at_i.H), (at_r.C, at_r.H))
    agree("identity", (v.initiator_public, v.timestamp), (at_r.public_i, at_r.timestamp))
    v.initiation_chaining_key, v.initiation_hash = at_i.C, at_i.H

    v.response, done_r = create_response(at_r, v.responder_ephemeral, v.responder_index, v.psk)
    done_i = consume_response(v.response, at_i, v.initiator_private, v.psk)
    agree("after the response", done_i, done_r)
    v.response_chaining_key, v.response_hash = done_i.C, done_i.H
    v.initiator_send_key, v.initiator_receive_key = transport_keys(done_i.C)

    v.plaintext = pad16(v.packet)
    v.packet_len, v.len = len(v.packet), len(v.plaintext)
    v.message = data_message(v.initiator_send_key, v.responder_index, 0, v.packet)
    v.late_counter = 2**33 + 5
    v.late_message = data_message(v.initiator_send_key, v.responder_index, v.late_counter, v.packet)
    for counter, message in ((0, v.message), (v.late_counter, v.late_message)):
        opened = open_data_message(v.initiator_send_key, message)
        agree("data", (v.responder_index, counter, v.plaintext), opened)
    return v


def cookie_case(name, replier_public, message, address, port):
    v = SimpleNamespace(name=name, replier_public=replier_public)
    v.secret = HASH(b"culvert test cookie secret " + name.encode())
    v.nonce = HASH(b"culvert test cookie nonce " + name.encode())[:24]
    v.address, v.address_len, v.port = address, len(address), port
    v.source = source_bytes(address, port)
    v.source_len = len(v.source)
    v.cookie = cookie_value(v.secret, v.source)
    v.message, v.message_len, v.mac1 = message, len(message), message[-32:-16]
    v.receiver_index = struct.unpack("<I", message[4:8])[0]
    v.reply = cookie_reply(replier_public, v.nonce, v.cookie, message)
    opened = open_cookie_reply(v.reply, replier_public, v.mac1)
    agree("cookie", (v.receiver_index, v.cookie), opened)
    v.mac2 = MAC(v.cookie, message[:-16])
    return v


def cookie_cases(handshakes):
    ipv4, ipv6 = bytes([192, 0, 2, 1]), bytes.fromhex("20010db8000000000000000000000001")
    one, two, high = handshakes[0], handshakes[2], handshakes[4]
    return [
        cookie_case("initiation, IPv4", one.responder_public, one.initiation, ipv4, 51820),
        cookie_case("initiation, IPv6", one.responder_public, one.initiation, ipv6, 51820),
        cookie_case("response, IPv4", two.initiator_public, two.response, ipv4, 1),
        cookie_case("response, IPv6", high.initiator_public, high.response, ipv6, 65535),
    ]


# ---- The header ----

PLAINTEXT_MAX = 112

HANDSHAKE_FIELDS = [
    ("const char *name", None),
    ("uint8_t initiator_private[32]", "clamped, as are the other three private keys"),
    ("uint8_t responder_private[32]", None),
    ("uint8_t initiator_public[32]", None),
    ("uint8_t responder_public[32]", None),
    ("uint8_t psk[32]", "zero: none"),
    ("uint8_t initiator_ephemeral[32]", "private"),
    ("uint8_t responder_ephemeral[32]", "private"),
    ("uint32_t initiator_index", None),
    ("uint32_t responder_index", None),
    ("uint8_t timestamp[12]", None),
    ("uint8_t initiation[148]", "mac1 filled in, mac2 zero"),
    ("uint8_t initiation_chaining_key[32]", None),
    ("uint8_t initiation_hash[32]", None),
    ("uint8_t response[92]", "mac1 filled in, mac2 zero"),
    ("uint8_t response_chaining_key[32]", "after the psk is mixed in"),
    ("uint8_t response_hash[32]", "after the empty payload is mixed in"),
    ("uint8_t initiator_send_key[32]", None),
    ("uint8_t initiator_receive_key[32]", None),
    ("size_t packet_len", "of plaintext, before padding"),
    ("size_t len", "of plaintext, padded to 16 already; a message has len + 32 bytes"),
    (f"uint8_t plaintext[{PLAINTEXT_MAX}]", None),
    (f"uint8_t message[{PLAINTEXT_MAX + 32}]", "from the initiator, counter 0"),
    ("uint64_t late_counter", "beyond 32 bits"),
    (f"uint8_t late_message[{PLAINTEXT_MAX + 32}]", "from the initiator, counter late_counter"),
]

COOKIE_FIELDS = [
    ("const char *name", None),
    ("uint8_t replier_public[32]", "static key of the end that sends the reply"),
    ("uint8_t secret[32]", "of the same end"),
    ("size_t address_len", "4 or 16"),
    ("uint8_t address[16]", "source of message, network order"),
    ("uint16_t port", "source of message, host order"),
    ("size_t source_len", "6 or 18"),
    ("uint8_t source[18]", "address, then port as two bytes in network order"),
    ("uint8_t cookie[16]", "MAC(secret, source)"),
    ("size_t message_len", "148 (initiation) or 92 (response)"),
    ("uint8_t message[148]", "what is answered"),
    ("uint8_t mac1[16]", "message's"),
    ("uint32_t receiver_index", "the reply's: message's sender index"),
    ("uint8_t nonce[24]", None),
    ("uint8_t reply[64]", None),
    ("uint8_t mac2[16]", "of message, under cookie"),
]


def print_struct(name, fields):
    print(f"struct {name} {{")
    for declaration, comment in fields:
        print(f"\t{declaration};" + (f" /* {comment} */" if comment else ""))
    print("};\n")


def print_field(name, value):
    if isinstance(value, str):
        print(f'\t\t.{name} = "{value}",')
    elif isinstance(value, int):
        print(f"\t\t.{name} = {value}," if value < 2**16 else f"\t\t.{name} = 0x{value:08x},")
    elif any(value):
        print(f"\t\t.{name} = {{")
        for i in range(0, len(value), 16):
            print("\t\t" + "".join(f"0x{byte:02x}," for byte in value[i : i + 16]))
        print("\t\t},")
    else:  # no byte to show, or only zeros
        print(f"\t\t.{name} = {{ 0 }},")


def print_vectors(struct_name, fields, vectors):
    print(f"static const struct {struct_name} {struct_name}s[] = {{")
    for v in vectors:
        print("\t{")
        for declaration, _ in fields:
            name = declaration.split()[-1].lstrip("*").split("[")[0]
            print_field(name, getattr(v, name))
        print("\t},")
    print("};")


def main():
    check_primitives()
    handshakes = [run_handshake(v) for v in handshake_cases()]
    cookies = cookie_cases(handshakes)
    print("/* SPDX-License-Identifier: ISC */")
    print("/* WireGuard's messages, complete, with fixed keys; made by wireguard.py. */")
    print("#ifndef CULVERT_TESTS_UNIT_VECTORS_HANDSHAKE_H")
    print("#define CULVERT_TESTS_UNIT_VECTORS_HANDSHAKE_H\n")
    print("#include <stddef.h>\n#include <stdint.h>\n")
    print("/* clang-format off */\n")
    print_struct("handshake_vector", HANDSHAKE_FIELDS)
    print_struct("cookie_vector", COOKIE_FIELDS)
    print_vectors("handshake_vector", HANDSHAKE_FIELDS, handshakes)
    print()
    print_vectors("cookie_vector", COOKIE_FIELDS, cookies)
    print("\n/* clang-format on */\n\n#endif")


if __name__ == "__main__":
    main()
