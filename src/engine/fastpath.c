/* SPDX-License-Identifier: ISC */
/* What the fast path may use of the kernel, what it does use, and how both are said. */
#include "engine/fastpath.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "engine/tun.h"
#include "engine/udp.h"

static const struct {
	const char *text;
	bool tun, udp;
	const char *reason; /* why something is missing */
} choices[] = {
	[FASTPATH_AUTO] = { "auto", true, true, NULL },
	[FASTPATH_OFF] = { "off", false, false, "switched off by Offload=off" },
	[FASTPATH_TUN] = { "tun", true, false, "switched off by Offload=tun" },
	[FASTPATH_UDP] = { "udp", false, true, "switched off by Offload=udp" },
};

bool fastpath_choice_from_text(enum fastpath_choice *choice, const char *text)
{
	for (size_t i = 0; i < sizeof(choices) / sizeof(*choices); i++) {
		if (strcasecmp(choices[i].text, text))
			continue;
		*choice = (enum fastpath_choice)i;
		return true;
	}
	return false;
}

bool fastpath_wants_tun(enum fastpath_choice choice)
{
	return choices[choice].tun;
}

bool fastpath_wants_udp(enum fastpath_choice choice)
{
	return choices[choice].udp;
}

unsigned fastpath_in_use(const struct fastpath *fastpath)
{
	const struct tun_offload *device = fastpath->device;
	const struct udp_sockets *sockets = fastpath->sockets;
	const struct udp_offload *offload = &sockets->offload;

	if (sockets->v4 < 0 && sockets->v6 < 0)
		return 0;
	return 1u | (unsigned)device->tcp << 1 | (unsigned)device->udp << 2 |
	       (unsigned)device->merge_tcp << 3 | (unsigned)device->merge_udp << 4 |
	       (unsigned)offload->receive << 5 | (unsigned)udp_segments(offload, AF_INET) << 6 |
	       (unsigned)udp_segments(offload, AF_INET6) << 7;
}

/* One thing that may be in use. */
struct item {
	const char *word, *name; /* for programs and for people */
	const char *missing;     /* why it is not; NULL: it is */
};

enum { ITEMS = 2 };

struct items {
	struct item item[ITEMS];
};

static const char *why_no_device(const struct fastpath *fastpath, bool read, bool merge)
{
	if (!fastpath_wants_tun(fastpath->choice))
		return choices[fastpath->choice].reason;
	if (!fastpath->device->header)
		return "the device was made without IFF_VNET_HDR";
	if (!read)
		return "the kernel lacks it";
	return merge ? NULL : "the kernel refuses merged packets";
}

static struct items device_items(const struct fastpath *fastpath)
{
	const struct tun_offload *device = fastpath->device;

	return (struct items){ {
		{ "tcp", "TCP", why_no_device(fastpath, device->tcp, device->merge_tcp) },
		{ "udp", "UDP", why_no_device(fastpath, device->udp, device->merge_udp) },
	} };
}

static const char *why_no_send(const struct fastpath *fastpath)
{
	const struct udp_offload *offload = &fastpath->sockets->offload;

	if (!fastpath_wants_udp(fastpath->choice))
		return choices[fastpath->choice].reason;
	if (!offload->send)
		return "the kernel lacks it";
	if (offload->refused4 && offload->refused6)
		return "refused by the network card or the route";
	if (offload->refused4)
		return "refused by the network card or the route of IPv4";
	return offload->refused6 ? "refused by the network card or the route of IPv6" : NULL;
}

static const char *why_no_receive(const struct fastpath *fastpath)
{
	if (!fastpath_wants_udp(fastpath->choice))
		return choices[fastpath->choice].reason;
	return fastpath->sockets->offload.receive ? NULL : "the kernel lacks it";
}

static struct items sockets_items(const struct fastpath *fastpath)
{
	return (struct items){ {
		{ "send", "send", why_no_send(fastpath) },
		{ "receive", "receive", why_no_receive(fastpath) },
	} };
}

/* ---- Text ---- */

static void __attribute__((format(printf, 3, 4)))
add(char *text, size_t size, const char *format, ...)
{
	const size_t len = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + len, size - len, format, args);
	va_end(args);
}

static void list_words(char words[FASTPATH_WORDS_SIZE], struct items items)
{
	words[0] = '\0';
	for (size_t i = 0; i < ITEMS; i++) {
		if (!items.item[i].missing)
			add(words, FASTPATH_WORDS_SIZE, "%s%s", *words ? "," : "",
				items.item[i].word);
	}
	if (!*words)
		strcpy(words, "none");
}

void fastpath_device_words(char words[FASTPATH_WORDS_SIZE], const struct fastpath *fastpath)
{
	list_words(words, device_items(fastpath));
}

void fastpath_sockets_words(char words[FASTPATH_WORDS_SIZE], const struct fastpath *fastpath)
{
	list_words(words, sockets_items(fastpath));
}

/* What is in use, and in parentheses why the rest is not. */
static void add_items(char text[FASTPATH_TEXT_SIZE], const char *what, struct items items)
{
	const struct item *first = &items.item[0], *second = &items.item[1];

	add(text, FASTPATH_TEXT_SIZE, "%s ", what);
	if (!first->missing && !second->missing)
		add(text, FASTPATH_TEXT_SIZE, "%s+%s", first->name, second->name);
	else if (!first->missing)
		add(text, FASTPATH_TEXT_SIZE, "%s (%s: %s)", first->name, second->name,
			second->missing);
	else if (!second->missing)
		add(text, FASTPATH_TEXT_SIZE, "%s (%s: %s)", second->name, first->name,
			first->missing);
	else if (!strcmp(first->missing, second->missing))
		add(text, FASTPATH_TEXT_SIZE, "none (%s)", first->missing);
	else
		add(text, FASTPATH_TEXT_SIZE, "none (%s: %s; %s: %s)", first->name, first->missing,
			second->name, second->missing);
}

void fastpath_describe(char text[FASTPATH_TEXT_SIZE], const struct fastpath *fastpath)
{
	text[0] = '\0';
	add_items(text, "device", device_items(fastpath));
	add(text, FASTPATH_TEXT_SIZE, ", ");
	add_items(text, "sockets", sockets_items(fastpath));
}
