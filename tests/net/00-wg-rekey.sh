#!/bin/bash
# SPDX-License-Identifier: ISC
# WireGuard dialect: the initiator makes new keys after 120 s under traffic, really waited for; nothing is lost.
# runs: culvert:go go:culvert
. "$(dirname "$0")/lib.sh"
need_program "$1" && need_program "$2"

two_ends
two_devices "$1" "$2"
wg_set a peer "$(public b)" endpoint "$(endpoint_of b 4)"
pings a "${inside4[b]}"
first=$(handshake_time a b)
capture b handshakes 'udp[8:4] = 0x01000000'

step "ping once a second until well after 120 s"
background_in a pinger ping -n -i 1 -w 135 "${inside4[b]}"
wait_for 130 "a new handshake" handshake_newer a b "$first"
second=$(handshake_time a b)
expect_at_least "age of the keys at the rekey, s" 119 $((second - first))
expect_at_most "age of the keys at the rekey, s" 127 $((second - first))
wait_for 30 "ping ends" gone pinger
expect_match "pings across the rekey" ', 0% packet loss' "$(cat "$tmp/pinger.log")"

step "one handshake, made by the initiator only"
# wireguard-go arms its retry after it sent, which may be after it has the answer: then it sends more, 5 s apart.
most=$([ "$1" = go ] && printf 4 || printf 1)
expect_at_least "initiations that b saw" 1 "$(captured handshakes "dst host ${outside4[b]}")"
expect_at_most "initiations that b saw" "$most" "$(captured handshakes "dst host ${outside4[b]}")"
expect_equal "initiations that a saw" 0 "$(captured handshakes "dst host ${outside4[a]}")"
pass
