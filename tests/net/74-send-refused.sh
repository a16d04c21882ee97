#!/bin/bash
# SPDX-License-Identifier: ISC
# What is sent is refused: by a firewall (EPERM), for want of a route (ENETUNREACH), of an address, of a device, by a path
# that has become narrow (EMSGSIZE), by a full queue (ENOBUFS). That costs the packets and no more: the session stays, and
# traffic goes on at once when it may. And a device that is removed ends the tunnel in good order.
. "$(dirname "$0")/lib.sh"
need_culvert
command -v nft >/dev/null || skip "nft is not installed"

send_errors() { printf 'get=1\n\n' | socat -t 2 - "UNIX:$run_dir/$(dev a).sock" | sed -n 's/^culvert_send_errors=//p'; }
refused_more() { [ "$(send_errors)" -gt "$1" ]; } # BEFORE

# while_refused WHAT: pings are lost, and that is counted
while_refused() {
	local before
	before=$(send_errors)
	ns a ping -n -q -c 20 -i 0.02 -W 1 "${inside4[b]}" >/dev/null 2>&1 && fail "pings go on while $1"
	within 2 refused_more "$before" || fail "no send error is counted while $1"
}

# Within a second: what waits for a timer takes longer.
goes_on() { # WHEN
	pings a "${inside4[b]}" 1
	must ns a ping -n -q -c 10 -i 0.02 -W 2 "${inside4[b]}"
	expect_equal "the engine $1" "$engine" "$(engine_pid a)"
}

# As a rule with the same session. A network that has changed is a reason for another one.
goes_on_as_before() { # WHEN
	goes_on "$1"
	expect_equal "the handshake $1" "$handshake" "$(handshake_time a b)"
}

two_ends
write_pair "Endpoint = $(endpoint_of b 4)" ""
state=$(host_state a)
start_both
pings_both a b
handshake=$(handshake_time a b)
engine=$(engine_pid a)

for verdict in drop reject; do
	step "a firewall that says $verdict"
	must ns a nft "table inet wall { chain out { type filter hook output priority 0; udp dport $port $verdict; }; }"
	while_refused "a firewall says $verdict"
	must ns a nft delete table inet wall
	goes_on_as_before "after $verdict"
done

step "no route"
must ip -n "$prefix-a" route del 192.0.2.0/24
while_refused "there is no route"
must ip -n "$prefix-a" route add 192.0.2.0/24 dev wan src 192.0.2.1
goes_on "when there is a route again"

step "no address, which takes the route with it"
must ip -n "$prefix-a" addr del 192.0.2.1/24 dev wan
while_refused "there is no address"
address a wan 192.0.2.1/24
goes_on "when there is an address again"

step "the link down"
must ip -n "$prefix-a" link set wan down
while_refused "the link is down"
must ip -n "$prefix-a" link set wan up
address a wan 2001:db8::1/64 # which goes with the link
goes_on "when it is up again"

step "a way that became narrow"
handshake=$(handshake_time a b)
must ip -n "$prefix-a" link set wan mtu 1280
ns a ping -n -q -c 5 -i 0.02 -W 1 -M "do" -s 1390 "${inside4[b]}" >/dev/null 2>&1
goes_on_as_before "with small packets"
must ip -n "$prefix-a" link set wan mtu 1500
must ns a ping -n -q -c 3 -i 0.02 -W 2 -M "do" -s 1390 "${inside4[b]}"

step "a queue that is full"
must ns a tc qdisc add dev wan root tbf rate 2mbit burst 3000 limit 3000
ns a ping -n -q -f -c 300 -s 1300 "${inside4[b]}" >/dev/null 2>&1
must ns a tc qdisc del dev wan root
goes_on_as_before "when the queue is as before"
tcp_both_ways a b "${inside4[b]}"

step "the device is removed"
must ip -n "$prefix-a" link del "$(dev a)"
wait_for 10 "a's culvert ends" gone culvert-a
expect_at_least "lines that say why" 1 "$(logged a "the device was removed")"
unset "pid_of[culvert-a]"
no_socket a || fail "a's control socket is still there"
expect_host_state a "$state" "after that"
bring_up a
pings a "${inside4[b]}" 15
stop_both
pass
