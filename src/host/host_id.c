/* SPDX-License-Identifier: ISC */
/* What tells the two ends of a shared-key tunnel apart. */
#include "host/host_id.h"

#include <fcntl.h>
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
}
