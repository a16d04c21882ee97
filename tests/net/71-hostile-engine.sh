#!/bin/bash
# SPDX-License-Identifier: ISC
# An engine that is taken over asks and answers what no engine does: the monitor ends it, says so, takes the tunnel down
# and neither crashes nor hangs. What it may say, be it lies, goes to no terminal as it is.
. "$(dirname "$0")/lib.sh"
need_culvert
need_tool misbehave.so

two_ends
make_keys a b
before=$(host_state a)
write_conf a "PrivateKeyFile = a.key\nSaveConfig = true" "PublicKey = $(public b)\n$(allowed b)"
file=$(cat "$(conf a)")

start_hostile() {
	: >"$tmp/culvert-a.log"
	background_in a culvert-a env LD_PRELOAD="$tools/misbehave.so" "$build/culvert" run "$(conf a)"
	wait_tunnel a
	monitor=$(status_of a .pid)
}
# What makes the monitor ask something: another setting in the file at each reload.
reload() {
	local seconds=$((++reloads))
	sed -i '/^PersistentKeepalive/d' "$(conf a)"
	printf 'PersistentKeepalive = %d\n' "$seconds" >>"$(conf a)"
	file=$(cat "$(conf a)")
	timeout 40 "$build/culvert" reload "$(dev a)" >"$tmp/reload" 2>&1
}
reloads=0
send() { ns a bash -c "printf '%s' 'misbehave $1' >/dev/udp/127.0.0.1/$port"; }

expect_ended() { # WHAT PATTERN
	wait_for 10 "a ends after $1" gone culvert-a
	wait "${pid_of[culvert-a]}"
	expect_equal "exit status after $1" 1 $?
	unset "pid_of[culvert-a]"
	has_logged a "$2" || fail "$1: the log does not say it: $(cat "$tmp/culvert-a.log")"
	no_device a || fail "$1: the device is still there"
	expect_host_state a "$before" "after $1"
	expect_equal "the file after $1" "$file" "$(cat "$(conf a)")"
}

# kind 1, serial 1, no mark, any port: the one that is well-formed.
good=01000000010000000000000000000000
step "malformed requests"
while read -r what bytes; do
	start_hostile
	send "ask $bytes"
	expect_ended "$what" 'engine sent a malformed request: it is ended'
done <<END
short 01
a-byte-less ${good%00}
a-byte-more ${good}00
long $(printf 'ff%.0s' {1..200})
kind-0 00${good#01}
kind-2 02${good#01}
kind-huge ffffffff${good#01000000}
padding ${good%00}01
after-a-good-one $good $good 00${good#01}
END

step "well-formed requests, many: they are served, and descriptors do not pile up"
start_hostile
count_fds() { find "/proc/$monitor/fd" -mindepth 1 | wc -l; }
fds=$(count_fds)
for _ in {1..30}; do
	send "ask $good $good $good $good $good $good $good $good"
done
sleep 0.5
expect_at_most "descriptors of the monitor" $((fds + 2)) "$(count_fds)"
send "ask 00"
expect_ended "many" 'engine sent a malformed request: it is ended'

step "answers that nobody asked for"
for text in x 'errno=0' "$(printf 'y%.0s' {1..900})"; do
	start_hostile
	send "tell $text"
	expect_ended "\"${text:0:10}\"" 'an answer that nobody asked for: it is ended'
done

step "an answer without an end"
start_hostile
send "lie endless"
reload && fail "a reload that the engine did not answer has done well"
expect_ended "it" 'the engine sent an answer without an end: it is ended'

step "answers that make no sense"
for lie in bytes errno terminal; do
	start_hostile
	send "lie $lie"
	reload
	timeout 30 "$build/culvert" status "$(dev a)" >"$tmp/status" 2>&1
	! grep -q $'\033\|\007' "$tmp/status" "$tmp/reload" "$tmp/culvert-a.log" ||
		fail "$lie: what a terminal would act on is printed: $(cat -v "$tmp/status" "$tmp/reload" "$tmp/culvert-a.log")"
	[ -d "/proc/$monitor" ] || has_logged a 'it is ended' || fail "$lie: the monitor has ended without a word"
	if running culvert-a; then
		kill -TERM "$monitor"
		wait_for 40 "a ends by SIGTERM" gone culvert-a
	fi
	wait "${pid_of[culvert-a]}"
	expect_at_most "exit status after the lie $lie" 1 $?
	unset "pid_of[culvert-a]"
	expect_host_state a "$before" "after the lie $lie"
	expect_equal "the file after the lie $lie" "$file" "$(cat "$(conf a)")"
done
pass
