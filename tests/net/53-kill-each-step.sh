#!/bin/bash
# SPDX-License-Identifier: ISC
# kill -9 of the monitor, the engine, both, after each single thing that a start, a reload and a stop do to the host, for a
# tunnel with everything on: 'culvert down' or the next start and stop leave the host as it was. kill-steps.sh does it.
. "$(dirname "$0")/lib.sh"
need_culvert
command -v strace >/dev/null || skip "strace is not installed"
strace -qq -o /dev/null true 2>/dev/null || skip "processes cannot be traced here"

name=$(dev a) hook_ip=$(command -v ip)

# A place with an /etc, a /run and a network of its own, and a tunnel's file in it.
make_place() { # PLACE
	local dir=$tmp/$1
	make_place_dirs "$1" '192.0.2.3 c.example'
	mkdir "$dir/run/resolvers"
	(umask 077; cat >"$dir/etc/culvert/$name.conf") <<-CONF
		[Interface]
		PrivateKey = $(cat "$tmp/a.key")
		Address = 10.9.0.1/24, fd09::1/64
		ListenPort = $port
		FwMark = 0x77
		DNS = 10.9.0.2, corp.example
		KillSwitch = yes
		Metrics = unix:/run/metrics.sock
		SaveConfig = true
		PreUp = :
		PostUp = $hook_ip route add 10.77.0.0/16 dev %i
		PreDown = $hook_ip route del 10.77.0.0/16 dev %i
		PostDown = :
		[Peer]
		PublicKey = $(public b)
		AllowedIPs = 0.0.0.0/0, ::/0
		Endpoint = 192.0.2.2:$port
		[Peer]
		PublicKey = $(public c)
		AllowedIPs = 10.80.0.0/24
		Endpoint = c.example:$port
	CONF
	add_ns "$1"
	# The cable's far end: what matters is the host.
	must ip -n "$prefix-$1" link add name wan type veth peer name far
	must ip -n "$prefix-$1" link set far up
	must ip -n "$prefix-$1" link set wan up
	address "$1" wan 192.0.2.1/24 2001:db8::1/64
	must ip -n "$prefix-$1" route add default via 192.0.2.254
	must ip -n "$prefix-$1" -6 route add default via 2001:db8::fe
}

# What is reloaded while the tunnel runs.
add_change() { # PLACE
	sed -e 's/fd09::1/fd0a::1/; s/10\.80\.0\.0/10.81.0.0/; s/^DNS = 10\.9\.0\.2/DNS = 10.9.0.3/' \
		-e 's/^KillSwitch = yes/KillSwitch = no/' "$tmp/$1/etc/culvert/$name.conf" >"$tmp/$1/changed.conf"
	chmod 600 "$tmp/$1/changed.conf"
}

# A resolvconf that takes its time, and keeps what it was given.
add_resolvconf() { # PLACE
	cat >"$tmp/$1/bin/resolvconf" <<-'SH'
		#!/bin/sh
		PATH=/usr/bin:/bin
		case $1 in
		-a) sleep 0.1; cat >"/run/resolvers/$2" ;;
		-d) rm -f "/run/resolvers/$2" ;;
		esac
	SH
	chmod 755 "$tmp/$1/bin/resolvconf"
}

# What SaveConfig then writes into the file.
add_set() { # PLACE
	printf 'peer %s persistent-keepalive 21' "$(public b)" >"$tmp/$1/wg-set"
}

begin() { # PLACE FIRST STEP VICTIM/REMEDY[,VICTIM/REMEDY...]...
	local place=$1
	shift
	background_in_place "$place" "$top/tests/net/kill-steps.sh" "$build/culvert" "$name" "$tmp/$place" "$@"
}

finish_place() { # PLACE: all is well, and there was something to see
	local points changed looked kills status
	wait "${pid_of[$1]}"
	status=$?
	unset "pid_of[$1]"
	read -r points kills looked changed _ < <(sed -n 's/[a-z]*=//g; $p' "$tmp/$1.log")
	step "$1: $(tail -n 1 "$tmp/$1.log")"
	[ "$status" = 0 ] || fail "$1: the host is not always as it was"
	expect_at_least "$1: things that are done to the host" 60 "$points"
	expect_at_least "$1: kills" $((places[$1] * points * 9 / 10)) "$kills"
	expect_at_least "$1: places where something is to be put back" $((looked * 2 / 3)) "$changed"
}

make_keys a b c
# How many kills there are for each point, in hundredths.
declare -A places=([files1]=2 [files2]=2 [resolvconf]=2)
for place in "${!places[@]}"; do
	make_place "$place"
done
add_change files1
add_change files2
add_resolvconf resolvconf
add_set resolvconf
# shellcheck disable=SC2054 # lists on purpose
all=(both/down both/start monitor/down,monitor/start engine/start,engine/down)
begin files1 0 2 "${all[@]}"
begin files2 1 2 "${all[@]}"
begin resolvconf 0 1 monitor/down engine/down,both/start
for place in files1 files2 resolvconf; do
	finish_place "$place"
done
pass
