#!/bin/bash
# SPDX-License-Identifier: ISC
# The files in conf/, with keys and addresses filled in as their comments say, do what they say.
. "$(dirname "$0")/lib.sh"
need_culvert

# take EXAMPLE NS: a copy whose name is the device's; key files are beside it under their own names.
take() { (umask 077; cp "$top/conf/$1.conf" "$(conf "$2")"); }
new_key() { (umask 077; "$build/culvert" genkey >"$tmp/$1.key") && "$build/culvert" pubkey <"$tmp/$1.key" >"$tmp/$1.pub"; }
fill() { # NS KEY VALUE: the first such line
	grep -q "^$2 = " "$(conf "$1")" || fail "the example for $1 has no line $2"
	sed -i "0,/^$2 = .*/s||$2 = $3|" "$(conf "$1")"
}
site_network() { # NS ADDRESS/LEN: a network at home
	must ip -n "$prefix-$1" link add home type veth peer name desk
	must ip -n "$prefix-$1" link set home up
	must ip -n "$prefix-$1" link set desk up
	address "$1" home "$2"
}

two_ends
own_names a
own_names b

step "site-a and site-b"
new_key site-a
new_key site-b
take site-a a
take site-b b
fill a PublicKey "$(public site-b)"
fill b PublicKey "$(public site-a)"
fill a Endpoint "$(endpoint_of b 4)"
fill b Endpoint "$(endpoint_of a 4)"
site_network a 192.168.1.1/24
site_network b 192.168.2.1/24
must "$build/culvert" check "$(conf a)"
must "$build/culvert" check "$(conf b)"
start_both
pings a 10.9.0.2
must ns a ping -n -c 2 -i 0.2 -W 2 -I 192.168.1.1 192.168.2.1
must ns b ping -n -c 2 -i 0.2 -W 2 -I 192.168.2.1 192.168.1.1
stop_both

step "shared-key, on both ends"
(umask 077; "$build/culvert" genpsk >"$tmp/shared.key")
take shared-key a
take shared-key b
fill a Endpoint "$(endpoint_of b 4)"
fill b Endpoint "$(endpoint_of a 4)"
fill b Address 10.9.1.2/30
start_both
pings a 10.9.1.2
pings b 10.9.1.1
stop_both

step "bridge, on both ends"
(umask 077; "$build/culvert" genpsk >"$tmp/bridge.key")
take bridge a
take bridge b
fill a Endpoint "$(endpoint_of b 4)"
fill b Endpoint "$(endpoint_of a 4)"
for name in a b; do
	must ip -n "$prefix-$name" link add br0 type bridge
	must ip -n "$prefix-$name" link set br0 up
done
sed -i 's/^# \(PostUp\|PreDown\) = /\1 = /' "$(conf a)"
address a br0 10.9.9.1/24
address b br0 10.9.9.2/24
must "$build/culvert" check "$(conf a)"
start_both
pings a 10.9.9.2
pings b 10.9.9.1
expect_equal "the rules for TCP's segments" 2 "$(ns a nft list table bridge culvert | grep -c 'maxseg size set 1341')"
stop_both
refuses 'No such file' ns a nft list table bridge culvert
must ip -n "$prefix-b" link del br0

step "hub and road-warrior"
new_key hub
new_key road-warrior
(umask 077; "$build/culvert" genpsk >"$tmp/road-warrior.psk")
take hub a
take road-warrior b
fill a PublicKey "$(public road-warrior)"
fill b PublicKey "$(public hub)"
fill b Endpoint "$(endpoint_of a 4)"
start_both
pings b 10.9.2.1
pings b fd00:9:2::1
pings a 10.9.2.2
must ns b ping -n -c 2 -i 0.2 -W 2 192.168.1.1
stop_both

step "road-warrior, with everything through the hub"
sed -i '/^AllowedIPs/d; s/^# \(AllowedIPs\|KillSwitch\) = /\1 = /' "$(conf b)"
before=$(host_state b)
start_both
pings b 10.9.2.1
pings b fd00:9:2::1
must ns b ping -n -c 2 -i 0.2 -W 2 192.168.1.1
expect_equal "the way to anywhere" "$(dev b)" "$(ip -n "$prefix-b" -j route get 203.0.113.7 | jq -r '.[0].dev')"
expect_equal "the kill switch" on "$(status_of b .kill_switch)"
stop_both
expect_host_state b "$before" "after a full tunnel"
pass
