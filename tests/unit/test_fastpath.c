/* SPDX-License-Identifier: ISC */
/* What the fast path uses: the words of Offload, and how it is said what is in use and what is not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "engine/fastpath.h"
#include "engine/tun.h"
#include "engine/udp.h"

static void choices(void **state)
{
	static const struct {
		const char *text;
		enum fastpath_choice choice;
		bool tun, udp;
	} right[] = {
		{ "auto", FASTPATH_AUTO, true, true },
		{ "off", FASTPATH_OFF, false, false },
		{ "tun", FASTPATH_TUN, true, false },
		{ "UDP", FASTPATH_UDP, false, true },
	};
	static const char *const wrong[] = { "", "yes", "on", "tun,udp", "au", "autos", " auto" };
	enum fastpath_choice choice;

	(void)state;
	for (size_t i = 0; i < sizeof(right) / sizeof(*right); i++) {
		choice = FASTPATH_AUTO;
		assert_true(fastpath_choice_from_text(&choice, right[i].text));
		assert_int_equal(choice, right[i].choice);
		assert_int_equal(fastpath_wants_tun(choice), right[i].tun);
		assert_int_equal(fastpath_wants_udp(choice), right[i].udp);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		choice = FASTPATH_UDP;
		assert_false(fastpath_choice_from_text(&choice, wrong[i]));
		assert_int_equal(choice, FASTPATH_UDP);
	}
}

#define ALL .header = true, .tcp = true, .udp = true, .merge_tcp = true, .merge_udp = true
#define OPEN .v4 = 3, .v6 = 4
#define BOTH .send = true, .receive = true

static const struct {
	enum fastpath_choice choice;
	struct tun_offload device;
	struct udp_sockets sockets;
	const char *text, *device_words, *sockets_words;
} cases[] = {
	{ FASTPATH_AUTO, { ALL }, { OPEN, .offload = { BOTH } },
		"device TCP+UDP, sockets send+receive", "tcp,udp", "send,receive" },
	{ FASTPATH_AUTO, { .header = true, .tcp = true, .merge_tcp = true },
		{ OPEN, .offload = { .receive = true } },
		"device TCP (UDP: the kernel lacks it), "
		"sockets receive (send: the kernel lacks it)",
		"tcp", "receive" },
	{ FASTPATH_AUTO, { .header = true }, { OPEN, .offload = { .send = true } },
		"device none (the kernel lacks it), sockets send (receive: the kernel lacks it)",
		"none", "send" },
	{ FASTPATH_AUTO, { 0 }, { OPEN },
		"device none (the device was made without IFF_VNET_HDR), "
		"sockets none (the kernel lacks it)",
		"none", "none" },
	{ FASTPATH_AUTO, { .header = true, .tcp = true, .udp = true, .merge_udp = true },
		{ OPEN, .offload = { BOTH } },
		"device UDP (TCP: the kernel refuses merged packets), sockets send+receive", "udp",
		"send,receive" },
	{ FASTPATH_AUTO, { .header = true, .tcp = true }, { OPEN, .offload = { BOTH } },
		"device none (TCP: the kernel refuses merged packets; UDP: the kernel lacks it), "
		"sockets send+receive",
		"none", "send,receive" },
	{ FASTPATH_AUTO, { ALL }, { OPEN, .offload = { BOTH, .refused4 = true } },
		"device TCP+UDP, sockets receive "
		"(send: refused by the network card or the route of IPv4)",
		"tcp,udp", "receive" },
	{ FASTPATH_AUTO, { ALL }, { OPEN, .offload = { BOTH, .refused6 = true } },
		"device TCP+UDP, sockets receive "
		"(send: refused by the network card or the route of IPv6)",
		"tcp,udp", "receive" },
	{ FASTPATH_AUTO, { ALL }, { OPEN, .offload = { .send = true } },
		"device TCP+UDP, sockets send (receive: the kernel lacks it)", "tcp,udp", "send" },
	{ FASTPATH_AUTO, { ALL },
		{ OPEN, .offload = { .send = true, .refused4 = true, .refused6 = true } },
		"device TCP+UDP, sockets none (send: refused by the network card or the route; "
		"receive: the kernel lacks it)",
		"tcp,udp", "none" },
	{ FASTPATH_OFF, { .header = true }, { OPEN },
		"device none (switched off by Offload=off), "
		"sockets none (switched off by Offload=off)",
		"none", "none" },
	{ FASTPATH_TUN, { ALL }, { OPEN },
		"device TCP+UDP, sockets none (switched off by Offload=tun)", "tcp,udp", "none" },
	{ FASTPATH_UDP, { .header = true }, { OPEN, .offload = { BOTH } },
		"device none (switched off by Offload=udp), sockets send+receive", "none",
		"send,receive" },
};

static void descriptions(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct fastpath fastpath = { cases[i].choice, &cases[i].device,
			&cases[i].sockets };
		char text[FASTPATH_TEXT_SIZE], words[FASTPATH_WORDS_SIZE];

		fastpath_describe(text, &fastpath);
		assert_string_equal(text, cases[i].text);
		assert_true(strlen(text) + 1 < sizeof(text)); /* nothing was cut */
		fastpath_device_words(words, &fastpath);
		assert_string_equal(words, cases[i].device_words);
		fastpath_sockets_words(words, &fastpath);
		assert_string_equal(words, cases[i].sockets_words);
	}
}

/* Whatever is said differently has another number, so that a change is told. */
static void changes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct fastpath one = { cases[i].choice, &cases[i].device,
			&cases[i].sockets };

		assert_int_not_equal(fastpath_in_use(&one), 0);
		for (size_t j = 0; j < i; j++) {
			const struct fastpath other = { cases[j].choice, &cases[j].device,
				&cases[j].sockets };

			if (one.choice == other.choice && strcmp(cases[i].text, cases[j].text))
				assert_int_not_equal(
					fastpath_in_use(&one), fastpath_in_use(&other));
		}
	}
}

static void too_early(void **state)
{
	static const struct udp_sockets closed = UDP_SOCKETS_CLOSED;
	const struct fastpath fastpath = { FASTPATH_AUTO, &cases[0].device, &closed };

	(void)state;
	assert_int_equal(fastpath_in_use(&fastpath), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(choices),
		cmocka_unit_test(descriptions),
		cmocka_unit_test(changes),
		cmocka_unit_test(too_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
