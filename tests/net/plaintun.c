/* SPDX-License-Identifier: ISC */
/* Runs a command with WG_TUN_FD naming a new TUN device that has no virtio_net_hdr, as others make
 * theirs. */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	char number[16];
	int fd;

	if (argc < 3 || strlen(argv[1]) >= IFNAMSIZ) {
		fputs("usage: plaintun DEVICE COMMAND...\n", stderr);
		return 2;
	}
	strcpy(request.ifr_name, argv[1]);
	fd = open("/dev/net/tun", O_RDWR);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0) {
		perror("plaintun: cannot make the TUN device");
		return 1;
	}
	snprintf(number, sizeof(number), "%d", fd);
	setenv("WG_TUN_FD", number, 1);
	execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 1;
}
