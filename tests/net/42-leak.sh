#!/bin/bash
# SPDX-License-Identifier: ISC
# With a full tunnel and KillSwitch, half a minute of lively traffic: whatever dies, restarts, moves or is reloaded, no packet
# leaves by the outer devices but sealed ones. They are watched from the far ends of their cables.
# shellcheck disable=SC2016 # another shell expands it
. "$(dirname "$0")/lib.sh"
need_culvert
command -v python3 >/dev/null || skip "needs python3"

tun=$(dev a) name=b.example.net
own4=192.0.2.11 own6=2001:db8:a::11     # what a's addresses become
wlan4=198.18.7.1 wlan6=2001:db8:c::1    # a's second uplink
b2=198.51.100.3                         # where b moves to

# What may leave, and why: sealed packets; neighbour discovery and what a host says of its multicast groups, which the
# kernel itself sends; what is addressed to the link, which stays reachable, and which no router passes on.
b_ports="udp and port $port and (host 198.51.100.2 or host $b2 or host 2001:db8:b::2)"
neighbours="arp or igmp or (icmp6 and ip6[40] >= 133 and ip6[40] <= 136) or ip6[6] = 0"
on_link="dst net 224.0.0.0/24 or dst net ff02::/16 or dst net fe80::/10 or dst net 192.0.2.0/24 or
	dst net 2001:db8:a::/64 or dst net 198.18.7.0/24 or dst net 2001:db8:c::/64"
leak="not (($b_ports) or $neighbours or $on_link)"

watch() { # NAME FILTER: what comes out of a's cables, into NAME-DEVICE.pcap
	local device
	for device in to_a to_wlan; do
		background_in m "$1-$device" tcpdump -n -i "$device" -Q in -s 200 -B 16384 -U --immediate-mode -Z root \
			-w "$tmp/$1-$device.pcap" "$2"
		wait_for 10 "tcpdump listens" grep -q 'listening on' "$tmp/$1-$device.log"
	done
}
seen() { # NAME [FILTER]: how many packets
	printf '%s' "$(($(captured "$1-to_a" "${2:-}") + $(captured "$1-to_wlan" "${2:-}")))"
}
seen_any() { [ "$(seen "$@")" -gt 0 ]; }
end_watch() { # NAME: nothing was missed
	local device
	for device in to_a to_wlan; do
		stop_background "$1-$device"
		expect_match "tcpdump misses nothing" "(^|[^0-9])0 packets dropped by kernel" "$(tail -n 1 "$tmp/$1-$device.log")"
	done
}
expect_tight() { # NAME
	local device
	end_watch "$1"
	for device in to_a to_wlan; do
		expect_equal "packets that left unsealed, by $device, $1: $(
			tcpdump -nr "$tmp/$1-$device.pcap" 2>/dev/null | head -n 5)" 0 "$(captured "$1-$device")"
	done
}

route_to() {
	local device
	device=$(ip -n "$prefix-a" -j route get "$1" 2>/dev/null | jq -r '.[0].dev')
	printf '%s' "${device:-none}"
}
ways_are() { [ "$(route_to "$far4") $(route_to "$far6")" = "$1" ]; }
expect_ways() { expect_equal "the ways to the far side $2" "$1" "$(route_to "$far4") $(route_to "$far6")"; } # WAYS WHEN

write_a() { # ALLOWED-IPS ENDPOINT [INTERFACE-LINES]
	write_conf a "PrivateKeyFile = a.key\nKillSwitch = yes\nDNS = ${inside4[b]}\n${3:-}" \
		"PublicKey = $(public b)\nAllowedIPs = $1\nEndpoint = $2\nPersistentKeepalive = 1"
}
start_a() {
	start_on_own_host a "$(conf a)"
	wait_tunnel a
}
run_chatter() { # SECONDS: that long, whatever is going on
	sleep "$1"
}
die() { # engine|monitor|both
	local engine
	engine=$(engine_pid a)
	case $1 in
	engine) kill -9 "$engine" ;;
	monitor) kill -9 "$(status_of a .pid)" ;;
	both) kill_both a ;;
	esac
	[ "$1" = both ] || wait_for 10 "culvert ends" gone culvert-a
	wait_for 10 "the device goes" no_device a
	run_chatter 0.7
}
counted() { awk -v kind="$1" '$1 == kind { print $2 + $3 }' "$tmp/counts"; }
counts_there() { [ -s "$tmp/counts" ]; }

two_ends_with_middle
far_side
own_host
cable a wlan m to_wlan
address m to_wlan 198.18.7.254/24 2001:db8:c::fe/64
address b wan "$b2/24"
printf '127.0.0.1 localhost\n%s %s\n' "${outside4[b]}" "$name" >"$host_etc/hosts"
printf 'nameserver %s\noptions timeout:1 attempts:1\n' "$far4" >"$host_etc/resolv.conf"
make_keys a b
write_conf b "PrivateKeyFile = b.key" "PublicKey = $(public a)\n$(allowed a)"
bring_up b
for each in "4:$far4" "6:[$far6]"; do
	background_in b "sink${each%%:*}" socat -u "TCP${each%%:*}-LISTEN:7,bind=${each#*:},fork,reuseaddr" OPEN:/dev/null
done
sinks() { [ "$(ns b ss -Hltn 'sport = :7' | wc -l)" = 2 ]; }
wait_for 5 "the far side listens" sinks
# To a's outer addresses, so that it has something to answer.
background_in b probes python3 "$top/tests/net/chatter.py" "$tmp/probes" 192.0.2.1 2001:db8:a::1
background_in a chatter /bin/sh -c 'mount --bind "$1" /etc && shift && exec "$@"' sh "$host_etc" \
	python3 "$top/tests/net/chatter.py" "$tmp/counts" "$far4" "$far6" wan 192.0.2.1 2001:db8:a::1 "$own4" "$own6" "$wlan4" "$wlan6"
wait_for 10 "traffic" counts_there

step "before the switch is closed, all of it is seen in the clear"
watch open "$leak"
for each in "tcp port 80 and dst host $far4" "tcp port 80 and dst host $far6" "tcp port 7 and dst host $far4" \
	"tcp port 7 and dst host $far6" "udp port 9 and dst host $far4" "udp port 9 and dst host $far6" \
	"icmp[0] = 8 and dst host $far4" "icmp6 and ip6[40] = 128 and dst host $far6" "udp port 53 and dst host $far4" \
	"udp port 53 and dst host $far6" "icmp[0] = 0 and dst host ${outside4[b]}" "icmp6 and ip6[40] = 129"; do
	wait_for 10 "seen in the clear: $each" seen_any open "$each"
done
names_seen() { tcpdump -nr "$tmp/open-to_a.pcap" 2>/dev/null | grep 'example\.org'; }
wait_for 10 "names that are looked up in the clear" names_seen
end_watch open

step "closed; the tunnel comes, dies in every way and comes again"
write_a "0.0.0.0/0, ::/0" "$name:$port"
must ns a "$build/culvert" block "$(conf a)"
expect_ways "none none" "after culvert block"
run_chatter 0.3 # what had been sent before has left
watch closed "$leak"
background_in m sealed tcpdump -n -i to_a -Q in -U --immediate-mode -Z root -w "$tmp/sealed.pcap" "$b_ports"
begin=$(now_ms)
attempts_before=$(awk '{ sum += $2 + $3 } END { print sum }' "$tmp/counts")
run_chatter 0.5
start_a
expect_ways "$tun $tun" "when the tunnel is up"
pings a "$far4"
pings a "$far6"
grep -q "nameserver ${inside4[b]}" "$host_etc/resolv.conf" || fail "DNS is not set"
for each in engine monitor both; do
	die "$each"
	expect_ways "none none" "after kill -9 ($each)"
	start_a
	pings a "$far4"
done
must ip -n "$prefix-a" link del "$tun"
wait_for 10 "culvert ends" gone culvert-a
run_chatter 0.5
write_a "0.0.0.0/0, ::/0" "$name:$port" "PostUp = exit 1"
start_on_own_host a "$(conf a)"
wait_for 10 "culvert gives up" gone culvert-a
write_a "0.0.0.0/0, ::/0" "$name:$port"
must ns a env SERVICE_RESULT=signal "$build/culvert" down "$tun"
expect_ways "none none" "after a service failed"
start_a

step "the peer goes and comes; reload; rules and routes that others remove"
stop_background culvert-b KILL
run_chatter 1
bring_up b
pings a "$far4" 30
must ns a "$build/culvert" reload "$tun"
write_a "0.0.0.0/0, ::/0, 10.80.0.0/16" "$name:$port" "MTU = 1380"
must ns a "$build/culvert" reload "$tun"
write_a "0.0.0.0/0, ::/0" "$name:$port"
must ns a "$build/culvert" reload "$tun"
table=$(status_of a .fwmark)
for family in 4 6; do
	must ip -n "$prefix-a" -"$family" route del default dev "$tun" table "$table"
done
wait_for 5 "the routes are back" ways_are "$tun $tun"

step "another address, another default route, a link that goes, a second uplink"
for each in 192.0.2.1/24 2001:db8:a::1/64; do
	must ip -n "$prefix-a" addr del "$each" dev wan
done
address a wan "$own4/24" "$own6/64"
for family in 4 6; do
	declare -n middle=outside$family
	must ip -n "$prefix-a" -"$family" route replace default via "${middle[m_a]}" metric 50
done
pings a "$far4" 15
must ip -n "$prefix-a" link set wan down
run_chatter 0.5
must ip -n "$prefix-a" link set wan up
address a wan 2001:db8:a::1/64
for family in 4 6; do
	declare -n middle=outside$family
	must ip -n "$prefix-a" -"$family" route replace default via "${middle[m_a]}" metric 50
done
pings a "$far4" 15
address a wlan "$wlan4/24" "$wlan6/64"
must ip -n "$prefix-a" -4 route add default via 198.18.7.254 metric 10
must ip -n "$prefix-a" -6 route add default via 2001:db8:c::fe metric 10
pings a "$far6" 15
run_chatter 0.5
must ip -n "$prefix-a" link set wlan down
pings a "$far6" 15

step "the endpoint moves: told by wg, by the file, by its name"
wg_set a peer "$(public b)" endpoint "$b2:$port"
pings a "$far4" 15
write_a "0.0.0.0/0, ::/0" "[${outside6[b]}]:$port"
must ns a "$build/culvert" reload "$tun"
pings a "$far6" 15
sed -i "s/.* $name/$b2 $name/" "$host_etc/hosts"
write_a "0.0.0.0/0, ::/0" "$name:$port"
must ns a "$build/culvert" reload "$tun"
pings a "$far4" 15
die both
start_a
pings a "$far6" 15
while [ "$(now_ms)" -lt $((begin + 31000)) ]; do
	run_chatter 0.5
done
stop_background sealed
expect_tight closed
expect_at_least "sealed packets" 1000 "$(captured sealed)"
expect_at_least "attempts meanwhile" 5000 $(($(awk '{ sum += $2 + $3 } END { print sum }' "$tmp/counts") - attempts_before))
for each in tcp4 tcp6 udp4 udp6 ping4 ping6 dns4 dns6 tcp4-bound udp6-bound ping4-bound tcp4-old udp6-old multicast4 multicast6; do
	expect_at_least "attempts of $each" 100 "$(counted "$each")"
done
expect_at_least "look-ups of names" 20 "$(counted name)"

# one_family ALLOWED-IPS ENDPOINT WAYS ADDRESS: that family through the tunnel, the other nowhere
one_family() {
	step "$1 alone: the other family goes nowhere"
	write_a "$1" "$2"
	must ns a "$build/culvert" block "$(conf a)"
	run_chatter 0.3
	watch "only-${3// /-}" "$leak"
	start_a
	expect_ways "$3" "with $1"
	pings a "$4" 15
	for each in engine both; do
		die "$each"
		expect_ways "none none" "after kill -9 ($each)"
		start_a
	done
	pings a "$4" 15
	must ns a "$build/culvert" reload "$tun"
	run_chatter 1
	die monitor
	expect_tight "only-${3// /-}"
	must ns a "$build/culvert" down "$tun"
}
kill_hard culvert-a
wait_for 10 "the device goes" no_device a
must ns a /bin/sh -c 'mount --bind "$1" /etc && "$2" down "$3"' sh "$host_etc" "$build/culvert" "$tun"
one_family 0.0.0.0/0 "[${outside6[b]}]:$port" "$tun none" "$far4"
one_family ::/0 "${outside4[b]}:$port" "none $tun" "$far6"
pass
