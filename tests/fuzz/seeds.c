/* SPDX-License-Identifier: ISC */
/*
 * Writes the corpora's first files: inputs by which each fuzz target does what it is there for from
 * the beginning to the end, such as a whole handshake. A fuzzer finds the rest from there.
 *
 * usage: seeds DIRECTORY, which has a folder for each target
 */
#include <stdarg.h>
#include <sys/stat.h>

#include "core/fields.h"
#include "fuzz.h"

static const char *directory;

static void write_seed(const char *target, const char *name, const void *bytes, size_t len)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, target);
	mkdir(path, 0777);
	snprintf(path, sizeof(path), "%s/%s/seed-%s", directory, target, name);
	file = fopen(path, "wb");
	if (!file || fwrite(bytes, 1, len, file) != len || fclose(file)) {
		perror(path);
		exit(1);
	}
}

/* Numbers of one byte each, up to the first that is negative. */
static void write_bytes(const char *target, const char *name, ...)
{
	uint8_t bytes[1024];
	size_t len = 0;
	va_list numbers;
	int number;

	va_start(numbers, name);
	while ((number = va_arg(numbers, int)) >= 0 && len < sizeof(bytes))
		bytes[len++] = (uint8_t)number;
	va_end(numbers);
	write_seed(target, name, bytes, len);
}

static void write_text(const char *target, const char *name, const char *text)
{
	write_seed(target, name, text, strlen(text));
}

enum { END = -1 };

static void write_fields(void)
{
	struct fields fields = { .ciphers = { 1, 2, 3 },
		.cipher_count = 3,
		.link = 1,
		.has_instance = true,
		.instance = "0123456789abcde" };
	struct noise_fields payload;

	fields_write(&payload, &fields);
	write_seed("fields", "offer", payload.bytes, payload.len);
	fields = (struct fields){ .refusal = FIELD_REFUSAL_CIPHER };
	fields_write(&payload, &fields);
	write_seed("fields", "refusal", payload.bytes, payload.len);
}

/* kind; then steps: 0 initiation, 1 response, 2 cookie reply, 3 data, 4 repeat, 5 time, 6 want one,
 * 7 flood. Of an initiation: who and from where, the timestamp's step, index, fields in the culvert
 * dialect (which, how many ciphers), changes, macs. */
static void write_handshakes(void)
{
	static const char *const kinds[] = { "wireguard", "auto", "fixed", "shared" };
	char name[64];

	for (int kind = 0; kind < 4; kind++) {
		snprintf(name, sizeof(name), "responder-%s", kinds[kind]);
		if (kind == 0)
			write_bytes("handshake", name, kind, 0, 0, 1, 7, 0, 0, 0, 0, 0, 3, 1, 5, 2,
				0, 0, 1, 8, 0, 0, 0, 0, 0, 3, 0, 4, 0, 0, END);
		else
			write_bytes("handshake", name, kind, 0, 0, 1, 7, 0, 0, 0, 0, 3, 0, 0, 3, 1,
				5, 2, 0, 0, 1, 8, 0, 0, 0, 0, 3, 0, 0, 3, 0, 4, 0, 0, END);
		snprintf(name, sizeof(name), "initiator-%s", kinds[kind]);
		if (kind == 0)
			write_bytes("handshake", name, kind, 6, 1, 0, 9, 0, 0, 0, 0, 0, 3, 0, END);
		else
			write_bytes("handshake", name, kind, 6, 1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 3, 0,
				END);
	}
	write_bytes("handshake", "cookie", 0, 6, 2, 0, 5, 3, 6, 5, 3, 6, END);
	write_bytes("handshake", "cookie-old", 0, 6, 2, 0, 5, 5, 6, END);
	write_bytes("handshake", "flood", 0, 7, 200, 0, 0, 1, 7, 0, 0, 0, 0, 0, 5, 2, END);
	write_bytes("handshake", "changed", 0, 0, 0, 1, 7, 0, 0, 0, 1, 90, 1, 0, END);
}

/* cipher; roles and ages of six sessions; prefixes; then messages and, above 0xf0, ends of batches.
 */
static void write_inner(void)
{
	uint8_t bytes[1024] = { 0 };
	size_t at = 11;

	for (uint8_t i = 1; i < 11; i++)
		bytes[i] = i;
	bytes[at++] = 2;
	memcpy(bytes + at, (uint8_t[]){ 0, 8, 10, 0, 0, 0 }, 6);
	at += 6;
	memcpy(bytes + at, (uint8_t[]){ 3, 64, 0xfd }, 3);
	at += 2 + 16;
	for (uint8_t i = 0; i < 10; i++) {
		const size_t len = 40 + 4u * i;

		bytes[at++] =
			(uint8_t)(4 |
				  (i % 2) << 3); /* the next counter, a source of prefix i % 2 */
		bytes[at++] = (uint8_t)(i % 2 | (i % 3) << 1 | i << 4);
		bytes[at++] = (uint8_t)len;
		memset(bytes + at, 0x60 + i % 2, len);
		at += len;
		if (i % 3 == 2)
			at += (size_t)(bytes[at] = 0xf0, bytes[at + 1] = 4, 2);
	}
	write_seed("inner", "packets", bytes, at);
}

/* The ends of the replay window, and of packets that state a byte more or less than they have. */
static void write_inner_edges(void)
{
	static const uint8_t head[] = { 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 8, 10, 0, 0, 0 };
	static const struct {
		uint8_t what, which;
		int counter; /* -1: the next */
	} messages[] = { { 5, 2, 10000 }, { 6, 2, 8127 }, { 6, 2, 1 }, { 5, 2, 8128 },
		{ 6, 2, 8127 }, { 0x84, 0x22, -1 }, { 0x84, 0x42, -1 }, { 0x84, 0x62, -1 },
		{ 0x84, 0x02, -1 }, { 4, 4, -1 }, { 4, 2, -1 }, { 4, 0, -1 } };
	uint8_t bytes[1024] = { 0 };
	size_t at = sizeof(head);

	memcpy(bytes, head, sizeof(head));
	for (size_t i = 0; i < sizeof(messages) / sizeof(*messages); i++) {
		bytes[at++] = messages[i].what;
		bytes[at++] = messages[i].which;
		if (messages[i].counter >= 0) {
			bytes[at++] = (uint8_t)messages[i].counter;
			bytes[at++] = (uint8_t)(messages[i].counter >> 8);
		}
		bytes[at++] = 48;
		at += 48;
	}
	write_seed("inner", "edges", bytes, at);
}

/* A batch: the streams' payloads; then stream, form, and how it is spoilt. There and back: form,
 * payload, segment. */
static void write_frames(void)
{
	write_bytes("frames", "batch", 0, 20, 30, 40, 50, 0, 0, 0, 0, 0, 1, 0, 1, 1, 0x42, 1, 0x42,
		1, 2, 2, 3, 2, 3, 3, 0x0c, 4, 30, 6, 33, 3, 0, 0, 4, 8, 5, 0, 0, 2, 4, 1, 0, 0, 8,
		3, 4, 2, 1, 7, 0, 0, END);
	write_bytes("frames", "back-tcp4", 1, 0x30, 0x10, 0x27, 200, 0, END);
	write_bytes("frames", "back-udp6-tagged", 1, 7, 0x10, 0x07, 100, 0, END);
	write_bytes("frames", "back-other-type", 1, 0x40, 0x10, 0x07, 100, 0, 1, 0, 6, 8, END);
	write_bytes("frames", "back-spoilt", 1, 0x4a, 0x10, 0x07, 100, 0, 0x13, 3, 0x81, 0, 1, 9, 2,
		8, END);
}

static void write_offload(void)
{
	write_bytes("offload", "split-tcp4", 1, 0, 0, 0, 0, 0xfe, 0xff, 0, 0, 0, 0, 0x19, 3, 100, 0,
		250, 1, END);
	write_bytes(
		"offload", "split-udp6", 1, 3, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 33, 0, 120, 0, END);
	write_bytes("offload", "merge", 2, 0, 0, 50, 5, 60, 2, 70, 7, 80, 0, 10, 1, 20, 0, 0, 0, 0,
		1, 0, 1, 0, 2, 0, 2, 0, 3, 0, 3, 0, 0, 1, 3, 1, 0, 4, 0, 4, 0, 5, 0, 5, 0, END);
	write_bytes("offload", "split-tagged", 7, 1, 0, 0, 0, 0, 0xfe, 0xff, 0, 0, 0, 0, 0x19, 3,
		100, 0, 250, 1, END);
	write_bytes("offload", "merge-frames", 5, 0, 0, 50, 5, 60, 2, 70, 7, 80, 0, 10, 1, 20, 0, 0,
		0, 0, 0, 64, 1, 0, 64, 1, 1, 11, 3, 1, 0, 0, 64, 0, 0, 64, 0, END);
}

/* How they are joined; then steps modulo 11 (tunnel.c's step), the upper bit chooses the end. */
static void write_tunnels(void)
{
	char name[64];

	for (int kind = 0; kind < 8; kind++) {
		snprintf(name, sizeof(name), "talk-%d", kind);
		write_bytes("tunnel", name, kind, 0, 7, 0, 2, 2, 50, 176 - 11 * 4, 3, 1, 3, 2, 99,
			0, 7, 1, 2, 4, 250, 0, 5, 3, 2, 3, 200, 6, 0, 1, 6, 3, 2, 2, 0, 0, 0, 7, 0,
			2, 2, 100, END);
	}
	/* The same in frames; 32 makes an end a switch, and a plain one again. */
	for (int kind = 8 + 2; kind < 16; kind++) {
		snprintf(name, sizeof(name), "frames-%d", kind);
		write_bytes("tunnel", name, kind, 0, 7, 0, 2, 2, 50, 176 - 11 * 4, 3, 0x4d, 3, 2,
			99, 32, 0, 7, 0x86, 2, 4, 250, 0x80, 5, 0x3b, 2, 3, 200, 8, 60, 2, 0, 0, 0,
			0, 2, 32, 0, 5, 2, 2, 2, 100, END);
	}
	write_bytes("tunnel", "strangers", 0xf1, 0, 7, 0, 2, 3, 10, 132, 7, 1, 3, 3, 60, END);
	write_bytes("tunnel", "restart", 0x02, 0, 3, 0, 3, 3, 9, 0x80 | 0x40 | 6, 0, 3, 0, 3, 3, 20,
		END);
	write_bytes("tunnel", "wire", 0x00, 4, 60, 60, 60, 3, 40, 9, 0, 7, 1, 3, 3, 200, 0, 7, 2, 3,
		3, 200, 4, 0, 0, 0, 1, 0, 0, 0, 7, 3, 3, 3, 99, END);
}

#define KEY_A "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"
#define KEY_B "b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2"
/* xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg= */
#define KEY_P "c53201039adba14be71f886da1d8dbe9eebded08cb111b75340078999aa9f038"

static void write_control(void)
{
	write_text("control", "set",
		"Eset=1\nprivate_key=" KEY_A "\nlisten_port=7\nfwmark=1\nreplace_peers=true\n"
		"public_key=" KEY_B "\npreshared_key=" KEY_A "\nendpoint=192.0.2.1:1\n"
		"persistent_keepalive_interval=5\nreplace_allowed_ips=true\nallowed_ip=10.0.0.0/8\n"
		"allowed_ip=fd00::/64\nculvert_name=x\nculvert_cipher=auto\n\nget=1\n\n");
	write_text("control", "shared",
		"Aset=1\nculvert_host_id=" KEY_A "\nculvert_shared_key=" KEY_B
		"\nculvert_handshake=9\n\nget=1\n\n");
	write_text("control", "others",
		"Cset=1\npublic_key=" KEY_A "\nupdate_only=true\nremove=true\n"
		"culvert_try_endpoint=[fe80::1%eth0]:1\nprotocol_version=1\n"
		"allowed_ip=-10.0.0.0/8\n\nget=1\npublic_key=" KEY_A "\n\n");
}

static void write_requests(void)
{
	write_text("requests", "save",
		"\x03private_key=" KEY_A "\nlisten_port=8\nfwmark=3\npublic_key=" KEY_P
		"\npreshared_key=" KEY_A "\nendpoint=192.0.2.7:3\npersistent_keepalive_interval=5\n"
		"allowed_ip=10.1.0.0/16\npublic_key=" KEY_A "\nallowed_ip=fd00::/8\nerrno=0\n\n");
	write_text("requests", "facts",
		"\x02\x01\xffpublic_key=" KEY_A "\nendpoint=1.2.3.4:5\nrx_bytes=7\n"
		"culvert_handshake_age=5\nculvert_waiting=3\nerrno=0\n\n");
	write_bytes("requests", "serve", 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0x39, 0x30, 0, 0,
		END);
	write_bytes("requests", "sockets", 1, 0x62, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 1, 1, END);
}

#define PRIVATE "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="
#define PUBLIC "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="

static void write_config(void)
{
	write_text("config", "wireguard",
		"[Interface]\nPrivateKey = " PRIVATE "\nAddress = 10.0.0.1/24, fd00::1/64\n"
		"ListenPort = 7\nFwMark = 0x1f\nPostUp = echo %i\nDNS = 192.0.2.53, "
		"example.net\nSaveConfig = "
		"true\n"
		"# c\n[Peer]\nPublicKey = " PUBLIC "\nPresharedKey = " PRIVATE
		"\nAllowedIPs = 10.0.0.0/8, ::/0\nEndpoint = 192.0.2.1:51820\n"
		"PersistentKeepalive = 5\nName = x\n\n[Peer]\n"
		"PublicKey = gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=\n"
		"AllowedIPs = 192.168.0.0/16\nEndpoint = b.example.net:1\nCipher = auto\n");
	write_text("config", "shared",
		"[Interface]\nSharedKey = " PRIVATE "\nAddress = 10.9.0.1/30\nListenPort = 51820\n"
		"[Peer]\nEndpoint = 192.0.2.7:51820\n");
	write_text("config", "ethernet",
		"[Interface]\nPrivateKey = " PRIVATE "\nMode = tap\nBridge = br0\nMTU = 1500\n"
		"SaveConfig = true\n[Peer]\nPublicKey = " PUBLIC
		"\nCipher = auto\nEndpoint = 192.0.2.1:51820\n");
	write_text("config", "wrong",
		"Name = x\n[interface\n[Peer]\nPrivateKey = " PUBLIC
		"\nEndpoint = x\n; c\nMTU = 9\n"
		"AllowedIPs = 10.0.0.0/33\n\x01\n");
}

/* what; then datagrams: how many messages, of each kind, attributes. */
static void write_netlink(void)
{
	for (int what = 0; what < 8; what++) {
		char name[16];

		snprintf(name, sizeof(name), "ask-%d", what);
		write_bytes("netlink", name, what, 1, 0x20, 1, 0, 1, 2, 0, 0, 0, 254, 0, 0, 1, 0, 0,
			0, 0, 0x23, 1, 0x0e, 108, 2, 0x20, 1, 0, 1, 2, 8, 0, 0, 254, 0, 0, 1, 0, 0,
			0, 0, 0x23, 3, 0x05, 9, 9, 1, 0, 1, 0, 0, 0, 0, END);
	}
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: seeds DIRECTORY\n");
		return 2;
	}
	directory = argv[1];
	mkdir(directory, 0777);
	write_config();
	write_control();
	write_fields();
	write_frames();
	write_handshakes();
	write_inner();
	write_inner_edges();
	write_netlink();
	write_offload();
	write_requests();
	write_tunnels();
	return 0;
}
