#!/bin/bash
# SPDX-License-Identifier: ISC
# wg-quick with culvert-device as its userspace implementation.
# runs: culvert
. "$(dirname "$0")/lib.sh"
need_program "$1"
ip link add name "$prefix" type wireguard 2>/dev/null && {
	ip link del "$prefix"
	skip "this kernel has WireGuard, and wg-quick would take it"
}

quick() { # up|down NS
	ns "$2" env PATH="$tmp:$PATH" WG_QUICK_USERSPACE_IMPLEMENTATION=culvert-device \
		wg-quick "$1" "$tmp/$(dev "$2").conf"
}

write_conf() { # NS PEER
	(umask 077; cat >"$tmp/$(dev "$1").conf") <<-CONF
		[Interface]
		PrivateKey = $(cat "$tmp/$1.key")
		ListenPort = $port
		Address = ${inside4[$1]}/24, ${inside6[$1]}/64
		PostUp = touch $tmp/up-%i
		PostDown = rm $tmp/up-%i
		[Peer]
		PublicKey = $(public "$2")
		Endpoint = $(endpoint_of "$2" 4)
		AllowedIPs = ${inside4[$2]}/32, ${inside6[$2]}/128, 10.77.0.0/16
	CONF
}

daemon_ended() { [ -z "$(ip netns pids "$prefix-$1")" ]; }

two_ends
make_keys a b
ln -s "$(program "$1")" "$tmp/culvert-device"
before=$(host_state a)
write_conf a b
write_conf b a

step "up"
must quick up a
must quick up b
[ -e "$tmp/up-$(dev a)" ] || fail "PostUp did not run"
pings_both a b
pings_both b a
expect_match "the route" "$(dev a)" "$(ip -n "$prefix-a" route get 10.77.1.1)"

step "down"
must quick down a
must quick down b
wait_for 5 "the daemon ends" daemon_ended a
expect_host_state a "$before" "after wg-quick down"
pass
