#!/bin/bash
# SPDX-License-Identifier: ISC
# Stands in for systemctl on the hosts of the tutorial's tests, which have no systemd: runs what the unit's file says.
# The services: culvert@, openvpn@ and wg-quick@. What runs is noted in /run, which each host has of its own.
set -u

give_up() { printf 'systemctl: %s\n' "$*" >&2; exit 1; }

unit_file() { # UNIT
	local dir
	for dir in "$TUTORIAL_UNITS" /usr/lib/systemd/system /lib/systemd/system; do
		[ ! -e "$dir/${1%%@*}@.service" ] || { printf '%s' "$dir/${1%%@*}@.service"; return; }
	done
	give_up "there is no ${1%%@*}@.service"
}

# run UNIT KEY [PREFIX...]: the unit's command, found on the PATH
run() {
	local line words
	line=$(sed -n "s/^$2=//p" "$(unit_file "$1")")
	[ -n "$line" ] || return 0
	line=${line//%i/${1#*@}}
	read -ra words <<<"$line"
	"${@:3}" "$(basename "${words[0]}")" "${words[@]:1}"
}

pid() { cat "/run/$1.pid" 2>/dev/null; }
lives() { [ -d "/proc/$(pid "$1")" ] && ! grep -q '^State:.*Z' "/proc/$(pid "$1")/status"; }

wait_until() { # COMMAND...
	local tries
	for ((tries = 0; tries < 200; tries++)); do
		! "$@" || return 0
		sleep 0.05
	done
	return 1
}

# What Type=notify waits for.
is_ready() { ! lives "$1" || culvert status --json "${1#*@}" 2>/dev/null | grep -q '"state": *"running"'; }

start() {
	case $1 in
	culvert@*)
		run "$1" ExecStart exec setsid >>"$TUTORIAL_LOG-$1.log" 2>&1 &
		echo $! >"/run/$1.pid"
		wait_until is_ready "$1"
		lives "$1"
		;;
	*) run "$1" ExecStart >>"$TUTORIAL_LOG-$1.log" 2>&1 ;;
	esac
}

ended() { ! lives "$1"; }

stop() {
	case $1 in
	openvpn@*) cp "/run/openvpn/${1#*@}.pid" "/run/$1.pid" ;;
	esac
	if [ -e "/run/$1.pid" ]; then
		kill "$(pid "$1")"
		wait_until ended "$1" || give_up "$1 does not end"
		rm "/run/$1.pid"
	fi
	run "$1" ExecStop >>"$TUTORIAL_LOG-$1.log" 2>&1
	SERVICE_RESULT=success run "$1" ExecStopPost >>"$TUTORIAL_LOG-$1.log" 2>&1
}

verb=${1:?}
shift
now=
[ "${1:-}" != --now ] || { now=yes; shift; }
for unit; do
	case $verb$now in
	enableyes) start "$unit" || give_up "$unit does not start: $(tail -n 3 "$TUTORIAL_LOG-$unit.log")" ;;
	restart)
		stop "$unit"
		start "$unit" || give_up "$unit does not start again: $(tail -n 3 "$TUTORIAL_LOG-$unit.log")"
		;;
	disableyes) stop "$unit" ;;
	*) give_up "what is $verb?" ;;
	esac
done
