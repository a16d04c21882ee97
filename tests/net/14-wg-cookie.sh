#!/bin/bash
# SPDX-License-Identifier: ISC
# WireGuard dialect: a is flooded with initiations and hands out cookies; b gets through with one.
# runs: culvert:go go:culvert culvert:culvert
. "$(dirname "$0")/lib.sh"
need_program "$1" && need_program "$2"
need_tool flood

two_ends
address b wan 192.0.2.66/24
two_devices "$1" "$2"
capture b cookies "udp and port $port and not host 192.0.2.66 and udp[8:4] != 0x04000000"
background_in b flood "$tools/flood" "$(public a)" 192.0.2.66 "${outside4[a]}" "$port" 40000 40
never_within 2 "a handshake by the flood" has_handshake a b

step "b joins under load"
wg_set b peer "$(public a)" endpoint "$(endpoint_of a 4)"
background_in b pinger ping -n -i 0.5 "${inside4[a]}"
wait_for 25 "a handshake under load" has_handshake b a
pings b "${inside4[a]}"
running flood || fail "the flood was over before the handshake: this test shows nothing"

step "it went by a cookie"
stop_background flood
cat "$tmp/flood.log"
expect_match "what the flood heard" ' [1-9][0-9]* cookie replies, 0 other' "$(cat "$tmp/flood.log")"
expect_at_least "cookie replies to b" 1 \
	"$(captured cookies "src host ${outside4[a]} and dst host ${outside4[b]} and udp[8:4] = 0x03000000")"
expect_at_least "b's initiations with a mac2" 1 \
	"$(captured cookies "src host ${outside4[b]} and udp[8:4] = 0x01000000 and udp[140:4] != 0")"
# The first initiation after the first cookie; wireguard-go's comes after 5 s.
if [ "$2" = culvert ]; then
	waited=$(tcpdump -n -tt -r "$tmp/cookies.pcap" "host ${outside4[b]} and udp[8:4] != 0x02000000" 2>/dev/null |
		awk -v b=" ${outside4[b]}." 'index($0, b) > index($0, ">") { if (!cookie) cookie = $1; next }
			cookie { printf "%d", ($1 - cookie) * 1000; exit }')
	expect_at_most "ms from a cookie to the next initiation" 3500 "$waited"
fi
endpoint_is a b "$(endpoint_of b 4)" || fail "a's peer is at $(shown a endpoints b)"

step "and without load without one"
stop_background device-b
start_device b "$2"
wg_set_key b
wg_add_peer b a endpoint "$(endpoint_of a 4)"
inside b
pings b "${inside4[a]}" 12
pass
