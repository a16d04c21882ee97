/* SPDX-License-Identifier: ISC */
/*
 * The internet checksum (RFC 1071).
 *
 * Sums are of 16-bit words as they lie in memory, so that nothing is swapped: a folded sum is
 * stored as it is, and a number that takes part is added in network byte order (htons, htonl). Sums
 * of parts are added with +; each part but the last has an even length.
 */
#ifndef CORE_CHECKSUM_H
#define CORE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* Of any alignment and at most 1 MiB, an odd last byte as if a zero followed. Below 2^37, so that
 * millions of them can be added. */
uint64_t checksum_sum(const void *data, size_t len);

/* To 16 bits. 0 only for a sum of 0; all of a packet that carries a right checksum give 0xffff. */
static inline uint16_t checksum_fold(uint64_t sum)
{
	sum = (sum >> 32) + (uint32_t)sum;
	sum = (sum >> 32) + (uint32_t)sum;
	sum = (sum >> 16) + (uint16_t)sum;
	return (uint16_t)((sum >> 16) + (uint16_t)sum);
}

#endif
