#!/bin/bash
# SPDX-License-Identifier: ISC
# wg-quick's world: the stock wg-quick with a full tunnel over culvert-device, culvert strip for the stock wg, and a
# provider's file as it comes, run by culvert.
# shellcheck disable=SC2016 # other shells expand it
. "$(dirname "$0")/lib.sh"
need_culvert
ip link add name "$prefix" type wireguard 2>/dev/null && {
	ip link del "$prefix"
	skip "this kernel has WireGuard, and wg-quick would take it"
}

calls=$tmp/calls
quick() { # up|down
	ns a env PATH="$tmp/quick-bin:$PATH" WG_QUICK_USERSPACE_IMPLEMENTATION=culvert-device wg-quick "$1" "$(conf a)"
}
# Programs that wg-quick calls and that this machine may not have, or its kernel not support.
stand_in() { # NAME
	printf '#!/bin/sh\necho "%s $*" >>"%s"\nexec cat >/dev/null\n' "$1" "$calls" >"$tmp/quick-bin/$1"
	chmod 755 "$tmp/quick-bin/$1"
}
daemon_ended() { [ -z "$(ip netns pids "$prefix-a")" ]; }
route_to() { ip -n "$prefix-a" -j route get "$1" 2>/dev/null | jq -r '.[0].dev'; }

two_ends
make_keys a b
(umask 077 && wg genpsk >"$tmp/psk")
mkdir "$tmp/quick-bin"
ln -s "$(program culvert)" "$tmp/quick-bin/culvert-device"
stand_in nft
stand_in resolvconf
# What lies behind b, and which nothing but the tunnel leads to.
address b lo 203.0.113.7/32 2001:db8:77::7/128
start_device b culvert
wg_set_key b
wg_set b peer "$(public a)" preshared-key "$tmp/psk" allowed-ips "${inside4[a]}/32,${inside6[a]}/128"
inside b
must ns a sysctl -qw net.ipv4.conf.all.src_valid_mark=1 # wg-quick sets it and leaves it
before=$(host_state a)
psk="PresharedKey = $(cat "$tmp/psk")"
peer_b="PublicKey = $(public b)\n$psk\nEndpoint = $(endpoint_of b 4)"

step "wg-quick up with a full tunnel"
write_conf a "PrivateKey = $(cat "$tmp/a.key")\nFwMark = 0xca6c\nDNS = 10.9.0.2, corp.example" "$peer_b\nAllowedIPs = 0.0.0.0/0, ::/0"
must quick up
pings a 203.0.113.7
pings a 2001:db8:77::7
expect_equal "the way to anywhere" "$(dev a)" "$(route_to 198.51.100.1)"
expect_equal "the way to anywhere by IPv6" "$(dev a)" "$(route_to 2001:db8:99::1)"
pings a "${outside4[b]}"
expect_equal "the way on the cable" wan "$(route_to "${outside4[b]}")"
expect_equal "the mark of the tunnel's own packets" 0xca6c "$(shown a fwmark)"
expect_match "calls of resolvconf" "resolvconf -a $(dev a) -m 0 -x" "$(cat "$calls")"

step "culvert strip is what wg has"
sync_with() { ns a bash -c 'wg syncconf "$1" <("$2" strip "$3")' - "$(dev a)" "$build/culvert" "$1"; }
(umask 077; sed 's/^FwMark/Table = off\n&/' "$(conf a)" >"$tmp/strip.conf")
session=$(handshake_time a b)
must sync_with "$tmp/strip.conf"
expect_equal "b's handshake" "$session" "$(handshake_time a b)"
pings a "${inside4[b]}"
expect_equal "wg showconf" "$("$build/culvert" strip "$tmp/strip.conf" | grep -vE '^($|AllowedIPs)' | sort)" \
	"$(ns a wg showconf "$(dev a)" | grep -vE '^($|AllowedIPs)' | sort)"
expect_equal "allowed IPs" "0.0.0.0/0 ::/0" "$(shown a allowed-ips b)"
# wg would take nothing at all for a file without peers, and end the tunnel.
printf 'Nonsense = 1\n' >>"$tmp/strip.conf"
refuses "Nonsense.*Line unrecognized" sync_with "$tmp/strip.conf"
expect_equal "peers after a file with a mistake" "$(public b)" "$(shown a peers)"

step "wg-quick down"
must quick down
wait_for 5 "the daemon ends" daemon_ended
expect_host_state a "$before" "after wg-quick down"

step "wg setconf with key files and everything that wg does not know"
printf '%s\n' "$(cat "$tmp/psk")" >"$tmp/psk.key"
chmod 600 "$tmp/psk.key"
write_conf a "PrivateKeyFile = a.key\nFwMark = 0x77\nMTU = 1400\nPostUp = true\nTable = off\nDNS = 10.9.0.2\nUser = nobody" \
	"Name = b\nPublicKey = $(public b)\nPresharedKeyFile = psk.key\nEndpoint = $(endpoint_of b 6)\nPersistentKeepalive = 25\n$(allowed b)"
start_device a culvert
must ns a bash -c 'wg setconf "$1" <("$2" strip "$3")' - "$(dev a)" "$build/culvert" "$(conf a)"
inside a
pings_both a b
expect_equal "fwmark" 0x77 "$(shown a fwmark)"
expect_equal "keepalive" 25 "$(shown a persistent-keepalive b)"
stop_background device-a
write_shared 4
refuses "shared-key tunnel, which WireGuard does not have" "$build/culvert" strip "$(conf a)"

# provider_file ALLOWED-IPS: as a provider's web site hands it out, made on Windows.
provider_file() {
	(umask 077; sed 's/$/\r/' >"$(conf a)") <<-CONF
		# Configuration for Zoë's laptop; made on 2026-11-21
		[Interface]
		# Device: Brave Otter
		PrivateKey = $(cat "$tmp/a.key") # do not share
		Address = ${inside4[a]}/32,${inside6[a]}/128
		Address = 172.16.77.2/32
		DNS = 10.9.0.2, fd09::2
		DNS=corp.example
		MTU = 1380

		PostUp = /usr/bin/touch $tmp/up-%i; /usr/bin/test -d /sys/class/net/%i && /usr/bin/touch $tmp/up-too
		PreDown = /bin/rm $tmp/up-%i
		SaveConfig = false

		[Peer]
		# no-osl-wg-001
		PUBLICKEY=$(public b)
		$psk
		AllowedIPs=$1
		  Endpoint = $(endpoint_of b 4)
		PersistentKeepalive = 25
		# end
	CONF
}

# run_provider_file WHAT: it comes up, carries traffic and goes without a trace.
run_provider_file() {
	local file
	file=$(sha256sum "$(conf a)")
	start_on_own_host a "$(conf a)"
	wait_tunnel a
	pings a 203.0.113.7
	pings a 2001:db8:77::7
	pings_both a b
	expect_equal "MTU" 1380 "$(mtu_of a)"
	expect_equal "addresses" "10.9.0.1/32 172.16.77.2/32 fd09::1/128" "$(ip -n "$prefix-a" -j addr show dev "$(dev a)" |
		jq -r '[.[0].addr_info[] | select(.scope == "global") | "\(.local)/\(.prefixlen)"] | sort | join(" ")')"
	expect_equal "keepalive" 25 "$(shown a persistent-keepalive b)"
	expect_equal "DNS" "nameserver 10.9.0.2|nameserver fd09::2|search corp.example" \
		"$(grep -v '^#' "$host_etc/resolv.conf" | paste -sd '|')"
	[ -e "$tmp/up-$(dev a)" ] || fail "PostUp did not run"
	[ -e "$tmp/up-too" ] || fail "the second half of PostUp did not run"
	stop_culvert a
	[ ! -e "$tmp/up-$(dev a)" ] || fail "PreDown did not run"
	expect_equal "resolv.conf $1" "nameserver 192.0.2.53" "$(cat "$host_etc/resolv.conf")"
	expect_host_state a "$before" "$1"
	expect_equal "the file $1" "$file" "$(sha256sum "$(conf a)")"
}

own_host
printf 'nameserver 192.0.2.53\n' >"$host_etc/resolv.conf"

step "a provider's file, for some networks"
provider_file "203.0.113.0/24, 2001:db8:77::/48,10.9.0.0/24, fd09::/64"
must "$build/culvert" check "$(conf a)"
run_provider_file "after a provider's file"

step "a provider's file, for everything"
provider_file "0.0.0.0/0, ::/0"
run_provider_file "after a provider's file for everything"
pass
