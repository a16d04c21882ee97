#!/bin/bash
# SPDX-License-Identifier: ISC
# WireGuard's own checks of an implementation (its netns.sh), the first of three parts: flood pings, TCP and UDP by IPv4 and
# IPv6 outside and inside, with the usual MTU and one of 34736. All of them, and where they are:
#
#   the device in another namespace than its sockets        19
#   counters after ten pings, to the byte                   10
#   flood pings both ways, IPv4 and IPv6                    here
#   iperf3 TCP and UDP, IPv4 and IPv6, MTU 1420 and 34736   here
#   roaming of address and port, IPv4 and IPv6              12 (IPv4, from one family to the other), 71-conformance-places
#   a source that is refused still roams                    15 (refused), 71-conformance-places (and roams)
#   NAT that forgets after 2 s, keepalive of 1 s            71-conformance-places
#   a source address that goes away, ping goes on           19 (IPv4, both ends), 71-conformance-places (IPv6, in a flow)
#   an answer comes from the address that was asked         19
#   130,560 allowed IPs in one set                          16; 72 (10,000 peers)
#   key and psk set, changed, cleared                       11, 16; 71-conformance-limits (what the wire then sees)
#   a peer that is ourselves                                16
#   keys of low order                                       71-conformance-limits
#   a firewall mark with policy routing                     71-conformance-limits; 40 (what culvert does by itself)
#   a routing loop that does not run away                   71-conformance-limits
#   WireGuard inside WireGuard                              71-conformance-limits
#
# What netns.sh has beyond that and is not here is the kernel module's own: references between devices and namespaces, and
# a device that moves before it has sockets.
# runs: culvert:culvert culvert:go go:culvert
. "$(dirname "$0")/lib.sh"
need_program "$1" && need_program "$2"

# flood_pings: both ends at once, over both families. -f sends as fast as answers come, at least 100 a second.
flood_pings() {
	local name
	background_in a flood-a4 ping -n -q -f -c 1000 -W 2 "${inside4[b]}"
	background_in a flood-a6 ping -n -q -f -c 1000 -W 2 "${inside6[b]}"
	background_in b flood-b4 ping -n -q -f -c 1000 -W 2 "${inside4[a]}"
	background_in b flood-b6 ping -n -q -f -c 1000 -W 2 "${inside6[a]}"
	for name in flood-a4 flood-a6 flood-b4 flood-b6; do
		wait_for 30 "$name ends" gone "$name"
		expect_match "$name" '1000 packets transmitted, 1000 received' "$(tail -n 4 "$tmp/$name.log")"
		unset "pid_of[$name]"
	done
}

# tcp FROM TO ADDRESS BYTES
tcp() {
	local json
	background_in "$2" "iperf-$2" iperf3 -s -1 -p 5201
	wait_for 5 "iperf3 listens" tcp_listening "$2" 5201
	json=$(ns "$1" timeout 40 iperf3 -J -Z -c "$3" -p 5201 -n "$4") ||
		fail "iperf3 to $3: $(jq -r '.error? // .' <<<"$json" | head -c 400)"
	expect_at_least "bytes of iperf3 to $3" $(($4 / 2)) "$(jq '.end.sum_received.bytes' <<<"$json")"
	wait "${pid_of[iperf-$2]}" 2>/dev/null
	unset "pid_of[iperf-$2]"
}

# udp FROM TO ADDRESS LENGTH: 500 datagrams a second for a second.
udp() {
	local json
	background_in "$2" "iperf-$2" iperf3 -s -1 -p 5202
	wait_for 5 "iperf3 listens" tcp_listening "$2" 5202
	json=$(ns "$1" timeout 20 iperf3 -J -c "$3" -p 5202 -u -b $((500 * 8 * $4)) -l "$4" -t 1 2>/dev/null) ||
		fail "iperf3 UDP to $3: $(jq -r '.error? // .' <<<"$json" | head -c 400)"
	expect_at_least "UDP packets of iperf3" 400 "$(jq '.end.sum.packets' <<<"$json")"
	expect_at_most "lost UDP packets of iperf3" 50 "$(jq '.end.sum.lost_packets' <<<"$json")"
	wait "${pid_of[iperf-$2]}" 2>/dev/null
	unset "pid_of[iperf-$2]"
}

all_kinds() { # MTU
	tcp a b "${inside4[b]}" 20000000
	tcp b a "${inside6[a]}" 20000000
	udp a b "${inside6[b]}" $(($1 - 48))
	udp b a "${inside4[a]}" $(($1 - 28))
}

two_ends
two_devices "$1" "$2"
for outside in 4 6; do
	wg_set a peer "$(public b)" endpoint "$(endpoint_of b "$outside")"
	for mtu in 1420 34736; do
		step "over IPv$outside, MTU $mtu"
		must ip -n "$prefix-a" link set "$(dev a)" mtu "$mtu"
		must ip -n "$prefix-b" link set "$(dev b)" mtu "$mtu"
		pings_both a b
		endpoint_is b a "$(endpoint_of a "$outside")" || fail "b answers to $(shown b endpoints a)"
		all_kinds "$mtu"
	done
	step "flood pings over IPv$outside"
	flood_pings
done
pass
