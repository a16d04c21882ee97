#!/bin/bash
# SPDX-License-Identifier: ISC
# doc/TUTORIAL, chapters 3 and 4: two sites move from WireGuard, or from OpenVPN with a static key, to culvert, with the
# document's files and commands: one end, back again, both ends.
# runs: wireguard openvpn
. "$(dirname "$0")/tutorial.sh"
need_culvert

on_both() { # COMMAND-LINE
	types a "$1"
	types b "$1"
}
sites() { # each site's network is reached from the other, both ways
	reaches a 192.168.2.1
	reaches b 192.168.1.1
}
cipher_at() { on "$1" "culvert status --json $2" | jq -r '.tunnels[0].peers[0].session_cipher'; } # NS TUNNEL
route_of() { ip -n "$prefix-$1" -j route get "$2" | jq -r '.[0].dev'; }                          # NS ADDRESS

two_ends
for name in a b; do
	make_host "$name"
	host_name "$name" site-a.example.net "${outside4[a]}"
	host_name "$name" site-b.example.net "${outside4[b]}"
	must ip -n "$prefix-$name" link add lan type veth peer name desk
	must ip -n "$prefix-$name" link set lan up
	must ip -n "$prefix-$name" link set desk up
done
address a lan 192.168.1.1/24
address b lan 192.168.2.1/24
before=$(host_state a)

from_wireguard() {
	local end=
	command -v wg-quick >/dev/null || skip "there is no wg-quick"
	ls /lib/systemd/system/wg-quick@.service >/dev/null 2>&1 || skip "there is no wg-quick@.service, which this test runs"
	ip link add name "$prefix" type wireguard 2>/dev/null && ip link del "$prefix" ||
		command -v wireguard-go >/dev/null || skip "there is no WireGuard, neither in the kernel nor wireguard-go"
	read_chapter 3
	make_keys a b
	for end in a b; do
		know "PUBLIC-KEY-OF-SITE-${end^^}" "$(public "$end")"
		know "PRIVATE-KEY-OF-SITE-${end^^}" "$(cat "$tmp/$end.key")"
	done
	know PRESHARED-KEY "$(wg genpsk)"
	put a wg0-a.conf /etc/wireguard/wg0.conf
	put b wg0-b.conf /etc/wireguard/wg0.conf

	step "WireGuard at both ends"
	on_both "systemctl enable --now wg-quick@wg0"
	sites

	step "culvert at A, WireGuard at B"
	types a "install -m 600 /etc/wireguard/wg0.conf /etc/culvert/wg0.conf"
	types a "culvert check wg0"
	types a "systemctl disable --now wg-quick@wg0"
	types a "systemctl enable --now culvert@wg0"
	types a "ping -c 2 10.9.3.2"
	types a "culvert status wg0"
	sites
	types a "wg syncconf wg0 <(culvert strip wg0)"
	sites
	expect_equal "A's cipher" chacha20-poly1305 "$(cipher_at a wg0)"

	step "back again"
	types a "systemctl disable --now culvert@wg0"
	expect_host_state a "$before" "after culvert"
	types a "systemctl enable --now wg-quick@wg0"
	sites
	types a "systemctl disable --now wg-quick@wg0"
	types a "systemctl enable --now culvert@wg0"
	sites

	step "culvert at both ends"
	types b "install -m 600 /etc/wireguard/wg0.conf /etc/culvert/wg0.conf"
	types b "culvert check wg0"
	types b "systemctl disable --now wg-quick@wg0"
	types b "systemctl enable --now culvert@wg0"
	types b "ping -c 2 10.9.3.1"
	sites

	step "culvert's own dialect"
	types a "sed -i '/^\\[Peer\\]/a Cipher = auto' /etc/culvert/wg0.conf"
	types a "culvert reload wg0"
	cut_off b 10.9.3.1
	logs b wg0 "the peer speaks the other dialect"
	types b "sed -i '/^\\[Peer\\]/a Cipher = auto' /etc/culvert/wg0.conf"
	types b "culvert reload wg0"
	sites
	expect_equal "A's file" 1 "$(grep -c '^Cipher = auto' "$(host_dir a)/etc/culvert/wg0.conf")"
	must on a "systemctl disable --now culvert@wg0"
}

# static_key_mode: how this openvpn has it. Sets $allowing to the line that it wants in the file, if any.
static_key_mode() {
	local allow=allow-deprecated-insecure-static-crypto
	command -v openvpn >/dev/null || skip "there is no openvpn"
	ls /lib/systemd/system/openvpn@.service >/dev/null 2>&1 || skip "there is no openvpn@.service, which this test runs"
	must openvpn --genkey secret "$tmp/static.key"
	allowing=
	openvpn --test-crypto --cipher AES-256-CBC --secret "$tmp/static.key" >/dev/null 2>&1 && return
	allowing=$allow
	openvpn --test-crypto --cipher AES-256-CBC --secret "$tmp/static.key" "--$allow" >/dev/null 2>&1 ||
		skip "this openvpn has no static-key mode any more"
	quoted "$allow"
}

from_openvpn() {
	local end mtu
	read_chapter 4
	static_key_mode
	for end in a b; do
		put "$end" "openvpn-$end.conf" /etc/openvpn/office.conf
		[ -z "$allowing" ] || echo "$allowing" >>"$(host_dir "$end")/etc/openvpn/office.conf"
		must install -m 600 "$tmp/static.key" "$(host_dir "$end")/etc/openvpn/static.key"
	done

	step "OpenVPN at both ends"
	on_both "systemctl enable --now openvpn@office"
	sites

	step "culvert beside it"
	types a "(umask 077; culvert genpsk >/etc/culvert/office.key)"
	must install -m 600 "$(host_dir a)/etc/culvert/office.key" "$(host_dir b)/etc/culvert/office.key"
	for end in a b; do
		put "$end" "office-$end.conf" /etc/culvert/office.conf
	done
	on_both "culvert check office"
	on_both "systemctl enable --now culvert@office"
	on_both "culvert status office"
	types a "ping -c 2 10.9.1.2"
	types a "ping -c 2 -M do -s 1376 10.9.1.2"
	mtu=$(on a "culvert status --json office" | jq '.tunnels[0].mtu')
	! on a "ping -n -c 1 -W 1 -M do -s $((mtu - 27)) 10.9.1.2" >/dev/null 2>&1 || fail "more than the MTU passes"
	expect_equal "A's way to B's network" tun0 "$(route_of a 192.168.2.1)"
	sites

	step "the cut-over"
	on_both "systemctl disable --now openvpn@office"
	on_both "sed -i 's/^#AllowedIPs/AllowedIPs/' /etc/culvert/office.conf"
	on_both "culvert reload office"
	types a "ping -c 2 192.168.2.1"
	expect_equal "A's way to B's network" office "$(route_of a 192.168.2.1)"
	sites

	step "the way back"
	on_both "sed -i 's/^AllowedIPs/#AllowedIPs/' /etc/culvert/office.conf"
	on_both "culvert reload office"
	on_both "systemctl enable --now openvpn@office"
	expect_equal "A's way to B's network" tun0 "$(route_of a 192.168.2.1)"
	sites
	must on a "systemctl disable --now culvert@office"
	must on a "systemctl disable --now openvpn@office"
}

case $1 in
wireguard) from_wireguard ;;
openvpn) from_openvpn ;;
esac
all_typed a b
expect_host_state a "$before" "at the end"
pass
