/* SPDX-License-Identifier: ISC */
/* The control socket that `wg` connects to: /var/run/wireguard/DEVICE.sock. */
#ifndef ENGINE_LISTENER_H
#define ENGINE_LISTENER_H

#include <sys/stat.h>

#include "engine/sandbox.h"

#define LISTENER_DIRECTORY "/var/run/wireguard"

enum { LISTENER_PATH_SIZE = 64 };

/* The socket's path. 0; -EINVAL: that is no device's name. */
int listener_path(char path[LISTENER_PATH_SIZE], const char *device);

/* Makes the socket (and its directory), for the owner alone, in place of one that a dead process
 * left. 0 and *fd, listening, non-blocking; -EADDRINUSE: somebody answers there; -EEXIST: something
 * there is no socket; other -errno. */
int listener_open(const char *device, int *fd);

/* The same at any path (its directory must be there), for those whom the mode lets. */
int listener_open_path(const char *path, mode_t mode, int *fd);

/* A descriptor of the directory, for the two below; -errno: it is not there. */
int listener_directory(void);

/* What is at the socket's path. 0 or -errno. */
int listener_stat(int directory, const char *device, struct stat *status);

void listener_remove(int directory, const char *device);

/* Whether somebody listens at a path: a connection to them; -EAGAIN: so many others wait for them
 * that there is none; -ECONNREFUSED: a dead process left the socket; -ENOENT: it is not there;
 * other -errno. */
int listener_probe(const char *path);

/* Removes the socket that a dead process left at a path. 0, also if there is none; -EADDRINUSE:
 * somebody answers there; -EEXIST: it is no socket, or none that streams; other -errno. */
int listener_remove_stale(const char *path);

/* What the two that take a directory call, once the process is enclosed. */
extern const struct sandbox_call listener_calls[];

#endif
