#!/bin/bash
# SPDX-License-Identifier: ISC
# doc/TUTORIAL, chapter 7: two local networks, each with hosts and a DHCP server of its own, joined by bridges and a tunnel;
# with the document's files and commands.
. "$(dirname "$0")/tutorial.sh"
need_culvert
for each in dnsmasq busybox; do
	command -v "$each" >/dev/null || skip "needs $each"
done

# site NAME: a local network with the machine NAME, a desk and a router.
site() {
	local each number=0
	add_ns "$1" "desk-$1" "router-$1" "cables-$1"
	must ip -n "$prefix-cables-$1" link add floor type bridge
	must ip -n "$prefix-cables-$1" link set floor up
	for each in "$1" "desk-$1" "router-$1"; do
		number=$((number + 1))
		cable "$each" lan "cables-$1" "port$number"
		must ip -n "$prefix-cables-$1" link set "port$number" master floor
	done
	cable "$1" wan net "to_$1"
	address net "to_$1" "$2.254/24"
	address "$1" wan "$2.1/24"
	gateway "$1" "$2.254"
	make_host "$1"
	make_host "desk-$1"
}

serves() { # SITE FIRST LAST: what its DHCP server hands out
	background_in "router-$1" "dnsmasq-$1" dnsmasq --keep-in-foreground --port=0 --no-ping --interface=lan --bind-interfaces \
		--conf-file=/dev/null --dhcp-range="$2,$3,1h" --dhcp-leasefile="$tmp/leases-$1" --user=root --group=root \
		--pid-file="$tmp/dnsmasq-$1.pid" --log-dhcp --log-facility=-
	wait_for 5 "dnsmasq listens" udp_bound "router-$1" 67
}
heard_by() { grep -o 'DHCPDISCOVER(lan) [0-9a-f:]*' "$tmp/dnsmasq-$1.log" | sort -u | cut -d ' ' -f 2; } # SITE
card() { ip -n "$prefix-$1" -j link show lan | jq -r '.[0].address'; }
lease_of() { ns "$1" busybox udhcpc -i lan -f -n -q -t 5 -T 1 -s "$tmp/bound" >/dev/null 2>&1 && cat "$tmp/lease"; }

add_ns net
must ns net sysctl -qw net.ipv4.ip_forward=1
site a 198.51.100
site b 203.0.113
ns net nft 'table bridge try { chain frames { type filter hook forward priority filter; }; }
	delete table bridge try' 2>/dev/null || skip "needs nft, and a kernel that filters in bridges"
host_name b site-a.example.net 198.51.100.1
address desk-a lan 192.168.30.10/24
address router-a lan 192.168.30.1/24
address desk-b lan 192.168.30.160/24
address router-b lan 192.168.30.150/24
address a lan 192.168.30.2/24
read_chapter 7
# shellcheck disable=SC2016 # the client's shell expands it
printf '#!/bin/sh\n[ "$1" = bound ] && echo "$ip from $serverid" >%s\ntrue\n' "$tmp/lease" >"$tmp/bound"
chmod +x "$tmp/bound"

step "a bridge at each site"
for each in a b; do
	types "$each" "ip link add br0 type bridge"
	types "$each" "ip link set br0 up"
	types "$each" "ip address flush dev lan"
	types "$each" "ip link set lan master br0"
	types "$each" "ip link set lan up"
	ns "$each" sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0 2>/dev/null
done
types a "ip address add 192.168.30.2/24 dev br0"
types b "ip address add 192.168.30.152/24 dev br0"
reaches a 192.168.30.10
reaches b 192.168.30.160

step "the tunnel"
types a "(umask 077; culvert genpsk >/etc/culvert/wire.key)"
must install -m 600 "$(host_dir a)/etc/culvert/wire.key" "$(host_dir b)/etc/culvert/wire.key"
for each in a b; do
	put "$each" bridge.nft /etc/culvert/wire.nft
	put "$each" "bridge-$each.conf" /etc/culvert/wire.conf
	types "$each" "culvert check wire"
	expect_equal "all that check says" "/etc/culvert/wire.conf: no errors" "$output"
done
cut_off desk-b 192.168.30.10
for each in a b; do
	types "$each" "systemctl enable --now culvert@wire"
done
types a "culvert status wire"
shows a wire "link: Ethernet, in the bridge br0"
reaches desk-b 192.168.30.10
types desk-b "ping -c 2 192.168.30.10"
types desk-b "ip neigh show 192.168.30.10"
expect_match "whose address answered" "$(card desk-a)" "$output"
reaches desk-a 192.168.30.152
reaches a 192.168.30.150

step "each site has its own DHCP server"
serves a 192.168.30.100 192.168.30.149
serves b 192.168.30.210 192.168.30.249
expect_match "desk-b's lease" '^192\.168\.30\.2[1-4][0-9] from 192\.168\.30\.150$' "$(lease_of desk-b)"
expect_match "desk-a's lease" '^192\.168\.30\.1[0-4][0-9] from 192\.168\.30\.1$' "$(lease_of desk-a)"
expect_equal "whom site A's server heard" "$(card desk-a)" "$(heard_by a)"
expect_equal "whom site B's server heard" "$(card desk-b)" "$(heard_by b)"

step "one server for both"
stop_background dnsmasq-b
for each in a b; do
	must sed -i '/drop$/d' "$(host_dir "$each")/etc/culvert/wire.nft"
	types "$each" "nft -f /etc/culvert/wire.nft"
done
expect_match "desk-b's lease" ' from 192\.168\.30\.1$' "$(lease_of desk-b)"

step "what is too large for one piece: TCP does not send it"
quoted 'packets of more than 1401 bytes go in two pieces or 1385 with'
expect_match "the limit" 'packets of more than 1(401|385) bytes go in two pieces' "$(on b "culvert status wire")"
background_in b segments tcpdump -n -l -i lan 'tcp[tcpflags] & tcp-syn != 0'
background_in desk-a socat socat -u TCP4-LISTEN:7010,reuseaddr OPEN:/dev/null
wait_for 5 "tcpdump listens" grep -q 'listening on' "$tmp/segments.log"
wait_for 5 "socat listens" tcp_listening desk-a 7010
must ns desk-b socat -u OPEN:/dev/null TCP4:192.168.30.10:7010
wait_for 5 "the answer" grep -q 'Flags \[S\.\].*mss 1325' "$tmp/segments.log"
must ns desk-b ping -n -c 1 -W 2 -M "do" -s 1472 192.168.30.10

step "what the hooks made ends with the tunnel"
all_typed a b
for each in a b; do
	must on "$each" "systemctl disable --now culvert@wire"
	! grep -q wire <<<"$(ns "$each" nft list tables)" || fail "the table stays"
done
cut_off desk-b 192.168.30.10
pass
