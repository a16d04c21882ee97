#!/bin/bash
# SPDX-License-Identifier: ISC
# Descriptors that somebody else has opened: devices of each kind and UDP sockets, by LISTEN_FDS and WG_TUN_FD, for root, for
# a user without any rights and for culvert-device.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/borrowed.sh"

hand_over=(python3 "$top/tests/net/hand-over.py")
device=$(dev a)
# start_with WHAT... -- [COMMAND...]
start_with() {
	local what=()
	while [ "$1" != -- ]; do
		what+=("$1")
		shift
	done
	shift
	: >"$tmp/culvert-a.log"
	background_in a culvert-a env XDG_RUNTIME_DIR="$tmp/run" "${hand_over[@]}" "${what[@]}" -- "$@"
}
run_root=("$build/culvert" run "$(conf a)")
run_user=("$tmp/culvert" run "$tmp/home/$device.conf")
sed -i '/^ListenPort/d' "$(conf a)"
own_conf
before=$(host_state a)

step "devices of each kind, to root"
for device_kind in tun:"$device" tun:"$device":pi tun:"$device":vnet_hdr tun:"$device":pi:vnet_hdr wg:"$device":pi; do
	start_with "$device_kind" -- "${run_root[@]}"
	wait_tunnel a
	pings_both a b
	[ "$device_kind" != tun:"$device":pi:vnet_hdr ] || tcp_both_ways a b "${inside4[b]}"
	stop_root
	expect_host_state a "$before" "after $device_kind"
done

step "sockets: their port, which is nobody else's meanwhile"
start_with udp4:40001 udp6:40001 -- "${run_root[@]}"
wait_tunnel a
pings_both a b
expect_equal "the port" 40001 "$(shown a listen-port)"
expect_equal "where b sends" "192.0.2.1:40001" "$(shown b endpoints a)"
sed -i '/^\[Interface\]/a ListenPort = 40002' "$(conf a)"
refuses 'ListenPort = 40002, and the socket that was handed over has port 40001' "$build/culvert" reload "$device"
sed -i 's/^ListenPort = .*/ListenPort = 40001/' "$(conf a)"
must "$build/culvert" reload "$device"
pings_both a b
must ns a wg set "$device" fwmark 7
pings_both a b
stop_root
sed -i '/^ListenPort/d' "$(conf a)"
expect_host_state a "$before" "after sockets"

step "one socket for both families, which socket units have"
for family in 4 6; do
	sed -i "s/^Endpoint = .*/Endpoint = $(endpoint_of b $family)/" "$(conf a)"
	start_with dual:40003 -- "${run_root[@]}"
	wait_tunnel a
	pings_both a b
	expect_equal "where b sends" "$(endpoint_of a $family 40003)" "$(shown b endpoints a)"
	wg_set b peer "$(public a)" endpoint "$(endpoint_of a $family 40003)"
	must ns b ping -n -c 1 -W 3 -Q 2 "${inside4[a]}"
	tcp_both_ways b a "${inside4[a]}"
	stop_root
	expect_host_state a "$before" "after a socket for both"
done
sed -i "s/^Endpoint = .*/Endpoint = $(endpoint_of b 4)/" "$(conf a)"

step "all of it, to a user who has nothing else"
make_device tun user nobody
equip
start_with udp4:443 udp6:443 user:nobody -- "${run_user[@]}"
wait_as_nobody
pings_both a b
expect_equal "where b sends" "192.0.2.1:443" "$(shown b endpoints a)"
stop_as_nobody
delete_device
must ns a true
start_with tun:"$device" udp4:443 udp6:443 user:nobody -- "${run_user[@]}"
says "lacks the Address"

step "what is refused"
refused() { # REGEX WHAT...
	local pattern=$1
	shift
	start_with "$@" -- "${run_root[@]}"
	says "$pattern"
	expect_host_state a "$before" "after $*"
}
refused 'descriptor 3 \(tcp\), which was handed over, is neither' tcp:40001
refused 'descriptor 4 \(tun\).* is a second device' tun:"$device" tun:"${device}x"
refused 'descriptor 4 \(udp4\).* is a second UDP socket' udp4:40001 udp4:40002
refused 'has another port than the other one' udp4:40001 udp6:40002
refused 'descriptor 4 \(udp6\).* is a second UDP socket' dual:40001 udp6:40002
refused "the device that was handed over is other, not .*: give its name with Device = other" tun:other
sed -i '/^\[Interface\]/a ListenPort = 40002' "$(conf a)"
refused 'ListenPort = 40002, and the socket that was handed over has port 40001' udp4:40001
sed -i '/^ListenPort/d' "$(conf a)"
make_device tun
: >"$tmp/culvert-a.log"
background_in b culvert-a "${hand_over[@]}" tun:"$device" -- ip netns exec "$prefix-a" "${run_root[@]}"
says 'is not here, but in another network namespace'
delete_device
expect_host_state a "$before" "after a device of the same name elsewhere"
not_there() { # REGEX COMMAND...: with one descriptor more than there is
	local pattern=$1
	shift
	# shellcheck disable=SC2016 # another shell expands it
	refuses "$pattern" ns a bash -c 'exec 3</dev/null 3<&-; LISTEN_PID=$BASHPID LISTEN_FDS=1 exec "$@"' bash "$@"
}
not_there 'descriptor 3, which was handed over, is not there' "${run_root[@]}"
(umask 077; "$build/culvert" genpsk >"$tmp/shared.key")
not_there 'descriptor 3, which was handed over, is not there' \
	"$build/culvert" run --shared-key-file "$tmp/shared.key" --address 10.99.0.1/24 # whose lock has the number
for count in x -1 "" 99999999999; do
	# shellcheck disable=SC2016 # another shell expands it
	refuses 'LISTEN_FDS is no number of descriptors' \
		ns a timeout 5 bash -c 'LISTEN_PID=$BASHPID LISTEN_FDS=$1; export LISTEN_PID LISTEN_FDS; shift; exec "$@"' bash "$count" "${run_root[@]}"
done
refused 'descriptor 5 .* second UDP socket' udp4:40001 udp6:40001 udp4:40003
refuses 'WG_TUN_FD is no number of a descriptor' ns a env WG_TUN_FD=x "${run_root[@]}"
expect_host_state a "$before" "after descriptors that are not there"
ns a env LISTEN_PID=1 LISTEN_FDS=5 timeout 3 "${run_root[@]}" >"$tmp/notours.log" 2>&1
expect_equal "exit status with another's LISTEN_PID" 124 $?

step "culvert-device and WG_TUN_FD"
for device_kind in wg:"$device" wg:"$device":pi wg:"$device":pi:vnet_hdr; do
	background_in a device-a env LOG_LEVEL=verbose "${hand_over[@]}" "$device_kind" -- "$build/culvert-device" -f "$device"
	wait_for 10 "it answers" control_answers a
	wg_set_key a
	wg_add_peer a b endpoint "${outside4[b]}:$port"
	inside a
	pings_both a b
	stop_background device-a
	expect_host_state a "$before" "after culvert-device with $device_kind"
done

step "a TAP device, for frames"
tap_conf() { # NS OTHER
	[ -e "$tmp/shared.key" ] || (umask 077; "$build/culvert" genpsk >"$tmp/shared.key")
	(umask 077; printf '[Interface]\nSharedKeyFile = shared.key\nListenPort = %s\nMode = tap\nAddress = %s/24, %s/64\n[Peer]\nEndpoint = %s\n' \
		"$port" "${inside4[$1]}" "${inside6[$1]}" "$(endpoint_of "$2" 4)" >"$(conf "$1")")
}
cp "$(conf a)" "$tmp/of-packets.conf"
stop_culvert b
tap_conf a b
tap_conf b a
start_culvert b "$(conf b)"
for device_kind in tap:"$device" tap:"$device":pi tap:"$device":pi:vnet_hdr; do
	start_with "$device_kind" -- "${run_root[@]}"
	wait_tunnel a
	pings_both a b
	tcp_both_ways a b "${inside4[b]}"
	stop_root
	expect_host_state a "$before" "after $device_kind"
done
mv "$tmp/of-packets.conf" "$(conf a)"
refused 'is a TAP device, which carries Ethernet frames: give the tunnel Mode = tap, or hand over a TUN device' tap:"$device"
pass
