#!/bin/bash
# SPDX-License-Identifier: ISC
# Every system call of the monitor and of the engine fails once, by itself, while a tunnel with everything on starts, is used,
# reloaded and stopped: it goes on or ends with a clear message, never hangs, never crashes, and the host is as it was.
# fail-calls.sh does it. calls: a fixed choice that takes a minute; all: each of them; resources: memory is refused once, at
# any time, and only so many descriptors are allowed.
# runs: calls resources
. "$(dirname "$0")/lib.sh"
need_culvert
command -v strace >/dev/null || skip "strace is not installed"
strace -qq -o /dev/null -e trace=none -e inject=getpid:error=EPERM true 2>/dev/null || skip "processes cannot be traced here"

case ${1:-calls} in
calls) most=4 ;;
all) most=0 ;;
resources)
	need_tool allocs.so
	! ldd "$build/culvert" | grep -q libasan || skip "a sanitizer has the allocations for itself"
	most=$tools/allocs.so
	;;
esac
workers=3
hook=$(command -v true)

# A place with an /etc, a /run and a network of its own, a tunnel's file in it, and a peer at the other end of a cable.
make_place() { # PLACE
	local dir=$tmp/$1 name=$prefix$1
	make_place_dirs "$1" '192.0.2.2 b.example'
	(umask 077; cat >"$dir/etc/culvert/$name.conf") <<-CONF
		[Interface]
		PrivateKey = $(cat "$tmp/a.key")
		Address = 10.9.0.1/24, fd09::1/64
		ListenPort = $port
		DNS = 10.9.0.2, corp.example
		KillSwitch = yes
		SaveConfig = true
		PostUp = $hook
		[Peer]
		PublicKey = $(public b)
		AllowedIPs = 0.0.0.0/0, ::/0
		Endpoint = b.example:$port
	CONF
	sed -e 's/fd09::1/fd0a::1/; s/^DNS = 10\.9\.0\.2/DNS = 10.9.0.3/' -e 's/^KillSwitch = yes/KillSwitch = no/' \
		"$dir/etc/culvert/$name.conf" >"$dir/changed.conf"
	chmod 600 "$dir/changed.conf"
	add_ns "$1" "$1p"
	cable "$1" wan "$1p" wan
	address "$1" wan 192.0.2.1/24 2001:db8::1/64
	address "$1p" wan 192.0.2.2/24 2001:db8::2/64
	must ip -n "$prefix-$1" route add default via 192.0.2.254
	must ip -n "$prefix-$1" -6 route add default via 2001:db8::fe
	(umask 077; cat >"$(conf "$1p")") <<-CONF
		[Interface]
		PrivateKey = $(cat "$tmp/b.key")
		Address = 10.9.0.2/24
		ListenPort = $port
		[Peer]
		PublicKey = $(public a)
		AllowedIPs = 10.9.0.1/32
	CONF
	bring_up "$1p"
}

begin() { # PLACE FIRST
	background_in_place "$1" "$top/tests/net/fail-calls.sh" "$build/culvert" "$prefix$1" "$tmp/$1" 10.9.0.2 "$2" "$workers" "$most"
}

make_keys a b
for ((worker = 0; worker < workers; worker++)); do
	make_place "p$worker"
done
for ((worker = 0; worker < workers; worker++)); do
	begin "p$worker" "$worker"
done
for ((worker = 0; worker < workers; worker++)); do
	wait "${pid_of[p$worker]}"
	status=$?
	unset "pid_of[p$worker]"
	step "$(tail -n 1 "$tmp/p$worker.log")"
	[ "$status" = 0 ] || fail "a system call that fails once is one too many"
	[ "${1:-}" != resources ] || continue
	read -r points tried injected refused _ < <(sed -n 's/[a-z]*=//g; $p' "$tmp/p$worker.log")
	expect_at_least "system calls that can fail" 100 "$points"
	expect_at_least "calls that did" $((tried * 8 / 10)) "$injected"
	expect_at_least "starts that were refused by that" 5 "$refused"
done
pass
