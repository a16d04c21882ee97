#!/bin/bash
# SPDX-License-Identifier: ISC
# NetworkNamespace: the sockets are in a, the device is in c, which has nothing but it. Traffic, names and addresses;
# nothing leaks, and host and namespace are found as they were, whatever happens.
. "$(dirname "$0")/lib.sh"
need_culvert

two_ends
add_ns c
own_names a
make_keys a b
device=$(dev a) netns=$prefix-c resolv=/etc/netns/$prefix-c/resolv.conf
far=203.0.113.7
address b lo $far/32
interface="PrivateKeyFile = a.key\nNetworkNamespace = $netns\nDNS = 10.9.0.2, example.net"
peer="PublicKey = $(public b)\nAllowedIPs = 0.0.0.0/0, ::/0\nEndpoint = ${outside4[b]}:$port"
write_conf a "$interface" "$peer"
write_conf b "PrivateKeyFile = b.key" "PublicKey = $(public a)\n$(allowed a)"
bring_up b
outside=$(host_state a) inside=$(host_state c)

as_before() { # WHEN
	expect_host_state a "$outside" "$1, outside"
	expect_host_state c "$inside" "$1, inside"
	[ ! -e "/etc/netns/$netns" ] || fail "$1 /etc/netns/$netns is there: $(ls -A "/etc/netns/$netns")"
	[ ! -e "/run/culvert/$device.state" ] || fail "$1 there is a state file: $(cat "/run/culvert/$device.state")"
}
refused() { # REGEX INTERFACE-LINES PEER-LINES
	write_conf a "$2" "$3"
	refuses "$1" ns a timeout 20 "$build/culvert" run "$(conf a)"
	as_before "after what was refused"
}

step "what makes no sense, and what is not there"
refused 'with NetworkNamespace nothing leaves but by the tunnel' "$interface\nKillSwitch = yes" "$peer"
refused 'there is no /run/netns/nowhere: ip netns add' "${interface/$netns/nowhere}" "$peer"
expect_match "a warning" 'warning: NetworkNamespace = nowhere: there is no /run/netns/nowhere' "$("$build/culvert" check "$(conf a)" 2>&1)"
refused 'is no network namespace' "PrivateKeyFile = a.key\nNetworkNamespace = /proc/self/ns/mnt" "$peer"
expect_match "a warning" 'warning: .*/ns/mnt is no network namespace' "$("$build/culvert" check "$(conf a)" 2>&1)"
refused 'ip netns exec' "${interface/$netns//proc/self/ns/net}" "$peer"
refused 'NetworkNamespace = .* is wrong' "${interface/$netns/a b}" "$peer"
write_conf a "$interface" "$peer"
expect_equal "of one that is there" "$(conf a): no errors" "$("$build/culvert" check "$(conf a)" 2>&1)"
refuses 'entering /run/netns/.* takes root with CAP_SYS_ADMIN \(in a service: the drop-in network-namespace.conf' \
	ns a setpriv --bounding-set -sys_admin --inh-caps -sys_admin timeout 20 "$build/culvert" run "$(conf a)"
must ip -n "$netns" link add "$device" type bridge
with=$(host_state c)
write_conf a "$interface" "$peer"
refuses "there is a network device $device already" ns a timeout 20 "$build/culvert" run "$(conf a)"
expect_host_state c "$with" "after a device was found there"
must ip -n "$netns" link delete "$device"

step "traffic, and the host as it is"
capture a leak "not (udp port $port or arp or icmp6)"
must ip -n "$prefix-a" link add "$device" type bridge # a name of there is free here
with=$(host_state a)
bring_up a
pings_both c b
pings c $far
expect_equal "the host while the tunnel is up" "$with" "$(host_state a)"
expect_match "the default routes" "^default dev $device" "$(ip -n "$netns" route show default; ip -n "$netns" -6 route show default)"
expect_match "the MTU" '^1500 of device wan' "$(status_of a .mtu_why)"
expect_equal "the MTU of the device" 1420 "$(ip -n "$netns" -j link show dev "$device" | jq '.[0].mtu')"
expect_match "status" "$netns" "$("$build/culvert" status "$device")"
must ip -n "$prefix-a" link delete "$device"
capabilities=$(awk '$1 == "CapEff:" { print $2 }' "/proc/$(status_of a .pid)/status")
expect_equal "CAP_SYS_ADMIN in effect in the monitor" 0 $((0x$capabilities >> 21 & 1))
here() { readlink "/proc/$1/ns/net"; }
expect_equal "the engine's namespace" "$(here "$(status_of a .pid)")" "$(here "$(engine_pid a)")"

step "DNS is that of programs in the namespace"
expect_match "its resolv.conf" 'nameserver 10.9.0.2.search example.net' "$(ip netns exec "$netns" cat /etc/resolv.conf | paste -sd ' ')"
expect_match "ours" 'nameserver 127.0.0.1' "$(ns a cat /etc/resolv.conf)"
refuses 'nothing to open: with NetworkNamespace' ns a "$build/culvert" pause "$device" 4
expect_match "its resolv.conf after that" '10.9.0.2' "$(cat "$resolv")"
cmp -s /etc/resolv.conf "$resolv" && fail "this machine's resolv.conf is the tunnel's"

step "a reload: routes and addresses there"
write_conf a "$interface\nAddress = 10.66.0.1/32" "${peer/0.0.0.0\/0/10.9.0.0\/24, 10.80.0.0\/16}"
must "$build/culvert" reload "$device"
[ -n "$(ip -n "$netns" route show 10.80.0.0/16)" ] || fail "there is no route to 10.80.0.0/16"
[ -z "$(ip -n "$netns" route show default)" ] || fail "the default route is still there"
[ -n "$(ip -n "$netns" addr show to 10.66.0.1)" ] || fail "there is no 10.66.0.1"
expect_host_state a "$outside" "after a reload"
write_conf a "$interface" "$peer"
must "$build/culvert" reload "$device"
write_conf a "${interface/$netns/other}" "$peer"
refuses 'NetworkNamespace cannot change while the tunnel runs' "$build/culvert" reload "$device"
write_conf a "$interface" "$peer"

step "the link there, and our addresses here, are followed"
must ip -n "$netns" link set "$device" down
must ip -n "$netns" link set "$device" up
must ip -n "$netns" route add default dev "$device"
pings c $far
must ip -n "$prefix-a" addr del 192.0.2.1/24 dev wan
address a wan 192.0.2.9/24
pings c $far 10
wait_for 5 "b follows" endpoint_is b a "192.0.2.9:$port"
must ip -n "$prefix-a" addr del 192.0.2.9/24 dev wan
address a wan 192.0.2.1/24
outside=$(host_state a)

step "without the tunnel nothing goes anywhere"
end_culvert a
as_before "after a stop"
! ping_once c $far || fail "there is a way past the tunnel"
stop_background leak
expect_equal "packets past the tunnel" 0 "$(captured leak)"

step "killed: culvert down, and the next start"
for way in down start; do
	bring_up a
	pings c $far
	kill -9 "${pid_of[culvert-a]}" "$(engine_pid a)"
	{ wait "${pid_of[culvert-a]}"; } 2>/dev/null
	unset "pid_of[culvert-a]"
	[ -e "$resolv" ] || fail "there is nothing to put back"
	if [ $way = down ]; then
		must ns a "$build/culvert" down "$device"
	else
		bring_up a
		pings c $far
		end_culvert a
	fi
	as_before "after a kill and $way"
done

step "a resolv.conf that was there comes back"
mkdir -p "/etc/netns/$netns"
echo 'nameserver 192.0.2.53' >"$resolv"
bring_up a
expect_match "its resolv.conf" '10.9.0.2' "$(cat "$resolv")"
end_culvert a
expect_equal "the namespace's resolv.conf" 'nameserver 192.0.2.53' "$(cat "$resolv")"
rm -r "/etc/netns/$netns"
as_before "after that"

step "a device that others made there, and a path"
must ip -n "$netns" tuntap add dev "$device" mode tun
must ip -n "$netns" link set "$device" addrgenmode none up
must ip -n "$netns" link set "$device" down
with=$(host_state c)
write_conf a "PrivateKeyFile = a.key\nNetworkNamespace = /run/netns/$netns" "$peer"
bring_up a
pings_both c b
kill -9 "${pid_of[culvert-a]}" "$(engine_pid a)"
{ wait "${pid_of[culvert-a]}"; } 2>/dev/null
unset "pid_of[culvert-a]"
[ "$(host_state c)" != "$with" ] || fail "there is nothing to put back"
must ns a "$build/culvert" down "$device"
expect_host_state c "$with" "after culvert down"
must ip -n "$netns" link delete "$device"
as_before "at the end"

step "another namespace of that name"
add_ns d
remake() { # its device is just like that before, number and all
	ip netns del "$prefix-d" 2>/dev/null
	must ip netns add "$prefix-d"
	must ip -n "$prefix-d" tuntap add dev "$device" mode tun
	must ip -n "$prefix-d" link set "$device" addrgenmode none up
	must ip -n "$prefix-d" link set "$device" down
	number=$(ip -n "$prefix-d" -j link show dev "$device" | jq '.[0].ifindex')
}
# The kernel's route for multicast comes with the first who attaches.
state_of_d() { host_state d | jq -S 'if type == "array" then map(select(.type != "multicast")) else . end'; }
state_of_d_is() { [ "$(state_of_d)" = "$1" ]; }
write_conf a "PrivateKeyFile = a.key\nNetworkNamespace = $prefix-d" "$peer"
for way in stop down start; do
	remake
	first=$number
	bring_up a
	pings_both d b
	if [ $way != stop ]; then
		kill -9 "${pid_of[culvert-a]}" "$(engine_pid a)"
		{ wait "${pid_of[culvert-a]}"; } 2>/dev/null
		unset "pid_of[culvert-a]"
	fi
	remake
	expect_equal "the new device's number" "$first" "$number"
	address d "$device" "${inside4[a]}/24" "${inside6[a]}/64"
	must ip -n "$prefix-d" link set "$device" mtu 1300 up
	with=$(state_of_d)
	case $way in
	stop)
		expect_match "what status says" "$prefix-d is not the network namespace any more" "$("$build/culvert" status "$device")"
		expect_equal "what it is for programs" '[true,true]' "$(status_of a '| [.degraded, .network_namespace_lost]' | jq -c .)"
		expect_match "what a reload says" "NetworkNamespace = $prefix-d is not the one any more" "$("$build/culvert" reload "$device" 2>&1)"
		end_culvert a
		;;
	down)
		said=$(ns a "$build/culvert" down "$device" 2>&1)
		expect_match "what down says" "/run/netns/$prefix-d is not the network namespace any more that $device was in" "$said"
		expect_equal "what was undone of the device" "" "$(grep -E 'undone: (address|route|mtu|link)' <<<"$said")"
		;;
	start)
		bring_up a
		pings_both d b
		end_culvert a
		;;
	esac
	within 5 state_of_d_is "$with" || fail "another namespace is not as before after $way: $(diff <(printf '%s\n' "$with") <(state_of_d))"
	as_before "after $way with another namespace"
done
must ip netns del "$prefix-d"
write_conf a "PrivateKeyFile = a.key\nNetworkNamespace = $netns" "$peer"

step "without its name"
must ip -n "$netns" tuntap add dev "$device" mode tun
must ip -n "$netns" link set "$device" addrgenmode none up
must ip -n "$netns" link set "$device" down
with=$(host_state c)
bring_up a
let_go() { umount -l "$tmp/held" 2>/dev/null; }
also_clean=let_go
must touch "$tmp/held"
must mount --bind "/run/netns/$netns" "$tmp/held"
must umount -l "/run/netns/$netns"
end_culvert a
must mount --bind "$tmp/held" "/run/netns/$netns"
let_go
expect_host_state c "$with" "after that"
must ip -n "$netns" link delete "$device"
as_before "after that"

step "with Persistent it stays there"
write_conf a "PrivateKeyFile = a.key\nNetworkNamespace = $netns\nPersistent = yes" "$peer"
for i in 1 2; do
	bring_up a
	pings_both c b
	end_culvert a
	has_logged a "ip -n $netns link delete dev $device removes it" || fail "it does not say how to remove the device"
	ip -n "$netns" link show dev "$device" >/dev/null || fail "the device has gone at stop $i"
done
must ip -n "$netns" link delete "$device"
expect_host_state c "$inside" "after ip link delete"
expect_host_state a "$outside" "after ip link delete"

step "and where the namespace has no name, it says so, too"
must ln -s "/run/netns/$netns" "$tmp/elsewhere"
write_conf a "PrivateKeyFile = a.key\nNetworkNamespace = $tmp/elsewhere\nPersistent = yes" "$peer"
bring_up a
end_culvert a
has_logged a "nsenter --net=$tmp/elsewhere ip link delete dev $device removes it" ||
	fail "it does not say how to remove the device"
must nsenter --net="$tmp/elsewhere" ip link delete dev "$device"
expect_host_state c "$inside" "after nsenter"
pass
