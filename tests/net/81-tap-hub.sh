#!/bin/bash
# SPDX-License-Identifier: ISC
# Mode = tap with more than two ends: "hub" is a with the peers b, c and d, a small switch; "mesh" is a, b and c, each a
# switch and connected to both others, which must not send frames round and round.
# runs: hub mesh
. "$(dirname "$0")/lib.sh"
need_culvert
frames=$top/tests/net/frames.py
everybody=ff:ff:ff:ff:ff:ff
inside4[d]=10.9.0.4 inside6[d]=fd09::4

# outside NS...: a switch w with all of them.
outside() {
	local each last=0
	add_ns w "$@"
	must ip -n "$prefix-w" link add net type bridge
	must ip -n "$prefix-w" link set net up
	for each; do
		last=$((last + 1))
		cable "$each" wan w "to_$each"
		must ip -n "$prefix-w" link set "to_$each" master net
		outside4[$each]=192.0.2.$last
		address "$each" wan "192.0.2.$last/24"
	done
	make_keys "$@"
}

peer() { # NAME [LINES]
	printf 'Name = %s\nPublicKey = %s\nCipher = auto\n%b' "$1" "$(public "$1")" "${2:-}"
}
calls() { printf 'Endpoint = %s\nPersistentKeepalive = 2' "$(endpoint_of "$1" 4)"; }

mac_of() { ip -n "$prefix-$1" -j link show dev "$(dev "$1")" | jq -r '.[0].address'; }
sent_to() { status_of a ".peers[] | select(.name == \"$1\").tx_packets"; }

# listen NS...: from now on, to what comes there from an address that this test sends from.
listen() {
	local each
	for each; do
		: >"$tmp/ears-$each.log"
		heard_before[$each]=1 # that it listens
		background_in "$each" "ears-$each" python3 "$frames" receive "$(dev "$each")" 02:cf:00:00:00
	done
	for each; do
		wait_for 10 "$each listens" grep -q listening "$tmp/ears-$each.log"
	done
}
declare -A heard_before=()
heard() { tail -n "+$((${heard_before[$1]} + 1))" "$tmp/ears-$1.log"; } # NS: since the last expect_heard
has_heard() { [ "$(heard "$1" | wc -l)" -ge "$2" ]; }
send() { # NS FROM TO KIND...
	local name=$1
	shift
	ns "$name" python3 "$frames" send "$(dev "$name")" "$@" >"$tmp/sent" || fail "cannot send"
}

# expect_heard WHAT NS=all|none...: all that was sent last, once each, or nothing of it.
expect_heard() {
	local what=$1 each
	shift
	for each; do
		[ "${each#*=}" = none ] || within 5 has_heard "${each%=*}" "$(wc -l <"$tmp/sent")"
	done
	for each; do
		if [ "${each#*=}" = all ]; then
			heard "${each%=*}" | sort | cmp -s - <(sort "$tmp/sent") ||
				fail "$what, at ${each%=*}: $(diff <(sort "$tmp/sent") <(heard "${each%=*}" | sort))"
		else
			expect_equal "$what: at ${each%=*}" "" "$(heard "${each%=*}")"
		fi
	done
	for each; do
		heard_before[${each%=*}]=$(wc -l <"$tmp/ears-${each%=*}.log")
	done
}

hub_case() {
	local here=02:cf:00:00:00:01 moving=02:cf:00:00:00:02 unknown=02:cf:00:00:00:03 each before_c before_d
	outside a b c d
	write_conf a "PrivateKeyFile = a.key\nMode = tap\nMTU = 1500\nMetrics = unix:$tmp/metrics" \
		"$(peer b)" "$(peer c)" "$(peer d)"
	for each in b c d; do
		write_conf "$each" "PrivateKeyFile = $each.key\nMode = tap\nMTU = 1500" "$(peer a "$(calls a)")"
	done
	for each in a b c d; do
		start_culvert "$each" "$(conf "$each")"
	done
	for each in a b c d; do
		wait_tunnel "$each"
	done

	step "everybody reaches everybody"
	for each in b c d; do
		pings a "${inside4[$each]}"
	done
	pings_both b c
	pings_both c d
	pings b "$(ip -n "$prefix-c" -j addr show "$(dev c)" |
		jq -r '.[].addr_info[]? | select(.scope == "link").local')%$(dev b)"

	step "what is for one goes to one"
	before_c=$(sent_to c) before_d=$(sent_to d)
	must ns b ping -n -q -c 100 -i 0.01 -W 2 "${inside4[c]}"
	expect_at_least "packets to c" 100 "$(($(sent_to c) - before_c))"
	expect_at_most "packets to d" 20 "$(($(sent_to d) - before_d))"
	listen a b c d
	send b "$here" "$(mac_of c)" sizes
	expect_heard "to c" a=none b=none c=all d=none

	step "what is for all goes to all, once"
	send b "$here" "$everybody" types vlans
	expect_heard "to all" a=all b=none c=all d=all
	send a "$here" 33:33:00:00:00:77 types
	expect_heard "from the hub to all" a=none b=all c=all d=all

	step "what nobody knows goes to all"
	send b "$here" "$unknown" types
	expect_heard "to an unknown address" a=all b=none c=all d=all

	step "an address that moves"
	for each in c d a; do
		send "$each" "$moving" "$here" 60
		wait_for 5 "b hears of $each" has_heard b 1
		expect_heard "from $each" a=none b=all c=none d=none
		send b "$here" "$moving" types
		case $each in
		a) expect_heard "to the hub" a=all b=none c=none d=none ;;
		c) expect_heard "to c" a=none b=none c=all d=none ;;
		d) expect_heard "to d" a=none b=none c=none d=all ;;
		esac
	done

	step "the metrics tell how many addresses are behind whom"
	expect_match "b's" '^culvert_ethernet_addresses\{.*friendly_name="b"\} [1-9]' \
		"$(curl -sS --max-time 10 --unix-socket "$tmp/metrics" http://localhost/metrics | grep 'ethernet_addresses{.*"b"')"
	for each in a b c d; do
		stop_culvert "$each"
	done
}

mesh_case() {
	local here=02:cf:00:00:00:01 there=02:cf:00:00:00:02 each mtu
	outside a b c
	write_conf a "PrivateKeyFile = a.key\nMode = tap" "$(peer b "$(calls b)")" "$(peer c "$(calls c)")"
	write_conf b "PrivateKeyFile = b.key\nMode = tap" "$(peer a "$(calls a)")" "$(peer c "$(calls c)")"
	write_conf c "PrivateKeyFile = c.key\nMode = tap" "$(peer a "$(calls a)")" "$(peer b "$(calls b)")"
	for each in a b c; do
		start_culvert "$each" "$(conf "$each")"
	done
	for each in a b c; do
		wait_tunnel "$each"
	done
	pings_both a b
	pings_both b c
	pings_both c a

	step "what is for all goes to all, once"
	listen a b c
	send a "$here" "$everybody" types
	expect_heard "from a" a=none b=all c=all
	send b "$here" "$everybody" types
	expect_heard "from b" a=all b=none c=all
	send c "$here" "$everybody" types
	expect_heard "from c" a=all b=all c=none

	step "the largest frame, tagged, leaves in one piece"
	mtu=$(mtu_of a)
	expect_match "the MTU" '^(1401|1385)$' "$mtu" # by the tag of the longest cipher that there is
	capture a pieces 'ip[6:2] & 0x3fff != 0 or less 100'
	send b "$there" "$everybody" 60 tagged:64 # so that it is known in the VLAN, too
	expect_heard "from b" a=all b=none c=all
	send a "$here" "$there" "$((mtu + 14))" "tagged:$((mtu + 18))"
	expect_heard "of the largest size" a=none b=all c=none
	must ns a ping -n -c 1 -W 2 "${outside4[b]}"
	wait_for 5 "the ping is captured" captured_any pieces icmp
	expect_equal "pieces of packets" 0 "$(captured pieces 'ip[6:2] & 0x3fff != 0')"
	stop_background pieces
	tcp_both_ways a b "${inside4[b]}"
	for each in a b c; do
		stop_culvert "$each"
	done
}

"$1_case"
pass
