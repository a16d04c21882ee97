#!/bin/bash
# SPDX-License-Identifier: ISC
# A whole culvert tunnel, from its file, with a wireguard-go as the peer: keys, psk, keepalive, either side first.
# runs: go go-old
. "$(dirname "$0")/lib.sh"
need_culvert
need_program "$1"

two_ends
make_keys a b
(umask 077; wg genpsk >"$tmp/psk")
write_conf a "PrivateKeyFile = a.key" "PublicKey = $(public b)\nPresharedKeyFile = psk\n$(allowed b)
Endpoint = $(endpoint_of b 4)\nPersistentKeepalive = 1"
start_device b "$1"
wg_set_key b
wg_add_peer b a preshared-key "$tmp/psk"
inside b

step "culvert begins by itself, for it has a persistent keepalive"
start_culvert a "$(conf a)"
wait_for 5 "b hears of a" has_handshake b a
pings_both b a
pings_both a b
tcp_both_ways a b "${inside4[b]}"
udp_flows b a "${inside6[a]}"
every_size a b "${inside4[b]}" $(($(mtu_of a) - 28))
expect_equal "what wg shows of the keepalive" 1 "$(shown a persistent-keepalive b)"

step "b moves"
wg_set b listen-port 40002
pings b "${inside4[a]}"
endpoint_is a b "$(endpoint_of b 4 40002)" || fail "culvert's peer is still at $(shown a endpoints b)"
stop_culvert a

step "wireguard-go begins"
wg_set b listen-port "$port" peer "$(public a)" endpoint "$(endpoint_of a 4)"
write_conf a "PrivateKeyFile = a.key" "PublicKey = $(public b)\nPresharedKeyFile = psk\n$(allowed b)"
bring_up a
pings b "${inside4[a]}" 25
pings_both a b
stop_culvert a
pass
