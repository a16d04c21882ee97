#!/bin/bash
# SPDX-License-Identifier: ISC
# culvert reload and SIGHUP: the difference is made, sessions of unchanged peers go on, a bad file changes nothing.
. "$(dirname "$0")/lib.sh"
need_culvert

reload() { ns a "$build/culvert" reload "$(dev a)"; }
peer_b() { printf 'PublicKey = %s\n%s\nEndpoint = %s\n%b' "$(public b)" "$(allowed b)" "$(endpoint_of b 4)" "${1:-}"; }
peer_c() { printf 'PublicKey = %s\nAllowedIPs = %s/32, 10.80.0.0/16\n' "$(public c)" "${inside4[c]}"; }
route_to() { ip -n "$prefix-a" -j route get "$1" 2>/dev/null | jq -r '.[0].dev'; }
keepalive_is() { [ "$(shown a persistent-keepalive b)" = "$1" ]; }

two_ends
third_end
own_names a
add_name a b.example.net "${outside4[b]}"
add_name a b6.example.net "${outside6[b]}"
make_keys a b c
for name in b c; do
	start_device "$name" culvert
	wg_set_key "$name"
	wg_add_peer "$name" a endpoint "$(endpoint_of a 4)"
	inside "$name"
done
before=$(host_state a)
write_conf a "PrivateKeyFile = a.key" "$(peer_b)"
bring_up a
pings_both a b
session=$(handshake_time a b)
same_session() { expect_equal "b's handshake after $1" "$session" "$(handshake_time a b)"; }

step "a peer more"
write_conf a "PrivateKeyFile = a.key" "$(peer_b)" "$(peer_c)"
must reload
pings c "${inside4[a]}"
expect_equal "the way to c's network" "$(dev a)" "$(route_to 10.80.1.1)"
pings_both a b
same_session "a peer more"

step "a peer less, by SIGHUP; another setting of the peer that stays"
write_conf a "PrivateKeyFile = a.key" "$(peer_b "PersistentKeepalive = 20")"
kill -HUP "${pid_of[culvert-a]}"
wait_for 5 "the new keepalive" keepalive_is 20
expect_equal "peers" "$(public b)" "$(shown a peers)"
[ "$(route_to 10.80.1.1)" != "$(dev a)" ] || fail "the route to c's network is still there"
pings_both a b
same_session "a peer less"

step "a file with a mistake: said with its line, nothing changes"
good=$(cat "$(conf a)")
printf 'AllowedIPs = 10.0.0.0/99\nNonsense = 1\n' >>"$(conf a)"
lines=$(wc -l <"$(conf a)")
output=$(reload 2>&1) && fail "culvert reload takes a file with mistakes"
expect_match "the first mistake" "\.conf:$((lines - 1)): " "$output"
expect_match "the second mistake" "\.conf:$lines: .*Nonsense" "$output"
pings_both a b
same_session "a refused file"
printf '%s\n' "$good" >"$(conf a)"

step "a route that is taken: the rest is done, and the next reload does what was left"
must ip -n "$prefix-a" route add 10.81.0.0/16 dev wan
write_conf a "PrivateKeyFile = a.key" "$(peer_b)" "$(peer_c | sed 's|10.80.0.0/16|10.81.0.0/16, 10.82.0.0/16|')"
output=$(reload 2>&1) && fail "culvert reload does not mind a route that is taken"
expect_match "the problem" "10\.81\.0\.0/16" "$output"
expect_equal "the way to the other network" "$(dev a)" "$(route_to 10.82.1.1)"
must ip -n "$prefix-a" route del 10.81.0.0/16 dev wan
must reload
expect_equal "the way to the network, once it is free" "$(dev a)" "$(route_to 10.81.1.1)"
expect_equal "last error after a good reload" null "$(status_of a .last_error)"
write_conf a "PrivateKeyFile = a.key" "$(peer_b)"
must reload
[ "$(route_to 10.81.1.1)" != "$(dev a)" ] || fail "the route that came late is still there"

step "an address more and one less"
write_conf a "PrivateKeyFile = a.key\nAddress = 10.70.0.1/24" "$(peer_b)"
must reload
[ -n "$(ip -n "$prefix-a" addr show dev "$(dev a)" to 10.70.0.1)" ] || fail "the new address is not there"
write_conf a "PrivateKeyFile = a.key" "$(peer_b)"
must reload
! ip -n "$prefix-a" addr show dev "$(dev a)" | grep -q 10.70.0.1/24 || fail "the old address is still there"
pings_both a b
same_session "addresses that changed"

step "everything at once under traffic, and not a packet is lost"
ns a ping -n -q -i 0.02 -c 250 "${inside4[b]}" >"$tmp/flow" 2>&1 &
flow=$!
for _ in 1 2 3 4 5; do
	write_conf a "PrivateKeyFile = a.key\nMTU = 1380\nAddress = 10.70.0.1/24" \
		"$(peer_c | sed 's|10.80.0.0/16|10.80.0.0/16, 10.81.0.0/16|')" "$(peer_b "PersistentKeepalive = 7")"
	must reload
	expect_equal "the new MTU" 1380 "$(mtu_of a)"
	write_conf a "PrivateKeyFile = a.key" "$(peer_b)"
	must reload
	expect_equal "the old MTU" 1420 "$(mtu_of a)"
done
[ -d "/proc/$flow" ] || fail "the reloads took longer than the traffic"
wait "$flow"
expect_match "pings during the reloads" "250 packets transmitted, 250 received" "$(cat "$tmp/flow")"
same_session "reloads under traffic"

step "a network moves from one peer to the other, and back"
write_conf a "PrivateKeyFile = a.key" "$(peer_b)" "$(peer_c)"
must reload
has_network() { [[ $(shown a allowed-ips "$1") == *10.80.0.0/16* ]]; }
has_network c || fail "c does not have the network"
write_conf a "PrivateKeyFile = a.key" "$(peer_b "AllowedIPs = 10.80.0.0/16")" "$(peer_c | sed 's|, 10.80.0.0/16||')"
must reload
{ has_network b && ! has_network c; } || fail "the network did not move to b"
write_conf a "PrivateKeyFile = a.key" "$(peer_c)" "$(peer_b)"
must reload
{ has_network c && ! has_network b; } || fail "the network did not move back to c"
expect_equal "the way to the network that moved" "$(dev a)" "$(route_to 10.80.1.1)"
pings_both a b
same_session "a network that moved"

step "an endpoint becomes a name, another name, a number again"
name_is() { # NAME ENDPOINT
	write_conf a "PrivateKeyFile = a.key" "$(peer_b | sed "s/^Endpoint.*/Endpoint = $1:$port/")"
	must reload
	wait_for 5 "b's endpoint by $1" endpoint_is a b "$2"
}
name_is b.example.net "$(endpoint_of b 4)"
name_is b6.example.net "$(endpoint_of b 6)"
pings_both a b
name_is b.example.net "$(endpoint_of b 4)"
name_is "${outside4[b]}" "$(endpoint_of b 4)"
pings_both a b
same_session "names"

step "and down: all as before"
stop_culvert a
expect_host_state a "$before" "after reloads"
refuses . reload
pass
