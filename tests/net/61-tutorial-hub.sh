#!/bin/bash
# SPDX-License-Identifier: ISC
# doc/TUTORIAL, chapter 2: a hub with three road warriors, with the document's files and commands; a fourth comes and goes
# without a lost ping.
. "$(dirname "$0")/tutorial.sh"
need_culvert
command -v python3 >/dev/null || skip "needs python3"

warriors=(ada ben cleo)
way() { ip -n "$prefix-$1" -j route get "$2" 2>/dev/null | jq -r '.[0].dev'; } # NS ADDRESS
expect_way() { expect_equal "the device on $1's way to $2" "$3" "$(way "$1" "$2")"; }
on_all() { # COMMAND-LINE
	local each
	for each in "${warriors[@]}"; do
		types "$each" "$1"
	done
}
of_hub() { on hub "culvert status --json hub" | jq -r ".tunnels[0]$1"; } # JQ-PATH
state_of() { of_hub ".peers[] | select(.name == \"$1\") | .state"; }   # WARRIOR
no_office() { ! ip -n "$prefix-$1" link show office >/dev/null 2>&1; }
office() { on "$1" "culvert status --json office" | jq -r ".tunnels[0]$2"; } # NS JQ-PATH

# Ada and Ben ping the hub while the command runs, and all of that is answered. Cleo has to be silent: see below.
ping_meanwhile() { # COMMAND...
	local each
	local -A pings=()
	for each in ada ben; do
		ns "$each" ping -n -q -i 0.02 -c 150 10.9.2.1 >"$tmp/flow-$each" 2>&1 &
		pings[$each]=$!
	done
	"$@"
	for each in ada ben; do
		[ -d "/proc/${pings[$each]}" ] || fail "that took longer than the traffic"
	done
	for each in ada ben; do
		wait "${pings[$each]}"
		expect_match "$each's pings meanwhile" "150 packets transmitted, 150 received" "$(cat "$tmp/flow-$each")"
	done
}
silent_for() { [ $(($(date +%s) - silent_since)) -ge "$1" ]; } # SECONDS: Cleo was
reload_hub() {
	types hub "culvert check hub"
	types hub "culvert reload hub"
}

# The internet with a host "far" in it; the office's file server behind the hub; Cleo behind a phone.
add_ns net hub files far phone ada ben cleo dora
need_nft net
must ns net sysctl -qw net.ipv4.ip_forward=1
attach() { # NS ADDRESS-WITHOUT-LAST-NUMBER: to the internet
	cable "$1" wan net "to_$1"
	address net "to_$1" "$2.254/24"
	address "$1" wan "$2.1/24"
	gateway "$1" "$2.254"
}
attach hub 198.51.100
attach far 192.0.2
attach phone 203.0.113
attach ada 172.16.2
attach ben 172.16.3
attach dora 172.16.5
cable hub lan files wan
address hub lan 192.168.1.1/24
address files wan 192.168.1.10/24
gateway files 192.168.1.1
cable cleo wan phone lan
address phone lan 192.168.43.1/24
address cleo wan 192.168.43.2/24
gateway cleo 192.168.43.1
must ns phone sysctl -qw net.ipv4.ip_forward=1
translate phone 50000-59999
for name in hub ada ben cleo dora; do
	make_host "$name"
	host_name "$name" hub.example.net 198.51.100.1
done
read_chapter 2
before=$(host_state ada)
resolver=$(cat "$(host_dir ada)/etc/resolv.conf")

step "keys and files"
must cp "$tutorial/hub-sysctl.conf" "$(host_dir hub)/etc/sysctl.d/90-hub.conf"
types hub "sysctl -p /etc/sysctl.d/90-hub.conf"
must cp "$tutorial/hub.nft" "$(host_dir hub)/etc/nftables.conf"
types hub "nft -f /etc/nftables.conf"
new_keys hub hub
know PUBLIC-KEY-OF-THE-HUB "$output"
for name in "${warriors[@]}" dora; do
	new_keys "$name" office
	know "PUBLIC-KEY-OF-${name^^}" "$output"
done
put hub hub.conf /etc/culvert/hub.conf
for name in "${warriors[@]}"; do
	put "$name" "$name.conf" /etc/culvert/office.conf
done
types hub "culvert check hub"
on_all "culvert check office"

step "all of them reach the hub and the office"
types hub "systemctl enable --now culvert@hub"
expect_equal "Ben's state before he calls" never "$(state_of Ben)"
types hub "culvert status hub"
on_all "systemctl enable --now culvert@office"
on_all "ping -c 2 10.9.2.1"
on_all "ping -c 2 192.168.1.10"
types hub "culvert status hub"
expect_match "the hub's status" "Ada +up for .*Ben +up for .*Cleo +up for" "$output"
expect_way ben 192.0.2.1 wan
reaches ben 192.0.2.1

step "Ben reaches Cleo"
types ben "ping -c 2 10.9.2.4"
expect_match "Ben's ping of Cleo" "2 packets transmitted, 2 received, 0% packet loss" "$output"
silent_since=$(date +%s)

step "Dora comes by a reload, goes by a reload"
cp "$(host_dir hub)/etc/culvert/hub.conf" "$tmp/hub.before"
put hub hub-dora.conf /etc/culvert/dora
cat "$(host_dir hub)/etc/culvert/dora" >>"$(host_dir hub)/etc/culvert/hub.conf"
sed 's|^Address.*|Address = 10.9.2.5/32, fd00:9:2::5/128|' "$(host_dir ben)/etc/culvert/office.conf" >"$tmp/dora.conf"
must install -m 600 "$tmp/dora.conf" "$(host_dir dora)/etc/culvert/office.conf"
types dora "culvert check office"
types dora "systemctl enable --now culvert@office"
cut_off dora 10.9.2.1
ping_meanwhile reload_hub
reaches dora 10.9.2.1
cp "$tmp/hub.before" "$(host_dir hub)/etc/culvert/hub.conf"
ping_meanwhile reload_hub
cut_off dora 10.9.2.1
expect_equal "the hub's peers" 3 "$(of_hub ".peers | length")"

step "the phone translates to another port, and Cleo has nothing to say"
wait_for 20 "nobody owes anybody an answer" silent_for 12
translate phone 40000-49999
changed=$(date +%s)
cut_off hub 10.9.2.4

step "Ada: everything through the hub, DNS as well, and the local network past it"
cat >"$tmp/dns.py" <<'EOF'
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("10.9.2.1", 53))
while True:
    question, client = server.recvfrom(512)
    print(client[0], flush=True)
    found = question[-3] == 1
    answer = question[:2] + b"\x81\x80\0\1\0" + bytes([found]) + b"\0\0\0\0" + question[12:]
    if found:
        answer += b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + socket.inet_aton("192.168.1.10")
    server.sendto(answer, client)
EOF
background_in hub dns python3 "$tmp/dns.py"
wait_for 5 "the name server listens" udp_bound hub 53
capture ada leak "not (udp and port 51820) and not arp and not icmp6 and not (ip6 proto 0)"
expect_way ada 192.0.2.1 office
expect_way ada 2001:db8::1 office
reaches ada 192.0.2.1
types ada "getent hosts files.corp.example"
expect_match "the address of files.corp.example" "^192\.168\.1\.10 " "$output"
expect_match "who asked" "10\.9\.2\.2" "$(cat "$tmp/dns.log")"
kill -9 "$(office ada .pid)" "$(office ada .engine_pid)"
wait_for 5 "the device goes" no_office ada
! host_pings ada 192.0.2.1 || fail "there is a way past the dead tunnel"
expect_way ada 192.0.2.1 ""
stop_background leak
expect_equal "packets past the tunnel" 0 "$(captured leak)"
expect_way ada 172.16.2.254 wan
reaches ada 172.16.2.254
must on ada "culvert down office"
expect_way ada 192.0.2.1 wan
types ada "systemctl enable --now culvert@office"
expect_way ada 192.0.2.1 office
reaches ada 192.0.2.1
types ada "culvert pause 120"
expect_way ada 192.0.2.1 wan
types ada "culvert pause 0"
expect_way ada 192.0.2.1 office

step "warriors among themselves, or not"
must sed -i '/iifname "hub" oifname "hub" accept/d' "$(host_dir hub)/etc/nftables.conf"
types hub "nft -f /etc/nftables.conf"
cut_off ben 10.9.2.2
reaches ben 192.168.1.10

step "the phone's other port: Cleo's keepalive told the hub in time"
reaches hub 10.9.2.4 $((changed + 27 - $(date +%s)))

step "the end: Ada's host is as it was"
all_typed "${warriors[@]}"
must on ada "systemctl disable --now culvert@office"
expect_host_state ada "$before" "after the tunnel"
expect_equal "Ada's resolv.conf" "$resolver" "$(cat "$(host_dir ada)/etc/resolv.conf")"
pass
