#!/bin/bash
# SPDX-License-Identifier: ISC
# The network changes under a tunnel: traffic is back within two seconds of the network being back.
. "$(dirname "$0")/lib.sh"
need_culvert
need_tool relay

# The aim is 2 s; a busy machine may take longer.
limit=5
later() { [ "$(date +%s)" -gt "$1" ]; }
newer() { handshake_newer a b "$1"; }
b_follows() { endpoint_is b a "$1"; }
back() { # WHAT: traffic flows both ways, and there was a handshake at once
	pings a "${inside4[b]}" "$limit"
	wait_for "$limit" "a new handshake after $1" newer "$before"
	pings b "${inside4[a]}" "$limit"
}
# Handshakes are told apart by their second.
settle() { # and what is counted is counted from here on
	before=$(handshake_time a b)
	wait_for 3 "the next second" later "$before"
	initiations=$(captured wire "udp[8] == 1 and not src host ${outside4[b]}")
}

add_ns a m b
cable a wan m to_a
cable a wlan m to_wlan
cable b wan m to_b
address a wan 192.0.2.1/24
address m to_a 192.0.2.254/24
address m to_wlan 203.0.113.254/24
address b wan 198.51.100.2/24
address m to_b 198.51.100.254/24
outside4=([a]=192.0.2.1 [b]=198.51.100.2)
must ns m sysctl -qw net.ipv4.ip_forward=1
must ip -n "$prefix-a" route add default via 192.0.2.254
must ip -n "$prefix-b" route add default via 198.51.100.254
write_pair "Endpoint = $(endpoint_of b 4)" ""
capture b wire "udp"
start_both
pings a "${inside4[b]}"
pings b "${inside4[a]}"

step "another address"
settle
must ip -n "$prefix-a" addr flush dev wan
address a wan 192.0.2.11/24
must ip -n "$prefix-a" route replace default via 192.0.2.254
back "another address"
wait_for "$limit" "b follows" b_follows "192.0.2.11:$port"

step "another interface"
settle
address a wlan 203.0.113.1/24
must ip -n "$prefix-a" route replace default via 203.0.113.254
back "another interface"
wait_for "$limit" "b follows" b_follows "203.0.113.1:$port"

step "no network for a while, with packets that want to go; then it is back"
settle
must ip -n "$prefix-a" link set wlan down
ns a ping -n -q -i 0.2 -c 10 "${inside4[b]}" >/dev/null 2>&1
must ip -n "$prefix-a" link set wlan up
must ip -n "$prefix-a" route replace default via 203.0.113.254
back "link down and up"

step "a silent peer learns at once where a is: b sends first"
settle
must ip -n "$prefix-a" route replace default via 192.0.2.254
wait_for "$limit" "b follows without a packet of a's" b_follows "192.0.2.11:$port"
pings b "${inside4[a]}" "$limit"

step "what does not touch the way to b is no change"
settle
cable a other m to_other
must ip -n "$prefix-a" addr add 10.99.0.1/24 dev other
must ip -n "$prefix-a" route add 10.98.0.0/16 dev other
never_within 3 "a handshake for nothing" newer "$before"

step "a link that flaps makes no storm"
settle
for _ in 1 2 3 4 5 6 7 8; do
	must ip -n "$prefix-a" route replace default via 203.0.113.254
	sleep 0.2
	must ip -n "$prefix-a" route replace default via 192.0.2.254
	sleep 0.2
done
pings a "${inside4[b]}" "$limit"
pings b "${inside4[a]}" "$limit"
expect_at_most "initiations while it flapped" 8 \
	$(($(captured wire "udp[8] == 1 and not src host ${outside4[b]}") - initiations))

step "a NAT in between that changes its mapping"
background_in m nat "$tools/relay" -b 50001 50000 "${outside4[b]}" "$port"
wait_for 5 "the relay listens" udp_bound m 50000
wg_set a peer "$(public b)" endpoint "192.0.2.254:50000"
pings a "${inside4[b]}"
wait_for "$limit" "b follows" b_follows "198.51.100.254:50001"
kill -USR1 "${pid_of[nat]}"
gone_port() { ! udp_bound m 50001; }
wait_for 2 "the relay moves" gone_port
pings a "${inside4[b]}" "$limit"
pings b "${inside4[a]}" "$limit"
stop_both
pass
