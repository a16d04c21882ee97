# SPDX-License-Identifier: ISC
# shellcheck shell=bash
# The VPNs that tests/bench/run compares, and what it measures. Sourced after tests/net/lib.sh, whose two ends a
# and b it uses: b is started first and waits, a begins; traffic goes from a to b.
#
# All of them have the same MTU inside, $mtu, and otherwise the settings that they come with; where a manual names
# one for speed, it is set.

# The variables come from tests/net/lib.sh and tests/bench/run, which also uses some of ours.
# shellcheck disable=SC2154,SC2034

vpns=(veth wireguard-go culvert-chacha20-poly1305 culvert-aes-256-gcm culvert-aegis-128l openvpn-aes-256-gcm fastd)
base=wireguard-go # what the ratios are against
mtu=1420
udp_full=$((mtu - 28)) # UDP payload of an IPv4 packet of the MTU's size
udp_small=64
udp_port=7009
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

wireguard_go() { printf '%s' "${CULVERT_TEST_WIREGUARD_GO:-$(command -v wireguard-go)}"; }

# missing VPN: why it cannot be measured; nothing if it can.
missing() {
	case $1 in
	wireguard-go) [ -x "$(wireguard_go)" ] ||
		echo "apt-get install wireguard-go, or set CULVERT_TEST_WIREGUARD_GO to a newer one" ;;
	culvert-aegis-128l) [ -n "${CULVERT_BUILD_AEGIS:-}${CULVERT_TEST_SODIUM:-}" ] ||
		echo "set CULVERT_TEST_SODIUM to a libsodium of 1.0.19 or later (a directory with include/ and lib/)" ;;
	openvpn-*) command -v openvpn >/dev/null || echo "apt-get install openvpn" ;;
	fastd) command -v fastd >/dev/null || echo "apt-get install fastd" ;;
	esac
}

# version_of VPN: for the report.
version_of() {
	case $1 in
	veth) echo "plain, no VPN: the machine itself" ;;
	wireguard-go) echo "$("$(wireguard_go)" --version 2>&1 | sed -n '1s/.* v\{0,1\}\([0-9]\)/\1/p'), ChaCha20-Poly1305" ;;
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

# prepare VPN: keys and files of both ends.
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
			verb 1
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

# start_end NS VPN: returns when nothing is left for us to do; the end itself may still be busy.
start_end() {
	case $2 in
	wireguard-go) start_wireguard "$1" ;;
	culvert-aegis-128l) background_in "$1" "vpn-$1" "$build_aegis/culvert" run "$tmp/$2/$(dev "$1").conf" ;;
	culvert-*) background_in "$1" "vpn-$1" "$build_plain/culvert" run "$tmp/$2/$(dev "$1").conf" ;;
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
		running "vpn-$1" || fail "wireguard-go has ended"
		sleep 0.005
	done
	address "$1" "$device" "${inside4[$1]}/24" "${inside6[$1]}/64"
	must ip -n "$prefix-$1" link set "$device" mtu "$mtu" up
}

stop_ends() {
	local name
	for name in a b; do
		[ -z "${pid_of[vpn-$name]:-}" ] || stop_background "vpn-$name"
		wait_for 10 "the device of $name goes away" no_device "$name"
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
			read -r stat <"/proc/$pid/stat" || continue
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
			awk -v name="$name" '/^VmHWM/ { print name, $2 }' "/proc/$pid/status"
		done
	done | awk '{ sum[$1] += $2 } END { print (sum["a"] > sum["b"] ? sum["a"] : sum["b"]) / 1024 }'
}

# ---- measuring: each records what it finds

record() { printf '%s\t%s\t%s\t%s\n' "$round" "$vpn" "$1" "$2" >>"$out/results.tsv"; } # METRIC VALUE

# run_iperf ARGUMENTS...: JSON of the client in $json.
run_iperf() {
	background_in b iperf iperf3 -s -1 -p 5201 --logfile "$tmp/server.txt"
	wait_for 5 "iperf3 listens" tcp_listening b 5201
	json=$(ns a timeout $((seconds + 20)) iperf3 -J -c "$(target "$vpn")" -p 5201 "$@")
	local status=$?
	[ "$status" = 0 ] || kill -9 "${pid_of[iperf]}" 2>/dev/null
	wait "${pid_of[iperf]}" 2>/dev/null
	unset "pid_of[iperf]"
	[ "$status" = 0 ] || warn "round $round, $vpn, iperf3 $*: $(jq -r '.error? // .' <<<"$json" | head -c 200)"
	return "$status"
}

# measure_tcp METRIC ARGUMENTS...: Gbit/s that arrive, both ways together.
measure_tcp() {
	local metric=$1 before after
	shift
	before=$(cpu_ticks)
	run_iperf -t "$seconds" "$@" || return
	after=$(cpu_ticks)
	record "$metric" "$(jq '[.end.sum_received, .end.sum_received_bidir_reverse | .bits_per_second? // 0] | add / 1e9' \
		<<<"$json")"
	[ "$metric" = tcp_one ] || return 0
	record retransmits "$(jq '.end.sum_sent.retransmits / .end.sum_received.bytes * 1e9' <<<"$json")"
	[ "$vpn" = veth ] || record cpu "$(jq --argjson ticks $((after - before)) --argjson hz "$(getconf CLK_TCK)" \
		'$ticks / $hz / .end.sum_received.bytes * 1e9' <<<"$json")"
}

# measure_udp METRIC BYTES: thousands of datagrams a second that arrive while a sends as many as it can.
measure_udp() {
	local rate
	background_in b flood "$work/flood" receive "$(target "$vpn")" "$udp_port" "$seconds"
	wait_for 5 "the receiver is there" udp_bound b "$udp_port"
	: >"$tmp/sender.log"
	background_in a sender "$work/flood" send "$(target "$vpn")" "$udp_port" "$2" "$((seconds + 1))"
	if wait "${pid_of[flood]}"; then
		rate=$(tail -n 1 "$tmp/flood.log" | cut -d ' ' -f 1)
		record "$1" "$(awk -v rate="$rate" 'BEGIN { print rate / 1000 }')"
	else
		warn "round $round, $vpn, UDP of $2 bytes: $(tail -n 1 "$tmp/flood.log")"
	fi
	wait "${pid_of[sender]}" || warn "round $round, $vpn: $(tail -n 1 "$tmp/sender.log")"
	unset "pid_of[flood]" "pid_of[sender]"
	sleep 0.3 # what is still queued
}

# ping_times COUNT: the median, in µs, and the share that got no answer, in per cent.
ping_times() {
	ns a ping -n -i 0.01 -c "$1" -W 1 "$(target "$vpn")" |
		sed -n 's/.*time=\([0-9.]*\) ms.*/\1/p' | sort -n |
		awk -v count="$1" '{ times[NR] = $1 } END {
			if (NR) print times[int((NR + 1) / 2)] * 1000, (count - NR) * 100 / count
		}'
}

measure_ping() {
	local median lost
	read -r median lost < <(ping_times 200) && record ping "$median" && return
	warn "round $round, $vpn: no ping came back"
}

# While one TCP flow fills the tunnel.
measure_ping_loaded() {
	local median lost
	background_in b iperf-load iperf3 -s -1 -p 5203 --logfile "$tmp/server.txt"
	wait_for 5 "iperf3 listens" tcp_listening b 5203
	background_in a load iperf3 -c "$(target "$vpn")" -p 5203 -t $((seconds + 1)) \
		--logfile "$tmp/load.txt"
	sleep 0.5
	if read -r median lost < <(ping_times $((seconds * 80))); then
		record ping_loaded "$median"
		record ping_lost "$lost"
	else
		warn "round $round, $vpn: no ping came back under load"
	fi
	wait "${pid_of[load]}" || warn "round $round, $vpn: the load of the ping has failed"
	kill -9 "${pid_of[iperf-load]}" 2>/dev/null
	wait "${pid_of[iperf-load]}" 2>/dev/null
	unset "pid_of[load]" "pid_of[iperf-load]"
}

quick_ping() { ns a ping -n -q -c 1 -W 0.02 "$(target "$vpn")" >/dev/null 2>&1; }

# b is there already; how long from the start of a until it has pinged b.
measure_start() {
	local begin
	start_end b "$vpn"
	wait_for 20 "$vpn of b is ready" end_ready b
	begin=$(now_ms)
	start_end a "$vpn"
	until quick_ping; do
		running vpn-a || fail "$vpn of a has ended"
		[ "$(now_ms)" -lt $((begin + 30000)) ] || fail "$vpn: no ping within 30 s"
	done
	record start $(($(now_ms) - begin))
}

measure_all() {
	[ "$vpn" = veth ] || measure_start
	run_iperf -n 20M # a warm-up
	measure_tcp tcp_one
	measure_tcp tcp_four -P 4
	measure_tcp tcp_reverse -R
	measure_tcp tcp_both --bidir
	measure_udp udp_small "$udp_small"
	measure_udp udp_full "$udp_full"
	measure_ping
	measure_ping_loaded
	[ "$vpn" = veth ] || record memory "$(peak_memory)"
	stop_ends
}

# ---- reporting

# Names of what is measured, in the order of the table.
metrics=(
	"tcp_one	TCP, one flow, Gbit/s"
	"tcp_four	TCP, four flows, Gbit/s"
	"tcp_reverse	TCP, one flow back, Gbit/s"
	"tcp_both	TCP, both ways at once, Gbit/s in all"
	"cpu	CPU of both ends, one flow, s/GB"
	"retransmits	TCP retransmits, one flow, per GB"
	"udp_small	UDP flood, $udp_small B, thousand/s received"
	"udp_full	UDP flood, $udp_full B, thousand/s received"
	"ping	ping, idle, µs"
	"ping_loaded	ping, one TCP flow beside, µs"
	"ping_lost	ping, one TCP flow beside, % lost"
	"memory	peak memory of an end, MiB"
	"start	from start to first ping, ms"
)

# table median|ratio|range: Markdown of what is in results.tsv.
table() {
	LC_ALL=C awk -v what="$1" -v vpns="${chosen[*]}" -v base="$base" -f "$top/tests/bench/report.awk" \
		<(printf '%s\n' "${metrics[@]}") "$out/results.tsv"
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
	printf '\nMedians:\n\n'
	table median
	if [[ " ${chosen[*]} " = *" $base "* ]]; then
		printf '\nThe same as multiples of %s:\n\n' "$base"
		table ratio
	fi
	printf '\nLowest and highest of the rounds:\n\n'
	table range
}

write_plot() {
	command -v gnuplot >/dev/null || {
		printf 'no plot: apt-get install gnuplot-nox\n'
		return
	}
	table plot >"$tmp/plot.dat"
	must gnuplot -e "data='$tmp/plot.dat'; picture='$out/result.svg'" "$top/tests/bench/plot.gnuplot"
}
