/* SPDX-License-Identifier: ISC */
/* What events are called, what they mean to an administrator, and what to do about them. */
#include "core/tunnel.h"

static const char *const names[TUNNEL_EVENT_COUNT] = {
	[TUNNEL_SESSION_UP] = "session_up",
	[TUNNEL_ENDPOINT_CHANGED] = "endpoint_changed",
	[TUNNEL_GAVE_UP] = "gave_up",
	[TUNNEL_NOT_FOR_US] = "not_for_us",
	[TUNNEL_UNKNOWN_PEER] = "unknown_peer",
	[TUNNEL_BAD_INITIATION] = "bad_initiation",
	[TUNNEL_BAD_RESPONSE] = "bad_response",
	[TUNNEL_OLD_TIMESTAMP] = "old_timestamp",
	[TUNNEL_WRONG_DIALECT] = "wrong_dialect",
	[TUNNEL_NO_COMMON_CIPHER] = "no_common_cipher",
	[TUNNEL_CIPHER_REFUSED] = "cipher_refused",
	[TUNNEL_OTHER_LINK] = "other_link",
	[TUNNEL_LINK_REFUSED] = "link_refused",
	[TUNNEL_BAD_FIELDS] = "bad_fields",
	[TUNNEL_REFLECTION] = "reflection",
	[TUNNEL_BAD_PEER_KEY] = "bad_peer_key",
	[TUNNEL_SOURCE_REFUSED] = "source_refused",
	[TUNNEL_REKEYED] = "rekeyed",
	[TUNNEL_ROUTING_LOOP] = "routing_loop",
	[TUNNEL_NO_ANSWER] = "no_answer",
};

static const char *const texts[TUNNEL_EVENT_COUNT] = {
	[TUNNEL_SESSION_UP] = "session established",
	[TUNNEL_REKEYED] = "session renewed",
	[TUNNEL_ENDPOINT_CHANGED] = "the peer moved to another address",
	[TUNNEL_GAVE_UP] =
		"no answer to any handshake: is the peer running, is its UDP port open, and "
		"do both ends have the right keys? The next packet tries again",
	[TUNNEL_NOT_FOR_US] = "a handshake for another key was refused: does the peer have our "
			      "PublicKey, or the same SharedKey?",
	[TUNNEL_UNKNOWN_PEER] = "a handshake by an unknown key was refused: add a [Peer] with this "
				"PublicKey if it is yours",
	[TUNNEL_BAD_INITIATION] = "a handshake that does not authenticate was refused",
	[TUNNEL_BAD_RESPONSE] =
		"the answer to our handshake does not authenticate: is PresharedKey the "
		"same on both ends?",
	[TUNNEL_OLD_TIMESTAMP] =
		"a handshake with an old timestamp was refused: a replay, or the peer's "
		"clock has gone back",
	[TUNNEL_WRONG_DIALECT] =
		"the peer speaks the other dialect: the [Peer] section needs a Cipher "
		"line (Cipher = auto) on both ends or on neither",
	[TUNNEL_NO_COMMON_CIPHER] =
		"no cipher in common with what the peer offers: set Cipher = auto, or "
		"the same on both ends",
	[TUNNEL_CIPHER_REFUSED] =
		"the peer has no cipher in common with what we offer: set Cipher = "
		"auto, or the same on both ends",
	[TUNNEL_OTHER_LINK] =
		"the peer's link type is another: set the same Mode (tun or tap) on both "
		"ends",
	[TUNNEL_LINK_REFUSED] =
		"the peer refused our link type: set the same Mode (tun or tap) on both "
		"ends",
	[TUNNEL_BAD_FIELDS] =
		"the peer's handshake lacks something that this version needs: do both "
		"ends run current versions?",
	[TUNNEL_REFLECTION] = "our own handshake came back and was refused: is Endpoint the peer's "
			      "address, not ours?",
	[TUNNEL_BAD_PEER_KEY] =
		"no handshake is possible: PublicKey is not a usable key, or PrivateKey "
		"is missing",
	[TUNNEL_SOURCE_REFUSED] =
		"a packet from an inner address outside the peer's AllowedIPs was "
		"refused",
	[TUNNEL_ROUTING_LOOP] =
		"the route to the peer's endpoint leads into the tunnel itself: set FwMark, or "
		"add a route to the endpoint outside it (with Mode = tap, take the interface that "
		"leads there out of the tunnel's bridge)",
	[TUNNEL_NO_ANSWER] =
		"no answer to our handshakes for 10 seconds: is the peer running, is its UDP port "
		"open, and do both ends have the right keys? We go on asking",
};

const char *tunnel_event_name(enum tunnel_event_kind kind)
{
	return names[kind];
}

const char *tunnel_event_text(enum tunnel_event_kind kind)
{
	return texts[kind];
}
