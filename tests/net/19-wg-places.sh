#!/bin/bash
# SPDX-License-Identifier: ISC
# WireGuard dialect: the device in another namespace than its socket, answers from the address that was asked,
# a source address that goes away, large inner packets.
# runs: culvert:go go:culvert culvert:culvert
. "$(dirname "$0")/lib.sh"
need_program "$1" && need_program "$2"

two_ends
address b wan 192.0.2.12/24 2001:db8::12/64
two_devices "$1" "$2"

step "either of two addresses may be asked"
for asked in "192.0.2.12:$port" "[2001:db8::12]:$port" "192.0.2.12:$port"; do
	wg_set a peer "$(public b)" endpoint "$asked"
	pings_both a b
	# wireguard-go answers from its first address, and a follows it there.
	[ "$2" != culvert ] || expect_equal "where b answers from" "$asked" "$(shown a endpoints b)"
done

step "a source address that goes away is not clung to"
# (wireguard-go does, until its peer's next packet.)
wg_set a peer "$(public b)" endpoint "192.0.2.12:$port"
pings a "${inside4[b]}"
must ip -n "$prefix-b" addr del 192.0.2.12/24 dev wan
[ "$2" != culvert ] || pings b "${inside4[a]}"
wg_set a peer "$(public b)" endpoint "$(endpoint_of b 4)"
pings a "${inside4[b]}"
if [ "$1" = culvert ]; then
	must ip -n "$prefix-a" addr del 192.0.2.1/24 dev wan
	address a wan 192.0.2.31/24
	outside4[a]=192.0.2.31
	pings a "${inside4[b]}"
	wait_for 2 "b follows" endpoint_is b a "$(endpoint_of a 4)"
fi

step "large inner packets"
must ip -n "$prefix-a" link set "$(dev a)" mtu 34736
must ip -n "$prefix-b" link set "$(dev b)" mtu 34736
must ns a ping -n -c 2 -i 0.2 -W 2 -s 34000 -M "do" "${inside4[b]}"
must ns a ping -n -c 2 -i 0.2 -W 2 -s 34000 "${inside6[b]}"

step "the device moves to another namespace, the sockets stay"
add_ns d
must ip -n "$prefix-a" link set "$(dev a)" netns "$prefix-d"
must ip -n "$prefix-d" addr add "${inside4[a]}/24" dev "$(dev a)"
must ip -n "$prefix-d" link set "$(dev a)" up
pings d "${inside4[b]}"
pings b "${inside4[a]}"
pass
