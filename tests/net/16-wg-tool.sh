#!/bin/bash
# SPDX-License-Identifier: ISC
# The stock wg: show, set, setconf, syncconf, addconf, and a set of 130,560 allowed IPs; the raw control protocol.
# runs: culvert
. "$(dirname "$0")/lib.sh"
need_program "$1"

ask() { ns a socat -t 5 - "UNIX-CONNECT:$run_dir/$(dev a).sock"; } # the request on stdin
answers() { # WHAT EXPECTED-ERRNOS REQUEST
	expect_equal "errno of: $1" "$2" "$(printf '%b' "$3" | ask | sed -n 's/^errno=//p' | paste -sd ' ')"
}

write_conf() { # FILE EXTRA-LINES: what a has now, with c as a second peer
	printf '[Interface]\nPrivateKey = %s\nListenPort = %s\n%b\n' "$(cat "$tmp/a.key")" "$port" "${2:-}" >"$1"
	printf '[Peer]\nPublicKey = %s\nAllowedIPs = %s/32, %s/128\nEndpoint = %s\n' "$(public b)" \
		"${inside4[b]}" "${inside6[b]}" "$(endpoint_of b 4)" >>"$1"
}

two_ends
two_devices "$1" "$1"
make_keys c d
(umask 077; wg genpsk >"$tmp/psk")

step "set and show"
wg_set a fwmark 0x1234
expect_equal fwmark 0x1234 "$(shown a fwmark)"
wg_set a fwmark off
expect_equal fwmark off "$(shown a fwmark)"
expect_equal "private key" "$(cat "$tmp/a.key")" "$(shown a private-key)"
expect_equal "public key" "$(public a)" "$(shown a public-key)"
expect_equal "listen port" "$port" "$(shown a listen-port)"
wg_set a peer "$(public c)" preshared-key "$tmp/psk" endpoint '[2001:db8::7]:7' persistent-keepalive 25 \
	allowed-ips 10.20.0.0/16,fd20::/32
expect_equal "allowed IPs of c" "10.20.0.0/16 fd20::/32" "$(shown a allowed-ips c)"
expect_equal "endpoint of c" '[2001:db8::7]:7' "$(shown a endpoints c)"
expect_equal "keepalive of c" 25 "$(shown a persistent-keepalive c)"
expect_equal "psk of c" "$(cat "$tmp/psk")" "$(shown a preshared-keys c)"
wg_set a peer "$(public c)" preshared-key /dev/null persistent-keepalive off allowed-ips ""
expect_equal "allowed IPs of c" "(none)" "$(shown a allowed-ips c)"
expect_equal "psk of c" "(none)" "$(shown a preshared-keys c)"
wg_set a peer "$(public c)" remove
expect_equal "peers" "$(public b)" "$(shown a peers)"
expect_equal "peers in plain wg show" "$(public b)" "$(ns a wg show "$(dev a)" | sed -n 's/^peer: //p')"
expect_match "wg show interfaces" "$(dev a)" "$(ns a wg show interfaces)"

step "a private key that is cleared, an own key as a peer"
wg_set a private-key /dev/null
expect_equal "private key" "(none)" "$(shown a private-key)"
wg_set_key a
wg_set a peer "$(public a)" allowed-ips 10.30.0.0/16
expect_equal "peers: one's own key is none" "$(public b)" "$(shown a peers)"

step "setconf replaces, syncconf keeps sessions, addconf adds"
(umask 077; write_conf "$tmp/one.conf"; write_conf "$tmp/two.conf")
printf '[Peer]\nPublicKey = %s\nAllowedIPs = 10.40.0.0/16\n' "$(public c)" >>"$tmp/two.conf"
wg_set a peer "$(public d)" allowed-ips 10.50.0.0/16
must ns a wg setconf "$(dev a)" "$tmp/one.conf"
expect_equal "peers" "$(public b)" "$(shown a peers)"
pings_both a b
before=$(handshake_time a b)
must ns a wg syncconf "$(dev a)" "$tmp/two.conf"
expect_equal "number of peers" 2 "$(shown a peers | wc -l)"
expect_equal "handshake of the peer that stays" "$before" "$(handshake_time a b)"
must ns a wg syncconf "$(dev a)" "$tmp/one.conf"
expect_equal "peers" "$(public b)" "$(shown a peers)"
expect_equal "handshake of the peer that stays" "$before" "$(handshake_time a b)"
printf '[Peer]\nPublicKey = %s\nAllowedIPs = 10.60.0.0/16\n' "$(public d)" >"$tmp/add.conf"
must ns a wg addconf "$(dev a)" "$tmp/add.conf"
expect_equal "number of peers" 2 "$(shown a peers | wc -l)"
pings_both a b
must ns a wg setconf "$(dev a)" <(ns a wg showconf "$(dev a)")
expect_equal "number of peers after its own showconf" 2 "$(shown a peers | wc -l)"

step "130,560 allowed IPs in one set"
(umask 077; write_conf "$tmp/many.conf")
printf '[Peer]\nPublicKey = %s\n' "$(public c)" >>"$tmp/many.conf"
awk 'BEGIN { for (i = 0; i < 130560; i++)
	printf "%s10.%d.%d.%d/32%s", i % 256 ? ", " : "AllowedIPs = ", 64 + int(i / 65536),
		int(i / 256) % 256, i % 256, i % 256 == 255 ? "\n" : "" }' >>"$tmp/many.conf"
must timeout 30 ip netns exec "$prefix-a" wg setconf "$(dev a)" "$tmp/many.conf"
shown a allowed-ips c | tr ' ' '\n' | sort >"$tmp/seen"
expect_equal "number of allowed IPs" 130560 "$(sort -u "$tmp/seen" | wc -l)"
grep -qx '10.65.253.255/32' "$tmp/seen" || fail "the last allowed IP is missing"
pings_both a b
must ns a wg setconf "$(dev a)" "$tmp/one.conf"

step "the protocol itself: pipelining, end of file, refusals"
answers "two requests at once" "0 0" 'get=1\n\nget=1\n\n'
answers "an end of file in place of the blank line" "0" "set=1\\nlisten_port=$port\\n"
answers "a set with nothing in it" "0" 'set=1\n\n'
# ( -22 is EINVAL; other negative values would do as well, but not success )
for request in 'listen_port=65536' 'listen_port=x' 'private_key=00' 'what=1' 'replace_peers=false' 'fwmark=-1' \
	'public_key=zz' 'allowed_ip=10.0.0.0/8' "public_key=$(printf '11%.0s' {1..32})\nallowed_ip=10.0.0.0/33" \
	"public_key=$(printf '11%.0s' {1..32})\nendpoint=192.0.2.1" \
	"public_key=$(printf '11%.0s' {1..32})\nprotocol_version=2"; do
	expect_match "errno of set: $request" '^-[1-9][0-9]*$' \
		"$(printf 'set=1\n%b\n\n' "$request" | ask | sed -n 's/^errno=//p')"
	control_answers a || fail "after set: $request the engine does not answer"
done
wg_set a peer "$(base64 -d <<<ERERERERERERERERERERERERERERERERERERERERERE= | base64)" remove
control_answers a || fail "the engine does not answer"
pings_both a b
pass
