#!/bin/bash
# SPDX-License-Identifier: ISC
# Two culverts with one shared key and nothing else, started in the same moment: IPv4 and IPv6 inside, over $1.
# runs: 4 6
. "$(dirname "$0")/lib.sh"
need_culvert

two_ends
write_shared "$1"
capture a fragments 'ip[6:2] & 0x3fff != 0 or ip6[6] = 44'
capture a initiations 'udp[8] = 1'
start_both
step "both ends send at once"
background_in a ping-a ping -n -c 10 -i 0.1 "${inside4[b]}"
background_in b ping-b ping -n -c 10 -i 0.1 "${inside4[a]}"
pings_both a b
pings_both b a
wait_for 5 "ping ends" gone ping-a
wait_for 5 "ping ends" gone ping-b
expect_match "pings of a" ' 0% packet loss' "$(cat "$tmp/ping-a.log")"
expect_match "pings of b" ' 0% packet loss' "$(cat "$tmp/ping-b.log")"

step "TCP both ways, UDP"
tcp_both_ways a b "${inside4[b]}"
tcp_both_ways b a "${inside6[a]}"
udp_flows a b "${inside6[b]}"
udp_flows b a "${inside4[a]}"

step "every size up to the MTU, $(mtu_of a)"
expect_at_least "the MTU" 1400 "$(mtu_of a)"
every_size a b "${inside4[b]}" $(($(mtu_of a) - 28))
every_size b a "${inside6[a]}" $(($(mtu_of b) - 48))
expect_equal "fragments outside" 0 "$(captured fragments)"
expect_at_most "initiations for all this" 4 "$(captured initiations)"

step "nothing of it can be read outside"
capture a plain udp
marker=culvert-plain-text-marker
ns a bash -c "printf $marker >/dev/udp/${inside4[b]}/9"
pings a "${inside4[b]}"
[ "$(captured plain)" -gt 0 ] || fail "nothing was captured"
grep -q "$marker" "$tmp/plain.pcap" && fail "the text went over the wire as it is"
stop_both
pass
