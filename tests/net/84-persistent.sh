#!/bin/bash
# SPDX-License-Identifier: ISC
# Persistent = yes: the device, and what is on it, outlives the daemon, whichever way that ends; the next start takes it
# over without a gap, and what its file does not want any more goes.
. "$(dirname "$0")/lib.sh"
need_culvert

two_ends
own_names a
make_keys a b
psk_line="Persistent = yes"
write_ends() { # ADDRESS-LINES ALLOWED
	write_conf a "PrivateKeyFile = a.key\n$psk_line$1" "PublicKey = $(public b)\n$(allowed b)\n$2\nEndpoint = ${outside4[b]}:$port"
}
write_ends "\nAddress = 10.77.0.1/32" "AllowedIPs = 10.80.0.0/16"
write_conf b "PrivateKeyFile = b.key" "PublicKey = $(public a)\n$(allowed a)"
bring_up b
before=$(host_state a)
device=$(dev a)

index() { ip -n "$prefix-a" -j link show dev "$device" | jq '.[0].ifindex'; }
has_route() { [ -n "$(ip -n "$prefix-a" route show "$1" dev "$device")" ]; }
has_address() { [ -n "$(ip -n "$prefix-a" -o addr show dev "$device" to "$1")" ]; }
on_device() { # what is on it, but for its carrier
	ip -n "$prefix-a" -j addr show dev "$device" | jq -c '[.[0].mtu, (.[0].flags | index("UP") != null), [.[0].addr_info[].local]]'
	ip -n "$prefix-a" route show dev "$device" | sed 's/ linkdown//'
	ip -n "$prefix-a" -6 route show dev "$device" | sed 's/ linkdown//;/^multicast/d'
}

step "a start that fails half way leaves nothing"
sed -i '/^Persistent/a PostUp = false' "$(conf a)"
refuses 'PostUp' ns a timeout 20 "$build/culvert" run "$(conf a)"
sed -i '/^PostUp/d' "$(conf a)"
expect_host_state a "$before" "after a start that failed"

step "it stays, with all that is on it"
bring_up a
pings_both a b
must ip -n "$prefix-a" route add 10.90.0.0/16 dev "$device"
number=$(index) state=$(on_device)
end_culvert a
expect_equal "the device after a stop" "$state" "$(on_device)"
expect_match "what down says" "nothing to put back; the device $device stays \(Persistent\): ip link delete dev $device removes it" \
	"$(ns a "$build/culvert" down "$device")"
refuses 'Operation not permitted' ns a setpriv --reuid nobody --regid nogroup --clear-groups --bounding-set -all --inh-caps -all \
	ip tuntap delete dev "$device" mode tun
SERVICE_RESULT=success must ns a "$build/culvert" down "$device"
expect_equal "the device after culvert down" "$state" "$(on_device)"

step "while the daemon is away, what goes there is dropped, and goes nowhere else"
must ip -n "$prefix-a" route add default via "${outside4[b]}"
capture a away 'host 10.80.0.9'
ns a ping -n -c 2 -i 0.2 -W 1 10.80.0.9 >/dev/null 2>&1 && fail "who answers?"
stop_background away
expect_equal "packets that went past the tunnel" 0 "$(captured away)"
must ip -n "$prefix-a" route del default

step "taken over without a gap"
background_in a monitor ip -o monitor route
bring_up a
pings_both a b
expect_equal "the device's number" "$number" "$(index)"
expect_equal "the device after a restart" "$state" "$(on_device)"
stop_background monitor
expect_equal "ports that two starts opened" 2 "$(logged a 'listening on UDP port')"
! grep -q '^Deleted.*10\.80\.' "$tmp/monitor.log" || fail "a route was gone for a while: $(cat "$tmp/monitor.log")"

step "killed, it is taken over as well"
engine=$(engine_pid a)
kill -9 "${pid_of[culvert-a]}" "$engine"
{ wait "${pid_of[culvert-a]}"; } 2>/dev/null
must ns a "$build/culvert" down "$device"
bring_up a
pings_both a b
expect_equal "the device after a kill" "$number $state" "$(index) $(on_device)"

step "a reload that could not be undone"
state=/run/culvert/$device.state noted=$(cat "/run/culvert/$device.state")
mv "$state" "$tmp/state"
mkdir "$state"
before_reload=$(on_device) peers=$(shown a allowed-ips)
write_ends "\nAddress = 10.78.0.1/32" "AllowedIPs = 10.81.0.0/16"
refuses "cannot note what $device has: Invalid argument" "$build/culvert" reload "$device"
expect_equal "the peers" "$peers" "$(shown a allowed-ips)"
expect_equal "the device" "$before_reload" "$(on_device)"
rmdir "$state"
mv "$tmp/state" "$state"
background_in a port socat -u UDP4-RECV:40001 OPEN:/dev/null
wait_for 5 "a port is taken" udp_bound a 40001
sed -i "s/^ListenPort.*/ListenPort = 40001/" "$(conf a)"
refuses 'the engine did not take the settings: .*choose another' "$build/culvert" reload "$device"
expect_equal "the device" "$before_reload" "$(on_device)"
expect_equal "what is noted" "$noted" "$(cat "$state")"
stop_background port
write_ends "\nAddress = 10.77.0.1/32" "AllowedIPs = 10.80.0.0/16"

step "a reload adds and removes; what others have put there stays"
refuses 'Persistent cannot change' bash -c "sed -i 's/^Persistent = yes/Persistent = no/' '$(conf a)' && '$build/culvert' reload '$device'"
write_ends "\nAddress = 10.78.0.1/32" "AllowedIPs = 10.81.0.0/16"
must "$build/culvert" reload "$device"
has_route 10.81.0.0/16 || fail "the new route is not there"
! has_route 10.80.0.0/16 || fail "the old route is still there"
! has_address 10.77.0.1 || fail "the old address is still there"
end_culvert a

step "what was in the file at the last start, and is not any more, goes with the next"
write_ends "" "AllowedIPs = 10.82.0.0/16"
bring_up a
pings_both a b
! has_route 10.81.0.0/16 || fail "the old route is still there"
! has_address 10.78.0.1 || fail "the old address is still there"
has_route 10.82.0.0/16 || fail "the new route is not there"
has_route 10.90.0.0/16 || fail "a route of others is not there"
end_culvert a

step "with another Device, or elsewhere: the one that stays is ours still"
stays="the device $device stays \(Persistent\): ip link delete dev $device removes it"
psk_line="Persistent = yes\nDevice = ${device}2"
write_ends "" "AllowedIPs = 10.82.0.0/16"
refuses "$stays.*has one already" ns a timeout 20 "$build/culvert" run "$(conf a)"
expect_match "what down says then" "nothing to put back; $stays" "$(ns a "$build/culvert" down "$device")"
add_ns c
psk_line="Persistent = yes\nNetworkNamespace = $prefix-c"
write_ends "" "AllowedIPs = 10.82.0.0/16"
bring_up a
expect_equal "warnings of it" 1 "$(logged a "$stays")"
end_culvert a
says=$(ns a "$build/culvert" down "$device")
expect_match "what down says of the first" "nothing to put back; $stays" "$says"
expect_match "what down says of the second" "ip -n $prefix-c link delete dev $device" "$says"
must ip -n "$prefix-c" link delete "$device"

step "without Persistent it is ours to remove again, and what was in the file goes as well"
psk_line=
write_ends "\nAddress = 10.79.0.1/32" "AllowedIPs = 10.83.0.0/16"
bring_up a
pings_both a b
expect_equal "the device's number" "$number" "$(index)"
! has_route 10.82.0.0/16 || fail "the old route is still there"
has_route 10.83.0.0/16 || fail "the new route is not there"
has_address 10.79.0.1 || fail "the new address is not there"
end_culvert a
expect_host_state a "$before" "without Persistent"
[ ! -e "/run/culvert/$device.state" ] || fail "the state file is still there: $(cat "/run/culvert/$device.state")"

step "ip link delete, and a new one is made"
psk_line="Persistent = yes"
write_ends "" "AllowedIPs = 10.82.0.0/16"
bring_up a
end_culvert a
must ip -n "$prefix-a" link delete "$device"
expect_host_state a "$before" "after ip link delete"
bring_up a
pings_both a b
must ip -n "$prefix-a" link delete "$device"
wait_for 10 "the tunnel ends with its device" gone culvert-a
unset "pid_of[culvert-a]"
bring_up a
pings_both a b
end_culvert a
must ip -n "$prefix-a" link delete "$device"
expect_host_state a "$before" "at the end"
expect_match "what down says without the device" 'nothing to put back$' "$(ns a "$build/culvert" down "$device")"
[ ! -e "/run/culvert/$device.state" ] || fail "a device that has gone is still noted: $(cat "/run/culvert/$device.state")"
pass
