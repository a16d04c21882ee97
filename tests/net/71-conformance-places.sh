#!/bin/bash
# SPDX-License-Identifier: ISC
# WireGuard's own checks, the second part (the list is in 71-conformance-traffic): roaming over IPv6, by a packet whose inner
# source is refused, a source address that goes away in the middle of a flow, and a NAT that forgets after 2 s.
# runs: culvert:culvert culvert:go go:culvert
. "$(dirname "$0")/lib.sh"
need_program "$1" && need_program "$2"

moves() { # NS OLD NEW/LEN: another address takes the place of an old one
	must ip -n "$prefix-$1" addr del "$2" dev wan
	address "$1" wan "$3"
}

step "port and address, over IPv6"
two_ends
two_devices "$1" "$2"
wg_set a peer "$(public b)" endpoint "$(endpoint_of b 6)"
pings a "${inside4[b]}"
[ "$1" != go ] || wait_no_repeats b a
start=$(handshake_time a b)
wg_set a listen-port 40001
follows b a "$(endpoint_of a 6 40001)" 6
wg_set b listen-port 40002
follows a b "$(endpoint_of b 6 40002)" 6
moves a 2001:db8::1/64 2001:db8::11/64
outside6[a]=2001:db8::11
follows b a "$(endpoint_of a 6 40001)" 6
moves b 2001:db8::2/64 2001:db8::22/64
outside6[b]=2001:db8::22
follows a b "$(endpoint_of b 6 40002)" 6

step "a packet whose inner source is not a's: dropped, and yet b follows"
spoof() { ns a ping -n -c 1 -W 1 -I "${inside4[c]}" "${inside4[b]}"; }
arrived() { ns b cat /proc/net/snmp | awk '/^Icmp: [0-9]/ { print $2 }'; }
before=$(arrived)
address a "$(dev a)" "${inside4[c]}/32"
wg_set a listen-port 40003
spoof >/dev/null && fail "a was answered under an address that is not its own"
endpoint_is b a "$(endpoint_of a 6 40003)" || fail "b has not followed a: $(shown b endpoints a)"
expect_equal "ICMP packets that reached b" "$before" "$(arrived)"
must ip -n "$prefix-a" addr del "${inside4[c]}/32" dev "$(dev a)"
expect_equal "time of the last handshake" "$start" "$(handshake_time a b)"

# (wireguard-go clings to its source, until its peer's next packet: 19.)
if [ "$2" = culvert ]; then
	step "b's source address goes away while it pings, and the pings go on"
	address b wan 2001:db8::33/64
	wg_set a peer "$(public b)" endpoint '[2001:db8::33]:40002'
	pings a "${inside4[b]}"
	[ "$1" = go ] || endpoint_is a b '[2001:db8::33]:40002' || fail "b answers from $(shown a endpoints b)"
	background_in b goes-on ping -n -i 0.1 -c 40 "${inside4[a]}"
	wait_for 5 "b pings" grep -q 'icmp_seq=10 ' "$tmp/goes-on.log"
	must ip -n "$prefix-b" addr del 2001:db8::33/64 dev wan
	wait_for 10 "the pings end" gone goes-on
	unset "pid_of[goes-on]"
	expect_at_least "pings that were answered" 38 "$(grep -c 'icmp_seq=' "$tmp/goes-on.log")"
	wait_for 2 "a follows" endpoint_is a b "$(endpoint_of b 6 40002)"
fi
stop_background device-a
stop_background device-b

step "a NAT that forgets after 2 s"
add_ns x y n
cable x wan n inner
cable n outer y wan
outside4[x]=10.77.0.2 outside4[y]=198.51.100.2 inside4[x]=10.9.0.8 inside6[x]=fd09::8 inside4[y]=10.9.0.9 inside6[y]=fd09::9
address x wan 10.77.0.2/24
address n inner 10.77.0.1/24
address n outer 198.51.100.1/24
address y wan 198.51.100.2/24
must ip -n "$prefix-x" route add default via 10.77.0.1
must ns n sysctl -qw net.ipv4.ip_forward=1
ns n nft 'table ip nat { chain out { type nat hook postrouting priority srcnat; oifname outer masquerade; }; }' ||
	skip "no nftables, or a kernel without NAT: all before this passed"
# The second is of flows that were answered.
must ns n sysctl -qw net.netfilter.nf_conntrack_udp_timeout=2 net.netfilter.nf_conntrack_udp_timeout_stream=2
make_keys x y
start_device x "$1"
start_device y "$2"
wg_set_key x
wg_set_key y
wg_add_peer x y endpoint "$(endpoint_of y 4)" persistent-keepalive 1
wg_add_peer y x
inside x
inside y
pings_both x y
expect_match "where y sees x" '^198\.51\.100\.1:' "$(shown y endpoints x)"

step "with a keepalive of 1 s it never does"
sleep 4
pings y "${inside4[x]}" 1

step "without one y cannot reach x any more, and x can reach y"
[ "$1" != go ] || wait_no_repeats y x
wg_set x peer "$(public y)" persistent-keepalive off
sleep 4
ping_once y "${inside4[x]}" && fail "y still reaches x: this NAT forgets nothing, and the test shows nothing"
pings_both x y
pings y "${inside4[x]}" 1
pass
