#!/bin/bash
# SPDX-License-Identifier: ISC
# doc/TUTORIAL, chapter 5: an end behind address translation, then both with one port forwarded, then culvert's machine as a
# gateway that translates; with the document's files and commands.
. "$(dirname "$0")/tutorial.sh"
need_culvert
command -v python3 >/dev/null || skip "needs python3"

seen_by() { on "$1" "culvert status --json nat" | jq -r '.tunnels[0].peers[0].endpoint'; }     # HOST: where its peer is
state_at() { on "$1" "culvert status --json nat" | jq -r '.tunnels[0].peers[0].state'; }       # HOST
answers_pings() { background_in "$1" "$2" tcpdump -n -l -i wan "icmp and icmp[icmptype] == icmp-echo"; } # NS LOG
tables() { ns b nft list tables; }
box() { # NS OUTSIDE-ADDRESS INSIDE-ADDRESS
	address "$1" wan "$2/24"
	address "$1" lan "$3/24"
	gateway "$1" "${2%.*}.254"
	must ns "$1" sysctl -qw net.ipv4.ip_forward=1
}

# A in the internet; B and a printer behind box B.
add_ns net far box-a box-b a b printer
need_nft net
must ns net sysctl -qw net.ipv4.ip_forward=1
cable far wan net to_far
address net to_far 192.0.2.254/24
address far wan 192.0.2.1/24
gateway far 192.0.2.254
cable a wan net to_a
address net to_a 198.51.100.254/24
address a wan 198.51.100.1/24
gateway a 198.51.100.254
cable box-b wan net to_b
address net to_b 203.0.113.254/24
must ip -n "$prefix-box-b" link add lan type bridge
cable b lan box-b port1
cable printer wan box-b port2
for each in port1 port2; do
	must ip -n "$prefix-box-b" link set "$each" master lan
done
must ip -n "$prefix-box-b" link set lan up
box box-b 203.0.113.7 192.168.20.1
address b lan 192.168.20.2/24
gateway b 192.168.20.1
address printer wan 192.168.20.30/24
gateway printer 192.168.20.1
translate box-b 50000-59999
for each in a b box-a; do
	make_host "$each"
done
for each in a b; do
	host_name "$each" a.example.net 198.51.100.1
done
read_chapter 5
before=$(host_state b)

types a "(umask 077; culvert genpsk >/etc/culvert/nat.key)"
must install -m 600 "$(host_dir a)/etc/culvert/nat.key" "$(host_dir b)/etc/culvert/nat.key"
for each in a b; do
	put "$each" "nat-$each.conf" /etc/culvert/nat.conf
	types "$each" "culvert check nat"
done

step "the far side behind NAT: A can ping before B has said anything"
types b "systemctl enable --now culvert@nat"
types a "systemctl enable --now culvert@nat"
peer_called() { [ "$(state_at a)" = up ]; }
wait_for 10 "B calls" peer_called
types a "ping -c 2 10.9.5.2"
reaches b 10.9.5.1
expect_match "where A sees B" '^203\.0\.113\.7:5[0-9]{4}$' "$(seen_by a)"
expect_equal "where B sees A" 198.51.100.1:51820 "$(seen_by b)"

step "both sides behind NAT: nothing while no port is forwarded"
for each in a b; do
	must on "$each" "systemctl disable --now culvert@nat"
done
must ip -n "$prefix-a" link del wan
cable box-a wan net to_a
address net to_a 198.51.100.254/24
cable box-a lan a lan
box box-a 198.51.100.1 192.168.10.1
address a lan 192.168.10.2/24
gateway a 192.168.10.1
must cp "$tutorial/forward.nft" "$(host_dir box-a)/etc/nftables.conf"
must sed -i '/dnat/d' "$(host_dir box-a)/etc/nftables.conf"
must on box-a "nft -f /etc/nftables.conf"
for each in a b; do
	must on "$each" "systemctl enable --now culvert@nat"
done
quoted 'status at B says "A handshaking for"'
has_status_b() { has_status b nat "A handshaking for"; }
wait_for 10 "B says that it calls" has_status_b
cut_off b 10.9.5.1
expect_equal "B's state at A" never "$(state_at a)"

step "one port is forwarded"
must cp "$tutorial/forward.nft" "$(host_dir box-a)/etc/nftables.conf"
types box-a "nft -f /etc/nftables.conf"
types b "systemctl restart culvert@nat"
reaches b 10.9.5.1
types b "ping -c 2 10.9.5.1"
types b "culvert status nat"
reaches a 10.9.5.2
expect_match "where A sees B" '^203\.0\.113\.7:5[0-9]{4}$' "$(seen_by a)"
expect_equal "where B sees A" 198.51.100.1:51820 "$(seen_by b)"

step "box B translates to another port in the middle of B's traffic"
translate box-b 40000-40999
reaches b 10.9.5.1
expect_match "where A sees B" '^203\.0\.113\.7:40[0-9]{3}$' "$(seen_by a)"
reaches a 10.9.5.2

step "A reaches what is around B, by B's address"
types b "echo net.ipv4.ip_forward=1 >/etc/sysctl.d/90-gateway.conf"
types b "sysctl -p /etc/sysctl.d/90-gateway.conf"
cut_off a 192.168.20.30
put b gateway.nft /etc/culvert/gateway.nft
put b nat-gateway.conf /etc/culvert/nat.conf
types b "culvert check nat"
types b "systemctl restart culvert@nat"
answers_pings printer sees
wait_for 5 "tcpdump listens" grep -q 'listening on' "$tmp/sees.log"
reaches a 192.168.20.30
types a "ping -c 2 192.168.20.30"
wait_for 5 "the printer hears of B" grep -q '192\.168\.20\.2 > 192\.168\.20\.30' "$tmp/sees.log"
! grep -q '10\.9\.5\.1' "$tmp/sees.log" || fail "A's address is not translated"

step "A's whole traffic by way of B and box B"
must sed -i 's|^AllowedIPs = .*|AllowedIPs = 0.0.0.0/0|' "$(host_dir a)/etc/culvert/nat.conf"
must on a "culvert reload nat"
answers_pings far far-sees
wait_for 5 "tcpdump listens" grep -q 'listening on' "$tmp/far-sees.log"
reaches a 192.0.2.1
wait_for 5 "the far host hears of box B" grep -q '203\.0\.113\.7 > 192\.0\.2\.1' "$tmp/far-sees.log"

step "what the hooks made ends with the tunnel, and is made anew after a kill"
# shellcheck disable=SC2016 # that host's shell expands it
must on b 'kill -9 $(culvert status --json nat | jq ".tunnels[0] | .pid, .engine_pid")'
expect_match "the tables after a kill" 'table ip gateway' "$(tables)"
must on b "systemctl enable --now culvert@nat"
reaches a 192.168.20.30
all_typed a b
for each in a b; do
	must on "$each" "systemctl disable --now culvert@nat"
done
! tables | grep -q gateway || fail "the table stays"
must ns b sysctl -qw net.ipv4.ip_forward=0
expect_host_state b "$before" "after the tunnel"
pass
