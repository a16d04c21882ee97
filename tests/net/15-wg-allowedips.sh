#!/bin/bash
# SPDX-License-Identifier: ISC
# WireGuard dialect: a second peer; an inner source that is not the peer's own is dropped; addresses move.
# runs: culvert:go go:culvert culvert:culvert culvert:go-old
. "$(dirname "$0")/lib.sh"
need_program "$1" && need_program "$2"

# spoof FROM: pings a with an inner source that belongs to c.
spoof() { ns "$1" ping -n -c 1 -W 1 -I "${inside4[c]}" "${inside4[a]}"; }
arrived() { ns a cat /proc/net/snmp | awk '/^Icmp: [0-9]/ { print $2 }'; }

two_ends
two_devices "$1" "$2"
third_end
make_keys c
start_device c "$2"
wg_set_key c
wg_add_peer c a endpoint "$(endpoint_of a 4)"
inside c
wg_add_peer a c
wg_set b peer "$(public a)" endpoint "$(endpoint_of a 4)"

step "two peers at once"
pings_both b a
pings_both c a
pings_both a b
pings_both a c
expect_equal "peers of a" 2 "$(shown a peers | wc -l)"

step "a spoofed inner source is dropped, but the outer packet counts"
before=$(arrived)
bytes=$(received a b)
address b "$(dev b)" "${inside4[c]}/32"
never_within 2 "a ping with c's address from b" spoof b
expect_equal "ICMP packets that reached a" "$before" "$(arrived)"
expect_at_least "bytes received from b" $((bytes + 128)) "$(received a b)"
must ip -n "$prefix-b" addr del "${inside4[c]}/32" dev "$(dev b)"
pings b "${inside4[a]}"

step "an address that no peer has: unreachable at once"
refuses 'not permitted|nreachable|Required key|100% packet loss' ns a ping -n -c 1 -W 1 10.9.0.77

step "an address moves from one peer to the other"
wg_set a peer "$(public b)" allowed-ips "${inside4[b]}/32,${inside6[b]}/128,${inside4[c]}/32"
expect_equal "allowed IPs that c still has" "${inside6[c]}/128" "$(shown a allowed-ips c)"
address b "$(dev b)" "${inside4[c]}/32"
wait_for 3 "b's ping with the address it has now" spoof b
never_within 2 "a ping of c" ping_once c "${inside4[a]}"

step "a peer that is removed"
wg_set a peer "$(public c)" remove
never_within 2 "a ping of a removed peer" ping_once c "${inside4[a]}"
pings b "${inside4[a]}"
pass
