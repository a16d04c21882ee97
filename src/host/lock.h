/* SPDX-License-Identifier: ISC */
/* One process at a time deals with a tunnel, NAME.lock (host/place.h), and with what is shared. */
#ifndef HOST_LOCK_H
#define HOST_LOCK_H

/* Makes the directory if need be. 0 and *fd, to be closed, which gives the lock up; -EWOULDBLOCK:
 * somebody has it; other -errno. */
int lock_take(const char *name, int *fd);

/* Waits until no other tunnel is about to change what they all share. The descriptor, to be closed
 * soon; or -errno. The directory is place_directory(); its file .turn is only its owner's to lock,
 * while a directory can be locked, for as long as they like, by all who may read it. */
int lock_take_turn(const char *directory);
/* By the path of any file in it. */
int lock_take_turn_beside(const char *path);

#endif
