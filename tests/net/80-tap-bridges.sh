#!/bin/bash
# SPDX-License-Identifier: ISC
# Mode = tap: two bridges, in a and b, joined by a tunnel, and a host behind each, ha and hb, that cannot tell. "hosts"
# is what they do: ARP, neighbour discovery, DHCP, VLANs, odd protocols; "bulk" is much and large; "host" is what
# becomes of the machines that a and b are, "devices" that of devices that culvert has not made; "offload" is the same with less of the kernel's help.
# runs: hosts bulk host devices offload
. "$(dirname "$0")/lib.sh"
need_culvert
host4=([1]=192.168.7.1 [2]=192.168.7.2) host6=([1]=fd07::1 [2]=fd07::2)
mac_a=02:cf:00:00:00:0a mac_b=02:cf:00:00:00:0b

# site NS HOST: a bridge with a card, at whose cable there is a host.
site() {
	add_ns "$2"
	cable "$1" home "$2" eth
	must ip -n "$prefix-$1" link add lan type bridge
	must ip -n "$prefix-$1" link set home master lan
	must ip -n "$prefix-$1" link set lan up
	# Where this machine's kernel has br_netfilter, it drops frames that claim to be IP and are not.
	ns "$1" sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0 2>/dev/null
	wait_for 5 "$1's bridge has a cable" forwards "$1" home
	wait_for 5 "$1's bridge is up" has_link_local "$1" lan
}
has_link_local() { ip -n "$prefix-$1" -6 addr show dev "$2" scope link | grep -q 'inet6 fe80'; }
forwards() { bridge -n "$prefix-$1" -j link show dev "$2" | jq -e '.[0].state == "forwarding"'; }

# write_bridged NS OTHER [INTERFACE-LINES]: NS.conf.
write_bridged() {
	[ -e "$tmp/shared.key" ] || (umask 077; "$build/culvert" genpsk >"$tmp/shared.key")
	(umask 077; printf '[Interface]\nSharedKeyFile = shared.key\nListenPort = %s\nMode = tap\nBridge = lan\n%b\n[Peer]\nEndpoint = %s\n' \
		"$port" "${3:-}" "$(endpoint_of "$2" 4)" >"$(conf "$1")")
}

start_bridged() { # [INTERFACE-LINES]
	write_bridged a b "${1:-}"
	write_bridged b a "${1:-}"
	start_both
}

addresses() {
	address ha eth 192.168.7.1/24 fd07::1/64
	address hb eth 192.168.7.2/24 fd07::2/64
}

# crosses NS FROM-NS KIND...: frames of these kinds from FROM's host arrive at NS's as they are.
crosses() {
	local from=$2 to=$1
	shift 2
	: >"$tmp/frames.log"
	background_in "h$to" frames python3 "$top/tests/net/frames.py" receive eth "$mac_a"
	wait_for 5 "the receiver listens" grep -q listening "$tmp/frames.log"
	ns "h$from" python3 "$top/tests/net/frames.py" send eth "$mac_a" "$mac_b" "$@" >"$tmp/sent" || fail "cannot send $*"
	within 5 all_here || fail "frames ($*) from h$from to h$to: $(diff <(sort "$tmp/sent") <(came | sort) | head -n 40)"
	kill_hard frames
}
came() { grep -v listening "$tmp/frames.log"; }
all_here() { cmp -s <(sort "$tmp/sent") <(came | sort); }

link_of() { ip -n "$prefix-$1" -j link show dev "$(dev "$1")" | jq -r ".[0]$2"; } # NS JQ-PATH
is_port() { [ "$(link_of "$1" .master)" = lan ]; }
port_in_c() { [ "$(ip -n "$prefix-c" -j link show dev "$(dev a)" | jq -r '.[0].master')" = lan ]; }
is_port_of() { [ "$(link_of "$1" .master)" = "$2" ]; }
# says_it_is_out NS EXIT-STATUS LINE DEGRADED: what status says of the bridge.
says_it_is_out() {
	local result=0
	"$build/culvert" status "$(dev "$1")" >"$tmp/status" || result=$?
	[ "$result" = "$2" ] && grep -q "^  link: Ethernet$3" "$tmp/status" &&
		[ "$(status_of "$1" '| [.degraded, .bridge_joined]' | jq -c .)" = "[$4,$([ "$4" = true ] && echo false || echo true)]" ]
}
is_no_port() { [ "$(link_of "$1" .master)" = null ]; }

# file_crosses FROM TO ADDRESS MB: over TCP, every byte of it.
file_crosses() {
	head -c "$4M" /dev/urandom >"$tmp/file"
	background_in "$2" "file-$2" socat -u TCP6-LISTEN:7010,reuseaddr OPEN:"$tmp/copy",creat,trunc
	wait_for 5 "socat listens" tcp_listening "$2" 7010
	must ns "$1" timeout 30 socat -u OPEN:"$tmp/file" "TCP:$3:7010"
	wait_for 5 "all has arrived" gone "file-$2"
	unset "pid_of[file-$2]"
	cmp "$tmp/file" "$tmp/copy" || fail "a file came over damaged"
}

hosts_case() {
	addresses
	start_bridged
	step "status"
	expect_equal "link and bridge" '["ethernet","lan"]' "$(status_of a '| [.link, .bridge]' | jq -c .)"
	expect_match "status in words" 'link: Ethernet, in the bridge lan' "$("$build/culvert" status "$(dev a)")"

	step "ARP"
	pings ha "${host4[2]}"
	expect_equal "hb's address as ha knows it" "$(ip -n "$prefix-hb" -j link show eth | jq -r '.[0].address')" \
		"$(ip -n "$prefix-ha" -j neigh show "${host4[2]}" | jq -r '.[0].lladdr')"
	step "neighbour discovery"
	pings ha "${host6[2]}"
	pings hb "$(ip -n "$prefix-ha" -j addr show eth | jq -r '.[0].addr_info[] | select(.scope == "link").local')%eth"
	step "the largest packets"
	must ns ha ping -n -c 2 -i 0.2 -W 2 -M "do" -s 1472 "${host4[2]}"
	must ns hb ping -n -c 2 -i 0.2 -W 2 -M "do" -s 1452 "${host6[1]}"

	step "frames of all kinds"
	crosses b a types vlans sizes
	crosses a b vlans types
	expect_equal "what was malformed" "culvert_malformed=0 culvert_malformed=0" "$(malformed a) $(malformed b)"

	step "DHCP"
	dhcp
	stop_both
}
malformed() { printf 'get=1\n\n' | socat -t 2 - "UNIX-CONNECT:$run_dir/$(dev "$1").sock" | grep '^culvert_malformed='; }

# hb serves, ha asks. What ha is given is what the script that udhcpc calls writes down.
dhcp() {
	must ip -n "$prefix-ha" addr flush dev eth scope global
	: >"$tmp/dnsmasq.log"
	background_in hb dnsmasq dnsmasq --keep-in-foreground --port=0 --interface=eth --bind-interfaces --conf-file=/dev/null \
		--dhcp-range=192.168.7.100,192.168.7.100,1h --dhcp-leasefile="$tmp/leases" --user=root --group=root \
		--pid-file="$tmp/dnsmasq.pid" --log-dhcp --log-facility=-
	wait_for 5 "dnsmasq listens" udp_bound hb 67
	# shellcheck disable=SC2016 # the client's shell expands it
	printf '#!/bin/sh\n[ "$1" = bound ] && echo "$ip from $serverid" >%s\ntrue\n' "$tmp/lease" >"$tmp/bound"
	chmod +x "$tmp/bound"
	must ns ha busybox udhcpc -i eth -f -n -q -t 10 -T 1 -s "$tmp/bound"
	expect_equal "the lease" "192.168.7.100 from ${host4[2]}" "$(cat "$tmp/lease")"
	stop_background dnsmasq
}

bulk_case() {
	addresses
	start_bridged
	step "TCP and UDP, and every byte of it"
	tcp_both_ways ha hb "${host4[2]}"
	udp_flows ha hb "${host6[2]}"
	file_crosses ha hb "${host4[2]}" 20
	file_crosses hb ha "[${host6[1]}]" 20
	every_size ha hb "${host4[2]}" 1472

	step "jumbo frames: the bridge's MTU is the tunnel's"
	expect_equal "the MTU" 1500 "$(mtu_of a)"
	local each
	for each in ha:eth hb:eth a:home b:home; do
		must ip -n "$prefix-${each%:*}" link set "${each#*:}" mtu 9000
	done
	must "$build/culvert" reload "$(dev a)"
	must "$build/culvert" reload "$(dev b)"
	expect_equal "the MTU" 9000 "$(mtu_of a)"
	expect_equal "the bridge's MTU" 9000 "$(ip -n "$prefix-b" -j link show lan | jq '.[0].mtu')"
	must ns ha ping -n -c 2 -i 0.2 -W 2 -M "do" -s 8972 "${host4[2]}"
	crosses b a 9014 8999
	file_crosses ha hb "${host4[2]}" 20
	stop_both

	step "the largest that a UDP datagram has room for"
	for each in a b; do
		must ip -n "$prefix-$each" link set wan mtu 65535
	done
	for each in ha:eth hb:eth a:home b:home; do
		must ip -n "$prefix-${each%:*}" link set "${each#*:}" mtu 65440
	done
	start_bridged
	expect_equal "the MTU" 65440 "$(mtu_of a)"
	pings ha "${host4[2]}"
	must ns ha ping -n -c 2 -i 0.2 -W 2 -M "do" -s 65412 "${host4[2]}"
	crosses b a 65454 tagged:65458
	stop_both
}

host_case() {
	local before_a before_b mac of_bridge
	before_a=$(host_state a)
	before_b=$(host_state b)
	of_bridge=$(ip -n "$prefix-a" -j link show lan | jq -r '.[0].address')
	addresses

	step "a device that is a port"
	start_bridged
	wait_for 5 "the device forwards" forwards a "$(dev a)"
	is_port a || fail "a's device is in no bridge"
	mac=$(link_of a .address)
	expect_match "an address that a bridge does not take" '^fe:' "$mac"
	expect_equal "addresses of a port" '[]' "$(ip -n "$prefix-a" -j addr show "$(dev a)" | jq -c '.[0].addr_info')"
	expect_equal "the bridge's address" "$of_bridge" "$(ip -n "$prefix-a" -j link show lan | jq -r '.[0].address')"
	pings ha "${host4[2]}"

	step "the bridge is taken away, and made anew"
	says_it_is_out a 0 ', in the bridge lan$' false || fail "status: $(cat "$tmp/status")"
	must ip -n "$prefix-a" link del lan
	wait_for 5 "it is no port" is_no_port a
	wait_for 5 "status says it" says_it_is_out a 4 ', not in the bridge lan, which is not there$' true
	expect_match "the last error" 'is not in the bridge lan any more, which is not there: ' "$(status_of a .last_error)"
	expect_equal "how often the log says it" 1 "$(grep -c 'not in the bridge lan any more' "$tmp/culvert-a.log")"
	must ip -n "$prefix-a" link add lan type bridge
	must ip -n "$prefix-a" link set home master lan
	must ip -n "$prefix-a" link set lan up
	wait_for 10 "it is a port again" is_port a
	pings ha "${host4[2]}" 10
	wait_for 5 "status says that all is well" says_it_is_out a 0 ', in the bridge lan$' false
	expect_equal "the last error" null "$(status_of a .last_error)"
	has_logged a 'is in the bridge lan again' || fail "the log does not say that it is back"

	step "somebody takes it out"
	must ip -n "$prefix-a" link set "$(dev a)" nomaster
	wait_for 5 "it is a port again" is_port a
	must ip -n "$prefix-a" link set "$(dev a)" nomaster
	must "$build/culvert" reload "$(dev a)"
	is_port a || fail "a reload does not add the device again"

	step "what a reload cannot change"
	sed -i 's/^Bridge = lan/Bridge = other/' "$(conf a)"
	refuses 'Bridge cannot change' "$build/culvert" reload "$(dev a)"
	sed -i '/^Bridge/d; s/^Mode = tap/Mode = tun/' "$(conf a)"
	refuses 'Mode, Bridge cannot change' "$build/culvert" reload "$(dev a)"

	step "what differs between the ends is said at both"
	stop_culvert a
	bring_up a
	wait_for 15 "a says it" has_logged a 'link type.*the same Mode \(tun or tap\)'
	wait_for 15 "b says it" has_logged b 'link type.*the same Mode \(tun or tap\)'
	stop_both

	step "again: the same address, and nothing left behind by a kill"
	before_a=$(host_state a)
	start_bridged
	expect_equal "the address after a restart" "$mac" "$(link_of a .address)"
	pings ha "${host4[2]}"
	kill_both a
	must ns a "$build/culvert" down "$(dev a)"
	expect_host_state a "$before_a" "after a kill"
	stop_culvert b
	expect_host_state b "$before_b" "at the end"

	step "no bridge"
	sed -i '/^Bridge/d; s/^Mode = tap/&\nBridge = nosuch/' "$(conf a)"
	expect_match "a warning" 'Bridge = nosuch: this host has no such bridge' "$("$build/culvert" check "$(conf a)" 2>&1)"
	refuses 'Bridge = nosuch: cannot add .*no such device' ns a "$build/culvert" run "$(conf a)"
	sed -i 's/^Bridge = .*/Bridge = wan/' "$(conf a)"
	expect_match "a warning of a device" 'Bridge = wan: that is no bridge' "$(ns a "$build/culvert" check "$(conf a)" 2>&1)"
	refuses 'Bridge = wan: cannot add .*no bridge' ns a "$build/culvert" run "$(conf a)"
	refuses ' --bridge wan: cannot add .*no bridge' ns a "$build/culvert" run --mode tap --bridge wan --device "$(dev a)" \
		--shared-key-file "$tmp/shared.key" --listen-port "$port"
	expect_host_state a "$before_a" "after starts that failed"

	step "the bridge that leads to the peer is not made smaller again and again"
	must ip -n "$prefix-b" addr flush dev wan
	must ip -n "$prefix-b" link set wan master lan
	address b lan 192.0.2.2/24
	write_bridged b a
	bring_up b
	must "$build/culvert" reload "$(dev b)"
	must "$build/culvert" reload "$(dev b)"
	expect_equal "the MTU" 1500 "$(mtu_of b)"
	expect_match "why" 'that of the bridge lan; packets of more than 1[34][0-9]{2} bytes go in two pieces' \
		"$(status_of b .mtu_why)"
	stop_culvert b
}

# A device that others made, one that stays, and one in a namespace where the bridge is.
devices_case() {
	addresses
	step "a device of others is in the bridge, or is not added to it"
	must ip -n "$prefix-a" tuntap add dev "$(dev a)" mode tap
	write_bridged a b
	write_bridged b a "Persistent = yes"
	refuses 'Bridge = lan: cannot add .*whoever made it adds it' ns a "$build/culvert" run "$(conf a)"
	must ip -n "$prefix-a" link set "$(dev a)" master lan
	start_both
	pings ha "${host4[2]}"
	must ip -n "$prefix-a" link set "$(dev a)" nomaster
	wait_for 5 "status says it" says_it_is_out a 4 ', not in the bridge lan, to which whoever made the device adds it$' true
	must ip -n "$prefix-a" link set "$(dev a)" master lan
	wait_for 5 "status says that all is well" says_it_is_out a 0 ', in the bridge lan$' false
	kill_hard culvert-a
	wait_for 5 "the engine has gone" no_socket_served a
	is_port a || fail "a device of others was taken out of its bridge"
	must ip -n "$prefix-a" tuntap del dev "$(dev a)" mode tap
	must ns a "$build/culvert" down "$(dev a)"

	step "one of another kind"
	must ip -n "$prefix-a" tuntap add dev "$(dev a)" mode tun
	refuses 'is a TUN device, which carries IP packets: give the tunnel Mode = tun, or choose another one with Device =, or remove it if it is of no use: ip link delete dev ' ns a "$build/culvert" run "$(conf a)"
	must ip -n "$prefix-a" tuntap del dev "$(dev a)" mode tun

	step "one that stays, in its bridge"
	stop_background culvert-b
	is_port b || fail "a device that stays is not in its bridge any more"
	start_culvert a "$(conf a)"
	start_culvert b "$(conf b)"
	wait_tunnel a
	wait_tunnel b
	pings hb "${host4[1]}"
	stop_culvert a
	stop_background culvert-b

	step "one that stays goes to another bridge"
	start_culvert a "$(conf a)"
	must ip -n "$prefix-b" link add other type bridge
	must ip -n "$prefix-b" link set other up
	sed -i 's/^Bridge = .*/Bridge = other/' "$(conf b)"
	bring_up b
	is_port_of b other || fail "it is not in the bridge that the file has now"
	end_culvert b
	is_port_of b other || fail "it is not in that bridge any more"
	sed -i 's/^Bridge = .*/Bridge = nowhere/' "$(conf b)"
	refuses 'Bridge = nowhere: cannot add .*there is no such device' ns b timeout 20 "$build/culvert" run "$(conf b)"
	is_port_of b other || fail "a start that failed took it out of its bridge"
	sed -i '/^Bridge = /d' "$(conf b)"
	bring_up b
	is_no_port b || fail "it is in a bridge that the file does not have"
	end_culvert b
	sed -i 's/^Mode = .*/&\nBridge = lan/; /^Persistent/d' "$(conf b)"
	bring_up b
	is_port b || fail "it is not in the bridge lan"
	pings hb "${host4[1]}"
	must "$build/culvert" reload "$(dev b)"
	is_port b || fail "a reload took it out of its bridge"
	stop_culvert b
	write_bridged b a "Persistent = yes"
	bring_up b
	end_culvert b
	sed -i 's/^Bridge = .*/Bridge = other/; /^Persistent/d' "$(conf b)"
	bring_up b
	is_port_of b other || fail "it is not in another bridge than the one where it stayed"
	stop_culvert b
	must ip -n "$prefix-b" link del other
	[ ! -e "/run/culvert/$(dev b).state" ] || fail "the state file is still there: $(cat "/run/culvert/$(dev b).state")"
	stop_culvert a
	write_bridged b a "Persistent = yes"

	step "a bridge in another namespace"
	add_ns c
	must ip -n "$prefix-a" link set home netns "$prefix-c"
	must ip -n "$prefix-c" link add lan type bridge
	must ip -n "$prefix-c" link set home master lan
	must ip -n "$prefix-c" link set home up
	must ip -n "$prefix-c" link set lan up
	write_bridged a b "NetworkNamespace = $prefix-c"
	start_culvert a "$(conf a)"
	start_culvert b "$(conf b)"
	wait_tunnel a
	wait_tunnel b
	pings ha "${host4[2]}"
	sleep 2 # what the monitor still does about the start would find it, too
	must ip -n "$prefix-c" link del lan
	wait_for 5 "status says it" says_it_is_out a 4 ', not in the bridge lan, which is not there$' true
	must ip -n "$prefix-c" link add lan type bridge
	must ip -n "$prefix-c" link set home master lan
	must ip -n "$prefix-c" link set lan up
	wait_for 10 "it is a port of the new bridge" port_in_c
	pings ha "${host4[2]}" 10
	must ip -n "$prefix-c" link set "$(dev a)" nomaster
	wait_for 5 "it is a port again" port_in_c
	wait_for 5 "status says that all is well" says_it_is_out a 0 ', in the bridge lan$' false
	stop_culvert a
	stop_background culvert-b
}
no_socket_served() { ! "$build/culvert" status "$(dev "$1")" >/dev/null 2>&1; }

offload_case() {
	local choice
	addresses
	for choice in off tun udp; do
		step "Offload = $choice"
		start_bridged "Offload = $choice"
		pings ha "${host4[2]}"
		crosses b a vlans
		file_crosses ha hb "${host4[2]}" 8
		file_crosses hb ha "[${host6[1]}]" 8
		stop_both
	done
}

two_ends
site a ha
site b hb
"$1_case"
pass
