#!/bin/bash
# SPDX-License-Identifier: ISC
# The tunnel works where the device, the kernel or the path lacks an offload: a is a culvert that lacks it, b lacks it
# as well ("both"), is a culvert that has all ("one"), or a wireguard-go. tests/net/refuse.c plays the kernel's part,
# and tells what is in use.
# "words" is about what an administrator chooses: Offload and CULVERT_OFFLOAD.
# runs: both:device both:sockets both:words one:device one:sockets one:words go:device go:sockets go:words
. "$(dirname "$0")/lib.sh"
kind=$1 other=culvert
[ "$kind" != go ] || other=go
need_program "$other" && need_program culvert
for tool in sizes numbers plaintun refuse.so; do
	need_tool "$tool"
done

# start_refused NS WORDS [COMMAND...]: a culvert engine whose kernel refuses WORDS; COMMAND is what starts it.
start_refused() {
	local name=$1 words=$2
	shift 2
	: >"$tmp/device-$name.log"
	background_in "$name" "device-$name" env LOG_LEVEL=verbose CULVERT_OFFLOAD="${choice:-}" "$@" \
		env CULVERT_TEST_REFUSE="$words" LD_PRELOAD="$tools/refuse.so" "$build/culvert-device" -f "$(dev "$name")"
	wait_for 10 "culvert answers on its control socket" control_answers "$name"
}

# start_ends WORDS [plain]: a is afflicted, and b as $kind says. plain: a device without virtio_net_hdr.
start_ends() {
	local name
	for name in a b; do
		if afflicted "$name"; then
			start_refused "$name" "$1" ${2:+"$tools/plaintun" "$(dev "$name")"}
		else
			start_device "$name" "$other"
		fi
		wg_set_key "$name"
		inside "$name"
	done
	wg_add_peer a b endpoint "$(endpoint_of b 4)"
	wg_add_peer b a
}
afflicted() { [ "$1" = a ] || [ "$kind" = both ]; }

# flow FROM TO ADDRESS SEGMENTS: UDP packets, as many as SEGMENTS at once as QUIC sends them; content and order are
# looked at. The first is there: if it took a refusal, what was refused has not been lost. A busy machine may lose
# others.
flow() {
	background_in "$2" "numbers-$2" "$tools/numbers" receive "$3" 7009 10 2000
	wait_for 5 "the receiver listens" udp_bound "$2" 7009
	must ns "$1" "$tools/numbers" send "$3" 7009 1200 0.5 4800 "$4"
	wait_for 15 "the receiver is done" gone "numbers-$2"
	unset "pid_of[numbers-$2]"
	expect_match "what came of 2400 datagrams" '^datagrams=2[0-9]{3} first=0 backwards=0 corrupt=0 ' \
		"$(tail -n 1 "$tmp/numbers-$2.log")"
}

works_inside4() {
	pings_both a b
	flow a b "${inside4[b]}" 20
	flow b a "${inside4[a]}" 20
	tcp_both_ways a b "${inside4[b]}"
}

works() {
	works_inside4
	every_size a b "${inside4[b]}" $((1420 - 28))
	# From here on over IPv6: what is known of the one family says nothing about the other.
	wg_set a peer "$(public b)" endpoint "$(endpoint_of b 6)"
	pings_both a b
	endpoint_is b a "$(endpoint_of a 6)" || fail "b sends to $(shown b endpoints a)"
	tcp_both_ways b a "${inside6[a]}"
	flow a b "${inside6[b]}" 1
}

log_of() { # NS: of the engine alone, or of a whole tunnel
	local log=$tmp/device-$1.log
	[ -e "$log" ] || log=$tmp/culvert-$1.log
	printf '%s' "$log"
}
saw() { grep -qE "^refuse: .*($2)" "$(log_of "$1")" || fail "$1 did not use or meet: $2"; } # NS REGEX
saw_not() { ! grep -E "^refuse: .*($2)" "$(log_of "$1")" || fail "$1 used or met what it must not: $2"; }

# expect_used TOLD USED NOT-USED: what the last log line about it says, and what refuse.so saw, in regexes; USED are
# lines.
expect_used() {
	local name used
	for name in a b; do
		afflicted "$name" || continue
		expect_match "the log of $name" "offload: $1\$" "$(grep -a 'offload: ' "$(log_of "$name")" | tail -n 1)"
		[ -z "$3" ] || saw_not "$name" "$3"
		while read -r used; do
			[ -z "$used" ] || saw "$name" "$used"
		done <<<"$2"
	done
}

# case_of TOLD USED NOT-USED: traffic of all kinds, what is used for it, and all down again.
case_of() {
	works
	expect_used "$@"
	stop_background device-a
	stop_background device-b
}

lines() { printf '%s\n' "$@"; }

refused='was refused'
super='saw a super-packet from the device'
merged='saw a merged write to the device'
segment='saw UDP_SEGMENT'
datagrams='saw merged datagrams'
# Nobody merges on this wire: it is what the other end sent merged.
if_sent_merged=$datagrams
[ "$kind" != both ] || if_sent_merged=
all='device TCP\+UDP, sockets send\+receive'

device_cases() {
	step "nothing is refused"
	start_ends ""
	case_of "$all" "$(lines "$super" "$merged" "$segment" "$datagrams")" "$refused"

	step "a device without virtio_net_hdr"
	start_ends "" plain
	case_of 'device none \(.*IFF_VNET_HDR\), sockets send\+receive' "$segment" "$super|$merged"

	step "no USO"
	start_ends uso
	case_of 'device TCP \(UDP: .*\), sockets send\+receive' \
		"$(lines "TUNSETOFFLOAD $refused" "$super" "$merged" "$segment")" ""

	step "no TUNSETOFFLOAD"
	start_ends offload
	case_of 'device none \(.*\), sockets send\+receive' "$(lines "TUNSETOFFLOAD $refused" "$segment")" "$super|$merged"

	step "no merged writes"
	start_ends merged
	case_of 'device none \(.*refuses merged packets\), sockets send\+receive' \
		"$(lines "a merged write $refused" "$super" "$segment")" "$merged"

	step "no merged writes, which nobody knew before the first one"
	start_ends long
	case_of 'device none \(.*refuses merged packets\), sockets send\+receive' \
		"$(lines "a merged write $refused" "$super" "$segment")" ""
}

sockets_cases() {
	local error
	step "UDP_SEGMENT: unknown"
	start_ends segment
	case_of 'device TCP\+UDP, sockets receive \(send: .*\)' \
		"$(lines "the option UDP_SEGMENT $refused" "$super" "$merged" "$if_sent_merged")" "$segment"

	step "UDP_SEGMENT: EIO"
	start_ends eio
	case_of 'device TCP\+UDP, sockets receive \(send: refused by .*\)' \
		"$(lines "UDP_SEGMENT $refused" "$super" "$merged" "$if_sent_merged")" "$segment|refused many times"

	for error in einval emsgsize; do
		step "UDP_SEGMENT: $error"
		start_ends "$error"
		case_of "$all" "$(lines "UDP_SEGMENT $refused" "$super" "$merged" "$if_sent_merged")" \
			"$segment|refused many times"
	done

	step "no UDP_GRO"
	start_ends gro
	case_of 'device TCP\+UDP, sockets send \(receive: .*\)' "$(lines "UDP_GRO $refused" "$super" "$segment")" \
		"$datagrams"

	step "a path whose MTU is below the datagrams'"
	for name in a b; do
		afflicted "$name" || continue
		must ip -n "$prefix-$name" route replace 192.0.2.0/24 dev wan mtu lock 1300
		must ip -n "$prefix-$name" -6 route replace 2001:db8::/64 dev wan proto kernel mtu lock 1300
	done
	start_ends ""
	case_of "$all" 'the kernel refused UDP_SEGMENT' ""
}

# each_choice COMMAND: COMMAND TOLD USED NOT-USED JSON for each word.
each_choice() {
	for choice in off tun udp auto; do
		step "$choice"
		case $choice in
		off) "$1" 'device none \(.*\), sockets none \(.*\)' "" "$super|$merged|$segment|$datagrams" '[[],[]]' ;;
		tun) "$1" 'device TCP\+UDP, sockets none \(.*\)' "$(lines "$super" "$merged")" "$segment|$datagrams" \
			'[["tcp","udp"],[]]' ;;
		udp) "$1" 'device none \(.*\), sockets send\+receive' "$(lines "$segment" "$if_sent_merged")" \
			"$super|$merged" '[[],["send","receive"]]' ;;
		auto) "$1" "$all" "$(lines "$super" "$merged" "$segment" "$datagrams")" "" \
			'[["tcp","udp"],["send","receive"]]' ;;
		esac
	done
}

# Whole tunnels, by Offload in the file.
choice_in_file() {
	local name
	write_shared 4 "Offload = $choice"
	for name in a b; do
		: >"$tmp/culvert-$name.log"
		background_in "$name" "culvert-$name" env LD_PRELOAD="$tools/refuse.so" "$build/culvert" run "$(conf "$name")"
	done
	wait_tunnel a
	wait_tunnel b
	works_inside4
	expect_used "$@"
	for name in a b; do
		expect_equal "$name's status" "$4" "$(status_of "$name" '.offload | [.device, .sockets]' | jq -c .)"
	done
	stop_both
}

# The engine alone, by CULVERT_OFFLOAD; the other end is as always.
choice_in_environment() {
	start_ends ""
	case_of "$@"
}

words_cases() {
	if [ "$kind" = both ]; then
		each_choice choice_in_file
	else
		each_choice choice_in_environment
		refuses "'auto', 'off', 'tun' or 'udp'" env CULVERT_OFFLOAD=some "$build/culvert-device" -f "$(dev a)"
	fi
}

two_ends
make_keys a b
"$2_cases"
pass
