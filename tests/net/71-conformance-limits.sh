#!/bin/bash
# SPDX-License-Identifier: ISC
# WireGuard's own checks, the third part (the list is in 71-conformance-traffic): keys that come, change and go, as the wire
# sees it; keys of low order; a firewall mark with policy routing; a routing loop; a tunnel inside the tunnel.
# runs: culvert:culvert culvert:go
. "$(dirname "$0")/lib.sh"
need_program "$1" && need_program "$2"

try_ping() { ns a ping -n -q -c 3 -i 0.2 -W 1 "$1" >/dev/null 2>&1; } # ADDRESS
no_packets() { expect_equal "$1" 0 "$(captured "$2" "${3:-}")"; }  # WHAT CAPTURE [FILTER]

step "no key: nothing is sent; the key comes: a keepalive begins at once"
two_ends_with_middle
far_side
two_devices "$1" "$2"
wg_set a private-key /dev/null
capture a quiet "udp and host ${outside4[b]}"
wg_set a peer "$(public b)" endpoint "$(endpoint_of b 4)" persistent-keepalive 1
try_ping "${inside4[b]}" && fail "a ping without a key"
no_packets "packets without a key" quiet
wg_set a private-key "$tmp/a.key"
wait_for 5 "a handshake" has_handshake a b
wg_set a peer "$(public b)" persistent-keepalive off
pings_both a b

step "a psk that comes, changes and goes: what was agreed before no longer counts"
(umask 077; wg genpsk >"$tmp/psk1"; wg genpsk >"$tmp/psk2")
for psk in "$tmp/psk1" "$tmp/psk2" /dev/null; do
	wg_set b peer "$(public a)" preshared-key "$psk"
	wg_set a peer "$(public b)" preshared-key "$psk"
	pings a "${inside4[b]}" 12
done

step "keys of low order are taken, and nothing is sent for them"
# The points whose order divides the cofactor, and what reduces to them; curve25519's own list.
mapfile -t low < <(for hex in \
	0000000000000000000000000000000000000000000000000000000000000000 \
	0100000000000000000000000000000000000000000000000000000000000000 \
	e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800 \
	5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157 \
	ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f \
	edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f \
	eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f; do basenc -d --base16 <<<"${hex^^}" | base64; done)
expect_equal "keys" 7 "${#low[@]}"
capture a low-order "udp and host $far4"
for number in "${!low[@]}"; do
	must ns a wg set "$(dev a)" peer "${low[number]}" endpoint "$far4:$port" allowed-ips "10.9.0.$((100 + number))/32"
done
expect_equal "peers of a" 8 "$(shown a peers | wc -l)"
for number in "${!low[@]}"; do
	ping_once a "10.9.0.$((100 + number))" && fail "a ping with ${low[number]}"
	must ns a wg set "$(dev a)" peer "${low[number]}" remove
done
no_packets "packets to peers of low order" low-order
pings_both a b

step "all by the tunnel, and its own packets by their mark past it"
before4=$(ip -n "$prefix-a" -4 rule) before6=$(ip -n "$prefix-a" -6 rule)
wg_set a fwmark 51820 peer "$(public b)" allowed-ips 0.0.0.0/0,::/0
for family in 4 6; do
	must ip -n "$prefix-a" -"$family" route add default dev "$(dev a)" table 51820
	must ip -n "$prefix-a" -"$family" rule add not fwmark 51820 table 51820
	must ip -n "$prefix-a" -"$family" rule add table main suppress_prefixlength 0
done
capture a past "dst host $far4 or dst host $far6"
pings a "$far4"
pings a "$far6"
# Many at once: reference counts of routes were the trouble elsewhere.
for address in "$far4" "$far6"; do
	must ns a ping -n -q -f -c 300 -W 2 "$address"
done
wg_set a peer "$(public b)" endpoint "$(endpoint_of b 6)"
pings_both a b
must ns a ping -n -q -f -c 300 -W 2 "$far4"
no_packets "packets past the tunnel" past
for family in 4 6; do
	must ip -n "$prefix-a" -"$family" rule del not fwmark 51820 table 51820
	must ip -n "$prefix-a" -"$family" rule del table main suppress_prefixlength 0
done
expect_equal "rules" "$before4$before6" "$(ip -n "$prefix-a" -4 rule)$(ip -n "$prefix-a" -6 rule)"
wg_set a fwmark off peer "$(public b)" allowed-ips "${inside4[b]}/32,${inside6[b]}/128" endpoint "$(endpoint_of b 4)"
pings_both a b

step "an endpoint that is reached through the tunnel itself: it does not run away"
wg_set a peer "$(public b)" endpoint "${inside4[b]}:$port"
before=$(transmitted a b)
ns a ping -n -q -c 100 -f -W 1 "${inside4[b]}" >/dev/null 2>&1 && fail "pings that go round in a circle are answered"
# (100 pings of 128 bytes, each sealed once, would be 12,800; a loop makes megabytes of them at once.)
sleep 1
expect_at_most "bytes that a has sent" 70000 $(($(transmitted a b) - before))
control_answers a || fail "a does not answer on its control socket"
wg_set a peer "$(public b)" endpoint "$(endpoint_of b 4)"
pings_both a b

step "a tunnel inside the tunnel"
start_inner() { # NS IMPLEMENTATION
	background_in "$1" "inner-$1" env LOG_LEVEL=verbose WG_PROCESS_FOREGROUND=1 "$(program "$2")" -f "$(dev "$1")i"
	wait_for 10 "the inner $2 answers" ns "$1" wg show "$(dev "$1")i"
}
set_inner() { must ns "$1" wg set "$(dev "$1")i" "${@:2}"; } # NS ARGUMENTS...
make_keys ai bi
start_inner a "$2"
start_inner b "$1"
set_inner a private-key "$tmp/ai.key" peer "$(public bi)" endpoint "${inside4[b]}:7000" allowed-ips 10.19.0.2/32,fd19::2/128
set_inner b private-key "$tmp/bi.key" listen-port 7000 peer "$(public ai)" allowed-ips 10.19.0.1/32,fd19::1/128
address a "$(dev a)i" 10.19.0.1/24 fd19::1/64
address b "$(dev b)i" 10.19.0.2/24 fd19::2/64
for name in a b; do must ip -n "$prefix-$name" link set "$(dev $name)i" mtu 1340 up; done
pings a 10.19.0.2
pings b fd19::1
tcp_both_ways a b 10.19.0.2
must ns a ping -n -q -c 20 -f -s 1312 -M "do" -W 2 10.19.0.2
pass
