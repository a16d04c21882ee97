/* SPDX-License-Identifier: ISC */
/* Where a peer is reached, and the address of ours from which it was last heard. */
#include "core/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static in_port_t port_of(const struct endpoint *endpoint)
{
	return endpoint->any.sa_family == AF_INET ? endpoint->v4.sin_port : endpoint->v6.sin6_port;
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	if (a->any.sa_family != b->any.sa_family)
		return false;
	switch (a->any.sa_family) {
	case AF_INET:
		return a->v4.sin_port == b->v4.sin_port &&
		       a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
	case AF_INET6:
		return a->v6.sin6_port == b->v6.sin6_port &&
		       a->v6.sin6_scope_id == b->v6.sin6_scope_id &&
		       memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof(a->v6.sin6_addr)) == 0;
	default:
		return true; /* neither has one */
	}
}

void endpoint_clear_source(struct endpoint *endpoint)
{
	memset(&endpoint->source6, 0, sizeof(endpoint->source6));
	endpoint->source_interface = 0;
}

socklen_t endpoint_sockaddr_len(const struct endpoint *endpoint)
{
	switch (endpoint->any.sa_family) {
	case AF_INET:
		return sizeof(endpoint->v4);
	case AF_INET6:
		return sizeof(endpoint->v6);
	default:
		return 0;
	}
}

size_t endpoint_to_bytes(const struct endpoint *endpoint, uint8_t bytes[18])
{
	const in_port_t port = port_of(endpoint);
	size_t len;

	switch (endpoint->any.sa_family) {
	case AF_INET:
		len = sizeof(endpoint->v4.sin_addr);
		memcpy(bytes, &endpoint->v4.sin_addr, len);
		break;
	case AF_INET6:
		len = sizeof(endpoint->v6.sin6_addr);
		memcpy(bytes, &endpoint->v6.sin6_addr, len);
		break;
	default:
		return 0;
	}
	memcpy(bytes + len, &port, sizeof(port));
	return len + sizeof(port);
}

void endpoint_to_text(char text[ENDPOINT_TEXT_SIZE], const struct endpoint *endpoint)
{
	const unsigned port = ntohs(port_of(endpoint));
	char address[INET6_ADDRSTRLEN];
	char scope[sizeof("%4294967295")] = "";

	text[0] = '\0';
	switch (endpoint->any.sa_family) {
	case AF_INET:
		inet_ntop(AF_INET, &endpoint->v4.sin_addr, address, sizeof(address));
		snprintf(text, ENDPOINT_TEXT_SIZE, "%s:%u", address, port);
		break;
	case AF_INET6:
		/* A number, not the interface's name: asking for that is I/O. */
		if (endpoint->v6.sin6_scope_id)
			snprintf(scope, sizeof(scope), "%%%u", endpoint->v6.sin6_scope_id);
		inet_ntop(AF_INET6, &endpoint->v6.sin6_addr, address, sizeof(address));
		snprintf(text, ENDPOINT_TEXT_SIZE, "[%s%s]:%u", address, scope, port);
		break;
	default:
		break;
	}
}

/* Decimal digits only, 1 to max, no leading zero; 0 if it is anything else. */
static uint32_t number_parse(const char *text, uint32_t max)
{
	uint64_t value = 0;

	if (text[0] == '0')
		return 0;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return 0;
		value = value * 10 + (uint64_t)(*text - '0');
		if (value > max)
			return 0;
	}
	return (uint32_t)value;
}

static int v4_parse(struct sockaddr_in *v4, const char *host, in_port_t port)
{
	if (inet_pton(AF_INET, host, &v4->sin_addr) != 1)
		return -EINVAL;
	v4->sin_family = AF_INET;
	v4->sin_port = port;
	return 0;
}

/* host is "[address]" or "[address%scope]" and is cut up. */
static int v6_parse(struct sockaddr_in6 *v6, char *host, in_port_t port)
{
	const size_t len = strlen(host);
	char *scope;

	if (host[len - 1] != ']')
		return -EINVAL;
	host[len - 1] = '\0';
	scope = strchr(++host, '%');
	if (scope) {
		*scope++ = '\0';
		v6->sin6_scope_id = number_parse(scope, UINT32_MAX);
		if (!v6->sin6_scope_id)
			return -EINVAL;
	}
	if (inet_pton(AF_INET6, host, &v6->sin6_addr) != 1)
		return -EINVAL;
	v6->sin6_family = AF_INET6;
	v6->sin6_port = port;
	return 0;
}

int endpoint_from_text(struct endpoint *endpoint, const char *text)
{
	const char *colon = strrchr(text, ':');
	struct endpoint parsed;
	char host[ENDPOINT_TEXT_SIZE];
	in_port_t port;
	int error;

	if (!colon || colon == text || (size_t)(colon - text) >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	port = htons((uint16_t)number_parse(colon + 1, UINT16_MAX));
	if (!port)
		return -EINVAL;
	memset(&parsed, 0, sizeof(parsed));
	if (host[0] == '[')
		error = v6_parse(&parsed.v6, host, port);
	else
		error = v4_parse(&parsed.v4, host, port);
	if (!error)
		*endpoint = parsed;
	return error;
}
