#!/bin/bash
# SPDX-License-Identifier: ISC
# contrib/openwrt: its handler run by the shells that routers have, with a stand-in for netifd and UCI that notes what it
# is called with; culvert check accepts the files it makes; and the package's makefile puts everything in its place.
. "$(dirname "$0")/lib.sh"
need dash dash
need busybox busybox

culvert=$build/culvert
lib=$tmp/lib # stands for /lib
mkdir -p "$lib/netifd/proto" "$tmp/bin"
for file in culvert.sh:proto/culvert.sh culvert-up:culvert-up; do
	sed "s,/lib/\(functions\|netifd/\(netifd\|proto\)\),$lib/\1,; s,/var/run/,$tmp/run/,; s,/usr/sbin/culvert,$culvert," \
		"$top/contrib/openwrt/files/${file%%:*}" >"$lib/netifd/${file##*:}"
done
key=$("$culvert" genkey)
public=$("$culvert" genkey | "$culvert" pubkey)
(umask 077; "$culvert" genpsk >"$tmp/shared.key")

# UCI: "SECTION TYPE" and "SECTION.OPTION=VALUE" lines of $UCI_FILE; a list's values have blanks between.
cat >"$lib/functions.sh" <<'FUNCTIONS'
config_load() { [ "$1" = network ]; }
config_get() {
	local _found
	_found="$(sed -n "s/^$2\.$3=//p" "$UCI_FILE")"
	eval "$1=\"\${_found:-\$4}\""
}
config_get_bool() { config_get "$@"; }
config_foreach() {
	local section function="$1" type="$2"
	shift 2
	for section in $(sed -n "s/^\([^ .=]*\) $type$/\1/p" "$UCI_FILE"); do
		"$function" "$section" "$@"
	done
}
FUNCTIONS
# netifd: every function is noted.
cat >"$lib/netifd/netifd-proto.sh" <<'NETIFD'
for name in proto_config_add_string proto_config_add_array proto_config_add_boolean proto_add_host_dependency \
	proto_run_command proto_kill_command proto_notify_error proto_block_restart proto_setup_failed proto_init_update \
	proto_add_ipv4_address proto_add_ipv6_address proto_add_ipv4_route proto_add_ipv6_route proto_add_ipv6_prefix \
	proto_send_update; do
	eval "$name() { echo $name \"\$@\" >>\"\$CALLS\"; }"
done
init_proto() { wanted="$1" action="$2" interface="$3"; }
add_protocol() {
	[ "$1" = "$wanted" ] || return 0
	case $action in
	dump) "proto_$1_init_config"; echo "no_device=$no_device available=$available" >>"$CALLS" ;;
	*) "proto_$1_$action" "$interface" ;;
	esac
}
NETIFD
cat >"$tmp/bin/resolveip" <<'RESOLVEIP'
#!/bin/sh
case $3 in
b.example.net) echo 192.0.2.2; echo 2001:db8::2 ;;
*) exit 1 ;;
esac
RESOLVEIP
cat >"$tmp/bin/logger" <<'LOGGER'
#!/bin/sh
echo "logger $*" >>"$CALLS"
LOGGER
chmod +x "$tmp/bin/"*
export PATH=$tmp/bin:$PATH CALLS=$tmp/calls UCI_FILE=$tmp/uci CULVERT_RETRY=0

handler() { # ACTION: as netifd calls it, in its directory
	: >"$CALLS"
	(cd "$lib/netifd/proto" && $shell ./culvert.sh culvert "$1" office '{}' '')
}
file=$tmp/run/culvert-netifd/office.conf
calls() { grep -E "$1" "$CALLS"; }

write_uci() { # LINE...: more
	cat >"$UCI_FILE" <<-UCI
		office interface
		office.private_key=$key
		office.addresses=10.9.0.1/30 fd00:9::1 10.9.9.9
		office.ip6prefix=2001:db8:9::/48
		office.listen_port=51820
		office.mtu=1400
		siteb culvert_office
		siteb.name=site b
		siteb.public_key=$public
		siteb.endpoint_host=b.example.net
		siteb.allowed_ips=10.9.0.2/32 192.168.2.0/24 fd00:2::/64 10.1.1.1 fd00:3::1
		siteb.route_allowed_ips=1
		siteb.persistent_keepalive=25
		siteb.cipher=auto
	UCI
	printf '%s\n' "$@" >>"$UCI_FILE"
}

test_dump() {
	handler dump
	[ "$(calls '^proto_config_add_string (private_key|shared_key_file|listen_port|metrics)$' | wc -l)" = 4 ] ||
		wrong "options that netifd is told of: $(cat "$CALLS")"
	calls '^no_device=1 available=1$' >/dev/null || wrong "the protocol is not available, or wants a device"
}

test_setup() {
	write_uci
	handler setup || wrong "setup failed: $(cat "$CALLS")"
	expect_equal "the file" "# Made by netifd of /etc/config/network.
[Interface]
PrivateKey = $key
ListenPort = 51820
MTU = 1400
Table = off
PostUp = /lib/netifd/culvert-up office

[Peer]
PublicKey = $public
PersistentKeepalive = 25
Cipher = auto
Name = site b
AllowedIPs = 10.9.0.2/32, 192.168.2.0/24, fd00:2::/64, 10.1.1.1, fd00:3::1
Endpoint = b.example.net:51820" "$(cat "$file")"
	expect_equal "the file's mode, and its directory's" "600 700" "$(stat -c %a "$file" "${file%/*}" | paste -sd ' ')"
	"$culvert" check "$file" || wrong "culvert check does not accept it"
	expect_equal "the calls of setup" "proto_add_host_dependency office 192.0.2.2 
proto_add_host_dependency office 2001:db8::2 
proto_run_command office $culvert run $file" "$(cat "$CALLS")"
}

test_up() {
	write_uci
	: >"$CALLS"
	$shell "$lib/netifd/culvert-up" office || wrong "culvert-up failed"
	expect_equal "the calls when the device is there" "proto_init_update office 1
proto_add_ipv4_address 10.9.0.1 30
proto_add_ipv6_address fd00:9::1 128
proto_add_ipv4_address 10.9.9.9 32
proto_add_ipv6_prefix 2001:db8:9::/48
proto_add_ipv4_route 10.9.0.2 32
proto_add_ipv4_route 192.168.2.0 24
proto_add_ipv6_route fd00:2:: 64
proto_add_ipv4_route 10.1.1.1 32
proto_add_ipv6_route fd00:3::1 128
proto_send_update office" "$(cat "$CALLS")"
	! $shell "$lib/netifd/culvert-up" 2>/dev/null || wrong "culvert-up without a name is no error"
}

# A peer that is switched off, one without routes, literal addresses, tunlink, nohostroute.
test_variants() {
	local other
	other=$("$culvert" genkey | "$culvert" pubkey)
	write_uci "office.tunlink=wan" "off culvert_office" "off.disabled=1" "off.endpoint_host=off.example.net" \
		"off.allowed_ips=10.3.0.0/16" "off.route_allowed_ips=1" "six culvert_office" "six.public_key=$other" \
		"six.endpoint_host=2001:db8::6" "six.endpoint_port=1234" "six.allowed_ips=10.4.0.0/16"
	handler setup || wrong "setup failed: $(cat "$CALLS")"
	"$culvert" check "$file" || wrong "culvert check does not accept it"
	grep -qx 'Endpoint = \[2001:db8::6\]:1234' "$file" || wrong "an IPv6 endpoint: $(grep Endpoint "$file")"
	! grep -q '10\.3\.0\.0\|off\.example' "$file" || wrong "a peer that is switched off is in the file"
	expect_equal "the dependencies" "office 192.0.2.2 wan
office 2001:db8::2 wan
office 2001:db8::6 wan" "$(calls dependency | cut -d ' ' -f 2-)"
	: >"$CALLS"
	$shell "$lib/netifd/culvert-up" office
	! calls 'route 10\.[34]' || wrong "routes nobody asked for"
	write_uci "office.nohostroute=1"
	handler setup || wrong "setup failed: $(cat "$CALLS")"
	! calls dependency || wrong "dependencies despite nohostroute"
}

test_shared_key() {
	cat >"$UCI_FILE" <<-UCI
		office interface
		office.shared_key_file=$tmp/shared.key
		b culvert_office
		b.endpoint_host=192.0.2.7
	UCI
	handler setup || wrong "setup failed: $(cat "$CALLS")"
	"$culvert" check "$file" || wrong "culvert check does not accept the shared key's file"
	sed -i "s,=$tmp/shared.key,=shared.key," "$UCI_FILE"
	handler setup && wrong "a key file that is not there is no error"
	grep -qx 'SharedKeyFile = /etc/culvert/shared.key' "$file" || wrong "key files are not looked for in /etc/culvert"
}

test_errors() {
	write_uci "office.offload=perhaps"
	! handler setup || wrong "setup of a wrong section succeeds"
	calls '^logger .*office.conf:[0-9]+: .*perhaps' >/dev/null || wrong "the log does not say what is wrong: $(cat "$CALLS")"
	expect_equal "the calls" "proto_notify_error office BAD_CONFIG
proto_block_restart office
proto_setup_failed office" "$(calls ^proto)"
	write_uci
	sed -i 's/b.example.net/unknown.example.net/' "$UCI_FILE"
	! handler setup || wrong "setup without an endpoint's address succeeds"
	expect_equal "the calls without an address" "proto_notify_error office NO_ENDPOINT_ADDRESS
proto_setup_failed office" "$(calls ^proto)"
	calls '^logger .*unknown.example.net' >/dev/null || wrong "the log does not name it"
	# A line's end in a value, which is a hook then.
	write_uci
	printf 'import\nPostUp = reboot\n' >"$tmp/value"
	UCI_FILE=$tmp/uci $shell -c "INCLUDE_ONLY=1; . $lib/functions.sh; . $lib/netifd/netifd-proto.sh
		. $lib/netifd/proto/culvert.sh
		config_get() { eval \"\$1=\\\"\\\$(cat $tmp/value)\\\"\"; }
		culvert_write_options siteb name" >"$tmp/line"
	expect_equal "a line's end in a value" "Name = import PostUp = reboot" "$(cat "$tmp/line")"
}

test_teardown() {
	write_uci
	handler setup
	handler teardown || wrong "teardown failed"
	expect_equal "the calls of teardown" "proto_kill_command office" "$(cat "$CALLS")"
	[ ! -e "$file" ] || wrong "the file with the key is left"
}

# The part of OpenWrt's build system that the makefiles use.
test_makefile() {
	mkdir -p "$tmp/openwrt"
	: >"$tmp/openwrt/rules.mk"
	cat >"$tmp/openwrt/package.mk" <<-'STUB'
		INSTALL_DIR = install -d -m0755
		INSTALL_BIN = install -m0755
		CP = cp -fpR
		define BuildPackage
		$(1)-install: ; $$(call Package/$(1)/install,$$(OUT))
		endef
	STUB
	make_alone install DESTDIR="$tmp/made" prefix=/usr exec_prefix=/usr sbindir=/usr/sbin >"$tmp/log" 2>&1 ||
		fail "make install: $(tail "$tmp/log")"
	(cd "$top/contrib/openwrt" && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s culvert-install TOPDIR="$tmp/openwrt" \
		INCLUDE_DIR="$tmp/openwrt" PKG_INSTALL_DIR="$tmp/made" OUT="$tmp/out") || wrong "the makefile"
	expect_equal "the package's files" "etc/culvert
lib/netifd/culvert-up
lib/netifd/proto/culvert.sh
usr/sbin/culvert
usr/sbin/culvert-device" "$(cd "$tmp/out" && find . ! -type d -printf '%P\n' -o -path ./etc/culvert -printf '%P\n' | sort)"
}

for shell in dash "busybox ash"; do
	printf '== %s\n' "$shell"
	test_dump
	test_setup
	test_up
	test_variants
	test_shared_key
	test_errors
	test_teardown
done
test_makefile
pass
