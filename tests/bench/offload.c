/* SPDX-License-Identifier: ISC */
/* Measures splitting and merging (core/offload.h), of IP packets and of Ethernet frames. */
/*
 *   cc -O2 -std=gnu11 -D_GNU_SOURCE -Isrc tests/bench/offload.c src/core/offload_*.c \
 *      src/core/checksum.c && ./a.out
 *
 * A super-packet of TCP over IPv4 is split into 46 segments, and these are merged again. Figures
 * are nanoseconds a segment, each the best of many rounds that go through all link headers by
 * turns, so that what else the machine does falls upon all of them.
 */
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/checksum.h"
#include "core/offload.h"

enum { SEGMENTS = 46, HEADERS = 20 + 32, ROUNDS = 4000, SIZES = 3, LINKS = 4 };

static const size_t sizes[SIZES] = { 32, 512, 1360 }, link_lens[LINKS] = { 0, 14, 18, 22 };

static uint8_t super[65536], work[65536], segments[SEGMENTS][1500];
static struct offload_merge merge;

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void put16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* Returns its length. */
static size_t build(size_t link_len, size_t size, struct virtio_net_hdr *header)
{
	const size_t len = link_len + HEADERS + SEGMENTS * size;
	uint8_t *ip = super + link_len, *tcp = ip + 20;

	for (size_t i = 0; i < len; i++)
		super[i] = (uint8_t)(i * 2654435761u >> 13);
	for (size_t at = 12; at + 2 < link_len; at += 4)
		put16(super + at, 0x8100);
	if (link_len)
		put16(ip - 2, 0x0800);
	ip[0] = 0x45;
	put16(ip + 6, 0x4000);
	ip[9] = IPPROTO_TCP;
	tcp[12] = 8 << 4;
	tcp[13] = 0x10;
	const uint16_t partial = checksum_fold(checksum_sum(ip + 12, 8) + htons(IPPROTO_TCP) +
					       htons((uint16_t)(len - link_len - 20)));

	memcpy(tcp + 16, &partial, sizeof(partial));
	*header = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.gso_size = (uint16_t)size,
		.csum_start = (uint16_t)(link_len + 20),
		.csum_offset = 16 };
	return len;
}

static bool split(size_t link_len, const struct virtio_net_hdr *header, size_t len, uint64_t *best)
{
	struct offload_split split;
	uint8_t *segment;
	size_t got, n = 0;

	memcpy(work, super, len);
	const uint64_t start = clock_ns();

	if (offload_split_begin(&split, header, work, len, link_len))
		return false;
	while ((got = offload_split_next(&split, &segment)))
		n++;
	const uint64_t spent = clock_ns() - start;

	*best = spent < *best ? spent : *best;
	return n == SEGMENTS;
}

static bool join(size_t link_len, const struct virtio_net_hdr *header, size_t len, uint64_t *best)
{
	const size_t segment_len = link_len + HEADERS + header->gso_size;
	struct offload_split split;
	uint8_t *segment;
	size_t count = 0;

	memcpy(work, super, len);
	if (offload_split_begin(&split, header, work, len, link_len))
		return false;
	for (size_t n = 0; offload_split_next(&split, &segment); n++)
		memcpy(segments[n], segment, segment_len);
	const uint64_t start = clock_ns();

	offload_merge_begin(&merge, true, true);
	for (size_t n = 0; n < SEGMENTS; n++)
		offload_merge_add(&merge, segments[n], segment_len, link_len);
	offload_merge_next(&merge, &count);
	const uint64_t spent = clock_ns() - start;

	*best = spent < *best ? spent : *best;
	return count == SEGMENTS + 1;
}

int main(void)
{
	printf("ns a segment   link header    split    merge\n");
	for (size_t s = 0; s < SIZES; s++) {
		uint64_t best[LINKS][2];

		memset(best, 0xff, sizeof(best));
		for (size_t i = 0; i < ROUNDS; i++) {
			const size_t link_len = link_lens[i % LINKS];
			struct virtio_net_hdr header;
			const size_t len = build(link_len, sizes[s], &header);

			if (!split(link_len, &header, len, &best[i % LINKS][0]) ||
				!join(link_len, &header, len, &best[i % LINKS][1])) {
				fprintf(stderr, "a packet was not split or merged\n");
				return EXIT_FAILURE;
			}
		}
		for (size_t l = 0; l < LINKS; l++)
			printf("%10zu B %10zu B %10.1f %8.1f\n", sizes[s], link_lens[l],
				(double)best[l][0] / SEGMENTS, (double)best[l][1] / SEGMENTS);
	}
	return EXIT_SUCCESS;
}
