/* SPDX-License-Identifier: ISC */
/* What tells the ends of a tunnel apart. */
#include "host/host_id.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/kdf.h"

enum { MACHINE_ID_SIZE = 64 };

/* machine-id(5); a host without one has its addresses still. */
static size_t read_machine_id(char text[MACHINE_ID_SIZE])
{
	const int fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC);
	const ssize_t len = fd < 0 ? 0 : read(fd, text, MACHINE_ID_SIZE);

	if (fd >= 0)
		close(fd);
	return len < 0 ? 0 : (size_t)len;
}

void host_id_make(uint8_t id[KEY_LEN], const struct config *config)
{
	char machine[MACHINE_ID_SIZE];
	const size_t len = read_machine_id(machine);

	kdf_hash(id, machine, len, NULL, 0);
	for (size_t i = 0; i < config->addresses.count; i++)
		kdf_hash(id, id, KEY_LEN, config->addresses.items[i].address,
			sizeof(config->addresses.items[i].address));
	for (size_t i = 0; i < config->peer_count; i++) {
		const struct config_endpoint *endpoint = &config->peers[i].endpoint;

		if (endpoint->host)
			kdf_hash(id, id, KEY_LEN, endpoint->host, strlen(endpoint->host));
	}
}

void host_id_make_mac(uint8_t mac[HOST_ID_MAC_LEN], const struct config *config)
{
	char machine[MACHINE_ID_SIZE];
	uint8_t digest[KEY_LEN], end[KEY_LEN];
	const size_t len = read_machine_id(machine);

	if (config->private_key.given)
		key_derive_public(end, config->private_key.bytes);
	else
		host_id_make(end, config);
	kdf_hash(digest, machine, len, config->name, strlen(config->name));
	kdf_hash(digest, digest, KEY_LEN, end, KEY_LEN);
	memcpy(mac, digest, HOST_ID_MAC_LEN);
	mac[0] = 0xfe;
}
