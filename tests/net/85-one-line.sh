#!/bin/bash
# SPDX-License-Identifier: ISC
# A tunnel of one line at each end, without a file: its name, status, reload and end; what is left by a kill; mistakes.
. "$(dirname "$0")/lib.sh"
need_culvert

# Two machines, each with an /etc and a /run of its own, so that the first free name is one of that machine alone.
# shellcheck disable=SC2016 # another shell expands it
enter='mount --bind "$1/etc" /etc && mount --rbind "$1/run" /run && shift && exec "$@"'
in_place() { # PLACE COMMAND...
	local place=$1
	shift
	ns "$place" /bin/bash -c "$enter" sh "$tmp/$place" "$@"
}
under=() # what a program is started by
# starts LOG PLACE OPTION...: `culvert run OPTION...` there.
starts() {
	local log=$1 place=$2
	shift 2
	: >"$tmp/$log.log"
	background_in "$place" "$log" /bin/bash -c "$enter" sh "$tmp/$place" "${under[@]}" "$build/culvert" run "$@"
}
says() { grep -qF -- "$2" "$tmp/$1.log"; } # LOG TEXT
of() { in_place "$1" "$build/culvert" status --json "$2" | jq -r ".tunnels[0]$3"; } # PLACE TUNNEL JQ-PATH
runs() { [ "$(of "$1" "$2" .state)" = running ]; }
wait_runs() { wait_for 10 "$2 runs on $1" runs "$1" "$2"; }
left_in() { find "$tmp/$1/run" -type s -o -name '*.state' -o -name '*.dns'; }
ends_well() { # LOG PLACE SIGNAL
	stop_background "$1" "$3"
	expect_equal "the exit status of $1 after SIG$3" 0 $?
	expect_equal "what $1 leaves in /run" "" "$(left_in "$2")"
}
killed() { # LOG PLACE TUNNEL: monitor and engine at once
	local engine
	engine=$(of "$2" "$3" .engine_pid)
	kill -9 "${pid_of[$1]}" "$engine"
	wait "${pid_of[$1]}" 2>/dev/null
	unset "pid_of[$1]"
	wait_for 5 "the device goes" gone_device "$2" "$3"
}
gone_device() { ! ip -n "$prefix-$1" link show "$2" >/dev/null 2>&1; }

two_ends
for name in a b; do
	make_place_dirs "$name" "${outside4[b]} b.example.net"
done
cd "$tmp" || exit 1
(umask 077 && "$build/culvert" genpsk >k)
before=$(host_state a)
calling=(--address 10.9.0.1/30 --shared-key-file k --endpoint "b.example.net:$port")

step "one line at each end"
must in_place a "$build/culvert" check "${calling[@]}"
starts listen b --address 10.9.0.2/30 --shared-key-file k --listen-port "$port"
starts call a "${calling[@]}"
wait_runs b culvert0
wait_runs a culvert0
pings a 10.9.0.2
pings b 10.9.0.1
says call "culvert0" || fail "the log does not tell of the name"
expect_equal "name, device and file" "culvert0 culvert0 null" "$(of a culvert0 '| "\(.name) \(.device) \(.config)"')"
expect_equal "the peer" "up b.example.net:$port" "$(of a culvert0 '.peers[0] | "\(.state) \(.endpoint_name)"')"

step "there is nothing to read again"
refuses 'given on the command line, so there is no file to read' in_place a "$build/culvert" reload culvert0
kill -HUP "${pid_of[call]}"
twice() { [ "$(grep -c 'there is no file to read again' "$tmp/call.log")" = 2 ]; }
wait_for 5 "SIGHUP is answered in the log" twice
pings a 10.9.0.2

step "Ctrl-C"
ends_well call a INT
expect_host_state a "$before" "after Ctrl-C"

for command in status reload; do
	refuses 'culvert0 is not running$' in_place a "$build/culvert" $command culvert0
done

step "killed, with all its traffic in the tunnel and the kill switch closed; down by the name"
all=("${calling[@]}" --allowed-ips 0.0.0.0/0 --allowed-ips ::/0 --kill-switch)
starts call a "${all[@]}"
wait_runs a culvert0
pings a 10.9.0.2
expect_equal "the kill switch" on "$(of a culvert0 .kill_switch)"
refuses 'culvert0 is running' in_place a "$build/culvert" down culvert0
killed call a culvert0
! host_state_is a "$before" || fail "the kill switch has gone"
must in_place a "$build/culvert" down culvert0
expect_host_state a "$before" "after down"
expect_equal "what is left in /run" "" "$(left_in a)"

step "killed; the next one has the name, and puts back what was left"
starts call a "${all[@]}"
wait_runs a culvert0
killed call a culvert0
starts call a "${calling[@]}"
wait_runs a culvert0
pings a 10.9.0.2
ends_well call a TERM
expect_host_state a "$before" "after the next one"

step "two that start at once; a file and a device that have a name already"
touch "$tmp/a/etc/culvert/culvert1.conf"
refuses 'culvert1 is not running .start it: culvert run culvert1.$' in_place a "$build/culvert" status culvert1
must ip -n "$prefix-a" link add culvert2 type veth peer name other
# The first takes 2 s from the moment in which it has chosen its name.
! command -v strace >/dev/null || under=(strace -D -o /dev/null -P "$tmp/k" -e inject=openat:delay_enter=2000000)
for i in 1 2 3; do
	starts "many$i" a --address "10.9.$i.1/30" --shared-key-file "$tmp/k"
	under=()
done
for name in culvert0 culvert3 culvert4; do
	wait_runs a "$name"
done
expect_equal "how many run" 3 "$(in_place a "$build/culvert" status --json | jq '.tunnels | length')"
for i in 1 2; do
	stop_background "many$i"
done
ends_well many3 a TERM
must ip -n "$prefix-a" link del culvert2
rm "$tmp/a/etc/culvert/culvert1.conf"

step "a name that was chosen; public keys, as WireGuard has them"
stop_background listen
make_keys a b
starts listen b --device office --address 10.9.0.2/30 --private-key-file b.key --listen-port "$port" \
	--public-key "$(public a)" --allowed-ips 10.9.0.1/32
starts call a --device office --address 10.9.0.1/30 --private-key-file a.key --public-key "$(public b)" \
	--allowed-ips 10.9.0.2/32 --endpoint "b.example.net:$port"
wait_runs a office
wait_runs b office
pings a 10.9.0.2
expect_equal "wg's view" "$(public b)" "$(in_place a wg show office peers)"
refuses 'office is running already' in_place a "$build/culvert" run --device office --shared-key-file k
ends_well call a INT
ends_well listen b INT
expect_host_state a "$before" "at the end"

step "mistakes: said, and nothing is done"
wrong() { # REGEX OPTION...
	local pattern=$1
	shift
	refuses "$pattern" in_place a "$build/culvert" run "$@"
}
wrong "^--endpoint: Endpoint = 'b' has no port" --shared-key-file k --endpoint b
wrong 'there is no key: give --shared-key-file FILE' --address 10.9.0.1/30
wrong '^--shared-key-file: SharedKeyFile: cannot open' --shared-key-file nothing
chmod 644 k
wrong "^--shared-key-file: SharedKeyFile: 'k' holds a secret and group or others can read" --shared-key-file k
chmod 600 k
wrong '^--shared-key: SharedKey is a secret, .*ps shows it.*give --shared-key-file FILE' --shared-key "$(cat k)"
wrong 'office is a tunnel.s name or file, and --address describes a tunnel without one' office --address 10.9.0.1/30
wrong 'wrong option --adress; did you mean --address' --adress 10.9.0.1/30
wrong "the command line: PostUp is given, and hooks are refused" \
	--no-hooks --shared-key-file k --post-up true
begun=$SECONDS
wrong 'there is a network device wan already, of the kind veth, .*another name with --device' --device wan --shared-key-file k
wrong 'there is a network device lo already, a network card, ' --device lo --shared-key-file k
[ $((SECONDS - begun)) -lt 3 ] || fail "it waits for a device that will not go"
wrong ': wan did not come up' --device wan --shared-key-file k
expect_host_state a "$before" "after the mistakes"
expect_equal "what is left in /run" "" "$(left_in a)"
pass
