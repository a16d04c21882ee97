#!/bin/bash
# SPDX-License-Identifier: ISC
# A full tunnel: what goes through it and what does not, what others remove, and that all of it is undone.
. "$(dirname "$0")/lib.sh"
need_culvert

way() { ip -n "$prefix-a" -j route get "$@" 2>/dev/null | jq -r '.[0].dev'; }
valid_mark() { ns a cat /proc/sys/net/ipv4/conf/all/src_valid_mark; }
mark_of() { printf '0x%x' "$(status_of "$1" ".fwmark // 0")"; }
state_file() { printf '/run/culvert/%s.state' "$(dev a)"; }
no_state() { [ ! -e "$(state_file)" ]; }
down() { ns a "$build/culvert" down "$(dev a)"; }

# start_with ALLOWED-IPS [4|6|ENDPOINT] [INTERFACE-LINES]
start_with() {
	local endpoint=${2:-4}
	[ ${#endpoint} -gt 1 ] || endpoint=$(endpoint_of b "$endpoint")
	write_conf a "PrivateKeyFile = a.key\n${3:-}" "PublicKey = $(public b)\nAllowedIPs = $1\nEndpoint = $endpoint"
	start_culvert a "$(conf a)"
}
start_up() {
	start_with "$@"
	wait_tunnel a
}
stop_and_compare() {
	stop_culvert a
	expect_host_state a "$before" "after $1"
	no_state || fail "$1: a state file is left: $(cat "$(state_file)")"
}
expect_way() { expect_equal "the device on the way to $1" "$2" "$(way "$1")"; }

# expect_outside: what must never go into the tunnel: its own packets, the local network.
expect_outside() {
	expect_equal "the way of sealed packets" wan "$(way "${outside4[b]}" mark "$(mark_of a)")"
	expect_equal "the way of sealed packets" wan "$(way "${outside6[b]}" mark "$(mark_of a)")"
	expect_way "${outside4[m_a]}" wan
	expect_way "${outside6[m_a]}" wan
	pings a "${outside4[m_a]}"
	pings a "${outside6[m_a]}"
}

two_ends_with_middle
far_side
own_names a
make_keys a b
write_conf b "PrivateKeyFile = b.key" "PublicKey = $(public a)\n$(allowed a)"
bring_up b
pings a "$far4"
pings a "$far6"
tun=$(dev a)
before=$(host_state a)

step "IPv4 alone"
start_up "0.0.0.0/0, ${inside6[b]}/128"
expect_way "$far4" "$tun"
expect_way "$far6" wan
expect_way "${inside6[b]}" "$tun"
expect_outside
expect_equal "src_valid_mark" 1 "$(valid_mark)"
pings a "$far4"
first_mark=$(mark_of a)
stop_and_compare "a full tunnel for IPv4"

step "IPv6 alone, over IPv6"
start_up "::/0, ${inside4[b]}/32" 6
expect_way "$far4" wan
expect_way "$far6" "$tun"
expect_outside
expect_equal "src_valid_mark" 0 "$(valid_mark)"
pings a "$far6"
expect_equal "the mark, once more" "$first_mark" "$(mark_of a)"
stop_and_compare "a full tunnel for IPv6"

step "both; src_valid_mark that was 1 before stays; FwMark of the file"
must ns a sysctl -qw net.ipv4.conf.all.src_valid_mark=1
with_mark=$(host_state a)
start_up "0.0.0.0/0, ::/0" 4 "FwMark = 0x4242"
expect_equal "the mark" 0x4242 "$(mark_of a)"
expect_match "the rules" "not from all fwmark 0x4242 lookup 16962" "$(ip -n "$prefix-a" rule)"
expect_way "$far4" "$tun"
expect_way "$far6" "$tun"
expect_outside
pings a "$far4"
pings a "$far6"
stop_culvert a
expect_host_state a "$with_mark" "after a full tunnel for both"
must ns a sysctl -qw net.ipv4.conf.all.src_valid_mark=0

step "two halves; a prefix with the endpoint in it, as an address and as a name"
start_up "0.0.0.0/1, 128.0.0.0/1"
expect_way "$far4" "$tun"
expect_outside
pings a "$far4"
stop_and_compare "two halves"
start_up "198.51.100.0/24, ${inside4[b]}/32, ${inside6[b]}/128"
expect_way 198.51.100.77 "$tun"
expect_way "$far4" wan
expect_outside
pings_both a b
stop_and_compare "an endpoint inside AllowedIPs"
start_up "198.51.100.0/24, ${inside4[b]}/32, ${inside6[b]}/128" "hub.example:$port"
expect_way 198.51.100.77 "$tun"
expect_equal "the mark before the name has an address" 0x0 "$(mark_of a)"
add_name a hub.example "${outside4[b]}"
wait_for 15 "the name is looked up" has_logged a "hub.example is ${outside4[b]}"
pings_both a b
expect_way 198.51.100.77 "$tun"
expect_outside
stop_and_compare "a name inside AllowedIPs"

step "what others remove comes back, what others made stays"
must ip -n "$prefix-a" rule add not fwmark 0x4242 lookup 16962 priority 31821
start_up "0.0.0.0/0, ::/0" 4 "FwMark = 0x4242"
all=$(host_state a)
for family in 4 6; do
	must ip -n "$prefix-a" -"$family" rule del priority 31820
	wait_for 5 "the rule for local networks is back" host_state_is a "$all"
	must ip -n "$prefix-a" -"$family" route flush table 16962
	wait_for 5 "the routes are back" host_state_is a "$all"
done
pings a "$far6"
stop_culvert a
expect_match "a rule like ours that somebody else made" 31821 "$(ip -n "$prefix-a" rule)"
must ip -n "$prefix-a" rule del priority 31821
expect_host_state a "$before" "after rules and routes that others removed"

step "wg syncconf keeps the mark; without it the tunnel is degraded"
start_up "0.0.0.0/0, ::/0"
first_mark=$(mark_of a)
"$build/culvert" strip "$(conf a)" >"$tmp/stripped"
must ns a wg syncconf "$tun" "$tmp/stripped"
expect_equal "the mark after syncconf" "$first_mark" "$(mark_of a)"
pings a "$far4"
must ns a "$build/culvert" status "$tun" >"$tmp/status"
must ns a wg set "$tun" fwmark off
ns a "$build/culvert" status "$tun" >"$tmp/status"
expect_equal "exit status without the mark" 4 $?
grep -q "wg set $tun fwmark $first_mark" "$tmp/status" || fail "what to do is not told: $(cat "$tmp/status")"
must ns a wg set "$tun" fwmark "$first_mark"
pings a "$far4"
stop_and_compare "a mark that was off for a while"

step "a pause"
start_up "0.0.0.0/0, ::/0"
must ns a "$build/culvert" pause "$tun" 2
expect_way "$far4" wan
expect_way "$far6" wan
pings a "$far4"
back() { [ "$(way "$far4")$(way "$far6")" = "$tun$tun" ]; }
wait_for 5 "the pause ends" back
stop_and_compare "a pause"

step "reload: from a split tunnel to a full one and back"
start_up "${inside4[b]}/32, ${inside6[b]}/128"
split=$(host_state a)
sed -i 's|^AllowedIPs = .*|AllowedIPs = 0.0.0.0/0, ::/0|' "$(conf a)"
must ns a "$build/culvert" reload "$tun"
expect_way "$far4" "$tun"
expect_outside
pings a "$far4"
pings a "$far6"
sed -i 's|^PrivateKeyFile.*|&\nFwMark = 7|' "$(conf a)"
refuses "FwMark cannot change" ns a "$build/culvert" reload "$tun"
sed -i '/^FwMark/d' "$(conf a)"
sed -i "s|^AllowedIPs = .*|AllowedIPs = ${inside4[b]}/32, ${inside6[b]}/128|" "$(conf a)"
must ns a "$build/culvert" reload "$tun"
expect_host_state a "$split" "after a reload back to a split tunnel"
pings_both a b
stop_and_compare "reloads"

step "two full tunnels at once, one for each family, then both for IPv4"
start_up "0.0.0.0/0"
sed "s|^AllowedIPs = .*|AllowedIPs = ::/0|; s|^Address.*|Address = 10.9.7.1/32, fd09:7::1/128|; /^ListenPort/d" "$(conf a)" >"$tmp/${tun}x.conf"
chmod 600 "$tmp/${tun}x.conf"
background_in a second "$build/culvert" run "$tmp/${tun}x.conf"
second_up() { [ "$("$build/culvert" status --json "${tun}x" | jq -r '.tunnels[0].state')" = running ]; }
wait_for 10 "the second tunnel comes up" second_up
expect_way "$far4" "$tun"
expect_way "$far6" "${tun}x"
expect_outside
pings a "$far4"
sed -i 's|^AllowedIPs = .*|AllowedIPs = 0.0.0.0/0, ::/0|' "$tmp/${tun}x.conf"
must ns a "$build/culvert" reload "${tun}x"
expect_way "$far4" "$tun"
pings a "$far4"
stop_culvert a
expect_way "$far4" "${tun}x"
expect_equal "src_valid_mark while the second tunnel needs it" 1 "$(valid_mark)"
stop_background second
expect_host_state a "$before" "after two tunnels"
sed -i "s|^PrivateKeyFile.*|&\nFwMark = 0x4242|" "$tmp/${tun}x.conf"
start_up "0.0.0.0/0" 4 "FwMark = 0x4242"
refuses "another tunnel with this mark" ns a timeout 20 "$build/culvert" run "$tmp/${tun}x.conf"
stop_and_compare "a second tunnel with the same mark"

step "somebody removes the device"
start_up "0.0.0.0/0, ::/0"
must ip -n "$prefix-a" link del "$tun"
wait_for 10 "culvert ends" gone culvert-a
expect_equal "what the log says" 1 "$(logged a "somebody has removed the device $tun, .*taking the tunnel down")"

step "killed: the engine; the monitor; both; then 'culvert down', or the next start"
start_up "0.0.0.0/0, ::/0"
kill -9 "$(engine_pid a)"
wait_for 10 "culvert ends" gone culvert-a
expect_host_state a "$before" "after kill -9 of the engine"
refuses "nothing to put back|usage" sh -c "ip netns exec $prefix-a $build/culvert down $tun; exit 1"
for victims in monitor both; do
	start_up "0.0.0.0/0, ::/0"
	refuses "is running" down
	engine=$(engine_pid a)
	kill -9 "$(status_of a .pid)"
	[ $victims = monitor ] || kill -9 "$engine"
	wait_for 10 "the device goes" no_device a
	! no_state || fail "there is no state file after kill -9"
	[ "$(host_state a)" != "$before" ] || fail "kill -9 leaves nothing behind: this test shows nothing"
	must down
	expect_host_state a "$before" "after kill -9 ($victims) and culvert down"
	no_state || fail "culvert down leaves the state file"
	must down
done
start_up "0.0.0.0/0, ::/0"
kill_hard culvert-a
wait_for 10 "the device goes" no_device a
start_up "::/0"
expect_way "$far4" wan
expect_way "$far6" "$tun"
stop_and_compare "a start after kill -9"

step "a start that fails half way"
for hook in PreUp PostUp; do
	start_with "0.0.0.0/0, ::/0" 4 "$hook = exit 3"
	wait_for 10 "culvert gives up: $hook" gone culvert-a
	expect_host_state a "$before" "after a failing $hook"
	no_state || fail "$hook: a state file is left"
done
must ip -n "$prefix-a" route add default dev wan table 16962
taken=$(host_state a)
start_with "0.0.0.0/0, ::/0" 4 "FwMark = 0x4242"
wait_for 10 "culvert gives up: the table has a default route" gone culvert-a
expect_host_state a "$taken" "after a start whose route is taken"
must ip -n "$prefix-a" route del default dev wan table 16962

step "a strict filter of the outer device is named"
must ns a sysctl -qw net.ipv4.conf.wan.rp_filter=1
start_up "0.0.0.0/0"
has_logged a "net.ipv4.conf.wan.rp_filter=2" || fail "there is no warning of the filter"
! ping_once a "$far4" || fail "the filter lets everything pass: the warning is wrong"
must ns a sysctl -qw net.ipv4.conf.wan.rp_filter=2
pings a "$far4" 15
stop_culvert a
must ns a sysctl -qw net.ipv4.conf.wan.rp_filter=0
expect_host_state a "$before" "after a strict filter"

step "/proc is read-only: a warning, no more"
write_conf a "PrivateKeyFile = a.key" \
	"PublicKey = $(public b)\nAllowedIPs = 0.0.0.0/0\nEndpoint = $(endpoint_of b 4)"
background_in a culvert-a unshare -m sh -c "mount -t proc -o ro proc /proc && exec $build/culvert run $(conf a)"
wait_tunnel a
has_logged a "src_valid_mark.*Read-only" || fail "there is no warning"
expect_way "$far4" "$tun"
pings a "$far4"
stop_and_compare "a read-only /proc"
pass
