#!/bin/bash
# SPDX-License-Identifier: ISC
# For 53-kill-each-step.sh, which runs this in a network and mount namespace with an /etc and a /run of its own: a tunnel is
# killed after one of its system calls, then after the next one ...
#
# usage: kill-steps.sh CULVERT NAME DIRECTORY FIRST STEP VICTIM/REMEDY[,VICTIM/REMEDY...]...
#
# The system calls that count are those of the monitor that change the host, or get another process to, on the way up, in a
# reload if DIRECTORY/changed.conf is there (DIRECTORY/wg-set: what wg sets first), and on the way down again; those with the numbers FIRST, FIRST + STEP ... are looked at. Once for each argument VICTIM/REMEDY (of a list
# the next one each time), directly after that call the monitor is stopped, VICTIM is killed (monitor, engine, both), it is
# put back by REMEDY (down: culvert down; start: the next start and its end), and all must be as it was. Says what was not;
# exits 0 if there was nothing.
set -u -o pipefail

culvert=$1 name=$2 directory=$3 first=$4 step=$5
shift 5
calls=sendto,ioctl,write,ftruncate,rename,unlink,link,linkat,bind,mkdir,fchown,fchmod,clone,poll
no_change='^clone|^write\(2,|RTM_GET|SIOCGIF|= -1 '
points=() failures=0 looked=0 changed=0 kills=0
file=/etc/culvert/$name.conf
victim=nobody remedy=nothing call=none

# Locks stay. SaveConfig makes the tunnel's file a new one.
state() {
	printf 'link\naddr\n' | ip -batch -
	printf 'rule\nroute show table all\n' | ip -4 -batch -
	printf 'rule\nroute show table all\n' | ip -6 -batch -
	grep -rs . /proc/sys/net/ipv4 /proc/sys/net/ipv6
	find /etc /run ! -type d ! -name '*.lock' ! -name .turn \( -path "$file" -printf '%p' -o -printf '%p %i' \) \
		-printf ' %y %m %U %G %T@ %s %l\n' | sort
	cat /etc/resolv.conf
}

compare() {
	local after
	cp -p "$directory/first.conf" "$file"
	after=$(state)
	[ "$after" = "$before" ] ||
		complain "not as it was:" "$(diff <(printf '%s\n' "$before") <(printf '%s\n' "$after"))"
}

complain() {
	failures=$((failures + 1))
	printf '%s killed after "%.200s", then %s: %s\n' "$victim" "$call" "$remedy" "$1"
	shift
	[ $# = 0 ] || printf '    %s\n' "$@"
}

gone() { [ ! -e "/sys/class/net/$name" ]; }

wait_until_gone() {
	local tries=1000
	until gone; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || { complain "the device stays"; return; }
		read -r -t 0.01 <>"$directory/never"
	done
}

children() { # PID: one after the other
	local list=()
	read -r -a list 2>/dev/null <"/proc/$1/task/$1/children"
	printf '%s' "${list[*]}"
}

engine_of() { # PID
	local pid
	for pid in $(children "$1"); do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" != culvert-engine ] || printf '%s' "$pid"
	done
}

go_on() { # it is up
	# shellcheck disable=SC2046 # words on purpose
	[ ! -e "$directory/wg-set" ] || wg set "$name" $(cat "$directory/wg-set")
	if [ -e "$directory/changed.conf" ]; then
		cp -p "$directory/changed.conf" "$file"
		kill -HUP "$1"
	else
		kill -TERM "$1"
	fi
}

# Runs the tunnel up and down under strace, which may be told to inject a stop, and reads what it does: seen, of which
# call is the last. Until it is stopped: then its pid is `monitor`, or until it has ended.
run_traced() { # STRACE-OPTIONS
	local line
	call=none seen=()
	PATH=$directory/bin /usr/bin/strace -qq -s 200 -o "$directory/calls" -e "trace=$calls" "$@" \
		"$culvert" run "$name" >"$directory/out" 2>&1 &
	strace=$!
	exec 3<"$directory/calls"
	while read -r -u 3 line; do
		case $line in
		'--- stopped by SIGSTOP'*) break ;;
		'write(2, "'*' is up, MTU'*) go_on "$(children "$strace")" ;;
		'write(2, "'*': reloaded '*) kill -TERM "$(children "$strace")" ;;
		'write(2, "'*': reload: '*) complain "the reload fails: $line" ;;
		esac
		[[ $line == [-+]* ]] || { call=$line; seen+=("$line"); }
	done
	monitor=$(children "$strace")
}

end_traced() {
	cat <&3 >/dev/null
	exec 3<&-
	wait "$strace"
}

# The engine alone can be killed when there is one.
kill_victim() {
	local engine
	read -r -a orphans <<<"$(children "$monitor")"
	engine=$(engine_of "$monitor")
	# shellcheck disable=SC2046 # words on purpose
	if [ "$victim" = both ]; then
		kill -9 "$monitor" $(children "$monitor")
	elif [ "$victim" = monitor ] || [ -z "$engine" ]; then
		kill -9 "$monitor"
	else
		kill -9 "$engine"
		kill -CONT "$monitor"
	fi
}

start_and_stop() {
	local line up='' pid
	PATH=$directory/bin "$culvert" run "$name" >"$directory/lines" 2>&1 &
	pid=$!
	exec 4<"$directory/lines"
	while read -r -u 4 line; do
		case $line in
		*' is up, MTU'*)
			up=yes
			kill -TERM "$pid"
			;;
		esac
	done
	exec 4<&-
	wait "$pid" || complain "the next start ended with status $?"
	[ -n "$up" ] || complain "the next start does not come up"
}

# Nobody may have waited for one that has ended.
alive() { # PID
	local status
	read -r status 2>/dev/null <"/proc/$1/stat" && [[ $status != *') Z '* ]]
}

# A program that the monitor had started may go on for a while.
wait_for_orphans() {
	local pid
	for pid in "${orphans[@]}"; do
		while alive "$pid"; do
			read -r -t 0.01 <>"$directory/never"
		done
	done
}

put_back() {
	local output
	if [ "$remedy" = start ]; then
		start_and_stop
	else
		output=$(PATH=$directory/bin "$culvert" down "$name" 2>&1) || complain "$output"
	fi
}

# Once without a stop, for what there is: "CALL NUMBER"; strace counts each kind of call by itself. A process that is to be
# stopped does not fork: where it has done so it is stopped as it waits next.
look() {
	local line kind forked=''
	local -A count=()
	run_traced
	end_traced
	for line in "${seen[@]}"; do
		kind=${line%%(*}
		count[$kind]=$((${count[$kind]:-0} + 1))
		[ "$kind" != clone ] || forked=yes
		[[ $line =~ $no_change || ($kind == poll && -z $forked) ]] || points+=("$kind ${count[$kind]}")
		[ "$kind" != poll ] || forked=
	done
	compare
}

kill_once() { # VICTIM/REMEDY CALL NUMBER
	victim=${1%/*} remedy=${1#*/}
	run_traced -e "inject=$2:signal=STOP:when=$3"
	orphans=()
	if [ -n "$monitor" ]; then
		kills=$((kills + 1))
		kill_victim
	fi
	end_traced
	wait_until_gone
	if [ "$remedy" = down ] && [ "$victim" != engine ]; then # that there is something to put back
		looked=$((looked + 1))
		[ "$(state)" = "$before" ] || changed=$((changed + 1))
	fi
	put_back
	wait_for_orphans
	compare
}

exec 2>"$directory/notices" # of what is killed
cp -p "$file" "$directory/first.conf"
mkfifo "$directory/calls" "$directory/lines" "$directory/never"
before=$(state)
look
for ((i = first, turn = 0; i < ${#points[@]}; i += step, turn++)); do
	for each; do
		IFS=, read -r -a list <<<"$each"
		# shellcheck disable=SC2086 # words on purpose
		kill_once "${list[turn % ${#list[@]}]}" ${points[i]}
	done
done
printf 'points=%s kills=%s looked=%s changed=%s failures=%s\n' "${#points[@]}" "$kills" "$looked" "$changed" "$failures"
[ "$failures" = 0 ]
