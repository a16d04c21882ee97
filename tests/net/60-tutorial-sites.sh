#!/bin/bash
# SPDX-License-Identifier: ISC
# doc/TUTORIAL, chapter 1: two sites, one of them behind another's address translation, with the document's files and
# commands; what is said when something is missing; a translation that changes in mid-traffic.
. "$(dirname "$0")/tutorial.sh"
need_culvert

desks() { # both ways
	reaches desk-b 192.168.1.10 "$@"
	reaches desk-a 192.168.2.10 "$@"
}
edit() { must sed -i "$2" "$(host_dir "$1")/etc/culvert/site.conf"; }

# The internet, the provider's box in front of site B, and a host at each site.
add_ns net nat a b desk-a desk-b
need_nft net
for name in a b desk-a desk-b; do
	make_host "$name"
done
cable a wan net to_a
cable nat wan net to_nat
cable b wan nat lan
cable a lan desk-a wan
cable b lan desk-b wan
address net to_a 198.51.100.254/24
address net to_nat 203.0.113.254/24
address a wan 198.51.100.1/24
address nat wan 203.0.113.7/24
address nat lan 192.168.178.1/24
address b wan 192.168.178.2/24
address a lan 192.168.1.1/24
address b lan 192.168.2.1/24
address desk-a wan 192.168.1.10/24
address desk-b wan 192.168.2.10/24
gateway a 198.51.100.254
gateway nat 203.0.113.254
gateway b 192.168.178.1
gateway desk-a 192.168.1.1
gateway desk-b 192.168.2.1
must ns net sysctl -qw net.ipv4.ip_forward=1
must ns nat sysctl -qw net.ipv4.ip_forward=1
translate nat 50000-59999
host_name b site-a.example.net 198.51.100.1
read_chapter 1

step "keys, files, check"
before=$(host_state a)
for name in a b; do
	types "$name" "echo net.ipv4.ip_forward=1 >/etc/sysctl.d/90-router.conf"
	types "$name" "sysctl -p /etc/sysctl.d/90-router.conf"
	must cp "$tutorial/router.nft" "$(host_dir "$name")/etc/nftables.conf"
	types "$name" "nft -f /etc/nftables.conf"
	new_keys "$name" site
	know "PUBLIC-KEY-OF-SITE-${name^^}" "$output"
done
must cp "$tutorial/site-b.conf" "$(host_dir b)/etc/culvert/site.conf"
quoted "PublicKey is not a key: it has 20 characters"
types_in_vain "PublicKey is not a key: it has 20 characters" b "culvert check site"
for name in a b; do
	put "$name" "site-$name.conf" /etc/culvert/site.conf
	types "$name" "culvert check site"
done

step "nobody answers: A is not running; the way is blocked; A's firewall is closed"
seen='tcpdump -ni wan -c 2 udp port 51820'
types b "systemctl enable --now culvert@site"
shows b site "site A handshaking for"
types_in_vain "handshaking" b "culvert status site"
types a "$seen"
quoted "site is not running"
types_in_vain "site is not running" a "culvert status site"
must ns net nft 'table ip block { chain in { type filter hook forward priority 0; udp dport 51820 drop; }; }'
types a "systemctl enable --now culvert@site"
! on a "timeout 6 $seen" >/dev/null 2>&1 || fail "what is blocked arrives"
must ns net nft delete table ip block
must ns a nft insert rule inet router input udp dport 51820 drop
types a "$seen"
shows a site "site B never for"
! grep -q refused "$tmp/host-a-culvert@site.log" || fail "the log is not silent"
types a "nft -f /etc/nftables.conf"

step "wrong keys"
edit a "s|^PublicKey.*|PublicKey = $(wg genkey | wg pubkey)|"
types a "culvert reload site"
logs a site "a handshake by an unknown key was refused"
put a site-a.conf /etc/culvert/site.conf
edit b "s|^PublicKey.*|PublicKey = $(wg genkey | wg pubkey)|"
types a "culvert reload site"
types b "culvert reload site"
logs a site "a handshake for another key was refused"
put b site-b.conf /etc/culvert/site.conf
types b "culvert reload site"

step "it works"
desks
for name in a b; do
	types "$name" "culvert status site"
done
quoted "site A up for 2 min site-a.example.net:51820 (198.51.100.1:51820) 2 min ago aes-256-gcm"
expect_match "B's status" "site A +up for [0-9]+ s +site-a.example.net:51820 \(198.51.100.1:51820\) +[0-9]+ s ago +[a-z0-9-]+" "$output"
types b "ping -c 2 10.9.0.1"
types b "ping -c 2 192.168.1.1"
types desk-b "ping -c 2 192.168.1.10"
types desk-a "ping -c 2 192.168.2.10"

step "a missing prefix"
edit b 's|, 192.168.1.0/24||'
types b "culvert reload site"
reaches b 10.9.0.1
cut_off b 192.168.1.1
types b "ip route get 192.168.1.1"
expect_match "the way without AllowedIPs" "dev wan" "$output"
put b site-b.conf /etc/culvert/site.conf
types b "culvert reload site"
types b "ip route get 192.168.1.1"
expect_match "the way" "dev site" "$output"
edit a 's|, 192.168.2.0/24||'
types a "culvert reload site"
cut_off desk-b 192.168.1.10
shows a site "a packet from an inner address outside the peer's AllowedIPs was refused"
put a site-a.conf /etc/culvert/site.conf
types a "culvert reload site"
desks

step "no forwarding"
must ns a sysctl -qw net.ipv4.ip_forward=0
reaches b 192.168.1.1
cut_off desk-b 192.168.1.10
for name in a b; do
	types "$name" "sysctl net.ipv4.ip_forward"
done
types a "sysctl -p /etc/sysctl.d/90-router.conf"
desks

step "the provider's box forgets B and gives it another port, then gets another address, while desk B pings"
endpoint_of_b() { on a "culvert status --json site" | jq -r '.tunnels[0].peers[0].endpoint'; }
moved_to() { # REGEX
	local now
	now=$(endpoint_of_b)
	[[ $now != "$old" && $now =~ ^$1$ ]]
}
answers() { grep -c 'bytes from' "$tmp/ping.log"; }
more_answers_than() { [ "$(answers)" -gt "$1" ]; }
flows_on() { # WHAT-IT-WAS
	wait_for 5 "desk B's pings are answered after $1" more_answers_than $(($(answers) + 5))
	desks 5
}
background_in desk-b ping ping -n -i 0.05 192.168.1.10
wait_for 5 "pings" more_answers_than 5
old=$(endpoint_of_b)
translate nat 40000-40999
wait_for 5 "A follows B to another port" moved_to '203\.0\.113\.7:40...'
flows_on "another port"
old=$(endpoint_of_b)
must ip -n "$prefix-nat" addr flush dev wan
address nat wan 203.0.113.8/24
gateway nat 203.0.113.254
translate nat 40000-40999
wait_for 5 "A follows B to another address" moved_to '203\.0\.113\.8:.*'
flows_on "another address"
stop_background ping INT

step "told to stop, A is as it was"
all_typed a b
must on a "systemctl disable --now culvert@site"
must on b "systemctl disable --now culvert@site"
must ns a nft delete table inet router
must ns a sysctl -qw net.ipv4.ip_forward=0
expect_host_state a "$before" "after the tunnel"
pass
