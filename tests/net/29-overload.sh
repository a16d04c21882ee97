#!/bin/bash
# SPDX-License-Identifier: ISC
# Both ends are given more to seal than they can, all the time: deliveries, pings, handshakes and memory stay; packets
# of one flow arrive in order.
# runs: culvert:culvert
. "$(dirname "$0")/lib.sh"
need_program "$1" && need_program "$2"
need_tool numbers

seconds=3
memory() { awk '/^VmRSS/ { print $2 }' "/proc/${pid_of[device-$1]}/status"; } # NS; kB
dropped() { ip -n "$prefix-$1" -s -j link show dev "$(dev "$1")" | jq '.[0].stats64.tx.dropped'; }
round_trip() { # microseconds, on average
	ns a ping -n -q -c 20 -i 0.05 -W 2 "${inside4[b]}" |
		awk -F '[ /]' '/^rtt/ { printf "%d", $8 * 1000 }'
}

# start_overload BYTES SEGMENTS: from both ends to the other, as much as the kernel takes. With many SEGMENTS at once it
# is far less work to send than to seal: the device's queue is never empty then.
start_overload() {
	background_in a "send-a" "$tools/numbers" send "${inside4[b]}" 7009 "$1" 100 0 "$2"
	background_in b "send-b" "$tools/numbers" send "${inside6[a]}" 7009 "$1" 100 0 "$2"
}

start_receivers() { # SECONDS
	: >"$tmp/receive-a.log"
	: >"$tmp/receive-b.log"
	background_in a receive-a "$tools/numbers" receive "${inside6[a]}" 7009 "$1"
	background_in b receive-b "$tools/numbers" receive "${inside4[b]}" 7009 "$1"
}

end_receivers() {
	local name
	for name in a b; do
		wait_for 40 "the receiver ends" gone "receive-$name"
		unset "pid_of[receive-$name]"
		printf '    at %s: %s\n' "$name" "$(tail -n 1 "$tmp/receive-$name.log")"
	done
}

arrived() { sed -n "s/.*$2=\([0-9]*\).*/\1/p" "$tmp/receive-$1.log"; } # NS WHAT

stop_overload() {
	local name
	for name in a b; do
		running "send-$name" || fail "the overload was over too early: this test shows nothing"
		stop_background "send-$name"
	done
}

in_order() {
	local name
	for name in a b; do
		expect_at_least "datagrams that $name got" 1000 "$(arrived "$name" datagrams)"
		expect_equal "datagrams behind a later one at $name" 0 "$(arrived "$name" backwards)"
		expect_equal "datagrams that were changed at $name" 0 "$(arrived "$name" corrupt)"
	done
}

# overload BYTES SEGMENTS COMMAND...: COMMAND runs meanwhile.
overload() {
	local name size=$1 segments=$2
	local -A before=([a]=$(dropped a) [b]=$(dropped b))
	shift 2
	start_receivers "$seconds"
	start_overload "$size" "$segments"
	: >"$tmp/ping-a.log"
	background_in a ping-a ping -n -i 0.01 -W 2 "${inside4[b]}"
	"$@"
	end_receivers
	wait_for 30 "a ping is answered meanwhile" answers_at_least 3
	printf '    pings answered: %s\n' "$(answers)"
	stop_background ping-a
	stop_overload
	in_order
	for name in a b; do
		expect_at_least "the fewest datagrams in half a second at $name" 1 "$(arrived "$name" least)"
		expect_at_least "packets too many at $name" $((before[$name] + 1)) "$(dropped "$name")"
	done
}
answers() { grep -c 'bytes from' "$tmp/ping-a.log"; }
answers_at_least() { [ "$(answers)" -ge "$1" ]; }

third_joins() {
	background_in c joins ping -n -i 0.2 "${inside4[a]}"
	wait_for 40 "a third end joins meanwhile" has_handshake a c
}

two_ends
third_end
two_devices "$1" "$2"
make_keys c
start_device c "$1"
wg_set_key c
wg_add_peer c a endpoint "$(endpoint_of a 4)"
wg_add_peer a c
inside c
wg_set a peer "$(public b)" endpoint "$(endpoint_of b 4)"
wg_set b peer "$(public a)" endpoint "$(endpoint_of a 4)"
pings_both a b
quick=$(round_trip)

step "small packets; a third end joins"
overload 64 1 third_joins

step "full packets"
overload 1372 1 true
declare -A memory=([a]=$(memory a) [b]=$(memory b)) # with all buffers in use for once

step "full packets, many at once"
overload 1371 40 true

step "the session is replaced meanwhile"
handshake=$(handshake_time a b)
start_receivers 6
start_overload 1372 40
wait_for 10 "datagrams arrive at a" grep -q begins "$tmp/receive-a.log"
wait_for 10 "datagrams arrive at b" grep -q begins "$tmp/receive-b.log"
(umask 077; wg genpsk >"$tmp/psk")
wg_set a peer "$(public b)" preshared-key "$tmp/psk"
wg_set b peer "$(public a)" preshared-key "$tmp/psk"
wait_for 40 "a new handshake" handshake_newer a b "$handshake"
end_receivers
in_order
start_receivers 2
end_receivers
in_order
stop_overload

step "afterwards"
for name in a b; do
	expect_at_most "the memory of $name, kB, which was ${memory[$name]}" $((memory[$name] + 4096)) "$(memory "$name")"
done
pings_both a b
quick_again=$(round_trip)
printf '    round trip: %s us, and %s us afterwards\n' "$quick" "$quick_again"
expect_at_most "round trip in us afterwards" $((quick * 10 + 20000)) "$quick_again"
pass
