/* SPDX-License-Identifier: ISC */
/* culvert-device: the engine alone, set up by `wg`, with wireguard-go's calling convention. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "engine/device.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/listener.h"
#include "engine/log.h"
#include "engine/tun.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "(unreleased)"
#endif

enum { EXIT_USAGE = 2 };

static const char usage[] =
	"usage: culvert-device [-f] IFACE\n"
	"\n"
	"Makes the TUN device IFACE and moves its packets; keys and peers are set with wg(8).\n"
	"Goes into the background once the device and its control socket are there. Ends when\n"
	"the device or the socket " LISTENER_DIRECTORY "/IFACE.sock is removed.\n"
	"\n"
	"  -f, --foreground  stay in the foreground\n"
	"  -h, --help        show this\n"
	"  -V, --version     show the version\n"
	"\n"
	"Environment: LOG_LEVEL=verbose, error (default) or silent; WG_TUN_FD and WG_UAPI_FD\n"
	"are used in place of a new device and socket; WG_PROCESS_FOREGROUND=1 is --foreground;\n"
	"CULVERT_OFFLOAD=auto (default), off, tun or udp is what to use of the kernel's offload.\n"
	"Exit status: 0 it was told to end, 1 it failed, 2 wrong arguments.\n";

/* What LOG_LEVEL says: the same words as wireguard-go's, "debug" being its old name for verbose. */
static int log_priority(void)
{
	const char *level = getenv("LOG_LEVEL");

	if (level && (!strcmp(level, "verbose") || !strcmp(level, "debug")))
		return LOG_DEBUG;
	return level && !strcmp(level, "silent") ? -1 : LOG_ERR;
}

/* The descriptor that a variable of the environment names. 0 and *fd, -ENOENT: there is no such
 * variable, -EBADF: it names none. */
static int inherited_fd(const char *variable, int *fd)
{
	const char *text = getenv(variable);
	char *end;
	long number;

	if (!text || !*text)
		return -ENOENT;
	errno = 0;
	number = strtol(text, &end, 10);
	if (errno || *end || number < 0 || number > 1 << 20 || fcntl((int)number, F_GETFD) < 0)
		return -EBADF;
	*fd = (int)number;
	return 0;
}

/* False: there is another word than Offload may have. */
static bool choose_offload(struct engine_setup *setup)
{
	const char *text = getenv("CULVERT_OFFLOAD");

	if (!text || !*text || fastpath_choice_from_text(&setup->offload, text))
		return true;
	fprintf(stderr,
		"culvert-device: CULVERT_OFFLOAD=%s is wrong: it takes " FASTPATH_CHOICES "\n",
		text);
	return false;
}

static int open_tun(struct engine_setup *setup)
{
	int error = inherited_fd("WG_TUN_FD", &setup->tun);
	enum tunnel_link link;

	if (error != -ENOENT) {
		if (!error)
			error = tun_attach(setup->tun, setup->device, &link, &setup->tun_pi);
		if (!error && link != TUNNEL_LINK_IP)
			error = -EINVAL;
		if (error)
			log_line(LOG_ERR, "WG_TUN_FD does not name the descriptor of a TUN device");
		return error;
	}
	error = tun_create(setup->device, TUNNEL_LINK_IP, &setup->tun);
	if (error)
		log_line(LOG_ERR, "cannot make the TUN device %s: %s", setup->device,
			tun_explain(error));
	return error;
}

static int attach_listener(int fd)
{
	int listening = 0;
	socklen_t len = sizeof(listening);
	const int flags = fcntl(fd, F_GETFL);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0 || !listening)
		return -EINVAL;
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
		fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	return 0;
}

static int open_listener(struct engine_setup *setup)
{
	int error = inherited_fd("WG_UAPI_FD", &setup->listener);

	if (error != -ENOENT) {
		if (!error)
			error = attach_listener(setup->listener);
		if (error)
			log_line(LOG_ERR, "WG_UAPI_FD does not name a listening socket");
		return error;
	}
	error = listener_open(setup->device, &setup->listener);
	if (error)
		log_line(LOG_ERR, "cannot listen on " LISTENER_DIRECTORY "/%s.sock: %s",
			setup->device,
			error == -EADDRINUSE
				? "another WireGuard program answers there; stop it, or "
				  "choose another name"
				: strerror(-error));
	return error;
}

/* Standard error stays if somebody asked for a log: else whoever waits for its end would wait for
 * ours. */
static int redirect(bool keep_output)
{
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int error = 0;

	if (null < 0)
		return -errno;
	for (int fd = 0; fd < 3 && !error; fd++) {
		if ((fd == 0 || !keep_output) && dup2(null, fd) < 0)
			error = -errno;
	}
	if (null > 2)
		close(null);
	return error;
}

/* The parent ends here: device and socket are there, which is what its caller waits for. */
static int daemonise(void)
{
	const char *level = getenv("LOG_LEVEL");
	const pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid)
		_exit(0);
	if (setsid() < 0 || chdir("/") < 0)
		return -errno;
	return redirect(level && *level && strcmp(level, "silent") != 0);
}

static int run(struct engine_setup *setup, bool foreground)
{
	int error, status = 1;

	if (open_tun(setup))
		return 1;
	if (open_listener(setup)) {
		close(setup->tun);
		return 1;
	}
	setup->directory = listener_directory();
	error = foreground ? 0 : daemonise();
	if (error) {
		log_line(LOG_ERR, "cannot go into the background: %s", strerror(-error));
		close(setup->tun);
		close(setup->listener);
	} else {
		status = engine_run(setup);
	}
	if (setup->directory >= 0)
		listener_remove(setup->directory, setup->device);
	return status;
}

/* 0 and *foreground, or -1 and *status to exit with. */
static int parse_arguments(int argc, char **argv, bool *foreground, int *status)
{
	static const struct option options[] = { { "foreground", no_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'V' }, { 0 } };
	int option;

	*status = 0;
	while ((option = getopt_long(argc, argv, "fhV", options, NULL)) != -1) {
		switch (option) {
		case 'f':
			*foreground = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return -1;
		case 'V':
			puts("culvert-device " PACKAGE_VERSION);
			return -1;
		default:
			fputs(usage, stderr);
			*status = EXIT_USAGE;
			return -1;
		}
	}
	if (argc - optind == 1)
		return 0;
	fputs(usage, stderr);
	*status = EXIT_USAGE;
	return -1;
}

int device_main(int argc, char **argv)
{
	const char *in_foreground = getenv("WG_PROCESS_FOREGROUND");
	bool foreground = in_foreground && !strcmp(in_foreground, "1");
	struct engine_setup setup = { .tun = -1,
		.link = -1,
		.udp = UDP_SOCKETS_CLOSED,
		.listener = -1,
		.control = -1,
		.requests = -1,
		.observer = -1,
		.directory = -1 };
	int status;

	if (parse_arguments(argc, argv, &foreground, &status))
		return status;
	const char *name = argv[optind];

	if (!*name || strlen(name) >= sizeof(setup.device)) {
		fprintf(stderr, "culvert-device: %s is no name for a device: 1 to 15 characters\n",
			name);
		return EXIT_USAGE;
	}
	strcpy(setup.device, name);
	if (!choose_offload(&setup))
		return EXIT_USAGE;
	log_init(name, log_priority());
	return run(&setup, foreground);
}
