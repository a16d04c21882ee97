#!/bin/bash
# SPDX-License-Identifier: ISC
# The engine alone: how it starts, daemonises and ends; nothing is left of it.
# runs: culvert
. "$(dirname "$0")/lib.sh"
need_program "$1"

nothing_left() { # HOW
	wait_for 3 "the socket goes $1" no_socket a
	wait_for 3 "the device goes $1" no_device a
	expect_host_state a "$before" "$1"
}
daemon_ended() { [ -z "$(ip netns pids "$prefix-a")" ]; }

two_ends
before=$(host_state a)

for signal in INT TERM; do
	step "SIG$signal"
	start_device a "$1"
	inside a
	stop_background device-a "$signal"
	expect_equal "exit status after SIG$signal" 0 $?
	nothing_left "after SIG$signal"
done

step "ip link del"
start_device a "$1"
inside a
must ip -n "$prefix-a" link del "$(dev a)"
wait_for 5 "the engine ends" gone device-a
wait "${pid_of[device-a]}"
expect_equal "exit status after ip link del" 0 $?
unset "pid_of[device-a]"
nothing_left "after ip link del"

step "the socket is removed"
start_device a "$1"
rm "$run_dir/$(dev a).sock"
wait_for 5 "the engine ends" gone device-a
wait "${pid_of[device-a]}"
expect_equal "exit status after the socket went" 0 $?
unset "pid_of[device-a]"
nothing_left "after the socket went"

step "a second one of the same name is refused and harms nothing"
start_device a "$1"
refuses . ns a timeout 10 "$(program "$1")" -f "$(dev a)"
control_answers a || fail "the first one does not answer any more"

step "kill -9, then a new start in spite of the socket that is left"
kill_hard device-a
start_device a "$1"
stop_background device-a
nothing_left "after SIGTERM"

step "a daemon: ready when the command comes back"
must ns a timeout 10 "$(program "$1")" "$(dev a)"
control_answers a || fail "the command came back and the control socket does not answer"
expect_equal "daemons" 1 "$(ip netns pids "$prefix-a" | wc -l)"
must ip -n "$prefix-a" link del "$(dev a)"
wait_for 5 "the daemon ends" daemon_ended
nothing_left "after ip link del"

[ "$1" = culvert ] || pass
step "wrong calls"
refuses . ns a timeout 10 "$(program "$1")"
refuses . ns a timeout 10 "$(program "$1")" -f "name/with/slashes"
refuses . ns a timeout 10 "$(program "$1")" -f "a-name-that-is-longer-than-the-kernel-allows"
pass
