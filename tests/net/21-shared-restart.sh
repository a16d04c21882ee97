#!/bin/bash
# SPDX-License-Identifier: ISC
# A shared-key tunnel: either end is killed with kill -9 and started again; back within 5 s of traffic.
. "$(dirname "$0")/lib.sh"
need_culvert

back_within_5_s() { # FROM TO WHAT
	local begin
	begin=$(now_ms)
	wait_for 5 "traffic from $1 is back after $3" ping_once "$1" "${inside4[$2]}"
	printf '    back after %s ms\n' $(($(now_ms) - begin))
}

two_ends
write_shared 4
start_both
pings_both a b

for killed in a b; do
	other=$([ "$killed" = a ] && printf b || printf a)
	for talker in "$killed" "$other"; do
		step "$killed is killed and started again; $talker talks first"
		kill_hard "culvert-$killed"
		wait_for 3 "$killed's device goes with it" no_device "$killed"
		bring_up "$killed"
		back_within_5_s "$talker" "$([ "$talker" = a ] && printf b || printf a)" "kill -9 of $killed"
		pings b "${inside6[a]}"
		pings a "${inside6[b]}"
	done
done

step "only the engine is killed: the monitor ends as well, and puts all back"
kill -9 "$(engine_pid a)"
wait_for 5 "the monitor ends" gone culvert-a
wait "${pid_of[culvert-a]}"
expect_at_least "its exit status" 1 $?
unset "pid_of[culvert-a]"
no_device a || fail "the device is still there"

step "only the monitor is killed: the engine ends as well"
bring_up a
engine=$(engine_pid a)
kill -9 "${pid_of[culvert-a]}"
wait_for 5 "the engine ends" test ! -d "/proc/$engine"
unset "pid_of[culvert-a]"
wait_for 3 "the device goes" no_device a
bring_up a
back_within_5_s a b "kill -9 of the monitor"
pass
