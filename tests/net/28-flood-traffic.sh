#!/bin/bash
# SPDX-License-Identifier: ISC
# A third host floods culvert with forged packets of all kinds: its session, its traffic and its memory stay.
# runs: culvert:culvert culvert:go
. "$(dirname "$0")/lib.sh"
need_program "$1" && need_program "$2"
need_tool flood

rate=8000 # a second, of each kind: a flood beside which a slow machine can still do its work

start_flood() { # NAME KIND [INDEX]
	background_in c "$1" "$tools/flood" "$(public a)" 192.0.2.64+63 "${outside4[a]}" "$port" "$rate" 100 "${@:2}"
}

heard() { ns a cat /proc/net/snmp | awk '/^Udp: [0-9]/ { print $2 }'; } # datagrams that a's sockets took
heard_more() { [ "$(heard)" -ge "$1" ]; }
memory() { awk '/^VmRSS/ { print $2 }' "/proc/${pid_of[device-a]}/status"; } # kB

two_ends
third_end
# So many addresses are c's that a rate limit for each of them does not help.
must ip -n "$prefix-c" route add local 192.0.2.64/26 dev lo
two_devices "$1" "$2"
wg_set a peer "$(public b)" endpoint "$(endpoint_of b 4)"
capture a data "dst host ${outside4[a]} and udp[8:4] = 0x04000000"
pings_both a b
wait_for 5 "a data message is captured" captured_any data
stop_background data
# Behind the headers of the file, of the frame, of Ethernet, IPv4, UDP, and the type.
index=$(od -An -tx1 -j $((24 + 16 + 14 + 20 + 8 + 4)) -N 4 "$tmp/data.pcap" | tr -d ' ')
tcp_both_ways a b "${inside4[b]}"

step "forged data messages of a's session $index, and nothing else"
pings a "${inside4[b]}"
before=$(received a b)
handshake=$(handshake_time a b)
capture a handshakes "src host ${outside4[a]} and (udp[8] = 1 or udp[8] = 2)"
start_flood flood-data data "$index"
wait_for 30 "a hears the flood" heard_more $(($(heard) + 20000))
expect_equal "bytes that a has received from b" "$before" "$(received a b)"
endpoint_is a b "$(endpoint_of b 4)" || fail "a's peer is at $(shown a endpoints b)"
memory=$(memory) # with all buffers in use for once

step "initiations with a valid mac1, and junk, as well"
start_flood flood-initiations initiations
start_flood flood-junk junk
wait_for 30 "a hears the floods" heard_more $(($(heard) + 60000))
background_in b ping-b ping -n -c 40 -i 0.1 -W 2 "${inside6[a]}"
tcp_both_ways a b "${inside4[b]}"
wait_for 30 "ping ends" gone ping-b
unset "pid_of[ping-b]"
expect_at_least "pings that are answered, of 40" 20 "$(grep -c 'bytes from' "$tmp/ping-b.log")"
for kind in data initiations junk; do
	running "flood-$kind" || fail "the flood was over before the traffic: this test shows nothing"
	stop_background "flood-$kind"
done
expect_equal "a's last handshake" "$handshake" "$(handshake_time a b)"
expect_equal "handshake messages of a" 0 "$(captured handshakes)"
expect_match "answers to forged data" ' 0 cookie replies, 0 other' "$(cat "$tmp/flood-data.log")"
expect_match "answers to junk" ' 0 cookie replies, 0 other' "$(cat "$tmp/flood-junk.log")"
expect_match "answers to initiations" ' [1-9][0-9]* cookie replies, 0 other' "$(cat "$tmp/flood-initiations.log")"
endpoint_is a b "$(endpoint_of b 4)" || fail "a's peer is at $(shown a endpoints b)"
printf "    memory: %s kB, then %s kB\n" "$memory" "$(memory)"
expect_at_most "a's memory, kB, which was $memory" $((memory + 3072)) "$(memory)"

step "all is as before"
must ns a ping -n -q -c 10 -i 0.05 -W 2 "${inside4[b]}"
tcp_both_ways a b "${inside6[b]}"
stop_background device-b
start_device b "$2"
wg_set_key b
wg_add_peer b a endpoint "$(endpoint_of a 4)"
inside b
pings b "${inside4[a]}" 15
pass
