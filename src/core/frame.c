/* SPDX-License-Identifier: ISC */
/* Ethernet's link header (IEEE 802.3, 802.1Q), by offsets: nothing is assumed of alignment. */
#include "core/frame.h"

#include <sys/socket.h>

#include "core/inner.h"

static bool is_tag(uint16_t type)
{
	return type == FRAME_TYPE_TAG || type == FRAME_TYPE_SERVICE_TAG;
}

size_t frame_link_len(const uint8_t *frame, size_t len)
{
	size_t link_len = FRAME_LINK_MIN;

	if (len < FRAME_LINK_MIN)
		return 0;
	while (link_len < FRAME_LINK_MAX && is_tag(frame_type(frame, link_len)) &&
		link_len + FRAME_TAG <= len)
		link_len += FRAME_TAG;
	return link_len;
}

int frame_family(const uint8_t *frame, size_t len, size_t link_len)
{
	const int family = inner_family(frame + link_len, len - link_len);
	const uint16_t type = frame_type(frame, link_len);

	return (family == AF_INET && type == FRAME_TYPE_IPV4) ||
			       (family == AF_INET6 && type == FRAME_TYPE_IPV6)
		       ? family
		       : 0;
}
