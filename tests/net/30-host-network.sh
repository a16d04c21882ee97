#!/bin/bash
# SPDX-License-Identifier: ISC
# What culvert does to the host: addresses, MTU, routes, and that all of it is undone.
. "$(dirname "$0")/lib.sh"
need_culvert

route_to() { ip -n "$prefix-a" -j route get "$1" 2>/dev/null | jq -r '.[0].dev'; }
in_table() { ip -n "$prefix-a" -j route show table "$1" | jq -r --arg dev "$(dev a)" '.[] | select(.dev == $dev) | .dst' | sort; }

# around INTERFACE-LINES PEER-LINES: writes a's file and starts it.
start_with() {
	write_conf a "PrivateKeyFile = a.key\n$1" "PublicKey = $(public b)\n$2"
	bring_up a
}
stop_and_compare() {
	stop_culvert a
	expect_host_state a "$before" "after $1"
}

two_ends
make_keys a b
before=$(host_state a)
networks='AllowedIPs = 10.9.0.2/32, 10.80.0.0/16, 10.80.4.0/24, fd80::/32, 192.0.2.128/25'

step "addresses and routes"
start_with "" "$networks\nEndpoint = $(endpoint_of b 4)"
for route in 10.80.1.1 10.80.4.1 fd80::1 192.0.2.200 10.9.0.2; do
	expect_equal "the device on the way to $route" "$(dev a)" "$(route_to "$route")"
done
expect_equal "the device on the way to the peer itself" wan "$(route_to "${outside4[b]}")"
expect_equal "addresses" "10.9.0.1/24 fd09::1/64" "$(ip -n "$prefix-a" -j addr show dev "$(dev a)" |
	jq -r '[.[0].addr_info[] | "\(.local)/\(.prefixlen)"] | sort | join(" ")')"
stop_and_compare "a plain tunnel"

step "Table = off: no routes but the addresses' own"
start_with "Table = off" "$networks"
expect_equal "routes" "10.9.0.0/24" "$(in_table main)"
stop_and_compare "Table = off"

step "Table = 1234: all routes in there"
start_with "Table = 1234" "$networks"
expect_equal "routes in main" "10.9.0.0/24" "$(in_table main)"
expect_equal "routes in 1234" "10.80.0.0/16 10.80.4.0/24 10.9.0.2 192.0.2.128/25" "$(in_table 1234 | paste -sd ' ')"
stop_and_compare "Table = 1234"

step "the MTU: by the route to the endpoint, and as given"
start_with "" "$networks\nEndpoint = $(endpoint_of b 4)"
normal=$(mtu_of a)
expect_at_least "MTU over a path of 1500" 1420 "$normal"
expect_at_most "MTU over a path of 1500" 1440 "$normal"
stop_and_compare "a tunnel over IPv4"
must ip -n "$prefix-a" link set wan mtu 1400
start_with "" "$networks\nEndpoint = $(endpoint_of b 4)"
expect_equal "MTU over a path of 1400" $((normal - 100)) "$(mtu_of a)"
stop_culvert a
start_with "" "$networks\nEndpoint = $(endpoint_of b 6)"
expect_equal "MTU over IPv6, a path of 1400" 1320 "$(mtu_of a)"
stop_culvert a
must ip -n "$prefix-a" link set wan mtu 1500
start_with "MTU = 1300" "$networks\nEndpoint = $(endpoint_of b 4)"
expect_equal "MTU as given" 1300 "$(mtu_of a)"
stop_and_compare "MTU = 1300"

step "a route that was there before stays"
must ip -n "$prefix-a" route add 10.80.0.0/16 via 192.0.2.2 metric 50
with_route=$(host_state a)
start_with "" "$networks"
stop_culvert a
expect_host_state a "$with_route" "after a tunnel with the same route"
must ip -n "$prefix-a" route del 10.80.0.0/16 via 192.0.2.2 metric 50

step "the device is deleted under it: ends by itself"
start_with "" "$networks"
must ip -n "$prefix-a" link del "$(dev a)"
wait_for 5 "culvert ends" gone culvert-a
unset "pid_of[culvert-a]"
no_socket a || fail "the control socket is still there"
expect_host_state a "$before" "after ip link del"

step "SIGINT"
start_with "" "$networks"
stop_background culvert-a INT
expect_equal "exit status after SIGINT" 0 $?
expect_host_state a "$before" "after SIGINT"
pass
