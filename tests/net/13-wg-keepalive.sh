#!/bin/bash
# SPDX-License-Identifier: ISC
# WireGuard dialect: the passive keepalive after 10 s, the persistent one, and a handshake after 15 s of silence.
# runs: culvert:go go:culvert culvert:culvert
. "$(dirname "$0")/lib.sh"
need_program "$1" && need_program "$2"

sent_at_least() { [ "$(transmitted "$1" "$2")" -ge "$3" ]; } # NS PEER BYTES
one_way() { ns "$1" bash -c "printf x >/dev/udp/${inside4[$2]}/7" 2>/dev/null; }

two_ends
two_devices "$1" "$2"
wg_set a peer "$(public b)" endpoint "$(endpoint_of b 4)"
pings a "${inside4[b]}"
background_in b silent socat -u UDP4-RECV:7 OPEN:/dev/null
wait_for 5 "something listens and says nothing" udp_bound b 7

[ "$1" != go ] || wait_no_repeats b a
step "data that is not answered: b says after 10 s that it is there"
# The answers of the pings above are heard by a; what b owes is counted from the datagram on.
before=$(transmitted b a)
begin=$(now_ms)
one_way a b
wait_for 14 "b's passive keepalive" sent_at_least b a $((before + 1))
spent=$(($(now_ms) - begin))
expect_equal "size of b's keepalive" 32 $(($(transmitted b a) - before))
expect_at_least "ms until the keepalive" 9500 "$spent"
expect_at_most "ms until the keepalive" 11500 "$spent"

step "persistent keepalive of 1 s"
before=$(received a b)
count_before=$(transmitted b a)
capture a keepalives "udp and src host ${outside4[b]} and udp[8:4] = 0x04000000"
wg_set b peer "$(public a)" persistent-keepalive 1
wait_for 8 "four keepalives" sent_at_least b a $((count_before + 4 * 32))
wg_set b peer "$(public a)" persistent-keepalive off
expect_equal "of b's packets, those that are not keepalives" 0 "$(captured keepalives 'udp[4:2] != 40')"
expect_at_least "bytes of keepalives at a" 96 $(($(received a b) - before))
sleep 1.5 # the one that was due
quiet=$(transmitted b a)
never_within 3 "keepalives after they were switched off" sent_at_least b a $((quiet + 1))

step "a peer that has gone: a new handshake 15 s after data without an answer"
kill_hard device-b
capture a silence "udp and src host ${outside4[a]} and udp[8:4] = 0x01000000"
begin=$(now_ms)
one_way a b
wait_for 19 "a's initiation" captured_any silence
spent=$(($(now_ms) - begin))
expect_at_least "ms until the initiation" 14500 "$spent"
expect_at_most "ms until the initiation" 16500 "$spent"
pass
