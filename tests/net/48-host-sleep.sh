#!/bin/bash
# SPDX-License-Identifier: ISC
# A machine sleeps for an hour and wakes up; its wall clock is set back. Clocks are moved under one daemon alone.
. "$(dirname "$0")/lib.sh"
need_culvert
need_tool clocks.so
! ldd "$build/culvert" | grep -q libasan || skip "a sanitizer does not let its clocks be moved"

# The clocks are looked at every 10 s, and a handshake is to follow within two; a busy machine may take longer.
limit=15
move_clocks() { # BOOT WALL: seconds
	python3 -c 'import struct, sys
open(sys.argv[1], "r+b").write(struct.pack("=qq", int(sys.argv[2]) * 10**9, int(sys.argv[3]) * 10**9))' \
		"$tmp/clocks" "$1" "$2"
}
later() { [ "$(date +%s)" -gt "$1" ]; }
is_behind() { [ "$(status_of a .clock_behind)" -gt 0 ]; }
not_behind() { [ "$(status_of a .clock_behind)" = null ]; }

head -c 16 /dev/zero >"$tmp/clocks"
two_ends
# In culvert's dialect an end has nothing to say any more a few seconds after traffic.
write_pair "Endpoint = $(endpoint_of b 4)\nCipher = auto" "Cipher = auto"
start_culvert b "$(conf b)"
background_in a culvert-a env LD_PRELOAD="$tools/clocks.so" CLOCKS="$tmp/clocks" "$build/culvert" run "$(conf a)"
wait_tunnel a
wait_tunnel b
pings_both a b

step "an hour of sleep: a new session before anybody asks for one"
before=$(handshake_time b a)
sleep 6
move_clocks 3600 3600
wait_for "$limit" "a handshake after waking up" handshake_newer b a "$before"
wait_for "$limit" "a line about the sleep" has_logged a "slept for 3600 s"
pings_both a b
expect_equal "the network changed" number "$(status_of a '.network_changed | type')"

step "the clock is set back: said, and the tunnel goes on"
expect_equal "clock_behind" null "$(status_of a .clock_behind)"
move_clocks 3600 1800
wait_for "$limit" "status says so" is_behind
expect_at_least "lines about the clock" 1 "$(logged a "the clock was set back by 1[78][0-9][0-9] s")"
expect_match "the status" "the clock is wrong, by (29|30) min" "$("$build/culvert" status "$(dev a)")"
pings_both a b
before=$(handshake_time b a)
wait_for 3 "the next second" later "$before"
move_clocks 7200 5400
wait_for "$limit" "a handshake with the clock set back" handshake_newer b a "$before"
pings_both a b

step "and right again"
move_clocks 7200 7200
wait_for "$limit" "status says so" not_behind
expect_at_least "lines about the clock" 1 "$(logged a "the clock has caught up")"
stop_both
pass
