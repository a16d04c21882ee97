#!/bin/bash
# SPDX-License-Identifier: ISC
# KillSwitch = yes: nothing leaves but what is sealed, whatever dies and changes, until somebody says so.
. "$(dirname "$0")/lib.sh"
need_culvert

# Lively traffic to the far side and to a name server, both families: sockets that were connected before there was a
# tunnel, new ones, TCP.
cat >"$tmp/chatter.py" <<'PY'
import socket, sys, time
far = [(socket.AF_INET, sys.argv[1]), (socket.AF_INET6, sys.argv[2])]
old = []
for family, address in far:
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.connect((address, 9))
    old.append(s)
def attempt(call):
    try:
        call()
    except OSError:
        pass
while True:
    for s in old:
        attempt(lambda: s.send(b"connected before"))
    for family, address in far:
        with socket.socket(family, socket.SOCK_DGRAM) as s:
            attempt(lambda: s.sendto(b"new", (address, 53)))
        with socket.socket(family, socket.SOCK_STREAM) as s:
            s.setblocking(False)
            attempt(lambda: s.connect((address, 80)))
    time.sleep(0.02)
PY

tun=$(dev a)
state=/run/culvert/$tun.state
down() { ns a "$build/culvert" down "$tun"; }
route_to() {
	local device
	device=$(ip -n "$prefix-a" -j route get "$1" 2>/dev/null | jq -r '.[0].dev')
	printf '%s' "${device:-none}"
}
closed() { [ "$(route_to "$far4")$(route_to "$far6")" = nonenone ]; }
open() { [ "$(route_to "$far4")$(route_to "$far6")" = wanwan ]; }
through() { [ "$(route_to "$far4")$(route_to "$far6")" = "$tun$tun" ]; }
expect_closed() { closed || fail "not closed $1: $(route_to "$far4"), $(route_to "$far6")"; }

# What may leave: sealed packets, neighbour discovery, and what a host says of its multicast groups.
sealed="udp and port $port and (host 198.51.100.2 or host 2001:db8:b::2)"
neighbours="arp or (icmp6 and ip6[40] >= 133 and ip6[40] <= 136) or ip6[6] = 0"

write_a() { # ALLOWED-IPS [INTERFACE-LINES]
	write_conf a "PrivateKeyFile = a.key\nKillSwitch = yes\n${2:-}" \
		"PublicKey = $(public b)\nAllowedIPs = $1\nEndpoint = $(endpoint_of b 4)\nPersistentKeepalive = 1"
}

two_ends_with_middle
far_side
make_keys a b
write_conf b "PrivateKeyFile = b.key" "PublicKey = $(public a)\n$(allowed a)"
bring_up b
before=$(host_state a)
leak="ether src $(ns a cat /sys/class/net/wan/address) and not (($sealed) or $neighbours)"
background_in a chatter python3 "$tmp/chatter.py" "$far4" "$far6"
capture a open "$leak"
for family in ip ip6; do
	wait_for 5 "the test sees traffic in the clear, $family" captured_any open "$family"
done
stop_background open

step "closed before the tunnel is there"
write_a "0.0.0.0/0, ::/0"
# With no more than the unit for it has.
must ns a setpriv --no-new-privs --bounding-set -all,+net_admin,+dac_read_search --inh-caps -all "$build/culvert" block "$(conf a)"
expect_closed "by culvert block"
ns a "$build/culvert" status >"$tmp/closed"
grep -qx "$tun is not running; its kill switch is closed: culvert down $tun opens it" "$tmp/closed" ||
	fail "what status says of it: $(cat "$tmp/closed")"
ns a "$build/culvert" status --json "$tun" >"$tmp/closed"
expect_equal "exit status" 3 $?
expect_equal "as JSON" "down on" "$(jq -r '.tunnels[0] | "\(.state) \(.kill_switch)"' "$tmp/closed")"
# With this protocol systemd-networkd lets them be.
for what in "rule list priority 31820" "rule list priority 31821" "route show table all type unreachable"; do
	for family in 4 6; do
		# shellcheck disable=SC2086 # words on purpose
		expect_match "IPv$family: $what" "proto kernel" "$(ip -n "$prefix-a" -d -"$family" $what)"
	done
done
pings a "${outside4[m_a]}"
pings a "${outside6[m_a]}"
sleep 0.2 # what had been sent before has left
capture a closed "$leak"
sleep 1

step "the tunnel takes it over, comes, and dies in every way"
bring_up a
through || fail "not all goes through the tunnel"
pings a "$far4"
pings a "$far6"
expect_equal "the kill switch in status" on "$(status_of a .kill_switch)"
kill -9 "$(engine_pid a)"
wait_for 10 "culvert ends" gone culvert-a
expect_closed "after kill -9 of the engine"
sleep 0.5
bring_up a
kill -9 "$(status_of a .pid)"
wait_for 10 "the device goes" no_device a
expect_closed "after kill -9 of the monitor"
sleep 0.5
bring_up a
pings a "$far6"
kill_hard culvert-a
wait_for 10 "the device goes" no_device a
expect_closed "after kill -9 of both"
sleep 0.5
elsewhere="another network namespace, and what it has added is still there; to put that back: ip netns exec $prefix-a culvert down $tun"
refuses "$elsewhere" "$build/culvert" down "$tun"
refuses "$elsewhere" ns b "$build/culvert" run "$(conf a)"
expect_closed "after a down and a start elsewhere"
bring_up a
must ip -n "$prefix-a" link del "$tun"
wait_for 10 "culvert ends" gone culvert-a
expect_closed "after the device was deleted"
write_a "0.0.0.0/0, ::/0" "PostUp = exit 1"
start_culvert a "$(conf a)"
wait_for 10 "culvert gives up" gone culvert-a
expect_closed "after a start that failed"
write_a "0.0.0.0/0, ::/0"
must ns a env SERVICE_RESULT=signal "$build/culvert" down "$tun"
expect_closed "after a service failed"

step "the peer dies, the network changes, rules are removed"
bring_up a
pings a "$far4"
stop_background culvert-b KILL
sleep 0.5
for family in 4 6; do
	must ip -n "$prefix-a" -"$family" route del default
done
must ip -n "$prefix-a" link set wan down
must ip -n "$prefix-a" link set wan up
address a wan 2001:db8:a::1/64
must ip -n "$prefix-a" -4 route add default via "${outside4[m_a]}"
must ip -n "$prefix-a" -6 route add default via "${outside6[m_a]}"
bring_up b
pings a "$far4" 30
pings a "$far6"
# Without its default route the table's last one counts.
must ip -n "$prefix-a" route del default dev "$tun" table "$(status_of a .fwmark)"
expect_equal "the way without the tunnel's route" none "$(route_to "$far4")"
wait_for 5 "the route is back" through
sleep 0.5
stop_background closed
expect_equal "packets that left unsealed: $(tcpdump -nr "$tmp/closed.pcap" 2>/dev/null | head -3)" 0 "$(captured closed)"

step "pause opens and closes"
must ns a "$build/culvert" pause "$tun" 30
open || fail "the pause does not open"
expect_equal "the kill switch in status" paused "$(status_of a .kill_switch)"
expect_at_least "seconds left" 20 "$(status_of a .paused)"
ns a "$build/culvert" status "$tun" | grep -q "paused: traffic passes" || fail "status does not say paused"
must ns a "$build/culvert" pause "$tun" 0
through || fail "pause 0 does not close"
expect_equal "seconds left" null "$(status_of a .paused)"
must ns a "$build/culvert" pause "$tun" 2
open || fail "the pause does not open"
wait_for 5 "the pause ends by itself" through
refuses "how many seconds" ns a "$build/culvert" pause "$tun" 86401
refuses "not running" ns a "$build/culvert" pause "${tun}x" 1
refuses "name one" ns a "$build/culvert" pause 1
mkdir "$tmp/only"
touch "$tmp/only/$tun.sock"
alone="mount --bind /run/culvert/$tun.sock $tmp/only/$tun.sock && mount --rbind $tmp/only /run/culvert"
must ns a unshare -m sh -c "$alone && exec $build/culvert pause 30"
open || fail "the pause of the only tunnel does not open"
must ns a unshare -m sh -c "$alone && exec $build/culvert pause 0"

step "told to stop, it opens"
stop_culvert a
expect_host_state a "$before" "after SIGTERM"
[ ! -e "$state" ] || fail "a state file is left"

step "culvert down opens what a crash left closed"
bring_up a
refuses "is running" down
kill_hard culvert-a
wait_for 10 "the device goes" no_device a
expect_closed "after kill -9"
expect_match "what was undone" "rule ipv6 31821" "$(down)"
expect_host_state a "$before" "after culvert down"
expect_match "a second time" "nothing to put back" "$(down)"
expect_equal "after a service that was stopped" "" "$(SERVICE_RESULT=success down)"
expect_match "of a name that no tunnel has" "nothing to put back" "$(ns a "$build/culvert" down "$prefix-typo")"
[ ! -e "/run/culvert/$prefix-typo.lock" ] || fail "culvert down makes a lock for a name that no tunnel has"

step "IPv4 alone is tunnelled: IPv6 is closed"
write_a "0.0.0.0/0"
must ns a "$build/culvert" block "$(conf a)"
sleep 0.2
capture a four "$leak"
bring_up a
expect_equal "IPv4" "$tun" "$(route_to "$far4")"
expect_equal "IPv6" none "$(route_to "$far6")"
pings a "$far4"
pings a "${outside6[m_a]}"
kill_hard culvert-a
wait_for 10 "the device goes" no_device a
expect_closed "IPv4 alone"
sleep 0.5
stop_background four
# The ping to the local network is no leak.
expect_equal "packets that left unsealed" 0 "$(captured four "not icmp6")"
must down
expect_host_state a "$before" "after a tunnel for IPv4 alone"

step "a split tunnel: closed is what goes through it, and no more"
write_a "203.0.113.0/24, ${inside4[b]}/32, ${inside6[b]}/128, 2001:db8:f::/64"
bring_up a
through || fail "the split tunnel does not take the way to the far side"
kill_hard culvert-a
wait_for 10 "the device goes" no_device a
expect_closed "split"
pings a "${outside4[b]}"
bring_up a
pings a "$far4"
pings a "$far6"
must ip -n "$prefix-a" route del unreachable 203.0.113.0/24
blocked_again() { ip -n "$prefix-a" route show type unreachable | grep 203.0.113.0/24 >/dev/null; } # -q would end ip by SIGPIPE
wait_for 5 "the blocked route is back" blocked_again

step "the address' own network: its route is the tunnel's, and no other is needed"
stop_culvert a
write_a "${inside4[b]%.*}.0/24, ${inside6[b]}/128"
bring_up a
pings a "${inside4[b]}"
sed -i 's/^KillSwitch.*/KillSwitch = no/' "$(conf a)"
must ns a "$build/culvert" reload "$tun"
sed -i 's/^KillSwitch.*/KillSwitch = yes/' "$(conf a)"
must ns a "$build/culvert" reload "$tun"
pings a "${inside4[b]}"
pings a "${inside6[b]}"
kill_hard culvert-a
wait_for 10 "the device goes" no_device a
expect_equal "the way to the other end after kill -9" nonenone "$(route_to "${inside4[b]}")$(route_to "${inside6[b]}")"
write_a "203.0.113.0/24, ${inside4[b]}/32, ${inside6[b]}/128, 2001:db8:f::/64"
bring_up a

step "reload takes the switch away and brings it back"
sed -i 's/^KillSwitch.*/KillSwitch = no/' "$(conf a)"
must ns a "$build/culvert" reload "$tun"
! blocked_again || fail "the blocked route is still there"
expect_equal "the kill switch in status" off "$(status_of a .kill_switch)"
refuses "nothing to open" ns a "$build/culvert" pause "$tun" 5
refuses "no KillSwitch" ns a "$build/culvert" block "$(conf a)"
sed -i 's/^KillSwitch.*/KillSwitch = yes/' "$(conf a)"
must ns a "$build/culvert" reload "$tun"
blocked_again || fail "the blocked route is not there"
stop_culvert a
expect_host_state a "$before" "after a split tunnel"
pass
