#!/bin/bash
# SPDX-License-Identifier: ISC
# A shared-key tunnel over a line that loses, doubles, delays and reorders, through a NAT that forgets, and a blackout.
. "$(dirname "$0")/lib.sh"
need_culvert
need_tool relay

start_relay() { # OPTIONS...
	background_in m relay "$tools/relay" "$@" -b 50002 -c "${outside4[a]}" -p "$port" 50001 "${outside4[b]}" "$port"
	wait_for 5 "the relay listens" udp_bound m 50002
}
loss_of() { sed -n 's/.* \([0-9]*\)\(\.[0-9]*\)\?% packet loss.*/\1/p' "$tmp/$1.log"; }

two_ends_with_middle
write_shared 4
sed -i "s/^Endpoint.*/Endpoint = ${outside4[m_a]}:50001/" "$(conf a)"
sed -i "s/^Endpoint.*/Endpoint = ${outside4[m_b]}:50002/" "$(conf b)"

step "a fifth is lost, a tenth doubled, a fifth out of order, 30 ms each way"
start_relay -l 20 -d 10 -r 20 -D 30 -s 7
start_both
pings a "${inside4[b]}" 30
background_in a lossy ping -n -c 200 -i 0.03 -W 2 "${inside4[b]}"
wait_for 30 "ping ends" gone lossy
expect_at_least "lost pings, percent (the relay does work)" 15 "$(loss_of lossy)"
expect_at_most "lost pings, percent" 55 "$(loss_of lossy)"
expect_equal "pings that came twice" 0 "$(grep -c 'DUP!' "$tmp/lossy.log")"

step "a NAT that forgets its mapping"
stop_background relay
start_relay -s 7
pings a "${inside4[b]}" 20
kill -USR1 "${pid_of[relay]}"
pings a "${inside4[b]}"
pings b "${inside4[a]}"

step "a blackout of some seconds, under traffic from both ends"
kill -USR2 "${pid_of[relay]}"
never_within 6 "a ping through a blackout" ping_once a "${inside4[b]}"
kill -USR2 "${pid_of[relay]}"
pings a "${inside4[b]}" 20
pings b "${inside4[a]}" 20
stop_both
pass
