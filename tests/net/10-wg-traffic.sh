#!/bin/bash
# SPDX-License-Identifier: ISC
# WireGuard dialect: either side initiating, over IPv4 and IPv6, all kinds of traffic, exact counters.
# runs: culvert:go go:culvert culvert:culvert culvert:go-old
. "$(dirname "$0")/lib.sh"
need_program "$1" && need_program "$2"

# exact_counters FROM TO: ten pings after the handshake that the first of them starts.
exact_counters() {
	must ns "$1" ping -n -q -c 10 -i 0.05 -W 2 "${inside4[$2]}"
	expect_equal "bytes that $1, the initiator, has sent" $((148 + 10 * 128)) "$(transmitted "$1" "$2")"
	expect_equal "bytes that $1, the initiator, has received" $((92 + 10 * 128)) "$(received "$1" "$2")"
	expect_equal "bytes that $2, the responder, has sent" $((92 + 10 * 128)) "$(transmitted "$2" "$1")"
	expect_equal "bytes that $2, the responder, has received" $((148 + 10 * 128)) "$(received "$2" "$1")"
}

two_ends
two_devices "$1" "$2"

step "a initiates, over IPv4"
wg_set a peer "$(public b)" endpoint "$(endpoint_of b 4)"
exact_counters a b
endpoint_is b a "$(endpoint_of a 4)" || fail "b has not learned a's endpoint: $(shown b endpoints a)"
pings_both a b
pings_both b a
tcp_both_ways a b "${inside4[b]}"
udp_flows a b "${inside6[b]}"
every_size a b "${inside4[b]}" $((1420 - 28))

step "b initiates, over IPv6"
restart_devices "$1" "$2"
wg_set b peer "$(public a)" endpoint "$(endpoint_of a 6)"
exact_counters b a
endpoint_is a b "$(endpoint_of b 6)" || fail "a has not learned b's endpoint: $(shown a endpoints b)"
pings_both b a
pings_both a b
tcp_both_ways b a "${inside6[a]}"
udp_flows b a "${inside4[a]}"
every_size b a "${inside6[a]}" $((1420 - 48))

step "both know the other and start in the same moment"
restart_devices "$1" "$2"
wg_set a peer "$(public b)" endpoint "$(endpoint_of b 4)"
wg_set b peer "$(public a)" endpoint "$(endpoint_of a 4)"
background_in a ping-a ping -n -c 20 -i 0.1 "${inside4[b]}"
background_in b ping-b ping -n -c 20 -i 0.1 "${inside4[a]}"
pings a "${inside4[b]}" 6
pings b "${inside4[a]}" 6
pass
