#!/bin/sh
# SPDX-License-Identifier: ISC
# shellcheck shell=dash
# shellcheck disable=SC2034,SC1091 # netifd reads the variables; its own files are elsewhere
# netifd's handler of "option proto 'culvert'": /lib/netifd/proto/culvert.sh. What can be set is in README beside it.
#
# It makes a tunnel's file of the UCI sections and has netifd run "culvert run". Addresses, routes and name servers are
# netifd's affair, so the file has none of them: its PostUp, culvert-up, tells netifd when the device is there.

: "${CULVERT:=/usr/sbin/culvert}" "${CULVERT_FILES:=/var/run/culvert-netifd}" "${CULVERT_RETRY:=5}"

[ -n "$INCLUDE_ONLY" ] || {
	. /lib/functions.sh
	. ../netifd-proto.sh
	init_proto "$@"
}

culvert_interface_options="private_key private_key_file shared_key shared_key_file listen_port fwmark mtu user offload metrics"
culvert_peer_options="public_key preshared_key preshared_key_file persistent_keepalive cipher name"

# netifd takes an interface down and up again if one of these changes.
proto_culvert_init_config() {
	local option
	for option in $culvert_interface_options tunlink; do
		proto_config_add_string "$option"
	done
	proto_config_add_array 'addresses:list(string)'
	proto_config_add_array 'ip6prefix:list(ip6addr)'
	proto_config_add_boolean nohostroute
	no_device=1
	available=1
}

# The file's key for an option.
culvert_key_of() {
	case $1 in
	private_key) echo PrivateKey ;;
	private_key_file) echo PrivateKeyFile ;;
	shared_key) echo SharedKey ;;
	shared_key_file) echo SharedKeyFile ;;
	listen_port) echo ListenPort ;;
	fwmark) echo FwMark ;;
	mtu) echo MTU ;;
	user) echo User ;;
	offload) echo Offload ;;
	metrics) echo Metrics ;;
	public_key) echo PublicKey ;;
	preshared_key) echo PresharedKey ;;
	preshared_key_file) echo PresharedKeyFile ;;
	persistent_keepalive) echo PersistentKeepalive ;;
	cipher) echo Cipher ;;
	name) echo Name ;;
	esac
}

# Writes a line for each option that has a value, which cannot begin a line of its own. A key file is looked for in
# /etc/culvert.
culvert_write_options() { # SECTION OPTION...
	local section="$1" option value
	shift
	for option; do
		config_get value "$section" "$option"
		[ -n "$value" ] || continue
		case $option:$value in
		*_file:/*) ;;
		*_file:*) value="/etc/culvert/$value" ;;
		esac
		printf '%s = %s\n' "$(culvert_key_of "$option")" "$(printf '%s' "$value" | tr '\r\n' '  ')"
	done
}

# A list of UCI is words with blanks between.
culvert_with_commas() {
	local word all=
	for word; do
		all="${all:+$all, }$word"
	done
	echo "$all"
}

culvert_write_peer() { # SECTION
	local disabled host port ips
	config_get_bool disabled "$1" disabled 0
	[ "$disabled" = 0 ] || return 0
	printf '\n[Peer]\n'
	# shellcheck disable=SC2086 # words
	culvert_write_options "$1" $culvert_peer_options
	config_get ips "$1" allowed_ips
	# shellcheck disable=SC2086
	[ -z "$ips" ] || printf 'AllowedIPs = %s\n' "$(culvert_with_commas $ips)"
	config_get host "$1" endpoint_host
	config_get port "$1" endpoint_port 51820
	case $host in
	'') ;;
	*:*) printf 'Endpoint = [%s]:%s\n' "$(culvert_bare "$host")" "$port" ;;
	*) printf 'Endpoint = %s:%s\n' "$host" "$port" ;;
	esac
}

culvert_write_file() { # INTERFACE
	printf '# Made by netifd of /etc/config/network.\n[Interface]\n'
	# shellcheck disable=SC2086 # words
	culvert_write_options "$1" $culvert_interface_options
	printf 'Table = off\nPostUp = /lib/netifd/culvert-up %s\n' "$1"
	config_foreach culvert_write_peer "culvert_$1"
}

# An IPv6 address without its brackets.
culvert_bare() {
	local host="${1#[}"
	echo "${host%]}"
}

culvert_addresses_of() { # HOST
	case $1 in
	*:*) culvert_bare "$1" ;;
	*[!0-9.]*) resolveip -t 5 "$1" ;;
	*) echo "$1" ;;
	esac
}

# The way to a peer's endpoint must not lead into the tunnel: netifd keeps a route to each of its addresses. A name that
# has none yet is noted in culvert_unresolved.
culvert_add_dependency() { # SECTION INTERFACE TUNLINK
	local disabled host address addresses
	config_get_bool disabled "$1" disabled 0
	config_get host "$1" endpoint_host
	[ "$disabled" = 0 ] && [ -n "$host" ] || return 0
	addresses="$(culvert_addresses_of "$host")"
	[ -n "$addresses" ] || culvert_unresolved="$host"
	for address in $addresses; do
		proto_add_host_dependency "$2" "$address" "$3"
	done
}

culvert_add_dependencies() { # INTERFACE; false: a name has no address yet
	local nohostroute tunlink
	culvert_unresolved=
	config_get_bool nohostroute "$1" nohostroute 0
	config_get tunlink "$1" tunlink
	[ "$nohostroute" = 1 ] || config_foreach culvert_add_dependency "culvert_$1" "$1" "$tunlink"
	[ -z "$culvert_unresolved" ]
}

proto_culvert_setup() { # INTERFACE
	local config="$1" file="$CULVERT_FILES/$1.conf" problems

	config_load network
	(umask 077 && mkdir -p "$CULVERT_FILES" && rm -f "$file" && culvert_write_file "$config" >"$file")
	problems="$("$CULVERT" check "$file" 2>&1)" || {
		logger -t culvert -p daemon.err "$config: $problems"
		proto_notify_error "$config" BAD_CONFIG
		proto_block_restart "$config"
		proto_setup_failed "$config"
		return 1
	}
	culvert_add_dependencies "$config" || {
		logger -t culvert -p daemon.notice "$config: $culvert_unresolved has no address yet; trying again"
		sleep "$CULVERT_RETRY"
		proto_notify_error "$config" NO_ENDPOINT_ADDRESS
		proto_setup_failed "$config"
		return 1
	}
	proto_run_command "$config" "$CULVERT" run "$file"
}

culvert_add_address() { # ADDRESS[/LENGTH]
	case $1 in
	*:*/*) proto_add_ipv6_address "${1%%/*}" "${1##*/}" ;;
	*:*) proto_add_ipv6_address "$1" 128 ;;
	*/*) proto_add_ipv4_address "${1%%/*}" "${1##*/}" ;;
	*) proto_add_ipv4_address "$1" 32 ;;
	esac
}

culvert_add_route() { # PREFIX
	case $1 in
	*:*/*) proto_add_ipv6_route "${1%%/*}" "${1##*/}" ;;
	*:*) proto_add_ipv6_route "$1" 128 ;;
	*/*) proto_add_ipv4_route "${1%%/*}" "${1##*/}" ;;
	*) proto_add_ipv4_route "$1" 32 ;;
	esac
}

culvert_add_peer_routes() { # SECTION
	local disabled route ips prefix
	config_get_bool disabled "$1" disabled 0
	config_get_bool route "$1" route_allowed_ips 0
	[ "$disabled:$route" = 0:1 ] || return 0
	config_get ips "$1" allowed_ips
	for prefix in $ips; do
		culvert_add_route "$prefix"
	done
}

# The device is there: culvert-up calls this.
culvert_tell_netifd() { # INTERFACE
	local config="$1" addresses prefixes word

	config_load network
	config_get addresses "$config" addresses
	config_get prefixes "$config" ip6prefix
	proto_init_update "$config" 1
	for word in $addresses; do
		culvert_add_address "$word"
	done
	for word in $prefixes; do
		proto_add_ipv6_prefix "$word"
	done
	config_foreach culvert_add_peer_routes "culvert_$config"
	proto_send_update "$config"
}

proto_culvert_teardown() { # INTERFACE
	proto_kill_command "$1"
	rm -f "$CULVERT_FILES/$1.conf"
}

[ -n "$INCLUDE_ONLY" ] || {
	add_protocol culvert
}
