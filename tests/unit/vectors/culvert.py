#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# The culvert dialect's handshake written down a second time, from doc/PROTOCOL alone.
#
# Usage: python3 culvert.py >culvert.h
#
# This file shares nothing with the C sources: it is what a stranger makes of the document. The numbers in
# the comments are the document's sections. Primitives come from wireguard.py, which checks them against
# published vectors. tests/net/26-protocol-document.py lets these functions talk to a running culvert.
# The output is always the same, byte for byte.
#
# Nothing here runs in constant time. Never use it with a key that matters.

import struct
from types import SimpleNamespace

import wireguard as wg
from wireguard import AEAD, AEAD_OPEN, DH_PUBLIC, EMPTY, HASH, KDF1, KDF2, KDF3, MAC

CONSTRUCTION = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
IDENTIFIER = b"culvert v1"
SHARED_KEY_LABEL = b"culvert shared key v1"
DIALECT = 1
FIELDS_MAX = 1280

# 5. Fields
PADDING, CIPHERS, LINK, INSTANCE, REFUSAL, SWITCH = range(6)
CHACHA20_POLY1305, AES_256_GCM, AEGIS_128L, AEGIS_256 = range(1, 5)
IP_PACKETS, ETHERNET_FRAMES = 1, 2
NO_COMMON_CIPHER, OTHER_LINK = 1, 2


def DH(private, public):
    shared = wg.DH(private, public)
    if shared == bytes(32):
        raise ValueError("the result of a DH is zero")
    return shared


# ---- 5. Fields


def field(kind, value):
    return struct.pack("<BH", kind, len(value)) + value


def usual_fields(instance=None, ciphers=(CHACHA20_POLY1305,), link=IP_PACKETS):
    fields = field(CIPHERS, bytes(ciphers)) + field(LINK, bytes([link]))
    return fields + (field(INSTANCE, instance) if instance else b"")


def read_fields(fields, in_response):
    """A dictionary of what is known; what the reader must refuse raises ValueError."""
    seen, rest = {}, fields
    while rest:
        if len(rest) < 3:
            raise ValueError("the last field is cut short")
        kind, n = struct.unpack("<BH", rest[:3])
        value, rest = rest[3 : 3 + n], rest[3 + n :]
        if len(value) < n:
            raise ValueError("the last field is cut short")
        if kind == PADDING:
            continue
        if kind in seen:
            raise ValueError(f"field {kind} occurs twice")
        ciphers_max = 1 if in_response else 255
        known = {CIPHERS: (1, ciphers_max), LINK: (1, 1), INSTANCE: (16, 16), REFUSAL: (1, 1), SWITCH: (0, 0)}
        least, most = known.get(kind, (0, 0xFFFF))
        if not least <= n <= most:
            raise ValueError(f"field {kind} has the length {n}")
        if kind in (LINK, REFUSAL) and value == b"\0":
            raise ValueError(f"field {kind} is 0")
        seen[kind] = value
    return seen


# ---- 6. Shared keys


def shared_key_parts(shared_key):
    """The private keys of the initiating and of the answering role, and the pre-shared key."""
    a, b, psk = KDF3(shared_key, SHARED_KEY_LABEL)
    return wg.clamp(a), wg.clamp(b), psk


def instance_of(shared_key, source):
    return MAC(shared_key, source)


# ---- 3. and 4. The handshake; C, H and k as in the document


def create_initiation(private_i, public_r, ephemeral_i, index_i, timestamp, fields, cookie=None):
    C = HASH(CONSTRUCTION)
    H = HASH(C + IDENTIFIER)
    H = HASH(H + public_r)
    public_ei = DH_PUBLIC(ephemeral_i)
    H = HASH(H + public_ei)
    C = KDF1(C, public_ei)
    C, k = KDF2(C, DH(ephemeral_i, public_r))
    static = AEAD(k, 0, DH_PUBLIC(private_i), H)
    H = HASH(H + static)
    C, k = KDF2(C, DH(private_i, public_r))
    payload = AEAD(k, 0, timestamp + fields, H)
    H = HASH(H + payload)
    message = struct.pack("<BBxxI", 1, DIALECT, index_i) + public_ei + static + payload
    state = SimpleNamespace(C=C, H=H, ephemeral_i=ephemeral_i, index_i=index_i)
    return wg.with_macs(message, public_r, cookie), state


def consume_initiation(message, private_r):
    public_r = DH_PUBLIC(private_r)
    if not 148 <= len(message) <= 148 + FIELDS_MAX or message[:4] != bytes([1, DIALECT, 0, 0]):
        raise ValueError("not an initiation of the culvert dialect")
    wg.check_mac1(message, public_r)
    index_i, public_ei, static = struct.unpack("<I32s48s", message[4:88])
    payload = message[88:-32]
    C = HASH(CONSTRUCTION)
    H = HASH(C + IDENTIFIER)
    H = HASH(H + public_r)
    H = HASH(H + public_ei)
    C = KDF1(C, public_ei)
    C, k = KDF2(C, DH(private_r, public_ei))
    public_i = AEAD_OPEN(k, 0, static, H)
    H = HASH(H + static)
    C, k = KDF2(C, DH(private_r, public_i))
    plain = AEAD_OPEN(k, 0, payload, H)
    H = HASH(H + payload)
    return SimpleNamespace(
        C=C, H=H, index_i=index_i, public_ei=public_ei, public_i=public_i,
        timestamp=plain[:12], fields=plain[12:],
    )


def create_response(state, ephemeral_r, index_r, psk, fields, cookie=None):
    public_er = DH_PUBLIC(ephemeral_r)
    H = HASH(state.H + public_er)
    C = KDF1(state.C, public_er)
    C, _ = KDF2(C, DH(ephemeral_r, state.public_ei))
    C, _ = KDF2(C, DH(ephemeral_r, state.public_i))
    C, t, k = KDF3(C, psk)
    H = HASH(H + t)
    payload = AEAD(k, 0, fields, H)
    message = struct.pack("<BBxxII", 2, DIALECT, index_r, state.index_i) + public_er + payload
    result = SimpleNamespace(C=C, H=H, index_i=state.index_i, index_r=index_r, fields=fields)
    return wg.with_macs(message, state.public_i, cookie), result


def consume_response(message, state, private_i, psk):
    if not 92 <= len(message) <= 92 + FIELDS_MAX or message[:4] != bytes([2, DIALECT, 0, 0]):
        raise ValueError("not a response of the culvert dialect")
    wg.check_mac1(message, DH_PUBLIC(private_i))
    index_r, index_i, public_er = struct.unpack("<II32s", message[4:44])
    payload = message[44:-32]
    if index_i != state.index_i:
        raise ValueError("not the response to this initiation")
    H = HASH(state.H + public_er)
    C = KDF1(state.C, public_er)
    C, _ = KDF2(C, DH(state.ephemeral_i, public_er))
    C, _ = KDF2(C, DH(private_i, public_er))
    C, t, k = KDF3(C, psk)
    H = HASH(H + t)
    fields = AEAD_OPEN(k, 0, payload, H)
    return SimpleNamespace(C=C, H=H, index_i=index_i, index_r=index_r, fields=fields)


# ---- The cases


def culvert_case(name, label, shared_key, psk, **rest):
    """Public keys and psk, or a shared key from which those follow."""
    v = SimpleNamespace(name=name, shared_key=shared_key or bytes(32), **rest)
    keys = [wg.private_key(f"culvert dialect {label} {x}") for x in ("a", "b", "ea", "eb")]
    v.initiator_private, v.responder_private, v.initiator_ephemeral, v.responder_ephemeral = keys
    v.psk = psk
    v.initiator_instance = v.responder_instance = v.initiator_source = v.responder_source = EMPTY
    if shared_key:
        v.initiator_private, v.responder_private, v.psk = shared_key_parts(shared_key)
        v.initiator_source = HASH(b"culvert test machine a")
        v.responder_source = HASH(b"culvert test machine b")
        v.initiator_instance = instance_of(shared_key, v.initiator_source)
        v.responder_instance = instance_of(shared_key, v.responder_source)
    v.initiation_fields = v.more_fields + usual_fields(v.initiator_instance, v.offer)
    v.response_fields = usual_fields(v.responder_instance, (CHACHA20_POLY1305,))
    return v


def culvert_cases():
    tai = struct.Struct(">QI")
    return [
        culvert_case(
            "public keys with psk", "public", None, HASH(b"culvert dialect psk"),
            offer=(CHACHA20_POLY1305,), more_fields=EMPTY,
            initiator_index=0x01020304, responder_index=0xA1B2C3D4,
            timestamp=tai.pack(0x400000006553F10A, 0x1A000000), packet=bytes(range(33)),
        ),
        culvert_case(
            "shared key", "shared", HASH(b"culvert dialect shared key"), None,
            offer=(AEGIS_128L, AES_256_GCM, CHACHA20_POLY1305, 77),
            # what a reader must skip: padding, twice, and a type that nobody knows
            more_fields=field(PADDING, bytes(2)) + field(0x5A, b"later") + field(PADDING, EMPTY),
            initiator_index=0x80000000, responder_index=0xFFFFFFFF,
            timestamp=tai.pack(0x400000006553F10B, 0x2B000000), packet=EMPTY,
        ),
    ]


def run_case(v):
    """Fills in a case's results, with both ends working from the bytes of the messages alone."""
    v.initiator_public = DH_PUBLIC(v.initiator_private)
    v.responder_public = DH_PUBLIC(v.responder_private)
    v.initiation, at_i = create_initiation(
        v.initiator_private, v.responder_public, v.initiator_ephemeral, v.initiator_index, v.timestamp,
        v.initiation_fields,
    )
    at_r = consume_initiation(v.initiation, v.responder_private)
    wg.agree("after the initiation", (at_i.C, at_i.H), (at_r.C, at_r.H))
    wg.agree("identity", (v.initiator_public, v.timestamp), (at_r.public_i, at_r.timestamp))
    wg.agree("fields", v.initiation_fields, at_r.fields)
    v.initiation_chaining_key, v.initiation_hash = at_i.C, at_i.H

    v.response, done_r = create_response(
        at_r, v.responder_ephemeral, v.responder_index, v.psk, v.response_fields
    )
    done_i = consume_response(v.response, at_i, v.initiator_private, v.psk)
    wg.agree("after the response", done_i, done_r)
    v.response_chaining_key, v.response_hash = done_i.C, done_i.H
    v.initiator_send_key, v.initiator_receive_key = KDF2(done_i.C, EMPTY)

    offered = read_fields(at_r.fields, False)
    answered = read_fields(done_i.fields, True)
    wg.agree("ciphers", bytes(v.offer), offered[CIPHERS])
    wg.agree("a cipher that was offered", True, answered[CIPHERS] in offered[CIPHERS])
    wg.agree("instance", v.initiator_instance, offered.get(INSTANCE, EMPTY))

    v.packet_len = len(v.packet)
    v.initiator_message = wg.data_message(v.initiator_send_key, v.responder_index, 0, v.packet)
    v.responder_message = wg.data_message(v.initiator_receive_key, v.initiator_index, 7, v.packet)
    v.data_len = len(v.initiator_message)
    for name in ("initiation_fields", "response_fields", "initiation", "response"):
        setattr(v, name + "_len", len(getattr(v, name)))
    return v


# ---- The header

FIELDS_ROOM, DATA_ROOM = 64, 16 + 48 + 16

CULVERT_FIELDS = [
    ("const char *name", None),
    ("uint8_t shared_key[32]", "zero: none, the private keys are given"),
    ("uint8_t initiator_private[32]", "clamped; of a shared key: those of the roles"),
    ("uint8_t responder_private[32]", None),
    ("uint8_t initiator_public[32]", None),
    ("uint8_t responder_public[32]", None),
    ("uint8_t psk[32]", "of a shared key: derived from it"),
    ("uint8_t initiator_source[32]", "INSTANCE is MAC(shared_key, source); zero without a shared key"),
    ("uint8_t responder_source[32]", None),
    ("uint8_t initiator_instance[16]", None),
    ("uint8_t responder_instance[16]", None),
    ("uint8_t initiator_ephemeral[32]", "private"),
    ("uint8_t responder_ephemeral[32]", "private"),
    ("uint32_t initiator_index", None),
    ("uint32_t responder_index", None),
    ("uint8_t timestamp[12]", None),
    ("size_t initiation_fields_len", None),
    (f"uint8_t initiation_fields[{FIELDS_ROOM}]", "as they stand in the payload, after the timestamp"),
    ("size_t response_fields_len", None),
    (f"uint8_t response_fields[{FIELDS_ROOM}]", None),
    ("size_t initiation_len", "148 + initiation_fields_len"),
    (f"uint8_t initiation[{148 + FIELDS_ROOM}]", "mac1 filled in, mac2 zero"),
    ("uint8_t initiation_chaining_key[32]", None),
    ("uint8_t initiation_hash[32]", "after the payload is mixed in"),
    ("size_t response_len", "92 + response_fields_len"),
    (f"uint8_t response[{92 + FIELDS_ROOM}]", "mac1 filled in, mac2 zero"),
    ("uint8_t response_chaining_key[32]", "after the psk is mixed in"),
    ("uint8_t response_hash[32]", "after the psk is mixed in: what the payload is sealed with"),
    ("uint8_t initiator_send_key[32]", None),
    ("uint8_t initiator_receive_key[32]", None),
    ("size_t packet_len", "before padding to a multiple of 16"),
    ("uint8_t packet[48]", None),
    ("size_t data_len", "of both data messages"),
    (f"uint8_t initiator_message[{DATA_ROOM}]", "from the initiator, counter 0, chacha20-poly1305"),
    (f"uint8_t responder_message[{DATA_ROOM}]", "from the responder, counter 7, the same packet"),
]


def main():
    wg.check_primitives()
    vectors = [run_case(v) for v in culvert_cases()]
    print("/* SPDX-License-Identifier: ISC */")
    print("/* The culvert dialect's messages, complete, with fixed keys; made by culvert.py. */")
    print("#ifndef CULVERT_TESTS_UNIT_VECTORS_CULVERT_H")
    print("#define CULVERT_TESTS_UNIT_VECTORS_CULVERT_H\n")
    print("#include <stddef.h>\n#include <stdint.h>\n")
    print("/* clang-format off */\n")
    wg.print_struct("culvert_vector", CULVERT_FIELDS)
    wg.print_vectors("culvert_vector", CULVERT_FIELDS, vectors)
    print("\n/* clang-format on */\n\n#endif")


if __name__ == "__main__":
    main()
