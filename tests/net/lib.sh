# SPDX-License-Identifier: ISC
# shellcheck shell=bash
# What the network tests share: namespaces, daemons, waiting, assertions, cleaning up.
#
# A test sources this file, builds its little internet from namespaces whose names begin with $prefix, and
# ends with `pass`. It exits 0 for a pass, 1 for a failure (logs printed), 77 for a skip (reason printed).
# Everything it started or made is gone afterwards, whichever way it ended.
#
# Two ends, the namespaces a and b, are joined by a cable unless the test builds something else:
#   a: 192.0.2.1, 2001:db8::1      b: 192.0.2.2, 2001:db8::2     outside, on the device "wan"
#   a: 10.9.0.1/24, fd09::1/64     b: 10.9.0.2/24, fd09::2/64    inside, on the device that `dev a` names
set -u -o pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$(cd "${CULVERT_BUILD:-$top/build-tests/gcc}" 2>/dev/null && pwd) || build=$top/build-tests/gcc
tools=${CULVERT_TEST_TOOLS:-$build/tests/net}
test_name=$(basename "$0" .sh)
# Control sockets live in a directory that all network namespaces share: names are unique by our pid, and of one length, so
# that none is the beginning of another.
prefix=cv$(printf '%06x' $$)
run_dir=/var/run/wireguard
tmp=
declare -A pid_of=() outside4=([a]=192.0.2.1 [b]=192.0.2.2) outside6=([a]=2001:db8::1 [b]=2001:db8::2)
declare -A inside4=([a]=10.9.0.1 [b]=10.9.0.2 [c]=10.9.0.3) inside6=([a]=fd09::1 [b]=fd09::2 [c]=fd09::3)
namespaces=()
port=51820

# ---- the end of a test

cleanup() {
	local name pid
	trap - EXIT INT TERM HUP
	exec 2>/dev/null # the shell's notices about what is killed here
	[ -z "$also_clean" ] || "$also_clean"
	for name in "${!pid_of[@]}"; do
		kill -9 -- "-${pid_of[$name]}" 2>/dev/null
	done
	for name in "${namespaces[@]}"; do
		for pid in $(ip netns pids "$name" 2>/dev/null); do
			kill -9 "$pid" 2>/dev/null
		done
		ip netns del "$name" 2>/dev/null
		rm -rf "/etc/netns/$name"
	done
	wait 2>/dev/null
	[ -z "$made_etc_netns" ] || rmdir /etc/netns 2>/dev/null
	rm -f "$run_dir/$prefix"*.sock "/run/culvert/$prefix"*
	[ -z "$tmp" ] || rm -rf "$tmp"
}

finish() {
	local status=$?
	[ "$status" = 0 ] || [ "$status" = 77 ] || print_logs
	cleanup
	exit "$status"
}

print_logs() {
	local log
	[ -n "$tmp" ] || return
	for log in "$tmp"/*.log; do
		[ -s "$log" ] || continue
		printf -- '--- %s, the last 60 lines:\n' "$(basename "$log")"
		tail -n 60 "$log"
	done
}

pass() { exit 0; }

skip() {
	printf 'skipped: %s\n' "$*"
	exit 77
}

fail() {
	printf 'FAILED: %s\n' "$*"
	exit 1
}

step() { printf '%s: %s\n' "$test_name" "$*"; }

# ---- waiting and asserting

now_ms() { printf '%s' "$((${EPOCHREALTIME/[.,]/} / 1000))"; }

# within SECONDS COMMAND...: true as soon as the command is, polled; false when the time is up.
within() {
	local end=$(($(now_ms) + $1 * 1000))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(now_ms)" -lt "$end" ] || return 1
		sleep 0.05
	done
}

# wait_for SECONDS WHAT COMMAND...: the same, and the test fails when the time is up.
wait_for() {
	local seconds=$1 what=$2
	shift 2
	within "$seconds" "$@" || fail "$what: not within $seconds s ($*)"
}

# never_within SECONDS WHAT COMMAND...: the command must stay false all that time.
never_within() {
	local seconds=$1 what=$2
	shift 2
	! within "$seconds" "$@" || fail "$what: it happened, and must not ($*)"
}

expect_equal() { # WHAT EXPECTED SEEN
	[ "$2" = "$3" ] || fail "$(printf '%s\n  expected: %s\n  seen:     %s' "$1" "$2" "$3")"
}

expect_match() { # WHAT REGEX SEEN
	[[ $3 =~ $2 ]] || fail "$(printf '%s\n  expected to match: %s\n  seen: %s' "$1" "$2" "$3")"
}

expect_at_least() { # WHAT MINIMUM SEEN
	[ "${3:-0}" -ge "$2" ] || fail "$(printf '%s\n  expected at least: %s\n  seen: %s' "$1" "$2" "$3")"
}

expect_at_most() { # WHAT MAXIMUM SEEN
	[ "$3" -le "$2" ] || fail "$(printf '%s\n  expected at most: %s\n  seen: %s' "$1" "$2" "$3")"
}

# must COMMAND...: its output is shown when it fails.
must() {
	local output
	output=$("$@" 2>&1) || fail "$(printf 'this failed: %s\n%s' "$*" "$output")"
}

# refuses REGEX COMMAND...: it must exit with an error (not by a signal) and print something that matches.
refuses() {
	local pattern=$1 output status
	shift
	output=$("$@" 2>&1)
	status=$?
	[ "$status" != 0 ] || fail "this must be refused: $*"
	[ "$status" -lt 126 ] || fail "this ended with status $status: $*"
	expect_match "the message of: $*" "$pattern" "$output"
}

# ---- namespaces and cables

ns() { # NAME COMMAND...
	local name=$1
	shift
	ip netns exec "$prefix-$name" "$@"
}

add_ns() {
	local name
	for name; do
		namespaces+=("$prefix-$name")
		must ip netns add "$prefix-$name"
		must ns "$name" sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 \
			net.ipv4.ping_group_range="0 2147483647"
		must ip -n "$prefix-$name" link set lo up
	done
}

cable() { # NSA DEVICE NSB DEVICE
	must ip -n "$prefix-$1" link add name "$2" type veth peer name "$4" netns "$prefix-$3"
	must ip -n "$prefix-$1" link set "$2" up
	must ip -n "$prefix-$3" link set "$4" up
}

address() { # NS DEVICE ADDRESS/LEN...
	local name=$1 device=$2 each nodad
	shift 2
	for each; do
		nodad=
		[[ $each != *:* ]] || nodad=nodad
		must ip -n "$prefix-$name" addr add "$each" dev "$device" $nodad
	done
}

two_ends() {
	add_ns a b
	cable a wan b wan
	address a wan 192.0.2.1/24 2001:db8::1/64
	address b wan 192.0.2.2/24 2001:db8::2/64
}

# third_end: c, on the same cable as b (a bridge in b). Call it after two_ends.
third_end() {
	add_ns c
	cable b to_c c wan
	must ip -n "$prefix-b" link add lan type bridge
	must ip -n "$prefix-b" addr flush dev wan
	must ip -n "$prefix-b" link set wan master lan
	must ip -n "$prefix-b" link set to_c master lan
	address b lan 192.0.2.2/24 2001:db8::2/64
	must ip -n "$prefix-b" link set lan up
	address c wan 192.0.2.3/24 2001:db8::3/64
	outside4[c]=192.0.2.3
	outside6[c]=2001:db8::3
}

# own_names NS: a hosts file of its own and no name server that answers. Before any daemon starts in NS.
own_names() {
	[ -d /etc/netns ] || made_etc_netns=yes
	mkdir -p "/etc/netns/$prefix-$1"
	printf '127.0.0.1 localhost\n' >"/etc/netns/$prefix-$1/hosts"
	printf 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n' >"/etc/netns/$prefix-$1/resolv.conf"
}

add_name() { printf '%s %s\n' "$3" "$2" >>"/etc/netns/$prefix-$1/hosts"; } # NS NAME ADDRESS

# a and b behind a router m, where a relay can play the internet.
two_ends_with_middle() {
	add_ns a m b
	cable a wan m to_a
	cable b wan m to_b
	outside4=([a]=192.0.2.1 [b]=198.51.100.2 [m_a]=192.0.2.254 [m_b]=198.51.100.254)
	outside6=([a]=2001:db8:a::1 [b]=2001:db8:b::2 [m_a]=2001:db8:a::fe [m_b]=2001:db8:b::fe)
	address a wan 192.0.2.1/24 2001:db8:a::1/64
	address b wan 198.51.100.2/24 2001:db8:b::2/64
	address m to_a 192.0.2.254/24 2001:db8:a::fe/64
	address m to_b 198.51.100.254/24 2001:db8:b::fe/64
}

# far_side: after two_ends_with_middle: a place behind b that a reaches by its default routes, as it reaches b.
far4=203.0.113.7 far6=2001:db8:f::7
far_side() {
	local family
	for family in 4 6; do
		local -n outside=outside$family far=far$family
		must ip -n "$prefix-a" -"$family" route add default via "${outside[m_a]}"
		must ip -n "$prefix-b" -"$family" route add default via "${outside[m_b]}"
		must ip -n "$prefix-m" -"$family" route add "$far" via "${outside[b]}"
	done
	must ns m sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	address b lo "$far4/32" "$far6/128"
}

# ---- daemons

# background NAME COMMAND...: runs it in a process group of its own; output goes to NAME.log.
background() {
	local name=$1
	shift
	# A shell starts its background jobs with SIGINT ignored.
	setsid env --default-signal=INT,QUIT "$@" >>"$tmp/$name.log" 2>&1 </dev/null &
	pid_of[$name]=$!
}

background_in() { # NS NAME COMMAND...
	local where=$1 name=$2
	shift 2
	background "$name" ip netns exec "$prefix-$where" "$@"
}

running() { [ -d "/proc/${pid_of[$1]}" ] && ! grep -q '^State:.*Z' "/proc/${pid_of[$1]}/status"; }
gone() { ! running "$1"; }

# Ends a daemon with a signal (default TERM) to it alone, and gives its exit status.
stop_background() { # NAME [SIGNAL]
	local name=$1 status
	kill -"${2:-TERM}" "${pid_of[$name]}" 2>/dev/null
	wait_for 10 "$name ends by SIG${2:-TERM}" gone "$name"
	wait "${pid_of[$name]}" 2>/dev/null
	status=$?
	unset "pid_of[$name]"
	return "$status"
}

# As a crash of the whole daemon, or a reset of the machine.
kill_both() { # NS: monitor and engine at once; the device goes
	local pid=${pid_of[culvert-$1]} engine
	engine=$(engine_pid "$1")
	kill -9 "$pid" "$engine"
	wait "$pid" 2>/dev/null
	unset "pid_of[culvert-$1]"
	wait_for 10 "the device goes" no_device "$1"
}
kill_hard() { # NAME
	kill -9 -- "-${pid_of[$1]}"
	wait "${pid_of[$1]}" 2>/dev/null
	unset "pid_of[$1]"
}

dev() { printf '%s%s' "$prefix" "$1"; }

# The program behind the short name of an implementation; skips the test where it is missing.
program() {
	case $1 in
	culvert) printf '%s' "$build/culvert-device" ;;
	go) printf '%s' "${CULVERT_TEST_WIREGUARD_GO:-}" ;;
	go-old) command -v wireguard-go ;;
	*) printf '%s' "$1" ;;
	esac
}

need_program() {
	local path
	path=$(program "$1")
	[ -n "$path" ] || case $1 in
	go) skip "no newest wireguard-go: set CULVERT_TEST_WIREGUARD_GO to one" ;;
	*) skip "wireguard-go is not installed" ;;
	esac
	[ -x "$path" ] || fail "$path is missing: build culvert first, or set CULVERT_BUILD"
}

need_culvert() { [ -x "$build/culvert" ] || fail "$build/culvert is missing: build it first, or set CULVERT_BUILD"; }
need_tool() { [ -x "$tools/$1" ] || fail "$tools/$1 is missing: tests/run builds it"; }

control_answers() { ns "$1" wg show "$(dev "$1")" >/dev/null 2>&1; }

# start_device NS IMPLEMENTATION: an engine that is set up by `wg`, on the device `dev NS`.
start_device() {
	background_in "$1" "device-$1" env LOG_LEVEL="${LOG_LEVEL:-verbose}" WG_PROCESS_FOREGROUND=1 \
		"$(program "$2")" -f "$(dev "$1")"
	wait_for 10 "$2 answers on its control socket" control_answers "$1"
}

# inside NS [MTU]: the inner addresses, and up.
inside() {
	address "$1" "$(dev "$1")" "${inside4[$1]}/24" "${inside6[$1]}/64"
	must ip -n "$prefix-$1" link set "$(dev "$1")" mtu "${2:-1420}" up
}

# start_culvert NS FILE: a whole tunnel, monitor and engine, from a configuration file.
start_culvert() {
	: >>"$tmp/culvert-$1.log"
	background_in "$1" "culvert-$1" "$build/culvert" run "$2"
}

bring_up() { # NS
	start_culvert "$1" "$(conf "$1")"
	wait_tunnel "$1"
}

# own_host: for tests of what a tunnel does to /etc, directories that take the place of this machine's /etc and /run,
# and of its PATH. All end with the process: they lie in the mount namespace that ip netns exec has made.
own_host() {
	host_etc=$tmp/etc host_run=$tmp/run host_bin=$tmp/bin
	mkdir -p "$host_etc" "$host_run/culvert" "$host_run/wireguard" "$host_bin" /run/culvert "$run_dir"
	cp /etc/passwd /etc/group /etc/nsswitch.conf "$host_etc"
	printf '127.0.0.1 localhost\n' >"$host_etc/hosts"
}

# shellcheck disable=SC2016 # the inner shell expands it
own_host_script='
	mount --bind /run/culvert "$1/culvert" && mount --bind "$2" "$1/wireguard" &&
	mount --bind "$3" /etc && mount --rbind "$1" /run && eval "$4" && PATH=$5 && shift 5 && exec "$@"'

# start_on_own_host NS FILE [COMMAND]: as start_culvert, there; the command is run first.
start_on_own_host() {
	: >>"$tmp/culvert-$1.log"
	background_in "$1" "culvert-$1" /bin/sh -c "$own_host_script" \
		sh "$host_run" "$(readlink -f "$run_dir")" "$host_etc" "${3:-true}" "$host_bin" "$build/culvert" run "$2"
}


# A place has an /etc and a /run of its own, below $tmp/PLACE, and the namespace of that name.
make_place_dirs() { # PLACE HOSTS-LINE
	local dir=$tmp/$1
	mkdir -p "$dir/etc/culvert" "$dir/run/culvert" "$dir/run/wireguard" "$dir/bin"
	cp -a /etc/passwd /etc/group /etc/nsswitch.conf /etc/alternatives "$dir/etc" # awk is one of these
	printf '127.0.0.1 localhost\n%s\n' "$2" >"$dir/etc/hosts"
	printf 'nameserver 192.0.2.53\n' >"$dir/etc/resolv.conf"
}
background_in_place() { # PLACE COMMAND...
	local place=$1
	shift
	# shellcheck disable=SC2016 # another shell expands it
	background_in "$place" "$place" /bin/bash -c 'mount --bind "$1/etc" /etc && mount --rbind "$1/run" /run && shift && exec "$@"' \
		sh "$tmp/$place" "$@"
}

on_own_host() { # NS COMMAND...: another process that sees the same
	local name=$1
	shift
	ns "$name" /bin/sh -c "$own_host_script" \
		sh "$host_run" "$(readlink -f "$run_dir")" "$host_etc" true "$host_bin" "$@"
}

conf() { printf '%s/%s.conf' "$tmp" "$(dev "$1")"; }

# write_conf NS INTERFACE-LINES PEER-LINES...: NS.conf, with this end's addresses and port; each argument from the
# third on is one [Peer]. In lines, \n separates.
write_conf() {
	local name=$1 file
	file=$(conf "$1")
	(umask 077; printf '[Interface]\nAddress = %s/24, %s/64\nListenPort = %s\n%b\n' "${inside4[$1]}" \
		"${inside6[$1]}" "$port" "$2" >"$file")
	shift 2
	printf '[Peer]\n%b\n' "$@" >>"$file"
	expect_equal "mode of $name's file" 600 "$(stat -c %a "$file")"
}

allowed() { printf 'AllowedIPs = %s/32, %s/128' "${inside4[$1]}" "${inside6[$1]}"; }

# write_shared 4|6 [INTERFACE-LINES]: a's and b's files for a tunnel with one shared key.
write_shared() {
	[ -e "$tmp/shared.key" ] || (umask 077; "$build/culvert" genpsk >"$tmp/shared.key")
	write_conf a "SharedKeyFile = shared.key\n${2:-}" "Endpoint = $(endpoint_of b "$1")"
	write_conf b "SharedKeyFile = shared.key\n${2:-}" "Endpoint = $(endpoint_of a "$1")"
}

# write_pair PEER-LINES-A PEER-LINES-B: a's and b's files for a tunnel with public keys, over IPv4.
write_pair() {
	[ -e "$tmp/a.key" ] || make_keys a b
	write_conf a "PrivateKeyFile = a.key" "PublicKey = $(public b)\n$(allowed b)\n$1"
	write_conf b "PrivateKeyFile = b.key" "PublicKey = $(public a)\n$(allowed a)\n$2"
}

# Both ends of culvert, started in the same moment.
start_both() {
	start_culvert a "$(conf a)"
	start_culvert b "$(conf b)"
	wait_tunnel a
	wait_tunnel b
}

end_culvert() { # NS
	stop_background "culvert-$1"
	expect_equal "exit status of $1's culvert" 0 $?
}

stop_culvert() { # NS: ends it; it must end well and leave nothing
	end_culvert "$1"
	no_device "$1" || fail "$1's device is still there"
	no_socket "$1" || fail "$1's control socket is still there"
	[ ! -e "/run/culvert/$(dev "$1").sock" ] || fail "$1's status socket is still there"
}

stop_both() {
	stop_culvert a
	stop_culvert b
}

status_of() { "$build/culvert" status --json "$(dev "$1")" | jq -r ".tunnels[0]$2"; } # NS JQ-PATH
engine_pid() { status_of "$1" .engine_pid; }

mtu_of() { ip -n "$prefix-$1" -j link show dev "$(dev "$1")" | jq '.[0].mtu'; }
logged() { grep -cE -- "$2" "$tmp/culvert-$1.log"; } # NS REGEX: how many lines
has_logged() { [ "$(logged "$@")" -gt 0 ]; }

tunnel_up() { [ "$(status_of "$1" .state)" = running ]; }
up_or_gone() { tunnel_up "$1" || gone "culvert-$1"; }
wait_tunnel() {
	wait_for 10 "the tunnel of $1 comes up" up_or_gone "$1"
	running "culvert-$1" || fail "culvert of $1 has ended, see its log"
}

# ---- keys, peers and what `wg` shows

make_keys() {
	local name
	for name; do
		(umask 077 && wg genkey >"$tmp/$name.key")
		wg pubkey <"$tmp/$name.key" >"$tmp/$name.pub"
	done
}

public() { cat "$tmp/$1.pub"; }

wg_set() { # NS ARGUMENTS...
	local name=$1
	shift
	must ns "$name" wg set "$(dev "$name")" "$@"
}

wg_set_key() { wg_set "$1" private-key "$tmp/$1.key" listen-port "$port"; }

# wg_add_peer NS PEER ARGUMENTS...: PEER's inside addresses are allowed.
wg_add_peer() {
	local name=$1 peer=$2
	shift 2
	wg_set "$name" peer "$(public "$peer")" allowed-ips "${inside4[$peer]}/32,${inside6[$peer]}/128" "$@"
}

# shown NS WHAT [PEER]: the value that `wg show DEVICE WHAT` gives (of one peer).
shown() {
	local lines
	lines=$(ns "$1" wg show "$(dev "$1")" "$2") || return 1
	if [ -n "${3:-}" ]; then
		awk -v key="$(public "$3")" -F '\t' '$1 == key { sub(/^[^\t]*\t/, ""); print }' <<<"$lines"
	else
		printf '%s\n' "$lines"
	fi
}

received() { shown "$1" transfer "$2" | cut -f1; }
transmitted() { shown "$1" transfer "$2" | cut -f2; }
follows() { # NS PEER ENDPOINT [FAMILY]: a ping of the peer that moved brings its new endpoint
	local -n inside=inside${4:-4}
	pings "$2" "${inside[$1]}"
	wait_for 2 "$1 follows $2 to $3" endpoint_is "$1" "$2" "$3"
	pings "$1" "${inside4[$2]}"
}
endpoint_is() { [ "$(shown "$1" endpoints "$2")" = "$3" ]; }
handshake_time() { shown "$1" latest-handshakes "$2"; }
has_handshake() { [ "$(handshake_time "$1" "$2")" -gt 0 ]; }
handshake_newer() { [ "$(handshake_time "$1" "$2")" -gt "$3" ]; } # NS PEER SECONDS

answered_within() { # SECONDS NS PEER: NS sends PEER something in that time
	local before
	before=$(transmitted "$2" "$3")
	sleep "$1"
	[ "$(transmitted "$2" "$3")" != "$before" ]
}

# wait_no_repeats NS PEER: PEER is a wireguard-go that initiated. It arms timers after it sent, which may be after it has
# the answer: then it repeats the handshake 5 s later, and may do so again, or after 15 s because it "stopped hearing".
# NS says something that needs no answer, and waits until it has nothing more to answer itself.
wait_no_repeats() {
	local tries=0
	background_in "$2" "hears-$2" socat -u UDP4-RECV:9 OPEN:/dev/null
	wait_for 5 "$2 listens" udp_bound "$2" 9
	ns "$1" bash -c "printf x >/dev/udp/${inside4[$2]}/9"
	while answered_within 6 "$1" "$2"; do
		tries=$((tries + 1))
		[ "$tries" -lt 5 ] || fail "$2 repeats its handshake for ever"
	done
	stop_background "hears-$2"
}

# Two engines of the given implementations, with keys, each knowing the other; no endpoints yet.
two_devices() { # IMPL_A IMPL_B
	make_keys a b
	start_device a "$1"
	start_device b "$2"
	wg_set_key a
	wg_set_key b
	wg_add_peer a b
	wg_add_peer b a
	inside a
	inside b
}

restart_devices() { # IMPL_A IMPL_B: the same keys, nothing learned
	stop_background device-a
	stop_background device-b
	start_device a "$1"
	start_device b "$2"
	wg_set_key a
	wg_set_key b
	wg_add_peer a b
	wg_add_peer b a
	inside a
	inside b
}

endpoint_of() { # NS 4|6 [PORT]
	if [ "$2" = 6 ]; then
		printf '[%s]:%s' "${outside6[$1]}" "${3:-$port}"
	else
		printf '%s:%s' "${outside4[$1]}" "${3:-$port}"
	fi
}

# ---- traffic

ping_once() { ns "$1" ping -n -c 1 -W 1 "$2" >/dev/null 2>&1; }

# pings FROM ADDRESS [SECONDS]: an answer comes within the time (default 5 s).
pings() { wait_for "${3:-5}" "$1 pings $2" ping_once "$1" "$2"; }

pings_both() { # FROM TO: over IPv4 and IPv6
	pings "$1" "${inside4[$2]}"
	pings "$1" "${inside6[$2]}"
}

tcp_listening() { ns "$1" ss -Hltn "sport = :$2" | grep -q .; }
udp_bound() { ns "$1" ss -Hlun "sport = :$2" | grep -q .; }

# tcp_both_ways FROM TO ADDRESS: two iperf3 runs; both must carry data.
tcp_both_ways() {
	local reverse json
	for reverse in "" --reverse; do
		background_in "$2" "iperf-$2" iperf3 -s -1 -p 5201
		wait_for 5 "iperf3 listens" tcp_listening "$2" 5201
		json=$(ns "$1" timeout 40 iperf3 -J -c "$3" -p 5201 -n 12M $reverse) ||
			fail "iperf3 ${reverse:-forward} to $3: $(jq -r '.error? // .' <<<"$json" | head -c 400)"
		# What is on its way when iperf3 has sent its 12 MB is not counted by the receiver.
		expect_at_least "bytes of iperf3 ${reverse:-forward} to $3" 6000000 \
			"$(jq '.end.sum_received.bytes' <<<"$json")"
		wait "${pid_of[iperf-$2]}" 2>/dev/null
		unset "pid_of[iperf-$2]"
	done
}

# udp_flows FROM TO ADDRESS: 10 Mbit/s for a second. A busy machine drops a few; a broken tunnel far more.
udp_flows() {
	local json
	background_in "$2" "iperf-$2" iperf3 -s -1 -p 5202
	wait_for 5 "iperf3 listens" tcp_listening "$2" 5202
	json=$(ns "$1" timeout 20 iperf3 -J -c "$3" -p 5202 -u -b 10M -l 1200 -t 1) ||
		fail "iperf3 UDP to $3: $(jq -r '.error? // .' <<<"$json" | head -c 400)"
	expect_at_least "UDP packets of iperf3" 900 "$(jq '.end.sum.packets' <<<"$json")"
	expect_at_most "lost UDP packets of iperf3" 50 "$(jq '.end.sum.lost_packets' <<<"$json")"
	wait "${pid_of[iperf-$2]}" 2>/dev/null
	unset "pid_of[iperf-$2]"
}

# every_size FROM TO ADDRESS LARGEST: datagrams with payloads of 1 byte to LARGEST come back as they were.
every_size() {
	need_tool sizes
	background_in "$2" "sizes-$2" "$tools/sizes" server "$3" 7007
	wait_for 5 "the echo server listens" udp_bound "$2" 7007
	must ns "$1" "$tools/sizes" client "$3" 7007 1 "$4"
	stop_background "sizes-$2"
}

# ---- capture

# capture NS NAME FILTER: tcpdump on wan into NAME.pcap. Ends with end_capture.
capture() {
	background_in "$1" "$2" tcpdump -n -i wan -U --immediate-mode -Z root -w "$tmp/$2.pcap" "$3"
	wait_for 10 "tcpdump listens" grep -q 'listening on' "$tmp/$2.log"
}

captured() { tcpdump -n -r "$tmp/$1.pcap" "${2:-}" 2>/dev/null | wc -l; } # NAME [FILTER]
captured_any() { [ "$(captured "$@")" -gt 0 ]; }

# ---- the host's state, to be compared before and after

host_state() {
	local what
	for what in "link" "addr" "-4 route show table all" "-6 route show table all" "-4 rule" "-6 rule"; do
		# shellcheck disable=SC2086 # words on purpose
		ip -n "$prefix-$1" -j $what | jq -S .
	done
	ns "$1" cat /proc/sys/net/ipv4/conf/all/src_valid_mark
}

no_socket() { [ ! -e "$run_dir/$(dev "$1").sock" ]; }
no_device() { ! ip -n "$prefix-$1" link show "$(dev "$1")" >/dev/null 2>&1; }
host_state_is() { [ "$(host_state "$1")" = "$2" ]; }

# expect_host_state NS STATE WHEN: all is as it was, at the latest 5 s from now.
expect_host_state() {
	within 5 host_state_is "$1" "$2" && return
	fail "$(printf 'the host is not as it was %s:\n' "$3"; diff <(printf '%s' "$2") <(host_state "$1"))"
}

# ---- start

[ "$(id -u)" = 0 ] || skip "needs root"
made_etc_netns=
also_clean= # a function to be called first of all at the end
trap finish EXIT
trap 'exit 1' INT TERM HUP
ip netns add "$prefix-try" 2>/dev/null || skip "cannot make network namespaces here"
ip netns del "$prefix-try"
[ -c /dev/net/tun ] || skip "there is no /dev/net/tun"
tmp=$(mktemp -d "${TMPDIR:-/tmp}/$prefix.XXXXXX") || exit 1
