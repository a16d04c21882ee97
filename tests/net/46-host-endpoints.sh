#!/bin/bash
# SPDX-License-Identifier: ISC
# An endpoint's name with several addresses, of both families, and one whose address moves.
. "$(dirname "$0")/lib.sh"
need_culvert

name=b.example.net
endpoint_is_now() { [ "$(shown a endpoints | cut -f2)" = "$1" ]; }
# The file is mounted: it must stay the same one.
rename() { # ADDRESS...: what the name leads to from now on
	local each
	printf '127.0.0.1 localhost\n' >"/etc/netns/$prefix-a/hosts"
	for each; do
		add_name a "$name" "$each"
	done
}
start_a() { # PEER-LINES: a's tunnel, anew
	write_conf a "PrivateKeyFile = a.key" "PublicKey = $(public b)\n$(allowed b)\nCipher = auto\nEndpoint = $name:$port\n$1"
	bring_up a
}
# Something always wants to get through, but not so often that a lost packet matters.
lively() { background_in a ping ping -n -q -i 0.5 "${inside4[b]}"; }

two_ends
own_names a
make_keys a b
write_conf b "PrivateKeyFile = b.key" "PublicKey = $(public a)\n$(allowed a)\nCipher = auto"
bring_up b

step "two addresses, of which the first is dead"
rename 192.0.2.3 "${outside4[b]}"
# The resolver prefers what shares more bits with our own address, else keeps the order of the file.
start_a ""
lively
wait_for 20 "the address that lives is found" endpoint_is_now "$(endpoint_of b 4)"
pings a "${inside4[b]}" 10
session=$(handshake_time a b)
[ "$(logged a "$name: .* instead of ")" -gt 0 ] || fail "the log does not tell of the change"

step "a session that works is left alone, wherever the name leads"
rename 192.0.2.78
sleep 7
expect_equal "endpoint" "$(endpoint_of b 4)" "$(shown a endpoints | cut -f2)"
expect_equal "handshake" "$session" "$(handshake_time a b)"
stop_background ping
stop_culvert a

step "IPv6 first, which leads nowhere, then IPv4"
rename 2001:db8::77 "${outside4[b]}"
start_a "PersistentKeepalive = 1"
wait_for 20 "IPv4 is found" endpoint_is_now "$(endpoint_of b 4)"
pings a "${inside4[b]}" 10

step "the family without a route gives way at once; the other family comes"
rename "${outside6[b]}" "${outside4[b]}"
must ip -n "$prefix-a" addr del 192.0.2.1/24 dev wan
wait_for 10 "IPv6 is found" endpoint_is_now "$(endpoint_of b 6)"
pings a "${inside4[b]}" 5
must ip -n "$prefix-a" addr add 192.0.2.1/24 dev wan
stop_culvert a

step "the name's address moves"
rename "${outside4[b]}"
before=$(host_state a)
start_a "PersistentKeepalive = 1"
pings a "${inside4[b]}" 10
lively
must ip -n "$prefix-b" addr flush dev wan
address b wan 192.0.2.22/24
rename 192.0.2.22
wait_for 45 "a finds b's new address" endpoint_is_now "192.0.2.22:$port"
pings a "${inside4[b]}" 10
stop_background ping
stop_both
expect_host_state a "$before" "after a name that moved"
pass
