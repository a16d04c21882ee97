#!/bin/bash
# SPDX-License-Identifier: ISC
# For 73-each-call-fails.sh, which runs this in a network and mount namespace with an /etc and a /run of its own: a tunnel is
# started, used, reloaded and stopped while one of its system calls fails, then while another one does ...
#
# usage: fail-calls.sh CULVERT NAME DIRECTORY ADDRESS FIRST STEP MOST
#        fail-calls.sh CULVERT NAME DIRECTORY ADDRESS FIRST STEP ALLOCS.SO
#
# Calls are told apart by process (the monitor's and the engine's), name and number. Those at FIRST, FIRST + STEP ... are
# looked at, of each name MOST at the most (0: all), evenly spread; each with the next error of those that it may give. The
# tunnel is to carry pings to ADDRESS, before and after the reload, and to end at once by SIGTERM; or to end by itself with
# status 1 and a line that says why. All must be as it was; or, if an undo was refused, be so after 'culvert down'. Says what
# was not; exits 0 if there was nothing.
#
# With ALLOCS.SO, to be preloaded, it is an allocation of memory that fails, or there are only so many descriptors.
set -u -o pipefail

culvert=$1 name=$2 directory=$3 address=$4 first=$5 step=$6 most=$7
file=/etc/culvert/$name.conf
patience=20 # seconds; an answer that is lost comes again after 5
readonly EACH=45 SOME=60
points=() failures=0 tried=0 injected=0 refused=0 undone=0
process=none call=none number=0 error=none

# What each call may say. Of those that are not here a failure has no effect that anybody could see to (close, exit), or is
# none that a kernel gives (wait4, which is told not to wait). Of a family that is missing, by which the peer is reached, no
# ping comes back: unit/udp_refusals has that.
declare -A errors=(
	[accept4]='EMFILE EINTR ECONNABORTED ENOBUFS' [bind]='EADDRINUSE EACCES ENOMEM' [brk]=ENOMEM [capset]=EPERM
	[chdir]=EACCES [chmod]='EPERM EROFS' [chown]=EPERM [clone]='EAGAIN ENOMEM' [clone3]='EAGAIN ENOMEM'
	[connect]='ECONNREFUSED EINTR EAGAIN' [dup2]=EMFILE [epoll_create1]='EMFILE ENOMEM' [epoll_ctl]='ENOMEM ENOSPC'
	[epoll_wait]=EINTR [eventfd2]='EMFILE ENOMEM' [fchmod]=EPERM [fchown]=EPERM [fcntl]=EINVAL [flock]='EINTR ENOLCK'
	[fsync]='EIO ENOSPC' [ftruncate]='ENOSPC EIO EROFS' [getdents64]=EIO [getrandom]=EINTR
	[getsockname]=ENOBUFS [getsockopt]='ENOPROTOOPT ENOBUFS' [inotify_add_watch]='ENOSPC ENOMEM'
	[inotify_init1]='EMFILE ENOMEM' [ioctl]='EPERM ENOMEM EBUSY' [link]='EPERM ENOSPC' [linkat]='EPERM ENOSPC'
	[listen]=EADDRINUSE [lseek]=EINVAL [madvise]=ENOMEM [memfd_create]='EMFILE ENOMEM' [mkdir]='ENOSPC EACCES'
	[mmap]=ENOMEM [newfstatat]='EACCES ENOMEM' [openat]='EMFILE EACCES ENOMEM EIO EROFS' [pipe2]=EMFILE
	[poll]='EINTR ENOMEM' [ppoll]='EINTR ENOMEM' [prctl]=EPERM [pread64]=EIO [read]='EIO EINTR' [readlink]=EACCES
	[readv]='EIO EINTR EAGAIN' [recvfrom]='ENOBUFS EINTR ENOMEM EAGAIN' [recvmmsg]='ECONNREFUSED EINTR ENOMEM'
	[recvmsg]='ENOBUFS EINTR ENOMEM' [rename]='ENOSPC EACCES EIO' [sendmmsg]='ENOBUFS EPERM ENETUNREACH EMSGSIZE EINTR EAGAIN'
	[sendmsg]='ENOBUFS EINTR EAGAIN ENOMEM' [sendto]='ENOBUFS EINTR ENOMEM EPERM' [setgroups]=EPERM [setresgid]=EPERM
	[setresuid]='EPERM EAGAIN' [setsockopt]='ENOPROTOOPT ENOBUFS EPERM' [shutdown]=ENOTCONN [signalfd4]='EMFILE ENOMEM'
	[socket]='EMFILE ENOBUFS' [socketpair]='EMFILE ENOMEM' [timerfd_create]='EMFILE ENOMEM'
	[timerfd_settime]=ECANCELED [unlink]='EACCES EIO' [write]='EIO ENOSPC EINTR' [writev]='EIO ENOBUFS ENOMEM EAGAIN'
)
# An error there would only hide from us what happens.
not_these='^write[(]2,|ERESTART'

# Locks stay.
state() {
	printf 'link\naddr\n' | ip -batch -
	printf 'rule\nroute show table all\n' | ip -4 -batch -
	printf 'rule\nroute show table all\n' | ip -6 -batch -
	grep -rs . /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf
	find /etc /run ! -type d ! -name '*.lock' ! -name .turn -printf '%p %y %m %U %G %s %l\n' | sort
	cat /etc/resolv.conf
}

# A line of the log was lost, and with it the sign to go on: that says nothing.
log_failed() { grep -q 'write(2, .*INJECTED' "$directory/calls" 2>/dev/null; }

complain() {
	! log_failed || return
	failures=$((failures + 1))
	printf '%s: %s number %s gives %s: %s\n' "$process" "$call" "$number" "$error" "$1"
	shift
	[ $# = 0 ] || printf '    %s\n' "$@"
}

pinged() { ping -n -c 1 -W 1 "$address" >/dev/null 2>&1; }

alive() { # PID: and nobody has waited for it in vain
	local status
	read -r status 2>/dev/null <"/proc/$1/stat" && [[ $status != *') Z '* ]]
}

pings() { # WHEN: while the tunnel is there
	local end=$((SECONDS + patience))
	until pinged; do
		alive "$monitor" || return
		[ "$SECONDS" -lt "$end" ] || { complain "no ping is answered $1" "${text[@]}"; return; }
	done
}

monitor_of() { # STRACE, or the monitor itself
	local list=()
	[ -n "$traced" ] || { printf '%s' "$1"; return; }
	read -r -a list 2>/dev/null <"/proc/$1/task/$1/children"
	printf '%s' "${list[0]:-}"
}

# What it says decides what comes next; it is over when all who could say something have ended.
follow() {
	local line status
	text=() up='' reloaded=''
	while read -r -t "$patience" -u 4 line || { status=$?; false; }; do
		text+=("$line")
		case $line in
		*' is up, MTU'*)
			up=yes
			monitor=$(monitor_of "$strace")
			pings "when it is up"
			cp -p "$directory/changed.conf" "$file"
			kill -HUP "$monitor" 2>/dev/null
			;;
		"$name: reloaded "* | "$name: reload: "*)
			[ -z "$reloaded" ] || continue
			reloaded=yes
			pings "after the reload"
			kill -TERM "$monitor" 2>/dev/null
			;;
		esac
	done
	[ "$status" -le 128 ] || { complain "it hangs" "${text[@]}"; end_all; }
}

# Whoever is left in this network, of us.
left_over() {
	local each here
	here=$(readlink /proc/self/ns/net)
	for each in /proc/[0-9]*; do
		[ "$(readlink "$each/ns/net" 2>/dev/null)" = "$here" ] &&
			grep -q '^culvert' "$each/comm" 2>/dev/null && alive "${each#/proc/}" && printf '%s ' "${each#/proc/}"
	done
}

end_all() {
	local each
	for each in $(left_over) $(monitor_of "$strace"); do
		kill -9 "$each" 2>/dev/null
	done
}

# Something that is no report of how well all goes.
said_why() {
	printf '%s\n' "${text[@]}" |
		grep -vE ': (culvert [0-9]|listening on|offload:|DNS is set|PostUp: |[^ ]* is [0-9]|.*session established|reloaded )' |
		grep -vE ': (.*: stopping|ending: (SIG|the monitor)|.* is (up, MTU|down))' |
		grep -vE ': (this host has no user culvert|the engine works, but|the sandbox of .* lacks)' | grep -q '[a-z]'
}

compare() {
	local after
	cp -p "$directory/first.conf" "$file"
	after=$(state)
	[ "$after" = "$before" ] && return
	undone=$((undone + 1))
	said_why || complain "not as it was, and nothing is said:" "$(diff <(printf '%s\n' "$before") <(printf '%s\n' "$after"))" "${text[@]}"
	"$culvert" down "$name" >/dev/null 2>&1
	cp -p "$directory/first.conf" "$file"
	after=$(state)
	[ "$after" = "$before" ] && return
	complain "not as it was, in spite of culvert down:" "$(diff <(printf '%s\n' "$before") <(printf '%s\n' "$after"))" "${text[@]}"
	# It is not the next one's fault.
	rm -f /etc/resolv.conf*
	cp -p "$directory/resolv.conf" /etc/resolv.conf
	before=$(state)
}

judge() { # STATUS
	local left
	# The loader's word for libraries that it cannot open.
	[ "$1" = 127 ] && [[ ${text[*]} == *'loading shared libraries'* ]] && return
	[ "$1" -lt 126 ] || complain "it ended with status $1" "${text[@]}"
	[[ ${text[*]} != *'killed by signal'* && ${text[*]} != *Sanitizer* && ${text[*]} != *'runtime error'* ]] ||
		complain "it crashed" "${text[@]}"
	[[ ${text[*]} != *SIGSYS* ]] || complain "it then made a call that it may not make" "${text[@]}"
	[[ ${text[*]} != *'did not end in time'* ]] || complain "the engine hung" "${text[@]}"
	if [ "$1" != 0 ]; then
		refused=$((refused + 1))
		said_why || complain "it ended with status $1 and does not say why" "${text[@]}"
	elif [ -z "$up" ]; then
		complain "it ended well and never was up" "${text[@]}"
	elif [ -z "$reloaded" ]; then
		complain "it ended well by itself" "${text[@]}"
	fi
	left=$(left_over)
	[ -z "$left" ] || { complain "somebody is left: $left"; end_all; }
}

run_by() { # COMMAND...: which runs what is behind it
	PATH=$directory/bin "$@" "$culvert" run "$name" >"$directory/lines" 2>&1 &
	strace=$!
	exec 4<"$directory/lines"
	follow
	exec 4<&-
	wait "$strace"
	judge $?
	compare
}

run_traced() { # STRACE-OPTIONS
	traced=yes
	run_by /usr/bin/strace -qq -s 80 "$@"
}

# Once without a failure, for what there is, from the moment on that the file is read: earlier it is not about us.
# Each line: CALL NUMBER. strace counts each kind by itself, and in each process.
numbered() { # FILE FROM-REGEX
	awk -v from="$2" -v not_these="$not_these" -F '(' '
		/^[a-z]/ { count[$1]++ }
		$0 ~ from { begun = 1 }
		begun && /^[a-z]/ && $0 !~ not_these { print $1, count[$1] }' "$1"
}

names_in() { sed -nE 's/^([a-z_0-9]+)\(.*/\1/p' "$@" | sort -u; }

# Of each name no more than $most, evenly spread.
spread() {
	awk -v most="$most" '{ line[NR] = $0; name[NR] = $1; of[$1]++ }
		END {
			for (i = 1; i <= NR; i++) {
				at = ++seen[name[i]]; all = of[name[i]]
				if (!most || all <= most || int(at * most / all) != int((at - 1) * most / all))
					print line[i]
			}
		}'
}

look() {
	local engine own=() each
	rm -f "$directory/calls".*
	run_traced -ff -o "$directory/calls"
	[ "$failures" = 0 ] || return
	for each in "$directory/calls".*; do
		if grep -q 'PR_SET_NAME, "culvert-engine"' "$each"; then
			engine=$each
		else
			own+=("$each")
		fi
	done
	mapfile -t points < <(
		numbered "$directory/calls.$monitor" "\"$file\"" | spread | sed 's/^/monitor /'
		# In all processes that are traced: so only what the others do not call at all.
		numbered "$engine" culvert-engine | grep -vwFf <(names_in "${own[@]}") | spread | sed 's/^/engine /'
	)
}

fail_once() { # PROCESS CALL NUMBER TURN
	local list options=()
	process=$1 call=$2 number=$3
	read -r -a list <<<"${errors[$call]:-}"
	[ "${#list[@]}" -gt 0 ] || return
	error=${list[$4 % ${#list[@]}]}
	[ "$process" = monitor ] || options=(-f)
	tried=$((tried + 1))
	# In place of the call strace makes one that the engine's filter knows.
	run_traced "${options[@]}" -o "$directory/calls" -e "trace=$call" -e "inject=$call:error=$error:syscall=getpid:when=$number"
	! grep -q INJECTED "$directory/calls" || injected=$((injected + 1))
}

# The monitor counts its allocations, and a child goes on from there. So the engine's are beyond. Each of those in which the
# file is read, and so many of the others.
fail_allocations() { # ALLOCS.SO
	local all
	process=memory call=allocation error=ENOMEM
	rm -f "$directory/count"
	run_by /usr/bin/env "LD_PRELOAD=$1" "ALLOCS_COUNT=$directory/count"
	all=$(sort -n -k 2 "$directory/count" | sed -n '$s/.* //p')
	for ((number = first + 1; number <= all + 100; number += number < EACH ? step : step * (1 + all / SOME))); do
		points+=("$number")
		tried=$((tried + 1))
		run_by /usr/bin/env "LD_PRELOAD=$1" "ALLOCS_FAIL=$number"
		injected=$((injected + 1))
	done
}

limit_descriptors() {
	process=monitor call=descriptor error=EMFILE
	for ((number = 3 + first; number < 40; number += step)); do
		tried=$((tried + 1))
		run_by /usr/bin/prlimit --nofile="$number"
		injected=$((injected + 1))
	done
}

fail_calls() {
	local i
	declare -A turn=()
	look
	for ((i = first; i < ${#points[@]}; i += step)); do
		read -r process call number <<<"${points[i]}"
		fail_once "$process" "$call" "$number" "${turn[$call]:-$first}"
		turn[$call]=$((${turn[$call]:-$first} + 1))
	done
}

traced=
exec 2>"$directory/notices" # of what is killed
cp -p "$file" "$directory/first.conf"
cp -p /etc/resolv.conf "$directory/resolv.conf"
rm -f "$directory/lines"
mkfifo "$directory/lines"
before=$(state)
if [[ $most == *.so ]]; then
	limit_descriptors
	fail_allocations "$most"
else
	fail_calls
fi
printf 'points=%s tried=%s injected=%s refused=%s undone=%s failures=%s\n' "${#points[@]}" "$tried" "$injected" "$refused" \
	"$undone" "$failures"
[ "$failures" = 0 ]
