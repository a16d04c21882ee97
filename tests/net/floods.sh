# SPDX-License-Identifier: ISC
# shellcheck shell=bash
# For 75-floods.sh and tests/bench/floods, which source it: hostile packets of every type, from one address and from 64, at
# a tunnel that carries traffic and takes in new peers.
#
# c sends the floods; b is a's peer; from d others join. Traffic beside a flood at the tunnel's port is held against traffic
# beside the same flood at another socket of the same host: what the flood costs without us is not counted against us.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

other_port=51999
waited_most=15 # per cent; beyond that it is the machine that is judged
sent=0 with=0 without=0 cpu=0 waited=0 # packets; Mbit/s of traffic; the engine's time, see flood_round

write_peers() { # all in one configuration, each with the dialect that it has
	make_keys a b d e
	inside4[d]=10.9.0.4 inside6[d]=fd09::4 inside4[e]=10.9.0.5 inside6[e]=fd09::5
	write_conf a "PrivateKeyFile = a.key" "PublicKey = $(public b)\n$(allowed b)\nEndpoint = $(endpoint_of b 4)" \
		"PublicKey = $(public d)\n$(allowed d)\nCipher = auto" "PublicKey = $(public e)\n$(allowed e)"
	write_conf b "PrivateKeyFile = b.key" "PublicKey = $(public a)\n$(allowed a)"
	write_conf d "PrivateKeyFile = d.key" "PublicKey = $(public a)\n$(allowed a)\nEndpoint = $(endpoint_of a 4)\nCipher = auto"
	write_conf e "PrivateKeyFile = e.key" "PublicKey = $(public a)\n$(allowed a)\nEndpoint = $(endpoint_of a 4)"
}

# The tunnel between a and b, and the index of a's session.
set_up_floods() {
	two_ends
	third_end
	# So many addresses are c's that a rate limit for each of them does not help.
	must ip -n "$prefix-c" route add local 192.0.2.64/26 dev lo
	add_ns d
	cable b to_d d wan
	must ip -n "$prefix-b" link set to_d master lan
	address d wan 192.0.2.4/24
	write_peers
	start_both
	capture a data "dst host ${outside4[a]} and udp[8:4] = 0x04000000"
	pings_both a b
	wait_for 5 "a data message is captured" captured_any data
	stop_background data
	# Behind the headers of the file, of the frame, of Ethernet, IPv4, UDP, and the type.
	index=$(od -An -tx1 -j $((24 + 16 + 14 + 20 + 8 + 4)) -N 4 "$tmp/data.pcap" | tr -d ' ')
	background_in a other socat -u "UDP4-RECV:$other_port,rcvbuf=4096" OPEN:/dev/null
	background_in b iperf iperf3 -s -p 5201
	wait_for 5 "iperf3 listens" tcp_listening b 5201
}

start_flood() { # PUBLICKEY SOURCES PORT RATE KIND [INDEX]
	background_in c flood "$tools/flood" "$1" "$2" "${outside4[a]}" "$3" "$4" 100000 "${@:5}"
}

stop_flood() {
	running flood || fail "the flood has ended by itself"
	stop_background flood
	flooded=$(sed -n 's/^flood: \([0-9]*\) sent.*/\1/p' "$tmp/flood.log" | tail -n 1)
}

mbits() { # SECONDS IPERF-OPTION...: a second, of TCP through the tunnel
	ns a timeout $(($1 + 30)) iperf3 -J -c "${inside4[b]}" -p 5201 -t "$@" |
		jq '.end.sum_received.bits_per_second / 1000000 | round'
}

# Of an engine: ms on a processor, ms in which it had work and waited for one.
times() { awk '{ printf "%d %d", $1 / 1000000, $2 / 1000000 }' "/proc/$(engine_pid "${1:-a}")/schedstat"; } # [END]

# One round: traffic beside the flood at another socket, for a few seconds, then at the tunnel's. Sets with, without, sent;
# cpu: ms of the engine, waited: for each 100 ms how many it had work, and other processes had the processor.
# shellcheck disable=SC2034 # for the caller
flood_round() { # SOURCES RATE SECONDS IPERF-OPTION...
	local sources=$1 rate=$2 seconds=$3 before after begin
	shift 3
	start_flood "$(public a)" "$sources" "$other_port" "$rate" all "$index"
	without=$(mbits $((seconds < 5 ? seconds : 5)) "$@")
	stop_flood
	start_flood "$(public a)" "$sources" "$port" "$rate" all "$index"
	read -r -a before <<<"$(times)"
	begin=$(now_ms)
	with=$(mbits "$seconds" "$@")
	read -r -a after <<<"$(times)"
	cpu=$((after[0] - before[0]))
	waited=$(((after[1] - before[1]) * 100 / ($(now_ms) - begin)))
	stop_flood
	sent=$flooded
}

# Memory in kB and descriptors, of monitor and engine.
resources() {
	local pid
	for pid in "$(status_of a .pid)" "$(engine_pid a)"; do
		printf '%s %s ' "$(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status")" "$(find "/proc/$pid/fd" -type l | wc -l)"
	done
}

expect_flat() { # BEFORE AFTER
	local was is
	read -r -a was <<<"$1"
	read -r -a is <<<"$2"
	expect_at_most "kB of the monitor" $((was[0] + 1024)) "${is[0]}"
	expect_at_most "descriptors of the monitor" "${was[1]}" "${is[1]}"
	expect_at_most "kB of the engine" $((was[2] + 2048)) "${is[2]}"
	expect_at_most "descriptors of the engine" "${was[3]}" "${is[3]}"
}

# Starts a tunnel in d; milliseconds until it carries a ping to ADDRESS, in $joined; and $waited, of SERVER's engine.
join_from_d() { # NAME SERVER SECONDS
	local before after begin
	read -r -a before <<<"$(times "$2")"
	begin=$(now_ms)
	background_in d "joins-$1" "$build/culvert" run "$(conf "$1")"
	within "$3" ping_once d "${inside4[$2]}"
	joined=$(($(now_ms) - begin))
	read -r -a after <<<"$(times "$2")"
	waited=$(((after[1] - before[1]) * 100 / joined))
	stop_background "joins-$1"
}

# The same, and in no more than 5 s. A machine that is busy drops what would have been the way in: so there are two tries,
# and one in which the engine had no processor is no failure.
joins_in_time() { # NAME SERVER
	local round judged=0
	for ((round = 0; round < 2; round++)); do
		join_from_d "$1" "$2" 6
		step "$1 joins in $joined ms; the engine waited for $waited %"
		[ "$joined" -gt 5000 ] || return 0
		judged=$((judged + (waited <= waited_most)))
	done
	[ "$judged" = 0 ] || fail "a new peer beside a flood needs more than 5 s, $judged times"
	step "the machine is too busy to tell when $1 joins"
}

# New peers beside initiations with a right mac1: d with culvert's dialect, e with WireGuard's.
join_beside_flood() { # SOURCES RATE
	start_flood "$(public a)" "$1" "$port" "$2" initiations
	never_within 1 "a handshake by the flood" handshake_newer a d "$(handshake_time a d)"
	joins_in_time d a
	joins_in_time e a
	stop_flood
	sent=$((sent + flooded))
	expect_match "answers to the flood" ' [1-9][0-9]* cookie replies, 0 other' "$(tail -n 1 "$tmp/flood.log")"
}

# The same, of t and s, where there is one shared key and so no public one: a mac1 is as wrong as everything else.
join_shared_beside_flood() { # SOURCES RATE
	local name
	(umask 077; "$build/culvert" genpsk >"$tmp/shared.key")
	inside4[s]=10.19.0.1 inside6[s]=fd19::1 inside4[t]=10.19.0.2 inside6[t]=fd19::2
	write_conf s "SharedKeyFile = shared.key" "Endpoint = 192.0.2.4:51821"
	write_conf t "SharedKeyFile = shared.key" "Endpoint = ${outside4[a]}:51821"
	for name in s t; do
		sed -i 's/^ListenPort.*/ListenPort = 51821/' "$(conf "$name")"
	done
	background_in a culvert-s "$build/culvert" run "$(conf s)"
	wait_tunnel s
	start_flood "$(public a)" "$1" 51821 "$2" all 00000000
	joins_in_time t s
	stop_flood
	sent=$((sent + flooded))
	stop_background culvert-s
}
