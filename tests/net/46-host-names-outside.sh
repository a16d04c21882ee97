#!/bin/bash
# SPDX-License-Identifier: ISC
# Everything goes into the tunnel, whose endpoint is a name that only a far name server knows: it is looked up past the
# tunnel, at the start and when it has moved.
. "$(dirname "$0")/lib.sh"
need_culvert
command -v python3 >/dev/null || skip "needs python3"

name=b.example.net mark=51999

# A name server that knows one address, which a file holds.
cat >"$tmp/dns.py" <<'EOF'
import socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((sys.argv[1], 53))
while True:
    question, client = server.recvfrom(512)
    print(client[0], question[-3], flush=True)
    body = question[:2] + b"\x81\x80\0\1" + (b"\0\1" if question[-3] == 1 else b"\0\0") + b"\0\0\0\0" + question[12:]
    if question[-3] == 1:
        address = socket.inet_aton(open(sys.argv[2]).read().strip())
        body += b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + address
    server.sendto(body, client)
EOF

leads_into_tunnel() { [ "$(ip -n "$prefix-a" -j route get "$1" | jq -r '.[0].dev')" = "$(dev a)" ]; }
endpoint_is_now() { [ "$(shown a endpoints | cut -f2)" = "$1" ]; }

two_ends_with_middle
own_names a
printf 'nameserver %s\noptions timeout:1 attempts:1\n' "${outside4[b]}" >"/etc/netns/$prefix-a/resolv.conf"
must ns m sysctl -qw net.ipv4.ip_forward=1
must ip -n "$prefix-a" route add default via "${outside4[m_a]}"
must ip -n "$prefix-b" route add default via "${outside4[m_b]}"
must ns a sysctl -qw net.ipv4.conf.all.src_valid_mark=1
make_keys a b
write_conf b "PrivateKeyFile = b.key" "PublicKey = $(public a)\n$(allowed a)\nCipher = auto"
write_conf a "PrivateKeyFile = a.key\nTable = off\nFwMark = $mark
PostUp = ip route add default dev %i table $mark
PostUp = ip rule add not fwmark $mark table $mark priority 1001
PostUp = ip rule add table main suppress_prefixlength 0 priority 1000
PreDown = ip rule del priority 1001; ip rule del priority 1000" \
	"PublicKey = $(public b)\nAllowedIPs = 0.0.0.0/0\nCipher = auto\nEndpoint = $name:$port\nPersistentKeepalive = 1"
before=$(host_state a)
start_culvert a "$(conf a)"
start_culvert b "$(conf b)"
wait_tunnel a
wait_tunnel b
leads_into_tunnel "${outside4[b]}" || fail "the way to the name server does not lead into the tunnel"

step "the name server comes when the tunnel has taken all ways to it"
printf '%s\n' "${outside4[b]}" >"$tmp/address"
background_in b dns python3 "$tmp/dns.py" "${outside4[b]}" "$tmp/address"
wait_for 20 "the endpoint is found" endpoint_is_now "$(endpoint_of b 4)"
pings a "${inside4[b]}"
expect_match "who asked" "^192.0.2.1 " "$(cat "$tmp/dns.log")"

step "b moves, and its name with it"
background_in a ping ping -n -q -i 0.5 "${inside4[b]}"
must ip -n "$prefix-m" addr add 203.0.113.254/24 dev to_b
address b wan 203.0.113.2/24
printf '203.0.113.2\n' >"$tmp/address"
# b's old address goes on answering questions, but not to the tunnel.
must ip -n "$prefix-m" rule add to "${outside4[b]}" ipproto udp dport "$port" blackhole
must ip -n "$prefix-m" rule add from "${outside4[b]}" ipproto udp sport "$port" blackhole
wait_for 30 "a finds b's new address" endpoint_is_now "203.0.113.2:$port"
pings a "${inside4[b]}"
stop_both
expect_host_state a "$before" "after it looked names up past the tunnel"
pass
