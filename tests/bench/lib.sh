# SPDX-License-Identifier: ISC
# shellcheck shell=bash
# The VPNs that tests/bench/run compares, and what it measures. Sourced after tests/net/lib.sh, whose two ends a
# and b it uses: b is started first and waits, a begins; traffic goes from a to b. A third, c, has a cable to b of its
# own, so that a's does not change, and forges packets.
#
# What goes wrong while it measures is a warning (warn, and a return status), so that one VPN's failure does not cost
# the figures of all; what goes wrong before is the end (fail).
#
# All of them have the same MTU inside, $mtu, and otherwise the settings that they come with; where a manual names
# one for speed, it is set.

# The variables come from tests/net/lib.sh and tests/bench/run, which also uses some of ours.
# shellcheck disable=SC2154,SC2034

vpns=(veth wireguard-go culvert-to-wireguard-go wireguard-go-to-culvert culvert-chacha20-poly1305 culvert-aes-256-gcm
	culvert-aegis-128l openvpn-aes-256-gcm fastd)
base=wireguard-go # what the ratios are against
mtu=1420
udp_full=$((mtu - 28)) # UDP payload of an IPv4 packet of the MTU's size
udp_small=64
udp_port=7009
forged_rate=50000 # a second; whole thousands
warnings=0

# ---- building

warn() {
	printf 'WARNING: %s\n' "$*" >&2
	warnings=$((warnings + 1))
}

# A copy, so that a checkout that is configured, or not writable by make, does not matter.
copy_source() {
	rm -rf "$work/source"
	mkdir -p "$work/source"
	tar -C "$top" --exclude=./.git --exclude='./build*' --exclude=./autom4te.cache --exclude='./config.*' \
		--exclude=./Makefile --exclude=.deps --exclude=.dirstamp --exclude='*.o' --exclude='*.a' -cf - . |
		tar -C "$work/source" -xf - && (cd "$work/source" && autoreconf -fi)
}

build_in() { # DIR CONFIGURE-ARGUMENTS...
	local dir=$work/$1
	shift
	[ -x "$work/source/configure" ] || copy_source || return
	mkdir -p "$dir"
	(cd "$dir" && "$work/source/configure" --quiet "$@" && make -s -j"$(nproc)" culvert)
}

# The builds: $build_plain, and $build_aegis, which is empty if there is no libsodium for it.
prepare_builds() {
	local library
	rm -rf "$work/source"
	build_plain=${CULVERT_BUILD:-}
	if [ -z "$build_plain" ]; then
		step "building culvert in $work/plain"
		must build_in plain CFLAGS=-O2
		build_plain=$work/plain
	fi
	[ -x "$build_plain/culvert" ] || fail "there is no culvert in $build_plain"
	build_aegis=${CULVERT_BUILD_AEGIS:-}
	if [ -z "$build_aegis" ] && [ -n "${CULVERT_TEST_SODIUM:-}" ]; then
		step "building culvert with AEGIS in $work/aegis"
		library=$(find "$CULVERT_TEST_SODIUM/lib" -name libsodium.so | head -n 1)
		[ -n "$library" ] || fail "there is no libsodium.so below $CULVERT_TEST_SODIUM/lib"
		library=$(cd "$(dirname "$library")" && pwd)
		must build_in aegis CFLAGS=-O2 SODIUM_CFLAGS="-I$(cd "$CULVERT_TEST_SODIUM" && pwd)/include" \
			SODIUM_LIBS="-L$library -Wl,-rpath,$library -lsodium"
		build_aegis=$work/aegis
	fi
	must gcc -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -o "$work/flood" "$top/tests/bench/flood.c"
}

# ---- the VPNs

# engine_of VPN NS: what runs at that end.
engine_of() {
	case $1-$2 in
	culvert-to-wireguard-go-a | wireguard-go-to-culvert-b) echo culvert-chacha20-poly1305 ;;
	culvert-to-wireguard-go-b | wireguard-go-to-culvert-a) echo wireguard-go ;;
	*) echo "$1" ;;
	esac
}

wireguard_go() { printf '%s' "${CULVERT_TEST_WIREGUARD_GO:-$(command -v wireguard-go)}"; }

# missing VPN: why it cannot be measured; nothing if it can.
missing() {
	case $1 in
	*wireguard-go*) [ -x "$(wireguard_go)" ] ||
		echo "apt-get install wireguard-go, or set CULVERT_TEST_WIREGUARD_GO to a newer one" ;;
	culvert-aegis-128l) [ -n "${CULVERT_BUILD_AEGIS:-}${CULVERT_TEST_SODIUM:-}" ] ||
		echo "set CULVERT_TEST_SODIUM to a libsodium of 1.0.19 or later (a directory with include/ and lib/)" ;;
	openvpn-*) { command -v openvpn && command -v openssl; } >/dev/null || echo "apt-get install openvpn openssl" ;;
	fastd) command -v fastd >/dev/null || echo "apt-get install fastd" ;;
	esac
}

# version_of VPN: for the report.
version_of() {
	case $1 in
	veth) echo "plain, no VPN: the machine itself" ;;
	wireguard-go) echo "$("$(wireguard_go)" --version 2>&1 | sed -n '1s/.* v\{0,1\}\([0-9]\)/\1/p'), ChaCha20-Poly1305" ;;
	culvert-to-wireguard-go) echo "culvert with ChaCha20-Poly1305 begins and sends, wireguard-go receives" ;;
	wireguard-go-to-culvert) echo "the reverse" ;;
	culvert-chacha*) echo "$(culvert_version "$build_plain"), WireGuard dialect" ;;
	culvert-aegis-128l) echo "$(culvert_version "$build_aegis"), culvert dialect" ;;
	culvert-*) echo "$(culvert_version "$build_plain"), culvert dialect" ;;
	openvpn-*) echo "$(openvpn --version | awk 'NR == 1 { print $2 }'), UDP, TLS mode, without DCO" ;;
	fastd) echo "$(fastd --version | awk '{ print $2 }'), TUN, salsa2012+umac" ;;
	esac
}

culvert_version() { # BUILD
	local sodium
	sodium=$("$1/culvert" bench --json 2>/dev/null | jq -r .libsodium)
	printf '%s%s' "$("$1/culvert" --version | awk '{ print $2 }')" "${sodium:+, libsodium $sodium}"
}

# prepare ENGINE: keys and files for both ends.
prepare() {
	[ -e "$tmp/a.key" ] || make_keys a b
	case $1 in
	wireguard-go) write_wireguard a b && write_wireguard b a ;;
	culvert-chacha20-poly1305) write_culvert "$1" "" ;;
	culvert-*) write_culvert "$1" "Cipher = ${1#culvert-}" ;;
	openvpn-*) write_openvpn ;;
	fastd) write_fastd ;;
	esac
}

write_wireguard() { # NS PEER
	cat >"$tmp/wireguard-$1.conf" <<-CONF
		[Interface]
		PrivateKey = $(cat "$tmp/$1.key")
		ListenPort = $port
		[Peer]
		PublicKey = $(public "$2")
		AllowedIPs = ${inside4[$2]}/32, ${inside6[$2]}/128
		Endpoint = $(endpoint_of "$2" 4)
	CONF
}

write_culvert() { # VPN PEER-LINE
	local name peer
	mkdir -p "$tmp/$1"
	for name in a b; do
		peer=b
		[ "$name" = a ] || peer=a
		write_conf "$name" "PrivateKeyFile = ../$name.key\nMTU = $mtu" \
			"PublicKey = $(public $peer)\n$(allowed $peer)\nEndpoint = $(endpoint_of $peer 4)\n$2"
		mv "$(conf "$name")" "$tmp/$1/"
	done
}

# Certificates that each other's fingerprint vouches for.
write_openvpn() {
	local name peer role
	for name in a b; do
		must openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$name" \
			-keyout "$tmp/openvpn-$name.key" -out "$tmp/openvpn-$name.crt"
	done
	for name in a b; do
		peer=b role="tls-client"
		[ "$name" = a ] || { peer=a; role=$'tls-server\ndh none'; }
		cat >"$tmp/openvpn-$name.conf" <<-CONF
			dev $(dev "$name")
			dev-type tun
			proto udp
			local ${outside4[$name]}
			lport $port
			remote ${outside4[$peer]} $port
			ifconfig ${inside4[$name]} ${inside4[$peer]}
			$role
			cert $tmp/openvpn-$name.crt
			key $tmp/openvpn-$name.key
			peer-fingerprint $(openssl x509 -in "$tmp/openvpn-$peer.crt" -noout -fingerprint -sha256 | cut -d= -f2)
			cipher AES-256-GCM
			data-ciphers AES-256-GCM
			tun-mtu $mtu
			fast-io
			disable-dco
			verb 0
		CONF
	done
}

write_fastd() {
	local name peer pair
	for name in a b; do
		pair=$(fastd --generate-key 2>/dev/null)
		sed -n 's/^Secret: //p' <<<"$pair" >"$tmp/fastd-$name.key"
		sed -n 's/^Public: //p' <<<"$pair" >"$tmp/fastd-$name.pub"
	done
	for name in a b; do
		peer=b
		[ "$name" = a ] || peer=a
		cat >"$tmp/fastd-$name.conf" <<-CONF
			log level warn;
			mode tun;
			interface "$(dev "$name")";
			bind ${outside4[$name]}:$port;
			method "salsa2012+umac";
			mtu $mtu;
			secret "$(cat "$tmp/fastd-$name.key")";
			on up "ip addr add ${inside4[$name]}/24 dev $(dev "$name"); ip link set $(dev "$name") up";
			peer "$peer" {
				key "$(cat "$tmp/fastd-$peer.pub")";
				remote ${outside4[$peer]}:$port;
			}
		CONF
	done
}

# start_end NS: returns when nothing is left for us to do; the end itself may still be busy.
start_end() {
	local engine
	engine=$(engine_of "$vpn" "$1")
	: >"$tmp/vpn-$1.log"
	case $engine in
	wireguard-go) start_wireguard "$1" ;;
	culvert-aegis-128l) background_in "$1" "vpn-$1" "$build_aegis/culvert" run "$tmp/$engine/$(dev "$1").conf" ;;
	culvert-*) background_in "$1" "vpn-$1" "$build_plain/culvert" run "$tmp/$engine/$(dev "$1").conf" ;;
	openvpn-*) background_in "$1" "vpn-$1" openvpn --config "$tmp/openvpn-$1.conf" ;;
	fastd) background_in "$1" "vpn-$1" fastd --config "$tmp/fastd-$1.conf" ;;
	esac
}

# With the same tools that wg-quick uses.
start_wireguard() { # NS
	local device
	device=$(dev "$1")
	background_in "$1" "vpn-$1" env LOG_LEVEL=error WG_PROCESS_FOREGROUND=1 "$(wireguard_go)" -f "$device"
	until [ -S "$run_dir/$device.sock" ] && ns "$1" wg setconf "$device" "$tmp/wireguard-$1.conf" 2>/dev/null; do
		running "vpn-$1" || return
		sleep 0.005
	done
	ip -n "$prefix-$1" addr add "${inside4[$1]}/24" dev "$device" &&
		ip -n "$prefix-$1" addr add "${inside6[$1]}/64" dev "$device" nodad &&
		ip -n "$prefix-$1" link set "$device" mtu "$mtu" up
}

# end_background NAME [SIGNAL]: ends what runs, whatever that takes; the status is 1 if it took force.
end_background() {
	local status=0
	[ -n "${pid_of[$1]:-}" ] || return 0
	kill -"${2:-TERM}" "${pid_of[$1]}" 2>/dev/null
	within 10 gone "$1" || status=1
	# The shell's notice is of no use: who wants to know has the status.
	{ kill -9 -- "-${pid_of[$1]}"; wait "${pid_of[$1]}"; } 2>/dev/null
	unset "pid_of[$1]"
	return "$status"
}

stop_ends() {
	local name
	for name in a b; do
		end_background "vpn-$name" || trouble "$name does not end by SIGTERM"
		within 10 no_device "$name" && continue
		trouble "the device of $name stays"
		ip -n "$prefix-$name" link del dev "$(dev "$name")"
	done
}

end_alive() { [ "$vpn" = veth ] || running "vpn-$1"; }

ends_alive() {
	local name
	for name in a b; do
		end_alive "$name" && continue
		trouble "$name has ended: $(tail -n 1 "$tmp/vpn-$name.log")"
		return 1
	done
}

end_ready() { udp_bound "$1" "$port" && ip -n "$prefix-$1" -4 addr show dev "$(dev "$1")" | grep -q inet; }
target() { if [ "$1" = veth ]; then printf '%s' "${outside4[b]}"; else printf '%s' "${inside4[b]}"; fi; }

# ---- what a VPN's processes use

family() { # PID: it and all that descend from it
	local file child children
	printf '%s\n' "$1"
	for file in "/proc/$1"/task/*/children; do
		read -ra children <"$file"
		for child in "${children[@]}"; do
			family "$child"
		done
	done 2>/dev/null
}

# CPU time of both ends' processes with all their threads, in clock ticks.
cpu_ticks() {
	local name pid sum=0 stat
	for name in a b; do
		[ -n "${pid_of[vpn-$name]:-}" ] || continue
		for pid in $(family "${pid_of[vpn-$name]}"); do
			{ read -r stat <"/proc/$pid/stat"; } 2>/dev/null || continue
			stat=${stat##*) }
			# shellcheck disable=SC2086 # words on purpose
			set -- $stat
			sum=$((sum + ${12} + ${13}))
		done
	done
	printf '%s' "$sum"
}

# Peak resident memory of the larger end, in MiB: the sum over its processes.
peak_memory() {
	local name pid
	for name in a b; do
		for pid in $(family "${pid_of[vpn-$name]}"); do
			awk -v name="$name" '/^VmHWM/ { print name, $2 }' "/proc/$pid/status" 2>/dev/null
		done
	done | awk '{ sum[$1] += $2 } END { print (sum["a"] > sum["b"] ? sum["a"] : sum["b"]) / 1024 }'
}

# ---- measuring: each records what it finds

trouble() { warn "round $round, $vpn: $*"; }

record() { # METRIC VALUE
	local number='^[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$'
	if [[ $2 =~ $number ]]; then
		printf '%s\t%s\t%s\t%s\n' "$round" "$vpn" "$1" "$2" >>"$out/results.tsv"
	else
		trouble "no figure for $1: '$2'"
	fi
}

# run_iperf ARGUMENTS...: JSON of the client in $json.
run_iperf() {
	local status
	background_in b iperf iperf3 -s -1 -p 5201 --logfile "$tmp/server.txt"
	if within 5 tcp_listening b 5201; then
		json=$(ns a timeout $((seconds + 20)) iperf3 -J -c "$(target "$vpn")" -p 5201 "$@")
		status=$?
	else
		json='{"error": "the server does not listen"}' status=1
	fi
	end_background iperf
	[ "$status" = 0 ] || trouble "iperf3 $*: status $status, $(jq -r '.error? // .' <<<"$json" 2>&1 | head -c 200)"
	return "$status"
}

# Gbit/s that arrived, both ways together. Nothing at all is no figure.
gbits() {
	jq '[.end.sum_received, .end.sum_received_bidir_reverse | .bits_per_second? // 0] | add / 1e9 |
		if . > 0 then . else "nothing arrived" end' <<<"$json"
}

measure_tcp() { # METRIC ARGUMENTS...
	local metric=$1
	shift
	run_iperf -t "$seconds" "$@" && record "$metric" "$(gbits)"
}

measure_tcp_one() {
	local before after
	before=$(cpu_ticks)
	measure_tcp tcp_one || return
	after=$(cpu_ticks)
	record retransmits "$(jq '.end.sum_sent.retransmits / .end.sum_received.bytes * 1e9' <<<"$json")"
	[ "$vpn" = veth ] || record cpu "$(jq --argjson ticks $((after - before)) --argjson hz "$(getconf CLK_TCK)" \
		'$ticks / $hz / .end.sum_received.bytes * 1e9' <<<"$json")"
}

# What c forges, in the form that VPN's data has: OpenVPN and fastd have none that another could forge as easily.
forged_kind() { if [[ $vpn = openvpn-* || $vpn = fastd ]]; then echo junk; else echo data; fi; }

rate_of() { tail -n 1 "$tmp/$1.log" | cut -d ' ' -f 1; } # what a program of flood.c has printed: packets a second

# Only a figure beside the whole flood counts. The forger goes first, as if it had a processor of its own: else the VPN
# that takes most of them would see the least of it. By nice it would not: that counts only within a session.
measure_tcp_flooded() {
	local status rate
	: >"$tmp/forger.log"
	background_in c forger chrt --rr 1 "$work/flood" forge "${outside4[b]}" "$port" "$forged_rate" "$(forged_kind)"
	sleep 0.2
	run_iperf -t "$seconds"
	status=$?
	end_background forger
	rate=$(rate_of forger)
	if ! [[ $rate =~ ^[0-9]+$ ]] || [ "$rate" -lt $((forged_rate * 9 / 10)) ]; then
		trouble "instead of $forged_rate forged packets a second there were: ${rate:-none}"
	elif [ "$status" = 0 ]; then
		record tcp_flooded "$(gbits)"
	fi
}

thousands() { awk -v value="$1" 'BEGIN { print value / 1000 }'; }

# measure_udp METRIC BYTES: thousands of datagrams a second that arrive while a sends as many as it can; and as
# METRIC_offered, which is not in the table, how many that were.
measure_udp() {
	: >"$tmp/flood.log"
	: >"$tmp/sender.log"
	background_in b flood "$work/flood" receive "$(target "$vpn")" "$udp_port" "$seconds"
	within 5 udp_bound b "$udp_port"
	background_in a sender "$work/flood" send "$(target "$vpn")" "$udp_port" "$2" "$((seconds + 1))"
	if wait "${pid_of[flood]}" && wait "${pid_of[sender]}"; then
		record "$1" "$(thousands "$(rate_of flood)")"
		record "$1_offered" "$(thousands "$(rate_of sender)")"
	else
		trouble "UDP of $2 bytes: $(tail -qn 1 "$tmp/flood.log" "$tmp/sender.log")"
	fi
	end_background flood
	end_background sender
	sleep 0.3 # what is still queued
}

# ping_times COUNT: the median and the 95th percentile of what came back, in µs; the share that did not, in per cent.
ping_times() {
	ns a ping -n -i 0.01 -c "$1" -W 1 "$(target "$vpn")" |
		sed -n 's/.*time=\([0-9.]*\) ms.*/\1/p' | sort -n |
		awk -v count="$1" '
			function quantile(share,    at) {
				at = NR * share
				return times[int(at) + (at > int(at))] * 1000
			}
			{ times[NR] = $1 }
			END { if (NR) print quantile(0.5), quantile(0.95), (count - NR) * 100 / count }'
}

measure_ping() {
	local median rest
	read -r median rest < <(ping_times 200) && record ping "$median" && return
	trouble "no ping came back"
}

# While one TCP flow fills the tunnel.
measure_ping_loaded() {
	local median p95 lost
	background_in b iperf-load iperf3 -s -1 -p 5203 --logfile "$tmp/server.txt"
	within 5 tcp_listening b 5203
	background_in a load timeout $((seconds + 20)) iperf3 -c "$(target "$vpn")" -p 5203 -t $((seconds + 1)) \
		--logfile "$tmp/load.txt"
	sleep 0.5
	if ! read -r median p95 lost < <(ping_times $((seconds * 80))); then
		trouble "no ping came back under load"
	elif ! wait "${pid_of[load]}"; then
		trouble "the load of the ping has failed"
	else
		record ping_loaded "$median"
		record ping_loaded_p95 "$p95"
		record ping_lost "$lost"
	fi
	end_background load
	end_background iperf-load
}

measure_memory() { [ "$vpn" = veth ] || record memory "$(peak_memory)"; }

quick_ping() { ns a ping -n -q -c 1 -W 0.02 "$(target "$vpn")" >/dev/null 2>&1; }

# b is there already; how long from the start of a until it has pinged b.
measure_start() {
	local begin
	[ "$vpn" != veth ] || return 0
	if ! start_end b || ! within 20 end_ready b; then
		trouble "b does not start: $(tail -n 1 "$tmp/vpn-b.log")"
		return 1
	fi
	begin=$(now_ms)
	if ! start_end a; then
		trouble "a does not start: $(tail -n 1 "$tmp/vpn-a.log")"
		return 1
	fi
	until quick_ping; do
		ends_alive || return
		[ "$(now_ms)" -ge $((begin + 30000)) ] || continue
		trouble "no ping within 30 s"
		return 1
	done
	record start $(($(now_ms) - begin))
}

# Memory is last, because it is a peak; and the flood just before, because its effects could last.
measurements=(
	"run_iperf -n 20M" # a warm-up
	"measure_tcp_one"
	"measure_tcp tcp_four -P 4"
	"measure_tcp tcp_reverse -R"
	"measure_tcp tcp_both --bidir"
	"measure_udp udp_small $udp_small"
	"measure_udp udp_full $udp_full"
	"measure_ping"
	"measure_ping_loaded"
	"measure_tcp_flooded"
	"measure_memory"
)

measure_all() {
	local each
	if measure_start; then
		for each in "${measurements[@]}"; do
			ends_alive || break
			$each
		done
	fi
	[ "$vpn" = veth ] || stop_ends
}

# c, and that what it forges gets to b's port: else the figures beside the flood would look fine.
add_forger() {
	add_ns c
	cable b to_c c wan
	address b to_c 203.0.113.2/24
	address c wan 203.0.113.3/24
	must ip -n "$prefix-c" route add "${outside4[b]}" via 203.0.113.2
	background_in b flood "$work/flood" receive "${outside4[b]}" "$port" 0.5
	wait_for 5 "the receiver is there" udp_bound b "$port"
	background_in c forger "$work/flood" forge "${outside4[b]}" "$port" 1000 data
	wait "${pid_of[flood]}" || fail "forged packets do not get through: $(cat "$tmp/flood.log" "$tmp/forger.log")"
	unset "pid_of[flood]"
	end_background forger
}

# ---- reporting

# Names of what is measured, in the order of the table.
metrics=(
	"tcp_one	TCP, one flow, Gbit/s"
	"tcp_four	TCP, four flows, Gbit/s"
	"tcp_reverse	TCP, one flow back, Gbit/s"
	"tcp_both	TCP, both ways at once, Gbit/s in all"
	"tcp_flooded	TCP, one flow beside ${forged_rate%000},000 forged packets/s, Gbit/s"
	"cpu	CPU of both ends, one flow, s/GB"
	"retransmits	TCP retransmits, one flow, per GB"
	"udp_small	UDP flood, $udp_small B, thousand/s received"
	"udp_full	UDP flood, $udp_full B, thousand/s received"
	"ping	ping, idle, µs"
	"ping_loaded	ping, one TCP flow beside, µs"
	"ping_loaded_p95	the same, 95th percentile, µs"
	"ping_lost	ping, one TCP flow beside, % lost"
	"memory	peak memory of an end, MiB"
	"start	from start to first ping, ms"
)

# What culvert is to reach: metric; whether at least or at most; the figure of which VPN it multiplies, or "itself"; the
# bounds of each of $goal_vpns, or "-".
goal_vpns="culvert-chacha20-poly1305 culvert-aes-256-gcm culvert-aegis-128l"
goals=(
	"tcp_one	>=	$base	1.5	2.2	3"
	"cpu	<=	$base	0.65	0.45	0.25"
	"udp_full	>=	$base	4	4	4"
	"udp_small	>=	$base	4	4	4"
	"ping	<=	$base	0.5	0.5	0.5"
	"memory	<=	itself	8	8	8"
	"tcp_one	>=	openvpn-aes-256-gcm	-	5	-"
)

# table median|ratio|range|goals|plot: Markdown, or lines for the plot, of what is in results.tsv.
table() {
	LC_ALL=C awk -v what="$1" -v vpns="${chosen[*]}" -v base="$base" -v goal_vpns="$goal_vpns" \
		-f "$top/tests/bench/report.awk" part=metrics <(printf '%s\n' "${metrics[@]}") \
		part=goals <(printf '%s\n' "${goals[@]}") part=results "$out/results.tsv"
}

machine() {
	printf '%s, %s cores, Linux %s' "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)" \
		"$(uname -r)"
}

write_markdown() {
	local name
	printf '%s: rounds: %s, of %s s for each measurement; load average of the machine when it began: %s.\n' \
		"$(date -u +%Y-%m-%d)" "$rounds" "$seconds" "$load"
	printf 'Both ends, and the programs that make the traffic, share one machine: %s.\n\n' "$(machine)"
	for name in "${chosen[@]}"; do
		printf -- '- %s: %s\n' "$name" "$(version_of "$name")"
	done
	[ "$warnings" = 0 ] || printf '\nNot all could be measured (warnings: %s): the figures are of what was.\n' "$warnings"
	printf '\nMedians of the rounds:\n\n'
	table median
	if [[ " ${chosen[*]} " = *" $base "* ]]; then
		printf '\nMultiples of %s: the medians of the ratios within each round, which are steadier than ' "$base"
		printf 'the ratios of the\nmedians because the machine changes from round to round:\n\n'
		table ratio
	fi
	printf '\nLowest and highest of the rounds:\n\n'
	table range
	printf '\nGoals; a ratio is the median of those within each round:\n\n'
	table goals
}

write_plot() {
	local output
	command -v gnuplot >/dev/null || {
		printf 'no plot: apt-get install gnuplot-nox\n'
		return
	}
	rm -f "$out/result.svg" # not one of another run's figures
	table plot >"$tmp/plot.dat"
	[ -s "$tmp/plot.dat" ] || return 0
	output=$(gnuplot -e "data='$tmp/plot.dat'; picture='$out/result.svg'" "$top/tests/bench/plot.gnuplot" 2>&1) ||
		warn "no plot: $output"
}
