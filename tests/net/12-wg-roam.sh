#!/bin/bash
# SPDX-License-Identifier: ISC
# WireGuard dialect: either side changes its port, its address and its family; a NAT forgets its mapping.
# runs: culvert:go go:culvert culvert:culvert
. "$(dirname "$0")/lib.sh"
need_program "$1" && need_program "$2"
need_tool relay

gone_port() { ! udp_bound "$@"; }

two_ends
two_devices "$1" "$2"
wg_set a peer "$(public b)" endpoint "$(endpoint_of b 4)"
pings a "${inside4[b]}"
[ "$1" != go ] || wait_no_repeats b a
start=$(handshake_time a b)

step "ports"
wg_set a listen-port 40001
follows b a "$(endpoint_of a 4 40001)"
wg_set b listen-port 40002
follows a b "$(endpoint_of b 4 40002)"

step "addresses"
must ip -n "$prefix-a" addr del 192.0.2.1/24 dev wan
address a wan 192.0.2.11/24
outside4[a]=192.0.2.11
follows b a "$(endpoint_of a 4 40001)"
must ip -n "$prefix-b" addr del 192.0.2.2/24 dev wan
address b wan 192.0.2.22/24
outside4[b]=192.0.2.22
follows a b "$(endpoint_of b 4 40002)"

step "from IPv4 to IPv6 and back"
wg_set a peer "$(public b)" endpoint "$(endpoint_of b 6 40002)"
follows b a "$(endpoint_of a 6 40001)"
wg_set b peer "$(public a)" endpoint "$(endpoint_of a 4 40001)"
follows a b "$(endpoint_of b 4 40002)"

step "all that without a new handshake"
expect_equal "time of the last handshake" "$start" "$(handshake_time a b)"

step "a NAT in between that changes its port"
background_in b nat "$tools/relay" -b 50001 50000 "${outside4[b]}" 40002
wait_for 5 "the relay listens" udp_bound b 50000
wg_set a peer "$(public b)" endpoint "$(endpoint_of b 4 50000)"
follows b a "$(endpoint_of b 4 50001)"
kill -USR1 "${pid_of[nat]}"
wait_for 2 "the relay moves" gone_port b 50001
pings a "${inside4[b]}"
endpoint_is b a "$(endpoint_of b 4 50001)" && fail "b still sends to the NAT's old port"
pings b "${inside4[a]}"
pass
