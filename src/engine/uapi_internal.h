/* SPDX-License-Identifier: ISC */
/* What the files that make up the control protocol share. Nobody else includes this. */
#ifndef ENGINE_UAPI_INTERNAL_H
#define ENGINE_UAPI_INTERNAL_H

#include "engine/uapi.h"

enum {
	UAPI_LINE_MAX = 4096,        /* bytes, the newline not counted */
	UAPI_REQUEST_MAX = 64 << 20, /* bytes of one request */
	UAPI_ANSWERS_MAX =
		64 << 20, /* bytes of answers after which a call serves no more requests */
	UAPI_ANSWER_LINE_SIZE = 256, /* more than any line of an answer takes, and a NUL */
};

/* An allowed_ip line. */
struct uapi_prefix {
	uint8_t address[16];
	uint8_t length;
	bool v6;
	bool remove;
};

/* What a request says of a peer: public_key and the lines after it. Holds secrets. */
struct uapi_peer {
	uint8_t public_key[KEY_LEN];
	uint8_t psk[KEY_LEN];
	struct endpoint endpoint;
	char name[PEER_NAME_SIZE];
	enum peer_cipher cipher;
	const struct aead *fixed_cipher;
	uint16_t keepalive;
	bool remove, update_only, replace_allowed;
	bool try_endpoint; /* rather than set it */
	bool has_psk, has_endpoint, has_name, has_cipher, has_keepalive;
	size_t first_prefix, prefix_count; /* in the request's array */
};

enum uapi_operation {
	UAPI_NONE, /* the request's first line has not come yet */
	UAPI_GET,
	UAPI_SET,
};

/* A request as far as it has come. Start it zeroed. Holds secrets. */
struct uapi_request {
	enum uapi_operation operation;
	int error; /* the first one; nothing of the request is carried out then */
	uint8_t private_key[KEY_LEN];
	uint8_t shared_key[KEY_LEN];
	uint8_t host_id[KEY_LEN];
	uint16_t listen_port;
	uint32_t fwmark;
	uint32_t handshake; /* seconds */
	bool has_private_key, has_shared_key, has_host_id, has_listen_port, has_fwmark,
		has_handshake, replace_peers;
	struct uapi_peer *peers;
	size_t peer_count, peer_room;
	struct uapi_prefix *prefixes; /* of all peers, one peer's after the other's */
	size_t prefix_count, prefix_room;
};

/* A growing text that wipes what it leaves behind. After a failed allocation nothing more is added.
 */
struct uapi_text {
	char *bytes; /* NULL, or malloc'ed */
	size_t len, room;
	bool failed;
};

/* uapi_parse.c */

/* Takes one line, cut up in the course of it; not the blank one. 0; or -EPROTO: it should be the
 * first of a request and is not. What is wrong with later lines goes to request->error. */
int uapi_request_line(struct uapi_request *request, const struct uapi_device *device, char *line);

/* Wipes, frees and zeroes. */
void uapi_request_clear(struct uapi_request *request);

/* uapi_apply.c */

/* Carries out a set. What can be refused is refused before anything is changed: 0, or -EBUSY,
 * -EINVAL, or what rebind says. -ENOMEM may leave it half done. */
int uapi_request_apply(const struct uapi_request *request, struct tunnel *tunnel,
	struct uapi_device *device, struct now now);

/* uapi_format.c */

/* The lines that a get answers with, errno's not among them; with private and pre-shared keys or
 * without. */
void uapi_text_add_state(struct uapi_text *text, const struct tunnel *tunnel,
	const struct uapi_device *device, bool secrets);

/* And those where it names peers: how the peers are reached, without keys and allowed IPs. */
void uapi_text_add_reached(struct uapi_text *text, const struct tunnel *tunnel,
	const struct uapi_request *request, struct now now);

/* Adds one line of less than UAPI_ANSWER_LINE_SIZE bytes; the newline belongs to the format. */
void uapi_text_add(struct uapi_text *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
