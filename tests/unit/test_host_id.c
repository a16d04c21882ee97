/* SPDX-License-Identifier: ISC */
/* What tells the ends of a tunnel apart: the id of a shared-key tunnel's end, and the Ethernet
 * address of a device. Both ends are on this machine, so its own id does not. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <sodium.h>
#include <string.h>

#include "host/host_id.h"

/* One end: its configuration, and what that points to. */
struct end {
	struct config config;
	struct config_peer peer;
	struct config_prefix address;
	char name[16], host[32];
};

static void make(struct end *end, bool shared, uint8_t key, const char *host)
{
	memset(end, 0, sizeof(*end));
	strcpy(end->name, "office");
	end->config.name = end->name;
	end->config.peers = &end->peer;
	end->config.peer_count = 1;
	(shared ? &end->config.shared_key : &end->config.private_key)->given = true;
	memset((shared ? &end->config.shared_key : &end->config.private_key)->bytes, key, KEY_LEN);
	strcpy(end->host, host);
	end->peer.endpoint.host = *host ? end->host : NULL;
}

static void add_address(struct end *end, uint8_t last)
{
	end->address.address[3] = last;
	end->config.addresses = (struct config_prefixes){ &end->address, 1 };
}

static bool same_id(const struct end *a, const struct end *b)
{
	uint8_t first[KEY_LEN], second[KEY_LEN];

	host_id_make(first, &a->config);
	host_id_make(second, &b->config);
	return !memcmp(first, second, KEY_LEN);
}

static bool same_mac(const struct end *a, const struct end *b)
{
	uint8_t first[HOST_ID_MAC_LEN], second[HOST_ID_MAC_LEN];

	host_id_make_mac(first, &a->config);
	host_id_make_mac(second, &b->config);
	return !memcmp(first, second, HOST_ID_MAC_LEN);
}

static void ids(void **state)
{
	struct end a, b;

	(void)state;
	make(&a, true, 7, "b.example");
	make(&b, true, 7, "b.example");
	assert_true(same_id(&a, &b));
	make(&b, true, 7, "a.example");
	assert_false(same_id(&a, &b));
	make(&b, true, 7, "");
	assert_false(same_id(&a, &b));
	make(&a, true, 7, "");
	assert_true(same_id(&a, &b));
	add_address(&a, 1);
	add_address(&b, 2);
	assert_false(same_id(&a, &b));
	add_address(&b, 1);
	assert_true(same_id(&a, &b));
}

static void ethernet_addresses(void **state)
{
	uint8_t mac[HOST_ID_MAC_LEN];
	struct end a, b;

	(void)state;
	make(&a, false, 7, "b.example");
	make(&b, false, 7, "c.example");
	add_address(&b, 1);
	assert_true(same_mac(&a, &b)); /* what is round the end may change */
	make(&b, false, 8, "b.example");
	assert_false(same_mac(&a, &b));
	make(&b, false, 7, "b.example");
	strcpy(b.name, "attic");
	assert_false(same_mac(&a, &b));
	host_id_make_mac(mac, &a.config);
	assert_int_equal(mac[0], 0xfe);
	make(&a, true, 7, "b.example");
	make(&b, true, 7, "a.example");
	assert_false(same_mac(&a, &b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids),
		cmocka_unit_test(ethernet_addresses),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
